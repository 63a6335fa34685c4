"""Flushing the ledger's write-ahead log to the disk, behind the run's back and many commits at a time.

A commit puts its pages into the log, where they survive whatever happens to the process. What a power cut would take is
what the disk has not got yet: a thread flushes the log as soon as something was committed, and everything that was
committed meanwhile goes with the next flush. So a run never waits for a disk, and one flush serves many files.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


class Flusher:
    """Flushes one file whenever it is told that there is something new; `close` flushes a last time."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._news = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="orcabatch-ledger", daemon=True)
        self._thread.start()

    def tell(self) -> None:
        """Something was committed."""
        self._news.set()

    def close(self) -> None:
        """Flush what is left and end."""
        self._ending = True
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending:
            self._news.wait()
            self._news.clear()
            self._flush()

    def _flush(self) -> None:
        try:
            with self._log.open("r+b") as log:
                os.fsync(log.fileno())
        except OSError:
            pass  # a disk that cannot flush says so to whoever writes next
