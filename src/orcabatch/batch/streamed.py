"""A batch's table, written as its files end: what is in memory does not grow with their number.

    outcome ── add ──> its value, packed, on the disk           write ──> values in input order, a piece at a time
                                        │                                   ──> shape of all pieces ──> the file
                                        └── value_of ──> for the metrics, one after the other, until `close`

A value goes to a nameless temporary file beside the target as it comes. In the end the values become rows in the order
of the files, piece by piece, and the pieces one table: the one that `BatchResult.save` writes, whichever file finished
first, and also where later files have columns that earlier ones lack. Formats: `orcabatch.results.save`.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from orcabatch.engine.foreign import ordinarily
from orcabatch.errors import OutputError
from orcabatch.results.result import NO_SUMMARY
from orcabatch.results.save import Shape, load_writer, save_pieces, summary_files
from orcabatch.results.table import Row, file_names, rows
from orcabatch.results.written import labels_by_batch
from orcabatch.store.atomic import check_place
from orcabatch.text import words_of
from orcabatch.win32 import is_there, new_file

if TYPE_CHECKING:
    import pandas as pd

    from orcabatch.batch.batch import Batch
    from orcabatch.batch.request import Request
    from orcabatch.outcome import FileOutcome

PIECE_FILES, PIECE_BYTES = 250, 8_000_000
"""Values become rows so many files, or packed bytes, at a time. More: larger pieces in memory. Fewer: pandas joins more
small tables. It matters little: 1,000 files of 900 numbers took 8 to 10 s of CPU time with 250 a piece, 10 to 11 with
50 and 9 with all in one."""


@dataclass(slots=True)
class TableFile:
    """A table that grows while a batch runs.

    Attributes:
        target: where it goes in the end; its ending decides the format.
        batches: those whose values are its rows.
        cases: load cases by file name.

    Raises:
        OutputError: there is no such format, what writes it is missing, or nothing can be written beside the target.
    """

    target: Path
    batches: tuple[Batch, ...]
    cases: Mapping[str, Mapping[str, Any]]
    _spool: IO[bytes] | None = None
    _places: dict[tuple[int, str], tuple[Path, int, int]] = field(default_factory=dict)
    _unpacked: dict[tuple[int, str], tuple[Path, str]] = field(default_factory=dict)
    _fault: OSError | None = None

    def __post_init__(self) -> None:
        load_writer(self.target)
        check_place(self.target)

    def add(self, outcome: FileOutcome) -> None:
        """Take the value of a file that ended; of one that ended before, in place of the earlier one. Never raises."""
        key = (outcome.index, outcome.batch)
        self._places.pop(key, None)
        self._unpacked.pop(key, None)
        if not outcome.ok or self._fault is not None:
            return
        try:
            packed = ordinarily(lambda: pickle.dumps(outcome.value, pickle.HIGHEST_PROTOCOL))
        except Exception as error:  # noqa: BLE001 - the value is the user's, and may refuse in any way
            self._unpacked[key] = (outcome.file, words_of(error))
            return
        try:
            self._spool = self._spool or self._temporary()
            place = self._spool.seek(0, 2)
            self._spool.write(packed)
        except OSError as error:
            self._fault = error
            return
        self._places[key] = (outcome.file, place, len(packed))

    def write(self) -> tuple[Path | None, tuple[str, ...]]:
        """Write the table; returns where, and what the engineer should know of it beside what it lacks (`lacking`).

        Where no file has results, what an earlier run left there stays.

        What the format cannot hold goes into a `.csv` beside it: the values are nowhere else.

        Raises:
            OutputError: it cannot be written.
        """
        if not self._places and is_there(self.target):
            return None, (f"{self.target.name} is still that of an earlier run: no file of this one has a row in it.",)
        notes = list[str]()
        with self._temporary() as pieces:
            shape, places = Shape(), []
            for piece in self._pieces():
                shape.widen(piece)
                places.append(pieces.tell())
                pickle.dump(piece, pieces, pickle.HIGHEST_PROTOCOL)
            try:
                return save_pieces(_read(pieces, places), shape, self.target, notes.append), tuple(notes)
            except OutputError as error:
                # A program that has one open may have the other open, too: the second name is nobody's yet.
                csv, free = self.target.with_suffix(".csv"), f"{self.target.stem}_{time.strftime('%Y%m%d_%H%M%S')}.csv"
                first = [] if self.target == csv else [csv]
                for instead in (*first, self.target.with_name(free)):
                    with suppress(OutputError):
                        saved = save_pieces(_read(pieces, places), shape, instead, notes.append)
                        return saved, (*notes, f"{error} The results are in {instead.name} instead.")
                raise

    def _temporary(self) -> IO[bytes]:
        return new_file(self.target.parent)  # closed by `write` and `close`

    def value_of(self, outcome: FileOutcome) -> Any:
        """A file's value once more; None where it has none that could be kept."""
        key = (outcome.index, outcome.batch)
        try:
            return ordinarily(lambda: self._unpacked_from(key)) if key in self._places else None
        except Exception:  # noqa: BLE001 - the value is the user's, and what is asked for here are figures of all files
            return None

    def close(self) -> None:
        """Give the disk back what the values took; no value can be had after this."""
        if self._spool is not None:
            self._spool.close()
        self._spool, self._places = None, {}

    def _unpacked_from(self, key: tuple[int, str]) -> Any:
        _, place, length = self._places[key]
        if self._spool is None:
            return None
        self._spool.seek(place)
        return pickle.loads(self._spool.read(length))  # noqa: S301 - written by this process

    def lacking(self) -> Iterator[str]:
        """Which files have no row in what was written, though they have results, and why."""
        names = self._names()
        for file, why in map(self._unpacked.__getitem__, sorted(self._unpacked)):
            yield f"{self.target.name} lacks {names[str(file)]}: its value cannot be saved: {why}"
        if self._fault is not None:
            disk = self._fault.strerror or self._fault
            yield f"{self.target.name} lacks the files that ended later: their values cannot be saved: {disk}"

    def _pieces(self) -> Iterator[pd.DataFrame]:
        """The rows of all files in input order, some files at a time; an empty table where there are none."""
        names = self._names()
        several, waiting, size = len(self.batches) > 1, list[tuple[tuple[int, str], Any]](), 0
        for key in sorted(self._places):
            try:
                value = ordinarily(partial(self._unpacked_from, key))
            except Exception as error:  # noqa: BLE001 - the value is the user's, and costs its own row alone
                self._unpacked[key] = (self._places[key][0], words_of(error))
                continue
            waiting.append((key, value))
            size += self._places[key][2]
            if len(waiting) >= PIECE_FILES or size >= PIECE_BYTES:
                yield self._rows(waiting, names, several=several)
                waiting, size = [], 0
        if waiting:
            yield self._rows(waiting, names, several=several)
        elif self._places.keys() <= self._unpacked.keys():
            yield self._rows([], names, several=several)

    def _names(self) -> dict[str, str]:
        files = [file for batch in self.batches for file in batch.files]
        return dict(zip(map(str, files), file_names(files), strict=True))  # as text: see `shared_files`

    def _rows(
        self, waiting: Iterable[tuple[tuple[int, str], Any]], names: Mapping[str, str], *, several: bool
    ) -> pd.DataFrame:
        import pandas as pd

        tracks, files, values = list[Row](), [], []
        for (index, batch), value in waiting:
            file = self._places[index, batch][0]
            tracks.append({"file": names[str(file)]} | ({"batch": batch} if several else {}))
            files.append(file)
            values.append(value)
        return rows(tracks, files, self.cases, values) if files else pd.DataFrame(columns=["file"])


def table_file(target: Path, request: Request) -> TableFile | None:
    """The table of a request; None where its batches make their own, of which it is taken when they are done.

    Raises:
        OutputError: as `TableFile`; or the batches make none.
    """
    if all(batch.values_are_rows for batch in request.batches):
        return TableFile(target, request.batches, request.cases)
    load_writer(target)
    labels = {batch.name: batch.summaries for batch in request.batches}
    known = {name: own for name, own in labels.items() if own is not None}
    if known == labels and not any(known.values()):
        raise OutputError(f"{NO_SUMMARY.format(target.name)} Nothing was run.")
    for file in summary_files(target, labels_by_batch(known)) or (target,):
        check_place(file)
    return None


def _read(pieces: IO[bytes], places: Iterable[int]) -> Iterator[pd.DataFrame]:
    for place in places:
        pieces.seek(place)
        yield pickle.load(pieces)  # noqa: S301 - written by this process
