"""Writing into memory the caller owns, as a DLL does, at the smallest price Python can pay.

`INTS`, `DOUBLES` and `POINTERS` are ctypes arrays that begin at address 0, so `INTS[address >> 2] = 5` stores a C int
at an (aligned) address without creating an object. Structures mirror the memory layout OrcFxAPI uses (packed).
An address of 0 (None when ctypes passes it) is never written.
"""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_int, c_void_p, c_wchar
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

INTS = (c_int * (1 << 45)).from_address(0)
DOUBLES = (c_double * (1 << 44)).from_address(0)
POINTERS = (ctypes.c_uint64 * (1 << 44)).from_address(0)

NAME_CHARACTERS = 50


class ObjectInfo(ctypes.Structure):
    """What C_EnumerateObjectsW and C_ObjectCalledW report of one object."""

    _pack_ = 1
    _fields_ = (("handle", c_void_p), ("type", c_int), ("name", c_wchar * NAME_CHARACTERS))


class Period(ctypes.Structure):
    """A period of simulation time: a number, or from and to in seconds."""

    _pack_ = 1
    _fields_ = (("number", c_int), ("unused", c_int), ("start", c_double), ("stop", c_double))


class ObjectExtra(ctypes.Structure):
    """Where on (or in) an object a result is wanted. Strings are kept as addresses."""

    _pack_ = 1
    _fields_ = (
        ("size", c_int),
        ("environment_position", c_double * 3),
        ("line_point", c_int),
        ("node", c_int),
        ("arc_length", c_double),
        ("radial_position", c_int),
        ("theta", c_double),
        ("wing_name", c_void_p),
        ("clearance_line_name", c_void_p),
        ("winch_connection_point", c_int),
        ("position", c_double * 3),
        ("external_result_text", c_void_p),
        ("disturbance_vessel_name", c_void_p),
        ("support_index", c_int),
        ("supported_line_name", c_void_p),
        ("blade_index", c_int),
        ("element_index", c_int),
        ("sea_surface_scaling_factor", c_double),
        ("solve_type", c_int),
        ("radius", c_double),
    )


class ArclengthRange(ctypes.Structure):
    """Which part of a line a range graph covers."""

    _pack_ = 1
    _fields_ = (
        ("size", c_int),
        ("mode", c_int),
        ("from_arc_length", c_double),
        ("to_arc_length", c_double),
        ("from_section", c_int),
        ("to_section", c_int),
    )


class HistorySpecification(ctypes.Structure):
    """One column of a joint time history."""

    _pack_ = 1
    _fields_ = (("handle", c_void_p), ("extra", c_void_p), ("variable", c_int))


class CurveNames(ctypes.Structure):
    """Names of the six curves of a range graph."""

    _pack_ = 1
    _fields_ = (("size", c_int), ("names", (c_wchar * 30) * 6))


class VariableInfo(ctypes.Structure):
    """What C_EnumerateVars2W reports of one variable."""

    _pack_ = 1
    _fields_ = (
        ("size", c_int),
        ("variable", c_int),
        ("name", ctypes.c_wchar_p),
        ("units", ctypes.c_wchar_p),
        ("full_name", ctypes.c_wchar_p),
        ("handle", c_void_p),
    )


def floats_at(address: int, count: int) -> NDArray[np.float64]:
    """The caller's array of `count` doubles at `address`, as a writable array over the same memory."""
    return np.ctypeslib.as_array((c_double * count).from_address(address))


def write_text(address: int | None, text: str, room: int | None = None) -> int:
    """Store `text` and a zero at `address` (unless it is 0); characters needed, the zero included."""
    if room is not None:
        text = text[: room - 1]
    if address:
        (c_wchar * (len(text) + 1)).from_address(address).value = text
    return len(text) + 1


def read_text(address: int | None) -> str | None:
    """The zero-terminated text at `address`, or None where there is none."""
    return ctypes.wstring_at(address) if address else None
