"""The small exports that post-processing calls by the hundred thousand, written for speed.

Each does by hand what `base.export` does for the others: count, pay the call latency, check the thread, write the
status; `failed` turns whatever goes wrong into a status. Their default argument `n` is the slot that counts them. How
much of a call is the simulator's own is known from `calibration`, not measured in each call.
"""
# ruff: noqa: D103, PLR0913, PLR0917, BLE001 - names and arguments are OrcFxAPI's; at the border of the DLL an exception
# that passed would look like success.

from __future__ import annotations

import ctypes
import time
from typing import Any

from orcabatch.simulated.counter_file import export_slot
from orcabatch.simulated.dataitems import DataItem, DataType, find, row_of
from orcabatch.simulated.exports.base import ADDRESS, INT, TEXT, bare, failed, misuse
from orcabatch.simulated.exports.wanted import sample_total, samples_of
from orcabatch.simulated.quirks import Quirk, has, numbered
from orcabatch.simulated.status import Refusal, StatusCode
from orcabatch.simulated.structures import DOUBLES, INTS, POINTERS, ObjectInfo
from orcabatch.simulated.world import Model, local, world

_holders, _models = world.holders, world.models
_INFO = ctypes.c_char * ctypes.sizeof(ObjectInfo)
_TEXTS: dict[int, Any] = {}
_DOUBLE, _STRING = int(DataType.DOUBLE), int(DataType.STRING)
_WHOLE_NUMBERS = (int(DataType.INTEGER), int(DataType.BOOLEAN))

VERSION = "11.6c"
_WIDE = ctypes.sizeof(ctypes.c_wchar)
_VERSION_BYTES = bytes(ctypes.create_unicode_buffer(VERSION, 16))[: 8 * _WIDE]
_VERSION_WORDS = [int.from_bytes(_VERSION_BYTES[at : at + 8], "little") for at in range(0, len(_VERSION_BYTES), 8)]


def _text_type(length: int) -> Any:
    return _TEXTS.setdefault(length, ctypes.c_wchar * length)


def _misspelt(name: str, own: str) -> bool:
    return name != own and has(Quirk.CASE_MATTERS)


def _wrong_kind(item: DataItem) -> Refusal:
    return Refusal(StatusCode.INVALID_DATA_TYPE, f"Invalid data type for data name {item.name}.")


@bare("C_GetDataTypeW", ADDRESS, TEXT, ADDRESS, ADDRESS)
def get_data_type(handle: int, name: str, out: int, status: int, n: int = export_slot("C_GetDataTypeW")) -> None:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        holder = _holders.get(handle)
        if holder is None or holder.model.owner is not token:
            raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
        item = holder.schema.get(name) or find(holder.schema, name)
        INTS[out >> 2] = item.kind
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)


@bare("C_DataRequiresIndexW", ADDRESS, TEXT, ADDRESS, ADDRESS)
def data_requires_index(
    handle: int, name: str, out: int, status: int, n: int = export_slot("C_DataRequiresIndexW")
) -> None:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        holder = _holders.get(handle)
        if holder is None or holder.model.owner is not token:
            raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
        item = holder.schema.get(name) or find(holder.schema, name)
        INTS[out >> 2] = item.indexed
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)


@bare("C_GetDataDoubleW", ADDRESS, TEXT, INT, ADDRESS, ADDRESS)
def get_data_double(
    handle: int, name: str, index: int, out: int, status: int, n: int = export_slot("C_GetDataDoubleW")
) -> None:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        holder = _holders.get(handle)
        if holder is None or holder.model.owner is not token:
            raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
        item = holder.schema.get(name) or find(holder.schema, name)
        if item.kind != _DOUBLE:
            raise _wrong_kind(item)
        DOUBLES[out >> 3] = row_of(holder, item, index)
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)


@bare("C_GetDataIntegerW", ADDRESS, TEXT, INT, ADDRESS, ADDRESS)
def get_data_integer(
    handle: int, name: str, index: int, out: int, status: int, n: int = export_slot("C_GetDataIntegerW")
) -> None:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        holder = _holders.get(handle)
        if holder is None or holder.model.owner is not token:
            raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
        item = holder.schema.get(name) or find(holder.schema, name)
        if item.kind not in _WHOLE_NUMBERS:
            raise _wrong_kind(item)
        INTS[out >> 2] = row_of(holder, item, index)
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)


@bare("C_GetDataStringW", ADDRESS, TEXT, INT, ADDRESS, ADDRESS, returns=INT)
def get_data_string(
    handle: int, name: str, index: int, out: int | None, status: int, n: int = export_slot("C_GetDataStringW")
) -> int:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        holder = _holders.get(handle)
        if holder is None or holder.model.owner is not token:
            raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
        item = holder.schema.get(name) or find(holder.schema, name)
        if item.kind != _STRING:
            raise _wrong_kind(item)
        text = row_of(holder, item, index)
        result = len(text) + 1
        if out:
            (_TEXTS.get(result) or _text_type(result)).from_address(out).value = text
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)
        return 0
    return result


