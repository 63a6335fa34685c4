"""The tasks that wait, in plan order, tier by tier, and the first of them that fits: O(log n) for every question.

Covers their order as the plan ranked them, "the first that needs at most this much memory", and which tier may start
another. Does not cover what fits (`memory_admission`), how many run in all (`concurrency`), tasks that the job does not
let go yet (`job_side`), nor how long all of it takes (`time_left`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def open_tiers(limits: Limits, running: Mapping[str, int], waits: Callable[[str], bool]) -> list[str]:
    """The tiers that may start another file now, of those that `running` counts.

    Args:
        limits: whether tiers follow each other, and how many of each may run.
        running: how many run of every tier; `static` goes through them in this order.
        waits: whether a file of the tier waits.
    """
    if limits.mode == "static":
        # The first tier in which anything runs or waits is the only one that is open.
        now = next((tier for tier in running if running[tier] or waits(tier)), None)
        return [now] if now is not None and running[now] < limits.most_of(now) else []
    return [tier for tier, count in running.items() if count < limits.most_of(tier)]


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
            least = min(self._least[2 * node], self._least[2 * node + 1])
            if self._least[node] == least:  # nor does anything above it change
                return
            self._least[node] = least

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
        tiers = open_tiers(self._limits, self._running, lambda tier: self._queues[tier].first() != NOWHERE)
        return [self._queues[tier] for tier in tiers]
