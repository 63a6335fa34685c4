"""What a worker does with one task: load it once, extract for each batch, release it, and say how it went.

    TaskRunner.do(task):  open (first time) → load → extract A → extract B → release → write → one FileOutcome per batch
    TaskRunner.begin(task):  the same without the end: `WriteBehind.write` may be called on another thread

Covers the phases and their clocks, the one place where any exception becomes a failed outcome, and the life of the
worker on its thread. Does not cover threads, queues or processes (`worker_loop`, `serial`, `process_main`).

Exceptions: every `Exception` from the worker becomes a failed outcome by way of `Recipe.explain`, so one bad file
never ends a batch. `KeyboardInterrupt`, `SystemExit` and whatever else is not an `Exception` pass through, after the
file was released: they ask for the end of the thread, and the executor that owns the thread reports the file as
crashed (`Died`) and replaces the worker.

Shares: what is done once for a task with several batches (load, clean-up) counts in equal parts in each batch's
outcome, so that sums over outcomes are the worker's time. Memory is a level and stands in each in full.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar

from orcabatch.engine import endings
from orcabatch.engine.contract import Extracted, Later, Note, Recipe, Task, Worker
from orcabatch.engine.foreign import heard, onward, ordinarily
from orcabatch.engine.memory_meter import NOISE_BYTES, MemoryMeter, ReadCounter
from orcabatch.engine.worker_messages import Complaint, Finished, Noted, PhaseEntered, Post, Released, Started, Written
from orcabatch.outcome import Cause, Failure, FileOutcome, Phase, Status, Usage
from orcabatch.sleep import awake_s
from orcabatch.text import traceback_of, words_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A step went well."""

    value: T


@dataclass(frozen=True, slots=True)
class Caught:
    """A step raised."""

    error: Exception


def attempt(step: Callable[[], T]) -> Done[T] | Caught:
    """Run a worker's step: its result, or whatever exception it raised.

    For this module alone, whose clocks and meters are read between a step and what follows from its end.
    """
    try:
        return Done(heard(step))
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything, and one file never ends a batch
        return Caught(error)


def clear_locals(error: BaseException) -> None:
    """Let go what the functions that raised had in hand.

    The error and its frames refer to each other, so large arrays, and models of the function's own, would live until
    the collector comes: by then on another thread, which may not destroy a model.
    """
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        one = chain.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            chain += [one.__cause__, one.__context__]


class LapClock:
    """Wall and CPU seconds by phase on the calling thread, handed out in laps.

    Args:
        entered: told about each change of phase, with the instant.
    """

    def __init__(self, entered: Callable[[Phase, float], None]) -> None:
        self.phase = Phase.LOAD
        self._entered = entered
        self._wall: dict[str, float] = {}
        self._cpu: dict[str, float] = {}
        self._since = onward(0.0, awake_s())
        self._cpu_since = onward(0.0, time.thread_time())

    def enter(self, phase: Phase) -> None:
        """End the phase before and begin this one."""
        if phase is self.phase:
            return
        self._count()
        self.phase = phase
        self._entered(phase, self._since)

    def lap(self) -> Lap:
        """What was counted since the lap before; the phase goes on."""
        self._count()
        lap = Lap(self._wall, self._cpu)
        self._wall, self._cpu = {}, {}
        return lap

    def move_here(self) -> None:
        """Go on on the calling thread: CPU counts by thread."""
        self._cpu_since = onward(0.0, time.thread_time())

    @property
    def read_s(self) -> float:
        """The instant up to which it has counted."""
        return self._since

    def _count(self) -> None:
        now, cpu = onward(self._since, awake_s()), onward(self._cpu_since, time.thread_time())
        key = self.phase.value
        self._wall[key] = self._wall.get(key, 0.0) + now - self._since
        self._cpu[key] = self._cpu.get(key, 0.0) + cpu - self._cpu_since
        self._since, self._cpu_since = now, cpu


@dataclass(frozen=True, slots=True)
class Lap:
    """Wall and CPU seconds by phase."""

    wall: dict[str, float]
    cpu: dict[str, float]


@dataclass(slots=True)
class _Part:
    """One batch's part of a task in the making."""

    batch: str
    lap: Lap
    value: Any = None
    warnings: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    failure: Failure | None = None
    failed_phase: Phase | None = None
    later: Later | None = None
    written: Lap = field(default_factory=lambda: Lap({}, {}))
    behind: bool = False


@dataclass(slots=True)
class _Sheet:
    """All that is written down about a task while it is worked on."""

    task: Task
    clock: LapClock
    started_s: float
    shared: list[Lap] = field(default_factory=list)
    parts: list[_Part] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    memory_bytes: int = 0
    read_bytes: int = 0