@bare("C_GetVarIDW", ADDRESS, TEXT, ADDRESS, ADDRESS)
def get_var_id(handle: int, name: str, out: int, status: int, n: int = export_slot("C_GetVarIDW")) -> None:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        holder = _holders.get(handle)
        if holder is None or holder.model.owner is not token:
            raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
        variables = holder.variables
        variable = variables.get(name) or variables.get(name.lower())
        if variable is None or (world.costs.quirks and _misspelt(name, variable.name)):
            raise Refusal(
                StatusCode.UNRECOGNISED_VARIABLE_NAME, f"Unrecognised variable name: {name} (object {holder.name})."
            )
        INTS[out >> 2] = numbered(holder, variable.id) if world.costs.quirks else variable.id
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)


@bare("C_ObjectCalledW", ADDRESS, TEXT, ADDRESS, ADDRESS)
def object_called(handle: int, name: str, out: int, status: int, n: int = export_slot("C_ObjectCalledW")) -> None:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        model = _models.get(handle)
        if model is None or model.owner is not token:
            raise misuse(token, handle, StatusCode.MODEL_HANDLE)
        item = model.by_name.get(name) or model.by_name.get(name.lower())
        if item is None or (world.costs.quirks and _misspelt(name, item.name)):
            raise Refusal(StatusCode.NO_SUCH_OBJECT, f"There is no object called '{name}' in the model.")
        _INFO.from_address(out).raw = item.info
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)


@bare("C_GetModelState", ADDRESS, ADDRESS, ADDRESS)
def get_model_state(handle: int, out: int, status: int, n: int = export_slot("C_GetModelState")) -> None:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        model = _models.get(handle)
        if model is None or model.owner is not token:
            raise misuse(token, handle, StatusCode.MODEL_HANDLE)
        INTS[out >> 2] = model.state
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)


@bare("C_GetObjectTypeFromHandle", ADDRESS, ADDRESS, ADDRESS)
def get_object_type(handle: int, out: int, status: int, n: int = export_slot("C_GetObjectTypeFromHandle")) -> None:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        holder = _holders.get(handle)
        if holder is None or holder.model.owner is not token:
            raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
        INTS[out >> 2] = holder.type
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)


@bare("C_GetModelHandle", ADDRESS, ADDRESS, ADDRESS)
def get_model_handle(handle: int, out: int, status: int, n: int = export_slot("C_GetModelHandle")) -> None:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        holder = _holders.get(handle)
        if holder is None or holder.model.owner is not token:
            raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
        POINTERS[out >> 3] = holder.model.handle
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)


@bare("C_GetNumOfSamples", ADDRESS, ADDRESS, ADDRESS, returns=INT)
def get_number_of_samples(handle: int, period: int, status: int, n: int = export_slot("C_GetNumOfSamples")) -> int:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        model = _models.get(handle)
        if model is None or model.owner is not token:
            raise misuse(token, handle, StatusCode.MODEL_HANDLE)
        at = samples_of(model, INTS[period >> 2], DOUBLES[(period + 8) >> 3], DOUBLES[(period + 16) >> 3])
        result = sample_total(at)
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)
        return 0
    return result


_GENERAL, _ENVIRONMENT = 3, 4
_FLAGS = {0: 1, 1: 0, 2: 0, 10: 0, 11: 0, 12: 1, 15: 0, 16: 0}
_NO_TIMES = (13, 14)


def _write_property(model: Model, number: int, out: int) -> None:
    """Flags (0: time domain), handles of General and Environment, and restart times, of which there are none."""
    if number == _GENERAL:
        POINTERS[out >> 3] = model.general.handle
    elif number == _ENVIRONMENT:
        POINTERS[out >> 3] = model.environment.handle
    elif number in _NO_TIMES:
        POINTERS[out >> 3] = POINTERS[(out + 8) >> 3] = 0
    else:
        raise Refusal(StatusCode.INVALID_PARAMETER, f"Invalid model property {number}.")


@bare("C_GetModelProperty", ADDRESS, INT, ADDRESS, ADDRESS)
def get_model_property(
    handle: int, number: int, out: int, status: int, n: int = export_slot("C_GetModelProperty")
) -> None:
    token = local.token
    token.block[n] += 1
    try:
        if token.delay:
            time.sleep(token.delay)
        holder = _holders.get(handle)
        if holder is None or holder.model.owner is not token:
            raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
        if number in _FLAGS:
            INTS[out >> 2] = _FLAGS[number]
        else:
            _write_property(holder.model, number, out)
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)


_KNOWN_VERSIONS: dict[str, tuple[int, str]] = {}


def _sorted_version(text: str) -> tuple[int, str]:
    if text not in _KNOWN_VERSIONS:
        numbers = text.rstrip("abcdefghijklmnopqrstuvwxyz")
        major, _, minor = numbers.partition(".")
        _KNOWN_VERSIONS[text] = (int(major) * 100 + int(minor or 0), text[len(numbers) :])
    return _KNOWN_VERSIONS[text]


_OWN_VERSION = _sorted_version(VERSION)


@bare("C_GetDLLVersionW", TEXT, ADDRESS, ADDRESS, ADDRESS)
def get_dll_version(
    required: str | None, out: int, ok: int, status: int, n: int = export_slot("C_GetDLLVersionW")
) -> None:
    token = local.token
    token.block[n] += 1
    try:
        at = out >> 3
        for word in _VERSION_WORDS:
            POINTERS[at] = word
            at += 1
        INTS[ok >> 2] = required is None or _sorted_version(required) <= _OWN_VERSION
        INTS[status >> 2] = 0
    except Exception as error:
        failed(token, status, error)
