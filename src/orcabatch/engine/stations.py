"""The two stations that a file passes, loading and the rest: what each has shown, and how files divide over them.

Covers one station's evidence: its curve (`curves`), the files that ended in it, and whether its progress can be seen
before they end; and the throughput of both together. Does not cover which count of files follows from that: see
`concurrency`. Values and pure functions.

Files are compared by size and a constant part per file that is learnt, so that small files after large ones do not look
like a slower disk. Progress that is seen only when a phase ends ("lumpy") is judged by finished files instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from orcabatch.engine import curves
from orcabatch.engine.curves import Curve, Smooth

# What they cost below and above: `python -m benchmarks tuning`, as in `concurrency`.

LUMPY = 0.8
"""Progress is lumpy when fewer of the samples than this show any. Less: whatever is told at a file's end counts for the
occupancy then (0.4: 1.09, worst 2.5). More: smooth progress with a few gaps is judged by ends too (worst 1.2)."""
SHORT_LOOKS = 8.0
"""Files that are over within fewer looks are judged when they end: between two looks as many are loading as happen not
to have ended yet, which looks as if more of them were slower. Less: that happens to short files (4: worst 1.39 of the
best fixed count, not 1.17, over five cases of them, *projected*). More: long files are judged late."""
FEW = 1.5
"""Files in a station that were seen for its curve to begin there. Fewer: what one alone took stands for all.
More: a DLL that lets one in at a time is asked for many, as it was never seen with few."""
OCCUPIED = 0.75
"""With fewer files than this in a station a sample says nothing about how its progress shows."""
MOVING_SMOOTHING = 0.1
"""Share of a sample in `Station.moving`. Smaller: it is noticed later that progress is lumpy. Larger: two gaps
decide."""

LINE_FILES, PRIOR_FILES, MOST_EXTRA = 4, 2.0, 1.0
"""The constant part of a file's time: unknown before so many files, drawn towards none as by so many, and no more than
this of a mean file. Fewer and more: it is invented from the first files (`PRIOR_FILES` 1: worst 1.1; `MOST_EXTRA` 2:
worst 1.1). More and less: small files after large ones look like a slower disk (4: worst 1.1)."""

HALVINGS = 12
"""Steps of the search for a balance: to a thirtieth of a file among 128, far below what was measured."""
TOO_QUICK_TO_SEE = Smooth((1.0,), (1e-18,), 0.0)
"""Loading that no sample ever saw: all the work is in what follows."""


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds of finished files over their sizes, as sums."""

    count: int = 0
    size: float = 0.0
    size2: float = 0.0
    time: float = 0.0
    both: float = 0.0

    def add(self, size: float, seconds: float) -> Line:
        """With another file."""
        return Line(
            self.count + 1, self.size + size, self.size2 + size**2, self.time + seconds, self.both + size * seconds
        )

    @property
    def extra_bytes(self) -> float:
        """The part of a file's time that does not depend on its size, as bytes; drawn towards 0 while files are few."""
        if self.count < LINE_FILES or self.time <= 0:
            return 0.0
        size, time, prior = self.size / self.count, self.time / self.count, PRIOR_FILES / self.count
        # Least squares, drawn to a line through the origin as by `PRIOR_FILES` files more: the few first ones prove no
        # constant part. A line too flat to believe is cut at `MOST_EXTRA`.
        slope = (self.both / self.count - size * time + prior * size * time) / (
            self.size2 / self.count - size**2 + prior * size**2
        )
        most = MOST_EXTRA * size
        return most if slope <= time / (size + most) else max(0.0, time / slope - size)


