"""How an export is written: a Python function, its C types, and what happens around it.

`export` is for exports that do real work: it counts, pays the call latency, turns a `Refusal` into its status and text
(and any other exception into 20, so that nothing succeeds by accident), and times the simulator's own CPU exactly.
`bare` registers a function as it is; the small, frequent exports in `hot` look after themselves, and their own time is
known as calls times a calibrated cost (`calibration`).

Every function's C types are those of the ABI only: addresses (`ADDRESS`), ints, doubles, text; what the binding
declares is checked by the binding itself.
"""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Any

from orcabatch.simulated.counter_file import Slot, export_slot
from orcabatch.simulated.quirks import Quirk, has, owns
from orcabatch.simulated.status import Refusal, StatusCode
from orcabatch.simulated.structures import INTS
from orcabatch.simulated.world import Item, Model, Token, local, world

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS, INT, REAL, TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_double, ctypes.c_wchar_p
LONG = ctypes.c_int64

FUNCTIONS: dict[str, Any] = {}
"""Function pointers by export name; the binding sets its own argument types on them."""
PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...], Callable[..., Any]]] = {}
"""Return type, argument types and Python function of each."""
_OWN, _VIOLATIONS = int(Slot.OWN_NS), int(Slot.AFFINITY_VIOLATIONS)

_NOT_THERE = (StatusCode.FILE_NOT_FOUND, StatusCode.NO_SUCH_OBJECT, StatusCode.UNRECOGNISED_VARIABLE_NAME)

AFFINITY_TEXT = (
    "Thread affinity error: the model belongs to another thread. A model may only be used by the thread that created "
    "it, or by one that AttachToThread has moved it to."
)


def _register(name: str, returns: Any, types: tuple[Any, ...], function: Callable[..., Any]) -> None:
    FUNCTIONS[name] = ctypes.CFUNCTYPE(returns, *types)(function)
    PROTOTYPES[name] = (returns, types, function)
    export_slot(name)


def bare(name: str, *types: Any, returns: Any = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the function as the export `name`, with nothing around it."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        _register(name, returns, types, function)
        return function

    return register


def export(name: str, *types: Any, returns: Any = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register `function(token, *arguments)` as the export `name`, whose last C argument is the status."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        slot, nothing = export_slot(name), None if returns is None else 0

        def call(*arguments: Any) -> Any:
            token = local.token
            token.block[slot] += 1
            begin, outer = time.thread_time_ns(), token.genuine_ns
            token.genuine_ns = 0
            if token.delay:
                time.sleep(token.delay)
            result, status = nothing, arguments[-1]
            try:
                result = function(token, *arguments[:-1])
                INTS[status >> 2] = 0
            except Exception as error:  # noqa: BLE001 - at the DLL's border: one that passed would look like success
                failed(token, status, error)
            token.block[_OWN] += time.thread_time_ns() - begin - token.genuine_ns
            token.genuine_ns = outer
            return result

        _register(name, returns, (*types, ADDRESS), call)
        return function

    return register


class Genuine:
    """`with Genuine(token, slot):` the CPU used inside is not the simulator's own; it is added to `slot` (or not)."""

    __slots__ = ("_begin", "_slot", "_token")

    def __init__(self, token: Token, slot: int | None = None) -> None:
        self._token, self._slot = token, slot

    def __enter__(self) -> None:
        self._begin = time.thread_time_ns()

    def __exit__(self, *_: object) -> None:
        spent = time.thread_time_ns() - self._begin
        self._token.genuine_ns += spent
        if self._slot is not None:
            self._token.block[self._slot] += spent
            world.unlocked_ns += spent  # declared costs and reading: neither holds the GIL


def misuse(token: Token, handle: int | None, missing: StatusCode) -> Refusal:
    """Why the calling thread may not use this handle: it is unknown, or another thread's (which is counted)."""
    if handle is None or (handle not in world.holders and handle not in world.models):
        what = "model" if missing == StatusCode.MODEL_HANDLE else "object"
        return Refusal(missing, f"Invalid {what} handle.")
    token.block[_VIOLATIONS] += 1
    return Refusal(StatusCode.THREAD_AFFINITY, AFFINITY_TEXT)


def failed(token: Token, status: int, error: Exception) -> None:
    """Write the status of what went wrong at the address `status`, and keep its text: 20 unless it is a Refusal."""
    if isinstance(error, Refusal):
        token.last_error, code = error.text, error.status
        if code in _NOT_THERE and has(Quirk.OTHER_STATUSES):
            code = int(StatusCode.UNEXPECTED)
    else:
        token.last_error, code = f"Unexpected error: {type(error).__name__}: {error}", int(StatusCode.UNEXPECTED)
    INTS[status >> 2] = code


def model_of(token: Token, handle: int | None) -> Model:
    """The model with this handle; Refusal 3 or 68."""
    model = world.models.get(handle)  # type: ignore[arg-type]
    if model is None or not owns(model, token, Quirk.FOREIGN_CALLS):
        raise misuse(token, handle if model else None, StatusCode.MODEL_HANDLE)
    return model


def item_of(token: Token, handle: int | None) -> Item:
    """The object with this handle; Refusal 4 or 68."""
    item = world.holders.get(handle)  # type: ignore[arg-type]
    if item is None or item.model.owner is not token or not isinstance(item, Item):
        raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
    return item


def holder_of(token: Token, handle: int | None) -> Item | Model:
    """The object or model with this handle; Refusal 4 or 68."""
    holder = world.holders.get(handle)  # type: ignore[arg-type]
    if holder is None or holder.model.owner is not token:
        raise misuse(token, handle, StatusCode.OBJECT_HANDLE)
    return holder
