"""Small workers and jobs for the engine's tests; what they do stands in the task's payload or in a shared book."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capabilities import die
from orcabatch.engine.contract import Extracted, Note, PhaseClock, Recipe, Task, Worker
from orcabatch.engine.executors import auto_decision
from orcabatch.engine.scheduler_messages import Probe, Sample
from orcabatch.outcome import Cause, Failure, FileOutcome, Phase, Status


def task(index: int, *, batches: tuple[str, ...] = ("a",), say: Any = None, **more: Any) -> Task:
    """A task whose payload tells the worker what to do."""
    settings: dict[str, Any] = {"size_bytes": 1000, "memory_bytes": 1500, **more}
    return Task(index, Path(f"/sims/{index}.sim"), batches, payload=say, **settings)


def tasks(count: int, **more: Any) -> list[Task]:
    """Tasks that simply succeed."""
    return [task(index, **more) for index in range(count)]


@dataclass
class UnhappyError(Exception):
    """An exception that says whether another try heals it."""

    text: str
    may_heal: bool = False
    cause: Cause = Cause.EXCEPTION


class Stubborn:
    """A value that refuses to travel."""

    def __reduce__(self) -> Any:
        raise TypeError("this value does not travel")


class Trap:
    """A value that travels out, but cannot be unpacked."""

    def __reduce__(self) -> Any:
        return (int, ("not a number",))


@dataclass(frozen=True)
class Say:
    """What a worker shall do with a file.

    Attributes:
        fail: the phase (or `open`, `release`) in which to raise, and on which batch ("" for any).
        until_attempt: `fail` only while the attempt is below this.
        kill: end the process.
        exit: raise this, which is no `Exception`.
        gate: wait for this file to appear before going on in `extract`.
        mark: create this file when extract begins.
        value: what to return.
        note: what to say.
        hog: bytes to keep for ever.
        late: leave something to be written when the file is released (`fail="late"` raises then).
        late_gate: wait for this file to appear before writing it.
        late_mark: create this file when it is written, and `late_mark dropped` when that is not wanted any more.
        late_kill: end the process then, below `until_attempt`.
        late_exit: raise this then, which is no `Exception`.
    """

    fail: str = ""
    batch: str = ""
    until_attempt: int = 1_000_000
    may_heal: bool = False
    cause: Cause = Cause.EXCEPTION
    kill: bool = False
    exit: BaseException | None = None
    gate: str = ""
    mark: str = ""
    value: Any = None
    note: Any = None
    hog: int = 0
    late: bool = False
    late_gate: str = ""
    late_mark: str = ""
    late_kill: bool = False
    late_exit: BaseException | None = None


LOOKS = 60_000
"""Some minutes: longer than any test waits for a file that is to come."""


def wait_for(path: str) -> None:
    """Wait until the file is there, without being in anybody's way; a gate of a run that hangs opens at last."""
    never = threading.Event()
    for _ in range(LOOKS):
        if Path(path).exists():
            return
        never.wait(0.005)


_kept: list[bytearray] = []


@dataclass
class FakeLater:
    """What a fake worker leaves to be written."""

    worker: FakeWorker
    task: Task
    dropped: bool = False

    def write(self) -> None:
        say = self.worker._say(self.task)
        if say.late_gate:
            wait_for(say.late_gate)
        if say.late_kill and self.task.attempt < say.until_attempt:
            die()
        if say.late_exit is not None:
            raise say.late_exit
        self.worker._maybe_raise(self.task, "late")
        if self.dropped:
            raise InterruptedError("dropped")
        if say.late_mark:
            Path(say.late_mark).touch()
        if self.worker.book is not None:
            self.worker.book.entries.append(("late", self.task.index, threading.get_ident()))

    def drop(self) -> None:
        self.dropped = True
        if late_mark := self.worker._say(self.task).late_mark:
            Path(f"{late_mark} dropped").touch()
        if self.worker.book is not None:
            self.worker.book.entries.append(("drop", self.task.index, threading.get_ident()))


class FakeWorker:
    """Does what the payload says."""

    def __init__(self, note: Callable[[Note], None], book: Book | None) -> None:
        self.note = note
        self.book = book
        self.thread = threading.get_ident()
        self._write("open", -1)

    def load(self, task: Task) -> None:
        self._write("load", task.index)
        self._maybe_raise(task, "load")

    def extract(self, task: Task, batch: str, clock: PhaseClock) -> Extracted:
        self._write("extract", task.index)
        say = self._say(task)
        if say.note is not None:
            self.note(Note(task.index, batch, "said", say.note))
        if say.mark:
            Path(say.mark).touch()
        if say.gate:
            wait_for(say.gate)
        if say.kill and task.attempt < say.until_attempt:
            die()
        if say.exit is not None:
            raise say.exit
        if say.hog:
            _kept.append(bytearray(os.urandom(1)) * say.hog)
        self._maybe_raise(task, "extract", batch)
        clock.enter(Phase.WRITE)
        self._maybe_raise(task, "write", batch)
        value = (task.index, batch, task.attempt) if say.value is None else say.value
        return Extracted(value, later=FakeLater(self, task) if say.late else None)

    def release(self, task: Task) -> None:
        self._write("release", task.index)
        self._maybe_raise(task, "release")

    def close(self) -> None:
        self._write("close", -1)

    def _say(self, task: Task) -> Say:
        return task.payload if isinstance(task.payload, Say) else Say()

    def _maybe_raise(self, task: Task, where: str, batch: str = "") -> None:
        say = self._say(task)
        if say.fail == where and say.batch in {"", batch} and task.attempt < say.until_attempt:
            raise UnhappyError(f"{where} of {task.index}", say.may_heal, say.cause)

    def _write(self, what: str, index: int) -> None:
        if self.book is not None:
            self.book.write(what, index, self.thread)


