"""The border to foreign code: whatever it raises is an ordinary exception on this side, and can be said in words.

Foreign is what others wrote and we call: a post-process, an initializer, a display, what a batch does at its end. Some
exceptions are no `Exception`: `SystemExit`, `GeneratorExit`, `asyncio.CancelledError`, classes of the user's. Each asks
for the end of something, and what would end here is never what was meant: a whole batch for one file. Where a worker's
thread is ended by one, its executor says so (`worker_loop.death`); everywhere else such code is called through here.

The process's clocks are foreign as well, since whatever runs in it may set them (`freezegun`, a mock of `time`).

`KeyboardInterrupt` in the main thread is Ctrl-C, and stays that: Python raises it nowhere else. A bare `except:`, as
digitalmodel has several, keeps it to itself and goes on with half of what it was doing: what such code gives is not
taken for a result (`heard`).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NoReturn, TypeVar

from orcabatch.sleep import awake_s
from orcabatch.text import words_of

T = TypeVar("T")


class AskedToEndError(Exception):
    """Foreign code raised something that is no `Exception`, which is the cause of this."""


def ordinarily(step: Callable[[], T]) -> T:
    """Do the step.

    Raises:
        AskedToEndError: in the place of what is no `Exception`.
        KeyboardInterrupt: in the main thread.
    """
    try:
        return heard(step)
    except Exception:
        raise
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        raise AskedToEndError(f"it asked for the end of more than itself, with {words_of(error)}") from error


def own_copy(columns: Mapping[Any, Any]) -> dict[Any, Any]:
    """A copy that foreign code may change, with the lists and the like in it; what cannot be copied is shared."""
    return {name: value if type(value) in IMMUTABLE else _copied(value) for name, value in columns.items()}


IMMUTABLE = frozenset({int, float, complex, bool, str, bytes, type(None)})
"""Types of what nobody can change; of a subclass may have attributes that are set."""


def _copied(value: Any) -> Any:
    try:
        return ordinarily(lambda: copy.deepcopy(value))
    except Exception:  # noqa: BLE001 - it runs the code of whatever the value is
        return value


_torn = 0
"""How often code that holds the main thread was torn apart by a signal."""


def tear(signum: int) -> NoReturn:
    """From a signal's handler: tear apart what holds the main thread.

    Raises:
        KeyboardInterrupt: always.
    """
    global _torn  # noqa: PLW0603 - of the process, as its main thread and its signals are
    _torn += 1
    raise KeyboardInterrupt(signum)


def heard(step: Callable[[], T]) -> T:
    """Do the step; where it was torn apart and went on all the same, what it gives is no result.

    Raises:
        KeyboardInterrupt: it was torn apart, also where it kept that to itself.
    """
    before = _torn
    result = step()
    if _torn != before and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt
    return result


def onward(last_s: float, read_s: float) -> float:
    """What a clock says, or said last where it goes back or says nothing that is a time."""
    return read_s if last_s <= read_s < inf else last_s


class RunClock:
    """The clock of a run; it does not go back.

    Attributes:
        epoch_s: when the run began, as `awake_s` tells it.
    """

    def __init__(self) -> None:
        self.epoch_s = self._latest_s = 0.0

    def begin(self) -> None:
        """The run begins now."""
        self.epoch_s = self._latest_s = onward(0.0, awake_s())

    def now(self) -> float:
        """Seconds since the run began."""
        self._latest_s = onward(self._latest_s, awake_s())
        return self._latest_s - self.epoch_s


def is_ctrl_c(error: BaseException) -> bool:
    """Whether it may be the user's, and is nobody's else to keep."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()
