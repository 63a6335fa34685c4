"""How far a batch is, how fast, and how long it still takes.

Covers what displays show (`Snapshot`), how it is made from the engine's events (`Tracker`), and the arithmetic of the
time left (`Estimate`). Does not cover showing it (`orcabatch.monitor.displays`).

    events ──> Tracker (state + estimate) ──> Snapshot ──> terminal bar, notebook bar, lines, dashboard, your function
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orcabatch.engine.waiting import makespan
from orcabatch.monitor.state import RunState

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent, Task

OVERDUE_SHARE = 0.1
"""A file that has passed its prediction is taken to need this share of what it has had.

Less, and "0 s left" stands for as long as it runs on; more, and the end jumps away when a prediction is passed.
"""

MOST_LAID_OUT = 2000
"""With more waiting files than this their number smooths the end: the area is divided by the workers instead, which
saves laying them out at every drawing."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A batch at one moment; what a function given as `progress` is called with.

    Attributes:
        elapsed_s: seconds since the run began; None: somebody else says how long it took.
        total, done, failed, running: files in all, ended (failed ones included, cancelled ones not), failed, in work.
        total_bytes, done_bytes: bytes of the files in all and of the ended ones; 0 where sizes are not known.
        bytes_per_s: bytes of ended files per second of the run, without those that were not read since nothing changed.
        remaining_s: seconds that the rest takes; None before the first file has ended.
        finished, interrupted: whether the run is over, and by a signal.
        broken: whether something broke it off: no file, but the run itself, or what is written at its end.
    """

    elapsed_s: float | None
    total: int
    done: int
    failed: int
    running: int
    total_bytes: int
    done_bytes: int
    bytes_per_s: float
    remaining_s: float | None
    finished: bool
    interrupted: bool
    broken: bool = False

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1: of the bytes where they are known, else of the files."""
        if self.finished and self.done == self.total:
            return 1.0
        if self.total_bytes > 0:
            return self.done_bytes / self.total_bytes
        return self.done / self.total if self.total else 0.0


class Tracker:
    """What every display stands on: the state of the run and the estimate of its rest.

    Args:
        state: the run as somebody else folds it already (the monitor, in a batch); None: folded here, from the events.

    Attributes:
        state: the run so far.
        estimate: what was learnt from finished files.
    """

    def __init__(self, state: RunState | None = None) -> None:
        self.state = RunState() if state is None else state
        self.estimate = Estimate()
        self._folds = state is None

    def expect(self, tasks: Iterable[Task], *, cap_percent: float = 0.0, seats: int = 0) -> None:
        """Say what is to be done."""
        if self._folds:
            self.state.expect(tasks, cap_percent=cap_percent, seats=seats)

    def apply(self, event: RunEvent) -> None:
        """Take in one event."""
        if self._folds:
            self.state.apply(event)

    def snapshot(self) -> Snapshot:
        """The run as it stands."""
        state = self.state
        return Snapshot(
            elapsed_s=state.now_s,
            total=state.total_files,
            done=state.done_files,
            failed=state.done["failed"],
            running=len(state.running),
            total_bytes=state.total_bytes,
            done_bytes=state.done_bytes,
            bytes_per_s=state.worked_bytes / state.now_s if state.now_s > 0 else 0.0,
            remaining_s=self._remaining_s(),
            finished=state.finished,
            interrupted=state.interrupted,
            broken=state.broken,
        )

    def _remaining_s(self) -> float | None:
        state = self.state
        if state.finished:
            return 0.0
        for size_bytes, seconds in state.took[self.estimate.files :]:
            self.estimate.add(size_bytes, seconds)
        # At a file's end its slot is empty until the next one begins: of two that would be half of all.
        at_once = max(len(state.running), min(state.at_once, state.limit)) or state.limit
        return self.estimate.remaining_s(
            [(running.size_bytes, state.now_s - running.started_s) for running in state.running.values()],
            state.waiting_sizes,
            at_once,
        )


@dataclass(slots=True)
class Estimate:
    """Learns from finished files how long the others take. Pure, no clock.

    A file takes `a + b x bytes` worker seconds; both are fitted to the files that finished. What is left is laid out
    over the workers in plan order, behind what runs now. So a batch whose large files come first does not look slower
    than it is, and the answer is never below the longest running file.

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
            waiting: sizes in bytes of the files that wait, in the order in which they will start.
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
        return max(makespan(needs, workers, ends), longest_s)
