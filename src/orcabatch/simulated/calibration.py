"""What a small export costs here: the simulator's own part of a call, measured, beyond what a native DLL would cost.

`own_cost_s()` gives it by export name in seconds per call: the time through ctypes into the Python function and back,
less the time through ctypes into a native function (memmove of nothing). `python -m orcabatch.simulated.calibration`
prints the table.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import time
from typing import TYPE_CHECKING, Any

from orcabatch.simulated.exports.base import ADDRESS, INT, PROTOTYPES, TEXT
from orcabatch.simulated.exports.wanted import STATIC_STATE
from orcabatch.simulated.spec import SimSpec, mooring_objects
from orcabatch.simulated.structures import ObjectInfo, Period
from orcabatch.simulated.world import IN_STATIC_STATE, Model, local, world

if TYPE_CHECKING:
    from collections.abc import Callable

ANY = "any other export"
_LOOPS, _REPEATS = 400, 9


def _timed(call: Callable[..., Any], arguments: tuple[Any, ...]) -> float:
    best = 1.0
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        for _ in range(_LOOPS):
            call(*arguments)
        best = min(best, time.perf_counter() - begin)
    return best / _LOOPS


def native_call_s() -> float:
    """Seconds of one ctypes call with four arguments into a native function, the GIL released."""
    address = ctypes.cast(ctypes.memmove, ADDRESS).value
    native = ctypes.CFUNCTYPE(ADDRESS, ADDRESS, ADDRESS, ctypes.c_size_t, ADDRESS)(address or 0)
    status = INT()
    return _timed(native, (None, None, 0, ctypes.byref(status)))


def empty_callback_s() -> float:
    """Seconds of one ctypes call with four arguments into a Python function that does nothing."""
    empty = ctypes.CFUNCTYPE(None, ADDRESS, TEXT, ADDRESS, ADDRESS)(lambda a, b, c, d: None)
    out, status = INT(), INT()
    return _timed(empty, (16, "Name", ctypes.byref(out), ctypes.byref(status)))


def _arguments(model: Model) -> dict[str, tuple[Any, ...]]:
    line, handle = model.by_name["line01"].handle, model.handle
    status, number, real, pointer = INT(), INT(), ctypes.c_double(), ctypes.c_void_p()
    text = (ctypes.c_wchar * 64)()
    return {
        "C_GetDataTypeW": (line, "Name", number, status),
        "C_DataRequiresIndexW": (line, "Name", number, status),
        "C_GetDataStringW": (line, "Name", 0, text, status),
        "C_GetDataDoubleW": (model.environment.handle, "WaveHs", 0, real, status),
        "C_GetDataIntegerW": (model.general.handle, "StageCount", 0, number, status),
        "C_GetVarIDW": (line, "Effective tension", number, status),
        "C_ObjectCalledW": (handle, "Line01", ObjectInfo(), status),
        "C_GetModelState": (handle, number, status),
        "C_GetObjectTypeFromHandle": (line, number, status),
        "C_GetModelHandle": (line, pointer, status),
        "C_GetNumOfSamples": (handle, Period(STATIC_STATE, 0, 0.0, 0.0), status),
        "C_GetModelProperty": (handle, 0, number, status),
        "C_GetDLLVersionW": ("10.0a", text, number, status),
    }


def _by_reference(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    plain = (str, int, float)
    return tuple(each if isinstance(each, plain) else ctypes.byref(each) for each in arguments)


@functools.cache
def own_cost_s() -> dict[str, float]:
    """Seconds per call that are the simulator's own, by export; `ANY` stands for every export not in it.

    The other exports measure what they do themselves; what is left is the way in and out.
    """
    native, token = native_call_s(), local.token
    before = bytes(token.block)
    model = Model(token, 1)
    model.fill(SimSpec(objects=mooring_objects()), IN_STATIC_STATE, "")
    world.models[model.handle] = world.holders[model.handle] = model
    try:
        timed = {ANY: empty_callback_s()} | {
            name: _timed_export(name, each) for name, each in _arguments(model).items()
        }
        return {name: max(seconds - native, 0.0) for name, seconds in timed.items()}
    finally:
        model.clear()
        for handle in (model.handle, model.general.handle, model.environment.handle):
            world.holders.pop(handle, None)
        del world.models[model.handle]
        ctypes.memmove(token.block, before, len(before))


def _timed_export(name: str, arguments: tuple[Any, ...]) -> float:
    returns, types, function = PROTOTYPES[name]
    return _timed(ctypes.CFUNCTYPE(returns, *types)(function), _by_reference(arguments))


def main() -> None:
    """Print the table."""
    rows = {"native call": native_call_s(), "empty callback": empty_callback_s(), **own_cost_s()}
    for name, seconds in rows.items():
        note = "beyond native" if name in own_cost_s() else ""
        sys.stdout.write(f"{name:34} {seconds * 1e6:6.2f} us {note}\n")


if __name__ == "__main__":
    main()
