"""The files of a call as they stand: where each lies, what it looks like, whether it stayed so while it was worked on.

A file is looked at once, and again only when it changed; from a thread that may be left behind, since a share may not
answer. Does not cover what follows from a file that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from orcabatch.batch.cache_keys import fingerprint_of
from orcabatch.console import awaited_end
from orcabatch.host.lookout import Lookout
from orcabatch.orcaflex.sim_files import is_elsewhere, stand_of, stands, stands_as, status_of
from orcabatch.own_thread import OwnThread
from orcabatch.store.paths import Places

if TYPE_CHECKING:
    from orcabatch.batch.known import Known
    from orcabatch.host import Fingerprint

LOOKERS = 8
"""Threads that read heads and tails of files: on a network drive most of the time is waiting."""

_Stand = tuple[int, int, int] | None


class InputFiles:
    """The files of one call.

    Args:
        silent: told, once for each, which folder does not answer.
    """

    def __init__(self, silent: Callable[[Path], None]) -> None:
        self._lookout = Lookout(silent)
        self._places = Places()
        self._place_of: dict[Path, str] = {}
        self._fingerprints: dict[Path, Fingerprint | None] = {}
        self._begun: dict[int, _Stand] = {}  # not by file: one that is listed twice is begun twice

    def close(self) -> None:
        """Look no more."""
        self._lookout.close()

    def place(self, file: Path) -> str:
        """Where the file lies; asked once as long as it stands unchanged."""
        if file not in self._place_of:
            self._place_of[file] = self._places.of(file)
        return self._place_of[file]

    def was_seen(self, file: Path) -> bool:
        """Whether the file was looked at, also where it could not be read."""
        return file in self._fingerprints

    def identity(self, file: Path) -> list[Any] | None:
        """Place, size, time, head and tail; None where it cannot be read."""
        if file not in self._fingerprints:
            self._fingerprints[file] = self._lookout.at(file, fingerprint_of, None)
        seen = self._fingerprints[file]
        return None if seen is None else [self.place(file), seen.size, seen.mtime_ns, seen.head_tail_hash]

    def stood(self, file: Path) -> tuple[int, int]:
        """Size and time of a file that could be read when it was looked at."""
        _, size, mtime_ns, _ = self.identity(file) or ("", -1, -1, "")
        return size, mtime_ns

    def changed(self, file: Path, known: Known) -> Path | None:
        """What an earlier result of the file rests on and is not as it was then; the file is looked at once more."""
        silent: Path | None = file
        changed = self._lookout.at(file, lambda _: known.changed(), silent)
        if changed is not None:
            self._forget(file)
            self.identity(file)
        return changed

    def look_at(self, files: Iterable[Path]) -> None:
        """Look at several at once."""
        files = list(files)
        left: SimpleQueue[Path] = SimpleQueue()
        seen: dict[Path, Fingerprint | None] = {}

        def look() -> None:
            with suppress(Empty, MemoryError):
                while True:
                    file = left.get_nowait()
                    seen[file] = fingerprint_of(file)

        for file in files:
            left.put(file)
        try:
            for looker in _begun([OwnThread(look, "orcabatch-look") for _ in files[:LOOKERS]]):
                awaited_end(looker)
        finally:  # after Ctrl-C the rest is not looked at
            with suppress(Empty):
                while True:
                    left.get_nowait()
        # What no thread has seen, for want of threads or of memory, is looked at here.
        self._fingerprints |= {file: seen[file] if file in seen else fingerprint_of(file) for file in files}

    def begin(self, index: int, file: Path) -> None:
        """A worker is about to get the file, as this one of the call: remember what it looks like now."""
        if file in self._fingerprints:
            self._begun[index] = self._lookout.at(file, stands, None)
        else:  # one look for both: each is a turn of another thread
            unseen: tuple[Fingerprint | None, _Stand] = (None, None)
            self._fingerprints[file], self._begun[index] = self._lookout.at(file, _fingerprint_and_stand, unseen)

    def began(self, index: int) -> bool:
        """Whether it could be looked at when its worker got it."""
        return self._begun.get(index) is not None

    def stayed(self, index: int, file: Path) -> bool:
        """Whether the file is what it was when its worker got it."""
        seen, begun = self._fingerprints.get(file), self._begun.get(index)
        if seen is None or begun is None or (seen.size, seen.mtime_ns) != begun[:2]:
            self._forget(file)
            if begun is not None:
                self.identity(file)  # before the look that follows, which says whether that is still what was begun
        return begun is not None and self._lookout.at(file, partial(stands_as, before=begun), False)

    def _forget(self, file: Path) -> None:
        self._fingerprints.pop(file, None)
        self._place_of.pop(file, None)


def _begun(threads: Iterable[OwnThread]) -> list[OwnThread]:
    """Those that the system gives."""
    begun = []
    with suppress(RuntimeError):
        for thread in threads:
            thread.start()
            begun.append(thread)
    return begun


def _fingerprint_and_stand(file: Path) -> tuple[Fingerprint | None, _Stand]:
    """Of a file that lies in the cloud only no fingerprint: it has one when its worker has had it fetched.

    Reading it here would hold up all others for as long, and a large one would pass for a folder that does not answer.
    """
    status = status_of(file)
    return None if is_elsewhere(status) else fingerprint_of(file), stand_of(status)
