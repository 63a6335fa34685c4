"""The pipe between the dispatcher's process and a worker process: whole messages, in order.

    parent ── ProcessSetup, Give, Rest, Drop, Collect, Close ──> child's standard input
    parent <── Hello, Report, Rested, LockTaken ─── child's standard output, which it takes away from everybody else

Covers framing and the words. Does not cover who says what when (`processes`, `process_main`), nor packing (`packing`).
Pipes that a process inherits need no address and no password, work from notebooks and on Windows alike, and end when
either side ends: that is how each learns of the other's death.
"""

from __future__ import annotations

import pickle
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from orcabatch.engine.executor import Message
    from orcabatch.engine.inherited import Inherited


_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class ProcessSetup:
    """Said to a child once, at its birth.

    Attributes:
        recipe: packed.
        inherited: what the process takes over from its parent.
        name: of the process, the first part of its workers' names.
        cpus: those it is pinned to; empty: all.
        low_priority: whether it gives way to other programs.
        threads: how many files it may have at once.
    """

    recipe: bytes
    inherited: Inherited
    name: str
    cpus: tuple[int, ...]
    low_priority: bool
    threads: int


@dataclass(frozen=True, slots=True)
class Give:
    """A packed task for one of the child's workers, that has none now."""

    slot: int
    task: bytes


@dataclass(frozen=True, slots=True)
class Rest:
    """Close the worker of this slot, that has no task: its model and its licence seat are wanted elsewhere."""

    slot: int


@dataclass(frozen=True, slots=True)
class Rested:
    """The worker of this slot has closed."""

    slot: int


@dataclass(frozen=True, slots=True)
class LockTaken:
    """The share of the time that the child's interpreter lock was held of late, 0 to 1."""

    share: float


@dataclass(frozen=True, slots=True)
class Drop:
    """What this task, whose worker is free, has not written yet is not wanted any more."""

    index: int


@dataclass(frozen=True, slots=True)
class Collect:
    """Collect garbage."""


@dataclass(frozen=True, slots=True)
class Close:
    """Finish what runs, close all workers, end."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The child has its recipe. Its own process id: a launcher may stand between it and its parent."""

    pid: int


@dataclass(frozen=True, slots=True)
class Report:
    """A message from a worker of the child.

    Attributes:
        message: what the worker said; the outcomes of a `Finished` without their values.
        values: these, packed each by itself.
        resident_bytes: memory of the process afterwards; 0 unless the message is a `Finished`.
    """

    message: Message
    values: tuple[bytes, ...] = ()
    resident_bytes: int = 0


Word = ProcessSetup | Give | Rest | Rested | LockTaken | Drop | Collect | Close | Hello | Report


class Wire:
    """One end of the pipe.

    Args:
        reader, writer: binary files; closed by `close`.
    """

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    def send(self, word: Word) -> None:
        """Say it; from any thread.

        Raises:
            OSError: the other side is gone.
            Exception: the word cannot be packed; nothing was sent.
        """
        packed = pickle.dumps(word, pickle.HIGHEST_PROTOCOL)
        with self._lock:
            self._writer.write(_LENGTH.pack(len(packed)) + packed)
            self._writer.flush()

    def receive(self) -> bytes | None:
        """The next word, packed; None when the other side is gone."""
        head = self._reader.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return None
        length = _LENGTH.unpack(head)[0]
        packed = self._reader.read(length)
        return packed if len(packed) == length else None

    def close(self) -> None:
        """Give the descriptors back."""
        for file in (self._writer, self._reader):
            try:
                file.close()
            except OSError:
                continue  # the other side is gone, and with it what was still to be flushed


def unpack(packed: bytes) -> Word:
    """The word that was said.

    Raises:
        Exception: something in it cannot be unpacked in this process.
    """
    word: Word = pickle.loads(packed)  # noqa: S301 - from our own parent or child, over a pipe nobody else has
    return word
