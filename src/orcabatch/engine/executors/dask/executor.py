"""The dask executor: files go to dask workers, on this machine or on many.

    dispatcher ── submit ──> DaskExecutor ── one dask task per file ──> work() on a worker (`worker`)
                               │  ^ started, phases, notes: published by the worker; outcomes: the task's result
                               v  └ who is there, with how much memory: asked of the scheduler (`cluster`)
                             DaskWorkerSlots: which worker gets the file (`placement`)

Covers what becomes of each file. A worker that dies costs the files it held, and nothing else; they go to another one,
alone, as with worker processes. A worker that joins gets files from then on. A worker that cannot do the work (other
versions, a module that is missing there) gets none, and a warning says why.

Clocks of other machines are not ours: a file's instants are put on this process's clock when its result is here, so
they are late by the time that the result travelled.
"""

from __future__ import annotations

import pickle
import uuid
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orcabatch.engine import endings
from orcabatch.engine import memory_admission as memory
from orcabatch.engine.executor import Executor
from orcabatch.engine.executors import packing
from orcabatch.engine.executors.dask.cluster import Cluster
from orcabatch.engine.executors.dask.placement import DaskWorkerSlot, DaskWorkerSlots, Seen
from orcabatch.engine.executors.dask.worker import WorkOrder
from orcabatch.engine.executors.mailbox import Mailbox
from orcabatch.engine.executors.transport import Report
from orcabatch.engine.foreign import ordinarily
from orcabatch.engine.inherited import Inherited
from orcabatch.engine.scheduler_messages import Sample
from orcabatch.engine.worker_messages import Broken, Complaint, Died, Finished, Message, PhaseEntered, Started
from orcabatch.sleep import awake_s
from orcabatch.text import words_of
from orcabatch.versions import versions_of_results

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.limits import Limits
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.scheduler_messages import Probe


GONE_S = 60.0
"""After so long without an answer the scheduler is taken to be gone. Shorter: a network that pauses ends the run.
Longer: files are waited for that nobody has."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """The workers that are there, or why that is not known."""

    found: dict[str, Seen] | Exception


@dataclass(frozen=True, slots=True)
class _Back:
    """What was given to a worker came back, or will not."""

    index: int
    future: Future[bytes]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A task that waits for a place."""

    task: Task
    packed: bytes
    alone: bool


@dataclass(frozen=True, slots=True)
class _Given:
    """A task that a worker has."""

    place: DaskWorkerSlot
    key: str
    future: Future[bytes]
    at_s: float


