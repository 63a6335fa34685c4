"""The processes executor: worker processes, each with its own worker threads.

    dispatcher ── Give ──> child process 1: worker 1-1, 1-2      each behind its `ProcessHandle`
                           child process 2: worker 2-1, 2-2

Covers starting, filling, killing, replacing and ending worker processes. Does not cover what happens in them
(`process_main`), nor talking to one (`process_handle`).

A process that dies costs the tasks it held, and nothing else: they are reported (`Died`), and the next task starts a
new one. One that dies before it takes files is no fault of theirs: how often that is tried, `restarts` knows.
Tasks that are suspected of having killed a process run alone in theirs (`alone`), so that a file that kills
every process it meets does not take the same neighbours with it each time. Which process gets a task is decided by
`placing`.

A worker keeps its model between files, and with it what holds a licence seat: an open worker, or a process with one
(see `SeatLimits`). What was refused a seat holds none; no seat is taken while another is being given back.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from orcabatch.console import is_frozen, no_python
from orcabatch.engine import endings
from orcabatch.engine.echo import echo
from orcabatch.engine.executor import Executor, SeatUse
from orcabatch.engine.executors import packing, placing, transport
from orcabatch.engine.executors.leaving import CLOSING_S, Leaving
from orcabatch.engine.executors.mailbox import Bell, Mailbox, can_wait
from orcabatch.engine.executors.process_handle import Gone, ProcessHandle, Told
from orcabatch.engine.executors.restarts import Restarts
from orcabatch.engine.executors.starting import LOOK_S
from orcabatch.engine.inherited import Inherited
from orcabatch.engine.logs import logger
from orcabatch.engine.options import ON_THREADS
from orcabatch.engine.worker_messages import (
    Broken,
    Complaint,
    Died,
    Finished,
    Logged,
    Message,
    Started,
    Warned,
    Written,
)
from orcabatch.errors import SettingsError
from orcabatch.sleep import awake_s
from orcabatch.versions import versions_of_results

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.limits import Limits, Scope
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.scheduler_messages import Probe

_log = logger(__name__)


class ProcessExecutor(Executor):
    """Runs tasks in worker processes.

    Args:
        recipe: makes the workers; packed here and now.
        options: how many processes, threads in each, CPUs, priority, growth allowed.
        bell: rings whenever there is something to `poll`; None: its own.
        scope: what holds a licence seat.

    Raises:
        SettingsError: the recipe cannot be sent to another process, or this program is no Python that one could run.
    """

    name = "processes"

    def __init__(
        self,
        recipe: Recipe,
        options: EngineOptions,
        bell: Bell | None = None,
        scope: Scope = "process",
    ) -> None:
        if why := no_python():
            raise SettingsError(f"`{options.asked}`: {why}; or {ON_THREADS}")
        self._recipe = packing.pack(recipe, options.asked)
        self._inherited = Inherited.here(options.initializer, options.asked)
        self._options = options
        self._slots = options.threads_per_process
        self._most = options.processes
        self.capacity = self._most * self._slots
        self._mailbox: Mailbox[Told | Gone | Finished | Broken] = Mailbox(bell)
        self._children: list[ProcessHandle] = []
        self._where: dict[int, ProcessHandle] = {}
        self._waiting: deque[tuple[Task, bytes, bool]] = deque()
        self._numbers = 0
        self._nodes = placing.nodes_for(options.numa_cpus, self._most)
        self._scope = scope
        self._allowed = sys.maxsize
        self._leaving: Leaving[tuple[ProcessHandle, int | None]] = Leaving()
        self._restarts = Restarts(options)

    @property
    def pids(self) -> tuple[int, ...]:
        """The worker processes that live now."""
        return tuple(child.pid for child in self._children)

    @property
    def seat_use(self) -> SeatUse | None:
        """The processes or the workers that hold a seat, and those that are waited for; None: all hold one together."""
        if self._scope == "host":
            return None
        there = [child for child in self._children if not child.leaving]
        waiting = len(self._waiting)
        if self._scope == "model":
            units = sum(len(child.open) for child in there)
            return SeatUse(units + waiting, sum(len(child.idle) for child in there if not child.alone))
        rooms = [child.room for child in there if not child.refused]
        return SeatUse(min(self._most, len(rooms) + waiting), max(0, sum(rooms) - waiting))

    @property
    def taken(self) -> int:
        """Seats that are held, also by what is being closed."""
        if self._scope == "model":
            return sum(len(child.open | child.resting) for child in self._children)
        return len(self._children)

    def watched(self, probe: Probe | None) -> Probe | None:
        """The probe, which knows nothing of the worker processes' interpreter locks: each may have one that is free."""
        if probe is None or self._slots == 1:
            return probe
        return lambda pids: replace(
            probe(pids), gil_taken=sum(child.gil_taken for child in self._children) / max(1, self._most)
        )

    def limits_of_all(self, limits: Limits, files: int) -> Limits:
        """As many processes as there may be, with as many threads; files wait a moment for one of their own."""
        seats = replace(
            limits.seats,
            processes=self._options.processes,
            threads_per_process=self._options.threads_per_process,
            spread=limits.seats.scope == "process",
        )
        return replace(limits, seats=seats)

    def allow(self, units: int) -> None:
        """Open no worker, or no process, that would make it more seats."""
        self._allowed = units
        self._place()

    def submit(self, task: Task, *, alone: bool = False) -> None:
        """Pack the task and place it; one that cannot be packed has failed."""
        packed = packing.pack_task(task)
        if isinstance(packed, Finished):
            self._mailbox.post(packed)
            return
        self._waiting.append((task, packed, alone))
        self._place()

    def poll(self, timeout_s: float | None) -> Sequence[Message]:
        """What happened in the children, and to them."""
        messages: list[Message] = []
        for item in self._mailbox.take(self.patience_s(timeout_s)):
            match item:
                case Told(child, word):
                    messages += self._told(child, word)
                case Gone(child, is_read):
                    messages += self._gone(child, is_read=is_read)
                case Finished() | Broken():
                    messages.append(item)
        for child, _ in self._leaving.overdue():
            _log.warning("worker process %s does not close what it has, and is killed", child.name)
            child.kill("it does not close what it has")
        for child in [each for each in self._children if each.is_stuck]:
            messages += self._gone(child, is_read=False)
        self._restarts.end_what_hangs()
        self._place()
        return messages + self._given_up()

    def given_s(self, index: int) -> float | None:
        """Since when a process that takes files has it."""
        child = self._where.get(index)
        return None if child is None else child.has_since_s(index)

    def abandon(self, index: int) -> bool:
        """Kill the process that has the task; its other tasks come back as bystanders. One that only writes goes on."""
        child = self._where.pop(index, None)
        writing = next((each for each in self._children if index in each.writing), None)
        if child is None and writing is not None:
            writing.writing.discard(index)
            writing.say(transport.Drop(index))
            return True
        if child is None:
            self._waiting = deque(entry for entry in self._waiting if entry[0].index != index)
            return True
        child.take(index)
        child.kill(endings.FOR_ANOTHER)
        return True

    def set_limit(self, limit: int) -> None:
        """Close idle processes, and workers that hold seats, that can no longer be needed."""
        staying = [child for child in self._children if not child.leaving]
        idle = [child for child in staying if child.is_idle]
        for child in idle[: max(0, len(staying) - limit)]:
            self._dismiss(child)
        if self._scope == "model":
            for _ in range(sum(len(child.open) for child in staying) - limit):
                self._give_way()

    def give_way(self) -> None:
        """Close what idles and holds a seat, one at a time: the seat is wanted by others than these processes."""
        if self._leaving:
            return
        if self._scope == "model":
            self._give_way()
        elif idle := [child for child in self._children if child.is_idle and not child.leaving]:
            self._dismiss(idle[0])

    def collect(self) -> None:
        """Collect garbage in every process."""
        for child in self._children:
            child.say(transport.Collect())

    def close(self, *, now: bool = False) -> None:
        """End all processes and wait for them; those that do not close their workers in time are killed."""
        self._waiting.clear()
        for child in self._children:
            if now:
                child.kill()
            elif not child.leaving:
                child.leave()
        # Files that run are waited for, however long they take; without any only closing is left, and that is bounded.
        busy = any(child.tasks for child in self._children)
        deadline = None if busy else awake_s() + CLOSING_S
        for child in self._children:
            child.wait(deadline)
        self._children.clear()
        self._where.clear()
        for item in self._mailbox.take(0):
            # What a process said while it closed: nobody polls any more.
            match item:
                case Told(word=transport.Report(message=Logged() | Warned() as message)):
                    echo(message)
                case Told(word=transport.Report(message=Complaint(text))):
                    _log.warning("%s", text)
                case _:
                    pass

    # --- placing ---

    def _place(self) -> None:
        """Give waiting tasks to processes. One that must be alone keeps the emptiest process from getting more."""
        reserved: set[int] = set()
        for _ in range(len(self._waiting)):
            entry = self._waiting.popleft()
            # No seat is taken while another is being given back: the licence server may not have it yet.
            spare = 0 if self._leaving else self._allowed - self.taken
            if self._give_to(self._choose(reserved, spare, alone=entry[2]), entry):
                continue
            self._waiting.append(entry)
            if entry[2]:
                self._reserve(reserved)
            # Another seat is all that it lacks: one that idles is given up for it.
            if self._scope == "model" and not self._leaving and self._choose(reserved, 1, alone=entry[2]):
                self._give_way()

    def _choose(self, reserved: set[int], spare: int, *, alone: bool) -> placing.ProcessPlace | None:
        """Where a task goes, if so many seats more may be taken."""
        places = [
            child.place(self._scope, spare, is_free=child.number not in reserved and child.room > 0)
            for child in self._children
        ]
        may_start = len(self._children) < self._most and self._restarts.may_start()
        if may_start and (spare > 0 or self._scope == "host"):
            node = placing.node_for_new(places, self._nodes)
            places.append(placing.ProcessPlace(placing.NEW, node, 0, asks=self._scope == "model"))
        return placing.choose(places, self._nodes, alone=alone)

    def _give_to(self, place: placing.ProcessPlace | None, entry: tuple[Task, bytes, bool]) -> bool:
        """Whether the task went to the place; the system may not give a process."""
        if place is None:
            return False
        there = next((child for child in self._children if child.number == place.number), None)
        child = there or self._new(place.node)
        if child is None:
            return False
        task, packed, alone = entry
        self._where[task.index] = child
        child.give(child.free_slots()[0], task.index, packed)
        child.alone = alone
        return True

    def _reserve(self, reserved: set[int]) -> None:
        usable = [each for each in self._children if not (each.leaving or each.alone or each.number in reserved)]
        if usable:
            reserved.add(min(usable, key=lambda child: len(child.tasks)).number)

    def _give_way(self) -> None:
        """Close a worker that has nothing to do: its seat is wanted elsewhere."""
        child = next((child for child in self._children if child.idle), None)
        if child is not None:
            self._rest(child, child.idle[-1])

    def _rest(self, child: ProcessHandle, slot: int) -> None:
        child.rest(slot)
        self._leaving.add((child, slot))

    def _dismiss(self, child: ProcessHandle) -> None:
        """Let the process end when its tasks are done."""
        child.leave()
        self._leaving.add((child, None))

    def _new(self, node: int) -> ProcessHandle | None:
        self._numbers += 1
        setup = transport.ProcessSetup(
            self._recipe,
            self._inherited,
            f"process-{self._numbers}",
            self._nodes[node],
            self._options.priority == "low",
            self._slots,
            os.getpid(),
            versions_of_results() if is_frozen() else (),
        )
        began_s = awake_s()
        try:
            child = ProcessHandle(self._numbers, node, setup, self._post)
        except (OSError, RuntimeError) as error:
            self._not_given(error, began_s)
            return None
        self._children.append(child)
        self._restarts.under_way.add(child)
        return child

    def _post(self, item: Told | Gone) -> None:
        """On the threads that read."""
        word = item.word if isinstance(item, Told) else None
        self._mailbox.post(item, wakes=not (isinstance(word, transport.Report) and can_wait(word.message)))

    # --- starting ---

    def _not_given(self, error: Exception, began_s: float) -> None:
        """The system gives no further process, or no thread for one: those that are there do the rest."""
        if not self._children and not self._restarts.any_came_up:
            self._most = 0
            self._mailbox.post(Broken(f"no worker process can be started: {error}; {ON_THREADS}"))
        elif self._children:
            self._most = len(self._children)
            _log.warning("no further worker process can be started, going on with %d: %s", self._most, error)
        else:
            self._restarts.failed(began_s, f"the system gives no process: {error}")

    def patience_s(self, timeout_s: float | None) -> float | None:
        """How long nothing needs to be done by ourselves."""
        waits = [self._leaving.patience_s(timeout_s)]
        waits += [LOOK_S] if self._restarts.under_way or any(child.ends_by for child in self._children) else []
        if self._waiting:
            at_once = self._restarts.gave_up and not self._children
            waits.append(0.0 if at_once else self._restarts.pause_s())
        return min((wait for wait in waits if wait is not None), default=None)

    def _given_up(self) -> list[Message]:
        """Where no process comes up, those that are there do the rest; without any the files that wait have failed."""
        if not self._waiting or not self._restarts.gave_up:
            return []
        if staying := sum(not child.leaving for child in self._children):
            self._most = staying
            self._restarts.go_on()
            why = self._restarts.last_end
            return [Complaint(f"no further worker process comes up, going on with {staying}: {why}")]
        if self._children:
            return []  # being closed, or killed: what they have comes back first
        indices = tuple(entry[0].index for entry in self._waiting)
        self._waiting.clear()
        return [self._restarts.none_for(indices)]

    # --- what came back ---

    def _told(self, child: ProcessHandle, word: transport.Word) -> list[Message]:
        match word:
            case transport.Report(message, _, resident):
                return self._reported(child, message, resident)
            case transport.Hello(pid):
                child.pid = pid
            case transport.Ready():
                child.ready_s = awake_s()
                self._restarts.under_way.discard(child)
            case transport.Refused(slot, index, text):
                return self._refused(child, slot, index, text)
            case transport.GilTaken(share):
                child.gil_taken = share
            case transport.Rested(slot):
                child.resting.discard(slot)
                self._leaving.discard((child, slot))
        return []

    def _reported(self, child: ProcessHandle, message: Message, resident: int) -> list[Message]:
        match message:
            case Finished():
                return self._finished(child, message, resident)
            case Written():
                return self._written(child, message, resident)
            case Died(indices=(index,)):
                left = self._take(index, child)
                if left is None:
                    return []
                child.open.discard(left)
            case Started():
                self._restarts.works(child)
            case _:
                pass
        return [message]

    def _finished(self, child: ProcessHandle, finished: Finished, resident: int) -> list[Message]:
        slot = self._take(finished.index, child)
        if slot is None:
            return []
        if finished.released is not None:
            child.writing.add(finished.index)
        self._watch_seat(child, slot, refused=endings.refused(finished.outcomes))
        self._watch_size(child, resident)
        return [finished]

    def _written(self, child: ProcessHandle, written: Written, resident: int) -> list[Message]:
        if written.index not in child.writing:
            return []  # it was given up meanwhile
        child.writing.discard(written.index)
        self._watch_size(child, resident)
        return [written]

    def _take(self, index: int, child: ProcessHandle) -> int | None:
        """The task has left the child, and this slot; None if it was not there any more."""
        if self._where.get(index) is not child:
            return None
        del self._where[index]
        return child.take(index)

    def _refused(self, child: ProcessHandle, slot: int, index: int, text: str) -> list[Message]:
        """The process has no thread for another worker: it takes fewer files; one that has none at all is of no use."""
        left = self._take(index, child)
        child.open.discard(slot)
        said: list[Message] = []
        if child.open:
            child.usable.discard(slot)
            going_on = f"{child.name} gets no further thread, going on with {len(child.usable)}: {text}"
            said.append(Complaint(going_on, once="no further thread"))
        else:
            how = f"process {child.name} (pid {child.pid}), gets no thread: {text}"
            self._restarts.failed(child.start.began_s, how)
            child.kill(endings.FOR_ANOTHER)
        if left is not None:
            said.append(Died(child.name, (index,), f"its worker process has no thread for it: {text}", guilty=False))
        return said

    def _watch_seat(self, child: ProcessHandle, slot: int, *, refused: bool) -> None:
        """A worker that was refused a seat has no model; a process in which none has a model ends."""
        child.refused = refused
        if not refused or child.leaving:
            return
        if self._scope == "model":
            self._rest(child, slot)
        elif child.is_idle:
            self._dismiss(child)

    def _gone(self, child: ProcessHandle, *, is_read: bool) -> list[Message]:
        if child not in self._children:
            return []
        self._children.remove(child)
        self._restarts.under_way.discard(child)
        for slot in (None, *child.resting):
            self._leaving.discard((child, slot))
        child.reap(is_read=is_read)
        for index in child.tasks.values():
            del self._where[index]
        held = child.held
        # It ended before it took files, which is not their fault.
        if child.ready_s is None and (not child.leaving or child.killed) and child.fault != endings.FOR_ANOTHER:
            self._restarts.failed(child.start.began_s, child.how_it_ended)
            return [Died(child.name, held, f"its worker {child.how_it_ended}", guilty=False)] if held else []
        if not held:
            return [] if child.leaving else [Complaint(f"idle worker {child.how_it_ended}")]
        bystanders = child.killed and child.fault == endings.FOR_ANOTHER
        text = endings.FOR_ANOTHER if bystanders else f"its worker {child.how_it_ended}"
        return [Died(child.name, held, text, guilty=not bystanders)]

    def _watch_size(self, child: ProcessHandle, resident_bytes: int) -> None:
        """Replace an idle process that does not give its memory back."""
        if not child.is_idle or child.leaving or not self._options.recycle_growth_bytes:
            return
        if child.has_grown(resident_bytes, self._options.recycle_growth_bytes):
            _log.info("worker process %s keeps %.0f MB and is replaced", child.name, resident_bytes / 1e6)
            self._dismiss(child)


def build(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> ProcessExecutor:
    """As the registry of executors asks for it."""
    return ProcessExecutor(recipe, options, scope=limits.seats.scope)
