"""Resume and incremental runs: what is unchanged is not done again, and the bytes are those of a run of everything."""

from __future__ import annotations

import copy
import json
import os
import runpy
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import yaml
from yaml.representer import SafeRepresenter

import batch_functions
import orcabatch
from cli_batches import configuration, series_column, summary_column
from orcabatch import simulated
from orcabatch.batch import input_files
from orcabatch.batch import run as run_module
from orcabatch.batch.result_cache import ResultCache
from orcabatch.errors import BatchLocked, OutputError
from orcabatch.outcome import Status
from orcabatch.store.compare import compare_folders
from orcabatch.store.ledger import ledger_file, sqlite_ledger

EXAMPLES = Path(__file__).parents[2] / "examples"
SILENT = {"orcaflex": "simulated", "progress": False}


def loads():
    """How often each file was loaded so far."""
    return {Path(name).name: count for name, count in simulated.counters().loads_by_file.items()}


def statuses(result):
    return [str(outcome.status) for outcome in result.outcomes]


# --- a function of the user's


def run(files, function=batch_functions.largest_tension, **more):
    return orcabatch.run_batch(files, postprocess=function, **{**SILENT, "version": "1", **more})


def test_a_function_with_a_version_is_not_called_again(orcaflex, sims):
    """The second run loads nothing and has the same values; outcomes say skipped, and the result is ok."""
    first = run(sims)
    again = run(sims)
    assert set(loads().values()) == {1}
    assert again.values == first.values
    assert statuses(again) == ["skipped"] * 8
    assert again.ok
    assert again.metrics["summary"]["skipped"] == 8
    assert len(again.plan.skipped) == 8


def test_a_damaged_ledger_is_said_by_the_run_or_plan_that_finds_it(orcaflex, sims):
    """Planning is the first to open it."""
    run(sims)
    for said in (
        lambda: run(sims).warnings,
        lambda: (
            orcabatch.plan_batch(
                sims, postprocess=batch_functions.largest_tension, version="1", orcaflex="simulated"
            ).notes
        ),
    ):
        ledger_file().write_bytes(b"a shopping list\n" * 1000)
        assert sum("It is kept as ledger.db.damaged" in text for text in said()) == 1


