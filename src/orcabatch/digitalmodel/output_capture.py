"""What digitalmodel prints and logs, kept out of the user's terminal and kept per file.

digitalmodel speaks through `print`, the root logger and loguru, from whatever thread runs it. Standard output and the
loggers belong to the whole process, so they cannot be turned aside for one thread. What can: the three *names* in
digitalmodel's own modules. They are replaced by names that ask a context variable who listens in this thread: nobody
(digitalmodel is used on its own): all goes where it always went; a `CapturedOutput`: it is kept there.
Does not cover warnings of other libraries, nor what happens to the lines later (`orcabatch.digitalmodel.combine`).
"""

from __future__ import annotations

import builtins
import sys
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType, TracebackType
from typing import Any, Self

from orcabatch.text import and_more

SPOKEN = frozenset({"debug", "info", "warning", "error", "critical", "exception", "log", "trace", "success"})
SERIOUS = frozenset({"warning", "error", "critical", "exception"})
_OWN_MODULES = r"(digitalmodel|assetutilities)\."
MOST_LINES = 500
"""More lines than this about one file help nobody; the rest is counted."""
MOST_CONCERNS = 10
"""Errors and warnings of one file that are said in full: more would hide those of other files."""


class CapturedOutput:
    """What digitalmodel said in one thread, for as long as the `with` block lasts.

    An exception that leaves the block takes the lines along as notes: they stand in its traceback.

    Args:
        passes: whether an error passes by itself, as that of a licence that is gone for a moment. The first one that
            digitalmodel was handling as it spoke leaves the block in the end, in the place of what came of it:
            digitalmodel goes on without the result, and may stumble over that later.
    """

    def __init__(self, passes: Callable[[Exception], bool] = lambda _: False) -> None:
        self._passes = passes
        self._passing: Exception | None = None
        self.lines: list[str] = []
        self.serious: list[str] = []
        self.dropped = 0

    def say(self, level: str, text: str) -> None:
        """Keep a line; errors and warnings are kept apart too, each once and in one line (OrcFxAPI's have several)."""
        if self._passing is None and isinstance(error := sys.exception(), Exception) and self._passes(error):
            self._passing = error
        if level in SERIOUS and (line := " ".join(text.split())) not in self.serious:
            self.serious.append(line)
        if len(self.lines) < MOST_LINES:
            self.lines.append(f"{level}: {text}")
        else:
            self.dropped += 1

    def told(self) -> tuple[str, ...]:
        """All lines, and how many more there were."""
        return (*self.lines, f"... and {self.dropped} more lines") if self.dropped else tuple(self.lines)

    def concerns(self) -> tuple[str, ...]:
        """What the engineer should know: errors and warnings, the first of them in full."""
        more = and_more(len(self.serious), MOST_CONCERNS, "errors and warnings")
        first = tuple(f"digitalmodel: {text}" for text in self.serious[:MOST_CONCERNS])
        return (*first, f"digitalmodel: ... {more}") if more else first

    def __enter__(self) -> Self:
        self._token = _LISTENING.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _LISTENING.reset(self._token)
        passing = self._passing if error is None or isinstance(error, Exception) else None
        left = passing or error
        if left is not None:
            for line in self.told():
                left.add_note(f"digitalmodel said: {line}")
        if passing is not None and passing is not error:
            raise passing from None


_LISTENING: ContextVar[CapturedOutput | None] = ContextVar("orcabatch_digitalmodel_captured", default=None)


class Routed:
    """A logging module or logger whose lines go to whoever listens, else where they always went."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def __getattr__(self, name: str) -> Any:
        original = getattr(self.original, name)
        return _routed(name, original) if name in SPOKEN else original


def _routed(level: str, original: Callable[..., None]) -> Callable[..., None]:
    def speak(*args: Any, **kwargs: Any) -> None:
        captured = _LISTENING.get()
        if captured is None:
            original(*args, **kwargs)
        else:
            captured.say(level, " ".join(str(arg) for arg in args))

    return speak


def _print(*args: Any, **kwargs: Any) -> None:
    """`print`, kept by whoever listens."""
    captured = _LISTENING.get()
    if captured is None or kwargs.get("file") is not None:
        builtins.print(*args, **kwargs)  # noqa: T201 - nobody listens: digitalmodel's own print
    else:
        captured.say("print", str(kwargs.get("sep") or " ").join(str(arg) for arg in args))


def capture_modules(*packages: str) -> None:
    """Let the loaded modules of these packages speak through here; may be called again, only new ones are touched."""
    for name, module in list(sys.modules.items()):
        if module is not None and any(name == package or name.startswith(f"{package}.") for package in packages):
            _route_module(module)


def ignore_own_warnings() -> None:
    """Keep warnings about digitalmodel's own code (fragmented tables, pandas' plans) out of the terminal."""
    if not any(getattr(entry[3], "pattern", None) == _OWN_MODULES for entry in warnings.filters):
        warnings.filterwarnings("ignore", module=_OWN_MODULES)


def _route_module(module: ModuleType) -> None:
    names = vars(module)
    for name in ("logging", "logger"):
        if name in names and not isinstance(names[name], Routed):
            names[name] = Routed(names[name])
    names.setdefault("print", _print)
