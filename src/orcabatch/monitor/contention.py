"""How much of the time the interpreter lock (the GIL) was found taken, and how long it takes to get.

Waiting for the lock looks like waiting for a disk: wall time without CPU time. No operating system tells them apart,
so one thread asks: it lets the lock go for an instant and sees how long it takes to have it back. Its waiting is a fair
sample of what every worker thread of this process waits for each time a call into the DLL returns.
Does not cover other processes: a worker process's lock is judged from its CPU use (`orcabatch.monitor.sampling`).
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

NOISE_S = 50e-6
"""A wait this much longer than the shortest one seen means that the lock was taken."""


LONGEST_ROUND_TRIP_S = 500e-6
"""The probe itself never costs more than this; without a bound, a lock that is always taken would look free."""


@dataclass(slots=True)
class LockProbe:
    """Measures one acquisition of the interpreter lock at a time.

    Attributes:
        clock: seconds, monotonic.
        let_go: gives up the lock for an instant and takes it back.
        shortest_s: the shortest round trip seen so far, at most `LONGEST_ROUND_TRIP_S`: the cost of the probe itself.
    """

    clock: Callable[[], float] = time.perf_counter
    let_go: Callable[[], None] = field(default=lambda: time.sleep(0))
    shortest_s: float = LONGEST_ROUND_TRIP_S

    def measure(self) -> tuple[bool, float]:
        """Whether the lock was taken, and the seconds it took to get it back (without the probe's own cost)."""
        began = self.clock()
        self.let_go()
        took_s = self.clock() - began
        self.shortest_s = min(self.shortest_s, took_s)
        waited_s = took_s - self.shortest_s
        return waited_s > max(NOISE_S, self.shortest_s / 2), waited_s


@dataclass(frozen=True, slots=True)
class Contention:
    """How hard the lock was to get over a stretch of time.

    Attributes:
        taken: share of the probes that found it taken, 0 to 1.
        wait_s: mean seconds until it was free.
        probes: how many probes this stands on.
    """

    taken: float = 0.0
    wait_s: float = 0.0
    probes: int = 0


class ContentionLog:
    """Running totals of probes over time, so that any stretch of a run can be looked at afterwards.

    Holds one entry for each `step_s` seconds (four a second: an hour is 14,000 small tuples).
    """

    def __init__(self, step_s: float = 0.25) -> None:
        self._step_s = step_s
        self._times: list[float] = [0.0]
        self._totals: list[tuple[int, int, float]] = [(0, 0, 0.0)]

    def add(self, at_s: float, taken: bool, waited_s: float) -> None:
        """Record one probe made `at_s` seconds after the run began."""
        probes, hits, seconds = self._totals[-1]
        total = (probes + 1, hits + taken, seconds + waited_s)
        if len(self._times) > 1 and at_s - self._times[-2] < self._step_s:
            self._times[-1], self._totals[-1] = at_s, total
        else:
            self._times.append(at_s)
            self._totals.append(total)

    def between(self, begin_s: float, end_s: float, least: int = 0) -> Contention:
        """What the probes between two moments found; the nearest ones where there was none in between.

        Where there were fewer than `least`, it looks back further.
        """
        last = len(self._times) - 1
        high = min(bisect_left(self._times, end_s), last)
        low = max(min(bisect_left(self._times, begin_s), high) - 1, 0)
        while low > 0 and self._totals[high][0] - self._totals[low][0] < least:
            low -= 1
        probes, hits, seconds = (b - a for a, b in zip(self._totals[low], self._totals[high], strict=True))
        if probes <= 0:
            return Contention()
        return Contention(hits / probes, seconds / probes, int(probes))

    def whole(self) -> Contention:
        """What all probes so far found."""
        return self.between(0.0, self._times[-1])
