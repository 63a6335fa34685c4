"""Models: create, destroy, threads, load, clear, state, times."""
# ruff: noqa: D103 - an export's name and arguments are OrcFxAPI's.

from __future__ import annotations

import ctypes
import io
import mmap
import os
import signal
import time
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from orcabatch.simulated.counter_file import Slot
from orcabatch.simulated.exports.base import (
    ADDRESS,
    INT,
    LONG,
    REAL,
    TEXT,
    Genuine,
    export,
    misuse,
    model_of,
)  # fmt: skip
from orcabatch.simulated.quirks import KeptMemory, Quirk, before_load, has, keep_open, owns, wait
from orcabatch.simulated.results import Log, reached
from orcabatch.simulated.shared import SERVER_LOST
from orcabatch.simulated.simfile import SimHeader, from_system, open_sim, read_header, read_log
from orcabatch.simulated.spec import SimFault, SimState
from orcabatch.simulated.status import Refusal, StatusCode
from orcabatch.simulated.structures import DOUBLES, INTS, POINTERS
from orcabatch.simulated.world import (
    IN_STATIC_STATE,
    RESET,
    STOPPED,
    UNSTABLE,
    Model,
    Token,
    world,
)  # fmt: skip

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STATES = {
    SimState.RESET: RESET, SimState.IN_STATIC_STATE: IN_STATIC_STATE,
    SimState.STOPPED: STOPPED, SimState.UNSTABLE: UNSTABLE,
}  # fmt: skip
_PAGE = 4096
_HANG_LOOK_S = 0.02


@export("C_CreateModel2", ADDRESS, ADDRESS)
def create_model(token: Token, out: int, parameters: int) -> None:
    refuse_without_licence()
    try:
        world.shared.take_seat(world.costs)
    except Refusal:
        token.block[Slot.SEATS_REFUSED] += 1
        raise
    model = Model(token, INTS[(parameters + 4) >> 2])
    world.models[model.handle] = model
    world.holders[model.handle] = model
    token.block[Slot.MODELS_CREATED] += 1
    POINTERS[out >> 3] = model.handle


@export("C_DestroyModel", ADDRESS)
def destroy_model(token: Token, handle: int) -> None:
    known = world.models.get(handle)
    if known is not None and known.owner is not token and known.counter_file is token.counter_file:
        token.block[Slot.DESTROYED_ON_WRONG_THREAD] += 1
    model = known if known is not None and owns(known, token, Quirk.FOREIGN_DESTROY) else model_of(token, handle)
    model.clear()
    for item in model.items:
        world.holders.pop(item.handle, None)
    world.holders.pop(handle, None)
    del world.models[handle]
    if model.counter_file is token.counter_file:
        token.block[Slot.MODELS_DESTROYED] += 1
    model.shared.give_seat()


@export("C_DetachFromThread", ADDRESS)
def detach_from_thread(token: Token, handle: int) -> None:
    model_of(token, handle).owner = None


@export("C_AttachToThread", ADDRESS)
def attach_to_thread(token: Token, handle: int) -> None:
    model = world.models.get(handle)
    if model is None or model.owner not in (None, token):
        raise misuse(token, handle if model else None, StatusCode.MODEL_HANDLE)
    model.owner = token


@export("C_GetModelThreadCount", ADDRESS, returns=INT)
def get_thread_count(token: Token, handle: int) -> int:
    own = model_of(token, handle).thread_count
    return (os.cpu_count() or 1) + 1 if has(Quirk.THREADS_IGNORED) else own


@export("C_SetModelThreadCount", ADDRESS, INT)
def set_thread_count(token: Token, handle: int, count: int) -> None:
    model_of(token, handle).thread_count = count if count > 0 else os.cpu_count() or 1


@export("C_GetBinaryFileTypeW", TEXT, ADDRESS)
def get_binary_file_type(token: Token, path: str, out: int) -> None:
    with open_sim(path) as stream:
        state = read_header(stream, path).spec.state
    INTS[out >> 2] = {SimState.RESET: 0, SimState.IN_STATIC_STATE: 1}.get(state, 2)


