"""The tasks of a run in plan order, tier by tier: which wait, and which tier may start another.

Covers the order and the tiers' counts. Does not cover which of them fits (`memory_admission`), nor how many run in all
(`concurrency`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orcabatch.engine.waiting import NOWHERE, Waiting, in_plan_order

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task
    from orcabatch.engine.scheduler_messages import Limits


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
