"""How far a batch is, how fast, and how long it still takes.

Covers what displays show (`Snapshot`), and how it is made of the run's state (`Tracker`). Does not cover that state
(`orcabatch.monitor.state`), the time left (`orcabatch.monitor.time_left`), nor showing it
(`orcabatch.monitor.displays`).

    state ──> Tracker (with the time left) ──> Snapshot ──> terminal bar, notebook bar, lines, dashboard, your function
"""

from __future__ import annotations

from dataclasses import dataclass

from orcabatch.monitor.state import RunState
from orcabatch.monitor.time_left import TimeLeft


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
