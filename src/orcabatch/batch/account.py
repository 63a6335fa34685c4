"""What is left of a run as numbers: one metrics file per batch, and the metrics of the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.batch.shared_files import shared_files
from orcabatch.errors import OutputError
from orcabatch.monitor.metrics import RunRecord, build_metrics, write_metrics
from orcabatch.results.figures import figures
from orcabatch.results.written import WrittenTables
from orcabatch.settings import to_section
from orcabatch.store.paths import is_there, place_of

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.request import Request
    from orcabatch.monitor import PerformanceMonitor
    from orcabatch.notice import Notice
    from orcabatch.outcome import FileOutcome
    from orcabatch.plan import BatchPlan


@dataclass(frozen=True, slots=True)
class Said:
    """What there is to be said of a run besides what was measured.

    Attributes:
        warnings: what the engineer should know about it as a whole.
        notices: what was done with the results without a word.
        outputs: the output files that each batch wrote, by its name; under none those of the call.
        values_in: the table that took the values as files ended, so that none is left here; None: there is none.
        value_of: a file's value out of that table; None: outcomes have their values, or nobody reads them while the
            run goes on.
        has_report: whether a page was asked for, which shows the figures of the results.
    """

    warnings: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    outputs: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    values_in: Path | None = None
    value_of: Callable[[FileOutcome], Any] | None = None
    has_report: bool = False


def write_account(
    request: Request, plan: BatchPlan, monitor: PerformanceMonitor, said: Said, orcaflex: str
) -> tuple[dict[str, Any], list[Path], list[str]]:
    """The metrics of the call, the files they were written to, and why others could not be written.

    With several batches the metrics of the call hold all of them; each batch's own file holds its own. Metrics are no
    results: a file that cannot be written is said, and costs nothing else.
    """
    shared = known_of(request, plan, monitor, said, orcaflex)
    written, complaints = [], []
    metrics: dict[str, Any] = {}
    for batch in request.batches:
        notices = [notice for notice in said.notices if notice.batch == batch.name]
        own = shared | {"settings": to_section(request.own[batch.name]), "notices": notices}
        metrics = build_metrics(with_results(monitor.record(batch=batch.name, **own), request, said))
        proof = batch.proof(in_own_order(batch, request, monitor.outcomes), orcaflex)
        if proof is not None:
            metrics["proof"] = proof
        target = metrics_file(batch, request)
        if target is not None:
            try:
                write_metrics(target, metrics)
                written.append(target)
            except OutputError as error:
                complaints.append(f"The metrics are not written: {error}. The results are not concerned.")
    if len(request.batches) > 1:
        record = monitor.record(**shared, notices=said.notices)
        metrics = build_metrics(with_results(record, request, said))
    return metrics, written, complaints


def begin_account(request: Request, plan: BatchPlan, monitor: PerformanceMonitor, orcaflex: str) -> None:
    """Have no metrics of an earlier run lie beside the outputs of this one, which may be killed at any moment."""
    for batch in request.batches:
        target = metrics_file(batch, request)
        if target is not None and is_there(target):
            own = known_of(request, plan, monitor, Said(), orcaflex) | {"settings": to_section(request.own[batch.name])}
            with suppress(OutputError):  # said at the end, where it cannot be written then
                write_metrics(
                    target, build_metrics(with_results(monitor.record(batch=batch.name, **own), request, Said()))
                )


def account_so_far(
    request: Request, plan: BatchPlan, monitor: PerformanceMonitor, said: Said, orcaflex: str
) -> dict[str, Any]:
    """The metrics of a call that still runs: what has ended so far, nothing of what is written at the end."""
    known = known_of(request, plan, monitor, said, orcaflex) | {"warnings": list(monitor.state.warnings)}
    return build_metrics(with_results(monitor.record(**known), request, said))


def known_of(
    request: Request, plan: BatchPlan, monitor: PerformanceMonitor, said: Said, orcaflex: str
) -> dict[str, Any]:
    """What every record of the call has beside what was measured, as fields of `RunRecord`."""
    return {
        "plan": plan.to_dict(),
        "host": plan.host,
        "settings": to_section(request.settings),
        "memory_budget_bytes": plan.memory_budget_bytes,
        "warnings": list(said.warnings),
        "orcaflex": orcaflex,
        "executor_why": monitor.state.executor_why or plan.executor_why,
        "cases": request.cases,
        "values_in": said.values_in,
    }


def with_results(record: RunRecord, request: Request, said: Said) -> RunRecord:
    """The record with what its batches made: figures of the results, and which output files there are."""
    batches = {batch.name: batch for batch in request.batches if record.batch in {"", batch.name}}

    def tables_of(outcome: FileOutcome) -> Mapping[str, Any]:
        value = outcome.value if said.value_of is None else said.value_of(outcome)
        return batches[outcome.batch].tables_of(value)

    def outputs_of(outcome: FileOutcome) -> tuple[tuple[str, Path], ...]:
        return batches[outcome.batch].outputs_of(outcome.value) if outcome.ok else ()

    folders = {batch.result_folder for batch in batches.values()}
    folder = folders.pop() if len(folders) == 1 else None
    of_files = {path for outcome in record.outcomes for _, path in outputs_of(outcome)}
    common = [path for name in ("", *batches) for path in said.outputs.get(name, ()) if path not in of_files]
    metrics_files = [path for batch in batches.values() if (path := metrics_file(batch, request)) is not None]
    file_columns = {name: batch.file_columns for name, batch in batches.items()}
    # Where an earlier run has done everything, nothing but figures would need pandas, and importing it takes longest.
    wanted = said.has_report or not all(batch.is_finished for batch in batches.values())
    return replace(
        record,
        results=figures(record.outcomes, tables_of, request.cases, file_columns) if wanted else [],
        result_folder=folder.absolute() if folder is not None else None,
        outputs=[path.absolute() for path in (*common, *metrics_files)],
        outputs_of=outputs_of,
    )


def tables_of_call(
    batches: Sequence[Batch], outcomes: Sequence[FileOutcome], outputs: Mapping[str, tuple[Path, ...]]
) -> WrittenTables:
    """The tables that the batches wrote, to be read again; `outputs` is all that each wrote, by its name."""
    named = {batch.name: batch for batch in batches}
    of_files = [named[each.batch].outputs_of(each.value) if each.ok else () for each in outcomes]
    own = {path for one in of_files for _, path in one}
    found = {
        batch.name: batch.summaries_in([path for path in outputs.get(batch.name, ()) if path not in own])
        for batch in batches
    }
    paths = [path for tables in found.values() for path in tables.values()]
    summaries = dict(zip(told_apart(found), paths, strict=True))
    columns = next((batch.file_columns for batch in batches if batch.file_columns), ())
    return WrittenTables(summaries, of_files, columns)


def told_apart(labels: Mapping[str, Iterable[str]]) -> list[str]:
    """The labels of all batches' tables; one that two batches have stands behind each one's name.

    Args:
        labels: each batch's, by its name.
    """
    listed = [(name, label) for name, own in labels.items() for label in own]
    times = Counter(label for _, label in listed)
    return [label if times[label] == 1 else f"{name}_{label}" for name, label in listed]


def in_own_order(batch: Batch, request: Request, outcomes: Sequence[FileOutcome]) -> list[FileOutcome]:
    """A batch's outcomes in the order of its own list, `index` being the position in that list."""
    positions = [shared.positions.get(batch.name) for shared in shared_files(request.batches)]
    own = [
        outcome if outcome.index == position else replace(outcome, index=position)
        for outcome in outcomes
        if outcome.batch == batch.name and (position := positions[outcome.index]) is not None
    ]
    return sorted(own, key=lambda outcome: outcome.index)


def metrics_file(batch: Batch, request: Request) -> Path | None:
    """Where a batch's metrics go: relative to its result folder, prefixed where two batches would share the file."""
    monitoring = request.own[batch.name].monitoring
    if batch.result_folder is None or not monitoring.export_metrics:
        return None
    target = batch.result_folder / monitoring.metrics_file
    shared = sum(
        other.result_folder is not None
        and place_of(other.result_folder / request.own[other.name].monitoring.metrics_file) == place_of(target)
        for other in request.batches
    )
    return target.with_name(f"{batch.name}_{target.name}") if shared > 1 else target
