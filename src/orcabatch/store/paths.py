r"""What is one path: the one rule for whatever is kept, found or compared by where a file lies.

    c:\runs\a.sim   C:\runs\A.sim   runs\..\a.sim   Z:\a.sim (a mapped drive)   \\server\share\a.sim   ──> one place

A place is text to compare by. It is never shown nor opened: what is shown, and what a function or digitalmodel gets to
see, is the path as it was given. A hard link is another place. By which name a file is opened: `orcabatch.win32`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import realpath
from pathlib import Path

from orcabatch.errors import SourceError
from orcabatch.network import RECONNECT
from orcabatch.win32 import as_opened, without_boxes

IGNORES_CASE = os.name == "nt"
"""Whether two names that differ in capitals are one file."""


def place_of(path: str | os.PathLike[str]) -> str:
    """One text for all spellings that lead to one place: links followed, in the case that the system compares in."""
    return name_of(_real(path))


def name_of(name: str) -> str:
    """One text for all names that would be one file in a folder."""
    return in_capitals(name) if IGNORES_CASE else name


def in_capitals(name: str) -> str:
    """As NTFS compares names: letter by letter, so that a sharp s is no double one, and the length stays."""
    if name.isascii():
        return name.upper()
    return "".join(capital if len(capital := letter.upper()) == 1 else letter for letter in name)


class Places:
    """`place_of` for many files in few folders: each folder is asked once, because it may lie on a slow drive."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, file: Path) -> str:
        """The place of a file that is read."""
        return place_of(file) if as_opened(file).is_symlink() else self.of_name(file)

    def of_name(self, file: Path) -> str:
        """The place of a file that is written: its name is replaced, also where it is a link. Asks only its folder."""
        spelled = str(file.parent)  # as text: a `Path` may equal one that is spelled otherwise
        if spelled not in self._folders:
            self._folders[spelled] = _real(spelled)
        return name_of(os.path.join(self._folders[spelled], file.name))  # noqa: PTH118 - text, not a path


def _real(path: str | os.PathLike[str]) -> str:
    try:
        return os.fspath(realpath(path))
    except (OSError, ValueError):  # a drive that is gone, a name that no file has: another spelling is another place
        return os.path.abspath(path)  # noqa: PTH100 - text, not a path


@contextmanager
def what_cannot_be_read_is_said() -> Iterator[None]:
    """Around what looks at the files of a batch before it begins: a share may go while that is done.

    Raises:
        SourceError: in the place of what the system said of a file or folder.
    """
    try:
        with without_boxes():
            yield
    except OSError as error:
        what = error.filename
        if what is None:  # raised by the caller's own code, as his list of files may be
            raise
        raise SourceError(
            f"{os.fsdecode(what) if isinstance(what, (str, bytes)) else what} cannot be read: "
            f"{error.strerror or error}. {RECONNECT.capitalize()}; nothing was run."
        ) from error


def check_working_folder() -> None:
    """See that there is one: every relative name would fail in words that name no file.

    Raises:
        SourceError: it was removed.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise SourceError(
            f"The folder that this program works in is not there any more ({error.strerror}). Change into another one."
        ) from error