def test_a_held_ledger_delays_a_run_twice_whatever_it_does(orcaflex, sims, monkeypatch):
    """Once until it is said, once at the end; not when the run is planned, nor with every file."""
    run(sims[:1])
    monkeypatch.setattr(sqlite_ledger, "BUSY_S", 0.2)
    waits, guarded = [], sqlite_ledger.SqliteLedger._guarded

    def watched(self, action):
        patient = not self._brief
        result = guarded(self, action)
        waits.append(patient and self._brief)
        return result

    monkeypatch.setattr(sqlite_ledger.SqliteLedger, "_guarded", watched)
    with closing(sqlite3.connect(ledger_file(), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        held = run(sims)
    assert held.ok
    assert waits.count(True) == 2
    assert [text.partition(" for ")[0].endswith("held by another program") for text in held.warnings] == [True, False]


@pytest.mark.parametrize(
    "change",
    [{"version": None}, {"version": "2"}, {"fresh": True}, {"function": batch_functions.name_and_tension}],
    ids=["no version", "another version", "fresh", "another function"],
)
def test_another_version_another_function_or_fresh_computes_again(orcaflex, sims, change):
    """Nothing is answered that was not asked for in exactly this way."""
    run(sims)
    again = run(sims, **change)
    assert set(loads().values()) == {2}
    assert not any(outcome.status is Status.SKIPPED for outcome in again.outcomes)


def test_another_lambda_under_the_same_version_is_another_function(orcaflex, sims):
    """Its code is part of a result's identity; that and why it was done again is said."""
    assert run(sims[:2], lambda model: 1).values == [1, 1]
    again = run(sims[:2], lambda model: 2)
    assert again.values == [2, 2]
    assert any("the function's code changed" in warning for warning in again.warnings)
    assert statuses(run(sims[:2], lambda model: 2)) == ["skipped"] * 2


def limited(factor):
    """Encloses the factor, and names a helper."""
    return lambda model: helped(batch_functions.largest_tension(model)["tension"], factor)


def helped(value, factor):
    return value * factor


def test_another_enclosed_value_and_another_helper_compute_again(orcaflex, sims, monkeypatch):
    """Neither shows in the function's name; the helper is named where it is the reason."""
    first = run(sims[:2], limited(2.0))
    assert run(sims[:2], limited(3.0)).values == [value * 1.5 for value in first.values]
    monkeypatch.setitem(globals(), "helped", lambda value, factor: -value * factor)
    again = run(sims[:2], limited(3.0))
    assert again.values == [-value * 1.5 for value in first.values]
    assert any("what the function uses changed (helped)" in warning for warning in again.warnings)
    assert set(loads().values()) == {3}


def test_a_function_that_carries_what_has_no_exact_form_is_not_kept_and_that_is_said(orcaflex, sims):
    """By the plan too; without a version, or with the ledger off, there is nothing to say."""

    def locked(model, lock=threading.Lock()):  # noqa: B008 - such defaults are what this is about
        return 1

    said = "not kept for the next run: its default value `lock`"
    for _ in range(2):
        assert [said in warning for warning in run(sims[:2], locked).warnings] == [True]
    assert set(loads().values()) == {2}
    plan = orcabatch.plan_batch(sims[:2], postprocess=locked, version="1", orcaflex="simulated")
    assert sum(said in note for note in plan.notes) == 1
    for more in ({"version": None}, {"performance": {"ledger": {"enabled": False}}}):
        assert not any("not kept" in warning for warning in run(sims[:2], locked, **more).warnings)


LOCK = threading.Lock()


def test_what_a_function_only_names_without_an_exact_form_is_said(orcaflex, sims):
    """Its results are kept: the version is there for what nobody can see."""

    def locking(model):
        with LOCK:
            return 1

    assert any("whatever becomes of LOCK" in warning for warning in run(sims[:2], locking).warnings)
    assert statuses(run(sims[:2], locking)) == ["skipped"] * 2


def test_without_a_version_nothing_is_kept(orcaflex, sims):
    """Nobody can see everything that a function depends on."""
    run(sims, version=None)
    run(sims, version=None)
    assert set(loads().values()) == {2}


def test_fresh_replaces_results_and_keeps_the_history(orcaflex, sims):
    """The plan of a fresh run knows how long the files took; the run after it skips again."""
    run(sims)
    plan = orcabatch.plan_batch(sims, postprocess=batch_functions.largest_tension, fresh=True, orcaflex="simulated")
    assert all(file.seconds is not None for file in plan.files)
    run(sims, fresh=True)
    run(sims)
    assert set(loads().values()) == {2}


def test_a_setting_that_changes_no_result_changes_nothing(orcaflex, sims):
    """Thread count, executor, monitoring: the second run loads nothing."""
    run(sims)
    run(sims, performance={"threading": {"max_threads": 3}, "executor": "serial", "monitoring": {"interval": 1}})
    assert set(loads().values()) == {1}


def test_a_switched_off_ledger_neither_answers_nor_keeps(orcaflex, sims, state_folder):
    """`ledger: {enabled: false}`: no file is made."""
    off = {"ledger": {"enabled": False}}
    run(sims, performance=off)
    run(sims, performance=off)
    assert set(loads().values()) == {2}
    assert not ledger_file().exists()


def test_three_added_files_cost_three_files(orcaflex, sims, tmp_path):
    """Wherever they stand in the list."""
    run(sims[3:])
    result = run(sims)
    assert set(loads().values()) == {1}
    assert statuses(result) == ["ok"] * 3 + ["skipped"] * 5


def test_a_replaced_file_of_the_same_size_and_time_is_done_again(orcaflex, sims):
    """Its head tells, although size and time of change are the same."""
    run(sims)
    before = sims[2].stat()
    other = simulated.write_sim(sims[2].with_name("other.sim"), simulated.SimSpec(size_bytes=before.st_size, seed=99))
    content = other.read_bytes()
    other.unlink()
    assert len(content) == before.st_size
    sims[2].write_bytes(content)
    os.utime(sims[2], ns=(before.st_atime_ns, before.st_mtime_ns))
    result = run(sims)
    assert {name for name, count in loads().items() if count == 2} == {sims[2].name}
    assert any(sims[2].name in warning and "the .sim file changed" in warning for warning in result.warnings)


def test_a_failed_file_is_done_again_and_alone(orcaflex, sims):
    """Failures are never remembered as results."""
    content = sims[4].read_bytes()
    sims[4].write_bytes(b"no simulation")
    assert len(run(sims).failed) == 1
    sims[4].write_bytes(content)
    result = run(sims)
    assert result.ok
    assert set(loads().values()) == {1}


def unstorable(model):
    return {"model": object()}


def arrays(model):
    """An array, a NaN and a None apart."""
    import OrcFxAPI

    history = model["Line01"].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)
    return {"history": history, "nothing": None, "nan": float("nan"), "pair": (1, np.float32(0.1))}


def test_values_without_an_exact_form_are_not_kept_and_that_is_said(orcaflex, sims):
    """Once, naming the type; the run is good."""
    result = run(sims, unstorable)
    assert result.ok
    assert [warning for warning in result.warnings if "not kept" in warning and "object" in warning]
    run(sims, unstorable)
    assert set(loads().values()) == {2}


def test_values_come_back_bit_for_bit(orcaflex, sims):
    """Arrays with their type, NaN and None apart, tuples as tuples."""
    for one, other in zip(run(sims, arrays).values, run(sims, arrays).values, strict=True):
        assert one["history"].tobytes() == other["history"].tobytes()
        assert one["history"].dtype == other["history"].dtype
        assert other["nothing"] is None
        assert np.isnan(other["nan"])
        assert other["pair"] == one["pair"]
        assert type(other["pair"][1]) is np.float32
    assert set(loads().values()) == {1}


def test_results_of_a_foreign_orcfxapi_are_never_kept(foreign, tmp_path):
    """A stub of somebody's unit test answers for itself only."""
    from types import SimpleNamespace

    calls = []

    class Model:
        def __init__(self, path, **_):
            calls.append(path)

    foreign(SimpleNamespace(Model=Model))
    files = [tmp_path / f"{number}.sim" for number in range(3)]
    for file in files:
        file.touch()
    for _ in range(2):
        orcabatch.run_batch(files, postprocess=lambda model: 1, version="1", progress=False)
    assert len(calls) == 6
    assert not ledger_file().exists()


def test_closing_the_iterator_keeps_what_was_finished(orcaflex, sims):
    """Leaving the loop after two files: the next run does not do them again."""
    one_by_one = {"postprocess": batch_functions.largest_tension, "performance": {"executor": "serial"}}
    for seen, _ in enumerate(orcabatch.iter_batch(sims, version="1", orcaflex="simulated", **one_by_one)):
        if seen == 1:
            break
    before = loads()
    assert run(sims).ok
    assert set(loads().values()) == {1}
    assert len(before) < 8


# --- digitalmodel


@pytest.fixture
def project(tmp_path):
    """The smaller example batch over six files, and its YAML."""
    pytest.importorskip("digitalmodel", reason="needs digitalmodel itself: install orcabatch[digitalmodel]")
    shutil.copyfile(EXAMPLES / "dm_fsts.yml", tmp_path / "dm_fsts.yml")
    runpy.run_path(str(EXAMPLES / "generate_sims.py"))["generate_sims"](
        tmp_path / "sims", lngc=0, standard=6, scale=0.1
    )
    return tmp_path


def changed(folder, change):
    """The YAML with a change made to it."""
    target = folder / "dm_fsts.yml"
    cfg = yaml.safe_load(target.read_text())
    change(cfg)
    target.write_text(yaml.safe_dump(cfg, sort_keys=False))


def batch(folder, **more):
    return orcabatch.run_batch(folder / "dm_fsts.yml", **{**SILENT, **more})


def as_if_alone(folder, tmp_path_factory):
    """What one fresh run of everything writes."""
    reference = tmp_path_factory.mktemp("fresh")
    text = str(folder / "results" / "fsts").encode()
    batch(folder, fresh=True, output_dir=reference, performance={"ledger": {"enabled": False}})
    for path in reference.glob("*.csv"):
        path.write_bytes(path.read_bytes().replace(str(reference).encode(), text))
    return reference


def assert_whole(folder, tmp_path_factory):
    found = compare_folders(folder / "results" / "fsts", as_if_alone(folder, tmp_path_factory))
    assert found.equal, found.to_text()


def test_a_finished_batch_loads_nothing_and_writes_the_same(orcaflex, project, tmp_path_factory):
    """Everything is skipped; outputs, figures and tables are those of a run of everything; the proof is there."""
    first = batch(project)
    assert first.ok
    results = project / "results" / "fsts"
    for path in results.glob("dm_fsts*.csv"):
        path.unlink()
    again = batch(project)
    assert statuses(again) == ["skipped"] * 6
    assert set(loads().values()) == {1}
    assert again.metrics["proof"]["files"]
    assert len(again.outputs) == 18
    assert again.metrics["results"] == first.metrics["results"] != []
    assert [file["outputs"] for file in again.metrics["files"]] == [file["outputs"] for file in first.metrics["files"]]
    assert list(again.written.summaries) == list(first.written.summaries) != []
    label, _ = first.written.of_files[0][0]
    assert again.time_series(label).equals(first.time_series(label))
    assert_whole(project, tmp_path_factory)


def test_a_finished_batch_can_be_proven(orcaflex, project):
    """`verify --prove` holds for results that came from the ledger."""
    from orcabatch.digitalmodel.prove import prove

    batch(project)
    assert statuses(batch(project)) == ["skipped"] * 6
    report = prove(project / "results" / "fsts", files=6)
    assert report.equal, report.to_text()


def test_a_time_stamp_in_the_names_of_outputs_does_not_matter(orcaflex, project):
    """Summaries get the name of the new run, with the same bytes; nothing is loaded."""

    def stamped(cfg):
        cfg["default"]["config"]["overwrite"]["output"] = False

    changed(project, stamped)
    batch(project)
    results = project / "results" / "fsts"
    for path in results.glob("dm_fsts*.csv"):
        path.rename(path.with_name(path.name.replace("dm_fsts_03c", "earlier_03c")))
    assert statuses(batch(project)) == ["skipped"] * 6
    new = {path.name.rsplit("_", 1)[1]: path.read_bytes() for path in results.glob("dm_fsts*.csv")}
    old = {path.name.rsplit("_", 1)[1]: path.read_bytes() for path in results.glob("earlier*.csv")}
    assert new == old
    assert len(new) == 5


@pytest.mark.parametrize("harm", ["removed", "changed"])
def test_a_time_series_that_does_not_stand_as_written_is_done_again(orcaflex, project, tmp_path_factory, harm):
    """Only the file that it belongs to, and that is said."""
    batch(project)
    victim = sorted((project / "results" / "fsts").glob("fsts_*_tension.csv"))[2]
    if harm == "removed":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes() + b"\n")
    result = batch(project)
    assert sorted(statuses(result)) == ["ok"] + ["skipped"] * 5
    assert any("output files were changed or removed" in warning for warning in result.warnings)
    assert_whole(project, tmp_path_factory)


