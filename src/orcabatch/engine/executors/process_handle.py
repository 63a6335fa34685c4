"""The parent's side of one worker process: its life, its pipe, and what it has in hand.

    executor ── say ──> writer thread ──> pipe ──> the process       reader thread ──> Told, and once Gone

Covers talking to it and noticing its end. Does not cover which file it gets (`processes`, `placing`), nor what happens
in it (`process_main`).

Nobody who waits for it holds up the others: a process that is stopped does not read, so a thread of its own writes to
it what its pipe does not take at once. Its end is that of the process, not of the pipe: something that it forked may
hold the pipe open, and it may have closed the pipe and live. Whatever ends one of the two threads ends the process, and
is said with the files that it had.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import psutil

from orcabatch.console import awaited, exit_code_text, pieces_s, write_error
from orcabatch.engine.executors import packing, transport
from orcabatch.engine.executors.launching import last_line, launch
from orcabatch.engine.executors.leaving import CLOSING_S
from orcabatch.engine.executors.placing import ProcessPlace
from orcabatch.engine.executors.process_main import CANNOT_REPORT
from orcabatch.engine.executors.starting import StartWatch
from orcabatch.engine.logs import logger
from orcabatch.engine.worker_messages import Complaint, Finished, Written
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s
from orcabatch.text import words_of

if TYPE_CHECKING:
    from orcabatch.engine.limits import Scope

_log = logger(__name__)

LOOK_S = 0.5
"""How often it is looked whether a process has ended whose pipe is held open. More often: it is looked in vain, for
each process. More seldom: what was lost with it is done again later."""

DRAIN_S = 1.0
"""So long nothing may come any more before what a dead process said last is taken to be read. Shorter: on a busy host
the last results are done again. Longer: files wait for a process that is gone."""

SMALL_BYTES = 300
"""No word but that of a task is larger, packed. More: tasks go by way of the other thread that need not. Less: a word
may meet a full pipe, and the dispatcher a process that does not read."""

CLOSED_S = 5.0
"""How long a process may live on that has closed its pipe. Shorter: one that takes its time to end passes for killed.
Longer: its files wait."""

ENDED_S = 30.0
"""How long a process that was killed may live on: one that hangs in a driver, or in a share that is gone, ends when
that answers, and perhaps never. Shorter: one that has much memory to give back is left behind. Longer: its files
wait."""


FIRST_FILES = 3
"""After this many files a process is taken to have reached its usual size. Fewer: what it fills once, buffers and
caches, looks like growth. More: what the first files leak passes for usual."""

GROWN = 1.5
"""A process is replaced above this many times its usual size, and what the settings allow for growth. Less: it starts
anew, with all its imports, for what its files differ by. More: memory that nobody uses is held for longer."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something came from a process."""

    process: ProcessHandle
    word: transport.Word


@dataclass(frozen=True, slots=True)
class Gone:
    """A process ended, and all that it said is told.

    Attributes:
        process: which.
        is_read: whether nobody reads its pipe any more.
    """

    process: ProcessHandle
    is_read: bool


Post = Callable[[Told | Gone], None]


