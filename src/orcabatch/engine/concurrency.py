"""How many files at once: found while running, from below.

Covers the limit of `dynamic` mode and what binds the batch (disk, cores, GIL, latency). Does not cover hard ceilings
(tiers, memory, seats: the scheduler obeys those as well) nor measuring. Values and pure functions:
`observe(state, reading) -> (state, reason)`; an empty reason means that nothing changed.

A file spends its time in two stations, loading and the rest (extracting and writing). Each has a curve (`stations`):
worker-seconds per byte over the number of files in it, measured from work in flight. With n files at once they divide
themselves over the stations so that both pass on as much as they get; that gives the throughput for every n, whatever
mixture of phases was measured. From there:

    begin   from a small count; it doubles with each look as long as the files do nothing but wait, and more of them
            get through more calls into the DLL; later too, until the first has ended, after a fifth of the run at least
    grow    at most doubling with what was measured, never beyond twice the occupancy that extraction was measured at
    retreat when a smaller count is predicted to do at least as well; soon, since what has started cannot be taken back.
            To half as many, once, where the GIL is always taken: what was given up is gone back to where that does less
    hold    small steps only, and only where more than `GAIN` is predicted
    on a plateau the smallest count within `PLATEAU` of the best is taken

What is not measured is not believed: time with fewer files than the limit allows (memory, the last files) may lower the
limit and never raises it; where the GIL or the cores are almost always taken, more files cannot add throughput.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orcabatch.engine import curves
from orcabatch.engine.bounds import DLL_WAITED, Bound, bound_by
from orcabatch.engine.occupancy import AFTER, LOADING, NEVER
from orcabatch.engine.stations import TOO_QUICK_TO_SEE, Station, throughput

if TYPE_CHECKING:
    from orcabatch.engine.curves import Smooth
    from orcabatch.engine.limits import Limits
    from orcabatch.engine.occupancy import Stays
    from orcabatch.engine.scheduler_messages import Sample

# Tuned on the tuning cases of `python -m benchmarks virtual`, where each is also run at all fixed counts. What smaller
# and larger values cost: `python -m benchmarks tuning`. The times below stem from its 19 cases, over those with the
# number as it is: on average, or in the worst case. Where none stands, the average differs by less than chance (1%).

START = 4
"""Files at once to begin with. Fewer: short batches end while it climbs (2: 1.07, worst 1.5). More: what has started
cannot be taken back (8: worst 1.09)."""
BLIND = 12
"""No more than this while nothing is known about extraction. Fewer: batches that load for long climb late (6: worst
1.08). More: files are open before it is seen what extraction bears (24: worst 1.07)."""

PLATEAU = 0.03
"""Throughput that is given up for fewer files. Less: files, their memory and seats are held for what may be noise.
More: throughput is lost that is there."""
GAIN = 0.03
"""Prediction that is worth a step. Less: the count follows noise. More: it stays below what would be better."""
FAR, EVEN = 0.85, 0.002
"""Below this share of the limit a count is taken that is as good, but for so much. Farther: fewer files that are as
good are not gone back to (0.7: 1.04, worst 1.7). Nearer, or less even: to and fro with the noise (worst 1.07 and
1.1)."""
UNSURE_GAIN = 0.1
"""What a lower limit must gain while memory or a tier keeps the count below it anyway. Less: it is lowered by what was
seen with few files, and has to climb again. More: it stays where too many will start once memory is free."""

DOUBLE, CAREFUL, HELD = 2.0, 1.4, 1.6
"""Steps up: below `CAREFUL_FROM` files, above, and once the limit has been lowered. Smaller: the climb takes longer
(1.5, 1.2, 1.3: worst 1.1). Larger: beyond the peak before it was measured (3, 2, 2: worst 1.2, 1.1 and 1.75)."""
CAREFUL_FROM = 16
"""Lower: a climb to many takes longer. Higher: the peak is passed by more files (32: worst 1.1)."""
IDLE = 0.2
"""Where less than this share of the CPUs and of the GIL is taken, steps stay large above `CAREFUL_FROM` too. The disk
is judged by the curve of loading alone: how much it could give is not known. Less: batches that wait climb slowly.
More: work that is about to fill the cores does not look like it yet (0.4: worst 1.1)."""
TRUST, TRUST_LEAST = 2.0, 2.0
"""How far beyond the measured occupancy extraction is predicted; what was measured counts as so many at least. Less:
each step waits for the one before to be measured (1.5: worst 1.2). More: a lock that a few files do not fill is
predicted to bear many. These cases do not meet that (4: 0.99), so it is caution."""
MEASURED_SHARE = 0.25
"""An occupancy counts as measured when this share of its files' extraction was seen. Less: a moment with many counts
(worst 1.05). More: growth waits for it (0.5: worst 1.1)."""

EARLY, LATE, HOLD = 0.15, 0.5, 0.25
"""File times between steps: below `LATE_FROM` files, above, and once the limit has been lowered. Shorter: on too little
evidence (0.05, 0.25: 1.01, worst 1.1 and 1.2). Longer: a short batch has passed (0.3: 1.02), and memory is above its
cap for longer (`LATE` 1: 212 s instead of 80 s)."""
LATE_FROM = 8
"""Lower: every climb is slow from the start (4: 1.01). Higher: many files are opened on little evidence (16: 1.01)."""
LEAST_SAMPLES = 2
"""One could be all noise (worst 1.3); more than two hold up a batch of short files as much (4: worst 1.2)."""
LUMPS = 0.35
"""Finished files per running one between steps, where progress is lumpy. Fewer: the first that end speak for all.
More: the count stays while many end (0.7: worst 1.2)."""
MEMORY_FILES, MEMORY_LEAST = 3.0, 8
"""What was measured fades over this many files per running one, and for so many files at least... Fewer: the curve
forgets its other end, and tries it again (1.5, 4: worst 1.08, 1.15). More: a host that has changed is believed to be as
it was (6, 16: worst 1.06, 1.07)."""
RECALL = 30.0
"""... and over this many file times, so that a count is tried again after a while. Fewer: what was too many is tried
again and again (2: 1.035, worst 1.5). More: a count that met bad luck once is not tried again."""
LEAST_WORK = 0.02
"""A point of a curve holds this share of a mean file at least. Less: points of noise. More: counts that were measured
are pooled with their neighbours, and the peak between them is lost (0.1: 1.03, worst 1.5)."""
GIL_FULL, CPU_FULL = 0.85, 1.0
"""Taken so much, the GIL or the cores are at their end. Less: files are held back that would have added something, and
at `auto_decision.HELD` the GIL is never taken for long enough to go on in processes (0.7, by phases: 0.993, worst 1.1).
More: the count climbs, as the GIL is never seen taken all the time."""
ALWAYS = 0.95
"""Share of the time over which things are remembered: where the GIL was taken for so much of it, half as many files are
tried, since every hand-over costs the more the more wait; each count once. Less: bursts halve what gains by more."""
SURE_FILES = 2.0
"""Work in files before the GIL and the cores are believed to be the roof. Less: one file's beginning decides."""
SMOOTHING = 0.3
"""Share of a sample in what is known of GIL and cores. Larger: a moment in which all files wait passes for an idle host
(0.6: worst 1.1). Smaller: steps stay large for longer when the cores fill up."""

