"""The pipe between the dispatcher's process and a worker process: whole messages, in order.

    parent ── ProcessSetup, Give, Rest, Drop, Collect, Close ──> child's standard input
    parent <── Hello, Ready, Report, Refused, Rested, GilTaken, Leaves ─── child's standard output, which it takes away

Covers framing and the words. Does not cover who says what when (`processes`, `process_main`), nor packing (`packing`).
Pipes that a process inherits need no address and no password, work from notebooks and on Windows alike, and end when
either side ends.

Results that are not small follow their word unpacked among its bytes, each in a frame of its own: they are not copied
once more, and one that finds no memory at its arrival is skipped, and costs only its file.
"""

from __future__ import annotations

import os
import pickle
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from orcabatch.engine.worker_messages import Complaint, Logged, Noted, PhaseEntered, Warned
from orcabatch.outcome import Travels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orcabatch.engine.inherited import Inherited
    from orcabatch.engine.worker_messages import Message


_HEAD = struct.Struct("<QI?")
"""Length of the word, number of results, and whether losing it costs no file."""

_LENGTH = struct.Struct("<Q")

BEGIN = b"\0orcabatch\0\n"
"""What comes before it is what others wrote into the pipe, while the process came up."""

TOGETHER_BYTES = 4096
"""Results up to this size, all of one file's together, go with their word. Larger: one that finds no memory costs more
than its file. Smaller: each is a frame of its own, which costs more than to copy it."""

PIECE_BYTES = 1 << 20
"""A result is read in pieces of this size. Smaller: more turns of Python's lock for a large one. Larger: whoever looks
whether anything still comes sees less often that it does."""


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
        parent: the process id of the parent, with which it ends.
        versions: that it must have as well, where it does not import from the parent's folders; empty: it does.
    """

    recipe: bytes
    inherited: Inherited
    name: str
    cpus: tuple[int, ...]
    low_priority: bool
    threads: int
    parent: int
    versions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Give(Travels):
    """A packed task for one of the child's workers, that has none now."""

    slot: int
    index: int
    task: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The system gives the child no thread for the worker of this slot; the task was not touched."""

    slot: int
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Close the worker of this slot, that has no task: its model and its licence seat are wanted elsewhere."""

    slot: int


@dataclass(frozen=True, slots=True)
class Rested:
    """The worker of this slot has closed."""

    slot: int


@dataclass(frozen=True, slots=True)
class GilTaken:
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
    """The child is there. Its own process id: a launcher may stand between it and its parent."""

    pid: int


