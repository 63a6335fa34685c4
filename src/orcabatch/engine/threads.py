"""The threads executor: workers are threads of this process, each with its own model.

    ThreadPoolExecutor (one, or one per tier) ── runs ──> Session (opens, works, closes on its own thread)

Covers starting workers as they are needed, closing those that the limit no longer allows, and writing off a thread
that hangs. Does not cover killing one: no system can; a hung thread keeps its slot until its call returns.

`ThreadPoolExecutor` has no hook at the end of a thread, and a model must be destroyed on the thread that made it. So
what is submitted to the pool is not a file but a whole session: it lives as long as its thread has work, and closes
its worker before it gives the thread back. The threads are daemons and are taken off the list that the interpreter
joins at its exit once they hang: a file that never returns must not keep Python from ending.
"""

from __future__ import annotations

import concurrent.futures.thread as pools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from orcabatch.engine.entry import Caught, Done, attempt
from orcabatch.engine.executor import Died, Finished, Message, Returned
from orcabatch.engine.mailbox import Mailbox
from orcabatch.engine.meter import MemoryMeter
from orcabatch.engine.sessions import Session
from orcabatch.errors import SettingsError

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task

_log = logging.getLogger(__name__)

ALL = ""
"""The name of the only pool where tiers share one."""

CLOSING_S = 60.0
"""How long closing a worker may take before its thread is left to itself."""


class _Pool:
    """One `ThreadPoolExecutor` and the sessions on its threads."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self.waiting: deque[Task] = deque()
        self.executor = self._threads()
        self.retired: list[ThreadPoolExecutor] = []
        self.free: list[Session] = []
        self.opened = 0

    def start(self, session: Session) -> None:
        """Let the session live on a thread of the pool; a new thread is a daemon, as the thread that starts it is.

        Raises:
            RuntimeError: the system gives no further thread.
        """
        submitted: list[Done[object] | Caught] = []
        starter = threading.Thread(
            target=lambda: submitted.append(attempt(lambda: self.executor.submit(session.run))), daemon=True
        )
        starter.start()
        starter.join()
        if isinstance(submitted[0], Caught):
            raise submitted[0].error

    def retire(self) -> None:
        """One of its threads hangs: those that are still to come take the place of all that it has."""
        self.retired.append(self.executor)
        self.executor = self._threads()

    def shutdown(self) -> None:
        """Let idle threads end."""
        for executor in (*self.retired, self.executor):
            executor.shutdown(wait=False)

    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.size, thread_name_prefix=f"orcabatch-{self.name or 'worker'}")


class ThreadExecutor:
    """Runs tasks on threads of this process.

    Args:
        recipe: makes the workers.
        sizes: threads by tier, each tier a pool of its own (mode `static`); or by `ALL`, one pool for every tier.
        ring: called whenever there is something to `poll`.
    """

    name = "threads"
    pids: tuple[int, ...] = ()

    def __init__(self, recipe: Recipe, sizes: Mapping[str, int], ring: Callable[[], None] | None = None) -> None:
        self.capacity = max(1, sum(sizes.values()))
        self._recipe = recipe
        self._sizes = dict(sizes)
        self._pools: dict[str, _Pool] = {}
        self._mailbox: Mailbox[Message] = Mailbox(ring)
        self._meter = MemoryMeter()
        self._working: dict[int, tuple[_Pool, Session]] = {}
        self._hung: dict[int, tuple[_Pool, Session]] = {}
        self._alive: list[Session] = []
        self._count = 0

    def submit(self, task: Task, *, alone: bool = False) -> None:
        """Give the task to a free session of its pool, or to a new one."""
        pool = self._pool(task.tier)
        pool.waiting.append(task)
        self._supply(pool)

    def poll(self, timeout_s: float | None) -> Sequence[Message]:
        """What happened; sessions that came back are free again."""
        return [self._heard(message) for message in self._mailbox.take(timeout_s)]

    def wake(self) -> None:
        """Let a waiting `poll` return."""
        self._mailbox.wake()

    def abandon(self, index: int) -> bool:
        """Write the session off; it ends by itself when its call returns."""
        pool, session = self._hung[index] = self._working.pop(index)
        pool.opened -= 1
        pool.retire()
        session.end()
        _never_join(session)
        _log.warning("worker %s hangs and is written off", session.name)
        return False

    def set_limit(self, limit: int) -> None:
        """Close idle sessions that can no longer be needed, so that their models' memory comes back."""
        for pool in self._pools.values():
            while pool.free and pool.opened > limit:
                pool.free.pop(0).end()
                pool.opened -= 1

    def collect(self) -> None:
        """Give memory back in this process."""
        self._meter.give_back()

    def close(self, *, now: bool = False) -> None:
        """End all sessions and wait for their threads, but not for those that hang, nor, with `now`, those that run."""
        for pool in self._pools.values():
            pool.waiting.clear()
        for session in self._alive:
            session.end()
        left = [session for _, session in self._hung.values()]
        left += [session for _, session in self._working.values()] if now else []
        for session in left:
            _never_join(session)
        for pool in self._pools.values():
            pool.shutdown()
        self._join([session for session in self._alive if session not in left], bounded=now or not self._working)
        self._pools.clear()

    def _pool(self, tier: str) -> _Pool:
        name = tier if tier in self._sizes else ALL
        if name not in self._pools:
            self._pools[name] = _Pool(name, self._sizes.get(name, self.capacity))
        return self._pools[name]

    def _supply(self, pool: _Pool) -> None:
        while pool.waiting and (pool.free or pool.opened < pool.size):
            session = pool.free.pop() if pool.free else self._open(pool)
            if session is None:
                return
            task = pool.waiting.popleft()
            self._working[task.index] = pool, session
            session.give(task)

    def _open(self, pool: _Pool) -> Session | None:
        """A new session; None where the system gives no thread, but others are there to do the work."""
        self._count += 1
        name = f"{pool.name or 'worker'}-{self._count}"
        session = Session(self._recipe, self._mailbox.post, name, self._meter)
        try:
            pool.start(session)
        except RuntimeError as error:
            if not pool.opened:
                raise SettingsError(f"no worker thread can be started: {error}") from error
            _log.warning("no further worker thread can be started, going on with %d: %s", pool.opened, error)
            pool.size = pool.opened
            return None
        pool.opened += 1
        self._alive.append(session)
        return session

    def _heard(self, message: Message) -> Message:
        match message:
            case Finished(index=index) | Died(indices=(index,)) if index in self._hung:
                pool, _ = self._hung.pop(index)
                message = Returned(index)
            case Finished(index=index):
                pool, session = self._working.pop(index)
                pool.free.append(session)
            case Died(indices=(index,)):
                pool, _ = self._working.pop(index)
                pool.opened -= 1
            case _:
                return message
        self._supply(pool)
        return message

    def _join(self, sessions: Sequence[Session], *, bounded: bool) -> None:
        deadline = time.monotonic() + CLOSING_S
        for session in sessions:
            if session.thread is None:
                continue
            session.thread.join(max(0.0, deadline - time.monotonic()) if bounded else None)
            if session.thread.is_alive():
                _log.warning(
                    "worker %s did not close within %g s; its thread is left to itself", session.name, CLOSING_S
                )
                _never_join(session)


def _never_join(session: Session) -> None:
    """Take the session's thread off the list of threads that the interpreter waits for at its exit.

    `concurrent.futures` joins every thread it ever started, daemon or not, and offers no public way out.
    """
    session.began.wait(CLOSING_S)
    if session.thread is not None:
        pools._threads_queues.pop(session.thread, None)  # type: ignore[attr-defined]
