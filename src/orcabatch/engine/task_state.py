"""What the dispatcher remembers about a task: its tries, its outcomes on the run's clock, endings that no worker told.

    a batch's failure may heal, a seat was denied ──> retry      its worker died ──> died      a note ──> redo
    the next start ──> handed: the task with its attempt, for the batches that are still to be done

Covers counting and remembering (`Attempts`), for the dispatcher alone, and pure functions: cancelled, timed out,
crashed and given-up files as outcomes. Does not cover what follows from them (`dispatcher`), nor when a task starts
again (`scheduler`).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orcabatch.engine import scheduler_messages
from orcabatch.engine.worker_messages import Finished
from orcabatch.outcome import Cause, Failure, FileOutcome, Phase, Status
from orcabatch.sleep import awake_s
from orcabatch.text import plural

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task
    from orcabatch.engine.occupancy import Stays
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.worker_messages import Released


STOPPED = "the run was stopped before this file was started"
FOR_ANOTHER = "its worker process was ended because of another file"


@dataclass(slots=True)
class RunningTask:
    """A task that a worker has, or is about to have; instants in seconds since the run began.

    Attributes:
        task: as it was handed to the worker.
        startable_s: since when it might have been started.
        started_s: since when the worker works on it; None: not yet.
        given_s: since when a worker has it, where files have a time limit; None: not yet.
        released: its worker is free; its outputs are still being written.
    """

    task: Task
    startable_s: float
    started_s: float | None = None
    given_s: float | None = None
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
    """Of all tasks of a run."""

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
        denied = len(again) == len(task.batches) and all(map(seat_denied, again))
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
    return tuple(overruled(each, late(late_after_s, took_s)) for each in placed)


def ended(run: RunningTask, outcomes: tuple[FileOutcome, ...]) -> tuple[FileOutcome, ...]:
    """Outcomes of a task whose worker did not report it: it waited, was started, and nothing else is known."""
    finished_s = outcomes[0].finished_s
    started_s = run.started_s if run.started_s is not None else finished_s
    wait = _wait(run, started_s, len(outcomes))
    phase = Phase.WRITE if run.released else Phase.EXTRACT
    held = {phase.value: (finished_s - started_s) / len(outcomes)}
    return tuple(replace(each, phases=wait | held, started_s=started_s) for each in outcomes)


def overruled(outcome: FileOutcome, failure: Failure) -> FileOutcome:
    """The outcome as a failure, whatever it was."""
    return replace(outcome, status=Status.FAILED, value=None, error=str(failure), cause=failure.cause)


def seat_denied(outcome: FileOutcome) -> bool:
    """Whether nothing was loaded for want of a licence."""
    return outcome.cause is Cause.LICENCE and outcome.failed_phase is Phase.LOAD


def refused(outcomes: Sequence[FileOutcome]) -> bool:
    """Whether the worker was refused a licence seat: it has nothing that another file could use."""
    return bool(outcomes) and all(map(seat_denied, outcomes))


def finished_event(
    now_s: float, outcomes: tuple[FileOutcome, ...], busy_s: float, stays: Stays | None = None
) -> scheduler_messages.TaskFinished:
    """A task's end as the scheduler wants to hear it; `busy_s` is its worker's time."""
    phases: dict[str, float] = {}
    for outcome in outcomes:
        for phase, seconds in outcome.phases.items():
            phases[phase] = phases.get(phase, 0.0) + seconds
    return scheduler_messages.TaskFinished(
        now_s,
        outcomes[0].index,
        wall_s=busy_s,
        phases=phases,
        cpu_s=sum(sum(outcome.usage.cpu_s.values()) for outcome in outcomes),
        memory_bytes=max(outcome.usage.peak_memory_bytes for outcome in outcomes),
        size_bytes=outcomes[0].size_bytes,
        stays=stays or {},
    )


def released_event(now_s: float, task: Task, took: Released, stays: Stays) -> scheduler_messages.TaskFinished:
    """That a task's worker is free, as the scheduler wants to hear it."""
    return scheduler_messages.TaskFinished(
        now_s,
        task.index,
        "released",
        wall_s=sum(took.phases.values()),
        phases=took.phases,
        cpu_s=took.cpu_s,
        memory_bytes=took.memory_bytes,
        size_bytes=task.size_bytes,
        stays=stays,
    )


def _wait(run: RunningTask, started_s: float, shares: int) -> dict[str, float]:
    return {Phase.WAIT.value: max(0.0, started_s - run.startable_s) / shares}


def without_seat(task: Task) -> Finished:
    """The file was given to a worker that cannot open: what holds its licence seat does not let go."""
    failure = Failure(Cause.LICENCE, "the licence seat for it is held by a worker that does not close", may_heal=True)
    now = awake_s()
    return Finished(task.index, failed(task, failure, now, Phase.LOAD), frozenset(task.batches), now)


def cancelled(task: Task, reason: str, at_s: float) -> tuple[FileOutcome, ...]:
    """The run was stopped before the file was done."""
    return _all(task, Status.CANCELLED, Failure(Cause.CANCELLED, reason, "run the batch again"), at_s)


def failed(task: Task, failure: Failure, at_s: float, phase: Phase | None = None) -> tuple[FileOutcome, ...]:
    """The file failed outside its worker's hands."""
    return tuple(replace(each, failed_phase=phase) for each in _all(task, Status.FAILED, failure, at_s))


def timed_out(timeout_s: float, *, killed: bool, writing: bool = False) -> Failure:
    """A worker had the file for too long, or its result folder did."""
    if writing:
        return Failure(
            Cause.TIMEOUT,
            f"not finished within {timeout_s:g} s; its outputs were still being written, and are left out",
            "set a longer `timeout`, or look at why the result folder is slow",
        )
    what = "its worker process was killed" if killed else "its thread is written off until the call returns"
    return Failure(
        Cause.TIMEOUT,
        f"not finished within {timeout_s:g} s; {what}",
        "set a longer `timeout`, or look at what the post-process does with this file",
    )


def late(timeout_s: float, took_s: float) -> Failure:
    """A serial run noticed afterwards that a file took too long."""
    return Failure(
        Cause.TIMEOUT,
        f"took {took_s:.3g} s, longer than the timeout of {timeout_s:g} s (a serial run cannot interrupt a file)",
        "set a longer `timeout`, or use `executor: processes`, which can",
    )


def crashed(message: str, tries: int) -> Failure:
    """The worker ended with the file in its hands."""
    times = f" (tried {tries} times)" if tries > 1 else ""
    return Failure(Cause.CRASH, f"{message}{times}", "the other files are not affected; look at this one alone")


def draining(running: int) -> str:
    """What is said as soon as the run is asked to stop, while so many files are worked on."""
    what = f"{plural(running, 'file')} still being worked on" if running else "nothing runs any more"
    return f"stopping: {what}; what runs is finished, nothing new is started (Ctrl-C once more leaves at once)"


def interrupted(left: bool) -> str:
    """What is said when all outcomes were handed on."""
    if left:
        return "interrupted twice and left at once"
    return "interrupted; what was running is finished"


def _all(task: Task, status: Status, failure: Failure, at_s: float) -> tuple[FileOutcome, ...]:
    return tuple(
        FileOutcome(
            file=task.file,
            batch=batch,
            status=status,
            error=str(failure),
            attempt=task.attempt,
            cause=failure.cause,
            index=task.index,
            size_bytes=task.size_bytes,
            tier=task.tier,
            started_s=at_s,
            finished_s=at_s,
        )
        for batch in task.batches
    )