UNUSED, UNUSED_BYTES, UNUSED_LOOKS = 0.1, 65_536, 2
"""A host is unused where less than this share of its CPUs and of the GIL is taken and fewer bytes are read; believed
after so many looks, and only until a file has ended. More looks: batches that wait climb later (4: worst 1.07).
One look: those are faster (0.88 at best), and others, whose disk or lock comes into play later, slower
(docs/engine.md)."""
SEEN, SEEN_EXTRACTING = 0.2, 0.35
"""Shares of the run so far: since the last step, and for which each file's extraction was seen, before files that wait
are joined unseen. Less: what files do after they have waited comes as a surprise (0.2 for both: worst 2.25 of the best
fixed count, not 1.72, where phases are all that is seen). More: long files, the first of which has not ended,
keep the count low for all their time (never while extracting: 1.16 on average, not 1.13)."""
AT_ALL, IN_VAIN = 0.1, 0.5
"""Calls into the DLL that return at all (so many seconds of them a second) return for this share of the files at least,
or the files wait for each other in it: no more are opened unseen. `AT_ALL` less: what a model's opening takes decides.
More: long calls let in one at a time look like none. `IN_VAIN` less: files are opened that wait for each other. More:
calls that differ pass for ones that wait."""

DELAYED = 0.25
"""What is said, not what is decided: a station binds in which files lose so much of their time to each other."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample with what the scheduler knows beside it.

    Attributes:
        running, waiting: files; `running_bytes`: sizes of the running ones, summed.
        limited: it is the limit that keeps the next file waiting.
    """

    now_s: float
    sample: Sample
    running: int
    waiting: int
    limited: bool
    running_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Everything that is known about the right count.

    Attributes:
        limit: files at once now; `most`, `least`: its bounds.
        file_bytes: mean size of the batch's files.
        adaptive: False: the limit is fixed.
        load, rest: the two stations.
        looks: samples so far.
        last: the latest reading.
        since_s, samples, ended: when the limit was last considered; samples and finished files since.
        lowered: the limit has been lowered once: the peak is bracketed.
        fewest: the lowest limit that was tried because the GIL was always taken; 0: none was.
        gave_up: while that is tried: the limit before, and what it bore in bytes per second.
        file_s: how long a mean running file takes where files do not delay each other; 0: not known yet.
        locked_s, busy_s, passed: seconds of the GIL and of all CPUs, and bytes extracted in them; they fade.
        waited_s, worked_s: seconds that files stood still for each other in the DLL, and that files ran; they fade.
        served_s, lasted_s: seconds of calls that it returned, as they take alone, and that passed; they fade.
        gil, cpu: share of the time that the GIL was taken, and of the CPUs that were used, smoothed.
        began: seconds, and those of the DLL's calls, at the latest look at what they return.
        read_bytes: at the start.
    """

    limit: int
    most: int
    least: int
    file_bytes: float
    adaptive: bool = True
    load: Station = field(default_factory=Station)
    rest: Station = field(default_factory=Station)
    looks: int = 0
    last: Reading | None = None
    since_s: float = 0.0
    samples: int = 0
    ended: int = 0
    lowered: bool = False
    fewest: int = 0
    gave_up: tuple[int, float] | None = None
    file_s: float = 0.0
    locked_s: float = 0.0
    busy_s: float = 0.0
    passed: float = 0.0
    waited_s: float = 0.0
    worked_s: float = 0.0
    served_s: float = 0.0
    lasted_s: float = 0.0
    gil: float = 0.0
    cpu: float = 0.0
    began: tuple[float, float] = (0.0, 0.0)
    read_bytes: int = 0

    @property
    def bound(self) -> Bound | None:
        """What all files share that is at its end."""
        return bound_by(self.cpu, self.gil, self.dll_waited, self.dll_taken)

    @property
    def unread(self) -> bool:
        """Whether files are in work that have something to read still: what that takes from others is not seen yet."""
        if self.last is None or not self.last.running:
            return self.file_bytes > UNUSED_BYTES
        to_read = self.last.running_bytes - (self.last.sample.read_bytes - self.read_bytes)
        return to_read > UNUSED_BYTES * self.last.running

    @property
    def dll_waited(self) -> float:
        """Share of the files' time in which they stood still for each other in the DLL."""
        return self.waited_s / self.worked_s if self.worked_s else 0.0

    @property
    def dll_taken(self) -> float:
        """Seconds of calls a second that the DLL returned, as they take alone."""
        return self.served_s / self.lasted_s if self.lasted_s else 0.0

    @property
    def at_its_end(self) -> bool:
        """Whether Python's lock is always taken, or files wait for a DLL that lets in one: more would wait as well."""
        return self.gil > GIL_FULL or (self.bound is Bound.DLL and self.dll_waited > DLL_WAITED)