@pytest.mark.parametrize("executor", ["threads", "processes"])
@pytest.mark.parametrize(("behind", "packed"), [(True, False), (False, False), (True, True)])
def test_what_another_program_writes_over_a_table_is_never_taken_for_it(
    orcaflex, project, tmp_path_factory, monkeypatch, executor, behind, packed
):
    """A plain loop in the same folder, between our writing and our look at it: its numbers stood there ever after."""
    record, over = ResultCache.record, []

    def beside(self, ended):
        ended = list(ended)
        for end in ended:
            for _, path in end.outcome.value.outputs if len(over) < 4 else ():
                path.write_bytes(path.read_bytes()[:-2] + b"9\n")
                over.append(path.name)
        record(self, ended)

    more = {"performance": {"executor": executor, "io": {"async_enabled": behind, "use_compression": packed}}}
    with monkeypatch.context() as patch:
        patch.setattr(ResultCache, "record", beside)
        said = [text for text in batch(project, **more).warnings if "wrote over" in text]
    assert len(said) == 1
    assert over[0] in said[0]
    again = batch(project, **more)
    assert sorted(statuses(again)) == ["ok"] * 2 + ["skipped"] * 4
    if not packed:
        assert_whole(project, tmp_path_factory)


@pytest.mark.parametrize("ledger", [True, False])
@pytest.mark.parametrize("table", ["series", "summary"])
def test_what_another_program_wrote_over_a_table_is_said(
    orcaflex, project, tmp_path_factory, monkeypatch, table, ledger
):
    """A summary as well as a file's table, and where nothing is remembered; the next run writes its own again."""
    more, over = {"performance": {"ledger": {"enabled": ledger}}}, []
    record, conclude = ResultCache.record, ResultCache.conclude

    def write_over(path):
        path.write_bytes(path.read_bytes()[:-2] + b"9\n")
        over.append(path.name)

    def after_a_file(self, ended):
        ended = list(ended)
        for path in [path for end in ended for _, path in end.outcome.value.outputs][: not over]:
            write_over(path)
        record(self, ended)

    def after_all(self, known, outcomes, outputs):
        own = {path for outcome in outcomes for _, path in outcome.value.outputs}
        write_over(next(path for path in outputs if path not in own))
        conclude(self, known, outcomes, outputs)

    with monkeypatch.context() as patch:
        name, step = ("record", after_a_file) if table == "series" else ("conclude", after_all)
        patch.setattr(ResultCache, name, step)
        said = [text for text in batch(project, **more).warnings if "wrote over" in text]
    assert len(said) == 1
    assert over[0] in said[0]
    assert not any("wrote over" in text for text in batch(project, **more).warnings)
    assert_whole(project, tmp_path_factory)


