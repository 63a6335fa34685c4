"""The virtual host: the engine's own scheduler over modelled hosts, in virtual time.

Covers one run (`simulate`), the comparison of an adaptive run with every fixed count and with the specification's
static tiers (`run_suite`), and longest-first with backfill against the lower bound (`run_packing`). Does not cover the
physics (`benchmarks.plant`) nor what is drawn (`benchmarks.cases`). Returns values and Markdown.

Every figure from here is *projected*: no host of this size was measured.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from benchmarks.cases import GB, MB, Case, draw, held_out_cases, tuning_cases
from benchmarks.plant import Done, FileModel, HostModel, Plant
from orcabatch.engine.contract import Task
from orcabatch.engine.limits import ORCAFLEX_OVERHEAD, Limits
from orcabatch.engine.scheduler import Scheduler
from orcabatch.engine.scheduler_messages import (
    Event,
    Instruction,
    LimitSet,
    Moved,
    Offered,
    Sampled,
    Start,
    TaskFinished,
    Wake,
    Woken,
)
from orcabatch.plan import TIERS, BatchOptimizer, SizedFile
from orcabatch.plan.predict import longest_first

SAMPLES_SKIPPED = 4
"""Runs that do not adapt need samples for memory alone: every fourth is enough, and saves most of the time."""

Listen = Callable[[Event, list[Instruction]], None]


@dataclass(frozen=True, slots=True)
class VirtualRun:
    """What a run in virtual time came to.

    Attributes:
        makespan_s: virtual seconds until the last file was done.
        peak_bytes: most that the batch itself held.
        over_cap_s: virtual seconds with everybody's memory above the cap.
        decisions: (time, limit, reason) of every change of the limit.
        finished: indices in the order in which they ended.
        mean_running: files at once, on average; `events`: how many the scheduler was told.
    """

    makespan_s: float
    peak_bytes: int
    over_cap_s: float
    decisions: tuple[tuple[float, int, str], ...]
    finished: tuple[int, ...]
    mean_running: float
    events: int


def tasks_of(case: Case, overhead: float = ORCAFLEX_OVERHEAD) -> list[Task]:
    """The case's files as tasks, predicted from their sizes alone."""
    tasks = [
        Task(
            index,
            Path(f"/virtual/{index:04d}.sim"),
            ("virtual",),
            size_bytes=file.size_bytes,
            memory_bytes=file.memory_bytes if case.known_memory else int(file.size_bytes * overhead),
            tier=tier,
        )
        for index, (file, tier) in enumerate(zip(case.files, _tiers(case.files), strict=True))
    ]
    return ranked(tasks, [float(task.size_bytes) for task in tasks])


def ranked(tasks: Sequence[Task], costs: Sequence[float]) -> list[Task]:
    """The tasks with their ranks, as a plan would give them for these costs."""
    items = [(task.index, cost, task.file) for task, cost in zip(tasks, costs, strict=True)]
    places = {index: place for place, index in enumerate(longest_first(items))}
    return [replace(task, rank=places[task.index]) for task in tasks]


def _tiers(files: Sequence[FileModel]) -> list[str]:
    """The specification's tier of each file."""
    sized = [SizedFile(Path(str(index)), file.size_bytes) for index, file in enumerate(files)]
    groups = zip(TIERS, BatchOptimizer().group_by_size(sized), strict=True)
    named = {file.path: tier for tier, group in groups for file in group}
    return [named[file.path] for file in sized]


def limits_of(case: Case) -> Limits:
    """The hard limits of the case; adaptive."""
    return Limits(
        tiers=dict(case.tiers),
        max_limit=min(case.max_limit, len(case.files)),
        memory_total_bytes=case.host.ram_bytes,
        max_usage_percent=case.max_usage_percent,
        cpus=case.host.cores,
    )


