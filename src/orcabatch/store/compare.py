"""Are two result folders identical? If not, what is missing and where is the largest difference?

    files by name ── bytes equal? ── yes: identical
                          └── no: content equal (a `.csv` against its `.csv.gz`)? ── no: cell by cell (tables)

Covers result files. Logs, metrics, reports and digitalmodel's dump of its configuration are not results (it holds the
start time) and are left out by default. Nothing is loaded whole but summaries that differ. A file that the system does
not let read, as of a share that goes, is neither the same nor different: of it nothing can be told. Does not cover
making a reference to compare with (`orcabatch.digitalmodel.prove`).
"""

from __future__ import annotations

import csv
import gzip
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from orcabatch.errors import SourceError
from orcabatch.network import amiss
from orcabatch.store.atomic import TEMPORARY_PREFIX
from orcabatch.store.compare_tables import RowKey, TableDifference, Tolerance, compare_tables, open_bytes
from orcabatch.store.failed_files import SUFFIX as FAILED_FILES
from orcabatch.store.paths import name_of
from orcabatch.text import and_more
from orcabatch.win32 import as_opened, is_folder

NOT_RESULTS = (
    *(
        "logs/*",
        "*.log",
        "*.json",
        "*.jsonl",
        "*.yml",
        "*.yaml",
        "*.html",
        "*.md",
        "*.txt",
        "*.lock",
        "*.db",
        "*.sqlite*",
    ),
    *(f"*{FAILED_FILES}", f"{TEMPORARY_PREFIX}*"),
    *(
        "~$*",
        ".~lock.*",
        "[Dd]esktop.ini",
    ),  # of Excel and LibreOffice while they have a table open, and of the Explorer
)
"""What is left out unless the caller says otherwise: patterns on the name or the path below the folder."""

