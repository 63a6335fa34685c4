"""Which dask worker gets which file: slots, memory of each worker, limits of each machine, licence seats.

Covers the choice among the workers that are there, as a function of what is known about them. Does not cover finding
out (`cluster`) nor doing (`executor`). A worker gets a file when four things hold at once:

    - one of its threads is free, and it does not have to be left alone;
    - its memory takes the file: the same arithmetic as for a whole host (`memory_admission`), with the worker's own
      limit. A file that no worker can take runs alone, on the one that has most;
    - its machine is below the limits that are each machine's: files at once, and those of the file's tier;
    - it has a licence seat, or there is another one.

A file that fits nowhere keeps one worker from getting more, so that smaller ones do not pass it for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orcabatch.engine import memory_admission as memory
from orcabatch.engine.scheduler_messages import Sample

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task
    from orcabatch.engine.limits import Limits


@dataclass(frozen=True, slots=True)
class Seen:
    """A dask worker process, as the scheduler tells of it.

    Attributes:
        identity: of the process; one that takes an address over has another.
        address: of the worker.
        name: for displays.
        threads: files that it can work on at once.
        limit_bytes: its memory limit; 0: none.
        held_bytes: its resident memory.
        cpu_percent: of one CPU.
        open: whether it takes work (it is not paused for want of memory, nor leaving).
    """

    identity: str
    address: str
    name: str
    threads: int
    limit_bytes: int = 0
    held_bytes: int = 0
    cpu_percent: float = 0.0
    open: bool = True

    @property
    def machine(self) -> str:
        """The machine it runs on."""
        return self.address.rpartition("//")[2].rpartition(":")[0]


@dataclass(slots=True, eq=False)
class DaskWorkerSlot:
    """A worker, and what it has of this run.

    Attributes:
        seen: as it was seen last.
        memory: what is known about its memory.
        tasks: what it works on, by index.
        sessions: how many it has opened, each with a model.
        alone: nothing else may be given to it (a task that is suspected of having killed one).
        barred: why it gets nothing; empty: it does.
        ended_by_us: we ended its process.
    """

    seen: Seen
    memory: memory.MemoryAdmission
    tasks: dict[int, Task] = field(default_factory=dict)
    sessions: int = 0
    alone: bool = False
    barred: str = ""
    ended_by_us: bool = False

    @property
    def usable(self) -> bool:
        """Whether it may get work."""
        return self.seen.open and not self.barred and not self.ended_by_us

    @property
    def has_room(self) -> bool:
        """Whether a thread is free and nothing on it wants to be alone."""
        return self.usable and not self.alone and len(self.tasks) < self.seen.threads

    def fits(self, task: Task) -> bool:
        """Whether its memory takes the file now."""
        if self.memory.pressure == "over" and self.tasks:
            return False
        return self.needs(task) <= (self.memory.room_bytes if self.tasks else self.budget)

    def needs(self, task: Task) -> float:
        """What the file is expected to take here; 0 where memory is not watched."""
        return task.memory_bytes * self.memory.correction if self.memory.total_bytes else 0.0

    @property
    def budget(self) -> float:
        """What all its files together may take; infinite where memory is not watched."""
        return float(self.memory.budget_bytes) if self.memory.total_bytes else float("inf")


class DaskWorkerSlots:
    """The workers of a cluster.

    Args:
        limits: those of one machine; memory shares count for each worker.
        from_history: whether predictions of memory stem from earlier runs.
    """

    def __init__(self, limits: Limits, *, from_history: bool) -> None:
        self._limits = limits
        self._known = memory.begin(replace(limits, memory_total_bytes=0), from_history=from_history)
        self._all: dict[str, DaskWorkerSlot] = {}

    def __iter__(self) -> Iterator[DaskWorkerSlot]:
        return iter(self._all.values())

    def update(self, seen: Mapping[str, Seen]) -> list[DaskWorkerSlot]:
        """Take over what was seen, by identity; returns the places that are no more."""
        gone = [self._all.pop(identity) for identity in list(self._all) if identity not in seen]
        for identity, worker in seen.items():
            place = self._all.setdefault(identity, DaskWorkerSlot(worker, self._known))
            place.seen = worker
            place.memory = memory.observe(place.memory, self._limits, _sample(worker))
        return gone

    def take(self, place: DaskWorkerSlot, task: Task, *, alone: bool) -> None:
        """The place gets the task."""
        place.tasks[task.index] = task
        place.alone = alone
        place.sessions = max(place.sessions, len(place.tasks))
        place.memory = memory.load(place.memory, task.memory_bytes)

    def leave(self, place: DaskWorkerSlot, index: int, measured_bytes: int = 0) -> None:
        """The task left the place; what it was measured to take is learnt for all."""
        task = place.tasks.pop(index)
        place.alone = False
        place.memory = memory.unload(place.memory, task.memory_bytes, measured_bytes)
        self._known = memory.learn(self._known, task.memory_bytes, measured_bytes)
        for each in self._all.values():
            each.memory = replace(each.memory, measured=self._known.measured, highest=self._known.highest)

    def choose(self, task: Task, *, alone: bool, kept: Collection[DaskWorkerSlot]) -> DaskWorkerSlot | None:
        """Where the task goes now; None: nowhere.

        Args:
            task: what is to be done.
            alone: nothing else may run in its process.
            kept: places that wait for others.
        """
        best = max((place.budget for place in self._all.values() if place.usable), default=0.0)
        able = [
            place
            for place in self._all.values()
            if place.has_room and place not in kept and not (alone and place.tasks) and self._allowed(place, task)
            if place.fits(task) or (not place.tasks and place.budget >= best)
        ]
        return min(able, key=self._rank, default=None)

    def keep_for(self, task: Task, *, kept: Collection[DaskWorkerSlot]) -> DaskWorkerSlot | None:
        """The place that shall wait for a task that fits nowhere: one that can take it, with least to finish first."""
        usable = [place for place in self._all.values() if place.usable and place not in kept]
        able = [place for place in usable if place.needs(task) <= place.budget]
        return min(able, key=lambda place: len(place.tasks), default=None) or max(
            usable, key=lambda place: place.budget, default=None
        )

    def to_spare(self, needed: int) -> list[DaskWorkerSlot]:
        """The places without a file whose sessions may be closed, where so many places are needed.

        None where seats have a maximum: nobody says when sessions have closed, so another would take one too early.
        """
        held = [place for place in self._all.values() if place.sessions]
        if self._limits.seats.max is not None and self._limits.seats.scope != "host":
            return []
        return [place for place in held if not place.tasks][: max(0, len(held) - needed)]

    @property
    def slots(self) -> int:
        """How many files can be worked on at once."""
        threads: dict[str, int] = {}
        for place in self._all.values():
            if place.usable:
                machine = place.seen.machine
                threads[machine] = min(self._limits.max_limit, threads.get(machine, 0) + place.seen.threads)
        return sum(threads.values())

    @property
    def cpu_percent(self) -> float:
        """How busy the workers' threads are together."""
        threads = sum(place.seen.threads for place in self._all.values())
        return min(100.0, sum(place.seen.cpu_percent for place in self._all.values()) / max(1, threads))

    def _allowed(self, place: DaskWorkerSlot, task: Task) -> bool:
        here = [held for each in self._on(place.seen.machine) for held in each.tasks.values()]
        if len(here) >= self._limits.max_limit:
            return False
        of_tier = sum(held.tier == task.tier for held in here)
        return of_tier < self._limits.most_of(task.tier) and self._has_seat(place)

    def _on(self, machine: str) -> list[DaskWorkerSlot]:
        return [place for place in self._all.values() if place.seen.machine == machine]

    def _has_seat(self, place: DaskWorkerSlot) -> bool:
        most = self._limits.seats.max
        return most is None or not self._needs_seat(place) or self._seats_held() < most

    def _needs_seat(self, place: DaskWorkerSlot) -> bool:
        match self._limits.seats.scope:
            case "model":
                return len(place.tasks) >= place.sessions
            case "process":
                return not place.sessions
            case _:
                return not any(each.sessions for each in self._on(place.seen.machine))

    def _seats_held(self) -> int:
        held = [place for place in self._all.values() if place.sessions]
        match self._limits.seats.scope:
            case "model":
                return sum(place.sessions for place in held)
            case "process":
                return len(held)
            case _:
                return len({place.seen.machine for place in held})

    def _rank(self, place: DaskWorkerSlot) -> tuple[bool, float, float]:
        """Where seats are counted those that are held come first; then the emptiest worker, then most memory."""
        new_seat = self._limits.seats.max is not None and self._needs_seat(place)
        room = place.memory.room_bytes if place.memory.total_bytes else 0
        return new_seat, len(place.tasks) / place.seen.threads, -room


def _sample(worker: Seen) -> Sample:
    free = max(0, worker.limit_bytes - worker.held_bytes)
    return Sample(total_bytes=worker.limit_bytes, available_bytes=free, own_bytes=worker.held_bytes)
