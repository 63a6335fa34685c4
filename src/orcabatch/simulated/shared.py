"""What the threads and processes of one counters folder share: live models, licence seats, bandwidth, planned failures.

A small mapped table (`shared.table`) guarded by a file lock. A process that died, however it did, frees its seats and
its live models at the next look. Times are `time.monotonic()`, which counts alike in all processes of a machine.
"""

from __future__ import annotations

import collections
import contextlib
import mmap
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil

from orcabatch.simulated.status import Refusal, StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orcabatch.simulated.costs import Costs

_PROCESSES = 1024
_HEAD = 16
_ENTRY = 4
_PEAK_LIVE, _PEAK_SEATS = 0, 1
_BYTES = (_HEAD + _PROCESSES * _ENTRY) * 8
_NEXT_FREE, _LICENCE_BACK, _NEXT_WRITTEN = 8, 9, 10
_CREDIT_S = 0.02
_CLOCK_STEP_MS = 2000

SEATS_TAKEN = (
    "Licensed number of users already reached.\nFeature:       OrcaFlex\nLicense path:  27000@simulated;\n"
    "FlexNet Licensing error:-4,132"
)
SERVER_LOST = (
    "Cannot connect to license server system.\n The license server manager (lmgrd) has not been started yet,\n"
    " the wrong port@host or license file is being used.\nFeature:       OrcaFlex\nServer name:   simulated\n"
    "License path:  27000@simulated;\nFlexNet Licensing error:-15,570. System Error: 10061"
)

