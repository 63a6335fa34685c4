"""What a function finds around it on a worker thread: what the thread that made the workers had, as a copy.

    maker's thread ── Surroundings.here() ──> run(step), file after file, on any thread

Covers context variables, the decimal context and numpy's error state, which a thread of its own would not have. Each
file begins with a fresh copy, so that nothing leaks back to the caller or on to the next file. Covers the user's
initializer too, called once in every process before its first file: on threads and in serial runs by the executor in
the caller's thread, in worker processes at their birth. Does not cover what a process as a whole has (`inherited`).
"""

from __future__ import annotations

import contextvars
import decimal
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from orcabatch.engine.foreign import AskedToEndError, ordinarily
from orcabatch.errors import SettingsError
from orcabatch.text import words_of

if TYPE_CHECKING:
    from orcabatch.engine.shared_state import SharedStateWatch


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NumpyErrors:
    """numpy's error state: thread-local before numpy 2, a context variable since; set on the thread it serves both.

    Attributes:
        actions: what `numpy.geterr` says.
        call: what `numpy.geterrcall` says.
    """

    actions: dict[str, Any]
    call: Any = None

    @classmethod
    def here(cls) -> Self | None:
        """Of this thread; None where nobody has imported numpy."""
        numpy = sys.modules.get("numpy")
        return None if numpy is None else cls(dict(numpy.geterr()), numpy.geterrcall())

    def take_over(self) -> None:
        """Have it in this thread and context."""
        import numpy as np

        np.seterr(**self.actions)
        np.seterrcall(self.call)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step on another thread shall find.

    Attributes:
        variables: context variables; their values are shared, as everywhere in Python.
        decimal: its own object: the one that the variables lead to would be the caller's, and live.
        numpy: None where nobody has imported it.
        watch: looks what the step does with what other threads share; None: there are none.
    """

    variables: contextvars.Context
    decimal: decimal.Context
    numpy: NumpyErrors | None
    watch: SharedStateWatch | None = None

    @classmethod
    def here(cls) -> Self:
        """Those of the calling thread, as they are now."""
        return cls(contextvars.copy_context(), decimal.getcontext().copy(), NumpyErrors.here())

    def run(self, step: Callable[[], T], about: str = "") -> T:
        """Do the step in a copy of them.

        Args:
            step: what to do.
            about: the name of the file that it is about.
        """
        with nullcontext() if self.watch is None else self.watch.over(about):
            return self.variables.copy().run(self._within, step)

    def close(self) -> None:
        """Nobody finds them any more."""
        if self.watch is not None:
            self.watch.close()

    def _within(self, step: Callable[[], T]) -> T:
        decimal.setcontext(self.decimal.copy())
        if self.numpy is not None:
            self.numpy.take_over()
        return step()


@dataclass(frozen=True, slots=True)
class Initializer:
    """As in `concurrent.futures`.

    Attributes:
        function: what to call.
        args: with what.
    """

    function: Callable[..., object]
    args: tuple[Any, ...] = ()

    def __call__(self) -> None:
        """Call it; what it returns is of no use."""
        # In a worker process `SystemExit` would pass for a crash, file after file.
        ordinarily(lambda: self.function(*self.args))

    @property
    def name(self) -> str:
        """For messages."""
        return str(getattr(self.function, "__qualname__", type(self.function).__qualname__))

    def fault(self, error: Exception) -> str:
        """Its failure in one line, with the place in its own code."""
        origin = error.__cause__ if isinstance(error, AskedToEndError) and error.__cause__ else error
        frames = traceback.extract_tb(origin.__traceback__)
        at = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        return f"the initializer {self.name} raised {words_of(origin)}{at}"


def begin_here(initializer: Initializer | None) -> None:
    """Call it in this process and thread, if there is one.

    Raises:
        SettingsError: it failed; no file was started.
    """
    if initializer is None:
        return
    try:
        initializer()
    except Exception as error:  # a user's function may raise anything
        raise SettingsError(f"{initializer.fault(error)}; no file was started") from error