def before_the_lock(monkeypatch, what):
    """Have something happen once, after a run has looked at everything and before it has its folder for itself."""
    hold, left = run_module.folder_lock, [what]

    def later(*args, **more):
        while left:
            left.pop()()
        return hold(*args, **more)

    monkeypatch.setattr(run_module, "folder_lock", later)


def test_what_another_run_wrote_before_this_one_held_the_folder_is_done_again(
    orcaflex, project, tmp_path_factory, monkeypatch
):
    """Two runs started at one moment: the other's tables stood there as unchanged, beside this one's summaries."""
    batch(project)
    tables = sorted((project / "results" / "fsts").glob("fsts_*_tension.csv"))
    first = min((project / "sims").glob("*.sim"))
    shutil.copyfile(first, first.with_name(f"{first.stem}_more.sim"))  # one file is new: the batch is not finished

    def other():
        for path in tables[2:4]:
            path.write_bytes(path.read_bytes()[:-2] + b"9\n")

    before_the_lock(monkeypatch, other)
    result = batch(project)
    assert sorted(statuses(result)) == ["ok"] * 3 + ["skipped"] * 4
    assert any("output files were changed or removed" in warning for warning in result.warnings)
    assert_whole(project, tmp_path_factory)


@pytest.mark.parametrize("harm", ["table", "input", "removed"])
def test_a_finished_batch_that_changes_before_its_folder_is_held_is_refused(
    orcaflex, project, tmp_path_factory, monkeypatch, harm
):
    """Nothing of it can be computed any more by this run; the next one does what changed."""
    batch(project)
    victim = sorted((project / ("sims" if harm == "input" else "results/fsts")).glob("fsts_*"))[2]

    def other():
        if harm == "removed":
            victim.unlink()
        else:
            shutil.copyfile(sorted(victim.parent.glob("fsts_*"))[-1], victim)

    before_the_lock(monkeypatch, other)
    with pytest.raises(BatchLocked, match=rf"{victim.name} was changed .* Run the same command again"):
        batch(project)
    assert sorted(statuses(batch(project))) == ["ok"] + ["skipped"] * 5
    assert_whole(project, tmp_path_factory)


