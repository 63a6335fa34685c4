"""`run_batch` over digitalmodel's YAMLs: bytes, several batches under one budget, modes, the proof."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

import orcabatch
from batch_functions import largest_tension
from dm_proof.configurations import CASES, configuration, write_files
from orcabatch import simulated
from orcabatch.digitalmodel.proof_input import read_proof_input
from orcabatch.digitalmodel.prove import prove, run_reference
from orcabatch.errors import SettingsError, SourceError
from orcabatch.outcome import Cause
from orcabatch.simulated.exports import histories
from orcabatch.simulated.exports.base import Refusal, StatusCode
from orcabatch.store.compare import compare_folders

pytest.importorskip("digitalmodel", reason="needs digitalmodel itself: install orcabatch[digitalmodel]")

EXAMPLES = Path(__file__).parents[2] / "examples"
BATCHES = ("dm_fsts.yml", "dm_fsts_lngc.yml")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The two example batches with their files."""
    folder = tmp_path_factory.mktemp("project")
    for name in BATCHES:
        shutil.copyfile(EXAMPLES / name, folder / name)
    runpy.run_path(str(EXAMPLES / "generate_sims.py"))["generate_sims"](folder / "sims", lngc=3, standard=5, scale=0.3)
    return folder


@pytest.fixture(scope="module")
def references(project, tmp_path_factory):
    """What digitalmodel's own serial loop writes for each batch, in a process that knows nothing of orcabatch."""
    found = {}
    for name in BATCHES:
        asked, folder = tmp_path_factory.mktemp("asked"), tmp_path_factory.mktemp("reference")
        orcabatch.run_batch(project / name, **SILENT, output_dir=asked)
        batch = read_proof_input(asked)
        found[name] = run_reference(batch, batch.files, folder).folders[0]
    return found


SILENT = {"orcaflex": "simulated", "progress": False, "fresh": True}


def assert_same(ours, reference):
    """The same result files with the same bytes; metrics and logs are not results."""
    found = compare_folders(ours, reference)
    assert found.equal, found.to_text()


@pytest.mark.parametrize("threads", [1, 2, 8, 30])
@pytest.mark.parametrize("name", BATCHES)
def test_the_examples_equal_digitalmodels_serial_run_at_any_number_of_threads(
    orcaflex, project, references, tmp_path, name, threads
):
    """Byte for byte; the DLL's peak of live models proves that they ran at once."""
    simulated.configure(simulated.Costs(load_latency_s=0.1))
    performance = {
        "threading": {"mode": "static", "max_threads": threads},
        "optimization": {"group_by_size": True, "size_thresholds": {"small": "100MB", "large": "500MB"}},
    }
    result = orcabatch.run_batch(project / name, **SILENT, output_dir=tmp_path, performance=performance)
    assert result.ok
    assert_same(tmp_path, references[name])
    assert sum(simulated.counters().loads_by_file.values()) == len(result.outcomes)
    assert orcaflex.counters.peak_live_models >= min(threads, len(result.outcomes) - 1)


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
@pytest.mark.parametrize("broker", [True, False])
def test_executors_and_broker_change_no_byte(orcaflex, project, references, tmp_path, executor, broker):
    """Dynamic mode on every executor, with the broker on and off."""
    performance = {"executor": executor, "process_count": 2, "broker": {"enabled": broker}}
    orcabatch.run_batch(project / BATCHES[0], **SILENT, output_dir=tmp_path, performance=performance)
    assert_same(tmp_path, references[BATCHES[0]])


@pytest.mark.parametrize(
    ("mode", "executor", "behind"),
    [
        ("static", "serial", True),
        ("static", "threads", True),
        ("static", "threads", False),
        ("static", "processes", True),
        ("dynamic", "auto", True),
        ("hybrid", "auto", True),
        ("hybrid", "processes", True),
        ("hybrid", "processes", False),
    ],
)
def test_modes_change_no_byte(orcaflex, project, references, tmp_path, mode, executor, behind):
    """Nor does it whether tables are written beside the next file; the dynamic mode on other executors: see above."""
    performance = {
        "executor": executor,
        "process_count": 2,
        "threading": {"mode": mode},
        "io": {"async_enabled": behind},
    }
    result = orcabatch.run_batch(project / BATCHES[0], **SILENT, output_dir=tmp_path, performance=performance)
    assert_same(tmp_path, references[BATCHES[0]])
    tables = 2 * len(result.outcomes)
    assert result.metrics["summary"]["work"].get("tables_behind", 0) == (tables if behind else 0)


