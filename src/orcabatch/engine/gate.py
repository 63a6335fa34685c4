"""Tasks that the job does not let go yet.

Covers asking `Job.ready` often enough, and not too often: 100,000 files that wait for the first one are not all asked
after each file. Does not cover what a task waits for: that is the job's affair.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orcabatch.engine.contract import Job, Task

LOOK_AHEAD = 256
"""How many refusals end a search, unless all are to be asked."""


class Gate:
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

    def opened(self, *, ask_all: bool) -> Iterator[Task]:
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
