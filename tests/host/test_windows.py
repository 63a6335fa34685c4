"""A Windows host through an injected kernel32: processor groups, NUMA nodes, job objects.

Run on Linux against a stand-in for the library; nothing here was run on Windows.
"""

import ctypes
from dataclasses import dataclass, field, replace
from typing import Any

import psutil
import pytest

from orcabatch.engine.executors import process_main
from orcabatch.engine.executors.process_main import _pin
from orcabatch.host import Probes, measure, memory_reading
from orcabatch.host.windows import (
    ExtendedLimits,
    GroupAffinity,
    Kernel,
    MemoryStatus,
    ProcessMemory,
    SeekPenalty,
    StorageQuery,
    usable_cpus,
)
from orcabatch.network import Partition

GB = 10**9
WINDOWS_10, WINDOWS_11 = 19045, 22631


def target(pointer: Any) -> Any:
    """What a `ctypes.byref` points to."""
    return pointer._obj


class _Function:
    """A function of a library: its type of result can be said."""

    restype: Any = None

    def __init__(self, call: Any) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


@dataclass
class FakeKernel32:
    """kernel32 of a machine: its groups, nodes (group, mask), affinity and job limits."""

    groups: tuple[int, ...] = (64,)
    own: tuple[int, ...] = (0,)
    mask: tuple[int, int] = (0, 0)
    nodes: dict[int, tuple[int, int]] = field(default_factory=dict)
    job: dict[int, dict[str, int]] = field(default_factory=dict)
    drives: dict[str, int | None] = field(default_factory=dict)
    open_handles: list[int] = field(default_factory=list)
    committed: int | None = None
    left_to_commit: int | None = None

    @property
    def CreateFileW(self) -> Any:  # noqa: N802 - Windows' name
        def create(name: Any, access: int, *rest: Any) -> int | None:
            assert access == 0
            drive = name.value.removeprefix("\\\\.\\")
            if drive not in self.drives:
                return ctypes.c_void_p(-1).value
            self.open_handles.append(list(self.drives).index(drive) + 1)
            return self.open_handles[-1]

        return _Function(create)

    def DeviceIoControl(self, handle: Any, code: int, query: Any, size: int, answer: Any, *rest: Any) -> int:  # noqa: N802
        assert (code, target(query).property, target(query).kind, size) == (0x2D1400, 7, 0, 12)
        seeks = list(self.drives.values())[handle.value - 1]
        target(answer).seeks = seeks or 0
        return 0 if seeks is None else 1

    def CloseHandle(self, handle: Any) -> int:  # noqa: N802 - Windows' name
        self.open_handles.remove(handle.value)
        return 1

    def GlobalMemoryStatusEx(self, status: Any) -> int:  # noqa: N802 - Windows' name
        assert target(status).size == 64
        target(status).left_to_commit = self.left_to_commit or 0
        return 0 if self.left_to_commit is None else 1

    def K32GetProcessMemoryInfo(self, process: Any, info: Any, size: int) -> int:  # noqa: N802 - Windows' name
        assert (process.value, size, target(info).size) == (ctypes.c_void_p(-1).value, 80, 80)
        target(info).private = self.committed or 0
        return 0 if self.committed is None else 1

    def GetCurrentProcess(self) -> int:  # noqa: N802 - Windows' name
        return -1

    def GetActiveProcessorGroupCount(self) -> int:  # noqa: N802 - Windows' name
        return len(self.groups)

    def GetActiveProcessorCount(self, group: int) -> int:  # noqa: N802 - Windows' name
        return self.groups[group]

    def GetProcessGroupAffinity(self, process: Any, count: Any, numbers: Any) -> int:  # noqa: N802 - Windows' name
        numbers[: len(self.own)] = self.own
        target(count).value = len(self.own)
        return 1 if self.own else 0

    def GetProcessAffinityMask(self, process: Any, mine: Any, system: Any) -> int:  # noqa: N802 - Windows' name
        target(mine).value, target(system).value = self.mask
        return 1

    def GetNumaHighestNodeNumber(self, highest: Any) -> int:  # noqa: N802 - Windows' name
        target(highest).value = max(self.nodes, default=0)
        return 1 if self.nodes else 0

    def GetNumaNodeProcessorMaskEx(self, node: Any, affinity: Any) -> int:  # noqa: N802 - Windows' name
        if node.value not in self.nodes:
            return 0
        target(affinity).group, target(affinity).mask = self.nodes[node.value]
        return 1

    def QueryInformationJobObject(self, job: Any, kind: int, info: Any, size: int, returned: Any) -> int:  # noqa: N802
        for name, value in self.job.get(kind, {}).items():
            setattr(target(info), name, value)
        return 1 if kind in self.job else 0


