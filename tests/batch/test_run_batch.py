"""`run_batch`, `iter_batch` and `plan_batch` with a user's own function, over the simulated OrcaFlex."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest

import orcabatch
from batch_functions import largest_tension, name_and_tension
from orcabatch import simulated
from orcabatch.engine import memory_admission
from orcabatch.errors import BatchError, OrcaFlexUnavailable, SettingsError, SourceError
from orcabatch.outcome import Cause, Phase, Status

EXECUTORS = ["serial", "threads", "processes"]


def run(files, function=largest_tension, **arguments):
    """A silent run over the simulated OrcaFlex."""
    return orcabatch.run_batch(
        files, **{"postprocess": function, "orcaflex": "simulated", "progress": False, **arguments}
    )


def test_values_stand_in_input_order_on_every_executor(orcaflex, sims):
    """Longest first is the order of work, the order of the list is the order of the results, whoever computes them."""
    import OrcFxAPI

    alone = [largest_tension(OrcFxAPI.Model(str(file), threadCount=1)) for file in sims]
    for executor in EXECUTORS:
        result = run(sims, performance={"executor": executor, "process_count": 2})
        assert result.ok
        assert result.values == alone
        assert [outcome.file for outcome in result.outcomes] == [file.absolute() for file in sims]


def test_a_function_that_requires_two_arguments_gets_the_file(orcaflex, sims):
    """`f(model, sim_file)` is recognised by what it requires."""
    result = run(sims, name_and_tension)
    assert [value["name"] for value in result.values] == [file.stem for file in sims]


def test_what_cannot_be_run_is_refused_before_anything_runs(orcaflex, sims):
    """A function that takes no model, and a performance that is no section: said at once, not once per file."""
    with pytest.raises(TypeError, match="takes no positional argument"):
        run(sims, lambda: 1)
    with pytest.raises(TypeError, match="performance must be a mapping"):
        run(sims, performance=3)


def test_every_file_is_loaded_once_and_phases_add_up(orcaflex, sims):
    """One load per file; wait, load, extract, write and clean-up are the file's wall time."""
    result = run(sims)
    loads = simulated.counters().loads_by_file
    assert [loads[str(file)] for file in sims] == [1] * len(sims)
    for outcome, row in zip(result.outcomes, result.metrics["files"], strict=True):
        assert set(Phase) - set(outcome.phases) <= {Phase.WRITE}
        assert row["wall_s"] == pytest.approx(sum(outcome.phases.values()))
        assert outcome.phases[Phase.WAIT] + outcome.started_s >= 0
        assert outcome.finished_s - outcome.started_s == pytest.approx(
            outcome.wall_s - outcome.phases[Phase.WAIT], abs=0.05
        )


def test_threads_really_load_at_once(orcaflex, sims):
    """The DLL itself counts how many models were alive at one time."""
    simulated.configure(simulated.Costs(load_latency_s=0.2))
    run(sims, performance={"threading": {"mode": "static"}, "executor": "threads"})
    assert orcaflex.counters.peak_live_models >= 6


@pytest.mark.parametrize("executor", EXECUTORS)
def test_one_bad_file_of_each_kind_among_forty_leaves_the_others(orcaflex, tmp_path, executor):
    """Missing, empty, truncated, not a sim, missing object, raising: each is named with its reason, 34 are fine."""
    files = simulated.generate_batch(tmp_path / "sims", lngc=0, standard=40, standard_bytes=(60_000, 90_000))
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files[5:]}
    files[0].unlink()
    files[1].write_bytes(b"")
    files[2].write_bytes(files[2].read_bytes()[:9000])
    files[3].write_text("not a simulation")
    lines = [item for item in simulated.mooring_objects(26) if item.name != "Line04"]
    bare = simulated.SimSpec(objects=tuple(lines), size_bytes=60_000)
    simulated.write_sim(files[4], bare)
    result = run(files, name_and_tension, performance={"executor": executor, "process_count": 2})
    assert [outcome.index for outcome in result.failed] == [0, 1, 2, 3, 4]
    assert [outcome.status for outcome in result.outcomes[5:]] == [Status.OK] * 35
    assert [outcome.failed_phase for outcome in result.failed] == [Phase.LOAD] * 4 + [Phase.EXTRACT]
    words = ["does not exist", "empty", "truncated", "not", "Line04"]
    for outcome, word in zip(result.failed, words, strict=True):
        assert word in outcome.error
    with pytest.raises(BatchError) as error:
        result.raise_for_failures()
    assert all(outcome.file.name in str(error.value) for outcome in result.failed)
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files[5:]} == before


