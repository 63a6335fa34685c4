"""How slow a phase gets when more files are in it at once: measured, smoothed, interpolated.

Covers one curve: worker-seconds per byte of file over the number of files in the phase. Does not cover what is done
with it: see `stations`. Values and pure functions.

A curve makes one assumption: one more file in a phase never makes the others faster. So points that noise put in the
wrong order are pooled (isotonic regression), which is what makes few and noisy measurements usable.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

GRID = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 19, 22, 26, 30, 35, 40, 45, 52, 60, 70, 80, 100, 128)
"""Counts that are told apart: each where few files make a difference, some 15% apart beyond. Denser: each point rests
on fewer measurements. Sparser: the peak may lie between two."""
_BETWEEN = tuple(math.sqrt(few * more) for few, more in pairwise(GRID))
"""As many times more than the lower as less than the higher."""

# What the next ones cost below and above: `python -m benchmarks tuning`, times over those with the number as it is.

HOPE, HOPE_SHARE = 1.3, 0.7
"""How steeply a resource is hoped to fill up before the higher of two points, and how far that is believed. Less: a
count between a good one and a bad one looks bad, and is not tried (1, or 0: 1.05, worst 1.7). More: gaps are tried that
hold nothing (2, or 1: worst 1.1)."""
HOPE_FROM = 0.3
"""Octaves between two points from which there is hope; all of it an octave later. Later: as with less hope (0.6: 1.04,
worst 1.7). At once: neighbours are believed to hide something between them (0: worst 1.1)."""
SURE = 1.5
"""Where files are judged by their ends, more of them are slower only by so many standard errors, else as fast: files
that differ say little when few have ended. Those that ended between two samples count as one in it: what other programs
take meanwhile, they have in common. Less: the count follows which of them happened to end (1: 1.02 over
fourteen short cases, worst 1.1). More: what too many cost is believed late (3: 1.03, worst 1.4)."""
STEEPEST = 2.0
"""Exponent of the last stretch at most: two points that noise put close say anything."""
STRETCHES = (1.15, 1.8)
"""How many times fewer files the point has from which the last stretch is drawn: the steeper one counts."""


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at about one number of files.

    Attributes:
        seconds: worker-seconds spent; `work`: bytes of files done in them; both fade with time.
        occupancy: files in the phase, weighted by the seconds.
        ends, squares: how often short files were seen to have ended, and seconds x seconds per byte of each of these,
            summed: how much they differ.
    """

    seconds: float
    work: float
    occupancy: float
    ends: float = 0.0
    squares: float = 0.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Points by place in `GRID`."""

    points: tuple[tuple[int, Point], ...] = ()

    @property
    def work(self) -> float:
        """Bytes of files that the curve rests on."""
        return sum(point.work for _, point in self.points)

    def known_occupancy(self, file_bytes: float) -> float:
        """The largest number of files in the phase that was measured well; 0 before anything was."""
        return max(
            (point.occupancy for _, point in self.points if point.work > file_bytes * point.occupancy), default=0.0
        )


def place(occupancy: float) -> int:
    """The place in `GRID` that is nearest, by ratio."""
    return bisect_left(_BETWEEN, occupancy)


def add(curve: Curve, occupancy: float, seconds: float, work: float, *, ended: bool = False) -> Curve:
    """With another measurement; `ended`: of short files that were seen to have ended."""
    if seconds <= 0:
        return curve
    ends, squares = (1.0, seconds**2 / work) if ended else (0.0, 0.0)
    points = dict(curve.points)
    here = place(occupancy)
    old = points.get(here, Point(0.0, 0.0, occupancy))
    total = old.seconds + seconds
    occupancy = (old.occupancy * old.seconds + occupancy * seconds) / total
    points[here] = Point(total, old.work + work, occupancy, old.ends + ends, old.squares + squares)
    return Curve(tuple(sorted(points.items())))


def fade(curve: Curve, keep: float) -> Curve:
    """Everything that was measured counts only this share."""
    return Curve(
        tuple(
            (
                number,
                Point(
                    point.seconds * keep, point.work * keep, point.occupancy, point.ends * keep, point.squares * keep
                ),
            )
            for number, point in curve.points
        )
    )


@dataclass(frozen=True, slots=True)
class Smooth:
    """The smoothed curve: occupancies and seconds per byte, both ascending; and how it goes on beyond the last."""

    occupancies: tuple[float, ...]
    rates: tuple[float, ...]
    beyond: float

    def at(self, occupancy: float) -> float:
        """Seconds per byte with this many files in the phase."""
        occupancies, rates = self.occupancies, self.rates
        if occupancy <= occupancies[0]:
            return rates[0]
        for number in range(1, len(occupancies)):
            if occupancy <= occupancies[number]:
                return self._between(number, occupancy)
        return float(rates[-1] * (occupancy / occupancies[-1]) ** self.beyond)

    def _between(self, number: int, occupancy: float) -> float:
        """Between two points: a straight line where they are close, and hope where they are far apart.

        A resource that is shared costs nothing until it is full, and from there at least in proportion to occupancy.
        The hope is that it only just filled up before the higher point; trying a count in the gap settles it.
        """
        low, high = self.occupancies[number - 1], self.occupancies[number]
        before, after = self.rates[number - 1], self.rates[number]
        line = before + (after - before) * (occupancy - low) / (high - low)
        hope = max(before, after * (occupancy / high) ** HOPE)
        share = min(1.0, max(0.0, math.log(high / low) / math.log(2.0) - HOPE_FROM)) * HOPE_SHARE
        return float((1 - share) * line + share * min(line, hope))


def smooth(curve: Curve, least_work: float) -> Smooth | None:
    """The curve without its noise; None while less than `least_work` was measured."""
    groups: list[list[float]] = []  # seconds, work, occupancy x seconds
    noise = SURE * _spread(curve)
    for _, point in curve.points:
        groups.append([point.seconds, point.work, point.occupancy * point.seconds])
        while len(groups) > 1 and (groups[-1][1] < least_work or not _slower(groups[-2], groups[-1], noise)):
            last = groups.pop()
            groups[-1] = [mine + other for mine, other in zip(groups[-1], last, strict=True)]
    while len(groups) > 1 and groups[0][1] < least_work:
        first = groups.pop(0)
        groups[0] = [mine + other for mine, other in zip(groups[0], first, strict=True)]
    if not groups or groups[0][1] < least_work or groups[0][1] <= 0:
        return None
    occupancies = tuple(group[2] / group[0] for group in groups)
    rates = tuple(group[0] / group[1] for group in groups)
    return Smooth(occupancies, rates, _slope(occupancies, rates))


def _spread(curve: Curve) -> float:
    """Standard deviation of the seconds that a byte takes, of those that ended; 0 where none was judged so."""
    ended = [point for _, point in curve.points if point.ends]
    ends, work = sum(point.ends for point in ended), sum(point.work for point in ended)
    if ends <= 1:
        return 0.0
    squares = sum(point.squares for point in ended) - sum(point.seconds for point in ended) ** 2 / work
    return math.sqrt(max(0.0, squares) / (ends - 1))


def _slower(before: list[float], after: list[float], noise: float) -> bool:
    """Whether more files are slower, by more than they differ anyway: `noise` is that of a single byte."""
    if before[1] <= 0:
        return True
    rise = after[0] / after[1] - before[0] / before[1]
    return rise > noise * math.sqrt(1 / before[1] + 1 / after[1])


def _slope(occupancies: tuple[float, ...], rates: tuple[float, ...]) -> float:
    """Exponent of the last stretch: 0 where more files cost nothing, 1 where they only wait for each other.

    The last two points alone are too noisy where they are close, and an octave hides where a resource just filled up:
    the steeper of both counts.
    """
    steepest = 0.0
    for ratio in STRETCHES:
        before = [number for number, occupancy in enumerate(occupancies) if occupancy * ratio <= occupancies[-1]]
        if before:
            first = before[-1]
            slope = math.log(rates[-1] / rates[first]) / math.log(occupancies[-1] / occupancies[first])
            steepest = max(steepest, slope)
    return min(STEEPEST, steepest)
