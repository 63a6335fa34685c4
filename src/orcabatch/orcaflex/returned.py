"""Whether what a function returned holds a model or an object of one, however deep: they are gone when it is looked at.

Looks into lists, tuples, sets, dictionaries, the standard library's other containers, dataclasses and other instances
with attributes, functions and methods that carry something along, weak references and proxies, iterators, generators
and views (without taking anything from them), arrays of objects, and pandas' tables. The search is bounded
(`MOST_VISITED`, `DEEPEST`): what it does not reach raises `FileReleased` when it is used.
"""

from __future__ import annotations

import functools
import gc
import sys
import types
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from orcabatch.engine.foreign import is_ctrl_c
from orcabatch.text import class_home, class_name

MOST_VISITED = 200_000
DEEPEST = 12

_LAZY_HOMES = frozenset({"builtins", "itertools", "functools", "_queue", "_contextvars"})
_CONTAINER_HOMES = frozenset({"collections", "queue", "weakref", "_weakrefset", "concurrent.futures._base", "types"})
"""Modules of the standard library whose instances are there to hold what is put into them, in their attributes."""
_ELSEWHERE = (types.CodeType, types.FrameType, types.TracebackType)
"""These lead to whatever was running."""

Step = tuple[str, Any]
"""How a value is reached from the one that holds it, as code would spell it; the value."""

_LEAVES = (int, float, complex, bool, str, bytes, bytearray, type(None), type, types.ModuleType)


def held(value: Any) -> Step | None:
    """The first model or object found, with its place (`[0]['line']`, empty where it is the value itself); or None."""
    waiting: deque[tuple[str, Any, int]] = deque([("", value, 0)])
    seen, visited, simple = set(), 0, dict.fromkeys(_LEAVES, True)
    while waiting:
        place, each, depth = waiting.popleft()
        if is_model(each) or is_object(each):
            return place, each
        if depth == DEEPEST or id(each) in seen:
            continue
        seen.add(id(each))
        for step, inner in islice(_quietly(_inside(each)), max(MOST_VISITED - visited, 0)):
            visited += 1
            kind = type(inner)
            if kind not in simple:
                simple[kind] = _is_number(kind)
            if not simple[kind]:
                waiting.append((place + step, inner, depth + 1))
    return None


def _quietly(steps: Iterator[Step]) -> Iterator[Step]:
    try:
        yield from steps
    except BaseException as error:  # what a foreign value does when it is looked at is no fault of the function's
        if is_ctrl_c(error):
            raise
        return


def _is_number(kind: type) -> bool:
    return class_home(kind) == "numpy" and class_name(kind) not in {"ndarray", "void"}


def is_model(value: Any) -> bool:
    """Whether it is a `Model` of OrcFxAPI, or of a subclass; also one that is gone."""
    return hasattr(type(value), "ownsModelHandle")


def is_object(value: Any) -> bool:
    """Whether it is an object of a model, of whichever class; also one that is gone."""
    return any(class_name(base) == "OrcaFlexObject" for base in type(value).__mro__)


def _inside(value: Any) -> Iterator[Step]:
    if type(value) in weakref.ProxyTypes:
        # It passes for what it stands for, also before isinstance; a method of that is bound to the thing itself.
        yield " (through the weak proxy)", value.__repr__.__self__
    else:
        yield from _within(value)


def _within(value: Any) -> Iterator[Step]:
    if isinstance(value, dict):
        yield from _items(value)
    elif isinstance(value, list | tuple | set | frozenset | deque):
        yield from _numbered(value)
    elif isinstance(value, types.FunctionType | types.MethodType | functools.partial):
        yield from _carried(value)
    elif isinstance(value, BaseException):
        yield ".args", value.args
    elif isinstance(value, weakref.ref):
        yield "()", value()
    elif class_home(type(value)) in _LAZY_HOMES and not isinstance(value, _ELSEWHERE):
        # Iterators and views have no attributes that lead on; the garbage collector knows what they hold.
        yield from ((f" (within the {class_name(type(value))})", inner) for inner in gc.get_referents(value))
    home = class_home(type(value)).partition(".")[0]
    if home == "numpy":
        yield from _array(value)
    elif home == "pandas":
        yield from _table(value)
    elif home not in sys.stdlib_module_names or class_home(type(value)) in _CONTAINER_HOMES:
        # Those of the standard library (a thread, a logger) lead to half of what the process holds.
        yield from _attributes(value)


def _items(value: dict[Any, Any]) -> Iterator[Step]:
    for key, item in dict.items(value):
        shown = f"[{key!r:.40}]" if isinstance(key, _LEAVES) else "[...]"
        yield f"'s key {shown}", key
        yield shown, item


def _numbered(values: Iterable[Any]) -> Iterator[Step]:
    return ((f"[{number}]", item) for number, item in enumerate(values))


def _carried(value: Any) -> Iterator[Step]:
    if isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
    elif isinstance(value, functools.partial):
        yield from ((f".{name}", getattr(value, name)) for name in ("func", "args", "keywords"))
    else:
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            yield f"'s {name}", next(iter(_content(cell)), None)
        yield ".__defaults__", value.__defaults__
        yield ".__kwdefaults__", value.__kwdefaults__


def _content(cell: types.CellType) -> Iterator[Any]:
    try:
        yield cell.cell_contents
    except ValueError:  # nothing was put there yet
        return


def _array(value: Any) -> Iterator[Step]:
    kind = getattr(value, "dtype", None)
    if kind is None and getattr(value, "base", None) is not None:
        yield ".base", value.base  # an iterator over an array
    elif kind is not None and kind.hasobject:
        yield from _numbered(value.ravel()[:MOST_VISITED].tolist())


def _table(value: Any) -> Iterator[Step]:
    """What a table holds; or what one is read through (a grouping, a window)."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        yield from ((f"[{name!r:.40}]", value.iloc[:, number]) for number, name in enumerate(value.columns))
        yield from ((f".{name}", getattr(value, name)) for name in ("index", "columns", "attrs"))
    elif isinstance(value, pd.MultiIndex):
        yield from ((f".levels[{number}]", level) for number, level in enumerate(value.levels))
    elif isinstance(value, pd.Series | pd.Index):
        if isinstance(value.dtype, pd.CategoricalDtype):
            yield ".categories", value.dtype.categories
        elif str(value.dtype) == "object":
            yield from _numbered(value.to_numpy()[:MOST_VISITED])
        if isinstance(value, pd.Series):
            yield from ((f".{name}", getattr(value, name)) for name in ("index", "attrs"))
    else:
        yield from _attributes(value)


def _attributes(value: Any) -> Iterator[Step]:
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        attributes = {}
    yield from ((f".{name}", item) for name, item in attributes.items())
    for base in type(value).__mro__:
        for name, member in vars(base).items():
            if type(member) is types.MemberDescriptorType:  # a slot
                yield from ((f".{name}", item) for item in _slot(member, value))


def _slot(member: types.MemberDescriptorType, value: Any) -> Iterator[Any]:
    try:
        yield member.__get__(value)
    except AttributeError:  # empty
        return
