"""A table as a file, in the formats that engineers use; what each of them loses is said here and in the docs.

| format | keeps | loses |
|---|---|---|
| `.parquet` | types, names, any number of rows | a column of mixed types is refused, by name |
| `.csv` | numbers to the last bit, any number of rows | types: everything is text until it is read, and so are arrays and tables in a cell (of all their numbers) |
| `.xlsx` | what a spreadsheet knows | more than 1,048,576 rows or 16,384 columns, or 32,767 characters in a cell: refused; NaN: an empty cell; a number's 17th digit; whole numbers of more than 15 digits are texts |

A table may come in pieces, of which one is in memory at a time (`orcabatch.batch.streamed`): what columns there are,
and of what type, is known once all have been seen (`Shape`), and each is then written in that form.
"""  # noqa: E501 - a row of a table cannot be broken

from __future__ import annotations

import csv
import datetime
import math
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np

from orcabatch.errors import OutputError
from orcabatch.results.table import beyond_floats, beyond_nanoseconds, holds_nothing, is_whole
from orcabatch.store.atomic import atomic_path, patiently, temporary_folder, unwritable
from orcabatch.store.paths import name_of
from orcabatch.text import class_name

if TYPE_CHECKING:
    import pandas as pd

Say = Callable[[str], None]

LIBRARIES = {".parquet": ("pandas", "polars"), ".csv": ("pandas",), ".xlsx": ("pandas", "openpyxl")}
"""What writes each format. None of it is needed for anything else, so it may be missing."""
FORMATS = tuple(LIBRARIES)
GROUP_CELLS = 2_000_000
"""Cells that a Parquet file is written in at a time: all that are in memory at once. Fewer: each group says of each of
its columns what is in it, which is kept until the end. 30,000 rows of 900 columns took 281 MB at 0.9 million cells, 244
at 3.6, 572 at 0.2; 5,000 rows 183, 224 and 222."""

EXCEL_WHOLE = 10**15
"""Whole numbers from here on are texts in a sheet: it has 15 digits of a number, and zeros for the others."""
EXCEL_ROWS, EXCEL_COLUMNS, EXCEL_CHARACTERS = 1_048_576, 16_384, 32_767


@dataclass(slots=True)
class Shape:
    """What a table is made of, learned piece by piece, as pandas would put them one below the other.

    Attributes:
        rows: how many.
        kinds: what the columns hold, by the names of Python's types.
    """

    rows: int = 0
    kinds: dict[Any, set[str]] = field(default_factory=dict)
    _types: dict[Any, Any] = field(default_factory=dict)
    _with_gaps: set[Any] = field(default_factory=set)
    _beyond: set[Any] = field(default_factory=set)

    def widen(self, piece: pd.DataFrame) -> None:
        """Take in another piece."""
        for name, column in piece.items():
            nothing = holds_nothing(column)
            if (nothing and len(piece)) or (self.rows and name not in self._types):
                self._with_gaps.add(name)
            met, dtype = self._types.get(name), None if nothing else column.dtype
            self._types[name] = _common(met, dtype) if met is not None and dtype is not None else met or dtype
            self.kinds.setdefault(name, set()).update(_kinds(column))
            if beyond_floats(column) or beyond_nanoseconds(column):
                self._beyond.add(name)
        if len(piece):
            self._with_gaps |= self._types.keys() - set(piece.columns)
        self.rows += len(piece)

    @property
    def columns(self) -> dict[Any, Any]:
        """The type of each column, in the order in which they were first met."""
        return {name: self._type(name) for name in self._types}

    def _type(self, name: Any) -> Any:
        met = self._types[name]
        found = _with_gaps(met) if name in self._with_gaps else met
        narrow = isinstance(found, np.dtype) and (found.kind in "fc" or found.name.endswith("[ns]"))
        lossy = name in self._beyond and narrow
        return np.dtype(object) if found is None or lossy else found

    def conformed(self, piece: pd.DataFrame) -> pd.DataFrame:
        """The piece with all columns, of their final types."""
        columns = self.columns
        whole = piece if list(piece.columns) == list(columns) else piece.reindex(columns=list(columns))
        wrong = {name: dtype for name, dtype in columns.items() if whole[name].dtype != dtype}
        return whole.astype(wrong) if wrong else whole


def save(frame: pd.DataFrame, path: Path) -> Path:
    """Write the frame, whole or not at all; returns where. Raises as `save_pieces`."""
    shape = Shape()
    shape.widen(frame)
    return save_pieces([frame], shape, path)