class TaskRunner:
    """One worker and the thread it belongs to: opened at the first task, replaced when it cannot release, closed.

    Args:
        recipe: makes the worker and explains its exceptions.
        post: takes the messages; called on this thread.
        name: of the worker, for the outcomes.
        meter: of this process.
    """

    def __init__(self, recipe: Recipe, post: Post, name: str, meter: MemoryMeter) -> None:
        self._recipe = recipe
        self._post = post
        self._name = name
        self._meter = meter
        self._reads = ReadCounter()
        self._worker: Worker | None = None

    def do(self, task: Task) -> Finished:
        """Work on one task from loading to the last output. Only what is not an `Exception` passes through."""
        done = self.begin(task)
        return done if isinstance(done, Finished) else done.write_here()

    def begin(self, task: Task) -> Finished | WriteBehind:
        """Work on one task from loading to releasing; outputs may be left to be written by whoever has the time."""
        clock = LapClock(lambda phase, at_s: self._post(PhaseEntered(task.index, phase, at_s)))
        sheet = _Sheet(task, clock, started_s=clock.read_s)
        self._post(Started(task.index, self._name, sheet.started_s))
        self._meter.begin(task.index, task.size_bytes)
        complete = False
        try:
            self._load_and_extract(sheet)
            complete = True
        finally:
            sheet.memory_bytes = self._meter.end(task.index)
            self._release(sheet)
            if not complete:
                _drop(sheet)
        if any(part.later for part in sheet.parts):
            sheet.clock.enter(Phase.WRITE)
            return WriteBehind(sheet, self._name, self._explain)
        return _finished(sheet, self._name)

    def close(self) -> None:
        """Close the worker, on the thread that calls; a worker that cannot be closed is a complaint, not an error."""
        worker, self._worker = self._worker, None
        self._reads.close()
        if worker is None:
            return
        match attempt(worker.close):
            case Caught(error):
                self._post(Complaint(f"worker {self._name} could not be closed properly: {words_of(error)}"))
            case Done():
                pass

    def _load_and_extract(self, sheet: _Sheet) -> None:
        task = sheet.task
        before = self._reads.so_far()
        loaded = attempt(lambda: self._open().load(task))
        read_bytes = self._reads.so_far() - before
        sheet.read_bytes = read_bytes if read_bytes > NOISE_BYTES else task.size_bytes
        self._meter.mark()
        sheet.shared.append(sheet.clock.lap())
        if isinstance(loaded, Caught):
            failure = self._explain(loaded.error, task, Phase.LOAD)
            nothing = Lap({}, {})
            sheet.parts = [_Part(batch, nothing, failure=failure, failed_phase=Phase.LOAD) for batch in task.batches]
            return
        for batch in task.batches:
            self._extract(sheet, batch)

    def _extract(self, sheet: _Sheet, batch: str) -> None:
        task, clock = sheet.task, sheet.clock
        clock.enter(Phase.EXTRACT)
        extracted = attempt(lambda: self._open().extract(task, batch, clock))
        phase = clock.phase
        self._meter.mark()
        part = _Part(batch, clock.lap())
        match extracted:
            case Done(Extracted(value, warnings, counts, later)):
                part.value, part.warnings, part.counts, part.later = value, warnings, counts, later
            case Caught(error):
                own = replace(task, batches=(batch,))
                part.failure, part.failed_phase = self._explain(error, own, phase), phase
        sheet.parts.append(part)

    def _release(self, sheet: _Sheet) -> None:
        sheet.clock.enter(Phase.CLEAN_UP)
        worker = self._worker
        if worker is not None:
            released = attempt(lambda: worker.release(sheet.task))
            if isinstance(released, Caught):
                sheet.warnings = (
                    f"the worker could not release the file and was replaced: {words_of(released.error)}",
                )
                self.close()
            self._meter.released()
        sheet.shared.append(sheet.clock.lap())

    def _open(self) -> Worker:
        if self._worker is None:
            self._worker = self._recipe.open_worker(self._note)
        return self._worker

    def _note(self, note: Note) -> None:
        self._post(Noted(note))

    def _explain(self, error: Exception, task: Task, phase: Phase) -> Failure:
        try:
            return self._explained(error, task, phase)
        finally:
            clear_locals(error)

    def _explained(self, error: Exception, task: Task, phase: Phase) -> Failure:
        text = traceback_of(error)
        match attempt(lambda: self._recipe.explain(error, task, phase)):
            case Done(Failure() as failure) if failure.traceback:
                return failure
            case Done(failure):
                return Failure(failure.cause, failure.message, failure.remedy, failure.may_heal, text)
            case Caught(second):
                last = text.rstrip().rpartition("\n")[2]  # str(error) may be what raised
                return Failure(Cause.EXCEPTION, last, traceback=text + traceback_of(second))


