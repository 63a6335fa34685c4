"""Importing the real OrcFxAPI package over the simulated DLL, and taking it away again.

While OrcFxAPI is being imported, and no longer, `ctypes.windll`, `ctypes.WinDLL`, `ctypes.WINFUNCTYPE` and `winreg` are
what the package looks for, and `WinDLL` gives the simulated DLL. Afterwards everything is as before.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from orcabatch.simulated.costs import Costs
from orcabatch.simulated.exports import FUNCTIONS
from orcabatch.simulated.exports.system import Missing
from orcabatch.simulated.world import world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MARK = "__orcabatch_simulated__"
_NAMES = ("OrcFxAPI", "OrcFxAPIConfig")
_lock = threading.RLock()
_loaded: dict[str, ModuleType] = {}


class SimulatedLibrary:
    """What `ctypes.WinDLL` gives: attributes that are function pointers."""

    _handle = 0x51

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = FUNCTIONS.get(name) or Missing(name)
        setattr(self, name, value)
        return value


def is_simulated(module: object) -> bool:
    """Whether `module` is an OrcFxAPI that `install` made."""
    return getattr(module, "__dict__", {}).get(_MARK) is True


@contextlib.contextmanager
def _windows_names() -> Iterator[None]:
    library = SimulatedLibrary()
    provided: dict[str, Any] = {
        "WinDLL": lambda *_, **__: library,
        "windll": SimpleNamespace(**dict.fromkeys(("gdi32", "kernel32", "winmm", "OleAut32"), library)),
        "WINFUNCTYPE": ctypes.CFUNCTYPE,
    }
    absent = object()
    before = {name: getattr(ctypes, name, absent) for name in provided}
    without_winreg = "winreg" not in sys.modules and os.name != "nt"
    for name, value in provided.items():
        setattr(ctypes, name, value)
    if without_winreg:
        sys.modules["winreg"] = ModuleType("winreg")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is absent:
                delattr(ctypes, name)
            else:
                setattr(ctypes, name, value)
        if without_winreg:
            sys.modules.pop("winreg", None)


def _import() -> ModuleType:
    with _windows_names():
        sys.modules.pop("OrcFxAPIConfig", None)
        importlib.import_module("OrcFxAPIConfig").setLibHandle(SimulatedLibrary._handle)
        module = importlib.import_module("OrcFxAPI")
    setattr(module, _MARK, True)
    _loaded.update({name: sys.modules[name] for name in _NAMES})
    return module


def install(costs: Costs | None = None, *, counters: Path | None = None) -> ModuleType:
    """Make `import OrcFxAPI` give the real package over the simulated DLL, and return it. Any number of times.

    `costs`: None keeps those in force (those of the environment, in a child process). `counters`: the folder to count
    in; None: the one the environment names, else a new temporary one.
    RuntimeError when another OrcFxAPI (real, or a stub of a test) has been imported; ImportError when the package
    `orcfxapi` is not installed.
    """
    with _lock:
        present = sys.modules.get("OrcFxAPI")
        if present is not None and not is_simulated(present):
            raise RuntimeError(
                f"another OrcFxAPI is already imported ({getattr(present, '__file__', None) or present!r}): the "
                "simulated OrcaFlex cannot be installed beside it. Remove it from sys.modules first, or start a new "
                "process and install the simulation before anything imports OrcFxAPI."
            )
        world.open(counters)
        world.set_costs(costs if costs is not None else world.costs if _loaded else Costs.from_env())
        if present is None and _loaded:
            sys.modules.update(_loaded)
        module = present or _loaded.get("OrcFxAPI") or _import()
        world.counter_file.name_exports()
        return module


def uninstall() -> None:
    """Take the simulated OrcFxAPI out of `sys.modules`. Models that are still open can still be used and destroyed."""
    with _lock:
        for name in _NAMES:
            if sys.modules.get(name) is _loaded.get(name):
                sys.modules.pop(name, None)


def configure(costs: Costs) -> None:
    """Change the costs from now on, in this process and in those it starts later."""
    world.set_costs(costs)
