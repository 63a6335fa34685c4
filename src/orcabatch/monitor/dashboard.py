"""The live dashboard: workers and their files, memory, CPU, disk, seats, the limit and its reason, the verdict.

Covers what stands in which of at most 16 lines (`dashboard_lines`, pure) and drawing them over each other in a terminal
about once a second. Every line is cut to the terminal's width; where the terminal cannot show block characters, plain
ones stand for them. Needs no colour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from orcabatch.monitor.displays import Redrawn, status_text
from orcabatch.text import and_more, duration, printable, shortened, size, told_apart

if TYPE_CHECKING:
    from rich.console import RenderableType

    from orcabatch.monitor.displays import Snapshot
    from orcabatch.monitor.performance import PerformanceMonitor
    from orcabatch.monitor.state import Running, RunState

MOST_ROWS = 16
"""A small terminal has 24 lines: some of what was printed before stays in sight."""

EVERY_S = 1.0
"""Sixteen lines cost more to draw than a bar: under two hundredths of the run (`tests/monitor/test_own_cost.py`)."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What a terminal offers.

    Attributes:
        width: columns.
        rows: lines that may be used, at most 16.
        blocks: whether block characters can be shown.
    """

    width: int = 80
    rows: int = MOST_ROWS
    blocks: bool = True

    def gauge(self, share: float, cells: int) -> str:
        """A bar of so many cells."""
        full = round(min(max(share, 0.0), 1.0) * cells)
        on, off = ("█", "░") if self.blocks else ("#", "-")
        return on * full + off * (cells - full)

    def cut(self, text: str) -> str:
        """The text within one line; control characters of file names taken out."""
        text = printable(text)
        return text if len(text) <= self.width else f"{text[: self.width - 3]}..."


def dashboard_lines(state: RunState, shot: Snapshot, bottleneck: str, screen: Screen) -> list[str]:
    """The dashboard as lines, at most `screen.rows` of them, none wider than `screen.width`."""
    cells = max(min(screen.width // 4, 40), 10)
    head = [
        f"{screen.gauge(shot.share, cells)} {shot.share:4.0%}  orcabatch",
        status_text(shot, screen.width),
        _memory(state, screen, cells),
        f"{screen.gauge(state.cpu_percent / 100, cells)} {state.cpu_percent:3.0f}%  CPU of the batch",
        _flow(state),
        f"Limit {state.limit} at once: {state.limit_reason or 'as planned'}",
        f"Verdict{'' if shot.finished else ' so far'}: {bottleneck}",
    ]
    space = max(min(screen.rows, MOST_ROWS) - len(head), 0)
    return [screen.cut(line) for line in head[: screen.rows] + _workers(state, space, screen)]


def _memory(state: RunState, screen: Screen, cells: int) -> str:
    total = state.memory_total_bytes
    if not total:
        return f"{screen.gauge(0, cells)}   ?   memory not measured yet"
    used = state.memory_used_bytes / total
    cap = f", cap {state.cap_percent:g}%" if state.cap_percent else ""
    set_aside = f"{size(state.reserved_bytes)} for files in work"
    return f"{screen.gauge(used, cells)} {used:4.0%}  memory of {size(total)}{cap}, {set_aside}"


def _flow(state: RunState) -> str:
    seats = f"Seats for {state.seats} at once" if state.seats else "No limit of seats known"
    why = f" {state.wait_reason.words}" if state.wait_reason.words and len(state.running) < state.limit else ""
    return f"{state.waiting_files} waiting{why}. {seats}. Disk {size(state.read_bytes_per_s)}/s read"


def _workers(state: RunState, space: int, screen: Screen) -> list[str]:
    """One line per running file, the longest first; the last line counts those without one."""
    running = sorted(state.running.values(), key=lambda each: each.started_s)
    if not running or space < 1:
        return []
    if len(running) <= space:
        return _lines_of(running, state.now_s, screen)
    shown, rest = running[: space - 1], running[space - 1 :]
    phases = Counter(each.phase for each in rest)
    phased = ", ".join(f"{count} {phase}" for phase, count in sorted(phases.items()))
    return [*_lines_of(shown, state.now_s, screen), f"{and_more(len(running), len(shown))}: {phased}"]


def _lines_of(running: Sequence[Running], now_s: float, screen: Screen) -> list[str]:
    starts = [_worker(each, now_s) for each in running]
    room = screen.width - max(map(len, starts), default=0)
    names = told_apart([printable(each.file) for each in running], max(room, 6))
    return [start + name for start, name in zip(starts, names, strict=True)]


def _worker(running: Running, now_s: float) -> str:
    had = duration(max(now_s - running.started_s, 0.0))
    return f"{shortened(running.worker, 12):<12} {running.phase:<8} {had:>11} {size(running.size_bytes):>8}  "


class Dashboard(Redrawn):
    """Draws the dashboard in a terminal.

    Args:
        stream: the terminal.
        monitor: whose verdict is shown; None: none.
    """

    every_s = EVERY_S

    def __init__(self, stream: IO[str], monitor: PerformanceMonitor | None = None) -> None:
        super().__init__(stream)
        self._monitor = monitor

    def picture(self, shot: Snapshot) -> RenderableType:
        """All its lines."""
        from rich.text import Text

        return Text("\n".join(self._lines(shot)), no_wrap=True, overflow="crop")

    def _lines(self, shot: Snapshot) -> list[str]:
        bottleneck = str(self._monitor.analyze_bottlenecks()) if self._monitor else "not measured"
        window = self._console.size
        # One column and one line stay free: a Windows console scrolls when its last cell is written.
        screen = Screen(
            width=max(window.width - 1, 20),
            rows=max(min(window.height - 1, MOST_ROWS), 3),
            blocks=self._console.encoding.startswith("utf") and not self._console.legacy_windows,
        )
        return dashboard_lines(self.tracker.state, shot, bottleneck, screen)
