"""The job's side of a run: which tasks it lets go, and what it and the caller get of them.

    blocked tasks ── the job is asked ──> offered ──> ... outcomes ──> the job ──> tasks to be done again
                                     └──> answered by it           └──> the caller, in their turn

Covers blocking tasks until the job lets them go, asked often enough and not too often: 100,000 files that wait for the
first one are not all asked after each file; and what follows from what the job says. Does not cover what a task waits
for (the job's affair), nor when one that is offered starts (`scheduler`).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from orcabatch.engine import scheduler_messages
from orcabatch.outcome import Status

if TYPE_CHECKING:
    from orcabatch.engine.contract import Job, Note, Task
    from orcabatch.engine.event_log import EventLog
    from orcabatch.engine.foreign import RunClock
    from orcabatch.engine.read_ahead import ReadAhead
    from orcabatch.engine.task_state import Attempts
    from orcabatch.outcome import FileOutcome

LOOK_AHEAD = 256
"""How many refusals end a search, unless all are to be asked. Fewer: a file far back that may go starts later. More:
each file that ends costs that many questions."""


class JobSide:
    """Tasks from the job, outcomes to it.

    Args:
        job: what the work is, and what follows from it.
        tasks: all of the run, in the order in which they are to be offered.
        attempts: what is known of earlier tries.
        event_log: hears of every outcome.
        ahead: reads what is offered before it starts.
        put: takes what the scheduler is to hear.
        clock: of the run.

    Attributes:
        for_caller: outcomes that the caller has not got yet.
        stopping: no task is let go any more.
        cancelled: tasks whose last outcome says so.
        written_off: tasks that have their outcome while a thread that hangs, or a slow result folder, has them still.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - it stands between the job and all that a run keeps
        self,
        job: Job,
        tasks: Sequence[Task],
        attempts: Attempts,
        event_log: EventLog,
        ahead: ReadAhead,
        put: Callable[[scheduler_messages.Event], None],
        clock: RunClock,
    ) -> None:
        self._job = job
        self._blocked = BlockedTasks(job, tasks)
        self._attempts = attempts
        self._event_log = event_log
        self._ahead = ahead
        self._put = put
        self._now = clock.now
        self.for_caller: deque[FileOutcome] = deque()
        self.stopping = False
        self.cancelled: set[int] = set()
        self.written_off: set[int] = set()

    def offer_ready(self, *, ask_all: bool = False) -> None:
        """Offer the tasks that have become ready, but for what the job answers; being asked may let others go."""
        asking = not self.stopping
        while asking:
            asking = False
            for task in self._blocked.ready(ask_all=ask_all):
                asking, ask_all = True, False
                known = self._job.answered(task)
                if len(known) < len(task.batches):
                    self._offer(task, known)
                self._answered(known)

    def never_offered(self) -> list[Task]:
        """The tasks that are still blocked; they are no longer."""
        return self._blocked.rest()

    def payload(self, task: Task) -> Task:
        """The task with what its worker needs of the job."""
        payload = self._job.payload(task)
        return task if payload is None else replace(task, payload=payload)

    def noted(self, note: Note) -> None:
        """A worker has said something to the job."""
        self._redo(self._job.noted(note))
        self.offer_ready()

    def hand_on(self, outcomes: tuple[FileOutcome, ...]) -> None:
        """Give a task's outcomes to the job and, in their turn, to the caller."""
        outcomes = tuple(map(self._attempts.told, outcomes))
        for outcome in outcomes:
            self.for_caller.append(outcome)
            if outcome.status is Status.CANCELLED:
                self.cancelled.add(outcome.index)
            self._event_log.finished(outcome)
        self._redo(self._job.finished(outcomes))
        self.offer_ready()

    def _offer(self, task: Task, known: tuple[FileOutcome, ...]) -> None:
        answered = {outcome.batch for outcome in known}
        rest = tuple(batch for batch in task.batches if batch not in answered)
        self._attempts.offered(task.index, self._now(), rest if known else ())
        self._put(scheduler_messages.Offered(self._now(), task.index))
        self._ahead.offered(task)

    def _answered(self, outcomes: tuple[FileOutcome, ...]) -> None:
        """Hand on what nobody had to work for."""
        now = self._now()
        for outcome in outcomes:
            known = replace(outcome, started_s=now, finished_s=now)
            self.for_caller.append(known)
            self._event_log.finished(known)
        if outcomes:
            self._redo(self._job.finished(outcomes))

    def _redo(self, indices: Iterable[int]) -> None:
        for index in indices:
            # One may still be in work on a thread that hangs, the other has its last outcome.
            if index in self.written_off or index in self.cancelled:
                continue
            self._attempts.redo(index, self._now())
            self._put(scheduler_messages.Redone(self._now(), index))


class BlockedTasks:
    """Tasks that may not start until the job says that they are ready; asks in turns, so that none is forgotten.

    The first of the list is asked first: it is the one that others wait for, or the next in line when that has failed.
    Where it may go, not all others are asked: a share that is gone would have 100,000 files asked 100,000 times.

    Args:
        job: knows which are ready.
        tasks: all of the run, in the order in which they are to be offered.
    """

    def __init__(self, job: Job, tasks: Iterable[Task]) -> None:
        self._job = job
        self._blocked = OrderedDict((task.index, task) for task in tasks)
        self._in_line = deque(sorted(self._blocked))

    def ready(self, *, ask_all: bool) -> Iterator[Task]:
        """The tasks that have become ready; they are blocked no longer."""
        first = self._first()
        if first is not None and self._job.ready(first):
            ask_all = False
            yield self._blocked.pop(first.index)
        refusals = 0
        for _ in range(len(self._blocked)):
            index, task = self._blocked.popitem(last=False)
            if self._job.ready(task):
                yield task
                continue
            self._blocked[index] = task
            refusals += 1
            if refusals > LOOK_AHEAD and not ask_all:
                return

    def _first(self) -> Task | None:
        while self._in_line and self._in_line[0] not in self._blocked:
            self._in_line.popleft()
        return self._blocked[self._in_line[0]] if self._in_line else None

    def rest(self) -> list[Task]:
        """Those that are still blocked; they are no longer."""
        rest = list(self._blocked.values())
        self._blocked.clear()
        return rest
