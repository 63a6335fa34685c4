"""The example YAMLs: the two batches of the specification, and its whole `performance:` section."""

from __future__ import annotations

import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import yaml

from orcabatch.digitalmodel.configuration import load_configuration

EXAMPLES = Path(__file__).parents[2] / "examples"
BATCHES = {
    "dm_fsts.yml": ("fsts_l015_hwl_ncl_000deg", 12),
    "dm_fsts_lngc.yml": ("fsts_l015_hwl_125km3_l100_pb_005yr__cl_015deg", 4),
    "dm_fsts_optimized.yml": ("fsts_l015_hwl", 16),
}
SPECIFIED = {
    "threading": {"mode": "dynamic", "min_threads": 5, "max_threads": 45, "threads_per_gb": 0.25},
    "memory": {"max_usage_percent": 80, "gc_threshold": 75, "preallocation": True, "chunk_size": "100MB"},
    "io": {"async_enabled": True, "buffer_size": "10MB", "use_compression": False, "temp_directory": "D:/temp"},
    "monitoring": {
        "enabled": True,
        "interval": 5,
        "export_metrics": True,
        "metrics_file": "performance_metrics.json",
    },
    "optimization": {
        "group_by_size": True,
        "size_thresholds": {"small": "100MB", "large": "500MB"},
        "thread_allocation": {"small": 45, "medium": 30, "large": 15},
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example YAMLs beside the simulated files that the example script makes."""
    folder = tmp_path_factory.mktemp("examples")
    for name in BATCHES:
        shutil.copy(EXAMPLES / name, folder)
    spec = spec_from_file_location("generate_sims", EXAMPLES / "generate_sims.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.generate_sims(folder / "sims", scale=0.2)
    return folder


@pytest.mark.parametrize("name", BATCHES)
def test_each_example_finds_the_files_of_its_pattern(name: str, project: Path) -> None:
    """Patterns, label and number of files are those of the specification's two batches."""
    pattern, count = BATCHES[name]
    configuration = load_configuration(project / name)
    assert configuration.cfg["file_management"]["filename"]["pattern"] == pattern
    assert configuration.name == f"{Path(name).stem}_03c_0100yr_l015_hwl"
    assert len(configuration.files) == count
    assert all(pattern in file.stem for file in configuration.files)


def test_the_examples_write_into_folders_of_their_own(project: Path) -> None:
    """Two of them write series of the same files, so that no two share a result folder."""
    assert len({load_configuration(project / name).result_folder for name in BATCHES}) == len(BATCHES)


def test_the_optimized_example_holds_the_specified_section_to_the_key() -> None:
    """Every key and value of the specification's `performance:` section stands in it, and nothing else."""
    asked = yaml.safe_load((EXAMPLES / "dm_fsts_optimized.yml").read_text())
    assert asked["performance"] == SPECIFIED
