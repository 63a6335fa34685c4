"""How long files take that start in a given order: the time left of a run, and a plan's. Pure, no clock.

    ended files ──> Estimate: seconds by size ──> what runs and what waits ──> laid out (`makespan`) ──> TimeLeft
                                                   a plan's files, with theirs ──────┘

Covers what is learnt of files that ended, how many run at once, in all and of each tier, and the layout under the
limits that the scheduler obeys. Does not cover memory and licence seats: whoever asks knows how many files they leave
room for; nor how a run stands (`orcabatch.monitor.state`) and how that is shown (`orcabatch.monitor.displays`).
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orcabatch.engine.waiting import open_tiers

if TYPE_CHECKING:
    from orcabatch.engine.limits import Limits

OVERDUE_SHARE = 0.1
"""A file that has passed its prediction is taken to need this share of what it has had.

Less, and "0 s left" stands for as long as it runs on; more, and the end jumps away when a prediction is passed.
"""

MOST_LAID_OUT = 400
"""With more waiting files than this their number smooths the end, and their work over the slots stands for it.

Less, and one file more or less at the end is seen in the time; more, and laying them out at every drawing (3 ms for a
thousand) is more than the run should notice.
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run has got: what its time left is told from.

    Told from at once: `took` and `wrote` are the run's own lists, which go on growing.

    Attributes:
        took: size in bytes, and seconds that a worker had it, of each file that ended well, in their order.
        wrote: seconds that writing its outputs took, of each of these whose worker was free meanwhile.
        running: tier and size of each file that a worker has, and the seconds that it has had it.
        writing: the seconds for which each file has been written whose worker is free.
        waiting: tier and size of each file that none has had, in the order in which they start.
        limit: how many may run at once.
        at_once: how many did when the last of them began; 0: none has.
        held: whether memory or licence seats keep the next file from an empty slot.
        limits: what the scheduler may never exceed.
    """

    took: Sequence[tuple[int, float]]
    wrote: Sequence[float]
    running: Sequence[tuple[str, int, float]]
    writing: Sequence[float]
    waiting: Sequence[tuple[str, int]]
    limit: int
    at_once: int
    held: bool
    limits: Limits


@dataclass(slots=True)
class Estimate:
    """Learns from finished files how long the others take. Pure, no clock.

    A file takes `a + b x bytes` seconds; both are fitted to the files that finished.

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
        """Learn from a finished file: its size and the seconds that it took."""
        self.files += 1
        self._bytes += size_bytes
        self._seconds += seconds
        self._squares += float(size_bytes) ** 2
        self._products += size_bytes * seconds
        if len(self._sizes) < 3 and size_bytes not in self._sizes:
            insort(self._sizes, size_bytes)

    def seconds(self, size_bytes: int) -> float:
        """Seconds that a file of this size takes; 0 before one has finished, as there is no rate yet."""
        fixed_s, per_byte_s = self._line()
        return fixed_s + per_byte_s * size_bytes

    def rest_s(self, size_bytes: int, had_s: float) -> float:
        """Seconds that a file of this size still takes, which has had so many."""
        return max(self.seconds(size_bytes) - had_s, OVERDUE_SHARE * had_s)

    def _line(self) -> tuple[float, float]:
        """Seconds of any file, and seconds per byte: least squares, neither below zero."""
        mean_s = self._seconds / max(1, self.files)
        spread = self._squares * self.files - self._bytes**2
        if len(self._sizes) >= 3 and spread > 0:
            per_byte_s = (self._products * self.files - self._bytes * self._seconds) / spread
            fixed_s = mean_s - per_byte_s * self._bytes / self.files
            if per_byte_s >= 0 and fixed_s >= 0:
                return fixed_s, per_byte_s
            if per_byte_s < 0:
                return mean_s, 0.0
        return (0.0, self._seconds / self._bytes) if self._bytes > 0 else (mean_s, 0.0)


