"""Where on an object a result is wanted: an ObjectExtra read, checked against what the variable needs.

Refuses with 15 (InvalidObjectExtra) what is missing or outside the object, 9 a node that does not exist. Choices that
could not be confirmed on the real DLL: a vessel's or buoy's position left out is its origin; a support index counts
from 1 and 0 is refused; an arc length outside the line is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orcabatch.simulated.catalogue import VARIABLES, Variable
from orcabatch.simulated.memory import ObjectExtra, read_text
from orcabatch.simulated.results import Place
from orcabatch.simulated.status import Refusal, Status

if TYPE_CHECKING:
    from orcabatch.simulated.world import Item

_END_A, _END_B, _TOUCHDOWN, _NODE, _ARC_LENGTH = range(5)
_TOUCHDOWN_FRACTION = 0.8
_WINCH_FIRST = 1


def variable_of(item: Item, number: int) -> Variable:
    """The variable with this id, which must be the object's; Refusal 13."""
    variable = VARIABLES.get(number)
    if variable is None or variable.type != item.type:
        raise Refusal(Status.INVALID_VARIABLE, f"Invalid variable number {number} for object {item.name}.")
    return variable


def place_of(item: Item, variable: Variable, address: int | None) -> Place:
    """The place that the ObjectExtra at `address` names for this variable; Refusal 15 or 9."""
    kind = variable.place
    if not address:
        if kind in ("line", "support", "water"):
            raise _refused(item, variable, "no object extra was given")
        return Place()
    extra = ObjectExtra.from_address(address)
    if kind == "line":
        return _line_place(item, variable, extra)
    if kind == "support":
        return _support_place(item, variable, extra)
    if kind == "water":
        x, y, z = extra.environment_position
        return Place(0.0, (x, y, z))
    if kind == "body":
        x, y, z = extra.position
        return Place(0.0, (x, y, z))
    return Place(0.0, (0.0, 0.0, 0.0), f"point {extra.winch_connection_point}" if extra.winch_connection_point else "")


def _refused(item: Item, variable: Variable, why: str) -> Refusal:
    return Refusal(
        Status.INVALID_OBJECT_EXTRA, f"Invalid object extra for variable {variable.name} of {item.name}: {why}."
    )


def _line_place(item: Item, variable: Variable, extra: ObjectExtra) -> Place:
    clearance = read_text(extra.clearance_line_name)
    radial = f"radial {extra.radial_position}" if extra.radial_position else ""
    key = "|".join(part for part in (clearance or "", radial) if part)
    offset = (0.0, 0.0, extra.theta)
    point, length = extra.line_point, item.spec.length_m
    if point in (_END_A, _END_B, _TOUCHDOWN):
        return Place({_END_A: 0.0, _END_B: 1.0, _TOUCHDOWN: _TOUCHDOWN_FRACTION}[point], offset, key)
    if point == _NODE:
        if not 1 <= extra.node <= item.spec.nodes:
            text = f"{item.name} has no node {extra.node}: its nodes are 1 to {item.spec.nodes}."
            raise Refusal(Status.NO_SUCH_NODE, text)
        return Place((extra.node - 1) / max(item.spec.nodes - 1, 1), offset, key)
    if point != _ARC_LENGTH:
        raise _refused(item, variable, f"line point {point} does not exist")
    if not 0.0 <= extra.arc_length <= length:
        raise _refused(item, variable, f"arc length {extra.arc_length:g} m is outside the line's {length:g} m")
    return Place(extra.arc_length / length, offset, key)


def _support_place(item: Item, variable: Variable, extra: ObjectExtra) -> Place:
    index = extra.support_index
    if not 1 <= index <= item.spec.supports:
        raise _refused(item, variable, f"support index {index} is not one of 1 to {item.spec.supports}")
    return Place(0.0, (0.0, 0.0, 0.0), f"support {index} {read_text(extra.supported_line_name) or ''}")
