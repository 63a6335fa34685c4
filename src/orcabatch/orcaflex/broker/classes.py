"""The classes that ask the cache first: mixed into OrcFxAPI's own classes of objects, and into its `Model`.

Each method looks whether its object has a cache, is on the model's thread, and whether what would answer is OrcFxAPI's
own code (`own_code`); where not, that is called as if nothing were here, with whatever arguments it takes. How the
classes get into OrcFxAPI, and what empties a cache: `orcabatch.orcaflex.broker.hook`.
"""

from __future__ import annotations

import ctypes
from _thread import get_ident
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from orcabatch.orcaflex.broker.keys import UnkeyableError

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.answer_cache import AnswerCache
    from orcabatch.orcaflex.broker.own_code import Guards

Ask = Callable[..., Any]

# Names and signatures below are OrcFxAPI's.
# ruff: noqa: N802, N803, D102

# Each method looks for itself whether there is a cache and whether this is its thread: code asks by the hundred
# thousand, and a helper would be one more Python call each time. Only plain `str`, `list` and `tuple` are answered from
# the cache: a subclass may compare and hash as it likes.


class BrokeredObject:
    """What every OrcaFlex object gets: questions go to the cache of its model."""

    _answer_cache: AnswerCache | None = None
    _broker_guards: ClassVar[Guards] = {}
    _broker_plain: ClassVar[bool] = False
    """Whether this is a broker's class over one of OrcFxAPI's own."""
    handle: Any
    type: Any

    @property
    def typeName(self) -> Any:
        cache = self._answer_cache
        if cache is None or get_ident() != cache.thread or not self._broker_guards["typeName"](self):
            return super().typeName  # type: ignore[misc]
        return cache.fact(f"typeName {int(self.type)}", lambda: super(BrokeredObject, self).typeName)  # type: ignore[misc]

    def varID(self, *args: Any, **kwargs: Any) -> Any:
        cache, ask = self._answer_cache, super().varID  # type: ignore[misc]
        if cache is None or get_ident() != cache.thread or not self._broker_guards["varID"](self):
            return ask(*args, **kwargs)
        return _variable_id(self, cache, ask, *args, **kwargs)

    def TimeHistory(self, *args: Any, **kwargs: Any) -> Any:
        cache = self._answer_cache
        if cache is None or get_ident() != cache.thread or not self._broker_guards["TimeHistory"](self):
            return super().TimeHistory(*args, **kwargs)  # type: ignore[misc]
        return _time_history(self, cache, *args, **kwargs)

    def SampleTimes(self, *args: Any, **kwargs: Any) -> Any:
        cache, ask = self._answer_cache, super().SampleTimes  # type: ignore[misc]
        if cache is None or get_ident() != cache.thread or not self._broker_guards["SampleTimes"](self):
            return ask(*args, **kwargs)
        return _sample_times(cache, ask, *args, **kwargs)

    def LinkedStatistics(self, *args: Any, **kwargs: Any) -> Any:
        cache, ask = self._answer_cache, super().LinkedStatistics  # type: ignore[misc]
        if cache is None or get_ident() != cache.thread or not self._broker_guards["LinkedStatistics"](self):
            return ask(*args, **kwargs)
        return _linked_statistics(self, cache, ask, *args, **kwargs)

    def ask_time_history(self, variables: Any, period: Any, extra: Any) -> Any:
        """Ask the binding, past the cache."""
        return super().TimeHistory(variables, period, extra)  # type: ignore[misc]


class KnownName:
    """What objects get whose class gives them no `name` of its own: the name that the enumeration told."""

    def __get__(self, target: Any, _kind: Any = None) -> str:
        name: str | None = None if target is None else target.__dict__.get("_known_name")
        if name is None or not target._broker_guards["__getattr__"](target):
            raise AttributeError("name")  # Python then asks `__getattr__`, as where nothing of this name is
        return name


class BrokeredRangeGraphs:
    """What objects with range graphs get besides."""

    _answer_cache: AnswerCache | None = None
    _broker_guards: ClassVar[Guards] = {}
    handle: Any

    def RangeGraph(self, *args: Any, **kwargs: Any) -> Any:
        cache, ask = self._answer_cache, super().RangeGraph  # type: ignore[misc]
        if cache is None or get_ident() != cache.thread or not self._broker_guards["RangeGraph"](self):
            return ask(*args, **kwargs)
        return _range_graph(self, cache, ask, *args, **kwargs)