def save_pieces(pieces: Iterable[pd.DataFrame], shape: Shape, path: Path, say: Say = warnings.warn) -> Path:
    """Write the pieces one below the other, whole or not at all; returns where.

    Args:
        pieces: iterated over once.
        shape: of all of them.
        path: its ending decides the format.
        say: told what stays beside it that was only needed to write it.

    Raises:
        OutputError: another format, a table that the format cannot hold, a library that is missing, or a folder that
            cannot be written to.
    """
    path = path.absolute()
    write = _WRITERS[checked_format(path)]
    if path.suffix.lower() == ".xlsx" and (shape.rows >= EXCEL_ROWS or len(shape.columns) > EXCEL_COLUMNS):
        raise OutputError(
            f"{path.name}: a sheet holds {EXCEL_ROWS - 1:,} rows and {EXCEL_COLUMNS:,} columns, the results are "
            f"{shape.rows:,} x {len(shape.columns):,}. Save as .parquet or .csv."
        )
    try:
        with atomic_path(path) as temporary, _in_full():
            write((shape.conformed(piece) for piece in pieces), shape, temporary, say)
    except ImportError as error:
        raise _missing(path, error) from error
    except OSError as error:
        raise unwritable(path, error) from error
    except (ValueError, TypeError, OverflowError) as error:
        raise OutputError(f"{path.name} cannot hold the results: {error} Save as .csv.") from error
    return path


def summary_files(path: Path, labels: Sequence[str]) -> tuple[Path, ...]:
    """Where tables of these labels are saved: one under the name that is given, of several each with its label in it.

    A label that leads into a folder leads nowhere here, and no two of them to one file.
    """
    if len(labels) <= 1:
        return (path,) * len(labels)
    files, taken = list[Path](), set[str]()
    for label in labels:
        plain = re.sub(r"[\\/]", "_", label)
        names = (f"{path.stem}_{plain}{more}{path.suffix}" for more in ("", *(f"_{n}" for n in range(2, 99))))
        files.append(path.with_name(next(name for name in names if name_of(name) not in taken)))
        taken.add(name_of(files[-1].name))
    return tuple(files)


def _missing(path: Path, error: ImportError) -> OutputError:
    library = error.name or LIBRARIES[path.suffix.lower()][-1]
    return OutputError(f"{path.name}: {error}. Install it: pip install {library}.")


def load_writer(path: Path) -> None:
    """Import what writes a table there: one that is to be written when hours of work are done has to be able to.

    Raises:
        OutputError: there is no such format, or a library is missing.
    """
    for library in LIBRARIES[checked_format(path)]:
        try:
            import_module(library)
        except ImportError as error:
            raise _missing(path, error) from error


def checked_format(path: Path) -> str:
    """The ending that decides the format.

    Raises:
        OutputError: there is no such format.
    """
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path.name}: results are saved as {', '.join(FORMATS)}. Give a name that ends so.")
    return path.suffix.lower()


@contextmanager
def _in_full() -> Iterator[None]:
    """Arrays and tables in a cell as texts that have all of them, to the last bit: printed they are shortened."""
    import pandas as pd

    bounds = ("max_rows", "max_columns", "max_colwidth", "width", "max_seq_items")
    options = [part for name in bounds for part in (f"display.{name}", None)]
    in_full = np.printoptions(threshold=sys.maxsize, floatmode="unique")
    with in_full, pd.option_context("display.float_format", str, *options):
        yield


def _kinds(column: pd.Series[Any]) -> set[str]:
    held = column.dropna()
    known = {"b": "bool", "i": "int", "u": "int", "f": "float"}.get(column.dtype.kind)
    return {known} if known and len(held) else {class_name(type(item)) for item in held}


def _common(one: Any, other: Any) -> Any:
    """The type of a column that has both."""
    if one == other:
        return one
    numeric = isinstance(one, np.dtype) and isinstance(other, np.dtype)
    if numeric and ({one.kind, other.kind} <= set("iufc") or (one.kind == other.kind and one.kind in "Mm")):
        return np.promote_types(one, other)
    return np.dtype(object)


def _with_gaps(dtype: Any) -> Any:
    """The type that can also say that a value is missing; None: none is known."""
    if isinstance(dtype, np.dtype) and dtype.kind in "iu":
        return np.dtype(float)
    return np.dtype(object) if isinstance(dtype, np.dtype) and dtype.kind == "b" else dtype


def _write_csv(pieces: Iterator[pd.DataFrame], shape: Shape, target: Path, _: Say) -> None:
    import pandas as pd

    # Escapes for half letters, as `text.utf8`: one name from another encoding must not cost the table.
    with target.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        pd.DataFrame(columns=list(shape.columns)).to_csv(stream, index=False, quoting=_quoting(shape.columns))
        for piece in pieces:
            texts = (item for _, column in piece.items() if column.dtype.kind == "O" for item in column)
            piece.to_csv(stream, index=False, header=False, quoting=_quoting(texts))


def _quoting(texts: Iterable[Any]) -> Literal[0, 2]:
    """All texts where one has a carriage return: older Pythons do not quote it, and readers end the row there."""
    returns = any(isinstance(item, str) and "\r" in item for item in texts)
    return csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL


def _write_excel(pieces: Iterator[pd.DataFrame], shape: Shape, target: Path, _: Say) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)  # which keeps no cell in memory
    sheet = book.create_sheet("results")
    try:
        sheet.append([_text_cell(sheet, str(name)) for name in shape.columns])
        for piece in pieces:
            for row in piece.itertuples(index=False, name=None):
                cells = map(_cell, row)
                sheet.append([_text_cell(sheet, cell) if isinstance(cell, str) else cell for cell in cells])
    finally:
        with target.open("wb") as stream:
            book.save(stream)  # also what is not wanted any more: else its own temporary file stays


