"""The objects of one loaded model: one enumeration answers objects, names and types.

The binding asks each name again and makes each object again at every access. Here an object is made once per file, and
carries its name. Uses the binding's own enumeration call, whose callback hands over handle, type and name; a name of 49
characters or more may be cut there and is asked for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection
from typing import Any

from orcabatch.orcaflex.owners import Owners

_FEW = 4
"""From so many objects by name on, all are enumerated at once: one enumeration costs as many callbacks as there are
objects, each look-up by name a call of its own and one for the name."""
_LONGEST_NAME = 48


class Objects:
    """Objects of one model by name; forgets them when told, and when OrcFxAPI's object classes are hooked otherwise."""

    def __init__(self, module: Any, model_handle: Any, adopt: Callable[[Any], None]) -> None:
        self._module, self.model_handle, self._adopt = module, model_handle, adopt
        self._files = Owners.of(module).files
        self.making: Any = None
        self._hooks: list[Any] = []
        self._by_name: dict[str, Any] = {}
        self._all: tuple[Any, ...] | None = None
        self._made: list[Any] = []
        self._expected = 0

    def expect(self, names: Collection[str]) -> None:
        """These names are likely to be asked for."""
        self._expected = len(names)

    def all(self) -> tuple[Any, ...]:
        """Every object, in the model's order."""
        self._renew()
        if self._all is None:
            self._all = self._enumerated()
        return self._all

    def names(self) -> list[str]:
        """Every object's name, in the model's order."""
        return [target.__dict__["_label"] for target in self.all()]

    def count(self) -> int | None:
        """How many there are; None where it is not known yet."""
        return None if self._all is None else len(self._all)

    def knows(self, name: str) -> bool:
        """Whether there is an object of this name, as far as is known without asking."""
        return name in self._by_name

    def called(self, name: str) -> Any:
        """The object of this name.

        Raises:
            KeyError: there is none.
            DLLError: as the binding.
        """
        self._renew()
        found = self._by_name.get(name)
        if found is not None:
            return found
        if self._all is None and max(self._expected, len(self._by_name)) >= _FEW:
            # Code that asks for this many goes on asking: one enumeration is cheaper.
            self._try_all()
            if name in self._by_name:
                return self._by_name[name]
        return self._looked_up(name)

    def forget(self) -> None:
        """Names and objects may have changed. Objects that were handed out ask for their name again."""
        opened = self._files.get(self.model_handle.value)
        for target in self._made:
            target.__dict__.pop("name", None)
            if opened is not None:
                opened.claim_object(target, target.handle)
        self._made.clear()
        self._by_name.clear()
        self._all = None

    def end(self) -> None:
        """The file is about to be released: let go of its objects."""
        made, self._made = self._made, []
        self._by_name.clear()
        self._all = None
        opened = self._files.get(self.model_handle.value)
        if opened is not None:
            opened.part_with(made)

    def _renew(self) -> None:
        # The binding asks the hooks for every object it makes; one that was added meanwhile works at once.
        hooks = self._module.Model._hookOrcaFlexObjectClass
        if self._hooks != hooks:
            self._hooks = list(hooks)
            self.forget()

    def _try_all(self) -> None:
        try:
            self.all()
        except self._module.DLLError:
            self._all = None

    def _looked_up(self, name: str) -> Any:
        info = self._module.HelperMethods.ObjectCalledSafe(self.model_handle, name)
        if info.ObjectHandle is None:
            raise KeyError(name)
        self._by_name[name] = made = self._made_of(info.ObjectHandle, info.ObjectType, info.ObjectName)
        return made

    def _enumerated(self) -> tuple[Any, ...]:
        module, found = self._module, []

        def callback(_model: Any, info: Any) -> None:
            item = info[0]
            found.append((item.ObjectHandle, item.ObjectType, item.ObjectName))

        status = ctypes.c_int()
        module._EnumerateObjects(self.model_handle, module._EnumerateObjectsProc(callback), ctypes.c_int(), status)
        if status.value:
            raise module.DLLError(module.StatusCode(status.value))
        objects = tuple(self._made_of(*item) for item in found)
        for target in objects:
            self._by_name.setdefault(target.__dict__["_label"], target)
        return objects

    def _made_of(self, handle: Any, kind: int, name: str) -> Any:
        module = self._module
        self.making = module.Handle(handle)  # the file need not claim what is held here
        made = module.HelperMethods.CreateOrcaFlexObject(self.model_handle, self.making, module.ObjectType(kind))
        self.making = None
        if len(name) > _LONGEST_NAME:
            name = module.HelperMethods.GetDataString(made.handle, "Name", 0)
        made.__dict__["_label"] = name
        if type(made).__getattr__ is module.DataObject.__getattr__:  # else the name is what the code's own class says
            made.__dict__["name"] = name
        self._made.append(made)
        self._adopt(made)
        return made