class BrokeredModel:
    """What the models of a broker's get."""

    __slots__ = ()
    _answer_cache: AnswerCache | None
    _broker_guards: ClassVar[Guards] = {}

    def __getitem__(self, name: Any) -> Any:
        cache = self._brokered("__getitem__")
        if cache is None or type(name) is not str:
            return super().__getitem__(name)  # type: ignore[misc]
        return cache.objects.called(name)

    def __contains__(self, name: Any) -> bool:
        # Only a yes is known for sure: names that were not met yet are OrcFxAPI's to look up.
        cache = self._brokered("__contains__")
        if cache is not None and type(name) is str and cache.objects.knows(name):
            return True
        return super().__contains__(name)  # type: ignore[misc, no-any-return]

    def __iter__(self) -> Iterator[str]:
        cache = self._brokered("__iter__")
        if cache is None:
            return super().__iter__()  # type: ignore[misc, no-any-return]
        return _names(cache)

    def __len__(self) -> int:
        cache = self._brokered("__len__")
        count = None if cache is None else cache.objects.count()
        return super().__len__() if count is None else count  # type: ignore[misc]

    @property
    def objects(self) -> Any:
        cache = self._brokered("objects")
        if cache is None:
            return super().objects  # type: ignore[misc]
        return cache.objects.all()

    @property
    def state(self) -> Any:
        return self._fact("state", lambda: super(BrokeredModel, self).state)  # type: ignore[misc]

    @property
    def simulationComplete(self) -> Any:
        return self._fact("simulationComplete", lambda: super(BrokeredModel, self).simulationComplete)  # type: ignore[misc]

    @property
    def simulationTimeStatus(self) -> Any:
        status = self._fact("simulationTimeStatus", lambda: super(BrokeredModel, self).simulationTimeStatus)  # type: ignore[misc]
        if not isinstance(status, ctypes.Structure):  # a user's own
            return status
        return type(status).from_buffer_copy(status)  # a structure, which the caller may change

    def SampleTimes(self, *args: Any, **kwargs: Any) -> Any:
        cache, ask = self._brokered("SampleTimes"), super().SampleTimes  # type: ignore[misc]
        return ask(*args, **kwargs) if cache is None else _sample_times(cache, ask, *args, **kwargs)

    def _brokered(self, question: str) -> AnswerCache | None:
        cache = self._answer_cache
        if cache is None or get_ident() != cache.thread or not self._broker_guards[question](self):
            return None
        return cache

    def _fact(self, name: str, ask: Callable[[], Any]) -> Any:
        cache = self._brokered(name)
        return ask() if cache is None else cache.fact(name, ask)


# Outside the classes, where a name of theirs might hide one of a user's class.


def object_names(model: Any) -> list[str] | None:
    """What `[each.name for each in model.objects]` gives, without making them; None where they have to be asked."""
    cache = model._brokered("objects") if isinstance(model, BrokeredModel) else None
    return None if cache is None else cache.objects.told_names()


def _variable_id(target: Any, cache: AnswerCache, ask: Ask, varName: Any) -> Any:
    if type(varName) is not str:
        return ask(varName)
    return cache.variable_id(target, varName, lambda: ask(varName))


def _time_history(target: Any, cache: AnswerCache, varNames: Any, period: Any = None, objectExtra: Any = None) -> Any:
    if type(varNames) is str:
        return cache.history(target, varNames, period, objectExtra)
    if type(varNames) in {list, tuple}:
        return cache.table(target, varNames, period, objectExtra)
    return target.ask_time_history(varNames, period, objectExtra)


def _sample_times(cache: AnswerCache, ask: Ask, period: Any = None) -> Any:
    try:
        key = ("times", cache.keys.period(period))
    except UnkeyableError:
        return ask(period)
    return cache.copied(key, lambda: ask(period))


def _linked_statistics(target: Any, cache: AnswerCache, ask: Ask, varNames: Any, *how: Any, **named: Any) -> Any:
    period, extra = _two(*how, **named)
    if type(varNames) not in {list, tuple}:
        return ask(varNames, period, extra)
    try:
        key = (
            "linked",
            target.handle.value,
            tuple(varNames),
            cache.keys.period(period),
            cache.keys.object_extra(extra),
        )
        hash(key)  # names may be anything at all; OrcFxAPI then says what it thinks of them
    except (UnkeyableError, TypeError):
        return ask(varNames, period, extra)
    return cache.link(key, lambda: ask(varNames, period, extra))


def _two(period: Any = None, objectExtra: Any = None) -> tuple[Any, Any]:
    return period, objectExtra


def _range_graph(target: Any, cache: AnswerCache, ask: Ask, varName: Any, *how: Any, **named: Any) -> Any:
    arguments, keys = _four(*how, **named), cache.keys
    period, extra, arclengths, hours = arguments
    if type(varName) is not str:
        return ask(varName, *arguments)
    try:
        key = (
            *(target.handle.value, varName, keys.period(period), keys.object_extra(extra)),
            *(keys.arclengths(arclengths), hours),
        )
        hash(key)
    except (UnkeyableError, TypeError):
        return ask(varName, *arguments)
    return cache.graph(key, lambda: ask(varName, *arguments))


def _four(
    period: Any = None, objectExtra: Any = None, arclengthRange: Any = None, stormDurationHours: Any = None
) -> tuple[Any, Any, Any, Any]:
    return period, objectExtra, arclengthRange, stormDurationHours


def _names(cache: AnswerCache) -> Iterator[str]:
    yield from cache.objects.names()