class Refusing:
    """Counts what OrcaFlex is asked, and has it refuse some of that."""

    def __init__(self, refusal):
        self.refusal, self.count, self.refused = refusal, 0, range(0)

    def __call__(self):
        self.count += 1
        if self.count in self.refused:
            raise self.refusal()


def assert_no_number_is_missing(project, references, tmp_path, asked, broker, in_a_row=6):
    """Questions are refused: of a summary, of time series, of the last file's."""
    performance = {"executor": "serial", "broker": {"enabled": broker}}
    orcabatch.run_batch(project / BATCHES[0], **SILENT, output_dir=tmp_path / "all", performance=performance)
    total = asked.count
    for part in (0.05, 0.6, 0.95):
        first = int(part * total)
        asked.count, asked.refused = 0, range(first, first + in_a_row)
        folder = tmp_path / str(part)
        result = orcabatch.run_batch(project / BATCHES[0], **SILENT, output_dir=folder, performance=performance)
        assert result.ok
        assert max(outcome.attempt for outcome in result.outcomes) > 1
        assert_same(folder, references[BATCHES[0]])


@pytest.mark.parametrize(
    ("broker", "refusal"),
    [
        (True, Refusal(StatusCode.LICENSING, "the server is away")),
        (False, Refusal(StatusCode.LICENSING, "the server is away")),
        (False, Refusal(StatusCode.TIME_HISTORY, "Out of memory")),
    ],
)
def test_what_is_refused_for_a_moment_while_a_file_is_read_costs_no_number(
    orcaflex, project, references, tmp_path, monkeypatch, broker, refusal
):
    """digitalmodel logs the refusal, often for nobody, and leaves the columns empty: the file is done again."""
    asked = Refusing(lambda: refusal)
    monkeypatch.setattr(histories, "refuse_without_licence", asked)
    assert_no_number_is_missing(project, references, tmp_path, asked, broker)


@pytest.mark.parametrize("has_licence", [True, False])
def test_an_object_that_is_refused_for_a_moment_costs_no_file(
    orcaflex, project, references, tmp_path, monkeypatch, has_licence
):
    """digitalmodel goes on without the object, and stumbles over that later. Python may be what has no memory."""
    api = pytest.importorskip("OrcFxAPI")
    asked = Refusing(MemoryError if has_licence else lambda: api.DLLError(api.StatusCode.LicensingError, "away"))
    found = api.HelperMethods.ObjectCalledSafe

    def called(handle, name):
        asked()
        return found(handle, name)

    monkeypatch.setattr(api.HelperMethods, "ObjectCalledSafe", staticmethod(called))
    assert_no_number_is_missing(project, references, tmp_path, asked, broker=False, in_a_row=2)


@pytest.mark.parametrize("behind", [True, False])
def test_a_file_that_is_refused_its_numbers_to_the_end_leaves_no_table(
    orcaflex, project, tmp_path, monkeypatch, behind
):
    """Its tables would stand there without them, in the place of an earlier run's."""

    def refuse():
        raise Refusal(StatusCode.TIME_HISTORY, "Out of memory")

    monkeypatch.setattr(histories, "refuse_without_licence", refuse)
    performance = {"executor": "serial", "retries": 1, "io": {"async_enabled": behind}}
    outputs = yaml.safe_load((project / BATCHES[0]).read_text(encoding="utf-8"))["orcaflex"]
    outputs["postprocess"]["summary"]["flag"] = False
    source = _moved(project / BATCHES[0], tmp_path, orcaflex=outputs)
    result = orcabatch.run_batch(source, **SILENT, output_dir=tmp_path, performance=performance)
    assert {(outcome.attempt, outcome.cause) for outcome in result.failed} == {(2, Cause.MEMORY)}
    assert len(result.failed) == len(result.outcomes)
    assert [path.name.endswith("_failed_files.csv") for path in tmp_path.rglob("*.csv")] == [True]


