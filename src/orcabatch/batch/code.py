"""What a function is, in an exact form: two with one form compute alike, as far as it goes.

    described(function) -> Described(code, uses, unsure)        NotStorable: something it holds has no exact form

Whatever the function carries is in the form, or there is none: its byte code and constants, those of functions inside
it, default and enclosed values, what `functools.partial` gives it, the object of a bound method. What it names in its
own module is in it as far as that has a form: functions and classes of the module, looked into alike; values; of other
modules their functions' own code, and their names. An object's form is what pickle would keep of it.

Does not cover what is reached through other modules (`helpers.smooth`, a package's code), what is imported inside the
function, files, environment variables, and what the function itself changes while it runs: that is what `version` is
for. See also `orcabatch.batch.functions.FunctionBatch`.
"""

from __future__ import annotations

import builtins
import copyreg
import ctypes
import dis
import enum
import functools
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from orcabatch.store.values import NotStorable, encode

DEEPEST = 50
"""How deep objects may hold each other."""
VERSIONED = frozenset({"OrcFxAPI", "numpy", "pandas", *sys.stdlib_module_names})
"""Modules whose versions stand beside every result: a name of theirs says which object it is."""
_PROTOCOL = 4


@dataclass(frozen=True, slots=True)
class Described:
    """A function's exact form.

    Attributes:
        code: hash of the code, constants, default and enclosed values.
        uses: hash of what it names in its module, by name.
        unsure: names in its module whose value has no exact form.
    """

    code: bytes
    uses: Mapping[str, bytes]
    unsure: tuple[str, ...] = ()


def described(function: Callable[..., Any], *with_it: Any) -> Described:
    """The function's exact form.

    Args:
        function: the function.
        with_it: what else it carries.

    Raises:
        NotStorable: something that it carries has none; the message says what.
    """
    inner = innermost(function)
    names = {getattr(inner, "__module__", None), _home(inner)}
    home = frozenset(name for name in names if isinstance(name, str))
    code = _hash(_Looking(home, inner).form([function, *with_it]))
    uses, unsure = {}, []
    for name, value in sorted(_named_in(inner).items()):
        try:
            uses[name] = _hash(_Looking(home).form(value))
        except NotStorable:
            unsure.append(name)
    return Described(code, uses, tuple(unsure))


def innermost(function: Any) -> Any:
    """The function inside what `functools` and methods put around it."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, MethodType):
            function = function.__func__
        elif not isinstance(function, FunctionType) and _wraps(function):
            function = function.__wrapped__
        else:
            return function


def _wraps(value: Any) -> bool:
    """Whether it is an object around a function (`functools.lru_cache`, a compiler's) that says which."""
    return isinstance(getattr(value, "__wrapped__", None), FunctionType)


def _hash(form: Any) -> bytes:
    return hashlib.blake2b(encode(form), digest_size=16).digest()


def _home(function: Any) -> Any:
    """The module whose names the function's code means; a decorator's is another than the decorated function's."""
    return getattr(function, "__globals__", {}).get("__name__")


@dataclass(slots=True)
class _Looking:
    """One look at a function or value.

    Attributes:
        home: modules whose functions and classes are looked into.
        apart: a function whose names in the module are looked at elsewhere.
    """

    home: frozenset[str]
    apart: Any = None
    _met: dict[int, tuple[int, Any]] = field(default_factory=dict)
    _without: dict[int, str] = field(default_factory=dict)
    _depth: int = 0

    def form(self, value: Any) -> list[Any]:
        """The value as plain values.

        Raises:
            NotStorable: it has no exact form.
        """
        if type(value) is np.ndarray and value.nbytes and value.dtype.kind not in "OV":
            return ["array", value.dtype.str, list(value.shape), _content(value)]  # without a copy: it may be large
        try:
            return ["value", encode(value)]
        except NotStorable:
            pass
        if id(value) in self._without:
            raise NotStorable(self._without[id(value)])
        if id(value) in self._met:
            return ["again", self._met[id(value)][0]]
        self._met[id(value)] = (len(self._met), value)  # kept, so that its id stays its own
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                raise NotStorable("it holds objects too deep within each other")
            return self._held(value)
        except NotStorable as error:
            self._without[id(value)] = str(error)
            raise
        except Exception as error:  # a user's object may raise anything when it is looked at
            self._without[id(value)] = f"{_name_of(type(value))} cannot be looked at ({type(error).__name__})"
            raise NotStorable(self._without[id(value)]) from error
        finally:
            self._depth -= 1

    def _held(self, value: Any) -> list[Any]:
        way = _EXACTLY.get(type(value)) or next((way for kind, way in _KINDS if isinstance(value, kind)), None)
        if way is None and _wraps(value):
            way = _Looking._wrapped
        return (way or _Looking._object)(self, value)

    def _items(self, value: Any) -> list[Any]:
        return [type(value).__name__, [self.form(item) for item in value]]

    def _pairs(self, value: dict[Any, Any]) -> list[Any]:
        return ["dict", [[self.form(key), self.form(item)] for key, item in value.items()]]

    def _set(self, value: Any) -> list[Any]:
        return [type(value).__name__, sorted(encode(self.form(item)) for item in value)]

    def _module(self, value: ModuleType) -> list[Any]:
        return ["module", value.__name__, str(getattr(value, "__version__", ""))]

    def _partial(self, value: functools.partial[Any]) -> list[Any]:
        return ["partial", self.form(value.func), self.form(list(value.args)), self.form(dict(value.keywords))]

    def _method(self, value: MethodType) -> list[Any]:
        return ["method", self.form(value.__func__), self.form(value.__self__)]

    def _wrapped(self, value: Any) -> list[Any]:
        return ["wrapped", _name_of(type(value)), self.form(value.__wrapped__)]

    def _property(self, value: property) -> list[Any]:
        return ["property", *(self.form(part) for part in (value.fget, value.fset, value.fdel))]

    def _function(self, function: FunctionType) -> list[Any]:
        named = _home(function) in self.home and function is not self.apart
        return [
            "function",
            self.form(function.__code__),
            self._each("its default value", _defaults(function)),
            self._each("its enclosed value", _enclosed(function)),
            self._loosely(_named_in(function)) if named else [],
        ]

    def _class(self, value: type) -> list[Any]:
        """By name; one of the function's own module with its methods, and its values as far as they have a form."""
        if value.__module__ not in self.home:
            return ["class", _name_of(value)]
        content = {name: item for name, item in vars(value).items() if not _administrative(name, item)}
        return ["class", value.__qualname__, [self.form(base) for base in value.__bases__], self._loosely(content)]

    def _code(self, code: CodeType) -> list[Any]:
        exact = [code.co_code, code.co_exceptiontable, code.co_flags]
        counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount]
        names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
        return ["code", exact, counts, names, [self.form(const) for const in code.co_consts]]

    def _object(self, value: Any) -> list[Any]:
        """What pickle would keep."""
        constant = _constant(value)
        if constant is not None:
            return ["named", constant]
        if _lives_in_orcaflex(value):
            raise NotStorable(f"{_name_of(type(value))} belongs to a model")
        reducer = copyreg.dispatch_table.get(type(value))
        try:
            reduced = reducer(value) if reducer else value.__reduce_ex__(_PROTOCOL)
        except Exception as error:  # pickle's own words for "no": TypeError, ValueError, PicklingError, anything
            raise NotStorable(f"{_name_of(type(value))} has no exact form") from error
        if isinstance(reduced, str):
            return ["named", f"{getattr(value, '__module__', '')}.{reduced}", _name_of(type(value))]
        state = [list(part) if isinstance(part, Iterator) else part for part in reduced]
        return ["object", _name_of(type(value)), [self.form(part) for part in state]]

    def _each(self, what: str, values: Mapping[str, Any]) -> list[Any]:
        found = []
        for name, value in values.items():
            try:
                found.append([name, self.form(value)])
            except NotStorable as error:
                raise NotStorable(f"{what} `{name}`: {error}") from error
        return found

    def _loosely(self, values: Mapping[str, Any]) -> list[Any]:
        """What of the values has a form."""
        found = []
        for name, value in sorted(values.items()):
            try:
                found.append([name, self.form(value)])
            except NotStorable:
                continue
        return found


