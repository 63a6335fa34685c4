"""Values of any usual shape as one table, saved in the formats of engineers."""

from __future__ import annotations

import re
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import polars
import pytest

from orcabatch.errors import OutputError, SourceError
from orcabatch.notice import Notice, Silent
from orcabatch.outcome import FileOutcome, Status
from orcabatch.results.result import BatchResult
from orcabatch.results.save import EXCEL_ROWS, Shape, save, save_pieces, summary_files
from orcabatch.results.table import frame_of, read_csv
from orcabatch.results.written import WrittenTables
from orcabatch.store import paths


def outcome(name: str, value: object, status: Status = Status.OK, batch: str = "f") -> FileOutcome:
    return FileOutcome(Path(f"/sims/{name}.sim"), batch, status, value)


def from_parquet(path: Path) -> pd.DataFrame:
    return pd.DataFrame(polars.read_parquet(path).to_dict(as_series=False))


def result(*outcomes: FileOutcome, cases: dict[str, dict[str, object]] | None = None) -> BatchResult:
    return BatchResult(outcomes, None, cases=cases or {})  # type: ignore[arg-type]


SHAPES = {
    "a number": (1.5, {"value": [1.5]}),
    "a mapping": ({"a": 1, "b": "x"}, {"a": [1], "b": ["x"]}),
    "mappings in a mapping": ({"l1": {"max": 2.0, "min": 1.0}, "n": 3}, {"l1.max": [2.0], "l1.min": [1.0], "n": [3]}),
    "arrays in a mapping": ({"t": np.array([0, 0.1]), "x": [5, 6], "h": 7}, {"t": [0, 0.1], "x": [5, 6], "h": [7, 7]}),
    "a list of mappings": ([{"a": 1}, {"a": 2}], {"a": [1, 2]}),
    "an array": (np.array([3.0, 4.0]), {"position": [0, 1], "value": [3.0, 4.0]}),
    "a table of numbers": (np.array([[1, 2], [3, 4]]), {"position": [0, 1], "value_0": [1, 3], "value_1": [2, 4]}),
    "a structured array": (np.array([(1, 2.0)], dtype=[("n", int), ("x", float)]), {"n": [1], "x": [2.0]}),
    "a series": (pd.Series({"a": 1, "b": 2}), {"a": [1], "b": [2]}),
    "a frame": (pd.DataFrame({"a": [1, 2]}), {"a": [1, 2]}),
    "a frame with an index": (pd.DataFrame({"a": [1, 2]}, index=["p", "q"]), {"position": ["p", "q"], "a": [1, 2]}),
    "an empty list": ([], {"position": [], "value": []}),
    "nothing found, and single values": ({"max": 9.0, "peaks": []}, {"max": [9.0], "peaks": [None]}),
    "a list of kinds": ([1, "a"], {"position": [0, 1], "value": [1, "a"]}),
    "keys that meet when spread": ({"a.b": 1, "a": {"b": 2}}, {"a.b": [1], "value_a.b": [2]}),
    "a series with a name twice": (pd.Series([1, 2], index=["a", "a"]), {"a": [1], "value_a": [2]}),
    "a frame with a name twice": (pd.DataFrame([[1, 2]], columns=["a", "a"]), {"a": [1], "value_a": [2]}),
    "a frame whose index is a column too": (
        pd.DataFrame({"t": [1]}, index=pd.Index([5], name="t")), {"t": [5], "value_t": [1]},
    ),
    "columns of two levels": (
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", "y")])), {"a.1": [1], "a.y": [2]},
    ),
    "a number in an array": (np.array(5.0), {"value": [5.0]}),
    "a masked number": (np.ma.array([3.0], mask=[True]).max(), {"value": [None]}),
    "masked numbers": ({"m": np.ma.array([3.0], mask=[True]).max(), "n": np.ma.array(2)}, {"m": [None], "n": [2]}),
    "a frame every ten metres": (
        pd.DataFrame({"a": [1, 2]}, index=range(0, 20, 10)), {"position": [0, 10], "a": [1, 2]},
    ),
    "the last row of a frame": (pd.DataFrame({"a": [1, 2]}).tail(1), {"position": [1], "a": [2]}),
    "a frame of nodes": (
        pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(2, name="node")), {"node": [0, 1], "a": [1, 2]},
    ),
    "keys of two levels": ({("a", 1): np.arange(2), ("a", "y"): [5, 6]}, {"a.1": [0, 1], "a.y": [5, 6]}),
    "keys that are missing": ({None: 1, float("nan"): 2}, {"None": [1], "nan": [2]}),
}  # fmt: skip