def begin(limits: Limits, files: int, file_bytes: float) -> Concurrency:
    """Before the first file: the count that was asked for, else a small one."""
    most = max(1, min(limits.max_limit, files or 1))
    least = max(1, min(limits.min_limit, most))
    if limits.fixed_limit:
        return Concurrency(min(most, limits.fixed_limit), most, least, file_bytes, adaptive=False)
    start = limits.start_limit or START
    return Concurrency(max(least, min(start, most)), most, least, file_bytes)


def moved(state: Concurrency, left: Concurrency | None, now_s: float, capacity: int) -> Concurrency:
    """Files go to workers of another kind, which take `capacity` at once, or back to those that they had `left`.

    What extraction bears is the workers' own: of threads that share Python's lock it says nothing about processes. What
    loading bears is the disk's, and whether progress shows before a file's end is the files'.
    """
    if not state.adaptive:
        return state
    if left is None:
        most = max(state.least, min(state.most, capacity))
        limit = min(most, max(state.limit, min(BLIND, capacity)))
        rest = Station(moving=state.rest.moving, short=state.rest.short)
        left = Concurrency(limit, most, state.least, state.file_bytes, load=state.load, rest=rest, looks=state.looks)
    read = state.read_bytes
    return replace(left, last=state.last, began=state.began, read_bytes=read, since_s=now_s, samples=0, ended=0)


