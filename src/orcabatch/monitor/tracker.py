"""How far a batch is, how fast, and how long it still takes.

    state ──> Tracker ──> Snapshot ──> terminal bar, notebook bar, lines, dashboard, your function
                 └── TimeLeft: what is left as a list schedule <── Estimate: seconds by size <── ended files

Covers what displays show (`Snapshot`), how it is made of the run's state (`Tracker`), what is learnt of files, and how
many at once what is left is laid out over. Does not cover that state (`orcabatch.monitor.state`), the layout
(`orcabatch.engine.list_schedule`), the time that a plan predicts (`orcabatch.plan`), nor showing it
(`orcabatch.monitor.displays`).
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

from orcabatch.engine.limits import WaitReason
from orcabatch.engine.list_schedule import least_makespan, makespan
from orcabatch.monitor.state import RunState

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
        state: the run as the monitor folds it; None: of a run that nobody follows, which does not begin.

    Attributes:
        state: the run so far.
    """

    def __init__(self, state: RunState | None = None) -> None:
        self.state = RunState() if state is None else state
        self._time_left = TimeLeft()

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
            remaining_s=self._time_left.of(state),
            finished=state.finished,
            interrupted=state.interrupted,
            broken=state.broken,
        )


@dataclass(slots=True)
class Estimate:
    """Learns from finished files how long the others take. Pure, no clock.

    A file takes `a + b x bytes` worker seconds; both are fitted to the files that finished.

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

    def seconds(self, size_bytes: int) -> float:
        """Worker seconds that a file of this size takes. Only once one has finished: before, there is no rate."""
        fixed_s, per_byte_s = self._line()
        return fixed_s + per_byte_s * size_bytes

    def rest_s(self, size_bytes: int, had_s: float) -> float:
        """Worker seconds that a file of this size still takes, which has had so many."""
        return max(self.seconds(size_bytes) - had_s, OVERDUE_SHARE * had_s)

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


@dataclass(slots=True)
class TimeLeft:
    """What a run still takes, as far as it has got.

    What waits is laid out in plan order behind what runs, as many at once as the run's limits allow, in all and of each
    tier. So a batch whose large files come first does not look slower than it is, one whose large files wait for
    few slots does not look faster, and the answer is never below the longest running file.

    Attributes:
        estimate: what was learnt from finished files.
    """

    estimate: Estimate = field(default_factory=Estimate)

    def of(self, state: RunState) -> float | None:
        """Seconds until the run is done; None before the first file has finished."""
        if state.finished:
            return 0.0
        for size_bytes, seconds in state.took[self.estimate.files :]:
            self.estimate.add(size_bytes, seconds)
        if not self.estimate.files:
            return None
        running = [
            (file.tier, self.estimate.rest_s(file.size_bytes, state.now_s - file.started_s))
            for file in state.running.values()
        ]
        waiting = [(tier, self.estimate.seconds(size_bytes)) for tier, size_bytes in state.waiting]
        # With more than can be laid out their number smooths the end.
        lay_out = makespan if len(waiting) <= MOST_LAID_OUT else least_makespan
        return lay_out(waiting, _at_once(state), state.bounds, running)


def _at_once(state: RunState) -> int:
    """How many files run at once, in all.

    That is the limit: fewer run where a tier's last files end, and more once the next tier's start. Where memory or
    licence seats hold the next file, it is as many as ran when the last one began: the limit is not reached.
    """
    held = state.wait_reason is not WaitReason.NOTHING
    return min(max(len(state.running), state.at_once), state.limit) if held and state.at_once else state.limit
