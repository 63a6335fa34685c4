"""How much of the time Python's interpreter lock (the GIL) of a process is held.

Who holds the lock computes. So it is held for as long as the process uses CPU outside of what lets the lock go:

    held = (CPU of the process - CPU with the lock let go) / wall          (`orcabatch.engine.unlocked` has the second)

Other programs cannot fake this: they take CPU away and add none. Waiting for the lock, which no system tells from
waiting for a core or a disk, is not what is asked for. What lets the lock go without our knowing (large NumPy calls of
a user's function) counts as held, until it is more than one core's: then how often the lock was there at once
decides, where a thread that slept wanted it back.

    GilMeter (a thread, twenty times a second) ──> GilLog ──> GilUse of any stretch of time

Does not cover what follows: see `concurrency` (how many files at once), `auto_decision`, `orcabatch.monitor`.
"""

from __future__ import annotations

import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from orcabatch.console import awaited_end
from orcabatch.engine.unlocked import TOGETHER, UNLOCKED, UnlockedCpu
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s

EVERY_S = 0.05
"""Seconds between looks. Less: looking takes a share of the lock itself. More: short files fall between two looks."""
SELDOM_S = 0.25
"""Seconds between looks at most. Less: see `HANDOVER`. More: what changes is seen late."""
HANDOVER = 0.01
"""Share of the time that looks may take from who holds the lock: he hands it over to a thread that first needs a core,
and stands still until he has it back. Less: looks are seldom where most hangs on them. More: beside programs that take
the cores twenty looks a second made Python's work a quarter slower."""
MOMENT_S = 0.01
"""How long calls are read that are read in moments only; where a thread's CPU is counted in ticks, `TOGETHER` of those.
Less: few calls, or no tick, fall into it. More: each of these moments slows down the work more, and the next one is
later."""
LATE_S = 1e-3 if sys.platform == "win32" else 200e-6
"""Who slept and came back so much later than the quickest found the lock, or all cores, taken. Less: a timer's own
error counts, half a millisecond of Windows' (https://github.com/alexheretic/spin-sleep/pull/22). More: a lock that is
held for moments only looks free."""
TICK_S = 0.016 if sys.platform == "win32" else 0.0
"""Windows ends a wait that has a timeout with a tick of its clock, up to so much late: it would pass for a lock that is
taken. `time.sleep` has a finer timer there. Less: the wait lasts longer than the sleep. More: whoever ends a run waits
for that sleep."""
ONE_CORE = 1.05
"""More CPU than this cannot all have held one lock; the rest is what the clocks differ by."""
STEP_S = 0.1
"""Looks closer than this are one entry of the log. Less: an hour is more than 36,000 of them. More: a sample of the
engine is answered with the one before."""
YOUNG = 0.25
"""... and in a log that is younger, looks closer than this share of its age. Less: entries that nobody asks for. More:
a run's first samples, which follow each other closely, are answered with what its start took of the lock."""
TELL_S = 0.5
"""How often a worker process tells how much its lock is held. More often, each share rests on few looks; more seldom,
the count of files follows late."""


@dataclass(frozen=True, slots=True)
class GilUse:
    """What a process's interpreter lock was used for over a stretch of time.

    Attributes:
        held: share of the time that it was held, 0 to 1.
        wait_s: mean seconds that a thread that had slept was late: it waited for the lock, or for a core.
        looks: how many looks this stands on.
    """

    held: float = 0.0
    wait_s: float = 0.0
    looks: int = 0


@dataclass(frozen=True, slots=True)
class _Sum:
    """Running totals: looks, CPU seconds outside of what lets the lock go, seconds late, and how often that was."""

    looks: int = 0
    used_s: float = 0.0
    waited_s: float = 0.0
    late: int = 0


@dataclass(slots=True)
class GilLog:
    """Running totals over time, so that any stretch can be looked at afterwards."""

    step_s: float = STEP_S
    late_s: float = LATE_S
    _times: list[float] = field(default_factory=list)
    _sums: list[_Sum] = field(default_factory=list)

    def add(self, at_s: float, used_s: float, waited_s: float | None) -> None:
        """One look.

        Args:
            at_s: when.
            used_s: CPU seconds until then, outside of what lets the lock go.
            waited_s: how late who looks came back from sleep; None: he did not sleep.
        """
        last, late_s = self._sums[-1] if self._sums else _Sum(), waited_s or 0.0
        late = last.late + (late_s > self.late_s)
        now = _Sum(last.looks + (waited_s is not None), used_s, last.waited_s + late_s, late)
        step_s = min(self.step_s, YOUNG * (at_s - self._times[0])) if self._times else 0.0
        if len(self._times) > 1 and at_s - self._times[-2] < step_s:
            self._times[-1], self._sums[-1] = at_s, now
        else:
            self._times.append(at_s)
            self._sums.append(now)

    def between(self, begin_s: float, end_s: float, least: int = 1) -> GilUse:
        """Between two moments; from further back where fewer than `least` looks fell there."""
        last = len(self._times) - 1
        if last < 1:
            return GilUse()
        high = min(max(bisect_left(self._times, end_s), 1), last)
        low = max(min(bisect_left(self._times, begin_s), high) - 1, 0)
        while low > 0 and self._sums[high].looks - self._sums[low].looks < least:
            low -= 1
        before, after = self._sums[low], self._sums[high]
        passed_s, looks = self._times[high] - self._times[low], after.looks - before.looks
        if passed_s <= 0:
            return GilUse()
        held = max(0.0, (after.used_s - before.used_s) / passed_s)
        if held > ONE_CORE and looks:
            held = (after.late - before.late) / looks
        return GilUse(min(1.0, held), (after.waited_s - before.waited_s) / max(1, looks), looks)


