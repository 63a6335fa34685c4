"""`--save`: the table of a batch, written as its files end."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pytest

import orcabatch
from batch_functions import largest_tension
from orcabatch.batch import carry_out, streamed
from orcabatch.batch.readers import read_request
from orcabatch.batch.request import Options
from orcabatch.batch.streamed import PIECE_FILES, TableFile
from orcabatch.errors import BatchError, OutputError
from orcabatch.outcome import FileOutcome, Status
from orcabatch.results.result import BatchResult
from orcabatch.store import atomic


class Files:
    """What a table asks of a batch."""

    def __init__(self, count: int) -> None:
        self.name, self.files = "f", tuple(Path(f"/sims/a{n}.sim") for n in range(count))

    def outcomes(self, values) -> list[FileOutcome]:
        pairs = zip(self.files, values, strict=True)
        return [FileOutcome(file, "f", Status.OK, value, index=n) for n, (file, value) in enumerate(pairs)]


def saved(target: Path, outcomes, count: int, cases=None) -> tuple[Path, tuple[str, ...]]:
    growing = TableFile(target, (Files(count),), cases or {})
    try:
        for outcome in outcomes:
            growing.add(outcome)
        path, notes = growing.write()
        return path, (*notes, *growing.lacking())
    finally:
        growing.close()


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.DataFrame(polars.read_parquet(path).to_dict(as_series=False))
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_excel(path)


WIDENING = [
    {"n": 1, "x": 0.1 + 0.2},
    {"n": 2, "x": 1e-300, "late": 7},
    {"n": 3.5, "x": None, "text": "p"},
]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".xlsx"])
def test_it_is_the_table_that_the_result_would_save(tmp_path, ending):
    """Whichever file ended first, over several pieces, with columns and types that only later files have."""
    count = 2 * PIECE_FILES + 3
    values = [WIDENING[0]] * (2 * PIECE_FILES) + WIDENING
    outcomes = Files(count).outcomes(values)
    cases = {"a1.sim": {"heading": 15}}
    written, notes = saved(tmp_path / f"streamed{ending}", reversed(outcomes), count, cases)
    whole = BatchResult(tuple(outcomes), None, cases=cases).save(tmp_path / f"whole{ending}")  # type: ignore[arg-type]
    assert notes == ()
    pd.testing.assert_frame_equal(read(written), read(whole), check_exact=True)
    assert list(read(written).columns) == ["file", "heading", "n", "x", "late", "text"]
    if ending == ".csv":
        assert written.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([written.name, whole.name])


def test_pieces_agree_on_their_columns_whatever_is_missing_in_one(tmp_path):
    """A load case's column stands before the values' where the first piece has none of it, and is never a value's."""
    count = 3 * PIECE_FILES
    values = [{"n": None, "k": 1}] * PIECE_FILES + [{"n": 2, "k": 1}] * PIECE_FILES + [{"n": 2.5, "k": 1}] * PIECE_FILES
    outcomes = Files(count).outcomes(values)
    cases = {file.name: {"k": 7} for file in Files(count).files[PIECE_FILES:]}
    whole = BatchResult(tuple(outcomes), None, cases=cases)  # type: ignore[arg-type]
    for ending in (".csv", ".parquet"):
        written, notes = saved(tmp_path / f"streamed{ending}", outcomes, count, cases)
        assert notes == ()
        pd.testing.assert_frame_equal(read(written), read(whole.save(tmp_path / f"whole{ending}")), check_exact=True)
    assert list(read(written).columns) == ["file", "k", "n", "value_k"]
    assert read(written)["value_k"].tolist() == [1] * count


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".xlsx"])
@pytest.mark.parametrize(
    "one_by_one",
    [
        [{"a": 1}, [], np.array([3.0, 4.0])],
        [[{"a": True, "b": 1}, {"a": False, "b": 2}], {"a": np.nan, "b": 0}, {"a": True, "b": 3}],
        [np.datetime64("2020-01-01", "s"), np.zeros(0), np.datetime64("2021-01-01", "s")],
        [np.timedelta64(5, "s"), np.timedelta64(7, "s"), None],
    ],
)
def test_pieces_agree_on_their_types(tmp_path, monkeypatch, one_by_one, ending):
    """A piece without rows, or with nothing but NaN, is of no type: it refuses nothing, and changes no other."""
    monkeypatch.setattr(streamed, "PIECE_FILES", 1)
    outcomes = Files(len(one_by_one)).outcomes(one_by_one)
    written, notes = saved(tmp_path / f"streamed{ending}", outcomes, len(one_by_one))
    whole = BatchResult(tuple(outcomes), None).save(tmp_path / f"whole{ending}")  # type: ignore[arg-type]
    assert notes == ()
    pd.testing.assert_frame_equal(read(written), read(whole), check_exact=True)