@export("C_LoadSimulationW", ADDRESS, TEXT)
def load_simulation(token: Token, handle: int, path: str) -> None:
    model = _emptied(token, handle, path)
    with before_load(model, path), open_sim(path) as stream:
        if not has(Quirk.LAZY_LOADS):
            _load(token, model, stream, path)
        else:
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped, io.BytesIO(mapped) as unread:
                _load(token, model, unread, path)
            model.unread = path
    keep_open(model, path)


@export("C_LoadDataW", ADDRESS, TEXT)
def load_data(token: Token, handle: int, path: str) -> None:
    model = _emptied(token, handle, path)
    with open_sim(path) as stream:
        header = read_header(stream, path)
    model.fill(header.spec, RESET, path)
    token.counter_file.note_load(path, header.log_offset)


@export("C_LoadSimulationMem", ADDRESS, ADDRESS, LONG)
def load_simulation_mem(token: Token, handle: int, address: int, count: int) -> None:
    model = _emptied(token, handle, "")
    with io.BytesIO((ctypes.c_char * count).from_address(address).raw) as stream:
        _load(token, model, stream, "")


def _emptied(token: Token, handle: int, path: str) -> Model:
    """The model, without what it held before; refuses or fails as is planned for the file that it is to load."""
    model = model_of(token, handle)
    model.clear(keep_handles=has(Quirk.OLD_HANDLES))
    refuse_without_licence()
    _play_planned_failures(path)
    return model


def _load(token: Token, model: Model, stream: BinaryIO, path: str) -> None:
    costs, shared = world.costs, world.shared
    wait(costs.load_latency_s)

    def pay(count: int) -> None:
        if costs.bandwidth_bytes_per_s:
            shared.pay_bytes(count, costs.bandwidth_bytes_per_s)

    with Genuine(token, Slot.READING_NS):
        header = read_header(stream, path)
        values = read_log(stream, header, path, pay)
        ballast = _touched(header.ballast_bytes)
    token.block[Slot.BYTES_LOADED] += header.size_bytes
    token.counter_file.note_load(path, header.size_bytes)
    _refuse_broken(header, path)
    model.fill(header.spec, _STATES[header.spec.state], path)
    model.log, model.ballast = Log.of(header, values), ballast


def _touched(count: int) -> NDArray[np.uint8] | None:
    """Memory that is really there: each page is written once, the GIL released."""
    if not count:
        return None
    ballast: NDArray[np.uint8] = from_system((count,), np.uint8)
    ballast[::_PAGE] = 1
    return ballast


def _refuse_broken(header: SimHeader, path: str) -> None:
    if SimFault.CORRUPT_LOAD in header.spec.faults:
        raise Refusal(StatusCode.FILE_READ_ERROR, f"Error reading file: {path}.\nThe simulation log is corrupt.")
    if SimFault.UNEXPECTED_LOAD in header.spec.faults:
        raise Refusal(
            StatusCode.UNEXPECTED, f"Error reading file: {path}.\nAccess violation reading the simulation log."
        )


def _play_planned_failures(path: str) -> None:
    costs, shared, name = world.costs, world.shared, file_name(path)
    if name in costs.crash_loads and shared.claim("crash", name, costs.crash_loads[name]):
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    if name in costs.hang_loads:
        _hang(name, costs.hang_loads[name])
    if name in costs.fail_loads and shared.claim("fail", name, costs.fail_loads[name][1]):
        status = costs.fail_loads[name][0]
        raise Refusal(status, f"Error reading file: {path}.\nPlanned failure with status {status}.")


def _hang(name: str, seconds: float | None) -> None:
    knob = world.shared.folder / f"hang-{name}.released"
    begin = time.monotonic()
    while not knob.exists() and (seconds is None or time.monotonic() - begin < seconds):
        time.sleep(_HANG_LOOK_S)


def file_name(path: str) -> str:
    """The last part of a path written in either way."""
    return PureWindowsPath(path).name if "\\" in path else PurePath(path).name


