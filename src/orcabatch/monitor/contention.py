"""How much of the time the interpreter lock (the GIL) was found taken, and how long it takes to get.

Measured by a `LockProbe` in this process.
Does not cover other processes: a worker process's lock is judged from its CPU use (`orcabatch.monitor.sampling`).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass


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