def test_a_value_with_outputs_of_its_own_is_a_value_like_others():
    """Which tables a batch wrote is its own to say; what a function returns may have attributes of any name."""
    value = types.SimpleNamespace(outputs=3)
    made = result(outcome("a", value))
    assert made.table()["value"].tolist() == [value]
    with pytest.raises(SourceError, match="no time series"):
        made.time_series("x")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_value_of_a_usual_shape_becomes_rows_and_columns(shape):
    """As the docstring of the module says."""
    value, expected = SHAPES[shape]
    assert frame_of(value).to_dict("list") == expected


def test_arrays_that_do_not_belong_side_by_side_stay_as_they_are():
    """Nothing is cut or repeated to fit."""
    frame = frame_of({"a": np.arange(2), "b": np.arange(3)})
    assert len(frame) == 1
    assert list(frame["b"][0]) == [0, 1, 2]


STRUCTURES = np.zeros((1, 2), [("a", int), ("b", float)])


@pytest.mark.parametrize(
    "value",
    [
        [np.zeros(2), np.zeros(3)],
        np.zeros((2, 2, 2)),
        [np.zeros((2, 2))],
        STRUCTURES,
        np.zeros(2, [("a", int), ("b", STRUCTURES.dtype)]),
        np.zeros(2, [("a", int), ("b", float, 2)]),
        np.ma.array(STRUCTURES[0], mask=[(True, False), (False, False)]),
        np.array([1], "m8"),
    ],
)
def test_what_is_no_table_stands_as_it_is(value):
    """Arrays of several lengths or of more dimensions, and what pandas cannot take apart: the other files have rows."""
    frame = frame_of(value)
    assert list(frame.columns) == ["value"]
    assert frame["value"][0] is value
    assert result(outcome("a", value), outcome("b", {"x": 1.5})).table()["x"].tolist()[1:] == [1.5]


def test_files_of_one_name_in_two_folders_are_two_files():
    """They have their paths in the table, so that neither takes the other's place among the seeds."""
    files = [Path(f"/{folder}/a.sim") for folder in ("hwl", "lwl")]
    made = result(
        *(FileOutcome(file, "f", Status.OK, {"T": n}) for n, file in enumerate(files)), outcome("b", {"T": 2})
    )
    assert list(made.table()["file"]) == [*map(str, files), "b.sim"]
    assert made.governing("T").to_dict("records")[0]["files"] == 3


def test_every_row_has_its_file_and_its_load_case_beside_it():
    """Files without results have no row, a file with three rows has three; a key that names a column is prefixed."""
    table = result(
        outcome("a", [{"x": 1, "file": "mine"}, {"x": 2}]),
        outcome("b", None, Status.FAILED),
        outcome("c", {"x": 3}),
        cases={"a.sim": {"heading": 0}, "c.sim": {"heading": 15}},
    ).table()
    assert list(table.columns) == ["file", "heading", "x", "value_file"]
    assert list(table["file"]) == ["a.sim", "a.sim", "c.sim"]
    assert list(table["heading"]) == [0, 0, 15]
    assert list(table["x"]) == [1, 2, 3]


def test_files_of_several_batches_are_told_apart():
    """One column more, only where it says something."""
    table = result(outcome("a", 1.0, batch="one"), outcome("a", 2.0, batch="two")).table()
    assert list(table["batch"]) == ["one", "two"]


def test_a_batch_without_results_is_an_empty_table():
    """Not an error: `failed` says why."""
    assert len(result(outcome("a", None, Status.FAILED)).table()) == 0


