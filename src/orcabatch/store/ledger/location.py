"""Where the ledger is, and how it looks from outside.

It is in the user's state folder, or in a folder or file of the user's choice; never on a network share: SQLite's
write-ahead log needs memory that all its users share, which a share does not give. What `orcabatch doctor` shows of it
is only read.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from orcabatch.network import is_network_share, is_unc, mounts
from orcabatch.store.ledger import schema
from orcabatch.win32 import is_there

FILE_NAME = "ledger.db"
SUFFIXES = (".db", ".sqlite", ".sqlite3")
DAMAGED = ".damaged"
"""Behind the name of a ledger that was set aside."""

NO_HOME = "this account has no home folder"


def ledger_file(asked: str | os.PathLike[str] | None = None) -> Path:
    """The ledger's file.

    Args:
        asked: `ledger.path` of the settings: a file (ending in .db, .sqlite or .sqlite3) or a folder; None: the user's
            state folder.

    Raises:
        OSError: it is below a home folder that nobody knows of.
    """
    if asked is None:
        return state_folder() / FILE_NAME
    path = _known(Path(asked).expanduser).absolute()
    return path if path.suffix.lower() in SUFFIXES else path / FILE_NAME


def has_ledger(asked: str | os.PathLike[str] | None = None) -> bool:
    """Whether there is a ledger in `asked`, as for `ledger_file`."""
    try:
        return is_there(ledger_file(asked))
    except OSError:
        return False


def state_folder() -> Path:
    """The folder in which this platform keeps what programs remember for a user.

    Raises:
        OSError: the account has no home folder, as that of a service or of a container may be.
    """
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or _known(Path.home) / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = _known(Path.home) / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_STATE_HOME") or _known(Path.home) / ".local" / "state"
    return Path(base).absolute() / "orcabatch"


def _known(home: Callable[[], Path]) -> Path:
    # Not a folder that is everybody's instead: what is kept in a ledger is trusted.
    try:
        return home()
    except RuntimeError as error:
        raise OSError(NO_HOME) from error


def network_share(path: Path) -> str:
    """What kind of network share the path is on; empty where it is on a local disk or nobody can say."""
    if is_unc(path):
        return "UNC path"
    best, found = "", ""
    folders = {path, *path.parents}
    for partition in mounts():
        if Path(partition.mount) in folders and len(partition.mount) >= len(best):
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
    try:
        file = ledger_file(path)
    except OSError as error:
        return LedgerDescription(Path(path or FILE_NAME), exists=False, problem=f"{error}: set `ledger: {{path: ...}}`")
    aside = file.with_name(f"{file.name}{DAMAGED}")
    damaged = aside if is_there(aside) else None
    share = network_share(file)
    problem = f"it is on a network share ({share}): set `ledger: {{path: ...}}` to a local disk" if share else ""
    if not is_there(file):
        return LedgerDescription(file, exists=False, problem=problem, damaged=damaged)
    size = _size(file) + _size(file.with_name(f"{file.name}-wal"))
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


def _size(file: Path) -> int:
    """Nothing of a log that goes meanwhile: the last run that uses a ledger takes it away."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _count(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
