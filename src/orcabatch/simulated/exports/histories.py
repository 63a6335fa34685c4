"""Time histories, one and many, sample times, linked statistics, statistics of a time series: passes over the log."""
# ruff: noqa: D103, PLR0913, PLR0917 - an export's name and arguments are OrcFxAPI's.

from __future__ import annotations

import ctypes
import hashlib
import math
import time
from ctypes import c_double, c_int
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orcabatch.simulated.counter_file import Slot
from orcabatch.simulated.exports.base import ADDRESS, INT, REAL, Genuine, export, item_of, misuse, model_of
from orcabatch.simulated.exports.models import file_name, refuse_without_licence
from orcabatch.simulated.exports.wanted import (
    STATIC,
    WHOLE,
    period_of,
    place_of,
    sample_total,
    samples_of,
    variable_of,
)
from orcabatch.simulated.quirks import Quirk, asked_again, bent, bent_if, bent_jointly, has, own_number, read_late, use
from orcabatch.simulated.results import Floats, Log, ResultPlace, ResultSeed, history, result_seed, static_value
from orcabatch.simulated.spec import SimFault
from orcabatch.simulated.status import Refusal, StatusCode
from orcabatch.simulated.structures import DOUBLES, INTS, POINTERS, HistorySpecification, ObjectExtra, floats_at
from orcabatch.simulated.world import Item, Model, Token, new_handle, world

if TYPE_CHECKING:
    from orcabatch.simulated.catalogue import Variable


_BURN = bytes(1 << 18)


def log_passes(token: Token, count: int) -> None:
    """Count passes over the log, and pay for them outside the GIL."""
    token.block[Slot.LOG_PASSES] += count
    costs = world.costs
    if costs.log_pass_s:
        time.sleep(costs.log_pass_s * count)
    if costs.cpu_s_per_pass:
        burn(token, costs.cpu_s_per_pass * count)


def burn(token: Token, seconds: float) -> None:
    """Use so much CPU with the GIL released (hashing a large buffer)."""
    with Genuine(token, Slot.COST_NS):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            hashlib.sha256(_BURN).digest()


def seed_of(item: Item, variable: Variable, place: ResultPlace, log: Log) -> ResultSeed:
    """What a result is made from, remembered in its object."""
    key = (variable.id, place.key)
    if key not in item.seeds:
        item.seeds[key] = result_seed(item.name, variable, place.key, log)
    return item.seeds[key]


def readable_log(item: Item, variable: Variable, at: slice, broken: StatusCode) -> Log:
    """The log of the object's model; refuses what is not logged (55) or corrupt (`broken`), and a lost licence (25)."""
    refuse_without_licence()
    model = item.model
    read_late(model)
    log, spec = model.log, model.spec
    if log is None:
        raise Refusal(StatusCode.INVALID_MODEL_STATE, "Results are not available: the model is in Reset state.")
    name = (item.name.lower(), variable.name.lower())
    missing = at is not STATIC and SimFault.NOT_LOGGED in spec.faults
    if missing or name in [(owner.lower(), what.lower()) for owner, what in spec.not_logged]:
        raise Refusal(StatusCode.RESULTS_NOT_LOGGED, f"Results are not logged for {variable.name} of {item.name}.")
    if SimFault.CORRUPT_RESULTS in spec.faults:
        raise Refusal(broken, f"Error reading {variable.name} of {item.name} from the simulation log: it is corrupt.")
    return log


