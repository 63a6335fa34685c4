"""The report of a run that goes on: one file that is written anew as it goes, so that others can watch on a share.

    events ──> is it time? ──> metrics so far ──> the page, whole or not at all ──> the reader's browser loads it anew

Needs no server. Costs at most `MOST_COST` of the wall time: how long a page took decides when the next one comes. What
cannot be written is tried again at the next time; whether the last one could be is said by who writes that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orcabatch.errors import OutputError, SourceError
from orcabatch.monitor.report import write_report
from orcabatch.monitor.tracker import Tracker

if TYPE_CHECKING:
    from pathlib import Path

    from orcabatch.engine.contract import RunEvent
    from orcabatch.monitor.state import RunState

EVERY_S = 5.0
"""Sooner, and a page jumps while it is read; later, and a short run ends before its page was seen."""

MOST_COST = 0.01
"""Share of the wall time; a page of 5,000 files takes some seconds, and then comes every few minutes."""


TOLD = ("elapsed_s", "total", "done", "failed", "running", "total_bytes", "done_bytes", "share", "remaining_s")
"""What the metrics have of the progress."""


class LiveReport:
    """Writes the page when it is time; a display beside the one that is looked at here.

    Args:
        path: the page.
        state: the run as the monitor folds it.
        so_far: makes the metrics of the run as it stands.
        clock: seconds, for what a page costs.
    """

    names_failures = False

    def __init__(
        self,
        path: Path,
        state: RunState,
        so_far: Callable[[], dict[str, Any]],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._path, self._so_far, self._clock = path, so_far, clock
        self._tracker = Tracker(state)
        self._due_s, self._again_s = float("-inf"), EVERY_S

    def listener(self, event: RunEvent) -> None:
        """The page, when it is time."""
        if event.at_s >= self._due_s and event.kind != "run_finished":
            began = self._clock()
            self._write()
            cost_s = self._clock() - began
            self._again_s = max(EVERY_S, cost_s / MOST_COST)
            self._due_s = event.at_s + cost_s + self._again_s

    def close(self) -> None:
        """Nothing: the last page is written from the metrics of the whole run."""

    def _write(self) -> None:
        shot = self._tracker.snapshot()
        working = [running.file for running in self._tracker.state.running.values()]
        now = datetime.now(UTC).isoformat()
        progress = {name: getattr(shot, name) for name in TOLD}
        progress |= {"files": working, "written_at": now, "again_s": self._again_s}
        try:
            write_report(self._path, self._so_far() | {"progress": progress})
        except (OutputError, SourceError):
            return  # a share that is away for a while: the run goes on, and so does the page when it is there again
