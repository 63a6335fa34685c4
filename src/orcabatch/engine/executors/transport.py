"""What travels between the dispatcher's process and a worker process: whole messages, in order; and what cannot.

    parent ── Setup, Give, Rest, Collect, Close ──> child's standard input
    parent <── Hello, Report, Rested, LockTaken ─── child's standard output, which it takes away from everybody else

Covers framing and the words, packing the recipe once, and saying before anything starts why it cannot go; results that
cannot come back cost their file and nothing else. Does not cover who says what when (`processes`, `process_main`).

Pipes that a process inherits need no address and no password, work from notebooks and on Windows alike, and end when
either side ends: that is how each learns of the other's death. Worker processes do not run the user's script again,
with or without a main guard, so nothing that is defined in it (or in a notebook) can be found there: only what lives in
an importable module can go.
"""

from __future__ import annotations

import io
import pickle
import struct
import threading
from dataclasses import dataclass, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any, BinaryIO

from orcabatch.engine import runs
from orcabatch.engine.options import ON_THREADS
from orcabatch.errors import SettingsError
from orcabatch.outcome import Cause, Failure, FileOutcome

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe
    from orcabatch.engine.executor import Message
    from orcabatch.engine.inherited import Inherited
    from orcabatch.engine.initializer import Initializer


_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Setup:
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
    """The share of the time that the child's interpreter lock was found taken of late, 0 to 1."""

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


Word = Setup | Give | Rest | Rested | LockTaken | Drop | Collect | Close | Hello | Report


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


_OF_THE_SCRIPT = frozenset({"__main__", "__mp_main__"})


class _StaysError(Exception):
    """Something of the script itself was met."""


class _Packer(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FunctionType | type) and obj.__module__ in _OF_THE_SCRIPT:
            raise _StaysError(obj.__qualname__)
        return NotImplemented


def pack(work: Recipe | Initializer, asked: str = "executor: processes") -> bytes:
    """What the workers need, to be unpacked in worker processes; `asked` is the setting that wants them.

    Raises:
        SettingsError: it cannot go there; says what and what to do.
    """
    buffer = io.BytesIO()
    try:
        _Packer(buffer, pickle.HIGHEST_PROTOCOL).dump(work)
    except Exception as error:  # packing runs the user's own code
        raise SettingsError(_reason(error, asked)) from error
    return buffer.getvalue()


def stays_because(*works: Recipe | Initializer | None) -> str | None:
    """Why what the workers need cannot go to worker processes; None if it can."""
    try:
        for work in works:
            if work is not None:
                pack(work)
    except SettingsError as error:
        return str(error)
    return None


def pack_value(outcome: FileOutcome) -> tuple[FileOutcome, bytes]:
    """An outcome without its value, and the value; the outcome has failed if the value cannot be packed."""
    if outcome.value is None:
        return outcome, b""
    try:
        packed = pickle.dumps(outcome.value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - packing runs the code of whatever a function returned
        return _unfit(outcome, "cannot be sent back from its worker process", error), b""
    return replace(outcome, value=None), packed


def unpack_value(outcome: FileOutcome, packed: bytes) -> FileOutcome:
    """The outcome with its value again; it has failed if the value cannot be unpacked here."""
    if not packed:
        return outcome
    try:
        value = pickle.loads(packed)  # noqa: S301 - from our own child, over a pipe nobody else has
    except Exception as error:  # noqa: BLE001 - unpacking runs the code of whatever a function returned
        return _unfit(outcome, "came back from its worker process but cannot be unpacked", error)
    return replace(outcome, value=value)


def did_not_travel(outcome: FileOutcome) -> bool:
    """Whether the file was done, and only its result did not come back from the worker process."""
    return outcome.cause is Cause.OUTPUT and outcome.failed_phase is None


def returns(outcome: FileOutcome) -> bool:
    """Whether a result like this one would come back from a worker process."""
    bare, packed = pack_value(outcome)
    return not did_not_travel(unpack_value(bare, packed))


def _unfit(outcome: FileOutcome, what: str, error: Exception) -> FileOutcome:
    failure = Failure(
        Cause.OUTPUT,
        f"the result {what}: {type(error).__name__}: {error}",
        f"return plain values, arrays or tables, or {ON_THREADS}",
    )
    return runs.overruled(outcome, failure)


def _reason(error: Exception, asked: str) -> str:
    remedy = f"{ON_THREADS}, or move it to a module (a .py file that is imported)"
    if isinstance(error, _StaysError):
        where = "is defined in the script or notebook itself, which worker processes do not run again"
        return f"`{asked}`: {error} {where}; {remedy}"
    what = "what the workers need cannot be sent to worker processes (no lambda, no function inside a function, nothing"
    return f"`{asked}`: {what} open or locked can): {type(error).__name__}: {error}; {remedy}"