@dataclass(slots=True)
class _Driver:
    """The dispatcher's part in virtual time: feeds the scheduler and obeys it."""

    case: Case
    plant: Plant
    scheduler: Scheduler
    listen: Listen | None
    patience: int = 1
    wake_s: float = math.inf
    sample_s: float = 0.0
    events: int = 0
    file_seconds: float = 0.0
    over_cap_s: float = 0.0
    decisions: list[tuple[float, int, str]] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        self.events += 1
        instructions = self.scheduler.step(event)
        if self.listen:
            self.listen(event, instructions)
        for instruction in instructions:
            match instruction:
                case Start(index):
                    self.plant.start(index)
                case Wake(at_s):
                    self.wake_s = at_s
                case LimitSet(limit, reason):
                    self.decisions.append((self.plant.now_s, limit, reason))
                case _:
                    pass

    def sample(self) -> None:
        now_s, sample = self.plant.now_s, self.plant.sample(self.case.reading_noise)
        cap = self.case.host.ram_bytes * self.case.max_usage_percent / 100
        if sample.total_bytes - sample.available_bytes > cap:
            self.over_cap_s += self.scheduler.sample_interval_s * self.patience
        self.sample_s = now_s + self.scheduler.sample_interval_s * self.patience
        self.tell(Sampled(now_s, sample))

    def turn(self) -> None:
        now_s = self.plant.now_s
        step = max(0.0, min(self.plant.next_in(), self.wake_s - now_s, self.sample_s - now_s))
        self.file_seconds += step * len(self.scheduler.running)
        processes = self.plant.processes
        for done in self.plant.advance(step):
            self.end(done)
        if self.plant.processes != processes:
            self.tell(Moved(self.plant.now_s, self.plant.processes))
        if self.plant.now_s >= self.sample_s - 1e-9:
            self.sample()
        if self.plant.now_s >= self.wake_s - 1e-9:
            self.wake_s = math.inf
            self.tell(Woken(self.plant.now_s))

    def end(self, done: Done) -> None:
        self.finished.append(done.index)
        self.tell(
            TaskFinished(
                self.plant.now_s,
                done.index,
                wall_s=done.wall_s,
                phases=done.phases,
                stays=done.stays,
                memory_bytes=done.memory_bytes,
                size_bytes=self.case.files[done.index].size_bytes,
            )
        )


def simulate(
    case: Case, limits: Limits, *, tasks: Sequence[Task] | None = None, listen: Listen | None = None
) -> VirtualRun:
    """Run a case to its end.

    Args:
        case: host and files.
        limits: see `limits_of`.
        tasks: other predictions than those from the sizes.
        listen: gets every event and what the scheduler answered.
    """
    plant = Plant(case)
    adaptive = limits.mode == "dynamic" and limits.fixed_limit is None
    patience = 1 if adaptive else SAMPLES_SKIPPED
    driver = _Driver(case, plant, Scheduler(tasks or tasks_of(case), limits), listen, patience)
    driver.sample()
    for index in range(len(case.files)):
        driver.tell(Offered(0.0, index))
    while not driver.scheduler.done:
        driver.turn()
    mean = driver.file_seconds / plant.now_s if plant.now_s else 0.0
    return VirtualRun(
        plant.now_s,
        plant.peak_bytes,
        driver.over_cap_s,
        tuple(driver.decisions),
        tuple(driver.finished),
        mean,
        driver.events,
    )


# --- against every fixed count --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case: adaptive against the best fixed count and against the specification's static tiers (seconds)."""

    name: str
    files: int
    held_out: bool
    best_count: int
    best_s: float
    adaptive_s: float
    static_s: float
    own_peak_percent: float
    last_limit: int

    @property
    def regret(self) -> float:
        """Adaptive time over the best fixed count's."""
        return self.adaptive_s / self.best_s

    @property
    def versus_static(self) -> float:
        """Adaptive time over the static tiers'."""
        return self.adaptive_s / self.static_s


@dataclass(frozen=True, slots=True)
class Summary:
    """Median and worst of both ratios over some cases."""

    cases: int
    median_regret: float
    worst_regret: float
    median_static: float
    worst_static: float


def summarise(results: Sequence[CaseResult]) -> Summary:
    """The figures that are judged. Raises StatisticsError without results."""
    regrets, statics = [each.regret for each in results], [each.versus_static for each in results]
    return Summary(len(results), median(regrets), max(regrets), median(statics), max(statics))


def run_case(case: Case, *, counts: Iterable[int] | None = None, held_out: bool = False) -> CaseResult:
    """Run a case adaptively, with static tiers, and with every fixed count (or those given)."""
    limits = limits_of(case)
    tried = {
        count: simulate(case, replace(limits, fixed_limit=count)).makespan_s
        for count in counts or range(1, limits.max_limit + 1)
        if count <= limits.max_limit
    }
    best = min(tried, key=lambda count: (tried[count], count))
    adaptive = simulate(case, limits)
    static = simulate(case, replace(limits, mode="static"))
    return CaseResult(
        case.name,
        len(case.files),
        held_out,
        best,
        tried[best],
        adaptive.makespan_s,
        static.makespan_s,
        100 * adaptive.peak_bytes / case.host.ram_bytes,
        adaptive.decisions[-1][1] if adaptive.decisions else 0,
    )


