"""Counters that cost little, lose nothing between threads, and survive SIGKILL.

Each process maps one file `<pid>-<number>.counts` in the counters folder; each thread increments its own block of
64-bit integers in it, so no increment is ever lost and none needs a lock. What a killed process counted stays in its
file. Loads are noted by path, one line each, in `<pid>-<number>.loads`.

Slots of a block: `Slot`, then one per export (`export_slot`). Adding up: `counter_totals`.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import mmap
import os
import threading
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

COUNTERS_VARIABLE = "ORCABATCH_SIMULATED_COUNTERS"
BLOCK_SLOTS = 512
BLOCKS = 512


class Slot(IntEnum):
    """What a block counts besides calls; times in nanoseconds of CPU. The first has how many were ever taken."""

    LOG_PASSES = 0
    BYTES_LOADED = 1
    OWN_NS = 2
    AFFINITY_VIOLATIONS = 3
    DESTROYED_ON_WRONG_THREAD = 4
    MODELS_CREATED = 5
    MODELS_DESTROYED = 6
    SEATS_REFUSED = 7
    COST_NS = 8
    READING_NS = 9
    BLOCKS_TAKEN = 10
    FIRST_EXPORT = 16


_BLOCK = ctypes.c_int64 * BLOCK_SLOTS
Block = ctypes.Array[ctypes.c_int64]
"""64-bit integers in the counter file; indexing one costs less than indexing a memoryview."""
EXPORT_NAMES: list[str] = []
"""Names of the exports in the order of their slots."""
_SLOT_OF: dict[str, int] = {}
_names_lock = threading.Lock()


def export_slot(name: str) -> int:
    """The slot that counts calls of the export `name`; the first call for a name chooses it."""
    with _names_lock:
        if name not in _SLOT_OF:
            EXPORT_NAMES.append(name)
            _SLOT_OF[name] = Slot.FIRST_EXPORT + len(EXPORT_NAMES) - 1
        return _SLOT_OF[name]


class CounterFile:
    """This process's counter file, and the blocks its threads write to."""

    def __init__(self, folder: Path) -> None:
        """Creates the files in `folder` (which is created too); OSError where that is not possible."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._loads = -1
        self._stem, descriptor = self._create(folder)
        size = BLOCKS * BLOCK_SLOTS * 8
        os.ftruncate(descriptor, size)
        self._map = mmap.mmap(descriptor, size)
        os.close(descriptor)
        self._free: list[Block] = []
        self._next = 0
        self._lock = threading.Lock()
        self._loads = os.open(self._stem.with_suffix(".loads"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __del__(self) -> None:
        if self._loads >= 0:
            os.close(self._loads)

    @staticmethod
    def _create(folder: Path) -> tuple[Path, int]:
        for number in itertools.count():
            stem = folder / f"{os.getpid()}-{number}"
            try:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
                return stem, os.open(stem.with_suffix(".counts"), flags, 0o644)
            except FileExistsError:
                continue
        raise AssertionError  # pragma: no cover

    @property
    def is_there(self) -> bool:
        """Whether it is still under its name: another process may have made a removed folder again, without it."""
        return self._stem.with_suffix(".counts").exists()

    def name_exports(self) -> None:
        """Write down which slot counts which export, for whoever adds up."""
        self._stem.with_suffix(".names").write_text(json.dumps(EXPORT_NAMES), encoding="utf-8")

    def take_block(self) -> Block:
        """A block for the calling thread. Beyond the file's blocks the last one is shared, and may lose increments."""
        with self._lock:
            if self._free:
                return self._free.pop()
            at = min(self._next, BLOCKS - 1)
            self._next += 1
            _BLOCK.from_buffer(self._map)[Slot.BLOCKS_TAKEN] = min(self._next, BLOCKS)
            return _BLOCK.from_buffer(self._map, at * BLOCK_SLOTS * 8)

    def give_back(self, block: Block) -> None:
        """The thread that took `block` has ended; its counts stay, the next thread goes on from them."""
        self._free.append(block)

    def note_load(self, path: str, count: int) -> None:
        """One load of `path` that read `count` bytes."""
        os.write(self._loads, json.dumps([path, count]).encode() + b"\n")
