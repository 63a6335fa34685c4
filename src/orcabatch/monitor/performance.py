"""The performance monitor: the five series of the specification, sampled while a batch runs.

Covers what samples, the engine's events and the outcomes add to the series, and the monitor's public face. Works
without the engine too: `with PerformanceMonitor() as monitor:` around any code samples CPU and memory.
Does not cover the sampling thread (`orcabatch.host.sampler`), how the verdict is reached
(`orcabatch.monitor.bottlenecks`), nor the file that `export` writes (`orcabatch.monitor.metrics`).

    file_processing_times   seconds a worker had each file
    memory_usage            percent of the memory in use, other programs included
    cpu_utilization         percent of the CPUs this batch may use, by its own processes
    io_wait_time            percent of each file's worker time spent waiting on input and output
    thread_efficiency       busy worker seconds / (limit x wall), 0 to 1; nothing where no engine said who is busy
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from orcabatch.engine.bounds import Bound
from orcabatch.engine.executors import facts_of
from orcabatch.engine.foreign import onward
from orcabatch.engine.gil import GilUse
from orcabatch.engine.limits import WaitReason
from orcabatch.engine.logs import logger
from orcabatch.host.sampler import HostReading, Sampler
from orcabatch.host.usage import HostReaders, allowed_cpus, cores_taken
from orcabatch.monitor import bottlenecks, file_costs
from orcabatch.monitor.bottlenecks import IO_THRESHOLD_PERCENT, Bottleneck, Evidence
from orcabatch.monitor.metrics import RunRecord, SeriesPoint, build_metrics, versions_in_use, write_metrics
from orcabatch.monitor.state import RunState
from orcabatch.outcome import FileOutcome, Phase
from orcabatch.settings import Monitoring
from orcabatch.sleep import awake_s

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent, Task

_log = logger(__name__)

SERIES = ("file_processing_times", "memory_usage", "cpu_utilization", "io_wait_time", "thread_efficiency")

QUIET_EVENTS = frozenset({"phase", "sample"})
"""Kinds that are not kept: the files and the samples hold what they say."""

NEWEST = 100
"""A file is judged by the samples while it ran, of so many at most: in a long run an outcome costs no more to add."""


SAMPLES_A_FILE = 4
"""Fewer, and a curve jumps over what a file does; more cost more and show noise."""

LAST_FILES = 20
"""How long files are at the moment: over fewer it jumps, over more it is late where small ones follow large ones."""

LEAST_S = 0.25
"""Rates over less say nothing (`host.sampler.SHORTEST_S`), and the engine itself looks as often."""


def monitoring(settings: Any, key: str, default: Any) -> Any:
    """A value of the `monitoring:` settings: from a settings model, a mapping of its shape, or the default."""
    for name in ("performance", "monitoring", key):
        inner = settings.get(name) if isinstance(settings, Mapping) else getattr(settings, name, None)
        settings = settings if inner is None and name != key else inner
    return default if settings is None else settings


class PerformanceMonitor:
    """Tracks a batch, or any code, and says what holds it back.

    Args:
        settings: the `performance:` settings (model or mapping); only `monitoring:` is read. None: sample every 5 s.
        io_wait_threshold: mean percent of I/O waiting above which the verdict is `IO_BOUND`.
        probes: what is read from the system; None: this host or container.

    Attributes:
        metrics: the five series by name. The lists are yours too: append your own numbers and ask for the verdict.
        samples: the time series with more columns.
        events: the engine's event log without its loud kinds, for a replay.
        state: the run as far as its events told it.
        started_at: when `start` was called, UTC.
        running: whether it was started and not stopped.
    """

    def __init__(
        self,
        settings: Any = None,
        *,
        io_wait_threshold: float = IO_THRESHOLD_PERCENT,
        probes: HostReaders | None = None,
    ) -> None:
        self.metrics: dict[str, list[float]] = {name: [] for name in SERIES}
        self.samples: list[SeriesPoint] = []
        self.events: list[RunEvent] = []
        self.state = RunState()
        self.started_at: datetime | None = None
        self.io_wait_threshold = io_wait_threshold
        defaults = Monitoring()
        self._interval_s = float(monitoring(settings, "interval", defaults.interval))
        self._enabled = bool(monitoring(settings, "enabled", defaults.enabled))
        self._file = Path(monitoring(settings, "metrics_file", defaults.metrics_file))
        self._probes = probes
        self._outcomes: dict[tuple[str, int], FileOutcome] = {}
        self._worked: dict[tuple[str, int], FileOutcome] = {}
        self._places: dict[tuple[str, int], tuple[int, int]] = {}
        self._guard = threading.RLock()
        self._sampler: Sampler | None = None
        self.running = False
        self._origin, self._latest_s = awake_s(), 0.0
        self._ended_s = 0.0
        self._efficiency_before = (0.0, 0.0)
        self._dll_waited_s = self._dll_served_s = 0.0

    # -- life

    def start(self) -> Self:
        """Begin to sample in a thread of its own; a monitor that runs already goes on."""
        if self.running:
            return self
        self.running = True
        versions_in_use()
        if self.started_at is None:
            self.started_at = datetime.now(UTC)
            self._origin, self._latest_s = awake_s(), 0.0
        if self._enabled:
            self._probes = self._probes or HostReaders()
            due_s = self.due_s if self.state.total_files else None
            self._sampler = Sampler(self._probes, self._interval_s, self._add_reading, self._now, due_s)
            if why := self._sampler.start():
                self.state.warnings.append(f"CPU, memory and I/O are read once, at the end of the run: {why}.")
                _log.warning("%s", self.state.warnings[-1])
        return self

    def stop(self) -> None:
        """Take a last sample and stop; calling it again does nothing."""
        if not self.running:
            return
        if self._sampler is not None:
            self._sampler.stop()
        self._ended_s = self._now()
        self.running = False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    def due_s(self) -> float:
        """Seconds until the next sample: some within each file, so that a run of short files has curves as well.

        Before the first file has ended, files are as long as the run has lasted, at least.
        """
        with self._guard:
            took = self.state.took[-LAST_FILES:]
            typical_s = sum(seconds for _, seconds in took) / len(took) if took else self.state.now_s
        return max(typical_s / SAMPLES_A_FILE, LEAST_S)

    def _now(self) -> float:
        """Seconds since the run began."""
        self._latest_s = onward(self._latest_s, awake_s() - self._origin)
        return self._latest_s

    @property
    def wall_s(self) -> float:
        """Seconds from the start until the stop, or until now."""
        return self._now() if self.running else self._ended_s

    # -- fed by the engine and by the sampling thread

    def expect(
        self,
        tasks: Iterable[Task],
        *,
        cap_percent: float = 0.0,
        seats: int = 0,
        threads_per_process: int = 0,
        ceiling: int = 0,
    ) -> None:
        """Say before a run what is to be done, so that empty slots can be explained.

        Args:
            tasks: what the engine is given.
            cap_percent: `memory.max_usage_percent`; 0: not known.
            seats: files at once that the licence seats allow; 0: no limit known.
            threads_per_process: worker threads in each worker process; 0: workers are no processes.
            ceiling: files at once that the run looks for its count below; 0: it does not look.
        """
        with self._guard:
            state = self.state
            state.expect(tasks)
            state.cap_percent, state.seats, state.ceiling = cap_percent, seats, ceiling
            state.threads_per_process = threads_per_process

    def listener(self, event: RunEvent) -> None:
        """Take in one event of the engine; cheap, callable from any thread."""
        with self._guard:
            if event.kind == "run_started":
                self._origin, self._latest_s = awake_s() - event.at_s, event.at_s
            self.state.apply(event)
            if event.kind not in QUIET_EVENTS:
                self.events.append(event)

    def add_outcome(self, outcome: FileOutcome) -> None:
        """Take in what became of one file; a file that was done again replaces its earlier numbers."""
        key = (outcome.batch, outcome.index)
        with self._guard:
            self._outcomes[key] = outcome
            if outcome.worked_on:
                self._worked[key] = outcome
                self._add_to_series(key, outcome)

    @property
    def outcomes(self) -> tuple[FileOutcome, ...]:
        """The outcomes handed in so far, the last of each file, in input order."""
        with self._guard:
            return tuple(sorted(self._outcomes.values(), key=lambda outcome: (outcome.batch, outcome.index)))

    def _add_to_series(self, key: tuple[str, int], outcome: FileOutcome) -> None:
        """Write a file's two numbers into the series, over those of its earlier attempt."""
        times, waits = self.metrics["file_processing_times"], self.metrics["io_wait_time"]
        at, wait_at = self._places.get(key, (len(times), len(waits)))
        times[at : at + 1] = [outcome.busy_s]
        waited = self._io_wait_percent(outcome)
        if waited is not None:
            waits[wait_at : wait_at + 1] = [waited]
        self._places[key] = at, wait_at

    def _io_wait_percent(self, outcome: FileOutcome) -> float | None:
        gil, host = GilUse(), 0.0
        if self._sampler is not None:
            gil = self._sampler.gil_between(outcome.started_s, outcome.finished_s)
            host = self._sampler.host_cpu_between(outcome.started_s, outcome.finished_s)
        during = [sample for sample in self.samples[-NEWEST:] if outcome.started_s <= sample.at_s]
        if not facts_of(self.state.executor).in_process:
            gil = GilUse(bottlenecks.mean([sample.lock_taken for sample in during[:50]]) or 0.0)
        own = bottlenecks.mean([sample.cpu_percent for sample in during]) or 0.0
        return file_costs.io_wait_percent(outcome, gil, cores_taken(max(own, host)))

    def _add_reading(self, reading: HostReading) -> None:
        """Turn what was read into a sample and three of the series; on the sampling thread."""
        with self._guard:
            self.state.advance(reading.rates.at_s)
            self._dll_waited_s += reading.dll_waited_s
            self._dll_served_s += reading.dll_served_s
            sample = SeriesPoint(
                **asdict(reading.rates),
                lock_taken=self._lock_taken(reading),
                busy_workers=len(self.state.running),
                limit=self.state.limit,
                efficiency=self._efficiency(),
            )
            self.samples.append(sample)
            self.metrics["cpu_utilization"].append(sample.cpu_percent)
            self.metrics["memory_usage"].append(sample.memory_percent)
            if sample.efficiency is not None:
                self.metrics["thread_efficiency"].append(sample.efficiency)

    def _lock_taken(self, reading: HostReading) -> float:
        """Share of the time the workers' interpreter lock was held; a worker process's is judged by its CPU use."""
        if facts_of(self.state.executor).in_process:
            return reading.gil.held
        if self.state.threads_per_process <= 1:
            return 0.0
        return bottlenecks.mean([cores_taken(100.0 * cpus) for cpus in reading.cpus_used[1:]]) or 0.0

    def _efficiency(self) -> float | None:
        """Busy worker seconds / (limit x wall) since the sample before."""
        now = (self.state.busy_s, self.state.capacity_s)
        busy, capacity = (after - before for after, before in zip(now, self._efficiency_before, strict=True))
        self._efficiency_before = now
        return min(busy / capacity, 1.0) if capacity > 0 else None

    # -- asked by the user

    def analyze_bottlenecks(self) -> Bottleneck:
        """What holds the batch back, in the order DLL, I/O, CPU, memory; `BALANCED` where nothing was measured."""
        held = bottlenecks.share_of(self.state.idle_s.get(WaitReason.MEMORY, 0.0), self.state.capacity_s)
        serialised = self.evidence().bound is Bound.DLL
        return bottlenecks.bottleneck_of(self.metrics, self.io_wait_threshold, held, serialised=serialised)

    def explain(self) -> str:
        """The verdict with its reason, evidence and advice in words; also what the verdicts do not say."""
        return bottlenecks.explanation(self.analyze_bottlenecks(), self.evidence())

    def evidence(self) -> Evidence:
        """What was measured so far, as the analysis takes it."""
        with self._guard:
            state, files = self.state, list(self._worked.values())
            averages = {name: bottlenecks.mean(values) for name, values in self.metrics.items()}
            return Evidence(
                io_wait_percent=averages["io_wait_time"],
                cpu_percent=averages["cpu_utilization"],
                memory_percent=averages["memory_usage"],
                host_cpu_percent=bottlenecks.mean([sample.host_cpu_percent for sample in self.samples]),
                io_threshold=self.io_wait_threshold,
                efficiency=averages["thread_efficiency"],
                cpus=self._probes.cpus if self._probes else allowed_cpus(),
                wall_s=self.wall_s,
                busy_s=sum(file.busy_s for file in files),
                cpu_s=sum(file.cpu_s for file in files),
                extract_idle_s=sum(file.idle_s(Phase.EXTRACT) for file in files),
                lock_taken=bottlenecks.mean([sample.lock_taken for sample in self.samples]) or 0.0,
                dll_waited=min(1.0, bottlenecks.share_of(self._dll_waited_s, state.busy_s)),
                dll_taken=bottlenecks.share_of(self._dll_served_s, self.wall_s),
                executor=state.executor,
                executor_why=state.executor_why,
                threads_per_process=state.threads_per_process,
                processes_save=state.processes_save,
                ceiling=state.ceiling,
                limit=max((limit for _, limit, _ in state.limits), default=0),
                capacity_s=state.capacity_s,
                idle_s=dict(state.idle_s),
                idle_wall_s=dict(state.idle_wall_s),
                seats=state.seats,
                seats_full_s=state.seats_full_s,
                longest_s=max((file.busy_s for file in files), default=0.0),
                files=len(files),
            )

    def record(self, **more: Any) -> RunRecord:
        """What goes into the metrics: what was measured, with whatever else the caller knows (fields of `RunRecord`).

        A given `batch` takes that batch's outcomes alone; several batches of one call share the rest.
        """
        state, batch = self.state, more.get("batch")
        outcomes = [outcome for outcome in self.outcomes if batch is None or outcome.batch == batch]
        names = {outcome.batch for outcome in outcomes}
        known: dict[str, Any] = {
            "batch": batch or (names.pop() if len(names) == 1 else ""),
            "outcomes": outcomes,
            "series": {name: list(values) for name, values in self.metrics.items()},
            "samples": list(self.samples),
            "events": list(self.events),
            "evidence": self.evidence(),
            "bottleneck": self.analyze_bottlenecks(),
            "limits": list(state.limits),
            "started_at": self.started_at,
            "wall_s": self.wall_s,
            "state": "running" if self.running and not state.interrupted else state.ending,
            "warnings": list(state.warnings),
            "executor_why": state.executor_why,
        }
        return RunRecord(**(known | more))

    def export(self, path: Path | str | None = None) -> Path:
        """Write what was measured as metrics JSON and return where it is.

        Args:
            path: the file; None: `monitoring.metrics_file` of the settings, in the current folder.

        Raises:
            OutputError: the file cannot be written.
        """
        target = Path(path) if path is not None else self._file
        write_metrics(target, build_metrics(self.record()))
        return target
