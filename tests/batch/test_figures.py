"""What results say in figures: minimum, maximum, mean and governing file of every column, whatever its shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orcabatch.batch.figures import figures
from orcabatch.outcome import FileOutcome, Status


def ended(index: int, value: object, status: Status = Status.OK) -> FileOutcome:
    """A file that returned this."""
    return FileOutcome(file=Path(f"/sims/case_{index}.sim"), batch="b", status=status, value=value, index=index)


def columns(*values: object) -> dict[str, tuple[float, int, float, int, float, int]]:
    """Minimum, its file, maximum, its file, mean, files of each column of what files returned."""
    made = figures([ended(n, value) for n, value in enumerate(values)], lambda file: {"": file.value}, {})
    keys = ("minimum", "minimum_file", "maximum", "maximum_file", "mean", "files")
    return {one["name"]: tuple(one[key] for key in keys) for table in made for one in table["columns"]}


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
        ((None, "text", True, [], {}), {}),
    ],
    ids=["numbers", "mappings", "rows", "arrays", "shape (2, 2)", "no numbers"],
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
        ("heading", 0, 2, [largest | {"maximum": 7.0, "file": 2}]),
        ("heading", 90, 2, [largest | {"maximum": 9.0, "file": 1}]),
        ("heading", None, 1, [largest | {"maximum": 1.0, "file": 4}]),
        ("berth", "pb", 4, [largest | {"maximum": 9.0, "file": 1}]),
        ("berth", None, 1, [largest | {"maximum": 1.0, "file": 4}]),
    ]


def test_files_without_results_have_no_figures():
    """Their places are counted all the same, so that a place is the row of the file."""
    files = [ended(0, None, Status.FAILED), ended(1, 4.0), ended(2, 6.0)]
    (table,) = figures(files, lambda file: {"": file.value}, {})
    (column,) = table["columns"]
    assert (column["maximum_file"], column["values"]) == (2, [None, 4.0, 6.0])
