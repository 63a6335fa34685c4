"""Which of OrcFxAPI's code is OrcFxAPI's own: the broker answers in the place of no other.

A user may override `TimeHistory` in a class that a hook of his puts in, or replace a method or a function of OrcFxAPI,
before a batch or in the middle of his function. What such code answers depends on whatever it likes, so it is called
as often as in a plain loop, and the broker stands aside: for the questions that go through it, in the classes that
have it.

    question ── `_NEEDS`: methods of the object's class ──┐
             └─ what these call in the module, found in   ├─> Guard, at every question: is each what it was?
                their compiled code, and so on            ┘

A function is OrcFxAPI's own when its globals are the module's: that tells whenever it was replaced, and whatever a
replacement calls itself (`functools.wraps` copies names, not globals).
"""

from __future__ import annotations

import collections.abc
import ctypes
import enum
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from types import CodeType, FunctionType
from typing import Any

from orcabatch.engine.logs import logger
from orcabatch.text import class_home

_log = logger(__name__)

EXPORT: Any = ctypes.CFUNCTYPE(None).__mro__[1]
"""The class of every function of a DLL."""

Guard = Callable[[Any], bool]
"""Takes an object or a model of a broker's: whether all that answers the question for it is OrcFxAPI's own."""
Place = tuple[int, str]
"""Of a function in the module: 0 for the module itself, 1 for its helpers; and the name."""
Guards = Mapping[str, Guard]

_NEEDS = {
    "varID": (),
    "typeName": (),
    "TimeHistory": ("varID",),
    "SampleTimes": (),
    "LinkedStatistics": ("varID",),
    "RangeGraph": ("varID",),
    "__getattr__": ("isBuiltInAttribute", "DataNameValid", "DataNameRequiresIndex", "GetData"),
    "__getitem__": ("orcaFlexObjectClass",),
    "__contains__": (),
    "__iter__": (),
    "__len__": (),
    "objects": ("values", "__iter__", "__getitem__", "orcaFlexObjectClass"),
    "state": (),
    "simulationComplete": (),
    "simulationTimeStatus": (),
}
"""Methods of the same object, by the question that OrcFxAPI answers by them."""
_LIBRARIES = frozenset({"builtins", "ctypes", "_ctypes", "enum", "numpy", "typing"})
"""What OrcFxAPI imports names from, and calls."""
_STAND_INS = frozenset({"orcabatch"})
"""What stands for an export that the DLL lacks, where the DLL is the simulated one."""
_NOT_CODE = (enum.Enum, ctypes.Structure, BaseException)
_NOBODYS = object()
_PLURAL = 2
"""From so many names on the getters of `operator` give tuples."""