def test_all_values_survive_parquet_and_csv_to_the_last_bit(tmp_path):
    """Written whole, read back equal."""
    made = result(outcome("a", {"x": 0.1 + 0.2, "n": 3}), outcome("b", {"x": 1e-300, "n": 4}))
    for name, read in (("r.parquet", from_parquet), ("r.csv", pd.read_csv), ("r.xlsx", pd.read_excel)):
        where = made.save(tmp_path / name)
        assert where.read_bytes()
        back = read(where)
        assert list(back["n"]) == [3, 4]
        if name != "r.xlsx":
            pd.testing.assert_frame_equal(back, made.table(), check_exact=True, check_dtype=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.parquet", "r.xlsx"]


LARGE = 2**60 + 1
"""No float is this number."""


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"n": LARGE}, {"m": 1}, [LARGE, None]),
        ({"n": LARGE}, {"n": 1.5}, [LARGE, 1.5]),
        ({"n": LARGE}, {"n": None}, [LARGE, None]),
        ({"n": [LARGE, None]}, {"n": 2}, [LARGE, None, 2]),
        ({"n": np.uint64(2**63 + 5)}, {"n": np.int64(-3)}, [2**63 + 5, -3]),
    ],
)
def test_a_whole_number_that_no_float_can_hold_is_never_rounded(tmp_path, first, second, expected):
    """Where another file has none, or a fraction: pandas makes floats of such a column; a load case's seed alike."""
    cases = {"a.sim": {"seed": LARGE}, "b.sim": {}}
    made = result(outcome("a", first), outcome("b", second), cases=cases)
    table = made.table()
    assert [None if pd.isna(each) else each for each in table["n"]] == expected
    assert table["seed"].iloc[0] == LARGE
    assert str(expected[0]) in made.save(tmp_path / "r.csv").read_text()
    sheet = openpyxl.load_workbook(made.save(tmp_path / "r.xlsx")).active
    assert str(expected[0]) in [str(cell.value) for row in sheet for cell in row]  # as a text: a sheet has 15 digits


def test_a_large_whole_number_is_not_rounded_in_the_table_of_files_either():
    """One failed file is enough for pandas to make floats of it."""
    frame = result(outcome("a", {"seed": LARGE}), outcome("b", None, Status.FAILED)).to_dataframe()
    assert frame["seed"].tolist()[0] == LARGE
    assert list(frame.columns[-2:]) == ["seed", "value"]


@pytest.mark.parametrize("items", [[np.int32(2**24 + 1), np.float32(0.1)], [np.float16(0.1), np.int16(2**11 + 1)]])
@pytest.mark.parametrize("wrapped", [lambda items: items, lambda items: {"value": items}])
def test_a_whole_number_beside_a_short_float_is_not_rounded(items, wrapped):
    """In a list pandas makes the shortest floats of numpy's numbers; in arrays, and of several files, larger ones."""
    assert result(outcome("a", wrapped(items))).table()["value"].tolist() == items
    apart = result(outcome("a", wrapped(items[:1])), outcome("b", wrapped(items[1:]))).table()
    assert apart["value"].tolist() == items


EARLY, EXACT = pd.Timestamp("1600-01-01").as_unit("s"), pd.Timestamp("2020-01-01 00:00:00.000000001")
LONG, SHORT = pd.Timedelta(300 * 365, "D").as_unit("s"), pd.Timedelta(1, "ns")


@pytest.mark.parametrize("apart", [True, False], ids=["of two files", "of one"])
@pytest.mark.parametrize(
    ("kind", "both"),
    [
        (pd.Timestamp, [EARLY, EXACT]),
        (pd.Timestamp, [EARLY.to_datetime64(), EXACT.to_datetime64()]),
        (pd.Timestamp, [EARLY.tz_localize("UTC"), EXACT.tz_localize("UTC")]),
        (pd.Timedelta, [LONG, SHORT]),
        (pd.Timedelta, [SHORT.to_timedelta64(), LONG.to_timedelta64()]),
    ],
)
def test_times_that_nanoseconds_do_not_reach_may_stand_beside_nanoseconds(tmp_path, kind, both, apart):
    """Those end in 1677 and 2262, or after 292 years: pandas joins no such columns, and one date cost the table."""
    values = [{"t": each} for each in both] if apart else [{"t": both}]
    made = result(*(outcome(str(n), value) for n, value in enumerate(values)))
    assert list(map(kind, made.table()["t"])) == list(map(kind, both))
    assert re.search(r"00000001\b|,1 nanoseconds\n", made.save(tmp_path / "r.csv").read_text())
    with pytest.raises(OutputError, match="'t' holds times that Parquet would cut to microseconds"):
        made.save(tmp_path / "r.parquet")
    pieces = [result(outcome(str(n), value)).table() for n, value in enumerate(values)]
    shape = Shape()
    for piece in pieces:
        shape.widen(piece)
    assert save_pieces(pieces, shape, tmp_path / "p.csv").read_text() == (tmp_path / "r.csv").read_text()


