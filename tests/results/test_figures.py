"""What results say in figures: minimum, maximum, mean and governing file of every column, whatever its shape."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from orcabatch.outcome import FileOutcome, Status
from orcabatch.results.figures import MOST_BY_CASE, MOST_CHARTED, Gathered, figures


def ended(index: int, value: object, status: Status = Status.OK) -> FileOutcome:
    """A file that returned this."""
    return FileOutcome(file=Path(f"/sims/case_{index}.sim"), batch="b", status=status, value=value, index=index)


def columns(*values: object) -> dict[str, tuple[float, int, float, int, float, int]]:
    """Minimum, its file, maximum, its file, mean, files of each column of what files returned."""
    made = figures([ended(n, value) for n, value in enumerate(values)], lambda file: {"": file.value}, {})
    keys = ("minimum", "minimum_file", "maximum", "maximum_file", "mean", "files")
    return {one["name"]: tuple(one[key] for key in keys) for table in made for one in table["columns"]}


class Point(NamedTuple):
    """A class of the function's own that changes nothing of how it is read."""

    x: float


class Counting(list):
    """One that does."""

    def __iter__(self):
        raise AssertionError("a plain loop does not look into what it collects")


def test_code_of_the_functions_own_does_not_run_to_look_at_a_value() -> None:
    """It counts, or raises what looks like Ctrl-C in the caller's thread; what stands beside it has its figures."""
    assert columns({"a": 1.0, "own": Counting([2.0])}, Counting([3.0])) == {"a": (1.0, 0, 1.0, 0, 1.0, 1)}


def frame(**cells: object):
    """A DataFrame."""
    return pytest.importorskip("pandas", reason="the extra orcabatch[results] has it").DataFrame(cells)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((2.0, 5, 3.5), {"value": (2.0, 0, 5.0, 1, 3.5, 3)}),
        (
            ({"a": 1.0, "name": "x"}, {"a": 3.0, "b": {"c": 7}}),
            {"a": (1.0, 0, 3.0, 1, 2.0, 2), "b.c": (7, 1, 7, 1, 7, 1)},
        ),
        (([{"a": 1.0}, {"a": 5.0}], [{"a": 3.0}]), {"a": (1.0, 0, 5.0, 0, 3.0, 2)}),
        (({"t": np.array([1.0, np.nan, 4.0])}, {"t": [0.0, "none"]}), {"t": (0.0, 1, 4.0, 0, 5 / 3, 2)}),
        ((np.array([[1.0, 2.0], [3.0, 4.0]]),), {"value_0": (1, 0, 3, 0, 2, 1), "value_1": (2, 0, 4, 0, 3, 1)}),
        (
            (OrderedDict(a=np.float64(1.0), of=object()), Point(2.0)),
            {"a": (1.0, 0, 1.0, 0, 1.0, 1), "value": (2, 1, 2, 1, 2, 1)},
        ),
        ((np.ma.masked_array([1.0, 99.0, 3.0], [0, 1, 0]),), {"value": (1, 0, 3, 0, 2, 1)}),
        ((None, "text", True, [], {}), {}),
    ],
    ids=["numbers", "mappings", "rows", "arrays", "shape (2, 2)", "classes beside them", "masked", "no numbers"],
)
def test_values_of_every_usual_shape_have_figures(values, said):
    """Only numbers count; what is none leaves no trace, and a file stands for its place."""
    found = columns(*values)
    assert found.keys() == said.keys()
    assert all(found[name] == pytest.approx(said[name]) for name in said)


def test_frames_have_the_figures_of_their_columns():
    """One row each, as a summary has; several rows; text and empty cells between numbers."""
    one = [frame(name=["a.sim"], tension=[900.0], gap=[np.nan]), frame(name=["b.sim"], tension=[1200.0], gap=[1.0])]
    assert columns(*one) == {"tension": (900.0, 0, 1200.0, 1, 1050.0, 2), "gap": (1.0, 1, 1.0, 1, 1.0, 1)}
    assert columns(frame(x=[1, 2, 6]), frame(x=[3])) == {"x": (1.0, 0, 6.0, 0, 3.0, 2)}


def test_a_value_of_one_row_is_taken_whole():
    """Not cell by cell: 5,000 files of 900 columns took 15 seconds so."""
    for value in ({"tension": 1.0, "name": "a", "gap": None}, frame(tension=[1.0], name=["a"], gap=[np.nan])):
        gathered = Gathered()
        gathered.add(0, value)
        assert (len(gathered.single), gathered.reduced) == (1, {})
        assert gathered.columns()["tension"].high.tolist() == [1.0]


