"""Where two CSV tables differ: columns, rows, and the cells, with the largest difference and its place.

Covers tables as text: cells are compared as they are written, and as numbers only where the texts differ. Rows are
matched by the columns that name them where those are known (one missing row does not shift all others), else by
position, and then the tables are read as streams. No pandas. See also `orcabatch.store.compare`.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol, TextIO

from orcabatch.text import shortened_list
from orcabatch.win32 import as_opened

Row = Sequence[str]
RowKey = Sequence[str]
"""Columns of which the first that is filled names a row: the file it is about, else what it sums up."""
Pair = tuple[str, int, Row | None, Row | None]
"""Name of the row, its line in the first file, and the row in both tables."""
Keyed = dict[tuple[str, int], Row]


class Forgiving(Protocol):
    """Decides whether two numbers that are written differently count as equal."""

    def allows(self, left: float, right: float) -> bool:
        """Whether they do."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far numbers may differ: `absolute + relative x the larger magnitude`; zero: the texts must be equal."""

    relative: float = 0.0
    absolute: float = 0.0

    def allows(self, left: float, right: float) -> bool:
        """Whether two numbers that are written differently count as equal."""
        if not (self.relative or self.absolute):
            return False
        if left == right or (math.isnan(left) and math.isnan(right)):
            return True
        return abs(left - right) <= self.absolute + self.relative * max(abs(left), abs(right))


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that differs.

    Attributes:
        column: its heading.
        row: which row: the `.sim` file it is about where the table says so, else the number of the data row.
        line: its line in the first file, the heading being line 1.
        left, right: what stands there.
        size: absolute difference; None where one of both is no number, or the difference none.
    """

    column: str
    row: str
    line: int
    left: str
    right: str
    size: float | None

    @property
    def weight(self) -> float:
        """For finding the largest: what is no number weighs most."""
        return math.inf if self.size is None else self.size

    def __str__(self) -> str:
        size = "" if self.size is None else f", a difference of {self.size:.6g}"
        return f"column {self.column}, row {self.row} (line {self.line}): {self.left!r} / {self.right!r}{size}"


@dataclass(slots=True)
class TableDifference:
    """What differs between two tables; `cells` counts those beyond the tolerance, `largest` is one of them."""

    columns_only_left: list[str] = field(default_factory=list)
    columns_only_right: list[str] = field(default_factory=list)
    other_order: bool = False
    rows_only_left: list[str] = field(default_factory=list)
    rows_only_right: list[str] = field(default_factory=list)
    moved_row: str = ""
    """The first row that stands at another place than in the other table, among those that both have."""
    cells: int = 0
    tolerated: int = 0
    largest: Cell | None = None

    def __bool__(self) -> bool:
        return bool(self.other_order or self.moved_row or self.cells or any(self._missing().values()))

    def note(self, cell: Cell) -> None:
        """Count a cell beyond the tolerance."""
        self.cells += 1
        if self.largest is None or cell.weight > self.largest.weight:
            self.largest = cell

    def lines(self) -> list[str]:
        """What differs, in words."""
        said = [f"{name}: {shortened_list(values, most=5)}" for name, values in self._missing().items() if values]
        said += ["the columns stand in another order"] if self.other_order else []
        said += [f"the rows stand in another order, from row {self.moved_row} on"] if self.moved_row else []
        if self.largest is not None:
            said.append(f"{self.cells} cell{'s differ' if self.cells > 1 else ' differs'}, most in {self.largest}")
        return said

    def _missing(self) -> Mapping[str, list[str]]:
        return {
            "columns only in the first": self.columns_only_left,
            "columns only in the second": self.columns_only_right,
            "rows only in the first": self.rows_only_left,
            "rows only in the second": self.rows_only_right,
        }


def open_bytes(path: Path) -> Any:
    """The content of `path` as a binary stream, unpacked where it is a `.gz`."""
    return gzip.open(as_opened(path), "rb") if path.suffix == ".gz" else as_opened(path).open("rb")


def read_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """The rows of a table, given line by line, ended by line feeds alone.

    A carriage return alone may stand in a cell without quotes (not on Windows); the csv module would end the row there,
    so it is shown as its symbol.
    """
    return csv.reader(_shown(line) for line in lines)


def _shown(line: str) -> str:
    body = line.removesuffix("\n").removesuffix("\r")
    return body.replace("\r", "\N{SYMBOL FOR CARRIAGE RETURN}") + line[len(body) :] if "\r" in body else line


def compare_tables(
    left: Path,
    right: Path,
    tolerance: Forgiving,
    *,
    row_keys: Iterable[RowKey] = (),
    wanted: Callable[[Mapping[str, str]], bool] | None = None,
) -> TableDifference:
    """Compare two CSV files cell by cell.

    Args:
        left: a `.csv` or `.csv.gz`.
        right: another.
        tolerance: how far numbers may differ.
        row_keys: what may name the rows; that counts of which both tables have the first column.
        wanted: whether a row, given by column, takes part; None: all do.

    Raises:
        OSError: a file cannot be read.
        csv.Error: a file is not a table.
    """
    with _open_text(left) as left_file, _open_text(right) as right_file:
        left_lines, right_lines = read_rows(left_file), read_rows(right_file)
        left_head, right_head = next(left_lines, []), next(right_lines, [])
        found = _compared_headings(left_head, right_head)
        here, there = _places(left_head), _places(right_head)
        common = [(column[0], place, there[column]) for column, place in here.items() if column in there]
        left_rows, right_rows = _kept(left_lines, left_head, wanted), _kept(right_lines, right_head, wanted)
        row_key = next((key for key in row_keys if key[0] in left_head and key[0] in right_head), ())
        if row_key:
            pairs = _named_pairs(_keyed(left_rows, left_head, row_key), _keyed(right_rows, right_head, row_key), found)
        else:
            pairs = _numbered_pairs(left_rows, right_rows)
        for pair in pairs:
            _compare_rows(pair, common, tolerance, found)
    return found


def _open_text(path: Path) -> TextIO:
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8", errors="surrogateescape", newline="\n")


def _places(head: Row) -> dict[tuple[str, int], int]:
    """Where each column stands; one of several of the same heading is told by its occurrence."""
    return {(name, head[: place + 1].count(name)): place for place, name in enumerate(head)}


def _compared_headings(left: Row, right: Row) -> TableDifference:
    here, there = _places(left), _places(right)
    return TableDifference(
        columns_only_left=[name for name, number in here if (name, number) not in there],
        columns_only_right=[name for name, number in there if (name, number) not in here],
        other_order=list(left) != list(right) and sorted(left) == sorted(right),
    )


def _kept(rows: Iterable[Row], head: Row, wanted: Callable[[Mapping[str, str]], bool] | None) -> Iterator[Row]:
    return (row for row in rows if wanted is None or wanted(dict(zip(head, row, strict=False))))


def _numbered_pairs(left: Iterator[Row], right: Iterator[Row]) -> Iterator[Pair]:
    for number, (one, other) in enumerate(zip_longest(left, right), start=1):
        yield str(number), number + 1, one, other


def _named_pairs(in_left: Keyed, in_right: Keyed, found: TableDifference) -> Iterator[Pair]:
    lines = {key: line for line, key in enumerate(in_left, start=2)}
    both = zip((key for key in in_left if key in in_right), (key for key in in_right if key in in_left), strict=True)
    found.moved_row = next((_named(here) for here, there in both if here != there), "")
    for key in [*in_left, *(key for key in in_right if key not in in_left)]:
        yield _named(key), lines.get(key, 0), in_left.get(key), in_right.get(key)


def _named(key: tuple[str, int]) -> str:
    return key[0] + (f" ({key[1]})" if key[1] > 1 else "")


def _keyed(rows: Iterable[Row], head: Row, row_key: RowKey) -> Keyed:
    """Rows by what names them, and the occurrence of that name."""
    places = [head.index(column) for column in row_key if column in head]
    found, seen = dict[tuple[str, int], Row](), dict[str, int]()
    for row in rows:
        name = next((row[at] for at in places if len(row) > at and row[at]), "(no file)")
        seen[name] = seen.get(name, 0) + 1
        found[name, seen[name]] = row
    return found


def _compare_rows(
    pair: Pair, common: Sequence[tuple[str, int, int]], tolerance: Forgiving, found: TableDifference
) -> None:
    name, line, left, right = pair
    if left is None or right is None:
        (found.rows_only_right if left is None else found.rows_only_left).append(name)
        return
    if left == right and all(one == other for _, one, other in common):
        return
    for column, one, other in common:
        here, there = left[one] if one < len(left) else "", right[other] if other < len(right) else ""
        if here == there:
            continue
        size = _size(here, there)
        if size is not None and tolerance.allows(float(here), float(there)):
            found.tolerated += 1
        else:
            found.note(Cell(column, name, line, here, there, size))


def _size(left: str, right: str) -> float | None:
    """The difference as numbers: 0.0 for one number written in two ways, None where one is no number or not finite."""
    try:
        one, other = float(left), float(right)
    except ValueError:
        return None
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0
    return abs(one - other) if math.isfinite(one - other) else None
