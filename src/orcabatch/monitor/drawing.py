"""Drawing in the background (`orcabatch.background`): a console that takes nothing never holds up the run.

    display ── say, draw ──> Drawer ── its thread ──> the terminal, the pipe, the file

Covers which stream it is drawn on. Does not cover what is drawn (`displays`, `dashboard`).
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import IO

from orcabatch.background import Background
from orcabatch.text import class_home


class Drawer(Background):
    """Writes to a stream in the background.

    A stream without a descriptor of the system's (a notebook, a buffer) is held by nothing: it is written to at once.

    Args:
        stream: what is drawn on.

    Attributes:
        stream: what the steps have to write to: the same place, and no lock that the interpreter's end waits for.
    """

    def __init__(self, stream: IO[str]) -> None:
        own = _own_stream(stream)
        self._given = stream
        self.stream = stream if own is None else own
        super().__init__("orcabatch-draws", own_thread=own is not None)

    def _ended(self) -> None:
        if self.stream is not self._given:
            with suppress(OSError):  # what is left in it was said to be left out
                self.stream.close()


def terminal_of(stream: IO[str]) -> IO[str]:
    """The stream behind colorama's.

    digitalmodel has colorama take the escape codes out of whatever goes through `sys.stderr`, for the whole process;
    a display that draws over itself needs them.
    """
    if class_home(type(stream)).startswith("colorama.") and sys.__stderr__ is not None:
        return sys.__stderr__
    return stream


def _own_stream(stream: IO[str]) -> io.TextIOWrapper | None:
    """Another stream to the same place; None where the system does not know the place.

    A thread that is stuck in a write has the stream's lock. Python's end would wait for that, and then crash.
    """
    if type(stream) is not io.TextIOWrapper:
        return None
    try:
        descriptor = os.dup(stream.fileno())
    except (OSError, ValueError):
        return None
    return os.fdopen(descriptor, "w", buffering=1, encoding=stream.encoding, errors=stream.errors)