_EXACTLY: dict[type, Callable[[_Looking, Any], list[Any]]] = {
    list: _Looking._items,
    tuple: _Looking._items,
    dict: _Looking._pairs,
    set: _Looking._set,
    frozenset: _Looking._set,
    type(...): lambda _looking, _value: ["..."],
    CodeType: _Looking._code,
    FunctionType: _Looking._function,
    MethodType: _Looking._method,
    property: _Looking._property,
    staticmethod: _Looking._wrapped,
    classmethod: _Looking._wrapped,
}
_KINDS: tuple[tuple[type, Callable[[_Looking, Any], list[Any]]], ...] = (
    (ModuleType, _Looking._module),
    (functools.partial, _Looking._partial),
    (type, _Looking._class),
)


def _content(array: np.ndarray[Any, Any]) -> bytes:
    flat: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return hashlib.blake2b(flat, digest_size=16).digest()


def _defaults(function: FunctionType) -> dict[str, Any]:
    names, values = function.__code__.co_varnames[: function.__code__.co_argcount], function.__defaults__ or ()
    return dict(zip(names[len(names) - len(values) :], values, strict=True)) | dict(function.__kwdefaults__ or {})


def _enclosed(function: FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            found[name] = Ellipsis  # nothing is in it yet
    return found


def _named_in(function: Any) -> dict[str, Any]:
    """What the function's code, and that of functions inside it, names in its module, and is there."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return {}
    there, named = function.__globals__, dict[str, Any]()
    waiting = [code]
    while waiting:
        one = waiting.pop()
        waiting += [const for const in one.co_consts if isinstance(const, CodeType)]
        names = [step.argval for step in dis.get_instructions(one) if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}]
        named |= {name: there[name] for name in names if name in there}
    return named


def _administrative(name: str, item: Any) -> bool:
    """Whether it is what Python writes into a class beside its content."""
    callable_ = isinstance(item, FunctionType | staticmethod | classmethod | property)
    return not callable_ and name.startswith("__") and name.endswith("__")


def _name_of(value: type) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _constant(value: Any) -> str | None:
    """The name of an object of a package whose version is known (`OrcFxAPI.oeEndA`); None where it has none there."""
    name = type(value).__module__.partition(".")[0]
    module = sys.modules.get(name)
    if module is None or module is builtins or name not in VERSIONED:
        return None
    return next((f"{name}.{key}" for key, item in list(vars(module).items()) if item is value), None)


def _lives_in_orcaflex(value: Any) -> bool:
    """Whether it is a model, an object of one, or derived from either: what pickle would keep of it is a number."""
    orcaflex = any(base.__module__.partition(".")[0] == "OrcFxAPI" for base in type(value).__mro__)
    return orcaflex and not isinstance(value, enum.Enum | ctypes.Structure)
