"""Hashable keys for the arguments of OrcFxAPI's result calls.

`Period`, `ObjectExtra` and `ArclengthRange` are ctypes structures: they do not hash, and the caller may change them
afterwards. A key is made from the values of their fields at the moment of the call, to the bit. The strings of an
`ObjectExtra` are read out: its own memory only points at them.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Hashable, Iterable
from typing import Any

_PERIOD = struct.Struct("<iidd")
_SIZE = "Size"


class UnkeyableError(Exception):
    """An argument that is not understood here: ask OrcFxAPI exactly as the code does, and let it answer or object."""


class Keys:
    """Makes keys for the structures of one OrcFxAPI module."""

    def __init__(self, module: Any) -> None:
        self._period, self._extra, self._range = module.Period, module.ObjectExtra, module.ArclengthRange
        self._specified = int(module.PeriodNum.SpecifiedPeriod)
        fields = self._extra._fields_
        self._fields = tuple(name for name, *_ in fields if name != _SIZE)
        self._strings = tuple(name for name, kind in fields if issubclass(kind, ctypes.c_wchar_p))
        self._pointers = _merged(
            (getattr(self._extra, name).offset for name in self._strings), ctypes.sizeof(ctypes.c_void_p)
        )
        self._nulls = tuple((start, end, bytes(end - start)) for start, end in self._pointers)

    def period(self, period: Any) -> Hashable:
        """Key of a period in any form that OrcFxAPI takes: equal when OrcFxAPI gets equal bytes."""
        if period is None:
            return None
        if isinstance(period, self._period):
            return bytes(period)
        try:
            # As OrcFxAPI's own `PreparePeriod` would make a structure of it: a number, or a pair of times.
            if isinstance(period, int):
                return _PERIOD.pack(period, 0, 0.0, 0.0)
            return _PERIOD.pack(self._specified, 0, period[0], period[1])
        except (TypeError, LookupError, struct.error, OverflowError) as error:
            raise UnkeyableError from error

    def object_extra(self, extra: Any) -> Hashable:
        """Key of an `ObjectExtra` or None."""
        if extra is None:
            return None
        if type(extra) is not self._extra:
            raise UnkeyableError
        raw = bytes(extra)  # the whole key where no string is set, as in most: no field is read one by one
        for (
            start,
            end,
            null,
        ) in self._nulls:
            if raw[start:end] != null:
                return self._without_pointers(raw), tuple(getattr(extra, name) for name in self._strings)
        return raw

    def arclengths(self, arclengths: Any) -> Hashable:
        """Key of an `ArclengthRange` or None."""
        if arclengths is None:
            return None
        if type(arclengths) is not self._range:
            raise UnkeyableError
        return bytes(arclengths)

    def copied(self, extra: Any) -> Any:
        """The same `ObjectExtra` with strings of its own, or None."""
        if extra is None:
            return None
        return self.extra_of((name, getattr(extra, name)) for name in self._fields)

    def extra_of(self, fields: Iterable[tuple[str, Any]] | None) -> Any:
        """An `ObjectExtra` with these fields, or None."""
        if fields is None:
            return None
        extra = self._extra()
        for name, value in fields:
            setattr(extra, name, value)
        return extra

    def _without_pointers(self, raw: bytes) -> bytes:
        for start, end, null in self._nulls:
            raw = raw[:start] + null + raw[end:]
        return raw


def period_number(key: Hashable) -> int | None:
    """The period number inside a period's key; None where the code gave no period."""
    return _PERIOD.unpack(key)[0] if isinstance(key, bytes) else None


def _merged(offsets: Iterable[int], size: int) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    for offset in sorted(offsets):
        if spans and spans[-1][1] == offset:
            spans[-1] = (spans[-1][0], offset + size)
        else:
            spans.append((offset, offset + size))
    return tuple(spans)
