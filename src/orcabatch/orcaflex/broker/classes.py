"""The classes that ask the memory first: mixed into OrcFxAPI's own classes of objects, and into its `Model`.

Each method looks whether its object has a memory and is on the model's thread; where not, the binding is asked as if
nothing were here. How the classes get into OrcFxAPI: `orcabatch.orcaflex.broker.hook`; what empties a memory:
`orcabatch.orcaflex.broker.hook`.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.broker.keys import UnkeyableError

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.answer_cache import Memory

# Names and signatures below are OrcFxAPI's.
# ruff: noqa: N802, N803, D102


class BrokeredObject:
    """What every OrcaFlex object gets: questions go to the memory of its model."""

    _memory: Memory | None = None
    handle: Any
    type: Any

    @property
    def typeName(self) -> str:
        memory = self._memory
        if memory is None or get_ident() != memory.thread:
            return str(super().typeName)  # type: ignore[misc]
        return str(memory.fact(f"typeName {int(self.type)}", lambda: super(BrokeredObject, self).typeName))  # type: ignore[misc]

    def varID(self, varName: str) -> int:
        memory = self._memory
        if memory is None or get_ident() != memory.thread or type(varName) is not str:
            return int(super().varID(varName))  # type: ignore[misc]
        return memory.variable_id(self, varName, lambda: super(BrokeredObject, self).varID(varName))  # type: ignore[misc]

    def TimeHistory(self, varNames: Any, period: Any = None, objectExtra: Any = None) -> Any:
        memory = self._memory
        if memory is None or get_ident() != memory.thread:
            return super().TimeHistory(varNames, period, objectExtra)  # type: ignore[misc]
        if type(varNames) is str:
            return memory.history(self, varNames, period, objectExtra)
        if type(varNames) in {list, tuple}:
            return memory.table(self, varNames, period, objectExtra)
        return super().TimeHistory(varNames, period, objectExtra)  # type: ignore[misc]

    def SampleTimes(self, period: Any = None) -> Any:
        return _sample_times(self._memory, period, super().SampleTimes)  # type: ignore[misc]

    def LinkedStatistics(self, varNames: Any, period: Any = None, objectExtra: Any = None) -> Any:
        memory, ask = self._memory, super().LinkedStatistics  # type: ignore[misc]
        if memory is None or get_ident() != memory.thread or type(varNames) not in {list, tuple}:
            return ask(varNames, period, objectExtra)
        try:
            how = (memory.keys.period(period), memory.keys.object_extra(objectExtra))
            key = ("linked", self.handle.value, tuple(varNames), *how)
            hash(key)
        except (UnkeyableError, TypeError):
            return ask(varNames, period, objectExtra)
        return memory.link(key, lambda: ask(varNames, period, objectExtra))

    def ask_time_history(self, variables: Any, period: Any, extra: Any) -> Any:
        """Ask the binding, past the memory."""
        return super().TimeHistory(variables, period, extra)  # type: ignore[misc]


class BrokeredRangeGraphs:
    """What objects with range graphs get besides."""

    _memory: Memory | None = None
    handle: Any

    def RangeGraph(
        self,
        varName: str,
        period: Any = None,
        objectExtra: Any = None,
        arclengthRange: Any = None,
        stormDurationHours: Any = None,
    ) -> Any:
        memory, ask = self._memory, super().RangeGraph  # type: ignore[misc]
        arguments = (varName, period, objectExtra, arclengthRange, stormDurationHours)
        if memory is None or get_ident() != memory.thread or type(varName) is not str:
            return ask(*arguments)
        keys = memory.keys
        try:
            extras = (keys.period(period), keys.object_extra(objectExtra), keys.arclengths(arclengthRange))
            key = (self.handle.value, varName, *extras, stormDurationHours)
            hash(key)
        except (UnkeyableError, TypeError):
            return ask(*arguments)
        return memory.graph(key, lambda: ask(*arguments))


class BrokeredModel:
    """What the models of a broker's get."""

    __slots__ = ()
    _memory: Memory | None

    def __getitem__(self, name: str) -> Any:
        memory = self._memory
        if memory is None or get_ident() != memory.thread or type(name) is not str:
            return super().__getitem__(name)  # type: ignore[misc]
        return memory.objects.called(name)

    def __contains__(self, name: Any) -> bool:
        memory = self._memory
        if memory is not None and get_ident() == memory.thread and type(name) is str and memory.objects.knows(name):
            return True
        return bool(super().__contains__(name))  # type: ignore[misc]

    def __iter__(self) -> Iterator[str]:
        memory = self._memory
        if memory is None or get_ident() != memory.thread:
            yield from super().__iter__()  # type: ignore[misc]
        else:
            yield from memory.objects.names()

    def __len__(self) -> int:
        memory = self._memory
        count = memory.objects.count() if memory is not None and get_ident() == memory.thread else None
        return int(super().__len__()) if count is None else count  # type: ignore[misc]

    @property
    def objects(self) -> Any:
        memory = self._memory
        if memory is None or get_ident() != memory.thread:
            return super().objects  # type: ignore[misc]
        return memory.objects.all()

    @property
    def state(self) -> Any:
        return _fact(self._memory, "state", lambda: super(BrokeredModel, self).state)  # type: ignore[misc]

    @property
    def simulationComplete(self) -> Any:
        return _fact(self._memory, "complete", lambda: super(BrokeredModel, self).simulationComplete)  # type: ignore[misc]

    @property
    def simulationTimeStatus(self) -> Any:
        status = _fact(self._memory, "times", lambda: super(BrokeredModel, self).simulationTimeStatus)  # type: ignore[misc]
        return type(status).from_buffer_copy(status)

    def SampleTimes(self, period: Any = None) -> Any:
        return _sample_times(self._memory, period, super().SampleTimes)  # type: ignore[misc]


def _fact(memory: Memory | None, name: str, ask: Callable[[], Any]) -> Any:
    return ask() if memory is None or get_ident() != memory.thread else memory.fact(name, ask)


def _sample_times(memory: Memory | None, period: Any, ask: Callable[[Any], Any]) -> Any:
    if memory is None or get_ident() != memory.thread:
        return ask(period)
    try:
        key = ("times", memory.keys.period(period))
    except UnkeyableError:
        return ask(period)
    return memory.copied(key, lambda: ask(period))
