"""The contract between the engine, the work it schedules, and whoever watches.

    Job (in the dispatcher) ── recipe ──> Worker (on its own thread, in this or another process)
          ▲  notes, outcomes                  load → extract (per batch) → release; close at the end
          └───────────────────────────────────┘

The engine knows tasks, memory and time. It does not know what a post-process computes: that is the `Worker`'s affair.
A `Recipe` is what travels to worker processes, so it must be picklable; a `Job` stays with the dispatcher.
See also `orcabatch.orcaflex.work` (the recipe over OrcFxAPI sessions) and `orcabatch.digitalmodel`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from orcabatch.outcome import Travels

if TYPE_CHECKING:
    from orcabatch.outcome import Failure, FileOutcome, Phase


@dataclass(frozen=True, slots=True)
class Task(Travels):
    """One `.sim` file to be loaded once, for all batches that want it.

    Attributes:
        index: position in the input list; the identity of the task.
        file: the `.sim` file, absolute.
        batches: names of the batches that want it, at least one.
        size_bytes: size of the file.
        memory_bytes: predicted memory of the loaded model and what is asked of it.
        rank: its place in the plan's order: the lowest starts first, equals in input order.
        tier: small, medium or large.
        attempt: 1 for the first try.
        payload: what the job hands to the worker for this file (picklable), see `Job.payload`.
        read_from: a copy to load instead of `file`, which stays the task's identity; None: `file` itself.
    """

    index: int
    file: Path
    batches: tuple[str, ...]
    size_bytes: int
    memory_bytes: int
    rank: int = 0
    tier: str = "small"
    attempt: int = 1
    payload: Any = None
    read_from: Path | None = None


class PhaseClock(Protocol):
    """Told by the worker when a file passes from one phase to the next."""

    def enter(self, phase: Phase) -> None:
        """End the phase before and begin this one."""


class Later(Protocol):
    """Outputs of a file that need nothing of its model any more; each is called once at most, on any thread."""

    def write(self) -> None:
        """Write them, all or none; may raise anything (phase `write`), and does after `drop`."""

    def drop(self) -> None:
        """Leave nothing of them. Said while another thread writes them, what has not appeared by then does not."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a post-process made of one file in one batch.

    Attributes:
        value: its result; picklable where workers are processes.
        warnings: what the engineer should know.
        counts: what was done for it, by name (see `Usage.counts`).
        later: what is still to be written, once the file has been released; None: nothing.
    """

    value: Any
    warnings: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)
    later: Later | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Note:
    """Said by a worker in the middle of a task, for the job: a settled configuration, a broken self-check.

    Attributes:
        index: the task it was said in.
        batch: the batch it concerns.
        subject: what it is about; the job knows.
        content: picklable.
    """

    index: int
    batch: str
    subject: str
    content: Any = None


class Worker(Protocol):
    """Does files one after the other on the one thread that opened it. Every call may raise."""

    def load(self, task: Task) -> None:
        """Load the file (phase `load`)."""

    def extract(self, task: Task, batch: str, clock: PhaseClock) -> Extracted:
        """Compute one batch's result from the loaded file (phase `extract`; enters `write` itself where it writes)."""

    def release(self, task: Task) -> None:
        """Give back what the file holds (phase `clean_up`); called after a failure too."""

    def close(self) -> None:
        """Give back everything, on the thread that opened it."""


class Recipe(Protocol):
    """How a worker comes to be, in this process or another. Picklable where processes are used."""

    def open_worker(self, note: Callable[[Note], None]) -> Worker:
        """A new worker for the calling thread; `note` may be called from it at any time."""

    def explain(self, error: BaseException, task: Task, phase: Phase) -> Failure:
        """What an exception from `Worker` means for the engineer, and whether trying again may help and does no harm.

        `task.batches` are those that it concerns: all of them in loading, else the one that was extracted.
        """


class Job(Protocol):
    """The dispatcher's side of the work; called on one thread only, and never blocks."""

    @property
    def recipe(self) -> Recipe:
        """What workers are made from."""

    def ready(self, task: Task) -> bool:
        """Whether the task may start now (False: it waits for a note or an outcome of another task)."""

    def answered(self, task: Task) -> tuple[FileOutcome, ...]:
        """What is known of the task without doing it, at most one outcome per batch; asked once, when it is ready.

        Batches that are not among the outcomes are done. A task that is answered for all may still be done again.
        """

    def payload(self, task: Task) -> Any:
        """What goes to the worker with this task; asked when it starts."""

    def noted(self, note: Note) -> Iterable[int]:
        """A worker said something. Returns the indices of finished or running tasks to be done again."""

    def finished(self, outcomes: tuple[FileOutcome, ...]) -> Iterable[int]:
        """A task ended, one outcome per batch. Returns the indices of tasks to be done again."""


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One line of the engine's event log: what the displays show and what a replay runs on.

    Attributes:
        kind: `run_started`, `started`, `phase`, `released`, `finished`, `limit`, `admission`, `sample`, `warning`,
            `executor` (which one and why, where it is chosen while running), `run_finished`.
        at_s: seconds since the run began.
        index: the task concerned; -1 for none.
        data: what the kind says; JSON-able values only. A `warning` that is `lasting` concerns the run as a whole.
    """

    kind: str
    at_s: float
    index: int = -1
    data: dict[str, Any] = field(default_factory=dict)


Listener = Callable[[RunEvent], None]


@dataclass(frozen=True, slots=True)
class SimpleJob:
    """A job whose tasks depend on nothing: always ready, no payload, nothing redone."""

    recipe: Recipe

    def ready(self, task: Task) -> bool:
        """Always."""
        return True

    def answered(self, task: Task) -> tuple[FileOutcome, ...]:
        """Nothing is known."""
        return ()

    def payload(self, task: Task) -> None:
        """Nothing goes along."""

    def noted(self, note: Note) -> Iterable[int]:
        """Nothing follows from a note."""
        return ()

    def finished(self, outcomes: tuple[FileOutcome, ...]) -> Iterable[int]:
        """Nothing is done again."""
        return ()
