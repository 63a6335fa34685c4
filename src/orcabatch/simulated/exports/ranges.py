"""Range graphs of lines: points, curve names, and the seven curves."""
# ruff: noqa: D103, PLR0913, PLR0917 - an export's name and arguments are OrcFxAPI's.

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orcabatch.simulated.exports.base import ADDRESS, INT, export, item_of
from orcabatch.simulated.exports.histories import has_nan, log_passes, readable_log, seed_of
from orcabatch.simulated.exports.objects import arc_lengths
from orcabatch.simulated.exports.wanted import STATIC, period_of, variable_of
from orcabatch.simulated.quirks import Quirk, bent, use
from orcabatch.simulated.results import Floats, Log, RangeCurves, ResultPlace, ResultSeed, range_curves, static_value
from orcabatch.simulated.status import Refusal, StatusCode
from orcabatch.simulated.structures import ArclengthRange, CurveNames, floats_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orcabatch.simulated.catalogue import Variable
    from orcabatch.simulated.world import Item, Token

_ENTIRE, _ARC_LENGTHS, _SECTIONS = 0, 1, 2
NO_VALUE = -1.0e307
_CURVES = ("Minimum", "Maximum", "Mean", "Std. Dev.", "Upper limit", "Lower limit")


def _range_variable(item: Item, number: int) -> Variable:
    variable = variable_of(item, number)
    if variable.place != "line":
        raise Refusal(StatusCode.RANGE_GRAPH, f"{variable.name} of {item.name} has no range graph.")
    return variable


def _invalid_range(item: Item, what: str) -> Refusal:
    return Refusal(StatusCode.INVALID_ARCLENGTH_RANGE, f"Invalid arc length range for {item.name}: {what}.")


def points_of(item: Item, address: int | None) -> list[float]:
    """Arc lengths in m of the points in the ArclengthRange at `address` (None: all); Refusal 58.

    The nodes from and to, both included; the nearest node where there is none in between.
    """
    everything, length = arc_lengths(item), item.spec.length_m
    if not address:
        return everything
    wanted = ArclengthRange.from_address(address)
    if wanted.mode == _ENTIRE:
        return everything
    if wanted.mode == _SECTIONS:
        if wanted.from_section != 1 or wanted.to_section != 1:
            raise _invalid_range(item, f"sections {wanted.from_section} to {wanted.to_section}, the line has 1")
        return everything
    low, high = wanted.from_arc_length, wanted.to_arc_length
    if wanted.mode != _ARC_LENGTHS or not 0.0 <= low <= high or low > length:
        raise _invalid_range(item, f"from {low:g} m to {high:g} m, the line has {length:g} m")
    within = [point for point in everything if low <= point <= high]
    return within or [min(everything, key=lambda point: abs(point - (low + high) / 2))]


@export("C_GetRangeGraphNumOfPoints", ADDRESS, INT, returns=INT)
def get_point_count(token: Token, handle: int, number: int) -> int:
    item = item_of(token, handle)
    _range_variable(item, number)
    return len(points_of(item, None))


@export("C_GetRangeGraphNumOfPoints2", ADDRESS, ADDRESS, INT, returns=INT)
def get_point_count2(token: Token, handle: int, arc_range: int | None, number: int) -> int:
    item = item_of(token, handle)
    _range_variable(item, number)
    return len(points_of(item, arc_range))


@export("C_GetRangeGraphNumOfPoints3", ADDRESS, ADDRESS, ADDRESS, INT, returns=INT)
def get_point_count3(token: Token, handle: int, period: int, arc_range: int | None, number: int) -> int:
    item = item_of(token, handle)
    _range_variable(item, number)
    period_of(item.model, period)
    return len(points_of(item, arc_range))


@export("C_GetRangeGraphCurveNamesW", ADDRESS, ADDRESS, ADDRESS, INT, ADDRESS)
def get_curve_names(token: Token, handle: int, extra: int | None, period: int, number: int, out: int) -> None:
    item = item_of(token, handle)
    variable = _range_variable(item, number)
    period_of(item.model, period)
    names = CurveNames.from_address(out).names
    shown = (True, True, True, True, variable.upper is not None, variable.lower is not None)
    for index, (name, there) in enumerate(zip(_CURVES, shown, strict=True)):
        names[index].value = name if there else ""


@export("C_GetRangeGraph3W", ADDRESS, ADDRESS, ADDRESS, INT, *[ADDRESS] * 7)
def get_range_graph3(
    token: Token, handle: int, extra: int | None, period: int, number: int, *curves: int | None
) -> None:
    _range_graph(token, handle, period, None, number, curves)


@export("C_GetRangeGraph4W", ADDRESS, ADDRESS, ADDRESS, ADDRESS, INT, *[ADDRESS] * 7)
def get_range_graph4(
    token: Token, handle: int, extra: int | None, period: int, arc_range: int | None, number: int, *curves: int | None
) -> None:
    _range_graph(token, handle, period, arc_range, number, curves)


def _range_graph(
    token: Token, handle: int, period: int, arc_range: int | None, number: int, curves: Sequence[int | None]
) -> None:
    item = item_of(token, handle)
    variable = _range_variable(item, number)
    at = period_of(item.model, period)
    use(item, number, at)
    points = points_of(item, arc_range)
    log = readable_log(item, variable, at, StatusCode.RANGE_GRAPH)
    drawn = seed_of(item, variable, ResultPlace(), log)
    answers: list[Floats] = [np.array(points)]
    if any(curves[1:]):
        log_passes(token, 1)
        curves_of = _statistics(log, variable, drawn, [point / item.spec.length_m for point in points], at)
        question = ("graph", variable.id, tuple(points), at.start, at.stop)
        answers += [
            bent(item, values, (*question, place), Quirk.RANGE_GRAPHS_VARY) for place, values in enumerate(curves_of)
        ]
        if has_nan(item, variable) and at is not STATIC:
            answers[1:] = [np.full(len(points), np.nan)] * len(answers[1:])
        limits = (variable.upper, variable.lower)
        answers += [np.full(len(points), NO_VALUE if limit is None else limit) for limit in limits]
    for address, values in zip(curves, answers, strict=False):
        if address:
            floats_at(address, len(values))[:] = values


def _statistics(log: Log, variable: Variable, drawn: ResultSeed, fractions: list[float], at: slice) -> RangeCurves:
    if at is not STATIC:
        return range_curves(log, variable, drawn, fractions, at)
    values = np.array([static_value(variable, drawn, ResultPlace(fraction)) for fraction in fractions])
    return RangeCurves(values, values, values, np.zeros(len(values)))
