"""A task outside of its worker: when the job lets it go, its tries, and who gets its outcomes.

    blocked tasks ── the job is asked ──> offered ──> ... outcomes ──> the job ──> tasks to be done again
                                     └──> answered by it           └──> the caller, in their turn

    a batch's failure may heal, a seat was denied ──> retry      its worker died ──> died      a note ──> redo
    the next start ──> handed: the task with its attempt, for the batches that are still to be done

Covers blocking tasks until the job lets them go, asked often enough and not too often: 100,000 files that wait for the
first one are not all asked after each file; what follows from what the job says; counting and remembering tries
(`Attempts`), and a worker's outcomes on the run's clock. Does not cover what a task waits for (the job's affair), when
one that is offered starts (`scheduler`), nor endings that no worker told (`endings`).
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orcabatch.engine import endings, scheduler_messages
from orcabatch.outcome import FileOutcome, Phase, Status

if TYPE_CHECKING:
    from orcabatch.engine.contract import Job, Note, Task
    from orcabatch.engine.event_log import EventLog
    from orcabatch.engine.foreign import RunClock
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.read_ahead import ReadAhead

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


@dataclass(slots=True)
class RunningTask:
    """A task that a worker has, or is about to have; instants in seconds since the run began.

    Attributes:
        task: as it was handed to the worker.
        startable_s: since when it might have been started.
        started_s: since when the worker works on it; None: not yet.
        released: its worker is free; its outputs are still being written.
    """

    task: Task
    startable_s: float
    started_s: float | None = None
    released: bool = False


@dataclass(slots=True)
class _History:
    """What has happened to a task that did not simply end well the first time.

    Attributes:
        attempts: how often it was started.
        retries: how often it was tried again after a failure that may heal.
        crashes: how often its worker died with it.
        batches: those that are still to be done; empty: all of its own.
        failed: their failures so far.
    """

    attempts: int = 0
    retries: int = 0
    crashes: int = 0
    batches: tuple[str, ...] = ()
    failed: tuple[FileOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """Another try of a task.

    Attributes:
        outcomes: the failures that it may heal.
        denied: it was refused its licence seat, and nothing was tried.
        delay_s: how long it waits for that.
    """

    outcomes: tuple[FileOutcome, ...]
    denied: bool
    delay_s: float


class Attempts:
    """The tries of all tasks of a run."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._chance = random.Random(options.seed)  # noqa: S311 - jitter, no secret
        self._startable_s: dict[int, float] = {}
        self._history: dict[int, _History] = {}
        self._why: dict[tuple[int, str], tuple[str, ...]] = {}

    def offered(self, index: int, now_s: float, batches: tuple[str, ...] = ()) -> None:
        """The task may be started from now on; only for these batches, where some were answered."""
        if batches:
            self._history[index] = _History(batches=batches)
        self._startable_s[index] = now_s

    def handed(self, task: Task, now_s: float) -> RunningTask:
        """The task starts."""
        startable_s = self._startable_s.pop(task.index, now_s)
        history = self._history.get(task.index)
        if history is not None:
            history.attempts += 1
            task = replace(task, attempt=history.attempts, batches=history.batches or task.batches)
        return RunningTask(task, startable_s)

    def crashes(self, index: int) -> int:
        """How often its worker died with the task."""
        history = self._history.get(index)
        return 0 if history is None else history.crashes

    def retry(
        self, task: Task, outcomes: tuple[FileOutcome, ...], may_heal: Collection[str], now_s: float
    ) -> Retry | None:
        """Whether, and for which of its batches, a task that came back is tried again."""
        again = tuple(each for each in outcomes if each.batch in may_heal)
        # Without a seat nothing was tried, so it counts neither as an attempt nor as a retry, however often it happens.
        denied = len(again) == len(task.batches) and all(map(endings.seat_denied, again))
        history = self._history.get(task.index) or _History(attempts=1)
        if not again or not (denied or history.retries < self._options.retries):
            return None
        self._history[task.index] = history
        history.failed, history.batches = again, tuple(each.batch for each in again)
        delay_s = 0.0
        if denied:
            history.attempts -= 1
        else:
            history.retries += 1
            delay_s = _backoff_s(self._options.retry_delay_s, history.retries, self._chance)
            self.note(task.index, {each.batch: str(each.error) for each in again})
        self._startable_s[task.index] = now_s + delay_s
        return Retry(again, denied, delay_s)

    def died(self, index: int, *, guilty: bool) -> bool:
        """Its worker died with the task; whether it may be tried again."""
        history = self._history.setdefault(index, _History(attempts=1))
        # Where its process was killed because of another file, that was no crash of its own.
        history.crashes += guilty
        return history.crashes <= self._options.retries

    def note(self, index: int, why: Mapping[str, str]) -> None:
        """Remember by batch why a task is tried again, for its outcome."""
        for batch, text in why.items():
            self._why[index, batch] = (*self._why.get((index, batch), ()), text)

    def told(self, outcome: FileOutcome) -> FileOutcome:
        """The outcome, with why its task was tried again."""
        why = self._why.get((outcome.index, outcome.batch))
        return outcome if why is None else replace(outcome, retried=why)

    def redo(self, index: int, now_s: float) -> None:
        """The task is done anew, in all its batches."""
        history = self._history.setdefault(index, _History(attempts=1))
        history.batches, history.failed, history.retries = (), (), 0
        self._startable_s[index] = now_s

    def give_up(self, task: Task) -> tuple[Task, tuple[FileOutcome, ...]]:
        """The task is not started any more: as it would have been, and what its last try failed of."""
        self._startable_s.pop(task.index, None)
        history = self._history.pop(task.index, None)
        if history is None:
            return task, ()
        return replace(task, attempt=history.attempts + 1, batches=history.batches or task.batches), history.failed

    def forget(self, index: int) -> None:
        """The task ended: keep only how often it was handed on."""
        self._startable_s.pop(index, None)
        if index in self._history:
            self._history[index] = _History(attempts=self._history[index].attempts)


