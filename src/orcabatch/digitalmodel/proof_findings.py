"""What a proof compares: the tables that digitalmodel itself wrote for some files with those of the whole batch.

Time series byte for byte; of summaries and linked statistics the rows of the chosen files. In those, pandas lets the
other files of the batch decide how a column is written (`0` or `0.0`, rounded or not): such a cell has to be the same
number, and is counted. Does not cover which files are chosen (`orcabatch.digitalmodel.prove`).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.outputs import FILE, FILE_STEM, ROW_KEY, flagged, group_labels, table_stems
from orcabatch.errors import SourceError
from orcabatch.store.compare import DAMAGED, FileDifference, Unread, compare_files, unreadable_folder
from orcabatch.store.compare_tables import Tolerance, compare_tables, read_rows
from orcabatch.store.paths import name_of
from orcabatch.win32 import as_opened

if TYPE_CHECKING:
    from orcabatch.digitalmodel.proof_input import ProofInput, ProvenFile


@dataclass(frozen=True, slots=True)
class SameNumber:
    """Forgives how a number is written where the rest of its column decides that: `0` and `0.0`, rounded or not."""

    decimals: int

    def allows(self, left: float, right: float) -> bool:
        """Whether both are one number, or one of them is the other rounded to `decimals`."""
        if left == right:
            return True
        rounded = [round(number, self.decimals) == number for number in (left, right)]
        return rounded[0] != rounded[1] and abs(left - right) <= 0.5 * 10.0**-self.decimals * (1 + 1e-9)


class ProofFindings:
    """Counts what is the same and collects what is not.

    Attributes:
        series: time series that are the same, byte for byte.
        rows: rows of summaries and linked statistics that hold the same.
        rewritten: cells in them that hold the same number, written in another way.
        differences: everything else that was read.
        unread: tables of the batch that could not be read.
    """

    def __init__(self, batch: ProofInput) -> None:
        self.series = self.rows = self.rewritten = 0
        self.differences: list[FileDifference] = []
        self.unread: list[Unread] = []
        self._batch = batch

    def compare(self, reference: Path, files: Sequence[ProvenFile]) -> None:
        """Compare every table that digitalmodel wrote into `reference` for `files` with the batch's.

        Raises:
            SourceError: the result folder cannot be looked through.
        """
        results = Path(self._batch.result_folder)
        there, made = _tables_in(results), _tables_in(reference)
        for name, table in sorted(made.items()):
            written = there.get(name) or there.get(name_of(f"{table.name}.gz"))
            if written is None:
                self.differences.append(FileDifference(table.name, f"missing in {results}"))
            elif FILE in (heading := _heading(table)):
                self._compare_rows(table, written, "summary" if FILE_STEM in heading else "linked_statistics")
            else:
                self._compare_series(table, written)
        for name in sorted(set(_expected(self._batch.cfg, files))):
            if {name_of(name), name_of(f"{name}.gz")} & there.keys() and name_of(name) not in made:
                self.differences.append(FileDifference(name, "digitalmodel itself did not write this file"))

    def _compare_series(self, table: Path, written: Path) -> None:
        compared = compare_files(table, written, Tolerance(), name=table.name)
        if isinstance(compared, FileDifference):
            self.differences.append(compared)
        elif isinstance(compared, Unread):
            self.unread.append(compared)
        else:
            self.series += 1

    def _compare_rows(self, table: Path, written: Path, output: str) -> None:
        with as_opened(table).open(encoding="utf-8", newline="\n") as stream:
            heading, *lines = read_rows(stream)
        rows = {line[heading.index(FILE)] for line in lines} - {""}
        settings = self._batch.cfg["orcaflex"]["postprocess"].get(output, {})
        same_number = SameNumber(int(settings.get("csv_decimal", 6)))
        try:
            found = compare_tables(
                table, written, same_number, row_keys=[ROW_KEY], wanted=lambda row: row.get(FILE) in rows
            )
        except (*DAMAGED, csv.Error) as error:
            self.differences.append(FileDifference(table.name, f"differs, and is damaged ({error})"))
            return
        except OSError as error:
            self.unread.append(Unread.of(table.name, error))
            return
        self.rewritten += found.tolerated
        if found:
            self.differences.append(FileDifference(table.name, "differs in the rows of the chosen files", found))
        else:
            self.rows += len(rows)


def _tables_in(folder: Path) -> dict[str, Path]:
    """The tables that are listed there, by name: asked one by one, those of a share that went would count as missing.

    Raises:
        SourceError: the folder cannot be looked through.
    """
    try:
        names = [name for name in os.listdir(as_opened(folder)) if name.endswith((".csv", ".csv.gz"))]  # noqa: PTH208
    except OSError as error:
        raise SourceError(unreadable_folder(folder, error)) from error
    return {name_of(name): folder / name for name in names}


def _heading(table: Path) -> list[str]:
    with as_opened(table).open(encoding="utf-8", newline="\n") as stream:
        return next(read_rows(stream), [])


def _expected(cfg: Mapping[str, Any], files: Sequence[ProvenFile]) -> Iterator[str]:
    """Names of the tables that the configuration asks for."""
    series = files if _section(cfg, "time_series").get("data") else ()
    for output, names in table_stems(cfg, [Path(file.file).stem for file in series]).items():
        if flagged(cfg, output):
            yield from (f"{name}_{label}.csv" for name in names for label in group_labels(cfg, output))


def _section(cfg: Mapping[str, Any], output: str) -> Mapping[str, Any]:
    master = cfg.get(f"{output}_settings_master") or {}
    return {**master, **(cfg.get(f"{output}_settings") or {})}
