"""Which file each Python object of OrcFxAPI belongs to, and what becomes of it when that file is released.

A session uses one native model for file after file. Python objects must not know: each file has Model and object
wrappers of its own, which never equal those of another file, and which raise `FileReleased` once theirs is released.
While any session has a model, OrcFxAPI's constructors therefore note what they make over a model with an open file,
whichever class is made and whoever makes it (`Model(handle=...)`, `MyLine(o.modelHandle, o.handle, o.type)`), and its
comparisons go by handle and file:

    session ── open(file, native model) ──> Opened <── claim ── constructors of Model, OrcaFlexObject, Tags
            ── close ──────────────────────────┴──> what is still alive raises (`gone`), its handles are emptied

Models without an open file (the function's own) are left alone. Nothing is remembered of objects that ended by
themselves, but that their number is bounded by how many there were at a time.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from orcabatch.orcaflex.gone import EmptyHandle, Key, Tombstone, bury, is_gone, released_handle, tombstone
from orcabatch.orcaflex.patches import ModuleExtension

MOST_SHELLS = 10_000
"""So many objects of earlier files keep their address: some megabytes."""

_OUTLASTING = (
    "_SetModelThreadCount", "_SetProgressHandler", "_SetCorrectExternalFileReferencesHandler",
    "_DefaultInMemoryLogging", "_DisableInMemoryLogging", "_ForceInMemoryLogging", "_UseVirtualLogging",
)  # fmt: skip
"""Exports that change a native model beyond the file it holds."""

_LASTING = frozenset({"", "General", "Environment"})


class Opened:
    """One file in one native model.

    Attributes:
        file: its path, for messages.
        handle: the native model's handle, as the Python objects of this file hold it.
        serial: no two files of a process have the same.
        outlasting: whether something was set on the native model that the next file would meet.
    """

    def __init__(self, file: str, handle: Any, serial: int) -> None:
        self.file, self.handle, self.serial = file, handle, serial
        self.outlasting = False
        self.alive: dict[int, weakref.ref[Any]] = {}
        self.shells: list[Any] = []
        self._held: list[Any] = []

    def claim(self, made: Any) -> None:
        """This Python object belongs to the file."""
        # By address: what ended makes room for what was made in its place.
        self.alive[id(made)] = weakref.ref(made)

    def claim_object(self, made: Any, handle: Any) -> None:
        """This object does, and its handle: a copy of the object may hold that longer."""
        self.alive[id(made)] = weakref.ref(made)
        if type(handle) is not int:
            self.alive[id(handle)] = weakref.ref(handle)

    def claim_model(self, made: Any) -> None:
        """This model does."""
        try:
            self.claim(made)
        except TypeError:  # OrcFxAPI's own Model takes no weak reference
            self._held.append(made)

    def part_with(self, made: list[Any]) -> None:
        """The caller, who held these objects of the file, lets go of them, and empties his list.

        Most of them nobody else holds: they end here, unasked, and leave their address (`Shells`).
        """
        while made:
            target = made.pop()
            attributes = target.__dict__
            if counted(target) == _ALONE:
                attributes.clear()
                self.shells.append(target)
            else:
                self.claim_object(target, attributes.get("handle", 0))

    def living(self) -> Iterator[Any]:
        """What was claimed and is still there."""
        yield from self._held
        for reference in tuple(self.alive.values()):
            made = reference()
            if made is not None:
                yield made


class Shells:
    """What is left of models and objects of earlier files, so that no `id` comes again: code may have noted it.

    Models, General and Environment stay as long as the run does, about a kilobyte per file; of other objects the last
    `MOST_SHELLS`.
    """

    def __init__(self) -> None:
        self._models: list[Any] = []
        self._objects: deque[Any] = deque(maxlen=MOST_SHELLS)

    def keep(self, buried: Any, *, lasting: bool) -> None:
        """Keep its address."""
        (self._models if lasting else self._objects).append(buried)

    def keep_all(self, objects: list[Any]) -> None:
        """Keep the addresses of these objects."""
        self._objects.extend(objects)


class Owners(ModuleExtension):
    """The open files of one OrcFxAPI module; see the module. While it is in, constructors note what they make."""

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.files: dict[Any, Opened] = {}
        self._handle = module.Handle
        self._emptied = type("Handle", (EmptyHandle, module.Handle), {"__slots__": ()})
        self._serials = itertools.count(1)
        self._threads: dict[Any, int] = {}
        self._lost: dict[int, list[Any]] = {}

    def own(self, native: Any) -> None:
        """A session made this native model and destroys it: it is none that a function made for itself."""
        self.acquire()
        self._threads.pop(native.handle.value, None)

    def open(self, file: str, native: Any) -> Opened:
        """The file was loaded into this native model: what is made over it from now on belongs to the file."""
        handle = self._module().Handle(native.value)
        opened = self.files[handle.value] = Opened(file, handle, next(self._serials))
        return opened

    def close(self, opened: Opened, shells: Shells) -> None:
        """The file is about to be released: what was made over it raises from now on."""
        self.files.pop(opened.handle.value, None)
        shells.keep_all(opened.shells)
        handles = [opened.handle]
        for made in list(opened.living()):  # all of them: a model that is buried lets go of its own objects
            if isinstance(made, self._handle):
                handles.append(made)
            else:
                left = self._left(made, opened)
                bury(made, left)
                shells.keep(made, lasting=left.kind in _LASTING)
        for handle in handles:  # afterwards: it is part of what its objects were compared by
            handle.value = None
            object.__setattr__(handle, "__class__", self._emptied)

    def take_back(self) -> None:
        """Destroy the native models of this thread's that were garbage-collected on another one.

        They are models that functions made for themselves; OrcFxAPI alone would leak them, and their seats.
        """
        module, lost = self._module(), self._lost.pop(threading.get_ident(), [])
        for handle in lost:
            module._DestroyModel(handle, ctypes.c_int())

    def has_models_left(self) -> bool:
        """Whether functions made models for themselves on this thread that are not destroyed yet."""
        thread = threading.get_ident()
        return thread in tuple(self._threads.values()) or thread in self._lost

    def claim(self, made: Any, model_handle: Any, handle: Any) -> Any:
        """An object was made over this model: the handle it shall hold for it.

        Raises:
            FileReleased: one of the handles is of an earlier file.
        """
        if isinstance(handle, EmptyHandle):
            raise released_handle()
        opened = self.files.get(getattr(model_handle, "value", model_handle))
        if opened is None:
            return model_handle
        opened.claim_object(made, handle)
        return opened.handle

    def _put_in(self, module: Any) -> None:
        put = self._patches.put
        put(module.OrcaFlexObject, "__init__", self._object_made)
        put(module.Model, "__init__", self._model_made)
        if hasattr(module, "Tags"):
            put(module.Tags, "__init__", self._tags_made)
        put(module.Model, "__del__", self._model_ends)
        for kind, key in ((module.Model, self._model_key), (module.DataObject, self._object_key)):
            put(kind, "__eq__", functools.partial(_equal, kind, key))
            put(kind, "__hash__", functools.partial(_hash, key))
        put(module, "_AttachToThread", self._attached)
        for name in _OUTLASTING:
            put(module, name, self._outlasting)

    def _object_made(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def made(target: Any, modelHandle: Any, handle: Any, type: Any) -> None:  # noqa: A002, N803 - OrcFxAPI's names
            original(target, modelHandle, handle, type)
            target.__dict__["modelHandle"] = self.claim(target, modelHandle, handle)

        return made

    def _model_made(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def made(target: Any, *args: Any, **kwargs: Any) -> None:
            if any(isinstance(each, EmptyHandle) for each in (*args, *kwargs.values())):
                object.__setattr__(target, "ownsModelHandle", False)  # else its end complains
                raise released_handle()
            try:
                original(target, *args, **kwargs)
            finally:  # one whose file could not be loaded has a native model, too
                if getattr(target, "handle", None) is not None:
                    self._claim_model(target)

        return made

    def _claim_model(self, made: Any) -> None:
        value = getattr(made.handle, "value", made.handle)
        opened = self.files.get(value)
        if opened is not None:
            opened.claim_model(made)
            object.__setattr__(made, "handle", opened.handle)
        elif made.ownsModelHandle:
            self._threads[value] = threading.get_ident()

    def _model_ends(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        # OrcaFlex lets only a model's own thread destroy it, but the garbage collector runs on any.
        @functools.wraps(original)
        def ends(target: Any) -> None:
            here, thread = threading.get_ident(), None
            handle = getattr(target, "handle", None)  # None: it could not be made
            if handle is not None and target.ownsModelHandle:
                thread = self._threads.pop(handle.value, None)
            if thread is None or thread == here:
                original(target)
            else:
                self._lost.setdefault(thread, []).append(handle)

        return ends

    def _attached(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def attach(handle: Any, status: Any) -> Any:
            result = original(handle, status)
            value = getattr(handle, "value", handle)
            if value in self._threads:
                self._threads[value] = threading.get_ident()
            return result

        return attach

    def _tags_made(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def made(target: Any, handle: Any) -> None:
            original(target, handle)
            opened = None
            with contextlib.suppress(Exception):  # tags of what belongs to no model (a diffraction)
                opened = self.files.get(self._module().HelperMethods.GetModelHandle(handle).value)
            if opened is not None:
                opened.claim(target)

        return made

    def _model_key(self, target: Any) -> Key:
        if is_gone(target):
            return tombstone(target).key
        return self._key(target.handle, target.handle)

    def _object_key(self, target: Any) -> Key:
        if is_gone(target):
            return tombstone(target).key
        return self._key(target.handle, target.__dict__.get("modelHandle"))

    def _key(self, handle: Any, model_handle: Any) -> Key:
        opened = self.files.get(getattr(model_handle, "value", model_handle))
        return handle.value, 0 if opened is None else opened.serial

    def _left(self, made: Any, opened: Opened) -> Tombstone:
        module = self._module()
        if isinstance(made, module.DataObject):
            handle, attributes = made.handle, made.__dict__
            kind = getattr(attributes.get("type"), "name", "object")
            return Tombstone(
                opened.file, (getattr(handle, "value", handle), opened.serial), kind, attributes.get("_label", "")
            )
        if isinstance(made, module.Model):
            return Tombstone(opened.file, (made.handle.value, opened.serial))
        return Tombstone(opened.file, (id(made), opened.serial), "Tags")

    def _outlasting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            opened = self.files.get(getattr(args[0], "value", args[0])) if args else None
            if opened is not None:
                opened.outlasting = True
            return original(*args)

        return call


def _equal(kind: type, key: Callable[[Any], Key], original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def equal(target: Any, other: Any) -> Any:
        return key(target) == key(other) if isinstance(other, kind) else NotImplemented

    return equal


def _hash(key: Callable[[Any], Key], original: Callable[[Any], int]) -> Callable[[Any], int]:
    @functools.wraps(original)
    def hashed(target: Any) -> int:
        found = key(target)
        return hash(found) if found[1] else original(target)

    return hashed


def counted(target: Any) -> tuple[int, int]:
    """How often an object, and its handle, are held."""
    return sys.getrefcount(target), sys.getrefcount(target.__dict__.get("handle"))


class _Probe:
    """Stands for an object that nobody else holds."""

    def __init__(self) -> None:
        self.handle = ctypes.c_void_p()


def _alone() -> tuple[int, int]:
    made = [_Probe()]
    target = made.pop()
    return counted(target)


_ALONE = _alone()
