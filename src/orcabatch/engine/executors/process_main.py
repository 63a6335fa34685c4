"""What runs in a worker process: worker loops on threads, orders from the parent, an end when either ends.

Covers the life of the process once it is there (`launching`). Does not cover the parent's side (`processes`). The
user's script is not run again: the parent gives its own `sys.path`, and everything else by way of the pipe.

Standard output belongs to the wire; whatever user code prints goes to standard error, and standard input is empty. The
process ignores Ctrl-C and Ctrl-Break: its parent decides what they mean, and it ends with its parent, also while its
main thread hangs in somebody's import.

Of a short file the phases are said with its end, and those of a long one a moment after it has entered them: a word of
its own for each costs both sides as much as the rest.

What cannot be said (no memory for it, a value that raises when it is packed) is said shorter; where that fails too the
process ends, which its parent notices. So nobody waits for a file that nobody will tell of.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from orcabatch.console import (
    claim,
    crash_without_a_dialog,
    flush_streams,
    leave_the_terminal_to_the_parent,
    pipe_is_closed,
    print_to_console,
    survive_code_pages,
)
from orcabatch.engine.echo import Speaker
from orcabatch.engine.executors.launching import take_streams
from orcabatch.engine.executors.mailbox import LATE_S
from orcabatch.engine.executors.packing import pack_value, unsent
from orcabatch.engine.executors.transport import (
    Close,
    Collect,
    Drop,
    GilTaken,
    Give,
    Hello,
    Leaves,
    ProcessSetup,
    Ready,
    Refused,
    Report,
    Rest,
    Rested,
    Wire,
    Word,
)
from orcabatch.engine.gil import GilWatch
from orcabatch.engine.memory_meter import MemoryMeter, resident_bytes
from orcabatch.engine.options import ON_THREADS
from orcabatch.engine.shared_state import SharedStateWatch
from orcabatch.engine.shared_values import SharedValues
from orcabatch.engine.surroundings import Surroundings
from orcabatch.engine.worker_loop import WorkerLoop
from orcabatch.engine.worker_messages import (
    Broken,
    Closed,
    Complaint,
    Died,
    Finished,
    Message,
    PhaseEntered,
    Written,
    over,
)
from orcabatch.own_thread import OwnThread
from orcabatch.text import class_name, words_of
from orcabatch.win32 import end_now, kernel32, processor_groups

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task

_MASK_BITS = 64
"""CPUs that Windows puts in one processor group; with more than one it numbers them from 0 in each."""

PARENT_LOOK_S = 2.0
"""How often a worker process looks whether its parent lives. More often: its start looks alive while it hangs. More
seldom: one that hangs holds its memory and its licence seat for longer after its parent was killed."""

CANNOT_REPORT = 81
"""The exit code of a worker process that could not say what became of a file."""


def main(orders: BinaryIO) -> None:
    """Live as a worker process; `orders` comes from the parent. Never returns once the wire has begun."""
    claim()
    leave_the_terminal_to_the_parent()
    crash_without_a_dialog()
    wire = Wire(orders, take_streams())
    wire.begin()
    code = CANNOT_REPORT
    try:
        code = _live(wire)
    except BaseException as error:  # noqa: BLE001 - told, and then it ends: the interpreter's own end waits for threads
        if _told(wire, words_of(error)):
            code = 1
    finally:
        flush_streams()
        # No thread of a hung file, and no exit hook of user code, may keep the process.
        if code:
            end_now(code)
        os._exit(code)  # all of ours have ended: libraries may clean up


def _told(wire: Wire, why: str) -> bool:
    """Whether the parent could be told why this process ends."""
    try:
        if wire.is_whole:
            wire.send(Leaves(why))
    except BaseException:  # noqa: BLE001 - no memory for that either
        return False
    return wire.is_whole


def _live(wire: Wire) -> int:
    if sys.platform != "win32":
        os.register_at_fork(after_in_child=wire.forget)
    survive_code_pages()
    print_to_console()
    first = wire.receive()
    setup = first.unpack() if first is not None else None
    if not isinstance(setup, ProcessSetup):
        return 1
    _end_with(setup.parent)
    return WorkerProcess(wire, setup).live()


def _end_with(parent: int) -> None:
    """End when the parent has, whatever the main thread does then; without a thread for it the pipe's end must do."""
    with contextlib.suppress(RuntimeError):
        OwnThread(_watch, "orcabatch-parent", (parent,)).start()


def _watch(parent: int) -> None:
    if sys.platform == "win32":
        import psutil

        try:
            psutil.Process(parent).wait()
        except psutil.NoSuchProcess:
            pass
        except psutil.Error:  # it may not be looked at: then it is the pipe's end alone that tells
            return
        end_now(1)
    # A launcher may stand between the two: then it is the pipe's end alone that tells.
    if os.getppid() != parent:
        return
    while os.getppid() == parent:
        time.sleep(PARENT_LOOK_S)
    end_now(1)


