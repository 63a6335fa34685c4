"""Where the ledger is: the user's state folder, a folder or file of the user's choice; never a network share.

SQLite's write-ahead log needs memory that all its users share, which a network share does not give.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orcabatch.network import is_network_share

FILE_NAME = "ledger.db"
SUFFIXES = (".db", ".sqlite", ".sqlite3")


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
    import psutil

    text = str(path)
    if text.startswith(("\\\\", "//")):
        return "UNC path"
    best, found = "", ""
    for mount in psutil.disk_partitions(all=True):
        inside = path == Path(mount.mountpoint) or Path(mount.mountpoint) in path.parents
        if inside and len(mount.mountpoint) >= len(best):
            remote = is_network_share(mount.fstype, mount.opts)
            best, found = mount.mountpoint, (mount.fstype or "network drive") if remote else ""
    return found
