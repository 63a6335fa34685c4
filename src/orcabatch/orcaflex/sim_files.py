"""What can be said about a `.sim` file before OrcaFlex reads it.

Files are opened for reading only, for a moment, and never locked (R36). Whether the content is a simulation is
OrcaFlex's to say: see `orcabatch.orcaflex.failures`.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from orcabatch.errors import OrcabatchError
from orcabatch.network import RECONNECT, is_on_network, unreachable
from orcabatch.text import plural, shortened_list
from orcabatch.win32 import as_opened, is_folder, is_held, needs_another_name, without_boxes

DENIED_WITHOUT_REASON = sys.platform == "win32"
"""`open` says there only that a file is denied, also where another program holds it."""


class InputError(OrcabatchError):
    """A `.sim` file cannot be read.

    Attributes:
        message: what is wrong with which file.
        remedy: what to do.
        may_heal: whether trying again later can help.
    """

    def __init__(self, message: str, remedy: str = "", may_heal: bool = False) -> None:
        super().__init__(message, remedy, may_heal)
        self.message, self.remedy, self.may_heal = message, remedy, may_heal

    def __str__(self) -> str:
        return self.message


def status_of(file: Path) -> os.stat_result | None:
    """What the system says of the file; None where it cannot be asked."""
    try:
        with without_boxes():
            return as_opened(file).stat()
    except OSError:
        return None


def stand_of(status: os.stat_result | None) -> tuple[int, int, int] | None:
    """Size in bytes, time of the last change in nanoseconds, and which file it is; None where that is not known."""
    return None if status is None else (status.st_size, status.st_mtime_ns, status.st_ino)


def stands(file: Path) -> tuple[int, int, int] | None:
    """The same of a file as it is now."""
    return stand_of(status_of(file))


def stands_as(file: Path, before: tuple[int, int, int] | None) -> bool:
    """Whether the file stands as it did before.

    Some shares number a file anew at each look: where the number alone is another one, another look tells.
    """
    now = stands(file)
    if now == before or now is None or before is None or now[:2] != before[:2]:
        return now == before
    again = stands(file)
    return again is not None and again[:2] == before[:2] and again[2] != now[2]


def check_readable(file: Path) -> int:
    """Size of the file in bytes, after reading one byte of it.

    Raises:
        InputError: it is missing, empty, a folder, or cannot be opened.
    """
    try:
        with without_boxes(), as_opened(file).open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size:
                stream.read(1)
    except OSError as error:
        raise unreadable(file, error) from error
    if size == 0:
        raise InputError(f"{file} is empty (0 bytes)", "run the simulation again, or copy the file again")
    return size


def check_loadable(file: Path) -> int:
    """As `check_readable`, of a file that OrcaFlex is to load by its path.

    Raises:
        InputError: it cannot be read; or only by a name that OrcaFlex is not known to take.
    """
    size = check_readable(file)
    if needs_another_name(file):
        raise InputError(f"{file} is out of OrcaFlex's reach: its path has {len(str(file))} characters", SHORTER)
    return size


SHORTER = (
    "move the files into a folder with a shorter path, or give theirs a letter (`subst X: FOLDER`), or have Windows' "
    "long paths enabled (LongPathsEnabled)"
)
"""What to do about a path that Windows opens under its own prefix only, from 260 characters on."""


def out_of_reach(files: Iterable[Path]) -> str:
    """What is to be said before a batch of files that OrcaFlex cannot load by their paths; empty where it can."""
    names = [file.name for file in files if needs_another_name(file)]
    if not names:
        return ""
    have = "has a path" if len(names) == 1 else "have paths"
    much = f"{plural(len(names), 'file')} {have} of more characters than OrcaFlex can open ({shortened_list(names)})"
    return f"{much}: {SHORTER}."


def unreadable(file: Path, error: OSError) -> InputError:
    """What an operating system error about this file means."""
    code = getattr(error, "winerror", None)
    if is_held(error):
        return InputError(
            f"{file} is held by another program", "close it there; OrcaFlex may still be writing it", True
        )
    if gone := unreachable(file, error):
        return InputError(gone, RECONNECT, True)
    if isinstance(error, FileNotFoundError):
        away = is_on_network(file)  # the network drive may have been gone for a moment
        remedy = f"check its name and its folder{', and the network drive' if away else ''}"
        return InputError(f"{file} does not exist", f"{remedy}: it may have been moved or renamed", away)
    if is_folder(file):
        return InputError(f"{file} is a folder, not a .sim file", "take it out of the list of files")
    if isinstance(error, PermissionError):
        may_be_held = DENIED_WITHOUT_REASON and code is None
        what, remedy = f"may not be read: {error.strerror}", "ask for read permission on this file"
        if may_be_held:
            what, remedy = f"is held by another program, or {what}", f"close it there, or {remedy}"
        return InputError(f"{file} {what}", remedy, may_be_held)
    what, remedy = f"cannot be read: {error.strerror or error}", "check the drive it lies on"
    if error.errno == errno.EINVAL and is_elsewhere(status_of(file)):
        what, remedy = "lies in the cloud only, and is not fetched", "start OneDrive, or keep the file on this device"
    return InputError(f"{file} {what}", remedy, True)


_ELSEWHERE = 0x1000 | 0x400000
"""FILE_ATTRIBUTE_OFFLINE and FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS."""


def is_elsewhere(status: os.stat_result | None) -> bool:
    """Whether Windows has no more of the file than its name and size: who reads it waits until it is fetched.

    Where it cannot be, reading it is EINVAL.
    """
    return bool(getattr(status, "st_file_attributes", 0) & _ELSEWHERE)