def test_a_file_that_is_done_again_stands_once(tmp_path):
    """The last time counts; where it failed then, it has no row."""
    first, second = Files(2).outcomes([{"x": 1}, {"x": 2}])
    again = [FileOutcome(first.file, "f", Status.OK, {"x": 5}, index=0, attempt=2)]
    again += [FileOutcome(second.file, "f", Status.FAILED, None, index=1, attempt=2)]
    where, _ = saved(tmp_path / "r.csv", [first, second, *again], 2)
    assert read(where).to_dict("records") == [{"file": "a0.sim", "x": 5}]


def test_what_the_format_cannot_hold_is_saved_as_csv_and_said(tmp_path):
    """Hours of work are not thrown away for a column of mixed types."""
    where, notes = saved(tmp_path / "r.parquet", Files(2).outcomes([{"x": [{}, 1]}, {"x": "p"}]), 2)
    assert where == tmp_path / "r.csv"
    assert "'x' holds list and str" in notes[0]
    assert "in r.csv instead" in notes[0]
    assert len(read(where)) == 2


def test_a_table_that_a_program_holds_open_is_saved_beside_it(tmp_path, monkeypatch):
    """Excel has it open: hours of values go under a name that nobody has."""
    written, target = streamed.save_pieces, tmp_path / "out.csv"

    def held(pieces, shape, where, say):
        if where == target:
            raise OutputError(f"{where} cannot be replaced: another program holds it open.")
        return written(pieces, shape, where, say)

    monkeypatch.setattr(streamed, "save_pieces", held)
    path, notes = saved(target, Files(1).outcomes([{"t": 1.0}]), 1)
    assert path != target
    assert list(read(path)["t"]) == [1.0]
    assert path.name in notes[-1]


def test_a_folder_named_like_a_pattern_takes_a_table_of_several_pieces(tmp_path):
    """Brackets in the name of a project's folder are no pattern."""
    (tmp_path / "[1234] Project").mkdir()
    count = PIECE_FILES + 3
    path, notes = saved(tmp_path / "[1234] Project" / "t.parquet", Files(count).outcomes([{"t": 1.0}] * count), count)
    assert (path.suffix, path.stat().st_size > 0, notes) == (".parquet", True, ())


def test_a_value_that_cannot_be_packed_costs_its_own_row(tmp_path):
    """And is named."""
    where, notes = saved(tmp_path / "r.csv", Files(2).outcomes([{"x": lambda: 0}, {"x": 2}]), 2)
    assert list(read(where)["file"]) == ["a1.sim"]
    assert "r.csv lacks a0.sim" in notes[0]


def test_of_two_files_of_one_name_the_one_without_a_row_is_named(tmp_path):
    """The other one's value, which came later, made it unsaid."""
    files = Files(2)
    files.files = (Path("/sims/hwl/a.sim"), Path("/sims/lwl/a.sim"))
    growing = TableFile(tmp_path / "r.csv", (files,), {})
    for outcome in files.outcomes([{"x": lambda: 0}, {"x": 2}]):
        growing.add(outcome)
    where, _ = growing.write()
    growing.close()
    assert list(read(where)["file"]) == ["/sims/lwl/a.sim"]
    [lacking] = growing.lacking()
    assert "r.csv lacks /sims/hwl/a.sim" in lacking