# --- measuring ------------------------------------------------------------------------------------------------------


def finished(state: Concurrency, size_bytes: int, stays: Stays) -> Concurrency:
    """A file ended well, after these stays in the stations."""
    ended = state.ended + 1
    if not state.adaptive or not stays or not size_bytes:
        return replace(state, ended=ended)
    # One that ended before there were two looks is over within a few of them.
    look_s = state.last.now_s / state.looks if state.last and state.looks else math.inf
    load = state.load.ended(size_bytes, stays.get(LOADING, NEVER), look_s)
    rest = state.rest.ended(size_bytes, stays.get(AFTER, NEVER), look_s)
    return replace(state, ended=ended, load=load, rest=rest)


def observe(state: Concurrency, reading: Reading) -> tuple[Concurrency, str]:
    """What a sample says about the count. The reason is empty when the limit stays."""
    last = state.last
    state = replace(state, last=reading)
    if last is None:  # both are counted since the process began, by earlier runs too
        state = replace(state, began=(reading.now_s, reading.sample.calls_s), read_bytes=reading.sample.read_bytes)
    if not state.adaptive or last is None or reading.now_s <= last.now_s:
        return state, ""
    state = _measured(state, last, reading)
    # Before any curve can be drawn: what only waits for an answer delays nobody, however many do.
    if reading.limited and reading.waiting and not state.load.line.count and _unused(state, last.sample, reading):
        return _widened(state, reading)
    # With nothing waiting another count changes nothing.
    if not reading.waiting or not reading.running or not _seen_enough(state, reading):
        return state, ""
    return _decided(state, reading)


def _widened(state: Concurrency, now: Reading) -> tuple[Concurrency, str]:
    """More files at once, as long as those that were opened last have had a look to themselves, and wait for nobody."""
    wider = min(state.most, 2 * state.limit)
    if state.samples < UNUSED_LOOKS or wider == state.limit:
        return state, ""
    began_s, calls_s = state.began
    at_once = (now.sample.calls_s - calls_s) / max(1e-9, now.now_s - began_s)
    state = replace(state, began=(now.now_s, now.sample.calls_s))
    if AT_ALL < at_once < IN_VAIN * now.running or state.at_its_end:
        return state, ""
    reason = f"{state.limit} -> {wider}: files only wait so far: neither disk nor CPUs nor GIL are in use"
    return replace(state, limit=wider, since_s=now.now_s), reason


def _unused(state: Concurrency, before: Sample, now: Reading) -> bool:
    """Whether running files have done nothing but wait since the sample before, and long enough to be believed."""
    after = now.sample
    taken = max(after.cpu_percent / 100, after.gil_taken or 0.0)
    still = after.work == before.work and after.read_bytes - before.read_bytes < UNUSED_BYTES
    if not still or taken >= UNUSED or now.now_s - state.since_s < SEEN * now.now_s:
        return False
    if after.loading:
        return True
    # What they do in turns is seen after a while only, and of a lock that nobody looks at never.
    seen = state.rest.area >= SEEN_EXTRACTING * now.now_s * now.running and after.gil_taken is not None
    return after.extracting > 0 and seen and max(state.cpu, state.gil) < UNUSED


