"""What the doctor says about the software a batch runs on: OrcFxAPI with its DLL and licence, and digitalmodel.

Whether each is there, of a version that was tested, and goes with the others. For the licence one empty model is made
and destroyed at once, which holds a seat for that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from orcabatch.cli.checks import Check, Level
from orcabatch.digitalmodel.base_config import base_configuration
from orcabatch.digitalmodel.installed import find_installation, locate
from orcabatch.errors import DigitalModelError, OrcaFlexUnavailable
from orcabatch.orcaflex.binding import Binding, BindingKind, Wanted, find_binding
from orcabatch.orcaflex.failures import LICENCE, status_of
from orcabatch.orcaflex.session import destroy
from orcabatch.versions import DECISIVE, installed_version

ORCAFLEX = "OrcaFlex"
DIGITALMODEL = "digitalmodel"
Versions = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VersionConflict:
    """Packages that do not go together, as far as known.

    Attributes:
        holds: whether these versions are such a case.
        said: what happens.
        remedy: what to do.
    """

    holds: Callable[[Versions], bool]
    said: str
    remedy: str


CONFLICTS = (
    VersionConflict(
        lambda versions: versions["digitalmodel"] == "0.0.9" and _release(versions["assetutilities"]) >= (0, 1),
        "digitalmodel 0.0.9 with assetutilities 0.1 or newer: `engine('file.yml')` in a script does not read the YAML",
        "use `orcabatch run`; or, for such a script, pip install assetutilities==0.0.8",
    ),
    VersionConflict(
        lambda versions: _release(versions["digitalmodel"]) >= (0, 1) and _release(versions["pandas"]) >= (3,),
        "digitalmodel 0.1 and newer asks for pandas below 3",
        'pip install "pandas<3"',
    ),
    VersionConflict(
        lambda versions: _release(versions["pandas"]) >= (4,),
        "pandas 4 or newer: digitalmodel uses an option that pandas 3 says it will take away",
        'pip install "pandas<4"',
    ),
)


def check_orcaflex(wanted: Wanted = "real", *, licence: bool = True) -> Iterator[Check]:
    """OrcFxAPI as a batch would find it; `licence`: whether a seat is taken for a moment."""
    try:
        binding = find_binding(wanted)
    except OrcaFlexUnavailable as error:
        yield Check(ORCAFLEX, str(error), Level.MEND)
        return
    yield _kind(binding)
    if binding.warning:
        yield Check(ORCAFLEX, binding.warning, Level.NOTE)
    if licence and binding.is_genuine:
        yield _licence(binding)
    elif not licence:
        yield Check(ORCAFLEX, "licence: not looked at (--no-licence)", Level.NOTE)


def check_digitalmodel() -> Iterator[Check]:
    """The installed digitalmodel; only notes, since plain functions run without it."""
    package = locate()
    versions = {name: installed_version(name) for name in DECISIVE}
    if package is None:
        remedy = "only needed for digitalmodel YAMLs: pip install orcabatch[digitalmodel], or run where your clone is"
        yield Check(DIGITALMODEL, "not installed", Level.NOTE, remedy)
        return
    known = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    yield Check(DIGITALMODEL, f"{known}; post-process in {package}")
    yield from _state()
    yield from conflicts(versions)
    if base_configuration("orcaflex_post_process")[1].startswith("built into"):
        yield Check(
            DIGITALMODEL,
            "it ships no base configuration, so `python -m digitalmodel` cannot start; `orcabatch run` has its own",
            Level.NOTE,
        )


def conflicts(versions: Versions) -> list[Check]:
    """The known conflicts among these versions."""
    return [Check(DIGITALMODEL, known.said, Level.NOTE, known.remedy) for known in CONFLICTS if known.holds(versions)]


def _kind(binding: Binding) -> Check:
    if binding.kind is BindingKind.FOREIGN:
        where = getattr(binding.module, "__file__", "sys.modules")
        return Check(
            ORCAFLEX,
            f"OrcFxAPI is not the one of OrcaFlex but another module of that name: {where}",
            Level.NOTE,
            "take it out of the Python path unless it is meant",
        )
    versions = f"OrcFxAPI {binding.version or 'of unknown version'}, DLL {binding.dll_version}"
    if binding.kind is BindingKind.SIMULATED:
        return Check(ORCAFLEX, f"simulated: {versions} (invented results, for trying things out)", Level.NOTE)
    return Check(ORCAFLEX, versions)


def _licence(binding: Binding) -> Check:
    try:
        model = binding.module.Model(threadCount=1)
        destroy(binding.module, model)
    except binding.module.DLLError as error:
        text = " ".join(str(error).split())
        if status_of(error) == LICENCE:
            remedy = "see who holds the licences, or whether this computer reaches the licence server"
            return Check(ORCAFLEX, f"no licence: {text}", Level.MEND, remedy)
        return Check(
            ORCAFLEX, f"no model could be made: {text}", Level.MEND, "start OrcaFlex itself and see what it says"
        )
    return Check(ORCAFLEX, "licence: a seat was free (taken for a moment, given back)")


def _state() -> Iterator[Check]:
    try:
        installation = find_installation()
    except OrcaFlexUnavailable:
        yield Check(DIGITALMODEL, "whether it is a tested one cannot be told without OrcFxAPI", Level.NOTE)
        return
    except DigitalModelError as error:
        yield Check(DIGITALMODEL, str(error), Level.MEND)
        return
    if installation.missing:
        lacks = ", ".join(installation.missing)
        said = f"it lacks {lacks}, so its own run would be called, one file after the other"
        yield Check(DIGITALMODEL, said, Level.NOTE, "use digitalmodel 0.0.9, or ask for support of this version")
    elif installation.tested:
        yield Check(DIGITALMODEL, "its sources are ones that were tested")
    else:
        remedy = "after a run, compare some files: orcabatch verify --prove RESULT"
        yield Check(DIGITALMODEL, "its sources are not ones that were tested", Level.NOTE, remedy)


def _release(version: str) -> tuple[int, ...]:
    numbers = []
    for part in version.split(".")[:2]:
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