def host(library: FakeKernel32, build: int = WINDOWS_10) -> Probes:
    """A Windows machine with this library, 256 GB, and half as many cores as CPUs."""
    cpus = sum(library.groups)
    return Probes(
        platform="win32",
        logical_cpus=lambda: cpus,
        physical_cpus=lambda: cpus // 2,
        affinity=lambda: None,
        ram=lambda: (256 * GB, 200 * GB),
        partitions=lambda: (),
        disk_usage=lambda mount: (100, 40),
        kernel=Kernel(library, build),
    )


def test_a_workstation_with_one_group_and_two_nodes() -> None:
    """The specification's machine: 64 logical CPUs, 256 GB."""
    full = (1 << 64) - 1
    library = FakeKernel32(mask=(full, full), nodes={0: (0, (1 << 32) - 1), 1: (0, full ^ ((1 << 32) - 1))})
    found = measure(host(library))
    assert (found.logical_cpus, found.physical_cpus, found.numa_nodes) == (64, 32, 2)
    assert found.numa_cpus == (tuple(range(32)), tuple(range(32, 64)))
    assert (found.total_ram_bytes, found.limited_by) == (256 * GB, {})


def test_before_windows_11_a_process_stays_in_its_processor_group() -> None:
    """Of 96 CPUs in two groups the process gets the 48 of its own, and only that group's node."""
    nodes = {0: (0, (1 << 48) - 1), 1: (1, (1 << 48) - 1)}
    library = FakeKernel32(groups=(48, 48), own=(1,), mask=((1 << 48) - 1,) * 2, nodes=nodes)
    found = measure(host(library, WINDOWS_10))
    assert found.logical_cpus == 48
    assert found.limited_by == {"logical_cpus": "processor group"}
    assert found.numa_cpus == (tuple(range(64, 112)),)


def test_from_windows_11_on_a_process_spans_all_groups() -> None:
    """The same machine gives all its 96 CPUs and both nodes."""
    nodes = {0: (0, (1 << 48) - 1), 1: (1, (1 << 48) - 1)}
    library = FakeKernel32(groups=(48, 48), own=(0,), mask=((1 << 48) - 1,) * 2, nodes=nodes)
    found = measure(host(library, WINDOWS_11))
    assert (found.logical_cpus, found.numa_nodes, found.limited_by) == (96, 2, {})


def test_an_affinity_mask_counts() -> None:
    """A process started with `start /affinity F` has 4 CPUs."""
    library = FakeKernel32(groups=(16,), mask=(0xF, 0xFFFF))
    found = measure(host(library))
    assert (found.logical_cpus, found.limited_by) == (4, {"logical_cpus": "affinity"})


def test_a_process_that_spans_groups_has_no_mask() -> None:
    """Windows then answers with zero masks, which must not read as an affinity for no CPU."""
    library = FakeKernel32(groups=(64, 64), own=(0, 1), mask=(0, 0))
    cpus, by = usable_cpus(Kernel(library, WINDOWS_10))
    assert (len(cpus), by) == (128, "")


def test_a_container_reports_the_limits_of_its_job_object() -> None:
    """R1: a CPU rate of 1/8 of 16 CPUs and 4 GB of memory, 1 GB of it in use."""
    job = {
        15: {"flags": 0x5, "rate": 1250},
        9: {"flags": 0x200, "job_memory": 4 * GB},
        28: {"job_memory": 1 * GB},
    }
    library = FakeKernel32(groups=(16,), mask=(0xFFFF, 0xFFFF), job=job)
    found = measure(host(library))
    assert (found.logical_cpus, found.total_ram_bytes, found.available_ram_bytes) == (2, 4 * GB, 3 * GB)
    assert found.limited_by == {"logical_cpus": "job object", "total_ram_bytes": "job object"}
    assert memory_reading(host(library)).used_percent == pytest.approx(25)


@pytest.mark.parametrize(
    ("flags", "committed", "limits"),
    [
        (0x100, 1 * GB, (8 * GB, 7 * GB)),
        (0x100, None, (8 * GB, 8 * GB)),
        (0x300, 1 * GB, (8 * GB, 7 * GB)),
        (0x300, 9 * GB, (8 * GB, 0)),
        (0x200, 1 * GB, (64 * GB, 32 * GB)),
        (0, 1 * GB, (256 * GB, 200 * GB)),
    ],
)
def test_a_job_that_limits_each_of_its_processes_limits_this_one(
    flags: int, committed: int | None, limits: tuple[int, int]
) -> None:
    """What a batch queue sets for each process counts as what a container sets for all: the smaller of the two."""
    job = {9: {"flags": flags, "job_memory": 64 * GB, "process_memory": 8 * GB}, 28: {"job_memory": 32 * GB}}
    found = measure(host(FakeKernel32(groups=(16,), mask=(0xFFFF, 0xFFFF), job=job, committed=committed)))
    assert (found.total_ram_bytes, found.available_ram_bytes) == limits


