"""What functions log and warn of in worker processes, heard in the caller's process as if they ran there.

    worker:  logging, warnings ── Speaker ──> Logged, Warned  ── as messages ──>  caller: echo(message)

As the standard library's cookbook does it: workers have a `QueueHandler`, whose queue is the way that all messages
take, and the caller's process gives each record to its own logger of that name, and so to its handlers. Warnings take
the same way to `warnings.warn_explicit`, which knows what was shown already, whichever process it came from.

Does not cover levels and filters (`inherited`): what they hold back in the worker never leaves it.
"""

from __future__ import annotations

import logging
import logging.handlers
import pickle
import sys
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from queue import SimpleQueue
from types import FrameType
from typing import Any, TextIO

from orcabatch.engine.foreign import ordinarily
from orcabatch.engine.logs import handle, logger
from orcabatch.engine.worker_messages import Logged, Post, Warned
from orcabatch.text import words_of

_log = logger(__name__)

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; what else a caller gave along may be unfit to travel."""

_elsewhere: dict[Any, Any] = {}
"""The registry of warnings whose module was not imported in this process."""

# --- in the caller's process ---


def echo(message: Logged | Warned) -> None:
    """Do here what was done in a worker; what this process's own filter makes an error of is only logged."""
    handle(partial(_echoed, message))


def _echoed(message: Logged | Warned) -> None:
    try:
        ordinarily(lambda: _again(message))
    except Exception as error:  # noqa: BLE001 - the caller's handlers and filters may raise anything, and no file is lost
        _log.info("something that a worker process logged or warned of was not passed on: %s", words_of(error))


def _again(message: Logged | Warned) -> None:
    match message:
        case Logged(packed):
            _log_again(pickle.loads(packed))  # noqa: S301 - from our own worker
        case Warned():
            _warn_again(message)


def _log_again(record: logging.LogRecord) -> None:
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def _warn_again(said: Warned) -> None:
    warning: Warning = pickle.loads(said.warning)  # noqa: S301 - from our own worker
    module = sys.modules.get(said.module)
    registry: dict[Any, Any] = _elsewhere if module is None else vars(module).setdefault("__warningregistry__", {})
    name = said.module or said.filename.removesuffix(".py")  # one that is None Python leaves out without a word
    warnings.warn_explicit(warning, type(warning), said.filename, said.lineno, name, registry)


# --- in worker processes ---

SPEAKING: ContextVar[Post | None] = ContextVar("orcabatch_echo", default=None)
"""Who listens to this thread, where a process works for several callers (dask)."""


class Speaker(logging.handlers.QueueHandler):
    """Has this process's log records and warnings told to a caller.

    Args:
        name: of the process, for the records.
        everybody: listens to all threads; None: only `SPEAKING` says who listens, and what nobody hears goes where it
            always went.
    """

    def __init__(self, name: str, everybody: Post | None = None) -> None:
        super().__init__(SimpleQueue())
        self._name = name
        self._everybody = everybody
        self._others: list[logging.Handler] = []
        self._showwarning: Callable[..., None] = warnings.showwarning

    def install(self) -> None:
        """Listen from now on; instead of the handlers that are there, or beside them where not all is ours."""
        if self._everybody is not None:
            self._others = logging.root.handlers[:]
            logging.root.handlers.clear()
        logging.root.addHandler(self)
        self._showwarning = warnings.showwarning
        warnings.showwarning = self._show

    def remove(self) -> None:
        """Listen no longer."""
        logging.root.removeHandler(self)
        logging.root.handlers += self._others
        warnings.showwarning = self._showwarning

    def _post(self) -> Post | None:
        return SPEAKING.get() or self._everybody

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it, if anybody listens to the thread that logs."""
        if self._post() is not None:
            super().emit(record)

    def enqueue(self, record: logging.LogRecord) -> None:
        """The record, made ready for travelling by the standard library, but for what a caller gave it along."""
        record.processName = self._name
        packed = _packed(record)
        if packed is None:
            plain = {name: value for name, value in vars(record).items() if name in _PLAIN}
            packed = _packed(logging.makeLogRecord(plain))
        post = self._post()
        if post is not None and packed is not None:
            post(Logged(packed))

    def _show(  # noqa: PLR0913, PLR0917 - the standard library's own signature
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        post = self._post()
        if post is None or file is not None:
            self._showwarning(message, category, filename, lineno, file, line)
            return
        post(Warned(_packed_warning(message, category), filename, lineno, _module_at(filename, lineno)))


def _packed_warning(message: Warning | str, category: type[Warning]) -> bytes:
    """The warning; one that cannot travel is told as its text."""
    warning = message if isinstance(message, Warning) else category(message)
    told = UserWarning(f"{category.__name__}: {message}")
    return _packed(warning) or pickle.dumps(told, pickle.HIGHEST_PROTOCOL)


def _packed(said: logging.LogRecord | Warning) -> bytes | None:
    """Ready for travelling; None where it cannot travel."""
    try:
        return pickle.dumps(said, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - packing runs the code of whatever a function logged or warned of
        return None


def _module_at(filename: str, lineno: int) -> str:
    """The name of the module that warned, which filters may ask for: the frame is still there."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == filename and frame.f_lineno == lineno:
            return str(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    return ""
