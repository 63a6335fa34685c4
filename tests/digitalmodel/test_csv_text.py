"""The fast text of a table is pandas' own, byte for byte, whatever the numbers."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

pd = pytest.importorskip("pandas", reason="the reference text is pandas'")

from orcabatch.digitalmodel import csv_text  # noqa: E402 - after the check that there is something to compare with

STRANGE = [0.0, -0.0, 1e-6, 9.9e-5, 1e-4, -1.2e-5, 999999999.999999, 1e9, 1e16, 1e300, 5e-324, 0.1 + 0.2, 2.0**53]
NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-1e6, 1e6),
    st.floats(-1e-3, 1e-3),
    st.integers(-(10**15), 10**15).map(lambda whole: whole / 1e6),
    st.sampled_from([*STRANGE, np.nan, np.inf, -np.inf]),
)


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


@pytest.mark.parametrize("labels", [["a", "b,c"], ["x", 'say "x"'], ["", "b"], [1, 2.5], ["a\nb", "ä"]])
def test_labels_are_quoted_as_pandas_quotes_them(labels):
    """Commas, quotes, line ends, numbers and letters outside ASCII in the header."""
    frame = pd.DataFrame([[1.5, 2.0]], columns=labels)
    assert fast(frame) == slow(frame)


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