def values_of(item: Item, number: int, extra: int | None, at: slice) -> Floats:
    """One result over the samples `at` (or the static state), float64, shape (samples,)."""
    variable = variable_of(item, number)
    use(item, number, at)
    place = place_of(item, variable, extra)
    log = readable_log(item, variable, at, StatusCode.TIME_HISTORY)
    drawn = seed_of(item, variable, place, log)
    if variable.name == "Time":
        return times_of(item.model, at)
    if at is STATIC:
        return np.array([static_value(variable, drawn, place)])
    values = history(log, variable, drawn, place, at)
    if has_nan(item, variable):
        values[len(values) // 2] = np.nan
    return bent(item, values, ("history", variable.id, place, at.start, at.stop), Quirk.HISTORIES_VARY)


def has_nan(item: Item, variable: Variable) -> bool:
    """Whether the file says that this result holds a NaN."""
    planned = item.model.spec.nan_variable
    return planned is not None and _is(item, variable, planned)


def _is(item: Item, variable: Variable, names: tuple[str, str]) -> bool:
    return item.name.lower() == names[0].lower() and variable.name.lower() == names[1].lower()


@export("C_GetTimeHistory2W", ADDRESS, ADDRESS, ADDRESS, INT, ADDRESS)
def get_time_history(token: Token, handle: int, extra: int | None, period: int, number: int, out: int) -> None:
    item = item_of(token, handle)
    at = period_of(item.model, period)
    values = values_of(item, number, extra, at)
    log_passes(token, 1)
    floats_at(out, len(values))[:] = values


@export("C_GetMultipleTimeHistoriesW", INT, ADDRESS, ADDRESS, ADDRESS)
def get_multiple_time_histories(token: Token, count: int, specifications: int, period: int, out: int) -> None:
    wanted = (HistorySpecification * count).from_address(specifications)
    items = [item_of(token, each.handle) for each in wanted]
    if any(item.model is not items[0].model for item in items):
        raise Refusal(StatusCode.INVALID_PARAMETER, "All time histories of one call must be of the same model.")
    at = period_of(items[0].model, period)
    log_passes(token, count if world.costs.joint_passes == "many" else 1)
    table = floats_at(out, count * sample_total(at)).reshape(-1, count)
    whole = samples_of(items[0].model, WHOLE, 0.0, 0.0) if at is not STATIC else None
    for column, (item, each) in enumerate(zip(items, wanted, strict=True)):
        values = values_of(item, each.variable, each.extra, at)
        if world.costs.quirks:
            values = bent_jointly(values, whole=at == whole, elsewhere=_elsewhere(each.extra))
        table[:, column] = np.nextafter(values, np.inf) if _differs(item, each.variable) else values


def _elsewhere(extra: int | None) -> bool:
    """Whether there is an extra that does not mean End A."""
    return bool(extra) and ObjectExtra.from_address(extra or 0).line_point != 0


def _differs(item: Item, number: int) -> bool:
    planned = world.costs.ulp
    if planned is None or file_name(item.model.file) != planned[0]:
        return False
    return _is(item, variable_of(item, number), planned[1:])


def times_of(model: Model, at: slice) -> Floats:
    """Times of the samples `at` (of the static state: the first), shape (samples,)."""
    if model.log is None:
        raise Refusal(StatusCode.INVALID_MODEL_STATE, "Results are not available: the model is in Reset state.")
    return model.log.times[:1] if at is STATIC else model.log.times[at]


@export("C_GetSampleTimes", ADDRESS, ADDRESS, ADDRESS)
def get_sample_times(token: Token, handle: int, period: int, out: int) -> None:
    model = model_of(token, handle)
    at = period_of(model, period)
    off = asked_again(model.general, ("times", at.start, at.stop), Quirk.SAMPLE_TIMES_VARY)
    times = bent_if(times_of(model, at), off=off)
    floats_at(out, len(times))[:] = times


class _SeriesStatistics(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("size", c_int), ("values", c_double * 9))


@dataclass(frozen=True, slots=True)
class Linked:
    """Open linked statistics: the histories of all their variables, each of shape (samples,), and their times.

    `number`: larger for those that were made later.
    """

    number: int
    model: Model
    log: Log | None
    times: Floats
    histories: dict[int, Floats]


@export("C_OpenLinkedStatistics2W", ADDRESS, ADDRESS, ADDRESS, INT, ADDRESS, ADDRESS)
def open_linked_statistics(
    token: Token, handle: int, extra: int | None, period: int, count: int, variables: int, out: int
) -> None:
    item = item_of(token, handle)
    numbers = INTS[variables >> 2 : (variables >> 2) + count]
    if not numbers:
        raise Refusal(StatusCode.NOT_ENOUGH_VARIABLES, "Linked statistics need at least one variable.")
    at = period_of(item.model, period)
    histories = {own_number(number): values_of(item, number, extra, at) for number in numbers}
    log_passes(token, 1)
    times = times_of(item.model, at)
    opened = new_handle()
    world.others[opened] = Linked(opened, item.model, item.model.log, times, histories)
    POINTERS[out >> 3] = opened


def _linked(token: Token, handle: int | None) -> Linked:
    linked = world.others.get(handle) if handle else None
    if not isinstance(linked, Linked):
        raise Refusal(StatusCode.INVALID_HANDLE, "Invalid linked statistics handle.")
    if linked.model.owner is not token:
        raise misuse(token, linked.model.handle, StatusCode.MODEL_HANDLE)
    return linked


def _current(token: Token, handle: int) -> Linked:
    linked = _linked(token, handle)
    if linked.log is not linked.model.log:
        raise Refusal(StatusCode.INVALID_HANDLE, "Invalid linked statistics handle: the model has loaded another file.")
    return linked


@export("C_CloseLinkedStatistics", ADDRESS)
def close_linked_statistics(token: Token, handle: int) -> None:
    _linked(token, handle)
    world.others.pop(handle, None)


def _history(linked: Linked, number: int) -> Floats:
    if (own := own_number(number)) not in linked.histories:
        raise Refusal(StatusCode.INVALID_VARIABLE, f"Variable number {number} is not one of these linked statistics.")
    return bent_if(linked.histories[own], off=has(Quirk.LINKED_EXPIRE) and _has_later(linked))


def _has_later(linked: Linked) -> bool:
    others = [other for other in tuple(world.others.values()) if isinstance(other, Linked)]
    return any(other.model is linked.model and other.number > linked.number for other in others)


@export("C_QueryLinkedStatistics", ADDRESS, INT, INT, ADDRESS)
def query_linked_statistics(token: Token, handle: int, number: int, other: int, out: int) -> None:
    linked = _current(token, handle)
    values, followed = _history(linked, number), _history(linked, other)
    high, low = int(values.argmax()), int(values.argmin())
    floats_at(out, 8)[:] = [
        float(values.std()), float(values.mean()), float(linked.times[high]), float(values[high]),
        float(followed[high]), float(linked.times[low]), float(values[low]), float(followed[low]),
    ]  # fmt: skip


@export("C_CalculateLinkedStatisticsTimeSeriesStatistics", ADDRESS, INT, ADDRESS)
def linked_series_statistics(token: Token, handle: int, number: int, out: int) -> None:
    linked = _current(token, handle)
    _write_statistics(out, _history(linked, number), linked.model.spec.sample_interval_s)


@export("C_CalculateTimeSeriesStatistics", ADDRESS, INT, REAL, ADDRESS)
def series_statistics(token: Token, values: int, count: int, interval: float, out: int) -> None:
    if count < 1:
        raise Refusal(StatusCode.INVALID_PARAMETER, "A time series needs at least one value.")
    _write_statistics(out, floats_at(values, count), interval)


def _write_statistics(out: int, values: Floats, interval: float) -> None:
    """Mean, standard deviation, spectral moments from differences, Tz, Tc, bandwidth, root mean square."""
    moments = [float(values.var())]
    rate = values - values.mean()
    for _ in range(2):
        rate = np.diff(rate) / interval / (2 * math.pi) if len(rate) > 1 else np.zeros(1)
        moments.append(float((rate * rate).mean()))
    m0, m2, m4 = moments
    tz, tc = (math.sqrt(m0 / m2) if m2 else 0.0), (math.sqrt(m2 / m4) if m4 else 0.0)
    bandwidth = math.sqrt(max(1.0 - m2 * m2 / (m0 * m4), 0.0)) if m0 and m4 else 0.0
    rms = math.sqrt(float((values * values).mean()))
    statistics = _SeriesStatistics.from_address(out)
    statistics.values[:] = (float(values.mean()), math.sqrt(m0), m0, m2, m4, tz, tc, bandwidth, rms)


@export("C_AnalyseExtrema", ADDRESS, INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS)
def analyse_extrema(token: Token, values: int, count: int, high: int, low: int, at_high: int, at_low: int) -> None:
    if count < 1:
        raise Refusal(StatusCode.INVALID_PARAMETER, "A time series needs at least one value.")
    series = floats_at(values, count)
    top, bottom = int(series.argmax()), int(series.argmin())
    DOUBLES[high >> 3], DOUBLES[low >> 3] = float(series[top]), float(series[bottom])
    INTS[at_high >> 2], INTS[at_low >> 2] = top, bottom
