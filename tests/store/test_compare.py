"""`compare_folders` finds any difference between two result folders and says where the largest is."""

from __future__ import annotations

import functools
import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capabilities import needs
from orcabatch import win32
from orcabatch.batch.readers import row_keys
from orcabatch.errors import SourceError
from orcabatch.store import compare, paths
from orcabatch.store.compare_tables import Cell, Tolerance, compare_tables

ROW_KEYS = row_keys()
compare_folders = functools.partial(compare.compare_folders, row_keys=ROW_KEYS)
SUMMARY = "batch_dyn.csv"
SERIES = "case1_line.csv"


def _summary(rows: int = 4) -> str:
    head = "fe_filename,fe_filename_stem,run_status,description,statistic,tension\n"
    return head + "".join(f"/sims/case{n}.sim,case{n},SimulationStopped,,,{100.5 + n}\n" for n in range(rows))


def _series(rows: int = 50) -> str:
    return "time,T_A,T_B\n" + "".join(f"{n / 10},{n * 1.25},{-n}\n" for n in range(rows))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two identical result folders with a summary, a time series and a plot, and different logs and metrics."""
    a, b = tmp_path / "a", tmp_path / "b"
    for folder in (a, b):
        (folder / "Plot").mkdir(parents=True)
        (folder / "logs").mkdir()
        (folder / SUMMARY).write_text(_summary())
        (folder / SERIES).write_text(_series())
        (folder / "Plot" / "case1.jpg").write_bytes(b"\xff\xd8picture")
        (folder / "logs" / "case1.csv").write_text(f"log of {folder.name}")
        for name in ("performance_metrics.json", "batch.yml", "batch.log", "batch_failed_files.csv"):
            (folder / name).write_text(f"of {folder.name}")
    return a, b


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", ["~$batch_dyn.xlsx", ".~lock.batch_dyn.csv#", "desktop.ini", "Desktop.ini"])
def test_what_excel_and_the_explorer_leave_is_no_result(folders: tuple[Path, Path], name: str) -> None:
    """A table is open in one of the folders while they are compared."""
    (folders[0] / name).write_bytes(b"owner")
    assert compare_folders(*folders).equal


def test_names_that_are_one_file_on_windows_are_compared(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain loop keeps the capitals of the file that it writes into, we those of the label; shown as in the first."""
    (folders[1] / SUMMARY).rename(folders[1] / SUMMARY.upper())
    assert compare_folders(*folders).only_a == (SUMMARY,)
    monkeypatch.setattr(paths, "IGNORES_CASE", True)
    assert compare_folders(*folders).equal
    _edit(folders[1] / SUMMARY.upper(), "100.5", "100.6")
    assert [each.file for each in compare_folders(*folders).differing] == [SUMMARY]


