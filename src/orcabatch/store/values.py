"""Values as bytes and back: exactly, and without executing anything on reading.

    encode(value) -> bytes          decode(bytes) -> value          NotStorable: the value has no exact safe form

Covers None, booleans, integers of any size, floats (bit for bit, NaN apart from None), complex numbers, text, bytes,
paths, lists, tuples, dicts in their order, numpy scalars and arrays (dtype, byte order and shape), and pandas frames of
these (`orcabatch.store.frames`). Exact types only: a subclass may mean more than its base shows. Does not cover objects
of other classes (pickle would, and would run whatever the file says) nor whether the bytes are the ones that were
written: see `orcabatch.store.ledger`, which keeps a checksum.

Each value is one tag byte and what the tag says; integers of the format are unsigned, little-endian, eight bytes.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orcabatch.store.frames import frame_of, parts_of
from orcabatch.store.storable import Damaged, NotStorable, checked, checked_texts
from orcabatch.text import class_home, class_name, class_place

__all__ = ["Damaged", "NotStorable", "checked", "checked_texts", "decode", "encode"]

DEEPEST = 60
"""How deep values may be nested: a list that holds itself has no end."""

_PLAIN_KINDS = "biufcmMSU"
_DTYPE = re.compile(r"\|O|[<>|][biufcSU][1-9]\d{0,8}|[<>][mM]8(\[\d{0,9}[a-zA-Z]{1,2}\])?")
"""All that numpy writes for these; it reads far more than that."""
_COUNT = struct.Struct("<Q")
_FLOAT = struct.Struct("<d")
_COMPLEX = struct.Struct("<dd")


def encode(value: Any) -> bytes:
    """The value as bytes.

    Raises:
        NotStorable: it holds something without an exact safe form.
    """
    out = bytearray()
    _write(value, out, 0)
    return bytes(out)


def decode(data: bytes, frame: Callable[[Sequence[Any]], Any] = frame_of) -> Any:
    """The value that `encode` was given; `frame` makes a pandas frame, or what stands for it, of its parts.

    Raises:
        Damaged: these are not bytes that `encode` wrote.
    """
    reader = _Reader(data, frame)
    try:
        value = reader.value(0)
    except Exception as error:  # numpy and pandas are given bytes that anybody may have made
        raise Damaged(f"not a stored value: {error}") from error
    if reader.position != len(data):
        raise Damaged("not a stored value: there is more behind its end")
    return value


# --- writing


def _write(value: Any, out: bytearray, depth: int) -> None:
    if depth > DEEPEST:
        raise NotStorable("it is nested too deeply to be stored, or holds itself")
    writer = _WRITERS.get(type(value))
    if writer is not None:
        writer(value, out, depth)
    elif isinstance(value, np.generic):
        _write_scalar(value, out)
    else:
        _write_pandas(value, out, depth)


def _sized(out: bytearray, tag: bytes, content: bytes) -> None:
    out += tag + _COUNT.pack(len(content)) + content


def _write_int(value: int, out: bytearray, _: int) -> None:
    _sized(out, b"i", value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))


def _write_list(value: Any, out: bytearray, depth: int) -> None:
    out += (b"l" if type(value) is list else b"t") + _COUNT.pack(len(value))
    for item in value:
        _write(item, out, depth + 1)


def _write_dict(value: dict[Any, Any], out: bytearray, depth: int) -> None:
    out += b"d" + _COUNT.pack(len(value))
    for key, item in value.items():
        _write(key, out, depth + 1)
        _write(item, out, depth + 1)


def _write_scalar(value: np.generic, out: bytearray) -> None:
    if value.dtype.kind not in _PLAIN_KINDS:
        raise NotStorable(f"numpy.{class_name(type(value))} has no exact safe form")
    if isinstance(value, np.str_ | np.bytes_):
        out += b"T"
        # numpy's own str() drops zeros at the end
        _write(str.__str__(value) if isinstance(value, np.str_) else bytes(value), out, 0)
        return
    _sized(out, b"g", value.dtype.str.encode())
    _sized(out, b"b", value.tobytes())


def _write_array(value: np.ndarray[Any, Any], out: bytearray, depth: int) -> None:
    plain = value.dtype.kind in _PLAIN_KINDS and not value.dtype.metadata and value.dtype.itemsize
    if value.dtype.kind != "O" and not plain:
        raise NotStorable(f"an array of dtype {value.dtype} has no exact safe form")
    column_major = value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous
    out += b"F" if column_major else b"C"
    _sized(out, b"s", value.dtype.str.encode())
    _sized(out, b"b", np.array(value.shape, "<i8").tobytes())
    if value.dtype.kind == "O":
        for item in value.ravel(order="F" if column_major else "C"):
            _write(item, out, depth + 1)
    else:
        _sized(out, b"b", value.tobytes(order="F" if column_major else "C"))


def _write_pandas(value: Any, out: bytearray, depth: int) -> None:
    kind = type(value)
    if class_home(kind).partition(".")[0] == "pandas":
        import pandas as pd

        if value is pd.NA or value is pd.NaT:
            out += b"A" if value is pd.NA else b"a"
            return
        if kind is pd.DataFrame:
            out += b"P"
            _write(parts_of(value), out, depth + 1)
            return
    raise NotStorable(f"{class_place(kind)} has no exact safe form")


_WRITERS: dict[type, Callable[[Any, bytearray, int], None]] = {
    type(None): lambda _v, out, _d: out.extend(b"N"),
    bool: lambda value, out, _d: out.extend(b"1" if value else b"0"),
    int: _write_int,
    float: lambda value, out, _d: out.extend(b"f" + _FLOAT.pack(value)),
    complex: lambda value, out, _d: out.extend(b"c" + _COMPLEX.pack(value.real, value.imag)),
    str: lambda value, out, _d: _sized(out, b"s", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value, out, _d: _sized(out, b"b", value),
    type(Path()): lambda value, out, _d: _sized(out, b"p", str(value).encode("utf-8", "surrogatepass")),
    list: _write_list,
    tuple: _write_list,
    dict: _write_dict,
    np.ndarray: _write_array,
}


# --- reading


class _Reader:
    """Reads one value after the other; never further than there are bytes."""

    def __init__(self, data: bytes, frame: Callable[[Sequence[Any]], Any]) -> None:
        self._data, self.position = data, 0
        self.frame = frame

    def value(self, depth: int) -> Any:
        """The value that begins here."""
        if depth > DEEPEST + 2:
            raise Damaged("nested too deeply")
        tag = self.take(1)
        reader = _READERS.get(tag)
        if reader is None:
            raise Damaged(f"unknown tag {tag!r}")
        return reader(self, depth)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.position + count
        if end > len(self._data):
            raise Damaged("it ends too early")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def count(self) -> int:
        """A number of things; there cannot be more of them than bytes left."""
        found: int = _COUNT.unpack(self.take(8))[0]
        return found

    def items(self, depth: int) -> list[Any]:
        """A counted row of values."""
        count = self.count()
        if count > len(self._data) - self.position:
            raise Damaged("it promises more than there is")
        return [self.value(depth + 1) for _ in range(count)]

    def content(self) -> bytes:
        """Counted bytes."""
        return self.take(self.count())

    def text(self) -> str:
        """Counted text."""
        return self.content().decode("utf-8", "surrogatepass")


def _read_dict(reader: _Reader, depth: int) -> dict[Any, Any]:
    count = reader.count()
    return {reader.value(depth + 1): reader.value(depth + 1) for _ in range(count)}


def _dtype(text: str) -> np.dtype[Any]:
    if not _DTYPE.fullmatch(text):
        raise Damaged(f"unknown dtype {text!r}")
    dtype = np.dtype(text)
    if dtype.kind not in _PLAIN_KINDS + "O" or dtype.str != text:
        raise Damaged(f"unknown dtype {text!r}")
    return dtype


def _read_scalar(reader: _Reader, depth: int) -> Any:
    dtype, content = _dtype(reader.text()), reader.value(depth)
    if dtype.kind == "O" or len(content) != dtype.itemsize or not content:
        raise Damaged("a scalar of another size")
    return np.frombuffer(content, dtype)[0]


def _read_text_scalar(reader: _Reader, depth: int) -> Any:
    content = reader.value(depth)
    if not isinstance(content, str | bytes):
        raise Damaged("a text that is none")
    return np.str_(content) if isinstance(content, str) else np.bytes_(content)


def _read_array(order: Any) -> Callable[[_Reader, int], Any]:
    def read(reader: _Reader, depth: int) -> Any:
        dtype, shape = _dtype(reader.value(depth)), np.frombuffer(reader.value(depth), "<i8").tolist()
        size = math.prod(shape)
        if min(shape, default=0) < 0 or size > len(reader._data):
            raise Damaged("an array that promises more than there is")
        if dtype.kind == "O":
            flat = np.empty(size, dtype)
            for place in range(size):
                flat[place] = reader.value(depth + 1)
        else:
            flat = np.frombuffer(reader.value(depth), dtype).copy()
        return flat.reshape(shape, order=order)

    return read


def _missing(name: str) -> Callable[[_Reader, int], Any]:
    def read(_reader: _Reader, _depth: int) -> Any:
        import pandas as pd

        return getattr(pd, name)

    return read


_READERS: dict[bytes, Callable[[_Reader, int], Any]] = {
    b"N": lambda _r, _d: None,
    b"0": lambda _r, _d: False,
    b"1": lambda _r, _d: True,
    b"i": lambda reader, _d: int.from_bytes(reader.content(), "little", signed=True),
    b"f": lambda reader, _d: _FLOAT.unpack(reader.take(8))[0],
    b"c": lambda reader, _d: complex(*_COMPLEX.unpack(reader.take(16))),
    b"s": lambda reader, _d: reader.text(),
    b"b": lambda reader, _d: reader.content(),
    b"p": lambda reader, _d: Path(reader.text()),
    b"l": lambda reader, depth: reader.items(depth),
    b"t": lambda reader, depth: tuple(reader.items(depth)),
    b"d": _read_dict,
    b"g": _read_scalar,
    b"T": _read_text_scalar,
    b"C": _read_array("C"),
    b"F": _read_array("F"),
    b"P": lambda reader, depth: reader.frame(reader.value(depth + 1)),
    b"A": _missing("NA"),
    b"a": _missing("NaT"),
}
