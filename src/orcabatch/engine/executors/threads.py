"""The threads executor: workers are threads of this process, each with its own model.

    ThreadPoolExecutor (one, or one per tier) ── runs ──> WorkerLoop (opens, works, closes on its own thread)

Covers starting workers as they are needed, closing those that the limit no longer allows, and writing off a thread
that hangs. Does not cover killing one: no system can; a hung thread keeps its slot until its call returns.

`ThreadPoolExecutor` has no hook at the end of a thread, and a model must be destroyed on the thread that made it. So
what is submitted to the pool is not a file but a whole `WorkerLoop`: it lives as long as its thread has work, and
closes its worker before it gives the thread back. The threads are `OwnThread`s, which begin or say that they do not;
they are daemons, and taken off the list that the interpreter joins at its exit once they hang: a file that never
returns must not keep Python from ending. One that ends in the pool's own lines, between two loops or before its first
one, tells nobody, and the pool counts on it for ever: while a loop waits for its thread that is looked for, and the
loop moves to a pool that is whole.

A loop keeps its worker's model, and with it a licence seat where each model takes one, between files. So loops end with
their tier, one that was refused a seat ends, and where all seats that are allowed are held an idle loop gives way:
the next one opens when that has closed.
"""

from __future__ import annotations

import concurrent.futures.thread as pools
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from orcabatch.console import awaited_end, pieces_s
from orcabatch.engine import endings
from orcabatch.engine.executor import Executor, SeatUse
from orcabatch.engine.executors.leaving import CLOSING_S, Leaving
from orcabatch.engine.executors.mailbox import Bell, Mailbox, can_wait
from orcabatch.engine.logs import logger
from orcabatch.engine.memory_meter import MemoryMeter
from orcabatch.engine.shared_state import SharedStateWatch
from orcabatch.engine.surroundings import Initializer, Surroundings, begin_here
from orcabatch.engine.worker_loop import WorkerLoop
from orcabatch.engine.worker_messages import Closed, Complaint, Died, Finished, Message, Returned, Written
from orcabatch.errors import SettingsError
from orcabatch.own_thread import LOOK_S, OwnThread
from orcabatch.sleep import awake_s

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.limits import Limits, Scope
    from orcabatch.engine.options import EngineOptions

_log = logger(__name__)

ALL = ""
"""The name of the only pool where tiers share one."""

ENDED_BY_ITSELF = (
    "A worker thread ended by itself, most likely for want of memory: its file is done on another one. Give the run "
    "fewer threads, or more memory."
)


def _with_threads_of_ours(makes_threads: Any) -> Any:
    """The same function, which differs from version to version, but for what it calls `threading.Thread`."""
    if not isinstance(makes_threads, FunctionType):
        return makes_threads
    names = vars(pools) | {"threading": SimpleNamespace(Thread=OwnThread)}
    return FunctionType(makes_threads.__code__, names, closure=makes_threads.__closure__)


class _Threads(ThreadPoolExecutor):
    """A pool whose threads are ours: `submit` raises where a new one ends at its birth, instead of waiting for ever."""

    # Not public: where a Python has it otherwise, its pool is taken as it is.
    _adjust_thread_count = _with_threads_of_ours(getattr(ThreadPoolExecutor, "_adjust_thread_count", None))

    @property
    def begun(self) -> frozenset[threading.Thread]:
        """The threads that it counts on."""
        return frozenset(getattr(self, "_threads", ()))


