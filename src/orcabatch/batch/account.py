"""What is left of a run as numbers: one metrics file per batch, and the metrics of the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.batch.shared_files import shared_files
from orcabatch.errors import OutputError
from orcabatch.monitor.metrics import build_metrics, write_metrics
from orcabatch.settings import to_section
from orcabatch.store.paths import place_of

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.request import Request
    from orcabatch.monitor import PerformanceMonitor
    from orcabatch.notice import Notice
    from orcabatch.outcome import FileOutcome
    from orcabatch.plan import BatchPlan


@dataclass(frozen=True, slots=True)
class Said:
    """What the engineer should know about a run: about it as a whole, and what was done without a word."""

    warnings: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


def write_account(
    request: Request, plan: BatchPlan, monitor: PerformanceMonitor, said: Said, orcaflex: str
) -> tuple[dict[str, Any], list[Path], list[str]]:
    """The metrics of the call, the files they were written to, and why others could not be written.

    With several batches the metrics of the call hold all of them; each batch's own file holds its own. Metrics are no
    results: a file that cannot be written is said, and costs nothing else.
    """
    shared = {
        "plan": plan.to_dict(),
        "host": plan.host,
        "settings": to_section(request.settings),
        "memory_budget_bytes": plan.memory_budget_bytes,
        "warnings": list(said.warnings),
        "orcaflex": orcaflex,
        "executor_why": monitor.state.executor_why or plan.executor_why,
    }
    written, complaints = [], []
    metrics: dict[str, Any] = {}
    for batch in request.batches:
        notices = [notice for notice in said.notices if notice.batch == batch.name]
        own = shared | {"settings": to_section(request.own[batch.name]), "notices": notices}
        metrics = build_metrics(monitor.record(batch=batch.name, **own))
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
        metrics = build_metrics(monitor.record(**shared, notices=said.notices))
    return metrics, written, complaints


def in_own_order(batch: Batch, request: Request, outcomes: Sequence[FileOutcome]) -> list[FileOutcome]:
    """A batch's outcomes in the order of its own list, `index` being the position in that list."""
    positions = [shared.positions.get(batch.name) for shared in shared_files(request.batches)]
    own = [
        replace(outcome, index=position)
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
