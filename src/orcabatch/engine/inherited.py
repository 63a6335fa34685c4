"""What a worker process takes over from the process that made it, beside the work itself.

    caller: Inherited.here(initializer) ── packed ──> worker: take_over(), begin() ──> Surroundings of its threads

Covers logging levels and warning filters (of the process), the decimal context and numpy's error state (for its
threads), and the initializer. Context variables stay: they cannot be sent to another process. Does not cover how
records and warnings come back (`echo`).
"""

from __future__ import annotations

import contextvars
import decimal
import logging
import os
import pickle
import threading
import uuid
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from orcabatch.engine.echo import SPEAKING, Speaker
from orcabatch.engine.executors import packing
from orcabatch.engine.foreign import ordinarily
from orcabatch.engine.surroundings import NumpyErrors, Surroundings
from orcabatch.text import words_of

if TYPE_CHECKING:
    from orcabatch.engine.surroundings import Initializer
    from orcabatch.engine.worker_messages import Post

_MARK = uuid.uuid4().hex


def this_process() -> str:
    """A name that no other process has."""
    return f"{_MARK}-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Levels:
    """What the loggers of a process let through.

    Attributes:
        disabled: what `logging.disable` says.
        own: level by name of those loggers that have one of their own; the root's name is empty.
    """

    disabled: int
    own: dict[str, int]

    @classmethod
    def here(cls) -> Self:
        """Of this process."""
        found = {name: logger.level for name, logger in _loggers().items() if logger.level}
        return cls(logging.root.manager.disable, {**found, "": logging.root.level})

    def take_over(self) -> None:
        """Have exactly these."""
        logging.disable(self.disabled)
        for name, logger in _loggers().items():
            if name not in self.own:
                logger.setLevel(logging.NOTSET)
        for name, level in self.own.items():
            logging.getLogger(name).setLevel(level)


def _loggers() -> dict[str, logging.Logger]:
    known = list(logging.root.manager.loggerDict.items())
    return {name: logger for name, logger in known if isinstance(logger, logging.Logger)}


@dataclass(frozen=True, slots=True)
class Inherited:
    """What goes along to every worker process; can be unpacked without any module of the user's.

    Attributes:
        origin: the process it is from.
        levels: of its loggers.
        filters: of warnings, the first that fits counts; each packed by itself, because its category may be unknown.
        decimal, numpy: of the caller's thread.
        initializer: packed; None: there is none.
    """

    origin: str
    levels: Levels
    filters: tuple[bytes, ...]
    decimal: decimal.Context
    numpy: dict[str, Any] | None
    initializer: bytes | None

    @classmethod
    def here(cls, initializer: Initializer | None = None, asked: str = "executor: processes") -> Self:
        """Of this process and thread.

        Raises:
            SettingsError: the initializer cannot be sent to another process.
        """
        numpy = NumpyErrors.here()
        return cls(
            this_process(),
            Levels.here(),
            tuple(packed for each in warnings.filters if (packed := _packed(each)) is not None),
            decimal.getcontext().copy(),
            None if numpy is None else numpy.actions,
            None if initializer is None else packing.pack(initializer, asked),
        )

    def take_over(self) -> None:
        """Have these warning filters and levels in this process."""
        self.levels.take_over()
        filters = [entry for packed in self.filters if (entry := _unpacked(packed)) is not None]
        warnings.resetwarnings()  # also tells what was warned of before that the filters are others now
        cast("list[Any]", warnings.filters).extend(filters)

    def begin(self, post: Post | None = None) -> Surroundings:
        """Call the initializer, and return what worker threads of this process shall find.

        Args:
            post: listens to what these threads log and warn of; None: nobody in particular.

        Raises:
            Exception: whatever the initializer raises; its `fault` says it.
        """
        before = NumpyErrors.here()
        try:
            return contextvars.copy_context().run(self._begun, post)
        finally:
            if before is not None:
                before.take_over()

    def _begun(self, post: Post | None) -> Surroundings:
        SPEAKING.set(post)
        decimal.setcontext(self.decimal.copy())
        if self.numpy is not None:
            NumpyErrors(self.numpy).take_over()
        if self.initializer is not None:
            _call(self.initializer)
        return Surroundings.here()


class Loan:
    """A caller's levels and filters in a process that is not his, such as a dask worker's, until he gives them back.

    Several callers may be there at once: the levels and filters are those of the last one, and those from before come
    back when nobody is there any more. Not taken where caller and worker are one process.

    Args:
        inherited: the caller's.
        name: of the worker, for its log records.
    """

    _lock = threading.Lock()
    _takers = 0
    _before: Inherited | None = None
    _speaker: Speaker | None = None

    def __init__(self, inherited: Inherited, name: str) -> None:
        self._taken = inherited.origin != this_process()
        if not self._taken:
            return
        with Loan._lock:
            if not Loan._takers:
                Loan._before, Loan._speaker = Inherited.here(), Speaker(name)
                Loan._speaker.install()
            Loan._takers += 1
            inherited.take_over()

    def give_back(self) -> None:
        """The caller is gone; may be called again."""
        with Loan._lock:
            taken, self._taken = self._taken, False
            if not taken:
                return
            Loan._takers -= 1
            if Loan._takers or Loan._before is None or Loan._speaker is None:
                return
            Loan._before.take_over()
            Loan._speaker.remove()


class InitializerError(Exception):
    """The initializer failed in this process; the text says how."""


def _call(packed: bytes) -> None:
    try:
        initializer = pickle.loads(packed)  # noqa: S301 - from the process that made this one
    except Exception as error:  # unpacking imports the user's modules
        text = f"the initializer cannot be unpacked: {words_of(error)}"
        raise InitializerError(f"{text}; make its module importable") from error
    try:
        initializer()
    except Exception as error:  # a user's function may raise anything
        raise InitializerError(f"{initializer.fault(error)}; no file was started there") from error


def _packed(entry: Any) -> bytes | None:
    try:
        return ordinarily(lambda: pickle.dumps(entry, pickle.HIGHEST_PROTOCOL))
    except Exception:  # noqa: BLE001 - a filter whose category cannot travel is left out, and costs nothing else
        return None


def _unpacked(packed: bytes) -> Any:
    try:
        return ordinarily(lambda: pickle.loads(packed))  # noqa: S301 - from the process that made this one
    except Exception:  # noqa: BLE001 - a filter whose category nobody knows here is left out, and costs nothing else
        return None