class Unpacked:
    """A value that can be packed, and not unpacked."""

    def __reduce__(self):
        return int, ("no number",)


def test_a_value_that_cannot_be_unpacked_costs_its_own_row(tmp_path):
    """And is named; it would have cost all others, in the end of a run."""
    where, notes = saved(tmp_path / "r.csv", Files(3).outcomes([{"x": 1}, {"x": Unpacked()}, {"x": 2}]), 3)
    assert list(read(where)["file"]) == ["a0.sim", "a2.sim"]
    assert notes == (notes[0],)
    assert "r.csv lacks a1.sim: its value cannot be saved: ValueError: invalid literal" in notes[0]
    alone, _ = saved(tmp_path / "alone.csv", Files(1).outcomes([{"x": Unpacked()}]), 1)
    assert list(read(alone).columns) == ["file"]


def test_no_results_are_an_empty_table(tmp_path):
    """With its one column."""
    where, _ = saved(tmp_path / "r.parquet", [], 0)
    assert list(read(where).columns) == ["file"]


def test_where_no_file_has_results_the_table_of_an_earlier_run_stays(tmp_path):
    """A run all of whose files fail, as one that was begun without its load cases, costs no good table."""
    target = tmp_path / "out.csv"
    saved(target, Files(2).outcomes([{"t": 1.0}, {"t": 2.0}]), 2)
    good = target.read_bytes()
    path, (note,) = saved(target, [], 2)
    assert (path, target.read_bytes()) == (None, good)
    assert "out.csv is still that of an earlier run" in note
    path, (note, why) = saved(target, Files(1).outcomes([lambda: 0]), 1)
    assert (path, target.read_bytes()) == (None, good)
    assert "out.csv lacks a0.sim" in why


def test_another_ending_and_a_folder_that_is_not_there_are_refused_at_once(tmp_path):
    """Before anything runs."""
    with pytest.raises(OutputError, match=r"saved as \.parquet, \.csv, \.xlsx"):
        TableFile(tmp_path / "r.mat", (), {})
    with pytest.raises(OutputError, match=r"could not be written: .*none is no folder"):
        TableFile(tmp_path / "none" / "r.csv", (), {})


ALIVE: weakref.WeakSet = weakref.WeakSet()
MOST = [0]


class Followed:
    """Hashable by itself, held by a value."""

    def __init__(self) -> None:
        ALIVE.add(self)
        MOST[0] = max(MOST[0], len(ALIVE))

    def __reduce__(self):
        return (str, ("followed",))


def with_a_follower(model):
    return {"x": 1.5, "held": Followed()}


def test_values_are_let_go_of_as_their_files_end(orcaflex, sims, tmp_path):
    """So memory does not grow with the number of files: of 40 values only those of files in work are there at once."""
    files = sims * 5
    serial = {"executor": "serial"}  # threads may be ahead of who takes their values by as many as the machine is busy
    request = read_request(files, Options(postprocess=with_a_follower, orcaflex="simulated", performance=serial))
    result = carry_out(request, progress=False, save=tmp_path / "r.csv")
    assert len(read(tmp_path / "r.csv")) == len(files) == 40
    assert MOST[0] <= 3
    assert len(ALIVE) <= 1  # the frame of the last call may hold one
    assert tmp_path / "r.csv" in result.outputs
    assert set(result.values) == {None}
    assert result.metrics["values_in"] == str(tmp_path / "r.csv")
    (figures,) = result.metrics["results"]
    assert [(column["name"], column["files"], column["mean"]) for column in figures["columns"]] == [("x", 40, 1.5)]


def test_a_table_that_cannot_be_written_is_an_error_with_the_result(orcaflex, sims, tmp_path, monkeypatch):
    """Nothing is lost without a word."""
    request = read_request(sims, Options(postprocess=largest_tension, orcaflex="simulated"))

    def held_open(*_):
        raise OutputError("r.csv is held open")

    monkeypatch.setattr(streamed, "save_pieces", held_open)
    with pytest.raises(BatchError, match="held open") as error:
        carry_out(request, progress=False, save=tmp_path / "r.csv")
    assert len(error.value.result.outcomes) == len(sims)


