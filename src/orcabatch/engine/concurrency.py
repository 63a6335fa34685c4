"""How many files at once: found while running, from below.

Covers the limit of `dynamic` mode. Does not cover hard ceilings (tiers, memory, seats: the scheduler obeys those as
well) nor measuring. Values and pure functions: `observe(state, reading) -> (state, reason or "")`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orcabatch.engine import curves
from orcabatch.engine.curves import Curve, Smooth

if TYPE_CHECKING:
    from orcabatch.engine.signals import Limits, Sample

START = 2
PLATEAU = 0.03
UP_GAIN = 0.03
DOWN_GAIN = 0.03
CURIOSITY = 0.06
FADE_FILES = 3.0
SURE_WORK = 0.05


@dataclass(frozen=True, slots=True)
class Reading:
    now_s: float
    sample: Sample
    running: int
    waiting: int
    limited: bool


@dataclass(frozen=True, slots=True)
class Concurrency:
    limit: int
    most: int
    least: int
    cpus: int
    file_bytes: float
    adaptive: bool = True
    load: Curve = field(default_factory=Curve)
    extract: Curve = field(default_factory=Curve)
    last: Reading | None = None
    since_s: float = 0.0
    samples: int = 0
    work: float = 0.0
    visited: tuple[tuple[int, float], ...] = ()
    direction: int = 1
    bound: str = ""


def begin(limits: Limits, files: int, file_bytes: float) -> Concurrency:
    most = max(1, min(limits.max_limit, files or 1))
    least = max(1, min(limits.min_limit, most))
    if limits.fixed_limit:
        return Concurrency(min(most, limits.fixed_limit), most, least, limits.cpus, file_bytes, adaptive=False)
    start = limits.start_limit or limits.prior_limit or START
    return Concurrency(max(least, min(start, most)), most, least, limits.cpus, file_bytes)


def observe(state: Concurrency, reading: Reading) -> tuple[Concurrency, str]:
    last = state.last
    state = replace(state, last=reading)
    if not state.adaptive or last is None or reading.now_s <= last.now_s:
        return state, ""
    state = _measured(state, last, reading)
    if not reading.waiting:
        return state, ""
    return _decided(state, reading)


def _measured(state: Concurrency, last: Reading, now: Reading) -> Concurrency:
    seconds = now.now_s - last.now_s
    before, after = last.sample, now.sample
    loading = (before.loading + after.loading) / 2
    rest = (before.extracting + before.writing + after.extracting + after.writing) / 2
    loaded = after.work_loaded - before.work_loaded
    extracted = after.work_extracted - before.work_extracted
    if not (after.work_loaded or after.work_extracted):
        loading, loaded, rest, extracted = (last.running + now.running) / 2, after.work - before.work, 0.0, 0.0
    work = (loaded + extracted) / 2
    keep = max(0.0, 1.0 - work / (FADE_FILES * state.file_bytes * max(8, state.limit)))
    load = curves.add(curves.fade(state.load, keep), loading, loading * seconds, loaded)
    extract = curves.add(curves.fade(state.extract, keep), rest, rest * seconds, extracted)
    visited = dict(state.visited)
    key = round((last.running + now.running) / 2)
    visited[key] = visited.get(key, 0.0) + work
    return replace(
        state, load=load, extract=extract, samples=state.samples + 1, work=state.work + work,
        visited=tuple(sorted(visited.items())),
    )


def throughput(load: Smooth, rest: Smooth | None, running: int) -> tuple[float, float]:
    """Bytes per second, files loading."""
    if rest is None:
        return running / load.at(running), float(running)
    low, high = 0.0, float(running)
    for _ in range(14):
        middle = (low + high) / 2
        slow, fast = load.at(middle), rest.at(running - middle)
        if middle * fast < (running - middle) * slow:
            low = middle
        else:
            high = middle
    loading = (low + high) / 2
    return running / (load.at(loading) + rest.at(running - loading)), loading


def _decided(state: Concurrency, reading: Reading) -> tuple[Concurrency, str]:
    raised = state.direction > 0
    if state.samples < 2 or (raised and reading.running < state.limit and reading.limited is False):
        return state, ""
    if state.work < SURE_WORK * state.file_bytes * min(reading.running, 4):
        return state, ""
    least_work = 0.02 * state.file_bytes
    load, rest = curves.smooth(state.load, least_work), curves.smooth(state.extract, least_work)
    if load is None:
        return state, ""
    blind = rest is None and (reading.sample.work_loaded or reading.sample.work_extracted)
    top = min(state.most, 2 * max(state.limit, 1))
    if blind:
        top = min(top, BLIND)
    known = max(2.0, state.extract.known_crowd)
    flat = rest is not None and rest.rates[-1] < 1.3 * rest.rates[0] and len(rest.rates) > 1 or known < 2
    trust = known * (4 if flat else 2)
    options = []
    for number in sorted({*(n for n in curves.GRID if n <= top), top, state.limit}):
        value, loading = throughput(load, rest, number)
        if rest is not None and number > state.limit and number - loading > trust:
            continue
        options.append((number, value))
    best = max(value for _, value in options)
    here = dict(options).get(state.limit) or throughput(load, rest, state.limit)[0]
    target = min(number for number, value in options if value >= best * (1 - PLATEAU))
    value = dict(options)[target]
    gain = UP_GAIN if target > state.limit else DOWN_GAIN
    target = max(target, state.least)
    if target == state.limit or (target > state.limit and value < here * (1 + UP_GAIN)) or (target < state.limit and value < here * (1 - PLATEAU)):
        return replace(state, samples=0, work=0.0), ""
    reason = f"{state.limit} -> {target}: predicted {value / here:.2f}"
    return replace(state, limit=target, direction=1 if target > state.limit else -1, samples=0, work=0.0, since_s=reading.now_s), reason


BLIND = 8
