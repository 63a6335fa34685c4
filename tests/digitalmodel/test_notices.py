"""What digitalmodel does without a word is said: in the plan, at a run's end, on top of the report, in the proof."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import orcabatch
from dm_proof.configurations import break_files, column, configuration, write_files
from dm_proof.harness import run, with_output
from orcabatch import simulated
from orcabatch.digitalmodel.caching import packed, unpacked
from orcabatch.digitalmodel.missing import gaps_of
from orcabatch.digitalmodel.prove import prove
from orcabatch.digitalmodel.serial_order import Needs
from orcabatch.digitalmodel.silent import Reach, Subject, differences, first_decides, overwritten
from orcabatch.monitor.report import render_report
from orcabatch.monitor.schema import Metrics
from orcabatch.notice import Notice, Silent
from orcabatch.store import paths
from orcabatch.store.values import decode, encode

pytest.importorskip("digitalmodel", reason="digitalmodel itself is called: install orcabatch[digitalmodel]")

LONG_FIRST = (100.0, 100.0, 60.0, 20.0)
OPEN = {"SimulationPeriod": [0, None], "objectExtra": ["End A"]}
WHOLE = {"SimulationPeriod": [None, None], "objectExtra": ["End A"], "Statistic_Type": "Max"}


@pytest.fixture(scope="module", autouse=True)
def orcaflex() -> Iterator[None]:
    simulated.install()
    yield
    simulated.uninstall()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three long simulations, 100, 100 and 60 s, and a short one of 20 s."""
    return write_files(tmp_path_factory.mktemp("sims"), 4, stops=LONG_FIRST)


def short_first(files: Sequence[Path]) -> list[Path]:
    """The list with its short file in front."""
    return [files[-1], *files[:-1]]


def series(files: Sequence[Path], folder: Path, *columns: dict[str, Any]) -> dict[str, Any]:
    """Time series of one group."""
    asked = columns or (column("TimeHistory", "Line01", "Effective tension", "l1", **OPEN),)
    settings = {"data": True, "groups": [{"Label": "tens", "Columns": list(asked)}]}
    return configuration(list(files), folder, "time_series", time_series_settings=settings)


def summary(files: Sequence[Path], folder: Path, *groups: dict[str, Any]) -> dict[str, Any]:
    """Summaries of these groups."""
    return configuration(list(files), folder, "summary", summary_settings={"groups": list(groups)})


def group(label: str, *columns: dict[str, Any]) -> dict[str, Any]:
    return {"Label": label, "Columns": list(columns)}


def history(label: str, variable: str = "Effective tension", **more: Any) -> dict[str, Any]:
    return column("TimeHistory", "Line01", variable, label, **{**WHOLE, **more})


def notices(cfg: dict[str, Any], folder: Path, **performance: Any) -> dict[Silent, Notice]:
    """What is said at the end of a run, by kind; never twice."""
    found = run(with_output(cfg, folder), threads=2, **performance).conclusion.notices
    assert len({notice.kind for notice in found}) == len(found)
    return {notice.kind: notice for notice in found}


def performance(folder: Path, **more: Any) -> dict[str, Any]:
    return {"orcaflex": "simulated", "ledger": {"path": str(folder / "ledger.db")}, **more}


# --- ends of time series


def test_a_short_file_that_comes_first_is_said_to_cut_the_others(files: list[Path], tmp_path: Path) -> None:
    """How many end before their simulation does, at which time, which file decided, and the way out."""
    said = notices(series(short_first(files), tmp_path), tmp_path / "out")
    assert set(said) == {Silent.CUT}
    cut = said[Silent.CUT]
    assert "3 of 4 files end at 20 s, before their simulation does (60 to 100 s)" in cut.text
    assert files[-1].name in cut.text
    assert "consistency: per_file" in cut.remedy
    assert cut.files == tuple(files[:-1])
    assert cut.details == ("case_00.sim: 100 s", "case_01.sim: 100 s", "case_02.sim: 60 s")