class _Pool:
    """One `ThreadPoolExecutor` and the loops on its threads."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self.waiting: deque[Task] = deque()
        self.executor = self._threads()
        self.retired: list[_Threads] = []
        self.free: list[WorkerLoop] = []
        self.opened = 0
        self._submitted: dict[WorkerLoop, tuple[_Threads, Future[None]]] = {}
        self._moved: set[WorkerLoop] = set()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do and nothing done on it."""
        return not self.waiting and len(self.free) == self.opened

    def start(self, loop: WorkerLoop) -> None:
        """Let the loop live on a thread of the pool.

        Raises:
            RuntimeError: the system gives no further thread.
        """
        try:
            self._submitted[loop] = self.executor, self.executor.submit(loop.run)
        except RuntimeError:
            # The pool keeps what it had no thread for: the next thread that is free would live it, and never end.
            loop.end()
            raise

    @property
    def threads(self) -> set[threading.Thread]:
        """All that it has, those that were retired too."""
        return {thread for executor in (*self.retired, self.executor) for thread in executor.begun}

    @property
    def awaits_threads(self) -> bool:
        """Whether a loop has not begun yet."""
        return any(loop.thread is None for loop in self._submitted)

    def move_on(self) -> bool:
        """Let loops that no thread of their pool may ever begin live elsewhere; whether a thread has ended.

        One that was moved before is given up: there may be no thread that lives long enough.
        """
        # In this order: a loop that has ended was begun before.
        stuck = [
            loop
            for loop, (pool, life) in self._submitted.items()
            if (pool in self.retired or life.done() or not all(thread.is_alive() for thread in pool.begun))
            and loop.thread is None
        ]
        has_ended = any(self._submitted[loop][0] is self.executor for loop in stuck)
        if has_ended:
            self.retire()
        waiting = [loop for loop in self._submitted if loop.thread is None and loop not in stuck]
        self._submitted = {loop: self._submitted[loop] for loop in waiting}
        for loop in stuck:
            try:
                if loop in self._moved:
                    loop.give_up()
                else:
                    self._moved.add(loop)
                    self.start(loop)
            except RuntimeError:
                loop.give_up()
        return has_ended

    def retire(self) -> None:
        """One of its threads hangs or is gone: those that are still to come take the place of all that it has."""
        self.retired.append(self.executor)
        self.executor = self._threads()

    def shutdown(self) -> None:
        """Let idle threads end."""
        for executor in (*self.retired, self.executor):
            executor.shutdown(wait=False)

    def _threads(self) -> _Threads:
        return _Threads(self.size, thread_name_prefix=f"orcabatch-{self.name or 'worker'}")


