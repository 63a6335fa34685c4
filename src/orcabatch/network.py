r"""Which paths and file systems are on the network, and what is mounted, found out without asking any share.

    \\server\share   Z: (mapped)   nfs, cifs, ...

psutil asks every drive of Windows for its file system's name, and waits minutes for one whose server is gone. Here
kernel32 is asked which letters there are and of which type, which its documentation says it knows by itself. The
library is handed in, so that both are tested without Windows; on Windows itself none of this has been run. Only
`unreachable` asks the drive or share itself: of a path that nobody could use.
"""

from __future__ import annotations

import errno
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from orcabatch.win32 import as_opened, kernel32, without_boxes

TYPES = frozenset(
    [
        "nfs",
        "cifs",
        "smb",
        "smbfs",
        "afs",
        "9p",
        "ceph",
        "lustre",
        "gpfs",
        "beegfs",
        "glusterfs",
        "sshfs",
        "afp",
        "afpfs",
        "webdav",
        "davfs",
        "ncp",
        "ncpfs",
    ]
)
"""By the names that systems have for them, less a leading `fuse.` and the number of a version."""


def is_network_share(fstype: str, options: str) -> bool:
    """Whether a mount of that type, with these options as the system lists them, is on another machine."""
    name = fstype.lower().removeprefix("fuse.").rstrip("0123456789")
    return name in TYPES or "remote" in options.split(",")


class Partition(NamedTuple):
    """A mounted file system as the system lists it: device, mount point, type, options."""

    device: str
    mount: str
    fstype: str = ""
    options: str = ""


_TYPES = {2: "rw,removable", 3: "rw,fixed", 4: "rw,remote", 5: "cdrom", 6: "rw,ramdisk"}
"""Of GetDriveTypeW, in psutil's words; of the others (unknown, nothing there) nothing can be said."""
_DEVICE = ("\\\\?\\", "\\\\.\\")
_LONG_UNC = "\\\\?\\UNC\\"


@dataclass(frozen=True, slots=True)
class Drives:
    """The drives of Windows. `library`: `kernel32()`, or something with the same functions."""

    library: Any

    def mounts(self) -> tuple[Partition, ...]:
        """Every drive that is there, also one whose server does not answer."""
        letters = int(self.library.GetLogicalDrives())
        roots = [f"{chr(ord('A') + bit)}:\\" for bit in range(26) if letters >> bit & 1]
        return tuple(Partition(root, root, "", kind) for root in roots if (kind := self.kind(root)))

    def kind(self, root: str) -> str:
        """What a drive is; empty where nobody can say."""
        import ctypes

        return _TYPES.get(int(self.library.GetDriveTypeW(ctypes.c_wchar_p(root))), "")


@functools.cache
def system_drives() -> Drives | None:
    """Those of this machine; None where there are no drive letters."""
    library = kernel32()
    return None if library is None else Drives(library)


def mounts(drives: Drives | None = None) -> tuple[Partition, ...]:
    """What is mounted here."""
    if (drives := drives or system_drives()) is not None:
        return drives.mounts()
    import psutil

    return tuple(Partition(p.device, p.mountpoint, p.fstype, p.opts) for p in psutil.disk_partitions(all=True))


def is_unc(path: str | os.PathLike[str]) -> bool:
    r"""Whether the path names its server (`\\server\share`), also in the long form (`\\?\UNC\server`)."""
    text = os.fspath(path).replace("/", "\\")
    return text.upper().startswith(_LONG_UNC) or (text.startswith("\\\\") and not text.startswith(_DEVICE))


def is_on_network(path: str | os.PathLike[str]) -> bool:
    """Whether Windows reaches the path over the network: it names a server, or is on a drive that is mapped to one."""
    if is_unc(path):
        return True
    drives, text = system_drives(), os.fspath(path).replace("/", "\\")
    for prefix in _DEVICE:
        text = text.removeprefix(prefix)
    return drives is not None and text[1:2] == ":" and drives.kind(f"{text[0].upper()}:\\") == "rw,remote"


RECONNECT = "see that its drive or share is there, and run again"
"""What to do about it."""

_UNREACHABLE = frozenset(
    {
        *(21, 51, 53, 54, 55, 59, 64, 65, 67, 71, 121, 1167, 1201, 1203, 1222, 1225, 1231, 1232, 1236, 2250),
        *(86, 1219, 1311, 1326, 1330, 1907, 1909),
    }
)
"""Windows' numbers for a drive that is not ready or not connected, a server, share or network that went or takes no
further connection; and for a logon to it that was refused."""

_NOT_THERE_OR_LOST = frozenset({None, errno.ENOENT, errno.EINVAL, errno.EACCES})
"""Of a share that went Windows' C library says no more than this, of a drive that is not ready the last; pandas says of
a missing folder nothing but words."""


def unreachable(path: str | os.PathLike[str], error: Exception | None = None) -> str:
    """That a path cannot be reached since its drive or share cannot, with why; empty where that is not what is wrong.

    Windows' C library calls what is on a share that went missing, as it does a name that is mistyped: the path is asked
    once more, and its root.

    Args:
        path: what could not be used, or is not there.
        error: what was raised when it was used (no drive is at fault where the system raised none of it); None: it
            was only looked for.
    """
    why = _why_gone(path) if error is None else _why_lost(path, error)
    return f"{path} cannot be reached: {why}" if why else ""


def amiss(path: str | os.PathLike[str], otherwise: str, error: Exception | None = None) -> str:
    """What to say of a path that is not there: that it cannot be reached where that is so, or else `otherwise`.

    Args: as of `unreachable`.
    """
    gone = unreachable(path, error)
    return f"{gone}. {RECONNECT.capitalize()}." if gone else otherwise


def _why_lost(path: str | os.PathLike[str], error: Exception) -> str:
    if not isinstance(error, OSError):
        return ""
    if getattr(error, "winerror", None) in _UNREACHABLE:
        return error.strerror or str(error)
    if error.errno not in _NOT_THERE_OR_LOST:
        return ""
    # Of what is open already no name is told: reading or writing it failed, whatever is there now.
    lost = error.errno in {errno.EINVAL, errno.ENOENT} and error.filename is None and is_on_network(path)
    return _why_gone(path) or ("the connection was lost, or its server refused it (a full quota?)" if lost else "")


def _why_gone(path: str | os.PathLike[str]) -> str:
    try:
        root = Path(Path(path).absolute().anchor)
        for place in (as_opened(path), root):
            try:
                _look_at(place)
            except OSError as error:
                if getattr(error, "winerror", None) in _UNREACHABLE:
                    return error.strerror or str(error)
                if place is root and isinstance(error, FileNotFoundError):
                    return f"{root} is not there"
            else:
                break
    except (OSError, ValueError):  # the working folder is gone; a name that no file has
        pass
    return ""


def _look_at(place: Path) -> None:
    with without_boxes():
        place.stat()
