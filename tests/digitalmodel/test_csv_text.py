"""The fast text of a table is pandas' own, byte for byte, whatever the numbers."""

from __future__ import annotations

import functools
import importlib.util
import io
import os
from datetime import date

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

pd = pytest.importorskip("pandas", reason="the reference text is pandas'")

from orcabatch.digitalmodel import csv_compiled, csv_text  # noqa: E402 - after the check that pandas is there
from orcabatch.digitalmodel.csv_output import folder_named  # noqa: E402
from orcabatch.errors import OutputError  # noqa: E402

STRANGE = [0.0, -0.0, 1e-6, 9.9e-5, 1e-4, -1.2e-5, 999999999.999999, 1e9, 1e16, 1e300, 5e-324, 0.1 + 0.2, 2.0**53]
NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-1e6, 1e6),
    st.floats(-1e-3, 1e-3),
    st.integers(-(10**15), 10**15).map(lambda whole: whole / 1e6),
    st.sampled_from([*STRANGE, np.nan, np.inf, -np.inf]),
)


LOOPS = {"as Python": lambda: csv_compiled.write_rows, "compiled": csv_compiled.compiled}


HOWS = [
    "as Python",
    pytest.param(
        "compiled",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("numba") is None, reason="the compiled loop needs numba: install orcabatch[fast]"
        ),
    ),
]


@functools.cache
def loop(how):
    """The loop that numba compiles, ready to write."""
    made = csv_compiled.Compiled(pays_from=0, make=LOOPS[how])
    assert made.text(np.zeros((1, 1))) is None
    made.expect(0)
    made.thread.join()
    return made


def fast(frame, block_bytes=1_000_000):
    """The text in one piece, or None."""
    blocks = csv_text.csv_blocks(frame, block_bytes=block_bytes)
    return None if blocks is None else b"".join(blocks)


def slow(frame):
    """Pandas' text, with the line ends it writes to a file."""
    return frame.to_csv(index=False, lineterminator=os.linesep).encode()


@given(
    values=arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6), elements=NUMBERS),
    decimals=st.integers(0, 6),
    block_bytes=st.sampled_from([1, 40, 1_000_000]),
)
@example(values=np.array([[np.nan], [1.0]]), decimals=6, block_bytes=1_000_000)
@example(values=np.array([[-0.0, np.nan], [np.inf, -np.inf], [1e12, 1e-6]]), decimals=6, block_bytes=1_000_000)
def test_rounded_tables_have_pandas_bytes(values, decimals, block_bytes):
    """Whole, tiny, huge, infinite, missing, negative zero; in pieces of any size."""
    with np.errstate(over="ignore", invalid="ignore"):
        frame = pd.DataFrame(values, columns=[f"c{index}" for index in range(values.shape[1])]).round(decimals)
    assert fast(frame, block_bytes) == slow(frame)


@given(values=arrays(np.float64, (3, 2), elements=NUMBERS))
def test_tables_that_were_not_rounded_have_pandas_bytes_too(values):
    """Values that are no whole number of millionths are written one by one."""
    frame = pd.DataFrame(values, columns=["a", "b"])
    assert fast(frame) == slow(frame)


LABELS = [
    ["a", "b,c"],
    ["x", 'say "x"'],
    ["", "b"],
    ["", ""],
    [1, 2.5],
    [float("inf"), 1e-20],
    [True, date(2024, 1, 2)],
    ["a\nb", "ä"],
    ["a\rb", "c\r\nd"],
    ["\r\n", "a\u2028b"],
    ["time", None],
    ["time", float("nan")],
    ["time", ("a", "b\n")],
    [("a", "b\n"), ("a", "c\r")],
    [("a", 1), ("b", 2)],
]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("labels", LABELS, ids=repr)
def test_labels_are_written_as_pandas_writes_them(labels, line_end, tmp_path, monkeypatch):
    """Commas, quotes, line ends, numbers, dates, missing and several levels of labels; on Windows too."""
    monkeypatch.setattr(os, "linesep", line_end)
    frame = pd.DataFrame([[1.5, np.nan], [1e12, -0.0], [1e-7, 2.0]])
    frame.columns = pd.Index(labels)  # tuples become a MultiIndex
    csv_text.write_csv(frame, tmp_path / "ours.csv", block_bytes=40)
    frame.to_csv(tmp_path / "theirs.csv", index=False)
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


@pytest.mark.parametrize("how", HOWS)
def test_the_loop_takes_the_line_ends_of_windows_too(how, tmp_path, monkeypatch):
    """They are put between lines of numbers, never into a label."""
    monkeypatch.setattr(os, "linesep", "\r\n")
    monkeypatch.setattr(csv_text, "_COMPILED", loop(how))
    frame = pd.DataFrame(np.round(np.random.default_rng(4).normal(size=(50, 2)), 6), columns=["a\nb", "c\rd"])
    csv_text.write_csv(frame, tmp_path / "ours.csv", block_bytes=400)
    frame.to_csv(tmp_path / "theirs.csv", index=False)
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


def test_an_empty_table_is_its_header():
    """No rows: the header alone."""
    frame = pd.DataFrame({"time": np.empty(0), "x": np.empty(0)})
    assert fast(frame) == slow(frame)


@pytest.mark.parametrize("column", [[1, 2], ["a", "b"], [None, "b"], [True, False]])
def test_other_columns_are_left_to_pandas(column):
    """Integers, text, objects and flags are not ours."""
    assert fast(pd.DataFrame({"x": [1.0, 2.0], "y": column})) is None


