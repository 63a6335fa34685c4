"""What the results say in figures: of each column the smallest and largest value with their files, and the mean.

    values, by label ── columns of each file ──> minimum, maximum, mean, governing file; the largest by load case

Made of what the files returned, not of tables that were written, so it is there while the batch runs and needs no
pandas where a function gives plain numbers. Only numbers count; an empty cell is none. Does not cover the table itself
(`orcabatch.results.table`) nor how figures are shown (`orcabatch.monitor.report.results`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from orcabatch.engine.foreign import ordinarily
from orcabatch.engine.logs import logger
from orcabatch.results.cases import number as read_number
from orcabatch.results.governing import is_minimum
from orcabatch.results.table import VALUE, flat
from orcabatch.text import class_home

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from orcabatch.outcome import FileOutcome

_log = logger(__name__)

MOST_CHARTED = 6
"""Columns of a table whose value of each file is kept, for a chart: more make a page that nobody reads to its end."""

MOST_BY_CASE = 60
"""Columns of a table whose largest values are found by load case: 60 add 0.4 MB to a page of 5,000 files."""

FOLDED = 500
"""Files of one row each after which their numbers are folded: of columns without a chart or a table by load case their
extremes are left. More hold more memory (900 columns: 3.6 MB); with fewer what is left is no longer small beside it."""

NO_RESULTS = frozenset({"time", "start_time", "stop_time", "position"})
"""Names of columns that say where a number comes from; so do those that name a row's file (`Batch.file_columns`)."""

MOST_CASES = 40
"""Different values of a load case's column; with more of them it does not group, it names."""

LEAST_FILES = 2
"""Files on average that share a text for it to group them; with one each (remarks) a table says what the files do.
Numbers group anyway: over a heading for each file there is a curve."""

Cells = tuple[float, float, float, int]
"""Of one column of one file: the smallest number, the largest, their sum, how many."""

Tables = Callable[["FileOutcome"], Mapping[str, Any]]


class Numbers(NamedTuple):
    """A column over files: of each its smallest number, its largest, their sum, how many, and the file's row.

    Where it is folded, one entry has the smallest of many files and what they add up to, another their largest.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    total: NDArray[np.float64]
    counted: NDArray[np.int64]
    files: NDArray[np.int64]
    rows: NDArray[np.int64]

    def folded(self) -> Numbers:
        """Two entries in place of one for each file."""
        if not self.counted.any():
            nothing = self.low[:0], self.high[:0], self.total[:0]
            return Numbers(*nothing, self.counted[:0], self.files[:0], self.rows[:0])
        low, high, none = _place_of_largest(-self.low), _place_of_largest(self.high), np.nan
        with np.errstate(invalid="ignore"):
            total = np.array([self.total[self.counted > 0].sum(), 0.0])
        counted, files = np.array([self.counted.sum(), 0]), np.array([self.files.sum(), 0])
        ends = np.array([self.low[low], none]), np.array([none, self.high[high]])
        return Numbers(*ends, total, counted, files, self.rows[[low, high]])


@dataclass(slots=True)
class Gathered:
    """The columns of one table over all files.

    Attributes:
        file_columns: those that name a row's file, and are no results.
        single: numbers of files that have one row each, by the names of the columns; NaN for what is no number.
        reduced: of files with several rows, what is left of each column.
        parts: the columns as far as they were folded.
    """

    file_columns: Collection[str] = ()
    single: dict[tuple[Any, ...], tuple[list[NDArray[np.float64]], list[int]]] = field(default_factory=dict)
    reduced: dict[str, tuple[list[Cells], list[int]]] = field(default_factory=dict)
    parts: dict[str, list[Numbers]] = field(default_factory=dict)
    _whole: set[str] = field(default_factory=set)

    def add(self, row: int, value: Any) -> None:
        """Take in the value of the file that stands in this row."""
        value = _without_foreign(value)
        if (names := _names_of_one_row(value)) is not None:  # of 900 columns perhaps, in a batch of 5,000 files
            rows, owners = self.single.setdefault(names, ([], []))
            cells = value.to_numpy(dtype=object)[0].tolist() if _is_frame(value) else list(value.values())
            rows.append(_numbers(cells))
            owners.append(row)
            if len(rows) >= FOLDED:
                self._fold(names)
            return
        for name, cells in _columns(value):
            four = _reduced(cells)
            if four[3]:
                kept, owners = self.reduced.setdefault(name, ([], []))
                kept.append(four)
                owners.append(row)

    def columns(self) -> dict[str, Numbers]:
        """Each column; nothing can be added after this."""
        for names in list(self.single):
            self._fold(names)
        for name, (kept, owners) in self.reduced.items():
            low, high, total, count = np.array(kept, dtype=float).T
            counted = count.astype(np.int64)
            one = Numbers(low, high, total, counted, (counted > 0).astype(np.int64), np.array(owners))
            self.parts.setdefault(name, []).append(one)
        return {
            name: each[0] if len(each) == 1 else Numbers(*map(np.concatenate, zip(*each, strict=True)))
            for name, each in self.parts.items()
        }

    def _fold(self, names: tuple[Any, ...]) -> None:
        """Take the numbers of files with these columns into `parts`: whole, or folded, by the columns' order."""
        rows, owners = self.single.pop(names)
        table, of = np.array(rows), np.array(owners)
        for place, name in enumerate(map(_name, names)):
            numbers = table[:, place].copy()  # a view would hold all columns
            known = (~np.isnan(numbers)).astype(np.int64)
            one = Numbers(numbers, numbers, numbers, known, known, of)
            parts = self.parts.setdefault(name, [])
            parts.append(one if self._is_whole(name) else one.folded())

    def _is_whole(self, name: str) -> bool:
        """Whether each file's number is kept: the first results have charts and tables by load case."""
        if (
            name not in self._whole
            and len(self._whole) < MOST_BY_CASE
            and _governs(name, self.file_columns) is not None
        ):
            self._whole.add(name)
        return name in self._whole