@dataclass(frozen=True, slots=True)
class Station:
    """One of the two phases.

    Attributes:
        curve: how slow it gets with more files in it.
        moving: share of the samples in which work was seen.
        news: (occupancy, seconds, bytes) of files that ended since the latest sample.
        area: files in it, summed over time, in file-seconds.
        line: finished files.
        short: they are over within a few looks; `quickest`: seconds per byte of the quickest.
    """

    curve: Curve = field(default_factory=Curve)
    moving: float = 1.0
    news: tuple[tuple[float, float, float], ...] = ()
    area: float = 0.0
    line: Line = field(default_factory=Line)
    short: bool = False
    quickest: float = math.inf

    @property
    def lumpy(self) -> bool:
        """Whether progress is judged by files that end: it is seen only then, or what is seen is files that end."""
        return self.short or self.moving < LUMPY

    def ended(self, size: int, stay: tuple[float, float, float], look_s: float) -> Station:
        """With a file that ended after this stay (`occupancy.Stays`); it is looked at every `look_s`."""
        seconds, found, meanwhile = stay
        line = self.line.add(size, seconds)
        short = line.time < SHORT_LOOKS * look_s * line.count
        # What looks saw of short files so far is more files ending while fewer are left: not what more files do.
        curve = Curve() if short and not self.lumpy else self.curve
        quickest = min(self.quickest, seconds / (size + line.extra_bytes))
        station = replace(self, line=line, short=short, curve=curve, quickest=quickest)
        if not station.lumpy or not meanwhile:
            return station
        # One that waits its turn is held up by those it found, one that shares by all who are there meanwhile. Which it
        # is, is not known. Of short files, whose number grows while they wait, half-way: by the second alone those in a
        # row seem to cost nothing, by the first alone those that come together.
        occupancy = (found + meanwhile) / 2 if short else meanwhile
        return replace(station, news=(*station.news, (occupancy, seconds, size + line.extra_bytes)))

    def moved(self, keep: float, seen: tuple[float, float, float], bytes_each: float) -> Station:
        """After a stretch of time in which (files in it, seconds, bytes done) were seen."""
        occupancy, seconds, work = seen
        moving = self.moving
        # A station that was nearly empty could not have shown work.
        if occupancy >= OCCUPIED:
            moving += MOVING_SMOOTHING * ((1.0 if work > 0 else 0.0) - moving)
        curve = curves.fade(self.curve, keep)
        for met, took_s, done in self._together():
            curve = curves.add(curve, met, took_s, done, ended=self.short)
        if not self.lumpy:
            work *= 1.0 + self.line.extra_bytes / bytes_each
            curve = curves.add(curve, occupancy, occupancy * seconds, work)
        area = self.area + occupancy * seconds
        return replace(self, curve=curve, moving=moving, news=(), area=area)

    def _together(self) -> list[tuple[float, float, float]]:
        """The files that ended, those that met about the same occupancy as one."""
        together: dict[int, tuple[float, float, float]] = {}
        for occupancy, seconds, work in self.news:
            place = curves.place(occupancy)
            occupancies, before_s, before = together.get(place, (0.0, 0.0, 0.0))
            together[place] = (occupancies + occupancy * seconds, before_s + seconds, before + work)
        return [
            (occupancies / seconds, seconds, work) for occupancies, seconds, work in together.values() if seconds > 0
        ]

    def smooth(self, least_work: float) -> Smooth | None:
        """The station's curve. Where few files were never seen in it, the quickest that ended was as good as alone."""
        known = curves.smooth(self.curve, least_work)
        # Of short files, which may differ by much, the quickest is no measure: how few they bear is soon tried.
        if (
            known is None
            or self.short
            or not self.lumpy
            or known.occupancies[0] < FEW
            or self.quickest >= known.rates[0]
        ):
            return known
        return Smooth((1.0, *known.occupancies), (self.quickest, *known.rates), known.beyond)


def throughput(load: Smooth, rest: Smooth | None, running: int) -> tuple[float, float]:
    """Bytes per second with so many files at once, and how many of them are loading then."""
    if rest is None:
        return running / load.at(running), float(running)
    # With more files loading more get through loading and fewer are left for the rest: they meet once.
    low, high = 0.0, float(running)
    for _ in range(HALVINGS):
        loading = (low + high) / 2
        if loading * rest.at(running - loading) < (running - loading) * load.at(loading):
            low = loading
        else:
            high = loading
    return running / (load.at(loading) + rest.at(running - loading)), loading