def test_nothing_is_cut_where_each_file_has_its_own_end(files: list[Path], tmp_path: Path) -> None:
    """`consistency: per_file`, periods that have an end of their own, and files that are as long as the first."""
    closed = column("TimeHistory", "Line01", "Effective tension", "l1", SimulationPeriod=[0, 5], objectExtra=["End A"])
    assert not notices(series(short_first(files), tmp_path), tmp_path / "a", consistency="per_file")
    assert not notices(series(short_first(files), tmp_path, closed), tmp_path / "b")
    assert not notices(series(files[:2], tmp_path), tmp_path / "c")


@pytest.mark.parametrize("number_of_first", range(4))
def test_the_notice_names_exactly_the_files_whose_series_the_first_one_decides(
    files: list[Path], tmp_path: Path, number_of_first: int
) -> None:
    """Those whose bytes are others with `consistency: per_file`; nothing is said behind the longest file.

    One of them broke off unstable between the short end and its own: it is only cut by an end before that.
    """
    unstable = write_files(
        tmp_path / "unstable", 1, stops=(100.0,), current_time_s=15.0, state=simulated.SimState.UNSTABLE
    )[0].rename(tmp_path / "unstable.sim")
    listed = [files[0], files[2], files[3], unstable]
    first = listed.pop(number_of_first)
    given = series([first, *listed], tmp_path)
    serial = run(with_output(given, tmp_path / "serial"), threads=1, consistency="serial").conclusion
    per_file = run(with_output(given, tmp_path / "per_file"), threads=1, consistency="per_file").conclusion
    ours, others = ({path.name: path.read_bytes() for path in end.outputs} for end in (serial, per_file))
    assert len(ours) == len(others) >= len(listed) + 1
    differing = [file for file in listed if any(ours[name] != others[name] for name in ours if file.stem in name)]
    said = {notice.kind: notice for notice in serial.notices}
    assert Silent.FIRST_DECIDES not in said
    assert list(said[Silent.CUT].files if Silent.CUT in said else ()) == differing
    warned = [warning for warning in per_file.warnings if "`consistency: serial`" in warning]
    assert [f"time series of {len(differing)} of 4 files go on" in warning for warning in warned] == (
        [True] if differing else []
    )
    assert len(differing) == {20.0: 2, 60.0: 1, 100.0: 0}[(100.0, 60.0, 20.0, 100.0)[number_of_first]]


def test_a_current_is_only_said_to_decide_where_files_show_another_than_the_active_one(tmp_path: Path) -> None:
    """Only the first file selects its active current: of the others, those that show it already read the same."""
    same = write_files(tmp_path / "same", 3, selected_current=1)
    other = write_files(tmp_path / "other", 3, selected_current=2)
    speed = {"Command": "GetData", "ObjectName": "Environment", "Variable": ["RefCurrentSpeed"], "Label": "Vc"}

    def asked(files: Sequence[Path]) -> dict[str, Any]:
        return summary(files, tmp_path, group("env", copy.deepcopy(speed)))

    assert not notices(asked(same), tmp_path / "a")
    assert not notices(asked([other[0], *same[1:]]), tmp_path / "b"), "both ways the first selects the active one"
    said = notices(asked([same[0], other[1], same[2]]), tmp_path / "c")[Silent.FIRST_DECIDES]
    assert "1 of 3 files shows another current than the active one" in said.text
    assert said.files == (other[1],)
    assert said.remedy == "`consistency: per_file` gives other results where these currents differ"
    for number, (files, differs) in enumerate(((same, False), (other, True))):
        ways = [tmp_path / f"{way}{number}" for way in ("serial", "per_file")]
        run(with_output(asked(files), ways[0]), threads=1, consistency="serial")
        warnings = run(with_output(asked(files), ways[1]), threads=1, consistency="per_file").conclusion.warnings
        texts = [[path.read_text() for path in sorted(way.rglob("*.csv"))] for way in ways]
        assert all(texts)
        assert (texts[0] != texts[1]) is differs
        assert any("active one" in warning for warning in warnings) is differs


