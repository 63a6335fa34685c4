"""What displays show of a batch, and the small ones: nothing, your function, lines, a bar in the terminal or notebook.

    state ──> Tracker ──> Snapshot ──> each of these, the dashboard, the report of a run that goes on

Each draws what a `Snapshot` says; none has a clock. What goes to a terminal, a pipe or a file gets there on a thread of
its own (`orcabatch.monitor.drawing`). The large one is `orcabatch.monitor.dashboard`. Does not cover the state of the
run (`orcabatch.monitor.state`) nor what it still takes (`orcabatch.engine.time_left`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from orcabatch.background import PATIENCE_S
from orcabatch.engine.time_left import TimeLeft
from orcabatch.monitor.drawing import Drawer, terminal_of
from orcabatch.monitor.state import RunState
from orcabatch.text import duration, plural, printable, size
from orcabatch.win32 import takes_escape_codes

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.table import Table

    from orcabatch.engine.contract import RunEvent

LINE_EVERY_S = 10.0
"""Files and CI logs keep every line: a batch of an hour leaves some 360 of them."""

BAR_EVERY_S = 0.5
"""Often enough to look alive, seldom enough to cost under a hundredth of the run (`tests/monitor/test_own_cost.py`)."""

NOTEBOOK_EVERY_S = 0.5
"""As the bar's; each drawing is a message to the browser."""


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
            remaining_s=0.0 if state.finished else self._time_left.of(state.standing),
            finished=state.finished,
            interrupted=state.interrupted,
            broken=state.broken,
        )


class NoDisplay:
    """Shows nothing."""

    names_failures = False

    def listener(self, event: RunEvent) -> None:
        """Nothing is shown."""

    def close(self) -> None:
        """Nothing is to be given back."""


class Tracked:
    """A display on a tracker: draws on events, at most every `every_s` seconds of the run, and once at the end."""

    every_s = 0.0
    names_failures = False
    says_time = True
    """At the end; a command says its own, in which the run's is contained."""

    def __init__(self) -> None:
        self.tracker = Tracker()
        self._drawn_s = float("-inf")
        self._closed = False

    def listener(self, event: RunEvent) -> None:
        """Something happened, which the state knows already; draw when it is time."""
        if self._closed:
            return
        self.happened(event)
        if event.kind == "warning" and event.data.get("stopping"):
            self.say(str(event.data["text"]))
        if event.at_s - self._drawn_s >= self.every_s and event.kind != "run_finished":
            self._drawn_s = event.at_s
            self.draw(self.tracker.snapshot())

    def close(self) -> None:
        """Draw the end."""
        if not self._closed:
            self._closed = True
            shot = self.tracker.snapshot()
            self.end(shot if self.says_time else replace(shot, elapsed_s=None))

    def happened(self, event: RunEvent) -> None:
        """Something happened, whether it is time to draw or not."""

    def say(self, text: str) -> None:
        """What has to be seen at once: whoever pressed Ctrl-C and sees nothing presses it again, and loses files."""

    def draw(self, shot: Snapshot) -> None:
        """Show the run as it stands."""

    def end(self, shot: Snapshot) -> None:
        """Show how it ended."""
        self.draw(shot)


class Callback(Tracked):
    """Calls a function with a `Snapshot` whenever a file ends, and at the end."""

    every_s = float("inf")

    def __init__(self, function: Callable[[Snapshot], Any]) -> None:
        super().__init__()
        self._function = function

    def happened(self, event: RunEvent) -> None:
        """A file ended: say so."""
        if event.kind == "finished":
            self._function(self.tracker.snapshot())

    def end(self, shot: Snapshot) -> None:
        """Say how it ended."""
        self._function(shot)


def status_text(shot: Snapshot, width: int | None = None) -> str:
    """The run in one line of text; where the width is short, size and rate are left out first."""
    counts = [f"{shot.done:,} of {plural(shot.total, 'file')}"]
    if shot.total_bytes:
        counts.append(f"{shot.share:.0%} of the bytes")
    if shot.failed:
        counts.append(f"{shot.failed} failed")
    if shot.running:
        counts.append(f"{shot.running} running")
    amounts = []
    if shot.total_bytes:
        amounts.append(f"{size(shot.done_bytes)} of {size(shot.total_bytes)}")
    if shot.bytes_per_s >= 1:
        amounts.append(f"{size(shot.bytes_per_s)}/s")
    times = []
    if shot.finished:
        ending = "interrupted" if shot.interrupted else "broken off" if shot.broken else "finished"
        times.append(ending if shot.elapsed_s is None else f"{ending} after {duration(shot.elapsed_s)}")
    elif shot.remaining_s is not None:
        times.append(f"about {duration(shot.remaining_s)} left")
    while amounts and width is not None and len(", ".join([*counts, *amounts, *times])) > width:
        amounts.pop()
    said = ", ".join([*counts, *amounts, *times])
    return said if width is None or len(said) <= width else said.replace(" of the bytes", "")


