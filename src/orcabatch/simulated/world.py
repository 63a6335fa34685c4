"""The simulated DLL's state: models, objects, handles, which thread owns what, the last error of each thread.

One `World` per process, shared by every export through the module's names. A handle is an integer never used twice.
A model belongs to the thread (token) that created or attached it; `model_of` and `holder_of` refuse every other thread
with status 68 and count the violation. Dictionaries are changed one operation at a time, so the GIL keeps them whole.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import sys
import tempfile
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.simulated.catalogue import BY_TYPE, ObjectType, Variable
from orcabatch.simulated.costs import COSTS_VARIABLE, Costs
from orcabatch.simulated.counter_file import COUNTERS_VARIABLE, CounterFile
from orcabatch.simulated.dataitems import SCHEMAS, Schema
from orcabatch.simulated.shared import Shared
from orcabatch.simulated.slow_folder import slow_down
from orcabatch.simulated.spec import ObjectSpec, SimSpec
from orcabatch.simulated.structures import NAME_CHARACTERS, ObjectInfo

if TYPE_CHECKING:
    from orcabatch.simulated.results import Log, ResultSeed

RESET, IN_STATIC_STATE, STOPPED, UNSTABLE = 0, 2, 4, 5
_NO_VARIABLES: dict[str, Variable] = {}
_handles = itertools.count(0x10_0000, 16)


def new_handle() -> int:
    """A handle no one has had."""
    return next(_handles)


_FOLDERS = "orcabatch-simulated-"


def temporary_folder() -> Path:
    """A new folder for counters, removed when this process ends."""
    remove_earlier()
    folder, owner = Path(tempfile.mkdtemp(prefix=_FOLDERS)), os.getpid()
    atexit.register(_remove, folder, owner)
    return folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def remove_earlier(platform: str = sys.platform) -> None:
    """Remove folders of earlier processes on Windows, where none can remove its own: it has mapped files of it.

    A folder in which any file is open cannot be renamed there, so one that somebody uses stays.
    """
    if platform != "win32":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*"):
        with suppress(OSError):
            shutil.rmtree(folder.rename(folder.with_name(f"{folder.name}.gone")), ignore_errors=True)


class Token:
    """One thread as the DLL knows it: its counter block, its last error. Never the same for two threads."""

    __slots__ = ("__weakref__", "block", "counter_file", "delay", "genuine_ns", "last_error")

    def __init__(self) -> None:
        counter_file = world.counter_file
        self.block = counter_file.take_block()  # may find no room in the file: then there is nothing to give back
        self.counter_file = counter_file
        self.delay = world.costs.call_latency_s
        self.last_error = ""
        self.genuine_ns = 0
        world.tokens.add(self)

    def move_to(self, counter_file: CounterFile) -> None:
        """Count in another file from now on."""
        self.counter_file.give_back(self.block)
        self.counter_file, self.block = counter_file, counter_file.take_block()

    def __del__(self) -> None:
        if hasattr(self, "counter_file"):
            self.counter_file.give_back(self.block)


class _Local(threading.local):
    def __init__(self) -> None:
        self.token = Token()


class Item:
    """An object of a model. `place` in the file decides nothing; results depend on its name and type."""

    __slots__ = ("asked", "handle", "info", "model", "name", "schema", "seeds", "spec", "type", "values", "variables")

    def __init__(self, model: Model, spec: ObjectSpec) -> None:
        self.handle = new_handle()
        self.model = model
        self.spec = spec
        self.name = spec.name
        self.type = int(spec.type)
        self.schema: Schema = SCHEMAS[self.type]
        self.variables = BY_TYPE[self.type]
        self.values: dict[str, Any] = {name.lower(): value for name, value in spec.data.items()}
        self.seeds: dict[tuple[int, str], ResultSeed] = {}
        self.asked: dict[Any, Any] = {}
        self.info = bytes(ObjectInfo(self.handle, self.type, self.name[: NAME_CHARACTERS - 1]))


class Model:
    """A model: its owner, what it has loaded, its objects by lower-case name."""

    __slots__ = (
        "ballast",
        "by_name",
        "counter_file",
        "environment",
        "file",
        "general",
        "handle",
        "items",
        "kept",
        "loads",
        "log",
        "model",
        "name",
        "owner",
        "periods",
        "schema",
        "shared",
        "spec",
        "state",
        "thread_count",
        "type",
        "unread",
        "values",
        "variables",
    )

    def __init__(self, owner: Token, thread_count: int) -> None:
        self.handle = new_handle()
        self.model = self
        self.counter_file, self.shared = world.counter_file, world.shared
        self.owner: Token | None = owner
        self.thread_count = thread_count if thread_count > 0 else os.cpu_count() or 1
        self.schema: Schema = SCHEMAS[0]
        self.name, self.type, self.variables = "", 0, _NO_VARIABLES
        self.values: dict[str, Any] = {}
        self.general = Item(self, ObjectSpec("General", ObjectType.General))
        self.environment = Item(self, ObjectSpec("Environment", ObjectType.Environment))
        self.items: list[Item] = []
        self.by_name: dict[str, Item] = {}
        self.loads = 0
        self.kept: list[Any] = []
        self.clear()

    def clear(self, *, keep_handles: bool = False) -> None:
        """Forget what was loaded: objects, log, memory. General and Environment keep their handles."""
        for item in self.items[2:] if not keep_handles else ():
            world.holders.pop(item.handle, None)
        while self.kept:
            self.kept.pop().close()
        for item in (self.general, self.environment):
            item.values, item.seeds, item.asked = {}, {}, {}
        self.values.clear()
        self.periods: dict[tuple[int, float, float], slice] = {}
        self.log: Log | None = None
        self.ballast: object = None
        self.spec = SimSpec()
        self.state, self.file, self.unread = RESET, "", ""
        self._adopt([self.general, self.environment])

    def _adopt(self, items: list[Item]) -> None:
        self.items = items
        self.by_name = {item.name.lower(): item for item in items}
        world.holders.update({item.handle: item for item in items})

    def rename(self, item: Item, name: str) -> None:
        """Give an object another name."""
        self.by_name.pop(item.name.lower(), None)
        item.name = name
        item.info = bytes(ObjectInfo(item.handle, item.type, name[: NAME_CHARACTERS - 1]))
        self.by_name[name.lower()] = item

    def fill(self, spec: SimSpec, state: int, file: str) -> None:
        """Take over what a file holds, its objects first."""
        self.spec, self.state, self.file = spec, state, file
        self._adopt([self.general, self.environment, *(Item(self, item) for item in spec.objects)])


class World:
    """All of the simulated DLL's state in this process."""

    def __init__(self) -> None:
        self.models: dict[int, Model] = {}
        self.holders: dict[int, Item | Model] = {}
        self.others: dict[int, Any] = {}
        self.tokens: weakref.WeakSet[Token] = weakref.WeakSet()
        self.licence_handler = 0
        self.unlocked_ns = 0
        self.costs = Costs()
        self._counter_file: CounterFile | None = None
        self._shared: Shared | None = None

    @property
    def counter_file(self) -> CounterFile:
        """This process's counters; opened on first use."""
        return self._counter_file or self.open(None)[0]

    @property
    def shared(self) -> Shared:
        """What processes share; opened on first use."""
        return self._shared or self.open(None)[1]

    def open(self, folder: Path | None) -> tuple[CounterFile, Shared]:
        """Count in `folder`; None: where the environment variable says, else in a new temporary folder."""
        given = folder or os.environ.get(COUNTERS_VARIABLE)
        chosen = Path(given).absolute() if given else temporary_folder()
        os.environ[COUNTERS_VARIABLE] = str(chosen)
        here = self._counter_file is not None and self._counter_file.folder == chosen and self._counter_file.is_there
        if self._counter_file is None or self._shared is None or not here:
            self._counter_file, self._shared = CounterFile(chosen), Shared(chosen)
            self._counter_file.name_exports()
            for token in list(self.tokens):
                token.move_to(self._counter_file)
        return self._counter_file, self._shared

    def set_costs(self, costs: Costs) -> None:
        """From now on these costs, here and in processes started later."""
        self.costs = costs
        slow_down(costs, lambda: self.shared)
        os.environ[COSTS_VARIABLE] = costs.to_json()
        for token in list(self.tokens):
            token.delay = costs.call_latency_s

    def forked(self) -> None:
        """In a forked child: no models, own counters."""
        folder = self._counter_file.folder if self._counter_file else None
        tokens = list(self.tokens)
        self.models.clear()
        self.others.clear()
        self.holders.clear()
        self._counter_file = self._shared = None
        if folder is not None:
            self.tokens = weakref.WeakSet(tokens)
            with suppress(OSError, MemoryError):  # tried again by the child's first call, if it makes one
                self.open(folder)


world = World()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=world.forked)
local = _Local()