def test_two_batches_in_one_call_share_the_work_and_keep_their_own_outputs(orcaflex, project, references, tmp_path):
    """Each has its own folder and metrics; outcomes carry their batch."""
    result = orcabatch.run_batch([_moved(project / name, tmp_path) for name in BATCHES], **SILENT)
    assert result.ok
    assert len({outcome.batch for outcome in result.outcomes}) == 2
    for name, folder in zip(BATCHES, ("fsts", "lngc"), strict=True):
        ours = tmp_path / "results" / folder
        assert_same(ours, references[name])
        assert json.loads((ours / "performance_metrics.json").read_text())["summary"]["failed"] == 0


def test_a_function_over_several_yamls_is_a_batch_for_each(orcaflex, project, tmp_path):
    """Named after both: their files stand beside each other. What the refusal of one name advises makes two of it."""
    given = {"postprocess": largest_tension, "output_dir": tmp_path / "out", **SILENT}
    given["performance"] = {"executor": "serial", "keep_values": True}
    result = orcabatch.run_batch([project / name for name in BATCHES], **given)
    alone = [orcabatch.run_batch(project / name, **{**given, "output_dir": tmp_path / name}) for name in BATCHES]
    names = list(dict.fromkeys(outcome.batch for outcome in result.outcomes))
    assert sorted(names) == [
        "largest_tension_dm_fsts_03c_0100yr_l015_hwl",
        "largest_tension_dm_fsts_lngc_03c_0100yr_l015_hwl",
    ]
    values = {(outcome.batch, outcome.file): outcome.value for outcome in result.outcomes}
    assert all(
        values[name, each.file] == each.value for one, name in zip(alone, names, strict=True) for each in one.outcomes
    )
    assert len(values) == sum(len(one.outcomes) for one in alone)
    assert {f"{name}_values.bin" for name in names} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert {outcome.batch for one in alone for outcome in one.outcomes} == {"largest_tension"}

    twins = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir(exist_ok=True)
        twins.append(_moved(project / BATCHES[0], tmp_path / name))
    with pytest.raises(SourceError, match=r"same name: largest_tension_dm_fsts_\S+\. Give them different meta.label"):
        orcabatch.plan_batch(twins, **given)
    meta = yaml.safe_load(twins[1].read_text())["meta"]
    twins[1] = _moved(project / BATCHES[0], tmp_path / "b", meta={**meta, "label": "other"})
    assert len(orcabatch.plan_batch(twins, **given).files) == len(alone[0].outcomes)


def _moved(source, folder, **changes):
    """A copy of a batch's YAML that finds its files where they are and writes below `folder`."""
    cfg = yaml.safe_load(source.read_text())
    cfg["file_management"]["input_directory"] = str(source.parent / "sims")
    target = folder / source.name
    target.write_text(yaml.safe_dump({**cfg, **changes}, sort_keys=False))
    return target


def test_a_file_in_two_batches_is_loaded_once(orcaflex, project, tmp_path):
    """Two YAMLs over the same files: one load per file, two outcomes, both folders as if run alone.

    But for the first file, whose model digitalmodel changes: it selects a current.
    """
    first = _moved(project / BATCHES[0], tmp_path)
    cfg = yaml.safe_load(first.read_text())
    cfg["meta"]["label"] = "again"
    cfg["file_management"]["output_directory"] = str(tmp_path / "again")
    second = tmp_path / "second.yml"
    second.write_text(yaml.safe_dump(cfg, sort_keys=False))
    result = orcabatch.run_batch([first, second], **SILENT)
    assert result.ok
    files = {outcome.file for outcome in result.outcomes}
    assert len(result.outcomes) == 2 * len(files)
    loads = simulated.counters().loads_by_file
    assert loads.pop(str(result.outcomes[0].file)) == 2
    assert set(loads.values()) == {1}
    ours = sorted(path.read_bytes() for path in (tmp_path / "results" / "fsts").glob("fsts_*.csv"))
    assert ours == sorted(path.read_bytes() for path in (tmp_path / "again").glob("fsts_*.csv"))


