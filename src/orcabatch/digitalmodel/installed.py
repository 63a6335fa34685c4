"""The installed digitalmodel: where its post-process lives and what it offers.

Three layouts are known: `digitalmodel.solvers.orcaflex` (newer clones), `digitalmodel.orcaflex` (some between) and
`digitalmodel.modules.orcaflex` (0.0.9). One small set of functions gives the same bytes on all; this module finds them,
says by source hashes whether they are ones that were tested, and brings digitalmodel into a state in which it can be
called from threads. Nothing of digitalmodel is imported before `find_installation` is called. Does not call the
functions (`orcabatch.digitalmodel.postprocess`).

A newer clone has a gate of its own to OrcFxAPI. It refuses an OrcFxAPI that somebody imported before it was configured,
because a library could no longer be chosen. None is chosen here, so what is there is what it would have got. OrcFxAPI
is imported for nobody but the gate (`orcabatch.orcaflex.binding`).
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import psutil

from orcabatch.digitalmodel.csv_output import capture_csv_output
from orcabatch.digitalmodel.output_capture import capture_modules, ignore_own_warnings
from orcabatch.digitalmodel.source_code import TESTED, digest_of, post_process_place, source_files, source_hashes
from orcabatch.digitalmodel.unused import left_out
from orcabatch.errors import DigitalModelError, OrcaFlexUnavailable
from orcabatch.garbage import uncollected
from orcabatch.text import class_name, words_of
from orcabatch.versions import installed_version

ORCFXAPI = "OrcFxAPI"
RELIED_ON = (
    "ou.is_orcaflex_available",
    "ou.get_SimulationFileName",
    "opp_summary.get_summary_for_file",
    "opp_summary.add_file_result_to_all_results",
    "opp_summary.save_summary",
    "opp_ls.get_linked_statistics",
    "opp_ls.add_file_result_to_all_results",
    "opp_ls.save_linked_statistics",
    "opp_ts.get_time_series_data",
    "OrcaFlexPostProcess.get_cfg_with_master_data",
    "OrcaFlexPostProcess.post_process",
)

UNTESTED = "untested digitalmodel: run `orcabatch verify --prove`"

_PREPARING = threading.RLock()
_PREPARED: dict[str, ModuleType | None] = {}
"""The OrcFxAPI that a package was last prepared for."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The digitalmodel that was found.

    Attributes:
        package: the package its post-process lives in.
        version: its version; empty where it has none.
        opp: the module with the post-process, its singletons and its class.
        hashes: of the sources that decide its results, see `orcabatch.digitalmodel.source_code.source_hashes`.
        has_pool: whether its own post-process runs a pool of processes unless told otherwise.
        missing: what is relied on and is not there; then only digitalmodel's own call can be used.
        usable_states: the model states it post-processes; None where it does not look at the state.
        edited: it was imported before orcabatch looked at it, and its sources may have been changed in between.
    """

    package: str
    version: str
    opp: ModuleType
    hashes: MappingProxyType[str, str] = field(repr=False)
    has_pool: bool = False
    missing: tuple[str, ...] = ()
    usable_states: frozenset[str] | None = None
    edited: bool = False

    @property
    def digest(self) -> str:
        """One hash over all of `hashes`."""
        return digest_of(self.hashes)

    @property
    def tested(self) -> bool:
        """Whether exactly these sources passed the proof."""
        return self.digest in TESTED

    @property
    def ou(self) -> Any:
        """The singleton with digitalmodel's OrcaFlex utilities."""
        return self.opp.ou

    @property
    def summary(self) -> Any:
        """The singleton that makes summaries."""
        return self.opp.opp_summary

    @property
    def series(self) -> Any:
        """The singleton that writes time series."""
        return self.opp.opp_ts

    @property
    def linked(self) -> Any:
        """The singleton that makes linked statistics."""
        return self.opp.opp_ls

    def uses(self, state: str) -> bool:
        """Whether it post-processes a model in this state."""
        return self.usable_states is None or state in self.usable_states

    def prepare(self) -> None:
        """Make digitalmodel ready for being called in threads; cheap, and may be called again.

        Its lines go to whoever listens, its tables to whoever writes, and it uses the OrcFxAPI that is there now.
        """
        ignore_own_warnings()
        present = sys.modules.get(ORCFXAPI)
        with _PREPARING:
            if _PREPARED.get(self.package) is present is not None:
                return  # but for another OrcFxAPI, which its modules have to be given, too
            capture_modules(self.package, "assetutilities.modules.data_exploration")
            series = inspect.getmodule(type(self.series))
            if series is not None and "pd" in vars(series):
                capture_csv_output(series)
            _use_present_orcfxapi(self.package)
            _PREPARED[self.package] = present


