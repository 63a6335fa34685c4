"""How a run is carried out, as plain values.

Covers what the executors and the dispatcher need to know. Does not cover what may never be exceeded: see
`orcabatch.engine.limits.Limits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orcabatch.engine.executors import THREADS
from orcabatch.errors import SettingsError

if TYPE_CHECKING:
    from orcabatch.engine.surroundings import Initializer

ON_THREADS = "use `executor: threads` with `threading.mode: dynamic`"
"""The remedy for what worker processes cannot do, whichever setting asked for them."""

START_COST_S = 3.0
"""Starting a worker process and importing what post-processing needs took 2 to 3 s where it was measured."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a run is carried out.

    Attributes:
        executor: where the workers live; `auto` begins with threads and moves to processes where that pays.
        threads: worker threads at most (`threads`, `auto`; mode `static` takes the tiers' counts instead).
        processes: worker processes at most (`processes`, `auto`, `dask` without `address`).
        threads_per_process: worker threads in each of them.
        retries: how often a file is tried again after a failure that may heal, or after its process died.
        retry_delay_s: before the first of these; it doubles each time, and varies by half at random.
        timeout_s: how long a worker may have one file; None: for ever.
        start_timeout_s: how long neither CPU nor I/O of a worker process that starts may stand still.
        priority: of worker processes. A thread's is that of the caller's own process, and is never touched.
        numa_cpus: the CPUs of each NUMA node; with two or more, processes are pinned to them in turn.
        sample_interval_s: between two calls of the probe, at most; shorter where files are short.
        recycle_growth_bytes: a worker process that keeps this much more memory between files than it kept after its
            first ones, and half as much again, is replaced as soon as it is idle; 0: never.
        read_ahead: files read into the page cache before they are started (small ones count together); 0: none.
        stage_in: folder for copies of the next files, which workers load instead; None: no copies.
        stays_because: `auto` only: why the run may not move to worker processes, where that is known beforehand.
        address: `dask` only: of the scheduler, whose workers are taken as they are; None: a cluster on this machine.
        initializer: called once in every process that works on files, before its first file; None: nothing is called.
        start_cost_s: `auto` only: what starting worker processes is expected to cost, wall seconds.
        asked: the setting that asked for worker processes, for messages.
        seed: of the variation in `retry_delay_s`.
    """

    executor: str = THREADS
    threads: int = 1
    processes: int = 1
    threads_per_process: int = 1
    retries: int = 2
    retry_delay_s: float = 1.0
    timeout_s: float | None = None
    start_timeout_s: float = 60.0
    priority: Literal["normal", "low"] = "normal"
    numa_cpus: tuple[tuple[int, ...], ...] = ()
    sample_interval_s: float = 1.0
    recycle_growth_bytes: int = 256 * 1024**2
    read_ahead: int = 0
    stage_in: Path | None = None
    stays_because: str = ""
    address: str | None = None
    initializer: Initializer | None = None
    start_cost_s: float = START_COST_S
    asked: str = "executor: processes"
    seed: int = 0

    def __post_init__(self) -> None:
        faults = [
            f"{name} is {getattr(self, name)}, but must be at least {least}"
            for name, least in (
                ("threads", 1),
                ("processes", 1),
                ("threads_per_process", 1),
                ("retries", 0),
                ("read_ahead", 0),
            )
            if getattr(self, name) < least
        ]
        if self.timeout_s is not None and self.timeout_s <= 0:
            faults.append(f"timeout_s is {self.timeout_s}, but must be positive or None")
        if self.start_timeout_s <= 0:
            faults.append(f"start_timeout_s is {self.start_timeout_s}, but must be positive")
        if self.sample_interval_s <= 0:
            faults.append(f"sample_interval_s is {self.sample_interval_s}, but must be positive")
        if faults:
            raise SettingsError("engine options: " + "; ".join(faults))
