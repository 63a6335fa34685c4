"""Which display shows a run: what the caller asked for, or what suits the place.

Covers the choice (`make_display`) and what a display has to do (`Display`). What they show and the displays themselves
are in `orcabatch.monitor.displays`, the large one in `orcabatch.monitor.dashboard`. They have no clock of their own:
what they show is settled when an event comes (the engine's samples come about once a second), at most as often as each
of them allows itself. How it gets out is `orcabatch.monitor.drawing`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, Protocol

from orcabatch.errors import SettingsError
from orcabatch.monitor import displays
from orcabatch.monitor.displays import Snapshot, Tracker
from orcabatch.text import class_name
from orcabatch.win32 import takes_escape_codes

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent
    from orcabatch.monitor.performance import PerformanceMonitor

__all__ = ["Display", "Snapshot", "make_display"]

CHOICES = ("auto", "bar", "lines", "live", "notebook")


class Display(Protocol):
    """Shows a run, as the monitor's state has it. Told of every event once that is folded, and closed after the last.

    Attributes:
        names_failures: whether it says which files failed, and why.
    """

    names_failures: bool

    def listener(self, event: RunEvent) -> None:
        """An event of the engine, which the state knows already."""

    def close(self) -> None:
        """Show the end and give the terminal back; calling it again does nothing."""


def make_display(
    progress: Any = None,
    stream: IO[str] | None = None,
    *,
    monitor: PerformanceMonitor | None = None,
    says_time: bool = True,
) -> Display:
    """The display that the caller asked for.

    Args:
        progress: None, True or "auto": what suits the place (a bar in a terminal or notebook, lines in a file or CI);
            False: nothing; "bar", "lines", "live" (the dashboard) or "notebook": that one; a function: it is called
            with a `Snapshot` whenever a file ends, and at the end.
        stream: where a terminal display or lines go; None: standard error.
        monitor: whose state of the run is shown, and whose verdict; it gets each event first. None: no run is shown.
        says_time: whether it says in the end how long the run took.

    Raises:
        SettingsError: `progress` is none of these.
    """
    if progress is False:
        return displays.NoDisplay()
    stream = sys.stderr if stream is None else stream
    # A program without a console (pythonw, a GUI), or that has closed it: nobody would see it.
    if (stream is None or getattr(stream, "closed", False)) and not callable(progress):
        return displays.NoDisplay()
    made: displays.Tracked = (
        displays.Callback(progress) if callable(progress) else _named(_choice(progress, stream), stream, monitor)
    )
    made.tracker, made.says_time = Tracker(monitor.state if monitor else None), says_time
    return made


def _named(name: str, stream: IO[str], monitor: PerformanceMonitor | None) -> displays.Tracked:
    if name == "live" and _is_terminal(stream):
        from orcabatch.monitor.dashboard import Dashboard  # for who asks for one

        return Dashboard(stream, monitor)
    makers: dict[str, Callable[[], displays.Tracked]] = {
        "bar": lambda: displays.Bar(stream),
        "notebook": displays.Notebook,
    }
    return makers.get(name, lambda: displays.Lines(stream))()


def _choice(progress: Any, stream: IO[str]) -> str:
    """The name of a display; for None, True and `auto` that of the one that suits the place."""
    if progress is not None and progress is not True and progress not in CHOICES:
        raise SettingsError(f"progress: {progress!r} is not known; use True, False, a function or one of {CHOICES}")
    if progress in CHOICES and progress != "auto":
        return str(progress)
    if in_notebook():
        return "notebook"
    in_ci = bool(os.environ.get("CI"))
    return "bar" if _is_terminal(stream) and not in_ci else "lines"


def _is_terminal(stream: IO[str]) -> bool:
    """Whether the stream is a terminal that can move its cursor."""
    isatty = getattr(stream, "isatty", bool)  # what a program with windows puts there may only have `write`
    return bool(isatty()) and os.environ.get("TERM") != "dumb" and takes_escape_codes(stream)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and class_name(type(shell)) == "ZMQInteractiveShell"