class WorkerProcess:
    """A worker process.

    Args:
        wire: to the parent.
        setup: what the parent said first.
    """

    def __init__(self, wire: Wire, setup: ProcessSetup) -> None:
        self._wire = wire
        self._setup = setup
        self._meter = MemoryMeter()
        self._loops: dict[int, WorkerLoop] = {}
        self._surroundings: Surroundings | None = None
        self._busy: set[int] = set()
        self._writing: dict[int, WorkerLoop] = {}
        self._shared = SharedValues()
        self._kept = threading.Event()
        self._keeps = False

    def live(self) -> int:
        """Do what the parent says until it says `Close` (0) or is gone (1)."""
        self._send(Hello(os.getpid()))
        threading.excepthook = self._thread_failed
        Speaker(self._setup.name, self._say).install()
        if self._setup.versions and (other := _other_versions(self._setup.versions)):
            text = f"worker processes of this frozen program have {other}: results may differ"
            self._say(Broken(f"{text}; {ON_THREADS}, or give the program and its Python the same versions"))
            return 1
        self._setup.inherited.levels.take_over()
        for text in _settle_in(self._setup):
            self._say(Complaint(text))
        try:
            recipe = pickle.loads(self._setup.recipe)  # noqa: S301 - from our own parent
        except BaseException as error:  # noqa: BLE001 - unpacking imports the user's modules
            text = f"worker processes cannot unpack what they need: {words_of(error)}"
            self._say(Broken(f"{text}; {ON_THREADS}, or make its module importable"))
            return 1
        # The filters come after the imports: those of the caller's process were done before it had its filters.
        self._setup.inherited.take_over()
        try:
            surroundings = self._setup.inherited.begin()
        except Exception as error:  # noqa: BLE001 - the user's initializer runs in it
            self._say(Broken(f"in worker process {self._setup.name}: {error}"))
            return 1
        watch = SharedStateWatch(self._say) if self._setup.threads > 1 else None
        self._surroundings = replace(surroundings, watch=watch)
        if self._setup.threads > 1:
            self._watch_lock()
        self._begin_to_keep()
        self._send(Ready())
        return self._obey(recipe)

    def _thread_failed(self, failed: threading.ExceptHookArgs) -> None:
        """A thread of ours, for want of memory: said in a sentence. What others' raise is shown, as in any program."""
        name = "" if failed.thread is None else failed.thread.name
        if failed.exc_value is not None and name.startswith(("orcabatch-", f"{self._setup.name}-")):
            text = f"{name} of worker process {self._setup.name} has ended: {words_of(failed.exc_value)}"
            self._say(Complaint(text, once=name))
        else:
            threading.__excepthook__(failed)

    def _watch_lock(self) -> None:
        """Where there is no thread for it the parent takes the lock to be free."""
        try:
            GilWatch(lambda share: self._send(GilTaken(share)), lambda: bool(self._busy)).start()
        except RuntimeError as error:
            text = f"how much worker processes hold Python's lock is not watched: {error}"
            self._say(Complaint(text, once="no lock watch"))

    def _begin_to_keep(self) -> None:
        """Where there is no thread to say what was kept, nothing is."""
        with contextlib.suppress(RuntimeError):
            OwnThread(self._say_what_was_kept, "orcabatch-late").start()
            self._keeps = True

    def _say_what_was_kept(self) -> None:
        try:
            while True:
                self._kept.wait()
                time.sleep(LATE_S)
                self._kept.clear()
                self._wire.flush()
        except OSError as error:
            if not pipe_is_closed(error):
                raise
            # The parent is gone; the main thread is about to notice.

    def _obey(self, recipe: Recipe) -> int:
        while (received := self._wire.receive()) is not None:
            match received.unpack():
                case Give(slot, index, task):
                    self._give(recipe, slot, index, task)
                case Rest(slot):
                    self._rest(slot)
                case Drop(index):
                    self._drop(index)
                case Collect():
                    self._meter.give_back()
                case Close():
                    self._close()
                    return 0
                case _:
                    continue
        return 1

    def _give(self, recipe: Recipe, slot: int, index: int, packed: bytes) -> None:
        try:
            task: Task = pickle.loads(packed)  # noqa: S301 - from our own parent
        except BaseException as error:  # noqa: BLE001 - unpacking runs the code of whatever goes along
            text = f"what goes with the file cannot be unpacked in its worker process: {words_of(error)}"
            # A death is the end of its worker, too.
            if (loop := self._loops.pop(slot, None)) is not None:
                loop.end()
            self._say(Died(f"{self._setup.name}-{slot + 1}", (index,), text, final=True))
            return
        loop = self._loops.get(slot) or self._opened(recipe, slot, index)
        if loop is not None:
            self._busy.add(slot)
            self._shared.began(index)
            loop.give(task)

    def _opened(self, recipe: Recipe, slot: int, index: int) -> WorkerLoop | None:
        """A worker for the slot; None where the system gives no thread."""
        name = f"{self._setup.name}-{slot + 1}"
        loop = WorkerLoop(
            recipe,
            lambda message: self._heard(slot, loop, message),
            name,
            self._meter,
            self._surroundings or Surroundings.here(),
            behind=True,
        )
        try:
            OwnThread(loop.run, name, over=loop.give_up).start()
        except RuntimeError as error:
            self._send(Refused(slot, index, str(error)))
            return None
        self._loops[slot] = loop
        return loop

    def _rest(self, slot: int) -> None:
        loop = self._loops.get(slot)
        if loop is None:
            self._send(Rested(slot))
        else:
            loop.end()

    def _drop(self, index: int) -> None:
        if (loop := self._writing.pop(index, None)) is not None:
            loop.drop(index)

    def _close(self) -> None:
        loops = list(self._loops.values())
        for loop in loops:
            loop.end()
        for loop in loops:
            loop.began.wait()
            if loop.thread is not None:
                loop.thread.join()

    def _heard(self, slot: int, loop: WorkerLoop | None, message: Message) -> None:
        """A loop said something; the last that it says is `Closed`, or `Died` and then `Closed`."""
        if isinstance(message, Finished | Died):
            self._busy.discard(slot)
        if isinstance(message, Finished) and message.released is not None and loop is not None:
            self._writing[message.index] = loop
        elif isinstance(message, Written):
            self._writing.pop(message.index, None)
        is_there = self._loops.get(slot) is loop
        if isinstance(message, Died | Closed) and is_there:
            del self._loops[slot]
        if not isinstance(message, Closed):
            for note in self._shared.notes(message) if self._setup.threads > 1 else ():
                self._say(note)
            self._say(message)
            self._shared.left(*over(message))
        elif is_there:
            self._send(Rested(slot))

    def _say(self, message: Message) -> None:
        """Say it; what cannot be said is said shorter, and what cannot be said shorter ends the process."""
        try:
            self._send(report(message), at_once=not (self._keeps and isinstance(message, PhaseEntered)))
        except BaseException as error:  # noqa: BLE001 - no memory, or the code of what is packed: a file waits for this
            if not self._wire.is_whole:
                end_now(CANNOT_REPORT)
            self._say_less(message, error)

    def _say_less(self, message: Message, error: BaseException) -> None:
        try:
            self._send(Report(shorter(message, error, f"worker process {self._setup.name}")))
        except BaseException:  # noqa: BLE001 - its parent will notice the end
            end_now(CANNOT_REPORT)

    def _send(self, word: Word, *, at_once: bool = True) -> None:
        try:
            self._wire.send(word, at_once=at_once)
            if not (at_once or self._kept.is_set()):
                self._kept.set()
        except OSError as error:
            if not pipe_is_closed(error):
                raise
            # The parent is gone; the main thread is about to notice.