@dataclass
class Book:
    """What workers in this process did, on which thread; says when one is used off its own."""

    entries: list[tuple[str, int, int]] = field(default_factory=list)
    wrong_thread: int = 0
    refuse_opens: int = 0

    def write(self, what: str, index: int, owner: int) -> None:
        self.entries.append((what, index, owner))
        self.wrong_thread += owner != threading.get_ident()

    def count(self, what: str) -> int:
        return sum(entry[0] == what for entry in self.entries)


@dataclass(frozen=True)
class FakeRecipe:
    """Makes fake workers; with a book only in this process."""

    book: Book | None = None

    def open_worker(self, note: Callable[[Note], None]) -> Worker:
        if self.book is not None and self.book.refuse_opens > 0:
            self.book.refuse_opens -= 1
            raise UnhappyError("no seat", True, Cause.LICENCE)
        return FakeWorker(note, self.book)

    def explain(self, error: BaseException, task: Task, phase: Phase) -> Failure:
        if isinstance(error, UnhappyError):
            return Failure(error.cause, f"{task.file.name}: {error.text}", "a remedy", error.may_heal)
        return Failure(Cause.EXCEPTION, f"{type(error).__name__}: {error}")


@dataclass
class FakeJob:
    """Writes down what the dispatcher asked and told, and on which thread."""

    recipe: Recipe = field(default_factory=FakeRecipe)
    held_back: set[int] = field(default_factory=set)
    released_by: int | None = None
    redo_once: set[int] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)
    told: list[tuple[int, int, str]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    redo_on_note: tuple[int, ...] = ()
    known: dict[tuple[int, str], Any] = field(default_factory=dict)

    def answered(self, task: Task) -> tuple[FileOutcome, ...]:
        self.threads.add(threading.get_ident())
        return tuple(
            FileOutcome(task.file, batch, Status.SKIPPED, self.known[task.index, batch], index=task.index)
            for batch in task.batches
            if (task.index, batch) in self.known
        )

    def ready(self, task: Task) -> bool:
        self.threads.add(threading.get_ident())
        return task.index not in self.held_back

    def payload(self, task: Task) -> Any:
        self.threads.add(threading.get_ident())
        return task.payload

    def noted(self, note: Note) -> Iterable[int]:
        self.threads.add(threading.get_ident())
        self.notes.append(note)
        if self.released_by is None:
            self.held_back.clear()
        return self.redo_on_note

    def finished(self, outcomes: tuple[FileOutcome, ...]) -> Iterable[int]:
        self.threads.add(threading.get_ident())
        self.told += [(each.index, each.attempt, each.status.value) for each in outcomes]
        if outcomes[0].index == self.released_by:
            self.held_back.clear()
        again = self.redo_once & {outcomes[0].index}
        self.redo_once -= again
        return tuple(again)


@contextmanager
def quick_to_move(**other: float) -> Iterator[None]:
    """`executor: auto` moves as soon as one file has ended, wherever the lock is said to be taken, and for good."""
    quick = {"LEAST_LOOKS": 1, "LEAST_WATCHED_S": 0.0, "WORTH": 0.0, "WORSE": 0.0, "LATE_STARTS": 1e15} | other
    before = {name: getattr(auto_decision, name) for name in quick}
    for name, value in quick.items():
        setattr(auto_decision, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(auto_decision, name, value)


def locked(pids: tuple[int, ...]) -> Sample:
    """A probe that always finds the lock taken."""
    return Sample(gil_taken=1.0)


def one_at_a_time() -> Probe:
    """A probe that finds Python's lock free, and files that stand still in the DLL for as long as they run."""
    began_s = time.perf_counter()
    return lambda pids: Sample(gil_taken=0.0, waited_s=4 * (time.perf_counter() - began_s))


MOVING: dict[str, Any] = {
    "executor": "auto", "threads": 4, "processes": 2, "threads_per_process": 2,
    "start_cost_s": 1e-12, "sample_interval_s": 1e-3,
}  # fmt: skip
"""Options under which a run moves to processes as soon as it can, together with `quick_to_move` and `locked`."""


class OwnBaseError(BaseException):
    """Of a library that wants to be caught by nobody, as pytest's `skip` does. Importable where workers are."""
