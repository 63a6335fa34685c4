"""What the engine is told about the host while it runs: memory, CPU, bytes read, and whether Python's lock is taken.

CPU, memory and bytes are those of this process and its workers; the lock is this process's own (worker processes with
several threads tell of theirs themselves, see `orcabatch.engine.processes`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import psutil

from orcabatch.engine import Probe, Sample
from orcabatch.engine.lock import LockProbe
from orcabatch.host import memory_reading
from orcabatch.monitor.costs import most_lock_taken
from orcabatch.monitor.sampling import HostCpu

LOCK_PROBES = 3
"""How often each look asks for the lock: a lock that is always taken costs a look 15 ms, a free one nothing."""


def host_probe(cpus: int) -> Probe:
    """A probe for `orcabatch.engine.run`: called with the ids of living worker processes at every interval.

    Args:
        cpus: how many CPUs the batch may use; its CPU percentage is of these.
    """
    return _Measuring(cpus)


@dataclass(slots=True)
class _Measuring:
    """Rates need the reading before; so this remembers it."""

    cpus: int
    processes: dict[int, psutil.Process] = field(default_factory=dict)
    cpu_s: dict[int, float] = field(default_factory=dict)
    lock: LockProbe = field(default_factory=LockProbe)
    host_cpu: HostCpu = field(default_factory=HostCpu)
    at_s: float = field(default_factory=time.perf_counter)

    def __call__(self, pids: tuple[int, ...]) -> Sample:
        taken = sum(self.lock.measure()[0] for _ in range(LOCK_PROBES)) / LOCK_PROBES
        memory = memory_reading()
        now = time.perf_counter()
        readings = [self._read(pid) for pid in (psutil.Process().pid, *pids)]
        elapsed, self.at_s = max(now - self.at_s, 1e-6), now
        return Sample(
            total_bytes=memory.total_bytes,
            available_bytes=memory.available_bytes,
            own_bytes=sum(reading.rss_bytes for reading in readings),
            cpu_percent=100 * sum(reading.cpu_s for reading in readings) / (elapsed * self.cpus),
            read_bytes=sum(reading.read_bytes for reading in readings),
            gil_taken=min(taken, most_lock_taken(readings[0].cpu_s / elapsed, self.host_cpu())),
        )

    def _read(self, pid: int) -> _Reading:
        """What one process holds, has read, and has used of the CPUs since it was last asked."""
        try:
            process = self.processes.setdefault(pid, psutil.Process(pid))
            with process.oneshot():
                times = process.cpu_times()
                total_s = times.user + times.system
                used_s = total_s - self.cpu_s.get(pid, total_s)
                self.cpu_s[pid] = total_s
                return _Reading(process.memory_info().rss, _read_bytes(process), used_s)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            self.processes.pop(pid, None)
            return _Reading(0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One process at one instant."""

    rss_bytes: int
    read_bytes: int
    cpu_s: float


def _read_bytes(process: psutil.Process) -> int:
    """Bytes the process has read; 0 where the system does not say (macOS)."""
    counters = getattr(process, "io_counters", None)
    if counters is None:
        return 0
    return int(getattr(counters(), "read_chars", counters().read_bytes))
