"""The simulated `.sim` file: its bytes, writing it, reading its header, reading its log into memory.

Layout (little endian): 12 bytes of magic (`ORCABATCHSIM`), version (uint16), zero (uint16), the header's length and
the log's offset (uint64 each), the header (JSON, UTF-8), zeros up to the offset (a multiple of 4096), the log (float32,
shape (samples, channels), values in [-1, 1)), and zeros up to the claimed size. Results are computed from the log alone
and from what the header says (`results`). See `docs/simulated.md` for the header's keys.

Errors: `Refusal` (status and text as the DLL would answer) from reading; OSError from writing.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from orcabatch.simulated.catalogue import ObjectType
from orcabatch.simulated.spec import ObjectSpec, SimFault, SimSpec, SimState, mooring_objects
from orcabatch.simulated.status import Refusal, StatusCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import DTypeLike, NDArray

MAGIC = b"ORCABATCHSIM"
VERSION = 1
ALIGNMENT = 4096
PIECE_BYTES = 4 << 20
LARGE_BYTES = 1 << 20
LEAST_CHANNELS = 8
_PREFIX = struct.Struct("<12sHHQQ")
_TILE_CELLS = 2_097_143
"""A prime: tiles never line up with rows, so channels do not repeat."""


@dataclass(frozen=True, slots=True)
class SimHeader:
    """What the header says. `samples` x `channels` float32 values begin at `log_offset`; the file has `size_bytes`."""

    spec: SimSpec
    samples: int
    channels: int
    log_offset: int
    size_bytes: int

    @property
    def log_bytes(self) -> int:
        """Bytes of the log."""
        return self.samples * self.channels * 4

    @property
    def kept_channels(self) -> int:
        """How many channels stay in memory: all, or fewer where the memory factor is below 1."""
        return min(self.channels, max(LEAST_CHANNELS, int(self.channels * min(self.spec.memory_factor, 1.0))))

    @property
    def ballast_bytes(self) -> int:
        """Bytes of memory beyond the log that loading takes."""
        return int(self.log_bytes * max(self.spec.memory_factor - 1.0, 0.0))


def last_time(spec: SimSpec) -> float:
    """The time in seconds the simulation reached."""
    return spec.stop_time_s if spec.current_time_s is None else min(spec.current_time_s, spec.stop_time_s)


def sample_count(spec: SimSpec) -> int:
    """Samples in the log: at least one, the static state's."""
    if spec.state in (SimState.RESET, SimState.IN_STATIC_STATE):
        return 1
    return max(int((last_time(spec) - spec.start_time_s) / spec.sample_interval_s + 1e-6), 0) + 1


def _header_dict(spec: SimSpec, samples: int, channels: int, size: int) -> dict[str, Any]:
    values = asdict(spec)
    values["objects"] = [
        [item.name, int(item.type), item.length_m, item.nodes, item.supports, dict(item.data)] for item in spec.objects
    ]
    return {"spec": values, "samples": samples, "channels": channels, "size_bytes": size}


