"""The tasks that wait, in plan order, tier by tier, and the first of them that fits: O(log n) for every question.

Covers their order as the plan ranked them, how long a list schedule of it takes, "the first that needs at most this
much memory", and which tier may start another. Does not cover what fits (`memory_admission`), how many run in all
(`concurrency`), nor tasks that the job does not let go yet (`job_side`).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task
    from orcabatch.engine.limits import Limits


NOWHERE = 1 << 60
"""Later than every position."""

MOST = 1e300
"""More than any task needs; infinitely much is what an empty position needs."""


def in_plan_order(tasks: Iterable[Task]) -> list[Task]:
    """The tasks as the plan ranked them: the order in which they are offered, and in which they start where all fit."""
    return sorted(tasks, key=lambda task: (task.rank, task.index))


def makespan(seconds_in_order: Iterable[float], workers: int, busy: Iterable[float] = ()) -> float:
    """When the last file ends, where each goes to the worker that is free first (a list schedule).

    Args:
        seconds_in_order: what each file takes, in the order in which they start.
        workers: how many files run at once.
        busy: after how long each file that runs already will have ended; of more than `workers` the first count.
    """
    workers = max(1, workers)
    free_at = sorted(busy)[:workers]
    free_at += [0.0] * (workers - len(free_at))
    heapq.heapify(free_at)
    for seconds in seconds_in_order:
        heapq.heapreplace(free_at, free_at[0] + seconds)
    return max(free_at)


class Waiting:
    """A set of positions, each with the memory it needs, that finds the first one below a bound.

    A binary tree of minima over the positions: adding, removing and finding take O(log n).

    Args:
        size: how many positions there are, 0 to size - 1.
    """

    def __init__(self, size: int) -> None:
        self._leaves = 1 << max(0, (size - 1).bit_length())
        self._least = [math.inf] * (2 * self._leaves)

    def put(self, position: int, need: float) -> None:
        """The task at this position waits and needs this much."""
        node = self._leaves + position
        self._least[node] = need
        while node > 1:
            node >>= 1
            self._least[node] = min(self._least[2 * node], self._least[2 * node + 1])

    def take(self, position: int) -> None:
        """The task at this position waits no longer."""
        self.put(position, math.inf)

    def first(self, at_most: float = math.inf) -> int:
        """The first position that needs at most this (also infinitely much); `NOWHERE` if there is none."""
        at_most = min(at_most, MOST)
        if self._least[1] > at_most:
            return NOWHERE
        node = 1
        while node < self._leaves:
            node = 2 * node if self._least[2 * node] <= at_most else 2 * node + 1
        return node - self._leaves


class PlanQueue:
    """All tasks, at their positions in plan order.

    Args:
        tasks: every task of the run.
        limits: whether tiers follow each other, and how many of each may run.
    """

    def __init__(self, tasks: Sequence[Task], limits: Limits) -> None:
        self._limits = limits
        self._order = in_plan_order(tasks)
        self._position = {task.index: position for position, task in enumerate(self._order)}
        tiers = dict.fromkeys(task.tier for task in self._order)  # `static` goes through them in this order
        self._queues = {tier: Waiting(len(self._order)) for tier in tiers or ["small"]}
        self._running = dict.fromkeys(self._queues, 0)

    def __len__(self) -> int:
        return len(self._order)

    def task(self, index: int) -> Task:
        """The task of that index."""
        return self._order[self._position[index]]

    def at(self, position: int) -> Task:
        """The task at that place of the plan."""
        return self._order[position]

    def put(self, index: int) -> None:
        """It waits from now on."""
        task = self.task(index)
        self._queues[task.tier].put(self._position[index], task.memory_bytes)

    def take(self, index: int) -> None:
        """It waits no longer."""
        self._queues[self.task(index).tier].take(self._position[index])

    def started(self, index: int) -> Task:
        """It waits no longer, and is one of its tier that run."""
        self.take(index)
        task = self.task(index)
        self._running[task.tier] += 1
        return task

    def ended(self, index: int) -> Task:
        """It runs no longer."""
        task = self.task(index)
        self._running[task.tier] -= 1
        return task

    def open(self) -> list[Waiting]:
        """Those that wait, of each tier that may start another."""
        if self._limits.mode == "static":
            # The first tier in which anything runs or waits is the only one that is open.
            for tier, queue in self._queues.items():
                if self._running[tier] or queue.first() != NOWHERE:
                    return [queue] if self._has_room(tier) else []
            return []
        return [queue for tier, queue in self._queues.items() if self._has_room(tier)]

    def _has_room(self, tier: str) -> bool:
        return self._running[tier] < max(1, self._limits.tiers.get(tier, self._limits.max_limit))
