"""The metrics JSON: everything that was measured of one batch, under a versioned schema.

Covers building it (pure) and writing it (atomic). Its shape is published as `docs/metrics.schema.json`, generated from
`orcabatch.monitor.schema`. Never holds NaN or Infinity: they become null, and `non_finite` names the places.

One line makes a table of the files, one row each:

    pandas.DataFrame(json.loads(Path("performance_metrics.json").read_text(encoding="utf-8"))["files"])
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.engine.contract import RunEvent
from orcabatch.host.sampler import HostRates
from orcabatch.monitor import bottlenecks
from orcabatch.monitor.bottlenecks import Bottleneck, Evidence
from orcabatch.monitor.file_costs import LowerBound, Machine, by_tier, by_worker, lower_bound
from orcabatch.monitor.jsonable import jsonable
from orcabatch.outcome import FileOutcome, Phase, Status, grouped_failures
from orcabatch.store.atomic import write_bytes
from orcabatch.text import utf8
from orcabatch.versions import DECISIVE, installed_versions, system_version

if TYPE_CHECKING:
    from orcabatch.notice import Notice

SCHEMA_VERSION = 1
"""Raised when a reader of an older version would be misled; new keys alone do not raise it."""


@dataclass(frozen=True, slots=True)
class SeriesPoint(HostRates):
    """One line of the time series: what the host gave, and what the workers did.

    Attributes:
        lock_taken: share of the time the interpreter lock was held, 0 to 1.
        busy_workers: workers that have a file now.
        limit: how many may have one; 0 where nobody said.
        efficiency: busy worker seconds / (limit x wall) since the sample before; None where nobody said.
    """

    lock_taken: float
    busy_workers: int
    limit: int
    efficiency: float | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """All that goes into one metrics file.

    Attributes:
        batch: name of the batch.
        outcomes: one per file.
        series: the five series by name.
        samples: the time series.
        events: the engine's event log.
        evidence, bottleneck: what the analysis stands on, and its answer.
        limits: changes of the concurrency limit: seconds, limit, reason.
        started_at: when the run began; None: now.
        wall_s: seconds it took.
        state: finished, interrupted, failed (something broke the run itself) or running.
        settings, plan, host, versions: provenance, anything that can be made JSON.
        orcaflex: real, simulated or foreign; empty where nobody said.
        warnings: what the engineer should know about the batch as a whole.
        notices: what was done with the results without a word.
        executor_why: why the workers were what they were; empty where nobody said.
        memory_budget_bytes: the most memory that may be in use, for the lower bound; 0: not known.
        results: what the results say, table by table (`orcabatch.results.figures`).
        result_folder: where outputs are; None: there are none, or several folders.
        outputs: every output file; those in the result folder are written down relative to it.
        outputs_of: label and path of each output file that belongs to one file.
        cases: load cases by file name.
        values_in: the table that took the values as files ended; None: there is none.
    """

    batch: str = ""
    outcomes: Sequence[FileOutcome] = ()
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)
    samples: Sequence[SeriesPoint] = ()
    events: Sequence[RunEvent] = ()
    evidence: Evidence = field(default_factory=Evidence)
    bottleneck: Bottleneck = Bottleneck.BALANCED
    limits: Sequence[tuple[float, int, str]] = ()
    started_at: datetime | None = None
    wall_s: float = 0.0
    state: str = "finished"
    settings: Any = None
    plan: Any = None
    host: Any = None
    versions: Mapping[str, str] = field(default_factory=dict)
    orcaflex: str = ""
    warnings: Sequence[str] = ()
    notices: Sequence[Notice] = ()
    executor_why: str = ""
    memory_budget_bytes: int = 0
    results: Sequence[Mapping[str, Any]] = ()
    result_folder: Path | None = None
    outputs: Sequence[Path] = ()
    outputs_of: Callable[[FileOutcome], Sequence[tuple[str, Path]]] = lambda _: ()
    cases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    values_in: Path | None = None

    def named(self, output: Path) -> str:
        """An output as it is written down."""
        folder = self.result_folder
        return output.relative_to(folder).as_posix() if folder and output.is_relative_to(folder) else str(output)


def build_metrics(record: RunRecord) -> dict[str, Any]:
    """The metrics of one batch as JSON types, as `docs/metrics.schema.json` describes them."""
    worked = [outcome for outcome in record.outcomes if outcome.worked_on]
    least = lower_bound(
        worked,
        Machine(
            cpus=record.evidence.cpus,
            workers=record.evidence.limit,
            disk_bytes_per_s=_bandwidth(record),
            memory_bytes=record.memory_budget_bytes,
        ),
    )
    non_finite: list[str] = []
    content = {
        "schema_version": SCHEMA_VERSION,
        "batch": record.batch,
        "state": record.state,
        "started_at": (record.started_at or datetime.now(UTC)).isoformat(),
        "wall_s": record.wall_s,
        "summary": _summary(record, worked),
        "metrics": dict(record.series),
        "bottleneck": _bottleneck(record),
        "lower_bound": {**asdict(least), "share": _shares(least, record.wall_s)},
        "tiers": by_tier(worked),
        "files": [_file(outcome, record) for outcome in record.outcomes],
        "results": list(record.results),
        "values_in": record.named(record.values_in.absolute()) if record.values_in else None,
        "result_folder": record.result_folder,
        "outputs": [record.named(output) for output in record.outputs],
        "failures": grouped_failures(record.outcomes),
        "samples": _columns(record.samples),
        "limits": [{"at_s": at_s, "limit": limit, "reason": reason} for at_s, limit, reason in record.limits],
        "warnings": list(record.warnings),
        "notices": [notice.to_dict() for notice in record.notices],
        "settings": record.settings,
        "plan": record.plan,
        "host": record.host,
        "versions": versions_in_use() | dict(record.versions),
        "orcaflex": record.orcaflex,
        "workers": {
            "executor": record.evidence.executor,
            "why": record.executor_why,
            "each": by_worker(worked, record.wall_s),
        },
        "progress": None,
        "events": [[event.at_s, event.kind, event.index, event.data] for event in _kept(record.events)],
    }
    made: dict[str, Any] = jsonable(content, non_finite)
    made["non_finite"] = non_finite
    return made


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics to a file, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    write_bytes(path, utf8(_one_line_per_item(metrics)))


def _one_line_per_item(metrics: Mapping[str, Any]) -> str:
    """JSON with one line per key, and one per file, so that it can be looked at and compared."""
    lines = []
    for key, value in metrics.items():
        if key in {"files", "events", "failures", "limits", "notices", "results", "tiers", "outputs"} and value:
            items = ",\n".join(_compact(item) for item in value)
            lines.append(f"{json.dumps(key)}: [\n{items}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {_compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _summary(record: RunRecord, worked: Sequence[FileOutcome]) -> dict[str, Any]:
    counts = {str(status): 0 for status in Status}
    for outcome in record.outcomes:
        counts[str(outcome.status)] += 1
    return {
        "files": len(record.outcomes),
        **counts,
        "bytes": sum(outcome.size_bytes for outcome in record.outcomes),
        "worked_bytes": sum(file.size_bytes for file in worked),
        "busy_s": sum(file.busy_s for file in worked),
        "cpu_s": sum(file.cpu_s for file in worked),
        "phases": {str(phase): sum(file.phases.get(phase, 0.0) for file in worked) for phase in Phase},
        "peak_memory_percent": max(record.series.get("memory_usage", ()), default=None),
        "peak_rss_bytes": max((sample.rss_bytes for sample in record.samples), default=None),
        "thread_efficiency": bottlenecks.mean(record.series.get("thread_efficiency", ())),
        "work": _work(record),
    }


def _work(record: RunRecord) -> dict[str, int]:
    """What was done, counted over the files and by the engine; what was not done is not in it."""
    done: Counter[str] = Counter()
    for outcome in record.outcomes:
        done.update(outcome.usage.counts)
    for event in record.events:
        if event.kind == "run_finished":
            done.update({f"read_ahead_{name}": count for name, count in event.data.get("read_ahead", {}).items()})
        if event.kind == "admission" and event.data.get("garbage") == "collected":
            done["garbage_collections"] += 1
    done["behind_ms"] = round(1000 * sum(outcome.usage.behind_s for outcome in record.outcomes))
    return dict(+done)


def _shares(least: LowerBound, wall_s: float) -> dict[str, float | None]:
    """Each bound as a share of the time taken."""
    known = {**least.bounds, "same_workers": least.same_workers_s, "largest": least.seconds}
    return {name: None if value is None or wall_s <= 0 else value / wall_s for name, value in known.items()}


def _bandwidth(record: RunRecord) -> float:
    """What the disk can give, bytes per second: the best that was seen, where the run waited for it; else 0."""
    if record.bottleneck is not Bottleneck.IO_BOUND:
        return 0.0
    return max((sample.read_bytes_per_s for sample in record.samples), default=0.0)


def _bottleneck(record: RunRecord) -> dict[str, Any]:
    return {
        "verdict": record.bottleneck,
        "explanation": bottlenecks.explanation(record.bottleneck, record.evidence),
        "findings": bottlenecks.ordered(record.bottleneck, record.evidence),
        "evidence": record.evidence,
    }


def _file(outcome: FileOutcome, record: RunRecord) -> dict[str, Any]:
    """One row: flat, so that it makes a table."""
    cpu_s = outcome.usage.cpu_s
    return {
        "index": outcome.index,
        "file": str(outcome.file),
        "batch": outcome.batch,
        "status": outcome.status,
        "error": outcome.error,
        "cause": outcome.cause,
        "failed_phase": outcome.failed_phase,
        "attempt": outcome.attempt,
        "retried": list(outcome.retried),
        "tier": outcome.tier,
        "size_bytes": outcome.size_bytes,
        "worker": outcome.worker,
        "started_s": outcome.started_s,
        "finished_s": outcome.finished_s,
        "wall_s": outcome.wall_s,
        **{f"{phase}_s": outcome.phases.get(phase, 0.0) for phase in Phase},
        "behind_s": outcome.usage.behind_s,
        "cpu_s": outcome.cpu_s if cpu_s else None,
        **{f"{phase}_cpu_s": cpu_s.get(phase, 0.0) if cpu_s else None for phase in Phase},
        "busy_s": outcome.busy_s,
        "read_bytes": outcome.usage.read_bytes,
        "peak_memory_bytes": outcome.usage.peak_memory_bytes,
        "warnings": list(outcome.warnings),
        "case": dict(record.cases.get(outcome.file.name, {})),
        "outputs": [[label, record.named(path)] for label, path in record.outputs_of(outcome)],
    }


def _columns(samples: Sequence[SeriesPoint]) -> dict[str, list[Any]]:
    """The time series by column."""
    return {column.name: [getattr(sample, column.name) for sample in samples] for column in fields(SeriesPoint)}


def _kept(events: Sequence[RunEvent]) -> list[RunEvent]:
    """Events without what the files say already."""
    repeated = {"phases", "cpu_s", "read_bytes", "memory_bytes", "worker", "error", "cause"}
    return [
        event
        if event.kind != "finished"
        else RunEvent(
            event.kind,
            event.at_s,
            event.index,
            {key: value for key, value in event.data.items() if key not in repeated},
        )
        for event in events
    ]


@cache
def versions_in_use() -> dict[str, str]:
    """Versions of Python, the system and the packages; asked as a run begins, when they can still be read."""
    system = {"python": platform.python_version(), "system": system_version()}
    return system | installed_versions(("orcabatch", "orcfxapi", *DECISIVE, "pydantic", "psutil"))