def _names_of_one_row(value: Any) -> tuple[Any, ...] | None:
    """The names of the columns where a value is one row of single cells."""
    if _is_frame(value):
        return tuple(value.columns) if len(value) == 1 else None
    if isinstance(value, dict) and set(map(type, value)) == {str} and set(map(type, value.values())) <= _PLAIN:
        return tuple(value)
    return None


def figures(
    outcomes: Sequence[FileOutcome],
    tables: Tables,
    cases: Mapping[str, Mapping[str, Any]],
    file_columns: Mapping[str, Collection[str]] | None = None,
) -> list[dict[str, Any]]:
    """One entry for each table: batch, label, its columns' figures, the largest values by load case.

    Args:
        outcomes: files are referred to by their place in it.
        tables: a file's result as tables by label.
        cases: load cases by file name.
        file_columns: by the batch's name, the columns that name a row's file.
    """
    named = file_columns or {}
    gathered: dict[tuple[str, str], Gathered] = {}
    for row, outcome in enumerate(outcomes):
        if outcome.ok:
            for label, value in tables(outcome).items():
                empty = Gathered(named.get(outcome.batch, ()))
                _add(gathered.setdefault((outcome.batch, str(label)), empty), row, value)
    own = [cases.get(outcome.file.name, {}) for outcome in outcomes]
    grouping = _grouping(outcomes, cases)
    return [
        {"batch": batch, "label": label, **_of_table(columns, own, grouping, table.file_columns)}
        for (batch, label), table in gathered.items()
        if (columns := table.columns())
    ]


def _add(table: Gathered, row: int, value: Any) -> None:
    try:
        ordinarily(lambda: table.add(row, value))
    except Exception:  # noqa: BLE001 - a function may return any object, and none of them may cost a batch its metrics
        _log.debug("no figures of the value in row %d", row, exc_info=True)