@dataclass(slots=True)
class TimeLeft:
    """What a run still takes, as far as it has got.

    What waits is laid out in plan order behind what runs, as many at once as the run's limits allow, in all and of each
    tier. So a batch whose large files come first does not look slower than it is, one whose large files wait for
    few slots does not look faster, and the answer is never below the longest running file. What is written beside
    other files holds no slot, and ends by itself.

    Attributes:
        estimate: what was learnt from finished files.
        writing: the same of writing them, whatever their size: what is written does not follow from it.
    """

    estimate: Estimate = field(default_factory=Estimate)
    writing: Estimate = field(default_factory=Estimate)

    def of(self, run: Standing) -> float | None:
        """Seconds until the run is done; None before the first file has finished."""
        for size_bytes, seconds in run.took[self.estimate.files :]:
            self.estimate.add(size_bytes, seconds)
        for seconds in run.wrote[self.writing.files :]:
            self.writing.add(0, seconds)
        if not self.estimate.files:
            return None
        running = [(tier, self.estimate.rest_s(size_bytes, had_s)) for tier, size_bytes, had_s in run.running]
        waiting = [(tier, self.estimate.seconds(size_bytes)) for tier, size_bytes in run.waiting]
        # With more than can be laid out their number smooths the end.
        lay_out = makespan if len(waiting) <= MOST_LAID_OUT else least_makespan
        left_s = lay_out(waiting, _at_once(run), run.limits, running)
        if running or waiting:
            left_s += self.writing.seconds(0)  # the last of them is written after that
        return max(left_s, *(self.writing.rest_s(0, had_s) for had_s in run.writing), 0.0)


def _at_once(run: Standing) -> int:
    """How many files run at once, in all.

    That is the limit: fewer run where a tier's last files end, and more once the next tier's start. Where memory or
    licence seats hold the next file, it is as many as ran when the last one began: the limit is not reached.
    """
    return min(max(len(run.running), run.at_once), run.limit) if run.held and run.at_once else run.limit


TimedFile = tuple[str, float]
"""A file's tier, and the seconds it takes."""


def makespan(waiting: Iterable[TimedFile], at_once: int, limits: Limits, running: Iterable[TimedFile] = ()) -> float:
    """When the last file ends, where each starts as soon as there is room for it in all and in its tier.

    Args:
        waiting: the files in the order in which they start; one whose tier has no room is passed over.
        at_once: how many run at once in all.
        limits: whether tiers follow each other, and how many of each run at once.
        running: those that run already, with the seconds they still take; they count also where there are too many.
    """
    ends = [(seconds, tier) for tier, seconds in running]
    heapq.heapify(ends)
    queues: dict[str, list[tuple[int, float, str]]] = {}
    for place, (tier, seconds) in enumerate(waiting):
        queues.setdefault(tier, []).append((place, seconds, tier))
    counts = dict.fromkeys([*(tier for _, tier in ends), *queues], 0)
    for _, tier in ends:
        counts[tier] += 1
    for queue in queues.values():
        queue.reverse()  # the next one is popped from the end
    now_s = 0.0
    while True:
        while queues and len(ends) < max(1, at_once):
            ready = [queues[tier][-1] for tier in open_tiers(limits, counts, queues.__contains__) if tier in queues]
            if not ready:
                break
            _, seconds, tier = min(ready)
            queues[tier].pop()
            if not queues[tier]:
                del queues[tier]
            heapq.heappush(ends, (now_s + seconds, tier))
            counts[tier] += 1
        if not ends:
            return now_s
        now_s, tier = heapq.heappop(ends)
        counts[tier] -= 1


def least_makespan(
    waiting: Iterable[TimedFile], at_once: int, limits: Limits, running: Iterable[TimedFile] = ()
) -> float:
    """About what `makespan` gives, and no more: the work over how many run at once. Lays nothing out."""
    work: dict[str, float] = {}
    longest: dict[str, float] = {}
    for tier, seconds in (*running, *waiting):
        work[tier] = work.get(tier, 0.0) + seconds
        longest[tier] = max(longest.get(tier, 0.0), seconds)
    at_once = max(1, at_once)
    alone = [max(longest[tier], seconds / min(at_once, limits.most_of(tier))) for tier, seconds in work.items()]
    # One tier after the other, or all of them beside each other under what holds for all.
    return sum(alone) if limits.mode == "static" else max(sum(work.values()) / at_once, *alone, 0.0)
