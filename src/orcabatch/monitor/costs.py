"""What each file cost, and how much of its waiting was waiting on input and output.

Covers one file: phases, CPU, bytes, and the share of its worker's time spent waiting on I/O. Does not cover the batch
(`orcabatch.monitor.bottlenecks`).

Time in `load` and `write` that used no CPU is waiting. Not all of it is for a disk: a thread also waits for the
interpreter lock and for a free core. That kind of waiting comes with the thread's own CPU use (it waits to compute), at
a rate that its other phases show, and only while the lock or the cores are found taken. It is taken out:

    waiting      = wall - CPU of load and write
    not I/O      = taken x (CPU of load and write x rate + calls x wait per call)
    rate         = waiting per CPU second of the extract phase (of the whole file where extracting used hardly any)
    taken        = the larger of: share of probes that found the lock taken; how full the cores were
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orcabatch.engine.lock import FAIR_SHARE, most_taken
from orcabatch.outcome import FileOutcome, Phase, Status

if TYPE_CHECKING:
    from orcabatch.monitor.contention import Contention

CALLS_PER_LOAD = 16
"""About as many times does loading and writing one file come back from a call and want the interpreter lock again."""

CLOCK_S = 1e-9
"""No CPU clock counts finer. Less than a tick is none: divided by, it gives an infinite rate, and that no number."""

IO_PHASES = (Phase.LOAD, Phase.WRITE)


@dataclass(frozen=True, slots=True)
class FileCost:
    """Measured time of one file.

    Attributes:
        index: position in the input list.
        wall_s: wall seconds by phase.
        cpu_s: CPU seconds by phase; empty where nobody measured.
        started_s, finished_s: seconds since the run began.
        size_bytes, read_bytes, memory_bytes: size, bytes read, memory held.
        tier: small, medium or large.
    """

    index: int
    wall_s: Mapping[str, float]
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    started_s: float = 0.0
    finished_s: float = 0.0
    size_bytes: int = 0
    read_bytes: int = 0
    memory_bytes: int = 0
    tier: str = ""

    @classmethod
    def of(cls, outcome: FileOutcome) -> FileCost:
        """What an outcome says it cost."""
        usage = outcome.usage
        return cls(
            index=outcome.index,
            wall_s=dict(outcome.phases),
            cpu_s=dict(usage.cpu_s),
            started_s=outcome.started_s,
            finished_s=outcome.finished_s,
            size_bytes=outcome.size_bytes,
            read_bytes=usage.read_bytes,
            memory_bytes=usage.peak_memory_bytes,
            tier=outcome.tier,
        )

    @property
    def busy_s(self) -> float:
        """Seconds a worker had the file, without the phase `wait`."""
        return sum(seconds for phase, seconds in self.wall_s.items() if phase != Phase.WAIT)

    @property
    def busy_cpu_s(self) -> float:
        """CPU seconds while a worker had it."""
        return sum(self.cpu_s.values())


def was_worked_on(outcome: FileOutcome) -> bool:
    """Whether a worker had the file in this run: skipped and cancelled files have no cost."""
    return outcome.status in {Status.OK, Status.FAILED} and sum(outcome.phases.values()) > 0


def waiting_s(cost: FileCost) -> float:
    """Seconds of loading and writing that used no CPU."""
    return sum(idle_s(cost, phase) for phase in IO_PHASES)


def io_wait_percent(cost: FileCost, lock: Contention, cores_taken: float) -> float | None:
    """Percent of the file's worker time spent waiting on input and output; None where it was not measured.

    Args:
        cost: the file.
        lock: how hard the interpreter lock was to get while the file ran.
        cores_taken: how full the cores were, 0 (one free all the time) to 1 (none ever free).
    """
    if not cost.cpu_s or cost.busy_s <= 0:
        return None
    cpu_s = sum(cost.cpu_s.get(phase, 0.0) for phase in IO_PHASES)
    taken = max(lock.taken, cores_taken)
    other_s = taken * (cpu_s * _waiting_rate(cost) + CALLS_PER_LOAD * lock.wait_s)
    return min(100.0 * max(waiting_s(cost) - other_s, 0.0) / cost.busy_s, 100.0)


def idle_s(cost: FileCost, phase: Phase) -> float:
    """Seconds of one phase that used no CPU; all of them where CPU was not measured."""
    return max(cost.wall_s.get(phase, 0.0) - cost.cpu_s.get(phase, 0.0), 0.0)


def _waiting_rate(cost: FileCost) -> float:
    """Seconds of waiting that come with one CPU second."""
    extract_cpu_s = cost.cpu_s.get(Phase.EXTRACT, 0.0)
    if extract_cpu_s > max(0.1 * cost.busy_cpu_s, CLOCK_S):
        return idle_s(cost, Phase.EXTRACT) / extract_cpu_s
    if cost.busy_cpu_s <= CLOCK_S:
        return 0.0
    return max(cost.busy_s - cost.busy_cpu_s, 0.0) / cost.busy_cpu_s


def cores_taken(cpu_percent: float) -> float:
    """How surely a thread that wanted a core had to wait for one, 0 to 1, at this CPU use of the host."""
    return min(max((cpu_percent - 80.0) / 15.0, 0.0), 1.0)


def most_lock_taken(cpus_used: float, host_cpu_percent: float) -> float:
    """The most of the time that a process's interpreter lock can have been taken, 0 to 1, on a host as busy as this."""
    return most_taken(cpus_used, 1.0 - (1.0 - FAIR_SHARE) * cores_taken(host_cpu_percent))