def test_an_iterator_over_a_finished_batch_notices_what_changed_before_it_was_read(orcaflex, project):
    """What is given is looked at when `iter_batch` is called; the loop may come much later."""
    batch(project)
    outcomes = orcabatch.iter_batch(project / "dm_fsts.yml", **SILENT)
    sims = sorted((project / "sims").glob("*.sim"))
    shutil.copyfile(sims[0], sims[1])
    with pytest.raises(BatchLocked, match=sims[1].name):
        list(outcomes)


def test_what_another_program_writes_over_a_summary_is_never_written_as_ours(
    orcaflex, project, tmp_path_factory, monkeypatch
):
    """It was read back for the ledger, half of it where a plain loop was just writing, and put in ours' place later."""
    conclude = ResultCache.conclude

    def beside(self, batch, outcomes, outputs):
        for path in outputs:
            if path.name.startswith(batch.name):
                path.write_bytes(path.read_bytes()[:100])
        conclude(self, batch, outcomes, outputs)

    with monkeypatch.context() as patch:
        patch.setattr(ResultCache, "conclude", beside)
        batch(project)
    assert statuses(batch(project)) == ["skipped"] * 6
    assert_whole(project, tmp_path_factory)


def test_a_changed_configuration_is_done_again(orcaflex, project, tmp_path_factory):
    """Also where it stands in a master; and that is said."""

    def one_more(cfg):
        cfg["summary_settings"]["groups"][0]["Columns"].append(
            {"ObjectName": "Line01", "Statistic_Type": "Mean", "Label": "line01_mean"}
        )

    batch(project)
    changed(project, one_more)
    result = batch(project)
    assert statuses(result) == ["ok"] * 6
    assert any("the configuration changed" in warning for warning in result.warnings)
    assert_whole(project, tmp_path_factory)


class _WithAnchors(yaml.SafeDumper):
    """Writes one object as one, also once digitalmodel's helpers have told the dumper not to."""

    ignore_aliases = SafeRepresenter.ignore_aliases


@pytest.mark.parametrize("shared", ["period", "column"])
@pytest.mark.parametrize("first", [True, False])
def test_an_anchor_is_another_configuration_than_what_it_stands_for(orcaflex, tmp_path, monkeypatch, shared, first):
    """digitalmodel ends the time series' open period in place: who shares it ends there too, in all files but one."""
    pytest.importorskip("digitalmodel", reason="needs digitalmodel itself: install orcabatch[digitalmodel]")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sims").mkdir()
    for seed, stop_s in enumerate((10.0, 20.0, 30.0)):
        spec = simulated.SimSpec(size_bytes=40_000, stop_time_s=stop_s, seed=seed)
        simulated.write_sim(tmp_path / "sims" / f"a{seed}.sim", spec)
    column = summary_column(SimulationPeriod=[0.0, None])
    other = column if shared == "column" else series_column(SimulationPeriod=column["SimulationPeriod"])
    found = {}
    for anchored in (first, not first):
        in_series = other if anchored else copy.deepcopy(other)
        cfg = configuration(
            summary_settings={"groups": [{"Label": "dyn", "Columns": [column]}]},
            time_series_settings={"data": True, "groups": [{"Label": "ten", "Columns": [in_series]}]},
            performance={},
        )
        Path("b.yml").write_text(yaml.dump(cfg, Dumper=_WithAnchors))
        result = orcabatch.run_batch("b.yml", **SILENT)
        assert statuses(result) == ["ok"] * 3
        found[anchored] = Path("results/b_t_dyn.csv").read_bytes()
        assert statuses(orcabatch.run_batch("b.yml", **SILENT)) == ["skipped"] * 3
        fresh = Path(f"fresh_{anchored}")
        orcabatch.run_batch("b.yml", fresh=True, output_dir=fresh, performance={"ledger": {"enabled": False}}, **SILENT)
        assert (fresh / "b_t_dyn.csv").read_bytes() == found[anchored]
    assert found[True] != found[False]


