"""What a batch gives back: outcomes in input order, the plan it followed, what was measured.

A result copies nothing: values, failures and times stand in the outcomes. See also `orcabatch.outcome`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.errors import BatchError, SourceError
from orcabatch.notice import Silent
from orcabatch.orcaflex.incomplete import is_partial
from orcabatch.outcome import FILE_MARK, FileOutcome, Phase, general_message, with_names, without_file_name
from orcabatch.results.table import column_names, columns_of, file_names, frame_of, table
from orcabatch.results.written import WrittenTables
from orcabatch.text import shortened_list

if TYPE_CHECKING:
    import pandas as pd
    import xarray

    from orcabatch.notice import Notice
    from orcabatch.plan import BatchPlan


NO_SUMMARY = "{} is not written: the batch has no summary. Ask for one in the YAML."


@dataclass(frozen=True)
class BatchResult:
    """The outcome of one call, in input order.

    Attributes:
        outcomes: one per file and batch, in input order; as many as the plan has.
        plan: what was planned.
        metrics: what was measured, as written to the metrics file (schema in `docs/metrics.schema.json`).
        outputs: every output file that was written, metrics included.
        warnings: what the engineer should know about the batch as a whole.
        notices: what was done with the results without a word, as a plain loop does it: series that end early,
            columns that are empty or replaced, rows that miss values, simulations that did not reach their end.
        cases: load cases by file name; empty where none were given.
        written: the tables that the batches wrote, for reading them again.
    """

    outcomes: tuple[FileOutcome, ...]
    plan: BatchPlan
    metrics: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    cases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    written: WrittenTables = field(default_factory=WrittenTables, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether every file has its results."""
        return all(outcome.ok for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[FileOutcome, ...]:
        """The outcomes without results: failed files, and those cancelled by an interruption."""
        return FailedFiles(outcome for outcome in self.outcomes if not outcome.ok)

    @property
    def values(self) -> list[Any]:
        """What the post-process returned, in input order; None where a file failed."""
        return [outcome.value for outcome in self.outcomes]

    def raise_for_failures(self) -> None:
        """Do nothing when every file is fine.

        Raises:
            BatchError: files failed; the message names them with their reasons.
        """
        if self.failed:
            raise BatchError(failure_text(self.failed, len(self.outcomes)), self)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per file and batch: path, name, status, error, seconds by phase, bytes. Needs pandas.

        A value that is a mapping adds its keys as columns; any other value stands in the column `value`. A key that
        names one of the other columns is prefixed: a function's `name` stands in the column `value_name`.
        """
        import pandas as pd

        tracks = [_tracked(outcome) for outcome in self.outcomes]
        values = [_spread(outcome.value) for outcome in self.outcomes]
        names = column_names({name for track in tracks for name in track}, (key for value in values for key in value))
        rows = [
            track | {names[key]: item for key, item in value.items()}
            for track, value in zip(tracks, values, strict=True)
        ]
        return pd.DataFrame(columns_of(rows, dict.fromkeys(name for row in rows for name in row)))

    def table(self) -> pd.DataFrame:
        """One row for each row of each file's value, with the file and its load case beside it. Needs pandas.

        Mappings become columns; lists of mappings, DataFrames and arrays become rows (see `orcabatch.results.table`).
        Files without results have no row (see `failed`). For a digitalmodel batch with one summary this is `summary()`.

        Raises:
            SourceError: a digitalmodel batch has several summaries, or none; names them. Take `summary(label)` then, or
                give `summary=label` to `save` and `governing`.
        """
        if self.written.summaries:
            return self.summary()
        return table(self.outcomes, self.cases)

    def summary(self, label: str | None = None) -> pd.DataFrame:
        """A summary of a digitalmodel batch as it was written, with load cases beside it; read once. Needs pandas.

        Args:
            label: the group's label in the YAML; None where there is only one summary.

        Raises:
            SourceError: there is no such summary; names those that there are.
        """
        return self.written.summary(label, self.cases)

    def time_series(self, label: str) -> pd.DataFrame:
        """The time series of a digitalmodel batch as they were written, one below the other; read once. Needs pandas.

        Columns: `file`, those of the load cases, then the tables' own (`time` first).

        Args:
            label: the group's label in the YAML.

        Raises:
            SourceError: there are no such time series; names those that there are.
        """
        return self.written.time_series(label, self.outcomes, self.cases)

    def to_xarray(
        self, label: str | None = None, *, by: str | Sequence[str] = (), time: str | None = None
    ) -> xarray.DataArray:
        """Numbers as one array: case x name x time, each file with its own time axis. Needs xarray.

        Where all files have the same times, `time` is a dimension; else `sample` is, and `time` a coordinate over
        case and sample, NaN beyond a file's end. Columns of the load cases are coordinates of `case`; one called
        `case`, `name`, `time` or `sample` where the array has that itself is prefixed: `case_name`. Single values (a
        number or a mapping of such from each file) have no time.

        Args:
            label: of a digitalmodel batch: the time series of this label, or the summary where no series are called so;
                without it the summary, where there is one.
            by: columns of the load cases that become dimensions in place of `case`; together they tell files apart.
            time: the column of times; None: the one called `time` or `t`.

        Raises:
            ImportError: xarray is not installed.
            SourceError: there are no such time series, several summaries of which none is named, no numbers, no such
                column, or two files are one case by `by`.

        Warns:
            UserWarning: columns that hold no numbers, or whole ones that no float can, are left out; names them.
        """
        from orcabatch.results.arrays import array_of

        written = self.written
        if written.summaries and not written.has_series(label) and label in {None, *written.summaries}:
            rows = written.rows(label)
        elif label is not None:
            rows = written.series(label, self.outcomes)
        else:
            done = [outcome for outcome in self.outcomes if outcome.ok]
            names = file_names(outcome.file for outcome in done)
            rows = [(each.file, name, frame_of(each.value)) for each, name in zip(done, names, strict=True)]
        if not rows:
            raise SourceError("No file has results, so there is no array of them.")
        dimensions = (by,) if isinstance(by, str) else tuple(by)
        cases = [self.cases.get(file.name, {}) for file, *_ in rows]
        return array_of([(name, frame) for _, name, frame in rows], cases, time, dimensions)

    def save(self, path: str | Path, *, summary: str | None = None) -> Path:
        """Write `table()` as `.parquet`, `.xlsx` or `.csv`; returns where.

        Args:
            path: its ending decides the format. `orcabatch.results.save` says what each format loses.
            summary: of a digitalmodel batch: the summary of this label instead.

        Raises:
            OutputError: the format cannot hold the table, or the folder cannot be written to.
        """
        from orcabatch.results.save import save

        return save(self.table() if summary is None else self.summary(summary), Path(path))

    def save_summaries(self, path: Path) -> tuple[Path, ...]:
        """Write what a digitalmodel batch has: its summary, or each of several with its label in the name.

        Raises:
            SourceError: there is none.
            OutputError: as `save`.
        """
        from orcabatch.results.save import summary_files

        labels = tuple(self.written.summaries)
        if not labels:
            raise SourceError(NO_SUMMARY.format(path.name))
        return tuple(
            self.save(file, summary=label) for file, label in zip(summary_files(path, labels), labels, strict=True)
        )

    def governing(
        self,
        column: str,
        by: str | Sequence[str] = (),
        *,
        summary: str | None = None,
        largest: bool | None = None,
    ) -> pd.DataFrame:
        """The governing file of each load case: where a column has its largest value, or its smallest.

        Args:
            column: of `table()`.
            by: columns of the load cases, or one; files that agree in all of them are seeds of one case.
            summary: of a digitalmodel batch: the label of the summary that has the column.
            largest: whether the largest value governs; False: the smallest. None: the column's name says it, the
                smallest where it ends in `_min` (or `.min`, `_minimum`).

        Returns:
            One row a case, sorted: those of `by`, `maximum`, `file` (which has it), `files` (how many there are),
            `mean` and `p90` of the files' own maxima (numpy's linear percentile); of one file there is no `p90` (NaN).
            Where the smallest governs, `minimum` and `p10` of the files' own minima instead.

        Raises:
            SourceError: there is no such column (names the nearest), or no number in it.

        Warns:
            UserWarning: files have no number in the column, so they do not count, or infinity; or a file governs
                whose simulation did not reach its end. Names them.
        """
        from orcabatch.results.governing import governing, warn_of

        columns = (by,) if isinstance(by, str) else tuple(by)
        partial = {str(name) for file in self._partial() for name in (file, file.name)}
        frame = self.table() if summary is None else self.summary(summary)
        if not self.written.summaries:
            names = file_names(outcome.file for outcome in self.outcomes if outcome.ok)
            warn_of(sorted(set(names).difference(frame["file"])), "no rows and do not count", stacklevel=3)
        return governing(frame, column, columns, largest, partial)

    def _partial(self) -> set[Path]:
        """Files with results whose simulations did not reach their end."""
        said = {each.file for each in self.outcomes if each.ok and any(map(is_partial, each.warnings))}
        return said.union(*(notice.files for notice in self.notices if notice.kind is Silent.PARTIAL))

    def __repr__(self) -> str:
        done = sum(outcome.ok for outcome in self.outcomes)
        return f"<BatchResult: {done} of {len(self.outcomes)} files done, {len(self.failed)} without results>"

    def _repr_html_(self) -> str:
        from orcabatch.monitor.notebook import result_html

        return result_html(self.outcomes, self.notices)


class FailedFiles(tuple[FileOutcome, ...]):
    """Outcomes without results; in a notebook a table of them."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from orcabatch.monitor.notebook import failed_html

        return failed_html(self)