@pytest.mark.parametrize("number", [0, 1.5, np.nan])
@pytest.mark.parametrize("truth", [True, np.bool_(True)])
def test_a_truth_among_numbers_stays_one(tmp_path, truth, number):
    """In frames of several columns pandas makes 1.0 of it, and openpyxl 1 of numpy's."""
    made = result(outcome("a", {"ok": number, "n": 1}), outcome("b", {"ok": truth, "n": truth}))
    assert [type(each) for each in made.table()["ok"]][1] in {bool, np.bool_}
    assert made.save(tmp_path / "r.csv").read_text().splitlines()[2] == "b.sim,True,True"
    sheet = openpyxl.load_workbook(made.save(tmp_path / "r.xlsx")).active
    assert [cell.value for cell in sheet[3]] == ["b.sim", True, True]
    assert [cell.data_type for cell in sheet[3]] == ["s", "b", "b"]


@pytest.mark.parametrize("value", [{True: 1, False: 2}, {True: 1}, {True: None, False: 2}])
def test_columns_may_be_called_true_and_false(tmp_path, value):
    """A list of such names is no choice of rows."""
    made = result(outcome("a", value), outcome("b", value))
    assert made.save(tmp_path / "r.csv").read_text().splitlines()[1:] == [
        ",".join([f"{name}.sim", *("" if item is None else str(item) for item in value.values())]) for name in "ab"
    ]


THIRDS = np.arange(2000) / 3


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ({"h": THIRDS, "other": [1, 2]}, THIRDS),
        ({"h": THIRDS.reshape(2, -1)}, THIRDS),
        ({"h": [[THIRDS]]}, THIRDS),
        ({"h": pd.Series(THIRDS)}, THIRDS),
        ({"h": pd.DataFrame({"a": THIRDS, "b": -THIRDS})}, np.stack([THIRDS, -THIRDS], axis=1).ravel()),
    ],
)
def test_an_array_or_a_table_in_a_cell_is_a_text_of_all_its_numbers(tmp_path, value, numbers):
    """Arrays that are not side by side stand in a cell; printed they are shortened, in length and in digits."""
    made = result(outcome("a", value))
    texts = [pd.read_csv(made.save(tmp_path / "r.csv"))["h"][0]]
    if texts[0].count("\n") < 100 and len(texts[0]) > 32_767:
        with pytest.raises(OutputError, match="does not fit into a cell"):
            made.save(tmp_path / "r.xlsx")
    found = [float(word) for word in re.findall(r"-?\d+\.\d*(?:e[+-]\d+)?", texts[0])]
    assert found == numbers.tolist()


def test_a_carriage_return_in_a_text_ends_no_row(tmp_path):
    """What a program wrote over its own line, say; Python quotes other line ends only."""
    made = result(outcome("a", {"said": "1%\r2%", "x": 0.1}), outcome("b", {"said": None, "x": 1 / 3}))
    back = pd.read_csv(made.save(tmp_path / "r.csv"))
    assert back["file"].tolist() == ["a.sim", "b.sim"]
    assert back["said"][0] == "1%\r2%"
    assert pd.isna(back["said"][1])
    assert back["x"].tolist() == [0.1, 1 / 3]
    named = result(outcome("a", {"peak\rheave": 0.1})).save(tmp_path / "named.csv")
    assert list(pd.read_csv(named).columns) == ["file", "peak\rheave"]


def test_half_a_letter_costs_no_table(tmp_path):
    """The name of a file in another encoding: it is escaped, as it is wherever it is written."""
    made = result(outcome("m\udcfcnchen", {"x": 1.5}))
    back = pd.read_csv(made.save(tmp_path / "r.csv"))
    assert back.to_dict("list") == {"file": [r"m\udcfcnchen.sim"], "x": [1.5]}


