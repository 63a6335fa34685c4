"""Load cases: what a file's name stands for, as columns.

    "fsts_l015_hwl_125km3_l100_pb_005yr__cl_015deg.sim" ── pattern ──> {loading: 15, level: "hwl", ..., heading: 15}
    a table (CSV, Excel) by file name ─────────────────────────────────> its other columns

Covers reading cases and matching them with files. Does not cover what is made of them (`orcabatch.results.table`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orcabatch.errors import SettingsError
from orcabatch.text import nearest, shortened_list

TABLES = {".csv", ".xlsx"}
FILE = "file"
RESERVED = ("file", "batch")
"""Columns that every table has already."""

_EXAMPLE = r"Give named groups, for example '_(?P<years>\d+)yr__cl_(?P<heading>\d+)deg', or a .csv or .xlsx file."

_NUMBER = re.compile(r"[+-]?(\d+|\d+\.\d*|\.\d+)", re.ASCII)

Case = Mapping[str, Any]


def read_cases(
    cases: Any, files: Iterable[Path], folder: Path | None = None
) -> tuple[dict[str, Case], tuple[str, ...]]:
    r"""The load case of each file, by file name; and what does not match, in words.

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
        return {}, ()
    found: dict[str, Case]
    if isinstance(cases, Mapping):
        found = _by_name(_from_mapping(cases), names, "the mapping")
    elif Path(str(cases)).suffix.lower() in TABLES:
        found = _by_name(_from_table((folder or Path()) / str(cases)), names, Path(str(cases)).name)
    else:
        found = _by_pattern(str(cases), names)
    missing = [name for name in names if name not in found]
    if not missing:
        return found, ()
    why = _why(cases, missing[0], found)
    return found, (f"No load case for {shortened_list(missing)}: {why}; their columns stay empty.",)


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
        frame = pd.read_excel(path) if path.suffix.lower() == ".xlsx" else pd.read_csv(path)
    except UnicodeDecodeError as error:  # what Excel calls plain CSV is in the code page of the machine
        raise SettingsError(f"cases: {path} is not UTF-8 text: save it in Excel as `CSV UTF-8`, or as .xlsx") from error
    except (OSError, ValueError, ImportError) as error:
        raise SettingsError(f"cases: {path} cannot be read: {error}") from error
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


def _from_mapping(cases: Mapping[Any, Any]) -> list[tuple[str, Case]]:
    for name, case in cases.items():
        if not isinstance(case, Mapping):
            raise SettingsError(f"cases: the case of {name} is {case!r}; give a mapping of columns, {{'heading': 15}}.")
        _refuse_reserved(case)
    return [(str(name), dict(case)) for name, case in cases.items()]


def _by_name(known: Iterable[tuple[str, Case]], names: Iterable[str], source: str) -> dict[str, Case]:
    """With or without a folder and the ending, as tables have it."""
    plain: dict[str, Case] = {}
    for name, case in known:
        if _plain(name) in plain:
            raise SettingsError(
                f"cases: {source} names {_plain(name)} twice; a file has one load case, which goes by its name without "
                "folder and ending."
            )
        plain[_plain(name)] = case
    return {name: plain[_plain(name)] for name in names if _plain(name) in plain}


def _plain(name: str) -> str:
    last = re.split(r"[\\/]", name.strip())[-1].casefold()
    return last.removesuffix(".sim")


def _refuse_reserved(names: Iterable[Any]) -> None:
    taken = [str(name) for name in names if str(name) in RESERVED]
    if taken:
        raise SettingsError(f"cases: a column may not be called {taken[0]!r}, which every table has already.")


def _why(cases: Any, name: str, found: Mapping[str, Any]) -> str:
    if isinstance(cases, Mapping) or Path(str(cases)).suffix.lower() in TABLES:
        return f"{'the mapping' if isinstance(cases, Mapping) else Path(str(cases)).name} does not name {name}"
    return f"the pattern {str(cases)!r} does not match" + ("" if found else " any name")
