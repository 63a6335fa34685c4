"""The text of rounded numbers by a compiled loop: the same bytes, faster again, and the GIL is released throughout.

Needs numba, which is optional. Compiling takes seconds, so it is done where so much is left to be formatted that it
will pay (`PAYS_FROM`), on a thread of its own, while files go on without. Rows with a value that is no whole number of
millionths below 1e9 are not written here: `orcabatch.digitalmodel.csv_text` writes such blocks, and says why the rest
is right.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from orcabatch.engine.logs import logger
from orcabatch.engine.unlocked import UNLOCKED
from orcabatch.own_thread import OwnThread
from orcabatch.text import words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logger(__name__)

PAYS_FROM = 30_000_000
"""Values that are left to a process. The compiled loop saves as much on so many as importing numba and compiling takes:
1.3 s of CPU, a third more the first time on a host (numba keeps what it compiled), at 0.04 us a value. A slower host
takes longer for both. Fewer: batches pay for it that do not gain. More: batches that would gain go without."""
TELLING_FILES = 4
"""How many files have to be done before they tell what is left. Fewer: one long file, or the first one of each process,
decides. More: as many files go without."""
WIDEST = 18
"""Bytes of the longest cell: sign, nine digits, point, six digits, end."""
TINY_WIDTH = 8
"""Bytes of the longest text of a value below 1e-4: `9.9e-05`."""

Write = Callable[[Any, Any, Any], int]


def compiled() -> Write | None:
    """The loop, compiled (some seconds the first time on a machine); None without numba."""
    if importlib.util.find_spec("numba") is None:
        return None
    import numba

    write: Write = numba.njit(nogil=True, cache=_cacheable())(write_rows)
    write(np.zeros((1, 1)), _tiny_texts(), np.empty(WIDEST, np.uint8))
    return write


def values_left(formatted: int, done: int, left: int) -> float:
    """The values that a process will still format, if it goes on as before.

    Args:
        formatted: by this process, of the files that it has done.
        done: files that are done, by whichever process.
        left: files that are not.
    """
    return formatted / done * left if done >= TELLING_FILES else 0.0


class Formatted:
    """How much a process has formatted of a batch; in another process it begins anew."""

    def __init__(self) -> None:
        self.values = 0

    def __reduce__(self) -> tuple[type[Formatted], tuple[()]]:
        return Formatted, ()

    def add(self, values: int) -> None:
        """A file is done. Threads may lose a count: it is only an estimate."""
        self.values += values


class Compiled:
    """The compiled loop of this process, once it pays.

    Args:
        pays_from: how many values have to be left for it.
        make: compiles the loop; None where that is not possible.

    Attributes:
        thread: the one that compiles, or has; None: it did not pay yet.
    """

    def __init__(self, pays_from: int = PAYS_FROM, make: Callable[[], Write | None] = compiled) -> None:
        self._pays_from, self._make = pays_from, make
        self._write: Write | None = None
        self._making = threading.Lock()
        self._tiny = _tiny_texts()
        self.thread: threading.Thread | None = None

    def expect(self, values: float) -> None:
        """So many values are left to this process: has the loop compiled if it pays, once, and does not wait for it."""
        if values < self._pays_from or not self._making.acquire(blocking=False):
            return  # the lock is never given back: it is tried once
        # No daemon: a process that ends while compiled code is being made, in a thread that is torn away, crashes.
        self.thread = OwnThread(self._compile, "orcabatch-compiling", daemon=False)
        try:
            self.thread.start()
        except RuntimeError as error:
            _log.info("the text of tables is not compiled: %s", error)

    def _compile(self) -> None:
        try:
            self._write = self._make()
        except Exception as error:  # noqa: BLE001 - numba is foreign, and there is a way without it
            _log.info("the text of tables is not compiled: %s", words_of(error))

    def text(self, values: NDArray[np.float64]) -> bytes | None:
        """The lines of some rows, of shape (rows, columns); None where NumPy has to write them."""
        write = self._write
        if write is None:
            return None
        out = np.empty(values.size * WIDEST, np.uint8)
        with np.errstate(over="ignore", invalid="ignore"), UNLOCKED.here():
            written = write(values, self._tiny, out)
        return None if written < 0 else out[:written].tobytes()


def _cacheable() -> bool:
    """Whether numba finds a place to keep what it compiled; where it does not, it refuses to."""
    import numba

    try:
        numba.njit(cache=True)(write_rows)
    except RuntimeError:
        return False
    return True


def _tiny_texts() -> NDArray[np.uint8]:
    """0 to 99 millionths as text, filled up with zero bytes, of shape (100, 8)."""
    texts = np.array([repr(number / 1_000_000) for number in range(100)], f"S{TINY_WIDTH}")
    return texts.view(np.uint8).reshape(100, TINY_WIDTH)


def write_rows(values: Any, tiny: Any, out: Any) -> int:  # noqa: C901, PLR0912 - compiled as one loop
    """Write lines into `out`; how many bytes, or -1 where a value is none of ours. Meant to be compiled."""
    rows, columns = values.shape
    place = 0
    for row in range(rows):
        for column in range(columns):
            value = values[row, column]
            if np.isnan(value):
                if columns == 1:
                    return -1
            else:
                if value < 0 or (value == 0 and np.signbit(value)):
                    out[place] = 45
                    place += 1
                size = abs(value)
                millionths = np.rint(size * 1e6)
                if size == np.inf:
                    out[place], out[place + 1], out[place + 2] = 105, 110, 102
                    place += 3
                elif not (size < 1e9 and millionths / 1e6 == size):
                    return -1
                elif 0 < millionths < 100:
                    for letter in tiny[np.int64(millionths)]:
                        if letter:
                            out[place] = letter
                            place += 1
                else:
                    whole = np.int64(millionths) // 1_000_000
                    part = np.int64(millionths) - whole * 1_000_000
                    digit = 1
                    while digit * 10 <= whole:
                        digit *= 10
                    while digit > 0:
                        out[place] = 48 + whole // digit
                        whole %= digit
                        digit //= 10
                        place += 1
                    out[place] = 46
                    place += 1
                    digit = 100_000
                    while digit == 100_000 or part > 0:
                        out[place] = 48 + part // digit
                        part %= digit
                        digit //= 10
                        place += 1
            out[place] = 44
            place += 1
        out[place - 1] = 10
    return place