class Lines(Tracked):
    """Plain lines for files and CI: the beginning, every ten seconds, each failure, the end."""

    every_s = LINE_EVERY_S
    names_failures = True

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._drawer = Drawer(terminal_of(stream))
        self._said: set[tuple[int, str]] = set()

    def happened(self, event: RunEvent) -> None:
        """A failure or a warning gets its line at once; the same failure of a file that is run again gets no second."""
        if event.kind == "finished" and event.data.get("status") == "failed":
            self._failed(event.index, str(event.data.get("error")))
        elif event.kind == "warning":
            self._drawer.say(partial(self._write, f"warning: {event.data.get('text')}"))

    def _failed(self, index: int, error: str) -> None:
        if (index, error) in self._said:
            return
        self._said.add((index, error))
        task = self.tracker.state.task(index)
        name = task.file.name if task else f"file {index}"
        self._drawer.say(partial(self._write, f"failed: {name}: {error.removeprefix(f'{name}: ')}"))

    def draw(self, shot: Snapshot) -> None:
        """One line."""
        self._drawer.draw(partial(self._write, status_text(shot)))

    def end(self, shot: Snapshot) -> None:
        """The last line; failures that did not get out are for others to name."""
        self.draw(shot)
        self._drawer.close(PATIENCE_S)
        self.names_failures = not self._drawer.left_out

    def _write(self, text: str) -> None:
        line, stream = f"orcabatch: {printable(text)}\n", self._drawer.stream
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(line.encode(encoding, "replace").decode(encoding))
        getattr(stream, "flush", bool)()  # what a program with windows puts there may only have `write`


class Redrawn(Tracked):
    """A picture in the terminal, each drawn over the one before.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._drawer = Drawer(terminal_of(stream))
        self._console = console_on(self._drawer.stream)
        self._live: Live | None = None
        self._shown = False

    def picture(self, shot: Snapshot) -> RenderableType:
        """The run as it stands, for rich to draw."""
        return ""

    def say(self, text: str) -> None:
        """A line above it."""
        self._shown = True
        self._drawer.say(partial(self._say, text))

    def draw(self, shot: Snapshot) -> None:
        """Draw over what was drawn before."""
        self._shown = True
        self._drawer.draw(partial(self._redraw, self.picture(shot)))

    def end(self, shot: Snapshot) -> None:
        """Leave the last state on the screen."""
        if self._shown:
            self._drawer.draw(partial(self._leave, self.picture(shot)))
        self._drawer.close(PATIENCE_S)

    # --- on the drawer's thread

    def _say(self, text: str) -> None:
        below = self._below() if self._drawer.left_out else self._started().console
        below.print(f"orcabatch: {text}")

    def _redraw(self, picture: RenderableType) -> None:
        self._started().update(picture, refresh=True)

    def _leave(self, picture: RenderableType) -> None:
        if self._drawer.left_out:
            below = self._below()
            below.print(picture)
            below.show_cursor(True)
            return
        live = self._started()
        with live.console:  # in one piece: nobody else's words come between
            live.update(picture, refresh=True)
            live.stop()

    def _below(self) -> Console:
        """Nobody waited for this: others have written below the last picture, and drawing over it would meet that."""
        if self._live is not None:
            self._live, self._console = None, console_on(self._drawer.stream)
            self._console.line()
        return self._console

    def _started(self) -> Live:
        if self._live is None:
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        return self._live


class Bar(Redrawn):
    """One bar in the terminal, at most twice a second."""

    every_s = BAR_EVERY_S

    def picture(self, shot: Snapshot) -> RenderableType:
        """The bar and the line below it."""
        return bar(shot, self._console.width)


def console_on(stream: IO[str]) -> Console:
    """A console on a stream; colours only where the terminal has them and nobody set NO_COLOR."""
    from rich.console import Console

    # rich asks the console of standard output, and has other ways to draw for two descriptors that this is none of.
    legacy = not takes_escape_codes(stream)
    return Console(file=stream, legacy_windows=legacy, highlight=False, emoji=False, markup=False, soft_wrap=False)


def bar(shot: Snapshot, width: int) -> Table:
    """A bar over the width of the terminal, in columns, with the status below it."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_row(ProgressBar(total=1.0, completed=shot.share), Text(f"{shot.share:.0%}"))
    rows = Table.grid(expand=True)
    rows.add_row(table)
    rows.add_row(Text(status_text(shot, width), style="red" if shot.failed else ""))
    return rows


class Notebook(Tracked):
    """One bar in the notebook, as static HTML that is replaced; without widgets and without JavaScript."""

    every_s = NOTEBOOK_EVERY_S

    def __init__(self) -> None:
        super().__init__()
        self._handle: Any = None

    def draw(self, shot: Snapshot) -> None:
        """Show the bar, or replace the one that is shown."""
        from IPython.display import HTML, display

        content = HTML(bar_html(shot))
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)


def bar_html(shot: Snapshot) -> str:
    """The bar as HTML: readable without colour, and by a screen reader."""
    percent = round(100 * shot.share)
    return (
        f'<div role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" '
        'aria-label="orcabatch" style="border:1px solid #8884;border-radius:3px;max-width:40em">'
        f'<div style="width:{percent}%;height:0.8em;background:{"#b3261e" if shot.failed else "#1a6fb5"}"></div></div>'
        f"<div>{percent}% - {status_text(shot)}</div>"
    )