@pytest.mark.parametrize(
    ("executor", "orders"), [("threads", "012 120"), ("threads", "0123 1023 0213"), ("serial", "01 12 20")]
)
def test_batches_over_the_same_files_that_begin_with_different_ones_do_not_wait_for_each_other(
    orcaflex, tmp_path, executor, orders
):
    """Each file that ends open periods of one batch would wait for that of the other, and none of them was done."""
    write_files(tmp_path / "sims", 4, stops=(30.0, 20.0, 40.0, 30.0))
    sources = [_listed(tmp_path, f"b{place}", "A+C", order) for place, order in enumerate(orders.split())]
    given = {**SILENT, "performance": {"executor": executor, "broker": {"enabled": False}}}
    result = orcabatch.run_batch(sources, **given)
    assert result.ok, {outcome.error for outcome in result.failed}
    for place, source in enumerate(sources):
        together = {path.name: path.read_bytes() for path in (tmp_path / f"b{place}").glob("*.csv")}
        assert orcabatch.run_batch(source, **given).ok
        assert together == {path.name: path.read_bytes() for path in (tmp_path / f"b{place}").glob("*.csv")}
        assert len(together) > 2 * len(orders.split()[place])


def _listed(folder, name, case, order):
    """The YAML of a case over the files of these numbers, which writes to a folder of that name."""
    outputs, sections = CASES[case]
    cfg = configuration([str(folder / "sims" / f"case_0{i}.sim") for i in order], folder, *outputs)
    cfg |= {"meta": {"library": "digitalmodel", "basename": "orcaflex_post_process", "label": name}, **sections}
    cfg["default"] = {"log_level": "INFO", "config": {"overwrite": {"output": True}}}
    cfg["file_management"] |= {"flag": False, "output_directory": str(folder / name)}
    del cfg["Analysis"]
    target = folder / f"{name}.yml"
    target.write_text(yaml.safe_dump(cfg, sort_keys=False))
    return target


def test_a_batch_that_has_its_result_is_not_taken_for_one_that_the_file_is_loaded_for(orcaflex, tmp_path):
    """A leader of both fails late: what an earlier run had left of one batch, as its follower, is done again."""
    files = write_files(tmp_path / "sims", 3)
    first, second = (_listed(tmp_path, name, case, "012") for name, case in (("first", "A"), ("second", "B")))
    given = {"orcaflex": "simulated", "progress": False, "performance": {"executor": "threads"}}
    assert orcabatch.run_batch(first, **given).ok
    files[0].write_bytes(b"a shopping list")
    simulated.configure(simulated.Costs(hang_loads={files[0].name: None}))

    def late(outcome):
        if outcome.batch.endswith("second"):
            simulated.release_hang(files[0].name)

    result = orcabatch.run_batch([first, second], **given, on_outcome=late)
    assert {outcome.file for outcome in result.failed} == {files[0]}
    for name in ("first", "second"):
        together = {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.csv")}
        orcabatch.run_batch(tmp_path / f"{name}.yml", **given, fresh=True)
        assert together == {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.csv")}


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_finished_batch_keeps_its_results_beside_one_whose_files_are_done_again(orcaflex, tmp_path, executor):
    """The leader of the other fails late: a file of both is done again, of which only one has nothing any more."""
    files = write_files(tmp_path / "sims", 3, stops=(30.0, 20.0, 40.0))
    finished, other = _listed(tmp_path, "finished", "C", "21"), _listed(tmp_path, "other", "A", "012")
    given = {"orcaflex": "simulated", "progress": False, "performance": {"executor": executor, "process_count": 2}}
    assert orcabatch.run_batch(finished, **given).ok
    before = {path.name: path.read_bytes() for path in (tmp_path / "finished").glob("*.csv")}
    files[0].write_bytes(b"a shopping list")
    simulated.configure(simulated.Costs(hang_loads={files[0].name: None}))

    def late(outcome):
        if outcome.batch.endswith("other"):
            simulated.release_hang(files[0].name)

    result = orcabatch.run_batch([finished, other], **given, on_outcome=late)
    assert {outcome.file for outcome in result.failed} == {files[0]}
    assert max(outcome.attempt for outcome in result.outcomes) > 1
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "finished").glob("*.csv")}


