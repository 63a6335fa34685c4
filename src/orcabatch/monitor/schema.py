"""The shape of the metrics JSON as models: published as `docs/metrics.schema.json`, checked against in tests.

Covers version 1. Nothing at run time needs it: `orcabatch.monitor.metrics` builds plain dictionaries, so that a batch
does not pay for validation; whoever reads metrics files may validate with `Metrics.model_validate`.
`python -m orcabatch.monitor.schema docs/metrics.schema.json` writes the JSON Schema anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from orcabatch.monitor.metrics import SCHEMA_VERSION

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
StatusName = Literal["ok", "failed", "skipped", "cancelled"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Series(_Part):
    """The five series of the specification."""

    file_processing_times: list[Finite] = Field(description="seconds a worker had each file")
    memory_usage: list[Finite] = Field(description="percent of the memory in use, other programs included")
    cpu_utilization: list[Finite] = Field(description="percent of the CPUs the batch may use, by its own processes")
    io_wait_time: list[Finite] = Field(description="percent of each file's worker time spent waiting on I/O")
    thread_efficiency: list[Finite] = Field(description="busy worker seconds / (limit x wall), 0 to 1")


class Phases(_Part):
    """Seconds by phase."""

    wait: Seconds
    load: Seconds
    extract: Seconds
    write: Seconds
    clean_up: Seconds


class Summary(_Part):
    """Sums over the files."""

    files: Count
    ok: Count
    failed: Count
    skipped: Count
    cancelled: Count
    bytes: Count
    worked_bytes: Count = Field(description="bytes of the files that were worked on in this run")
    busy_s: Seconds = Field(description="worker seconds with a file")
    cpu_s: Seconds
    phases: Phases
    peak_memory_percent: Finite | None
    peak_rss_bytes: Count | None = Field(description="most memory held by the batch's own processes, as sampled")
    thread_efficiency: Share | None
    work: dict[str, Count] = Field(
        default={},
        description="what was done, counted: joint_requests to OrcaFlex; text_pieces and text_buffers of tables; "
        "tables_behind with bytes_behind that were written after their model had been given back, while behind_ms no "
        "worker was held (over all files); read_ahead_files, read_ahead_dropped, read_ahead_read_bytes; "
        "garbage_collections",
    )


class Finding(_Part):
    """One thing that held the batch back."""

    kind: Literal["io", "cpu", "memory", "gil", "dll", "licence", "admission", "latency", "others", "stragglers"]
    weight: Finite
    evidence: str
    advice: str


class EvidencePart(_Part):
    """What the verdict stands on; null where it was not measured."""

    io_wait_percent: Finite | None
    cpu_percent: Finite | None
    memory_percent: Finite | None
    host_cpu_percent: Finite | None
    io_threshold: Finite
    efficiency: Finite | None
    cpus: Finite
    wall_s: Seconds
    busy_s: Seconds
    cpu_s: Seconds
    extract_idle_s: Seconds
    lock_taken: Share
    dll_waited: Share = 0.0
    dll_taken: Finite = 0.0
    executor: str
    executor_why: str = ""
    threads_per_process: Count = 0
    processes_save: Share = 0.0
    ceiling: Count = 0
    limit: Count
    capacity_s: Seconds
    idle_s: dict[str, Seconds]
    idle_wall_s: dict[str, Seconds]
    seats: Count
    seats_full_s: Seconds
    longest_s: Seconds
    files: Count


class BottleneckPart(_Part):
    """What held the batch back."""

    verdict: Literal["IO_BOUND", "CPU_BOUND", "MEMORY_BOUND", "DLL_BOUND", "BALANCED"]
    explanation: str
    findings: list[Finding]
    evidence: EvidencePart


class LowerBoundPart(_Part):
    """The least time in which the batch could have been done."""

    seconds: Seconds
    binding: Literal["longest_file", "cpu", "disk", "memory", ""]
    bounds: dict[str, Seconds]
    same_workers_s: Seconds | None = Field(description="the same work on the same workers without a gap")
    share: dict[str, Finite | None] = Field(
        default={}, description="of the time taken: each bound, same_workers, and the largest"
    )


class TierTotals(_Part):
    """The files of one size tier that were worked on in this run."""

    tier: str
    files: Count
    bytes: Count
    mean_s: Seconds
    longest_s: Seconds
    phases: Phases
    shares: dict[str, Share] = Field(description="of the worker time, by phase")
    peak_memory_bytes: Count


class WorkerTotals(_Part):
    """What one worker did."""

    worker: str
    files: Count
    busy: Finite = Field(description="share of the run in which it had a file")
    phases: Phases = Field(
        description="its seconds; what was written while it had the next file already is not in them"
    )


class ColumnFigures(_Part):
    """One column of the results over all files; a file stands for its place in `files`."""

    name: str
    files: Count = Field(description="how many have a number in it")
    minimum: Finite | None
    minimum_file: Count
    maximum: Finite | None
    maximum_file: Count
    mean: Finite | None = Field(description="of all numbers")
    largest: bool | None = Field(
        default=True, description="whether the largest value governs; false: the smallest; null: it is no result"
    )
    values: list[Finite | None] | None = Field(
        description="what governs in each file, its largest or smallest, for the columns with a chart"
    )


class Largest(_Part):
    """The largest value of a column among the files of a load case, and the file that has it."""

    column: str
    maximum: Finite | None
    file: Count
    files: Count = Field(default=0, description="how many have a number in the column")
    minimum: Finite | None = Field(default=None, description="the smallest value, of a column that is called a minimum")
    minimum_file: Count | None = Field(default=None, description="the file that has it; null for other columns")


class CaseFigures(_Part):
    """The files that agree in one column of the load cases."""

    case: str = Field(description="the column")
    value: JsonValue
    files: Count = Field(description="how many have a number in one of the columns of `maxima`")
    maxima: list[Largest] = Field(description="of the first 60 columns that are results")


class ResultFigures(_Part):
    """What one table of the results says."""

    batch: str
    label: str = Field(description="of the group in the YAML; empty for a function's results")
    columns: list[ColumnFigures]
    cases: list[CaseFigures]


class ProgressPart(_Part):
    """How far a run was when the file was written."""

    elapsed_s: Seconds
    total: Count
    done: Count
    failed: Count
    running: Count
    total_bytes: Count
    done_bytes: Count
    share: Share
    remaining_s: Finite | None
    files: list[str] = Field(description="those being worked on")
    written_at: AwareDatetime
    again_s: Seconds = Field(description="seconds until it is written anew, at least")


class File(_Part):
    """One file of the batch; times in seconds since the run began, or durations."""

    index: Count
    file: str
    batch: str
    status: StatusName
    error: str | None
    cause: str | None
    failed_phase: str | None
    attempt: Annotated[int, Field(ge=1)]
    retried: list[str] = Field(default=[], description="why it was tried again, once for each time")
    tier: str
    size_bytes: Count
    worker: str
    started_s: Finite
    finished_s: Finite
    wall_s: Seconds = Field(description="the five phases added up")
    wait_s: Seconds
    load_s: Seconds
    extract_s: Seconds
    write_s: Seconds
    clean_up_s: Seconds
    behind_s: Seconds = Field(default=0.0, description="the part of write_s in which no worker was held")
    busy_s: Seconds = Field(default=0.0, description="seconds a worker had it")
    cpu_s: Seconds | None
    wait_cpu_s: Seconds | None
    load_cpu_s: Seconds | None
    extract_cpu_s: Seconds | None
    write_cpu_s: Seconds | None
    clean_up_cpu_s: Seconds | None
    read_bytes: Count
    peak_memory_bytes: Count
    warnings: list[str]
    case: dict[str, JsonValue] = Field(default={}, description="its load case")
    outputs: list[tuple[str, str]] = Field(default=[], description="label and name of each output file of its own")


class FailureGroup(_Part):
    """Equal failures together."""

    cause: str
    message: str
    count: Annotated[int, Field(ge=1)]
    files: list[str]
    traceback: str | None = Field(description="of the first file of the group")


class Samples(_Part):
    """The time series by column; all columns have the same length."""

    at_s: list[Finite]
    cpu_percent: list[Finite]
    host_cpu_percent: list[Finite]
    memory_percent: list[Finite]
    rss_bytes: list[Count]
    read_bytes_per_s: list[Finite]
    write_bytes_per_s: list[Finite]
    lock_taken: list[Share]
    busy_workers: list[Count]
    limit: list[Count]
    efficiency: list[Finite | None]


class LimitChange(_Part):
    """A change of how many files may run at once."""

    at_s: Finite
    limit: Count
    reason: str


class NoticePart(_Part):
    """Something that was done with the results without a word."""

    kind: Literal["cut", "first_decides", "empty", "missing", "overwritten", "partial"]
    batch: str
    text: str = Field(description="what happens to how many files")
    remedy: str = Field(description="what to do where it is not meant")
    files: list[str] = Field(description="those it concerns; empty where it concerns whatever file there is")
    details: list[str] = Field(description="what exactly and where")


class WorkersPart(_Part):
    """What the workers were at the end of the run, and why."""

    executor: str
    why: str
    each: list[WorkerTotals] = []


class Metrics(_Part):
    """The metrics of one batch."""

    schema_version: Literal[1]
    batch: str
    state: Literal["finished", "interrupted", "failed", "running"]
    started_at: AwareDatetime
    wall_s: Seconds
    summary: Summary
    metrics: Series
    bottleneck: BottleneckPart
    lower_bound: LowerBoundPart
    tiers: list[TierTotals] = []
    files: list[File]
    results: list[ResultFigures] = Field(default=[], description="minimum, maximum, mean, governing file by column")
    values_in: str | None = Field(
        default=None,
        description="the table that took the values as files ended; while a run goes on `results` lacks them",
    )
    result_folder: str | None = None
    outputs: list[str] = Field(default=[], description="every output file, relative to the result folder")
    failures: list[FailureGroup]
    samples: Samples
    limits: list[LimitChange]
    warnings: list[str]
    notices: list[NoticePart] = []
    settings: JsonValue
    plan: JsonValue
    host: JsonValue
    versions: dict[str, str]
    orcaflex: str = Field(description="real, simulated or foreign; empty where nobody said")
    workers: WorkersPart
    progress: ProgressPart | None = Field(default=None, description="of a run that still goes on")
    proof: JsonValue = Field(default=None, description="what `orcabatch verify --prove` needs; null where it cannot be")
    events: list[tuple[Finite, str, int, dict[str, JsonValue]]] = Field(description="seconds, kind, index, data")
    non_finite: list[str] = Field(description="places where a NaN or an infinity was replaced by null")


def json_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12)."""
    schema = Metrics.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"orcabatch metrics, version {SCHEMA_VERSION}",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def write_schema(path: Path) -> None:
    """Write the JSON Schema to a file."""
    path.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schema(Path(sys.argv[1]))
