"""Objects: enumerating them, their types, changing data, their variables."""
# ruff: noqa: D103, PLR0913, PLR0917 - an export's name and arguments are OrcFxAPI's.

from __future__ import annotations

import ctypes

from orcabatch.simulated.catalogue import TYPE_NAMES, VARIABLES, Variable
from orcabatch.simulated.dataitems import DataType, find, set_row, value_of
from orcabatch.simulated.exports.base import (
    ADDRESS,
    INT,
    REAL,
    TEXT,
    Genuine,
    export,
    holder_of,
    item_of,
    model_of,
)  # fmt: skip
from orcabatch.simulated.quirks import Quirk, enumerated, has
from orcabatch.simulated.status import Refusal, StatusCode
from orcabatch.simulated.structures import (
    DOUBLES,
    INTS,
    NAME_CHARACTERS,
    ObjectInfo,
    VariableInfo,
    floats_at,
    write_text,
)
from orcabatch.simulated.world import Item, Token

_ObjectCallback = ctypes.CFUNCTYPE(None, ADDRESS, ADDRESS)
_VariableCallback = ctypes.CFUNCTYPE(None, ADDRESS)
_RANGE_GRAPH, _FREQUENCY_DOMAIN = 1, 3


@export("C_EnumerateObjectsW", ADDRESS, ADDRESS, ADDRESS)
def enumerate_objects(token: Token, handle: int, callback: int | None, count: int | None) -> None:
    model = model_of(token, handle)
    if count:
        INTS[count >> 2] = len(model.items)
    if not callback:
        return
    report, size = _ObjectCallback(callback), ctypes.sizeof(ObjectInfo)
    infos = [item.info for item in model.items]
    if has(Quirk.ENUMERATED_NAMES) or has(Quirk.ENUMERATED_TYPES):
        infos = [
            bytes(ObjectInfo(item.handle, *enumerated(item.type, item.name[: NAME_CHARACTERS - 1])))
            for item in model.items
        ]
    table = ctypes.create_string_buffer(b"".join(infos))
    start = ctypes.addressof(table)
    with Genuine(token):
        for at in range(start, start + size * len(model.items), size):
            report(handle, at)


@export("C_GetObjectTypeNameW", ADDRESS, INT, ADDRESS, returns=INT)
def get_type_name(token: Token, handle: int, kind: int, out: int | None) -> int:
    model_of(token, handle)
    if kind not in TYPE_NAMES:
        raise Refusal(StatusCode.INVALID_PARAMETER, f"Invalid object type {kind}.")
    return write_text(out, TYPE_NAMES[kind])


def _set(token: Token, handle: int, name: str, index: int, value: object, kinds: tuple[DataType, ...]) -> None:
    holder = holder_of(token, handle)
    item = find(holder.schema, name)
    if item.kind not in kinds:
        raise Refusal(StatusCode.INVALID_DATA_TYPE, f"Invalid data type for data name {item.name}.")
    if item.key == "name" and isinstance(holder, Item):
        if holder.model.by_name.get(str(value).lower(), holder) is not holder:
            raise Refusal(StatusCode.INVALID_PARAMETER, f"There is already an object called '{value}'.")
        holder.model.rename(holder, str(value))
    set_row(holder, item, index, value)


@export("C_SetDataDoubleW", ADDRESS, TEXT, INT, REAL)
def set_data_double(token: Token, handle: int, name: str, index: int, value: float) -> None:
    _set(token, handle, name, index, value, (DataType.DOUBLE,))


@export("C_SetDataIntegerW", ADDRESS, TEXT, INT, INT)
def set_data_integer(token: Token, handle: int, name: str, index: int, value: int) -> None:
    _set(token, handle, name, index, value, (DataType.INTEGER, DataType.BOOLEAN))


@export("C_SetDataStringW", ADDRESS, TEXT, INT, TEXT)
def set_data_string(token: Token, handle: int, name: str, index: int, value: str | None) -> None:
    _set(token, handle, name, index, value or "", (DataType.STRING,))


@export("C_GetDataRowCountW", ADDRESS, TEXT, ADDRESS)
def get_row_count(token: Token, handle: int, name: str, out: int) -> None:
    holder = holder_of(token, handle)
    item = find(holder.schema, name)
    INTS[out >> 2] = len(value_of(holder, item)) if item.indexed else -1


