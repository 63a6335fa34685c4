"""The ledger's tables, their version, and the steps from one version to the next.

A migration is one transaction: whoever is interrupted leaves the version before. A ledger of a newer version is not
touched.
"""

from __future__ import annotations

import sqlite3

_ENTRIES = """
CREATE TABLE entries (
    key BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, file TEXT NOT NULL, label TEXT NOT NULL, at REAL NOT NULL,
    payload BLOB NOT NULL, checksum BLOB NOT NULL
)"""
_HISTORY = """
CREATE TABLE history (
    file TEXT NOT NULL, label TEXT NOT NULL, at REAL NOT NULL, size_bytes INTEGER NOT NULL, seconds REAL NOT NULL,
    least_seconds REAL NOT NULL, memory_factor REAL, runs INTEGER NOT NULL, PRIMARY KEY (file, label)
) WITHOUT ROWID"""

STEPS: tuple[tuple[str, ...], ...] = (
    (_ENTRIES, "CREATE INDEX entries_by_file ON entries (file, label)"),
    (_HISTORY,),
)
"""What each version adds to the one before; version n is the first n steps."""

VERSION = len(STEPS)
ROW_BYTES = 256_000_000
"""The largest content of a row: what is read is unpacked into memory, and anybody may have written it."""
_WHOLE_ROW_BYTES = ROW_BYTES + 1_000_000
"""With its key and names, and what packing adds to content that cannot be packed."""


class NewerLedger(Exception):  # noqa: N818 - a state, not a mistake
    """The file was made by a newer orcabatch."""


def configure(connection: sqlite3.Connection) -> None:
    """Settings that count for this connection only; the file's own come with the first step."""
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _WHOLE_ROW_BYTES)
    for pragma in (
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "synchronous = NORMAL",
        "journal_size_limit = 16000000",
        "wal_autocheckpoint = 1000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def prepare(connection: sqlite3.Connection, *, steps: tuple[tuple[str, ...], ...] = STEPS) -> None:
    """Bring the file to the newest version, in one transaction.

    Raises:
        NewerLedger: it is newer than these steps.
        sqlite3.Error: it cannot be read or written.
    """
    found = version(connection)
    if found > len(steps):
        raise NewerLedger(str(found))
    if found == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    if found == len(steps):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in steps[version(connection) :]:  # another process may have been faster
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def version(connection: sqlite3.Connection) -> int:
    """The version of the file; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
