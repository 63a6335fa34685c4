"""Which CPU time of OrcFxAPI is spent with Python's interpreter lock let go: for the engine's measure of the lock.

The functions of OrcaFlex's DLL let the lock go for as long as they run. The simulated DLL is Python, so it says itself
what it computes without the lock. A foreign module (a unit test's) is Python through and through.
"""

from __future__ import annotations

import sys
from typing import Any

from orcabatch.engine.unlocked import UNLOCKED
from orcabatch.orcaflex.binding import Binding, BindingKind

OF_FILES = ("Load", "Save", "File", "Import")
"""In the names of functions that read or write files, and so wait for a disk."""


def count_unlocked(binding: Binding) -> None:
    """Have the measure of the lock know what this OrcFxAPI does without it; any number of times."""
    if binding.kind is BindingKind.SIMULATED:
        UNLOCKED.add(sys.modules["orcabatch.simulated"].unlocked_cpu_s)
    elif binding.kind is BindingKind.REAL:
        functions = _functions(binding.module)
        UNLOCKED.watch(
            functions, {each.__name__ for each in functions if any(word in each.__name__ for word in OF_FILES)}
        )


def _functions(module: Any) -> list[Any]:
    """Those of the DLL itself; the binding takes a few from the system's libraries beside them."""
    kind = getattr(getattr(module, "_lib", None), "_FuncPtr", None)
    return [] if kind is None else [value for value in vars(module).values() if type(value) is kind]
