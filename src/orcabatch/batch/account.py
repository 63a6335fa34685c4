"""What is left of a run as numbers: one metrics file per batch, and the metrics of the result.

They are made when it begins, whenever a page is due that shows it as it goes, and when all that is said of it is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.batch.shared_files import shared_files
from orcabatch.errors import OutputError
from orcabatch.monitor.metrics import RunRecord, build_metrics, write_metrics
from orcabatch.results.figures import figures
from orcabatch.results.written import WrittenTables, labels_by_batch
from orcabatch.settings import to_section
from orcabatch.store.paths import place_of
from orcabatch.win32 import is_there

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.request import Request
    from orcabatch.batch.streamed import TableFile
    from orcabatch.monitor import PerformanceMonitor
    from orcabatch.notice import Notice
    from orcabatch.outcome import FileOutcome
    from orcabatch.plan import BatchPlan
    from orcabatch.results.written import Stand


@dataclass(slots=True)
class Account:
    """What there is to be said of one call.

    Attributes:
        request, plan: what was asked for, and what will be done.
        monitor: has what was measured, and every outcome.
        table: took the values as files ended, so that none is left here; None: outcomes have them.
        orcaflex: which OrcaFlex computes.
        outputs: the output files that each batch wrote, by its name; under none those of the call.
        stood: how each of the batches' output files stood when its batch was concluded.
        notices: what was done with the results without a word.
        metrics: of the call; nothing before they are written.
        metrics_files: those that were written.
    """

    request: Request
    plan: BatchPlan
    monitor: PerformanceMonitor
    table: TableFile | None = None
    orcaflex: str = ""
    outputs: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    stood: dict[Path, Stand] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    metrics_files: list[Path] = field(default_factory=list)

    def begin(self) -> None:
        """Have no metrics of an earlier run lie beside the outputs of this one, which may be killed at any moment."""
        for batch in self.request.batches:
            target = metrics_file(batch, self.request)
            if target is not None and is_there(target):
                with suppress(OutputError):  # said at the end, where it cannot be written then
                    write_metrics(target, build_metrics(self._with_results(self._record(batch))))

    def so_far(self) -> dict[str, Any]:
        """The metrics of a call that still runs: what has ended so far, nothing of what is written at the end."""
        return build_metrics(self._with_results(self._record(warnings=self.monitor.state.warnings)))

    def write(self, warnings: Sequence[str]) -> list[str]:
        """Make the metrics, and write a file for each batch; returns why some could not be written.

        With several batches the metrics of the call hold all of them; each batch's own file holds its own. Metrics are
        no results: a file that cannot be written is said, and costs nothing else.
        """
        written, complaints = [], []
        metrics: dict[str, Any] = {}
        for batch in self.request.batches:
            notices = [notice for notice in self.notices if notice.batch == batch.name]
            metrics = self._whole(self._record(batch, warnings, notices))
            proof = batch.proof(in_own_order(batch, self.request, self.monitor.outcomes), self.orcaflex)
            if proof is not None:
                metrics["proof"] = proof
            target = metrics_file(batch, self.request)
            if target is not None:
                try:
                    write_metrics(target, metrics)
                    written.append(target)
                except OutputError as error:
                    complaints.append(f"The metrics are not written: {error}. The results are not concerned.")
        if len(self.request.batches) > 1:
            metrics = self._whole(self._record(None, warnings, self.notices))
        self.metrics, self.metrics_files = metrics, written
        return complaints

    @property
    def values_in(self) -> Path | None:
        """The table that takes the values: as it was written, or will be; None: there is none."""
        return next(iter(self.outputs.get("", ())), self.table.target) if self.table is not None else None

    def _record(
        self, batch: Batch | None = None, warnings: Iterable[str] = (), notices: Sequence[Notice] = ()
    ) -> RunRecord:
        """What was measured, with what is known beside; of all batches where none is given."""
        own = {} if batch is None else {"batch": batch.name}
        settings = self.request.settings if batch is None else self.request.own[batch.name]
        return self.monitor.record(
            **own,
            plan=self.plan.to_dict(),
            host=self.plan.host,
            settings=to_section(settings),
            memory_budget_bytes=self.plan.memory_budget_bytes,
            warnings=list(warnings),
            notices=notices,
            orcaflex=self.orcaflex,
            executor_why=self.monitor.state.executor_why or self.plan.executor_why,
            cases=self.request.cases,
            values_in=self.values_in,
        )

    def _whole(self, record: RunRecord) -> dict[str, Any]:
        """The metrics in the end, when all outputs are there and the table can be asked for the values."""
        value_of = None if self.table is None else self.table.value_of
        return build_metrics(self._with_results(record, self.outputs, value_of))

    def _with_results(
        self,
        record: RunRecord,
        outputs: Mapping[str, tuple[Path, ...]] | None = None,
        value_of: Callable[[FileOutcome], Any] | None = None,
    ) -> RunRecord:
        """The record with what its batches made: figures of the results, and which output files there are."""
        batches = {batch.name: batch for batch in self.request.batches if record.batch in {"", batch.name}}

        def tables_of(outcome: FileOutcome) -> Mapping[str, Any]:
            value = outcome.value if value_of is None else value_of(outcome)
            return batches[outcome.batch].tables_of(value)

        def outputs_of(outcome: FileOutcome) -> tuple[tuple[str, Path], ...]:
            return batches[outcome.batch].outputs_of(outcome.value) if outcome.ok else ()

        folders = {batch.result_folder for batch in batches.values()}
        folder = folders.pop() if len(folders) == 1 else None
        of_files = {path for outcome in record.outcomes for _, path in outputs_of(outcome)}
        written = outputs or {}
        common = [path for name in ("", *batches) for path in written.get(name, ()) if path not in of_files]
        files = [path for batch in batches.values() if (path := metrics_file(batch, self.request)) is not None]
        file_columns = {name: batch.file_columns for name, batch in batches.items()}
        return replace(
            record,
            results=figures(record.outcomes, tables_of, self.request.cases, file_columns),
            result_folder=folder.absolute() if folder is not None else None,
            outputs=[path.absolute() for path in (*common, *files)],
            outputs_of=outputs_of,
        )


def tables_of_call(
    batches: Sequence[Batch],
    outcomes: Sequence[FileOutcome],
    outputs: Mapping[str, tuple[Path, ...]],
    stood: Mapping[Path, Stand],
) -> WrittenTables:
    """The tables that the batches wrote, to be read again.

    Args:
        batches: of the call.
        outcomes: of all files.
        outputs: all that each batch wrote, by its name.
        stood: how that stood then.
    """
    named = {batch.name: batch for batch in batches}
    common = {path for batch in batches for path in batch.common_hashes}  # written last, also over a file's own
    written = [named[each.batch].outputs_of(each.value) if each.ok else () for each in outcomes]
    of_files = [tuple(one for one in own if one[1] not in common) for own in written]
    own = {path for one in of_files for _, path in one}
    found = {
        batch.name: batch.summaries_in([path for path in outputs.get(batch.name, ()) if path not in own])
        for batch in batches
    }
    paths = [path for tables in found.values() for path in tables.values()]
    summaries = dict(zip(labels_by_batch(found), paths, strict=True))
    columns = next((batch.file_columns for batch in batches if batch.file_columns), ())
    return WrittenTables(summaries, of_files, columns, stood)


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