def _text_cell(sheet: Any, text: str) -> Any:
    """A text that stays one: `=1+1` is no formula, `#N/A` no error, and openpyxl takes them for such.

    Raises:
        ValueError: it holds what no cell may.
    """
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.utils.exceptions import IllegalCharacterError

    try:
        cell = WriteOnlyCell(sheet, text)
    except IllegalCharacterError as error:
        raise ValueError(f"the text {text[:40]!r} holds a control character, which no cell may.") from error
    cell.data_type = "s"
    return cell


def _cell(item: Any) -> Any:
    """As a spreadsheet has it; of what it does not know, the text.

    Raises:
        ValueError: it would be cut.
    """
    item = bool(item) if isinstance(item, np.bool_) else _of_pandas(item)  # a column of several types has numpy's own
    if is_whole(item):
        return item if abs(int(item)) < EXCEL_WHOLE else str(item)
    if isinstance(item, float | np.floating):
        return None if math.isnan(item) else float(item) if math.isfinite(item) else str(float(item))
    if item is None or getattr(item, "_is_nat", False) or class_name(type(item)) in {"NaTType", "NAType"}:
        return None
    if isinstance(item, datetime.datetime) and item.tzinfo is not None:
        raise ValueError("Excel does not support times with timezones.")
    if isinstance(item, datetime.date | datetime.time | datetime.timedelta):
        return item
    text = str(item)
    if len(text) > EXCEL_CHARACTERS:
        raise ValueError(f"a text of {len(text):,} characters does not fit into a cell, which holds 32,767.")
    return text


def _of_pandas(item: Any) -> Any:
    """Of numpy's times and durations pandas' own, which are Python's."""
    if not isinstance(item, np.datetime64 | np.timedelta64):
        return item
    import pandas as pd

    return pd.Timestamp(item) if isinstance(item, np.datetime64) else pd.Timedelta(item)


def _write_parquet(pieces: Iterator[pd.DataFrame], shape: Shape, target: Path, say: Say) -> None:
    _refuse_what_parquet_lacks(shape)
    import polars

    parts: list[Path] = []
    try:
        with temporary_folder(target, say) as folder:
            for piece in pieces:
                parts.append(folder / f"{len(parts)}.parquet")
                columns = {str(name): _series(str(name), column, shape.kinds[name]) for name, column in piece.items()}
                polars.DataFrame(columns).write_parquet(parts[-1])
            if len(parts) == 1:
                patiently(lambda: parts[0].replace(target))
            else:
                group = max(GROUP_CELLS // max(len(shape.columns), 1), 1)
                polars.scan_parquet(parts, glob=False).sink_parquet(target, row_group_size=group)
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:  # the latter is no `Exception`
        raise ValueError(f"{error}.") from error


def _series(name: str, column: pd.Series[Any], kinds: set[str]) -> Any:
    """A column as polars has it, of the same type in every piece.

    Raises:
        OutputError: there is no such type.
    """
    import polars

    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufmM":
        values = column.to_numpy()
        seconds = values.dtype.kind in "mM" and np.datetime_data(values.dtype)[0] == "s"  # which polars has not
        return polars.Series(name, values.astype(f"{values.dtype.kind}8[ms]") if seconds else values)
    known = zip(map(_of_pandas, column.tolist()), column.isna(), strict=True)
    items = [None if missing else item for item, missing in known]
    same = {"str": polars.String, "int": polars.Int64, "float": polars.Float64, "bool": polars.Boolean}
    made = polars.Series(name, items, dtype=same.get(next(iter(kinds))) if kinds else polars.Null)
    if made.dtype.is_temporal() and made.to_list() != items:  # as objects: some are further away than nanoseconds go
        raise OutputError(f"the column {name!r} holds times that Parquet would cut to microseconds. Save as .csv.")
    if made.dtype == polars.Object:
        _refuse(name, {class_name(type(item)) for item in items if item is not None})
    return made


def _refuse_what_parquet_lacks(shape: Shape) -> None:
    """Names are texts, and a column has one type: say which has not, before the library says it in its own words."""
    names = [str(name) for name in shape.columns]
    for name in names:
        if names.count(name) > 1:
            raise OutputError(f"two columns are called {name!r}; in Parquet names are texts, and no two are equal.")
    for name, kinds in shape.kinds.items():
        if len(kinds) > 1 and shape.columns[name].kind == "O":
            _refuse(str(name), kinds)


def _refuse(column: str, kinds: Iterable[str]) -> NoReturn:
    raise OutputError(
        f"the column {column!r} holds {' and '.join(sorted(kinds))}; Parquet has one type in a column, of numbers, "
        "texts and times. Return such, or save as .csv."
    )


_WRITERS = {".csv": _write_csv, ".parquet": _write_parquet, ".xlsx": _write_excel}
