"""The classes that ask the cache first: mixed into OrcFxAPI's own classes of objects, and into its `Model`.

Each method looks whether its object has a cache and is on the model's thread; where not, the binding is asked as if
nothing were here. How the classes get into OrcFxAPI: `orcabatch.orcaflex.broker.hook`; what empties a cache:
`orcabatch.orcaflex.broker.hook`.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.broker.keys import UnkeyableError

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.answer_cache import AnswerCache

# Names and signatures below are OrcFxAPI's.
# ruff: noqa: N802, N803, D102

# Each method looks for itself whether there is a cache and whether this is its thread: code asks by the hundred
# thousand, and a helper would be one more Python call each time. Only plain `str`, `list` and `tuple` are answered from
# the cache: a subclass may compare and hash as it likes.


class BrokeredObject:
    """What every OrcaFlex object gets: questions go to the cache of its model."""

    _answer_cache: AnswerCache | None = None
    handle: Any
    type: Any

    @property
    def typeName(self) -> str:
        cache = self._answer_cache
        if cache is None or get_ident() != cache.thread:
            return str(super().typeName)  # type: ignore[misc]
        return str(cache.fact(f"typeName {int(self.type)}", lambda: super(BrokeredObject, self).typeName))  # type: ignore[misc]

    def varID(self, varName: str) -> int:
        cache = self._answer_cache
        if cache is None or get_ident() != cache.thread or type(varName) is not str:
            return int(super().varID(varName))  # type: ignore[misc]
        return cache.variable_id(self, varName, lambda: super(BrokeredObject, self).varID(varName))  # type: ignore[misc]

    def TimeHistory(self, varNames: Any, period: Any = None, objectExtra: Any = None) -> Any:
        cache = self._answer_cache
        if cache is None or get_ident() != cache.thread:
            return super().TimeHistory(varNames, period, objectExtra)  # type: ignore[misc]
        if type(varNames) is str:
            return cache.history(self, varNames, period, objectExtra)
        if type(varNames) in {list, tuple}:
            return cache.table(self, varNames, period, objectExtra)
        return super().TimeHistory(varNames, period, objectExtra)  # type: ignore[misc]

    def SampleTimes(self, period: Any = None) -> Any:
        return _sample_times(self._answer_cache, period, super().SampleTimes)  # type: ignore[misc]

    def LinkedStatistics(self, varNames: Any, period: Any = None, objectExtra: Any = None) -> Any:
        cache, ask = self._answer_cache, super().LinkedStatistics  # type: ignore[misc]
        if cache is None or get_ident() != cache.thread or type(varNames) not in {list, tuple}:
            return ask(varNames, period, objectExtra)
        try:
            how = (cache.keys.period(period), cache.keys.object_extra(objectExtra))
            key = ("linked", self.handle.value, tuple(varNames), *how)
            hash(key)  # names may be anything at all; OrcFxAPI then says what it thinks of them
        except (UnkeyableError, TypeError):
            return ask(varNames, period, objectExtra)
        return cache.link(key, lambda: ask(varNames, period, objectExtra))

    def ask_time_history(self, variables: Any, period: Any, extra: Any) -> Any:
        """Ask the binding, past the cache."""
        return super().TimeHistory(variables, period, extra)  # type: ignore[misc]


class BrokeredRangeGraphs:
    """What objects with range graphs get besides."""

    _answer_cache: AnswerCache | None = None
    handle: Any

    def RangeGraph(
        self,
        varName: str,
        period: Any = None,
        objectExtra: Any = None,
        arclengthRange: Any = None,
        stormDurationHours: Any = None,
    ) -> Any:
        cache, ask = self._answer_cache, super().RangeGraph  # type: ignore[misc]
        arguments = (varName, period, objectExtra, arclengthRange, stormDurationHours)
        if cache is None or get_ident() != cache.thread or type(varName) is not str:
            return ask(*arguments)
        keys = cache.keys
        try:
            extras = (keys.period(period), keys.object_extra(objectExtra), keys.arclengths(arclengthRange))
            key = (self.handle.value, varName, *extras, stormDurationHours)
            hash(key)
        except (UnkeyableError, TypeError):
            return ask(*arguments)
        return cache.graph(key, lambda: ask(*arguments))


class BrokeredModel:
    """What the models of a broker's get."""

    __slots__ = ()
    _answer_cache: AnswerCache | None

    def __getitem__(self, name: str) -> Any:
        cache = self._answer_cache
        if cache is None or get_ident() != cache.thread or type(name) is not str:
            return super().__getitem__(name)  # type: ignore[misc]
        return cache.objects.called(name)

    def __contains__(self, name: Any) -> bool:
        # Only a yes is known for sure: names that were not met yet are OrcFxAPI's to look up.
        cache = self._answer_cache
        if cache is not None and get_ident() == cache.thread and type(name) is str and cache.objects.knows(name):
            return True
        return bool(super().__contains__(name))  # type: ignore[misc]

    def __iter__(self) -> Iterator[str]:
        cache = self._answer_cache
        if cache is None or get_ident() != cache.thread:
            yield from super().__iter__()  # type: ignore[misc]
        else:
            yield from cache.objects.names()

    def __len__(self) -> int:
        cache = self._answer_cache
        count = cache.objects.count() if cache is not None and get_ident() == cache.thread else None
        return int(super().__len__()) if count is None else count  # type: ignore[misc]

    @property
    def objects(self) -> Any:
        cache = self._answer_cache
        if cache is None or get_ident() != cache.thread:
            return super().objects  # type: ignore[misc]
        return cache.objects.all()

    @property
    def state(self) -> Any:
        return _fact(self._answer_cache, "state", lambda: super(BrokeredModel, self).state)  # type: ignore[misc]

    @property
    def simulationComplete(self) -> Any:
        return _fact(self._answer_cache, "complete", lambda: super(BrokeredModel, self).simulationComplete)  # type: ignore[misc]

    @property
    def simulationTimeStatus(self) -> Any:
        status = _fact(self._answer_cache, "times", lambda: super(BrokeredModel, self).simulationTimeStatus)  # type: ignore[misc]
        return type(status).from_buffer_copy(status)  # a structure, which the caller may change

    def SampleTimes(self, period: Any = None) -> Any:
        return _sample_times(self._answer_cache, period, super().SampleTimes)  # type: ignore[misc]


def _fact(cache: AnswerCache | None, name: str, ask: Callable[[], Any]) -> Any:
    return ask() if cache is None or get_ident() != cache.thread else cache.fact(name, ask)


def _sample_times(cache: AnswerCache | None, period: Any, ask: Callable[[Any], Any]) -> Any:
    if cache is None or get_ident() != cache.thread:
        return ask(period)
    try:
        key = ("times", cache.keys.period(period))
    except UnkeyableError:
        return ask(period)
    return cache.copied(key, lambda: ask(period))
