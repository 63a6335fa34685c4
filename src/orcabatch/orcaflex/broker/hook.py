"""The classes that ask the memory first, and how they get into OrcFxAPI: its own class hook, and a subclass of `Model`.

The hook is process-wide and there is one per OrcFxAPI module, counted: put in with the first model of a broker's, taken
out with the last. Objects of models that no broker owns get the same classes, which then do nothing: whether an object
asks a memory is decided by its model's handle, when it is made. Objects that outlive their model ask nobody.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from _thread import get_ident
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.broker.keys import UnkeyableError
from orcabatch.orcaflex.broker.surface import MODEL_READERS, OBJECT_READERS, STRAY_WRITERS, writers

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.memory import Memory

# Names and signatures below are OrcFxAPI's.
# ruff: noqa: N802, N803, D102

_OWN = frozenset({"handle", "modelHandle", "type", "status", "_tags"})


class BrokeredObject:
    """What every OrcaFlex object gets: questions go to the memory of its model, changes empty it."""

    _memory: Memory | None = None
    handle: Any
    type: Any

    def isBuiltInAttribute(self, name: str) -> bool:
        return name == "_memory" or bool(super().isBuiltInAttribute(name))  # type: ignore[misc]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            object.__setattr__(self, name, value)
            return
        with _change(self._memory):
            super().__setattr__(name, value)

    def dataChange(self) -> Any:
        # The changes take effect when the block ends.
        return _changing_block(self._memory, super().dataChange())  # type: ignore[misc]

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

    _memory: Memory | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        with _change(self._memory):
            super().__setattr__(name, value)

    def __getitem__(self, name: str) -> Any:
        memory = self._memory
        if memory is None or get_ident() != memory.thread or type(name) is not str:
            return super().__getitem__(name)  # type: ignore[misc]
        found = memory.objects.by_name.get(name)
        return memory.objects.called(name) if found is None else found

    def __contains__(self, name: Any) -> bool:
        memory = self._memory
        if memory is not None and get_ident() == memory.thread and type(name) is str and name in memory.objects.by_name:
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


@contextlib.contextmanager
def _change(memory: Memory | None) -> Iterator[None]:
    mine = memory is not None and get_ident() == memory.thread
    if mine:
        memory.changing()  # type: ignore[union-attr]
    try:
        yield
    finally:
        if mine:
            memory.forget()  # type: ignore[union-attr]


@contextlib.contextmanager
def _changing_block(memory: Memory | None, block: Any) -> Iterator[Any]:
    with _change(memory), block as value:
        yield value


def _writer(base: type, name: str) -> Callable[..., Any]:
    method = getattr(base, name)

    def write(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _change(self._memory):
            return method(self, *args, **kwargs)

    write.__name__, write.__qualname__, write.__doc__ = name, method.__qualname__, method.__doc__
    return write


class Hook:
    """The hook of one OrcFxAPI module, and the memories of the models that brokers own."""

    def __init__(self, module: Any) -> None:
        # Held weakly: the module's table of hooks must not outlive the module.
        self._module: Callable[[], Any] = weakref.ref(module)
        self.memories: dict[Any, Memory] = {}
        self._classes: dict[type, type] = {}
        self._model_class: type | None = None
        self._users = 0
        self._lock = threading.Lock()
        self._strays: dict[str, Any] = {}

    def __call__(self, _kind: Any, base: type) -> type:
        """The class for an object of this kind, over the class that the binding or another hook chose."""
        found = self._classes.get(base)
        if found is None:
            found = self._classes[base] = self._object_class(base)
        return found

    @property
    def installed(self) -> bool:
        """Whether OrcFxAPI asks this hook."""
        return self._users > 0

    def acquire(self) -> None:
        """One more model of a broker's is about to be made."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._module().Model.addOrcaFlexObjectClassHook(self)
                self._wrap_strays()

    def release(self) -> None:
        """One fewer."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._module().Model.removeOrcaFlexObjectClassHook(self)
                self._unwrap_strays()

    def model_class(self) -> type:
        """The subclass of the module's `Model`."""
        if self._model_class is None:
            module = self._module()
            names = {name: _writer(module.Model, name) for name in writers(module, module.Model, MODEL_READERS)}
            names = {name: member for name, member in names.items() if name not in vars(BrokeredModel)}
            metaclass: Any = type(module.Model)
            body = {**names, "__module__": module.__name__, "__doc__": module.Model.__doc__}
            self._model_class = metaclass("Model", (BrokeredModel, module.Model), body)
        return self._model_class

    def _object_class(self, base: type) -> type:
        module, memories = self._module(), self.memories
        ranges = (BrokeredRangeGraphs,) if hasattr(base, "RangeGraph") else ()
        body: dict[str, Any] = {name: _writer(base, name) for name in writers(module, base, OBJECT_READERS)}
        plain = base.__init__ is module.OrcaFlexObject.__init__  # type: ignore[misc]

        def made(self: Any, modelHandle: Any, handle: Any, type: Any) -> None:  # noqa: A002 - OrcFxAPI's name
            if plain:
                self.__dict__.update(handle=handle, modelHandle=modelHandle, type=type)
            else:
                base.__init__(self, modelHandle, handle, type)  # type: ignore[misc]
            memory = memories.get(getattr(modelHandle, "value", modelHandle))
            if memory is not None:
                memory.adopt(self)

        body |= {"__init__": made, "__module__": base.__module__, "__doc__": base.__doc__}
        return type(base.__name__, (BrokeredObject, *ranges, base), body)

    def _wrap_strays(self) -> None:
        module = self._module()
        for name in STRAY_WRITERS:
            original = getattr(module, name, None)
            if original is not None:
                wrapped = self._stray(original)
                self._strays[name] = (original, wrapped)
                setattr(module, name, wrapped)

    def _unwrap_strays(self) -> None:
        module = self._module()
        for name, (original, wrapped) in self._strays.items():
            if getattr(module, name) is wrapped:
                setattr(module, name, original)
        self._strays.clear()

    def _stray(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **kwargs: Any) -> Any:
            with contextlib.ExitStack() as changes:
                for memory in tuple(self.memories.values()):
                    changes.enter_context(_change(memory))
                return original(*args, **kwargs)

        write.__name__, write.__qualname__ = original.__name__, original.__qualname__
        write.__doc__, write.__module__ = original.__doc__, original.__module__
        return write


_HOOKS: weakref.WeakKeyDictionary[Any, Hook] = weakref.WeakKeyDictionary()
_MAKING = threading.Lock()


def hook_of(module: Any) -> Hook:
    """The hook of this OrcFxAPI module; there is one."""
    with _MAKING:
        hook = _HOOKS.get(module)
        if hook is None:
            hook = _HOOKS[module] = Hook(module)
        return hook