def _measured(state: Concurrency, last: Reading, now: Reading) -> Concurrency:
    before, after, seconds = last.sample, now.sample, now.now_s - last.now_s
    loading = (before.loading + after.loading) / 2
    others = (before.extracting + before.writing + after.extracting + after.writing) / 2
    loaded, extracted = after.work_loaded - before.work_loaded, after.work_extracted - before.work_extracted
    # Loading is known by its end alone, and meanwhile by what is read, as far as that is about the files.
    read = after.read_bytes - state.read_bytes
    if after.work_loaded <= read <= after.work_loaded + now.running_bytes:
        loaded = float(after.read_bytes - before.read_bytes)
    # Whoever measures sees the sum only: all the work is one station's.
    if not _told_apart(after):
        loading, loaded, others, extracted = (last.running + now.running) / 2, after.work - before.work, 0.0, 0.0
    keep = max(0.0, 1.0 - (loaded + extracted) / 2 / (MEMORY_FILES * state.file_bytes * max(MEMORY_LEAST, state.limit)))
    keep *= math.exp(-seconds / (RECALL * state.file_s)) if state.file_s else 1.0
    each = max(1.0, last.running_bytes / max(1, last.running))
    load = state.load.moved(keep, (loading, seconds, loaded), each)
    rest = state.rest.moved(keep, (others, seconds, extracted), each)
    passed = (extracted if _told_apart(after) else loaded) * (1 + rest.line.extra_bytes / each)
    lasted_s = state.lasted_s * keep + seconds
    # Of the first samples the mean: smoothed from nothing, a lock that is always taken looks free for a second.
    new = max(SMOOTHING, seconds / lasted_s)
    return replace(
        state,
        locked_s=state.locked_s * keep + seconds * (after.gil_taken or 0.0),
        busy_s=state.busy_s * keep + seconds * after.cpu_percent / 100,
        passed=state.passed * keep + passed,
        waited_s=state.waited_s * keep + max(0.0, after.waited_s - before.waited_s),
        worked_s=state.worked_s * keep + seconds * (last.running + now.running) / 2,
        served_s=state.served_s * keep + max(0.0, after.served_s - before.served_s),
        lasted_s=lasted_s,
        load=load,
        rest=rest,
        samples=state.samples + 1,
        looks=state.looks + 1,
        gil=state.gil + new * ((after.gil_taken or 0.0) - state.gil),
        cpu=state.cpu + new * (after.cpu_percent / 100 - state.cpu),
    )


def _told_apart(sample: Sample) -> bool:
    return bool(sample.work_loaded or sample.work_extracted)


def _seen_enough(state: Concurrency, reading: Reading) -> bool:
    if state.samples < LEAST_SAMPLES:
        return False
    if state.gave_up and state.ended < state.gave_up[0] + state.limit:  # those begun with more are in work until then
        return False
    # Loading may be lumpy all the time (a call into the DLL tells nothing on its way): extraction decides if it can.
    lumpy = state.rest.lumpy or (state.load.lumpy and not state.rest.curve.points)
    return not lumpy or state.ended >= max(1.0, min(reading.running, state.limit) * LUMPS)


# --- deciding -------------------------------------------------------------------------------------------------------


def _decided(state: Concurrency, reading: Reading) -> tuple[Concurrency, str]:
    least_work = LEAST_WORK * state.file_bytes
    load, rest = (each.smooth(least_work) for each in (state.load, state.rest))
    # Loading that was seen, and is known by the files that ended, is not known before the first has.
    if load is None and (rest is None or (state.load.area and not state.load.line.count)):
        return state, ""
    load = load or TOO_QUICK_TO_SEE
    here = throughput(load, rest, reading.running)[0]
    each = reading.running_bytes / reading.running + state.rest.line.extra_bytes
    pause = HOLD if state.lowered else EARLY if state.limit < LATE_FROM else LATE
    elapsed_s = reading.now_s - state.since_s
    may_rise = elapsed_s >= pause * reading.running * each / here
    file_s = each * (load.rates[0] + (rest.rates[0] if rest else 0.0))
    state = replace(state, file_s=file_s)
    if elapsed_s < pause * file_s:
        return state, ""
    # Held back by memory or a tier, more files were not seen: that may lower the limit, never raise it.
    options = _options(state, reading, (load, rest), here, may_rise=may_rise and reading.limited)
    at = throughput(load, rest, min(state.limit, reading.running))[0]
    target = max(state.least, _choice(state, options, at, least_gain=0.0 if reading.limited else UNSURE_GAIN))
    if target == state.limit and not may_rise:
        return state, ""
    considered = replace(state, samples=0, ended=0, since_s=reading.now_s, gave_up=None)
    if target == state.limit:
        return considered, ""
    if target == _half(state):
        considered = replace(considered, fewest=target, gave_up=(state.limit, options[state.limit]))
    reason = _reason(state, (load, rest), target, options.get(target, here) / here)
    return replace(considered, limit=target, lowered=state.lowered or target < state.limit), reason