def last_attempts(outcomes: Iterable[FileOutcome]) -> tuple[FileOutcome, ...]:
    """The last attempt of every file and batch, in input order."""
    latest: dict[tuple[int, str], FileOutcome] = {}
    for outcome in outcomes:
        key = (outcome.index, outcome.batch)
        if key not in latest or outcome.attempt >= latest[key].attempt:
            latest[key] = outcome
    return tuple(sorted(latest.values(), key=lambda outcome: (outcome.index, outcome.batch)))


def failure_text(failed: Sequence[FileOutcome], total: int) -> str:
    """A message naming files without results, equal reasons together."""
    by_reason: dict[str, list[FileOutcome]] = defaultdict(list)
    for outcome in failed:
        by_reason[general_message(outcome)].append(outcome)
    some = f"{len(failed)} of {total} files have no results; the others have theirs."
    lines = [some if len(failed) < total else "No file has results."]
    for reason, outcomes in by_reason.items():
        names = [outcome.file.name for outcome in outcomes]
        said = reason if len(outcomes) > 1 else outcomes[0].error or reason
        said = said.removeprefix(f"{FILE_MARK}: ").removeprefix(f"{names[0]}: ")
        lines.append(f"  {shortened_list(names, most=20)}: {with_names(said, names)}")
    return "\n".join(lines)


