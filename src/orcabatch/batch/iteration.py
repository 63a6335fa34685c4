"""A batch in the caller's loop: it is closed whenever the caller is done with it, however that shows.

    left loop ── close ──┐
    dropped, collected ──┼──> what runs is finished and written, nothing new is started
    the script's end ────┘

Covers when a batch that the caller does not read to its end is closed, and on which thread. Does not cover what closing
does (`orcabatch.batch.run`).

Python's own generators are closed on whatever thread the garbage collector comes by, which may be a worker of the very
batch: it would wait for itself. And one that a variable of the script still holds is closed after Python has joined all
threads: workers that wait for their next file never end. So a generator is closed on the thread that reads it, on one
of its own, or when the interpreter begins to end.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - it joins workers at the end: before it does, it is our turn
import inspect
import os
import threading
import weakref
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from orcabatch.engine.logs import logger
from orcabatch.own_thread import OwnThread
from orcabatch.text import words_of

if TYPE_CHECKING:
    from orcabatch.outcome import FileOutcome

_log = logger(__name__)

Outcomes = Generator["FileOutcome", None, None]

ENDS = "The script ends while it still holds a batch that is not done: what runs is finished, nothing new is started."


class Iteration(Outcomes):
    """Hands on what a run yields; a generator like the one it is made of.

    Args:
        outcomes: of the run, not begun.
    """

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._reader = threading.current_thread()
        self._process = os.getpid()
        _open.add(self)
        _kept.add(outcomes)

    def send(self, value: None) -> FileOutcome:
        """The next outcome."""
        self._reader = threading.current_thread()
        return self._outcomes.send(value)

    def throw(self, *error: Any) -> FileOutcome:
        """Have it raise where it waits."""
        return self._outcomes.throw(*error)

    def close(self) -> None:
        """Drain: files that are being worked on are finished and written, nothing new is started."""
        self._outcomes.close()

    @property
    def is_left(self) -> bool:
        """Whether it waits for somebody who will not come any more: its reader ended, or ends with the interpreter."""
        goes_on = self._reader.is_alive() and not self._reader.daemon and self._reader is not threading.main_thread()
        return _waits(self._outcomes) and not goes_on and self._process == os.getpid()

    def __del__(self) -> None:
        if self._process != os.getpid():
            return  # of the process that this one was forked from, which goes on with it
        if _waits(self._outcomes) and self._reader is not threading.current_thread():
            try:
                OwnThread(self._outcomes.close, "orcabatch-closes", daemon=False).start()
            except RuntimeError:
                return  # no thread is to be had: left as it is, which is better than to wait for oneself
        _kept.discard(self._outcomes)


def _waits(outcomes: Outcomes) -> bool:
    return inspect.getgeneratorstate(outcomes) == inspect.GEN_SUSPENDED


_open: weakref.WeakSet[Iteration] = weakref.WeakSet()

_kept: set[Outcomes] = set()
"""Where an iteration is part of a cycle its generator must not be: the collector closes that before it asks anybody."""


def _close_what_is_left() -> None:
    for iteration in list(_open):
        if not iteration.is_left:
            continue
        _log.warning(ENDS)
        try:
            iteration.close()
        except BaseException as error:  # noqa: BLE001 - the interpreter ends, and others want to be closed as well
            _log.warning("%s", words_of(error))


# Before Python joins its threads: `atexit` comes after that. Not public; `concurrent.futures` lives by it as well.
threading._register_atexit(_close_what_is_left)  # type: ignore[attr-defined]
