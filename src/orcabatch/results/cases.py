"""Load cases: what a file's name stands for, as columns.

    "fsts_l015_hwl_125km3_l100_pb_005yr__cl_015deg.sim" ── pattern ──> {loading: 15, level: "hwl", ..., heading: 15}
    a table (CSV, Excel) by file name ─────────────────────────────────> its other columns

Covers reading cases and matching them with files. Does not cover what is made of them (`orcabatch.results.table`).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orcabatch.engine.foreign import own_copy
from orcabatch.errors import SettingsError
from orcabatch.network import amiss
from orcabatch.results.table import read_csv
from orcabatch.store.paths import in_capitals
from orcabatch.text import nearest, plural, shortened_list
from orcabatch.win32 import as_opened

TABLES = {".csv", ".xlsx"}
FILE = "file"
RESERVED = ("file", "batch")
"""Columns that every table has already."""

_EXAMPLE = r"Give named groups, for example '_(?P<years>\d+)yr__cl_(?P<heading>\d+)deg', or a .csv or .xlsx file."

_NUMBER = re.compile(r"[+-]?(\d+|\d+\.\d*|\.\d+)", re.ASCII)
_CELL = re.compile(
    r"(?P<whole>[+-]?\d+(?:[eE][+-]?\d+)?)|(?P<comma>[+-]?\d*,\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<point>[+-]?\d*\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<grouped>[+-]?\d{1,3}([.,' \u00a0\u202f]\d{3})+[.,]\d+|[+-]?\d{1,3}([.,' \u00a0\u202f]\d{3})+)",
    re.ASCII,
)
"""A number as a spreadsheet writes it into a CSV, by how it is spelled; what looks like a decimal is called one."""
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_LONG = re.compile(r"[+-]?\d{16,}", re.ASCII)
"""A whole number that a float may not hold, as pandas makes one beside an empty cell."""
_EMPTY = frozenset(["", "NA", "N/A", "n/a", "nan", "NaN", "NULL", "null", "None"])
_SAVE = "save the table as .xlsx, or with cells that show numbers such as 1234.5"

Case = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Surplus:
    """Rows of a table or mapping of load cases that name no file of a batch.

    Attributes:
        source: the table's path; empty for a mapping.
        names: as they stand there.
    """

    source: str = ""
    names: tuple[str, ...] = ()


def read_cases(
    cases: Any, files: Iterable[Path], folder: Path | None = None
) -> tuple[dict[str, Case], tuple[str, ...], Surplus]:
    r"""The load case of each file, by file name; what does not match, in words; and rows without a file.

    Args:
        cases: a regular expression with named groups, searched in the name without `.sim` (`(?P<heading>\d+)deg`); the
            path of a table (`.csv`, `.xlsx`) with a column `file`; a mapping from file name to case; None: no cases.
        files: the batch's.
        folder: what the table's path is relative to; None: the working folder.

    Raises:
        SettingsError: the pattern is no pattern or has no named group, the table cannot be read or has no such column.
    """
    names = list(dict.fromkeys(file.name for file in files))
    if cases is None:
        return {}, (), Surplus()
    found: dict[str, Case]
    surplus = Surplus()
    if isinstance(cases, Mapping):
        known = _from_mapping(cases)
        found, surplus = _by_name(known, names, "the mapping"), Surplus("", _without_file(known, names))
    elif Path(str(cases)).suffix.lower() in TABLES:
        path = (folder or Path()) / str(cases)
        known = _from_table(path)
        found, surplus = _by_name(known, names, path.name), Surplus(str(path), _without_file(known, names))
    else:
        found = _by_pattern(str(cases), names)
    missing = [name for name in names if name not in found]
    if not missing:
        return found, (), surplus
    why = _why(cases, missing[0], found)
    return found, (f"No load case for {shortened_list(missing)}: {why}; their columns stay empty.",), surplus


def surplus_text(of_batches: Sequence[Surplus]) -> tuple[str, ...]:
    """What is to be said of rows that name no file of any batch that shares their table, one line a table."""
    said = []
    for source in dict.fromkeys(one.source for one in of_batches):
        first, *others = (one.names for one in of_batches if one.source == source)
        names = [name for name in first if all(name in other for other in others)]
        if names:
            rows = f"{plural(len(names), 'row')} of {Path(source).name or 'the cases'}"
            verb = "names" if len(names) == 1 else "name"
            this = "these batches" if others else "this batch"
            said.append(f"{rows} {verb} no file of {this}: {shortened_list(names)}.")
    return tuple(said)


def number(text: str) -> int | float | str:
    """A group as a number where it is one: `015` is 15, `p05` stays text."""
    if _NUMBER.fullmatch(text) is None:  # Python takes 1_000, 12e4 and nan for numbers too
        return text
    return float(text) if "." in text else int(text)


def _by_pattern(pattern: str, names: Iterable[str]) -> dict[str, Case]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"cases: {pattern!r} is no regular expression: {error}. {_EXAMPLE}") from error
    if not compiled.groupindex:
        raise SettingsError(f"cases: {pattern!r} names no group. {_EXAMPLE}")
    _refuse_reserved(compiled.groupindex)
    matches = {name: compiled.search(Path(name).stem) for name in names}
    return {
        name: {group: None if text is None else number(text) for group, text in match.groupdict().items()}
        for name, match in matches.items()
        if match is not None
    }


def _from_table(path: Path) -> list[tuple[str, Case]]:
    import pandas as pd

    try:
        if path.suffix.lower() == ".xlsx":
            frame = pd.read_excel(as_opened(path), dtype={FILE: str})
        else:
            text = _plain_csv(path, as_opened(path).read_text("utf-8-sig"))
            frame = read_csv(io.StringIO(text), [FILE])
            _keep_long(frame, csv.DictReader(io.StringIO(text, newline="")))
    except FileNotFoundError as error:
        missing = f"{path} does not exist. Check the name and the folder ({path.absolute().parent})."
        raise SettingsError(f"cases: {amiss(path, missing, error)}") from error
    except UnicodeDecodeError as error:  # what Excel calls plain CSV is in the code page of the machine
        raise SettingsError(f"cases: {path} is not UTF-8 text: save it in Excel as `CSV UTF-8`, or as .xlsx") from error
    except (OSError, ValueError, ImportError, csv.Error) as error:
        close = ". Close it where it is open (Excel?)" if isinstance(error, PermissionError) else ""
        raise SettingsError(f"cases: {amiss(path, f'{path} cannot be read: {error}{close}', error)}") from error
    if FILE not in frame.columns:
        near = nearest(FILE, map(str, frame.columns), alike=0.5)
        hint = f" Is it {near!r}?" if near else ""
        raise SettingsError(
            f"cases: {path} has no column 'file' with the names of the .sim files; it has "
            f"{', '.join(map(str, frame.columns))}.{hint}"
        )
    _refuse_reserved(name for name in frame.columns if name != FILE)
    rows = [(str(row[FILE]), {str(key): row[key] for key in row if key != FILE}) for row in frame.to_dict("records")]
    return [(name, case) for name, case in rows if name != "nan"]


def _keep_long(frame: Any, rows: Iterable[Mapping[str, str]]) -> None:
    """Put back whole numbers that became floats and may have been rounded."""
    floats = [name for name, dtype in frame.dtypes.items() if dtype.kind == "f"]
    for place, row in enumerate(rows if floats else ()):
        for name in floats:
            if _LONG.fullmatch((row.get(name) or "").strip()):
                frame[name] = frame[name].astype(object)
                frame.loc[place, name] = int(row[name])


def _plain_csv(path: Path, text: str) -> str:
    """The text with commas between cells and points in numbers: Excel writes it as its country does.

    Raises:
        SettingsError: what a number is cannot be told, or a row has more cells than the header.
    """
    separator = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows = list[list[str]]()
    for row in reader:
        if rows and len(row) > len(rows[0]):
            raise SettingsError(
                f"cases: {path}, line {reader.line_num}: {len(row)} cells, of which the header names {len(rows[0])}. "
                f"Is a comma in a number? Then {_SAVE}."
            )
        if any(cell.strip() for cell in row):  # Excel writes empty rows as well
            rows.append(row)
    _write_points(path, rows, separator)
    plain = io.StringIO(newline="")
    csv.writer(plain).writerows(rows)
    return plain.getvalue()


def _write_points(path: Path, rows: list[list[str]], separator: str) -> None:
    """Replace decimal commas; only what a column of nothing but numbers has is taken for one."""
    found: dict[str, list[tuple[str, str]]] = {"whole": [], "comma": [], "point": [], "grouped": []}
    numeric = []
    for place, name in enumerate(rows[0] if rows else ()):
        cells = [row[place].strip() for row in rows[1:] if place < len(row)]
        kinds = [_CELL.fullmatch(cell) for cell in cells if cell not in _EMPTY]
        if name.strip() != FILE and all(kinds):
            numeric.append(place)
            for kind in filter(None, kinds):
                found[str(kind.lastgroup)].append((name, kind.group()))
    commas, points = found["comma"], found["point"]
    doubtful = found["grouped"] or (commas if points or separator == "," else [])
    if separator != "," and all(_THOUSANDS.fullmatch(cell) for _, cell in (*points, *commas)):
        doubtful = doubtful or points or commas
    if doubtful:
        name, cell = doubtful[0]
        raise SettingsError(
            f"cases: {path}: whether {cell} in column {name!r} has thousands or decimals cannot be told: {_SAVE}."
        )
    for row in rows[1:] if commas else ():
        for place in numeric:
            row[place : place + 1] = [cell.replace(",", ".") for cell in row[place : place + 1]]


def _from_mapping(cases: Mapping[Any, Any]) -> list[tuple[str, Case]]:
    for name, case in cases.items():
        if not isinstance(case, Mapping):
            raise SettingsError(f"cases: the case of {name} is {case!r}; give a mapping of columns, {{'heading': 15}}.")
        _refuse_reserved(case)
    return [(str(name), own_copy(case)) for name, case in cases.items()]  # whoever gave it may go on changing it


def _by_name(known: Iterable[tuple[str, Case]], names: Iterable[str], source: str) -> dict[str, Case]:
    """With or without a folder and the ending, as tables have it."""
    plain: dict[str, Case] = {}
    for name, case in known:
        if _plain(name) in plain:
            raise SettingsError(
                f"cases: {source} names {_named(name)} twice; a file has one load case, which goes by its name without "
                "folder and ending."
            )
        plain[_plain(name)] = case
    return {name: plain[_plain(name)] for name in names if _plain(name) in plain}


def _without_file(known: Iterable[tuple[str, Case]], names: Iterable[str]) -> tuple[str, ...]:
    files = {_plain(name) for name in names}
    return tuple(name for name, _ in known if _plain(name) not in files)


def _plain(name: str) -> str:
    """What a file and its row are matched by, on every system as on Windows, where most tables come from."""
    return in_capitals(_named(name)).removesuffix(".SIM")


def _named(name: str) -> str:
    return re.split(r"[\\/]", name.strip())[-1]


def _refuse_reserved(names: Iterable[Any]) -> None:
    taken = [str(name) for name in names if str(name) in RESERVED]
    if taken:
        raise SettingsError(f"cases: a column may not be called {taken[0]!r}, which every table has already.")


def _why(cases: Any, name: str, found: Mapping[str, Any]) -> str:
    if isinstance(cases, Mapping) or Path(str(cases)).suffix.lower() in TABLES:
        return f"{'the mapping' if isinstance(cases, Mapping) else Path(str(cases)).name} does not name {name}"
    return f"the pattern {str(cases)!r} does not match" + ("" if found else " any name")
