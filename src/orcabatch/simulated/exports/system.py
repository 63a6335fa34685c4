"""What belongs to no model: the last error, special numbers, buffers, file versions; and everything that is missing."""
# ruff: noqa: D103 - an export's name and arguments are OrcFxAPI's.

from __future__ import annotations

import ctypes
from typing import Any

from orcabatch.simulated.counter_file import export_slot
from orcabatch.simulated.exports.base import ADDRESS, INT, LONG, REAL, TEXT, bare, export
from orcabatch.simulated.exports.hot import VERSION
from orcabatch.simulated.simfile import open_sim, read_header
from orcabatch.simulated.status import StatusCode
from orcabatch.simulated.structures import INTS, write_text
from orcabatch.simulated.world import Token, local, world

_SPECIAL_REALS = {
    "OrcinaDefaultReal": 1.0e307, "OrcinaDittoReal": 1.1e307, "OrcinaInfinity": 1.0e308,
    "OrcinaUndefinedReal": -1.0e307, "OrcinaNullReal": -1.1e307,
}  # fmt: skip
_BUILD_DATE = 1_735_689_600


@bare("C_GetLastErrorStringW", ADDRESS, returns=INT)
def get_last_error(out: int | None) -> int:
    return write_text(out, local.token.last_error)


@bare("C_GetDLLBuildDate", returns=ctypes.c_uint32)
def get_build_date() -> int:
    return _BUILD_DATE


def _constant(value: float) -> Any:
    return lambda: value


for _name, _value in _SPECIAL_REALS.items():
    bare(_name, returns=REAL)(_constant(_value))


@export("C_GetFileCreatorVersionW", TEXT, ADDRESS, returns=INT)
def get_file_creator_version(token: Token, path: str, out: int | None) -> int:
    with open_sim(path) as stream:
        read_header(stream, path)
    return write_text(out, VERSION)


@export("C_CopyBuffer", ADDRESS, ADDRESS, LONG)
def copy_buffer(token: Token, handle: int | None, target: int | None, count: int) -> None:
    data = world.others.get(handle or 0, b"")
    if target and count:
        (ctypes.c_char * count).from_address(target).raw = bytes(data)[:count].ljust(count, b"\0")


@export("C_FreeBuffer", ADDRESS)
def free_buffer(token: Token, handle: int | None) -> None:
    world.others.pop(handle or 0, None)


class Missing:
    """An export the simulation does not have: any call answers 47 through a real function pointer of its own types.

    The pointer can only be made once the binding has said what the export's argument types are.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self.restype: Any = None
        self._slot = export_slot(name)
        self._pointer: Any = None

    @property
    def argtypes(self) -> tuple[Any, ...]:
        """The types the binding declared."""
        return tuple(self._pointer.argtypes) if self._pointer else ()

    @argtypes.setter
    def argtypes(self, types: tuple[Any, ...]) -> None:
        plain = [kind if kind in (INT, REAL, LONG, ctypes.c_uint32) else ADDRESS for kind in types]
        returns = self.restype
        self._pointer = ctypes.CFUNCTYPE(returns, *plain)(self._answer)
        self._pointer.argtypes = types

    def _answer(self, *arguments: Any) -> Any:
        token = local.token
        token.block[self._slot] += 1
        token.last_error = f"Function not available: {self.__name__} is not part of the simulated OrcaFlex."
        if arguments and arguments[-1]:
            INTS[arguments[-1] >> 2] = int(StatusCode.FUNCTION_NOT_AVAILABLE)
        return 0 if self.restype is not None else None

    def __call__(self, *arguments: Any) -> Any:
        """47."""
        return self._pointer(*arguments)