def run_suite(
    tuning: Sequence[Case] | None = None,
    held_out: Sequence[Case] | None = None,
    *,
    counts: Iterable[int] | None = None,
    on_result: Callable[[CaseResult], None] | None = None,
) -> list[CaseResult]:
    """Run the suite; all cases and all fixed counts unless told otherwise (minutes)."""
    tried = None if counts is None else tuple(counts)
    results = []
    for kept, cases in ((False, tuning_cases()), (True, held_out_cases())):
        given = held_out if kept else tuning
        for case in cases if given is None else given:
            results.append(run_case(case, counts=tried, held_out=kept))
            if on_result:
                on_result(results[-1])
    return results


def suite_table(results: Sequence[CaseResult]) -> str:
    """The suite as Markdown, the summaries first."""
    lines = ["| cases | n | median / best fixed | worst | median / static tiers | worst |", "|---|---|---|---|---|---|"]
    for name, kept in (("tuning", False), ("held out", True)):
        some = [each for each in results if each.held_out is kept]
        if some:
            total = summarise(some)
            lines.append(
                f"| {name} | {total.cases} | {total.median_regret:.3f} | {total.worst_regret:.3f} "
                f"| {total.median_static:.3f} | {total.worst_static:.3f} |"
            )
    lines += ["", "| case | files | best count | best s | adaptive s | / best | / static | own peak % |", "|---|" * 8]
    lines[-1] = "|---|---|---|---|---|---|---|---|"
    lines += [
        f"| {each.name} | {each.files} | {each.best_count} | {each.best_s:.0f} | {each.adaptive_s:.0f} "
        f"| {each.regret:.3f} | {each.versus_static:.3f} | {each.own_peak_percent:.0f} |"
        for each in sorted(results, key=lambda each: -each.regret)
    ]
    return "\n".join(lines) + "\n"


# --- against the lower bound ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PackingResult:
    """Longest-first with backfill at a fixed count, over the lower bound."""

    files: int
    count: int
    cap_bytes: int
    ratio: float


PACKING_CAPS = (0, 6 * GB, 12 * GB, 24 * GB)


def run_packing(seeds: Iterable[int] = range(10), counts: Iterable[int] = (8, 15, 30)) -> list[PackingResult]:
    """Files whose time does not depend on each other, known memory, fixed counts, with and without a memory cap."""
    return [
        _packed(seed, number, count, cap)
        for seed in seeds
        for number, count in ((60, 8), *((300, count) for count in counts))
        for cap in PACKING_CAPS
    ]


def _packed(seed: int, number: int, count: int, cap: int) -> PackingResult:
    chance = random.Random(f"packing/{seed}")  # noqa: S311 - a workload, not a secret
    sizes = [int(min(3 * GB, max(42 * MB, chance.lognormvariate(math.log(350 * MB), 1.0)))) for _ in range(number)]
    files = tuple(
        FileModel(size, 0.0, 0.0, 0.0, 60.0 * size / GB * chance.lognormvariate(0.0, 0.1), 0, int(1.4 * size), 1)
        for size in sizes
    )
    host = HostModel("packing", 64, cap * 2 or 4000 * GB, 1e15, 1e15, base_bytes=0)
    case = Case("packing", host, files, tiers=(), max_limit=count, max_usage_percent=50.0)
    tasks = [replace(task, memory_bytes=int(1.4 * task.size_bytes)) for task in tasks_of(case)]
    run = simulate(case, replace(limits_of(case), fixed_limit=count, gc_threshold_percent=50.0), tasks=tasks)
    times = [file.alone_s(host) for file in files]
    area = sum(time * file.memory_bytes for time, file in zip(times, files, strict=True)) / (host.ram_bytes / 2)
    return PackingResult(number, count, cap, run.makespan_s / max(*times, sum(times) / count, area))


def packing_table(results: Sequence[PackingResult]) -> str:
    """Median and worst ratio per cap and count, as Markdown."""
    lines = ["| files | count | memory cap GB | median / bound | worst |", "|---|---|---|---|---|"]
    for key in sorted({(each.files, each.count, each.cap_bytes) for each in results}):
        ratios = [each.ratio for each in results if (each.files, each.count, each.cap_bytes) == key]
        cap = f"{key[2] / GB:.0f}" if key[2] else "none"
        lines.append(f"| {key[0]} | {key[1]} | {cap} | {median(ratios):.3f} | {max(ratios):.3f} |")
    return "\n".join(lines) + "\n"


__all__ = [
    "CaseResult",
    "PackingResult",
    "Summary",
    "VirtualRun",
    "draw",
    "limits_of",
    "packing_table",
    "run_case",
    "run_packing",
    "run_suite",
    "simulate",
    "suite_table",
    "summarise",
    "tasks_of",
]
