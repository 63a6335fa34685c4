"""Values as bytes and back, bit for bit; damaged bytes end in one kind of error."""

from __future__ import annotations

import collections
import contextlib
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from orcabatch.outcome import FileOutcome, Status
from orcabatch.results.figures import figures
from orcabatch.store.frames import blocks_of, cells_of
from orcabatch.store.values import Damaged, NotStorable, decode, encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(width=64)
    | st.complex_numbers()
    | st.text(st.characters())
    | st.binary()
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")).map(Path)
)
dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(endianness="?"),
    hnp.datetime64_dtypes(),
    hnp.timedelta64_dtypes(),
    hnp.byte_string_dtypes(),
    hnp.unicode_string_dtypes(),
)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
values = st.recursive(
    scalars | arrays,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)


def assert_same(one, other):
    """The same types, the same bits, all the way down."""
    assert type(one) is type(other)
    if isinstance(one, float):
        assert struct.pack("<d", one) == struct.pack("<d", other)
    elif isinstance(one, complex):
        assert struct.pack("<dd", one.real, one.imag) == struct.pack("<dd", other.real, other.imag)
    elif isinstance(one, np.ndarray):
        assert (one.dtype.str, one.shape, one.flags.writeable) == (other.dtype.str, other.shape, True)
        if one.dtype.kind == "O":
            assert_same(list(one.ravel()), list(other.ravel()))
        else:
            assert one.tobytes() == other.tobytes()
    elif isinstance(one, np.generic):
        assert (one.dtype.str, one.tobytes()) == (other.dtype.str, other.tobytes())
    elif isinstance(one, dict):
        assert_same(list(one.items()), list(other.items()))
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other or one is other


@given(values)
def test_a_value_comes_back_bit_for_bit(value):
    """Types, bits of floats, order of dicts, dtypes and shapes of arrays."""
    assert_same(value, decode(encode(value)))


@given(hnp.arrays(dtypes, ()))
def test_numpy_scalars_come_back_as_what_they_were(array):
    """A numpy.float64 is no float, and a float no numpy.float64."""
    scalar = array[()]
    assert_same(scalar, decode(encode(scalar)))


@pytest.mark.parametrize("text", ["a\0", "\0", "a\0\0b\0", "", "a"])
def test_numpy_text_keeps_the_zeros_at_its_end(text):
    """Which numpy's own str() drops."""
    assert_same(np.str_(text), decode(encode(np.str_(text))))
    assert str.__str__(decode(encode([np.str_(text)]))[0]) == text


@pytest.mark.parametrize("bits", [0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 0x7FF0000000000000, 1])
def test_every_float_keeps_its_bits(bits):
    """NaN with its payload and sign, negative zero, infinity, the smallest number."""
    value = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
    assert struct.pack("<d", decode(encode({"v": value}))["v"]) == bits.to_bytes(8, "little")


def test_column_major_arrays_stay_column_major():
    """What a function of the user's hands to numerics keeps its layout."""
    array = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    back = decode(encode(array))
    assert back.flags.f_contiguous
    assert_same(array, back)


cells = st.none() | st.floats() | st.integers(-5, 5) | st.text(max_size=3) | st.just(np.float64(1.5)) | st.booleans()


@st.composite
def frames(draw):
    rows = draw(st.integers(0, 3))
    columns = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["f8", "i8", "bool", "object", "str", "M8[ns]", "f4"]))
        if kind == "object":
            filled = np.empty(rows, object)
            for row in range(rows):
                filled[row] = draw(cells)
            columns.append(pd.Series(filled, dtype=object))
        elif kind == "str":
            columns.append(pd.Series([draw(st.none() | st.text(max_size=3)) for _ in range(rows)], dtype="str"))
        else:
            columns.append(pd.Series(draw(hnp.arrays(np.dtype(kind), rows)), dtype=kind))
    frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(rows))
    if draw(st.booleans()):
        frame.columns = [f"c{draw(st.integers(0, 2))}" for _ in columns]
    if draw(st.booleans()):
        frame.index = pd.Index([f"r{row}" for row in range(rows)], name="row")
    return frame


@given(frame=frames())
def test_frames_come_back_with_their_types_and_text(frame):
    """Column types, index, duplicate names, missing values of each kind, and so the text that pandas writes."""
    back = decode(encode(frame))
    pd.testing.assert_frame_equal(frame, back, check_exact=True, check_column_type=True, check_index_type=True)
    assert list(map(str, frame.dtypes)) == list(map(str, back.dtypes))
    assert frame.to_csv() == back.to_csv()
    for position in range(frame.shape[1]):
        if frame.dtypes.iloc[position] == np.dtype(object):
            assert_same(list(frame.iloc[:, position]), list(back.iloc[:, position]))
        elif isinstance(frame.dtypes.iloc[position], np.dtype):
            assert frame.iloc[:, position].to_numpy().tobytes() == back.iloc[:, position].to_numpy().tobytes()


def test_numpys_texts_in_a_frame_come_back():
    """pandas keeps them as they are in a column of texts."""
    frame = pd.DataFrame({"a": [np.str_("x"), "y", None]}, index=pd.Index([np.str_("i"), "j", "k"]))
    back = decode(encode(frame))
    pd.testing.assert_frame_equal(frame, back, check_exact=True)
    assert list(map(type, back["a"])) == list(map(type, frame["a"]))


@given(frame=frames())
def test_the_cells_of_a_frame_have_its_figures(frame):
    """They are read without pandas: a finished batch is summed up as the run that computed it was."""

    def summed_up(value):
        outcome = FileOutcome(file=Path("a.sim"), batch="b", status=Status.OK, value=value, index=0)
        tables = figures([outcome], lambda file: {"": file.value}, {})
        return sorted(repr(column) for table in tables for column in table["columns"])

    read = decode(encode(frame), cells_of)
    assert isinstance(read, dict) or not frame.columns.is_unique
    assert summed_up(read) == summed_up(frame)


def test_a_pandas_that_does_not_show_its_blocks_stores_no_frames():
    """They decide types when frames are put together, so nothing is guessed."""
    with pytest.raises(NotStorable, match="how a frame lies in memory"):
        blocks_of(SimpleNamespace(_mgr=SimpleNamespace()))


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Text("a"),
        collections.OrderedDict(a=1),
        {1, 2},
        lambda: 1,
        np.array([object()]),
        np.zeros(2, dtype=[("a", "f8")]),
        np.ma.masked_array([1.0], mask=[True]),
        pd.DataFrame({"a": pd.Categorical(["x"])}),
        pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])),
        [[object()]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_exact_safe_form_is_refused(value):
    """Nothing is stored almost right."""
    with pytest.raises(NotStorable):
        encode(value)


def test_a_list_that_holds_itself_is_refused():
    """It has no end."""
    endless = []
    endless.append(endless)
    with pytest.raises(NotStorable, match="nested"):
        encode(endless)


@given(st.binary(max_size=60))
def test_foreign_bytes_are_a_value_or_damaged(data):
    """Nothing else is ever raised, whatever the bytes are."""
    with contextlib.suppress(Damaged):
        decode(data)


@given(values, st.data())
def test_a_flipped_byte_is_another_value_or_damaged(value, data):
    """Nothing else is ever raised: the checksum of the ledger is there to tell which."""
    stored = bytearray(encode([value]))
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(Damaged):
        decode(bytes(stored))