def test_folders_are_walked_by_a_name_behind_which_any_depth_is_taken(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their own names are short on Windows, and those of folders in them need not be."""
    seen = list[tuple[Path, int]]()
    monkeypatch.setattr(win32, "beyond_max_path", lambda path, longest: seen.append((path, longest)) or path)
    assert compare_folders(*folders).equal
    assert [path for path, longest in seen if longest == 0] == list(folders)


def test_identical_folders_are_identical_whatever_their_logs_say(folders: tuple[Path, Path]) -> None:
    """Results are compared byte for byte; logs, metrics and the dump of the configuration are no results."""
    comparison = compare_folders(*folders)
    assert comparison.equal
    assert comparison.identical == 3
    assert comparison.to_text() == "Identical: 3 result files, byte for byte."
    assert not compare_folders(*folders, ignore=()).equal


def test_one_changed_last_digit_in_one_cell_of_464_files_is_found(tmp_path: Path) -> None:
    """Among 464 files the file, the column, the row, both values and the size of the difference are named."""
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(464):
            (tmp_path / name / f"case{number}_line.csv").write_text(_series())
    _edit(tmp_path / "b" / "case321_line.csv", "4.2,52.5,", "4.2,52.500001,")
    comparison = compare_folders(tmp_path / "a", tmp_path / "b")
    assert (comparison.equal, comparison.identical) == (False, 463)
    (difference,) = comparison.differing
    assert difference.file == "case321_line.csv"
    assert difference.table is not None
    assert difference.table.cells == 1
    cell = difference.table.largest
    assert cell is not None
    assert (cell.column, cell.row, cell.line, cell.left, cell.right) == ("T_A", "43", 44, "52.5", "52.500001")
    assert cell.size == pytest.approx(1e-6)
    assert "column T_A, row 43 (line 44): '52.5' / '52.500001'" in comparison.to_text()
    assert _lines(tmp_path / "a" / "case321_line.csv")[cell.line - 1].startswith("4.2,52.5,")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_the_largest_difference_comes_first(folders: tuple[Path, Path]) -> None:
    """Of several differing files the one with the largest difference leads, with its largest cell."""
    a, b = folders
    _edit(b / SUMMARY, "case2,SimulationStopped,,,102.5", "case2,SimulationStopped,,,102.75")
    _edit(b / SERIES, "4.0,50.0,-40", "4.0,57.0,-40.5")
    comparison = compare_folders(a, b)
    assert [difference.file for difference in comparison.differing] == [SERIES, SUMMARY]
    first = comparison.differing[0].table
    assert first is not None
    assert (first.cells, first.largest) == (2, Cell("T_A", "41", 42, "50.0", "57.0", 7.0))


def test_a_missing_row_of_a_summary_does_not_shift_the_others(folders: tuple[Path, Path]) -> None:
    """Rows of summaries are matched by their file: one missing row is one missing row, not many differing cells."""
    a, b = folders
    _edit(b / SUMMARY, "/sims/case1.sim,case1,SimulationStopped,,,101.5\n", "")
    table = compare_folders(a, b).differing[0].table
    assert table is not None
    assert (table.rows_only_left, table.rows_only_right, table.cells) == (["/sims/case1.sim"], [], 0)


@pytest.mark.parametrize("tolerance", [{}, {"rtol": 1e-3}], ids=["exact", "with a tolerance"])
def test_rows_in_another_order_are_said(folders: tuple[Path, Path], tolerance: dict[str, float]) -> None:
    """The cells of each file are the same, and the table is another one: no tolerance forgives it."""
    a, b = folders
    head, *rows = _summary().splitlines(keepends=True)
    (b / SUMMARY).write_text("".join([head, rows[0], rows[2], rows[1], rows[3]]))
    comparison = compare_folders(a, b, **tolerance)
    assert not comparison.equal
    assert "the rows stand in another order, from row /sims/case1.sim on" in comparison.to_text()
    assert "line ends" not in comparison.to_text()
    assert comparison.to_dict()["differing"][0]["rows_in_other_order_from"] == "/sims/case1.sim"


def test_the_second_of_two_columns_of_one_heading_is_compared(folders: tuple[Path, Path]) -> None:
    """Columns of one heading are told by their occurrence; one of them too few is named."""
    a, b = folders
    (a / SERIES).write_text("time,x,x\n0,1,2\n")
    (b / SERIES).write_text("time,x,x\n0,1,3\n")
    table = compare_folders(a, b).differing[0].table
    assert table is not None
    assert table.largest == Cell("x", "1", 2, "2", "3", 1.0)
    (b / SERIES).write_text("time,x\n0,1\n")
    assert "columns only in the first: x" in compare_folders(a, b).to_text()


def test_rows_of_statistics_are_told_by_their_statistic(folders: tuple[Path, Path]) -> None:
    """Statistics rows, which belong to no file and come twice, are matched by name and occurrence."""
    a, b = folders
    for folder, last in ((a, "7"), (b, "8")):
        lines = "".join(f",,,,{name},{value}\n" for name, value in (("min", "1"), ("max", "2"), ("min", last)))
        (folder / SUMMARY).write_text(_summary() + lines)
    table = compare_folders(a, b).differing[0].table
    assert table is not None
    assert table.largest == Cell("tension", "min (2)", 8, "7", "8", 1.0)


def test_missing_rows_of_a_series_are_named_by_number(folders: tuple[Path, Path]) -> None:
    """A shorter time series lacks its last rows."""
    a, b = folders
    (b / SERIES).write_text(_series(47))
    text = compare_folders(a, b).to_text()
    assert "rows only in the first: 48, 49, 50" in text


def test_missing_columns_and_another_order_are_said(folders: tuple[Path, Path]) -> None:
    """A column too few is named; the same columns in another order are a difference too."""
    a, b = folders
    (b / SERIES).write_text(_series().replace("T_B", "T_C", 1))
    table = compare_folders(a, b).differing[0].table
    assert table is not None
    assert (table.columns_only_left, table.columns_only_right, table.other_order) == (["T_B"], ["T_C"], False)
    (a / SERIES).write_text("time,x,y\n0,1,2\n")
    (b / SERIES).write_text("time,y,x\n0,2,1\n")
    comparison = compare_folders(a, b)
    assert not comparison.equal
    assert "the columns stand in another order" in comparison.to_text()


def test_missing_files_are_named_with_the_folder_that_lacks_them(folders: tuple[Path, Path]) -> None:
    """A file on one side only makes the folders different."""
    a, b = folders
    (b / SERIES).unlink()
    (b / "extra.csv").write_text("x\n")
    comparison = compare_folders(a, b)
    assert (comparison.only_a, comparison.only_b, comparison.equal) == ((SERIES,), ("extra.csv",), False)
    assert f"{SERIES}: in {a}, not in {b}" in comparison.to_text()


@pytest.mark.parametrize(
    ("rtol", "atol", "equal"),
    [(0.0, 0.0, False), (1e-3, 0.0, True), (1e-9, 0.0, False), (0.0, 0.02, True), (0.0, 0.005, False)],
)
def test_tolerances_are_relative_plus_absolute(
    folders: tuple[Path, Path], rtol: float, atol: float, *, equal: bool
) -> None:
    """Numbers count as equal up to atol + rtol x the larger magnitude; without tolerance nothing is forgiven."""
    a, b = folders
    _edit(b / SUMMARY, "case2,SimulationStopped,,,102.5", "case2,SimulationStopped,,,102.51")
    comparison = compare_folders(a, b, rtol=rtol, atol=atol)
    assert comparison.equal is equal
    assert comparison.tolerated == (1 if equal else 0)


def test_one_number_written_in_two_ways_is_a_difference_of_zero(folders: tuple[Path, Path]) -> None:
    """Byte identity is the promise: 1.0 is not 1, but a tolerance forgives it, and the size is 0."""
    a, b = folders
    _edit(b / SERIES, "4.0,50.0,-40", "4.0,50,-40")
    comparison = compare_folders(a, b)
    table = comparison.differing[0].table
    assert table is not None
    assert table.largest == Cell("T_A", "41", 42, "50.0", "50", 0.0)
    assert compare_folders(a, b, rtol=1e-15).equal


@pytest.mark.parametrize(("left", "right"), [("5.0", ""), ("5.0", "nan"), ("inf", "5.0"), ("5.0", "text")])
def test_what_is_no_number_weighs_most_and_no_tolerance_forgives_it(
    folders: tuple[Path, Path], left: str, right: str
) -> None:
    """An empty, infinite or textual cell against a number is reported before any difference of numbers."""
    a, b = folders
    (a / SERIES).write_text(f"time,x\n0,1\n1,{left}\n2,3\n")
    (b / SERIES).write_text(f"time,x\n0,1000\n1,{right}\n2,3\n")
    comparison = compare_folders(a, b, rtol=0.1, atol=5000)
    assert not comparison.equal
    table = comparison.differing[0].table
    assert table is not None
    assert table.largest == Cell("x", "2", 3, left, right, None)
    json.dumps(comparison.to_dict(), allow_nan=False)


def test_packed_series_equal_unpacked_ones(folders: tuple[Path, Path]) -> None:
    """A .csv.gz is compared with the .csv of the other folder by content, and differences are found inside it."""
    a, b = folders
    packed = b / f"{SERIES}.gz"
    with gzip.open(packed, "wb") as out:
        out.write((b / SERIES).read_bytes())
    (b / SERIES).unlink()
    comparison = compare_folders(a, b)
    assert (comparison.equal, comparison.same_content, comparison.identical) == (True, 1, 2)
    assert "1 with the same content" in comparison.to_text()
    with gzip.open(packed, "wt") as out:
        out.write(_series().replace("4.0,50.0,", "4.0,50.5,"))
    table = compare_folders(a, b).differing[0].table
    assert table is not None
    assert table.largest == Cell("T_A", "41", 42, "50.0", "50.5", 0.5)


def test_a_damaged_packed_file_is_a_difference(folders: tuple[Path, Path]) -> None:
    """A .gz that is cut off, or whose content cannot be unpacked: its bytes are others, whatever they once held."""
    a, b = folders
    (b / SERIES).unlink()
    packed = gzip.compress(_series().encode())
    for damaged in (packed[:-20], b"no gzip at all", packed[:40] + b"\0" * 40 + packed[80:]):
        (b / f"{SERIES}.gz").write_bytes(damaged)
        comparison = compare_folders(a, b)
        assert (comparison.differs, comparison.unread) == (True, ())
        assert "is damaged" in comparison.to_text()


@needs("symbolic links")
def test_what_cannot_be_read_is_neither_the_same_nor_different(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that goes after it was listed: a verdict of its own; a difference that was seen stays one."""
    a, b = folders
    opened = Path.open

    def gone(path: Path, *args: object, **kwargs: object) -> object:
        if path.is_relative_to(b) and path.name == SERIES:
            raise OSError(22, "The specified network name is no longer available", str(path))
        return opened(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", gone)
    comparison = compare_folders(a, b)
    assert (comparison.equal, comparison.differs, comparison.identical) == (False, False, 2)
    assert [unread.file for unread in comparison.unread] == [SERIES]
    assert comparison.to_text().startswith("Not told: 2 identical, 1 cannot be read.")
    assert "network name is no longer available" in comparison.to_text()
    (b / SUMMARY).write_text(_summary(3))
    assert compare_folders(a, b).to_text().startswith("Different: 1 identical, 1 different, 1 cannot be read.")
    (b / "broken.csv").symlink_to(b / "nowhere")
    assert compare_folders(a, b).only_b == ()


def test_a_folder_that_cannot_be_looked_through_is_no_folder_without_files(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files would count as missing, or, on both sides, as if there were none."""
    listed = os.scandir

    def denied(path: object) -> object:
        if str(path).endswith("Plot"):
            raise PermissionError(13, "Access is denied", str(path))
        return listed(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(SourceError, match="cannot be read: Access is denied"):
        compare_folders(*folders)


def test_line_ends_alone_are_a_difference(folders: tuple[Path, Path]) -> None:
    """CRLF against LF is not byte-identical, and the reason says that the cells are."""
    a, b = folders
    (b / SERIES).write_bytes(_series().replace("\n", "\r\n").encode())
    comparison = compare_folders(a, b)
    assert "the same cells, with other line ends or quotes" in comparison.to_text()
    assert not comparison.equal


def test_a_label_with_a_carriage_return_hides_no_column(tmp_path: Path) -> None:
    """Outside Windows it is written without quotes; the cell that differs is named by its column."""
    tables = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for table, value in zip(tables, ("2.0", "3.0"), strict=True):
        table.write_bytes(f"fe_filename,a\rb,c\nx.sim,1.0,{value}\n".encode())
    found = compare_tables(*tables, Tolerance(), row_keys=ROW_KEYS)
    assert found.largest is not None
    assert (found.largest.column, found.largest.left, found.largest.right) == ("c", "2.0", "3.0")
    assert (found.cells, found.rows_only_left, found.rows_only_right) == (1, [], [])


def test_other_files_are_compared_by_their_bytes(folders: tuple[Path, Path]) -> None:
    """A plot that differs is named; a table with zero bytes in it is a difference and no crash."""
    a, b = folders
    (b / "Plot" / "case1.jpg").write_bytes(b"\xff\xd8other")
    (b / SERIES).write_bytes(b"time,\x00\n1,2\n")
    comparison: compare.Comparison = compare_folders(a, b)
    assert {difference.file for difference in comparison.differing} == {"Plot/case1.jpg", SERIES}


def test_long_lists_are_cut_in_the_text_but_not_in_the_dictionary(tmp_path: Path) -> None:
    """The text shows twenty files; the JSON has them all."""
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(30):
            (tmp_path / name / f"{number}.csv").write_text(f"x\n{name}\n")
        for number in range(25):
            (tmp_path / name / f"{name}{number}.csv").write_text("x\n")
    comparison = compare_folders(tmp_path / "a", tmp_path / "b")
    assert "and 10 more files that differ" in comparison.to_text()
    assert "and 5 more that are not in" in comparison.to_text()
    assert len(comparison.to_dict()["differing"]) == 30
    assert len(comparison.to_dict()["only_in_a"]) == 25


def test_nothing_to_compare_is_said(tmp_path: Path) -> None:
    """A folder that is none, and two folders without results, are errors with a message."""
    (tmp_path / "a").mkdir()
    with pytest.raises(SourceError, match="is not a folder"):
        compare_folders(tmp_path / "a", tmp_path / "none")
    with pytest.raises(SourceError, match="neither"):
        compare_folders(tmp_path / "a", tmp_path / "a")


def test_rows_go_by_the_columns_that_a_package_names_and_else_by_their_place(tmp_path: Path) -> None:
    """One missing row of a table whose key nobody named shifts all that follow."""
    (tmp_path / "all.csv").write_text("case,x\na,1\nb,2\nc,3\n")
    (tmp_path / "part.csv").write_text("case,x\nb,2\nc,3\n")
    tables = tmp_path / "all.csv", tmp_path / "part.csv"
    assert compare_tables(*tables, Tolerance(), row_keys=[("case",)]).lines() == ["rows only in the first: a"]
    assert compare_tables(*tables, Tolerance()).rows_only_left == ["3"]


def test_only_wanted_rows_are_compared(tmp_path: Path) -> None:
    """A part of a summary can be compared with the summary of that part."""
    (tmp_path / "all.csv").write_text(_summary(4))
    (tmp_path / "part.csv").write_text(_summary(2))
    wanted: Callable[..., bool] = lambda row: row["fe_filename_stem"] in {"case0", "case1"}  # noqa: E731
    assert not compare_tables(tmp_path / "all.csv", tmp_path / "part.csv", Tolerance(), wanted=wanted)
    assert compare_tables(tmp_path / "all.csv", tmp_path / "part.csv", Tolerance())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.integers(0, 19), column=st.integers(0, 2), digit=st.integers(0, 9))
def test_any_changed_digit_anywhere_is_found(row: int, column: int, digit: int, tmp_path: Path) -> None:
    """Whichever cell changes its last digit, that cell and no other is reported."""
    values = [[f"{r}.{c}{r + c:03d}5" for c in range(3)] for r in range(20)]
    changed = [list(cells) for cells in values]
    changed[row][column] = changed[row][column][:-1] + str(digit)
    for name, cells in (("a", values), ("b", changed)):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        (tmp_path / name).mkdir()
        text = "".join(",".join(line) + "\n" for line in [["time", "x", "y"], *cells])
        (tmp_path / name / "case_line.csv").write_text(text)
    comparison = compare_folders(tmp_path / "a", tmp_path / "b")
    assert comparison.equal is (digit == 5)
    if digit != 5:
        table = comparison.differing[0].table
        assert table is not None
        assert table.largest is not None
        assert (table.cells, table.largest.line) == (1, row + 2)
        assert table.largest.column == ["time", "x", "y"][column]