def test_the_performance_section_is_not_what_is_computed(orcaflex, project):
    """Another thread count in the YAML: nothing is loaded."""
    batch(project)
    changed(project, lambda cfg: cfg.update(performance={"threading": {"max_threads": 3}}))
    assert statuses(batch(project)) == ["skipped"] * 6


def test_added_files_cost_themselves(orcaflex, project, tmp_path_factory):
    """Two files at the end of the list: two loads, and the summaries of all eight."""
    sims = sorted((project / "sims").glob("*.sim"))
    aside = project / "aside"
    aside.mkdir()
    for sim in sims[-2:]:
        sim.rename(aside / sim.name)
    batch(project)
    for sim in sims[-2:]:
        (aside / sim.name).rename(sim)
    result = batch(project)
    assert sorted(statuses(result)) == ["ok"] * 2 + ["skipped"] * 4
    assert set(loads().values()) == {1}
    assert_whole(project, tmp_path_factory)


def test_a_new_first_file_settles_the_configuration_anew_and_that_is_said(orcaflex, project, tmp_path_factory):
    """Its stop time ends the others' open periods: all are computed again, as one run of everything would."""
    sims = sorted((project / "sims").glob("*.sim"))
    aside = project / "aside"
    aside.mkdir()
    first = orcabatch.plan_batch(project / "dm_fsts.yml", orcaflex="simulated").files[0].file
    first.rename(aside / first.name)
    batch(project)
    (aside / first.name).rename(first)
    result = batch(project)
    assert len(sims) == len(result.outcomes)
    assert result.outcomes[0].status is Status.OK
    stops = {outcome.value.stop_time for outcome in result.outcomes}
    assert len(stops) > 1
    assert any("settles the configuration anew" in warning and first.name in warning for warning in result.warnings)
    assert_whole(project, tmp_path_factory)


def test_a_first_file_that_fails_now_has_the_others_done_again(orcaflex, project, tmp_path_factory):
    """What was skipped under its settling does not hold any more: the end is that of a run without it."""
    batch(project)
    first = orcabatch.plan_batch(project / "dm_fsts.yml", orcaflex="simulated").files[0].file
    first.write_bytes(b"no simulation")
    result = batch(project)
    assert [outcome.file for outcome in result.failed] == [first]
    assert sum(outcome.ok for outcome in result.outcomes) == 5
    first_failed = (project / "results" / "fsts" / "dm_fsts_03c_0100yr_l015_hwl_failed_files.csv").read_text()
    assert first.name in first_failed
    for stale in (project / "results" / "fsts").glob(f"{first.stem}_*.csv"):
        stale.unlink()  # a whole output of an earlier run stays until a whole one replaces it
    assert_whole(project, tmp_path_factory)


def test_a_file_of_two_batches_is_done_for_the_one_that_needs_it(orcaflex, project):
    """One load, for the new batch; the finished one skips."""
    batch(project)
    cfg = yaml.safe_load((project / "dm_fsts.yml").read_text())
    cfg["meta"]["label"] = "other"
    cfg["file_management"]["output_directory"] = "results/other"
    (project / "other.yml").write_text(yaml.safe_dump(cfg, sort_keys=False))
    result = orcabatch.run_batch([project / "dm_fsts.yml", project / "other.yml"], **SILENT)
    by_batch = {outcome.batch: [] for outcome in result.outcomes}
    for outcome in result.outcomes:
        by_batch[outcome.batch].append(str(outcome.status))
    assert sorted(by_batch.values()) == [["ok"] * 6, ["skipped"] * 6]
    assert set(loads().values()) == {2}


def test_batches_that_would_overwrite_each_others_tables_are_refused(orcaflex, project):
    """Whose table stood there in the end would be chance, and each batch would take it for its own."""
    cfg = yaml.safe_load((project / "dm_fsts.yml").read_text())
    cfg["meta"]["label"] = "other"
    (project / "other.yml").write_text(yaml.safe_dump(cfg, sort_keys=False))
    with pytest.raises(OutputError, match=r"would both write .*_tension.csv. Give one of them another result folder"):
        orcabatch.run_batch([project / "dm_fsts.yml", project / "other.yml"], **SILENT)
    assert loads() == {}


def test_the_plan_says_what_will_be_skipped(orcaflex, project):
    """Before and after a change, without running anything."""

    def plan():
        return orcabatch.plan_batch(project / "dm_fsts.yml", orcaflex="simulated")

    assert plan().skipped == ()
    batch(project)
    assert len(plan().skipped) == 6
    assert "skipped: 6 (unchanged since an earlier run)" in plan().to_text()
    assert plan().again == ()
    sim = sorted((project / "sims").glob("*.sim"))[-1]
    os.utime(sim)
    changed = plan()
    assert len(changed.skipped) == 5
    (again,) = changed.again
    assert again.startswith(f"{sim.name}: ")
    assert f"again: {again}" in changed.to_text(1000)
    assert f"writes: {project / 'results' / 'fsts'}: summary " in changed.to_text(1000)
    assert "time series tension, vessel of each of 6 files" in changed.to_text(1000)
    assert set(loads().values()) == {1}


