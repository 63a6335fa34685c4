"""`result.to_xarray()`: case x name x time, each file with its own time axis."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from orcabatch.errors import SourceError
from orcabatch.results.written import WrittenTables
from results.test_table import outcome, result

pytest.importorskip("xarray", reason="the extra `xarray` is not installed")

CASES = {"a.sim": {"heading": 0, "seed": 1}, "b.sim": {"heading": 0, "seed": 2}, "c.sim": {"heading": 15, "seed": 1}}


def series(times, factor=1.0):
    return {"time": np.asarray(times, float), "T": factor * np.arange(len(times)), "M": np.ones(len(times))}


def test_files_with_the_same_times_share_the_dimension():
    """Load cases are coordinates of `case`, so that a heading is a selection and a mean over seeds a group."""
    made = result(
        outcome("a", series([0, 1])), outcome("b", series([0, 1], 3)), outcome("c", series([0, 1])), cases=CASES
    )
    array = made.to_xarray()
    assert array.dims == ("case", "name", "time")
    assert array.sel(case="b.sim", name="T", time=1) == 3.0
    assert list(array["heading"].to_numpy()) == [0, 0, 15]
    means = array.sel(name="T").groupby("heading").mean()
    assert list(means.sel(heading=0).to_numpy()) == [0.0, 2.0]


def test_each_file_keeps_its_own_times():
    """Nothing is cut, stretched or interpolated: beyond a file's end there is nothing."""
    array = result(outcome("a", series([0, 1, 2])), outcome("b", series([5, 5.5]))).to_xarray()
    assert array.dims == ("case", "name", "sample")
    assert list(array["time"].sel(case="b.sim").to_numpy()[:2]) == [5, 5.5]
    assert np.isnan(array["time"].sel(case="b.sim").to_numpy()[2])
    assert np.isnan(array.sel(case="b.sim", name="M").to_numpy()[2])
    assert list(array.sel(case="a.sim", name="T").to_numpy()) == [0, 1, 2]


def test_load_cases_may_be_dimensions():
    """One, or several that together tell the files apart; a place without a file is NaN."""
    outcomes = [outcome(name, series([0, 1], factor)) for name, factor in (("a", 1), ("b", 2), ("c", 3))]
    made = result(*outcomes, cases=CASES)
    array = made.to_xarray(by=["heading", "seed"])
    assert set(array.dims) == {"name", "time", "heading", "seed"}
    assert array.sel(heading=15, seed=1, name="T", time=1) == 3.0
    assert np.isnan(array.sel(heading=15, seed=2, name="T", time=1))
    two = result(outcomes[0], outcomes[2], cases=CASES)
    assert two.to_xarray(by="heading").sel(heading=15, name="T", time=1) == 3.0
    with pytest.raises(SourceError, match=r"a\.sim and b\.sim are one case by heading"):
        made.to_xarray(by="heading")
    with pytest.raises(SourceError, match="no column 'hading'; there are heading, seed"):
        made.to_xarray(by="hading")


def test_single_values_have_no_time_and_arrays_without_times_are_counted():
    """A mapping of numbers is case x name; an array has the numbers of its samples."""
    assert result(outcome("a", {"T": 1.0}), outcome("b", {"T": 2.0})).to_xarray().dims == ("case", "name")
    array = result(outcome("a", np.array([3.0, 4.0]))).to_xarray()
    assert array.dims == ("case", "name", "time")
    assert list(array["name"].to_numpy()) == ["value"]
    assert list(array["time"].to_numpy()) == [0, 1]


def test_the_column_of_times_may_be_named_and_text_is_left_out_with_a_word():
    """Of a DataFrame, say."""
    frame = pd.DataFrame({"seconds": [0.0, 2.0], "T": [1.0, 5.0], "state": ["p", "q"]})
    made = result(outcome("a", frame))
    with pytest.warns(UserWarning, match="not in the array, which holds floats: state"):
        array = made.to_xarray(time="seconds")
    assert array.sel(case="a.sim", name="T", time=2.0) == 5.0
    with pytest.raises(SourceError, match=r"no column 'second'\. Did you mean 'seconds'"):
        made.to_xarray(time="second")


def test_what_holds_no_numbers_or_no_results_says_so(monkeypatch):
    """And a missing xarray how to get it."""
    with pytest.raises(SourceError, match="no numbers"), pytest.warns(UserWarning, match="value"):
        result(outcome("a", "text")).to_xarray()
    with pytest.raises(SourceError, match="No file has results"):
        result().to_xarray()
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match="pip install xarray"):
        result(outcome("a", 1.0)).to_xarray()


