"""Text of tables that waits in memory until its file has been given back, or goes to the disk at once.

    pieces of text ── add ──> kept, while there is room (`ROOM`) ── write ──> the file
                              └─ no room: to the file at once, with what was kept of this table

Covers how much may wait in this process, over all its threads: writing that falls behind costs a bounded amount of
memory, and whoever finds no room writes himself. Does not cover who writes when (`orcabatch.engine.worker`) nor the
names under which tables appear (`orcabatch.store.atomic`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from io import RawIOBase
from pathlib import Path

from orcabatch.store.atomic import patiently


class Room:
    """Bytes of text that wait in this process; safe to use from all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.held_bytes = 0

    def take(self, size: int, most_bytes: int) -> bool:
        """Take so much room if that makes it no more than `most_bytes`; whether it was there."""
        with self._lock:
            if self.held_bytes + size > most_bytes:
                return False
            self.held_bytes += size
            return True

    def give_back(self, size: int) -> None:
        """Give room back."""
        with self._lock:
            self.held_bytes -= size


ROOM = Room()
"""Of this process."""


class TextBehind:
    """The text of one table on its way to `path`. Made again for the same path, it replaces what was there.

    Args:
        path: the file; a temporary name.
        most_bytes: how much text may wait in this process; 0: none.
        room: what it waits in.
    """

    def __init__(self, path: Path, most_bytes: int, room: Room = ROOM) -> None:
        self.path = path
        self._most_bytes, self._room = most_bytes, room
        self._kept: list[bytes] = []

    @property
    def kept(self) -> tuple[bytes, ...]:
        """The pieces that wait; none where the text is on the disk."""
        return tuple(self._kept)

    @property
    def kept_bytes(self) -> int:
        """Text that waits; 0 where it is on the disk."""
        return sum(map(len, self._kept))

    def add(self, blocks: Iterable[bytes]) -> None:
        """Take the whole text of the table, in pieces."""
        pieces = iter(blocks)
        for piece in pieces:
            if self._room.take(len(piece), self._most_bytes):
                self._kept.append(piece)
                continue
            self._write([*self._kept, piece], pieces)
            return

    def compress(self, packed: Callable[[bytes], bytes]) -> None:
        """Replace the text by its compressed form, where it is."""
        if not self._kept:
            self._write([packed(patiently(self.path.read_bytes))])
            return
        content, held = packed(b"".join(self._kept)), self.kept_bytes
        if len(content) > held and not self._room.take(len(content) - held, self._most_bytes):
            self._write([content])
            return
        self._room.give_back(max(0, held - len(content)))
        self._kept = [content]

    def write(self) -> None:
        """Write what waits."""
        if self._kept:
            self._write(self._kept)

    def drop(self) -> None:
        """Forget what waits."""
        self._room.give_back(self.kept_bytes)
        self._kept = []

    def _write(self, *parts: Iterable[bytes]) -> None:
        try:
            # What was there a moment ago, a scanner may look at: on Windows that is denied meanwhile.
            with patiently(lambda: self.path.open("wb", buffering=0)) as target:
                for part in parts:
                    for piece in part:
                        write_all(target, piece)
        finally:
            self.drop()


def write_all(target: RawIOBase, block: bytes) -> None:
    """Write the whole block: a disk that is nearly full takes a part of it, and only refuses the rest when asked."""
    rest = memoryview(block)
    while rest:
        rest = rest[target.write(rest) :]