def test_what_parquet_panics_over_is_refused_in_words(tmp_path):
    """The library's panic is no `Exception`: it would have passed everyone who saves the values elsewhere."""
    made = result(outcome("a", list(np.zeros(2, [("a", int), ("b", float, 2)]))))
    with pytest.raises(OutputError, match=r"r\.parquet cannot hold the results"):
        made.save(tmp_path / "r.parquet")


DURATION = np.timedelta64(5, "s")


@pytest.mark.parametrize("value", [DURATION, {"a": DURATION}, [DURATION, 1.5], {"a": [DURATION, None]}])
def test_numpys_durations_are_no_whole_numbers(tmp_path, value):
    """They are a subclass of them; as a number of seconds one would stand in a sheet without its unit."""
    made = result(outcome("a", value), outcome("b", {"b": 1}))
    column = next(name for name in ("a", "value") if name in made.table())
    assert pd.Timedelta(made.table()[column][0]) == pd.Timedelta(DURATION)
    sheet = openpyxl.load_workbook(made.save(tmp_path / "r.xlsx")).active
    names = [cell.value for cell in sheet[1]]
    assert sheet[2][names.index(column)].value == pd.Timedelta(DURATION)
    assert "5" in made.save(tmp_path / "r.csv").read_text()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", [np.datetime64, np.timedelta64])
def test_times_survive_parquet_in_every_unit(tmp_path, unit, kind):
    """To the nanosecond; whole seconds, which polars has not, are no reason to refuse."""
    times = [kind(5, unit), None]
    made = result(*(outcome(f"f{n}", {"t": each}) for n, each in enumerate(times)))
    back = polars.read_parquet(made.save(tmp_path / "r.parquet"))["t"]
    assert back.to_physical().to_list()[0] == 5 * (1000 if unit == "s" else 1)
    assert back.is_null().to_list() == [False, True]


def test_columns_with_missing_whole_numbers_of_pandas_own_make_a_table():
    """A file's may be all missing."""
    frames = [pd.DataFrame({"n": pd.array(each, dtype="Int64")}) for each in ([None], [LARGE], [])]
    table = result(*(outcome(f"f{n}", frame) for n, frame in enumerate(frames)), outcome("z", {"n": 0.5})).table()
    assert [None if pd.isna(each) else each for each in table["n"]] == [None, LARGE, 0.5]


def test_a_text_in_a_sheet_is_no_formula_and_no_error(tmp_path):
    """Neither in a cell nor in a name: a spreadsheet would show what it makes of them."""
    texts = ["=1+1", "#N/A", "=HYPERLINK(1)"]
    where = result(*(outcome(f"f{n}", {"=A1": text}) for n, text in enumerate(texts))).save(tmp_path / "r.xlsx")
    cells = [row[1] for row in openpyxl.load_workbook(where).active]
    assert [(cell.value, cell.data_type) for cell in cells] == [(text, "s") for text in ["=A1", *texts]]


def test_an_array_without_a_dimension_is_its_number():
    """In a mapping as by itself: it governs, and Parquet takes it."""
    table = result(outcome("a", {"x": np.array(1.5)}), outcome("b", {"x": np.array(2.5)})).table()
    assert table["x"].dtype == float


