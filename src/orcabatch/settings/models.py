"""The YAML `performance:` section as one model, and what keys must hold among each other, each right by itself.

Does not cover sub-sections (`orcabatch.settings.sections`), reading a section with all its faults at once
(`orcabatch.settings.parse`) nor what the engine makes of the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, ValidationInfo, model_validator

from orcabatch.engine.executors import AUTO, EXECUTORS, PROCESSES, facts_of
from orcabatch.settings import units
from orcabatch.settings.fields import (
    Percent,
    Seconds,
    Switch,
    Text,
    Whole,
    choice,
    count,
    key,
    switch,
)
from orcabatch.settings.sections import (
    Broker,
    Dask,
    Io,
    Ledger,
    Licences,
    Memory,
    Monitoring,
    Optimization,
    Section,
    Threading,
)

if TYPE_CHECKING:
    ExecutorChoice = str
else:
    ExecutorChoice = Literal[tuple(EXECUTORS)]

WITHOUT_CROSS_CHECKS = "without cross checks"
"""Validation context under which the checks between keys are left to the caller."""


class Settings(Section):
    """The whole `performance:` section."""

    threading: Threading = Threading()
    memory: Memory = Memory()
    io: Io = Io()
    monitoring: Monitoring = Monitoring()
    optimization: Optimization = Optimization()
    executor: ExecutorChoice = choice(
        "auto",
        "What the workers are. `auto`: threads; digitalmodel's batches go on in processes where the measured work is "
        "held by Python's lock, a function of yours only with `processes`. `serial`: one file after the other in this "
        "thread, as listed (breakpoints hit; `mode: static` still takes tier after tier). `dask`: workers of "
        "dask.distributed, on this machine or at `dask.address` (needs the extra `dask`).",
        *EXECUTORS,
    )
    process_count: Whole | None = count(
        None,
        "How many worker processes there are, where workers are processes.",
        shown="CPUs x `cpu_percent` / 100, rounded down, but 2 from 1.5 on; hybrid: one per NUMA node and 2 at least",
    )
    threads_per_process: Whole | None = count(
        None,
        "How many files each worker process works on at once, where workers are processes.",
        shown="1; hybrid: limit / processes, at least 2",
    )
    consistency: Literal["auto", "serial", "per_file"] = choice(
        "auto",
        "Whose output digitalmodel's is to be equalled. `auto`: what the installed digitalmodel would write itself. "
        "`serial`: its loop over the files. `per_file`: what each file would get alone.",
        "auto",
        "serial",
        "per_file",
    )
    check: Annotated[Literal["strict", "warn", "off"] | None, BeforeValidator(units.parse_word)] = choice(
        None,
        "What becomes of mistakes in a digitalmodel YAML: misspelt keys and words, columns that overwrite each other, "
        "what is needed and missing. `strict`: with one that the YAML alone proves, nothing is loaded. `warn`: all are "
        "said, and it runs. `off`: nobody looks.",
        "strict",
        "warn",
        "off",
        shown="`strict` in `orcabatch run` and `plan`, `warn` elsewhere",
    )
    failed_rows: Switch = switch(
        False, "Whether failed files also stand as rows of the summaries (`run_status` says why, values empty)."
    )
    keep_values: Switch = switch(
        False,
        "Whether what functions return is also kept in `output_dir` as files end, so that a run that is killed leaves "
        "it (`NAME_values.bin`, for `orcabatch.read_values`). Values without an exact form are left out, and said.",
    )
    on_failure: Literal["continue", "raise"] = choice(
        "continue",
        "What happens once all files are done and some failed: a warning (`continue`), or an error (`raise`).",
        "continue",
        "raise",
    )
    orcaflex: Literal["real", "simulated"] = choice(
        "real",
        "Which OrcaFlex is used: the installed OrcFxAPI, or the simulated one (only for trying things out).",
        "real",
        "simulated",
    )
    loads: Switch = switch(
        True,
        "Whether a function gets the loaded model. `false`: it gets the path, as from a pool, and opens the file "
        "itself; how many at once, seats, memory and failed files stay orcabatch's. For functions only.",
    )
    cpu_percent: Percent = key(
        90.0,
        "Share of the CPUs that workers x native threads may take. Percent.",
        units.SHARE_ALLOWED,
        gt=0,
        le=100,
    )
    native_threads: Literal["auto", "all"] = choice(
        "auto",
        "Threads that a loaded model may use itself. `auto`: what `cpu_percent` leaves to each, often one; `all`: "
        "every core, as OrcaFlex gives them to a model in a plain loop.",
        "auto",
        "all",
    )
    licences: Licences = Licences()
    timeout: Seconds | None = key(
        None,
        "A file that takes longer is reported as hung and counts as failed; in process mode it is killed. Its time "
        "begins when a worker has it; the start of that worker is limited too (`start_timeout`). Seconds.",
        units.DURATION_ALLOWED + ", above 0",
        shown="none",
        gt=0,
    )
    start_timeout: Seconds = key(
        60.0,
        "How long neither CPU nor I/O of a worker process may stand still while it starts and imports what is needed. "
        "One that hangs there, or computes twice as long without reading anything, is ended, and another is tried. "
        "Seconds.",
        units.DURATION_ALLOWED + ", above 0",
        shown="1 min",
        gt=0,
    )
    retries: Whole = count(
        2,
        "How often a file is tried again where that may help (licence, sharing violation, network drive): while it is "
        "loaded, in digitalmodel's batches, and in functions marked with `orcabatch.repeatable`.",
        least=0,
    )
    reuse_models: Switch = switch(
        True,
        "Whether a worker's native model is cleared and loads the next file. False: each file gets a model of its own, "
        "as in a plain loop.",
    )
    broker: Broker = Broker()
    ledger: Ledger = Ledger()
    priority: Literal["normal", "low"] = choice(
        "normal", "Priority of worker processes; threads always have that of the program they run in.", "normal", "low"
    )
    dask: Dask = Dask()
    cases: Text | None = key(
        None,
        "Load cases: what a file's name stands for, as columns of every table. A regular expression with named groups "
        "over the name (`_(?P<heading>\\d+)deg`), or a `.csv` or `.xlsx` with a column `file`, relative to the YAML.",
        "a regular expression with named groups, or the path of a .csv or .xlsx",
        shown="none",
    )

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
    checks = (_thread_range, _gc_below_cap, _size_order, _hybrid_needs_processes, _address_needs_dask, _not_at_address)
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
    if settings.threading.mode != "hybrid" or settings.executor in {AUTO, PROCESSES}:
        return None
    problem = (
        "does not go with threading.mode: hybrid, which is processes x threads on this machine; "
        "choose executor: auto or processes, or threading.mode: dynamic or static"
    )
    return Conflict("executor", "threading.mode", settings.executor, problem)


def _address_needs_dask(settings: Settings) -> Conflict | None:
    if settings.dask.address is None or facts_of(settings.executor).elsewhere:
        return None
    return Conflict("dask.address", "executor", settings.dask.address, "is used with executor: dask only")


def _not_at_address(settings: Settings) -> Conflict | None:
    """What is said about worker processes where somebody else starts them, or reaches this machine only."""
    if settings.dask.address is None:
        return None
    how = {
        "process_count": "the workers are those that were started there",
        "threads_per_process": "start the workers with `--nthreads`",
        "priority": "start the workers with the priority they shall have",
    }
    for name, remedy in how.items():
        if name in settings.model_fields_set and getattr(settings, name) not in {None, "normal"}:
            return Conflict(name, "dask.address", getattr(settings, name), f"does not go with dask.address: {remedy}")
    if settings.io.stage_inputs:
        problem = "does not go with dask.address: copies in this machine's temporary folder are not seen by others"
        return Conflict("io.stage_inputs", "dask.address", True, problem)
    return None