def test_a_value_that_cannot_be_looked_at_costs_only_itself():
    """A function may return any object."""

    class Hostile:
        columns = property(lambda self: 1 / 0)

    assert columns(1.0, Hostile(), 3.0) == {"value": (1.0, 0, 3.0, 2, 2.0, 2)}


def test_load_cases_group_the_largest_values():
    """By each column of the cases that has several values; a file without a case stands under none."""
    cases = {f"case_{n}.sim": {"heading": n % 2 * 90, "berth": "pb"} for n in range(4)}
    files = [ended(n, {"tension": float(value)}) for n, value in enumerate((5, 9, 7, 3, 1))]
    (table,) = figures(files, lambda file: {"": file.value}, cases)
    said = [(group["case"], group["value"], group["files"], group["maxima"]) for group in table["cases"]]
    largest = {"column": "tension"}
    assert said == [
        ("heading", 0, 2, [largest | {"maximum": 7.0, "file": 2, "files": 2}]),
        ("heading", 90, 2, [largest | {"maximum": 9.0, "file": 1, "files": 2}]),
        ("heading", None, 1, [largest | {"maximum": 1.0, "file": 4, "files": 1}]),
        ("berth", "pb", 4, [largest | {"maximum": 9.0, "file": 1, "files": 4}]),
        ("berth", None, 1, [largest | {"maximum": 1.0, "file": 4, "files": 1}]),
    ]


