"""The sampler of the host: for the engine when it asks, for the monitor in a thread of its own.

    usage (what is read) ──> host_probe: one look, on the engine's thread, about four times a second
                         └─> Sampler: every `monitoring.interval`, on a thread of its own

The monitor does not live on the engine's looks: the engine's thread is in a file (serial) or in its caller's loop
(`iter_batch`) for as long as these like, a series must not have gaps there, and a monitor may stand around any code.

Covers when readings are taken and the rates they make. What is read is `orcabatch.host.usage`; what becomes of the
readings is the engine's (`orcabatch.engine.scheduler_messages.Sample`) and the monitor's
(`orcabatch.monitor.performance`). Both see the interpreter lock of this process only (`orcabatch.engine.gil`): worker
processes with several threads tell of theirs themselves (`orcabatch.engine.executors.processes`), or are judged from
their CPU use.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from orcabatch.console import awaited_end
from orcabatch.engine.gil import METER, GilUse
from orcabatch.engine.logs import logger
from orcabatch.engine.scheduler_messages import Probe, Sample
from orcabatch.engine.unlocked import UNLOCKED
from orcabatch.host.measure import memory_reading
from orcabatch.host.usage import HostReaders, OwnProcesses, ProcessTotals
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s

_log = logger(__name__)

HOST_EVERY_S = 0.5
"""A file is judged by the readings that fell into it; one costs some system calls."""

MOST_COST = 0.004
"""Looking at the processes takes no more than this share of the time, on hosts with thousands of them too."""

FEW_LOOKS = 4
"""Fewer looks at the lock than these say little about a stretch of time: one of two may be chance."""

PROMPT_S = 0.001
"""A thread that wakes later than this on average waits for a core or for Python's lock: so do calls that come back from
the DLL, and nothing says that they waited in it. Shorter: on a host that is hardly used it is not told. Longer: other
programs pass for a DLL that lets in one at a time."""

SHORTEST_S = 0.25
"""Rates over less than this (and less than half an interval) say nothing: a last reading that soon is left out."""


def host_probe(cpus: int) -> Probe:
    """A probe for `orcabatch.engine.run`: called with the ids of living worker processes at every interval.

    Args:
        cpus: how many CPUs the batch may use; its CPU percentage is of these.
    """
    return _Look(cpus)


@dataclass(slots=True)
class _DllWaits:
    """Seconds that calls stood still in the DLL for each other, of the time in which threads that wake run promptly."""

    seen_s: float = field(default_factory=UNLOCKED.waited_s)
    total_s: float = 0.0

    def add(self, gil: GilUse) -> float:
        """All of them, with what came since the last look, over which the lock was used so."""
        before_s, self.seen_s = self.seen_s, UNLOCKED.waited_s()
        self.total_s += self.seen_s - before_s if gil.looks and gil.wait_s < PROMPT_S else 0.0
        return self.total_s


@dataclass(slots=True)
class _Look:
    """Rates need the reading before; so this remembers it."""

    cpus: int
    processes: OwnProcesses = field(default_factory=OwnProcesses)
    before: ProcessTotals = field(default_factory=ProcessTotals)
    at_s: float = field(default_factory=awake_s)
    waits: _DllWaits = field(default_factory=_DllWaits)

    def __call__(self, pids: tuple[int, ...]) -> Sample:
        gil = METER.since(self.at_s)
        memory = memory_reading()
        now, totals = awake_s(), self.processes(pids)
        # A worker seen for the first time has used nothing yet: what its start cost is no load of this interval.
        used = {pid: max(seconds - self.before.cpu_s.get(pid, seconds), 0.0) for pid, seconds in totals.cpu_s.items()}
        passed, self.at_s, self.before = max(now - self.at_s, 1e-6), now, totals
        return Sample(
            total_bytes=memory.total_bytes,
            available_bytes=memory.available_bytes,
            own_bytes=totals.rss_bytes,
            cpu_percent=100 * sum(used.values()) / (passed * self.cpus),
            read_bytes=totals.read_bytes,
            gil_taken=gil.held,
            calls_s=UNLOCKED.alone_s(),
            served_s=UNLOCKED.served_s(),
            waited_s=self.waits.add(gil),
        )


@dataclass(frozen=True, slots=True)
class HostRates:
    """What one sample read, as rates since the sample before.

    Attributes:
        at_s: seconds since the run began.
        cpu_percent: CPU of the batch's own processes, percent of the CPUs it may use.
        host_cpu_percent: CPU of the whole host, percent.
        memory_percent: memory in use, percent.
        rss_bytes: memory held by the batch's own processes.
        read_bytes_per_s, write_bytes_per_s: I/O of the batch's own processes.
    """

    at_s: float
    cpu_percent: float
    host_cpu_percent: float
    memory_percent: float
    rss_bytes: int
    read_bytes_per_s: float
    write_bytes_per_s: float


@dataclass(frozen=True, slots=True)
class HostReading:
    """A sample with what it takes to judge the interpreter lock.

    Attributes:
        rates: what was read.
        cpus_used: CPUs used by this process, then by each of its children; 1.0 for one core.
        gil: what this process's interpreter lock was used for.
        dll_waited_s: how long threads of this process stood still for each other in OrcaFlex's DLL.
        dll_served_s: what their calls into it would have taken alone, but for those about files.
    """

    rates: HostRates
    cpus_used: tuple[float, ...]
    gil: GilUse
    dll_waited_s: float = 0.0
    dll_served_s: float = 0.0


class Sampler:
    """Reads the system in a thread of its own from `start` to `stop`.

    The thread does two things: every 500 ms it looks at the CPU use of the host and of its processes, every
    `interval_s` it makes a reading; one more when it is stopped, so that a run shorter than an interval has one. Worker
    processes have ended by then: what they used is what the look before saw.

    Args:
        readers: what is read.
        interval_s: seconds between readings, at most.
        due_s: asked after each reading: seconds until the next one, where files are so short that it should come
            sooner; None: every `interval_s`.
        on_reading: called with each reading, on the sampling thread.
        clock: seconds since the run began.
    """

    def __init__(
        self,
        readers: HostReaders,
        interval_s: float,
        on_reading: Callable[[HostReading], None],
        clock: Callable[[], float],
        due_s: Callable[[], float] | None = None,
    ) -> None:
        self.readers = readers
        self._due_s = due_s
        self._interval_s = interval_s
        self._on_reading = on_reading
        self._clock = clock
        self._host: list[tuple[float, float]] = []
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._made = False
        self._before: tuple[float, ProcessTotals] = (clock(), readers.processes())
        self._waits, self._served_s = _DllWaits(), UNLOCKED.served_s()
        self._thread = OwnThread(self._watch, "orcabatch-monitor")

    def start(self) -> str:
        """Begin. Returns why there will be one reading only, at the end; empty: there will be all."""
        METER.begin()
        try:
            self._thread.start()
        except RuntimeError as error:
            return str(error)
        return ""

    def stop(self) -> None:
        """Take a last reading and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            awaited_end(self._thread)
        else:
            self._read_host()
            self._read()
        METER.end()

    def gil_between(self, begin_s: float, end_s: float) -> GilUse:
        """What the interpreter lock was used for between two moments, and before, where few looks fell there."""
        began_s = awake_s() - self._clock()
        return METER.between(began_s + begin_s, began_s + end_s, FEW_LOOKS)

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
        host_every_s = min(HOST_EVERY_S, self._interval_s)
        sample_due = awake_s() + self._next_s(0.0)
        host_due = look_due = awake_s() + host_every_s
        while not self._stop.wait(max(0.0, min(sample_due, host_due, look_due) - awake_s())):
            now = awake_s()
            if now >= host_due:
                self._try(self._read_host)
                host_due = now + host_every_s
            if now >= look_due:
                self._try(self.readers.processes)
                looked = awake_s()
                look_due = looked + max(host_every_s, (looked - now) / MOST_COST)
            if now >= sample_due:
                self._try(self._read)
                sample_due = now + self._next_s(awake_s() - now)
        since_s = self._clock() - self._before[0]
        if not self._made or since_s >= min(SHORTEST_S, self._interval_s / 2):
            self._try(self._read_host)
            self._try(self._read)

    def _try(self, look: Callable[[], object]) -> None:
        """Look; where the process is short of descriptors or memory there is one reading less."""
        try:
            look()
        except (OSError, MemoryError):
            _log.debug("a reading is left out", exc_info=True)

    def _next_s(self, cost_s: float) -> float:
        """Seconds until the next reading: sooner than asked for only where looking costs next to nothing."""
        wanted_s = self._due_s() if self._due_s is not None else self._interval_s
        return min(max(wanted_s, cost_s / MOST_COST), self._interval_s)

    def _read_host(self) -> None:
        percent = self.readers.host_cpu_percent()
        with self._guard:
            self._host.append((self._clock(), percent))

    def _read(self) -> None:
        now_s, totals = self._clock(), self.readers.processes()
        then_s, before = self._before
        self._before, self._made = (now_s, totals), True
        passed = max(now_s - then_s, 1e-6)
        cpus = [max(seconds - before.cpu_s.get(pid, 0.0), 0.0) / passed for pid, seconds in totals.cpu_s.items()]
        rates = HostRates(
            at_s=now_s,
            cpu_percent=min(100.0 * sum(cpus) / self.readers.cpus, 100.0),
            host_cpu_percent=self.host_cpu_between(then_s, now_s),
            memory_percent=self.readers.memory_percent(),
            rss_bytes=totals.rss_bytes,
            read_bytes_per_s=max(totals.read_bytes - before.read_bytes, 0) / passed,
            write_bytes_per_s=max(totals.write_bytes - before.write_bytes, 0) / passed,
        )
        gil, waited_s = self.gil_between(then_s, now_s), self._waits.total_s
        served_s, self._served_s = self._served_s, UNLOCKED.served_s()
        dll = self._waits.add(gil) - waited_s, self._served_s - served_s
        self._on_reading(HostReading(rates, tuple(cpus), gil, *dll))