def _of_table(
    columns: Mapping[str, Numbers],
    cases: Sequence[Mapping[str, Any]],
    grouping: Sequence[str],
    file_columns: Collection[str],
) -> dict[str, Any]:
    found = (_of_column(name, numbers, file_columns) for name, numbers in columns.items())
    # The sort is stable: what are no results (times) come last, and govern nothing.
    made = sorted((one for one in found if one is not None), key=lambda one: one["largest"] is None)
    governed = [one for one in made if one["largest"] is not None]
    # Of later columns not every file's number is kept (`Gathered`).
    charted = [one for one in governed[:MOST_BY_CASE] if _varies(one, columns[one["name"]])]
    for one in charted[:MOST_CHARTED]:
        own = columns[one["name"]]
        count = len(cases)
        values = _largest(own.high, own.rows, count) if one["largest"] else -_largest(-own.low, own.rows, count)
        one["values"] = [None if np.isnan(value) else value for value in values.tolist()]
    own_of = {one["name"]: columns[one["name"]] for one in governed[:MOST_BY_CASE]}
    largest = {name: _largest(own.high, own.rows, len(cases)) for name, own in own_of.items()}
    # Turned, the smallest number is the largest.
    turned = {name: _largest(-own_of[name].low, own_of[name].rows, len(cases)) for name in largest if is_minimum(name)}
    grouped = [group for name in grouping for group in _by(name, cases, largest, turned)]
    return {"columns": made, "cases": grouped}


def _governs(name: str, file_columns: Collection[str]) -> bool | None:
    """Whether the largest value of a column governs; None where it is no result."""
    if name in NO_RESULTS or name in file_columns:
        return None
    return not is_minimum(name)


def _varies(column: Mapping[str, Any], own: Numbers) -> bool:
    """Whether files differ in what is charted of them."""
    if column["largest"]:
        return bool(np.nanmin(own.high) < column["maximum"])
    return bool(np.nanmax(own.low) > column["minimum"])


