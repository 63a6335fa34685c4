"""Who follows a run: the monitor that measures, the displays that show, and the engineer, who is warned.

    engine ── event ──> monitor ──> displays
    run ── warn ──> the result's warnings, and the log

None of them ends a run: a display that raises is not asked again. Does not cover what is measured or shown
(`orcabatch.monitor`), nor what the warnings are about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from orcabatch.engine.contract import RunEvent
from orcabatch.engine.executors import facts_of
from orcabatch.engine.foreign import ordinarily
from orcabatch.engine.logs import logger
from orcabatch.text import spelled, words_of

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task
    from orcabatch.monitor import PerformanceMonitor
    from orcabatch.monitor.display_choice import Display
    from orcabatch.plan import BatchPlan
    from orcabatch.settings import Settings

_log = logger(__name__)


@dataclass(slots=True)
class Watchers:
    """Those who follow one run.

    Attributes:
        monitor: measures; gets every event first, since a display shows the state that it has brought up to date.
        warnings: what the engineer should know about the run as a whole, each once; grows while it runs.
    """

    monitor: PerformanceMonitor
    warnings: list[str] = field(default_factory=list)
    _displays: list[Display] = field(default_factory=list)
    _unsaid: list[str] | None = None

    def begin(self, displays: Iterable[Display], tasks: Sequence[Task], plan: BatchPlan, settings: Settings) -> None:
        """Show and measure from now on, told what is to be done: files are named then, and empty slots explained."""
        self._displays = list(displays)
        cap = settings.memory.max_usage_percent
        per_process = plan.threads_per_process if plan.processes else 0
        files_per_seat = {"model": 1, "process": per_process}.get(settings.licences.scope, 0)
        seats = (settings.licences.max or 0) * files_per_seat
        looks = plan.mode != "static" and facts_of(plan.executor).most_at_once != 1
        ceiling = plan.ceiling if looks else 0
        self.monitor.expect(tasks, cap_percent=cap, seats=seats, threads_per_process=per_process, ceiling=ceiling)
        self.monitor.start()

    def listen(self, event: RunEvent) -> None:
        """The engine's listener."""
        self.monitor.listener(event)
        self._show(lambda display: display.listener(event))
        if event.kind == "warning" and event.data.get("lasting"):
            self.warn(str(event.data["text"]))

    def show_stopping(self, text: str) -> None:
        """Show what a stopped run still does: who sees nothing presses Ctrl-C again, and loses it."""
        said = RunEvent("warning", self.monitor.wall_s, -1, {"text": text, "stopping": True})
        self._show(lambda display: display.listener(said))

    def warn(self, text: str) -> None:
        """Have the engineer know; nothing where the text is empty or was said."""
        if text and text not in self.warnings:
            self.log(text)
            self.warnings.append(text)

    def log(self, text: str) -> None:
        """Say it in the log, once the displays are gone where `hold_back` was called."""
        if self._unsaid is None:
            _log.warning("%s", spelled(text))
        else:
            self._unsaid.append(text)

    def hold_back(self) -> None:
        """Log nothing before `close`: a display draws over what is printed beside it."""
        self._unsaid = []

    def close(self) -> None:
        """The displays' last word, then ours."""
        self._show(lambda display: display.close())
        unsaid, self._unsaid = self._unsaid or (), None
        for text in unsaid:
            self.log(text)

    @property
    def named_failures(self) -> bool:
        """Whether whoever watched the run has read which files failed, and why."""
        return any(display.names_failures for display in self._displays)

    def _show(self, step: Callable[[Display], None]) -> None:
        """Have each display do something; one that raises (it may be the caller's function) is not asked again."""
        for display in tuple(self._displays):
            try:
                ordinarily(partial(step, display))
            except Exception as error:  # noqa: BLE001 - a batch does not end because of how it is shown
                self._displays.remove(display)
                self.warn(f"progress raised {words_of(error)} and is switched off; the batch goes on without it.")
