"""Ctrl-C: once to finish what is loaded, twice to leave.

Covers SIGINT, SIGTERM, SIGHUP (a terminal that is closed) and Ctrl-Break while a batch runs in the main thread, and
giving them back afterwards. Does not cover what the dispatcher, and who concludes a run after it, do about it. In any
other thread no handler can be set: there a batch is stopped by closing its iterator.

The first signal raises nothing, so that the caller's own code between two outcomes is not torn apart either. The second
raises KeyboardInterrupt where somebody else's code holds the thread (the post-process of a serial run, or the caller's
loop); the dispatcher itself is woken and leaves. That takes moments, in which nothing of ours is torn apart: threads,
locks and records would be left. Nor is what follows once it is settled how the run ended (`settle`): a signal waits
until all that it holds is given back. Where either takes longer than `PATIENCE_S`, each further signal raises.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from orcabatch.engine.foreign import tear

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

PATIENCE_S = 5.0
"""How long a run may take to leave before a signal tears it out of that. Less: threads, locks and descriptors are left
where a disk is slow. More: where a share hangs, Ctrl-C does nothing for so long."""


class StopSignal:
    """How urgently a run is asked to stop.

    Attributes:
        level: 0 not asked, 1 finish what runs, 2 and more leave now.
        signum: the first signal that came; 0 where it was not a signal.
        foreign: whether code that is not the dispatcher's holds its thread now. Kept by whoever hands the thread over.
        wake: lets whoever waits look up; called by the handler.
        late: the signal that came when it was settled how the run ended; 0 where none did.
    """

    def __init__(self) -> None:
        self.level = 0
        self.signum = 0
        self.foreign = False
        self.wake: Callable[[], None] = _nobody_waits
        self.late = 0
        self._settled = False
        self._leaves_since_s: float | None = None
        self._listening = False
        self._holders = 0
        self._before: dict[int, Any] = {}

    @property
    def numbers(self) -> tuple[int, ...]:
        """The signals that it listens to."""
        return tuple(self._before)

    def ask(self, level: int = 1) -> None:
        """Ask for at least this level."""
        self.level = max(self.level, level)

    def install(self) -> None:
        """Listen to the signals, where this is the main thread; an ignored signal stays ignored.

        Whoever concludes a run holds it around the dispatcher, which holds it too: no signal falls between the two.
        """
        self._holders += 1
        if self._holders > 1 or threading.current_thread() is not threading.main_thread():
            return
        for name in _NAMES:
            number: signal.Signals | None = getattr(signal, name, None)
            before = None if number is None else _whose(number, signal.getsignal(number))
            if number is not None and before not in (signal.SIG_IGN, None):
                self._before[number] = before
                signal.signal(number, self._came)
        self._listening = True
        _installed.add(self)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to the signals meanwhile."""
        self.install()
        try:
            yield
        finally:
            self.restore()

    @contextmanager
    def foreign_code(self) -> Iterator[None]:
        """Meanwhile somebody else's code has the thread, or what may hang: the second signal leaves it."""
        self.foreign = True
        try:
            yield
        finally:
            self.foreign = False

    def settle(self) -> None:
        """How the run ended is settled: a signal waits until what it holds is given back."""
        self._settled, self._leaves_since_s = True, time.monotonic()

    def restore(self) -> None:
        """Give the signals back to whoever had them, once nobody holds it any more."""
        self._holders -= 1
        if self._holders == 0:
            self.step_aside()

    def step_aside(self) -> None:
        """Give the signals back, whoever holds it."""
        self._listening = False
        _installed.discard(self)
        if threading.current_thread() is not threading.main_thread():
            return
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._came:
                signal.signal(number, handler)

    def _came(self, signum: int, _frame: FrameType | None) -> None:
        if not self._listening:
            self._pass_on(signum)
            return
        now_s = time.monotonic()
        if self._settled:
            self.late = self.late or signum
        else:
            self.level += 1
            self.signum = self.signum or signum
            if self.level == 2:
                self._leaves_since_s = now_s
            self.wake()
        torn = self.foreign and self.level > 1
        if torn or (self._leaves_since_s is not None and now_s - self._leaves_since_s > PATIENCE_S):
            tear(self.signum or signum)

    def _pass_on(self, signum: int) -> None:
        """A run that overlapped with this one has put this handler back after its end: mend that, and deliver."""
        signal.signal(signum, _whose(signum, self._came))
        signal.raise_signal(signum)


def _whose(number: int, handler: Any) -> Any:
    """The handler, or that of before, where a run could not give it back: it was closed on another thread."""
    while isinstance(run := getattr(handler, "__self__", None), StopSignal) and not run._listening:
        handler = run._before.get(number, signal.SIG_DFL)
    return handler


def _nobody_waits() -> None:
    """There is nothing to wake."""


_installed: weakref.WeakSet[StopSignal] = weakref.WeakSet()


if sys.platform != "win32":  # where nothing forks
    _masks = threading.local()

    def _hold_signals() -> None:
        """Before a fork: a signal that came before the new process has stepped aside would be lost there."""
        numbers = [number for stop in _installed for number in stop.numbers]
        _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers) if numbers else None

    def _let_signals_come() -> None:
        before = getattr(_masks, "before", None)
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _step_aside() -> None:
        """Give the signals back in a process that the post-process has forked (`multiprocessing.Pool`).

        It inherits the run's handlers, but no run: SIGTERM would be heard by nobody, and nobody could end it.
        """
        for stop in list(_installed):
            stop.step_aside()
        _let_signals_come()

    os.register_at_fork(before=_hold_signals, after_in_parent=_let_signals_come, after_in_child=_step_aside)
