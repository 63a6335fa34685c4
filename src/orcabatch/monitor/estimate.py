"""How long a batch still takes, from bytes and measured rates.

Covers the arithmetic: pure, no clock. A file takes `a + b x bytes` worker seconds; both are fitted to the files that
finished. What is left is laid out over the workers, the longest file first, behind what runs now. So a batch whose
large files come first does not look slower than it is, and the answer is never below the longest running file.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

OVERDUE_SHARE = 0.1
"""A file that has passed its prediction is taken to need this share of what it has had."""

MOST_LAID_OUT = 2000
"""With more waiting files than this their number smooths the end: the area is divided by the workers instead."""


@dataclass(slots=True)
class Estimate:
    """Learns from finished files how long the others take.

    Attributes:
        files: how many files it has learnt from.
    """

    files: int = 0
    _bytes: float = 0.0
    _seconds: float = 0.0
    _squares: float = 0.0
    _products: float = 0.0
    _sizes: list[int] = field(default_factory=list)

    def add(self, size_bytes: int, seconds: float) -> None:
        """Learn from a finished file: its size and the seconds a worker had it."""
        self.files += 1
        self._bytes += size_bytes
        self._seconds += seconds
        self._squares += float(size_bytes) ** 2
        self._products += size_bytes * seconds
        if len(self._sizes) < 3 and size_bytes not in self._sizes:
            insort(self._sizes, size_bytes)

    def seconds(self, size_bytes: int) -> float | None:
        """Worker seconds a file of this size takes; None before the first has finished."""
        if not self.files:
            return None
        fixed_s, per_byte_s = self._line()
        return fixed_s + per_byte_s * size_bytes

    def _line(self) -> tuple[float, float]:
        """Seconds of any file, and seconds per byte: least squares, neither below zero."""
        mean_s = self._seconds / self.files
        spread = self._squares * self.files - self._bytes**2
        if len(self._sizes) >= 3 and spread > 0:
            per_byte_s = (self._products * self.files - self._bytes * self._seconds) / spread
            fixed_s = mean_s - per_byte_s * self._bytes / self.files
            if per_byte_s >= 0 and fixed_s >= 0:
                return fixed_s, per_byte_s
            if per_byte_s < 0:
                return mean_s, 0.0
        return (0.0, self._seconds / self._bytes) if self._bytes > 0 else (mean_s, 0.0)

    def remaining_s(self, running: Iterable[tuple[int, float]], waiting: Sequence[int], workers: int) -> float | None:
        """Seconds until the batch is done; None before the first file has finished.

        Args:
            running: size in bytes and seconds so far of each file that a worker has.
            waiting: sizes in bytes of the files that wait.
            workers: how many files run at once.
        """
        if not self.files:
            return None
        fixed_s, per_byte_s = self._line()
        ends = [max(fixed_s + per_byte_s * size_bytes - had_s, OVERDUE_SHARE * had_s) for size_bytes, had_s in running]
        longest_s = max(ends, default=0.0)
        needs = [fixed_s + per_byte_s * size_bytes for size_bytes in waiting]
        workers = max(workers, 1)
        if len(needs) > MOST_LAID_OUT:
            return max((sum(ends) + sum(needs)) / workers, longest_s, *needs)
        return max(_laid_out(ends, needs, workers), longest_s)


def _laid_out(ends: list[float], needs: list[float], workers: int) -> float:
    """When the last of the waiting files ends, each given to the worker that is free first, the longest first."""
    free = sorted(ends)[:workers]
    free += [0.0] * (workers - len(free))
    heapq.heapify(free)
    for need in sorted(needs, reverse=True):
        heapq.heapreplace(free, free[0] + need)
    return max(free)
