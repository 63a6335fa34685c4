"""What the doctor says about folders: kind of disk, free space, speed, and whether they can be used.

What is written is taken away again: something to the temporary folder, an empty file to the result folder (access lists
and shares have no other answer). Of the input one `.sim` file is read, at most `READ_BYTES` of it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from orcabatch.cli.checks import Check, Level
from orcabatch.orcaflex.sim_files import InputError, check_readable, is_on_network
from orcabatch.settings import format_size
from orcabatch.store.atomic import check_writable

if TYPE_CHECKING:
    from orcabatch.host import HostResources

TOPIC = "disks"
WRITE_BYTES = 32_000_000
READ_BYTES = 64_000_000
LITTLE_SPACE_BYTES = 1_000_000_000
_PIECE = bytes(range(256)) * 4096


def check_temporary(host: HostResources, folder: Path | None = None) -> Check:
    """The temporary folder, with a short measured write and read."""
    folder = folder or Path(tempfile.gettempdir())
    what = f"temporary folder {folder}: {_kind_of(host, folder)}"
    try:
        wrote, read = _measured(folder)
    except OSError as error:
        remedy = "set TEMP to a folder that can be written (io.temp_directory is for OrcaFlex's own temporary files)"
        return Check(TOPIC, f"{what}; it cannot be written to: {error.strerror or error}", Level.MEND, remedy)
    speed = f"writes {format_size(wrote)}/s, reads back {format_size(read)}/s (the system's cache may help)"
    return _with_space(f"{what}; {speed}", folder)


def check_inputs(host: HostResources, files: Sequence[Path]) -> Iterator[Check]:
    """Where the `.sim` files are, how fast the first one is read, and which cannot be read. Nothing is written."""
    folders = list(dict.fromkeys(file.parent for file in files))
    for folder in folders:
        inside = [file for file in files if file.parent == folder]
        yield _input_folder(host, folder, inside)
    for file in files:
        try:
            check_readable(file)
        except InputError as error:
            yield Check(TOPIC, error.message, Level.NOTE, error.remedy)


def check_output(host: HostResources, folder: Path) -> Check:
    """The result folder, or the nearest folder above it that is there."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    what = f"result folder {folder}: {_kind_of(host, there)}"
    if not there.is_dir():
        remedy = "correct file_management.output_directory"
        return Check(TOPIC, f"{what}; {there} is a file, not a folder", Level.MEND, remedy)
    try:
        check_writable(there)
    except OSError:
        remedy = "ask for write access, or give another folder: --output FOLDER"
        return Check(TOPIC, f"{what}; {there} cannot be written to", Level.MEND, remedy)
    return _with_space(what, there)


def _kind_of(host: HostResources, folder: Path) -> str:
    if is_on_network(folder):
        return "network"
    disk = host.disk_of(folder.resolve())
    return disk.kind if disk is not None and disk.kind != "unknown" else "kind of disk not known"


def _with_space(said: str, folder: Path) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return Check(TOPIC, f"{said}; free space not known")
    level, remedy = (Level.NOTE, "free some space") if free < LITTLE_SPACE_BYTES else (Level.OK, "")
    return Check(TOPIC, f"{said}; {format_size(free)} free", level, remedy)


def _input_folder(host: HostResources, folder: Path, files: Sequence[Path]) -> Check:
    kind = _kind_of(host, folder)
    what = f"input folder {folder}: {len(files)} files, {kind}"
    speed = next((found for found in map(_read_speed, files) if found), None)
    said = f"{what}; reads {format_size(speed)}/s (the system's cache may help)" if speed else what
    if kind == "network":
        return Check(TOPIC, said, Level.NOTE, "where it is slow: io.stage_inputs copies files to a local folder first")
    return Check(TOPIC, said)


def _read_speed(file: Path) -> float | None:
    """Bytes per second over the beginning of a file; None where it cannot be read, or is too small to say."""
    try:
        begun = time.perf_counter()
        with file.open("rb") as stream:
            count = sum(len(piece) for piece in iter(lambda: _next_piece(stream), b""))
    except OSError:
        return None
    return count / max(time.perf_counter() - begun, 1e-9) if count >= len(_PIECE) else None


def _next_piece(stream: BinaryIO) -> bytes:
    return stream.read(len(_PIECE)) if stream.tell() < READ_BYTES else b""


def _measured(folder: Path) -> tuple[float, float]:
    """Bytes per second of writing (down to the disk) and reading back."""
    with tempfile.TemporaryFile(dir=folder, prefix="orcabatch-doctor-") as stream:
        begun = time.perf_counter()
        for _ in range(WRITE_BYTES // len(_PIECE)):
            stream.write(_PIECE)
        stream.flush()
        os.fsync(stream.fileno())
        written = time.perf_counter()
        size = stream.tell()
        stream.seek(0)
        while stream.read(len(_PIECE)):
            pass
        ended = time.perf_counter()
    return size / max(written - begun, 1e-9), size / max(ended - written, 1e-9)
