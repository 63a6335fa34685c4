"""The least time in which a batch could have been done on this machine, and what bounds it.

A batch is bound by the largest of: its longest file; its CPU work over the cores; its bytes over the disk's bandwidth;
its memory-seconds over the memory budget. Pure: costs in, seconds out. Quote `lower bound / time taken` as the
efficiency of a run. A bound whose ingredient was not measured is left out: what a disk can give is only known from a
run that waited for it. What the same work takes on the same number of workers without a gap stands beside it: that is
no limit of the machine, but of the settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orcabatch.monitor.costs import FileCost


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


def lower_bound(costs: Sequence[FileCost], machine: Machine) -> LowerBound:
    """The lower bound of a batch from what its files cost."""
    if not costs:
        return LowerBound()
    found = {
        "longest_file": max(cost.busy_s for cost in costs),
        "cpu": sum(cost.busy_cpu_s for cost in costs) / machine.cpus,
    }
    if machine.disk_bytes_per_s > 0:
        found["disk"] = sum(cost.read_bytes for cost in costs) / machine.disk_bytes_per_s
    if machine.memory_bytes > 0:
        found["memory"] = sum(cost.memory_bytes * cost.busy_s for cost in costs) / machine.memory_bytes
    binding = max(found, key=lambda name: found[name])
    return LowerBound(found[binding], binding, found, _same_workers_s(costs, machine.workers))


def _same_workers_s(costs: Sequence[FileCost], workers: int) -> float | None:
    if workers < 1:
        return None
    return max(sum(cost.busy_s for cost in costs) / workers, *(cost.busy_s for cost in costs))
