"""What workers say of their tasks, on its way from a worker through its executor to the dispatcher.

    dispatcher <── poll ── Executor <── post ── worker: Started, PhaseEntered, Noted, Finished, Written, Died, ...

Covers the messages alone. What is said to the scheduler, and by it, is in `orcabatch.engine.scheduler_messages`.

Instants are those of `awake_s`, which one machine's processes share.
See also `orcabatch.engine.executor`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orcabatch.outcome import Travels

if TYPE_CHECKING:
    from orcabatch.engine.contract import Note
    from orcabatch.outcome import Failure, FileOutcome, Phase


@dataclass(frozen=True, slots=True)
class Started(Travels):
    """A worker has the task now."""

    index: int
    worker: str
    at_s: float


@dataclass(frozen=True, slots=True)
class PhaseEntered(Travels):
    """The task passed into another phase."""

    index: int
    phase: Phase
    at_s: float


@dataclass(frozen=True, slots=True)
class Noted:
    """A worker said something to the job."""

    note: Note


@dataclass(frozen=True, slots=True)
class Released(Travels):
    """What working on a task took until its file was given back.

    Attributes:
        phases: wall seconds by phase.
        cpu_s: CPU seconds.
        memory_bytes: what its model held.
    """

    phases: Mapping[str, float]
    cpu_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Finished(Travels):
    """The worker is done with the task, and free for another.

    Attributes:
        index: the task.
        outcomes: one per batch, without the phase `wait`; none where outputs are still being written.
        may_heal: the batches whose failure another try may heal.
        at_s: when.
        released: what it took so far, where outputs are still being written; `Written` follows.
    """

    index: int
    outcomes: tuple[FileOutcome, ...]
    may_heal: frozenset[str]
    at_s: float
    released: Released | None = None


@dataclass(frozen=True, slots=True)
class Written(Travels):
    """The outputs of a task that its worker was done with before are written, or could not be.

    Attributes:
        index, outcomes, may_heal, at_s: as of `Finished`.
    """

    index: int
    outcomes: tuple[FileOutcome, ...]
    may_heal: frozenset[str]
    at_s: float


@dataclass(frozen=True, slots=True)
class Died:
    """A worker, or a process full of workers, ended in the middle of its tasks.

    Attributes:
        worker: its name.
        indices: the tasks that it held and that nobody has reported.
        message: how it ended, one line.
        guilty: whether these tasks are to blame or suspected; false for the bystanders of one that was killed.
        final: whether trying again would end the same way.
        failure: what is said of these tasks where that is no crash of theirs; None: a crash.
    """

    worker: str
    indices: tuple[int, ...]
    message: str
    guilty: bool = True
    final: bool = False
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """The hung call of a task that was written off came back; its worker has released everything."""

    index: int


@dataclass(frozen=True, slots=True)
class Broken:
    """No worker can be made: the recipe cannot be used where the workers are."""

    message: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that costs no file but that the engineer should know.

    Attributes:
        text: one line.
        once: said once a run, whoever says it with this key; empty: every time.
    """

    text: str
    once: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """A worker closed, on its own thread: nothing of it is left. Between a `WorkerLoop` and its executor only."""

    worker: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where files go from now on, and why; said by an executor that chooses.

    Attributes:
        executor: `threads` or `processes`.
        why: in words for the engineer.
        capacity: how many files it can hold at once now.
        saves: share of the time that worker processes would save, where files may not go there; else 0.
        moved: files went elsewhere before.
    """

    executor: str
    why: str
    capacity: int
    saves: float = 0.0
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Logged:
    """Something was logged in a worker process.

    Attributes:
        record: a `logging.LogRecord`, packed.
    """

    record: bytes


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning that the filters of a worker process let through.

    Attributes:
        warning: packed.
        filename, lineno: where it was given.
        module: the name of the module there; empty: not known.
    """

    warning: bytes
    filename: str
    lineno: int
    module: str


Message = (
    Started
    | PhaseEntered
    | Noted
    | Finished
    | Written
    | Died
    | Returned
    | Broken
    | Complaint
    | Closed
    | Chosen
    | Logged
    | Warned
)
Post = Callable[[Message], None]


def over(message: Message) -> tuple[int, ...]:
    """The tasks of which it is the last word."""
    match message:
        case Finished(index=index, released=None) | Written(index=index):
            return (index,)
        case Died(indices=indices):
            return indices
        case _:
            return ()
