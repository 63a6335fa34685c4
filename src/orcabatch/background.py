"""Steps on a thread of their own: whoever has them done is not held up by what takes nothing, and goes on.

    caller ── say, draw ──> Background ── its thread ──> the terminal, the pipe, the file, the user's log handlers

A write to a terminal waits for as long as that is held: where somebody clicked into the window of a Windows console,
after Ctrl-S, where nobody reads the pipe; one to a share that hangs, until that answers. What is said is kept in its
order, as far as there is room for it; of what is drawn only the newest is; what does not get out by the end is left.

Covers when steps are done. Does not cover what they do (`orcabatch.monitor`, `orcabatch.engine.logs`).
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from orcabatch.console import awaited_end
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s

Step = Callable[[], object]

MOST_SAID = 100_000
"""Lines that wait for a terminal or handler that takes none. Fewer: lines are left out that it would have taken later.
More: memory, of which one that was logged takes about a kilobyte."""

PATIENCE_S = 10.0
"""How long the end waits for the next line to get out. Less: on a busy host the last line is missing. More: whoever
called waits for a console that is held, with all results written."""

LAST_MOMENT_S = 0.5
"""How long Python's end waits for a thread that was not waited for to its end. Less: where the console was given free a
moment ago, the cursor stays hidden. More: a program waits for a console that is held with nothing left to do."""


class Background:
    """Does steps on a thread of its own, and never has its caller wait long for them.

    Args:
        name: of the thread.
        own_thread: False: nothing can hold up a step, which is done at once; as is one where no thread is to be had.
        last_moment_s: how long Python's end waits for it; None: as long as it takes, since its steps write to a stream
            of Python's own. A thread that is stuck in one has its lock, without which the interpreter aborts.

    Attributes:
        left_out: whether something that was said did not get out.
    """

    def __init__(self, name: str, *, own_thread: bool = True, last_moment_s: float | None = LAST_MOMENT_S) -> None:
        self.left_out = False
        self._last_moment_s = last_moment_s
        # Of what a signal's handler may call, which stops the thread that it calls from wherever that is: no locks.
        self._told: SimpleQueue[bool] = SimpleQueue()
        self._said: deque[Step] = deque()
        self._drawn: deque[Step] = deque(maxlen=1)
        self._late = threading.Event()
        self._late.set()
        self._error: Exception | None = None
        self._thread: OwnThread | None = None
        if own_thread:
            try:
                self._thread = OwnThread(self._live, name)
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

    def say_and_wait(self, step: Step, moment_s: float) -> None:
        """As `say`, and wait so long until it is done; not where one is not done that was waited for in vain.

        Raises:
            Exception: as above.
        """
        if threading.current_thread() is self._thread or not self._late.is_set():
            self.say(step)
            return
        done = threading.Event()

        def do() -> None:
            step()
            done.set()

        self.say(do)
        if not done.wait(moment_s):
            self._late = done

    def draw(self, step: Step) -> None:
        """Have it done instead of what is still to be drawn.

        Raises:
            Exception: as above.
        """
        self._drawn.append(step)
        self._tell()

    def close(self, patience_s: float | None = None) -> None:
        """Wait until all is done, as long as no step takes longer than that; None: however long they take.

        Raises:
            Exception: as above.
        """
        if self._thread is None:
            self._ended()
            return
        _ending[self._thread] = self._last_moment_s  # here: a signal may tear the wait
        self._told.put(False)
        left = len(self._said)
        while not awaited_end(self._thread, None if patience_s is None else awake_s() + patience_s):
            before, left = left, len(self._said)
            if left == before:
                self.left_out = True
                break
        self._complain()
        if not self._thread.is_alive():
            self._do()  # what was said when it had looked for the last time

    def _ended(self) -> None:
        """Nothing more will be done."""

    def _tell(self) -> None:
        self._complain()
        if self._thread is None or not self._thread.is_alive():  # over, or of the process that this one was forked from
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


_ending: weakref.WeakKeyDictionary[OwnThread, float | None] = weakref.WeakKeyDictionary()
"""Threads that were asked to end, and how long Python's end waits for each."""


def _end_with_python() -> None:
    """What the program said last got out, or there was none: a console that takes it again has them draw the end."""
    now_s = awake_s()
    for thread, last_moment_s in list(_ending.items()):
        awaited_end(thread, None if last_moment_s is None else now_s + last_moment_s)


atexit.register(_end_with_python)


def _first(steps: deque[Step]) -> Step | None:
    try:
        return steps.popleft()
    except IndexError:
        return None
