"""Tasks that the job does not let go yet.

Covers asking `Job.ready` often enough, and not too often: 100,000 files that wait for the first one are not all asked
after each file. Does not cover what a task waits for: that is the job's affair.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orcabatch.engine.contract import Job, Task

LOOK_AHEAD = 256
"""How many refusals end a search, unless all are to be asked."""


class Gate:
    """Holds tasks back until the job says that they are ready; asks in turns, so that none is forgotten.

    Args:
        job: knows which are ready.
        tasks: all of the run, in the order in which they are to be offered.
    """

    def __init__(self, job: Job, tasks: Iterable[Task]) -> None:
        self._job = job
        self._held: deque[Task] = deque(tasks)

    def opened(self, *, ask_all: bool) -> Iterator[Task]:
        """The tasks that have become ready; they are no longer held."""
        refusals = 0
        for _ in range(len(self._held)):
            task = self._held.popleft()
            if self._job.ready(task):
                yield task
                continue
            self._held.append(task)
            refusals += 1
            if refusals > LOOK_AHEAD and not ask_all:
                return

    def rest(self) -> list[Task]:
        """Those that are still held; they are no longer."""
        rest, self._held = list(self._held), deque()
        return rest