CANNOT_BE_READ = "What cannot be read is neither the same nor different: see that its drive or share is there."
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a packed file raises that is cut off, or holds something else."""

_PIECE_BYTES = 1 << 20
_SHOWN = 20
"""Of each list, on the terminal; the JSON names all."""


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One result file that differs.

    Attributes:
        file: its path below the folders.
        reason: one line: what differs first of all.
        table: columns, rows and cells, where both are tables.
    """

    file: str
    reason: str
    table: TableDifference | None = None

    @property
    def weight(self) -> float:
        """For putting the largest difference first; what is no difference of numbers weighs most."""
        largest = self.table.largest if self.table else None
        return float("inf") if largest is None else largest.weight

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, without NaN or infinity."""
        said: dict[str, Any] = {"file": self.file, "reason": self.reason}
        if self.table is None:
            return said
        table, cell = self.table, self.table.largest
        said |= {"columns_only_in_a": table.columns_only_left, "columns_only_in_b": table.columns_only_right}
        said |= {"rows_only_in_a": table.rows_only_left, "rows_only_in_b": table.rows_only_right, "cells": table.cells}
        said |= {"columns_in_other_order": True} if table.other_order else {}
        said |= {"rows_in_other_order_from": table.moved_row} if table.moved_row else {}
        if cell is not None:
            place = {"column": cell.column, "row": cell.row, "line": cell.line}
            said["largest"] = {**place, "a": cell.left, "b": cell.right, "difference": cell.size}
        return said


@dataclass(frozen=True, slots=True)
class Unread:
    """A result file of which nothing can be told.

    Attributes:
        file: its path below the folders.
        reason: what the system says of it.
    """

    file: str
    reason: str

    @classmethod
    def of(cls, file: str, error: OSError) -> Unread:
        """From what the system said."""
        named = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
        return cls(file, f"{named}{error.strerror or error}")

    def __str__(self) -> str:
        return f"{self.file}: cannot be read: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"file": self.file, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison of two result folders found.

    Attributes:
        a, b: the folders.
        identical: how many files are the same, byte for byte.
        same_content: how many hold the same bytes, once packed and once not.
        tolerated: how many differ within the tolerance only.
        only_a, only_b: files that stand in one folder only.
        differing: files that differ beyond the tolerance, the largest difference first.
        unread: files that could not be read on one side or both.
    """

    a: Path
    b: Path
    identical: int
    same_content: int = 0
    tolerated: int = 0
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    differing: tuple[FileDifference, ...] = ()
    unread: tuple[Unread, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether all was read, nothing is missing and nothing differs beyond the tolerance."""
        return not (self.differs or self.unread)

    @property
    def differs(self) -> bool:
        """Whether anything is missing or differs beyond the tolerance, whatever could not be read."""
        return bool(self.only_a or self.only_b or self.differing)

    def to_text(self) -> str:
        """For the terminal: a summary, then what is missing and what differs."""
        lines = [self._summary(), *_missing(self.only_a, self.a, self.b), *_missing(self.only_b, self.b, self.a)]
        for difference in self.differing[:_SHOWN]:
            lines.append(f"  {difference.file}: {difference.reason}")
            lines += [f"    {line}" for line in (difference.table.lines() if difference.table else ())]
        more = and_more(len(self.differing), _SHOWN, "files that differ")
        lines += [f"  {more}"] if more else []
        lines += [f"  {unread}" for unread in self.unread[:_SHOWN]]
        more = and_more(len(self.unread), _SHOWN, "that cannot be read")
        lines += [f"  {more}"] if more else []
        lines += [CANNOT_BE_READ] if self.unread else []
        return "\n".join(lines)

    def _summary(self) -> str:
        compared = self.identical + self.same_content + self.tolerated + len(self.differing)
        if self.equal and self.identical == compared:
            return f"Identical: {compared} result files, byte for byte."
        parts = [f"{self.identical} identical"]
        parts += [f"{self.same_content} with the same content, packed and not"] if self.same_content else []
        parts += [f"{self.tolerated} within the tolerance"] if self.tolerated else []
        parts += [f"{len(self.differing)} different"] if self.differing else []
        missing = len(self.only_a) + len(self.only_b)
        parts += [f"{missing} missing on one side"] if missing else []
        parts += [f"{len(self.unread)} cannot be read"] if self.unread else []
        verdict = "Different" if self.differs else "Not told" if self.unread else "Equal"
        return f"{verdict}: {', '.join(parts)}."

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        counts = {"identical": self.identical, "same_content": self.same_content, "tolerated": self.tolerated}
        return {
            "equal": self.equal,
            "a": str(self.a),
            "b": str(self.b),
            **counts,
            "only_in_a": list(self.only_a),
            "only_in_b": list(self.only_b),
            "differing": [difference.to_dict() for difference in self.differing],
            "unread": [unread.to_dict() for unread in self.unread],
        }


def _missing(files: Sequence[str], there: Path, absent: Path) -> list[str]:
    more = and_more(len(files), _SHOWN, f"that are not in {absent}")
    named = [f"  {file}: in {there}, not in {absent}" for file in files[:_SHOWN]]
    return [*named, f"  {more}"] if more else named


def compare_folders(  # noqa: PLR0913 - what counts as equal
    a: str | Path,
    b: str | Path,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    ignore: Iterable[str] = NOT_RESULTS,
    row_keys: Sequence[RowKey] = (),
) -> Comparison:
    """Compare the result files of two folders.

    Args:
        a: the first folder.
        b: the second folder.
        rtol: two numbers count as equal up to `atol + rtol x the larger magnitude`.
        atol: see `rtol`; with both zero every byte has to be the same.
        ignore: patterns of files that are no results, on the name or the path below the folder.
        row_keys: columns that name the rows of tables, see `orcabatch.batch.readers.row_keys`.

    Raises:
        SourceError: a folder does not exist, or cannot be looked through, or neither holds a result.
    """
    left, right, patterns = Path(a), Path(b), tuple(ignore)
    in_left, in_right = _results(left, patterns), _results(right, patterns)
    if not in_left and not in_right:
        raise SourceError(f"Nothing to compare: neither {left} nor {right} holds a result file.")
    tolerance = Tolerance(relative=rtol, absolute=atol)
    counts = {"identical": 0, "same_content": 0, "tolerated": 0}
    differing, unread = list[FileDifference](), list[Unread]()
    for same in sorted(in_left.keys() & in_right.keys()):
        (name, one), (_, other) = in_left[same], in_right[same]
        compared = compare_files(one, other, tolerance, name=name, row_keys=row_keys)
        if isinstance(compared, str):
            counts[compared] += 1
        elif isinstance(compared, Unread):
            unread.append(compared)
        else:
            differing.append(compared)
    return Comparison(
        left,
        right,
        **counts,
        only_a=tuple(sorted(in_left[same][0] for same in in_left.keys() - in_right.keys())),
        only_b=tuple(sorted(in_right[same][0] for same in in_right.keys() - in_left.keys())),
        differing=tuple(sorted(differing, key=lambda one: (-one.weight, one.file))),
        unread=tuple(unread),
    )


def _results(folder: Path, ignore: Sequence[str]) -> dict[str, tuple[str, Path]]:
    """Result files and their names below `folder`, by what is one name; a packed one under its name unpacked."""
    if not is_folder(folder):
        raise SourceError(amiss(folder, f"{folder} is not a folder. Give two result folders."))
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    results = {name: path for name, path in files.items() if not _ignored(name, ignore)}
    return {name_of(name): (name, path) for name, path in ((_unpacked(n, results), p) for n, p in results.items())}


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder. `rglob` would pass over a folder that may not be read, and its files count as missing.

    Raises:
        SourceError: it cannot be looked through.
    """
    try:
        opened = as_opened(folder, longest=0)
        for place, _, names in os.walk(opened, onerror=_raise):
            below = folder / Path(place).relative_to(opened)
            yield from (below / name for name in names if _is_file(Path(place, name)))
    except OSError as error:
        raise SourceError(unreadable_folder(folder, error)) from error


def unreadable_folder(folder: Path, error: OSError) -> str:
    """That a folder cannot be looked through, for the engineer."""
    return f"{folder} cannot be read: {error.strerror or error}. {CANNOT_BE_READ}"


def _raise(error: OSError) -> None:
    raise error


def _is_file(path: Path) -> bool:
    """Also where a link leads to one; what cannot be asked is found out when it is read."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return not path.is_symlink()
    except OSError:
        return True


def _unpacked(name: str, names: Iterable[str]) -> str:
    plain = name.removesuffix(".gz")
    return name if plain in names else plain


def _ignored(name: str, patterns: Sequence[str]) -> bool:
    last = name.rpartition("/")[2].removesuffix(".gz")
    return any(fnmatchcase(name, pattern) or fnmatchcase(last, pattern) for pattern in patterns)


def compare_files(
    left: Path, right: Path, tolerance: Tolerance, *, name: str = "", row_keys: Sequence[RowKey] = ()
) -> str | FileDifference | Unread:
    """How two result files compare: `identical`, `same_content`, `tolerated`, what differs, or that nobody can tell."""
    name = name or left.name
    try:
        if _same_bytes(left, right, _open):
            return "identical"
        if ".gz" in {left.suffix, right.suffix} and _same_bytes(left, right, open_bytes):
            return "same_content"
        return _compare_content(left, right, tolerance, name, row_keys)
    except DAMAGED as error:  # not that the system refuses: what it gives is not the same
        return FileDifference(name, f"differs, and is damaged ({error})")
    except OSError as error:
        return Unread.of(name, error)


def _compare_content(
    left: Path, right: Path, tolerance: Tolerance, name: str, row_keys: Sequence[RowKey]
) -> str | FileDifference:
    if not name.removesuffix(".gz").lower().endswith(".csv"):
        sizes = [as_opened(path).stat().st_size for path in (left, right)]
        return FileDifference(name, f"differs, in {sizes[0]} and {sizes[1]} bytes")
    try:
        table = compare_tables(left, right, tolerance, row_keys=row_keys)
    except csv.Error as error:
        return FileDifference(name, f"differs, and is not a table ({error})")
    if table:
        return FileDifference(name, "differs", table)
    if tolerance.relative or tolerance.absolute:
        return "tolerated"
    return FileDifference(name, "the same cells, with other line ends or quotes", table)


def _open(path: Path) -> Any:
    return as_opened(path).open("rb")


def _same_bytes(left: Path, right: Path, opener: Callable[[Path], Any]) -> bool:
    with opener(left) as one, opener(right) as other:
        while True:
            piece = one.read(_PIECE_BYTES)
            if piece != other.read(_PIECE_BYTES):
                return False
            if not piece:
                return True
