"""What a batch gives back: outcomes in input order, the plan it followed, what was measured.

A result copies nothing: values, failures and times stand in the outcomes. See also `orcabatch.outcome`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.errors import BatchError
from orcabatch.monitor.failures import FILE, general, without_name
from orcabatch.outcome import FileOutcome, Phase, Status

if TYPE_CHECKING:
    import pandas as pd

    from orcabatch.notice import Notice
    from orcabatch.plan import BatchPlan


@dataclass(frozen=True)
class BatchResult:
    """The outcome of one call, in input order.

    Attributes:
        outcomes: one per file and batch, in input order; as many as the plan has.
        plan: what was planned.
        metrics: what was measured, as written to the metrics file (schema in `docs/metrics.schema.json`).
        outputs: every output file that was written, metrics included.
        warnings: what the engineer should know about the batch as a whole.
        notices: what was done with the results without a word, as digitalmodel does it: series that end early,
            columns that are empty or replaced, rows that miss values, simulations that did not reach their end.
    """

    outcomes: tuple[FileOutcome, ...]
    plan: BatchPlan
    metrics: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every file has its results."""
        return all(outcome.ok for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[FileOutcome, ...]:
        """The outcomes without results: failed files, and those cancelled by an interruption."""
        return tuple(outcome for outcome in self.outcomes if not outcome.ok)

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
            raise BatchError(failure_text(self.failed, len(self.outcomes)))

    def to_dataframe(self) -> pd.DataFrame:
        """One row per file and batch: path, name, status, error, seconds by phase, bytes. Needs pandas.

        A value that is a mapping adds its keys as columns; any other value stands in the column `value`. A key that
        names one of the other columns is prefixed: a function's `name` stands in the column `value_name`.
        """
        import pandas as pd

        tracks = [_tracked(outcome) for outcome in self.outcomes]
        values = [_spread(outcome.value) for outcome in self.outcomes]
        names = _column_names({name for track in tracks for name in track}, (key for value in values for key in value))
        return pd.DataFrame(
            [
                track | {names[key]: item for key, item in value.items()}
                for track, value in zip(tracks, values, strict=True)
            ]
        )

    def __repr__(self) -> str:
        done = sum(outcome.ok for outcome in self.outcomes)
        return f"<BatchResult: {done} of {len(self.outcomes)} files done, {len(self.failed)} without results>"

    def _repr_html_(self) -> str:
        from orcabatch.monitor.notebook import result_html

        return result_html(self.outcomes, self.notices)


def last_attempts(outcomes: Iterable[FileOutcome]) -> tuple[FileOutcome, ...]:
    """The last attempt of every file and batch, in input order."""
    latest: dict[tuple[int, str], FileOutcome] = {}
    for outcome in outcomes:
        key = (outcome.index, outcome.batch)
        if key not in latest or outcome.attempt >= latest[key].attempt:
            latest[key] = outcome
    return tuple(sorted(latest.values(), key=lambda outcome: (outcome.index, outcome.batch)))


def failure_text(failed: Sequence[FileOutcome], total: int, *, named: int = 20) -> str:
    """A message naming files without results, equal reasons together."""
    by_reason: dict[str, list[FileOutcome]] = defaultdict(list)
    for outcome in failed:
        by_reason[general(outcome)].append(outcome)
    some = f"{len(failed)} of {total} files have no results; the others are written."
    lines = [some if len(failed) < total else "No file has results."]
    for reason, outcomes in by_reason.items():
        names = [outcome.file.name for outcome in outcomes]
        said = reason if len(outcomes) > 1 else outcomes[0].error or reason
        lines.append(f"  {_names(names, named)}: {said.removeprefix(f'{FILE}: ').removeprefix(f'{names[0]}: ')}")
    return "\n".join(lines)


def warnings_text(outcomes: Iterable[FileOutcome], *, named: int = 3) -> list[str]:
    """A line for each warning about files that have their results, and each retry, with the files it is about."""
    about: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        for warning in outcome.warnings if outcome.ok else ():
            about[" ".join(warning.split())].append(outcome.file.name)
        for reason in outcome.retried:
            said = " ".join(without_name(reason, outcome.file).split()).removeprefix(f"{FILE}: ")
            about[f"tried again: {said}"].append(outcome.file.name)
    return [f"{_names(names, named)}: {warning}" for warning, names in about.items()]


def _names(names: Sequence[str], most: int) -> str:
    """At most `most` names, and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _column_names(taken: Set[Any], keys: Iterable[Any]) -> dict[Any, Any]:
    """The column of each key of the values: the key itself, prefixed as often as it takes to name no other column."""
    names: dict[Any, Any] = dict.fromkeys(keys)
    for key in names:
        column = key
        while column in taken or (column != key and column in names):
            column = f"value_{column}"
        names[key] = column
    return names


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


def cancelled(outcome: FileOutcome) -> bool:
    """Whether the file was left undone by an interruption."""
    return outcome.status is Status.CANCELLED
