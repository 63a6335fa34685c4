"""What a function is, in an exact form: two with one form compute alike, as far as it goes.

    described(function) -> Described(code, uses, unsure)        NotStorable: something it holds has no exact form

Whatever the function carries is in the form, or there is none: its byte code and constants, those of functions inside
it, default and enclosed values, what `functools.partial` gives it, the object of a bound method or of a decorator. What
it names in its own module is in it as far as that has a form: functions with their attributes and classes of the
module, looked into alike; values; of other modules their functions' own code, and their names. What of that has no
form, however deep, is named in `unsure`. An object's form is what pickle would keep of it, and attributes that pickle
would leave out. Classes that the caller hooked into OrcFxAPI count as named.

Does not cover what is reached through other modules (`helpers.smooth`, a package's code), what is imported inside the
function, files, environment variables, and what the function itself changes while it runs: that is what `version` is
for. See also `orcabatch.batch.functions.FunctionBatch`, and `orcabatch.store.as_here` (whether another process has the
same).
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
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np

from orcabatch.engine.foreign import ordinarily
from orcabatch.store.values import NotStorable, encode
from orcabatch.text import class_home, class_name, class_place, words_of

DEEPEST = 50
"""How deep objects may hold each other."""
VERSIONED = frozenset({"OrcFxAPI", "numpy", "pandas", *sys.stdlib_module_names})
"""Modules whose versions stand beside every result: a name of theirs says which object it is."""
COMPILERS = frozenset({"numba"})
"""Packages whose objects around a function are as good as the function, and carry marks of their process."""
HOOKS = "object-class hooks of OrcFxAPI"
"""Stands beside what a function names: what `Model.addOrcaFlexObjectClassHook` was given changes what it computes."""
_BY_NAME = frozenset({"globals", "eval", "exec"})
"""Builtins that reach what no name in the code tells."""
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
    try:
        return ordinarily(lambda: _described(function, with_it))
    except NotStorable:
        raise
    except Exception as error:  # a user's object may raise anything when it is looked at
        raise NotStorable(f"it cannot be looked at ({words_of(error)})") from error


def _described(function: Callable[..., Any], with_it: tuple[Any, ...]) -> Described:
    inner, home = innermost(function), _homes(function)
    looking = _Looking(home, inner)
    code = _hash(looking.form([function, *with_it]))
    uses, unsure = _uses(inner, home)
    certain = {name: form for name, form in uses.items() if form is not None}
    return Described(code, certain, tuple(looking.unsure | unsure))


def _uses(inner: Any, home: frozenset[str]) -> tuple[dict[str, bytes | None], dict[str, None]]:
    """What it names, with the hash of its form or None; and what of that has none, however deep."""
    uses, unsure = dict[str, bytes | None](), dict[str, None]()
    for name, value in sorted(_named_in(inner).items()):
        looking = _Looking(home)
        try:
            uses[name] = _hash(looking.form(value))
            unsure |= looking.unsure
        except NotStorable:
            uses[name] = unsure[name] = None
    if hooks := _hooks():
        looking = _Looking(home | {str(getattr(hook, "__module__", "")) for hook in hooks})
        try:
            uses[HOOKS] = _hash(looking.form(hooks))
            unsure |= looking.unsure
        except NotStorable:
            uses[HOOKS] = unsure[HOOKS] = None
    return uses, unsure


def _hooks() -> list[Any]:
    """What the caller gave OrcFxAPI to choose classes by; orcabatch's own changes no value."""
    model = getattr(sys.modules.get("OrcFxAPI"), "Model", None)
    hooks = getattr(model, "_hookOrcaFlexObjectClass", ())
    own = __name__.partition(".")[0]
    return [hook for hook in hooks if _top(type(hook)) != own] if isinstance(hooks, list) else []


def add_form(function: Callable[..., Any], found: dict[str, bytes | None]) -> None:
    """Add what determines it, in words, with the hash of its form; None where it has none."""
    inner, home = innermost(function), _homes(function)
    kind = inner if hasattr(inner, "__qualname__") else type(inner)
    where = f" in module {kind.__module__}"
    uses, _ = _uses(inner, home)
    found |= {f"{name}{where if name != HOOKS else ''}": form for name, form in uses.items()}
    own = f"{kind.__qualname__}{where} (its code, defaults or attributes)"
    found.pop(f"{kind.__qualname__}{where}", None)
    found[own] = None
    found[own] = _hash(_Looking(home, inner).form(function))


def innermost(function: Any) -> Any:
    """The function inside what `functools` and methods put around it."""
    *_, inner = _layers(function)
    return inner


def _layers(function: Any) -> Iterator[Any]:
    """The function, and what is inside it layer by layer."""
    while True:
        yield function
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, MethodType):
            function = function.__func__
        elif not isinstance(function, FunctionType) and _wraps(function):
            function = function.__wrapped__
        else:
            return


def _wraps(value: Any) -> bool:
    """Whether it is an object around a function (`functools.lru_cache`, a compiler's) that says which."""
    return isinstance(getattr(value, "__wrapped__", None), FunctionType)


