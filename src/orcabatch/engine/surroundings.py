"""What a function finds around it on a worker thread: what the thread that made the workers had, as a copy.

    maker's thread ── Surroundings.here() ──> run(step), file after file, on any thread

Covers context variables, the decimal context and numpy's error state, which a thread of its own would not have. Each
file begins with a fresh copy, so that nothing leaks back to the caller or on to the next file. Does not cover what a
process as a whole has (`inherited`).
"""

from __future__ import annotations

import contextvars
import decimal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from orcabatch.engine.shared_state import Watch

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
    watch: Watch | None = None

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