class DaskExecutor(Executor):
    """Runs tasks on dask workers.

    Args:
        recipe: makes the workers; packed here and now.
        options: the address, or how many processes with how many threads.
        limits: of one machine.
        tasks: what will be run.

    Raises:
        SettingsError: the recipe cannot be sent to another process, no scheduler answers at the address, or
            `distributed` is not installed.
    """

    name = "dask"

    def __init__(self, recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> None:
        self._run = f"orcabatch-{uuid.uuid4().hex[:12]}"
        self._order = WorkOrder(
            self._run,
            packing.pack(recipe, "executor: dask"),
            Inherited.here(options.initializer, "executor: dask"),
            versions_of_results(),
            options.priority == "low",
        )
        self._options = options
        self._places = DaskWorkerSlots(limits, from_history=not memory.guessed(tasks, limits))
        self._remote = options.address is not None
        self.capacity = max(1, len(tasks)) if self._remote else options.processes * options.threads_per_process
        self._mailbox: Mailbox[_Looked | _Back | Message] = Mailbox()
        self._waiting: deque[_Entry] = deque()
        self._where: dict[int, _Given] = {}
        self._given = 0
        self._blind_since_s: float | None = None
        self._told_empty = False
        self._last_end = "see what they wrote"
        self._cluster: Cluster | None = self._connected() if self._remote else None

    @property
    def pids(self) -> tuple[int, ...]:
        """The worker processes of a cluster of our own."""
        return self._cluster.pids if self._cluster is not None else ()

    def limits_of_all(self, limits: Limits, files: int) -> Limits:
        """At an address, memory and seats are each machine's; the run as a whole is bound by its files alone."""
        if not self._remote:
            return limits
        files = max(1, files)
        fewest = min((place.seen.threads for place in self._places), default=1)
        return replace(
            limits,
            tiers=dict.fromkeys(limits.tiers, files) if limits.mode == "static" else {},
            max_limit=files,
            fixed_limit=limits.fixed_limit or files,
            memory_total_bytes=0,
            seats=replace(limits.seats, processes=files, threads_per_process=fewest),
        )

    def watched(self, probe: Probe | None) -> Probe | None:
        """The probe, which at an address knows the cluster and not this machine."""
        if not self._remote:
            return probe
        return lambda pids: replace(
            probe(pids) if probe is not None else Sample(),
            total_bytes=0,
            available_bytes=0,
            cpu_percent=self._places.cpu_percent,
            gil_taken=None,
            slots=max(1, self._places.slots),
        )

    def allow(self, units: int) -> None:
        """Seats are counted by `DaskWorkerSlots`, for each machine where they are each machine's."""

    def submit(self, task: Task, *, alone: bool = False) -> None:
        """Pack the task and place it; one that cannot be packed has failed."""
        packed = packing.pack_task(task)
        if isinstance(packed, Finished):
            self._mailbox.post(packed)
            return
        if self._cluster is None:
            self._cluster = self._connected()
        self._waiting.append(_Entry(task, packed, alone))
        self._place()

    def poll(self, timeout_s: float | None) -> Sequence[Message]:
        """What happened on the workers, and to them."""
        messages: list[Message] = []
        for item in self._mailbox.take(timeout_s):
            match item:
                case _Looked(found):
                    messages += self._looked(found)
                case _Back(index, future):
                    messages += self._back(index, future)
                case Started() | PhaseEntered():
                    messages += [replace(item, at_s=awake_s())] if item.index in self._where else []
                case _:
                    messages.append(item)
        self._place()
        return messages

    def given_s(self, index: int) -> float | None:
        """Since when its worker should have begun: the first file imports what is needed there, and nobody tells."""
        given = self._where.get(index)
        return None if given is None else given.at_s + self._options.start_timeout_s

    def recall(self) -> tuple[int, ...]:
        """Take back the tasks that wait for a place."""
        indices = tuple(entry.task.index for entry in self._waiting)
        self._waiting.clear()
        return indices

    def abandon(self, index: int) -> bool:
        """End the process that has the task; its other tasks come back as bystanders."""
        if index not in self._where:
            self._waiting = deque(entry for entry in self._waiting if entry.task.index != index)
            return True
        place = self._take(index)
        place.ended_by_us = True
        if self._cluster is not None:
            self._cluster.end_process(place.seen.address)
        return True

    def set_limit(self, limit: int) -> None:
        """Close the sessions of idle workers of our own that can no longer be needed."""
        if self._remote or self._cluster is None:
            return
        leaving = self._places.to_spare(-(limit // -self._options.threads_per_process))
        for place in leaving:
            place.sessions = 0
        self._cluster.close_sessions(self._run, [place.seen.address for place in leaving], wait=False)

    def collect(self) -> None:
        """Collect garbage on every worker that has had a file."""
        if self._cluster is not None:
            self._cluster.collect(self._used())

    def close(self, *, now: bool = False) -> None:
        """Close the sessions on all workers, and end those that are our own.

        With `now`, files that run on workers at an address go on there; nobody waits for them.
        """
        self._waiting.clear()
        for index in list(self._where):
            self._take(index)
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close_sessions(self._run, self._used(), wait=not now)
            cluster.close(self._run, now=now)

    # --- placing ---

    def _connected(self) -> Cluster:
        options = self._options
        cluster = Cluster(options.address, options.processes, options.threads_per_process)
        try:
            cluster.listen(self._run, lambda packed: self._mailbox.post(_unpacked(packed)))
            self._places.update(cluster.look())
            cluster.watch(lambda found: self._mailbox.post(_Looked(found)))
        except BaseException:
            cluster.close(self._run, now=True)
            raise
        return cluster

    def _place(self) -> None:
        """Give waiting tasks to workers, in their order; one that fits nowhere keeps a worker from getting more."""
        if self._cluster is None:
            return
        kept: set[DaskWorkerSlot] = set()
        for _ in range(len(self._waiting)):
            entry = self._waiting.popleft()
            place = self._places.choose(entry.task, alone=entry.alone, kept=kept)
            if place is not None:
                self._give(self._cluster, place, entry)
                continue
            self._waiting.append(entry)
            if (waiting_for := self._places.keep_for(entry.task, kept=kept)) is not None:
                kept.add(waiting_for)

    def _give(self, cluster: Cluster, place: DaskWorkerSlot, entry: _Entry) -> None:
        index = entry.task.index
        self._given += 1
        self._places.take(place, entry.task, alone=entry.alone)
        key = f"{self._run}-{self._given}"
        future = cluster.give(key, place.seen.address, self._order, entry.packed)
        self._where[index] = _Given(place, key, future, awake_s())
        future.add_done_callback(lambda done: self._mailbox.post(_Back(index, done)))

    def _take(self, index: int, measured_bytes: int = 0) -> DaskWorkerSlot:
        """The task has left its place."""
        given = self._where.pop(index)
        if self._cluster is not None and not given.future.done():
            self._cluster.drop(given.key)
        self._places.leave(given.place, index, measured_bytes)
        return given.place

    def _used(self) -> list[str]:
        return [place.seen.address for place in self._places if place.sessions and not place.ended_by_us]

    # --- what came back ---

    def _back(self, index: int, future: Future[bytes]) -> list[Message]:
        if index not in self._where or self._where[index].future is not future:
            return []
        try:
            answer = pickle.loads(future.result())  # noqa: S301 - from our own workers
        except CancelledError:
            return []  # the next look says whether its worker or the scheduler is gone
        except Exception as error:  # noqa: BLE001 - whatever dask or a worker raised: that worker gets no more
            return self._bar(index, words_of(error))
        match answer:
            case Report(Broken(text)):
                return self._bar(index, text)
            case Report(Died() as died):
                place = self._take(index)
                place.sessions -= 1
                return [replace(died, indices=(index,))]
            case Report(Finished() as finished, values):
                measured = max(each.usage.peak_memory_bytes for each in finished.outcomes)
                self._take(index, measured)
                outcomes = tuple(map(packing.unpack_value, finished.outcomes, values))
                return [_on_our_clock(replace(finished, outcomes=outcomes))]
            case other:
                raise RuntimeError(f"a dask worker answered {other!r}")

    def _bar(self, index: int, why: str) -> list[Message]:
        """The worker cannot do such work: it gets no more, and the task goes to another."""
        place = self._take(index)
        said: list[Message] = []
        if not place.barred:
            place.barred = why
            said.append(Complaint(f"dask worker {place.seen.name} is not used: {why}"))
        if not any(not each.barred for each in self._places):
            return [*said, Broken(f"no dask worker can do the work; {place.seen.name}: {why}")]
        return [*said, Died(place.seen.name, (index,), f"worker {place.seen.name} cannot do it", guilty=False)]

    def _looked(self, found: dict[str, Seen] | Exception) -> list[Message]:
        if isinstance(found, Exception):
            now = awake_s()
            self._blind_since_s = self._blind_since_s or now
            text = f"the dask scheduler is gone: {found!r}; start it again and run the same command"
            return [Broken(text)] if now - self._blind_since_s >= GONE_S else []
        self._blind_since_s = None
        said = [message for place in self._places.update(found) for message in self._gone(place)]
        for index in [index for index, given in self._where.items() if given.future.cancelled()]:
            name = self._take(index).seen.name
            said.append(Died(name, (index,), f"dask took it from worker {name}"))
        if not found and self._waiting and self._cluster is not None and self._cluster.is_deserted:
            text = f"all dask workers of this run have ended so often that dask starts no others: {self._last_end}"
            return [*said, Broken(f"{text}; `executor: processes` says what a process wrote before it ended")]
        if not found and self._waiting and not self._told_empty:
            self._told_empty = True
            said.append(Complaint("the dask scheduler has no worker: waiting for one (`dask worker ADDRESS`)"))
        return said

    def _gone(self, place: DaskWorkerSlot) -> list[Message]:
        held = tuple(index for index, given in self._where.items() if given.place is place)
        for index in held:
            self._take(index)
        if not held:
            return [] if place.ended_by_us else [Complaint(f"dask worker {place.seen.name} left")]
        if not place.ended_by_us:
            self._last_end = _how_it_ended(place.seen)
        text = endings.FOR_ANOTHER if place.ended_by_us else self._last_end
        return [Died(place.seen.name, held, text, guilty=not place.ended_by_us)]


def _unpacked(packed: bytes) -> Message:
    try:
        said: Message = ordinarily(lambda: pickle.loads(packed))  # noqa: S301 - published by our own workers
    except Exception as error:  # noqa: BLE001 - a note's content may be the user's own, and runs its code
        return Complaint(f"something that a dask worker said cannot be unpacked: {words_of(error)}")
    return said


def _on_our_clock(finished: Finished) -> Finished:
    """With instants of this process's clock; durations are the worker's."""
    late_s = awake_s() - finished.at_s
    outcomes = tuple(
        replace(each, started_s=each.started_s + late_s, finished_s=each.finished_s + late_s)
        for each in finished.outcomes
    )
    return replace(finished, outcomes=outcomes, at_s=finished.at_s + late_s)


def _how_it_ended(worker: Seen) -> str:
    held, most = worker.held_bytes / 1e6, worker.limit_bytes / 1e6
    memory = f"; it held {held:.0f} of its {most:.0f} MB of memory when last seen" if most else ""
    return f"its dask worker {worker.name} died{memory}"


def build(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> DaskExecutor:
    """As the registry of executors asks for it."""
    return DaskExecutor(recipe, options, limits, tasks)
