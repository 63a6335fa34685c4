"""Linked statistics and statistics of a time series."""
# ruff: noqa: D103, PLR0913, PLR0917 - an export's name and arguments are OrcFxAPI's.

from __future__ import annotations

import ctypes
import math
from ctypes import c_double, c_int
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orcabatch.simulated.exports.base import ADDRESS, INT, REAL, export, item_of, misuse
from orcabatch.simulated.exports.histories import log_passes, period_of, times_of, values_of
from orcabatch.simulated.memory import DOUBLES, INTS, POINTERS, floats_at
from orcabatch.simulated.status import Refusal, Status
from orcabatch.simulated.world import Model, Token, new_handle, world

if TYPE_CHECKING:
    from orcabatch.simulated.results import Floats, Log


class _SeriesStatistics(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("size", c_int), ("values", c_double * 9))


@dataclass(frozen=True, slots=True)
class Linked:
    """Open linked statistics: the histories of all their variables, each of shape (samples,), and their times."""

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
        raise Refusal(Status.NOT_ENOUGH_VARIABLES, "Linked statistics need at least one variable.")
    at = period_of(item.model, period)
    histories = {number: values_of(item, number, extra, at) for number in numbers}
    log_passes(token, 1)
    times = times_of(item.model, at)
    opened = new_handle()
    world.others[opened] = Linked(item.model, item.model.log, times, histories)
    POINTERS[out >> 3] = opened


def _linked(token: Token, handle: int | None) -> Linked:
    linked = world.others.get(handle) if handle else None
    if not isinstance(linked, Linked):
        raise Refusal(Status.INVALID_HANDLE, "Invalid linked statistics handle.")
    if linked.model.owner is not token:
        raise misuse(token, linked.model.handle, Status.MODEL_HANDLE)
    return linked


def _current(token: Token, handle: int) -> Linked:
    linked = _linked(token, handle)
    if linked.log is not linked.model.log:
        raise Refusal(Status.INVALID_HANDLE, "Invalid linked statistics handle: the model has loaded another file.")
    return linked


@export("C_CloseLinkedStatistics", ADDRESS)
def close_linked_statistics(token: Token, handle: int) -> None:
    _linked(token, handle)
    world.others.pop(handle, None)


def _history(linked: Linked, number: int) -> Floats:
    if number not in linked.histories:
        raise Refusal(Status.INVALID_VARIABLE, f"Variable number {number} is not one of these linked statistics.")
    return linked.histories[number]


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
        raise Refusal(Status.INVALID_PARAMETER, "A time series needs at least one value.")
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
        raise Refusal(Status.INVALID_PARAMETER, "A time series needs at least one value.")
    series = floats_at(values, count)
    top, bottom = int(series.argmax()), int(series.argmin())
    DOUBLES[high >> 3], DOUBLES[low >> 3] = float(series[top]), float(series[bottom])
    INTS[at_high >> 2], INTS[at_low >> 2] = top, bottom