def warnings_text(outcomes: Iterable[FileOutcome], *, retries: bool = True) -> list[str]:
    """A line for each warning about files that have their results, and each retry, with the files it is about."""
    about: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        for warning in outcome.warnings if outcome.ok else ():
            about[" ".join(warning.split())].append(outcome.file.name)
        for reason in outcome.retried if retries else ():
            said = " ".join(without_file_name(reason, outcome.file).split()).removeprefix(f"{FILE_MARK}: ")
            about[f"tried again: {said}"].append(outcome.file.name)
    return [f"{shortened_list(names)}: {with_names(warning, names)}" for warning, names in about.items()]


def _spread(value: Any) -> Mapping[Any, Any]:
    """A value by column."""
    return value if isinstance(value, Mapping) else {"value": value}


def _tracked(outcome: FileOutcome) -> dict[str, Any]:
    """What is known of a file besides its value."""
    row: dict[str, Any] = {
        "file": str(outcome.file),
        "name": outcome.file.name,
        "batch": outcome.batch,
        "status": str(outcome.status),
        "error": outcome.error,
        "attempt": outcome.attempt,
        "size_bytes": outcome.size_bytes,
        "wall_s": outcome.wall_s,
    }
    return row | {f"{phase}_s": outcome.phases.get(phase, 0.0) for phase in Phase}
