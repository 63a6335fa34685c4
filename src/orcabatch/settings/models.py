"""The YAML `performance:` section as models: one class per sub-section, one field per key.

Covers names, types, units, defaults, ranges, what each key does, and what keys must hold among each other. Does not
cover reading a section with all its faults at once (`orcabatch.settings.parse`) nor what the engine makes of the
values. Inside, sizes are bytes, durations seconds, rates per second, percentages floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationInfo, model_validator

from orcabatch.settings import units

GC_SHARE = 15 / 16
"""An unset `gc_threshold` is this share of `max_usage_percent`: 75 for the specification's 80."""

WITHOUT_CROSS_CHECKS = "without cross checks"
"""Validation context under which the checks between keys are left to the caller."""

Size = Annotated[int, BeforeValidator(units.parse_size)]
Seconds = Annotated[float, BeforeValidator(units.parse_duration)]
PerSecond = Annotated[float, BeforeValidator(units.parse_rate)]
Percent = Annotated[float, BeforeValidator(units.parse_percent)]
Number = Annotated[float, BeforeValidator(units.parse_number)]
Whole = Annotated[int, BeforeValidator(units.parse_whole)]
Switch = Annotated[bool, BeforeValidator(units.parse_switch)]
Text = Annotated[str, Field(min_length=1)]


def _key(default: Any, does: str, allowed: str, *, shown: str = "", **limits: Any) -> Any:
    """A field with what it does, what it allows, and its default as people write it (where that differs)."""
    extra: dict[str, JsonValue] = {"allowed": allowed, "shown": shown}
    return Field(default=default, description=does, json_schema_extra=extra, **limits)


def _choice(default: str, does: str, *allowed: str) -> Any:
    return _key(default, does, "one of " + ", ".join(allowed))


def _switch(default: bool, does: str) -> Any:
    return _key(default, does, units.SWITCH_ALLOWED)


def _count(default: int | None, does: str, *, least: int = 1, shown: str = "") -> Any:
    return _key(default, does, f"{units.WHOLE_ALLOWED}, at least {least}", shown=shown, ge=least)


