"""What the doctor says about the machine: CPUs, memory and what limits them; folders and disks; the ledger.

What is written is taken away again: something to the temporary folder, an empty file to the result folder (access lists
and shares have no other answer). Of the input one `.sim` file is read, at most `READ_BYTES` of it; the ledger is only
read.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from orcabatch import __version__
from orcabatch.cli.checks import Check, Level
from orcabatch.host import HostResources, ResourceManager
from orcabatch.network import is_on_network
from orcabatch.orcaflex.sim_files import InputError, check_loadable
from orcabatch.settings import format_count, format_size
from orcabatch.sleep import awake_s
from orcabatch.store.atomic import check_writable, to_disk
from orcabatch.store.ledger import describe_ledger
from orcabatch.versions import system_version
from orcabatch.win32 import as_opened, is_folder, is_there

HOST = "host"
DISKS = "disks"
LEDGER = "ledger"
LITTLE_MEMORY = 0.2
"""Below this share of available memory a batch starts few files: its cap is 80% in use, other programs included."""
WRITE_BYTES = 32_000_000
READ_BYTES = 64_000_000
"""Of both, enough to say how fast a disk is, and little enough that the doctor is done in seconds on a slow share."""
LITTLE_SPACE_BYTES = 1_000_000_000
"""Below this it is noted, and no more: how much a batch writes is not known here."""
_PIECE = bytes(range(256)) * 4096


def check_host(host: HostResources | None = None) -> Iterator[Check]:
    """The machine as a batch would find it."""
    host = host or ResourceManager().measure()
    bits = 64 if sys.maxsize > 2**32 else 32
    python = f"Python {platform.python_version()} ({bits} bit)"
    if bits == 32:
        yield Check(HOST, f"{python} can hold few files in memory", Level.MEND, "install a 64 bit Python")
    yield Check(HOST, f"orcabatch {__version__}, {python}, {system_version()}")
    yield Check(HOST, f"{_counted(host)}")
    yield _memory(host)
    for name, by in host.limited_by.items():
        what = {"logical_cpus": "CPUs", "total_ram_bytes": "memory"}.get(name, name)
        yield Check(HOST, f"{what}: fewer than the machine has, limited by {by}; plans keep to the limit", Level.NOTE)


def check_temporary(host: HostResources, folder: Path | None = None) -> Check:
    """The temporary folder, with a short measured write and read."""
    folder = folder or Path(tempfile.gettempdir())
    what = f"temporary folder {folder}: {_kind_of(host, folder)}"
    try:
        wrote, read = _measured(folder)
    except OSError as error:
        remedy = "set TEMP to a folder that can be written (io.temp_directory is for OrcaFlex's own temporary files)"
        return Check(DISKS, f"{what}; it cannot be written to: {error.strerror or error}", Level.MEND, remedy)
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
            check_loadable(file)
        except InputError as error:
            yield Check(DISKS, error.message, Level.NOTE, error.remedy)


def check_output(host: HostResources, folder: Path) -> Check:
    """The result folder, or the nearest folder above it that is there."""
    there = next((parent for parent in (folder, *folder.parents) if is_there(parent)), None)
    if there is None:
        return Check(
            DISKS, f"result folder {folder}: {folder.anchor} is not there", Level.MEND, "connect the drive or share"
        )
    what = f"result folder {folder}: {_kind_of(host, there)}"
    if not is_folder(there):
        remedy = "correct file_management.output_directory"
        return Check(DISKS, f"{what}; {there} is a file, not a folder", Level.MEND, remedy)
    try:
        check_writable(there)
    except OSError:
        remedy = "ask for write access, or give another folder: --output FOLDER"
        return Check(DISKS, f"{what}; {there} cannot be written to", Level.MEND, remedy)
    return _with_space(what, there)


def check_ledger(path: str | os.PathLike[str] | None = None) -> Iterator[Check]:
    """The ledger in `path`, or the user's own; reads only, and never stops a batch."""
    ledger = describe_ledger(path)
    if ledger.problem:
        yield Check(
            LEDGER, f"{ledger.file}: {ledger.problem}", Level.NOTE, "a batch runs without it; nothing is resumed"
        )
    elif not ledger.exists:
        yield Check(LEDGER, f"none yet; it would be {ledger.file}")
    else:
        known = f"{ledger.results} results, durations of {ledger.files} files"
        yield Check(LEDGER, f"{ledger.file}: {known}, {format_size(ledger.size_bytes)}")
    if ledger.damaged is not None:
        said = f"a damaged one was set aside: {ledger.damaged}"
        yield Check(LEDGER, said, Level.NOTE, "it can be deleted; what it knew is learnt anew")