def _options(
    state: Concurrency, reading: Reading, both: tuple[Smooth, Smooth | None], here: float, *, may_rise: bool
) -> dict[int, float]:
    """Predicted bytes per second for every count that may be chosen."""
    load, rest = both
    top = _highest_step(state, reading, rest) if may_rise else state.limit
    reach = TRUST * max(TRUST_LEAST, state.rest.curve.known_occupancy(MEASURED_SHARE * state.file_bytes))
    roof = _roof(state)
    now = throughput(load, rest, state.limit)[0]
    options = {state.limit: now}
    for count in {*(count for count in curves.GRID if count <= top), top}:
        value, loading = throughput(load, rest, count)
        if count > state.limit:
            # At most the roof, but no less than now: a roof that was measured too low must not drive the count down.
            value = min(value, now if state.at_its_end else max(roof, now))
        # The curve of extraction ends where nothing was seen: a little beyond it is a forecast, far beyond it a guess.
        if count <= state.limit or rest is None or count - loading <= reach:
            options[count] = value
    if half := _half(state):
        options[half] = max(now, options.get(half, 0.0))
    if state.gave_up:
        before, bore = state.gave_up
        options[before] = bore
    return options


def _half(state: Concurrency) -> int:
    """Half as many files, where the GIL is always taken and so few were not tried; 0: they need not be."""
    half, always = max(state.least, state.limit // 2), state.locked_s > ALWAYS * state.lasted_s
    return half if always and half < (state.fewest or state.limit) else 0


def _roof(state: Concurrency) -> float:
    """Bytes per second at which the GIL or the cores would be taken all the time: more files cannot add to that."""
    if state.passed < SURE_FILES * state.file_bytes:
        return math.inf
    per_byte = max(state.locked_s / GIL_FULL, state.busy_s / CPU_FULL) / state.passed
    return 1.0 / per_byte if per_byte > 0 else math.inf


def _highest_step(state: Concurrency, reading: Reading, rest: Smooth | None) -> int:
    idle = max(state.cpu, state.gil) < IDLE
    step = HELD if state.lowered else DOUBLE if idle or state.limit < CAREFUL_FROM else CAREFUL
    # At least one more: a small count times the step may round to itself.
    top = min(state.most, max(state.limit + 1, int(step * state.limit)))
    # No file has come to extraction yet, so nothing says how many that will bear.
    blind = rest is None and _told_apart(reading.sample)
    return min(top, max(BLIND, state.limit)) if blind else top


def _choice(state: Concurrency, options: Mapping[int, float], here: float, *, least_gain: float) -> int:
    """The smallest count within the plateau, unless going there is not worth it."""
    best = max(options.values())
    target = min(count for count, value in options.items() if value >= best * (1 - PLATEAU))
    gain = options[target] / here if here > 0 else 1.0
    if target > state.limit:
        return target if gain >= 1 + GAIN else state.limit
    # Far below, as good is good enough: that is how a plateau is left. Nearby it must pay, or noise would move the
    # count to and fro.
    far = target <= FAR * state.limit
    return target if gain >= 1 + (least_gain or (-EVEN if far else GAIN)) else state.limit


def bound_in_words(state: Concurrency, load: Smooth, rest: Smooth | None, running: int) -> str:
    """What holds the batch with so many files at once."""
    # What is measured comes first: whatever is shared and full makes files delay each other as well, in either station.
    match state.bound:
        case Bound.CPU:
            return "CPU-bound: the cores are busy"
        case Bound.GIL:
            return "GIL-bound: Python's lock is held most of the time"
        case Bound.DLL:
            taken = min(1.0, state.dll_taken)
            in_a_call = f", and for {taken:.0%} of the time it is in a call" if taken else ""
            return (
                f"serialised by the DLL: for {state.dll_waited:.0%} of their time files stand still in it for each "
                f"other{in_a_call}, with cores and Python's lock free"
            )
    _, loading = throughput(load, rest, running)
    load_s, load_lost = load.at(loading), load.at(loading) - load.rates[0]
    rest_s = rest.at(running - loading) if rest else 0.0
    rest_lost = rest_s - rest.rates[0] if rest else 0.0
    if load_lost > DELAYED * (load_s + rest_s):
        return "I/O-bound: files delay each other while loading"
    if rest_lost > DELAYED * (load_s + rest_s):
        return "held back while extracting: files delay each other"
    return "latency-bound: files do not delay each other"


def _reason(state: Concurrency, both: tuple[Smooth, Smooth | None], target: int, gain: float) -> str:
    bound = bound_in_words(state, *both, state.limit)
    kind = "more files at once" if target > state.limit else "fewer files at once"
    return (
        f"{state.limit} -> {target}: {kind}, {100 * (gain - 1):+.0f}% throughput predicted; {bound} "
        f"(CPUs {100 * state.cpu:.0f}%, GIL {100 * state.gil:.0f}%)"
    )
