"""A user's set-up function: called once in every process that works on files, before its first file.

Covers the call and what is said where it fails. Does not cover when it is called: on threads and in serial runs by the
executor in the caller's own thread, in worker processes at their birth (`inherited`).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orcabatch.errors import SettingsError


class AskedToEndError(Exception):
    """The set-up function raised `SystemExit`."""


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
        try:
            self.function(*self.args)
        except SystemExit as error:  # in a worker process it would pass for a crash, file after file
            raise AskedToEndError(f"it asked for the end of the process, with {error!r}") from error

    @property
    def name(self) -> str:
        """For messages."""
        return str(getattr(self.function, "__qualname__", type(self.function).__qualname__))

    def fault(self, error: Exception) -> str:
        """Its failure in one line, with the place in its own code."""
        origin = error.__cause__ if isinstance(error, AskedToEndError) and error.__cause__ else error
        frames = traceback.extract_tb(origin.__traceback__)
        at = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        return f"the initializer {self.name} raised {type(origin).__name__}: {error}{at}"


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