class Section(BaseModel):
    """Base of all sub-sections: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Threading(Section):
    """How many files are worked on at once."""

    mode: Literal["static", "dynamic", "hybrid"] = _choice(
        "dynamic",
        "How files share the workers. `static`: one size tier after the other, each with its fixed thread count. "
        "`dynamic`: all tiers at once, the number of workers found while running, tier counts as ceilings. "
        "`hybrid`: `dynamic` on processes x threads, pinned to NUMA nodes.",
        "static",
        "dynamic",
        "hybrid",
    )
    min_threads: Whole = _count(
        5,
        "The fewest workers that the adaptive limit may fall to. Binds only where it is set; otherwise the limit may "
        "fall to 1.",
    )
    max_threads: Whole = _count(45, "The most files worked on at once, over all tiers and processes.")
    threads_per_gb: Number = _key(
        0.25,
        "Workers per GB of the host's RAM: an advice that the plan shows, and that sets the count where there are no "
        "tiers (`optimization.group_by_size: false`).",
        "a number above 0",
        gt=0,
    )


class Memory(Section):
    """How much of the memory a batch may fill."""

    max_usage_percent: Percent = _key(
        80.0,
        "Memory usage of the host (or the container, whichever is smaller), other programs included, above which "
        "nothing is loaded and the number of workers shrinks. Percent.",
        "a percentage above 0, at most 100",
        gt=0,
        le=100,
    )
    gc_threshold: Percent | None = _key(
        None,
        "Memory usage above which garbage is collected and no further file is admitted. Percent.",
        "a percentage above 0, at most max_usage_percent",
        shown="15/16 of `max_usage_percent`",
        gt=0,
        le=100,
    )
    preallocation: Switch = _switch(
        True,
        "Whether a worker allocates the buffers that every file needs (text and conversion) once and uses them again. "
        "Arrays handed to a post-process are never reused.",
    )
    chunk_size: Size = _key(
        100_000_000,
        "The most that one joint request for results may return. Bytes.",
        units.SIZE_ALLOWED + ", above 0",
        shown="100MB",
        gt=0,
    )

    @property
    def gc_percent(self) -> float:
        """The threshold in force: `gc_threshold`, or 15/16 of `max_usage_percent` where it is unset."""
        return self.max_usage_percent * GC_SHARE if self.gc_threshold is None else self.gc_threshold


class Io(Section):
    """How files are read and written."""

    async_enabled: Switch = _switch(
        True, "Whether the next files are read ahead into the system's cache while others are worked on."
    )
    buffer_size: Size = _key(
        10_000_000,
        "Output is written in pieces of this size. Bytes.",
        units.SIZE_ALLOWED + ", above 0",
        shown="10MB",
        gt=0,
    )
    use_compression: Switch = _switch(
        False, "Whether time-series CSVs are written as `.csv.gz`. A changed output: the plan says so."
    )
    temp_directory: Text | None = _key(
        None,
        "Folder for OrcaFlex's temporary files and for staged inputs. One that cannot be used gets one warning, and "
        "the system's is used.",
        "a folder",
        shown="the system's",
    )
    stage_inputs: Switch = _switch(
        False, "Whether `.sim` files are copied to `temp_directory` before they are loaded (for slow network drives)."
    )
    read_ahead: Whole = _count(
        2, "How many files are read ahead of the workers while `async_enabled` is on. Files.", least=0
    )


class Monitoring(Section):
    """What is measured and written down."""

    enabled: Switch = _switch(
        True, "Whether memory, CPU and I/O are sampled. Outcomes and phases of files are recorded in any case."
    )
    interval: Seconds = _key(
        5.0, "Time between two samples. Seconds.", units.DURATION_ALLOWED + ", above 0", shown="5", gt=0
    )
    export_metrics: Switch = _switch(True, "Whether the metrics are written to `metrics_file`.")
    metrics_file: Text = _key(
        "performance_metrics.json",
        "Where the metrics are written, relative to the result folder.",
        "a file name, or a path",
    )


class SizeThresholds(Section):
    """Where a size tier ends."""

    small: Size = _key(
        100_000_000,
        "Files below this size are small. Bytes.",
        units.SIZE_ALLOWED + ", above 0 and below `large`",
        shown="100MB",
        gt=0,
    )
    large: Size = _key(
        500_000_000,
        "Files of at least this size are large; those between are medium. Bytes.",
        units.SIZE_ALLOWED + ", above `small`",
        shown="500MB",
        gt=0,
    )


class ThreadAllocation(Section):
    """How many files of a size tier are worked on at once."""

    small: Whole = _count(45, "The most small files worked on at once.")
    medium: Whole = _count(30, "The most medium files worked on at once.")
    large: Whole = _count(15, "The most large files worked on at once.")


class Optimization(Section):
    """How files are grouped."""

    group_by_size: Switch = _switch(
        True,
        "Whether files are grouped into small, medium and large, each with its own count. False: one tier, its count "
        "from memory, CPUs and `threads_per_gb`.",
    )
    size_thresholds: SizeThresholds = SizeThresholds()
    thread_allocation: ThreadAllocation = ThreadAllocation()


class Licences(Section):
    """How OrcaFlex licence seats are shared."""

    max: Whole | None = _count(None, "The most licence seats this batch may hold at once.", shown="no limit")
    scope: Literal["model", "process", "host"] = _choice(
        "process",
        "What holds a seat: each `model` that is open, each `process`, or the whole `host`.",
        "model",
        "process",
        "host",
    )
    wait: Seconds = _key(
        600.0,
        "How long to wait for a seat that is not free before the file counts as failed. Seconds.",
        units.DURATION_ALLOWED,
        shown="10 min",
        ge=0,
    )
    ramp_up: PerSecond = _key(
        1.0,
        "How fast seats are taken at the start. Seats per second.",
        units.RATE_ALLOWED + ", above 0",
        shown="1 per second",
        gt=0,
    )


class Broker(Section):
    """How OrcFxAPI is asked for results."""

    enabled: Switch = _switch(
        True, "Whether repeated questions about one loaded file are answered from memory, bit for bit as OrcFxAPI did."
    )
    prefetch: Switch = _switch(
        True, "Whether the time histories that the first files asked for are fetched jointly for the later ones."
    )
    self_check: Switch = _switch(
        True,
        "Whether on every file one joint answer, drawn at random, is asked again singly. One bit of difference "
        "switches `prefetch` off for the batch and redoes the files that used it.",
    )


class Ledger(Section):
    """What is remembered between runs."""

    enabled: Switch = _switch(
        True, "Whether finished files are remembered, so that a run resumes and unchanged files are skipped."
    )
    path: Text | None = _key(None, "Folder or file of the ledger.", "a path", shown="in the user's state folder")
    max_size: Size = _key(
        2_000_000_000,
        "Above this size the oldest results are forgotten. Bytes.",
        units.SIZE_ALLOWED + ", above 0",
        shown="2GB",
        gt=0,
    )


class Dask(Section):
    """Where `executor: dask` finds its workers."""

    address: Text | None = _key(
        None,
        "Address of the scheduler, such as `tcp://host:8786`. Used with `executor: dask`.",
        "an address such as tcp://host:8786",
        shown="a local cluster",
    )


class Settings(Section):
    """The whole `performance:` section."""

    threading: Threading = Threading()
    memory: Memory = Memory()
    io: Io = Io()
    monitoring: Monitoring = Monitoring()
    optimization: Optimization = Optimization()
    executor: Literal["auto", "serial", "threads", "processes", "dask"] = _choice(
        "auto",
        "What the workers are. `auto`: threads, or processes where the measured work is held by Python's lock and can "
        "go there. `serial`: one file after the other in this thread (breakpoints hit).",
        "auto",
        "serial",
        "threads",
        "processes",
        "dask",
    )
    process_count: Whole | None = _count(
        None,
        "How many worker processes there are, where workers are processes.",
        shown="CPUs x `cpu_percent` / 100, rounded down; hybrid: one per NUMA node, at least 2",
    )
    threads_per_process: Whole | None = _count(
        None,
        "How many files each worker process works on at once, where workers are processes.",
        shown="1; hybrid: limit / processes, at least 2",
    )
    consistency: Literal["auto", "serial", "per_file"] = _choice(
        "auto",
        "Whose output digitalmodel's is to be equalled. `auto`: what the installed digitalmodel would write itself. "
        "`serial`: its loop over the files. `per_file`: what each file would get alone.",
        "auto",
        "serial",
        "per_file",
    )
    failed_rows: Switch = _switch(
        False, "Whether failed files also stand as rows of the summaries (`run_status` says why, values empty)."
    )
    on_failure: Literal["continue", "raise"] = _choice(
        "continue",
        "What happens once all files are done and some failed: a warning (`continue`), or an error (`raise`).",
        "continue",
        "raise",
    )
    orcaflex: Literal["real", "simulated"] = _choice(
        "real",
        "Which OrcaFlex is used: the installed OrcFxAPI, or the simulated one (only for trying things out).",
        "real",
        "simulated",
    )
    cpu_percent: Percent = _key(
        90.0,
        "Share of the CPUs that workers x native threads may take. Percent.",
        "a percentage above 0, at most 100",
        gt=0,
        le=100,
    )
    licences: Licences = Licences()
    timeout: Seconds | None = _key(
        None,
        "A file that takes longer is reported as hung and counts as failed; in process mode it is killed. Seconds.",
        units.DURATION_ALLOWED + ", above 0",
        shown="none",
        gt=0,
    )
    retries: Whole = _count(
        2, "How often a file is tried again where that may help (licence, sharing violation, network drive).", least=0
    )
    broker: Broker = Broker()
    ledger: Ledger = Ledger()
    priority: Literal["normal", "low"] = _choice(
        "normal", "Priority of worker processes; threads always have that of the program they run in.", "normal", "low"
    )
    dask: Dask = Dask()

    @model_validator(mode="after")
    def _keys_agree(self, info: ValidationInfo) -> Self:
        if info.context != WITHOUT_CROSS_CHECKS:
            conflicts = cross_faults(self)
            if conflicts:
                raise ValueError("; ".join(f"{conflict.key}: {conflict.problem}" for conflict in conflicts))
        return self


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two keys that do not go together.

    Attributes:
        key: the key that is at fault, dotted.
        other: the key it does not go with, dotted.
        value: the value of `key`.
        problem: what is wrong and what is allowed.
    """

    key: str
    other: str
    value: object
    problem: str


