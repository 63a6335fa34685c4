"""A host in virtual time: what files cost there, and what they do to each other.

Covers the physics only: shared disks, cores, the GIL, a DLL's one lock, waiting, memory, other programs. Knows nothing
of the controllers, and its laws are not theirs: every resource serves its jobs at once at equal rates (processor
sharing), with losses that depend on how many there are, but for the DLL's lock, which serves them one after the other;
the controllers see only what the engine's sampler could see of a real host. See also `benchmarks.virtual` (the driver)
and `benchmarks.cases` (which hosts and workloads).
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from orcabatch.engine.occupancy import AFTER, LOADING, Occupancy, Stays
from orcabatch.engine.scheduler_messages import Sample

NOISE_EVERY_S = 2.0
"""How often the disk's speed is drawn anew."""

DISK, CORES, GIL, LATENCY, LOCK = range(5)
LOAD, EXTRACT, WRITE = "load", "extract", "write"

SHORT_CALL_S = 0.0005
"""A call into the DLL before and after a file is read, where the DLL has one lock."""


@dataclass(frozen=True, slots=True)
class HostModel:
    """A modelled host.

    Attributes:
        cores: that serve native work.
        ram_bytes: total; `base_bytes` of it are other programs' from the start.
        disk_bps: bandwidth with one sequential reader that could take all of it.
        stream_bps: most that one reader gets.
        seek_loss: what each further reader costs: the total is disk_bps / (1 + seek_loss (k - free)^0.8).
        free_readers: readers that do not disturb each other.
        disk_floor: share of the bandwidth that is left however many read.
        core_loss: how much each further busy core slows the others (memory bandwidth, clock).
        gil_loss: hand-over loss per waiting thread (at most 24 of them count).
    """

    name: str
    cores: int
    ram_bytes: int
    disk_bps: float
    stream_bps: float
    seek_loss: float = 0.0
    free_readers: int = 1
    disk_floor: float = 0.2
    core_loss: float = 0.0
    gil_loss: float = 0.1
    base_bytes: int = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FileModel:
    """What one file costs on an idle host.

    Attributes:
        size_bytes: read while loading.
        open_s: latency before the first byte.
        native_s: seconds of a core without the GIL; `gil_s`: seconds holding the GIL; `wait_s`: seconds of latency.
            All three are spent while extracting, in `rounds` equal turns, and so is `lock_s`: seconds in calls that a
            DLL with one lock for everything lets in one at a time. Loading makes short calls into such a DLL.
        write_bytes: written at the end.
        memory_bytes: of the loaded model (grows while loading).
    """

    size_bytes: int
    open_s: float
    native_s: float
    gil_s: float
    wait_s: float
    write_bytes: int
    memory_bytes: int
    rounds: int = 2
    lock_s: float = 0.0

    def stages(self) -> tuple[tuple[str, int, float], ...]:
        """(phase, resource, amount) in order; empty stages are left out."""
        turn = ((CORES, self.native_s), (GIL, self.gil_s), (LOCK, self.lock_s), (LATENCY, self.wait_s))
        extract = [(EXTRACT, kind, amount / self.rounds) for _ in range(self.rounds) for kind, amount in turn]
        call = (LOAD, LOCK, SHORT_CALL_S if self.lock_s else 0.0)
        steps = [call, (LOAD, LATENCY, self.open_s), (LOAD, DISK, float(self.size_bytes)), call, *extract]
        return tuple(step for step in (*steps, (WRITE, DISK, float(self.write_bytes))) if step[2] > 0)

    def alone_s(self, host: HostModel) -> float:
        """Seconds when nothing else runs."""
        disk = (self.size_bytes + self.write_bytes) / min(host.disk_bps, host.stream_bps)
        return self.open_s + disk + self.native_s + self.gil_s + self.lock_s + self.wait_s


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happens to the host.

    From `at_s` on the disk runs at `disk` times its speed, other programs hold `other_bytes` more than at first, and
    files go to so many `processes`, each with a GIL of its own (those that threads have as well).
    """

    at_s: float
    disk: float = 1.0
    other_bytes: int = 0
    processes: int = 1


def _no_contention(jobs: int) -> float:
    return 1.0


@dataclass(slots=True)
class _Resource:
    """Jobs served at once at equal rates. `level` is the service each has had since the resource began."""

    rate: Callable[[int], float]
    level: float = 0.0
    jobs: list[tuple[float, int]] = field(default_factory=list)

    def add(self, index: int, amount: float) -> float:
        end = self.level + amount
        heapq.heappush(self.jobs, (end, index))
        return end

    def next_in(self) -> float:
        if not self.jobs:
            return math.inf
        return max(0.0, self.jobs[0][0] - self.level) / self.rate(len(self.jobs))

    def advance(self, seconds: float) -> None:
        if self.jobs:
            self.level += seconds * self.rate(len(self.jobs))

    def take_ended(self) -> list[int]:
        ended = []
        while self.jobs and self.jobs[0][0] <= self.level * (1 + 1e-12) + 1e-9:
            ended.append(heapq.heappop(self.jobs)[1])
        return ended


class _OneAtATime(_Resource):
    """Jobs served one after the other, in the order in which they came."""

    def add(self, index: int, amount: float) -> float:
        end = max([self.level, *(end for end, _ in self.jobs)]) + amount
        heapq.heappush(self.jobs, (end, index))
        return end


@dataclass(slots=True)
class _Run:
    """One file that runs: where it stands, and since when."""

    stages: tuple[tuple[str, int, float], ...]
    size: int
    memory: int
    behind: tuple[float, ...]
    extract_s: float
    position: int = 0
    end_level: float = 0.0
    started_s: float = 0.0
    phase_since_s: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """A file that came back."""

    index: int
    wall_s: float
    phases: dict[str, float]
    memory_bytes: int
    stays: Stays


class Setting(Protocol):
    """What the plant needs of a case, see `benchmarks.cases.Case`."""

    @property
    def host(self) -> HostModel: ...  # noqa: D102 - as in Case
    @property
    def files(self) -> tuple[FileModel, ...]: ...  # noqa: D102
    @property
    def changes(self) -> tuple[Change, ...]: ...  # noqa: D102
    @property
    def noise(self) -> float: ...  # noqa: D102
    @property
    def coarse(self) -> bool: ...  # noqa: D102
    @property
    def lock_seen(self) -> bool: ...  # noqa: D102
    @property
    def skew(self) -> float: ...  # noqa: D102
    @property
    def phases_only(self) -> bool: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


class Plant:
    """The host at work. Time moves only by `advance`.

    Args:
        case: host, files, changes, and how well one can see (`benchmarks.cases.Case`).
    """

    def __init__(self, case: Setting) -> None:
        self.host, self.files, self.now_s, self._case = case.host, case.files, 0.0, case
        self._changes = list(case.changes)
        self._random = random.Random(case.seed)  # noqa: S311 - noise, not a secret
        self._disk_now, self._jitter, self._noise_at = 1.0, 1.0, 0.0 if case.noise else math.inf
        self.other_bytes, self.peak_bytes = case.host.base_bytes, 0
        self.processes = 1
        self._runs: dict[int, _Run] = {}
        self._occupancy = Occupancy()
        self._work_loaded = self._work_extracted = self._work_ended = 0.0
        self._cpu_s = self._cpu_seen_s = self._sampled_s = 0.0
        self._gil_s = self._gil_seen_s = self._waited_s = 0.0
        self._served_s = self._files_s = 0.0
        self._quickest: dict[str | int, float] = {}
        self._resources = (
            _Resource(self._disk_rate),
            _Resource(self._core_rate),
            _Resource(self._gil_rate),
            _Resource(_no_contention),
            _OneAtATime(_no_contention),
        )

    # --- the laws -----------------------------------------------------------------------------------------------

    def _disk_rate(self, readers: int) -> float:
        host = self.host
        crowd = max(0, readers - host.free_readers)
        share = max(host.disk_floor, 1.0 / (1.0 + host.seek_loss * crowd**0.8))
        rate = min(host.stream_bps, host.disk_bps * share / readers) * self._disk_now * self._jitter
        return float(rate)

    def _core_rate(self, busy: int) -> float:
        cores = max(1.0, float(self.host.cores - self._gils()))
        crowd = max(0.0, busy / cores - 1.0)
        return min(1.0, cores / busy) / (1 + self.host.core_loss * (min(busy, cores) - 1)) / (1 + 0.03 * min(crowd, 4))

    def _gil_rate(self, threads: int) -> float:
        each = max(1.0, threads / self.processes)
        return 1.0 / (each * (1.0 + self.host.gil_loss * min(each - 1, 24)))

    def _gils(self) -> int:
        """How many are held now."""
        return min(len(self._resources[GIL].jobs), self.processes)

    # --- time ---------------------------------------------------------------------------------------------------

    def next_in(self) -> float:
        """Seconds until something happens by itself."""
        own = min(resource.next_in() for resource in self._resources)
        change = self._changes[0].at_s if self._changes else math.inf
        return max(0.0, min(own, change - self.now_s, self._noise_at - self.now_s))

    def advance(self, seconds: float) -> list[Done]:
        """Let time pass, at most `next_in()`; the files that came back."""
        busy = min(self.host.cores, len(self._resources[CORES].jobs)) + self._gils()
        self._cpu_s += seconds * min(self.host.cores, busy)
        self._gil_s += seconds * self._gils() / self.processes
        self._waited_s += seconds * max(0, len(self._resources[LOCK].jobs) - 1)
        self._served_s += seconds if self._resources[LOCK].jobs else 0.0
        for resource in self._resources:
            resource.advance(seconds)
        self.now_s += seconds
        self._happen()
        ended = [index for resource in self._resources for index in resource.take_ended()]
        return [done for index in ended if (done := self._next_stage(index))]

    def _happen(self) -> None:
        while self._changes and self._changes[0].at_s <= self.now_s + 1e-9:
            change = self._changes.pop(0)
            self._disk_now, self.other_bytes = change.disk, self.host.base_bytes + change.other_bytes
            self.processes = change.processes
        if self._noise_at <= self.now_s + 1e-9:
            self._noise_at = self.now_s + NOISE_EVERY_S
            self._jitter = math.exp(self._random.gauss(0.0, self._case.noise))

    def start(self, index: int) -> None:
        """Begin a file now."""
        file = self.files[index]
        stages = file.stages()
        amounts = [amount if phase == EXTRACT else 0.0 for phase, _, amount in stages]
        behind = tuple(accumulate(amounts, initial=0.0))
        run = _Run(stages, file.size_bytes, file.memory_bytes, behind, sum(amounts))
        run.started_s = run.phase_since_s = self.now_s
        self._runs[index] = run
        self._occupancy.enter(index, LOADING, self.now_s)
        self._enter(index, run)

    def _enter(self, index: int, run: _Run) -> None:
        _, kind, amount = run.stages[run.position]
        run.end_level = self._resources[kind].add(index, amount)

    def _next_stage(self, index: int) -> Done | None:
        run = self._runs[index]
        before, kind, amount = run.stages[run.position]
        if before == EXTRACT and kind in {CORES, LATENCY}:
            self._served_s += self._as_quickest(kind, amount)
        if run.position + 1 == len(run.stages):
            self._peak()
        run.position += 1
        after = run.stages[run.position][0] if run.position < len(run.stages) else ""
        if after != before:
            run.phases[before] = self.now_s - run.phase_since_s
            run.phase_since_s = self.now_s
            if before == LOAD:
                self._occupancy.enter(index, AFTER, self.now_s)
                self._files_s += self._as_quickest(before, run.phases[before])
            self._work_loaded += run.size if before == LOAD else 0
            self._work_extracted += run.size if before == EXTRACT else 0
        if after:
            self._enter(index, run)
            return None
        del self._runs[index]
        self._work_ended += run.size
        return Done(index, self.now_s - run.started_s, run.phases, run.memory, self._occupancy.end(index, self.now_s))

    def _as_quickest(self, call: str | int, seconds: float) -> float:
        """What a call counts for, as in the engine's measure: alone it would take what the quickest like it took."""
        self._quickest[call] = min(seconds, self._quickest.get(call, math.inf))
        return self._quickest[call]

    # --- what can be seen ---------------------------------------------------------------------------------------

    def _share(self, run: _Run) -> tuple[float, float]:
        """Shares of loading and extracting that are behind a file."""
        phase, kind, amount = run.stages[run.position]
        part = max(
            0.0, 1.0 - (run.end_level - self._resources[kind].level) / amount
        )  # one that waits its turn has none
        if phase == LOAD:
            return (part if kind == DISK else 0.0), 0.0
        if phase == WRITE:
            return 1.0, 1.0
        if self._case.coarse:
            return 1.0, 0.0
        behind = run.behind[run.position] + part * amount
        return 1.0, (behind / run.extract_s) ** self._case.skew

    def own_bytes(self) -> int:
        """Memory that this batch holds now."""
        return sum(int(run.memory * max(0.05, self._loaded_share(run))) for run in self._runs.values())

    def _loaded_share(self, run: _Run) -> float:
        phase, kind, amount = run.stages[run.position]
        if phase != LOAD:
            return 1.0
        return 1.0 - (run.end_level - self._resources[kind].level) / amount if kind == DISK else 0.0

    def _peak(self) -> None:
        self.peak_bytes = max(self.peak_bytes, self.own_bytes())

    def sample(self, reading_noise: float) -> Sample:
        """What the engine's sampler would see now; `reading_noise` is its relative error."""
        loaded, extracted = self._work_loaded, self._work_extracted
        counts = {LOAD: 0, EXTRACT: 0, WRITE: 0}
        for run in self._runs.values():
            phase = run.stages[run.position][0]
            counts[phase] += 1
            part_loaded, part_extracted = self._share(run)
            loaded += run.size * part_loaded if phase == LOAD else 0.0
            extracted += run.size * part_extracted if phase == EXTRACT else 0.0
        read = math.ceil(loaded)
        if self._case.phases_only:
            loaded, extracted = self._work_loaded, self._work_ended
        own = self.own_bytes()
        self.peak_bytes = max(self.peak_bytes, own)
        cpu = 100 * (self._cpu_s - self._cpu_seen_s) / max(1e-9, self.now_s - self._sampled_s) / self.host.cores
        taken = (self._gil_s - self._gil_seen_s) / max(1e-9, self.now_s - self._sampled_s)
        taken = min(1.0, taken * math.exp(self._random.gauss(0.0, reading_noise)))
        self._cpu_seen_s, self._sampled_s, self._gil_seen_s = self._cpu_s, self.now_s, self._gil_s
        return Sample(
            total_bytes=self.host.ram_bytes,
            available_bytes=max(0, self.host.ram_bytes - self.other_bytes - own),
            own_bytes=own,
            cpu_percent=min(100.0, cpu * math.exp(self._random.gauss(0.0, reading_noise))),
            read_bytes=read,
            work=(loaded + extracted) / 2,
            work_loaded=loaded,
            work_extracted=extracted,
            loading=counts[LOAD],
            extracting=counts[EXTRACT],
            writing=counts[WRITE],
            gil_taken=taken if self._case.lock_seen else None,
            calls_s=self._served_s + self._files_s,
            served_s=self._served_s,
            waited_s=self._waited_s,
        )