def shorter(message: Message, error: BaseException, who: str) -> Message:
    """What is said where a message cannot be: with little in it."""
    match message:
        case Finished() | Written():
            return replace(message, outcomes=tuple(unsent(each, error) for each in message.outcomes))
        case Died():
            return replace(message, message="its worker ended, and could not say how")
        case _:
            return Complaint(f"{who} could not say something: {class_name(type(error))}")


def report(message: Message) -> Report:
    """A worker's message with the results packed, each by itself."""
    if not isinstance(message, Finished | Written):
        return Report(message)
    pairs = [pack_value(outcome) for outcome in message.outcomes]
    bare = replace(message, outcomes=tuple(outcome for outcome, _ in pairs))
    return Report(bare, tuple(packed for _, packed in pairs), _held_bytes())


def _held_bytes() -> int:
    """Memory of this process; 0 where it cannot be asked: it may have no descriptor left for that."""
    try:
        return resident_bytes()
    except Exception:  # noqa: BLE001 - a result is not lost for want of this number
        return 0


def _other_versions(wanted: tuple[tuple[str, str], ...]) -> str:
    from orcabatch.versions import other_versions  # for frozen programs alone: others have the same

    return other_versions(wanted)


def _settle_in(setup: ProcessSetup) -> list[str]:
    """Take the CPUs and the priority that the parent wants; what the system refuses is said, not fatal."""
    steps: list[Callable[[], None]] = [lambda: _pin(setup.cpus)] if setup.cpus else []
    steps += [give_way] if setup.low_priority else []
    said = []
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever a system answers, files can be worked on all the same
            said.append(f"worker process {setup.name}: the system refused its CPUs or its priority: {words_of(error)}")
    return said


def _pin(cpus: tuple[int, ...], platform: str = sys.platform) -> None:
    import psutil

    # A mask means CPUs of the process's own group, which Windows chooses: another group's bits would be the wrong ones.
    if platform == "win32" and (max(cpus) >= _MASK_BITS or processor_groups(kernel32()) != (0,)):
        raise OSError(f"CPUs {min(cpus)} to {max(cpus)} are not all of its own processor group; it is not pinned")
    psutil.Process().cpu_affinity(list(cpus))


def give_way() -> None:
    """Lower the priority of this process."""
    import psutil

    process = psutil.Process()
    if sys.platform == "win32":
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        process.nice(max(10, process.nice()))