def test_files_of_which_the_shown_current_is_not_known_may_differ(files: list[Path]) -> None:
    """A model may not say; the notice then says no more than is known, the same file by file."""
    stand = [Reach(file, 100.0, 100.0, None) for file in files]
    batch = Subject("b", {}, Needs(leader=True, selects=True), "serial", tuple(files))
    (said,) = first_decides(batch, stand)
    assert "3 of 4 files may show another current" in said.text
    assert said.remedy == "`consistency: per_file` may give other results"
    (warning,) = differences(replace(batch, consistency="per_file"), stand)
    assert "`consistency: serial` may give other results" in warning
    assert not list(first_decides(batch, [replace(each, shows_active=True) for each in stand]))


def test_a_first_file_that_fails_decides_nothing(files: list[Path], tmp_path: Path) -> None:
    """The first that stands in the output does: it is the one that is named."""
    (missing, *_) = break_files(tmp_path / "broken")
    cut = notices(series([missing, files[2], *files[:2]], tmp_path), tmp_path / "out")[Silent.CUT]
    assert "2 of 4 files end at 60 s" in cut.text
    assert files[2].name in cut.text


def test_a_simulation_that_never_got_so_far_is_not_called_cut(files: list[Path], tmp_path: Path) -> None:
    """It was to run for 100 s and broke off at 15 s: the end at 20 s takes nothing away from it."""
    broken_off = write_files(tmp_path / "partial", 1, stops=(100.0,), current_time_s=15.0)
    said = notices(series([files[-1], files[1], *broken_off], tmp_path), tmp_path / "out")
    assert said[Silent.CUT].files == (files[1],)
    assert said[Silent.PARTIAL].files == tuple(broken_off)


def test_the_plan_says_what_is_known(files: list[Path], tmp_path: Path) -> None:
    """Before a first run: that the first file decides for all. Once the files were met, even by another batch: whom."""
    cfg, more = series(short_first(files), tmp_path), performance(tmp_path)
    (unknown,) = orcabatch.plan_batch(cfg, performance=more).notices
    assert (unknown.kind, unknown.files) == (Silent.CUT, ())
    assert "in all 4 files" in unknown.text
    assert files[-1].name in unknown.text
    met = with_output(series(files, tmp_path), tmp_path / "met")
    orcabatch.run_batch(met, performance=more, progress=False)
    plan = orcabatch.plan_batch(cfg, performance=more)
    (known,) = plan.notices
    assert "3 of 4 files will end at 20 s" in known.text
    assert known.files == tuple(files[:-1])
    assert f"! {known.text[:20]}" in plan.to_text()
    assert known.text in plan._repr_html_()
    assert plan.to_dict()["notices"][0]["kind"] == "cut"
    assert not orcabatch.plan_batch(cfg, performance={**more, "consistency": "per_file"}).notices


def test_the_plan_knows_some_of_the_files(files: list[Path], tmp_path: Path) -> None:
    """It says how many are not known yet."""
    cfg, more = series(short_first(files), tmp_path), performance(tmp_path)
    met = with_output(series([files[-1], files[0]], tmp_path), tmp_path / "met")
    orcabatch.run_batch(met, performance=more, progress=False)
    (known,) = orcabatch.plan_batch(cfg, performance=more).notices
    assert "1 of 4 files will end at 20 s" in known.text
    assert "2 files of the list are not known yet" in known.text


def test_the_plan_looks_into_masters(files: list[Path], tmp_path: Path) -> None:
    """Nobody merged them yet; an open period in a master is one of a column."""
    cfg = series(short_first(files), tmp_path, {"Label": "l1", "ObjectName": "Line01"})
    master = {"Label": "tens", "Columns": [{"Command": "TimeHistory", "Variable": "Effective tension", **OPEN}]}
    cfg["time_series_settings_master"] = {"groups": [master]}
    (said,) = orcabatch.plan_batch(cfg, performance=performance(tmp_path)).notices
    assert said.kind is Silent.CUT


