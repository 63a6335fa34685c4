"""Measuring: the virtual host that judges the controllers, the suite, the peers. Never imported by the library."""
