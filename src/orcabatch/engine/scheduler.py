"""Which file starts when: the pure half of the engine.

    dispatcher ── event ──> Scheduler.step ── instructions ──> dispatcher
                               │ asks concurrency (how many), memory (which fit), seats (may one be asked for)

Covers the order of the files, the limits, retries and stopping. Does not cover clocks, threads or measuring: the
dispatcher does what the instructions say and reports what happened. The same events give the same instructions, so a
run can be replayed from its event log.

How to drive it:
    - one `Sampled` before the first file (it tells what the process holds without files), then `Offered` for every task
      that is ready. The order in which they are offered does not matter: as long as some were never offered, the answer
      is a `Wake` for this very moment, and the answers to that `Woken` (or any other event) contain `Start`. Every
      `Start` is answered, some time, by one `TaskFinished` or `SlotLost` for that index.
    - `Sampled` about every `sample_interval_s`; `Woken` when the time of the latest `Wake` has come.
    - `SeatsReported` before another event, where the workers hold other seats, or take more or fewer files with them,
      than `seats_held` says. It starts nothing, for the file that comes back next may tell that there is no seat.
    - `GiveUp` is final: the task is not started.
    - `TaskFinished` with the ending `released` gives back slot, memory and seat; a second one for that index ends it.
    - `done` is true when nothing runs and nothing waits; tasks that were never offered do not count.

Decisions:
    - next file: the first in plan order (`Task.rank`) that fits into memory and whose tier is below its ceiling. The
      first that could fit at all is passed over by smaller ones for a limited time only; with `in_order` none is.
    - `static`: tier after tier, in the order in which the plan ranks their first files, each with its fixed count,
      under the same hard limits.
    - a file that needs more than the whole budget runs alone, after all others, with a warning.
    - where more is in use than may be, before the first file, files run one at a time without waiting: one warning.
See also `orcabatch.engine.scheduler_messages` (all events and instructions), `benchmarks.virtual` (the virtual host).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from orcabatch.engine import concurrency, endings, licences, memory_admission
from orcabatch.engine.limits import Limits, WaitReason
from orcabatch.engine.scheduler_messages import (
    CollectGarbage,
    Event,
    GiveUp,
    Instruction,
    LimitSet,
    Moved,
    Offered,
    Redone,
    Sample,
    Sampled,
    Say,
    SeatsReported,
    SlotBack,
    SlotLost,
    Start,
    StopAsked,
    TaskFinished,
    Wake,
)
from orcabatch.engine.waiting import NOWHERE, PlanQueue, Waiting
from orcabatch.text import size

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task

__all__ = ["Scheduler"]

GUARD_WALLS = 4.0
"""How many mean file times the first file may be passed over by smaller ones. Fewer: workers idle early, until there is
memory for it. More: it starts late, and at the end the others wait for it."""
SAMPLES_PER_FILE = 20
SHORTEST_INTERVAL_S, LONGEST_INTERVAL_S = 0.05, 2.0
"""A `Sampled` this often in a mean file's time, within these bounds. Fewer: a file has come and gone between two looks.
More: looking at every process costs more than what it tells."""
FIRST_INTERVAL_S, INTERVAL_GROWTH, FIRST_LONGEST_S = 0.025, 2.0, 0.25
"""Before any file has ended and its time is known. The first look, and so many times longer from one to the next, up
to the last, where files have hardly anything to read; the last alone where they have: a disk comes into play
when they are open, within half a second (looked at as early: worst 2.2). Longer: `waiting` files are joined late by
others (0.05 s, growing by 1.5: short, mixed files over a native DLL 1.41 of the best fixed count). Shorter, or growing
less: most are open before the first has come to a lock (by 1.5: worst 2.1 over the held-out cases, *projected*). Also,
a look is then hardly longer than the tick in which some systems count CPU (16 ms on Windows): what is unsure counts as
used, and the next look decides."""


class Scheduler:
    """Decides which files run.

    Args:
        tasks: every task of the run; `Task.index` is its identity, unique but not necessarily its position.
        limits: what may never be exceeded.
    """

    def __init__(self, tasks: Sequence[Task], limits: Limits) -> None:
        self._limits = limits
        self._queue = PlanQueue(tasks, limits)
        self._hung_since: float | None = None
        self._running_bytes = 0
        self._waiting: set[int] = set()
        self._offered: set[int] = set()
        self._delayed: list[tuple[float, int]] = []
        self._running: dict[int, float] = {}
        self._again: set[int] = set()
        self._lost: set[int] = set()
        self._writing: set[int] = set()
        self._ended: set[int] = set()
        self._stop = 0
        self._memory = memory_admission.begin(limits, from_history=not memory_admission.guessed(tasks, limits))
        self._seats = licences.begin(limits.seats)
        mean = sum(task.size_bytes for task in tasks) / max(1, len(tasks))
        self._concurrency = concurrency.begin(limits, len(tasks), max(1.0, mean))
        self._left: concurrency.Concurrency | None = None
        self._moved_s = 0.0
        self._ceiling: int | None = None
        self._slots = 0
        self._guard_since: tuple[int, float] | None = None
        self._walls = (0, 0.0)
        self._soon_s = FIRST_INTERVAL_S
        self._warned: set[int] = set()
        self._said_limit = self._limit_now()
        self._wait_reason = WaitReason.NOTHING
        self._held_until_s: float | None = None

    def step(self, event: Event) -> list[Instruction]:
        """What is to be done after this event, in order.

        Raises:
            ValueError: the event contradicts what was said before (a task came back that did not run).
        """
        said = self._take(event)
        if self._stop:
            return [*said, *self._give_up_all(endings.STOPPED)]
        if isinstance(event, SeatsReported):
            return said
        # A task that is offered next may rank before this one: nothing starts before all that are ready were told.
        if isinstance(event, Offered) and len(self._offered) < len(self._queue):
            return [Wake(event.now_s)]
        return said + self._start_what_fits(event.now_s)

    # --- what happened ------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> list[Instruction]:
        match event:
            case Offered(_, index):
                self._offer(index)
            case Redone(_, index):
                self._redo(index)
            case TaskFinished():
                self._finished(event)
            case SlotLost(_, index):
                self._slot_lost(index)
            case SlotBack(_, index):
                self._slot_back(index)
            case SeatsReported(now_s, units, room):
                self._seats = licences.told(self._seats, units, room, now_s)
            case Sampled(now_s, sample):
                return self._sampled(now_s, sample)
            case Moved(now_s, capacity):
                return self._moved(now_s, capacity)
            case StopAsked(_, level):
                self._stop = max(self._stop, level)
        return []

    def _offer(self, index: int) -> None:
        if index in self._running or index in self._writing or index in self._waiting or index in self._ended:
            return
        self._offered.add(index)
        self._waiting.add(index)
        self._queue.put(index)

    def _redo(self, index: int) -> None:
        if index in self._running or index in self._writing:
            self._again.add(index)
        else:
            self._ended.discard(index)
            self._offer(index)

    def _leave_running(self, index: int) -> Task:
        if index not in self._running:
            raise ValueError(f"task {index} came back, but it was not running")
        del self._running[index]
        task = self._queue.ended(index)
        self._running_bytes -= task.size_bytes
        return task

    def _finished(self, event: TaskFinished) -> None:
        if event.index in self._writing:
            self._written(event)
            return
        begun_s = self._running.get(event.index)
        task = self._leave_running(event.index)
        self._memory = memory_admission.unload(self._memory, task.memory_bytes, event.memory_bytes)
        self._seats = licences.came_back(self._seats)
        if event.ending == "seat_denied":
            self._seats = licences.denied(self._seats, event.now_s, begun_s)
            # It takes its old place, without a delay of its own: `licences` knows when another may be asked for.
            self._offer(event.index)
            return
        # What failed tells neither how long such a file takes nor how much it needs.
        if event.ending in {"done", "released"}:
            self._memory = memory_admission.learn(self._memory, task.memory_bytes, event.memory_bytes)
            self._seats = licences.worked(self._seats)
            self._walls = (self._walls[0] + 1, self._walls[1] + event.wall_s)
            if begun_s is not None and begun_s >= self._moved_s:  # else other workers had it
                self._concurrency = concurrency.finished(self._concurrency, task.size_bytes, event.stays)
        if event.ending == "released":
            self._writing.add(event.index)
        else:
            self._end_or_retry(event)

    def _written(self, event: TaskFinished) -> None:
        """Its outputs are written, or could not be; all else is known since its worker was free."""
        if event.ending != "released":
            self._writing.discard(event.index)
            self._end_or_retry(event)

    def _end_or_retry(self, event: TaskFinished) -> None:
        if event.ending == "retry":
            self._waiting.add(event.index)
            heapq.heappush(self._delayed, (event.now_s + max(0.0, event.retry_delay_s), event.index))
            return
        self._end(event.index)

    def _end(self, index: int) -> None:
        self._ended.add(index)
        if index in self._again:
            self._again.discard(index)
            self._redo(index)

    def _slot_lost(self, index: int) -> None:
        self._leave_running(index)
        # It still has its model: its memory stays reserved, and a seat that is the model's own stays taken.
        self._lost.add(index)
        if self._limits.seats.scope != "model":
            self._seats = licences.came_back(self._seats)
        self._end(index)

    def _slot_back(self, index: int) -> None:
        if index in self._lost:
            self._lost.discard(index)
            if self._limits.seats.scope == "model":
                self._seats = licences.came_back(self._seats)
            self._memory = memory_admission.unload(self._memory, self._queue.task(index).memory_bytes)

    def _sampled(self, now_s: float, sample: Sample) -> list[Instruction]:
        self._soon_s = min(FIRST_LONGEST_S, self._soon_s * INTERVAL_GROWTH)
        self._memory = memory_admission.observe(self._memory, self._limits, sample)
        said: list[Instruction] = []
        if memory_admission.collect_due(self._memory, now_s):
            self._memory = memory_admission.collected(self._memory, now_s)
            said.append(CollectGarbage())
        running, waiting = len(self._running), self.waiting
        limited = running >= self._limit_now()
        reading = concurrency.Reading(now_s, sample, running, waiting, limited, self._running_bytes)
        self._concurrency, reason = concurrency.observe(self._concurrency, reading)
        if sample.slots != self._slots:
            self._slots, reason = sample.slots, f"the workers take {sample.slots} files at once"
        return said + self._limit_changed(self._under_pressure() or reason)

    def _moved(self, now_s: float, capacity: int) -> list[Instruction]:
        before, left, self._moved_s = self._concurrency, self._left, now_s
        self._concurrency, self._left = concurrency.moved(before, left, now_s, capacity), before
        return self._limit_changed("files go to other workers, which bear another number at once")

    def _under_pressure(self) -> str:
        """Shrink while memory is above the cap, open again when what is held and reserved fits below it."""
        used = f"memory in use {self._memory.usage_percent:.1f}%"
        if self._memory.pressure == "over":
            # Fewer than run now, not than the limit, which may be far above what memory lets run.
            self._ceiling = max(1, min(self._ceiling or len(self._running), len(self._running) - 1))
            return f"{used} is above {self._limits.max_usage_percent:g}%: fewer files at once"
        if self._ceiling is not None and self._memory.room_bytes >= 0:
            # All at once: what starts then is bounded by the room there is.
            self._ceiling = None
            return f"{used} again: memory no longer keeps files waiting"
        return ""

    def _limit_changed(self, reason: str) -> list[Instruction]:
        limit = self._limit_now()
        if limit == self._said_limit:
            return []
        self._said_limit = limit
        return [LimitSet(limit, reason, limit == self._concurrency.limit)]

    # --- what to do ---------------------------------------------------------------------------------------------

    def _start_what_fits(self, now_s: float) -> list[Instruction]:
        while self._delayed and self._delayed[0][0] <= now_s:
            self._queue.put(heapq.heappop(self._delayed)[1])
        said: list[Instruction] = []
        while self.waiting > len(self._delayed) and (index := self._next(now_s, said)) is not None:
            said.append(Start(index, licences.allowed(self._seats, now_s)))
            self._start(index, now_s)
        if self._waiting and licences.exhausted(self._seats, len(self._running), now_s):
            said += self._give_up_all(licences.message(self._seats))
        if self._waiting and self._hung_too_long(now_s):
            said += self._give_up_all(licences.HUNG.format(self._seats.units))
        return said + self._wake(now_s)

    def _hung_too_long(self, now_s: float) -> bool:
        """Whether files that hang have held every licence seat, with nothing else running, for as long as one waits."""
        if self._running or not self._seats.stuck:
            self._hung_since = None
            return False
        self._hung_since = now_s if self._hung_since is None else self._hung_since
        return now_s >= self._hung_since + self._limits.seats.wait_s

    def _next(self, now_s: float, said: list[Instruction]) -> int | None:
        """The task to start now; None: none."""
        self._hold(WaitReason.LIMIT)
        # Files that are only written hold no slot; where the folder is slower than the workers they would pile up.
        too_many_writing = max(0, len(self._writing) - self._limits.max_writing)
        if len(self._running) + too_many_writing >= max(1, self._limit_now() - len(self._lost)):
            return None
        if self._limits.in_order and self._delayed:
            return None  # nor may any pass one that waits for its next try
        if not licences.may_start(self._seats, now_s, len(self._running)):
            self._hold(WaitReason.SEAT, licences.wake_s(self._seats, len(self._running)))
            return None
        self._hold(WaitReason.TIER)
        queues = self._queue.open()
        if not queues:
            return None
        self._hold(WaitReason.MEMORY)
        position = self._first_that_fits(queues, now_s)
        if self._limits.in_order and position != min(queue.first() for queue in queues):
            position = NOWHERE  # a smaller one may not pass it: it runs alone
        if position == NOWHERE and not self._running:
            position = self._alone(queues, now_s, said)
            if self._memory.starved_s is not None:
                self._hold(WaitReason.MEMORY, memory_admission.patience_ends_s(self._memory))
        return None if position == NOWHERE else self._queue.at(position).index

    def _hold(self, reason: WaitReason, until_s: float | None = None) -> None:
        """What keeps the next file, if it does not start; until when, where time alone ends it and no event tells."""
        self._wait_reason, self._held_until_s = reason, until_s

    def _first_that_fits(self, queues: Iterable[Waiting], now_s: float) -> int:
        state = self._memory
        # With nothing running it is `_alone` that decides: a run that starts nothing would never end.
        if state.pressure == "over" and self._running:
            return NOWHERE
        room = memory_admission.largest_prediction(state, state.room_bytes)
        fits = min(queue.first(room) for queue in queues)
        if fits == NOWHERE:
            return NOWHERE
        self._memory = memory_admission.relieved(state)
        budget = memory_admission.largest_prediction(state, state.budget_bytes)
        # The first that has room once our own files are gone: smaller ones pass it, but after a while none does, until
        # what they hold is free for it.
        guarded = min(queue.first(budget) for queue in queues)
        return fits if fits <= guarded or not self._passed_over_too_long(guarded, now_s) else NOWHERE

    def _passed_over_too_long(self, guarded: int, now_s: float) -> bool:
        if self._guard_since is None or self._guard_since[0] != guarded:
            self._guard_since = (guarded, now_s)
        count, total = self._walls
        # Before anything has ended there is no file time to measure patience by.
        return bool(count) and now_s - self._guard_since[1] > GUARD_WALLS * total / count

    def _alone(self, queues: Iterable[Waiting], now_s: float, said: list[Instruction]) -> int:
        """Nothing runs and nothing fits: one file runs all the same, at once if it can only ever run alone."""
        first = min(queue.first() for queue in queues)
        if first == NOWHERE:
            return NOWHERE
        task = self._queue.at(first)
        needs = task.memory_bytes * self._memory.correction
        if not self._memory.overfull:
            self._memory = memory_admission.starving(self._memory, now_s)
            # Waiting helps only where others hold the memory, or usage is above the cap: it may come back.
            foreign = self._memory.others_bytes + needs > self._memory.cap_bytes and needs <= self._memory.cap_bytes
            if (foreign or self._memory.pressure == "over") and now_s < memory_admission.patience_ends_s(self._memory):
                return NOWHERE
        # A file that is too large whatever others hold is told by name; else it is the host, and one sentence for all.
        too_large = needs > self._memory.cap_bytes - (self._memory.baseline_bytes or 0) and not self._memory.overfull
        say = _alone_text(task, needs, self._memory) if too_large else self._full_text()
        if say.index not in self._warned:
            self._warned.add(say.index)
            said.append(say)
        return first

    def _full_text(self) -> Say:
        memory, percent = self._memory, self._limits.max_usage_percent
        return Say(
            f"{size(memory.used_bytes)} of memory are in use, {size(memory.own_bytes)} of it by this run, and "
            f"memory.max_usage_percent = {percent:g} allows {size(memory.cap_bytes)}: files run one at a time. Close "
            "other programs, or raise it"
        )

    def _start(self, index: int, now_s: float) -> None:
        task = self._queue.started(index)
        self._waiting.discard(index)
        self._running[index] = now_s
        self._running_bytes += task.size_bytes
        self._memory = memory_admission.load(self._memory, task.memory_bytes)
        self._seats = licences.started(self._seats, now_s)

    def _give_up_all(self, reason: str) -> list[Instruction]:
        given_up = sorted(self._waiting)
        for index in given_up:
            self._queue.take(index)
        self._ended.update(given_up)
        self._waiting.clear()
        self._delayed.clear()
        return [GiveUp(index, reason) for index in given_up]

    def _wake(self, now_s: float) -> list[Instruction]:
        if not self._waiting:
            return []
        # Only what no event will tell: all else that lets a file start comes as one.
        times = [self._delayed[0][0]] if self._delayed else []
        if self.waiting > len(self._delayed):
            if self._held_until_s is not None:
                times.append(self._held_until_s)
            if self._hung_since is not None:
                times.append(self._hung_since + self._limits.seats.wait_s)
        return [Wake(max(now_s, min(times)))] if times else []

    # --- what can be seen ---------------------------------------------------------------------------------------

    def _limit_now(self) -> int:
        limit = self._limits.max_limit if self._limits.mode == "static" else self._concurrency.limit
        limit = min(limit, self._slots) if self._slots else limit
        return max(1, limit if self._ceiling is None else min(limit, self._ceiling))

    @property
    def sample_interval_s(self) -> float:
        """How often a `Sampled` helps: a twentieth of a mean file, 0.05 to 2 s; more often before one has ended."""
        count, total = self._walls
        if not count:
            return FIRST_LONGEST_S if self._concurrency.unread else self._soon_s
        return min(LONGEST_INTERVAL_S, max(SHORTEST_INTERVAL_S, total / count / SAMPLES_PER_FILE))

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._stop == 2 or not (self._running or self._writing or self._waiting)

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
        return self._limit_now()

    @property
    def wait_reason(self) -> WaitReason:
        """What keeps the next file from an empty slot; `NOTHING` where none waits, or that is no news."""
        waits = self.waiting > len(self._delayed)
        return self._wait_reason if waits and self._wait_reason.words else WaitReason.NOTHING

    @property
    def seats_held(self) -> tuple[int, float]:
        """How many units hold a licence seat, and how many more files these take, as far as was told or follows."""
        return self._seats.units, self._seats.room

    @property
    def reserved_bytes(self) -> int:
        """Memory set aside for what runs (and for what hangs)."""
        return self._memory.reserved_bytes

    def snapshot(self) -> dict[str, Any]:
        """The state for displays and the event log; JSON-able."""
        return {
            "limit": self.limit,
            "running": list(self.running),
            "writing": sorted(self._writing),
            "waiting": self.waiting,
            "lost": sorted(self._lost),
            "reserved_bytes": self.reserved_bytes,
            "memory_factor": self._memory.correction * self._limits.overhead,
            "memory_measured": self._memory.measured,
            "seats": self._seats.units,
            "stop": self._stop,
        }


def _alone_text(task: Task, needs: float, state: memory_admission.MemoryAdmission) -> Say:
    return Say(
        f"{task.file.name} needs about {size(needs)}, more than the {size(state.budget_bytes)} that "
        "files may take now: it runs alone. Free memory, or raise memory.max_usage_percent",
        task.index,
    )