IN_A_NEW_PROCESS = textwrap.dedent(
    """
    import sys
    import orcabatch
    from orcabatch import simulated
    result = orcabatch.run_batch(sys.argv[1], orcaflex="simulated", progress=False)
    loaded = sum(simulated.counters().loads_by_file.values())
    heavy = {"digitalmodel", "assetutilities", "pandas", "matplotlib", "plotly"}
    imported = any(name.partition(".")[0] in heavy for name in sys.modules)
    print([str(outcome.status) for outcome in result.outcomes], loaded, imported)
    """
)


def in_a_new_process(folder, state_folder, counters, **environ):
    ran = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, str(folder / "dm_fsts.yml")],
        capture_output=True, text=True, check=True,
        env={**os.environ, "ORCABATCH_SIMULATED_COUNTERS": str(counters), **environ},
    )  # fmt: skip
    return ran.stdout.splitlines()[-1]


def test_a_finished_batch_does_not_import_digitalmodel(orcaflex, project, state_folder, tmp_path_factory):
    """A new process over a finished batch: nothing loaded, nothing of digitalmodel or of what it brings imported."""
    batch(project)
    said = in_a_new_process(project, state_folder, tmp_path_factory.mktemp("counters"))
    assert said == f"{['skipped'] * 6} 0 False"


WITH_A_MAPPING = textwrap.dedent(
    """
    import json, sys
    import orcabatch
    from orcabatch import simulated
    from orcabatch.digitalmodel import OrcaFlexPostProcess
    from orcabatch.digitalmodel.configuration import load_configuration
    from orcabatch.digitalmodel.proof_input import json_safe
    way, counted = sys.argv[2], {}
    configuration = load_configuration(sys.argv[1])
    configuration.create_folders()
    cfg = configuration.cfg
    cfg["performance"] = {**cfg.get("performance", {}), "orcaflex": "simulated"}
    if way == "mapping":
        result = orcabatch.run_batch(cfg, progress=False)
    else:
        own = OrcaFlexPostProcess()
        assert own.post_process_router(cfg) is cfg
        result = own.result
        counted = {name: str(getattr(own, name)) for name in ("HistogramAllFiles", "RangeAllFiles", "fileIndex")}
    heavy = {"digitalmodel", "assetutilities", "pandas", "matplotlib", "plotly"}
    assert "numba" not in sys.modules  # it would not pay
    cfg["Analysis"].pop("start_time")
    print(json.dumps({
        "statuses": [str(outcome.status) for outcome in result.outcomes],
        "loaded": sum(simulated.counters().loads_by_file.values()),
        "imported": any(name.partition(".")[0] in heavy for name in sys.modules),
        "left": [json_safe(cfg), counted],
        "proof": result.metrics["proof"]["cfg"],
    }))
    """
)


@pytest.mark.parametrize("way", ["mapping", "drop-in"])
def test_a_finished_mapping_does_not_import_digitalmodel_either(orcaflex, project, state_folder, tmp_path_factory, way):
    """Of `run_batch(cfg)` and of the drop-in, which leave in the mapping and on the object what they left before."""
    counters = tmp_path_factory.mktemp("counters")

    def again(asked):
        ran = subprocess.run(
            [sys.executable, "-c", WITH_A_MAPPING, str(project / "dm_fsts.yml"), asked],
            capture_output=True, text=True, check=True,
            env={**os.environ, "ORCABATCH_SIMULATED_COUNTERS": str(counters)},
        )  # fmt: skip
        return json.loads(ran.stdout.splitlines()[-1])

    first = again(way)
    assert (set(first["statuses"]), first["loaded"], first["imported"]) == ({"ok"}, 6, True)
    for path in (project / "results" / "fsts").glob("dm_fsts*.csv"):
        path.unlink()
    second = again(way)
    assert (second["statuses"], second["loaded"], second["imported"]) == (["skipped"] * 6, 6, False)
    assert second["left"] == first["left"]
    assert second["proof"].keys() == first["proof"].keys()
    other = again({"mapping": "drop-in", "drop-in": "mapping"}[way])
    assert (other["loaded"], other["imported"]) == (6, False)
    assert other["left"][0] == first["left"][0]
    assert_whole(project, tmp_path_factory)


