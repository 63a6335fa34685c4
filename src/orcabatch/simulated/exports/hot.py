"""The small exports that post-processing calls by the hundred thousand, written for speed.

Each does by hand what `base.export` does for the others: count, pay the call latency, check the thread, write the
status. Their default argument `n` is the slot that counts them.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any

from orcabatch.simulated.board import export_slot
from orcabatch.simulated.dataitems import DataItem, Kind, find, row_of
from orcabatch.simulated.exports.base import ADDRESS, HOT, INT, TEXT, bare, fail, misuse
from orcabatch.simulated.memory import DOUBLES, INTS, POINTERS, ObjectInfo
from orcabatch.simulated.periods import sample_total, samples_of
from orcabatch.simulated.status import Refusal, Status
from orcabatch.simulated.world import Item, Model, Token, local, world

_holders, _models = world.holders, world.models
_INFO = ctypes.c_char * ctypes.sizeof(ObjectInfo)
_TEXTS: dict[int, Any] = {}

VERSION = "11.6c"
_WIDE = ctypes.sizeof(ctypes.c_wchar)
_VERSION_BYTES = bytes(ctypes.create_unicode_buffer(VERSION, 16))[: 8 * _WIDE]
_VERSION_WORDS = [int.from_bytes(_VERSION_BYTES[at : at + 8], "little") for at in range(0, len(_VERSION_BYTES), 8)]


def _hot(name: str) -> int:
    HOT.add(name)
    return export_slot(name)


def _refuse(token: Token, handle: int | None, status: int, missing: Status = Status.OBJECT_HANDLE) -> None:
    fail(token, status, misuse(token, handle, missing))


def _unknown_data(holder: Item | Model, name: str | None) -> Refusal:
    return Refusal(Status.INVALID_DATA_NAME, f"Invalid data name: {name} (object {holder.name or 'model'}).")


def _wrong_type(item: DataItem) -> Refusal:
    return Refusal(Status.INVALID_DATA_TYPE, f"Invalid data type for data name {item.name}.")


def _text_type(length: int) -> Any:
    if length not in _TEXTS:
        _TEXTS[length] = ctypes.c_wchar * length
    return _TEXTS[length]


@bare("C_GetDataTypeW", ADDRESS, TEXT, ADDRESS, ADDRESS)
def get_data_type(handle: int, name: str, out: int, status: int, n: int = _hot("C_GetDataTypeW")) -> None:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    holder = _holders.get(handle)
    if holder is None or holder.model.owner is not token:
        return _refuse(token, handle, status)
    item = holder.schema.get(name) or find(holder.schema, name)
    if item is None:
        return fail(token, status, _unknown_data(holder, name))
    INTS[out >> 2] = item.kind
    INTS[status >> 2] = 0
    return None


@bare("C_DataRequiresIndexW", ADDRESS, TEXT, ADDRESS, ADDRESS)
def data_requires_index(handle: int, name: str, out: int, status: int, n: int = _hot("C_DataRequiresIndexW")) -> None:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    holder = _holders.get(handle)
    if holder is None or holder.model.owner is not token:
        return _refuse(token, handle, status)
    item = holder.schema.get(name) or find(holder.schema, name)
    if item is None:
        return fail(token, status, _unknown_data(holder, name))
    INTS[out >> 2] = item.indexed
    INTS[status >> 2] = 0
    return None


def _value(holder: Item | Model, name: str, index: int, wanted: tuple[Kind, ...]) -> Any:
    item = holder.schema.get(name) or find(holder.schema, name)
    if item is None:
        raise _unknown_data(holder, name)
    if item.kind not in wanted:
        raise _wrong_type(item)
    return row_of(holder, item, index)


_REAL, _WHOLE, _TEXT = (Kind.DOUBLE,), (Kind.INTEGER, Kind.BOOLEAN), (Kind.STRING,)


@bare("C_GetDataDoubleW", ADDRESS, TEXT, INT, ADDRESS, ADDRESS)
def get_data_double(
    handle: int, name: str, index: int, out: int, status: int, n: int = _hot("C_GetDataDoubleW")
) -> None:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    holder = _holders.get(handle)
    if holder is None or holder.model.owner is not token:
        return _refuse(token, handle, status)
    try:
        DOUBLES[out >> 3] = _value(holder, name, index, _REAL)
    except Refusal as refusal:
        return fail(token, status, refusal)
    INTS[status >> 2] = 0
    return None


@bare("C_GetDataIntegerW", ADDRESS, TEXT, INT, ADDRESS, ADDRESS)
def get_data_integer(
    handle: int, name: str, index: int, out: int, status: int, n: int = _hot("C_GetDataIntegerW")
) -> None:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    holder = _holders.get(handle)
    if holder is None or holder.model.owner is not token:
        return _refuse(token, handle, status)
    try:
        INTS[out >> 2] = _value(holder, name, index, _WHOLE)
    except Refusal as refusal:
        return fail(token, status, refusal)
    INTS[status >> 2] = 0
    return None


@bare("C_GetDataStringW", ADDRESS, TEXT, INT, ADDRESS, ADDRESS, returns=INT)
def get_data_string(
    handle: int, name: str, index: int, out: int | None, status: int, n: int = _hot("C_GetDataStringW")
) -> int:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    holder = _holders.get(handle)
    if holder is None or holder.model.owner is not token:
        _refuse(token, handle, status)
        return 0
    try:
        text = _value(holder, name, index, _TEXT)
    except Refusal as refusal:
        fail(token, status, refusal)
        return 0
    length = len(text) + 1
    if out:
        _text_type(length).from_address(out).value = text
    INTS[status >> 2] = 0
    return length


@bare("C_GetVarIDW", ADDRESS, TEXT, ADDRESS, ADDRESS)
def get_var_id(handle: int, name: str, out: int, status: int, n: int = _hot("C_GetVarIDW")) -> None:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    item = _holders.get(handle)
    if item is None or item.model.owner is not token or item.__class__ is Model:
        return _refuse(token, handle, status)
    variable = item.variables.get(name) or item.variables.get(name.lower())
    if variable is None:
        text = f"Unrecognised variable name: {name} (object {item.name})."
        return fail(token, status, Refusal(Status.UNRECOGNISED_VARIABLE_NAME, text))
    INTS[out >> 2] = variable.id
    INTS[status >> 2] = 0
    return None


@bare("C_ObjectCalledW", ADDRESS, TEXT, ADDRESS, ADDRESS)
def object_called(handle: int, name: str, out: int, status: int, n: int = _hot("C_ObjectCalledW")) -> None:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    model = _models.get(handle)
    if model is None or model.owner is not token:
        return _refuse(token, handle, status, Status.MODEL_HANDLE)
    item = model.by_name.get(name) or model.by_name.get(name.lower())
    if item is None:
        return fail(token, status, Refusal(Status.NO_SUCH_OBJECT, f"There is no object called '{name}' in the model."))
    _INFO.from_address(out).raw = item.info
    INTS[status >> 2] = 0
    return None


@bare("C_GetModelState", ADDRESS, ADDRESS, ADDRESS)
def get_model_state(handle: int, out: int, status: int, n: int = _hot("C_GetModelState")) -> None:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    model = _models.get(handle)
    if model is None or model.owner is not token:
        return _refuse(token, handle, status, Status.MODEL_HANDLE)
    INTS[out >> 2] = model.state
    INTS[status >> 2] = 0
    return None


@bare("C_GetObjectTypeFromHandle", ADDRESS, ADDRESS, ADDRESS)
def get_object_type(handle: int, out: int, status: int, n: int = _hot("C_GetObjectTypeFromHandle")) -> None:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    item = _holders.get(handle)
    if item is None or item.model.owner is not token:
        return _refuse(token, handle, status)
    INTS[out >> 2] = item.type
    INTS[status >> 2] = 0
    return None


@bare("C_GetModelHandle", ADDRESS, ADDRESS, ADDRESS)
def get_model_handle(handle: int, out: int, status: int, n: int = _hot("C_GetModelHandle")) -> None:
    token = local.token
    token.block[n] += 1
    item = _holders.get(handle)
    if item is None or item.model.owner is not token:
        return _refuse(token, handle, status)
    POINTERS[out >> 3] = item.model.handle
    INTS[status >> 2] = 0
    return None


@bare("C_GetNumOfSamples", ADDRESS, ADDRESS, ADDRESS, returns=INT)
def get_num_of_samples(handle: int, period: int, status: int, n: int = _hot("C_GetNumOfSamples")) -> int:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    model = _models.get(handle)
    if model is None or model.owner is not token:
        _refuse(token, handle, status, Status.MODEL_HANDLE)
        return 0
    try:
        at = samples_of(model, INTS[period >> 2], DOUBLES[(period + 8) >> 3], DOUBLES[(period + 16) >> 3])
    except Refusal as refusal:
        fail(token, status, refusal)
        return 0
    INTS[status >> 2] = 0
    return sample_total(at)


_TIME_DOMAIN, _GENERAL, _ENVIRONMENT, _NO_TIMES = 0, 3, 4, (13, 14)
_FLAGS = {0: 1, 1: 0, 2: 0, 10: 0, 11: 0, 12: 1, 15: 0, 16: 0}


@bare("C_GetModelProperty", ADDRESS, INT, ADDRESS, ADDRESS)
def get_model_property(handle: int, number: int, out: int, status: int, n: int = _hot("C_GetModelProperty")) -> None:
    token = local.token
    token.block[n] += 1
    if token.delay:
        time.sleep(token.delay)
    holder = _holders.get(handle)
    if holder is None or holder.model.owner is not token:
        return _refuse(token, handle, status, Status.MODEL_HANDLE)
    if number in _FLAGS:
        INTS[out >> 2] = _FLAGS[number]
    elif number == _GENERAL:
        POINTERS[out >> 3] = holder.model.general.handle
    elif number == _ENVIRONMENT:
        POINTERS[out >> 3] = holder.model.environment.handle
    elif number in _NO_TIMES:
        POINTERS[out >> 3] = POINTERS[(out + 8) >> 3] = 0
    else:
        return fail(token, status, Refusal(Status.INVALID_PARAMETER, f"Invalid model property {number}."))
    INTS[status >> 2] = 0
    return None


@bare("C_GetDLLVersionW", TEXT, ADDRESS, ADDRESS, ADDRESS)
def get_dll_version(required: str | None, out: int, ok: int, status: int, n: int = _hot("C_GetDLLVersionW")) -> None:
    local.token.block[n] += 1
    at = out >> 3
    for word in _VERSION_WORDS:
        POINTERS[at] = word
        at += 1
    INTS[ok >> 2] = required is None or _sorted_version(required) <= _OWN_VERSION
    INTS[status >> 2] = 0


_KNOWN_VERSIONS: dict[str, tuple[int, str]] = {}


def _sorted_version(text: str) -> tuple[int, str]:
    if text not in _KNOWN_VERSIONS:
        numbers = text.rstrip("abcdefghijklmnopqrstuvwxyz")
        major, _, minor = numbers.partition(".")
        _KNOWN_VERSIONS[text] = (int(major) * 100 + int(minor or 0), text[len(numbers) :])
    return _KNOWN_VERSIONS[text]


_OWN_VERSION = _sorted_version(VERSION)
