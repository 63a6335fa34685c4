"""What is logged while a batch runs: by a thread of its own, so that a console that is held holds up no file.

    our loggers, echo ── line ──> [ a batch runs: Background ] ──> handlers and filters, the user's

Records are made where something is logged: with the name of that thread, the time, the place. Handlers are called by
one thread, in the order of the lines, in the context (`contextvars`) of who said them. He waits a moment for that:
where nothing is held they are done with a line before he goes on, as in any program, and what he prints comes after it.

Does not cover what functions log on worker threads: that waits where it is logged. Nor worker processes (`echo`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial

from orcabatch.background import PATIENCE_S, Background
from orcabatch.engine.foreign import ordinarily

MOMENT_S = 0.1
"""How long a line is waited for. Less: on a busy host it comes after what the caller prints next. More: so long a run
stands still where a console is held; once, since nothing is waited for until that line got out."""

_running: list[Background] = []


@contextmanager
def handled_in_background() -> Iterator[None]:
    """Until the block ends; that waits for what has not got out yet, as long as something does."""
    background = Background("orcabatch-logs", last_moment_s=None)
    _running.append(background)
    try:
        yield
    finally:
        _running.remove(background)
        with suppress(Exception):  # as in `handle`
            background.close(PATIENCE_S)


def handle(step: Callable[[], object]) -> None:
    """Do what handlers of the user's may hold up: after what was said before, and soon. It must not raise."""
    newest = _running[-1:]
    if newest:
        with suppress(Exception):  # what a line before it failed with, for want of memory: no line of ours ends a batch
            newest[0].say_and_wait(partial(copy_context().run, step), MOMENT_S)
    else:
        step()


def logger(name: str) -> logging.Logger:
    """For our own modules, in place of `logging.getLogger`: the same levels, filters and handlers."""
    return _Logger(name)


class _Logger(logging.Logger):
    """Stands before the logger of its name, which only has the records."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._own = logging.getLogger(name)

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the standard library's name
        return self._own.isEnabledFor(level)

    def handle(self, record: logging.LogRecord) -> None:
        handle(partial(self._handle, record))

    def _handle(self, record: logging.LogRecord) -> None:
        try:
            ordinarily(partial(self._own.handle, record))
        except Exception:  # noqa: BLE001 - a handler of the user's, and no line of ours ends a batch
            logging.Handler().handleError(record)