@dataclass(frozen=True, slots=True)
class Leaves:
    """The child ends, since it cannot go on."""

    why: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The child has its recipe, its initializer was called: it has started, and takes files."""


@dataclass(frozen=True, slots=True)
class Report(Travels):
    """A message from a worker of the child.

    Attributes:
        message: what the worker said; the outcomes of a `Finished` without their values.
        values: these, packed each by itself; None: there was no memory for it where it arrived.
        resident_bytes: memory of the process afterwards; 0 unless the message is a `Finished`.
    """

    message: Message
    values: tuple[Packed | None, ...] = ()
    resident_bytes: int = 0


Word = (
    ProcessSetup | Give | Rest | Rested | GilTaken | Drop | Collect | Close | Hello | Leaves | Ready | Refused | Report
)
Packed = bytes | bytearray

_MAY_BE_LOST = Noted | Complaint | Logged | Warned | PhaseEntered


@dataclass(frozen=True, slots=True)
class Received:
    """A word as it arrived.

    Attributes:
        word: packed, without the results that follow it.
        values: these, as the `values` of a `Report`.
        may_be_lost: whether no file waits for it.
    """

    word: bytes
    values: tuple[Packed | None, ...]
    may_be_lost: bool

    def unpack(self) -> Word:
        """The word that was said, a `Report` without the results that followed it.

        Raises:
            BaseException: something in it cannot be unpacked in this process: it may be the user's own code.
        """
        word: Word = pickle.loads(self.word)  # noqa: S301 - our own parent or child, over a pipe nobody else has
        return word


class Wire:
    """One end of the pipe.

    Args:
        reader, writer: binary files; closed by `close`.

    Attributes:
        is_whole: whether nothing was left half said; what follows would not be understood.
        arrived_bytes: read so far.
    """

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()
        self._place = _place_of(writer)
        self._kept = b""
        self.is_whole = True
        self.arrived_bytes = 0

    def begin(self) -> None:
        """Say that from here on it is words that come."""
        self._writer.write(BEGIN)
        self._writer.flush()

    def await_begin(self) -> tuple[bytes, bool]:
        """What came before the other side began, and whether it did."""
        before = b""
        while line := self._reader.readline():
            before += line
            if line.endswith(BEGIN):
                return before.removesuffix(BEGIN), True
        return before, False

    def send(self, word: Word, *, at_once: bool = True) -> None:
        """Say it; from any thread. What need not be at once, and has no results, goes with the next word or `flush`.

        Raises:
            OSError: the other side is gone, or somebody has closed the pipe.
            BaseException: the word cannot be packed, or there is no memory; `is_whole` says whether nothing was sent.
        """
        values: Sequence[Packed] = ()
        may_be_lost = False
        if isinstance(word, Report):
            may_be_lost = isinstance(word.message, _MAY_BE_LOST)
            if sum(len(value or b"") for value in word.values) > TOGETHER_BYTES:
                values = [value or b"" for value in word.values]
                word = Report(word.message, (), word.resident_bytes)
        packed = pickle.dumps(word, pickle.HIGHEST_PROTOCOL)
        head = _HEAD.pack(len(packed), len(values), may_be_lost)
        lengths = [_LENGTH.pack(len(value)) for value in values]
        with self._lock:
            if not at_once:  # not in the writer's buffer: what was forked in C would say it as well
                self._kept += head + packed
                return
            with self._saying() as kept:
                if len(packed) < PIECE_BYTES:
                    self._writer.write(kept + head + packed)
                else:  # nothing large is copied once more
                    self._writer.write(kept + head)
                    self._writer.write(packed)
                for length, value in zip(lengths, values, strict=True):
                    self._writer.write(length)
                    self._writer.write(value)

    def flush(self) -> None:
        """Say what was not to be said at once.

        Raises:
            OSError: as `send`.
        """
        with self._lock:
            if self._kept:
                with self._saying() as kept:
                    self._writer.write(kept)

    def receive(self) -> Received | None:
        """The next word; None when the other side is gone.

        Raises:
            BaseException: there is no memory for it.
        """
        head = self._reader.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        length, count, may_be_lost = _HEAD.unpack(head)
        word = self._reader.read(length)
        if len(word) < length:
            return None
        self.arrived_bytes += length
        values: list[bytearray | None] = []
        for _ in range(count):
            size = self._reader.read(_LENGTH.size)
            if len(size) < _LENGTH.size:
                return None
            value = _room(_LENGTH.unpack(size)[0])
            if not (self._skip(_LENGTH.unpack(size)[0]) if value is None else self._fill(value)):
                return None
            values.append(value)
        return Received(word, tuple(values), may_be_lost)

    def close(self) -> None:
        """Give the descriptors back."""
        for file in (self._writer, self._reader):
            try:
                file.close()
            except OSError:
                continue  # the other side is gone, and with it what was still to be flushed

    def forget(self) -> None:
        """In a process that was forked: let go of the pipe, which is its maker's, without a word.

        The numbers stay taken: what is in the buffers would else go to whatever gets them next.
        """
        nowhere = os.open(os.devnull, os.O_RDWR)
        for file in (self._writer, self._reader):
            os.dup2(nowhere, file.fileno(), inheritable=False)
        os.close(nowhere)

    @contextmanager
    def _saying(self) -> Iterator[bytes]:
        """Meanwhile something is said, beginning with what was kept for it."""
        # A function may close every descriptor; its next file would get this number, and our words.
        if _place_of(self._writer) != self._place:
            raise OSError("the pipe was closed by other code of this process")
        kept, self._kept, self.is_whole = self._kept, b"", False
        yield kept
        self._writer.flush()
        self.is_whole = True

    def _fill(self, buffer: bytearray) -> bool:
        """Whether all of it came."""
        view, at = memoryview(buffer), 0
        while at < len(buffer):
            count = self._reader.readinto(view[at : at + PIECE_BYTES])  # type: ignore[attr-defined]
            if not count:
                return False
            at += count
            self.arrived_bytes += count
        return True

    def _skip(self, length: int) -> bool:
        while length:
            piece = self._reader.read(min(length, PIECE_BYTES))
            if not piece:
                return False
            length -= len(piece)
            self.arrived_bytes += len(piece)
        return True


def _place_of(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino


def _room(length: int) -> bytearray | None:
    try:
        return bytearray(length)
    except MemoryError:
        return None
