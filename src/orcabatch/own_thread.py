"""Threads of our own: when `start` comes back the thread has begun, or `start` says that it has not.

    start ── waits ──> run is entered           the target will be called
                  └──> what the thread was to run is gone: it has ended, RuntimeError

Python's `Thread.start` waits until the new thread says that it lives. One that finds no memory before that has ended,
and `start` waits for ever (https://github.com/python/cpython/issues/140746, open in every version); one that finds none
in the lines that follow, before its target is called, ends and nobody hears of it. In a process at its memory limit
either would hold up a run for good: where a helper is started, or with the file of a worker that never lived.

Covers the birth. Does not cover what ends a thread afterwards: that is for its owner to guard; he may be told (`over`).
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

LOOK_S = 0.05
"""How often it is looked whether a thread that does not begin has ended. More often: on a busy host one that waits for
its turn is looked at in vain. More seldom: whoever starts one that has ended does without it later."""

STILLBORN = "the new thread ended before it began, most likely for want of memory"


class OwnThread(threading.Thread):
    """A thread that has begun once `start` comes back; it stands in `threading.enumerate()` as any other.

    Args:
        target: what it does.
        name: its name.
        args: what its target gets.
        daemon: whether it keeps Python from ending.
        over: called on it when it is over, also where its target could not even be called; None: nothing is.
    """

    def __init__(
        self,
        target: Callable[..., object],
        name: str,
        args: Sequence[Any] = (),
        *,
        daemon: bool = True,
        over: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(target=target, name=name, args=tuple(args), daemon=daemon)
        self._over = over
        self._begun = _Begun()
        # Not public: a Python that has this event or `_bootstrap` otherwise starts the thread in its own way.
        if type(getattr(self, "_started", None)) is threading.Event:
            self._started = self._begun

    def start(self) -> None:
        """Let it begin.

        Raises:
            RuntimeError: the system gives no thread, or no memory for one.
        """
        try:
            super().start()
        except MemoryError as error:
            raise RuntimeError("no memory for another thread") from error
        except RuntimeError:
            getattr(threading, "_limbo", {}).pop(self, None)  # where `enumerate` would list it for ever
            raise

    def run(self) -> None:
        """Call the target, and before that let whoever started it go on."""
        over, self._over = self._over, None  # as Python does with the target: else the two might keep each other
        self._begun.begin()
        try:
            super().run()
        finally:
            if over is not None:
                over()

    @property
    def _bootstrap(self) -> _Birth:
        """What the system's thread is given to run: asked for by `start` alone, which does not keep it."""
        birth = _Birth(self, self._begun)
        self._begun.birth = weakref.ref(birth)
        return birth


def are_left() -> bool:
    """Whether one of ours lives that the interpreter's end does not wait for."""
    return any(isinstance(thread, OwnThread) for thread in threading.enumerate())


class _Birth:
    """All that Python does in the new thread. Only that thread has it: when it is gone, the thread is over.

    So nothing has to be said by a thread that may have no memory to say anything: Python frees it where it ends, also
    where it could not even call it.
    """

    def __init__(self, thread: OwnThread, begun: _Begun) -> None:
        self._thread, self._begun = thread, begun

    def __call__(self) -> None:
        try:
            threading.Thread._bootstrap(self._thread)  # type: ignore[attr-defined]
        except BaseException:
            if self._begun.is_set():
                raise  # else it is said where the thread was started, and not by Python among the user's words
        finally:
            self._begun.is_over = True  # whoever keeps what was raised keeps this, too


class _Begun(threading.Event):
    """Stands where Python's own event for "it lives" stood, and is set a little later: when `run` is entered.

    Attributes:
        birth: what the thread was given to run, as long as that is there.
        is_over: it has run to its end, if it ran at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.birth: Callable[[], object | None] = lambda: True
        self.is_over = False

    def set(self) -> None:
        """It lives, says Python. What lies between this and its target may fail as well: not yet."""

    def begin(self) -> None:
        """Its target is called next."""
        with suppress(MemoryError):  # it is set before the waiting thread is woken, which looks up now and then
            super().set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait as `Thread.start` does, who has no limit.

        Raises:
            RuntimeError: it will never begin.
        """
        while not self._waited():
            if (self.is_over or self.birth() is None) and not self.is_set():
                raise RuntimeError(STILLBORN)
        return True

    def _waited(self) -> bool:
        try:
            return super().wait(LOOK_S)
        except MemoryError:  # the thread that starts another is no better off
            time.sleep(LOOK_S)
            return self.is_set()
