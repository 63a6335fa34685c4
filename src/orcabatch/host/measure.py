"""Measuring a host through probes: what may be used of it, by what it is limited, and its memory from moment to moment.

    Probes (what can be asked) ──> measure() ──> HostResources
                               └─> memory_reading() ──> MemoryReading, cheap enough for every tick of the engine

Covers Linux and Windows, and other systems as far as psutil knows them; and the specification's class over a measured
or given host (`ResourceManager`) with its one formula for a thread count, by which every plan is made. Does not cover
tiers and caps (`orcabatch.plan`). The probes are handed in, so that any host can be measured in a test.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from orcabatch.engine.limits import ORCAFLEX_OVERHEAD
from orcabatch.host import linux, windows
from orcabatch.host.files import sim_sizes
from orcabatch.host.values import Disk, DiskKind, HostResources, MemoryReading
from orcabatch.network import Partition, is_network_share, mounts
from orcabatch.win32 import kernel32, without_boxes

CPU_SHARE = 0.75
"""Share of the logical CPUs that the formula uses, the specification's; the rest is left to the system."""

_LARGEST = 1e30
"""Sizes that are no sizes (infinity) are cut here, so that a mean of them stays a number."""


@dataclass(frozen=True, slots=True)
class Probes:
    """What a host can be asked. Every question has an answer that means "not known".

    Attributes:
        platform: as in `sys.platform`.
        logical_cpus, physical_cpus: counts of the machine; None where not known.
        affinity: the CPUs this process may run on; None where the system has no such thing.
        ram: total and available bytes of the machine.
        partitions: mounted file systems.
        disk_usage: total and free bytes of a mount point; None where it cannot be asked.
        temporary: the system's folder for temporary files; None where there is none.
        root: where /proc and /sys are (Linux).
        kernel: kernel32 (Windows); None elsewhere.
    """

    platform: str
    logical_cpus: Callable[[], int | None]
    physical_cpus: Callable[[], int | None]
    affinity: Callable[[], tuple[int, ...] | None]
    ram: Callable[[], tuple[int, int]]
    partitions: Callable[[], tuple[Partition, ...]]
    disk_usage: Callable[[str], tuple[int, int] | None]
    temporary: Callable[[], Path | None] = lambda: None
    root: Path = Path("/")
    kernel: windows.Kernel | None = None


@functools.cache
def system_probes() -> Probes:
    """The probes of the machine this runs on."""
    return Probes(
        platform=sys.platform,
        logical_cpus=psutil.cpu_count,
        physical_cpus=lambda: psutil.cpu_count(logical=False),
        affinity=_affinity,
        ram=_ram,
        partitions=_partitions,
        disk_usage=_disk_usage,
        temporary=_temporary,
        kernel=_kernel(),
    )