# --- columns and rows


def test_an_empty_column_is_said_with_label_variable_and_file(files: list[Path], tmp_path: Path) -> None:
    """A misspelt variable leaves a column empty in all files: of a summary, and of a series with its times."""
    bad_series = column("TimeHistory", "Line01", "Efective tension", "s1", **OPEN)
    cfg = summary(files, tmp_path, group("dyn", history("good"), history("bad", "Efective tension")))
    cfg["orcaflex"]["postprocess"]["time_series"]["flag"] = True
    cfg["time_series_settings"] = series(files, tmp_path, bad_series)["time_series_settings"]
    empty = notices(cfg, tmp_path / "out", consistency="per_file")[Silent.EMPTY]
    assert "3 columns hold nothing at all" in empty.text
    assert empty.details == (
        "summary dyn: bad (Line01, Efective tension): every file",
        "time series tens: time: every file",
        "time series tens: s1 (Line01, Efective tension): every file",
    )
    assert empty.files == tuple(files)


def test_a_series_without_any_row_is_an_empty_one(files: list[Path], tmp_path: Path) -> None:
    """No object of that name: digitalmodel writes a heading and nothing below it."""
    said = notices(series(files[:1], tmp_path, column("TimeHistory", "Line99", "X", "x", **OPEN)), tmp_path / "out")
    assert any(detail.startswith("time series tens: x (Line99, X)") for detail in said[Silent.EMPTY].details)


def test_rows_that_miss_values_are_counted_with_their_files(files: list[Path], tmp_path: Path) -> None:
    """One file has no results of the dynamic simulation: its row has holes where the others have numbers."""
    (bare,) = write_files(tmp_path / "bare", 1, faults=(simulated.SimFault.NOT_LOGGED,))
    said = notices(summary([*files, bare], tmp_path, group("dyn", history("l1"))), tmp_path / "out")
    assert set(said) == {Silent.MISSING}
    assert "Rows of 1 of 5 files miss values, in 1 column" in said[Silent.MISSING].text
    assert said[Silent.MISSING].details == ("summary dyn: l1 (Line01, Effective tension): case_00.sim",)
    assert said[Silent.MISSING].files == (bare,)


@pytest.mark.parametrize(
    ("groups", "detail"),
    [
        ([group("dyn", history("l1"), history("l2"), history("l1", "Bend moment"))], "summary dyn: l1"),
        ([group("dyn", history("l1")), group("dyn", history("l2"))], "summary dyn: the whole table"),
        ([group("dyn", history("run_status"))], "summary dyn: run_status"),
    ],
)
def test_what_a_later_label_replaces_is_said_before_and_after(
    files: list[Path], tmp_path: Path, groups: list[Any], detail: str
) -> None:
    """Two columns of one label, two groups of one label, a column named like one of digitalmodel's own."""
    cfg = summary(files, tmp_path, *copy.deepcopy(groups))
    after = notices(cfg, tmp_path / "out")[Silent.OVERWRITTEN]
    assert after.details == (detail,)
    assert orcabatch.plan_batch(cfg, performance=performance(tmp_path)).notices == (after,)


def test_a_label_of_two_series_columns_is_said(files: list[Path], tmp_path: Path) -> None:
    """Also one that takes the place of the times."""
    columns = [column("TimeHistory", "Line01", "Effective tension", label, **OPEN) for label in ("a", "a", "time")]
    said = notices(series(files[:1], tmp_path, *columns), tmp_path / "out")
    assert said[Silent.OVERWRITTEN].details == ("time series tens: time", "time series tens: a")


