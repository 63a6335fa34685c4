"""What the dispatcher remembers about a task, and its outcomes put on the run's clock.

Covers values and pure functions only. Does not cover what follows from them: see `dispatcher`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orcabatch.engine import endings, signals
from orcabatch.outcome import Cause, Failure, FileOutcome, Phase, Status

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task
    from orcabatch.engine.executor import Released


@dataclass(slots=True)
class Run:
    """A task that a worker has, or is about to have; instants in seconds since the run began.

    Attributes:
        task: as it was handed to the worker.
        startable_s: since when it might have been started.
        started_s: since when the worker has it; None: not yet.
        released: its worker is free; its outputs are still being written.
    """

    task: Task
    startable_s: float
    started_s: float | None = None
    released: bool = False


@dataclass(slots=True)
class History:
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


def on_run_clock(
    run: Run, outcomes: tuple[FileOutcome, ...], epoch_s: float, late_after_s: float | None
) -> tuple[FileOutcome, ...]:
    """A worker's outcomes, with their shares of the wait, and instants counted from the beginning of the run.

    Args:
        run: the task as it was handed out.
        outcomes: as the worker made them, with instants of `time.perf_counter`.
        epoch_s: when the run began.
        late_after_s: a task that took longer than this has failed, whatever it returned; None: none has.
    """
    started_s = outcomes[0].started_s - epoch_s
    wait = _wait(run, started_s, len(outcomes))
    placed = tuple(
        replace(each, phases=wait | dict(each.phases), started_s=started_s, finished_s=each.finished_s - epoch_s)
        for each in outcomes
    )
    took_s = placed[0].finished_s - started_s
    if late_after_s is None or took_s <= late_after_s:
        return placed
    return tuple(overruled(each, endings.late(late_after_s, took_s)) for each in placed)


def ended(run: Run, outcomes: tuple[FileOutcome, ...]) -> tuple[FileOutcome, ...]:
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


def finished_event(now_s: float, outcomes: tuple[FileOutcome, ...]) -> signals.Finished:
    """A task's end as the scheduler wants to hear it."""
    phases: dict[str, float] = {}
    for outcome in outcomes:
        for phase, seconds in outcome.phases.items():
            phases[phase] = phases.get(phase, 0.0) + seconds
    return signals.Finished(
        now_s,
        outcomes[0].index,
        wall_s=sum(outcome.busy_s for outcome in outcomes),
        phases=phases,
        cpu_s=sum(sum(outcome.usage.cpu_s.values()) for outcome in outcomes),
        memory_bytes=max(outcome.usage.peak_memory_bytes for outcome in outcomes),
        size_bytes=outcomes[0].size_bytes,
    )


def released_event(now_s: float, task: Task, took: Released) -> signals.Finished:
    """That a task's worker is free, as the scheduler wants to hear it."""
    return signals.Finished(
        now_s,
        task.index,
        "released",
        wall_s=sum(took.phases.values()),
        phases=took.phases,
        cpu_s=took.cpu_s,
        memory_bytes=took.memory_bytes,
        size_bytes=task.size_bytes,
    )


def _wait(run: Run, started_s: float, shares: int) -> dict[str, float]:
    return {Phase.WAIT.value: max(0.0, started_s - run.startable_s) / shares}
