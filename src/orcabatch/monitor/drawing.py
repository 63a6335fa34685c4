"""Drawing on a thread of its own: a console that takes nothing, and a share that hangs, never hold up the run.

    listener ── say, draw ──> Aside ── its thread ──> the terminal, the pipe, the file

A write to a terminal waits for as long as that is held: where somebody clicked into the window of a Windows console,
after Ctrl-S, where nobody reads the pipe. The run goes on meanwhile. What is said is kept in its order, as far as there
is room for it; of what is drawn only the newest is; what does not get out by the end is left.

Covers when and where it is drawn. Does not cover what (`displays`, `dashboard`, `live_report`).
"""

from __future__ import annotations

import atexit
import io
import os
import sys
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import IO

from orcabatch.console import awaited_end
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s
from orcabatch.text import class_home

Step = Callable[[], object]

MOST_SAID = 1_000
"""Lines that wait for a terminal that takes none. Fewer: failures are left out that it would have taken a moment later.
More: nobody reads them there."""

PATIENCE_S = 10.0
"""How long the end waits for what has not got out yet. Less: on a busy host the last line is missing. More: whoever
called waits for a console that is held, with all results written."""

LAST_MOMENT_S = 0.5
"""How long Python's end waits for a thread that was not waited for to its end. Less: where the console was given free a
moment ago, the cursor stays hidden. More: a program waits for a console that is held with nothing left to do."""


class Aside:
    """Does steps on a thread of its own, and never has its caller wait for them.

    Args:
        own_thread: False: nothing can hold up a step, which is done at once. So it is where no thread is to be had.

    Attributes:
        left_out: whether something that was said did not get out.
    """

    def __init__(self, *, own_thread: bool = True) -> None:
        self.left_out = False
        # Of what a signal's handler may call, which stops the thread that it calls from wherever that is: no locks.
        self._told: SimpleQueue[bool] = SimpleQueue()
        self._said: deque[Step] = deque()
        self._drawn: deque[Step] = deque(maxlen=1)
        self._error: Exception | None = None
        self._thread: OwnThread | None = None
        if own_thread:
            try:
                self._thread = OwnThread(self._live, "orcabatch-draws")
                self._thread.start()
            except RuntimeError:  # none to be had
                self._thread = None

    def say(self, step: Step) -> None:
        """Have it done after what was said before.

        Raises:
            Exception: what an earlier step ended with; nothing is done any more.
        """
        if len(self._said) >= MOST_SAID:
            self.left_out = True
            return
        self._said.append(step)
        self._tell()

    def draw(self, step: Step) -> None:
        """Have it done instead of what is still to be drawn.

        Raises:
            Exception: as above.
        """
        self._drawn.append(step)
        self._tell()

    def close(self, patience_s: float | None = None) -> None:
        """Wait so long for what is still to be done, and no longer; None: until it is.

        Raises:
            Exception: as above.
        """
        if self._thread is None:
            self._ended()
            return
        self._told.put(False)
        if not awaited_end(self._thread, None if patience_s is None else awake_s() + patience_s):
            self.left_out = True
            _given_up.add(self._thread)
        self._complain()

    def _ended(self) -> None:
        """Nothing more will be done."""

    def _tell(self) -> None:
        self._complain()
        if self._thread is None:
            self._do()
        elif self._told.empty():  # else it will look after this, and at this as well
            self._told.put(True)

    def _complain(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            self.left_out = True
            raise error

    def _do(self) -> None:
        for steps in (self._said, self._drawn):
            while (step := _first(steps)) is not None:
                step()

    def _live(self) -> None:
        try:
            while self._told.get():
                self._do()
            self._do()
        except Exception as error:  # noqa: BLE001 - whoever asks next gets it
            self._error = error
        finally:
            self._ended()


class Drawer(Aside):
    """Writes to a stream aside.

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
        super().__init__(own_thread=own is not None)

    def _ended(self) -> None:
        if self.stream is not self._given:
            with suppress(OSError):  # what is left in it was said to be left out
                self.stream.close()


_given_up: weakref.WeakSet[OwnThread] = weakref.WeakSet()


def _end_with_python() -> None:
    """What the program said last got out, or there was none: a console that takes it again has them draw the end."""
    deadline = awake_s() + LAST_MOMENT_S
    for thread in list(_given_up):
        awaited_end(thread, deadline)


atexit.register(_end_with_python)


def _first(steps: deque[Step]) -> Step | None:
    try:
        return steps.popleft()
    except IndexError:
        return None


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
