"""The tasks that wait, in plan order, and the first of them that fits: O(log n) for every question.

Covers their order as the plan ranked them, how long a list schedule of it takes, and "the first that needs at most this
much memory"; and those that the job does not let go yet, asked often enough and not too often: 100,000 files that wait
for the first one are not all asked after each file. Does not cover what fits (`memory_admission`), nor what a task that
is held back waits for: that is the job's affair.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orcabatch.engine.contract import Job, Task


NOWHERE = 1 << 60
"""Later than every position."""

LOOK_AHEAD = 256
"""How many refusals end a search, unless all are to be asked. Fewer: a file far back that may go starts later. More:
each file that ends costs that many questions."""

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


class HeldTasks:
    """Holds tasks back until the job says that they are ready; asks in turns, so that none is forgotten.

    The first of the list is asked first: it is the one that others wait for, or the next in line when that has failed.
    Where it may go, not all others are asked: a share that is gone would have 100,000 files asked 100,000 times.

    Args:
        job: knows which are ready.
        tasks: all of the run, in the order in which they are to be offered.
    """

    def __init__(self, job: Job, tasks: Iterable[Task]) -> None:
        self._job = job
        self._held = OrderedDict((task.index, task) for task in tasks)
        self._in_line = deque(sorted(self._held))

    def ready(self, *, ask_all: bool) -> Iterator[Task]:
        """The tasks that have become ready; they are no longer held."""
        first = self._first()
        if first is not None and self._job.ready(first):
            ask_all = False
            yield self._held.pop(first.index)
        refusals = 0
        for _ in range(len(self._held)):
            index, task = self._held.popitem(last=False)
            if self._job.ready(task):
                yield task
                continue
            self._held[index] = task
            refusals += 1
            if refusals > LOOK_AHEAD and not ask_all:
                return

    def _first(self) -> Task | None:
        while self._in_line and self._in_line[0] not in self._held:
            self._in_line.popleft()
        return self._held[self._in_line[0]] if self._in_line else None

    def rest(self) -> list[Task]:
        """Those that are still held; they are no longer."""
        rest = list(self._held.values())
        self._held.clear()
        return rest
