"""`python -m orcabatch` is `orcabatch`: the command line in a process of its own."""

from __future__ import annotations

import sys

from orcabatch import console
from orcabatch.cli import main as command_line


def main() -> int:
    """Run it, and return its exit code."""
    console.claim()
    console.crash_without_a_dialog()
    return command_line()


if __name__ == "__main__":
    sys.exit(main())
