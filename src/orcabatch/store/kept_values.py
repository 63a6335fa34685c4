"""What files returned, in one file as it comes, so that a run that is killed leaves it: `keep_values: true`.

    ValuesFile.add(outcome), ... ──> NAME_values.bin ── read_values ──> FileOutcome, ...

The file begins with `MAGIC`. Behind it stands one record for each outcome: its length (eight bytes, unsigned,
little-endian), a checksum of its content (16 bytes, BLAKE2b) and the content, which is a list as `encode` writes it
(`orcabatch.store.values`): position in the batch's list, path, attempt, status, value, warnings. The last record of a
position counts; one whose status is neither `ok` nor `skipped` takes back what stood there, because the file was done
again. Reading executes nothing. A record that a kill cut off is the last one, and is left out.
"""

from __future__ import annotations

import hashlib
import os
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from orcabatch.errors import SourceError
from orcabatch.network import amiss, unreachable
from orcabatch.outcome import FileOutcome, Status
from orcabatch.store.atomic import patiently
from orcabatch.store.storable import Damaged, checked, checked_texts
from orcabatch.store.values import NotStorable, decode, encode
from orcabatch.text import spelled
from orcabatch.win32 import as_opened

SUFFIX = "_values.bin"
EARLIER = ".earlier"
"""Behind the name of what an earlier run left: it may be all that there is of a run that was killed."""
MAGIC = b"orcabatch values 1\n"
_HEAD = struct.Struct("<Q16s")


class ValuesFile:
    """The file while a run writes to it. What cannot be kept is said, and costs nothing else.

    Args:
        target: the file; one that is there is kept as its `EARLIER`.
        warn: told what the engineer should know.

    Attributes:
        target: as given.
    """

    def __init__(self, target: Path, warn: Callable[[str], None]) -> None:
        self.target, self._warn = target, warn
        self._stream: IO[bytes] | None = None
        self._made: os.stat_result | None = None
        self._positions: set[int] = set()

    def __enter__(self) -> Self:
        try:
            earlier = as_opened(self.target.with_name(f"{self.target.name}{EARLIER}"))
            with suppress(FileNotFoundError):
                # Over an older one, on every platform.
                patiently(lambda: os.replace(as_opened(self.target), earlier))  # noqa: PTH105
            self._stream = as_opened(self.target).open("wb", buffering=0)
            # As it is looked at again: Windows may number what is open otherwise.
            self._made = as_opened(self.target).stat()
            self._stream.write(MAGIC)
        except OSError as error:
            self._give_up(error)
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            with suppress(OSError):
                os.fsync(self._stream.fileno())
            self._stream.close()

    @property
    def is_there(self) -> bool:
        """Whether the file that was made still has its name."""
        try:
            now = as_opened(self.target).stat()
        except OSError:
            return False
        # On Windows nobody can take the name of what is open, and some shares number a file anew at each look.
        return self._made is not None and (sys.platform == "win32" or os.path.samestat(self._made, now))

    def add(self, outcome: FileOutcome, position: int) -> None:
        """Keep the value of a file that has one; in the file, not in memory."""
        if self._stream is None or not (outcome.ok or position in self._positions):
            return
        about = [position, spelled(str(outcome.file)), outcome.attempt, str(outcome.status)]
        try:
            content = encode([*about, outcome.value, list(outcome.warnings)])
        except (NotStorable, MemoryError) as error:
            said = str(error) or "memory ran out"
            self._warn(f"Values of {outcome.batch} are not all in {self.target.name}: {said}.")
            if position not in self._positions:
                return
            content = encode([*about[:-1], str(Status.FAILED), None, []])  # else an earlier try's would stand for it
        self._positions.add(position)
        try:
            _write(self._stream, _HEAD.pack(len(content), _checksum(content)))
            _write(self._stream, content)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self._warn(
            f"{unreachable(self.target, error) or f'{self.target} cannot be written: {error.strerror or error}'}. "
            "No further values are kept there; the run goes on."
        )


def _write(stream: IO[bytes], record: bytes) -> None:
    """All of it: the system may take less at once."""
    rest = memoryview(record)
    while rest:
        rest = rest[stream.write(rest) :]


def read_values(path: str | Path) -> tuple[FileOutcome, ...]:
    """What a run with `keep_values: true` left, however it ended: each file that has a value, in input order.

    The outcomes have file, value, warnings, attempt and index; what was measured stands in the metrics.

    Args:
        path: the file, `NAME_values.bin` in the run's `output_dir`.

    Raises:
        SourceError: it cannot be read, or is something else.
    """
    place = Path(path)
    try:
        with as_opened(place).open("rb") as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                raise SourceError(f"{place} holds no values: give the file that `keep_values: true` leaves.")
            name = place.name.removesuffix(EARLIER).removesuffix(SUFFIX)
            latest = {outcome.index: outcome for outcome in _records(stream, name)}
    except OSError as error:
        raise SourceError(amiss(place, f"{place} cannot be read: {error.strerror or error}.", error)) from error
    return tuple(latest[index] for index in sorted(latest) if latest[index].ok)


def _records(stream: IO[bytes], batch: str) -> Iterator[FileOutcome]:
    """Those that are whole, up to the first that is not; one that cannot be read here is left out, and said."""
    left = os.fstat(stream.fileno()).st_size - len(MAGIC)
    while len(head := stream.read(_HEAD.size)) == _HEAD.size:
        length, checksum = _HEAD.unpack(head)
        left -= _HEAD.size + length
        content = stream.read(length) if left >= 0 else b""
        if left < 0 or _checksum(content) != checksum:
            return
        try:
            yield _outcome(decode(content), batch)
        except (Damaged, TypeError, ValueError) as error:  # as written, but this Python lacks something: pandas, say
            warnings.warn(f"a value of {batch} cannot be read and is left out: {error}.", stacklevel=3)


def _outcome(record: Any, batch: str) -> FileOutcome:
    position, file, attempt, status, value, warnings = checked(record, list)
    return FileOutcome(
        Path(checked(file, str)),
        batch,
        Status(status),
        value,
        warnings=checked_texts(warnings),
        attempt=checked(attempt, int),
        index=checked(position, int),
    )


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
