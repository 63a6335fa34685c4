"""A digitalmodel batch: what it refuses, who waits, failed files, what stays in the caller's configuration."""

from __future__ import annotations

import copy
import csv
import importlib
import io
import os
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import orcabatch
from capabilities import needs
from dm_proof.configurations import CASES, break_files, configuration, write_files
from dm_proof.harness import Dispatcher, contents, run, settings, with_output
from orcabatch import simulated, win32
from orcabatch.digitalmodel import combine, csv_text
from orcabatch.digitalmodel.batch import DigitalModelBatch
from orcabatch.digitalmodel.input_files import sim_files
from orcabatch.digitalmodel.output_capture import CapturedOutput
from orcabatch.digitalmodel.postprocess import FileResult
from orcabatch.digitalmodel.serial_order import AS_GIVEN, Variant
from orcabatch.engine.contract import Task
from orcabatch.errors import OutputError, SettingsError
from orcabatch.orcaflex.work import OrcaFlexRecipe
from orcabatch.outcome import Cause, FileOutcome, Phase, Status
from orcabatch.store.failed_files import save_failed_files

pytest.importorskip("digitalmodel", reason="digitalmodel itself is called: install orcabatch[digitalmodel]")


@pytest.fixture(scope="module", autouse=True)
def orcaflex() -> Iterator[None]:
    simulated.install()
    yield
    simulated.uninstall()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_files(tmp_path_factory.mktemp("sims"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return break_files(tmp_path_factory.mktemp("broken"))


def case(name: str, files: list[Path], folder: Path) -> dict[str, Any]:
    on, sections = CASES[name]
    return configuration(files, folder, *on, **sections)


def rows(table: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.read_text(encoding="utf-8"))))


def test_two_files_with_one_stem_are_refused_where_time_series_are_written(files: list[Path], tmp_path: Path) -> None:
    """They would overwrite each other's tables: both are named, nothing runs."""
    twin = tmp_path / files[0].name
    with pytest.raises(OutputError) as refused:
        DigitalModelBatch.from_cfg(case("C", [*files, twin], tmp_path), settings=settings())
    assert str(files[0]) in str(refused.value)
    assert str(twin) in str(refused.value)
    DigitalModelBatch.from_cfg(case("A", [*files, twin], tmp_path), settings=settings())


def test_names_that_only_meet_once_joined_are_refused_too(tmp_path: Path) -> None:
    """`a` + `b_c` and `a_b` + `c` are one file name."""
    groups = [{"Label": label, "Columns": []} for label in ("b_c", "c")]
    cfg = configuration(
        ["a.sim", "a_b.sim"], tmp_path, "time_series", time_series_settings={"data": True, "groups": groups}
    )
    with pytest.raises(OutputError, match=r"a_b_c\.csv"):
        DigitalModelBatch.from_cfg(cfg, settings=settings())


def test_a_result_folder_that_is_not_there_is_refused_before_anything_runs(files: list[Path], tmp_path: Path) -> None:
    """The message names the folder; a plan does not look at it."""
    cfg = case("A", files, tmp_path / "nowhere")
    with pytest.raises(OutputError, match="nowhere"):
        DigitalModelBatch.from_cfg(cfg, settings=settings())
    assert DigitalModelBatch.from_cfg(cfg, settings=settings(), planning=True).files == tuple(files)


