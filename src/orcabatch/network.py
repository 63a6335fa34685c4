r"""Which paths and file systems are on the network, and what is mounted, found out without asking any share.

    \\server\share   Z: (mapped)   nfs, cifs, ...

psutil asks every drive of Windows for its file system's name, and waits minutes for one whose server is gone. Here
kernel32 is asked which letters there are and of which type, which its documentation says it knows by itself. The
library is handed in, so that both are tested without Windows; on Windows itself none of this has been run.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any, NamedTuple

from orcabatch.win32 import kernel32

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