def linked(label: str) -> dict[str, Any]:
    return column("TimeHistory", "Line01", ["Effective tension", "Bend moment"], label, **WHOLE)


def test_a_table_in_whose_place_another_output_is_written_is_said(files: list[Path], tmp_path: Path) -> None:
    """Linked statistics over a summary, which loses its rows; by their files, whatever the labels are."""
    cfg = summary(files, tmp_path, group("dyn", history("l1")), group("over_dyn", history("l1")))
    cfg["orcaflex"]["postprocess"]["linked_statistics"]["flag"] = True
    cfg["linked_statistics_settings"] = {"groups": [group("dyn", linked("l1"))]}
    cfg["Analysis"]["file_name_for_overwrite"] = "apart"
    assert Silent.OVERWRITTEN not in notices(cfg, tmp_path / "apart")
    for name, lost in (("dm", "dyn"), ("dm_over", "over_dyn")):
        cfg["Analysis"]["file_name_for_overwrite"] = name
        said = notices(cfg, tmp_path / name)[Silent.OVERWRITTEN]
        (detail,) = said.details
        assert detail == f"summary {lost}: the whole table, by linked statistics dyn, as both are dm_{lost}.csv"
        assert detail in said.text
        assert orcabatch.plan_batch(cfg, performance=performance(tmp_path)).notices == (said,)


def test_a_series_in_whose_place_a_summary_is_written_is_none_of_the_result(files: list[Path], tmp_path: Path) -> None:
    """A file that is called as the batch is: the summary is found, and is not taken for the file's series."""
    (first,) = write_files(tmp_path / "sims", 1)
    named = first.rename(first.with_name("dm.sim"))
    cfg = with_output(summary([named, *files], tmp_path, group("dyn", history("l1"))), tmp_path / "out")
    cfg["orcaflex"]["postprocess"]["time_series"]["flag"] = True
    cfg["time_series_settings"] = {"data": True, "groups": [group("dyn", history("s1", **OPEN))]}
    result = orcabatch.run_batch(cfg, performance=performance(tmp_path, consistency="per_file"), progress=False)
    assert result.notices[-1].details == ("time series dyn: the whole table, by summary dyn, as both are dm_dyn.csv",)
    assert len(result.summary("dyn")) == len(files) + 1
    assert sorted(set(result.time_series("dyn")["file"])) == sorted(file.name for file in files)
    assert len(set(result.outputs)) == len(result.outputs) == len(files) + 2


