"""The text of a table of rounded numbers, byte for byte as pandas writes it, several times faster.

A value that was rounded to six decimals is a whole number of millionths. Below 1e9 it has at most 15 significant
digits, and no two decimals of at most 15 digits are the same double: so its millionths, with trailing zeros left out,
are the shortest text that reads back as the same double, which is what pandas writes (`repr` of a float). Whole numbers
can be turned into text by table look-ups over whole columns, with the GIL released most of the time; or, where numba is
installed and there is much to write, by a compiled loop (`orcabatch.digitalmodel.csv_compiled`).

Covers tables whose columns are all float64. Values below 1e-4 (written with an exponent), negative zeros, NaN (written
as nothing) and infinities have their own texts; a row with any other value is written the slow way. The header is
pandas' own, because labels may be anything: text with line ends or quotes, dates, several levels. Does not cover tables
with other columns: `csv_blocks` returns None, and pandas has to write them.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orcabatch.digitalmodel.csv_compiled import Compiled
from orcabatch.store.write_behind import TextBehind

if TYPE_CHECKING:
    import pandas as pd

_COMPILED = Compiled()

MILLION = 1_000_000
BELOW = 1e9
"""From here on a value rounded to millionths may have more than 15 significant digits."""
TINY = 100
"""Fewer millionths than this are written with an exponent."""

CELL = np.dtype([("sign", "u1"), ("high", "V6"), ("low", "V3"), ("point", "u1"), ("part", "V6"), ("end", "u1")])
"""A cell of fixed width: thousands and ones before the point, millionths behind it. Zero bytes are left out."""
TEXT = np.dtype({"names": ["text"], "formats": ["V16"], "offsets": [1], "itemsize": CELL.itemsize})
"""The same cell, seen as sign, text, end."""

Cells = NDArray[np.void]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


class _Buffers(threading.local):
    """The numbers of the piece being written: one buffer per thread, as large as any piece needed so far."""

    values: Floats | None = None


_BUFFERS = _Buffers()


@dataclass(slots=True)
class Text:
    """What was done to write a text.

    Attributes:
        pieces: in which it was made and written, its header not counted.
        buffers: that were made for them.
        values: numbers in it.
    """

    pieces: int = 0
    buffers: int = 0
    values: int = 0


def expect(values: float) -> None:
    """So many values are left to be written by this process: the compiled loop is made where that pays."""
    _COMPILED.expect(values)


def new_buffer(rows: int, columns: int) -> Floats:
    """Room for the numbers of one piece."""
    return np.empty((rows, columns))


def forget_buffers() -> None:
    """Give back the calling thread's buffer."""
    _BUFFERS.values = None


def _room(rows: int, columns: int, made: Text, *, reuse: bool) -> Floats:
    """Room of shape (rows, columns), contiguous; nobody keeps it beyond its piece."""
    kept = _BUFFERS.values if reuse else None
    if kept is None or kept.size < rows * columns:
        kept = new_buffer(rows, columns)
        made.buffers += 1
        _BUFFERS.values = kept if reuse else _BUFFERS.values
    return kept.reshape(-1)[: rows * columns].reshape(rows, columns)


def write_csv(frame: pd.DataFrame, target: Path | TextBehind, *, block_bytes: int, reuse: bool = True) -> Text | None:
    """Write what `frame.to_csv(path, index=False)` writes; None, and nothing written, where pandas has to do it.

    `target` is the file, or what keeps its text until it is written.
    """
    made = Text()
    blocks = csv_blocks(frame, block_bytes=block_bytes, reuse=reuse, made=made)
    if blocks is None:
        return None
    (target if isinstance(target, TextBehind) else TextBehind(target, 0)).add(blocks)
    return made


