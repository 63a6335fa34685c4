"""The standard library's `dataclass` for two thirds of what making a class costs.

The standard one writes and compiles six methods for every class; of two hundred classes that was more than half of
what importing orcabatch took, in each process again. What makes an object is compiled here as well, since that is asked
for all the time. What shows, compares and hashes one is hardly ever asked for while files run: it goes over the fields.

A class is a dataclass as any other: `fields`, `replace`, `asdict` and patterns take it. Has only the options that are
used. See also `tests/test_dataclass.py`, which holds it against the standard one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from reprlib import recursive_repr
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(field_specifiers=(dataclasses.field,))
def dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True) -> Callable[[type[T]], type[T]]:
    """As `dataclasses.dataclass`: methods that the class has itself stay as they are."""

    def made(cls: type[T]) -> type[T]:
        found = dataclasses.dataclass(frozen=frozen, slots=slots, eq=False, repr=False)(cls)
        methods = _compared(found, hashed=frozen) if eq else {}
        for name, method in (*methods.items(), ("__repr__", _shown)):
            if vars(found).get(name) is None:
                setattr(found, name, method)
        return found

    return made


def _compared(cls: Any, *, hashed: bool) -> dict[str, Any]:
    names = tuple(each.name for each in dataclasses.fields(cls) if each.compare)

    def values(self: object) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in names])

    def equal(self: object, other: object) -> bool:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def hashed_values(self: object) -> int:
        return hash(values(self))

    return {"__eq__": equal, "__hash__": hashed_values if hashed else None}


@recursive_repr()
def _shown(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"