def test_millions_of_ordinary_values_have_pandas_bytes():
    """A trace of ordinary size over nine orders of magnitude."""
    draw = np.random.default_rng(5)
    values = draw.normal(size=(20_000, 12)) * 10.0 ** draw.integers(-3, 7, size=12)
    frame = pd.DataFrame(values, columns=[f"c{index}" for index in range(12)]).round(6)
    assert fast(frame) == slow(frame)


@pytest.mark.parametrize("how", HOWS)
@given(
    values=arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6), elements=NUMBERS),
    decimals=st.integers(0, 6),
)
@example(values=np.array([[-0.0, np.nan], [np.inf, -np.inf], [999999999.999999, 1e-6]]), decimals=6)
@example(values=np.array([[np.nan, 0.0], [1e12, -9.9e-05]]), decimals=6)
def test_the_loop_writes_pandas_bytes_or_nothing(how, values, decimals):
    """What it leaves to NumPy: a value that is no whole number of millionths below 1e9, and a lone missing one."""
    with np.errstate(over="ignore", invalid="ignore"):
        frame = pd.DataFrame(values).round(decimals)
    rounded = frame.to_numpy()
    text = loop(how).text(rounded)
    if text is None:
        lone = rounded.shape[1] == 1 and np.isnan(rounded).any()
        with np.errstate(over="ignore", invalid="ignore"):
            exact = (np.abs(rounded) < 1e9) & (np.rint(rounded * 1e6) / 1e6 == rounded)
        assert lone or not (exact | np.isinf(rounded) | np.isnan(rounded)).all()
    else:
        assert text == frame.to_csv(index=False, header=False, lineterminator="\n").encode()


@pytest.mark.parametrize("how", HOWS)
def test_ordinary_traces_go_through_the_loop(how):
    """Nothing of it is left to NumPy."""
    values = np.round(np.random.default_rng(3).normal(size=(300, 9)) * 1000, 6)
    assert loop(how).text(values) == csv_text._block_text(values)


def test_compiling_waits_until_it_pays_and_happens_once():
    """Small batches never pay for it; a machine without numba, or with one that fails, goes on without."""
    made = []

    def failing():
        made.append(1)
        raise ImportError("numba needs another NumPy")

    for make in (lambda: made.append(1), failing):
        made.clear()
        some = csv_compiled.Compiled(pays_from=10, make=make)
        some.expect(9.9)
        assert some.thread is None
        some.expect(10)
        some.thread.join()
        some.expect(1000)
        assert some.text(np.zeros((3, 3))) is None
        assert made == [1]


@given(
    files=st.integers(1, 5000),
    values=st.integers(1, 2_000_000),
    processes=st.integers(1, 8),
    done=st.integers(csv_compiled.TELLING_FILES, 5000),
)
def test_what_is_left_is_what_files_alike_will_take(files, values, processes, done):
    """Exactly that where files are equal, and each process's share of it where several do them."""
    left = csv_compiled.values_left(values * done // processes, done, files)
    assert abs(left - files * values / processes) <= files
    assert csv_compiled.values_left(values, csv_compiled.TELLING_FILES - 1, files) == 0


def test_what_was_done_is_counted(tmp_path):
    """Pieces, and the buffers that were made for them; None where pandas has to write."""
    frame = pd.DataFrame({"a": np.arange(100.0), "b": np.arange(100.0)})
    piece = 10 * 2 * csv_text.CELL.itemsize
    csv_text.forget_buffers()
    made = [csv_text.write_csv(frame, tmp_path / "a.csv", block_bytes=piece) for _ in range(2)]
    assert made == [csv_text.Text(10, 1, 200), csv_text.Text(10, 0, 200)]
    assert csv_text.write_csv(frame, tmp_path / "a.csv", block_bytes=piece, reuse=False) == csv_text.Text(10, 10, 200)
    assert csv_text.write_csv(frame.astype({"a": int}), tmp_path / "a.csv", block_bytes=piece) is None
    csv_text.forget_buffers()


def test_a_disk_that_takes_only_a_part_is_asked_to_take_the_rest(tmp_path, monkeypatch):
    """A raw write may write less than it was given, as on a disk that is nearly full: no table is cut off silently."""
    frame = pd.DataFrame({"time": np.arange(100.0), "x": np.arange(100.0) / 8})
    whole = tmp_path / "whole.csv"
    assert csv_text.write_csv(frame, whole, block_bytes=300)

    class Reluctant(io.RawIOBase):
        def __init__(self):
            self.taken = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.taken += data[:7]
            return min(7, len(data))

    reluctant = Reluctant()
    monkeypatch.setattr(type(tmp_path), "open", lambda *_, **__: reluctant)
    monkeypatch.setattr(reluctant, "close", lambda: None)
    csv_text.write_csv(frame, tmp_path / "part.csv", block_bytes=300)
    monkeypatch.undo()
    assert bytes(reluctant.taken) == whole.read_bytes()


@pytest.mark.parametrize(("label", "said"), [("tension", "Make it"), ("a/tension", "the Label 'a/tension'")])
def test_a_table_without_a_folder_says_who_leads_there(label, said, tmp_path):
    """A Label with a separator, or nobody: then the result folder was removed."""
    with pytest.raises(OutputError, match=said), folder_named(tmp_path / "gone" / f"case_{label}.csv", "case"):
        raise FileNotFoundError(2, "No such file or directory")
