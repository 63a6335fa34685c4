"""What the ledger has done behind the run's back: closing a group of results, and flushing the log to the disk.

A commit puts its pages into the log, where they survive whatever happens to the process. What a power cut would take is
what the disk has not got yet: a thread flushes the log as soon as something was committed, and everything that was
committed meanwhile goes with the next flush. So a run never waits for a disk, and one flush serves many files. The same
thread commits a group of results whose time has come while nothing more ends. Where no thread can be had, the ledger
commits at once, and the run waits for its flushes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

AGAIN_S = 0.01
"""Between two tries to commit while somebody else uses the ledger, which takes moments."""


class Flusher:
    """Flushes one file whenever it is told that there is something new; `close` flushes a last time."""

    def __init__(self, log: Path, commit: Callable[[], bool]) -> None:
        """Begin.

        Args:
            log: what is flushed.
            commit: commits what waits; False where somebody else uses the ledger just now.
        """
        self._log, self._commit = log, commit
        self._news = threading.Event()
        self._ending, self._written = False, False
        self._due: float | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._run, name="orcabatch-ledger", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread is left on this machine, or for this user
            self._thread = None

    def tell(self) -> None:
        """Something was committed."""
        self._written = True
        if self._thread is None:
            self._flush()
        else:
            self._news.set()

    def commit_at(self, when: float) -> bool:
        """Commit at that moment (`time.monotonic`), or before; False where nobody is there to do so."""
        if self._thread is None:
            return False
        if self._due is None:
            self._due = when
            self._news.set()
        return True

    def close(self) -> None:
        """Flush what is left and end."""
        self._ending = True
        self._news.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._ending:
            self._news.wait(None if self._due is None else max(0.0, self._due - time.monotonic()))
            self._news.clear()
            if self._due is not None and time.monotonic() >= self._due and not self._ending:
                self._due = None if self._commit() else time.monotonic() + AGAIN_S
            if self._written:
                self._written = False
                self._flush()

    def _flush(self) -> None:
        try:
            with self._log.open("r+b") as log:
                os.fsync(log.fileno())
        except OSError:
            pass  # a disk that cannot flush says so to whoever writes next
