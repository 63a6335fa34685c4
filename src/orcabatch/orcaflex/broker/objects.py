"""The objects of one loaded model: one enumeration answers objects, names and types.

The binding asks each name again and makes each object again at every access. Here an object is made once per file, and
carries its name. Uses the binding's own enumeration call, whose callback hands over handle, type and name; a name of 49
characters or more may be cut there and is asked for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection
from typing import Any

_FEW = 4
_LONGEST_NAME = 48


class Objects:
    """Objects of one model by name; forgets them when told."""

    def __init__(self, module: Any, model_handle: Any, adopt: Callable[[Any], None]) -> None:
        self._module, self._model_handle, self._adopt = module, model_handle, adopt
        self.by_name: dict[str, Any] = {}
        self._all: tuple[Any, ...] | None = None
        self._made: list[Any] = []
        self._expected = 0

    def expect(self, names: Collection[str]) -> None:
        """These names are likely to be asked for."""
        self._expected = len(names)

    def all(self) -> tuple[Any, ...]:
        """Every object, in the model's order."""
        if self._all is None:
            self._all = self._enumerated()
        return self._all

    def names(self) -> list[str]:
        """Every object's name, in the model's order."""
        return [target.__dict__["name"] for target in self.all()]

    def count(self) -> int | None:
        """How many there are; None where it is not known yet."""
        return None if self._all is None else len(self._all)

    def called(self, name: str) -> Any:
        """The object of this name.

        Raises:
            KeyError: there is none.
            DLLError: as the binding.
        """
        found = self.by_name.get(name)
        if found is not None:
            return found
        if self._all is None and max(self._expected, len(self.by_name)) >= _FEW:
            # Code that asks for this many goes on asking: one enumeration is cheaper.
            self._try_all()
            if name in self.by_name:
                return self.by_name[name]
        return self._looked_up(name)

    def forget(self) -> None:
        """Names and objects may have changed. Objects that were handed out ask for their name again."""
        for target in self._made:
            target.__dict__.pop("name", None)
        self._made.clear()
        self.by_name.clear()
        self._all = None

    def _try_all(self) -> None:
        try:
            self.all()
        except self._module.DLLError:
            self._all = None

    def _looked_up(self, name: str) -> Any:
        info = self._module.HelperMethods.ObjectCalledSafe(self._model_handle, name)
        if info.ObjectHandle is None:
            raise KeyError(name)
        self.by_name[name] = made = self._made_of(info.ObjectHandle, info.ObjectType, info.ObjectName)
        return made

    def _enumerated(self) -> tuple[Any, ...]:
        module, found = self._module, []

        def callback(_model: Any, info: Any) -> None:
            item = info[0]
            found.append((item.ObjectHandle, item.ObjectType, item.ObjectName))

        status = ctypes.c_int()
        module._EnumerateObjects(self._model_handle, module._EnumerateObjectsProc(callback), ctypes.c_int(), status)
        if status.value:
            raise module.DLLError(module.StatusCode(status.value))
        objects = tuple(self._made_of(*item) for item in found)
        for target in objects:
            self.by_name.setdefault(target.__dict__["name"], target)
        return objects

    def _made_of(self, handle: Any, kind: int, name: str) -> Any:
        module = self._module
        made = module.HelperMethods.CreateOrcaFlexObject(self._model_handle, handle, module.ObjectType(kind))
        if len(name) > _LONGEST_NAME:
            name = module.HelperMethods.GetDataString(made.handle, "Name", 0)
        made.__dict__["name"] = made.__dict__["_label"] = name
        self._made.append(made)
        self._adopt(made)
        return made
