"""Whole batches on dask workers give what a serial run gives."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

import orcabatch
from batch_functions import largest_tension
from engine import dask_cluster
from orcabatch import simulated
from orcabatch.errors import SettingsError
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


A_RUN = """
import sys, orcabatch
from pathlib import Path
yml, address = sys.argv[1:]
section = {"orcaflex": "simulated", "executor": "dask", "dask": {"address": address}}
orcabatch.run_batch(yml, performance=section, output_dir=Path(yml).parent / "out", progress=False)
"""


@pytest.mark.timeout(300)
def test_workers_of_a_run_that_was_killed_write_nothing_over_the_next_run(
    sims: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go on with what they have; the next run, of another configuration, had ended before: its tables stay."""
    pytest.importorskip("digitalmodel", reason="the extra `digitalmodel` is not installed")
    import distributed

    def busy() -> int:
        from orcabatch.engine.executors.dask import worker

        return sum(len(crew._hands) - len(crew._free) for crew in worker._crews.values())

    text = (EXAMPLES / "dm_fsts.yml").read_text(encoding="utf-8")
    text = text.replace("input_directory: sims", f"input_directory: {sims[0].parent}")
    text = text.replace("pattern: fsts_l015_hwl_ncl_000deg", "pattern: fsts_l015")
    (tmp_path / "batch.yml").write_text(text, encoding="utf-8")
    held = sorted(sims[0].parent.glob("fsts_l015*"))
    with monkeypatch.context() as patch:
        costs = simulated.Costs(hang_loads={path.name: None for path in held})
        patch.setenv("ORCABATCH_SIMULATED_COSTS", costs.to_json())
        context = dask_cluster.cluster("one", workers=1)
        cluster = context.__enter__()
    try:
        with distributed.Client(cluster.address, set_as_default=False) as client:
            words = [sys.executable, "-c", A_RUN, str(tmp_path / "batch.yml"), cluster.address]
            first = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])})
            _until(lambda: sum(client.run(busy).values()) == 1)
            first.kill()
            first.wait()
            other = text.replace("Effective Tension", "Bend Moment").replace("Effective tension", "Bend moment")
            assert other != text
            (tmp_path / "batch.yml").write_text(other, encoding="utf-8")
            plain = {**COMMON, "executor": "serial"}
            next_run = orcabatch.run_batch(
                tmp_path / "batch.yml", performance=plain, output_dir=tmp_path / "out", progress=False
            )
            assert next_run.ok
            before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.csv")}
            for path in held:
                simulated.release_hang(path.name)
            _until(lambda: sum(client.run(busy).values()) == 0)
    finally:
        context.__exit__(None, None, None)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.csv")} == before


@pytest.mark.timeout(300)
def test_a_worker_that_had_imported_a_module_before_it_was_edited_gets_no_files(
    sims: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lives longer than a run: it computed with the old helper, under the new `version`, without a word."""
    with dask_cluster.cluster("one", workers=1) as cluster:
        monkeypatch.syspath_prepend(cluster.folder)
        for name, text in [("dask_helper", "def factor(): return 1"), ("dask_user", USER)]:
            (cluster.folder / f"{name}.py").write_text(f"{text}\n", encoding="utf-8")
        user = importlib.import_module("dask_user")
        dask = {**COMMON, "executor": "dask", "dask": {"address": cluster.address}}
        assert orcabatch.run_batch(sims, postprocess=user.doubled, performance=dask).values == [2] * len(sims)
        (cluster.folder / "dask_helper.py").write_text("def factor(): return 55\n", encoding="utf-8")
        with pytest.raises(SettingsError, match="dask_helper before the last change there; restart the dask workers"):
            orcabatch.run_batch(sims, postprocess=user.doubled, performance=dask)


USER = """
import dask_helper

def doubled(model):
    return 2 * dask_helper.factor()
"""


def _until(there: Any) -> None:
    never = threading.Event()
    while not there():
        never.wait(0.05)
