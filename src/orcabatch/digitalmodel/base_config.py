"""The defaults below a digitalmodel YAML: what a post-process needs and real YAMLs leave out.

Covers where the defaults come from: digitalmodel's own base configuration where the installed one has it (a clone),
else the built-in ones (the published wheel 0.0.9 ships none, so its own command line cannot start). Does not cover
merging them (`orcabatch.digitalmodel.configuration`). digitalmodel itself is never imported here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from orcabatch.digitalmodel.outputs import OUTPUTS, STATISTICS

BASENAMES = ("orcaflex_post_process", "orcaflex_analysis", "orcaflex")
"""The `basename`s that digitalmodel hands to its OrcaFlex post-process."""


def base_configuration(basename: str) -> tuple[dict[str, Any], str]:
    """The defaults for `basename`, freshly made, and in words where they come from.

    Looked for in digitalmodel's order: a file below the working folder, the installed package, the built-in ones.
    """
    for file in _candidates(basename):
        if file.is_file():
            loaded = yaml.safe_load(file.read_text(encoding="utf-8"))
            if isinstance(loaded, dict):
                return loaded, str(file)
    return builtin_configuration(basename), "built into orcabatch"


def builtin_configuration(basename: str) -> dict[str, Any]:
    """Every output off, every key that digitalmodel 0.0.9 reads without asking present."""
    return {
        "meta": {"basename": basename, "library": "digitalmodel"},
        "default": {"log_level": "INFO", "config": {"overwrite": {"output": True}}},
        "orcaflex": {"postprocess": _postprocess()},
        "time_series_settings": {"data": False, "groups": []},
        "file_management": {
            "flag": True,
            "input_directory": None,
            "output_directory": None,
            "filename": {"extension": ["sim"], "pattern": None, "filters": {}},
        },
    }


def _postprocess() -> dict[str, Any]:
    outputs: dict[str, Any] = {output: {"flag": False} for output in OUTPUTS}
    outputs["summary"]["statistics"] = dict.fromkeys(STATISTICS, False)
    return outputs


def _candidates(basename: str) -> list[Path]:
    in_working_folder = Path.cwd() / "src" / "digitalmodel" / "tests" / "test_data" / f"{basename}.yml"
    inside = Path("base_configs", "modules", basename, f"{basename}.yml")
    return [in_working_folder, *(folder / inside for folder in _package_folders())]


def _package_folders() -> list[Path]:
    spec = importlib.util.find_spec("digitalmodel")
    return [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []


def asked_beyond_post_process(cfg: Mapping[str, Any]) -> list[str]:
    """Keys that ask digitalmodel to run or change models, which is no part of a post-process batch."""
    orcaflex = cfg.get("orcaflex")
    if not isinstance(orcaflex, Mapping):
        return []
    sections = {"analysis": ("static", "simulation", "iterate", "mooring"), "preprocess": ("check_yml", "load_vessel")}
    asked = [(section, key) for section, keys in sections.items() for key in keys]
    return [f"orcaflex.{section}.{key}" for section, key in asked if _is_on(orcaflex.get(section), key)]


def _is_on(section: object, key: str) -> bool:
    value = section.get(key) if isinstance(section, Mapping) else None
    return bool(value.get("flag") if isinstance(value, Mapping) else value)
