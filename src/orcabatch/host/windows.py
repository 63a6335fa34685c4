"""Windows: processor groups, NUMA nodes, kinds of disks, and the limits of a job object (a container, there).

Covers the questions to kernel32 and what their answers mean. The library is handed in, so that both are tested
without Windows; on Windows itself none of this has been run. Does not cover totals (`orcabatch.host.measure`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from orcabatch.host.values import DiskKind, MemoryReading
from orcabatch.win32 import processor_groups

GROUP_SIZE = 64
"""CPUs are numbered group x 64 + bit, so that a number is unique over all groups."""
SPANNING_BUILD = 20348
"""From this build on (Server 2022, Windows 11) a process runs on all processor groups unless it is told otherwise."""

_CPU_RATE, _EXTENDED_LIMITS, _MEMORY_USAGE = 15, 9, 28
_RATE_ENABLED, _RATE_HARD_CAP, _RATE_MIN_MAX = 0x1, 0x4, 0x10
_LIMITS_PROCESS_MEMORY, _LIMITS_JOB_MEMORY = 0x100, 0x200
_SHARED, _OPEN_EXISTING, _INVALID_HANDLE = 0x3, 3, ctypes.c_void_p(-1).value
_QUERY_STORAGE, _SEEK_PENALTY = 0x2D1400, 7


class GroupAffinity(ctypes.Structure):
    """GROUP_AFFINITY."""

    _fields_: ClassVar = [
        ("mask", ctypes.c_size_t),
        ("group", ctypes.c_ushort),
        ("reserved", ctypes.c_ushort * 3),
    ]


class CpuRate(ctypes.Structure):
    """JOBOBJECT_CPU_RATE_CONTROL_INFORMATION; the rate in hundredths of a percent of all CPUs, or two of 16 bits."""

    _fields_: ClassVar = [("flags", ctypes.c_uint32), ("rate", ctypes.c_uint32)]


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_: ClassVar = [
        ("times", ctypes.c_int64 * 2),
        ("flags", ctypes.c_uint32),
        ("working_set", ctypes.c_size_t * 2),
        ("active_processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("classes", ctypes.c_uint32 * 2),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peaks", ctypes.c_size_t * 2),
    ]


class MemoryUsage(ctypes.Structure):
    """JOBOBJECT_MEMORY_USAGE_INFORMATION."""

    _fields_: ClassVar = [("job_memory", ctypes.c_uint64), ("peak", ctypes.c_uint64)]


class ProcessMemory(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS_EX."""

    _fields_: ClassVar = [
        ("size", ctypes.c_uint32),
        ("faults", ctypes.c_uint32),
        ("working_set", ctypes.c_size_t * 2),
        ("pools", ctypes.c_size_t * 4),
        ("page_file", ctypes.c_size_t * 2),
        ("private", ctypes.c_size_t),
    ]


class MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX."""

    _fields_: ClassVar = [
        ("size", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("ram", ctypes.c_uint64 * 2),
        ("committable", ctypes.c_uint64),
        ("left_to_commit", ctypes.c_uint64),
        ("virtual", ctypes.c_uint64 * 3),
    ]


class StorageQuery(ctypes.Structure):
    """STORAGE_PROPERTY_QUERY; the kind of query is 0, the standard one."""

    _fields_: ClassVar = [("property", ctypes.c_uint32), ("kind", ctypes.c_uint32), ("more", ctypes.c_ubyte * 4)]


class SeekPenalty(ctypes.Structure):
    """DEVICE_SEEK_PENALTY_DESCRIPTOR."""

    _fields_: ClassVar = [("version", ctypes.c_uint32), ("size", ctypes.c_uint32), ("seeks", ctypes.c_ubyte)]


@dataclass(frozen=True, slots=True)
class Kernel:
    """kernel32's answers as Python values; None where it gives none.

    Attributes:
        library: `orcabatch.win32.kernel32()`, or something with the same functions.
        build: Windows' build number.
    """

    library: Any
    build: int

    def groups(self) -> tuple[int, ...]:
        """Active processors of each processor group."""
        count = int(self.library.GetActiveProcessorGroupCount())
        return tuple(int(self.library.GetActiveProcessorCount(group)) for group in range(count))

    def process_mask(self) -> tuple[int, int] | None:
        """Affinity of this process and of the system within its group; None where it spans several groups."""
        process, system = ctypes.c_size_t(0), ctypes.c_size_t(0)
        answered = self.library.GetProcessAffinityMask(self._process(), ctypes.byref(process), ctypes.byref(system))
        return (process.value, system.value) if answered and process.value else None

    def node_masks(self) -> tuple[tuple[int, int], ...]:
        """Group and mask of each NUMA node that has processors."""
        highest = ctypes.c_uint32(0)
        if not self.library.GetNumaHighestNodeNumber(ctypes.byref(highest)):
            return ()
        masks = []
        for node in range(highest.value + 1):
            affinity = GroupAffinity()
            if self.library.GetNumaNodeProcessorMaskEx(ctypes.c_ushort(node), ctypes.byref(affinity)) and affinity.mask:
                masks.append((int(affinity.group), int(affinity.mask)))
        return tuple(masks)

    def cpu_rate(self) -> float | None:
        """Share (0 to 1) of all CPUs that a job object caps this process to."""
        info = CpuRate()
        if not self._ask_job(_CPU_RATE, info) or not info.flags & _RATE_ENABLED:
            return None
        if info.flags & _RATE_MIN_MAX:  # two numbers of 16 bits, the smaller first
            return float(info.rate >> 16) / 10_000
        return float(info.rate) / 10_000 if info.flags & _RATE_HARD_CAP else None

    def job_memory(self) -> MemoryReading | None:
        """The smallest limit of the job object that this process is in, and what is left of it.

        A job may limit all its processes together, and each of them. Of several, one inside the other, Windows tells
        the innermost's limits only.
        """
        limits = ExtendedLimits()
        if not self._ask_job(_EXTENDED_LIMITS, limits):
            return None
        readings = []
        if limits.flags & _LIMITS_JOB_MEMORY:
            usage = MemoryUsage()
            used = int(usage.job_memory) if self._ask_job(_MEMORY_USAGE, usage) else 0
            readings.append(_left(int(limits.job_memory), used))
        if limits.flags & _LIMITS_PROCESS_MEMORY:
            readings.append(_left(int(limits.process_memory), self._committed()))
        return min(readings, key=lambda reading: (reading.total_bytes, reading.available_bytes), default=None)

    def left_to_commit(self) -> int | None:
        """Bytes that Windows still promises: with a small page file, or none, it refuses while memory is free."""
        status = MemoryStatus(size=ctypes.sizeof(MemoryStatus))
        return int(status.left_to_commit) if self.library.GlobalMemoryStatusEx(ctypes.byref(status)) else None

    def _committed(self) -> int:
        """Bytes that this process has been promised, as a job counts them."""
        counters = ProcessMemory(size=ctypes.sizeof(ProcessMemory))
        answered = self.library.K32GetProcessMemoryInfo(self._process(), ctypes.byref(counters), counters.size)
        return int(counters.private) if answered else 0

    def seeks(self, drive: str) -> bool | None:
        r"""Whether the disk of a drive (`D:`) has to move to another place, as one that turns has; None: not said.

        The drive is opened without any right to its content, which needs no administrator.
        """
        volume = ctypes.c_wchar_p(rf"\\.\{drive}")
        self.library.CreateFileW.restype = ctypes.c_void_p
        handle = self.library.CreateFileW(volume, 0, _SHARED, None, _OPEN_EXISTING, 0, None)
        if handle is None or handle == _INVALID_HANDLE:
            return None
        query, answer, returned = StorageQuery(_SEEK_PENALTY), SeekPenalty(), ctypes.c_uint32()
        sizes = ctypes.sizeof(query), ctypes.sizeof(answer)
        arguments = ctypes.byref(query), sizes[0], ctypes.byref(answer), sizes[1], ctypes.byref(returned), None
        try:
            answered = self.library.DeviceIoControl(ctypes.c_void_p(handle), _QUERY_STORAGE, *arguments)
        finally:
            self.library.CloseHandle(ctypes.c_void_p(handle))
        return bool(answer.seeks) if answered else None

    def _ask_job(self, kind: int, info: ctypes.Structure) -> bool:
        size = ctypes.sizeof(info)
        return bool(self.library.QueryInformationJobObject(None, kind, ctypes.byref(info), size, None))

    def _process(self) -> Any:
        return ctypes.c_void_p(self.library.GetCurrentProcess())


def usable_cpus(kernel: Kernel) -> tuple[tuple[int, ...], str]:
    """The CPUs this process may run on, and what limits it: `affinity`, `processor group` or nothing."""
    groups = kernel.groups()
    everything = tuple(cpu for group, count in enumerate(groups) for cpu in _numbers(group, (1 << count) - 1))
    own = processor_groups(kernel.library)
    masks = kernel.process_mask()
    if masks is not None and masks[0] != masks[1] and len(own) == 1:
        return tuple(_numbers(own[0], masks[0])), "affinity"
    if own and len(own) < len(groups) and kernel.build < SPANNING_BUILD:
        return tuple(cpu for cpu in everything if cpu // GROUP_SIZE in own), "processor group"
    return everything, ""


def numa_nodes(kernel: Kernel, allowed: frozenset[int]) -> tuple[tuple[int, ...], ...]:
    """The allowed CPUs of each NUMA node; nodes without any are left out."""
    nodes = (tuple(cpu for cpu in _numbers(*node) if cpu in allowed) for node in kernel.node_masks())
    return tuple(node for node in nodes if node)


def disk_kind(kernel: Kernel, mount: str) -> DiskKind:
    r"""The kind of disk that a drive (`D:\`) is on: ssd, hdd or unknown."""
    seeks = kernel.seeks(mount.rstrip("\\"))
    return "unknown" if seeks is None else "hdd" if seeks else "ssd"


def _left(limit: int, used: int) -> MemoryReading:
    return MemoryReading(limit, max(0, limit - used))


def _numbers(group: int, mask: int) -> Iterator[int]:
    return (group * GROUP_SIZE + bit for bit in range(GROUP_SIZE) if mask >> bit & 1)
