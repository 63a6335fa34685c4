"""The sampling thread: asks for the interpreter lock often, reads the system once every interval.

Covers when readings are taken and the rates they make. What is read is `orcabatch.monitor.sampling`; what becomes of
the readings is `orcabatch.monitor.performance`.

One thread does three things: every 50 ms it probes the interpreter lock, every 500 ms the CPU use of the host, every
`interval` it makes a `Reading`; one more when it is stopped, so that a run shorter than an interval has one.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orcabatch.engine.lock import LockProbe
from orcabatch.monitor.contention import Contention, ContentionLog

if TYPE_CHECKING:
    from orcabatch.monitor.sampling import Probes, ProcessTotals

PROBE_EVERY_S = 0.05
HOST_EVERY_S = 0.5

FEW_PROBES = 4
"""Fewer probes than these say little about a stretch of time: one of two may be chance."""

SHORTEST_S = 0.25
"""Rates over less than this (and less than half an interval) say nothing: a last reading that soon is left out."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one sample read, as rates since the sample before.

    Attributes:
        at_s: seconds since the run began.
        cpu_percent: CPU of the batch's own processes, percent of the CPUs it may use.
        host_cpu_percent: CPU of the whole host, percent.
        memory_percent: memory in use, percent.
        rss_bytes: memory held by the batch's own processes.
        read_bytes_per_s, write_bytes_per_s: I/O of the batch's own processes.
        cpus_used: CPUs used by the batch's own processes, 1.0 for one core.
        children_cpu: the same for each child process.
        lock: how hard this process's interpreter lock was to get.
    """

    at_s: float
    cpu_percent: float
    host_cpu_percent: float
    memory_percent: float
    rss_bytes: int
    read_bytes_per_s: float
    write_bytes_per_s: float
    cpus_used: float
    children_cpu: tuple[float, ...]
    lock: Contention


class Sampler:
    """Reads the system in a thread of its own from `start` to `stop`.

    Args:
        probes: what is read.
        interval_s: seconds between readings.
        on_reading: called with each reading, on the sampling thread.
        clock: seconds since the run began.
    """

    def __init__(
        self, probes: Probes, interval_s: float, on_reading: Callable[[Reading], None], clock: Callable[[], float]
    ) -> None:
        self.probes = probes
        self._interval_s = interval_s
        self._on_reading = on_reading
        self._clock = clock
        self._locks = ContentionLog()
        self._host: list[tuple[float, float]] = []
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._made = False
        self._before: tuple[float, ProcessTotals] = (clock(), probes.processes())
        self._thread = threading.Thread(target=self._watch, name="orcabatch-monitor", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take a last reading and end the thread."""
        self._stop.set()
        self._thread.join()

    def lock_between(self, begin_s: float, end_s: float) -> Contention:
        """How hard the interpreter lock was to get between two moments, and before, where few probes fell there.

        The probe itself waits for the lock: the harder it is to get, the fewer there are.
        """
        with self._guard:
            return self._locks.between(begin_s, end_s, FEW_PROBES)

    def lock_overall(self) -> Contention:
        """How hard the interpreter lock was to get over the whole run."""
        with self._guard:
            return self._locks.whole()

    def host_cpu_between(self, begin_s: float, end_s: float) -> float:
        """Mean CPU use of the host between two moments, percent; the nearest reading where there was none."""
        with self._guard:
            if not self._host:
                return 0.0
            low = bisect_left(self._host, (begin_s, 0.0))
            high = bisect_right(self._host, (end_s, float("inf")))
            window = self._host[low:high] or self._host[min(low, len(self._host) - 1) :][:1]
            return sum(percent for _, percent in window) / len(window)

    def _watch(self) -> None:
        lock_probe = LockProbe()
        host_every_s = min(HOST_EVERY_S, self._interval_s)
        sample_due = time.perf_counter() + self._interval_s
        host_due = time.perf_counter() + host_every_s
        while not self._stop.wait(min(PROBE_EVERY_S, self._interval_s)):
            taken, waited_s = lock_probe.measure()
            with self._guard:
                self._locks.add(self._clock(), taken, waited_s)
            now = time.perf_counter()
            if now >= host_due:
                self._read_host()
                host_due = now + host_every_s
            if now >= sample_due:
                self._read()
                sample_due = now + self._interval_s
        since_s = self._clock() - self._before[0]
        if not self._made or since_s >= min(SHORTEST_S, self._interval_s / 2):
            self._read_host()
            self._read()

    def _read_host(self) -> None:
        percent = self.probes.host_cpu_percent()
        with self._guard:
            self._host.append((self._clock(), percent))

    def _read(self) -> None:
        now_s, totals = self._clock(), self.probes.processes()
        then_s, before = self._before
        self._before, self._made = (now_s, totals), True
        passed = max(now_s - then_s, 1e-6)
        rates = [max(seconds - before.cpu_s.get(pid, 0.0), 0.0) / passed for pid, seconds in totals.cpu_s.items()]
        self._on_reading(
            Reading(
                at_s=now_s,
                cpu_percent=min(100.0 * sum(rates) / self.probes.cpus, 100.0),
                host_cpu_percent=self.host_cpu_between(then_s, now_s),
                memory_percent=self.probes.memory_percent(),
                rss_bytes=totals.rss_bytes,
                read_bytes_per_s=max(totals.read_bytes - before.read_bytes, 0) / passed,
                write_bytes_per_s=max(totals.write_bytes - before.write_bytes, 0) / passed,
                cpus_used=sum(rates),
                children_cpu=tuple(rates[1:]),
                lock=self.lock_between(then_s, now_s),
            )
        )
