"""The report of a run that goes on: one file that is written anew as it goes, so that others can watch on a share.

    events ──> is it time? ──> metrics so far ──> the page, whole or not at all ──> the reader's browser loads it anew

Needs no server. Costs at most `MOST_COST` of the wall time: how long a page took decides when the next one comes. It is
written in the background: a share that hangs holds up no file, and there is no other page until it answers. What cannot
be written is tried again at the next time; whether the last one could be is said by who writes that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from orcabatch.background import Background
from orcabatch.errors import OutputError, SourceError
from orcabatch.monitor.displays import Tracker
from orcabatch.monitor.report import page_bytes
from orcabatch.sleep import awake_s
from orcabatch.store.atomic import write_bytes

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
        background: does the writing; None: a thread of its own.
    """

    names_failures = False

    def __init__(
        self,
        path: Path,
        state: RunState,
        so_far: Callable[[], dict[str, Any]],
        clock: Callable[[], float] = awake_s,
        background: Background | None = None,
    ) -> None:
        self._path, self._so_far, self._clock = path, so_far, clock
        self._tracker = Tracker(state)
        self._due_s, self._again_s = float("-inf"), EVERY_S
        self._background = Background("orcabatch-draws") if background is None else background
        self._writing, self._wrote_s = False, 0.0

    def listener(self, event: RunEvent) -> None:
        """The page, when it is time."""
        if event.at_s >= self._due_s and not self._writing and event.kind != "run_finished":
            began = self._clock()
            page = self._page()
            cost_s = self._clock() - began + self._wrote_s
            self._again_s = max(EVERY_S, cost_s / MOST_COST)
            self._due_s = event.at_s + cost_s + self._again_s
            if page is not None:
                self._writing = True
                self._background.draw(partial(self._write, page))

    def close(self) -> None:
        """Wait until no page is written any more: the last one, from the metrics of the whole run, has to stay."""
        self._background.close()

    def _page(self) -> bytes | None:
        shot = self._tracker.snapshot()
        working = [running.file for running in self._tracker.state.running.values()]
        now = datetime.now(UTC).isoformat()
        progress = {name: getattr(shot, name) for name in TOLD}
        progress |= {"files": working, "written_at": now, "again_s": self._again_s}
        try:
            return page_bytes(self._path, self._so_far() | {"progress": progress})
        except SourceError:
            return None

    def _write(self, page: bytes) -> None:
        """On the thread that may have to wait."""
        began = self._clock()
        try:
            write_bytes(self._path, page)
        except OutputError:
            pass  # a share that is away for a while: the run goes on, and so does the page when it is there again
        finally:
            self._wrote_s, self._writing = self._clock() - began, False
