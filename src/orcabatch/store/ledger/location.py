"""Where the ledger is, and how it looks from outside.

It is in the user's state folder, or in a folder or file of the user's choice; never on a network share: SQLite's
write-ahead log needs memory that all its users share, which a share does not give. What `orcabatch doctor` shows of it
is only read.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from orcabatch.network import is_network_share, is_unc, mounts
from orcabatch.store.ledger import schema

FILE_NAME = "ledger.db"
SUFFIXES = (".db", ".sqlite", ".sqlite3")
DAMAGED = ".damaged"
"""Behind the name of a ledger that was set aside."""


def ledger_file(asked: str | os.PathLike[str] | None = None) -> Path:
    """The ledger's file.

    Args:
        asked: `ledger.path` of the settings: a file (ending in .db, .sqlite or .sqlite3) or a folder; None: the user's
            state folder.
    """
    if asked is None:
        return state_folder() / FILE_NAME
    path = Path(asked).expanduser().absolute()
    return path if path.suffix.lower() in SUFFIXES else path / FILE_NAME


def state_folder() -> Path:
    """The folder in which this platform keeps what programs remember for a user."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base).absolute() / "orcabatch"


def network_share(path: Path) -> str:
    """What kind of network share the path is on; empty where it is on a local disk or nobody can say."""
    if is_unc(path):
        return "UNC path"
    best, found = "", ""
    for partition in mounts():
        inside = path == Path(partition.mount) or Path(partition.mount) in path.parents
        if inside and len(partition.mount) >= len(best):
            remote = is_network_share(partition.fstype, partition.options)
            best, found = partition.mount, (partition.fstype or "network drive") if remote else ""
    return found


@dataclass(frozen=True, slots=True)
class LedgerDescription:
    """The ledger from outside.

    Attributes:
        file: where it is, or would be.
        exists: whether it is there.
        size_bytes: the file and its log.
        version: of its tables; 0 where it cannot be read.
        results: how many results it can answer with.
        files: how many files' durations and memory it knows.
        problem: why it cannot be used; empty where it can.
        damaged: a damaged one that was set aside; None where there is none.
    """

    file: Path
    exists: bool
    size_bytes: int = 0
    version: int = 0
    results: int = 0
    files: int = 0
    problem: str = ""
    damaged: Path | None = None


def describe_ledger(path: str | os.PathLike[str] | None = None) -> LedgerDescription:
    """The ledger in `path` (a file or folder as in `ledger.path`; None: the user's own). Makes and changes nothing."""
    file = ledger_file(path)
    aside = file.with_name(f"{file.name}{DAMAGED}")
    damaged = aside if aside.exists() else None
    share = network_share(file)
    problem = f"it is on a network share ({share}): set `ledger: {{path: ...}}` to a local disk" if share else ""
    if not file.exists():
        return LedgerDescription(file, exists=False, problem=problem, damaged=damaged)
    log = file.with_name(f"{file.name}-wal")
    size = file.stat().st_size + (log.stat().st_size if log.exists() else 0)
    version = results = files = 0
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as connection:
            version = schema.version(connection)
            results = _count(connection, "SELECT count(*) FROM entries WHERE kind = 'result'")
            files = _count(connection, "SELECT count(DISTINCT file) FROM history")
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        problem = problem or f"it cannot be read: {error}"
    if version > schema.VERSION:
        problem = problem or "it was made by a newer orcabatch"
    return LedgerDescription(file, True, size, version, results, files, problem, damaged)


def _count(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