@pytest.mark.parametrize(
    ("name", "frame", "said"),
    [
        ("r.xlsx", pd.DataFrame({"a": ["x\x00y"]}), "holds a control character"),
        ("r.mat", pd.DataFrame({"a": [1]}), "saved as .parquet, .csv, .xlsx"),
        ("r.xlsx", pd.DataFrame({"a": np.zeros(EXCEL_ROWS)}), "a sheet holds 1,048,575 rows"),
        ("r.parquet", pd.DataFrame({"a": [1, "x"]}, dtype=object), "the column 'a' holds int and str"),
        ("missing/r.csv", pd.DataFrame({"a": [1]}), "cannot be written"),
        ("r.parquet", pd.DataFrame({1: [1], "1": [2]}), "two columns are called '1'"),
        ("r.parquet", pd.DataFrame({"a": [1 + 2j]}), "the column 'a' holds complex"),
        ("r.parquet", pd.DataFrame({"a": [range]}), "the column 'a' holds type"),
        ("r.xlsx", pd.DataFrame({"a": [pd.Timestamp("2020-01-01T00:00Z")]}), "Excel does not support"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_in_words(tmp_path, name, frame, said):
    """Nothing is cut without a word, and no half file is left."""
    with pytest.raises(OutputError, match=said):
        save(frame, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_an_infinite_value_governs_and_leaves_no_raw_warning():
    """The mean over seeds is infinite with it; a percentile between a number and infinity is infinity too, not NaN."""
    values = {"a": 1.0, "b": np.inf, "c": 2.0, "d": np.inf}
    made = result(*(outcome(name, {"T": value}) for name, value in values.items()))
    with pytest.warns(UserWarning, match=r"2 files have infinity in 'T', .*b\.sim, d\.sim"):
        row = made.governing("T").to_dict("records")[0]
    assert (row["maximum"], row["file"], row["mean"], row["p90"]) == (np.inf, "b.sim", np.inf, np.inf)
    mixed = result(outcome("a", {"T": -np.inf}), outcome("b", {"T": np.inf}), outcome("c", {"T": 1.0}))
    with pytest.warns(UserWarning, match="infinity"):
        row = mixed.governing("T").to_dict("records")[0]
    assert row["p90"] == np.inf
    assert np.isnan(row["mean"])
    low = result(outcome("a", {"T": -np.inf}), outcome("b", {"T": 3.0}))
    with pytest.warns(UserWarning, match="1 file has infinity"):
        assert low.governing("T").to_dict("records")[0]["p90"] == -np.inf


@pytest.mark.parametrize(("ending", "package"), [(".parquet", "polars"), (".xlsx", "openpyxl")])
def test_a_missing_package_is_named_by_its_own_name(tmp_path, monkeypatch, ending, package):
    """So that the words hold in a checkout and beside an installed orcabatch alike."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OutputError, match=rf"r\{ending}: .* Install it: pip install {package}\."):
        result(outcome("a", {"T": 1.0})).save(tmp_path / f"r{ending}")


def test_the_governing_file_of_each_case_with_statistics_over_seeds():
    """The largest value, who has it, and mean and P90 of the files' own maxima; one file has no P90."""
    files = {f"s{n}": ({"T": [1.0 * n, 10.0 + n]}, 0 if n < 4 else 15) for n in range(5)}
    made = result(
        *(outcome(name, {key: np.array(item) for key, item in value.items()}) for name, (value, _) in files.items()),
        cases={f"{name}.sim": {"heading": heading} for name, (_, heading) in files.items()},
    )
    found = made.governing("T", by=["heading"])
    assert found.to_dict("list")["heading"] == [0, 15]
    first, second = found.to_dict("records")
    assert (first["maximum"], first["file"], first["files"]) == (13.0, "s3.sim", 4)
    assert first["mean"] == pytest.approx(11.5)
    assert first["p90"] == pytest.approx(np.percentile([10, 11, 12, 13], 90))
    assert (second["maximum"], second["file"], second["files"]) == (14.0, "s4.sim", 1)
    assert second["mean"] == 14.0
    assert np.isnan(second["p90"])
    assert made.governing("T").to_dict("records")[0]["file"] == "s4.sim"


@pytest.mark.parametrize("column", ["t_min", "line01_Min", "top.min", "min", "gap_minimum"])
def test_of_a_column_called_a_minimum_the_smallest_governs(column):
    """A line is slack where its smallest tension is smallest; its statistics are those of the other end too."""
    made = result(*(outcome(f"s{n}", {column: np.array([n, 50.0])}) for n in range(4)))
    (row,) = made.governing(column).to_dict("records")
    assert (row["minimum"], row["file"], row["files"], row["mean"]) == (0.0, "s0.sim", 4, 1.5)
    assert row["p10"] == pytest.approx(np.percentile([0, 1, 2, 3], 10))
    assert "maximum" not in row


def test_the_caller_says_which_end_governs():
    """Where the name says nothing, or the wrong thing."""
    made = result(*(outcome(f"s{n}", {"gap": float(n), "after_min": float(n), "admin": float(n)}) for n in range(3)))
    governs = [("gap", None), ("gap", False), ("after_min", None), ("after_min", True), ("admin", None)]
    found = [made.governing(column, largest=largest)["file"].item() for column, largest in governs]
    assert found == ["s2.sim", "s0.sim", "s0.sim", "s2.sim", "s2.sim"]


def test_files_without_a_number_are_named_where_they_might_have_governed():
    """A NaN, a text or nothing does not drop a file without a word."""
    made = result(outcome("a", {"T": 1.0}), outcome("b", {"T": float("nan")}), outcome("c", {"T": "12,5"}))
    with pytest.warns(UserWarning, match=r"2 files have no number in 'T' and do not count: b.sim, c.sim"):
        assert made.governing("T")["files"].tolist() == [1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("nothing", [[], pd.DataFrame({"T": []}), np.zeros(0)])
def test_files_without_a_row_are_named_where_they_might_have_governed(nothing):
    """They found nothing, so the table has no row of theirs; failed ones are named by the run."""
    made = result(outcome("a", {"T": 5.0}), outcome("b", nothing), outcome("c", None, Status.FAILED))
    with pytest.warns(UserWarning, match=r"1 file has no rows and do not count: b\.sim"):
        assert made.governing("T").to_dict("records")[0]["files"] == 1


@pytest.mark.parametrize("as_notice", [True, False])
def test_a_file_that_governs_with_a_part_of_its_simulation_is_named(as_notice):
    """Its extreme may be of the instability; where another governs nothing is said."""
    part, whole = outcome("part", {"T": 9.0, "U": 1.0}), outcome("whole", {"T": 2.0, "U": 3.0})
    if as_notice:
        made = replace(result(part, whole), notices=(Notice(Silent.PARTIAL, "f", "text", "remedy", (part.file,)),))
    else:
        made = result(replace(part, warnings=("simulation became unstable at 12 s of 60 s",)), whole)
    with pytest.warns(UserWarning, match=r"not reached the end .* 'T' is governed by the part .*: part\.sim$"):
        assert made.governing("T")["maximum"].tolist() == [9.0]
    assert made.governing("U")["file"].tolist() == ["whole.sim"]


def test_a_column_without_numbers_governs_nothing():
    """It is said, whatever it holds."""
    from orcabatch.errors import SourceError

    with pytest.raises(SourceError, match="'T' holds no number"):
        result(outcome("a", {"T": "12,5"})).governing("T")


def test_none_beside_numbers_is_a_missing_number(tmp_path):
    """A file where nothing was found has None; the column is one of numbers all the same, and Parquet takes it."""
    found = result(*(outcome(name, {"gap": gap}) for name, gap in zip("abc", (None, 2, 3.5), strict=True)))
    assert found.table()["gap"].dtype == float
    assert found.save(tmp_path / "gaps.parquet").exists()
    rows = result(outcome("a", [{"gap": None, "no": None}, {"gap": 1.5, "no": None}])).table()
    assert (rows["gap"].dtype, rows["no"].tolist()) == (float, [None, None])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("headings", [(90, 0, 45), ("lwl", "hwl", "mwl"), (30, "hwl", None), (1.5, None, 0)])
def test_cases_stand_in_their_order_whatever_they_are(headings):
    """Numbers by size, texts by the alphabet; of a mixture none is lost."""
    cases = {f"{n}.sim": {"heading": heading} for n, heading in enumerate(headings)}
    made = result(*(outcome(str(n), {"T": float(n)}) for n in range(3)), cases=cases)
    found = list(made.governing("T", "heading")["heading"])
    assert len(found) == 3
    if None not in headings:
        assert found == sorted(headings)


def test_cases_may_be_one_name_and_files_themselves():
    """`by="heading"` is a column, not seven letters; `by=["file"]` has a row for each file."""
    made = result(outcome("a", {"T": 1.0}), outcome("b", {"T": 2.0}), cases={"a.sim": {"h": 0}, "b.sim": {"h": 0}})
    assert made.governing("T", by="h").to_dict("records")[0]["file"] == "b.sim"
    assert made.governing("T", by=["file"])["maximum"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", ["maximum", "files", "mean", "p90"])
def test_a_case_called_like_a_column_of_the_answer_is_refused(name):
    """Its values would have been overwritten by the statistic of that name."""
    made = result(outcome("a", 1.0), outcome("b", 2.0), cases={"a.sim": {name: 5}, "b.sim": {name: 6}})
    with pytest.raises(SourceError, match=f"The column '{name}' of the load cases"):
        made.governing("value", by=[name])


def test_truths_govern_as_numbers():
    """Which file failed its check, say."""
    made = result(outcome("a", {"exceeds": False}), outcome("b", {"exceeds": True}))
    assert made.governing("exceeds")[["maximum", "file", "mean"]].values.tolist() == [[1.0, "b.sim", 0.5]]


def test_a_column_that_is_not_there_is_answered_with_the_nearest():
    """What the engineer meant."""
    from orcabatch.errors import SourceError

    with pytest.raises(SourceError, match="Did you mean 'tension'"):
        result(outcome("a", {"tension": 1.0})).governing("tensoin")


def test_labels_of_summaries_are_told_apart_in_the_names_of_files(monkeypatch):
    """One alone needs no label; what leads into a folder, or is one name to the system, leads to a file of its own."""
    assert summary_files(Path("s.csv"), ["a/b"]) == (Path("s.csv"),)
    found = summary_files(Path("out/s.xlsx"), ["a/b", "a\\b", "a_b", "A"])
    names = ["s_a_b.xlsx", "s_a_b_2.xlsx", "s_a_b_3.xlsx", "s_A.xlsx"]
    assert found == tuple(Path("out", name) for name in names)
    monkeypatch.setattr(paths, "IGNORES_CASE", True)
    assert [path.name for path in summary_files(Path("s.csv"), ["dyn", "Dyn"])] == ["s_dyn.csv", "s_Dyn_2.csv"]


def test_a_table_is_read_as_it_was_written_to_the_last_bit(tmp_path):
    """Above 15 digits pandas before 3.1 rounds its own way, unless it is asked not to."""
    numbers = np.random.default_rng(1).normal(size=1000)
    pd.DataFrame({"x": numbers}).to_csv(tmp_path / "t.csv", index=False)
    assert read_csv(tmp_path / "t.csv")["x"].tolist() == numbers.tolist()


def test_names_of_files_that_are_digits_stay_names(tmp_path):
    """`001.sim` is no number 1, and its name no column of numbers; a row of statistics is of no file all the same."""
    table = tmp_path / "t.csv"
    table.write_text("fe_filename,fe_filename_stem,x\nsims/001.sim,001,2.5\n,,3.5\n")
    written = WrittenTables({"t": table}, file_columns=("fe_filename", "fe_filename_stem"))
    summary = written.summary("t", {})
    assert summary["fe_filename_stem"].tolist()[0] == "001"
    assert summary["file"].isna().tolist() == [False, True]
    assert [list(frame.columns) for _, _, frame in written.rows(None)] == [["x"]]


@pytest.mark.parametrize("text", ["None", "NA", "null", "nan"])
def test_a_word_of_orcaflex_in_a_summary_is_no_empty_cell(tmp_path, text):
    """A connection to `None`, say; pandas takes such words for missing values."""
    table = tmp_path / "t.csv"
    table.write_text(f"fe_filename,fe_filename_stem,end,x\nsims/a.sim,a,{text},\nsims/b.sim,b,Vessel1,1.5\n")
    summary = WrittenTables({"t": table}, file_columns=("fe_filename", "fe_filename_stem")).summary("t", {})
    assert summary["end"].tolist() == [text, "Vessel1"]
    assert summary["x"].isna().tolist() == [True, False]


def test_series_of_a_file_without_any_of_its_objects_leave_those_of_others_numbers(tmp_path):
    """digitalmodel writes a heading without rows there, of which pandas makes columns of objects."""
    tables = []
    for name, text in {"a": "time,x\n", "b": "time,x\n0.0,1.5\n"}.items():
        tables.append(tmp_path / f"{name}.csv")
        tables[-1].write_text(text)
    written = WrittenTables(of_files=[[("ends", table)] for table in tables])
    series = replace(result(outcome("a", 1), outcome("b", 2)), written=written).time_series("ends")
    assert np.isfinite(series["x"]).tolist() == [True]
    assert series.to_dict("list") == {"file": ["b.sim"], "time": [0.0], "x": [1.5]}