def test_labels_that_differ_in_capitals_only_are_one_file_on_windows(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere they are two."""
    cfg = summary(files, tmp_path, group("dyn", history("l1")), group("Dyn", history("l2")))
    before = Subject("dm", cfg, Needs(), "serial", tuple(files))
    assert not list(overwritten(before))
    monkeypatch.setattr(paths, "IGNORES_CASE", True)
    (said,) = overwritten(before)
    assert said.details == ("summary dyn: the whole table, by summary Dyn, as both are dm_Dyn.csv",)


def test_partial_simulations_are_counted(files: list[Path], tmp_path: Path) -> None:
    """With how far each of them got."""
    partial = write_files(tmp_path / "partial", 2, stops=(100.0,), current_time_s=15.0)
    said = notices(summary([*files, *partial], tmp_path, group("dyn", history("l1"))), tmp_path / "out")
    assert "2 of 6 simulations did not reach their end" in said[Silent.PARTIAL].text
    assert [detail.partition(": ")[2].partition(", ")[2] for detail in said[Silent.PARTIAL].details] == [
        "15 of 100 s"
    ] * 2


def test_a_batch_in_which_all_is_well_says_nothing(files: list[Path], tmp_path: Path) -> None:
    """No notice, in the plan neither."""
    cfg = summary(files, tmp_path, group("dyn", history("l1")))
    assert not notices(cfg, tmp_path / "out")
    assert not orcabatch.plan_batch(cfg, performance=performance(tmp_path)).notices


def test_gaps_are_those_that_pandas_counts() -> None:
    """None, NaN and columns without rows; what digitalmodel never fills in is none, but where a column is so called."""
    import pandas as pd

    frame = pd.DataFrame({"description": [None], "a": [float("nan")], "b": [1.0], "c": [None], "d": [""]})
    assert [gap.column for gap in gaps_of("summary", "g", frame)] == ["a", "c"]
    assert [gap.column for gap in gaps_of("summary", "g", frame, {"description"})] == ["description", "a", "c"]
    many = pd.DataFrame({"time": [0.0, 1.0, 2.0], "x": [1.0, float("nan"), float("nan")]})
    assert [(gap.missing, gap.rows, gap.whole) for gap in gaps_of("time_series", "g", many)] == [(2, 3, False)]
    assert [gap.whole for gap in gaps_of("time_series", "g", many[:0])] == [True, True]


# --- where it is said


@pytest.fixture(scope="module")
def cut_batch(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, orcabatch.BatchResult]:
    """A finished batch whose series are cut, in its folder."""
    folder = tmp_path_factory.mktemp("cut")
    cfg = with_output(series(short_first(files), folder), folder / "out")
    return folder / "out", orcabatch.run_batch(cfg, performance=performance(folder), progress=False)


def test_it_stands_in_result_metrics_and_on_top_of_the_report(cut_batch: tuple[Path, orcabatch.BatchResult]) -> None:
    """One value everywhere; the report begins with it, and links to it first."""
    _, result = cut_batch
    (notice,) = result.notices
    assert Notice.from_dict(result.metrics["notices"][0]) == notice
    Metrics.model_validate(result.metrics)
    page = render_report(result.metrics)
    assert page.index('id="notices"') < page.index('id="verdict"')
    assert page.index('href="#notices"') < page.index('href="#verdict"')
    assert "3 of 4 files end at 20 s" in page
    assert "3 of 4 files end at 20 s" in result._repr_html_()
    assert 'id="notices"' not in render_report({**result.metrics, "notices": []})


def test_it_is_logged_as_a_warning(files: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A script without a progress bar, and digitalmodel's own engine, show warnings."""
    cfg = with_output(series(short_first(files), tmp_path), tmp_path / "out")
    with caplog.at_level("WARNING", logger="orcabatch"):
        orcabatch.run_batch(cfg, performance=performance(tmp_path), progress=False)
    assert [record.levelname for record in caplog.records if "end at 20 s" in record.getMessage()] == ["WARNING"]


def test_the_proof_says_what_it_reproduced(cut_batch: tuple[Path, orcabatch.BatchResult]) -> None:
    """Identical does not mean right: the proven files are cut in digitalmodel's own run as well."""
    folder, result = cut_batch
    report = prove(folder, 2)
    assert report.equal
    text = report.to_text()
    assert "identical does not mean right" in text
    assert f"reproduced in 1 of the 2 proven files: {result.notices[0].text}" in text
    (said,) = report.to_dict()["notices"]
    assert (said["kind"], said["reproduced"], len(said["proven_files"])) == ("cut", True, 1)


def test_a_notice_survives_the_ledger(files: list[Path], tmp_path: Path) -> None:
    """What it is made of is kept with a file's result, and it is the same made again."""
    cfg = with_output(
        series(files, tmp_path, column("TimeHistory", "Line01", "nonsense", "x", **OPEN)), tmp_path / "out"
    )
    done = run(cfg, threads=1)
    for outcome in done.outcomes:
        kept = unpacked(decode(encode(packed(outcome.value, tmp_path / "out"))), tmp_path / "out")
        assert (kept.gaps, kept.complete, kept.simulated_to) == (
            outcome.value.gaps,
            outcome.value.complete,
            outcome.value.simulated_to,
        )
        assert kept.gaps
    assert [Notice.from_dict(notice.to_dict()) for notice in done.conclusion.notices] == list(done.conclusion.notices)
