"""The processes executor: worker processes, each with its own worker threads.

    dispatcher ── Give ──> child process 1: worker 1-1, 1-2      a reader thread per child posts what comes back
                           child process 2: worker 2-1, 2-2

Covers starting, filling, killing, replacing and ending worker processes. Does not cover what happens in them (`child`).

A process that dies costs the tasks it held, and nothing else: they are reported (`Died`), and the next task starts a
new one. Tasks that are suspected of having killed a process run alone in theirs (`alone`), so that a file that kills
every process it meets does not take the same neighbours with it each time. One process is filled before the next is
started, because each may hold a licence seat.
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
from typing import TYPE_CHECKING

from orcabatch.console import exit_code_text
from orcabatch.engine import endings, travel, wire
from orcabatch.engine.child import BOOTSTRAP
from orcabatch.engine.entry import Caught, attempt
from orcabatch.engine.executor import Complaint, Died, Finished, Message
from orcabatch.engine.mailbox import Mailbox
from orcabatch.errors import SettingsError
from orcabatch.outcome import Cause, Failure

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.options import EngineOptions

_log = logging.getLogger(__name__)

CLOSING_S = 60.0
"""How long an idle process may take to close its workers before it is killed."""

ORPHAN_S = 10.0
"""How long a process that user code forked in a worker process may hold its pipe open after that is gone."""

FIRST_FILES = 3
"""After this many files a process is taken to have reached its usual size."""


@dataclass(frozen=True, slots=True)
class _Told:
    """Something came from a child."""

    child: _Child
    word: wire.Word


@dataclass(frozen=True, slots=True)
class _Gone:
    """A child ended."""

    child: _Child


class _Child:
    """The parent's side of one worker process.

    Args:
        number: counted from 1, never used again.
        setup: said to it first.
        post: takes `_Told` and `_Gone`, from a thread of its own.
    """

    def __init__(self, number: int, setup: wire.Setup, post: Callable[[_Told | _Gone], None]) -> None:
        self.number = number
        self.name = setup.name
        self.tasks: dict[int, int] = {}
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
        self._wire = wire.Wire(self.process.stdout, self.process.stdin)
        self.reader = threading.Thread(target=self._read, name=f"orcabatch-{self.name}-reader", daemon=True)
        self.reader.start()
        self._begin(setup)

    def say(self, word: wire.Word) -> None:
        """Tell it something; if it is gone, `_Gone` will say so."""
        try:
            self._wire.send(word)
        except OSError:
            _log.debug("worker process %s is gone and did not hear %s", self.name, type(word).__name__)

    def free_slot(self, slots: int) -> int | None:
        """The first slot without a task; None if there is none, or it takes no more."""
        if self.leaving or self.alone:
            return None
        return next((slot for slot in range(slots) if slot not in self.tasks), None)

    def leave(self) -> None:
        """Let it end when its tasks are done."""
        self.leaving = True
        self.say(wire.Close())

    def kill(self) -> None:
        """End it now."""
        self.leaving = self.killed = True
        self.process.kill()

    def bury(self) -> None:
        """Give back what it held in this process, once it is gone."""
        self.process.wait()
        self.reader.join(ORPHAN_S)
        if not self.reader.is_alive():
            self._wire.close()

    def _begin(self, setup: wire.Setup) -> None:
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


class ProcessExecutor:
    """Runs tasks in worker processes.

    Args:
        recipe: makes the workers; packed here and now.
        options: how many processes, threads in each, CPUs, priority, growth allowed.
        ring: called whenever there is something to `poll`.

    Raises:
        SettingsError: the recipe cannot be sent to another process.
    """

    name = "processes"

    def __init__(self, recipe: Recipe, options: EngineOptions, ring: Callable[[], None] | None = None) -> None:
        self._recipe = travel.pack_recipe(recipe)
        self._options = options
        self._slots = options.threads_per_process
        self._most = options.process_count
        self.capacity = self._most * self._slots
        self._mailbox: Mailbox[_Told | _Gone | Finished] = Mailbox(ring)
        self._children: list[_Child] = []
        self._where: dict[int, _Child] = {}
        self._waiting: deque[tuple[Task, bytes, bool]] = deque()
        self._numbers = 0

    @property
    def pids(self) -> tuple[int, ...]:
        """The worker processes that live now."""
        return tuple(child.pid for child in self._children)

    def submit(self, task: Task, *, alone: bool = False) -> None:
        """Pack the task and place it; one that cannot be packed has failed."""
        packed = attempt(lambda: pickle.dumps(task, pickle.HIGHEST_PROTOCOL))
        if isinstance(packed, Caught):
            self._mailbox.post(unsendable(task, packed.error))
            return
        self._waiting.append((task, packed.value, alone))
        self._place()

    def poll(self, timeout_s: float | None) -> Sequence[Message]:
        """What happened in the children, and to them."""
        messages: list[Message] = []
        for item in self._mailbox.take(timeout_s):
            match item:
                case _Told(child, word):
                    messages += self._told(child, word)
                case _Gone(child):
                    messages += self._gone(child)
                case Finished():
                    messages.append(item)
        self._place()
        return messages

    def wake(self) -> None:
        """Let a waiting `poll` return."""
        self._mailbox.wake()

    def abandon(self, index: int) -> bool:
        """Kill the process that has the task; its other tasks come back as bystanders."""
        child = self._where.pop(index, None)
        if child is None:
            self._waiting = deque(entry for entry in self._waiting if entry[0].index != index)
            return True
        child.tasks = {slot: held for slot, held in child.tasks.items() if held != index}
        child.kill()
        return True

    def set_limit(self, limit: int) -> None:
        """Close idle processes that can no longer be needed, so that their memory and seats come back."""
        needed = -(-limit // self._slots)
        idle = [child for child in self._children if not child.tasks and not child.leaving]
        staying = sum(not child.leaving for child in self._children)
        for child in idle[: max(0, staying - needed)]:
            child.leave()

    def collect(self) -> None:
        """Collect garbage in every process."""
        for child in self._children:
            child.say(wire.Collect())

    def close(self, *, now: bool = False) -> None:
        """End all processes and wait for them; those that do not close their workers in time are killed."""
        self._waiting.clear()
        for child in self._children:
            if now:
                child.kill()
            elif not child.leaving:
                child.leave()
        busy = any(child.tasks for child in self._children)
        deadline = None if busy else time.monotonic() + CLOSING_S
        for child in self._children:
            self._await(child, deadline)
        self._children.clear()
        self._where.clear()

    def _await(self, child: _Child, deadline: float | None) -> None:
        try:
            child.process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("worker process %s did not close within %g s and was killed", child.name, CLOSING_S)
            child.kill()
        finally:
            if child.process.poll() is None:
                child.kill()
            child.bury()

    # --- placing ---

    def _place(self) -> None:
        """Give waiting tasks to processes. One that must be alone keeps the emptiest process from getting more."""
        reserved: set[_Child] = set()
        for _ in range(len(self._waiting)):
            entry = self._waiting.popleft()
            child = self._room_alone(reserved) if entry[2] else self._room(reserved)
            if child is None:
                self._waiting.append(entry)
            else:
                self._give(child, entry)

    def _room(self, reserved: set[_Child]) -> _Child | None:
        open_ones = [
            child for child in self._children if child not in reserved and child.free_slot(self._slots) is not None
        ]
        return min(open_ones, key=lambda child: len(child.tasks)) if open_ones else self._new()

    def _room_alone(self, reserved: set[_Child]) -> _Child | None:
        usable = [child for child in self._children if not (child.leaving or child.alone or child in reserved)]
        emptiest = min(usable, key=lambda child: len(child.tasks), default=None)
        if emptiest is not None and not emptiest.tasks:
            return emptiest
        new = self._new()
        if new is None and emptiest is not None:
            reserved.add(emptiest)
        return new

    def _new(self) -> _Child | None:
        if len(self._children) >= self._most:
            return None
        self._numbers += 1
        nodes = self._options.numa_cpus
        cpus = nodes[(self._numbers - 1) % len(nodes)] if len(nodes) > 1 else ()
        setup = wire.Setup(self._recipe, f"process-{self._numbers}", cpus, self._options.priority == "low")
        try:
            child = _Child(self._numbers, setup, self._mailbox.post)
        except OSError as error:
            if not self._children:
                text = f"no worker process can be started: {error}; use `executor: threads`"
                raise SettingsError(text) from error
            _log.warning("no further worker process can be started, going on with %d: %s", len(self._children), error)
            return None
        self._children.append(child)
        return child

    def _give(self, child: _Child, entry: tuple[Task, bytes, bool]) -> None:
        task, packed, alone = entry
        slot = child.free_slot(self._slots)
        if slot is None:
            raise RuntimeError(f"worker process {child.name} was chosen for {task.file}, but has no room")
        child.tasks[slot] = task.index
        child.alone = alone
        self._where[task.index] = child
        child.say(wire.Give(slot, packed))

    # --- what came back ---

    def _told(self, child: _Child, word: wire.Word) -> list[Message]:
        match word:
            case wire.Hello(pid):
                child.pid = pid
                return []
            case wire.Report(Finished() as finished, values, resident):
                if self._take(finished.index, child):
                    self._watch_size(child, resident)
                    outcomes = tuple(map(travel.unpack_value, finished.outcomes, values))
                    return [replace(finished, outcomes=outcomes)]
                return []
            case wire.Report(Died(indices=(index,)) as died):
                return [died] if self._take(index, child) else []
            case wire.Report(message):
                return [message]
            case _:
                return []

    def _take(self, index: int, child: _Child) -> bool:
        """The task has left the child; false if it was not there any more."""
        if self._where.get(index) is not child:
            return False
        del self._where[index]
        child.tasks = {slot: held for slot, held in child.tasks.items() if held != index}
        child.alone = False
        return True

    def _gone(self, child: _Child) -> list[Message]:
        if child not in self._children:
            return []
        self._children.remove(child)
        child.bury()
        held = tuple(child.tasks.values())
        for index in held:
            del self._where[index]
        if not held:
            return [] if child.leaving else [Complaint(f"idle worker {_obituary(child)}")]
        text = (
            "its worker process was ended because of another file" if child.killed else f"its worker {_obituary(child)}"
        )
        return [Died(child.name, held, text, guilty=not child.killed)]

    def _watch_size(self, child: _Child, resident_bytes: int) -> None:
        """Replace an idle process that does not give its memory back."""
        if child.tasks or child.leaving or not self._options.recycle_growth_bytes:
            return
        child.files += 1
        if child.files <= FIRST_FILES:
            child.usual_bytes = max(child.usual_bytes, resident_bytes)
        elif resident_bytes > 1.5 * child.usual_bytes + self._options.recycle_growth_bytes:
            _log.info("worker process %s keeps %.0f MB and is replaced", child.name, resident_bytes / 1e6)
            child.leave()


def _unpacked(name: str, packed: bytes) -> wire.Word:
    match attempt(lambda: wire.unpack(packed)):
        case Caught(error):
            return wire.Report(Complaint(f"something that worker process {name} said cannot be unpacked: {error!r}"))
        case done:
            return done.value


def unsendable(task: Task, error: Exception) -> Finished:
    """The end of a task that cannot be packed for another process."""
    failure = Failure(
        Cause.EXCEPTION,
        f"what goes with the file cannot be sent to a worker process: {type(error).__name__}: {error}",
        "use `executor: threads`",
    )
    now = time.perf_counter()
    return Finished(task.index, endings.failed(task, failure, now), frozenset(), now)


def _obituary(child: _Child) -> str:
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
