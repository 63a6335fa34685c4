"""The objects of one loaded model: one enumeration answers objects, names and types.

The binding asks each name again and makes each object again at every access. Here an object is made once per file, and
carries its name. Uses the binding's own enumeration call, whose callback hands over handle, type and name; a name of 49
characters or more may be cut there and is asked for.

Where a hook of somebody else's chooses classes, or a class of somebody else's stands in the place of OrcFxAPI's,
objects are made anew each time, as OrcFxAPI does: the hook may choose otherwise, and what it chose may have a state.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from orcabatch.orcaflex.owners import Owners

_FEW = 4
"""From so many objects by name on, all are enumerated at once: one enumeration costs as many callbacks as there are
objects, each look-up by name a call of its own and one for the name."""
_LONGEST_NAME = 48


@dataclass(slots=True)
class _Known:
    """An object as OrcaFlex describes it; `made` once it was, where it may be handed out again."""

    handle: Any
    kind: int
    name: str
    made: Any = None
    to_ask: Any = None


class Objects:
    """Objects of one model by name; forgets them when told, and when OrcFxAPI's object classes are hooked otherwise."""

    def __init__(self, module: Any, model_handle: Any, adopt: Callable[[Any], None]) -> None:
        self._module, self.model_handle, self._adopt = module, model_handle, adopt
        self._files = Owners.of(module).files
        self.making: Any = None
        self._hooks: list[Any] = []
        self._has_foreign_hook = False
        self.plain_class: type | None = None
        self._by_name: dict[str, _Known] = {}
        self._all: tuple[_Known, ...] | None = None
        self._all_made: tuple[Any, ...] | None = None
        self._told: list[str] | None = None
        self._made: list[Any] = []
        self._expected = 0

    def expect(self, names: Collection[str]) -> None:
        """These names are likely to be asked for."""
        self._expected = len(names)

    def all(self) -> tuple[Any, ...]:
        """Every object, in the model's order."""
        self._renew()
        if self._all_made is not None:
            return self._all_made
        known = self._known()
        objects = tuple(self._object(each) for each in known)
        if known is self._all and all(each.made is not None for each in known):
            self._all_made = objects
        return objects

    def names(self) -> list[str]:
        """Every object's name, in the model's order."""
        self._renew()
        return [known.name for known in self._known()]

    def told_names(self) -> list[str] | None:
        """Every object's `name`, in the model's order, of which one of each type is made; None where others may differ.

        OrcFxAPI chooses an object's class by its type alone, so that one answers for all: with a hook of somebody
        else's, or a class that is not OrcFxAPI's own, each has to be asked.
        """
        self._renew()
        if self._told is None and not self._has_foreign_hook:
            known = self._known()
            if all(map(self._tells, {each.kind: each for each in known}.values())):
                self._told = [each.name for each in known]
        return self._told

    def _tells(self, known: _Known) -> bool:
        made = self._object(known)
        return made is known.made and bool(made.name == known.name)

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
        return self._object(self._called(name))

    def to_ask(self, name: str) -> Any:
        """The object of this name for a question that the code did not ask yet, without a call of a foreign hook.

        Raises:
            KeyError: there is none.
            DLLError: as the binding.
        """
        known = self._called(name)
        if not self._has_foreign_hook or self.plain_class is None:
            return self._object(known)
        if known.to_ask is None:
            module = self._module
            self.making = module.Handle(known.handle)
            known.to_ask = self.plain_class(self.model_handle, self.making, module.ObjectType(known.kind))
            self.making = None
            self._made.append(known.to_ask)
        return known.to_ask

    def _called(self, name: str) -> _Known:
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
            target.__dict__.pop("_known_name", None)
            if opened is not None:
                opened.claim_object(target, target.handle)
        self._made.clear()
        self._by_name.clear()
        self._all = self._all_made = self._told = None

    def end(self) -> None:
        """The file is about to be released: let go of its objects."""
        made, self._made = self._made, []
        self._by_name.clear()
        self._all = self._all_made = self._told = None
        opened = self._files.get(self.model_handle.value)
        if opened is not None:
            opened.part_with(made)

    def _renew(self) -> None:
        # The binding asks the hooks for every object it makes; one that was added meanwhile works at once.
        hooks = self._module.Model._hookOrcaFlexObjectClass
        if self._hooks != hooks:
            self._hooks = list(hooks)
            self._has_foreign_hook = any(not getattr(hook, "is_brokers", False) for hook in hooks)
            self.forget()

    def _known(self) -> tuple[_Known, ...]:
        if self._all is None:
            self._all = self._enumerated()
        return self._all

    def _try_all(self) -> None:
        try:
            self._known()
        except self._module.DLLError:
            self._all = None

    def _looked_up(self, name: str) -> _Known:
        info = self._module.HelperMethods.ObjectCalledSafe(self.model_handle, name)
        if info.ObjectHandle is None:
            raise KeyError(name)
        self._by_name[name] = known = self._described(info.ObjectHandle, info.ObjectType, info.ObjectName)
        return known

    def _enumerated(self) -> tuple[_Known, ...]:
        module, found = self._module, []

        def callback(_model: Any, info: Any) -> None:
            item = info[0]
            found.append((item.ObjectHandle, item.ObjectType, item.ObjectName))

        status = ctypes.c_int()
        module._EnumerateObjects(self.model_handle, module._EnumerateObjectsProc(callback), ctypes.c_int(), status)
        if status.value:
            raise module.DLLError(module.StatusCode(status.value))
        everything = tuple(self._described(*item) for item in found)
        for known in everything:
            self._by_name.setdefault(known.name, known)
        return everything

    def _described(self, handle: Any, kind: int, name: str) -> _Known:
        if len(name) > _LONGEST_NAME:
            module = self._module
            name = module.HelperMethods.GetDataString(module.Handle(handle), "Name", 0)
        return _Known(handle, kind, name)

    def _object(self, known: _Known) -> Any:
        if known.made is not None:
            return known.made
        module, again = self._module, not self._has_foreign_hook
        handle = module.Handle(known.handle)
        self.making = handle if again else None  # the file need not claim what is held here
        made = module.HelperMethods.CreateOrcaFlexObject(self.model_handle, handle, module.ObjectType(known.kind))
        self.making = None
        # By this the next files' questions are told, whoever chose the object's class.
        made.__dict__["_label"] = known.name
        if again:
            made.__dict__["_known_name"] = known.name
            self._made.append(made)
            if getattr(type(made), "_broker_plain", False):
                known.made = made
        self._adopt(made)
        return made