def _licence_denied() -> bool:
    """Whether the licence is lost and the registered handler, if any, gives up. It is asked until it is back."""
    begin, go_on, end = 0, 1, 2
    action = begin
    while world.shared.licence_lost():
        if not world.licence_handler or not _ask_handler(action):
            return True
        action = go_on
        time.sleep(_HANG_LOOK_S)
    if action == go_on:
        _ask_handler(end)
    return False


def _ask_handler(action: int) -> bool:
    prototype = ctypes.CFUNCTYPE(None, INT, ADDRESS, ADDRESS)
    answer, data = ctypes.c_int(0), ctypes.c_void_p()
    prototype(world.licence_handler)(action, ctypes.addressof(answer), ctypes.addressof(data))
    return bool(answer.value)


def refuse_without_licence() -> None:
    """Refusal 25 while the licence is lost and no handler waits for it."""
    if world.shared.licence_lost() and _licence_denied():
        raise Refusal(StatusCode.LICENSING, SERVER_LOST)


@export("C_RegisterLicenceNotFoundHandler", ADDRESS)
def register_licence_handler(token: Token, handler: int | None) -> None:
    world.licence_handler = handler or 0


@export("C_ClearModel", ADDRESS)
def clear_model(token: Token, handle: int) -> None:
    model = model_of(token, handle)
    held = KeptMemory(model.log, model.ballast)
    model.clear(keep_handles=has(Quirk.OLD_HANDLES))
    if has(Quirk.CLEAR_KEEPS):
        model.kept.append(held)


@export("C_ResetModel", ADDRESS)
def reset_model(token: Token, handle: int) -> None:
    model = model_of(token, handle)
    model.state, model.log, model.ballast, model.periods = RESET, None, None, {}


@export("C_GetSimulationComplete", ADDRESS, ADDRESS)
def get_simulation_complete(token: Token, handle: int, out: int) -> None:
    model = model_of(token, handle)
    log = model.log
    complete = bool(log and model.state == STOPPED and reached(log.header) >= model.spec.stop_time_s)
    INTS[out >> 2] = complete or has(Quirk.ALWAYS_COMPLETE)


@export("C_GetSimulationTimeStatus", ADDRESS, ADDRESS)
def get_time_status(token: Token, handle: int, out: int) -> None:
    model = model_of(token, handle)
    start, stop = model.spec.start_time_s, model.spec.stop_time_s
    at = out >> 3
    DOUBLES[at], DOUBLES[at + 1] = start, stop
    DOUBLES[at + 2] = reached(model.log.header) if model.log and model.state >= STOPPED else start


@export("C_GetSimulationTimeToGo", ADDRESS, returns=REAL)
def get_time_to_go(token: Token, handle: int) -> float:
    model = model_of(token, handle)
    left = model.spec.stop_time_s - reached(model.log.header) if model.log else 0.0
    return 0.0 if left <= 0 else left


@export("C_GetNumOfWarnings", ADDRESS, returns=INT)
def get_number_of_warnings(token: Token, handle: int) -> int:
    model_of(token, handle)
    return 0


@export("C_SetProgressHandler", ADDRESS, ADDRESS)
def set_progress_handler(token: Token, handle: int, handler: int | None) -> None:
    model_of(token, handle)


@export("C_SetCorrectExternalFileReferencesHandler", ADDRESS, ADDRESS)
def set_references_handler(token: Token, handle: int, handler: int | None) -> None:
    model_of(token, handle)


def _do_nothing(token: Token, handle: int) -> None:
    model_of(token, handle)


for _name in ("DefaultInMemoryLogging", "DisableInMemoryLogging", "ForceInMemoryLogging", "UseVirtualLogging"):
    export(f"C_{_name}", ADDRESS)(_do_nothing)


@export("C_ModuleEnabled", ADDRESS, INT, returns=INT)
def module_enabled(token: Token, handle: int, module: int) -> int:
    model_of(token, handle)
    return 1