def test_batches_that_disagree_about_what_they_share_are_refused(project, tmp_path):
    """The message names both and the key."""
    asked = [
        _moved(project / BATCHES[0], tmp_path, performance={"executor": "serial"}),
        _moved(project / BATCHES[1], tmp_path, performance={"executor": "threads"}),
    ]
    with pytest.raises(SettingsError, match=r"executor.*serial.*threads"):
        orcabatch.plan_batch(asked)


def test_the_strictest_limits_of_several_batches_count(project, tmp_path):
    """A default of one batch is a limit too."""
    asked = [
        _moved(project / BATCHES[0], tmp_path, performance={"threading": {"max_threads": 60}}),
        _moved(project / BATCHES[1], tmp_path, performance={"memory": {"max_usage_percent": 50}}),
    ]
    plan = orcabatch.plan_batch(asked)
    assert plan.settings.threading.max_threads == 45
    assert plan.settings.memory.max_usage_percent == 50


def test_a_batch_proves_itself_and_a_planted_digit_is_found(orcaflex, project, tmp_path):
    """`verify --prove` on what run_batch left, then with one digit changed."""
    orcabatch.run_batch(project / BATCHES[0], **SILENT, output_dir=tmp_path)
    proof = prove(tmp_path, 3)
    assert proof.equal
    series = next(tmp_path.glob(f"{Path(proof.files[-1].file).stem}_*.csv"))
    text = series.read_text()
    at = max(index for index, sign in enumerate(text) if sign.isdigit())
    series.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])
    report = prove(tmp_path, 3)
    assert not report.equal
    assert series.name in report.to_text()


def test_an_iterator_closed_early_says_which_files_are_not_in_the_summaries(orcaflex, project, tmp_path):
    """What was finished is written; every other file of the list stands in the list of failed files."""
    running = orcabatch.iter_batch(
        project / BATCHES[0], **SILENT, output_dir=tmp_path, performance={"executor": "serial"}
    )
    done = next(running)
    running.close()
    [failed] = tmp_path.glob("*_failed_files.csv")
    listed = failed.read_text().splitlines()[1:]
    [summary] = tmp_path.glob("*_dyn.csv")
    rows = summary.read_text().splitlines()[1:]
    metrics = json.loads((tmp_path / "performance_metrics.json").read_text())
    assert any(done.file.stem in row for row in rows)
    assert all("cancelled" in line for line in listed)
    assert len(listed) + len(rows) == len(metrics["files"]) > len(rows)


@pytest.mark.parametrize("switch", ["Minimum", "StdDev"])
def test_rows_of_statistics_are_of_no_file_and_govern_nothing(orcaflex, project, tmp_path, switch):
    """digitalmodel adds eight rows below a summary; a standard deviation is smaller than any minimum."""
    import pandas as pd

    flags = yaml.safe_load((project / BATCHES[0]).read_text())["orcaflex"]
    flags["postprocess"]["summary"]["statistics"][switch] = True
    asked = _moved(project / BATCHES[0], tmp_path, orcaflex=flags)
    result = orcabatch.run_batch(asked, **SILENT, output_dir=tmp_path / "out", cases=r"_(?P<heading>\d+)deg")
    [path] = (path for path in result.outputs if path.name.endswith("_dyn.csv"))
    written = pd.read_csv(path)
    of_files = written[written["fe_filename"].notna()]
    count = len(result.outcomes)
    assert (len(written), len(of_files)) == (count + 8, count)
    summary = result.summary("dyn")
    pd.testing.assert_frame_equal(summary[written.columns], written)
    assert summary["file"].isna().tolist() == [False] * count + [True] * 8
    columns = [name for name in written.columns if name.startswith("line")]
    assert any(name.endswith("_min") for name in columns)
    for column in columns:
        least = column.endswith("_min")
        [row] = result.governing(column, summary="dyn").to_dict("records")
        extreme = of_files[column].min() if least else of_files[column].max()
        assert (row["minimum" if least else "maximum"], row["files"]) == (extreme, count)
        assert row["mean"] == pytest.approx(of_files[column].mean())
        assert row["file"] in {outcome.file.name for outcome in result.outcomes}
        headings = result.governing(column, "heading", summary="dyn")
        assert (headings["heading"].notna().all(), headings["files"].sum()) == (True, count)
    pytest.importorskip("xarray", reason="the extra `xarray` is not installed")
    names = sorted(outcome.file.name for outcome in result.outcomes)
    with pytest.warns(UserWarning, match="not in the array, which holds floats: "):
        assert sorted(result.to_xarray("dyn")["case"].to_numpy()) == names
    with pytest.raises(SourceError, match="several summaries"):
        result.to_xarray()


