"""What files cost, beyond what their outcomes say: waiting on input and output, and the least that a batch can take.

Covers one file's share of waiting, sums by size tier and by worker, and the lower bound over all files. Does not cover
what held a batch back (`orcabatch.monitor.bottlenecks`). Pure: outcomes in, numbers out.

Time in `load` and `write` that used no CPU is waiting. Not all of it is for a disk: a thread also waits for the
interpreter lock and for a free core. That kind of waiting comes with the thread's own CPU use (it waits to compute), at
a rate that its other phases show, and only while the lock is held or the cores are taken. It is taken out:

    waiting      = wall - CPU of load and write
    not I/O      = taken x CPU of load and write x rate + held x calls x wait per call
    rate         = waiting per CPU second of the extract phase (of the whole file where extracting used hardly any)
    held         = share of the time that the lock was held
    taken        = the larger of: held; how full the cores were

A batch is bound by the largest of: its longest file; its CPU work over the cores; its bytes over the disk's bandwidth;
its memory-seconds over the memory budget. Quote `lower bound / time taken` as the efficiency of a run. A bound whose
ingredient was not measured is left out: what a disk can give is only known from a run that waited for it. What the same
work takes on the same number of workers without a gap stands beside it: that is no limit of the machine, but of the
settings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orcabatch.outcome import FileOutcome, Phase
from orcabatch.settings import TIERS
from orcabatch.text import natural

if TYPE_CHECKING:
    from orcabatch.engine.gil import GilUse

CALLS_PER_LOAD = 16
"""About as many times does loading and writing one file come back from a call and want the interpreter lock again.

