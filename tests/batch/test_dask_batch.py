"""Whole batches on dask workers give what a serial run gives."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

import orcabatch
from batch_functions import largest_tension
from engine import dask_cluster
from orcabatch.store.compare import compare_folders

pytestmark = dask_cluster.MARKS
EXAMPLES = Path(__file__).parents[2] / "examples"
COMMON: dict[str, Any] = {"orcaflex": "simulated", "ledger": {"enabled": False}}


def test_a_local_cluster_gives_the_values_of_a_serial_run(sims: list[Path]) -> None:
    """Without an address the workers are started here, and are gone afterwards."""
    serial = orcabatch.run_batch(sims, postprocess=largest_tension, performance={**COMMON, "executor": "serial"})
    dask = {**COMMON, "executor": "dask", "process_count": 1, "threads_per_process": 2}
    before = set(psutil.Process().children())  # the cluster that other tests share may be among them
    result = orcabatch.run_batch(sims, postprocess=largest_tension, performance=dask)
    assert result.values == serial.values
    assert {each.worker.split("-")[0] for each in result.outcomes} == {"dask"}
    left = [" ".join(child.cmdline()) for child in psutil.Process().children() if child not in before]
    assert [each for each in left if "resource_tracker" not in each] == []
    assert result.metrics["workers"]["executor"] == "dask"


@pytest.mark.long
def test_bytes_are_those_of_the_serial_run_though_a_worker_is_killed_and_one_joins(tmp_path: Path) -> None:
    """Result files of digitalmodel: workers with memory limits of their own, one killed by SIGKILL, one added."""
    pytest.importorskip("digitalmodel", reason="the extra `digitalmodel` is not installed")
    sys.path.insert(0, str(EXAMPLES))
    from generate_sims import generate_sims

    sys.path.remove(str(EXAMPLES))
    generate_sims(tmp_path / "sims", lngc=0, standard=30, scale=0.2)
    yml = shutil.copy(EXAMPLES / "dm_fsts.yml", tmp_path)
    serial = {**COMMON, "executor": "serial"}
    assert orcabatch.run_batch(yml, performance=serial, output_dir=tmp_path / "serial", progress=False).ok
    ended: list[Any] = []
    with dask_cluster.cluster("one", memory="450MB", workers=1) as cluster:
        cluster.add("two", memory="700MB")
        cluster.until(2)

        def disturb(outcome: Any) -> None:
            ended.append(outcome)
            if len(ended) == 2:
                cluster.kill_worker_below(1)
            if len(ended) == 4:
                cluster.add("late", threads=2, memory="900MB")

        dask = {**COMMON, "executor": "dask", "dask": {"address": cluster.address}}
        result = orcabatch.run_batch(
            yml, performance=dask, output_dir=tmp_path / "dask", progress=False, on_outcome=disturb
        )
    assert result.ok
    assert any("its dask worker one died" in str(event) for event in result.metrics["events"])
    compared = compare_folders(tmp_path / "serial", tmp_path / "dask")
    assert (compared.differing, compared.only_a, compared.only_b) == ((), (), ())
    assert compared.identical
