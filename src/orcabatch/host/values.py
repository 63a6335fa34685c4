"""What a host has, as values: CPUs, memory, NUMA nodes, disks, and where a limit came from.

Covers values that can be written by hand, for planning on a machine one does not sit at. Does not cover measuring
(`orcabatch.host.measure`). Memory and disks in bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

DiskKind = Literal["ssd", "hdd", "network", "unknown"]


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted file system.

    Attributes:
        mount: where it is mounted, or the drive.
        device: its device, or the share.
        kind: ssd, hdd, network or unknown.
        total_bytes, free_bytes: None where it was not asked (a dead network share would hang).
    """

    mount: Path
    device: str
    kind: DiskKind = "unknown"
    total_bytes: int | None = None
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class HostResources:
    """What this batch may use. Only the first two have to be given; the others follow from them.

    Attributes:
        logical_cpus: logical CPUs within affinity, quota and container limits; at least 1.
        total_ram_bytes: memory of the host or the container, whichever is smaller.
        physical_cpus: cores; half of the logical CPUs unless given.
        numa_nodes: memory nodes with CPUs of ours; 1 unless given.
        numa_cpus: the CPU numbers of each node; all in one node unless given.
        available_ram_bytes: memory that can be filled now, reclaimable page cache included; the total unless given.
        disks: mounted file systems.
        temporary: the system's folder for temporary files; None where it is not known.
        limited_by: for an attribute that is below what the machine has, by what: `{"logical_cpus": "cgroup"}`.
        platform: as in `sys.platform`; empty where it does not matter.
    """

    logical_cpus: int
    total_ram_bytes: int
    physical_cpus: int = 0
    numa_nodes: int = 0
    numa_cpus: tuple[tuple[int, ...], ...] = ()
    available_ram_bytes: int = -1
    disks: tuple[Disk, ...] = ()
    temporary: Path | None = None
    limited_by: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""

    def __post_init__(self) -> None:
        if self.logical_cpus < 1 or self.total_ram_bytes < 1:
            raise ValueError(
                f"a host needs at least 1 CPU and 1 byte of memory, not {self.logical_cpus} and {self.total_ram_bytes}"
            )
        nodes = self.numa_cpus or _even_nodes(self.logical_cpus, max(1, self.numa_nodes))
        available = self.total_ram_bytes if self.available_ram_bytes < 0 else self.available_ram_bytes
        object.__setattr__(self, "physical_cpus", self.physical_cpus or max(1, self.logical_cpus // 2))
        object.__setattr__(self, "numa_cpus", nodes)
        object.__setattr__(self, "numa_nodes", self.numa_nodes or len(nodes))
        object.__setattr__(self, "available_ram_bytes", min(available, self.total_ram_bytes))

    def disk_of(self, folder: Path) -> Disk | None:
        """The disk that an absolute folder lies on: the one with the longest mount point above it."""
        above = [disk for disk in self.disks if folder.is_relative_to(disk.mount)]
        return max(above, key=lambda disk: len(disk.mount.parts), default=None)


def _even_nodes(cpus: int, nodes: int) -> tuple[tuple[int, ...], ...]:
    bounds = [node * cpus // nodes for node in range(nodes + 1)]
    return tuple(tuple(range(first, last)) for first, last in itertools.pairwise(bounds))


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """Memory at one moment, of the host or the container, whichever has the smaller total.

    Attributes:
        total_bytes: its size.
        available_bytes: what can be filled, reclaimable page cache included.
    """

    total_bytes: int
    available_bytes: int

    @property
    def used_percent(self) -> float:
        """(total - available) / total in percent, other programs included; 0 to 100."""
        return 100.0 * (self.total_bytes - self.available_bytes) / self.total_bytes
