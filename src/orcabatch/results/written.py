"""The tables that batches wrote, read again: summaries of all files, and time series of each.

Which there are is said by the batches that wrote them (`Batch.summaries_in`, `Batch.outputs_of`). Does not cover tables
that are made of values (`orcabatch.results.table`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.errors import SourceError
from orcabatch.orcaflex.sim_files import stands_as
from orcabatch.results.table import Row, beside, file_names, joined, read_csv
from orcabatch.win32 import as_opened

if TYPE_CHECKING:
    import pandas as pd

    from orcabatch.outcome import FileOutcome

    FileFrames = list[tuple[Path, str, pd.DataFrame]]
    Stand = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class WrittenTables:
    """What a call wrote of tables, each read once, when it is asked for.

    Attributes:
        summaries: those that stand for all files, by label.
        of_files: for each outcome its own tables, with their labels.
        file_columns: what a summary with one row for each file has; the first names the row's file.
        stood: how each of them stood at the end of the call (`orcabatch.orcaflex.sim_files.stands`).
    """

    summaries: Mapping[str, Path] = field(default_factory=dict)
    of_files: Sequence[Sequence[tuple[str, Path]]] = ()
    file_columns: tuple[str, ...] = ()
    stood: Mapping[Path, Stand] = field(default_factory=dict, repr=False)
    _read: dict[Path, pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)

    def summary(self, label: str | None, cases: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
        """As `BatchResult.summary`."""
        frame = self._frame(self._path(label))
        if not set(self.file_columns) <= set(frame.columns):
            return frame
        files, names = self._files(frame)
        return beside([{"file": name} for name in names], files, cases, [1] * len(files), frame)

    def has_series(self, label: str | None) -> bool:
        """Whether time series are called so."""
        return any(known == label for own in self.of_files for known, _ in own)

    def rows(self, label: str | None) -> FileFrames:
        """A summary by its rows: of each its file, what that is called in tables, and what is not its file's name.

        Raises:
            SourceError: as `summary`.
        """
        frame = self._frame(self._path(label))
        own, named = frame.drop(columns=[*self.file_columns], errors="ignore"), zip(*self._files(frame), strict=True)
        return [(file, name, own.iloc[[place]]) for place, (file, name) in enumerate(named) if name is not None]

    def time_series(
        self, label: str, outcomes: Sequence[FileOutcome], cases: Mapping[str, Mapping[str, Any]]
    ) -> pd.DataFrame:
        """As `BatchResult.time_series`."""
        files, names, frames = zip(*self.series(label, outcomes), strict=True)
        tracks: list[Row] = [{"file": name} for name in names]
        return beside(tracks, files, cases, [len(frame) for frame in frames], joined(frames))

    def series(self, label: str, outcomes: Sequence[FileOutcome]) -> FileFrames:
        """The time series of this label, of each file that has them: the file, what it is called in tables, the frame.

        Raises:
            SourceError: there are none; names those that there are.
        """
        done = [
            (outcome.file, own)
            for outcome, own in zip(outcomes, self.of_files, strict=bool(self.of_files))
            if outcome.ok
        ]
        names = file_names(file for file, _ in done)
        written = [(file, name, *one) for (file, own), name in zip(done, names, strict=True) for one in own]
        wanted = [(file, name, self._frame(path)) for file, name, known, path in written if known == label]
        if not wanted:
            labels = ", ".join(sorted({known for _, _, known, _ in written})) or "none was written"
            raise SourceError(f"The batch has no time series {label!r}. Its time series: {labels}.")
        return wanted

    def _path(self, label: str | None) -> Path:
        """Of the summary of this label, or of the only one."""
        found = [path for known, path in self.summaries.items() if label in {None, known}]
        if len(found) != 1:
            asked = f"no summary {label!r}" if label else "several summaries" if self.summaries else "no summary"
            there = ", ".join(self.summaries) or "none was written"
            first = next(iter(self.summaries), "")
            one = f" Name one, as in `governing(column, summary={first!r})`." if first else ""
            raise SourceError(f"The batch has {asked}. Its summaries: {there}.{one}")
        return found[0]

    def _files(self, frame: pd.DataFrame) -> tuple[list[Path], list[str | None]]:
        """Of each row its file, and what that is called in tables: None for a row of statistics, which is of none."""
        column = frame[self.file_columns[0]]
        files = [Path() if nothing else Path(str(path)) for path, nothing in zip(column, column.isna(), strict=True)]
        return files, [name if file.name else None for file, name in zip(files, file_names(files), strict=True)]

    def _frame(self, path: Path) -> pd.DataFrame:
        if path not in self._read:
            frame = read_csv(as_opened(path), self.file_columns, missing=[""])
            stood = self.stood.get(path)
            if stood is not None and not stands_as(path, stood):
                raise SourceError(
                    f"{path} was changed or replaced since this run wrote it: its numbers may be another run's. Read a "
                    "result before the next run into the same folder, or give each run an `output_dir` of its own."
                )
            self._read[path] = frame
        return self._read[path]


def labels_by_batch(labels: Mapping[str, Iterable[str]]) -> list[str]:
    """The labels of all batches' tables; one that two batches have stands behind each one's name.

    Args:
        labels: each batch's, by its name.
    """
    listed = [(name, label) for name, own in labels.items() for label in own]
    times = Counter(label for _, label in listed)
    return [label if times[label] == 1 else f"{name}_{label}" for name, label in listed]
