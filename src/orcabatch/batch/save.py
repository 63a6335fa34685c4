"""A table as a file, in the formats that engineers use; what each of them loses is said here and in the docs.

| format | keeps | loses |
|---|---|---|
| `.parquet` | types, names, any number of rows | a column of mixed types is refused, by name |
| `.csv` | numbers to the last bit, any number of rows | types: everything is text until it is read |
| `.xlsx` | what a spreadsheet knows | more than 1,048,576 rows or 16,384 columns: refused; NaN: an empty cell |
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from orcabatch.errors import OutputError
from orcabatch.store.atomic import atomic_path

if TYPE_CHECKING:
    import pandas as pd

FORMATS = (".parquet", ".csv", ".xlsx")
EXCEL_ROWS, EXCEL_COLUMNS = 1_048_576, 16_384


def save(frame: pd.DataFrame, path: Path) -> Path:
    """Write the frame, whole or not at all; returns where.

    Raises:
        OutputError: another format, a table that the format cannot hold, a library that is missing, or a folder that
            cannot be written to.
    """
    path = path.absolute()
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path.name}: results are saved as {', '.join(FORMATS)}. Give a name that ends so.")
    if path.suffix.lower() == ".xlsx" and (len(frame) >= EXCEL_ROWS or len(frame.columns) > EXCEL_COLUMNS):
        raise OutputError(
            f"{path.name}: a sheet holds {EXCEL_ROWS - 1:,} rows and {EXCEL_COLUMNS:,} columns, the results are "
            f"{len(frame):,} x {len(frame.columns):,}. Save as .parquet or .csv."
        )
    try:
        with atomic_path(path) as temporary:
            _write(frame, temporary, path.suffix.lower())
    except ImportError as error:
        raise OutputError(f'{path.name}: {error}. Install it: pip install "orcabatch[results]".') from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise OutputError(f"{path.name} cannot hold the results: {error} Save as .csv.") from error
    return path


def _write(frame: pd.DataFrame, target: Path, suffix: str) -> None:
    if suffix == ".csv":
        frame.to_csv(target, index=False)
    elif suffix == ".parquet":
        _refuse_what_parquet_lacks(frame)
        import polars

        columns = {str(name): polars.Series(_column(column)) for name, column in frame.items()}
        for name, column in columns.items():
            if column.dtype == polars.Object:
                _refuse(name, {type(item).__name__ for item in column if item is not None})
        polars.DataFrame(columns).write_parquet(target)
    else:
        import pandas as pd

        with target.open("wb") as stream, pd.ExcelWriter(stream, engine="openpyxl") as book:
            frame.to_excel(book, sheet_name="results", index=False)


def _column(column: pd.Series[Any]) -> Any:
    """Numbers as they are; text as a list, whatever pandas keeps it in, with None where nothing is."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufM":
        return column.to_numpy()
    return [None if missing else item for item, missing in zip(column.tolist(), column.isna(), strict=True)]


def _refuse_what_parquet_lacks(frame: pd.DataFrame) -> None:
    """Names are texts, and a column has one type: say which has not, before the library says it in its own words."""
    names = [str(name) for name in frame.columns]
    for name in names:
        if names.count(name) > 1:
            raise OutputError(f"two columns are called {name!r}; in Parquet names are texts, and no two are equal.")
    for name, column in zip(names, (column for _, column in frame.items()), strict=True):
        kinds = {type(item).__name__ for item in column.dropna()} if column.dtype.kind == "O" else set()
        if len(kinds) > 1:
            _refuse(name, kinds)


def _refuse(column: str, kinds: Iterable[str]) -> NoReturn:
    raise OutputError(
        f"the column {column!r} holds {' and '.join(sorted(kinds))}; Parquet has one type in a column, of numbers, "
        "texts and times. Return such, or save as .csv."
    )
