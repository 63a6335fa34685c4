"""How long files take that start in a given order, under the limits that the scheduler obeys. Pure, no clock.

The plan's time and the time left of a run are both laid out here. Covers how many run at once, in all and of each tier.
Does not cover memory and licence seats: whoever asks knows how many files they leave room for.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import TYPE_CHECKING

from orcabatch.engine.waiting import open_tiers

if TYPE_CHECKING:
    from orcabatch.engine.limits import Limits

TimedFile = tuple[str, float]
"""A file's tier, and the seconds it takes."""


def makespan(waiting: Iterable[TimedFile], at_once: int, limits: Limits, running: Iterable[TimedFile] = ()) -> float:
    """When the last file ends, where each starts as soon as there is room for it in all and in its tier.

    Args:
        waiting: the files in the order in which they start; one whose tier has no room is passed over.
        at_once: how many run at once in all.
        limits: whether tiers follow each other, and how many of each run at once.
        running: those that run already, with the seconds they still take; they count also where there are too many.
    """
    ends = [(seconds, tier) for tier, seconds in running]
    heapq.heapify(ends)
    queues: dict[str, list[tuple[int, float, str]]] = {}
    for place, (tier, seconds) in enumerate(waiting):
        queues.setdefault(tier, []).append((place, seconds, tier))
    counts = dict.fromkeys([*(tier for _, tier in ends), *queues], 0)
    for _, tier in ends:
        counts[tier] += 1
    for queue in queues.values():
        queue.reverse()  # the next one is popped from the end
    now_s = 0.0
    while True:
        while queues and len(ends) < max(1, at_once):
            ready = [queues[tier][-1] for tier in open_tiers(limits, counts, queues.__contains__) if tier in queues]
            if not ready:
                break
            _, seconds, tier = min(ready)
            queues[tier].pop()
            if not queues[tier]:
                del queues[tier]
            heapq.heappush(ends, (now_s + seconds, tier))
            counts[tier] += 1
        if not ends:
            return now_s
        now_s, tier = heapq.heappop(ends)
        counts[tier] -= 1


def least_makespan(
    waiting: Iterable[TimedFile], at_once: int, limits: Limits, running: Iterable[TimedFile] = ()
) -> float:
    """About what `makespan` gives, and no more: the work over how many run at once. Lays nothing out."""
    work: dict[str, float] = {}
    longest: dict[str, float] = {}
    for tier, seconds in (*running, *waiting):
        work[tier] = work.get(tier, 0.0) + seconds
        longest[tier] = max(longest.get(tier, 0.0), seconds)
    at_once = max(1, at_once)
    alone = [max(longest[tier], seconds / min(at_once, limits.most_of(tier))) for tier, seconds in work.items()]
    # One tier after the other, or all of them beside each other under what holds for all.
    return sum(alone) if limits.mode == "static" else max(sum(work.values()) / at_once, *alone, 0.0)