def test_columns_called_as_the_array_has_something_of_its_own_are_prefixed():
    """Of the load cases: none is lost, each can become a dimension; where nothing is in its way it keeps its name."""
    own = {"case": 7, "time": 60, "sample": 4}
    cases = {"a.sim": {"name": "west", **own}, "b.sim": {"name": "east", **own}}
    single = result(outcome("a", {"T": 1.0}), outcome("b", {"T": 2.0}), cases=cases)
    assert list(single.to_xarray()["case_name"].to_numpy()) == ["west", "east"]
    assert [list(single.to_xarray()[name].to_numpy()) for name in ("case_case", "time", "sample")] == [
        [7, 7],
        [60, 60],
        [4, 4],
    ]
    assert single.to_xarray(by="name").sel(case_name="east", name="T") == 2.0
    timed = result(outcome("a", series([0, 1])), outcome("b", series([5, 6])), cases=cases).to_xarray()
    assert set(timed.coords) == {"case", "name", "time", "case_case", "case_name", "case_time", "case_sample"}
    both = result(
        outcome("a", series([0, 1])),
        outcome("b", series([0, 1], 3)),
        cases={"a.sim": {"name": 1, "seed": 1}, "b.sim": {"name": 1, "seed": 2}},
    )
    assert both.to_xarray(by=["name", "seed"]).sel(case_name=1, seed=2, name="T", time=1) == 3.0


def test_a_load_case_may_have_lists():
    """They stand in the coordinate as they are."""
    cases = {"a.sim": {"lines": [1, 2]}, "b.sim": {"lines": [3, 4]}}
    array = result(outcome("a", {"T": 1.0}), outcome("b", {"T": 2.0}), cases=cases).to_xarray()
    assert list(array["lines"].to_numpy()) == [[1, 2], [3, 4]]


def test_a_position_or_a_second_time_of_the_functions_own_is_kept():
    """Only what counts places is left out, and what is a file's own axis."""
    values = {"position": np.array([0.5, 1.5]), "T": np.array([1.0, 2.0])}
    array = result(outcome("a", values)).to_xarray()
    assert list(array.sel(case="a.sim", name="position").to_numpy()) == [0.5, 1.5]
    rows = {"time": np.array([0.0, 1.0]), "t": np.array([3.0, 4.0])}
    other = result(outcome("a", rows), outcome("b", {"t": np.array([0.0, 1.0])})).to_xarray()
    assert list(other.sel(case="a.sim", name="t").to_numpy()) == [3.0, 4.0]


def test_a_number_that_no_float_can_hold_is_left_out_with_a_word():
    """A seed of 64 bits would be another one."""
    made = result(outcome("a", {"seed": 2**60 + 1, "T": 1.0}), outcome("b", {"seed": 7, "T": 2.0}))
    with pytest.warns(UserWarning, match="not in the array, which holds floats: seed"):
        assert list(made.to_xarray()["name"].to_numpy()) == ["T"]


@pytest.mark.parametrize("nothing", [None, pd.NaT, pd.NA, np.ma.masked])
def test_nothing_in_a_file_is_no_number(nothing):
    """Whatever stands for it, in a column or as its time."""
    made = result(outcome("a", {"time": nothing, "T": nothing}), outcome("b", series([0, 1], 3)))
    array = made.to_xarray()
    assert np.isnan(array.sel(case="a.sim").to_numpy()).all()
    assert np.isnan(array["time"].sel(case="a.sim").to_numpy()).all()
    assert list(array["time"].sel(case="b.sim").to_numpy()) == [0.0, 1.0]


def test_no_times_are_invented_for_a_file_that_has_none():
    """Beside those of others its places would be taken for seconds."""
    made = result(outcome("a", {"T": np.array([5.0, 6.0])}), outcome("b", series([0, 0.5], 3)))
    array = made.to_xarray()
    assert np.isnan(array["time"].sel(case="a.sim").to_numpy()).all()
    assert list(array.sel(case="a.sim", name="T").to_numpy()) == [5.0, 6.0]


def test_what_is_called_as_times_are_and_is_none_is_no_time():
    """Dates and texts are left out with a word, and refused where they are asked for."""
    made = result(outcome("a", {"t": np.array(["2020-01-01", "2020-01-02"], "M8[s]"), "T": np.array([1.0, 2.0])}))
    with pytest.warns(UserWarning, match="not in the array, which holds floats: t"):
        assert list(made.to_xarray()["time"].to_numpy()) == [0, 1]
    with pytest.raises(SourceError, match="'t' holds no times"):
        made.to_xarray(time="t")


def test_a_summary_is_taken_by_its_label_where_there_are_several(tmp_path):
    """The first of them would be taken for all; time series of that label come before it."""
    tables = {name: tmp_path / f"{name}.csv" for name in ("dyn", "env")}
    for name, table in tables.items():
        table.write_text(f"fe_filename,fe_filename_stem,{name}\n/sims/a.sim,a,1.5\n")
    columns = ("fe_filename", "fe_filename_stem")
    made = replace(result(), written=WrittenTables(tables, file_columns=columns))
    with pytest.raises(SourceError, match=r"several summaries\. Its summaries: dyn, env"):
        made.to_xarray()
    assert list(made.to_xarray("env")["name"].to_numpy()) == ["env"]
    with pytest.raises(SourceError, match="no time series 'evn'"):
        made.to_xarray("evn")
