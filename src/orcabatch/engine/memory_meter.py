"""How much memory and input a file cost, measured from inside the process that holds it; and giving memory back.

Covers resident memory, its attribution to the files being worked on at the same time, and the bytes a thread read.
Does not cover the host (`orcabatch.host`). Where a system does not say, the answer is 0, never a guess.

Resident memory belongs to a process, files to its threads. So every change between two readings is shared out among
the files that were loading or extracting during it, by their size. With one file at a time that is exact; with many
the sum is right and each share is an estimate.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import sys
import threading
from collections.abc import Callable

from orcabatch.sleep import awake_s

NOISE_BYTES = 4096
"""Reading the counters counts as reading; less than this says nothing about a file."""

FRESH_S = 0.001
"""A reading that is younger stands: a process does not take more than some megabytes in it. Shorter: of a file that is
over in a millisecond the readings are a tenth of the cost. Longer: a peak between two readings is missed."""


def resident_bytes() -> int:
    """Resident memory of this process now; 0 where the system does not say."""
    if sys.platform == "linux":
        descriptor = os.open("/proc/self/statm", os.O_RDONLY)  # cheaper than by way of a file object
        try:
            return int(os.read(descriptor, 1024).split()[1]) * os.sysconf("SC_PAGE_SIZE")
        finally:
            os.close(descriptor)
    import psutil

    return int(psutil.Process().memory_info().rss)


class ReadCounter:
    """Counts what one thread reads. It is asked, and closed, on that thread."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def so_far(self) -> int:
        """Bytes that the thread has read, from files or the page cache; 0 where the system does not say."""
        if sys.platform != "linux":
            return 0
        try:
            if self._descriptor is None:  # kept: opening it takes five times as long as reading it
                self._descriptor = os.open("/proc/thread-self/io", os.O_RDONLY)
            return int(os.pread(self._descriptor, 1024, 0).split(maxsplit=2)[1])
        except (OSError, IndexError, ValueError):
            return 0

    def close(self) -> None:
        """Give the descriptor back."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    __del__ = close


def give_back() -> None:
    """Collect garbage, and have the allocator return to the system what it keeps for later.

    glibc keeps what its threads have freed: a process whose models are gone can stay as large as it ever was.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class MemoryMeter:
    """Shares out the growth of this process among the files in work. Safe to use from all its threads.

    Args:
        resident: reads the resident memory of this process in bytes.
        clock: seconds.
    """

    def __init__(self, resident: Callable[[], int] = resident_bytes, clock: Callable[[], float] = awake_s) -> None:
        self._resident, self._clock = resident, clock
        self._lock = threading.Lock()
        self._last, self._stale_s = 0, -math.inf
        self._weights: dict[int, int] = {}
        self._held: dict[int, float] = {}
        self._peak: dict[int, float] = {}

    def begin(self, index: int, size_bytes: int) -> None:
        """The file is about to be loaded."""
        with self._lock:
            self._share_out()
            self._weights[index] = max(size_bytes, 1)
            self._held[index] = self._peak[index] = 0.0

    def mark(self) -> None:
        """Something may have grown: read, and share out."""
        with self._lock:
            self._share_out()

    def end(self, index: int) -> int:
        """The file is about to be released.

        Returns:
            The most that it held, in bytes; 0 if nothing was seen.
        """
        with self._lock:
            self._share_out()
            self._weights.pop(index, None)
            self._held.pop(index, None)
            return int(self._peak.pop(index, 0.0))

    def released(self) -> None:
        """Something was given back: forget what that freed, so that it is nobody's negative growth."""
        with self._lock:
            self._last = min(self._last, self._now(afresh=True))

    def give_back(self) -> None:
        """Give memory back to the system; that too is nobody's negative growth."""
        with self._lock:
            self._share_out()
            give_back()
            self._last = self._now(afresh=True)

    def _now(self, *, afresh: bool = False) -> int:
        """Resident memory; what it was before where that is fresh, or a process has no descriptor left to ask by."""
        if not afresh and self._clock() < self._stale_s:
            return self._last
        try:
            now = self._resident()
        except OSError:
            return self._last
        self._stale_s = self._clock() + FRESH_S
        return now

    def _share_out(self) -> None:
        now = self._now()
        grown, self._last = now - self._last, now
        if not (grown and self._weights):  # of a short file nearly all readings are the one before
            return
        total = sum(self._weights.values())
        for index, weight in self._weights.items():
            self._held[index] += grown * weight / total
            self._peak[index] = max(self._peak[index], self._held[index])