def raising(model):
    raise ValueError("no such case")


def test_a_function_that_raises_fails_its_file_with_the_traceback_kept(orcaflex, sims):
    """The message is one line; the traceback is there for whoever wants it."""
    result = run(sims[:2], raising)
    assert [outcome.cause for outcome in result.failed] == [Cause.EXCEPTION] * 2
    assert "no such case" in result.failed[0].error
    assert "raising" in result.failed[0].traceback
    assert result.values == [None, None]


async def asynchronous():
    yield 1


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda model: (name for name in ["Line01"]), "generator"),
        (lambda model: asynchronous(), "async_generator"),
        (lambda model: map(len, model.objects), "is an object ("),
        (lambda model: model["Line01"], "is an object (Line) of "),
        (lambda model: model, "is the model of "),
    ],
)
def test_a_value_that_is_gone_with_the_model_is_a_failure_that_says_so(orcaflex, sims, function, said):
    """Nobody is handed a generator that never ran, or an object that no longer answers."""
    result = run(sims[:1], function)
    assert said in result.failed[0].error


def test_on_failure_raise_raises_after_everything_is_done(orcaflex, sims):
    """All files are tried; the exception names those that failed."""
    seen = []
    with pytest.raises(BatchError, match="no such case"):
        run(sims, raising, on_failure="raise", on_outcome=seen.append)
    assert len(seen) == len(sims)


def test_iter_batch_hands_on_outcomes_and_drains_when_it_is_closed(orcaflex, sims):
    """Leaving the loop starts nothing new and leaves no model behind (the fixture looks)."""
    running = orcabatch.iter_batch(
        sims, postprocess=largest_tension, orcaflex="simulated", performance={"executor": "serial"}
    )
    first = next(running)
    assert first.ok
    running.close()
    assert sum(simulated.counters().loads_by_file.values()) < len(sims)


