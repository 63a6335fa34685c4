"""What the workers are, and how many processes and threads carry a limit.

    executor    processes                                     files per process
    serial      -                                             1
    threads     -                                             limit
    processes   process_count, else CPUs x cpu_percent        threads_per_process, else 1 (more to keep `min_threads`)
    hybrid      as processes, one per NUMA node at least      threads_per_process, else limit / processes, at least 2
    dask        as processes, for a cluster on this machine; at `dask.address` the workers are what was started there,
                and the limit is each machine's

Processes are capped by the limit itself, by licence seats where each process holds one, and on Windows by 61; the
engine starts what stands in the plan, and has no cap of its own. Files go to the emptiest process, and one is started
while none is empty: so hybrid holds Python's lock as little as `processes` does, and its threads take what is beyond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orcabatch.engine.executors import AUTO, PROCESSES, THREADS, facts_of
from orcabatch.plan.caps import Cap, tightest
from orcabatch.settings import format_count

if TYPE_CHECKING:
    from orcabatch.host import HostResources
    from orcabatch.settings import Settings

WINDOWS_MOST_PROCESSES = 61
"""As many as `concurrent.futures` has there: its one waiting thread takes 63 handles, and two are the pool's own.

The engine waits for each process on a thread of its own and could have more, as it has on other systems. But no pool of
Python's ever had more there, and what nobody has run is not planned.
"""


@dataclass(frozen=True, slots=True)
class WorkerLayout:
    """Workers laid out over processes.

    Attributes:
        executor: what they are.
        why: why.
        processes: 0 where they are in this process, or were started by somebody else (`dask.address`).
        threads_per_process: files that each works on at once.
        cap: how many files that makes, and what bound the number of processes.
    """

    executor: str
    why: str
    processes: int
    threads_per_process: int
    cap: Cap


def choose_executor(settings: Settings) -> tuple[str, str]:
    """What the workers are, and why."""
    if settings.threading.mode == "hybrid":
        return PROCESSES, "threading.mode: hybrid is processes x threads"
    if settings.executor == AUTO:
        return THREADS, (
            "executor: auto begins with threads and goes on in processes where Python's lock holds files back; a "
            "function of yours goes there with executor: processes only"
        )
    return settings.executor, f"executor: {settings.executor}"


def lay_out(settings: Settings, host: HostResources, limit: int, floor: int = 1) -> WorkerLayout:
    """Processes and threads for at most `limit` files at once: the limit before the memory cap, which may rise.

    `floor` is `min_threads` where the user wrote it: processes take several files each rather than fall below it.
    """
    executor, why = choose_executor(settings)
    facts = facts_of(executor)
    if facts.in_process:
        count = min(limit, facts.most_at_once or limit)
        return WorkerLayout(executor, why, 0, count, Cap(count, why))
    if settings.dask.address is not None:
        return WorkerLayout(
            executor, f"{why}, with the workers at {settings.dask.address}", 0, 1, Cap(limit, "each machine")
        )
    hybrid = settings.threading.mode == "hybrid"
    wanted = _wanted(settings, host, hybrid=hybrid)
    caps = _process_caps(settings, host)
    least = math.ceil(min(floor, limit) / tightest((wanted, *caps)).count)
    shares = max(2, math.ceil(limit / tightest((wanted, *caps)).count)) if hybrid else 1
    in_each = settings.threads_per_process or max(least, shares)
    shared = hybrid and settings.threads_per_process is None
    needed = Cap(limit if shared else math.ceil(limit / in_each), f"{format_count(limit, 'file')} at once")
    processes = tightest((wanted, needed, *caps))
    sizes = f"{format_count(processes.count, 'process')} x {format_count(in_each, 'thread')}"
    because = f"{sizes} ({processes.because})"
    return WorkerLayout(executor, why, processes.count, in_each, Cap(processes.count * in_each, because))


def as_processes(settings: Settings, host: HostResources, limit: int, floor: int = 1) -> WorkerLayout:
    """What `lay_out` would say with `executor: processes`: where `auto` may go while the run goes on."""
    return lay_out(settings.model_copy(update={"executor": PROCESSES}), host, limit, floor)


ALL_CORES = 0
"""Of native threads: as many as OrcaFlex gives a model by itself."""


def native_threads(settings: Settings, host: HostResources, workers: int) -> int:
    """Threads that each loaded model may use itself: 1, or more where workers x threads stays within `cpu_percent`.

    Other machines' CPUs are not known: 1 at `dask.address`. `ALL_CORES` where the settings ask for all.
    """
    if settings.native_threads == "all":
        return ALL_CORES
    if settings.dask.address is not None:
        return 1
    return max(1, math.floor(_cpus(settings, host) / max(1, workers)))


def _cpus(settings: Settings, host: HostResources) -> float:
    """The CPUs that may be used, in parts of one too."""
    return host.logical_cpus * settings.cpu_percent / 100


def _wanted(settings: Settings, host: HostResources, *, hybrid: bool) -> Cap:
    if settings.process_count is not None:
        return Cap(settings.process_count, f"process_count = {settings.process_count}")
    cpus = _cpus(settings, host)
    # One worker process is no faster than none: with 90% of 2 CPUs there are two.
    count = math.floor(cpus) if cpus >= 2 else round(cpus)
    least = max(2, host.numa_nodes) if hybrid else 1
    if count < least:
        return Cap(least, "1 process per NUMA node, at least 2" if hybrid else "at least 1 process")
    return Cap(count, f"{settings.cpu_percent:g}% of {host.logical_cpus} CPUs")


def _process_caps(settings: Settings, host: HostResources) -> tuple[Cap, ...]:
    caps: list[Cap] = []
    seats = settings.licences.max
    if seats is not None and settings.licences.scope == "process":
        caps.append(Cap(seats, f"licences.max = {seats}, one seat per process"))
    if host.platform == "win32":
        caps.append(Cap(WINDOWS_MOST_PROCESSES, f"Windows process pools have at most {WINDOWS_MOST_PROCESSES} workers"))
    return tuple(caps)
