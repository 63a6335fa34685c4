"""`.sim` files seen from outside: their sizes, and a fingerprint that tells whether one changed.

Covers reading only: no file is written, locked, moved or touched, whatever its size. Does not cover what is in them.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orcabatch.win32 import as_opened, without_boxes

SPAN_BYTES = 65_536
"""How much of a file's head and of its tail goes into its fingerprint.

More would be read over the network for every file; a change in between that keeps size and time is not seen.
"""

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file looked like.

    Attributes:
        path: absolute.
        size: bytes.
        mtime_ns: time of its last change, nanoseconds since 1970.
        head_tail_hash: of its first and last 64 KiB and its size; hexadecimal.
    """

    path: Path
    size: int
    mtime_ns: int
    head_tail_hash: str


def sim_sizes(files: Iterable[str | os.PathLike[str]]) -> tuple[int | None, ...]:
    """The size of each file in bytes, in input order; None for one that is missing or cannot be asked."""
    return tuple(map(_size, files))


def fingerprint(path: str | os.PathLike[str]) -> Fingerprint:
    """The fingerprint of a file, from its head and tail only.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    with without_boxes():
        return _fingerprint(Path(path).absolute())


def _fingerprint(file: Path) -> Fingerprint:
    opened = as_opened(file)
    # Opening a named pipe waits for somebody to write to it, who never comes.
    if not stat.S_ISREG(opened.stat().st_mode):
        raise OSError(f"{file} is no ordinary file")
    with opened.open("rb") as stream:
        status = os.fstat(stream.fileno())
        head = stream.read(SPAN_BYTES)
        stream.seek(max(SPAN_BYTES, status.st_size - SPAN_BYTES))
        found = _head_tail_hash(status.st_size, head, stream.read(SPAN_BYTES))
    return Fingerprint(file, status.st_size, status.st_mtime_ns, found)


def hash_of_text(pieces: Sequence[bytes]) -> str:
    """The `head_tail_hash` of a file that will hold these pieces."""
    size, head, tail = sum(map(len, pieces)), b"", b""
    for piece in pieces:
        if len(head) == SPAN_BYTES:
            break
        head += piece[: SPAN_BYTES - len(head)]
    behind = min(max(size - SPAN_BYTES, 0), SPAN_BYTES)
    for piece in reversed(pieces):
        if len(tail) == behind:
            break
        tail = piece[max(len(piece) - (behind - len(tail)), 0) :] + tail
    return _head_tail_hash(size, head, tail)


def _head_tail_hash(size: int, head: bytes, tail: bytes) -> str:
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    digest.update(head)
    digest.update(tail)
    return digest.hexdigest()


def full_hash(path: str | os.PathLike[str]) -> str:
    """A hash of the whole content, hexadecimal; reads the file in pieces of 1 MiB.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    with as_opened(path).open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def hash_of(content: bytes) -> str:
    """The `full_hash` of a file that holds this."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _size(file: str | os.PathLike[str]) -> int | None:
    try:
        return as_opened(file).stat().st_size
    except (OSError, ValueError):
        return None