def test_a_file_is_looked_at_once_to_see_what_is_to_be_done(orcaflex, project, monkeypatch):
    """Its head and tail are read over a network: by a finished batch once, and once where a file came to it."""
    looked, look = [], input_files.fingerprint_of
    batch(project)
    monkeypatch.setattr(input_files, "fingerprint_of", lambda file: looked.append(file.name) or look(file))
    assert {str(outcome.status) for outcome in batch(project).outcomes} == {"skipped"}
    assert len(looked) == len(set(looked)) == 6
    looked.clear()
    first = min((project / "sims").glob("*.sim"))
    shutil.copyfile(first, first.with_name(f"{first.stem}_more.sim"))
    assert sum(str(outcome.status) == "ok" for outcome in batch(project).outcomes) >= 1
    assert len(looked) == len(set(looked)) == 7


def test_files_that_no_run_met_are_read_as_they_start(orcaflex, sims, monkeypatch):
    """All of them, one by one, before the first would be minutes over a network."""
    looked, look, before = [], input_files.fingerprint_of, []
    monkeypatch.setattr(input_files, "fingerprint_of", lambda file: looked.append(file.name) or look(file))

    def function(model):
        before.append(len(looked))
        return 1.0

    said = {"postprocess": function, "orcaflex": "simulated", "progress": False, "version": "1"}
    result = orcabatch.run_batch(sims, **said, performance={"executor": "serial"})
    assert result.values == [1.0] * len(sims)
    assert before[0] < len(sims)


def test_a_damaged_ledger_is_said_whoever_finds_it(orcaflex, project):
    """The first look, for whether anything is to be done at all, sets it aside."""
    batch(project)
    ledger = ledger_file()
    ledger.write_bytes(b"a shopping list\n" * 1000)
    assert any("It is kept as ledger.db.damaged" in warning for warning in batch(project).warnings)


@pytest.fixture
def clone(tmp_path_factory):
    """A clone of digitalmodel that is found before the installed one: the environment for it, and a source to edit."""
    import digitalmodel as installed

    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(Path(installed.__file__).parent, folder / "digitalmodel")
    found_first = {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    return found_first, folder / "digitalmodel" / "modules" / "orcaflex" / "opp_summary.py"


def test_an_edited_line_of_digitalmodel_is_computed_again(project, state_folder, clone, tmp_path_factory):
    """A clone with the same version number and one other line in its summaries: nothing of before answers."""
    (found_first, source), counters = clone, tmp_path_factory.mktemp("counters")
    first = in_a_new_process(project, state_folder, counters, **found_first)
    assert first == f"{['ok'] * 6} 6 True"
    source.write_text(source.read_text() + "\n# a change\n")
    assert in_a_new_process(project, state_folder, counters, **found_first) == f"{['ok'] * 6} 12 True"
    assert in_a_new_process(project, state_folder, counters, **found_first) == f"{['skipped'] * 6} 12 False"


EDITED_BEFORE = """\
import os, sys
from pathlib import Path
from orcabatch import simulated
simulated.install()
import digitalmodel.modules.orcaflex.opp
source = Path(sys.argv[2])
source.write_text(source.read_text() + "\\n# a change\\n")
if os.name == "posix":  # as from an archive: the time that it has says nothing of when it came here
    os.utime(source, (1e9, 1e9))
import orcabatch
result = orcabatch.run_batch(sys.argv[1], orcaflex="simulated", progress=False)
print(*result.warnings, sep="\\n")
"""
EDITED_BETWEEN = """\
import sys
from pathlib import Path
import orcabatch
source, said = Path(sys.argv[2]), {"orcaflex": "simulated", "progress": False, "fresh": True}
orcabatch.run_batch(sys.argv[1], **said)
source.write_text(source.read_text() + "\\n# a change\\n")
result = orcabatch.run_batch(sys.argv[1], performance={"executor": "processes"}, **said)
print(*{outcome.error for outcome in result.outcomes}, sep="\\n")
"""


def edited(script, project, clone):
    """What the script says, in a process of its own."""
    found_first, source = clone
    ran = subprocess.run(
        [sys.executable, "-c", script, str(project / "dm_fsts.yml"), str(source)],
        capture_output=True, text=True, check=True, env={**os.environ, **found_first},
    )  # fmt: skip
    return ran.stdout


def test_digitalmodel_edited_after_it_was_imported_keeps_nothing(project, state_folder, clone, tmp_path_factory):
    """A notebook: the old code computes, so its results may not stand under the sources that are there now."""
    assert "sources were changed after Python was started" in edited(EDITED_BEFORE, project, clone)
    counters = tmp_path_factory.mktemp("counters")
    assert in_a_new_process(project, state_folder, counters, **clone[0]) == f"{['ok'] * 6} 6 True"


def test_worker_processes_do_not_compute_with_other_sources_than_the_run(project, state_folder, clone):
    """A notebook again: new processes import what was edited since."""
    assert "digitalmodel's sources here are not those that the batch was begun with" in edited(
        EDITED_BETWEEN, project, clone
    )