LOCK_PAUSE_S = 0.001
"""Between two tries of the lock on Windows; it is held for microseconds."""

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # LK_LOCK waits whole seconds between its tries, and gives up after ten of them.
        while True:
            os.lseek(descriptor, 0, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except PermissionError:
                time.sleep(LOCK_PAUSE_S)
            else:
                return

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _born(pid: int) -> int:
    return int(psutil.Process(pid).create_time() * 1000)


def is_alive(pid: int, born: int) -> bool:
    """Whether the process that had this id and was started at `born` (milliseconds) still runs."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() * 1000 - born) < _CLOCK_STEP_MS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


class Shared:
    """The table of one counters folder, as this process sees it. Every method may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        """Creates or joins the table in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._thread_lock = threading.Lock()
        self._given: collections.deque[None] = collections.deque()
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
        # No file object: of a table that garbage is collected with, that would be said to be unclosed.
        self._descriptor = os.open(folder / "shared.lock", flags, 0o666)
        self._pid, self._birth = os.getpid(), _born(os.getpid())
        with (folder / "shared.table").open("a+b") as table, self._held():
            if table.seek(0, os.SEEK_END) < _BYTES:
                table.truncate(_BYTES)
            self._map = mmap.mmap(table.fileno(), _BYTES)
        raw = memoryview(self._map)
        self._words, self._reals = raw.cast("q"), raw.cast("d")

    def __del__(self) -> None:
        descriptor = getattr(self, "_descriptor", None)  # none where there was none to be had
        if descriptor is not None:
            os.close(descriptor)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with self._thread_lock:
            _lock(self._descriptor)
            try:
                self._count_given()
                yield
            finally:
                _unlock(self._descriptor)
        if self._given:
            self._settle()

    def _settle(self) -> None:
        while self._given and self._thread_lock.acquire(blocking=False):
            try:
                _lock(self._descriptor)
                try:
                    self._count_given()
                finally:
                    _unlock(self._descriptor)
            finally:
                self._thread_lock.release()

    def _count_given(self) -> None:
        if self._given:
            at = self._own_entry()
            while self._given:
                self._given.popleft()
                self._words[at + 2] = max(self._words[at + 2] - 1, 0)

    def _entries(self) -> Iterator[int]:
        return iter(range(_HEAD, len(self._words), _ENTRY))

    def _living(self) -> dict[int, int]:
        """Live models by process, after forgetting the processes that died."""
        words, living = self._words, {}
        for at in self._entries():
            pid = words[at]
            if pid == self._pid or (pid and is_alive(pid, words[at + 1])):
                living[pid] = words[at + 2]
            elif pid:
                words[at] = words[at + 2] = 0
        return living

    def _own_entry(self) -> int:
        words = self._words
        for at in self._entries():
            if words[at] == self._pid:
                if words[at + 1] != self._birth:
                    words[at + 1], words[at + 2] = self._birth, 0
                return at
        at = next(at for at in self._entries() if not words[at])
        words[at], words[at + 1], words[at + 2] = self._pid, self._birth, 0
        return at

    def _seats(self, living: dict[int, int], scope: str) -> int:
        total = sum(living.values())
        if scope == "model":
            return total
        return min(total, 1) if scope == "host" else sum(1 for count in living.values() if count)

    def take_seat(self, costs: Costs) -> None:
        """Count one more live model of this process; Refusal 25 when that needs a seat that is not free."""
        if self.licence_lost():
            raise Refusal(StatusCode.LICENSING, SERVER_LOST)
        with self._held():
            at, words = self._own_entry(), self._words
            living = self._living()
            living[self._pid] = words[at + 2] + 1
            seats = self._seats(living, costs.seat_scope)
            if costs.seats is not None and seats > costs.seats:
                raise Refusal(StatusCode.LICENSING, SEATS_TAKEN)
            words[at + 2] += 1
            words[_PEAK_LIVE] = max(words[_PEAK_LIVE], sum(living.values()))
            words[_PEAK_SEATS] = max(words[_PEAK_SEATS], seats)

    def give_seat(self) -> None:
        """Count one live model of this process less.

        The garbage collector ends models at any line, those above among them: it never waits for a lock that its own
        thread may hold. Whoever holds it counts what was given meanwhile.
        """
        self._given.append(None)
        self._settle()

    def usage(self, scope: str) -> tuple[int, int, int, int]:
        """Live models, their peak, seats in use, their peak."""
        with self._held():
            living = self._living()
            return (
                sum(living.values()), self._words[_PEAK_LIVE], self._seats(living, scope), self._words[_PEAK_SEATS]
            )  # fmt: skip

    def restart_peaks(self, scope: str) -> None:
        """Let both peaks start again from what is in use now."""
        with self._held():
            living = self._living()
            self._words[_PEAK_LIVE], self._words[_PEAK_SEATS] = sum(living.values()), self._seats(living, scope)

    def lose_licence(self, seconds: float) -> None:
        """No licence for any process from now on, for that long (0: it is back)."""
        self._reals[_LICENCE_BACK] = time.monotonic() + seconds if seconds else 0.0

    def licence_lost(self) -> bool:
        """Whether the licence is lost at the moment."""
        back = self._reals[_LICENCE_BACK]
        return bool(back) and time.monotonic() < back

    def pay_bytes(self, count: int, bytes_per_s: float) -> None:
        """Wait for this caller's turn to move `count` bytes through the bandwidth all share."""
        self._pay(_NEXT_FREE, count, bytes_per_s)

    def pay_written_bytes(self, count: int, bytes_per_s: float) -> None:
        """The same for bytes that are written."""
        self._pay(_NEXT_WRITTEN, count, bytes_per_s)

    def _pay(self, next_free: int, count: int, bytes_per_s: float) -> None:
        with self._held():
            begin = max(self._reals[next_free], time.monotonic() - _CREDIT_S)
            done = begin + count / bytes_per_s
            self._reals[next_free] = done
        while (left := done - time.monotonic()) > 0:
            time.sleep(left)

    def claim(self, kind: str, name: str, times: int) -> bool:
        """Whether this is one of the first `times` claims on (kind, name) over all processes."""
        for number in range(times):
            marker = self.folder / f"{kind}-{name}-{number}.claimed"
            with contextlib.suppress(FileExistsError):
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                return True
        return False