def test_a_row_that_is_missing_is_an_error_with_the_result(orcaflex, sims, tmp_path):
    """The table is all that a run from the command line leaves of the values: exit code 0 says that it has them all."""

    def tension_or_function(model):
        return largest_tension(model) if model.latestFileName != str(sims[2]) else lambda: 0

    given = Options(postprocess=tension_or_function, orcaflex="simulated", performance={"executor": "serial"})
    with pytest.raises(BatchError, match=rf"r\.csv lacks {sims[2].name}: its value cannot be saved") as error:
        carry_out(read_request(sims, given), progress=False, save=tmp_path / "r.csv")
    assert list(read(tmp_path / "r.csv")["file"]) == [sim.name for sim in sims if sim != sims[2]]
    assert error.value.result.ok
    assert tmp_path / "r.csv" in error.value.result.outputs


def test_it_is_what_run_batch_returns(orcaflex, sims, tmp_path):
    """The same numbers in the same order."""
    request = read_request(sims, Options(postprocess=largest_tension, orcaflex="simulated"))
    carry_out(request, progress=False, save=tmp_path / "r.parquet")
    table = orcabatch.run_batch(sims, postprocess=largest_tension, orcaflex="simulated", progress=False).table()
    assert np.array_equal(read(tmp_path / "r.parquet")["tension"], table["tension"])


def test_pieces_that_are_still_held_open_do_not_cost_the_table(tmp_path, monkeypatch):
    """On Windows a file that something has mapped or scans cannot be removed: the table stands, what stays is said."""
    _hold(monkeypatch, "0.parquet", lambda _: True)
    where, notes = saved(tmp_path / "r.parquet", Files(2).outcomes([{"x": 1.0}, {"x": 2.0}]), 2)
    (stays,) = [path for path in tmp_path.iterdir() if path != where]
    assert [path.name for path in stays.iterdir()] == ["0.parquet"]
    assert notes == (f"{stays} stays: another program has files in it open. Nothing needs it any more: remove it.",)
    assert list(read(where)["x"]) == [1.0, 2.0]


def test_pieces_that_are_let_go_are_taken_away(tmp_path, monkeypatch):
    """A scanner looks at each new file for a moment: the pieces are waited for, as the table itself is."""
    waits = _hold(monkeypatch, "1.parquet", lambda waits: len(waits) < 2)
    where, notes = saved(tmp_path / "r.parquet", Files(2).outcomes([{"x": 1.0}, {"x": 2.0}]), 2)
    assert (notes, waits, list(tmp_path.iterdir())) == ((), list(atomic.WAITS_S[:2]), [where])


def _hold(monkeypatch, name, until) -> list[float]:
    """A program has the piece of that name open as long as `until` says so of the waits; returns these."""
    unlink, waits = os.unlink, list[float]()

    def held(path, *args, **kwargs):
        if Path(str(path)).name == name and until(waits):
            raise PermissionError(13, "The process cannot access the file", str(path))
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(streamed, "PIECE_FILES", 1)
    monkeypatch.setattr(os, "unlink", held)
    monkeypatch.setattr(atomic.patiently, "__defaults__", (waits.append,))
    return waits


def test_a_piece_that_a_scanner_looks_at_is_moved_once_it_is_let_go(tmp_path, monkeypatch):
    """On Windows a table of one piece would be lost to whoever looks into each new file."""
    replace, waits = Path.replace, list[float]()

    def scanned(self, target):
        if self.name == "0.parquet" and not waits:
            raise PermissionError(13, "The process cannot access the file", str(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", scanned)
    monkeypatch.setattr(atomic.patiently, "__defaults__", (waits.append,))
    where, notes = saved(tmp_path / "r.parquet", Files(1).outcomes([{"x": 1.0}]), 1)
    assert (notes, waits) == ((), [atomic.WAITS_S[0]])
    assert list(read(where)["x"]) == [1.0]