def find_installation() -> Installation:
    """The installed digitalmodel, imported and prepared.

    Raises:
        DigitalModelError: it is not installed, or has none of the known layouts.
        OrcaFlexUnavailable: it cannot be imported because OrcFxAPI cannot.
    """
    with _PREPARING:
        installation = _found()
        installation.prepare()
    return installation


def open_gate() -> None:
    """Hand the OrcFxAPI that is there to a newer digitalmodel's own gate; nothing where there is no gate.

    To be called in each process once OrcFxAPI was found: looking for the gate may import the whole post-process, and
    modules of it that found no OrcFxAPI would stay without one.
    """
    with _PREPARING:
        found = post_process_place()
        if found is not None:
            with _importing(*found):
                _configure_gate(found[0])


@lru_cache(maxsize=1)
def _found() -> Installation:
    found = post_process_place()
    if found is None:
        raise DigitalModelError(
            "digitalmodel is not installed in this Python environment. Install it with "
            "`pip install orcabatch[digitalmodel]`, or run in the environment that has your clone of it."
        )
    package, folder = found
    early = f"{package}.opp" in sys.modules  # what runs may then be older than the sources that are hashed now
    installation = _described(package, folder, _imported(package, folder))
    return replace(installation, edited=early and _edited_since_start(source_files(package, folder).values()))


def locate() -> str | None:
    """The package in which the installed digitalmodel has its post-process; None where there is none."""
    found = post_process_place()
    return None if found is None else found[0]


def _described(package: str, folder: Path, opp: ModuleType) -> Installation:
    state = sys.modules.get(f"{package}.run_state")
    usable = getattr(state, "STATICS_COMPLETE_STATES", None)
    return Installation(
        package=package,
        version=_version(),
        opp=opp,
        hashes=MappingProxyType(source_hashes(package, folder)),
        has_pool=hasattr(opp, "process_single_file"),
        missing=tuple(name for name in RELIED_ON if not _has(opp, name)) + _unroutable(opp),
        usable_states=None if usable is None else frozenset(usable),
    )


def _has(opp: ModuleType, name: str) -> bool:
    owner, function = name.split(".")
    return callable(getattr(getattr(opp, owner, None), function, None))


def _unroutable(opp: ModuleType) -> tuple[str, ...]:
    series = inspect.getmodule(type(getattr(opp, "opp_ts", None)))
    return () if series is not None and hasattr(series, "pd") else ("pandas under the name pd in opp_time_series",)


def _version() -> str:
    return installed_version("digitalmodel") or str(getattr(sys.modules.get("digitalmodel"), "__version__", ""))


def _edited_since_start(sources: Iterable[Path]) -> bool:
    """Whether a source is younger than this process: what was imported may be what it was before."""
    began_s = psutil.Process().create_time()
    # One that was unpacked, or copied with its time, has the time of its origin: when it came here the other one says
    # (on Windows only of a new file).
    stands = [source.stat() for source in sources]
    return any(max(stand.st_mtime, stand.st_ctime) > began_s for stand in stands)


@contextmanager
def _importing(package: str, folder: Path) -> Iterator[None]:
    """What the tested sources do not use is left out; what others use nobody knows."""
    unused = left_out() if digest_of(source_hashes(package, folder)) in TESTED else nullcontext()
    with uncollected(), unused:
        yield


def _imported(package: str, folder: Path) -> ModuleType:
    try:
        with _importing(package, folder):
            _configure_gate(package)
            return importlib.import_module(f"{package}.opp")
    except ModuleNotFoundError as error:
        if error.name not in {ORCFXAPI, "winreg"}:
            raise DigitalModelError(
                f"digitalmodel is installed, but a package it needs is not: {error.name}. "
                f"Install it with `pip install {error.name}`."
            ) from error
        raise _no_orcaflex(error) from error
    except Exception as error:
        # OrcFxAPI says "OrcaFlex not found" by a bare Exception; other kinds have nothing to do with it.
        if type(error) is not Exception and not isinstance(error, ImportError | OSError | RuntimeError):
            raise
        raise _no_orcaflex(error) from error


def _no_orcaflex(error: Exception) -> OrcaFlexUnavailable:
    return OrcaFlexUnavailable(
        f"digitalmodel cannot be used because OrcFxAPI cannot be imported ({words_of(error)}). "
        "Run where OrcaFlex is installed, or choose the simulated one: `orcaflex: simulated`."
    )


def _configure_gate(package: str) -> None:
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


def _use_present_orcfxapi(package: str) -> None:
    """Where digitalmodel's modules hold an OrcFxAPI that was there before, give them the one that is there now."""
    present = sys.modules.get(ORCFXAPI)
    for name, module in list(sys.modules.items()):
        held = vars(module).get(ORCFXAPI) if name.startswith(f"{package}.") and module is not None else None
        if present is not None and held is not None and held is not present and not _is_gate_proxy(held):
            vars(module)[ORCFXAPI] = present


def _is_gate_proxy(held: object) -> bool:
    return "Lazy" in class_name(type(held))
