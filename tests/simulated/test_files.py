"""Files and batches of files."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orcabatch import simulated
from orcabatch.simulated import SimFault, SimSpec


def test_a_file_has_the_size_it_claims(tmp_path: Path) -> None:
    """To the byte, and its header reads back as what was asked for."""
    spec = SimSpec(objects=simulated.mooring_objects(40), size_bytes=1_234_567, seed=9, memory_factor=2.5)
    file = simulated.SimFile(simulated.write_sim(tmp_path / "a.sim", spec))
    assert file.path.stat().st_size == 1_234_567
    assert file.spec == spec
    assert file.header.log_bytes > 1_100_000


def test_a_large_file_is_written_fast(tmp_path: Path) -> None:
    """200 MB in a second or so, without repeating rows."""
    begin = time.monotonic()
    path = simulated.write_sim(tmp_path / "large.sim", SimSpec(size_bytes=200_000_000))
    assert path.stat().st_size == 200_000_000
    assert time.monotonic() - begin < 5.0


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """A clear error."""
    path = simulated.write_sim(tmp_path / "a.sim", SimSpec(faults=(SimFault.NOT_A_SIM,)))
    with pytest.raises(ValueError, match="not a readable simulated"):
        simulated.SimFile(path)


def test_a_nonsensical_simulation_is_refused() -> None:
    """Before anything is written."""
    with pytest.raises(ValueError, match="positive sample interval"):
        SimSpec(sample_interval_s=0.0)


def test_a_batch(tmp_path: Path) -> None:
    """Two patterns, sizes between bounds, each name once, the same for the same seed."""
    paths = simulated.generate_batch(tmp_path / "a", lngc=3, standard=40, objects=12, memory_factors=(0.3, 4.0), seed=5)
    again = simulated.generate_batch(tmp_path / "b", lngc=3, standard=40, objects=12, memory_factors=(0.3, 4.0), seed=5)
    assert [path.name for path in paths] == [path.name for path in again]
    assert [path.read_bytes() for path in paths[:5]] == [path.read_bytes() for path in again[:5]]
    assert paths[0].stem == "fsts_l015_hwl_125km3_l100_pb_005yr__cl_015deg"
    assert paths[3].stem == "fsts_l015_hwl_ncl_000deg"
    assert len(set(paths)) == 43
    assert all(re.match(r"fsts_l015_hwl_\w*n?cl_\d{3}deg(_lc\d\d)?\.sim", path.name) for path in paths)
    assert all(4_000_000 <= path.stat().st_size <= 12_000_000 for path in paths[:3])
    factors = {simulated.SimFile(path).spec.memory_factor for path in paths}
    assert len(factors) > 30
    assert min(factors) >= 0.3
    assert max(factors) <= 4.0


def test_a_batch_with_faults(tmp_path: Path) -> None:
    """The first standard files have one each."""
    paths = simulated.generate_batch(tmp_path, lngc=1, standard=3, faults=(SimFault.EMPTY, SimFault.NOT_LOGGED))
    assert paths[1].stat().st_size == 0
    assert simulated.SimFile(paths[2]).spec.faults == (SimFault.NOT_LOGGED,)
    assert simulated.SimFile(paths[3]).spec.faults == ()


def test_the_documented_five_lines_run(orcfxapi: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What docs/simulated.md shows."""
    text = (Path(__file__).parents[2] / "docs" / "simulated.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"my_function": lambda model: model["Winch01"].TimeHistory("Tension").max()}
    for block in blocks:
        exec(block, names)  # noqa: S102
    assert len(blocks) == 2