class OwnCode:
    """Of one OrcFxAPI module: made before the broker replaces anything in it, `settle`d when it has."""

    def __init__(self, module: Any) -> None:
        self._owners = (module, module.HelperMethods)
        self._name = module.__name__
        # `Model.values` is what Python's own `Mapping` gives it.
        self._globals = (vars(module), collections.abc.Mapping.values.__globals__)
        self._reached: dict[Any, frozenset[Place]] = {}
        asked = {name for question, needs in _NEEDS.items() for name in (question, *needs)}
        for kind in (value for value in tuple(vars(module).values()) if isinstance(value, type)):
            for name in asked & vars(kind).keys():  # a few of the module's hundreds of classes have any
                self._reach(_function(vars(kind)[name]))
        places = frozenset().union(*self._reached.values())
        self._foreign = {place for place in places if not self.is_own(self._at(place))}
        self._standing: dict[Place, Any] = {}

    def settle(self) -> None:
        """The broker's own replacements are in: from here on whatever changes is somebody else's doing."""
        places = frozenset().union(*self._reached.values())
        self._standing = {place: _NOBODYS if place in self._foreign else self._at(place) for place in places}

    def is_own(self, value: Any) -> bool:
        """Whether this function, property, export or class is OrcFxAPI's."""
        function = _function(value)
        if function is not None:
            return any(function.__globals__ is known for known in self._globals)
        return isinstance(value, EXPORT) or self._origin(value) in {self._name, *_STAND_INS}

    def _origin(self, value: Any) -> str:
        return str(getattr(value, "__module__", None) or class_home(type(value))).partition(".")[0]

    def guards(self, made: type, base: type) -> dict[str, Guard]:
        """One for each question that the broker's class `made` over this class may answer."""
        return {
            question: self._guard(made, base, question, needs)
            for question, needs in _NEEDS.items()
            if hasattr(base, question)
        }

    def _guard(self, made: type, base: type, question: str, needs: tuple[str, ...]) -> Guard:
        below = [inspect.getattr_static(base, name, None) for name in (question, *needs)]
        if not all(self.is_own(value) for value in below):
            if question != "__getattr__":
                _log.info("%s of %s is not OrcFxAPI's own: it is asked as in a plain loop", question, base.__qualname__)
            return _never
        if inspect.getattr_static(made, "__getattribute__") is not object.__getattribute__:
            return _never
        reached = frozenset[Place]().union(*(self._reach(_function(value)) for value in below))
        in_module, in_helpers = (sorted(place for place in reached if place[0] == number) for number in (0, 1))
        values, helpers = vars(self._owners[0]), self._owners[1]
        get_values, get_helpers = _getter(itemgetter, in_module), _getter(attrgetter, in_helpers)
        # Each question's own method is looked up below the broker's class; what it calls on the object, from the top.
        get_below, get_above = (
            attrgetter("__mro__", question, *needs),
            attrgetter("__getattribute__", "__class__", *needs),
        )
        own_values, own_helpers = (tuple(map(self._standing.get, places)) for places in (in_module, in_helpers))
        own_below, own_above = get_below(base), get_above(made)
        may_have_own = "varID" in needs  # by an attribute of the object itself, which only its `__dict__` takes

        def intact(target: Any) -> bool:
            try:
                return (
                    get_below(base) == own_below
                    and get_above(type(target)) == own_above
                    and get_helpers(helpers) == own_helpers
                    and get_values(values) == own_values
                    and not (may_have_own and "varID" in target.__dict__)
                )
            except (AttributeError, KeyError):  # taken away
                return False

        return intact

    def _at(self, place: Place) -> Any:
        return getattr(self._owners[place[0]], place[1], None)

    def _reach(self, function: FunctionType | None) -> frozenset[Place]:
        """What this function calls in the module, directly or not."""
        if function is None:
            return frozenset()
        if function not in self._reached:
            self._reached[function] = frozenset()  # it may lead back to itself
            found, open_ends = set[Place](), [function]
            while open_ends:
                for place in self._named_in(open_ends.pop()) - found:
                    found.add(place)
                    further = _function(self._at(place))
                    if further is not None and self.is_own(further):
                        open_ends.append(further)
            self._reached[function] = frozenset(found)
        return self._reached[function]

    def _named_in(self, function: FunctionType) -> set[Place]:
        names = {name for code in _codes(function.__code__) for name in code.co_names}
        return {
            (number, name)
            for number, owner in enumerate(self._owners)
            for name in names
            if callable(value := getattr(owner, name, None))
            and not name.startswith("__")
            and not (isinstance(value, type) and issubclass(value, _NOT_CODE))
            and (isinstance(value, EXPORT) or self._origin(value) not in _LIBRARIES)
        }


def _never(_target: Any) -> bool:
    return False


def _getter(kind: Any, places: Sequence[Place]) -> Callable[[Any], tuple[Any, ...]]:
    names = [name for _, name in places]
    if len(names) < _PLURAL:
        return lambda owner: tuple(kind(name)(owner) for name in names)
    getter: Callable[[Any], tuple[Any, ...]] = kind(*names)
    return getter


def _function(value: Any) -> FunctionType | None:
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    return value if isinstance(value, FunctionType) else None


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