def csv_blocks(
    frame: pd.DataFrame, *, block_bytes: int, reuse: bool = True, made: Text | None = None
) -> Iterator[bytes] | None:
    """The text of `frame.to_csv(index=False)` in pieces of about `block_bytes`; None where pandas has to write it.

    Args:
        frame: of shape (rows, columns), all columns float64, rounded to six decimals or fewer.
        block_bytes: how much text is made at a time.
        reuse: keep the thread's buffer for its next piece and file, instead of a new one for each piece.
        made: counts what is done.
    """
    if not len(frame.columns) or not all(dtype == np.float64 for dtype in frame.dtypes):
        return None
    header = frame.iloc[:0].to_csv(index=False).encode()
    columns = [frame.iloc[:, position].to_numpy() for position in range(frame.shape[1])]
    rows = max(1, block_bytes // (CELL.itemsize * len(columns)))
    return itertools.chain([header], _blocks(columns, rows, reuse, made or Text()))


def _blocks(columns: Sequence[Floats], rows: int, reuse: bool, made: Text) -> Iterator[bytes]:
    for first in range(0, len(columns[0]), rows):
        piece = [column[first : first + rows] for column in columns]
        room = _room(min(rows, len(columns[0])), len(columns), made, reuse=reuse)
        made.pieces += 1
        made.values += len(piece[0]) * len(columns)
        yield _line_ends(block_text(np.stack(piece, axis=1, out=room[: len(piece[0])])))


def _line_ends(text: bytes) -> bytes:
    """Lines of numbers with the line ends of this platform; there are none within a cell."""
    return text if os.linesep == "\n" else text.replace(b"\n", os.linesep.encode())


def block_text(values: Floats) -> bytes:
    """The lines of some rows, each ended by a line feed; `values` of shape (rows, columns)."""
    text = _COMPILED.text(values)
    return _block_text(values) if text is None else text


def _block_text(values: Floats) -> bytes:
    """The same without numba, for any values."""
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is written another way
        millionths = np.rint(values * MILLION)
        exact = (np.abs(values) < BELOW) & (millionths / MILLION == values)
    if exact.all():
        return _text(_cells(millionths.astype(np.int64), values))
    # A line with one cell and nothing in it is written as "" in quotes: the csv module's affair.
    rough = ~(exact | np.isinf(values) | (np.isnan(values) & (values.shape[1] > 1))).all(axis=1)
    cells = _cells(np.where(exact, millionths, 0).astype(np.int64), values)
    _place_special(cells, values)
    return b"".join(_pieces(cells, values, rough)) if rough.any() else _text(cells)


def _pieces(cells: Cells, values: Floats, rough: Flags) -> Iterator[bytes]:
    """The lines, those marked `rough` written value by value."""
    bounds = [0, *(np.flatnonzero(np.diff(rough)) + 1), len(rough)]
    for first, last in itertools.pairwise(bounds):
        if rough[first]:
            yield from (_row_text(["" if np.isnan(x) else float(x) for x in row]) for row in values[first:last])
        else:
            yield _text(cells[first:last])


def _text(cells: Cells) -> bytes:
    return cells.tobytes().translate(None, b"\0")


def _cells(millionths: Whole, values: Floats) -> Cells:
    """Cells of shape (rows, columns) for numbers of millionths; the values lend their signs, -0.0 has one too."""
    size = np.abs(millionths)
    whole = size // MILLION
    thousands = whole // 1000
    cells: Cells = np.empty(values.shape, CELL)
    cells["sign"] = np.signbit(values) * np.uint8(ord("-"))
    cells["high"] = _leading()[thousands]
    cells["low"] = _ones()[whole - thousands * 1000 + 1000 * (thousands > 0)]
    cells["point"] = ord(".")
    cells["part"] = _trailing()[size - whole * MILLION]
    cells["end"] = ord(",")
    cells["end"][:, -1] = ord("\n")
    tiny = (size > 0) & (size < TINY)
    if tiny.any():
        _overwrite(cells, tiny, _tiny()[size[tiny]])
    return cells


def _place_special(cells: Cells, values: Floats) -> None:
    """Infinities are words, NaN is nothing at all."""
    _overwrite(cells, np.isinf(values), _padded(["inf"], 16))
    missing = np.isnan(values)
    _overwrite(cells, missing, _padded([""], 16))
    cells["sign"][missing] = 0


def _overwrite(cells: Cells, where: Flags, texts: Cells) -> None:
    """Put other texts between the sign and the end of some cells."""
    cells.view(TEXT)["text"][where] = texts


@cache
def _leading() -> Cells:
    """0 to 999999 without leading zeros, 0 as nothing: the thousands of a number."""
    digits = _six_digits()
    for place in range(6):
        digits[: 10 ** (5 - place), place] = 0
    return digits.view("V6")[:, 0]


@cache
def _ones() -> Cells:
    """0 to 999, first as a whole number, then with leading zeros, as they stand behind thousands."""
    return _padded([*(str(number) for number in range(1000)), *(f"{number:03d}" for number in range(1000))], 3)


@cache
def _trailing() -> Cells:
    """0 to 999999 as six decimals without trailing zeros, but with the first."""
    digits = _six_digits()
    for place in range(1, 6):
        digits[:: 10 ** (6 - place), place] = 0
    return digits.view("V6")[:, 0]


def _six_digits() -> NDArray[np.uint8]:
    """The digits of 0 to 999999 as text, of shape (1000000, 6)."""
    digits = np.empty((*[10] * 6, 6), np.uint8)
    for place in range(6):
        # Along this place's axis the digit counts up; along the others it stays.
        digits[..., place] = np.arange(ord("0"), ord("9") + 1).reshape(
            [10 if axis == place else 1 for axis in range(6)]
        )
    return digits.reshape(MILLION, 6)


@cache
def _tiny() -> Cells:
    """0 to 99 millionths with exponents: `1e-06`, `1.2e-05`."""
    return _padded([repr(number / MILLION) for number in range(TINY)], 16)


def _padded(texts: Sequence[str], width: int) -> Cells:
    """Texts as fields of `width` bytes, filled up with zero bytes."""
    return np.array(texts, f"S{width}").view(f"V{width}")


def _row_text(cells: Sequence[Any]) -> bytes:
    """A line of numbers as pandas has the csv module write it, ended by a line feed."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()
