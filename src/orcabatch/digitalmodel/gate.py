"""A newer digitalmodel's own gate to OrcFxAPI, and which OrcFxAPI digitalmodel's modules hold.

The gate refuses an OrcFxAPI that somebody imported before it was configured, because a library could no longer be
chosen. None is chosen here, so what is there is what it would have got. Does not import OrcFxAPI for anybody but the
gate. See also `orcabatch.orcaflex.binding`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

ORCFXAPI = "OrcFxAPI"


def configure_gate(package: str) -> None:
    """Let the gate import OrcFxAPI, or accept the one that is there already; nothing where there is no gate."""
    if importlib.util.find_spec(f"{package}.orcaflex_api") is None:
        return
    gate = importlib.import_module(f"{package}.orcaflex_api")
    if not gate.is_configured():
        with _handed_over(sys.modules.get(ORCFXAPI)):
            gate.configure()


@contextmanager
def _handed_over(present: ModuleType | None) -> Iterator[None]:
    """Make `import OrcFxAPI` find the module that is there as if for the first time."""
    if present is None:
        yield
        return
    finder, spec = _HandOver(present), getattr(present, "__spec__", None)
    del sys.modules[ORCFXAPI]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.modules[ORCFXAPI] = present
        present.__spec__ = spec


class _HandOver(MetaPathFinder, Loader):
    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == ORCFXAPI else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """It was executed when it was made."""


def use_present_orcfxapi(package: str) -> None:
    """Where digitalmodel's modules hold an OrcFxAPI that was there before, give them the one that is there now."""
    present = sys.modules.get(ORCFXAPI)
    for name, module in list(sys.modules.items()):
        held = vars(module).get(ORCFXAPI) if name.startswith(f"{package}.") and module is not None else None
        if present is not None and held is not None and held is not present and not _is_gate_proxy(held):
            vars(module)[ORCFXAPI] = present


def _is_gate_proxy(held: object) -> bool:
    return "Lazy" in type(held).__name__
