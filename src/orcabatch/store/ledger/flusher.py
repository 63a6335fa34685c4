"""What the ledger has done behind the run's back: closing a group of results, and flushing the log to the disk.

A commit puts its pages into the log, where they survive whatever happens to the process. What a power cut would take is
what the disk has not got yet: a thread flushes the log as soon as something was committed, and everything that was
committed meanwhile goes with the next flush. So a run never waits for a disk, and one flush serves many files. Another
thread commits a group of results whose time has come while nothing more ends: a flush may take seconds, and would hold
it up. Where no thread can be had, the ledger commits at once, and the run waits for its flushes.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from pathlib import Path

from orcabatch.console import awaited_end
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s

AGAIN_S = 0.01
"""Between two tries to commit while somebody else uses the ledger, which takes moments."""


class Flusher:
    """Flushes one file whenever it is told that there is something new; `close` flushes a last time."""

    def __init__(self, log: Path, commit: Callable[[], bool]) -> None:
        """No thread is begun before there is something for it to do: a ledger that is only read from needs none.

        Args:
            log: what is flushed.
            commit: commits what waits; False where somebody else uses the ledger just now.
        """
        self._log, self._commit = log, commit
        self._written = False
        self._flushing: _Errand | None = None
        self._committing: _Errand | None = None

    def tell(self) -> None:
        """Something was committed."""
        self._written = True
        self._flushing = self._flushing or _begun("orcabatch-flush", self._flush)
        if self._flushing is None:
            self._flush()
        else:
            self._flushing.do_at(0.0)

    def commit_at(self, when: float) -> bool:
        """Commit at that moment (`awake_s`), or before; False where nobody is there to do so."""
        self._committing = self._committing or _begun("orcabatch-ledger", self._commit)
        if self._committing is not None:
            self._committing.do_at(when)
        return self._committing is not None

    def close(self) -> None:
        """Flush what is left and end."""
        for errand in (self._committing, self._flushing):
            if errand is not None:
                errand.end()
        if self._written:
            self._flush()

    def _flush(self) -> bool:
        self._written = False
        try:
            with self._log.open("r+b") as log:
                os.fsync(log.fileno())
        except OSError:
            pass  # a disk that cannot flush says so to whoever writes next
        return True


class _Errand:
    """A thread that does one thing at the moment that it is told, and again after a moment where that says no."""

    def __init__(self, name: str, do: Callable[[], bool]) -> None:
        self._do, self._due, self._ending = do, math.inf, False
        self._news = threading.Event()
        self._thread = OwnThread(self._run, name)
        self._thread.start()

    def do_at(self, when: float) -> None:
        """Do it then, or before."""
        if when < self._due:
            self._due = when
            self._news.set()

    def end(self) -> None:
        """Do it no more; what is being done is waited for."""
        self._ending = True
        self._news.set()
        if self._thread is not threading.current_thread():
            awaited_end(self._thread)

    def _run(self) -> None:
        while not self._ending:
            wait_s = self._due - awake_s()
            if wait_s > 0:
                self._news.wait(None if wait_s == math.inf else wait_s)
                self._news.clear()
                continue
            self._due = math.inf
            if not self._do():
                self.do_at(awake_s() + AGAIN_S)


def _begun(name: str, do: Callable[[], bool]) -> _Errand | None:
    """None where no thread is left on this machine, or for this user."""
    try:
        return _Errand(name, do)
    except RuntimeError:
        return None