@pytest.mark.parametrize(("left", "available"), [(3 * GB, 3 * GB), (300 * GB, 200 * GB), (None, 200 * GB)])
def test_memory_that_windows_does_not_promise_is_not_available(left: int | None, available: int) -> None:
    """Without a page file it refuses what others have been promised and do not use: a model would find no memory."""
    probes = host(FakeKernel32(groups=(16,), mask=(0xFFFF, 0xFFFF), left_to_commit=left))
    assert memory_reading(probes).available_bytes == measure(probes).available_ram_bytes == available
    assert measure(probes).total_ram_bytes == 256 * GB


@pytest.mark.parametrize(("most", "cpus"), [(2500, 4), (10_000, 16)])
def test_a_job_with_a_least_and_a_largest_rate_is_limited_by_the_largest(most: int, cpus: int) -> None:
    """Both stand in one number; nothing is said of a hard cap then."""
    job = {15: {"flags": 0x11, "rate": most << 16 | 1000}}
    library = FakeKernel32(groups=(16,), mask=(0xFFFF, 0xFFFF), job=job)
    assert measure(host(library)).logical_cpus == cpus


def test_a_job_without_hard_limits_limits_nothing() -> None:
    """A weight is not a cap, and a memory figure without its flag is not a limit."""
    job = {15: {"flags": 0x3, "rate": 5}, 9: {"flags": 0, "job_memory": 4 * GB}}
    library = FakeKernel32(groups=(16,), mask=(0xFFFF, 0xFFFF), job=job)
    assert measure(host(library)).limited_by == {}


def test_a_library_that_answers_nothing_leaves_one_node_with_all_cpus() -> None:
    """Where Windows tells no nodes there is one."""
    found = measure(host(FakeKernel32(groups=(8,), own=())))
    assert (found.logical_cpus, found.numa_nodes, found.numa_cpus) == (8, 1, (tuple(range(8)),))


def test_disks_tell_their_kind_without_any_right_to_their_content() -> None:
    """C: has no seek penalty, D: has one, E: does not say, F: cannot be opened; every handle is closed."""
    library = FakeKernel32(drives={"C:": 0, "D:": 1, "E:": None})
    listed = tuple(Partition(f"{drive}:\\", f"{drive}:\\", "NTFS", "rw,fixed") for drive in "CDEF")
    disks = measure(replace(host(library), partitions=lambda: listed)).disks
    assert [disk.kind for disk in disks] == ["ssd", "hdd", "unknown", "unknown"]
    assert library.open_handles == []


def test_a_network_drive_is_not_asked_for_its_size() -> None:
    """Psutil marks it as remote."""
    drives = (Partition("C:\\", "C:\\", "NTFS", "rw,fixed"), Partition("N:\\", "N:\\", "NTFS", "rw,remote"))
    disks = measure(replace(host(FakeKernel32()), partitions=lambda: drives)).disks
    assert [(disk.kind, disk.total_bytes) for disk in disks] == [("unknown", 100), ("network", None)]


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the sizes are those of 64-bit Windows")
def test_structures_have_the_size_that_windows_expects() -> None:
    """A wrong size makes Windows refuse the question: 16 bytes of GROUP_AFFINITY, 144 of the job's limits."""
    assert ctypes.sizeof(StorageQuery) == 12
    assert ctypes.sizeof(SeekPenalty) == 12
    assert ctypes.sizeof(GroupAffinity) == 16
    assert ctypes.sizeof(ExtendedLimits) == 144
    assert (ExtendedLimits.flags.offset, ExtendedLimits.job_memory.offset) == (16, 120)
    assert (ctypes.sizeof(MemoryStatus), MemoryStatus.left_to_commit.offset) == (64, 32)
    assert (ctypes.sizeof(ProcessMemory), ProcessMemory.private.offset) == (80, 72)


@pytest.mark.parametrize(
    ("own", "cpus", "refused"),
    [
        ((0,), range(32, 64), False),
        ((0,), range(60, 70), True),
        ((1,), range(32, 64), True),
        ((0, 1), range(32, 64), True),
        ((), range(32, 64), True),
    ],
)
def test_cpus_of_another_processor_group_are_not_pinned_to_the_wrong_ones(
    monkeypatch: pytest.MonkeyPatch, own: tuple[int, ...], cpus: range, *, refused: bool
) -> None:
    """Windows numbers the CPUs of each group from 0, and chooses a new process's: one of its own only is pinned."""
    pinned: list[list[int]] = []
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self, cpus: pinned.append(cpus), raising=False)
    monkeypatch.setattr(process_main, "kernel32", lambda: FakeKernel32((64, 64), own))
    if refused:
        with pytest.raises(OSError, match="not all of its own processor group"):
            _pin(tuple(cpus), "win32")
    else:
        _pin(tuple(cpus), "win32")
    _pin(tuple(cpus), "linux")
    assert pinned == [list(cpus)] * (1 if refused else 2)
