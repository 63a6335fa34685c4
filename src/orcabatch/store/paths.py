r"""What is one path: the one rule for whatever is kept, found or compared by where a file lies, and for its opening.

    c:\runs\a.sim   C:\runs\A.sim   runs\..\a.sim   Z:\a.sim (a mapped drive)   \\server\share\a.sim   ──> one place
    results\a.csv  ── as_opened ──> C:\deep\results\a.csv, by the name that the system takes whatever its length

A place is text to compare by. It is never shown nor opened: what is shown, and what a function or digitalmodel gets to
see, is the path as it was given. A hard link is another place. What this room reads, writes, renames or removes, it
names to the system by `as_opened`; what is said of it names the path as it was given.
"""

from __future__ import annotations

import ntpath
import os
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import realpath
from pathlib import Path, PurePath, PureWindowsPath

from orcabatch.console import without_boxes
from orcabatch.errors import SourceError

IGNORES_CASE = os.name == "nt"
"""Whether two names that differ in capitals are one file."""

LONGEST_PLAIN = 247
"""Of Windows' 260 a file has its terminating zero less, and a folder room for a short name in it."""


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


def as_opened(path: str | os.PathLike[str]) -> Path:
    """The file by the name that the system is given: whole, since how long that is decides."""
    return Path(beyond_max_path(Path(path).absolute()))


def beyond_max_path(path: PurePath) -> PurePath:
    """The same file by a name that Windows takes whatever its length.

    Windows refuses paths of 260 characters and more (of folders, 248) unless they begin with its own prefix. Elsewhere
    nothing changes.
    """
    text = str(path)
    if isinstance(path, PureWindowsPath) and ".." in path.parts:  # the prefix takes every part by its letter
        text = ntpath.normpath(text)
    if not isinstance(path, PureWindowsPath) or len(text) <= LONGEST_PLAIN or text.startswith("\\\\?\\"):
        return path
    if text.startswith("\\\\"):
        return type(path)("\\\\?\\UNC" + text[1:])
    return type(path)("\\\\?\\" + text)


class Places:
    """`place_of` for many files in few folders: each folder is asked once, because it may lie on a slow drive."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, file: Path) -> str:
        """The place of a file that is read."""
        return place_of(file) if file.is_symlink() else self.of_name(file)

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


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether there is anything; of what cannot be asked nothing is there.

    `Path.exists` raises most of what the system says of a share that went (up to Python 3.13), in the midst of saying
    something else.
    """
    try:
        return os.path.exists(path and as_opened(path))  # noqa: PTH110 - as above
    except OSError:  # the working folder is gone
        return False


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is there; never raises, as `is_there`."""
    try:
        return os.path.isdir(path and as_opened(path))  # noqa: PTH112 - as above
    except OSError:  # the working folder is gone
        return False


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
            f"{error.strerror or error}. See that its drive or share is there, and run again; nothing was run."
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