class ThreadExecutor(Executor):
    """Runs tasks on threads of this process.

    Args:
        recipe: makes the workers.
        sizes: threads by tier, each tier a pool of its own (mode `static`); or by `ALL`, one pool for every tier.
        bell: rings whenever there is something to `poll`; None: its own.
        scope: what holds a licence seat.
        initializer: called on the dispatcher's thread before the first file.
    """

    name = "threads"

    def __init__(
        self,
        recipe: Recipe,
        sizes: Mapping[str, int],
        bell: Bell | None = None,
        scope: Scope = "process",
        initializer: Initializer | None = None,
    ) -> None:
        self.capacity = max(1, sum(sizes.values()))
        self._recipe = recipe
        self._sizes = dict(sizes)
        self._pools: dict[str, _Pool] = {}
        self._mailbox: Mailbox[Message] = Mailbox(bell)
        self._meter = MemoryMeter()
        self._working: dict[int, tuple[_Pool, WorkerLoop]] = {}
        self._hung: dict[int, tuple[_Pool, WorkerLoop]] = {}
        self._writing: dict[int, WorkerLoop] = {}
        self._alive: list[WorkerLoop] = []
        self._count = 0
        self._initializer = initializer
        self._surroundings: Surroundings | None = None
        self._scope = scope
        self._allowed = sys.maxsize
        self._leaving: Leaving[str] = Leaving()
        self._stuck = 0

    @property
    def seat_use(self) -> SeatUse | None:
        """The loops, where each holds a seat; all together hold one otherwise."""
        if self._scope != "model":
            return None
        waiting = sum(len(pool.waiting) for pool in self._pools.values())
        return SeatUse(self._open + waiting, sum(len(pool.free) for pool in self._pools.values()))

    @property
    def taken(self) -> int:
        """Seats that are held, also by what is being closed."""
        return self._seats(self._open + len(self._leaving))

    @property
    def kept(self) -> int:
        """Seats that are held and will be: a loop that was refused one has none, and is being closed."""
        return self._seats(self._open)

    def _seats(self, loops: int) -> int:
        return loops if self._scope == "model" else min(1, loops)

    @property
    def wants_seat(self) -> bool:
        """Whether a task waits for a seat that something else has to give back."""
        wanting = any(pool.waiting and pool.opened < pool.size for pool in self._pools.values())
        return wanting and not self._leaving and self.taken >= self._allowed

    @property
    def _open(self) -> int:
        return sum(pool.opened for pool in self._pools.values()) + len(self._hung) + self._stuck

    def allow(self, units: int) -> None:
        """Open no loop that would make it more seats."""
        self._allowed = units
        self._supply()

    def submit(self, task: Task, *, alone: bool = False) -> None:
        """Give the task to a free loop of its pool, or a new one; another tier that has nothing to do has ended."""
        pool = self._pool(task.tier)
        pool.waiting.append(task)
        for other in self._pools.values():
            if other is not pool and other.is_idle:
                self._end(other, other.opened)
        self._supply()

    def poll(self, timeout_s: float | None) -> Sequence[Message]:
        """What happened; loops that came back are free again."""
        heard = map(self._heard, self._mailbox.take(self.patience_s(timeout_s)))
        messages = [message for message in heard if message is not None]
        messages += self._overdue()
        for loop in self._alive:
            loop.look()
        moved = [pool.move_on() for pool in self._pools.values()]
        if any(moved):
            messages.append(Complaint(ENDED_BY_ITSELF, once=ENDED_BY_ITSELF))
        self._supply()
        return messages

    def patience_s(self, timeout_s: float | None) -> float | None:
        """The timeout, but not longer than until it is to be looked at what nobody tells of."""
        patience_s = self._leaving.patience_s(timeout_s)
        if not any(pool.awaits_threads for pool in self._pools.values()):
            return patience_s
        return LOOK_S if patience_s is None else min(patience_s, LOOK_S)

    def abandon(self, index: int) -> bool:
        """Write the loop off; it ends by itself when its call returns. One that only writes is free already."""
        if (writing := self._writing.pop(index, None)) is not None:
            writing.drop(index)
            return True
        pool, loop = self._hung[index] = self._working.pop(index)
        pool.opened -= 1
        pool.retire()
        loop.end()
        loop.drop(index)
        # The interpreter joins these threads at its exit, and would wait for ever.
        _never_join(loop)
        _log.warning("worker %s hangs and is written off", loop.name)
        return False

    def set_limit(self, limit: int) -> None:
        """Close idle loops that can no longer be needed, so that their models' memory comes back."""
        for pool in self._pools.values():
            self._end(pool, pool.opened - limit)

    def collect(self) -> None:
        """Give memory back in this process."""
        self._meter.give_back()

    def close(self, *, now: bool = False) -> None:
        """End all loops and wait for their threads, but not for those that hang, nor, with `now`, those that run.

        With `now` no loop has its outputs written beside it any more.
        """
        for pool in self._pools.values():
            pool.waiting.clear()
        for loop in self._alive:
            loop.end()
            if now:
                loop.leave()
        left = [loop for _, loop in self._hung.values()]
        left += [loop for _, loop in self._working.values()] if now else []
        for loop in left:
            _never_join(loop)
        for pool in self._pools.values():
            pool.shutdown()
        self._join([loop for loop in self._alive if loop not in left], bounded=now or not self._working)
        lived = {loop.thread for loop in self._alive}
        for thread in {thread for pool in self._pools.values() for thread in pool.threads} - lived:
            awaited_end(thread, awake_s() + CLOSING_S)
        self._pools.clear()
        if self._surroundings is not None:
            self._surroundings.close()

    def _pool(self, tier: str) -> _Pool:
        name = tier if tier in self._sizes else ALL
        if name not in self._pools:
            self._pools[name] = _Pool(name, self._sizes.get(name, self.capacity))
        return self._pools[name]

    def _end(self, pool: _Pool, most: int) -> None:
        """Close idle loops, those that have been idle for longest first."""
        for loop in [pool.free.pop(0) for _ in range(min(most, len(pool.free)))]:
            self._dismiss(pool, loop)

    def _dismiss(self, pool: _Pool, loop: WorkerLoop) -> None:
        pool.opened -= 1
        self._leaving.add(loop.name)
        loop.end()

    def _supply(self) -> None:
        for pool in self._pools.values():
            while pool.waiting and (pool.free or self._may_open(pool)):
                loop = pool.free.pop() if pool.free else self._new(pool)
                if loop is None:
                    break
                task = pool.waiting.popleft()
                self._working[task.index] = pool, loop
                loop.give(task)

    def _may_open(self, pool: _Pool) -> bool:
        """Whether the pool may have another loop; one of another pool gives way where that takes a seat too many."""
        if pool.opened >= pool.size:
            return False
        # All loops of a process share its seat: only the first takes one.
        if self._scope != "model" and (self._scope == "host" or self.taken):
            return True
        if self._leaving:
            return False
        if self.taken < self._allowed:
            return True
        idle = next((other for other in self._pools.values() if other.free), None)
        if idle is not None:
            self._end(idle, 1)
        return False

    def _overdue(self) -> list[Message]:
        """Loops that do not close keep their seats, and what waits for these is refused."""
        late = self._leaving.overdue()
        if not late:
            return []
        self._stuck += len(late)
        said: list[Message] = [
            Complaint(f"worker {name} does not close: a licence seat that it has stays taken") for name in late
        ]
        for pool in self._pools.values():
            pool.retire()  # whoever was to have their threads finds another
            said += [endings.without_seat(task) for task in pool.waiting]
            pool.waiting.clear()
        return said

    def _new(self, pool: _Pool) -> WorkerLoop | None:
        """A new loop; None where the system gives no thread, but others are there to do the work."""
        self._count += 1
        name = f"{pool.name or 'worker'}-{self._count}"
        loop = WorkerLoop(self._recipe, self._post, name, self._meter, self._found(), behind=True)
        try:
            pool.start(loop)
        except RuntimeError as error:
            if not (self._open or self._leaving):
                raise SettingsError(f"no worker thread can be started: {error}") from error
            if not pool.opened:
                _log.warning("no worker thread for %s yet, waiting for those of others to end: %s", pool.name, error)
                return None
            _log.warning("no further worker thread can be started, going on with %d: %s", pool.opened, error)
            pool.size = pool.opened
            return None
        pool.opened += 1
        self._alive.append(loop)
        return loop

    def _post(self, message: Message) -> None:
        """On the loops' threads."""
        self._mailbox.post(message, wakes=not can_wait(message))

    def _found(self) -> Surroundings:
        """What this thread, which is the caller's, has around it before the first file."""
        if self._surroundings is None:
            begin_here(self._initializer)
            watch = SharedStateWatch(self._mailbox.post) if self.capacity > 1 else None
            self._surroundings = replace(Surroundings.here(), watch=watch)
        return self._surroundings

    def _heard(self, message: Message) -> Message | None:
        match message:
            case Finished(index=index) | Died(indices=(index,)) if index in self._hung:
                # Its outcome was told when it was written off: what it says now counts for its slot only.
                _, loop = self._hung.pop(index)
                self._leaving.add(loop.name)
                return Returned(index)
            case Finished(index=index, released=released):
                pool, loop = self._working.pop(index)
                if released is not None:
                    self._writing[index] = loop
                if endings.refused(message.outcomes):
                    self._dismiss(pool, loop)
                else:
                    pool.free.append(loop)
            case Written(index=index):
                self._writing.pop(index, None)
            case Died(indices=(index,)):
                # One that has told its task's end, and was ended in that moment, is free: its `Closed` takes it off.
                # What it was to write it does not.
                self._writing.pop(index, None)
                if (held := self._working.pop(index, None)) is not None:
                    held[0].opened -= 1
            case Closed(name):
                self._leaving.discard(name)
                self._forget(name)
                return None
            case _:
                pass
        return message

    def _forget(self, name: str) -> None:
        """One that nobody dismissed, and that had no task, has ended for want of memory: it takes none any more."""
        for pool in self._pools.values():
            for loop in [each for each in pool.free if each.name == name]:
                pool.free.remove(loop)
                pool.opened -= 1

    def _join(self, loops: Sequence[WorkerLoop], *, bounded: bool) -> None:
        deadline = awake_s() + CLOSING_S
        for loop in loops:
            if loop.thread is None:
                continue
            if not awaited_end(loop.thread, deadline if bounded else None):
                _log.warning("worker %s did not close within %g s; its thread is left to itself", loop.name, CLOSING_S)
                _never_join(loop)


def _never_join(loop: WorkerLoop) -> None:
    """Take the loop's thread off the list of threads that the interpreter waits for at its exit.

    `concurrent.futures` joins every thread it ever started, daemon or not, and offers no public way out.
    """
    if loop.claim():
        return  # no thread has begun it, and none will
    for piece_s in pieces_s(awake_s() + CLOSING_S):
        if loop.began.wait(piece_s):
            break
    if loop.thread is not None:
        pools._threads_queues.pop(loop.thread, None)  # type: ignore[attr-defined]


def build(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> ThreadExecutor:
    """As the registry of executors asks for it."""
    return ThreadExecutor(recipe, pools_of(options, limits), scope=limits.seats.scope, initializer=options.initializer)


def pools_of(options: EngineOptions, limits: Limits) -> dict[str, int]:
    """Threads by tier where each has a pool of its own (mode `static`), else all in one."""
    return (dict(limits.tiers) if limits.mode == "static" else {}) or {ALL: options.threads}