def _backoff_s(first_s: float, tries: int, chance: random.Random) -> float:
    """Seconds before try number `tries` + 1: doubled each time, between half and one and a half of that."""
    return first_s * 2.0 ** (tries - 1) * (0.5 + chance.random())


def on_run_clock(
    run: RunningTask, outcomes: tuple[FileOutcome, ...], epoch_s: float, late_after_s: float | None
) -> tuple[FileOutcome, ...]:
    """A worker's outcomes, with their shares of the wait, and instants counted from the beginning of the run.

    Args:
        run: the task as it was handed out.
        outcomes: as the worker made them, with instants of `awake_s`.
        epoch_s: when the run began.
        late_after_s: a task that took longer than this has failed, whatever it returned; None: none has.
    """
    started_s = max(0.0, outcomes[0].started_s - epoch_s)
    wait = _wait(run, started_s, len(outcomes))
    ends = [max(started_s, each.finished_s - epoch_s) for each in outcomes]
    placed = tuple(
        replace(each, phases=wait | dict(each.phases), started_s=started_s, finished_s=end_s)
        for each, end_s in zip(outcomes, ends, strict=True)
    )
    took_s = ends[0] - started_s
    if late_after_s is None or took_s <= late_after_s:
        return placed
    return tuple(endings.overruled(each, endings.late(late_after_s, took_s)) for each in placed)


def unreported(run: RunningTask, outcomes: tuple[FileOutcome, ...]) -> tuple[FileOutcome, ...]:
    """Outcomes of a task whose worker did not report it: it waited, was started, and nothing else is known."""
    finished_s = outcomes[0].finished_s
    started_s = run.started_s if run.started_s is not None else finished_s
    wait = _wait(run, started_s, len(outcomes))
    phase = Phase.WRITE if run.released else Phase.EXTRACT
    held = {phase.value: (finished_s - started_s) / len(outcomes)}
    return tuple(replace(each, phases=wait | held, started_s=started_s) for each in outcomes)


def _wait(run: RunningTask, started_s: float, shares: int) -> dict[str, float]:
    return {Phase.WAIT.value: max(0.0, started_s - run.startable_s) / shares}