@export("C_GetVariableDataTypeW", ADDRESS, TEXT, INT, ADDRESS)
def get_variable_data_type(token: Token, handle: int, name: str, index: int, out: int) -> None:
    INTS[out >> 2] = find(holder_of(token, handle).schema, name).kind


@export("C_BeginDataChange", ADDRESS)
def begin_data_change(token: Token, handle: int) -> None:
    holder_of(token, handle)


@export("C_EndDataChange", ADDRESS)
def end_data_change(token: Token, handle: int) -> None:
    holder_of(token, handle)


@export("C_GetTagCount", ADDRESS, returns=INT)
def get_tag_count(token: Token, handle: int) -> int:
    holder_of(token, handle)
    return 0


@export("C_GetUnitsConversionFactorW", ADDRESS, TEXT, ADDRESS)
def get_units_conversion_factor(token: Token, handle: int, units: str, out: int) -> None:
    holder_of(token, handle)
    DOUBLES[out >> 3] = 1.0


def _reported(item: Item, result_type: int) -> list[Variable]:
    if result_type == _FREQUENCY_DOMAIN:
        return []
    found = list(item.variables.values())
    return [variable for variable in found if variable.place == "line"] if result_type == _RANGE_GRAPH else found


@export("C_EnumerateVars2W", ADDRESS, ADDRESS, INT, ADDRESS, ADDRESS)
def enumerate_variables(
    token: Token, handle: int, extra: int | None, result_type: int, callback: int | None, count: int | None
) -> None:
    item = item_of(token, handle)
    found = _reported(item, result_type)
    if count:
        INTS[count >> 2] = len(found)
    report = _VariableCallback(callback) if callback else None
    with Genuine(token):
        for variable in found if report else ():
            info = VariableInfo(
                ctypes.sizeof(VariableInfo), variable.id, variable.name, variable.units, variable.name, item.handle
            )
            if report:
                report(ctypes.addressof(info))


_FIELDS = {"water": (0,), "line": (1,), "body": (7,), "support": (10,), "": ()}


def _variable(number: int) -> Variable:
    if number not in VARIABLES:
        raise Refusal(StatusCode.INVALID_VARIABLE, f"Invalid variable number {number}.")
    return VARIABLES[number]


@export("C_GetObjectExtraFieldRequired", ADDRESS, INT, INT, ADDRESS)
def get_field_required(token: Token, handle: int, number: int, field: int, out: int) -> None:
    item_of(token, handle)
    INTS[out >> 2] = field in _FIELDS[_variable(number).place]


@export("C_GetRequiredObjectExtraFields", ADDRESS, INT, ADDRESS)
def get_required_fields(token: Token, handle: int, number: int, out: int) -> None:
    item_of(token, handle)
    INTS[out >> 2] = sum(1 << field for field in _FIELDS[_variable(number).place])


@export("C_GetLineResultPoints", ADDRESS, INT, ADDRESS)
def get_line_result_points(token: Token, handle: int, number: int, out: int) -> None:
    item_of(token, handle)
    INTS[out >> 2] = 2 if _variable(number).place == "line" else 0


@export("C_GetNodeArclengths", ADDRESS, ADDRESS, ADDRESS)
def get_node_arclengths(token: Token, handle: int, out: int | None, count: int | None) -> None:
    lengths = arc_lengths(_line(token, handle))
    if count:
        INTS[count >> 2] = len(lengths)
    if out:
        floats_at(out, len(lengths))[:] = lengths


@export("C_GetNearestNodeArclength", ADDRESS, REAL, ADDRESS)
def get_nearest_node(token: Token, handle: int, target: float, out: int) -> None:
    DOUBLES[out >> 3] = min(arc_lengths(_line(token, handle)), key=lambda length: abs(length - target))


def _line(token: Token, handle: int) -> Item:
    item = item_of(token, handle)
    if not any(variable.place == "line" for variable in item.variables.values()):
        raise Refusal(StatusCode.INVALID_PARAMETER, f"{item.name} is not a line.")
    return item


def arc_lengths(item: Item) -> list[float]:
    """Arc length of each node of a line, in m."""
    gaps = max(item.spec.nodes - 1, 1)
    return [item.spec.length_m * node / gaps for node in range(gaps + 1)]
