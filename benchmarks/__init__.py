"""The laboratory: controllers on a virtual host, prediction, replay, what the broker saves. Not in the wheel."""
