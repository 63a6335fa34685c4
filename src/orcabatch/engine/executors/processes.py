"""The processes executor: worker processes, each with its own worker threads.

    dispatcher ── Give ──> child process 1: worker 1-1, 1-2      a reader thread per child posts what comes back
                           child process 2: worker 2-1, 2-2

Covers starting, filling, killing, replacing and ending worker processes. Does not cover what happens in them
(`process_main`).

A process that dies costs the tasks it held, and nothing else: they are reported (`Died`), and the next task starts a
new one. Tasks that are suspected of having killed a process run alone in theirs (`alone`), so that a file that kills
every process it meets does not take the same neighbours with it each time. Which process gets a task is decided by
`placing`.

A worker keeps its model between files, and with it what holds a licence seat: an open worker, or a process with one
(see `SeatLimits`). What was refused a seat holds none; no seat is taken while another is being given back.
"""

from __future__ import annotations

import logging
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.spawn import get_executable
from typing import TYPE_CHECKING, TypeVar

from orcabatch.console import exit_code_text
from orcabatch.engine import task_state
from orcabatch.engine.echo import echo
from orcabatch.engine.executor import Complaint, Died, Executor, Finished, Held, Logged, Message, Warned, Written
from orcabatch.engine.executors import packing, placing, transport
from orcabatch.engine.executors.leaving import CLOSING_S, Leaving
from orcabatch.engine.executors.mailbox import Mailbox
from orcabatch.engine.executors.process_main import BOOTSTRAP
from orcabatch.engine.inherited import Inherited
from orcabatch.engine.options import ON_THREADS
from orcabatch.errors import SettingsError
from orcabatch.outcome import Cause, Failure

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.scheduler_messages import Limits, Probe, Scope

_log = logging.getLogger(__name__)

Ending = TypeVar("Ending", Finished, Written)

ORPHAN_S = 10.0
"""How long a process that user code forked in a worker process may hold its pipe open after that is gone. Longer: every
other process's messages wait meanwhile. Shorter: a pipe is left open that was about to close."""

FIRST_FILES = 3
"""After this many files a process is taken to have reached its usual size. Fewer: what it fills once, buffers and
caches, looks like growth. More: what the first files leak passes for usual."""

GROWN = 1.5
"""A process is replaced above this many times its usual size, and what the settings allow for growth. Less: it starts
anew, with all its imports, for what its files differ by. More: memory that nobody uses is held for longer."""


@dataclass(frozen=True, slots=True)
class _Told:
    """Something came from a child."""

    child: _Child
    word: transport.Word


@dataclass(frozen=True, slots=True)
class _Gone:
    """A child ended."""

    child: _Child