def _homes(function: Any) -> frozenset[str]:
    """The modules that are looked into: of the function, and of the objects that decorate it."""
    found: list[Any] = []
    for layer in _layers(function):
        kind = class_home(type(layer))
        own = _wraps(layer) and kind.partition(".")[0] not in VERSIONED | COMPILERS
        found += [kind] if own else []
        inner = layer
    found += [getattr(inner, "__module__", None), _home(inner)]
    return frozenset(name for name in found if isinstance(name, str))


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
        unsure: what was left out, because it has no form.
    """

    home: frozenset[str]
    apart: Any = None
    unsure: dict[str, None] = field(default_factory=dict)
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
            return ordinarily(lambda: self._held(value))
        except NotStorable as error:
            self._without[id(value)] = str(error)
            raise
        except Exception as error:  # a user's object may raise anything when it is looked at
            self._without[id(value)] = f"{class_place(type(value))} cannot be looked at ({class_name(type(error))})"
            raise NotStorable(self._without[id(value)]) from error
        finally:
            self._depth -= 1

    def _held(self, value: Any) -> list[Any]:
        way = _EXACTLY.get(type(value)) or next((way for kind, way in _KINDS if isinstance(value, kind)), None)
        if way is None and _wraps(value) and _top(type(value)) in VERSIONED | COMPILERS:
            way = _Looking._wrapped
        return (way or _Looking._object)(self, value)

    def _items(self, value: Any) -> list[Any]:
        return [class_name(type(value)), [self.form(item) for item in value]]

    def _pairs(self, value: dict[Any, Any]) -> list[Any]:
        return ["dict", [[self.form(key), self.form(item)] for key, item in value.items()]]

    def _set(self, value: Any) -> list[Any]:
        # Each item by itself: the order of a set is its process's, and so would be which item is met again.
        apart = [_Looking(self.home, self.apart, self.unsure, _depth=self._depth) for _ in value]
        return [class_name(type(value)), sorted(encode(one.form(item)) for one, item in zip(apart, value, strict=True))]

    def _module(self, value: ModuleType) -> list[Any]:
        return ["module", value.__name__, str(getattr(value, "__version__", ""))]

    def _partial(self, value: functools.partial[Any]) -> list[Any]:
        return ["partial", self.form(value.func), self.form(list(value.args)), self.form(dict(value.keywords))]

    def _method(self, value: MethodType) -> list[Any]:
        return ["method", self.form(value.__func__), self.form(value.__self__)]

    def _wrapped(self, value: Any) -> list[Any]:
        return ["wrapped", class_place(type(value)), self.form(value.__wrapped__)]

    def _property(self, value: property) -> list[Any]:
        return ["property", *(self.form(part) for part in (value.fget, value.fset, value.fdel))]

    def _function(self, function: FunctionType) -> list[Any]:
        at_home = _home(function) in self.home
        if at_home:
            self.unsure |= {f"what {name}() reaches": None for name in _reaching(function)}
        return [
            "function",
            self.form(function.__code__),
            self._each("its default value", _defaults(function)),
            self._each("its enclosed value", _enclosed(function)),
            self._loosely(_named_in(function)) if at_home and function is not self.apart else [],
            self._loosely(vars(function), f"{function.__name__}.") if at_home else [],
        ]

    def _class(self, value: type) -> list[Any]:
        """By name; one of the function's own module with its methods, and its values as far as they have a form."""
        if class_home(value) not in self.home:
            return ["class", class_place(value)]
        content = {name: item for name, item in vars(value).items() if not _administrative(name, item)}
        above = [self.form(base) for base in (type(value), *value.__bases__)]
        inside = class_place(value).removeprefix(f"{class_home(value)}.")
        return ["class", inside, above, self._loosely(content, f"{class_name(value)}.")]

    def _code(self, code: CodeType) -> list[Any]:
        exact = [code.co_code, code.co_exceptiontable, code.co_flags]
        counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount]
        names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
        return ["code", exact, counts, names, [self.form(const) for const in code.co_consts]]

    def _object(self, value: Any) -> list[Any]:
        """What pickle would keep; and the attributes that it would not, of an object that has a say in that."""
        constant = _constant(value)
        if constant is not None:
            return ["named", constant]
        if _lives_in_orcaflex(value):
            raise NotStorable(f"{class_place(type(value))} belongs to a model")
        reducer = copyreg.dispatch_table.get(type(value))
        try:
            reduced = reducer(value) if reducer else value.__reduce_ex__(_PROTOCOL)
        except Exception as error:  # pickle's own words for "no": TypeError, ValueError, PicklingError, anything
            raise NotStorable(f"{class_place(type(value))} has no exact form") from error
        if isinstance(reduced, str):
            if not _found_as(value, reduced):
                raise NotStorable(f"{class_place(type(value))} has no exact form")
            named = ["named", f"{getattr(value, '__module__', '')}.{reduced}", self.form(type(value))]
            return [*named, self._left(value)] if _has_a_say(type(value), reducer) else named
        state: list[Any] = [list(part) if isinstance(part, Iterator) else part for part in reduced]
        if len(state) > _STATE and isinstance(state[_STATE], dict):
            state[_STATE] = _without_marks(state[_STATE])
        form: list[Any] = ["object", class_place(type(value)), [self.form(part) for part in state]]
        if _has_a_say(type(value), reducer):
            form.append(self._left(value))
        return form

    def _left(self, value: Any) -> list[Any]:
        """Its attributes, of which its class may have told pickle less."""
        return self._loosely(_left_out(value), f"{class_name(type(value))}.")

    def _each(self, what: str, values: Mapping[str, Any]) -> list[Any]:
        found = []
        for name, value in values.items():
            try:
                found.append([name, self.form(value)])
            except NotStorable as error:
                raise NotStorable(f"{what} `{name}`: {error}") from error
        return found

    def _loosely(self, values: Mapping[str, Any], holder: str = "") -> list[Any]:
        """What of the values has a form; the rest is named as unsure."""
        found = []
        for name, value in sorted(values.items()):
            try:
                found.append([name, self.form(value)])
            except NotStorable:
                self.unsure[f"{holder}{name}"] = None
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
    MappingProxyType: lambda looking, value: ["proxy", looking.form(dict(value))],
    functools.cached_property: lambda looking, value: ["cached", looking.form(value.func)],
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
    there = function.__globals__
    return {name: there[name] for name in _names(code) if name in there}


