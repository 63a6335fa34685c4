"""The example batches, wherever orcabatch is installed: the demo runs them, the suites measure on them."""

from __future__ import annotations

import runpy
from pathlib import Path

import orcabatch

BATCHES = ("dm_fsts.yml", "dm_fsts_lngc.yml")
_MAKE_SIMS = "generate_sims.py"
_SECTION = "\nperformance:\n"
_SIMULATED = "  orcaflex: simulated  # the files are invented; with your own leave this line out\n"


def examples() -> Path:
    """The folder with the example batches: in the installed package, else in the checkout."""
    package = Path(orcabatch.__file__).parent
    installed = package / "examples"
    return installed if installed.is_dir() else package.parents[1] / "examples"


def make_sims(folder: Path, *, lngc: int, standard: int) -> list[Path]:
    """Generate the `.sim` files that the example batches ask for: so many of each."""
    made: list[Path] = runpy.run_path(str(examples() / _MAKE_SIMS))["generate_sims"](
        folder, lngc=lngc, standard=standard
    )
    return made


def prepare(folder: Path, *, quick: bool = False) -> list[Path]:
    """Copy the example YAMLs to `folder`, for the simulated OrcaFlex, and generate their files in its `sims`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in BATCHES:
        text = (examples() / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace(_SECTION, f"{_SECTION}{_SIMULATED}"), encoding="utf-8")
    lngc, standard = (2, 4) if quick else (4, 12)
    return make_sims(folder / "sims", lngc=lngc, standard=standard)
