"""Models, objects and handles whose file was released: whatever is done with them raises `FileReleased`.

Kept as they were they would ask OrcaFlex with a handle that is nobody's by then, or another file's (General and
Environment keep theirs). So they change their class to a subclass of it in which everything raises, and lose all they
had. They still equal and hash as before, so that dictionaries which hold them go on working; `repr` says what they
were, so that a debugger or a log can show them. Which those are, and when: `orcabatch.orcaflex.owners`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from orcabatch.errors import FileReleased

_MOST_CLASSES = 200
_UNTOUCHED = frozenset(
    {"__class__", "__new__", "__init__", "__init_subclass__", "__subclasshook__", "__class_getitem__", "__ne__"}
)  # fmt: skip


Key = tuple[Any, int]
"""What models and objects are compared and hashed by: the handle's value, and the file's serial number."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What stands in the place of the handle.

    Attributes:
        file: the file that was released.
        key: what the object was compared and hashed by.
        kind: the type of the object; empty for a model.
        name: its name where it is known without asking.
    """

    file: str
    key: Key
    kind: str = ""
    name: str = ""

    def error(self) -> FileReleased:
        """What every use raises."""
        return FileReleased(f"{self.kind} {self.name!r}" if self.name else self._unnamed(), self.file)

    def _unnamed(self) -> str:
        return f"an object ({self.kind})" if self.kind else "the model"


def is_gone(target: Any) -> bool:
    """Whether it is a model or an object of a file that was released."""
    return _MARK in vars(type(target))


def tombstone(gone: Any) -> Tombstone:
    """What is left of it."""
    left: Tombstone = object.__getattribute__(gone, "handle")
    return left


def bury(kept: Any, left: Tombstone) -> None:
    """From now on `kept` raises, whoever holds it."""
    kind = type(kept)
    gone, names = _CLASSES.get(kind) or _looked_up(kind)
    if gone is not None:
        with contextlib.suppress(TypeError):
            object.__setattr__(kept, "__class__", gone)
    for name in names:
        with contextlib.suppress(AttributeError):
            object.__delattr__(kept, name)
    object.__setattr__(kept, "handle", left)


class EmptyHandle:
    """Mixed into the class of a handle of an earlier file: OrcaFlex refuses it, and so does what is made over it."""

    __slots__ = ()

    @property
    def value(self) -> Any:
        """Nothing to be had."""
        raise released_handle()

    def __bool__(self) -> bool:
        raise released_handle()


def released_handle() -> FileReleased:
    """What the use of a handle of an earlier file raises."""
    return FileReleased("a handle", "an earlier file")


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


def _refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
    raise tombstone(self).error()


def _attribute(self: Any, name: str) -> Any:
    if name == "__class__":  # isinstance looks at it
        return type(self)
    raise tombstone(self).error()


def _equal(self: Any, other: object) -> bool:
    return is_gone(other) and tombstone(self).key == tombstone(other).key


def _hash(self: Any) -> int:
    return hash(tombstone(self).key)


def _shown(self: Any) -> str:
    left = tombstone(self)
    return f"<{left.kind or 'Model'} {repr(left.name) + ' ' if left.name else ''}of {left.file}, which is released>"


def _end_quietly(self: Any) -> None:
    """Nothing is left to destroy."""


_MARK = "_orcabatch_gone"
_ALL: dict[str, Any] = {
    "__getattribute__": _attribute,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _shown,
    "__str__": _refuse,
    "__format__": _refuse,
    "__del__": _end_quietly,
    "__slots__": (),
    _MARK: True,
}
_CLASSES: dict[type, tuple[type | None, tuple[str, ...]]] = {}


def _looked_up(base: type) -> tuple[type | None, tuple[str, ...]]:
    """The class of what is buried, and the names of what it loses.

    None where no subclass can be made of it: without its handle it cannot ask anyway.
    """
    if len(_CLASSES) >= _MOST_CLASSES:
        _CLASSES.clear()  # classes that a function makes anew for every file
    gone = None
    with contextlib.suppress(TypeError):
        gone = _made(base)
    found = _CLASSES[base] = gone, ("__dict__", *_slots(base))
    return found


def _made(base: type) -> type:
    # Operators are looked up on the class, past `__getattribute__`: each one that the class has must raise by itself.
    body: dict[str, Any] = {
        name: _refuse
        for owner in base.__mro__
        if owner is not object
        for name, member in vars(owner).items()
        if name.startswith("__") and name not in _UNTOUCHED and callable(member)
    }
    body |= {**_ALL, "__module__": base.__module__, "__qualname__": base.__qualname__}
    metaclass: Any = type(base)
    made: type = metaclass(base.__name__, (_quiet(base),), body)
    return made


def _quiet(base: type) -> type:
    # A class that is told of its subclasses must not be told of this one.
    return next(each for each in base.__mro__ if getattr(each.__init_subclass__, "__func__", None) is None)