def _encoded(spec: SimSpec) -> tuple[bytes, SimHeader]:
    samples = sample_count(spec)
    room = len(json.dumps(_header_dict(spec, samples, 2**40, 2**50))) + _PREFIX.size
    offset = -(-room // ALIGNMENT) * ALIGNMENT
    channels = max((spec.size_bytes - offset) // (4 * samples), LEAST_CHANNELS)
    size = max(spec.size_bytes, offset + 4 * samples * channels)
    text = json.dumps(_header_dict(spec, samples, channels, size)).encode()
    version = 99 if SimFault.WRONG_VERSION in spec.faults else VERSION
    prefix = _PREFIX.pack(MAGIC, version, 0, len(text), offset)
    return (prefix + text).ljust(offset, b"\0"), SimHeader(spec, samples, channels, offset, size)


def _write_log(stream: BinaryIO, header: SimHeader) -> None:
    generator = np.random.default_rng(header.spec.seed)
    cells = min(header.samples * header.channels, _TILE_CELLS)
    tile = generator.random(cells, dtype=np.float32) * np.float32(2) - np.float32(1)
    piece = tile.data.cast("B")
    left = header.log_bytes
    while left > 0:
        left -= stream.write(piece[:left])


def _damage(path: Path, header: SimHeader) -> None:
    faults = header.spec.faults
    if SimFault.EMPTY in faults:
        path.write_bytes(b"")
    elif SimFault.NOT_A_SIM in faults:
        path.write_bytes(b"This is a text file, not a simulation.\n" * 40)
    elif SimFault.TRUNCATED in faults:
        os.truncate(path, header.log_offset + header.log_bytes // 2)


def write_sim(path: str | os.PathLike[str], spec: SimSpec | None = None) -> Path:
    """Write the file `spec` describes (None: a small one) and return its path. The same spec gives the same bytes."""
    spec = spec or SimSpec()
    if not spec.objects:
        spec = replace(spec, objects=mooring_objects())
    target = Path(path)
    start, header = _encoded(spec)
    with target.open("wb") as stream:
        stream.write(start)
        _write_log(stream, header)
        stream.truncate(header.size_bytes)
    _damage(target, header)
    return target


def _object_from(row: list[Any]) -> ObjectSpec:
    return ObjectSpec(row[0], ObjectType(row[1]), float(row[2]), int(row[3]), int(row[4]), row[5])


def _spec_from(values: Mapping[str, Any]) -> SimSpec:
    converted = dict(values)
    converted["objects"] = tuple(_object_from(row) for row in values["objects"])
    converted["state"] = SimState(values["state"])
    converted["faults"] = tuple(SimFault(fault) for fault in values["faults"])
    converted["current_speeds_m_s"] = tuple(values["current_speeds_m_s"])
    converted["not_logged"] = tuple((name, variable) for name, variable in values["not_logged"])
    if values["nan_variable"] is not None:
        converted["nan_variable"] = tuple(values["nan_variable"])
    return SimSpec(**converted)


def _refuse_format(name: str) -> Refusal:
    return Refusal(StatusCode.INVALID_FILE_FORMAT, f"Error reading file: {name}.\nThis is not a valid OrcaFlex file.")


def read_header(stream: BinaryIO, name: str) -> SimHeader:
    """The header of an open file whose position is 0; `name` is for messages. Refuses with status 34, 67 or 7."""
    prefix = stream.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size or not prefix.startswith(MAGIC):
        raise _refuse_format(name)
    _, version, _, length, offset = _PREFIX.unpack(prefix)
    if version != VERSION:
        raise Refusal(
            StatusCode.INVALID_VERSION,
            f"Error reading file: {name}.\nThe file was created by a later version ({version}) than this "
            f"simulated OrcaFlex reads ({VERSION}).",
        )
    text = stream.read(length)
    if len(text) < length:
        raise Refusal(StatusCode.FILE_READ_ERROR, f"Error reading file: {name}.\nUnexpected end of file.")
    values = json.loads(text)
    size, samples, channels = (int(values[key]) for key in ("size_bytes", "samples", "channels"))
    return SimHeader(_spec_from(values["spec"]), samples, channels, offset, size)


def open_sim(path: str) -> BinaryIO:
    """The file, unbuffered, at position 0. Refuses with status 6 where there is none, 7 where it cannot be opened."""
    try:
        return Path(path).open("rb", buffering=0)
    except FileNotFoundError:
        raise Refusal(StatusCode.FILE_NOT_FOUND, f"File not found: {path}") from None
    except OSError as error:
        raise Refusal(StatusCode.FILE_READ_ERROR, f"Error reading file: {path}.\n{error.strerror}") from None


def from_system(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array, not filled, whose memory goes back to the system with it, as a model's does on Windows.

    Linux's allocator would keep it, and the process would not become smaller when a model goes.
    """
    count = math.prod(shape) * np.dtype(dtype).itemsize
    if count < LARGE_BYTES or sys.platform == "win32":
        return np.empty(shape, dtype)
    held = mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(held, dtype).reshape(shape)


def read_log(stream: BinaryIO, header: SimHeader, name: str, pay: Callable[[int], None]) -> NDArray[np.float32]:
    """The log, shape (samples, kept channels), read in pieces with the GIL released; `pay(bytes)` before each piece.

    Every byte of the file is read, the padding included. Refuses with status 7 when the file ends early.
    """
    stream.seek(header.log_offset)
    kept = header.kept_channels
    log = from_system((header.samples, kept), np.float32)
    if kept == header.channels:
        _fill(stream, log.data.cast("B"), name, pay)
    else:
        rows = max(PIECE_BYTES // (header.channels * 4), 1)
        piece = from_system((rows, header.channels), np.float32)
        for first in range(0, header.samples, rows):
            part = piece[: min(rows, header.samples - first)]
            _fill(stream, part.data.cast("B"), name, pay)
            log[first : first + len(part)] = part[:, :kept]
    _skip(stream, header.size_bytes - header.log_offset - header.log_bytes, name, pay)
    return log


def _fill(stream: BinaryIO, target: memoryview, name: str, pay: Callable[[int], None]) -> None:
    done, total = 0, len(target)
    while done < total:
        piece = target[done : min(done + PIECE_BYTES, total)]
        pay(len(piece))
        count = stream.readinto(piece)  # type: ignore[attr-defined]
        if not count:
            raise Refusal(StatusCode.FILE_READ_ERROR, f"Error reading file: {name}.\nUnexpected end of file.")
        done += count


def _skip(stream: BinaryIO, count: int, name: str, pay: Callable[[int], None]) -> None:
    if count > 0:
        _fill(stream, memoryview(bytearray(count)), name, pay)


class SimFile:
    """A simulated file on disk: `SimFile(path).header` without loading its log."""

    __slots__ = ("header", "path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Reads the header; raises FileNotFoundError, or ValueError where it is no simulated file."""
        self.path = Path(path)
        with self.path.open("rb", buffering=0) as stream:
            try:
                self.header = read_header(stream, str(path))
            except Refusal as refusal:
                raise ValueError(f"{path} is not a readable simulated .sim file: {refusal.text}") from None

    @property
    def spec(self) -> SimSpec:
        """What the file was written from."""
        return self.header.spec
