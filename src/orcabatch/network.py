"""Which file systems are network shares. Pure; the mounts themselves are read by those who ask."""

from __future__ import annotations

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