def _memory(host: HostResources) -> Check:
    total, free = format_size(host.total_ram_bytes), format_size(host.available_ram_bytes)
    said = f"{total} RAM, {free} of it available"
    if host.available_ram_bytes < LITTLE_MEMORY * host.total_ram_bytes:
        return Check(
            HOST,
            f"{said}: more than 80% is in use, so nearly no file would be loaded at once",
            Level.NOTE,
            "close other programs, or raise memory.max_usage_percent",
        )
    return Check(HOST, said)


def _counted(host: HostResources) -> str:
    parts = ((host.logical_cpus, "CPU"), (host.physical_cpus, "core"), (host.numa_nodes, "NUMA node"))
    return ", ".join(format_count(count, noun) for count, noun in parts)


def _kind_of(host: HostResources, folder: Path) -> str:
    if is_on_network(folder):
        return "network"
    try:
        disk = host.disk_of(folder.resolve())
    except OSError:  # Windows raises for a share that went
        disk = None
    return disk.kind if disk is not None and disk.kind != "unknown" else "kind of disk not known"


def _with_space(said: str, folder: Path) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return Check(DISKS, f"{said}; free space not known")
    level, remedy = (Level.NOTE, "free some space") if free < LITTLE_SPACE_BYTES else (Level.OK, "")
    return Check(DISKS, f"{said}; {format_size(free)} free", level, remedy)


def _input_folder(host: HostResources, folder: Path, files: Sequence[Path]) -> Check:
    kind = _kind_of(host, folder)
    what = f"input folder {folder}: {len(files)} files, {kind}"
    speed = next((found for found in map(_read_speed, files) if found), None)
    said = f"{what}; reads {format_size(speed)}/s (the system's cache may help)" if speed else what
    if kind == "network":
        return Check(DISKS, said, Level.NOTE, "where it is slow: io.stage_inputs copies files to a local folder first")
    return Check(DISKS, said)


def _read_speed(file: Path) -> float | None:
    """Bytes per second over the beginning of a file; None where it cannot be read, or is too small to say."""
    try:
        begun = awake_s()
        with as_opened(file).open("rb") as stream:
            count = sum(len(piece) for piece in iter(lambda: _next_piece(stream), b""))
    except OSError:
        return None
    return count / max(awake_s() - begun, 1e-9) if count >= len(_PIECE) else None


def _next_piece(stream: BinaryIO) -> bytes:
    return stream.read(len(_PIECE)) if stream.tell() < READ_BYTES else b""


def _measured(folder: Path) -> tuple[float, float]:
    """Bytes per second of writing (down to the disk) and reading back."""
    check_writable(folder)  # where access lists forbid it, `tempfile` tries ten thousand names on Windows
    with tempfile.TemporaryFile(dir=folder, prefix="orcabatch-doctor-") as stream:
        begun = awake_s()
        for _ in range(WRITE_BYTES // len(_PIECE)):
            stream.write(_PIECE)
        stream.flush()
        to_disk(stream.fileno())
        written = awake_s()
        size = stream.tell()
        stream.seek(0)
        while stream.read(len(_PIECE)):
            pass
        ended = awake_s()
    return size / max(written - begun, 1e-9), size / max(ended - written, 1e-9)