class GilMeter:
    """Looks at this process's lock, on a thread of its own, as long as somebody wants to know.

    Args:
        unlocked: CPU with the lock let go.
        clock, cpu_s: seconds of wall (monotonic), and of this process's CPU.
        sleep: to the moment, where a wait ends up to `tick_s` late.
    """

    def __init__(
        self,
        unlocked: UnlockedCpu = UNLOCKED,
        clock: Callable[[], float] = awake_s,
        cpu_s: Callable[[], float] = time.process_time,
        *,
        sleep: Callable[[float], None] = time.sleep,
        tick_s: float = TICK_S,
    ) -> None:
        self._unlocked, self._clock, self._cpu_s = unlocked, clock, cpu_s
        self._sleep, self._tick_s = sleep, tick_s
        self._moment_s = max(MOMENT_S, TOGETHER * tick_s)
        self._log = GilLog()
        self._guard = threading.Lock()
        self._wanted = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked_s = 0.0
        self._quickest_s = EVERY_S

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look from here on; `between` knows everything since whoever came first, until the last one leaves."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """As `looking`, where it ends elsewhere."""
        with self._guard:
            self._wanted += 1
            if self._wanted > 1:
                return
            self._unlocked.start()
            self._stop = threading.Event()
            self._log, self._looked_s = GilLog(), self._clock()
            self._log.add(self._looked_s, self._used_s(), None)
            self._thread = OwnThread(self._watch, "orcabatch-lock", (self._stop,))
            try:
                self._thread.start()
            except RuntimeError:  # no thread for it: what CPU was used is known all the same
                self._thread = None

    def end(self) -> None:
        """One who began does not want to know any more."""
        with self._guard:
            self._wanted -= 1
            if self._wanted:
                return
            self._stop.set()
            thread = self._thread
        if thread is not None:
            awaited_end(thread)
        with self._guard:
            if not self._wanted:
                self._unlocked.stop()

    def between(self, begin_s: float, end_s: float, least: int = 1) -> GilUse:
        """Of a stretch of `awake_s`."""
        with self._guard:
            return self._log.between(begin_s, end_s, least)

    def since(self, begin_s: float) -> GilUse:
        """Until now."""
        with self._guard:
            now_s = self._clock()
            if self._wanted:
                self._log.add(now_s, self._used_s(), None)
            return self._log.between(begin_s, now_s)

    def _watch(self, stop: threading.Event) -> None:
        sleep_s = EVERY_S
        while True:
            due_s = self._clock() + sleep_s
            if stop.wait(max(0.0, sleep_s - self._tick_s)):
                return
            if self._tick_s:
                self._sleep(max(0.0, due_s - self._clock()))
            late_s = self._clock() - due_s
            with self._guard:
                self._quickest_s = min(self._quickest_s, late_s)
                seldom_s = min(max(EVERY_S, late_s / HANDOVER), SELDOM_S)
                sleep_s = self._moment_s if self._look(late_s - self._quickest_s) else seldom_s

    def _look(self, late_s: float) -> bool:
        now_s = self._clock()
        passed_s, self._looked_s = now_s - self._looked_s, now_s
        moment = passed_s > 0 and self._unlocked.adjust(now_s, passed_s)
        self._log.add(now_s, self._used_s(), late_s)
        return moment

    def _used_s(self) -> float:
        return self._cpu_s() - self._unlocked.seconds()


METER = GilMeter()
"""Of this process."""


class GilWatch:
    """Tells how much the lock of a worker process is held while it works.

    Args:
        tell: takes the share of the time, twice a second; called on a thread of its own.
        is_busy: whether there is work; the lock of a process without work is free.
        meter: measures.
        every_s: seconds between two words.
    """

    def __init__(
        self,
        tell: Callable[[float], None],
        is_busy: Callable[[], bool],
        meter: GilMeter = METER,
        every_s: float = TELL_S,
    ) -> None:
        self._tell, self._is_busy, self._meter, self._every_s = tell, is_busy, meter, every_s
        self._stop = threading.Event()
        self._thread = OwnThread(self._watch, "orcabatch-lock-told")

    def start(self) -> None:
        """Watch until stopped."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        awaited_end(self._thread)

    def _watch(self) -> None:
        told = 0.0
        with self._meter.looking():
            began_s = awake_s()
            while not self._stop.wait(self._every_s):
                share = self._meter.since(began_s).held if self._is_busy() else 0.0
                began_s = awake_s()
                if share or told:
                    told = share
                    self._tell(share)
