"""`python -m orcabatch` is `orcabatch`: the command line in a process of its own."""

from __future__ import annotations

import atexit
import sys
from typing import NoReturn

from orcabatch import console, own_thread
from orcabatch.cli import main as command_line
from orcabatch.win32 import end_now


def main() -> int:
    """Run it, and return its exit code."""
    console.claim()
    console.crash_without_a_dialog()
    return command_line()


def process() -> NoReturn:
    """The whole process: ends with the exit code."""
    codes = list[int]()
    atexit.register(_end, codes)  # before anybody else does: what comes first is called last
    codes.append(main())
    sys.exit(codes[0])


def _end(codes: list[int]) -> None:
    """Where a thread of ours hangs, in OrcaFlex or in a share that is gone: no library may wait for what it has."""
    if codes and own_thread.are_left():
        console.flush_streams()
        end_now(codes[0])


if __name__ == "__main__":
    process()
