"""The broker's comparison: what it counts is exact, and what it reports is what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("digitalmodel", reason="digitalmodel itself is compared with: install orcabatch[digitalmodel]")

from benchmarks.broker import ON, Bench, Measured, compare, to_markdown, written
from orcabatch.bench.workloads import SpecifiedConfiguration

FILES = 3


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


def after(bench: Bench, case: SpecifiedConfiguration) -> Measured:
    """orcabatch over the case, one file after the other; every file costs the same number of passes."""
    done = bench.run(case, ON)
    assert done.files == case.files
    for once in ("C_GetMultipleTimeHistoriesW", "C_GetTimeHistory2W", "C_EnumerateObjectsW", "C_LoadSimulationW"):
        assert done.calls[once] == case.files, once
    assert done.passes == 2 * case.files
    return done


def test_96_columns_over_300_objects_take_a_thousandth_of_the_calls(bench: Bench) -> None:
    """A joint request and its check instead of 96 passes over the log; each variable's number is asked once."""
    case = SpecifiedConfiguration("96 / 300", 96, 300, FILES)
    before = bench.run(case, None, files=1)
    assert before.passes == 96
    done = after(bench, case)
    assert done.calls["C_GetVarIDW"] == 48 * FILES
    assert before.calls_per_file > 1000 * done.calls_per_file


def test_96_columns_over_10_objects_take_a_hundredth_of_the_calls(bench: Bench) -> None:
    """With few objects the list of all of them weighs less."""
    case = SpecifiedConfiguration("96 / 10", 96, 10, FILES)
    assert bench.run(case, None, files=1).calls_per_file > 100 * after(bench, case).calls_per_file


def test_series_take_two_passes_instead_of_one_per_column(bench: Bench) -> None:
    """What remains of the calls is the number of each variable, and a dozen more."""
    files = 2 * FILES  # a session's own calls are shared by its files
    case = SpecifiedConfiguration("series", 24, 26, files, series=True, samples=101)
    before = bench.run(case, None, files=1)
    assert before.passes == 24
    done = after(bench, case)
    assert done.calls["C_GetVarIDW"] == 24 * files
    assert done.calls_per_file - 24 < 16
    assert before.calls_per_file > 6 * done.calls_per_file


def test_one_column_is_asked_as_without_a_broker(bench: Bench) -> None:
    """A single question has no group: it is asked singly, and not checked."""
    case = SpecifiedConfiguration("1 / 1", 1, 1, FILES)
    done = bench.run(case, ON)
    assert done.passes == FILES
    assert "C_GetMultipleTimeHistoriesW" not in done.calls
    assert done.calls_per_file < bench.run(case, None, files=1).calls_per_file


def test_the_report_holds_every_case_and_ratio(bench: Bench) -> None:
    """One round over one small case, and the tables that are made of it."""
    case = SpecifiedConfiguration("4 columns, 3 objects", 4, 3, 2)
    compared = compare(bench, case, 1)
    assert compared["digitalmodel"]["passes_per_file"] == 4
    assert compared["broker off"]["passes_per_file"] == 4
    assert compared["broker on"]["passes_per_file"] == 2
    assert compared["ratios"]["calls_per_file"] > 1
    costs = {"costs": "SSD", "joint passes": "one", "1 thread": 4.0, "8 threads": 1.0, "faster": 4.0}
    text = to_markdown(
        {"rounds": 1, "cpus": 2, "load_average": 0.5, "cases": [compared], "with_costs": [costs],
         "nothing_but_python": [{"how": "1 thread", "wall ms per file": 3.0}]}
    )  # fmt: skip
    assert "| 4 columns, 3 objects |" in text
    assert "| SSD | one | 4.0 | 1.0 | 4.0 |" in text
    assert f"{compared['ratios']['cpu_ms']:.1f}x" in text


def test_a_side_that_fails_says_why(bench: Bench, tmp_path: Path) -> None:
    """The comparison ends with the process' last words."""
    with pytest.raises(RuntimeError, match="no_such_key"):
        bench.run(SpecifiedConfiguration("1 / 1", 1, 1, FILES), {**ON, "no_such_key": 1})


@pytest.mark.parametrize("objects", [1, 3, 10, 26, 300])
def test_a_case_has_as_many_objects_as_it_says(objects: int, tmp_path: Path) -> None:
    """General and Environment, which every model has, are counted; there is always a line to ask."""
    case = SpecifiedConfiguration("x", 4, objects, 1)
    assert len(case.model()) + 2 == max(objects, 3)
    cfg, files = written(case, tmp_path)
    assert len(files) == 1
    assert len({column["Label"] for column in cfg["summary_settings"]["groups"][0]["Columns"]}) == 4
