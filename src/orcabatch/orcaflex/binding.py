"""Which OrcFxAPI there is, found out when it is used and told apart by what it offers.

Three kinds: the real binding over OrcaFlex's own DLL; the real binding over the simulated DLL; and a foreign module
that somebody's unit test put into `sys.modules` (a plain stub, a `MagicMock`). The platform decides nothing. Covers
besides what each of them does with Python's lock let go (`count_unlocked`), and that another process loads the same DLL
(`load_library`, `library_of_children`). Does not create models: see `orcabatch.orcaflex.session`.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from orcabatch.engine.unlocked import UNLOCKED
from orcabatch.errors import OrcaFlexUnavailable
from orcabatch.text import words_of
from orcabatch.versions import installed_version

Wanted = Literal["real", "simulated"]

_MODULE = "OrcFxAPI"
_CONFIGURATION = "OrcFxAPIConfig"
_IN_ENVIRONMENT = "_OrcFxAPIlib"
"""OrcFxAPIConfig's own name for the path of the DLL."""
_SIMULATED = "orcabatch.simulated"
_HOOKS = ("addOrcaFlexObjectClassHook", "removeOrcaFlexObjectClassHook")
_LOOKING = threading.Lock()

OF_FILES = ("Load", "Save", "File", "Import")
"""In the names of functions that read or write files, and so wait for a disk."""


class BindingKind(StrEnum):
    """What stands behind the name OrcFxAPI."""

    REAL = "real"
    SIMULATED = "simulated"
    FOREIGN = "foreign"
    """A module that a user's own unit test provides."""


@dataclass(frozen=True, slots=True)
class Binding:
    """OrcFxAPI as it was found.

    Attributes:
        module: the module itself.
        kind: what stands behind it.
        version: version of the OrcFxAPI package; empty for a foreign module.
        dll_version: version of the DLL; empty for a foreign module.
        warning: what the engineer should know; empty for nothing.
    """

    module: Any
    kind: BindingKind
    version: str = ""
    dll_version: str = ""
    warning: str = ""

    @property
    def is_genuine(self) -> bool:
        """Whether the real binding's own classes are there (over whichever DLL)."""
        return self.kind is not BindingKind.FOREIGN


def find_binding(kind: Wanted = "real") -> Binding:
    """OrcFxAPI as it stands now.

    Args:
        kind: "simulated" puts the simulated DLL under the real package; "real" takes what is there, which is the
            simulated or a foreign one where somebody put it there before.

    Raises:
        OrcaFlexUnavailable: OrcFxAPI cannot be imported (no OrcaFlex, no DLL, not Windows), or the simulated one was
            asked for where another one is imported already.
    """
    with _LOOKING:
        module = _install_simulated() if kind == "simulated" else _import_real()
    return _described(module)


def count_unlocked(binding: Binding) -> None:
    """Have the engine's measure of Python's lock know what this OrcFxAPI does without it; any number of times.

    The functions of OrcaFlex's DLL let the lock go for as long as they run. The simulated DLL is Python, so it says
    itself what it computes without the lock. A foreign module is Python through and through.
    """
    if binding.kind is BindingKind.SIMULATED:
        UNLOCKED.add(sys.modules[_SIMULATED].unlocked_cpu_s)
    elif binding.kind is BindingKind.REAL:
        functions = _dll_functions(binding.module)
        UNLOCKED.watch(
            functions, {each.__name__ for each in functions if any(word in each.__name__ for word in OF_FILES)}
        )


def loaded_library() -> str:
    """Path of the DLL that OrcFxAPI has loaded here; empty for none, or one that has no path."""
    path = getattr(getattr(sys.modules.get(_MODULE), "_lib", None), "_name", None)
    return path if isinstance(path, str) else ""


def library_of_children() -> dict[str, str]:
    """What has OrcFxAPI load the same DLL in a process that we start, where a script chose it: for its environment."""
    return {_IN_ENVIRONMENT: path} if (path := loaded_library()) else {}


def loaded_version() -> str:
    """Version of OrcaFlex's own DLL, where OrcFxAPI has loaded that here; else empty."""
    found = None if (module := sys.modules.get(_MODULE)) is None else _described(module)
    return "" if found is None or found.kind is not BindingKind.REAL else found.dll_version


def load_library(path: str) -> None:
    """Have OrcFxAPI load this DLL once it is imported here, as it did where this comes from.

    Which of several versions of OrcaFlex it is may have been said in the user's script (`OrcFxAPIConfig.setLibPath`),
    which is not run in worker processes: without this they would take the highest one installed.
    """
    if _MODULE in sys.modules or not path:
        return
    with contextlib.suppress(Exception):  # OrcFxAPI's own, as it is installed; who needs it says what is the matter
        if Path(path).is_file():  # on another machine OrcaFlex may lie elsewhere
            importlib.import_module(_CONFIGURATION).setLibPath(path)


