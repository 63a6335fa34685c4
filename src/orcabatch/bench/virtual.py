"""The virtual host: the engine's own scheduler over modelled hosts, in virtual time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orcabatch.bench.plant import Plant
from orcabatch.engine.contract import Task
from orcabatch.engine.scheduler import Scheduler
from orcabatch.engine.signals import (
    CollectGarbage,
    Event,
    Finished,
    GiveUp,
    Limits,
    LimitSet,
    Offered,
    Sampled,
    Start,
    Wake,
    Woken,
)

if TYPE_CHECKING:
    from orcabatch.bench.cases import Case

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class VirtualRun:
    makespan_s: float
    peak_bytes: int
    limits: tuple[tuple[float, int, str], ...]
    events: int
    mean_running: float = 0.0


def tier_of(size_bytes: int) -> str:
    return "small" if size_bytes < 100 * MB else "medium" if size_bytes < 500 * MB else "large"


def tasks_of(case: Case) -> list[Task]:
    return [
        Task(
            index,
            Path(f"/virtual/{index}.sim"),
            ("virtual",),
            file.size_bytes,
            int(file.size_bytes * 1.5),
            float(file.size_bytes),
            tier_of(file.size_bytes),
        )
        for index, file in enumerate(case.files)
    ]


def limits_of(case: Case, **changes: object) -> Limits:
    return Limits(
        tiers=dict(case.tiers),
        max_limit=min(case.max_limit, len(case.files)),
        memory_total_bytes=case.host.ram_bytes,
        max_usage_percent=case.max_usage_percent,
        cpus=case.host.cores,
        **changes,
    )


def simulate(case: Case, limits: Limits, *, listen: Callable[[Event, list], None] | None = None) -> VirtualRun:
    plant = Plant(case.host, case.files, changes=case.changes, noise=case.noise, coarse=case.coarse, seed=case.seed)
    scheduler = Scheduler(tasks_of(case), limits)
    log = []
    wake = math.inf
    next_sample = 0.0
    events = 0
    area = 0.0

    def tell(event: Event) -> None:
        nonlocal wake, events
        events += 1
        answers = scheduler.step(event)
        if listen:
            listen(event, answers)
        for answer in answers:
            if isinstance(answer, Start):
                plant.start(answer.index)
            elif isinstance(answer, Wake):
                wake = answer.at_s
            elif isinstance(answer, LimitSet):
                log.append((plant.now_s, answer.limit, answer.reason))

    tell(Sampled(0.0, plant.sample(case.reading_noise)))
    next_sample = scheduler.sample_interval_s
    for index in range(len(case.files)):
        tell(Offered(0.0, index))
    while not scheduler.done:
        step = min(plant.next_in(), max(0.0, wake - plant.now_s), next_sample - plant.now_s)
        area += step * len(scheduler.running)
        done = plant.advance(step)
        for d in done:
            tell(
                Finished(
                    plant.now_s,
                    d.index,
                    "done",
                    wall_s=d.wall_s,
                    phases=d.phases,
                    memory_bytes=d.memory_bytes,
                    size_bytes=case.files[d.index].size_bytes,
                )
            )
        if plant.now_s >= next_sample - 1e-9:
            next_sample = plant.now_s + scheduler.sample_interval_s
            tell(Sampled(plant.now_s, plant.sample(case.reading_noise)))
        if plant.now_s >= wake - 1e-9:
            wake = math.inf
            tell(Woken(plant.now_s))
    return VirtualRun(plant.now_s, plant.peak_bytes, tuple(log), events, area / plant.now_s)
