"""Endings of files: those that no worker told as outcomes, and each as the scheduler hears of it.

Covers cancelled, timed out, crashed and given-up files as outcomes, what is said of a run that stops, and the events
that an ending makes. Pure functions and values. Does not cover who ends a file (`dispatcher`, the executors) nor its
tries (`job_side`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from orcabatch.engine import scheduler_messages
from orcabatch.engine.worker_messages import Finished
from orcabatch.outcome import Cause, Failure, FileOutcome, Phase, Status
from orcabatch.sleep import awake_s
from orcabatch.text import plural

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task
    from orcabatch.engine.occupancy import Stays
    from orcabatch.engine.worker_messages import Released

STOPPED = "the run was stopped before this file was started"
FOR_ANOTHER = "its worker process was ended because of another file"


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
