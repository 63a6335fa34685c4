"""Frames that came back from the ledger fold into the summaries that they would have folded into without it."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcabatch.digitalmodel import combine
from orcabatch.store.frames import blocks_of
from orcabatch.store.values import decode, encode

CELLS = st.sampled_from(
    [None, float("nan"), 101.57659114790725, 0.1 + 0.2, -0.0, 1e22, 3, -1, 2**40, True, False, "", "Max", "3.0",
     np.float64(2.5), np.float64("nan"), np.int64(7), np.float32(0.1)]
)  # fmt: skip
LABELS = ("T_min", "T_max", "curvature", "Hs", "state", "count")
BEFORE = ["fe_filename", "run_status", "start_time", "description"]


@st.composite
def rows(draw, labels):
    """A table of one file: some columns at once, the others inserted, set again, or put beside them."""
    frame = pd.DataFrame([["/sims/a.sim", "SimulationStopped", 0.0, None]], columns=BEFORE)
    for label in labels:
        value, way = draw(CELLS), draw(st.integers(0, 3))
        if way == 0:
            frame = pd.concat([frame, pd.DataFrame({label: [value]})], axis=1)
        elif way == 1:
            frame[label] = [value]
        else:
            frame[[label]] = [value]
    if draw(st.booleans()):
        frame[[draw(st.sampled_from([*labels, "start_time"]))]] = [draw(CELLS)]
    return frame.copy() if draw(st.booleans()) else frame


@st.composite
def folders(draw):
    """The tables of some files, which have the same columns or nearly."""
    labels = draw(st.lists(st.sampled_from(LABELS), min_size=1, unique=True))
    odd = draw(st.lists(st.sampled_from(LABELS), min_size=1, unique=True))
    return [draw(rows(draw(st.sampled_from([labels, labels, odd])))) for _ in range(draw(st.integers(2, 5)))]


def layout(frame):
    """Which columns lie together, of which type, and how."""
    found = []
    for positions, values in blocks_of(frame):
        order = (values.flags.c_contiguous, values.flags.f_contiguous) if isinstance(values, np.ndarray) else None
        found.append((positions.tolist(), str(values.dtype), values.shape, order))
    return found


def folded(frames):
    """As digitalmodel folds them: a deep copy of the first, then two at a time."""
    together = copy.deepcopy(frames[0])
    for frame in frames[1:]:
        together = pd.concat([together, frame], ignore_index=True)
    return together


def outcome(frames, fold=folded):
    """Types, text, rounded text and statistics of the fold."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas 2 announces what pandas 3 does
        together = fold(frames)
        numbers = together.select_dtypes("number")
        return [
            [str(dtype) for dtype in together.dtypes],
            together.to_csv(index=False),
            together.round(6).to_csv(index=False),
            layout(together),
            *(getattr(numbers, what)().to_numpy().tobytes() for what in ("min", "max", "mean", "std")),
        ]


@given(files=folders(), data=st.data())
def test_whatever_was_stored_in_between_the_summary_is_the_same(files, data):
    """For any tables, and whichever of them come from an earlier run."""
    remembered = [decode(encode(file)) if data.draw(st.booleans()) else file for file in files]
    assert outcome(remembered) == outcome(files)


def test_thousands_of_random_tables_fold_alike():
    """Mixed types beside empty cells, which is where pandas 2 looks at whole blocks."""
    noise = np.random.default_rng(20)
    cells = [None, float("nan"), 101.57659114790725, 0.5, 3, True, "Max"]
    for _ in range(800):
        labels = LABELS[: noise.integers(1, 7)]
        files = []
        for _ in range(noise.integers(2, 5)):
            frame = pd.DataFrame([["a.sim", "ok", 0.0, None]], columns=BEFORE)
            for label in labels:
                frame[[label]] = [cells[noise.integers(len(cells))]]
            files.append(frame)
        assert outcome([decode(encode(file)) for file in files]) == outcome(files)


def add(together, part):
    """digitalmodel's own fold of two, for one group."""
    if not together:
        return copy.deepcopy(part)
    return {"g": pd.concat([together["g"], part["g"]], ignore_index=True)}


def by_runs(frames):
    """As orcabatch folds them: what is alike at once."""
    return combine._folded(add, [{"g": frame} for frame in frames], by_runs=True)["g"]


@given(files=folders(), times=st.integers(1, 3))
def test_files_that_are_alike_fold_at_once_as_one_at_a_time(files, times):
    """Types, texts, statistics to the last bit, and how it lies in memory."""
    files = [file for file in files for _ in range(times)]
    assert outcome(files, by_runs) == outcome(files)


@given(files=folders())
def test_a_table_keeps_its_layout_and_so_does_a_table_of_many(files):
    """The blocks, their order, and whether rows or columns lie together: sums go along the memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        together = folded(files)
    for frame in [*files, together, together.T.T, together.iloc[::2]]:
        back = decode(encode(frame))
        kept = [part[:3] for part in layout(frame)]
        assert [part[:3] for part in layout(back)] == kept


def test_the_last_digits_of_a_mixed_column_are_kept():
    """As it was met on pandas 2: rounded in one run, and not in the run that found the first file done."""
    one = pd.DataFrame([["a.sim", None]], columns=["file", "description"])
    other = one.copy()
    for frame, value in ((one, 101.57659114790725), (other, None)):
        frame[["T"]] = [value]
        frame[["more"]] = [value]
    assert outcome([decode(encode(one)), decode(encode(other))]) == outcome([one, other])


@pytest.mark.parametrize("order", ["C", "F", "reversed", "strided"])
def test_sums_over_what_came_back_are_those_of_before(order):
    """To the last bit: numpy adds up along the memory."""
    values = np.random.default_rng(3).random((400, 7)) * 1e6
    lies = {
        "C": values,
        "F": np.asfortranarray(values),
        "reversed": np.asfortranarray(values)[::-1],
        "strided": np.repeat(np.asfortranarray(values), 2, axis=0)[::2],
    }
    frame = pd.DataFrame(lies[order], copy=False)
    back = decode(encode(frame))
    assert frame.sum().to_numpy().tobytes() == back.sum().to_numpy().tobytes()
    assert frame.sum(axis=1).to_numpy().tobytes() == back.sum(axis=1).to_numpy().tobytes()
