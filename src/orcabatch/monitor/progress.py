"""How far a batch is, how fast, and how long it still takes; and the displays that show it.

Covers what is shown (`Snapshot`), how it is made from the engine's events (`Tracker`), and which display a caller gets
(`make_display`). The displays themselves are in `orcabatch.monitor.displays` and `orcabatch.monitor.dashboard`.

    events ──> Tracker (state + estimate) ──> Snapshot ──> terminal bar, notebook bar, lines, dashboard, your function

Displays have no thread and no clock of their own: they draw when an event comes (the engine's samples come about once a
second), at most as often as each of them allows itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol

from orcabatch.errors import SettingsError
from orcabatch.monitor.estimate import Estimate
from orcabatch.monitor.state import RunState

if TYPE_CHECKING:
    from orcabatch.engine.contract import Event, Task
    from orcabatch.monitor.performance import PerformanceMonitor

CHOICES = ("auto", "bar", "lines", "live", "notebook")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A batch at one moment; what a function given as `progress` is called with.

    Attributes:
        elapsed_s: seconds since the run began.
        total, done, failed, running: files in all, ended (failed ones included, cancelled ones not), failed, in work.
        total_bytes, done_bytes: bytes of the files in all and of the ended ones; 0 where sizes are not known.
        bytes_per_s: bytes of ended files per second of the run.
        remaining_s: seconds that the rest takes; None before the first file has ended.
        finished, interrupted: whether the run is over, and by a signal.
    """

    elapsed_s: float
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

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1: of the bytes where they are known, else of the files."""
        if self.finished and self.done == self.total:
            return 1.0
        if self.total_bytes > 0:
            return self.done_bytes / self.total_bytes
        return self.done / self.total if self.total else 0.0


class Display(Protocol):
    """Shows a run. Told of the tasks before it, of every event during it, and closed after it."""

    def expect(self, tasks: Iterable[Task], *, cap_percent: float = 0.0, seats: int = 0) -> None:
        """Say what is to be done; without it, sizes and names are not shown."""

    def listener(self, event: Event) -> None:
        """Take in one event of the engine."""

    def close(self) -> None:
        """Show the end and give the terminal back; calling it again does nothing."""


class Tracker:
    """What every display stands on: the state of the run and the estimate of its rest.

    Attributes:
        state: the run so far.
        estimate: what was learnt from finished files.
    """

    def __init__(self) -> None:
        self.state = RunState()
        self.estimate = Estimate()
        self._sizes: dict[int, int] = {}
        self._waiting: dict[int, int] = {}

    def expect(self, tasks: Iterable[Task], *, cap_percent: float = 0.0, seats: int = 0) -> None:
        """Say what is to be done."""
        known = list(tasks)
        self.state.expect(known, cap_percent=cap_percent, seats=seats)
        self._sizes = {task.index: task.size_bytes for task in known}
        self._waiting = dict(self._sizes)

    def apply(self, event: Event) -> None:
        """Take in one event."""
        had = self.state.running.get(event.index) if event.kind == "finished" else None
        self.state.apply(event)
        if event.kind == "started":
            self._waiting.pop(event.index, None)
        elif event.kind == "finished":
            self._waiting.pop(event.index, None)
            if had is not None and event.data.get("status") == "ok":
                self.estimate.add(had.size_bytes, event.at_s - had.started_s)

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
            bytes_per_s=state.done_bytes / state.now_s if state.now_s > 0 else 0.0,
            remaining_s=self._remaining_s(),
            finished=state.finished,
            interrupted=state.interrupted,
        )

    def _remaining_s(self) -> float | None:
        state = self.state
        if state.finished:
            return 0.0
        waiting = list(self._waiting.values()) if self._sizes else [0] * state.waiting_files
        return self.estimate.remaining_s(
            [(running.size_bytes, state.now_s - running.started_s) for running in state.running.values()],
            waiting,
            len(state.running) or state.limit,
        )


def make_display(
    progress: Any = None, stream: IO[str] | None = None, *, monitor: PerformanceMonitor | None = None
) -> Display:
    """The display that the caller asked for.

    Args:
        progress: None, True or "auto": what suits the place (a bar in a terminal or notebook, lines in a file or CI);
            False: nothing; "bar", "lines", "live" (the dashboard) or "notebook": that one; a function: it is called
            with a `Snapshot` whenever a file ends, and at the end.
        stream: where a terminal display or lines go; None: standard error.
        monitor: whose verdict the dashboard shows.

    Raises:
        SettingsError: `progress` is none of these.
    """
    from orcabatch.monitor import displays

    if progress is False:
        return displays.Silent()
    if callable(progress):
        return displays.Callback(progress)
    if progress is None or progress is True:
        progress = "auto"
    if progress not in CHOICES:
        raise SettingsError(f"progress: {progress!r} is not known; use True, False, a function or one of {CHOICES}")
    stream = sys.stderr if stream is None else stream
    return _named(_suitable(stream) if progress == "auto" else progress, stream, monitor)


def _named(name: str, stream: IO[str], monitor: PerformanceMonitor | None) -> Display:
    from orcabatch.monitor import displays

    if name == "live" and _is_terminal(stream):
        from orcabatch.monitor.dashboard import Dashboard

        return Dashboard(stream, monitor)
    makers: dict[str, Callable[[], Display]] = {
        "bar": lambda: displays.Bar(stream),
        "notebook": displays.Notebook,
    }
    return makers.get(name, lambda: displays.Lines(stream))()


def _suitable(stream: IO[str]) -> str:
    if in_notebook():
        return "notebook"
    in_ci = bool(os.environ.get("CI"))
    return "bar" if _is_terminal(stream) and not in_ci else "lines"


def _is_terminal(stream: IO[str]) -> bool:
    """Whether the stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"