def _names(code: CodeType) -> set[str]:
    """What the code, and that of functions inside it, names beside its own variables."""
    waiting, named = [code], set[str]()
    while waiting:
        one = waiting.pop()
        waiting += [const for const in one.co_consts if isinstance(const, CodeType)]
        steps = dis.get_instructions(one)
        named |= {step.argval for step in steps if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}}
    return named


def _administrative(name: str, item: Any) -> bool:
    """Whether it is what Python or pydantic writes into a class beside its content, and nobody computes with."""
    if isinstance(item, types.GetSetDescriptorType | types.MemberDescriptorType) or name in _WRITTEN:
        return True
    return name.startswith("__pydantic_") and name != "__pydantic_fields__"  # which holds the defaults


_WRITTEN = frozenset({
    "__module__", "__qualname__", "__doc__", "__firstlineno__", "__static_attributes__", "__slots__", "__slotnames__",
    "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__conditional_annotations__",
    "__abstractmethods__", "_abc_impl", "__orig_bases__", "__parameters__", "__type_params__",
    "__protocol_attrs__", "__non_callable_proto_members__", "__dataclass_fields__", "__dataclass_params__",
    "__class_vars__", "__signature__",
})  # fmt: skip
"""Some only once a class is used: what it is made of may not change by that."""
_STATE = 2
"""Where pickle's tuple has an object's attributes."""
_MARKS = frozenset(functools.WRAPPER_ASSIGNMENTS)


def _without_marks(state: dict[Any, Any]) -> dict[Any, Any]:
    """An object's attributes without the names and notes that `functools.update_wrapper` puts there."""
    return {name: item for name, item in state.items() if name not in _MARKS}


def _has_a_say(kind: Any, reducer: Any) -> bool:
    """Whether a class of the user's or of a package decides what pickle keeps of its objects."""
    if _top(kind) in VERSIONED:
        return False
    usual = kind.__reduce_ex__ is object.__reduce_ex__ and kind.__reduce__ is object.__reduce__
    return reducer is not None or not usual or any("__getstate__" in vars(base) for base in kind.__mro__[:-1])


def _left_out(value: Any) -> dict[str, Any]:
    """All attributes that the object has, of which its class may have told pickle less."""
    slots = [name for name in copyreg._slotnames(type(value)) if hasattr(value, name)]  # type: ignore[attr-defined]
    return _without_marks({name: getattr(value, name) for name in slots} | getattr(value, "__dict__", {}))


def _found_as(value: Any, name: str) -> bool:
    """Whether the object is what pickle says it is: something under that name in a module."""
    own = sys.modules.get(str(getattr(value, "__module__", None)))
    there = functools.reduce(lambda holder, part: getattr(holder, part, None), name.split("."), own)
    return there is value or any(
        vars(module).get(name) is value for module in list(sys.modules.values()) if isinstance(module, ModuleType)
    )


def _reaching(function: FunctionType) -> list[str]:
    """What of its code reaches what no name tells."""
    own = set(function.__globals__)
    return sorted((_names(function.__code__) & _BY_NAME) - own)


def _top(kind: type) -> str:
    return class_home(kind).partition(".")[0]


def _constant(value: Any) -> str | None:
    """The name of an object of a package whose version is known (`OrcFxAPI.oeEndA`); None where it has none there."""
    name = _top(type(value))
    module = sys.modules.get(name)
    if module is None or module is builtins or name not in VERSIONED:
        return None
    return next((f"{name}.{key}" for key, item in list(vars(module).items()) if item is value), None)


def _lives_in_orcaflex(value: Any) -> bool:
    """Whether it is a model, an object of one, or derived from either: what pickle would keep of it is a number."""
    orcaflex = any(_top(base) == "OrcFxAPI" for base in type(value).__mro__)
    return orcaflex and not isinstance(value, enum.Enum | ctypes.Structure)