def check_version(binding: Binding, wanted: str) -> None:
    """See that the DLL is as it is where the work comes from, if that has told.

    Raises:
        OrcaFlexUnavailable: it is another, as on another machine it may be: its results would be kept as that one's.
    """
    if wanted and binding.dll_version != wanted:
        raise OrcaFlexUnavailable(
            f"OrcaFlex's DLL has version {binding.dll_version or 'none'} where the file was to be computed, and "
            f"{wanted} where the run was begun: nothing is computed with a mixture. Install the same OrcaFlex there; "
            "on one machine, choose it by its path with `OrcFxAPIConfig.setLibPath` before OrcFxAPI is imported."
        )


def _install_simulated() -> Any:
    from orcabatch import simulated

    present = sys.modules.get(_MODULE)
    if present is not None and simulated.is_simulated(present):
        return present
    try:
        return simulated.install()
    except (ImportError, RuntimeError) as error:  # the package is missing, or another OrcFxAPI is there already
        raise OrcaFlexUnavailable(str(error)) from error


def _import_real() -> Any:
    present = sys.modules.get(_MODULE)
    if present is not None:
        return present
    try:
        return importlib.import_module(_MODULE)
    except Exception as error:
        # OrcFxAPI says "OrcaFlex not found" by a bare Exception; anything more specific that is not about a missing
        # module or DLL is a fault of its own and goes on.
        if not _means_absent(error):
            raise
        raise OrcaFlexUnavailable(_unavailable(error)) from error


def _means_absent(error: Exception) -> bool:
    return type(error) is Exception or isinstance(error, ImportError | OSError | AttributeError)


def _unavailable(error: Exception) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    said = f"{words_of(error)}"
    if missing == _MODULE:
        what = f"OrcFxAPI is not installed in this Python environment ({said}). `pip install orcfxapi` brings it."
    elif missing == "winreg":
        what = f"OrcFxAPI needs OrcaFlex, which runs on Windows; this is no Windows ({said})."
    else:
        what = f"OrcFxAPI is installed, but not OrcaFlex with its DLL ({said}). Install OrcaFlex on this machine."
    return (
        f"OrcFxAPI cannot be used. {what} To try everything without it, choose the simulated OrcaFlex: "
        "`orcaflex: simulated` in the performance section, `--orcaflex simulated`, or "
        '`run_batch(..., orcaflex="simulated")` in a script.'
    )


def _described(module: Any) -> Binding:
    kind = _kind_of(module)
    if kind is BindingKind.FOREIGN:
        return Binding(module, kind)
    version, dll_version = installed_version("orcfxapi"), str(module.DLLVersion())
    return Binding(module, kind, version, dll_version, _version_warning(version, dll_version))


def _kind_of(module: Any) -> BindingKind:
    if not _has_real_classes(module):
        return BindingKind.FOREIGN
    # Nothing is simulated unless somebody imported the simulation.
    simulation = sys.modules.get(_SIMULATED)
    return BindingKind.SIMULATED if simulation is not None and simulation.is_simulated(module) else BindingKind.REAL


def _has_real_classes(module: Any) -> bool:
    # A MagicMock has every attribute, but no classes; a stub has classes, but not the hooks.
    model, error = getattr(module, "Model", None), getattr(module, "DLLError", None)
    if not (isinstance(model, type) and isinstance(error, type) and issubclass(error, Exception)):
        return False
    classes = (getattr(module, name, None) for name in ("HelperMethods", "OrcaFlexObject", "ObjectExtra", "Period"))
    return all(isinstance(item, type) for item in classes) and all(
        callable(getattr(model, name, None)) for name in _HOOKS
    )


def _version_warning(version: str, dll_version: str) -> str:
    # Only the release is compared: how a patch number of the package maps to a letter of the DLL is not documented.
    release, dll_release = _release(version), _release(dll_version)
    if not release or not dll_release or release == dll_release:
        return ""
    return (
        f"the OrcFxAPI package is version {version}, the OrcaFlex DLL is version {dll_version}; install the package "
        f"that belongs to it: pip install orcfxapi=={dll_release[0]}.{dll_release[1]}.*"
    )


def _release(version: str) -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else None


def _dll_functions(module: Any) -> list[Any]:
    """Those of the DLL itself; the binding takes a few from the system's libraries beside them."""
    kind = getattr(getattr(module, "_lib", None), "_FuncPtr", None)
    return [] if kind is None else [value for value in vars(module).values() if type(value) is kind]