def _largest(numbers: NDArray[np.float64], rows: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The largest number of each of so many files; NaN where it has none."""
    found = np.full(count, np.nan)
    np.fmax.at(found, rows, numbers)
    return found


def _place_of_largest(numbers: NDArray[np.float64]) -> int:
    """Where the first largest number is; `nanargmax` takes a NaN before an infinity below zero for it."""
    known = np.flatnonzero(~np.isnan(numbers))
    return int(known[numbers[known].argmax()])


def _of_column(name: str, numbers: Numbers, file_columns: Collection[str]) -> dict[str, Any] | None:
    low, high, total, count, files, rows = numbers
    if not count.sum():
        return None
    smallest, largest = _place_of_largest(-low), _place_of_largest(high)
    with np.errstate(invalid="ignore"):  # of both infinities there is no mean
        mean = float(total[count > 0].sum() / count.sum())
    return {
        "name": name,
        "files": int(files.sum()),
        "minimum": float(low[smallest]),
        "minimum_file": int(rows[smallest]),
        "maximum": float(high[largest]),
        "maximum_file": int(rows[largest]),
        "mean": mean,
        "largest": _governs(name, file_columns),
        "values": None,
    }


def _grouping(outcomes: Sequence[FileOutcome], cases: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The columns of the load cases that group files; those without a case stand together, and are no group."""
    own = [cases.get(name, {}) for name in {outcome.file: outcome.file.name for outcome in outcomes}.values()]
    found = []
    for name in dict.fromkeys(name for case in own for name in case):
        values = [case.get(name) for case in own]
        shown = list(map(_shown, values))
        groups, files = set(shown) - {""}, len(shown) - shown.count("")
        shares = files >= LEAST_FILES * len(groups) or all(_reads_as_number(value) for value in values if _shown(value))
        if 1 < len(set(shown)) <= MOST_CASES and shares:
            found.append(name)
    return found


def _reads_as_number(value: Any) -> bool:
    """As a cell does; and a text, which a mapping of load cases may hold, where a pattern would have made one of it."""
    number: Any = read_number(value) if isinstance(value, str) else value
    return _is_number(number) and math.isfinite(number)


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _by(
    name: str,
    cases: Sequence[Mapping[str, Any]],
    columns: Mapping[str, NDArray[np.float64]],
    turned: Mapping[str, NDArray[np.float64]],
) -> list[dict[str, Any]]:
    """The largest value of each column by case; files count where they have a number, as in `BatchResult.governing`."""
    groups: dict[str, list[int]] = {}
    for row, case in enumerate(cases):
        groups.setdefault(_shown(case.get(name)), []).append(row)
    made = []
    for rows in groups.values():
        maxima, counted = [], np.zeros(len(rows), dtype=bool)
        for column, largest in columns.items():
            own = largest[rows]
            known = ~np.isnan(own)
            if known.any():
                most = _place_of_largest(own)
                found = {"column": column, "maximum": float(own[most]), "file": rows[most], "files": int(known.sum())}
                if column in turned:
                    least = _place_of_largest(turned[column][rows])
                    found |= {"minimum": -float(turned[column][rows][least]), "minimum_file": rows[least]}
                maxima.append(found)
                counted |= known
        made.append({"case": name, "value": cases[rows[0]].get(name), "files": int(counted.sum()), "maxima": maxima})
    return made


def _columns(value: Any) -> Iterable[tuple[str, Any]]:
    """Names and cells: of a frame, a mapping, rows of mappings, an array, a number."""
    if _is_frame(value):
        return ((name, value.iloc[:, place].to_numpy()) for place, name in enumerate(map(_name, value.columns)))
    if hasattr(value, "to_dict") and hasattr(value, "iloc"):  # a Series
        value = value.to_dict()
    if isinstance(value, Mapping):
        return ((str(name), cells if _is_many(cells) else [cells]) for name, cells in flat(value).items())
    if isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
        rows = [flat(item) for item in value]
        names = dict.fromkeys(str(name) for row in rows for name in row)
        return ((name, [row.get(name) for row in rows]) for name in names)
    if isinstance(value, np.ndarray):
        return _of_array(value)
    return [(VALUE, value if _is_many(value) else [value])]


_READ: Mapping[type, tuple[str, ...]] = {
    dict: ("items", "values", "__iter__", "__len__"),
    **dict.fromkeys((list, tuple), ("__iter__", "__len__")),
    **dict.fromkeys((float, int), ("__float__",)),
}
"""What is asked of the values that are looked into."""
_PLAIN_NUMBERS = {float, int, type(None), np.float64, np.int64}
_PLAIN = _PLAIN_NUMBERS | {str, bool}
_LIBRARIES = {"builtins", "collections", "numpy", "pandas", "orcabatch"}


def _without_foreign(value: Any) -> Any:
    """The value with None for each part that would run somebody's own code when it is looked at.

    A plain loop does not look at what it collects; and what such code raises in the caller's thread looks like Ctrl-C.
    """
    kind = type(value)
    base = next((base for base in _READ if issubclass(kind, base)), None)
    if class_home(kind).partition(".")[0] not in _LIBRARIES and (
        base is None or any(getattr(kind, name) is not getattr(base, name) for name in _READ[base])
    ):
        return None
    if base is dict and not set(map(type, value.values())) <= _PLAIN:
        return {name: _without_foreign(item) for name, item in value.items()}
    if base in {list, tuple} and not set(map(type, value)) <= _PLAIN:
        return [_without_foreign(item) for item in value]
    return value


def _is_frame(value: Any) -> bool:
    """A DataFrame, told without importing pandas."""
    return hasattr(value, "columns") and hasattr(value, "iloc")


def _name(raw: Any) -> str:
    return ".".join(map(str, raw)) if isinstance(raw, tuple) else str(raw)


def _of_array(values: NDArray[Any]) -> Iterable[tuple[str, Any]]:
    if values.dtype.names:
        return ((name, values[name].ravel()) for name in values.dtype.names)
    if values.ndim == 2:
        return ((f"{VALUE}_{place}", values[:, place]) for place in range(values.shape[1]))
    return [(VALUE, values.ravel())]


def _is_many(value: Any) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)


def _reduced(cells: Sequence[Any]) -> Cells:
    """Smallest, largest, sum and count of the numbers among the cells."""
    numbers = _numbers(cells)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return np.nan, np.nan, 0.0, 0
    with np.errstate(invalid="ignore"):
        return float(numbers.min()), float(numbers.max()), float(numbers.sum()), len(numbers)


def _numbers(cells: Sequence[Any]) -> NDArray[np.float64]:
    """The cells as numbers; NaN for whatever is none."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        return np.ma.filled(cells.astype(float), np.nan)  # what an array masks is no number, and counts in no mean
    if set(map(type, cells)) <= _PLAIN_NUMBERS:
        return np.array(cells, dtype=float)
    plain = _PLAIN_NUMBERS  # asked first, 4.5 million times for 5,000 files of 900 columns
    numbers = [cell if type(cell) in plain else float(cell) if _is_number(cell) else np.nan for cell in cells]
    return np.array(numbers, dtype=float)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (float, int, np.floating, np.integer)) and not isinstance(cell, bool)