class WriteBehind:
    """A task whose file was given back, and whose outputs are still to be written: once, on any thread.

    Args:
        sheet: what was written down so far; its clock stands in the phase `write`.
        worker: who did it.
        explain: what an exception means.

    Attributes:
        is_lost: what became of it could not be told, for want of memory.
    """

    def __init__(self, sheet: _Sheet, worker: str, explain: Callable[[Exception, Task, Phase], Failure]) -> None:
        self._sheet, self._worker, self._explain = sheet, worker, explain
        self.is_lost = False

    @property
    def index(self) -> int:
        """The task."""
        return self._sheet.task.index

    @property
    def finished(self) -> Finished:
        """Said of the worker, which is free."""
        sheet = self._sheet
        laps = [*sheet.shared, *(part.lap for part in sheet.parts)]
        phases = _sum([lap.wall for lap in laps], [], 1.0)
        cpu_s = sum(sum(lap.cpu.values()) for lap in laps)
        released = Released(phases, cpu_s, sheet.memory_bytes)
        return Finished(self.index, (), frozenset(), sheet.clock.read_s, released)

    def write(self) -> Written:
        """Write, on the calling thread, while the worker has other files."""
        done = self.write_here(behind=True)
        return Written(done.index, done.outcomes, done.may_heal, done.at_s)

    def write_here(self, *, behind: bool = False) -> Finished:
        """The same, said of the worker that did it all."""
        sheet = self._sheet
        sheet.clock.move_here()
        for part in sheet.parts:
            if part.later is None:
                continue
            match attempt(partial(_ordinary, part.later.write) if behind else part.later.write):
                case Caught(error):
                    own = replace(sheet.task, batches=(part.batch,))
                    part.value, part.failure = None, self._explain(error, own, Phase.WRITE)
                    part.failed_phase = Phase.WRITE
                case Done():
                    pass
            part.later, part.written, part.behind = None, sheet.clock.lap(), behind
        return _finished(sheet, self._worker)

    def lost(self, error: BaseException) -> Written:
        """What became of it cannot be told."""
        task, now = self._sheet.task, awake_s()
        failure = Failure(Cause.OUTPUT, f"how its outputs were written cannot be told: {words_of(error)}")
        return Written(task.index, endings.failed(task, failure, now, Phase.WRITE), frozenset(), now)

    def drop(self) -> None:
        """Nobody wants it any more: what has not been written is not, also while another thread writes."""
        _drop(self._sheet)


def _drop(sheet: _Sheet) -> None:
    """Leave no outputs of a task that was broken off."""
    for later in [part.later for part in sheet.parts]:
        if later is not None:
            attempt(later.drop)


def _ordinary(write: Callable[[], None]) -> None:
    """Write where there is no worker to be ended: whatever is raised fails the file, and the run hears of its end."""
    ordinarily(write)


def _finished(sheet: _Sheet, worker: str) -> Finished:
    """The outcomes of a task; called when its clock has stopped."""
    outcomes = tuple(_outcome(sheet, part, worker) for part in sheet.parts)
    may_heal = frozenset(part.batch for part in sheet.parts if part.failure is not None and part.failure.may_heal)
    return Finished(sheet.task.index, outcomes, may_heal, sheet.clock.read_s)


def _outcome(sheet: _Sheet, part: _Part, worker: str) -> FileOutcome:
    task, failure, share = sheet.task, part.failure, 1 / len(sheet.parts)
    return FileOutcome(
        file=task.file,
        batch=part.batch,
        status=Status.FAILED if failure else Status.OK,
        value=part.value,
        error=str(failure) if failure else None,
        traceback=failure.traceback if failure else None,
        phases=_sum([part.lap.wall, part.written.wall], [lap.wall for lap in sheet.shared], share),
        warnings=part.warnings + sheet.warnings,
        attempt=task.attempt,
        cause=failure.cause if failure else None,
        failed_phase=part.failed_phase,
        index=task.index,
        size_bytes=task.size_bytes,
        tier=task.tier,
        worker=worker,
        started_s=sheet.started_s,
        finished_s=sheet.clock.read_s,
        usage=Usage(
            cpu_s=_sum([part.lap.cpu, part.written.cpu], [lap.cpu for lap in sheet.shared], share),
            read_bytes=int(sheet.read_bytes * share),
            peak_memory_bytes=sheet.memory_bytes,
            counts=part.counts,
            behind_s=sum(part.written.wall.values()) if part.behind else 0.0,
        ),
    )


def _sum(own: list[dict[str, float]], shared: list[dict[str, float]], share: float) -> dict[str, float]:
    total: dict[str, float] = {}
    for laps, weight in ((own, 1.0), (shared, share)):
        for lap in laps:
            for phase, seconds in lap.items():
                total[phase] = total.get(phase, 0.0) + seconds * weight
    return total
