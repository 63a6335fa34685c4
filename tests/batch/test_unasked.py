"""`executor: auto` moves digitalmodel's batches, and no function of a user's: that one is told what it would bring."""

from __future__ import annotations

import os
import runpy
import shutil
from pathlib import Path

import pytest

import orcabatch
from engine.fakes import locked
from orcabatch.batch import for_engine
from orcabatch.engine.executors import auto_decision

EXAMPLES = Path(__file__).parents[2] / "examples"

ROWS = []
"""What a function of the wild appends to."""


def row(model):
    """Appends to a list of its module, as many do."""
    ROWS.append(model["Line01"].name)
    return os.getpid()


@pytest.fixture
def held(monkeypatch):
    """Python's lock is always found taken, and moving pays as soon as one file has ended."""
    for name, value in {"LEAST_LOOKS": 1, "LEAST_WATCHED_S": 0.0, "WORTH": 0.0, "MARGIN": 0.0, "MEMORY_S": 1.0}.items():
        monkeypatch.setattr(auto_decision, name, value)
    monkeypatch.setattr(for_engine, "host_probe", lambda cpus: locked)
    monkeypatch.setattr(for_engine, "SAMPLE_INTERVAL_S", 1e-3)


ASKED = {
    "orcaflex": "simulated",
    "progress": False,
    "fresh": True,
    "performance": {"process_count": 2, "threading": {"max_threads": 2}},
}


def test_a_function_stays_and_is_told_what_processes_would_bring(orcaflex, sims, held):
    """Every row is in the caller's list; the run, its verdict and the next plan say what moving would have saved."""
    ROWS.clear()
    files = sims * 8
    result = orcabatch.run_batch(files, postprocess=row, **ASKED)
    assert result.ok
    assert len(ROWS) == len(files)
    assert set(result.values) == {os.getpid()}
    assert result.metrics["workers"]["executor"] == "threads"
    assert "worker processes save about" in result.metrics["workers"]["why"]
    assert "only where you say so (`executor: processes`)" in result.metrics["workers"]["why"]
    asked = {name: value for name, value in ASKED.items() if name != "progress"}
    plan = orcabatch.plan_batch(files, postprocess=row, **asked)
    assert [note for note in plan.notes if "`executor: processes` would take about" in note]
    asked["performance"] = {**ASKED["performance"], "executor": "processes"}
    plan = orcabatch.plan_batch(files, postprocess=row, **asked)
    assert not [note for note in plan.notes if "would take about" in note]


def test_a_function_moves_where_its_user_says_so(orcaflex, sims):
    """`executor: processes` is how he says it."""
    performance = {"executor": "processes", "process_count": 1}
    result = orcabatch.run_batch(sims, postprocess=row, **{**ASKED, "performance": performance})
    assert result.ok
    assert os.getpid() not in result.values


def test_a_function_over_the_files_of_a_yaml_stays_too(orcaflex, sims, held, tmp_path):
    """Where its files come from makes no difference: it is a function of the user's."""
    config = tmp_path / "some.yml"
    config.write_text(
        "meta: {basename: orcaflex_post_process, library: digitalmodel, label: x}\n"
        f"file_management: {{flag: false, input_files: {{sim: {[str(file) for file in sims * 8]}}}}}\n"
    )
    result = orcabatch.run_batch(config, postprocess=row, **ASKED)
    assert result.ok
    assert set(result.values) == {os.getpid()}


@pytest.mark.slow
def test_digitalmodels_batches_move_as_before(orcaflex, held, tmp_path):
    """They leave nothing in the process that anybody looks for."""
    pytest.importorskip("digitalmodel", reason="needs digitalmodel itself: install orcabatch[digitalmodel]")
    shutil.copyfile(EXAMPLES / "dm_fsts.yml", tmp_path / "dm_fsts.yml")
    runpy.run_path(str(EXAMPLES / "generate_sims.py"))["generate_sims"](
        tmp_path / "sims", lngc=0, standard=12, scale=0.3
    )
    result = orcabatch.run_batch(tmp_path / "dm_fsts.yml", **ASKED, output_dir=tmp_path / "out")
    assert result.ok
    assert {outcome.worker.split("-")[0] for outcome in result.outcomes} >= {"process"}
