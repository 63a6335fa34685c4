"""How the broker's classes get into OrcFxAPI: its own class hook, a subclass of `Model`, and `replaced` functions.

The hook is process-wide and there is one per OrcFxAPI module, counted: put in with the first model of a broker's, taken
out with the last. Objects of models that no broker owns get the same classes, which then do nothing: whether an object
asks a memory is decided by its model's handle, when it is made. Objects that outlive their model ask nobody.
"""

from __future__ import annotations

import threading
import weakref
from _thread import get_ident
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.broker.brokered import BrokeredModel, BrokeredObject, BrokeredRangeGraphs
from orcabatch.orcaflex.broker.replaced import Replaced
from orcabatch.orcaflex.broker.surface import MODEL_READERS, OBJECT_READERS, writers

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.memory import Memory


def _writer(base: type, name: str) -> Callable[..., Any]:
    method = getattr(base, name)

    def write(self: Any, *args: Any, **kwargs: Any) -> Any:
        memory = self._memory
        if memory is None or get_ident() != memory.thread:
            return method(self, *args, **kwargs)
        memory.changing()
        try:
            return method(self, *args, **kwargs)
        finally:
            memory.changed()

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
        self._replaced = Replaced(self.memories)

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
                self._replaced.put_in(self._module())

    def release(self) -> None:
        """One fewer."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._module().Model.removeOrcaFlexObjectClassHook(self)
                self._replaced.take_out()

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

        def made(self: Any, modelHandle: Any, handle: Any, type: Any) -> None:  # noqa: A002, N803 - OrcFxAPI's names
            if plain:
                self.__dict__.update(handle=handle, modelHandle=modelHandle, type=type)
            else:
                base.__init__(self, modelHandle, handle, type)  # type: ignore[misc]
            memory = memories.get(getattr(modelHandle, "value", modelHandle))
            if memory is not None:
                memory.adopt(self)

        body |= {"__init__": made, "__module__": base.__module__, "__doc__": base.__doc__}
        return type(base.__name__, (BrokeredObject, *ranges, base), body)


_HOOKS: weakref.WeakKeyDictionary[Any, Hook] = weakref.WeakKeyDictionary()
_MAKING = threading.Lock()


def hook_of(module: Any) -> Hook:
    """The hook of this OrcFxAPI module; there is one."""
    with _MAKING:
        hook = _HOOKS.get(module)
        if hook is None:
            hook = _HOOKS[module] = Hook(module)
        return hook