def test_results_go_where_they_were_meant_whoever_changes_the_working_folder(orcaflex, sims, tmp_path, monkeypatch):
    """Before the loop asks for the first outcome, and between two: values, failures and metrics stay together."""
    for name in ("here", "there", "further"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    sims[1].write_text("not a simulation")
    running = orcabatch.iter_batch(
        [os.path.relpath(sim) for sim in sims[:3]], postprocess=largest_tension, output_dir="out",
        orcaflex="simulated", performance={"executor": "serial", "keep_values": True},
    )  # fmt: skip
    monkeypatch.chdir(tmp_path / "there")
    outcomes = []
    for outcome in running:
        outcomes.append(outcome)
        os.chdir(tmp_path / "further")
    assert [each.file.resolve() for each in outcomes] == sims[:3]
    written = sorted(path.name for path in (tmp_path / "here" / "out").iterdir())
    names = ["largest_tension_failed_files.csv", "largest_tension_values.bin", "performance_metrics.json"]
    assert written == names
    assert not list((tmp_path / "there").iterdir()) + list((tmp_path / "further").iterdir())


def test_a_progress_function_that_raises_costs_neither_results_nor_metrics(orcaflex, sims):
    """It is switched off with a warning that shows its error; the events still reach the metrics."""

    def broken(snapshot):
        raise ZeroDivisionError("mine")

    result = run(sims, progress=broken)
    assert result.ok
    assert any("progress raised ZeroDivisionError: mine" in warning for warning in result.warnings)
    assert {"started", "finished"} <= {kind for _, kind, *_ in result.metrics["events"]}


def test_a_mixture_of_sources_is_a_type_error_that_says_so(tmp_path):
    """YAMLs and .sim files in one list, files without a function, and strange things are refused in words."""
    with pytest.raises(TypeError, match=r"either YAML files, or \.sim files"):
        orcabatch.run_batch(["a.yml", "b.sim"], postprocess=largest_tension)
    with pytest.raises(TypeError, match="postprocess=your_function"):
        orcabatch.run_batch(["b.sim"])
    with pytest.raises(TypeError, match="list that holds dict"):
        orcabatch.run_batch([{}, "b.sim"], postprocess=largest_tension)
    with pytest.raises(SourceError, match="empty list"):
        orcabatch.run_batch([], postprocess=largest_tension)
    with pytest.raises(TypeError, match="not int"):
        orcabatch.run_batch(3)


def test_settings_are_checked_before_anything_runs(sims):
    """All faults at once, with the nearest right key."""
    with pytest.raises(SettingsError, match="max_threads") as error:
        run(sims, performance={"threading": {"max_thread": 3}, "retries": -1})
    assert "retries" in str(error.value)


def test_without_orcaflex_the_message_names_the_simulated_one(sims):
    """This machine has no OrcaFlex; nothing is simulated silently."""
    with pytest.raises(OrcaFlexUnavailable, match="simulated"):
        run(sims, orcaflex=None)


def test_a_folder_gets_the_metrics_and_the_failed_files(orcaflex, sims, tmp_path):
    """A plain function leaves files only where it was given a folder."""
    sims[1].write_text("not a simulation")
    result = run(sims, output_dir=tmp_path / "out")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["largest_tension_failed_files.csv", "performance_metrics.json"]
    assert sorted(result.outputs) == sorted((tmp_path / "out").iterdir())
    stored = json.loads((tmp_path / "out" / "performance_metrics.json").read_text())
    assert stored["summary"]["failed"] == 1
    assert sims[1].name in (tmp_path / "out" / "largest_tension_failed_files.csv").read_text()


def test_without_a_folder_a_plain_function_leaves_no_files(orcaflex, sims, tmp_path, monkeypatch):
    """The metrics are in the result."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    result = run(sims)
    assert list((tmp_path / "cwd").iterdir()) == []
    assert result.outputs == ()
    assert set(result.metrics["metrics"]) == {
        "file_processing_times",
        "memory_usage",
        "cpu_utilization",
        "io_wait_time",
        "thread_efficiency",
    }
    assert len(result.metrics["metrics"]["file_processing_times"]) == len(sims)


def test_the_table_has_a_row_per_file_and_a_column_per_key(orcaflex, sims):
    """A value that is a mapping spreads over columns."""
    table = run(sims).to_dataframe()
    assert len(table) == len(sims)
    assert table["tension"].map(math.isfinite).all()
    assert {"file", "name", "status", "load_s", "wall_s"} <= set(table.columns)
    assert list(table["name"]) == [sim.name for sim in sims]


def test_plan_batch_runs_nothing_and_plans_for_another_host(orcaflex, sims, tmp_path):
    """No load, no folder; the counts are those of the host that was given."""
    host = orcabatch.HostResources(64, 256 * 10**9)
    plan = orcabatch.plan_batch(sims, postprocess=largest_tension, host=host, output_dir=tmp_path / "out")
    assert len(plan.files) == len(sims)
    assert plan.host is host
    assert not (tmp_path / "out").exists()
    assert simulated.counters().loads_by_file == {}


def test_arrays_come_back_as_they_were(orcaflex, sims):
    """A function may return arrays; they are its own, on processes too."""
    import OrcFxAPI

    alone = history(OrcFxAPI.Model(str(sims[0]), threadCount=1))
    for executor in EXECUTORS:
        result = run(sims, history, performance={"executor": executor, "process_count": 1})
        np.testing.assert_array_equal(result.values[0], alone)


def history(model):
    """One time history as it is."""
    import OrcFxAPI

    return model["Line01"].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_memory_cap_below_what_is_in_use_costs_no_wait_and_is_one_sentence(orcaflex, sims, monkeypatch, executor):
    """Nobody asks how long to wait for memory that was never there, and the result says it once."""
    waits, asked = [], memory_admission.patience_ends_s
    monkeypatch.setattr(memory_admission, "patience_ends_s", lambda memory: (waits.append(1), asked(memory))[1])
    result = run(sims, performance={"executor": executor, "memory": {"max_usage_percent": 0.1}})
    assert result.ok
    assert not waits
    said = [warning for warning in result.warnings if "memory are in use" in warning]
    assert len(said) == 1
    assert "memory.max_usage_percent = 0.1 allows" in said[0]
    assert not [warning for outcome in result.outcomes for warning in outcome.warnings if "needs about" in warning]
