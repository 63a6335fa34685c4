"""Any value as JSON that every reader accepts: never NaN or Infinity, and a list of where they were.

Covers dataclasses, pydantic models, enums, paths, dates, numpy numbers, mappings and sequences; anything else becomes
its text. Nested mappings also as pairs of dotted name and value, for tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any

_PLAIN = frozenset({str, int, bool, type(None)})
_BUILT_IN = frozenset({dict, list, tuple})


def jsonable(value: Any, non_finite: list[str] | None = None, where: str = "") -> Any:
    """The value as JSON types; NaN and infinities become None.

    Args:
        value: anything.
        non_finite: gets the place of every NaN and infinity that was replaced.
        where: place of the value itself, for that list.
    """
    if _stays(value):  # nearly all: a batch's metrics are some 160 values per file
        return value
    if isinstance(value, (str, int)) and not isinstance(value, Enum):
        return value
    if isinstance(value, float):
        return _finite(float(value), non_finite, where)
    if isinstance(value, Enum):
        return jsonable(value.value, non_finite, where)
    if isinstance(value, (PurePath, date)):
        return value.isoformat() if isinstance(value, date) else str(value)
    return _container(value, non_finite, where)


def _stays(value: Any) -> bool:
    return type(value) in _PLAIN or (type(value) is float and math.isfinite(value))


def _finite(value: float, non_finite: list[str] | None, where: str) -> float | None:
    if math.isfinite(value):
        return value
    if non_finite is not None:
        non_finite.append(where)
    return None


def _container(value: Any, non_finite: list[str] | None, where: str) -> Any:
    built_in = type(value) in _BUILT_IN
    if built_in:
        pass
    elif hasattr(value, "model_dump"):
        value = value.model_dump()
    elif is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in fields(value) if not each.name.startswith("_")}
    if type(value) is dict or isinstance(value, Mapping):
        return {
            key if type(key) is str else str(jsonable(key)): item
            if _stays(item)
            else jsonable(item, non_finite, f"{where}.{jsonable(key)}".lstrip("."))
            for key, item in value.items()
        }
    if not built_in and isinstance(value, Set):
        value = sorted(value, key=str)
    if built_in or (isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray))):
        return [
            item if _stays(item) else jsonable(item, non_finite, f"{where}[{place}]")
            for place, item in enumerate(value)
        ]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return jsonable(value.item(), non_finite, where)
    return str(value)


def flattened(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Pairs of dotted name and value."""
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            pairs += flattened(value, f"{before}{name}.")
        else:
            pairs.append((f"{before}{name}", value))
    return pairs