def test_a_column_with_another_text_for_almost_each_file_groups_nothing():
    """A remark, with less than two files a group on average; a file of two batches is one. Numbers make a curve."""
    cases = {f"case_{n}.sim": {"heading": n % 2, "text": f"case {n}", "last": n // 3, "three": n % 3} for n in range(4)}
    files = [ended(n, {"tension": float(n)}) for n in range(4)]
    twice = [*files, *(replace(file, batch="other") for file in files)]
    for outcomes in (files, twice):
        tables = figures(outcomes, lambda file: {"": file.value}, cases)
        assert {group["case"] for table in tables for group in table["cases"]} == {"heading", "last", "three"}


def by_heading(values: list[object], headings: list[int]) -> dict[str, object]:
    """The one table of what files returned, None being a file that failed."""
    cases = {f"case_{n}.sim": {"heading": heading} for n, heading in enumerate(headings)}
    files = [ended(n, value, Status.FAILED if value is None else Status.OK) for n, value in enumerate(values)]
    (table,) = figures(files, lambda file: {"": file.value}, cases, {files[0].batch: ["fe_filename_length"]})
    return table


def test_every_column_has_its_largest_values_by_load_case():
    """Also the twentieth, and one that is the same everywhere; charts end sooner, and what is no result has none."""
    names = ["stop_time", "fe_filename_length", *(f"line{n}" for n in range(20)), "same"]
    rows = [{name: 1.0 if name == "same" else float(n + k) for k, name in enumerate(names)} for n in range(4)]
    table = by_heading(rows, [0, 0, 90, 90])
    assert all({one["column"] for one in group["maxima"]} == set(names[2:]) for group in table["cases"])
    charted = [one["name"] for one in table["columns"] if one["values"]]
    assert charted == [f"line{n}" for n in range(MOST_CHARTED)]


def test_beyond_the_bound_columns_that_are_no_results_give_way():
    """The order is the table's own for all others."""
    names = ["stop_time", *(f"line{n}" for n in range(MOST_BY_CASE + 5))]
    table = by_heading([dict.fromkeys(names, float(n)) for n in range(4)], [0, 90, 0, 90])
    assert [one["column"] for one in table["cases"][0]["maxima"]] == names[1 : MOST_BY_CASE + 1]
    assert len(table["columns"]) == len(names)


def test_what_is_folded_has_the_same_figures(monkeypatch):
    """Of 5,000 files of 900 columns their extremes are kept, not 4.5 million numbers; no figure is another."""
    draw = np.random.default_rng(7)
    names = ["stop_time", *(f"line{n}" for n in range(MOST_BY_CASE + 3)), "empty", "endless"]
    rows = [dict(zip(names, map(float, draw.normal(size=len(names))), strict=True)) for _ in range(40)]
    for n, row in enumerate(rows):
        row["empty"] = float("nan")
        row["endless"] = [float("inf"), float("-inf"), 1.0][n % 3]
        row["line61" if n % 2 else "line1"] = float("nan")
    values = [*rows[:20], {"line62": [3.0, -9.0]}, *rows[20:], {"other": 1.0}]
    headings = [n % 4 for n in range(len(values))]
    whole = by_heading(values, headings)
    monkeypatch.setattr("orcabatch.results.figures.FOLDED", 7)
    folded = by_heading(values, headings)
    for one, other in zip(whole["columns"], folded["columns"], strict=True):
        assert one.pop("mean") == pytest.approx(other.pop("mean"), rel=1e-12, nan_ok=True)
    assert folded == whole


@pytest.mark.parametrize("folded", [1, 2, 500])
@pytest.mark.parametrize("kept", [0, 60])
def test_infinities_beside_missing_numbers_are_the_extremes(monkeypatch, folded, kept):
    """The logarithm of zero, and a file without a peak, are all that there is; of both infinities there is no mean."""
    monkeypatch.setattr("orcabatch.results.figures.FOLDED", folded)
    monkeypatch.setattr("orcabatch.results.figures.MOST_BY_CASE", kept)
    inf, none = np.inf, np.nan
    assert columns({"a": none}, {"a": -inf}, {"a": none}) == {"a": (-inf, 1, -inf, 1, -inf, 1)}
    assert columns({"a": none}, {"a": inf}, {"a": none}) == {"a": (inf, 1, inf, 1, inf, 1)}
    for rows in ({"a": [inf, -inf]}, frame(a=[inf, -inf])):
        (low, _, high, _, mean, files) = columns({"a": 1.0}, rows, {"a": none})["a"]
        assert (low, high, files, np.isnan(mean)) == (-inf, inf, 2, True)
    groups = by_heading([{"a_min": none}, {"a_min": -inf}, {"a_min": none}, {"a_min": inf}], [0, 0, 90, 90])["cases"]
    found = [
        (one["maximum"], one["file"], one["minimum"], one["minimum_file"]) for each in groups for one in each["maxima"]
    ]
    assert found == ([(-inf, 1, -inf, 1), (inf, 3, inf, 3)] if kept else [])


def test_files_of_a_load_case_are_those_that_have_a_number():
    """As in `BatchResult.governing`: failed files and NaN are none of them; a column says its own count."""
    values = [{"a": 1.0, "b": 2.0}, None, {"a": float("nan")}, {"a": 3.0}, None]
    table = by_heading(values, [0, 0, 0, 0, 90])
    said = [(group["value"], group["files"], [one["files"] for one in group["maxima"]]) for group in table["cases"]]
    assert said == [(0, 2, [2, 1]), (90, 0, [])]


def test_files_without_results_have_no_figures():
    """Their places are counted all the same, so that a place is the row of the file."""
    files = [ended(0, None, Status.FAILED), ended(1, 4.0), ended(2, 6.0)]
    (table,) = figures(files, lambda file: {"": file.value}, {})
    (column,) = table["columns"]
    assert (column["maximum_file"], column["values"]) == (2, [None, 4.0, 6.0])


def test_a_column_that_is_called_a_minimum_has_its_smallest_value_by_load_case_too():
    """Of several rows the smallest; other columns have the largest alone."""
    values = [{"top_Min": [5.0, 2.0], "top_max": [9.0]}, {"top_Min": [4.0, 3.0]}, {"top_Min": float("nan")}]
    table = by_heading([*values, {"top_Min": 7.0}], [0, 0, 0, 90])
    (first, largest), (second,) = (group["maxima"] for group in table["cases"])
    assert (first["maximum"], first["file"], first["minimum"], first["minimum_file"]) == (5.0, 0, 2.0, 0)
    assert (second["minimum"], second["minimum_file"]) == (7.0, 3)
    assert "minimum" not in largest


def test_the_chart_of_a_minimum_has_the_smallest_of_each_file():
    """What governs is charted, also where the files' largest values are all the same."""
    files = [ended(0, {"t_min": [5.0, 2.0], "t_max": 5.0}), ended(1, {"t_min": [5.0, 3.0], "t_max": 6.0})]
    (table,) = figures(files, lambda file: {"": file.value}, {})
    assert [(one["largest"], one["values"]) for one in table["columns"]] == [(False, [2.0, 3.0]), (True, [5.0, 6.0])]