def test_a_result_folder_that_cannot_be_written_is_refused(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write-protected share is found out before an hour of work, and said in those words."""
    opened = Path.open

    def refuse(self: Path, mode: str = "r", **named: Any) -> Any:
        if "x" in mode:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, mode, **named)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OutputError, match=r"cannot be written.*Permission denied"):
        DigitalModelBatch.from_cfg(case("A", files, tmp_path), settings=settings())


def test_all_missing_keys_are_named_at_once(files: list[Path], tmp_path: Path) -> None:
    """Digitalmodel would find some of them only after the last file."""
    cfg = case("A+C", files, tmp_path)
    del cfg["basename"]
    del cfg["orcaflex"]["postprocess"]["summary"]["statistics"]
    with pytest.raises(SettingsError) as refused:
        DigitalModelBatch.from_cfg(cfg, settings=settings())
    assert "summary.statistics.Mean" in str(refused.value)
    assert "basename" in str(refused.value)


def test_masters_that_cannot_be_merged_are_one_clear_error(files: list[Path], tmp_path: Path) -> None:
    """A master with fewer groups than the settings is said so, not an IndexError."""
    cfg = case("A", files, tmp_path)
    cfg["summary_settings_master"]["groups"] = cfg["summary_settings_master"]["groups"][:1]
    with pytest.raises(SettingsError, match="master"):
        DigitalModelBatch.from_cfg(cfg, settings=settings())


def test_planning_and_building_a_batch_leave_the_callers_configuration_alone(files: list[Path], tmp_path: Path) -> None:
    """The merge changes masters; done twice it would give other columns, so it is done on a copy."""
    cfg = case("A+C", files, tmp_path)
    before = copy.deepcopy(cfg)
    DigitalModelBatch.from_cfg(cfg, settings=settings(), planning=True)
    DigitalModelBatch.from_cfg(cfg, settings=settings())
    assert cfg == before


def test_a_name_with_another_extension_means_the_simulation_beside_it(files: list[Path], tmp_path: Path) -> None:
    """As digitalmodel does: `case_00.dat` in the list loads `case_00.sim`."""
    cfg = case("A", [str(files[0].with_suffix(".dat"))], tmp_path)
    done = run(cfg, threads=1)
    assert done.batch.files == (files[0],)
    assert done.stand == [0]
    assert rows(tmp_path / "dm_dyn.csv")[1][0].endswith("case_00.dat")


def test_where_files_lie_is_asked_of_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """digitalmodel asks it for each by a name that is not there, which Windows opens six times over a network."""
    (tmp_path / "sims").mkdir()
    asked, realpath = [], os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path, **more: asked.append(Path(path)) or realpath(path, **more))
    found = sim_files([tmp_path / "sims" / f"{number}.dat" for number in range(50)])
    assert asked == [tmp_path / "sims"]
    assert [file.name for file in found] == [f"{number}.sim" for number in range(50)]


def test_names_too_long_are_asked_for_as_digitalmodel_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows answers them with the prefix by which they open, where a letter stands for a long folder."""
    prefixed = Path("//?/C:/a folder of many letters/0.sim")
    monkeypatch.setattr(win32, "LONGEST_PLAIN", 10)
    monkeypatch.setattr(Path, "resolve", lambda path: prefixed.with_suffix("") if path.name == "0" else path)
    assert sim_files([tmp_path / "0.dat"]) == (prefixed,)


@needs("symbolic links")
def test_files_lie_where_digitalmodel_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are spelled, in folders that are links, and by a link that is called as they without an ending."""
    (tmp_path / "sims" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "sims" / "below")
    (tmp_path / "sims" / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "sims" / "b").mkdir()
    monkeypatch.chdir(tmp_path / "sims")
    named = ["a.sim", "b.sim", "c.sim", "./c", "../link/c.sim", "../link/../c.sim", "gone/c.sim"]
    items = [*named, "..", "", "below/", ".sim"]
    items += [str(tmp_path / item) for item in ("link/c.dat", "sims/a.sim", "nowhere/c.sim", "sims//c.sim")]
    stems = [os.path.splitext(item)[0] for item in items]  # noqa: PTH122 - as digitalmodel does it
    assert sim_files(items) == tuple(Path(f"{Path(stem).resolve()}.sim") for stem in stems)


def test_a_broken_first_file_hands_the_stop_time_over_and_nobody_was_done_too_early(
    files: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    """The file without Line01 loads, leads, and fails; the others' traces end with the next file's stop time."""
    cfg = case("C", [broken[4], files[2], files[3]], tmp_path)
    cfg["linked_statistics_settings"]["groups"][0]["Columns"][0]["ObjectName"] = "Line01"
    done = run(cfg, threads=3)
    assert done.stand == [1, 2]
    assert rows(tmp_path / "case_03_line1.csv")[-1][0] == "20.0"
    assert done.outcomes[1].value.settled == AS_GIVEN
    assert done.outcomes[2].value.settled == Variant(settled=True, stop_time=20.0)


def test_per_file_gives_each_file_its_own_end(files: list[Path], tmp_path: Path) -> None:
    """What a file would get alone; and both ways say that the other one would differ."""
    serial = run(with_output(case("C", files, tmp_path), tmp_path / "serial"), threads=2, consistency="serial")
    alone = run(with_output(case("C", files, tmp_path), tmp_path / "alone"), threads=2, consistency="per_file")
    ends = [rows(tmp_path / "alone" / f"case_0{i}_line1.csv")[-1][0] for i in range(4)]
    assert ends == ["30.0", "30.0", "20.0", "40.0"]
    assert rows(tmp_path / "serial" / "case_03_line1.csv")[-1][0] == "30.0"
    assert any("consistency: per_file" in str(notice) for notice in serial.conclusion.notices)
    assert alone.conclusion.notices == ()
    assert any("consistency: serial" in text for text in alone.conclusion.warnings)


def test_nothing_is_said_where_both_ways_agree(files: list[Path], tmp_path: Path) -> None:
    """Files with the same stop time give the same traces either way."""
    done = run(case("C", files[:2], tmp_path), threads=2)
    assert (done.conclusion.warnings, done.conclusion.notices) == ((), ())


def test_nobody_waits_for_a_configuration_that_needs_nothing(files: list[Path], tmp_path: Path) -> None:
    """Range graphs and statics: every file may start at once."""
    batch = DigitalModelBatch.from_cfg(case("B", files, tmp_path), settings=settings())
    assert all(batch.ready(i) for i in range(len(files)))


def test_failed_files_stand_as_rows_where_asked_and_no_other_row_changes(
    files: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    """In input order, `run_status` says why, values are empty; the other rows keep their bytes, statistics included."""
    mixed = [broken[1], *files[:2], broken[4], files[2]]
    cfg = case("A", mixed, tmp_path)
    cfg["orcaflex"]["postprocess"]["summary"]["statistics"]["Maximum"] = True
    run(with_output(cfg, tmp_path / "without"), threads=2)
    run(with_output(cfg, tmp_path / "with"), threads=2, failed_rows=True)
    for name, without in contents(tmp_path / "without").items():
        lines = (tmp_path / "with" / name).read_bytes().splitlines(keepends=True)
        failed = [lines[1], lines[4]]
        assert b"".join(line for line in lines if line not in failed) == without
        stems = [line[1] for line in rows(tmp_path / "with" / name)[1:6]]
        assert stems == [path.stem for path in mixed]
        failed_row = dict(zip(rows(tmp_path / "with" / name)[0], rows(tmp_path / "with" / name)[1], strict=True))
        assert failed_row.pop("run_status").startswith("failed: ")
        assert {failed_row[key] for key in failed_row if not key.startswith("fe_")} == {""}


def test_statistics_that_digitalmodel_cannot_make_end_in_words(files: list[Path], tmp_path: Path) -> None:
    """It takes file names that look like dates for dates and dies of them; the message says so, with the remedy."""
    dated = [tmp_path / "2024-01-01.sim", tmp_path / "0100.sim"]
    for source, target in zip(files, dated, strict=False):
        shutil.copyfile(source, target)
    cfg = case("A", dated, tmp_path)
    cfg["orcaflex"]["postprocess"]["summary"]["statistics"]["Mean"] = True
    with pytest.raises(OutputError, match="look like dates"):
        run(cfg, threads=1)


def test_a_failed_row_never_stands_inside_another_row(files: list[Path], broken: list[Path], tmp_path: Path) -> None:
    """Only line feeds end a row, whatever separators of Unicode a file name holds."""
    odd = [tmp_path / f"{name}.sim" for name in ("a\u2028b", "c\x85d\x0ce")]
    for source, target in zip(files, odd, strict=False):
        shutil.copyfile(source, target)
    mixed = [odd[0], broken[1], odd[1], broken[4]]
    run(with_output(case("A", mixed, tmp_path), tmp_path / "with"), threads=1, failed_rows=True)
    for table in contents(tmp_path / "with"):
        assert [line[1] for line in rows(tmp_path / "with" / table)[1:]] == [path.stem for path in mixed]


def test_linked_statistics_that_digitalmodel_cannot_make_name_the_labels(files: list[Path], tmp_path: Path) -> None:
    """Their labels are values of the table, and statistics are always made: an empty one has digitalmodel see dates."""
    cfg = case("C", files[:1], tmp_path)
    group = cfg["linked_statistics_settings"]["groups"][0]
    group["Columns"] = [{**group["Columns"][0], "Label": label} for label in ("", "b")]
    with pytest.raises(OutputError, match=r"linked statistics .* `linked_statistics_settings` other labels"):
        run(cfg, threads=1)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_failed_row_stands_right_under_labels_with_line_ends(
    files: list[Path], broken: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line_end: str
) -> None:
    """Quoted or not, in a label or in the name of a file: a record ends where its line does."""
    monkeypatch.setattr(os, "linesep", line_end)
    odd = tmp_path / "a\rb\n.sim"
    shutil.copyfile(files[0], odd)
    cfg = case("A", [odd, broken[1], files[1]], tmp_path)
    labels = ["l1\nmin", "l1\rmax", 'l2\r\n"mean"']
    for label, asked in zip(labels, cfg["summary_settings"]["groups"][0]["Columns"], strict=True):
        asked["Label"] = label
    run(with_output(cfg, tmp_path / "without"), threads=1)
    run(with_output(cfg, tmp_path / "with"), threads=1, failed_rows=True)
    without, with_row = (contents(tmp_path / name)["dm_dyn.csv"] for name in ("without", "with"))
    row = next(line for line in with_row.split(line_end.encode()) if b"empty.sim" in line)
    assert with_row.replace(row + line_end.encode(), b"") == without
    assert len(next(csv.reader([row.decode()]))) == 7 + len(labels)


def test_a_reason_with_a_carriage_return_is_one_row(files: list[Path], tmp_path: Path) -> None:
    """As of a program that wrote over its own line; in the list of failed files, and in a summary."""
    reason = "1%\r2%"
    failed = FileOutcome(files[0], "dm", Status.FAILED, None, error=reason, index=0)
    save_failed_files(tmp_path / "list.csv", [failed], print)
    listed = csv.reader(io.StringIO((tmp_path / "list.csv").read_bytes().decode(), newline=""))
    assert [row[-1] for row in listed] == ["reason", reason]
    for line_end in ("\n", "\r\n"):
        header = f"fe_filename,run_status{line_end}"
        row = combine._failed_row(failed, ["fe_filename", "run_status"], header)
        assert row.endswith(line_end)
        assert next(csv.reader(io.StringIO(row, newline="")))[1] == f"failed: {reason}"


def test_the_list_of_failed_files_goes_when_nothing_fails_any_more(
    files: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    """A list that an earlier run left would name files that are fine now."""
    done = run(case("A", [files[0], broken[0]], tmp_path), threads=1)
    listed = tmp_path / "dm_failed_files.csv"
    assert rows(listed)[1][0] == broken[0].as_posix()
    assert listed in done.conclusion.outputs
    run(case("A", files[:1], tmp_path), threads=1)
    assert not listed.exists()


def test_a_table_that_is_called_like_the_list_of_failed_files_stays(
    files: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    """A group labelled so: its table is the result; also in a run that finds all of it done, and where files fail."""

    def table(label: str, *more: Path) -> str:
        cfg = case("A", [*files[:2], *more], tmp_path)
        cfg["summary_settings"]["groups"][0]["Label"] = label
        found.append(orcabatch.run_batch(cfg, orcaflex="simulated", progress=False))
        return (tmp_path / f"dm_{label}.csv").read_text("utf-8")

    found: list[Any] = []
    plain = table("plain")
    assert table("failed_files", broken[0]) == table("failed_files") == table("failed_files") == plain
    assert {outcome.status for outcome in found[-1].outcomes} == {Status.SKIPPED}


def test_all_files_failed_leaves_no_summary(broken: list[Path], tmp_path: Path) -> None:
    """As digitalmodel without a single file: no table; the list of failed files names them all."""
    run(case("A", broken, tmp_path), threads=2, failed_rows=True)
    assert contents(tmp_path) == {}
    assert len(rows(tmp_path / "dm_failed_files.csv")) == 1 + len(broken)


def test_a_file_that_fails_in_its_last_table_leaves_none_of_its_tables(files: list[Path], tmp_path: Path) -> None:
    """It counts as not in the list, so its first tables must not stand there."""
    cfg = case("C", files[:2], tmp_path)
    cfg["time_series_settings"]["groups"][1]["Columns"][1]["Variable"] = "No such variable"
    done = run(cfg, threads=1)
    assert done.stand == []
    assert contents(tmp_path) == {}
    result = orcabatch.run_batch(cfg, performance={"monitoring": {"export_metrics": False}}, progress=False)
    assert {outcome.failed_phase for outcome in result.outcomes} == {Phase.EXTRACT}


def test_what_an_earlier_try_wrote_is_taken_back_when_the_file_fails_in_the_end(
    files: list[Path], tmp_path: Path
) -> None:
    """A file done again under another configuration may fail then; what it wrote before must go."""
    batch = DigitalModelBatch.from_cfg(case("C", files[:2], tmp_path), settings=settings())
    written = tmp_path / "case_01_line1.csv"
    written.touch()
    value = FileResult(None, None, (("line1", written),), None, "SimulationStopped", 30.0)
    bad = FileOutcome(files[1], "dm", Status.FAILED, index=1)
    for outcome in (FileOutcome(files[1], "dm", Status.OK, value, index=1), bad):
        batch.payload(1)
        batch.finished(1, outcome)
    batch.conclude([FileOutcome(files[0], "dm", Status.FAILED, failed_phase=Phase.LOAD), bad])
    assert not written.exists()


def test_a_table_that_the_same_file_wrote_at_another_place_in_the_list_stays(files: list[Path], tmp_path: Path) -> None:
    """Listed twice, done twice: where one time fails in the end, the other's time series must not go with it."""
    batch = DigitalModelBatch.from_cfg(case("C", [files[0], files[0]], tmp_path), settings=settings())
    written = tmp_path / "case_00_line1.csv"
    written.touch()
    value = FileResult(None, None, (("line1", written),), None, "SimulationStopped", 30.0)
    good = [FileOutcome(files[0], "dm", Status.OK, value, index=i) for i in range(2)]
    bad = FileOutcome(files[0], "dm", Status.FAILED, index=1)
    for outcome in (*good, bad):
        batch.payload(outcome.index)
        batch.finished(outcome.index, outcome)
    batch.conclude([good[0], bad])
    assert written.exists()


def test_an_interrupted_batch_writes_nothing_that_the_next_run_would_give_otherwise(
    files: list[Path], tmp_path: Path
) -> None:
    """The leader failed after the others were done, and Ctrl-C came before they were done again: they do not count."""
    batch = DigitalModelBatch.from_cfg(case("C", files[:2], tmp_path), settings=settings())
    written = tmp_path / "case_01_line1.csv"
    written.touch()
    batch.payload(0)
    batch.noted(0, "settled", 20.0)
    variant = batch.payload(1).variant
    value = FileResult(None, None, (("line1", written),), None, "SimulationStopped", 30.0, variant)
    done = FileOutcome(files[1], "dm", Status.OK, value, index=1)
    assert batch.finished(1, done) == ()
    failed = FileOutcome(files[0], "dm", Status.FAILED, index=0)
    assert batch.finished(0, failed) == (1,)
    assert batch.conclude([failed, done], complete=False).outputs == (tmp_path / "dm_failed_files.csv",)
    assert not written.exists()


def test_a_remembered_leader_settles_the_others_anew(files: list[Path], tmp_path: Path) -> None:
    """The leader fails; the next one is known from an earlier run and never loaded: others take its stop time."""
    batch = DigitalModelBatch.from_cfg(case("C", files[:3], tmp_path), settings=settings())

    def ended(i: int, status: Status, stop_time: float = 0.0) -> tuple[int, ...]:
        value = FileResult(None, None, (), None, "SimulationStopped", stop_time)
        outcome = FileOutcome(files[i], "dm", status, value if status is Status.OK else None, index=i)
        return batch.finished(i, outcome)

    batch.payload(0)
    batch.noted(0, "settled", 20.0)
    batch.payload(2)
    assert ended(2, Status.OK, 40.0) == ()
    assert ended(0, Status.FAILED) == ()
    batch.payload(1)
    assert ended(1, Status.OK, 30.0) == (2,)
    assert batch.payload(2).variant == Variant(settled=True, stop_time=30.0)


def test_what_a_leader_that_failed_had_settled_does_not_stand(files: list[Path], tmp_path: Path) -> None:
    """Nothing of it is kept for a later run, though it is done again only once another one has ended well."""
    batch = DigitalModelBatch.from_cfg(case("C", files[:3], tmp_path), settings=settings())
    for index, stop_time in ((0, 20.0), (1, 30.0)):
        batch.payload(index)
        batch.noted(index, "settled", stop_time)
    value = FileResult(None, None, (), None, "SimulationStopped", 40.0, batch.payload(2).variant)
    assert batch.stands(2, value)
    batch.finished(0, FileOutcome(files[0], "dm", Status.FAILED, index=0))
    assert not batch.stands(2, value)
    assert batch.stands(2, replace(value, settled=batch.payload(2).variant))


def test_a_file_that_hangs_does_not_come_to_lead(files: list[Path], tmp_path: Path) -> None:
    """It is not done again; the others would wait for it, and keep what the leader before had settled."""
    batch = DigitalModelBatch.from_cfg(case("C", files[:3], tmp_path), settings=settings())
    batch.payload(0)
    batch.noted(0, "settled", 20.0)
    batch.payload(1)
    value = FileResult(None, None, (), None, "SimulationStopped", 40.0, batch.payload(2).variant)
    hung = FileOutcome(files[1], "dm", Status.FAILED, index=1, cause=Cause.TIMEOUT, failed_phase=Phase.EXTRACT)
    assert batch.finished(1, hung) == ()
    assert batch.finished(2, FileOutcome(files[2], "dm", Status.OK, value, index=2)) == ()
    assert batch.finished(0, FileOutcome(files[0], "dm", Status.FAILED, index=0)) == (2,)
    assert batch.payload(2).variant == AS_GIVEN


def test_a_copy_of_a_batch_is_for_trying(files: list[Path], tmp_path: Path) -> None:
    """What happens to the copy changes nothing in the batch."""
    batch = DigitalModelBatch.from_cfg(case("C", files[:2], tmp_path), settings=settings())
    trial = copy.copy(batch)
    trial.payload(0)
    trial.noted(0, "settled", 20.0)
    assert trial.ready(1)
    assert not batch.ready(1)


def test_results_cross_processes(files: list[Path], tmp_path: Path) -> None:
    """The post-process, what is handed along and the results can be pickled."""
    batch = DigitalModelBatch.from_cfg(case("A+C", files[:1], tmp_path), settings=settings())
    for thing in (batch.postprocess, batch.payload(0), Dispatcher(batch, 1).run()[0].value):
        assert type(pickle.loads(pickle.dumps(thing))) is type(thing)  # noqa: S301 - pickled one line above


def test_what_determines_a_result_tells_apart_what_gives_different_results(files: list[Path], tmp_path: Path) -> None:
    """Same configuration, same determinants; another decimal, or being settled, others; the start time is none."""

    def determinants(cfg: dict[str, Any]) -> list[Any]:
        batch = DigitalModelBatch.from_cfg(cfg, settings=settings())
        batch.payload(0)
        batch.noted(0, "settled", 30.0)
        return [batch.determinants(i) for i in range(2)]

    cfg = case("A+C", files[:2], tmp_path)
    other_time, decimals = copy.deepcopy(cfg), copy.deepcopy(cfg)
    other_time["Analysis"]["start_time"] = "now"
    other_time["Analysis"]["file_name"] = "dm_20260101_12h00m"
    decimals["orcaflex"]["postprocess"]["time_series"]["csv_decimal"] = 3
    leader, follower = determinants(cfg)
    assert leader is not None
    assert [leader, follower] == determinants(other_time)
    assert leader["configuration"] != determinants(decimals)[0]["configuration"]
    assert leader["settled"] != follower["settled"]


def test_a_planned_batch_knows_what_one_that_merged_its_masters_knew(files: list[Path], tmp_path: Path) -> None:
    """Who waits for whom is only known once masters are merged; the hints give the same determinants without."""
    cfg = case("A+C", files[:2], tmp_path)
    run_one = DigitalModelBatch.from_cfg(cfg, settings=settings())
    planned = DigitalModelBatch.from_cfg(cfg, settings=settings(), planning=True)
    assert planned.planning_hints is None
    assert planned.determinants(0) is None
    assert run_one.planning_hints is not None
    assert planned.hints_depend_on == run_one.hints_depend_on
    planned.take_hints(run_one.planning_hints)
    assert not planned.ready(1)
    for batch in (run_one, planned):
        batch.payload(0)
        batch.noted(0, "settled", 30.0)
    assert [planned.determinants(i) for i in range(2)] == [run_one.determinants(i) for i in range(2)]


def test_digitalmodels_complaints_are_told_and_kept_off_the_terminal(
    files: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """An unknown variable gives an empty cell; that it did is in the outcome and the log, not on the screen."""
    caplog.set_level("DEBUG", logger="orcabatch.digitalmodel")
    cfg = case("A", files[:3], tmp_path)
    cfg["summary_settings"]["groups"][0]["Columns"][0]["Variable"] = "No such variable"
    done = run(cfg, threads=3)
    assert capfd.readouterr() == ("", "")
    for outcome in done.outcomes:
        assert any("No such variable" in text for text in outcome.warnings)
        assert any("No such variable" in text for text in outcome.value.log)
        assert any(outcome.file.name in text and "No such variable" in text for text in caplog.messages)


def test_inputs_keep_their_bytes_and_times_and_no_model_is_left(
    files: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    """Nothing is written beside the simulations, and every model is destroyed on its own thread."""
    folder = files[0].parent
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    with simulated.counting() as count:
        run(case("A+C", [*files, broken[4]], tmp_path), threads=4)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    assert count.counters.models_created > 0
    assert count.counters.never_destroyed == count.counters.affinity_violations == 0


def test_all_variables_are_digitalmodels_own_pass_over_the_files(files: list[Path], tmp_path: Path) -> None:
    """Asked for beside the summary, `all_vars` writes what digitalmodel's own call writes."""
    cfg = case("A", files[:2], tmp_path)
    cfg["orcaflex"]["postprocess"]["all_vars"] = {"flag": True}
    cfg["parameters"] = {"VarNames": {"Line": ["Effective tension", "X"]}}
    ours, theirs = with_output(cfg, tmp_path / "ours"), with_output(cfg, tmp_path / "theirs")
    run(ours, threads=2).batch.pass_on()
    all_vars = importlib.import_module("digitalmodel.modules.orcaflex.all_vars")
    with CapturedOutput():
        all_vars.AllVars().router(theirs)
    written = contents(tmp_path / "theirs")
    assert "dm_over_Line_var_data.csv" in written
    assert {name: contents(tmp_path / "ours")[name] for name in written} == written


@pytest.mark.parametrize("error", [PermissionError(13, "held"), MemoryError(), "licence"])
def test_what_may_heal_is_tried_again_to_the_end_of_a_file(files: list[Path], tmp_path: Path, error: Any) -> None:
    """digitalmodel's code may run twice for a file: each time with a configuration of its own, and nothing is left."""
    import OrcFxAPI

    error = OrcFxAPI.DLLError(OrcFxAPI.StatusCode(25)) if error == "licence" else error
    batch = DigitalModelBatch.from_cfg(case("A", files, tmp_path), settings=settings())
    recipe = OrcaFlexRecipe({batch.name: batch.postprocess}, "simulated")
    task = Task(0, files[0], (batch.name,), 0, 0)
    assert recipe.explain(error, task, Phase.EXTRACT).may_heal
    assert not recipe.explain(ValueError("no luck"), task, Phase.EXTRACT).may_heal


def test_what_is_left_to_be_formatted_is_told_by_what_this_run_did(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the fifth file on; results of earlier runs are neither left, nor do they tell how much a file is."""
    told: list[float] = []
    monkeypatch.setattr(csv_text, "expect", told.append)
    listed = [tmp_path / f"copy_{number}.sim" for number in range(8)]
    for copied in listed:
        shutil.copyfile(files[0], copied)
    performance = {"executor": "serial", "monitoring": {"export_metrics": False}}

    def run(count: int, *, fresh: bool = False) -> list[float]:
        told.clear()
        cfg = case("C", listed[:count], tmp_path / "results")
        result = orcabatch.run_batch(cfg, performance=performance, progress=False, fresh=fresh)
        assert result.ok
        return list(told)

    (tmp_path / "results").mkdir()
    assert run(4) == [0] * 4
    assert run(8) == [0] * 4
    tables = [rows(table) for table in (tmp_path / "results").glob("copy_0_*.csv")]
    each = sum(len(table[0]) * (len(table) - 1) for table in tables)
    assert each > 0
    assert run(8, fresh=True) == [0, 0, 0, 0, 4 * each, 3 * each, 2 * each, each]