class ProcessHandle:
    """One worker process.

    Args:
        number: counted from 1, never used again.
        node: where it is pinned, see `placing`.
        setup: said to it first.
        post: takes `Told` and `Gone`, from threads of its own.

    Attributes:
        tasks: by slot.
        writing: tasks whose slot is free, and whose outputs are still being written.
        open: slots whose worker is there, and may have a model.
        resting: slots whose worker is closing.
        usable: slots that take files.
        given_s: when each task was given to it, `awake_s`.
        ready_s: since when it takes files; None: it is starting.
        has_worked: whether a file has begun in it.
        start: how its start goes on, until then.
        gil_taken: share of the time that its interpreter lock was taken of late.
        refused: a model was refused its licence seat here, since a file went well.
        fault: what made its end necessary; empty: nothing that is known.
        last_words: why it ends, in its own words, or those of what ended it before it could talk.

    Raises:
        OSError: the system gives no process.
        RuntimeError: the system gives no thread to talk to it.
    """

    def __init__(self, number: int, node: int, setup: transport.ProcessSetup, post: Post) -> None:
        self.number = number
        self.node = node
        self.name = setup.name
        self.usable = set(range(setup.threads))
        self.tasks: dict[int, int] = {}
        self.writing: set[int] = set()
        self.open: set[int] = set()
        self.resting: set[int] = set()
        self.given_s: dict[int, float] = {}
        self.refused = False
        self.gil_taken = 0.0
        self.alone = False
        self.leaving = False
        self.killed = False
        self.fault = self.last_words = ""
        self.ready_s: float | None = None
        self.has_worked = False
        self._files = 0
        self._usual_bytes = 0
        self._post = post
        self._outbox: SimpleQueue[transport.Word | None] = SimpleQueue()
        self._saying = threading.Lock()
        self._poll: Any = None  # a `select.poll`, which Windows has not
        self._unsent = 1  # the setup
        self._killed_s: float | None = None
        self.process: Any  # a `Popen`, of which nothing else knows that it has its pipes
        self.process, self._lifeline = launch()
        self.pid: int = self.process.pid
        self.start = StartWatch.begun(awake_s())
        self._wire = transport.Wire(self.process.stdout, self.process.stdin)
        self._outbox.put(setup)
        self._reader = OwnThread(self._read, f"orcabatch-{self.name}-reader")
        self._writer = OwnThread(self._write, f"orcabatch-{self.name}-writer")
        self._begin()

    def say(self, word: transport.Word) -> None:
        """Tell it something; if it is gone, `Gone` will say so."""
        with self._saying:
            if self._unsent or not self._has_room_for(word):
                self._unsent += 1
                self._outbox.put(word)
                return
            try:
                self._wire.send(word)
            except OSError:
                _log.debug("worker process %s is gone and does not hear", self.name)

    def free_slots(self) -> list[int]:
        """The slots that take a task, those with a worker first."""
        return sorted(self._free, key=lambda slot: (slot not in self.open, slot))

    @property
    def room(self) -> int:
        """How many tasks it takes now."""
        return len(self._free)

    @property
    def _free(self) -> set[int]:
        return set() if self.leaving or self.alone else self.usable - self.tasks.keys() - self.resting

    @property
    def idle(self) -> list[int]:
        """The slots whose worker has nothing to do."""
        return [] if self.leaving else sorted(self.open - self.tasks.keys())

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do, nor to write: only then may it end."""
        return not (self.tasks or self.writing)

    @property
    def held(self) -> tuple[int, ...]:
        """The tasks that it has, those that are only being written too."""
        return (*self.tasks.values(), *sorted(self.writing))

    def place(self, scope: Scope, spare: int, *, is_free: bool) -> ProcessPlace:
        """What it is to the choice of a place, if so many licence seats more may be taken."""
        asks = scope == "model" and not self.idle
        # A process that was refused holds no seat: a file there takes one, for which it is counted as taken already.
        if asks or (scope == "process" and self.refused):
            is_free = is_free and spare + self.refused > 0
        return ProcessPlace(self.number, self.node, len(self.tasks), is_free, asks)

    def give(self, slot: int, index: int, packed: bytes) -> None:
        """Give a task to the worker of the slot."""
        self.tasks[slot] = index
        self.open.add(slot)
        self.refused = False
        self.given_s[index] = awake_s()
        self.say(transport.Give(slot, index, packed))

    def take(self, index: int) -> int:
        """The task has left its worker, and this slot."""
        self.alone = False
        self.given_s.pop(index, None)
        (slot,) = [slot for slot, held in self.tasks.items() if held == index]
        del self.tasks[slot]
        return slot

    def has_since_s(self, index: int) -> float | None:
        """Since when it could work on the task; None: it is still starting."""
        return None if self.ready_s is None else max(self.ready_s, self.given_s[index])

    def has_grown(self, resident_bytes: int, allowed_bytes: int) -> bool:
        """Whether it keeps more than usual after another file, and than it may grow by."""
        self._files += 1
        if self._files <= FIRST_FILES:
            self._usual_bytes = max(self._usual_bytes, resident_bytes)
            return False
        return resident_bytes > GROWN * self._usual_bytes + allowed_bytes

    def rest(self, slot: int) -> None:
        """Close the worker of the slot."""
        self.open.discard(slot)
        self.resting.add(slot)
        self.say(transport.Rest(slot))

    def leave(self) -> None:
        """Let it end when its tasks are done."""
        self.leaving = True
        self.say(transport.Close())

    def kill(self, fault: str = "") -> None:
        """End it now, with all that it started."""
        self.leaving = self.killed = True
        self.fault = self.fault or fault
        self._end()

    @property
    def ends_by(self) -> float | None:
        """Until when its end is waited for (`awake_s`); None: it was not killed."""
        return None if self._killed_s is None else self._killed_s + ENDED_S

    @property
    def is_stuck(self) -> bool:
        """Whether it was killed, and lives on."""
        return self.ends_by is not None and awake_s() >= self.ends_by and self.process.poll() is None

    def wait(self, until_s: float | None) -> None:
        """Wait for its end, and give back what it held; after that instant (None: never) it is killed."""
        try:
            for piece_s in pieces_s(self.ends_by or until_s):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(piece_s)
                    break
            else:
                if not self.killed:
                    _log.warning("worker process %s did not close within %g s and was killed", self.name, CLOSING_S)
                self.kill()
        finally:
            if self.process.poll() is None:
                self.kill()
            self.reap()

    def reap(self, *, is_read: bool = True) -> None:
        """Give back what it held in this process, once it is gone, or is waited for no longer."""
        ends_by = self.ends_by or awake_s() + ENDED_S
        with contextlib.suppress(subprocess.TimeoutExpired):
            awaited(self.process.wait, ends_by)
        self._outbox.put(None)
        for thread, ended in ((self._writer, True), (self._reader, is_read)):
            if thread.is_alive():
                thread.join(DRAIN_S if ended else 0)
        # A thread that still reads or writes has something in hand that this process forked: it keeps its descriptor.
        if not (self._reader.is_alive() or self._writer.is_alive()):
            self._wire.close()
        if self._lifeline is not None and self.process.returncode is not None:
            self._lifeline.close()

    @property
    def how_it_ended(self) -> str:
        """In one line, beginning with `process`."""
        who = f"process {self.name} (pid {self.pid})"
        if self.process.returncode is None:
            why = f" ({self.fault})" if self.fault else ""
            return f"{who} was killed{why} and does not end: it hangs in a driver, or in a share that is gone"
        if self.fault:
            return f"{who} was ended: {self.fault}"
        return f"{who} {self._exit}" + (f", and said last: {self.last_words}" if self.last_words else "")

    @property
    def _exit(self) -> str:
        code = self.process.returncode
        if code == CANNOT_REPORT:
            return "could not report what became of its files, perhaps for want of memory, and ended"
        if code < 0:
            name = signal.Signals(-code).name if -code in {number.value for number in signal.Signals} else "unknown"
            memory = ", perhaps for want of memory" if name == "SIGKILL" else ""
            return f"was killed by signal {-code} ({name}{memory})"
        return f"ended with exit code {exit_code_text(code)}"

    def _has_room_for(self, word: transport.Word) -> bool:
        """Whether its pipe takes the word at once, for sure: then it hears of it before whoever is told next."""
        if sys.platform == "win32":
            return False
        size = SMALL_BYTES + (len(word.task) if isinstance(word, transport.Give) else 0)
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.process.stdin.fileno(), select.POLLOUT)
        return size <= select.PIPE_BUF and any(event == select.POLLOUT for _, event in self._poll.poll(0))

    def _begin(self) -> None:
        try:
            self._reader.start()
            self._writer.start()
        except RuntimeError:
            self._end()
            self.reap()
            raise

    def _end(self) -> None:
        self._killed_s = self._killed_s or awake_s()
        self._end_group()
        # Windows denies it for one that is ending already, and hangs in a driver: it may be asked twice.
        with contextlib.suppress(PermissionError):
            self.process.kill()

    def _end_group(self) -> None:
        """It leads a group of its own: what a function started in it is nobody's any more."""
        if sys.platform == "win32":
            end_descendants(self.process.pid)
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    # --- on the two threads ---

    def _read(self) -> None:
        try:
            if self._has_begun():
                while (received := self._wire.receive()) is not None:
                    self._hear(self._unpacked(received))
        except BaseException as error:  # noqa: BLE001 - no memory for what it said; nobody else would hear of it
            self._fail(f"what it said could not be received: {words_of(error)}")
        finally:
            self._await_end("it has closed the pipe to its parent")
            self._post(Gone(self, is_read=True))

    def _has_begun(self) -> bool:
        """Whether it came up as far as to talk; what it wrote until then is shown, or is said with its end."""
        written, begun = self._wire.await_begin()
        if begun:
            write_error(written)
        else:
            self.last_words = last_line(written)
        return begun

    def _hear(self, word: transport.Word) -> None:
        if isinstance(word, transport.Leaves):
            self.last_words = word.why
        else:
            self._post(Told(self, word))

    def _unpacked(self, received: transport.Received) -> transport.Word:
        try:
            return _with_values(received.unpack(), received.values)
        except BaseException as error:
            if not received.may_be_lost:
                raise
            text = f"something that worker process {self.name} said cannot be unpacked: {words_of(error)}"
            return transport.Report(Complaint(text))

    def _write(self) -> None:
        try:
            self.process.stdin.write(pickle.dumps(sys.path))
            self.process.stdin.flush()
            while (word := self._next()) is not None:
                self._wire.send(word)
                with self._saying:
                    self._unsent -= 1
        except OSError:
            _log.debug("worker process %s is gone and does not hear", self.name)
        except BaseException as error:  # noqa: BLE001 - no memory for what it was to be told: it would wait for ever
            self._fail(f"it could not be told something: {words_of(error)}")
        finally:
            self._await_end("it does not listen any more")
            self._say_gone()

    def _next(self) -> transport.Word | None:
        """What it is told next; None: nothing any more."""
        while True:
            try:
                return self._outbox.get(timeout=LOOK_S)
            except Empty:
                if self.process.poll() is not None:
                    return None

    def _say_gone(self) -> None:
        """Where its pipe is held open by something that it forked, its reader does not notice its end."""
        before = -1
        while self._reader.is_alive():
            if self._wire.arrived_bytes == before:
                self._post(Gone(self, is_read=False))
                return
            before = self._wire.arrived_bytes
            self._reader.join(DRAIN_S)
        self._post(Gone(self, is_read=True))  # perhaps once more: its reader may have found no memory to say so

    def _await_end(self, fault: str) -> None:
        """The pipe has ended, and so should the process."""
        try:
            self.process.wait(CLOSED_S)
        except subprocess.TimeoutExpired:
            self._fail(fault)
            self.process.wait()
        if self.process.returncode:
            self._end_group()

    def _fail(self, fault: str) -> None:
        self.fault = self.fault or fault
        self._end()


def _with_values(word: transport.Word, values: tuple[transport.Packed | None, ...]) -> transport.Word:
    """The results as they are here: unpacking runs code of the user's, on this thread and not on the dispatcher's."""
    if not isinstance(word, transport.Report) or not isinstance(word.message, Finished | Written):
        return word
    done, values = word.message, values or word.values
    if not values:
        return word
    outcomes = tuple(map(packing.unpack_value, done.outcomes, values))
    return transport.Report(replace(done, outcomes=outcomes), (), word.resident_bytes)


def end_descendants(pid: int) -> None:
    """End what a process that still lives has started: Windows has no groups that end with their leader."""
    with contextlib.suppress(psutil.Error, OSError):
        for each in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                each.kill()
