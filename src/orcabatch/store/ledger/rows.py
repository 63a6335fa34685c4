"""What a row of the ledger is: content packed, with a checksum over all that it says, and how it is written and read.

    Entry ── entry_row ──> (key, kind, file, label, at, packed, checksum) ── payload_of ──> payload, or None

Anybody may have written a row: one that is not what was written, or that unpacks to more than a row ever holds, is no
answer. Does not cover which rows there are (`orcabatch.store.ledger.schema`), nor when they are written.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from orcabatch.store.ledger import schema
from orcabatch.store.ledger.interface import Past
from orcabatch.text import spelled, utf8

if TYPE_CHECKING:
    from orcabatch.store.ledger.interface import Entry, FileHistory


PUT = "INSERT OR REPLACE INTO entries (key, kind, file, label, at, payload, checksum) VALUES (?, ?, ?, ?, ?, ?, ?)"
"""Takes an `entry_row`. One that replaces another is the youngest: rows are forgotten in the order of their numbers."""
GET = "SELECT kind, file, label, payload, checksum FROM entries WHERE key = ?"
LATEST = (
    "SELECT key, kind, file, label, payload, checksum FROM entries "
    "WHERE file = ? AND label = ? AND kind = 'result' ORDER BY rowid DESC LIMIT 1"
)
"""Both answer what `payload_of` reads; this one with the key before it."""
ADD = (
    "INSERT INTO history (file, label, at, size_bytes, seconds, least_seconds, memory_factor, runs) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, 1) ON CONFLICT (file, label) DO UPDATE SET at = ?3, size_bytes = ?4, "
    "seconds = ?5, least_seconds = min(least_seconds, ?5), memory_factor = coalesce(?6, memory_factor), runs = runs + 1"
)
"""Takes a `history_row`. A run that measured no memory leaves what an earlier one did."""
PAST = "SELECT seconds, least_seconds, memory_factor, size_bytes, runs FROM history WHERE file = ? AND label = ?"
"""Answers what `past_of` reads."""


def entry_row(entry: Entry, now: float) -> tuple[Any, ...]:
    """The row of an entry that is written now, seconds since 1970."""
    packed = zlib.compress(entry.payload, 1)
    digest = _checksum(entry.key, (entry.kind, entry.file, entry.label), packed)
    return sqlite_values((entry.key, entry.kind, entry.file, entry.label, now, packed, digest))


def history_row(run: FileHistory, now: float) -> tuple[Any, ...]:
    """What the history is told of a run."""
    return sqlite_values((run.file, run.label, now, run.size_bytes, run.seconds, run.memory_factor))


def sqlite_values(values: Iterable[Any]) -> tuple[Any, ...]:
    """The values as SQLite takes them: no half letters, which the name of a file may have."""
    return tuple(spelled(value) if isinstance(value, str) else value for value in values)


def payload_of(key: bytes, row: tuple[Any, ...]) -> bytes | None:
    """The payload of a row that is what was written."""
    *words, packed, checksum = row
    if not isinstance(packed, bytes) or not isinstance(key, bytes) or _checksum(key, words, packed) != checksum:
        return None
    return _unpacked(packed)


def past_of(row: tuple[Any, ...]) -> Past | None:
    """The history as it can be used; None where its numbers make no sense."""
    seconds, least, factor, size, runs = row
    numbers = (seconds, least, size, runs)
    if not all(isinstance(number, int | float) and math.isfinite(number) and number >= 0 for number in numbers):
        return None
    known = isinstance(factor, int | float) and math.isfinite(factor) and factor > 0
    return Past(float(seconds), float(least), float(factor) if known else None, int(size), int(runs))


def _unpacked(packed: bytes) -> bytes | None:
    """What was packed; None where it is nothing that was, or larger than a row's content ever is."""
    unpacking = zlib.decompressobj()
    try:
        # One byte more than allowed is enough to know: a few bytes can unpack to gigabytes.
        payload = unpacking.decompress(packed, schema.ROW_BYTES + 1)
    except zlib.error:
        return None
    return payload if unpacking.eof and not unpacking.unused_data and len(payload) <= schema.ROW_BYTES else None


def _checksum(key: bytes, words: Sequence[Any], packed: bytes) -> bytes:
    digest = hashlib.blake2b(key, digest_size=16)
    # A file's name on Linux need not be text.
    digest.update(utf8("\0".join(map(str, words))))
    digest.update(packed)
    return digest.digest()