More, and a slow disk beside a taken lock is not seen; fewer, and waiting for the lock passes for waiting for a disk.
"""

CLOCK_S = 1e-9
"""No CPU clock counts finer. Less than a tick is none: divided by, it gives an infinite rate, and that no number."""

IO_PHASES = (Phase.LOAD, Phase.WRITE)


def io_wait_percent(outcome: FileOutcome, gil: GilUse, cores_taken: float) -> float | None:
    """Percent of the file's worker time spent waiting on input and output; None where it was not measured.

    Args:
        outcome: what became of the file.
        gil: what the interpreter lock was used for while the file ran.
        cores_taken: how full the cores were, 0 (one free all the time) to 1 (none ever free).
    """
    if not outcome.usage.cpu_s or outcome.busy_s <= 0:
        return None
    cpu_s = sum(outcome.usage.cpu_s.get(phase, 0.0) for phase in IO_PHASES)
    waiting_s = sum(outcome.idle_s(phase) for phase in IO_PHASES)
    taken = max(gil.held, cores_taken)
    other_s = taken * cpu_s * _waiting_rate(outcome) + gil.held * CALLS_PER_LOAD * gil.wait_s
    return min(100.0 * max(waiting_s - other_s, 0.0) / outcome.busy_s, 100.0)


def _waiting_rate(outcome: FileOutcome) -> float:
    """Seconds of waiting that come with one CPU second."""
    extract_cpu_s = outcome.usage.cpu_s.get(Phase.EXTRACT, 0.0)
    # With less than a tenth of its CPU in extracting (a function that does all while loading) there is no phase to
    # compare with: then the whole file is.
    if extract_cpu_s > max(0.1 * outcome.cpu_s, CLOCK_S):
        return outcome.idle_s(Phase.EXTRACT) / extract_cpu_s
    if outcome.cpu_s <= CLOCK_S:
        return 0.0
    return max(outcome.busy_s - outcome.cpu_s, 0.0) / outcome.cpu_s


def by_tier(worked: Iterable[FileOutcome]) -> list[dict[str, Any]]:
    """Of each size tier, the smallest first: files, bytes, seconds, seconds and shares by phase, most memory."""
    groups = _groups(worked, lambda file: file.tier or "all")
    names = sorted(groups, key=lambda name: TIERS.index(name) if name in TIERS else len(TIERS))
    return [{"tier": name, **_summed(groups[name])} for name in names]


def by_worker(worked: Iterable[FileOutcome], wall_s: float) -> list[dict[str, Any]]:
    """Of each worker: files, the share of the run in which it had one, its seconds by phase.

    What was written behind took none of them: the worker had the next file already.
    """
    groups = _groups((file for file in worked if file.worker), lambda file: file.worker)
    made = []
    for name in sorted(groups, key=natural):
        busy_s = sum(file.busy_s for file in groups[name])
        busy = busy_s / wall_s if wall_s > 0 else 0.0
        phases = _phases(groups[name])
        behind_s = sum(file.usage.behind_s for file in groups[name])
        phases[str(Phase.WRITE)] = max(phases[str(Phase.WRITE)] - behind_s, 0.0)
        made.append({"worker": name, "files": len(groups[name]), "busy": busy, "phases": phases})
    return made


def _groups(files: Iterable[FileOutcome], key: Callable[[FileOutcome], str]) -> dict[str, list[FileOutcome]]:
    groups: dict[str, list[FileOutcome]] = defaultdict(list)
    for file in files:
        groups[key(file)].append(file)
    return groups


def _phases(files: Sequence[FileOutcome]) -> dict[str, float]:
    return {str(phase): sum(file.phases.get(phase, 0.0) for file in files) for phase in Phase}


def _summed(files: Sequence[FileOutcome]) -> dict[str, Any]:
    busy = [file.busy_s for file in files]
    phases = _phases(files)
    worked_s = sum(phases.values()) - phases[Phase.WAIT]
    return {
        "files": len(files),
        "bytes": sum(file.size_bytes for file in files),
        "mean_s": sum(busy) / len(busy),
        "longest_s": max(busy),
        "phases": phases,
        "shares": {
            phase: seconds / worked_s if worked_s > 0 else 0.0
            for phase, seconds in phases.items()
            if phase != Phase.WAIT
        },
        "peak_memory_bytes": max(file.usage.peak_memory_bytes for file in files),
    }


@dataclass(frozen=True, slots=True)
class Machine:
    """What the batch had.

    Attributes:
        cpus: CPUs it might use.
        workers: files that might run at once; 0: not known.
        disk_bytes_per_s: what the disk can give; 0: not known.
        memory_bytes: memory budget; 0: not known.
    """

    cpus: float = 1.0
    workers: int = 0
    disk_bytes_per_s: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LowerBound:
    """The least time.

    Attributes:
        seconds: the largest of the bounds; 0 where nothing was measured.
        binding: which bound that is: longest_file, cpu, disk, memory; empty where nothing was measured.
        bounds: every bound that could be worked out, seconds by name.
        same_workers_s: the same work on the same number of workers without a gap; None where their number is unknown.
    """

    seconds: float = 0.0
    binding: str = ""
    bounds: dict[str, float] = field(default_factory=dict)
    same_workers_s: float | None = None


def lower_bound(worked: Sequence[FileOutcome], machine: Machine) -> LowerBound:
    """The lower bound of a batch from the files that were worked on."""
    if not worked:
        return LowerBound()
    found = {
        "longest_file": max(file.busy_s for file in worked),
        "cpu": sum(file.cpu_s for file in worked) / machine.cpus,
    }
    if machine.disk_bytes_per_s > 0:
        found["disk"] = sum(file.usage.read_bytes for file in worked) / machine.disk_bytes_per_s
    if machine.memory_bytes > 0:
        found["memory"] = sum(file.usage.peak_memory_bytes * file.busy_s for file in worked) / machine.memory_bytes
    binding = max(found, key=lambda name: found[name])
    return LowerBound(found[binding], binding, found, _same_workers_s(worked, machine.workers))


def _same_workers_s(worked: Sequence[FileOutcome], workers: int) -> float | None:
    if workers < 1:
        return None
    return max(sum(file.busy_s for file in worked) / workers, *(file.busy_s for file in worked))
