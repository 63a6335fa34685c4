"""What this batch and the whole host use at this moment: CPU, memory, bytes read and written.

Covers the readings, and what CPU use says of who had to wait for a core. When they are taken and what rates they make
is `orcabatch.host.sampler`. Every reading is a callable, so that tests put their own in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import psutil

from orcabatch.host.measure import measure, memory_reading

CORES_FREE_PERCENT, CORES_FULL_PERCENT = 80.0, 95.0
"""CPU use of the host up to which a thread finds a core at once, and from which on it always waits for one.

Lower, and waiting for a disk on a busy host passes for waiting for a core; higher, and the other way round.
"""


@cache
def allowed_cpus() -> float:
    """CPUs this process may use, within its affinity and its container's quota; asked once."""
    return float(measure().logical_cpus)


def memory_percent() -> float:
    """Memory in use in percent: (total - available) / total of the host or the container, other programs included."""
    return memory_reading().used_percent


class HostCpu:
    """Reads the CPU use of the whole host in percent since its last call, other programs included."""

    def __init__(self) -> None:
        self._before = self._times()

    @staticmethod
    def _times() -> tuple[float, float]:
        times = psutil.cpu_times()
        if hasattr(times, "dpc"):  # Windows has the time of interrupts in `system` already
            return times.user + times.system + times.idle, times.idle
        idle = times.idle + getattr(times, "iowait", 0.0)
        # Linux counts the time of guests in `user` already.
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        return sum(times) - guests, idle

    def __call__(self) -> float:
        """The CPU use since the call before, 0 to 100."""
        total, idle = self._times()
        passed, rested = total - self._before[0], idle - self._before[1]
        if passed <= 0:
            return 0.0
        self._before = total, idle
        return min(max(100.0 * (1.0 - rested / passed), 0.0), 100.0)


@dataclass(frozen=True, slots=True)
class ProcessTotals:
    """What this process and its children used since they began.

    Attributes:
        cpu_s: CPU seconds by process id.
        read_bytes, write_bytes: bytes read and written through the system, where it counts them (else 0).
        rss_bytes: memory they hold now.
    """

    cpu_s: dict[int, float] = field(default_factory=dict)
    read_bytes: int = 0
    write_bytes: int = 0
    rss_bytes: int = 0


class OwnProcesses:
    """Reads the totals of this process and its workers.

    A worker that ended keeps its last reading, so that CPU seconds and bytes never run backwards.
    """

    def __init__(self) -> None:
        self._me = psutil.Process()
        self._seen: dict[int, tuple[float, int, int]] = {}
        self._known: dict[int, psutil.Process] = {}

    def __call__(self, pids: tuple[int, ...] | None = None) -> ProcessTotals:
        """The totals now.

        Args:
            pids: the living workers; None: all children, which costs a look at every process of the host.
        """
        workers = self._children() if pids is None else filter(None, map(self._worker, pids))
        rss = sum(self._read(process) for process in [self._me, *workers])
        cpu = {pid: reading[0] for pid, reading in self._seen.items()}
        read = sum(reading[1] for reading in self._seen.values())
        written = sum(reading[2] for reading in self._seen.values())
        return ProcessTotals(cpu, read, written, rss)

    def _children(self) -> list[psutil.Process]:
        try:
            return self._me.children(recursive=True)
        except (psutil.Error, OSError):
            return []

    def _worker(self, pid: int) -> psutil.Process | None:
        try:
            return self._known.setdefault(pid, psutil.Process(pid))
        except psutil.Error:
            return None

    def _read(self, process: psutil.Process) -> int:
        """Remember one process's counters; return its memory, 0 where it has just ended."""
        try:
            with process.oneshot():
                times = process.cpu_times()
                # The system counts in ticks of 10 ms; what it knows of its caller is finer on most.
                cpu_s = time.process_time() if process is self._me else times.user + times.system
                read, written = _io_bytes(process)
                self._seen[process.pid] = (cpu_s, read, written)
                return int(process.memory_info().rss)
        except (psutil.Error, OSError):
            self._known.pop(process.pid, None)
            return 0


def _io_bytes(process: psutil.Process) -> tuple[int, int]:
    """Bytes read and written by a process; (0, 0) where the system does not say (macOS, other users' processes)."""
    counters = getattr(process, "io_counters", None)
    if counters is None:
        return 0, 0
    try:
        counted = counters()
    except (psutil.Error, OSError):
        return 0, 0
    # Linux counts what programs asked for, page cache included, in `read_chars`; `read_bytes` is what reached a disk.
    return int(getattr(counted, "read_chars", counted.read_bytes)), int(
        getattr(counted, "write_chars", counted.write_bytes)
    )


@dataclass(frozen=True, slots=True)
class HostReaders:
    """The readings that a sampler takes.

    Attributes:
        processes: totals of this batch's own processes.
        memory_percent: memory in use, percent, of the host or of the cgroup.
        host_cpu_percent: CPU use of the whole host, percent since its last call.
        cpus: CPUs this batch may use.
    """

    processes: Callable[[], ProcessTotals] = field(default_factory=OwnProcesses)
    memory_percent: Callable[[], float] = memory_percent
    host_cpu_percent: Callable[[], float] = field(default_factory=HostCpu)
    cpus: float = field(default_factory=allowed_cpus)


def cores_taken(cpu_percent: float) -> float:
    """How surely a thread that wanted a core had to wait for one, 0 to 1, at this CPU use of the host."""
    share = (cpu_percent - CORES_FREE_PERCENT) / (CORES_FULL_PERCENT - CORES_FREE_PERCENT)
    return min(max(share, 0.0), 1.0)