def cross_faults(settings: Settings) -> tuple[Conflict, ...]:
    """All conflicts between keys that are right by themselves."""
    checks = (_thread_range, _gc_below_cap, _size_order, _hybrid_needs_processes)
    return tuple(conflict for check in checks if (conflict := check(settings)) is not None)


def _thread_range(settings: Settings) -> Conflict | None:
    least, most = settings.threading.min_threads, settings.threading.max_threads
    if "min_threads" not in settings.threading.model_fields_set or least <= most:
        return None
    problem = f"must be at most threading.max_threads, which is {most}"
    return Conflict("threading.min_threads", "threading.max_threads", least, problem)


def _gc_below_cap(settings: Settings) -> Conflict | None:
    threshold, cap = settings.memory.gc_threshold, settings.memory.max_usage_percent
    if threshold is None or threshold <= cap:
        return None
    problem = f"must be at most memory.max_usage_percent, which is {cap:g}"
    return Conflict("memory.gc_threshold", "memory.max_usage_percent", threshold, problem)


def _size_order(settings: Settings) -> Conflict | None:
    limits, section = settings.optimization.size_thresholds, "optimization.size_thresholds"
    if limits.small < limits.large:
        return None
    small, large = units.format_size(limits.small), units.format_size(limits.large)
    if "small" in limits.model_fields_set:
        return Conflict(
            f"{section}.small", f"{section}.large", small, f"must be below {section}.large, which is {large}"
        )
    return Conflict(f"{section}.large", f"{section}.small", large, f"must be above {section}.small, which is {small}")


def _hybrid_needs_processes(settings: Settings) -> Conflict | None:
    if settings.threading.mode != "hybrid" or settings.executor in {"auto", "processes"}:
        return None
    problem = (
        "does not go with threading.mode: hybrid, which is processes x threads on this machine; "
        "choose executor: auto or processes, or threading.mode: dynamic or static"
    )
    return Conflict("executor", "threading.mode", settings.executor, problem)
