"""Which result a question means: its variable, where on an object (`ObjectExtra`), which samples (`Period`).

Place: refuses with 15 (InvalidObjectExtra) what is missing or outside the object, 9 a node that does not exist. Choices
that could not be confirmed on the real DLL: a vessel's or buoy's position left out is its origin; a support index
counts from 1 and 0 is refused; an arc length outside the line is refused.

Samples: StaticState is the static state alone (`STATIC`). WholeSimulation: every sample. BuildUp (0) and stage 1:
before and from time 0. LatestWave: the last wave period before the time reached. InstantaneousValue: the last sample.
SpecifiedPeriod: from and to, both included, clipped to what was simulated; wholly outside it, or from after to, is
refused with status 12 (how the real DLL clips could not be confirmed). A model in static state knows StaticState only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orcabatch.simulated.catalogue import VARIABLES, Variable
from orcabatch.simulated.quirks import own_number
from orcabatch.simulated.results import ResultPlace, reached
from orcabatch.simulated.status import Refusal, StatusCode
from orcabatch.simulated.structures import ObjectExtra, Period, read_text
from orcabatch.simulated.world import IN_STATIC_STATE, RESET, Model

if TYPE_CHECKING:
    from orcabatch.simulated.world import Item


_END_A, _END_B, _TOUCHDOWN, _NODE, _ARC_LENGTH = range(5)
_TOUCHDOWN_FRACTION = 0.8
SPECIFIED, LATEST_WAVE, WHOLE, STATIC_STATE, INSTANTANEOUS = 32001, 32002, 32003, 32004, 32005
STATIC = slice(-1, 0)
"""Stands for the static state: one sample, which is not in the log."""


def variable_of(item: Item, number: int) -> Variable:
    """The variable with this id, which must be the object's; Refusal 13."""
    variable = VARIABLES.get(own_number(number))
    if variable is None or variable.type != item.type:
        raise Refusal(StatusCode.INVALID_VARIABLE, f"Invalid variable number {number} for object {item.name}.")
    return variable


def place_of(item: Item, variable: Variable, address: int | None) -> ResultPlace:
    """The place that the ObjectExtra at `address` names for this variable; Refusal 15 or 9."""
    kind = variable.place
    if not address:
        if kind in ("line", "support", "water"):
            raise _refused(item, variable, "no object extra was given")
        return ResultPlace()
    extra = ObjectExtra.from_address(address)
    if kind == "line":
        return _line_place(item, variable, extra)
    if kind == "support":
        return _support_place(item, variable, extra)
    if kind == "water":
        x, y, z = extra.environment_position
        return ResultPlace(0.0, (x, y, z))
    if kind == "body":
        x, y, z = extra.position
        return ResultPlace(0.0, (x, y, z))
    return ResultPlace(
        0.0, (0.0, 0.0, 0.0), f"point {extra.winch_connection_point}" if extra.winch_connection_point else ""
    )


def _refused(item: Item, variable: Variable, why: str) -> Refusal:
    return Refusal(
        StatusCode.INVALID_OBJECT_EXTRA, f"Invalid object extra for variable {variable.name} of {item.name}: {why}."
    )


def _line_place(item: Item, variable: Variable, extra: ObjectExtra) -> ResultPlace:
    clearance = read_text(extra.clearance_line_name)
    radial = f"radial {extra.radial_position}" if extra.radial_position else ""
    key = "|".join(part for part in (clearance or "", radial) if part)
    offset = (0.0, 0.0, extra.theta)
    point, length = extra.line_point, item.spec.length_m
    if point in (_END_A, _END_B, _TOUCHDOWN):
        return ResultPlace({_END_A: 0.0, _END_B: 1.0, _TOUCHDOWN: _TOUCHDOWN_FRACTION}[point], offset, key)
    if point == _NODE:
        if not 1 <= extra.node <= item.spec.nodes:
            text = f"{item.name} has no node {extra.node}: its nodes are 1 to {item.spec.nodes}."
            raise Refusal(StatusCode.NO_SUCH_NODE, text)
        return ResultPlace((extra.node - 1) / max(item.spec.nodes - 1, 1), offset, key)
    if point != _ARC_LENGTH:
        raise _refused(item, variable, f"line point {point} does not exist")
    if not 0.0 <= extra.arc_length <= length:
        raise _refused(item, variable, f"arc length {extra.arc_length:g} m is outside the line's {length:g} m")
    return ResultPlace(extra.arc_length / length, offset, key)


def _support_place(item: Item, variable: Variable, extra: ObjectExtra) -> ResultPlace:
    index = extra.support_index
    if not 1 <= index <= item.spec.supports:
        raise _refused(item, variable, f"support index {index} is not one of 1 to {item.spec.supports}")
    return ResultPlace(0.0, (0.0, 0.0, 0.0), f"support {index} {read_text(extra.supported_line_name) or ''}")


def period_of(model: Model, address: int) -> slice:
    """The samples of the Period at `address`."""
    period = Period.from_address(address)
    return samples_of(model, period.number, period.start, period.stop)


def samples_of(model: Model, number: int, start: float, stop: float) -> slice:
    """The samples of a period, or `STATIC`. Refuses with 39 when nothing was simulated, 12 for an invalid period."""
    key = (number, start, stop)
    at = model.periods.get(key)
    if at is None:
        at = model.periods[key] = _samples_of(model, number, start, stop)
    return at


def _samples_of(model: Model, number: int, start: float, stop: float) -> slice:
    if number == STATIC_STATE and model.state != RESET:
        return STATIC
    log = model.log
    if log is None or model.state == RESET:
        raise Refusal(StatusCode.INVALID_MODEL_STATE, "Results are not available: the model is in Reset state.")
    if model.state == IN_STATIC_STATE:
        raise Refusal(StatusCode.INVALID_PERIOD, "Invalid period: the model is in static state and has not run.")
    end = reached(log.header)
    if number == SPECIFIED and start > stop:
        raise Refusal(StatusCode.INVALID_PERIOD, f"Invalid period: from {start:g} s is after to {stop:g} s.")
    spans = {
        SPECIFIED: (start, stop), WHOLE: (model.spec.start_time_s, end), 0: (model.spec.start_time_s, 0.0),
        LATEST_WAVE: (max(end - model.spec.wave_period_s, model.spec.start_time_s), end), 1: (0.0, end),
        INSTANTANEOUS: (end, end),
    }  # fmt: skip
    if number not in spans:
        raise Refusal(StatusCode.INVALID_PERIOD, f"Invalid period number {number}.")
    at = log.samples_of(*spans[number])
    if at.stop <= at.start:
        raise Refusal(
            StatusCode.INVALID_PERIOD,
            f"Invalid period: nothing was simulated from {start:g} s to {stop:g} s "
            f"(the simulation covers {model.spec.start_time_s:g} s to {end:g} s).",
        )
    return at


def sample_total(at: slice) -> int:
    """How many samples that is."""
    return 1 if at is STATIC else int(at.stop - at.start)