def measure(probes: Probes | None = None) -> HostResources:
    """What this batch may use of the host, with every limit that is below what the machine has named."""
    probes = probes or system_probes()
    machine_cpus = probes.logical_cpus() or 1
    cpus, cpus_by = _usable(probes, machine_cpus)
    count, by = _quota(probes, cpus, cpus_by)
    machine_total, machine_available = _machine_memory(probes)
    memory = memory_reading(probes)
    limits = {"logical_cpus": by} if by and count < machine_cpus else {}
    limits |= {"total_ram_bytes": _container(probes)} if memory.total_bytes < machine_total else {}
    nodes = _nodes(probes, frozenset(cpus)) or (cpus,)
    return HostResources(
        logical_cpus=count,
        physical_cpus=min(count, _cores(probes, frozenset(cpus)) or max(1, count // 2)),
        numa_nodes=len(nodes),
        numa_cpus=nodes,
        total_ram_bytes=memory.total_bytes,
        available_ram_bytes=min(memory.available_bytes, machine_available),
        disks=_disks(probes),
        temporary=probes.temporary(),
        limited_by=limits,
        platform=probes.platform,
    )


def memory_reading(probes: Probes | None = None) -> MemoryReading:
    """Memory of the host or the container, whichever has the smaller total, at this moment.

    Other programs are included; page cache that can be reclaimed counts as available.
    """
    probes = probes or system_probes()
    total, available = _machine_memory(probes)
    host = MemoryReading(total, min(total, available))
    inner = _container_memory(probes)
    return inner if inner is not None and inner.total_bytes < host.total_bytes else host


class ResourceManager:
    """Measures what a batch may use, and computes a thread count from it.

    Args:
        host: the host to plan for; None: this one.
    """

    def __init__(self, host: HostResources | None = None) -> None:
        self._host = host

    def measure(self) -> HostResources:
        """The given host, or this one as it is now."""
        return self._host or measure()

    def memory(self) -> MemoryReading:
        """Memory of the given host, or of this one at this moment."""
        if self._host is None:
            return memory_reading()
        return MemoryReading(self._host.total_ram_bytes, self._host.available_ram_bytes)

    def sim_sizes(self, files: Iterable[str | os.PathLike[str]]) -> tuple[int | None, ...]:
        """The size of each file in bytes, in input order; None for one that cannot be asked."""
        return sim_sizes(files)

    def calculate_optimal_threads(self, file_sizes: Iterable[float], available_ram: float) -> int:
        """How many files to work on at once: what memory allows against 75% of the CPUs, the smaller.

        Args:
            file_sizes: bytes.
            available_ram: bytes.

        Returns:
            floor(min(available_ram / (mean size x 1.5), logical CPUs x 0.75)), at least 1. Without sizes, or where all
            are zero, memory does not count.
        """
        sizes = [_sane(size) for size in file_sizes]
        memory_per_thread = math.fsum(sizes) / max(1, len(sizes)) * ORCAFLEX_OVERHEAD
        by_cpu = self.measure().logical_cpus * CPU_SHARE
        by_memory = _sane(available_ram) / memory_per_thread if memory_per_thread > 0 else by_cpu
        return max(1, math.floor(min(by_memory, by_cpu)))


def _sane(amount: float) -> float:
    """Not negative, finite; what is no number counts as nothing."""
    return float(min(max(amount, 0), _LARGEST)) if amount == amount else 0.0  # noqa: PLR0124 - NaN differs from itself


def _machine_memory(probes: Probes) -> tuple[int, int]:
    """Total and available bytes of the machine; what cannot be had is not available."""
    total, available = probes.ram()
    left = None if probes.kernel is None else probes.kernel.left_to_commit()
    return total, available if left is None else min(available, left)


def _container_memory(probes: Probes) -> MemoryReading | None:
    if probes.platform == "linux":
        return linux.memory_limit(_hierarchies(probes.root))
    return probes.kernel.job_memory() if probes.kernel is not None else None


@functools.cache
def _hierarchies(root: Path) -> tuple[linux.Controller, ...]:
    """Where this process's control groups are; found once, their limits are read every time."""
    return linux.controllers(root)


def _usable(probes: Probes, machine_cpus: int) -> tuple[tuple[int, ...], str]:
    """The CPU numbers this process may run on, and what narrows them."""
    if probes.kernel is not None:
        return windows.usable_cpus(probes.kernel)
    allowed = probes.affinity()
    if not allowed:
        return tuple(range(machine_cpus)), ""
    return tuple(sorted(allowed)), "affinity" if len(allowed) < machine_cpus else ""


def _quota(probes: Probes, cpus: tuple[int, ...], by: str) -> tuple[int, str]:
    """The number of CPUs after a container's quota, rounded down, and what set it."""
    quota: float | None = None
    if probes.platform == "linux":
        quota = linux.cpu_quota(_hierarchies(probes.root))
    elif probes.kernel is not None:
        rate = probes.kernel.cpu_rate()
        quota = None if rate is None else rate * sum(probes.kernel.groups())
    if quota is not None and quota < len(cpus):
        return max(1, int(quota)), _container(probes)
    return max(1, len(cpus)), by


def _container(probes: Probes) -> str:
    return "cgroup" if probes.platform == "linux" else "job object"


def _nodes(probes: Probes, allowed: frozenset[int]) -> tuple[tuple[int, ...], ...]:
    if probes.platform == "linux":
        return linux.numa_nodes(allowed, probes.root)
    return windows.numa_nodes(probes.kernel, allowed) if probes.kernel is not None else ()


def _cores(probes: Probes, allowed: frozenset[int]) -> int | None:
    cores = linux.physical_cores(allowed, probes.root) if probes.platform == "linux" else None
    return cores or probes.physical_cpus()


def _disks(probes: Probes) -> tuple[Disk, ...]:
    """One entry for each device, at its shortest mount point."""
    by_device: dict[str, Partition] = {}
    for partition in sorted(probes.partitions(), key=lambda partition: (len(partition.mount), partition.mount)):
        by_device.setdefault(partition.device, partition)
    with without_boxes():  # each drive letter is asked, also that of an empty card reader
        return tuple(_disk(probes, partition) for partition in by_device.values())


def _disk(probes: Probes, partition: Partition) -> Disk:
    kind = _kind(probes, partition)
    usage = None if kind == "network" else probes.disk_usage(partition.mount)
    total, free = usage or (None, None)
    return Disk(Path(partition.mount), partition.device, kind, total, free)


def _kind(probes: Probes, partition: Partition) -> DiskKind:
    if is_network_share(partition.fstype, partition.options):
        return "network"
    if probes.platform == "linux":
        return linux.disk_kind(partition.device, probes.root)
    return windows.disk_kind(probes.kernel, partition.mount) if probes.kernel is not None else "unknown"


def _affinity() -> tuple[int, ...] | None:
    if sys.platform != "linux":
        return None
    return tuple(sorted(psutil.Process().cpu_affinity() or ()))


def _ram() -> tuple[int, int]:
    memory = psutil.virtual_memory()
    return int(memory.total), int(memory.available)


def _partitions() -> tuple[Partition, ...]:
    return tuple(partition for partition in mounts() if _is_storage(partition))


def _is_storage(partition: Partition) -> bool:
    if sys.platform == "win32":
        return "cdrom" not in partition.options
    storage = partition.device.startswith("/dev/") or is_network_share(partition.fstype, partition.options)
    return storage or partition.mount == str(_temporary())  # which may be memory, and then lies on no disk below it


def _disk_usage(mount: str) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        usage = psutil.disk_usage(mount)
        return int(usage.total), int(usage.free)
    return None


def _temporary() -> Path | None:
    with contextlib.suppress(OSError):
        return Path(tempfile.gettempdir())
    return None


def _kernel() -> windows.Kernel | None:
    if sys.platform != "win32":
        return None
    return windows.Kernel(kernel32(), sys.getwindowsversion().build)
