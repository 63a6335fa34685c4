"""The count of files at once where they are short: let in by the DLL one at a time, or only waiting."""

from __future__ import annotations

import heapq
import random
from pathlib import Path

import pytest

from orcabatch.engine import concurrency
from orcabatch.engine.concurrency import Reading
from orcabatch.engine.contract import Task
from orcabatch.engine.limits import Limits
from orcabatch.engine.occupancy import AFTER, LOADING, Occupancy
from orcabatch.engine.scheduler import Scheduler
from orcabatch.engine.scheduler_messages import Offered, Sample, Sampled

SIZE = 1_000_000
MOST = 45
LOOK_S = 0.1


def counts(load_s: float, lock_s: float, files: int, *, alone_s: float = 0.0, spread: float = 0.1) -> list[int]:
    """The limit at each look at equal files: so long in loading, then in the DLL's one lock, then beside each other."""
    chance = random.Random(f"{load_s}/{lock_s}/{files}")
    state = concurrency.begin(Limits(max_limit=MOST), files, SIZE)
    limits, waiting, running = [], files, 0
    events: list[tuple[float, int, str]] = []  # when, number, what ended
    free_s = loaded = extracted = calls_s = 0.0
    loading, number, occupancy = 0, 0, Occupancy()
    heapq.heappush(events, (0.0, -1, "look"))
    while waiting or running:
        now_s, index, what = heapq.heappop(events)
        if what == "look":
            sample = Sample(
                cpu_percent=1.0, gil_taken=0.02, work=(loaded + extracted) / 2, work_loaded=loaded,
                work_extracted=extracted, loading=loading, extracting=running - loading, calls_s=calls_s,
            )  # fmt: skip
            limited = running >= state.limit
            state, _ = concurrency.observe(state, Reading(now_s, sample, running, waiting, limited, running * SIZE))
            limits.append(state.limit)
            heapq.heappush(events, (now_s + LOOK_S, -1, "look"))
        elif what == "load":
            loading, loaded, calls_s = loading - 1, loaded + SIZE, calls_s + load_s
            occupancy.enter(index, AFTER, now_s)
            free_s = max(free_s, now_s) + lock_s
            beside = alone_s * chance.uniform(1 - spread, 1 + spread)
            heapq.heappush(events, (free_s + beside, index, "rest"))
        else:
            running, extracted, calls_s = running - 1, extracted + SIZE, calls_s + lock_s + alone_s
            state = concurrency.finished(state, SIZE, occupancy.end(index, now_s))
        while waiting and running < state.limit:
            waiting, running, loading, number = waiting - 1, running + 1, loading + 1, number + 1
            occupancy.enter(number, LOADING, now_s)
            ends_s = now_s + load_s * chance.uniform(1 - spread, 1 + spread)
            heapq.heappush(events, (ends_s, number, "load"))
    return limits


@pytest.mark.parametrize(("load_s", "lock_s"), [(0.2, 0.1), (0.05, 0.1), (0.05, 0.05)])
def test_files_that_a_dll_lets_in_one_at_a_time_stay_few(load_s: float, lock_s: float) -> None:
    """In the second half of a batch hardly more are at work than the lock bears, and never nearly all that may be."""
    limits = counts(load_s, lock_s, 200)
    late = limits[len(limits) // 2 :]
    assert max(limits) <= MOST // 2
    assert sum(late) / len(late) <= 3 * max(4.0, 1 + load_s / lock_s)


@pytest.mark.parametrize("load_s", [0.1, 0.3])
def test_files_that_only_wait_get_as_many_as_may_be(load_s: float) -> None:
    """Short ones too: within a few of their times, and they are not reduced to a few by chance."""
    limits = counts(load_s, 0.0, 400, alone_s=0.02, spread=0.4)
    assert max(limits) > MOST // 2
    late = limits[len(limits) // 2 :]
    assert sum(late) / len(late) > MOST / 3


def looks(size_bytes: int, read_bytes: int = 0) -> list[tuple[float, int]]:
    """When files that only wait to be opened are looked at in their first second, and the limit after it."""
    tasks = [Task(index, Path(f"{index}.sim"), ("a",), size_bytes, 0) for index in range(100)]
    scheduler, now_s, seen = Scheduler(tasks, Limits(max_limit=MOST)), 0.0, []
    while now_s < 1.0:
        interval_s = scheduler.sample_interval_s
        sample = Sample(loading=len(scheduler.running), cpu_percent=1.0, read_bytes=read_bytes if seen else 0)
        scheduler.step(Sampled(now_s, sample))
        if not seen:
            for each in tasks:
                scheduler.step(Offered(now_s, each.index))
            scheduler.step(Offered(now_s, 0))
        seen.append((now_s, scheduler.limit))
        now_s += interval_s
    return seen


def test_files_with_hardly_anything_to_read_are_looked_at_sooner() -> None:
    """A disk cannot come into play any more: half of all that may be are at work before the half second is over."""
    small = looks(10_000)
    assert [limit for _, limit in small] == [4, 4, 8, 16, 32, 45, 45]
    assert next(at_s for at_s, limit in small if limit > 4) < 0.1
    assert next(at_s for at_s, limit in small if limit >= MOST // 2) < 0.4
    read = [at_s for at_s, _ in looks(SIZE, read_bytes=4 * SIZE)]  # all there is, at the second look
    assert read[2] - read[1] == 0.25 > read[3] - read[2]


def test_files_that_have_something_to_read_are_given_time_to_open() -> None:
    """Before their first bytes come they seem to wait as well: four looks in the first second, as ever."""
    assert looks(SIZE) == [(0.0, 4), (0.25, 4), (0.5, 8), (0.75, 16)]