def test_what_was_written_is_read_back_as_tables(orcaflex, project, tmp_path):
    """Summaries and time series are the CSVs, with file and load case beside; a run that has nothing to do too."""
    import pandas as pd

    for _ in range(2):
        result = orcabatch.run_batch(
            project / "dm_fsts_lngc.yml", orcaflex="simulated", progress=False, output_dir=tmp_path,
            cases=r"_(?P<heading>\d+)deg",
        )  # fmt: skip
        batch = result.outcomes[0].batch
        written = pd.read_csv(next(path for path in result.outputs if path.name == f"{batch}_dyn.csv"))
        summary = result.summary("dyn")
        pd.testing.assert_frame_equal(summary[written.columns], written)
        assert list(summary.columns[:2]) == ["file", "heading"]
        assert (
            result.governing("line01_max", ["heading"], summary="dyn")["maximum"].max() == written["line01_max"].max()
        )
        with pytest.raises(SourceError, match="Its summaries: dyn"):
            result.summary("dny")
        with pytest.raises(SourceError, match=r"several summaries.* Name one, as in `governing\(column, summary="):
            result.table()
        label = result.outcomes[0].value.outputs[0][0]
        series = result.time_series(label)
        assert list(series["file"].unique()) == [outcome.file.name for outcome in result.outcomes]
        assert list(series.columns[:3]) == ["file", "heading", "time"]
    pytest.importorskip("xarray", reason="the extra `xarray` is not installed")
    array = result.to_xarray(label)
    for file, rows in series.groupby("file"):
        own = array.sel(case=file).to_numpy()[:, : len(rows)]
        assert np.array_equal(own, rows[array["name"].to_numpy()].to_numpy().T, equal_nan=True)
        assert np.array_equal(array["time"].sel(case=file).to_numpy()[: len(rows)], rows["time"])


def in_one_folder(project, tmp_path):
    """Two runs into one folder, the later one of another variable."""
    changed = yaml.safe_load((project / BATCHES[1]).read_text().replace("Effective tension", "Bend moment"))
    sections = ("summary_settings", "summary_settings_master", "time_series_settings", "time_series_settings_master")
    asked = [project / BATCHES[1], _moved(project / BATCHES[1], tmp_path, **{name: changed[name] for name in sections})]
    return [orcabatch.run_batch(each, **SILENT, output_dir=tmp_path / "out") for each in asked]


@pytest.mark.parametrize("read", [
    lambda result: result.summary("dyn"),
    lambda result: result.governing("line01_max", summary="dyn"),
    lambda result: result.time_series(result.outcomes[0].value.outputs[0][0]),
    lambda result: result.save_summaries(result.outputs[0].with_name("saved.csv")),
])  # fmt: skip
def test_tables_of_a_later_run_are_not_read_as_those_of_an_earlier_one(orcaflex, project, tmp_path, read):
    """The first result would have the second one's numbers under its name: two variants would not differ at all."""
    first, second = in_one_folder(project, tmp_path)
    read(second)
    with pytest.raises(SourceError, match="changed or replaced since"):
        read(first)