class _Child:
    """The parent's side of one worker process.

    Args:
        number: counted from 1, never used again.
        node: where it is pinned, see `placing`.
        setup: said to it first.
        post: takes `_Told` and `_Gone`, from a thread of its own.

    Attributes:
        tasks: by slot.
        writing: tasks whose slot is free, and whose outputs are still being written.
        open: slots whose worker is there, and may have a model.
        resting: slots whose worker is closing.
        lock_taken: share of the time that its interpreter lock was taken of late.
        refused: a model was refused its licence seat here, since a file went well.
    """

    def __init__(
        self, number: int, node: int, setup: transport.ProcessSetup, post: Callable[[_Told | _Gone], None]
    ) -> None:
        self.number = number
        self.node = node
        self.name = setup.name
        self.tasks: dict[int, int] = {}
        self.writing: set[int] = set()
        self.open: set[int] = set()
        self.resting: set[int] = set()
        self.refused = False
        self.lock_taken = 0.0
        self.alone = False
        self.leaving = False
        self.killed = False
        self.files = 0
        self.usual_bytes = 0
        self._post = post
        command = [get_executable(), "-P", "-c", BOOTSTRAP]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **_apart(),  # type: ignore[call-overload]
        )
        self.pid: int = self.process.pid
        self._wire = transport.Wire(self.process.stdout, self.process.stdin)
        self.reader = threading.Thread(target=self._read, name=f"orcabatch-{self.name}-reader", daemon=True)
        self.reader.start()
        self._begin(setup)

    def say(self, word: transport.Word) -> None:
        """Tell it something; if it is gone, `_Gone` will say so."""
        try:
            self._wire.send(word)
        except OSError:
            _log.debug("worker process %s is gone and did not hear %s", self.name, type(word).__name__)

    def free_slots(self, slots: int) -> list[int]:
        """The slots that take a task, those with a worker first."""
        if self.leaving or self.alone:
            return []
        free = [slot for slot in range(slots) if slot not in self.tasks and slot not in self.resting]
        return sorted(free, key=lambda slot: slot not in self.open)

    @property
    def idle(self) -> list[int]:
        """The slots whose worker has nothing to do."""
        return [] if self.leaving else sorted(self.open - self.tasks.keys())

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do, nor to write: only then may it end."""
        return not (self.tasks or self.writing)

    def rest(self, slot: int) -> None:
        """Close the worker of the slot."""
        self.open.discard(slot)
        self.resting.add(slot)
        self.say(transport.Rest(slot))

    def leave(self) -> None:
        """Let it end when its tasks are done."""
        self.leaving = True
        self.say(transport.Close())

    def kill(self) -> None:
        """End it now."""
        self.leaving = self.killed = True
        self.process.kill()

    def reap(self) -> None:
        """Give back what it held in this process, once it is gone."""
        self.process.wait()
        self.reader.join(ORPHAN_S)
        if not self.reader.is_alive():
            self._wire.close()

    def _begin(self, setup: transport.ProcessSetup) -> None:
        try:
            self.process.stdin.write(pickle.dumps(sys.path))
            self.process.stdin.flush()
        except OSError:
            _log.debug("worker process %s was gone before it began", self.name)
        self.say(setup)

    def _read(self) -> None:
        while (packed := self._wire.receive()) is not None:
            self._post(_Told(self, _unpacked(self.name, packed)))
        self.process.wait()
        self._post(_Gone(self))


class ProcessExecutor(Executor):
    """Runs tasks in worker processes.

    Args:
        recipe: makes the workers; packed here and now.
        options: how many processes, threads in each, CPUs, priority, growth allowed.
        ring: called whenever there is something to `poll`.
        scope: what holds a licence seat.

    Raises:
        SettingsError: the recipe cannot be sent to another process.
    """

    name = "processes"

    def __init__(
        self,
        recipe: Recipe,
        options: EngineOptions,
        ring: Callable[[], None] | None = None,
        scope: Scope = "process",
    ) -> None:
        self._recipe = packing.pack(recipe, options.asked)
        self._inherited = Inherited.here(options.initializer, options.asked)
        self._options = options
        self._slots = options.threads_per_process
        self._most = options.processes
        self.capacity = self._most * self._slots
        self._mailbox: Mailbox[_Told | _Gone | Finished] = Mailbox(ring)
        self._children: list[_Child] = []
        self._where: dict[int, _Child] = {}
        self._waiting: deque[tuple[Task, bytes, bool]] = deque()
        self._numbers = 0
        self._nodes = placing.nodes_for(options.numa_cpus, self._most)
        self._scope = scope
        self._allowed = sys.maxsize
        self._leaving: Leaving[tuple[_Child, int | None]] = Leaving()

    @property
    def pids(self) -> tuple[int, ...]:
        """The worker processes that live now."""
        return tuple(child.pid for child in self._children)

    @property
    def held(self) -> Held | None:
        """The processes or the workers that hold a seat, and those that are waited for; None: all hold one together."""
        if self._scope == "host":
            return None
        there = [child for child in self._children if not child.leaving]
        waiting = len(self._waiting)
        if self._scope == "model":
            units = sum(len(child.open) for child in there)
            return Held(units + waiting, sum(len(child.idle) for child in there if not child.alone))
        held = [child for child in there if not child.refused]
        room = sum(len(child.free_slots(self._slots)) for child in held)
        return Held(min(self._most, len(held) + waiting), max(0, room - waiting))

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
            probe(pids), gil_taken=sum(child.lock_taken for child in self._children) / max(1, self._most)
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
        packed = packed_task(task)
        if isinstance(packed, Finished):
            self._mailbox.post(packed)
            return
        self._waiting.append((task, packed, alone))
        self._place()

    def poll(self, timeout_s: float | None) -> Sequence[Message]:
        """What happened in the children, and to them."""
        messages: list[Message] = []
        for item in self._mailbox.take(self._leaving.patience_s(timeout_s)):
            match item:
                case _Told(child, word):
                    messages += self._told(child, word)
                case _Gone(child):
                    messages += self._gone(child)
                case Finished():
                    messages.append(item)
        for child, _ in self._leaving.overdue():
            _log.warning("worker process %s does not close what it has, and is killed", child.name)
            child.kill()
        self._place()
        return messages

    def wake(self) -> None:
        """Let a waiting `poll` return."""
        self._mailbox.wake()

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
        child.tasks = {slot: held for slot, held in child.tasks.items() if held != index}
        child.kill()
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
        deadline = None if busy else time.monotonic() + CLOSING_S
        for child in self._children:
            self._await(child, deadline)
        self._children.clear()
        self._where.clear()
        for item in self._mailbox.take(0):
            if isinstance(item, _Told) and isinstance(item.word, transport.Report):
                self._last_word(item.word.message)

    def _last_word(self, message: Message) -> None:
        """What a process said while it closed: nobody polls any more."""
        match message:
            case Logged() | Warned():
                echo(message)
            case Complaint(text):
                _log.warning("%s", text)
            case _:
                pass

    def _await(self, child: _Child, deadline: float | None) -> None:
        try:
            child.process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("worker process %s did not close within %g s and was killed", child.name, CLOSING_S)
            child.kill()
        finally:
            if child.process.poll() is None:
                child.kill()
            child.reap()

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
            self._as_place(child, spare, is_free=child.number not in reserved and bool(child.free_slots(self._slots)))
            for child in self._children
        ]
        if len(self._children) < self._most and (spare > 0 or self._scope == "host"):
            node = placing.node_for_new(places, self._nodes)
            places.append(placing.ProcessPlace(placing.NEW, node, 0, asks=self._scope == "model"))
        return placing.choose(places, self._nodes, alone=alone)

    def _as_place(self, child: _Child, spare: int, *, is_free: bool) -> placing.ProcessPlace:
        asks = self._scope == "model" and not child.idle
        # A process that was refused holds no seat: a file there takes one, for which it is in `taken` already.
        if asks or (self._scope == "process" and child.refused):
            is_free = is_free and spare + child.refused > 0
        return placing.ProcessPlace(child.number, child.node, len(child.tasks), is_free, asks)

    def _give_to(self, place: placing.ProcessPlace | None, entry: tuple[Task, bytes, bool]) -> bool:
        """Whether the task went to the place; the system may not give a process."""
        if place is None:
            return False
        there = next((child for child in self._children if child.number == place.number), None)
        child = there or self._new(place.node)
        # The system gives no further process: those that are there do the rest.
        if child is None:
            self._most = len(self._children)
            return False
        self._give(child, entry)
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

    def _rest(self, child: _Child, slot: int) -> None:
        child.rest(slot)
        self._leaving.add((child, slot))

    def _dismiss(self, child: _Child) -> None:
        """Let the process end when its tasks are done."""
        child.leave()
        self._leaving.add((child, None))

    def _new(self, node: int) -> _Child | None:
        self._numbers += 1
        setup = transport.ProcessSetup(
            self._recipe,
            self._inherited,
            f"process-{self._numbers}",
            self._nodes[node],
            self._options.priority == "low",
            self._slots,
        )
        try:
            child = _Child(self._numbers, node, setup, self._mailbox.post)
        except OSError as error:
            if not self._children:
                text = f"no worker process can be started: {error}; {ON_THREADS}"
                raise SettingsError(text) from error
            _log.warning("no further worker process can be started, going on with %d: %s", len(self._children), error)
            return None
        self._children.append(child)
        return child

    def _give(self, child: _Child, entry: tuple[Task, bytes, bool]) -> None:
        task, packed, alone = entry
        slot = child.free_slots(self._slots)[0]
        child.tasks[slot] = task.index
        child.open.add(slot)
        child.alone, child.refused = alone, False
        self._where[task.index] = child
        child.say(transport.Give(slot, packed))

    # --- what came back ---

    def _told(self, child: _Child, word: transport.Word) -> list[Message]:
        match word:
            case transport.Hello(pid):
                child.pid = pid
                return []
            case transport.LockTaken(share):
                child.lock_taken = share
            case transport.Rested(slot):
                child.resting.discard(slot)
                self._leaving.discard((child, slot))
            case transport.Report(Finished() as finished, values, resident):
                return self._finished(child, finished, values, resident)
            case transport.Report(Written() as written, values, resident):
                return self._written(child, written, values, resident)
            case transport.Report(Died(indices=(index,)) as died):
                left = self._take(index, child)
                if left is not None:
                    child.open.discard(left)
                    return [died]
            case transport.Report(message):
                return [message]
            case _:
                pass
        return []

    def _finished(self, child: _Child, finished: Finished, values: Sequence[bytes], resident: int) -> list[Message]:
        slot = self._take(finished.index, child)
        if slot is None:
            return []
        if finished.released is not None:
            child.writing.add(finished.index)
        self._watch_seat(child, slot, refused=task_state.refused(finished.outcomes))
        self._watch_size(child, resident)
        return [_with_values(finished, values)]

    def _written(self, child: _Child, written: Written, values: Sequence[bytes], resident: int) -> list[Message]:
        if written.index not in child.writing:
            return []  # it was given up meanwhile
        child.writing.discard(written.index)
        self._watch_size(child, resident)
        return [_with_values(written, values)]

    def _take(self, index: int, child: _Child) -> int | None:
        """The task has left the child, and this slot; None if it was not there any more."""
        if self._where.get(index) is not child:
            return None
        del self._where[index]
        child.alone = False
        (slot,) = [slot for slot, held in child.tasks.items() if held == index]
        del child.tasks[slot]
        return slot

    def _watch_seat(self, child: _Child, slot: int, *, refused: bool) -> None:
        """A worker that was refused a seat has no model; a process in which none has a model ends."""
        child.refused = refused
        if not refused or child.leaving:
            return
        if self._scope == "model":
            self._rest(child, slot)
        elif child.is_idle:
            self._dismiss(child)

    def _gone(self, child: _Child) -> list[Message]:
        if child not in self._children:
            return []
        self._children.remove(child)
        for slot in (None, *child.resting):
            self._leaving.discard((child, slot))
        child.reap()
        for index in child.tasks.values():
            del self._where[index]
        held = (*child.tasks.values(), *sorted(child.writing))
        if not held:
            return [] if child.leaving else [Complaint(f"idle worker {_how_it_ended(child)}")]
        text = task_state.FOR_ANOTHER if child.killed else f"its worker {_how_it_ended(child)}"
        return [Died(child.name, held, text, guilty=not child.killed)]

    def _watch_size(self, child: _Child, resident_bytes: int) -> None:
        """Replace an idle process that does not give its memory back."""
        if not child.is_idle or child.leaving or not self._options.recycle_growth_bytes:
            return
        child.files += 1
        if child.files <= FIRST_FILES:
            child.usual_bytes = max(child.usual_bytes, resident_bytes)
        elif resident_bytes > GROWN * child.usual_bytes + self._options.recycle_growth_bytes:
            _log.info("worker process %s keeps %.0f MB and is replaced", child.name, resident_bytes / 1e6)
            self._dismiss(child)


def _with_values(done: Ending, values: Sequence[bytes]) -> Ending:
    return replace(done, outcomes=tuple(map(packing.unpack_value, done.outcomes, values)))


def _unpacked(name: str, packed: bytes) -> transport.Word:
    try:
        return transport.unpack(packed)
    except Exception as error:  # noqa: BLE001 - a note's content may be the user's own, and runs its code
        return transport.Report(Complaint(f"something that worker process {name} said cannot be unpacked: {error!r}"))


def packed_task(task: Task) -> bytes | Finished:
    """The task for another process; its end, where it cannot be packed."""
    try:
        return pickle.dumps(task, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - packing runs the code of whatever goes along; one file is lost
        said = f"what goes with the file cannot be sent to a worker process: {type(error).__name__}: {error}"
    now = time.perf_counter()
    outcomes = task_state.failed(task, Failure(Cause.EXCEPTION, said, ON_THREADS), now)
    return Finished(task.index, outcomes, frozenset(), now)


def _how_it_ended(child: _Child) -> str:
    code = child.process.returncode
    if code < 0:
        name = signal.Signals(-code).name if -code in {number.value for number in signal.Signals} else "unknown"
        memory = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"process {child.name} (pid {child.pid}) was killed by signal {-code} ({name}{memory})"
    return f"process {child.name} (pid {child.pid}) ended with exit code {exit_code_text(code)}"


def _apart() -> dict[str, object]:
    """A child out of reach of the terminal's Ctrl-C: what that means is decided here."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def build(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> ProcessExecutor:
    """As the registry of executors asks for it."""
    return ProcessExecutor(recipe, options, scope=limits.seats.scope)
