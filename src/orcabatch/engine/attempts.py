"""How often each task was tried, why it is tried again, and since when it may be started.

    a batch's failure may heal, a seat was denied ──> retry      its worker died ──> died      a note ──> redo
    the next start ──> handed: the task with its attempt, for the batches that are still to be done

Covers counting and remembering, for the dispatcher alone. Does not cover when a task starts again (`scheduler`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orcabatch.engine import task_state

if TYPE_CHECKING:
    from collections.abc import Collection

    from orcabatch.engine.contract import Task
    from orcabatch.engine.options import EngineOptions
    from orcabatch.outcome import FileOutcome


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

    def handed(self, task: Task, now_s: float) -> task_state.RunningTask:
        """The task starts."""
        startable_s = self._startable_s.pop(task.index, now_s)
        history = self._history.get(task.index)
        if history is not None:
            history.attempts += 1
            task = replace(task, attempt=history.attempts, batches=history.batches or task.batches)
        return task_state.RunningTask(task, startable_s)

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
        denied = len(again) == len(task.batches) and all(map(task_state.seat_denied, again))
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
            delay_s = task_state.backoff_s(self._options.retry_delay_s, history.retries, self._chance)
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
