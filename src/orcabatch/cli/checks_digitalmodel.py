"""What the doctor says about digitalmodel: where it is, its version, whether it was tested, and known conflicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from orcabatch.cli.checks import Check, Level
from orcabatch.digitalmodel.base_config import base_configuration
from orcabatch.digitalmodel.installed import find_layout, locate
from orcabatch.errors import DigitalModelError, OrcaFlexUnavailable
from orcabatch.versions import DECISIVE, installed_version

TOPIC = "digitalmodel"

Versions = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Conflict:
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
    Conflict(
        lambda versions: versions["digitalmodel"] == "0.0.9" and _release(versions["assetutilities"]) >= (0, 1),
        "digitalmodel 0.0.9 with assetutilities 0.1 or newer: `engine('file.yml')` in a script does not read the YAML",
        "use `orcabatch run`; or, for such a script, pip install assetutilities==0.0.8",
    ),
    Conflict(
        lambda versions: _release(versions["digitalmodel"]) >= (0, 1) and _release(versions["pandas"]) >= (3,),
        "digitalmodel 0.1 and newer asks for pandas below 3",
        'pip install "pandas<3"',
    ),
    Conflict(
        lambda versions: _release(versions["pandas"]) >= (4,),
        "pandas 4 or newer: digitalmodel uses an option that pandas 3 says it will take away",
        'pip install "pandas<4"',
    ),
)


def check_digitalmodel() -> Iterator[Check]:
    """The installed digitalmodel; only notes, since plain functions run without it."""
    package = locate()
    versions = {name: installed_version(name) for name in DECISIVE}
    if package is None:
        remedy = "only needed for digitalmodel YAMLs: pip install orcabatch[digitalmodel], or run where your clone is"
        yield Check(TOPIC, "not installed", Level.NOTE, remedy)
        return
    known = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    yield Check(TOPIC, f"{known}; post-process in {package}")
    yield from _state()
    yield from conflicts(versions)
    if base_configuration("orcaflex_post_process")[1].startswith("built into"):
        yield Check(
            TOPIC,
            "it ships no base configuration, so `python -m digitalmodel` cannot start; `orcabatch run` has its own",
            Level.NOTE,
        )


def conflicts(versions: Versions) -> list[Check]:
    """The known conflicts among these versions."""
    return [Check(TOPIC, known.said, Level.NOTE, known.remedy) for known in CONFLICTS if known.holds(versions)]


def _state() -> Iterator[Check]:
    try:
        layout = find_layout()
    except OrcaFlexUnavailable:
        yield Check(TOPIC, "whether it is a tested one cannot be told without OrcFxAPI", Level.NOTE)
        return
    except DigitalModelError as error:
        yield Check(TOPIC, str(error), Level.MEND)
        return
    if layout.missing:
        lacks = ", ".join(layout.missing)
        said = f"it lacks {lacks}, so its own run would be called, one file after the other"
        yield Check(TOPIC, said, Level.NOTE, "use digitalmodel 0.0.9, or ask for support of this version")
    elif layout.tested:
        yield Check(TOPIC, "its sources are ones that were tested")
    else:
        remedy = "after a run, compare some files: orcabatch verify --prove RESULT"
        yield Check(TOPIC, "its sources are not ones that were tested", Level.NOTE, remedy)


def _release(version: str) -> tuple[int, ...]:
    numbers = []
    for part in version.split(".")[:2]:
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
