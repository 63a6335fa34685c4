"""Which file starts when: the pure half of the engine.

    dispatcher ── event ──> Scheduler.step ── instructions ──> dispatcher
                               │ asks concurrency (how many), memory (which fit), seats (may one be asked for)

Covers the order of the files, the limits, retries and stopping. Does not cover clocks, threads or measuring: the
dispatcher does what the instructions say and reports what happened. The same events give the same instructions, so a
run can be replayed from its event log.

How to drive it:
    - `Offered` for every task that is ready; the answers contain `Start`. Every `Start` is answered, some time, by one
      `Finished` or `SlotLost` for that index.
    - `Sampled` at every interval of the monitor; `Woken` when the time of the latest `Wake` has come.
    - `GiveUp` is final: the task is not started.
    - `done` is true when nothing runs and nothing can start any more; tasks that were never offered do not count.
See also `orcabatch.engine.signals` (all events and instructions), `orcabatch.bench.virtual` (the virtual host).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from orcabatch.engine.contract import Task
from orcabatch.engine.signals import (
    CollectGarbage,
    Event,
    Finished,
    GiveUp,
    Instruction,
    Limits,
    LimitSet,
    Offered,
    Redone,
    Sample,
    Sampled,
    Say,
    SeatLimits,
    SlotBack,
    SlotLost,
    Start,
    StopAsked,
    Wake,
    Woken,
)

__all__ = [
    "CollectGarbage",
    "Event",
    "Finished",
    "GiveUp",
    "Instruction",
    "LimitSet",
    "Limits",
    "Offered",
    "Redone",
    "Sample",
    "Sampled",
    "Say",
    "Scheduler",
    "SeatLimits",
    "SlotBack",
    "SlotLost",
    "Start",
    "StopAsked",
    "Wake",
    "Woken",
]


class Scheduler:
    """Decides which files run.

    Args:
        tasks: every task of the run; `Task.index` is its identity, unique but not necessarily its position.
        limits: what may never be exceeded.
    """

    def __init__(self, tasks: Sequence[Task], limits: Limits) -> None:
        self._tasks = {task.index: task for task in tasks}
        self._limits = limits
        self._limit = limits.fixed_limit or limits.max_limit
        self._queue: list[tuple[float, int]] = []
        self._waiting: set[int] = set()
        self._running: dict[int, int] = {}
        self._again: set[int] = set()
        self._delayed: list[tuple[float, int]] = []
        self._lost: dict[int, int] = {}
        self._stop = 0
        self._budget = int(limits.memory_total_bytes * limits.max_usage_percent / 100)

    def step(self, event: Event) -> list[Instruction]:
        """What is to be done after this event, in order."""
        match event:
            case Offered(_, index) | Redone(_, index):
                self._offer(index)
            case Finished():
                self._finished(event)
            case SlotLost(_, index):
                self._lost[index] = self._running.pop(index, 0)
            case SlotBack(_, index):
                self._lost.pop(index, None)
            case StopAsked(_, level):
                self._stop = level
            case _:
                pass
        return self._decide(event.now_s)

    def _offer(self, index: int) -> None:
        if index in self._running:
            self._again.add(index)
        elif index not in self._waiting:
            self._waiting.add(index)
            heapq.heappush(self._queue, (-self._tasks[index].cost, index))

    def _finished(self, event: Finished) -> None:
        self._running.pop(event.index)
        if event.verdict in {"retry", "seat_denied"}:
            heapq.heappush(self._delayed, (event.now_s + max(event.retry_delay_s, 0.1), event.index))
            self._waiting.add(event.index)
        elif event.index in self._again:
            self._again.discard(event.index)
            self._offer(event.index)

    def _decide(self, now_s: float) -> list[Instruction]:
        if self._stop:
            given_up = [GiveUp(index, "stopped") for index in sorted(self._waiting)]
            self._waiting.clear()
            self._queue.clear()
            self._delayed.clear()
            return list(given_up)
        while self._delayed and self._delayed[0][0] <= now_s:
            index = heapq.heappop(self._delayed)[1]
            heapq.heappush(self._queue, (-self._tasks[index].cost, index))
        instructions: list[Instruction] = []
        while self._queue and len(self._running) + len(self._lost) < self._limit:
            need = self._tasks[self._queue[0][1]].memory_bytes
            if self._running and self._budget and self.reserved_bytes + need > self._budget:
                break
            index = heapq.heappop(self._queue)[1]
            self._waiting.discard(index)
            self._running[index] = need
            instructions.append(Start(index))
        if self._delayed:
            instructions.append(Wake(self._delayed[0][0]))
        return instructions

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._stop == 2 or not (self._running or self._waiting)

    @property
    def running(self) -> tuple[int, ...]:
        """Indices of the tasks that run, in the order they started."""
        return tuple(self._running)

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self._waiting)

    @property
    def limit(self) -> int:
        """How many may run at once now."""
        return self._limit

    @property
    def reserved_bytes(self) -> int:
        """Memory set aside for what runs (and for what hangs)."""
        return sum(self._running.values()) + sum(self._lost.values())

    def snapshot(self) -> dict[str, Any]:
        """The state for displays and the diary; JSON-able."""
        return {
            "limit": self.limit,
            "running": list(self.running),
            "waiting": self.waiting,
            "reserved_bytes": self.reserved_bytes,
            "stop": self._stop,
        }
