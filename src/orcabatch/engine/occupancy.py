"""How many files a file met in loading and in what follows, itself included.

    file enters, leaves a station (on the run's clock) ──> Occupancy ──> at its end: its stay in each, and whom it met

A stay ends when it is heard that the worker is free: until then the file holds its slot, and where other programs have
the cores that may be late.

Files that are over within a few samples cannot be judged by what samples happen to see of their number: files that
start together also end together, and between two samples many have come and gone. Does not cover what follows from it:
see `concurrency`.
"""

from __future__ import annotations

from collections.abc import Mapping

LOADING, AFTER = "loading", "after"
"""The two stations that a file passes, see `stations`."""


Stays = Mapping[str, tuple[float, float, float]]
"""By station: seconds that a file spent there, how many it found, and how many were there meanwhile; with itself."""

NEVER = (0.0, 0.0, 0.0)
"""The stay of a file that was not there."""


class Occupancy:
    """Counts the files in each station over time: what queueing theory calls its occupancy."""

    def __init__(self) -> None:
        self._count = {LOADING: 0, AFTER: 0}
        self._area_s = {LOADING: 0.0, AFTER: 0.0}
        self._now_s = 0.0
        self._place: dict[int, tuple[str, int, float, float]] = {}  # files there, time and area when it was entered
        self._met: dict[int, dict[str, tuple[float, float, float]]] = {}  # as `Stays`, the numbers times the seconds

    def enter(self, index: int, station: str, at_s: float) -> None:
        """The file goes into a station, from wherever it was."""
        self._leave(index, at_s)
        self._count[station] += 1
        self._place[index] = (station, self._count[station], self._now_s, self._area_s[station])

    def end(self, index: int, at_s: float) -> Stays:
        """The file has ended; its stay in each station, those where it spent no time left out."""
        self._leave(index, at_s)
        met = self._met.pop(index, {})
        return {
            station: (spent, found / spent, area / spent) for station, (spent, found, area) in met.items() if spent > 0
        }

    def _leave(self, index: int, at_s: float) -> None:
        # What workers say may come a moment out of order.
        passed_s = max(0.0, at_s - self._now_s)
        self._now_s += passed_s
        for station, count in self._count.items():
            self._area_s[station] += count * passed_s
        if index not in self._place:
            return
        station, found, since_s, area_s = self._place.pop(index)
        self._count[station] -= 1
        stayed_s = self._now_s - since_s
        stay = stayed_s, found * stayed_s, self._area_s[station] - area_s
        before = self._met.setdefault(index, {}).get(station, (0.0, 0.0, 0.0))
        self._met[index][station] = before[0] + stay[0], before[1] + stay[1], before[2] + stay[2]
