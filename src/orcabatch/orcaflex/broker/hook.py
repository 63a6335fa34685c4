"""How the broker's classes get into OrcFxAPI: its own class hook, a subclass of `Model`, and `replaced` functions.

The hook is process-wide and there is one per OrcFxAPI module, counted: put in with the first model of a broker's, taken
out with the last. Objects of models that no broker owns get the same classes, which then do nothing: whether an object
asks a memory is decided by its model's handle, when it is made.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.broker.brokered import BrokeredModel, BrokeredObject, BrokeredRangeGraphs
from orcabatch.orcaflex.broker.replaced import Replaced
from orcabatch.orcaflex.owners import owners_of

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.memory import Memory


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
        self._owners = owners_of(module)
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
                with contextlib.suppress(ValueError):  # somebody emptied OrcFxAPI's list
                    self._module().Model.removeOrcaFlexObjectClassHook(self)
                self._replaced.take_out()

    def model_class(self) -> type:
        """The subclass of the module's `Model`."""
        if self._model_class is None:
            module, memories = self._module(), self.memories

            def made(self: Any, *args: Any, **kwargs: Any) -> None:
                object.__setattr__(self, "_memory", None)
                module.Model.__init__(self, *args, **kwargs)
                object.__setattr__(self, "_memory", memories.get(getattr(self.handle, "value", self.handle)))

            # Slots, as OrcFxAPI's own has: a misspelt attribute raises.
            body = {"__init__": made, "__slots__": ("_memory",), "__module__": module.__name__}
            metaclass: Any = type(module.Model)
            self._model_class = metaclass(
                "Model", (BrokeredModel, module.Model), body | {"__doc__": module.Model.__doc__}
            )
        return self._model_class

    def _object_class(self, base: type) -> type:
        module, memories, claim = self._module(), self.memories, self._owners.claim
        files = self._owners.files
        ranges = (BrokeredRangeGraphs,) if hasattr(base, "RangeGraph") else ()
        plain = base.__init__ is module.OrcaFlexObject.__init__  # type: ignore[misc]

        def made(self: Any, modelHandle: Any, handle: Any, type: Any) -> None:  # noqa: A002, N803 - OrcFxAPI's names
            value = getattr(modelHandle, "value", modelHandle)
            memory = memories.get(value)
            if not plain:
                base.__init__(self, modelHandle, handle, type)  # type: ignore[misc]
            elif memory is not None and memory.objects.making is handle:
                self.__dict__.update(handle=handle, modelHandle=files[value].handle, type=type)
            else:
                self.__dict__.update(handle=handle, modelHandle=claim(self, modelHandle, handle), type=type)
            if memory is not None:
                memory.adopt(self)

        body: dict[str, Any] = {"__init__": made, "__module__": base.__module__, "__doc__": base.__doc__}
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
