"""Names of files as engineers give them: a path, a folder, a pattern.

    "sims"            ──> its .sim files, by name
    "sims/*_hwl*.sim" ──> what matches, by name; `**` looks into folders below
    "sims/a.sim"      ──> itself, whether it is there or not

Covers what a name stands for, as `glob.glob` has it, and which folders could not be looked into, where that passes over
them without a word. Does not cover what may be done with the files (`orcabatch.batch.readers`).
"""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from orcabatch.errors import SourceError
from orcabatch.network import amiss
from orcabatch.text import plural, shortened_list
from orcabatch.win32 import as_opened, is_folder

SIM = ".sim"
BELOW = "**"
"""The part of a pattern that stands for a folder and all below it."""
NAMED, LOOKED_INTO = 3, 300
"""How many folders are named where a wrong one was given, and how many are looked into for that. More: who names a
drive by mistake waits until all of it was walked through. Less: a deep tree is called empty."""


def named_files(items: Iterable[Path], say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """The files that the names stand for, in the order of the names.

    Args:
        items: the names.
        say: told of each pattern that leads into folders which cannot be looked into.

    Raises:
        SourceError: a folder holds no `.sim` file, or a pattern matches none; says what is there.
        OSError: a folder that is named itself cannot be looked into.
    """
    return [file for item in items for file in _files(item, say)]


def _files(item: Path, say: Callable[[str], None]) -> list[Path]:
    if as_opened(item).is_dir():
        found = sims_in(item)
        if not found:
            raise SourceError(f"The folder {item} holds no .sim file. {_instead(item)}")
        return found
    if not glob.has_magic(str(item)) or as_opened(item).exists():
        return [item]
    search = _Search()
    matching = search.matching(item)
    if not matching:
        # Windows' own prefix for long paths has a question mark.
        above = (folder for folder in item.parents if is_folder(folder) or not glob.has_magic(str(folder)))
        folder = next(above, Path(item.anchor))
        what = _instead(folder) if as_opened(folder).is_dir() else amiss(folder, f"There is no folder {folder}.")
        raise SourceError(f"No file matches {item}. {' '.join(filter(None, (search.said, what)))}")
    if search.said:
        say(f"{item}: {search.said} What matches in there is not in this batch.")
    return matching


@dataclass
class _Search:
    """One pattern's way through folders.

    Attributes:
        shut: folders that could not be looked into, with what the system said.
    """

    shut: dict[Path, OSError] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """Which folders, in words; empty where all were looked into."""
        if not self.shut:
            return ""
        error = next(iter(self.shut.values()))
        names = shortened_list([str(folder) for folder in self.shut])
        return f"{plural(len(self.shut), 'folder')} cannot be looked into ({error.strerror or error}): {names}."

    def matching(self, pattern: Path) -> list[Path]:
        """The files that match, by name; also one that cannot be looked at, as a link that leads nowhere."""
        *parts, last = pattern.parts[bool(pattern.anchor) :]
        folders = {Path(pattern.anchor)}
        for part in parts:
            folders = {found for folder in folders for found in self._folders(folder, part)}
        if last == BELOW:
            folders = {found for folder in folders for found in self.below(folder)}
            last = "*"
        return sorted({folder / name for folder in folders for name in self.names(folder, last)})

    def _folders(self, folder: Path, part: str) -> Iterator[Path]:
        if part == BELOW:
            yield from self.below(folder)
        elif _is_plain(part) and is_folder(folder / part):
            yield folder / part
        elif glob.has_magic(part):
            yield from (folder / entry.name for entry in self._entries(folder, part) if _leads_on(entry))

    def below(self, folder: Path) -> Iterator[Path]:
        """The folder and all below it, level by level; a link or junction that leads upwards is not followed."""
        waiting = deque([(folder, os.path.realpath(folder), frozenset[str]())])
        while waiting:
            folder, whole, above = waiting.popleft()
            yield folder
            within = above | {whole}
            for entry in sorted(filter(_leads_on, self._entries(folder, "*")), key=lambda each: each.name):
                leads_to = os.path.realpath(entry.path) if _is_link(entry) else os.path.join(whole, entry.name)  # noqa: PTH118 - many
                if leads_to not in within:
                    waiting.append((folder / entry.name, leads_to, within))

    def names(self, folder: Path, part: str) -> Iterator[str]:
        """What matches in a folder and is none itself."""
        if _is_plain(part) and os.path.lexists(as_opened(folder / part)):
            yield from () if is_folder(folder / part) else (part,)
        elif glob.has_magic(part):
            yield from (entry.name for entry in self._entries(folder, part) if not _leads_on(entry))

    def _entries(self, folder: Path, part: str) -> list[os.DirEntry[str]]:
        """What matches in a folder. As in a shell, a star stands for no name that begins with a point."""
        try:
            with os.scandir(as_opened(folder)) as entries:
                found = list(entries)
        except OSError as error:
            self.shut[folder] = error
            return []
        hidden = part.startswith(".")
        names = set(fnmatch.filter([entry.name for entry in found if hidden or entry.name[:1] != "."], part))
        return [entry for entry in found if entry.name in names]


def _is_plain(part: str) -> bool:
    """Whether a file or folder may be called so: brackets stand in names as well, and what is there is itself."""
    return not {"*", "?"} & set(part)


def _is_link(entry: os.DirEntry[str]) -> bool:
    """Whether it may lead elsewhere: a link, or what Windows calls a reparse point (a junction)."""
    if entry.is_symlink():
        return True
    try:
        attributes: int = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
    except OSError:  # it is gone by now
        return False
    return bool(attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT)


def _leads_on(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def sims_in(folder: Path) -> list[Path]:
    """The `.sim` files of a folder, by name; also one that cannot be looked at, as a link that leads nowhere."""
    with os.scandir(as_opened(folder)) as entries:  # whatever the system opens it by, its files are named as it is
        sims = (entry for entry in entries if Path(entry.name).suffix.lower() == SIM)
        return sorted(folder / entry.name for entry in sims if not _leads_on(entry))


def _with_sims(folder: Path) -> Iterator[Path]:
    """Folders below that hold `.sim` files, the nearest first; of a whole drive not all are looked into."""
    search = _Search()
    for below in islice(search.below(folder), LOOKED_INTO):
        if any(search.names(below, f"*{SIM}")):
            yield below


def _instead(folder: Path) -> str:
    """What a folder holds."""
    if sims := sims_in(folder):
        return f"{folder} holds {plural(len(sims), '.sim file')}: {shortened_list([file.name for file in sims])}."
    if below := list(islice(_with_sims(folder), NAMED)):
        names = shortened_list([str(each) for each in below])
        return f"Folders below it do: {names}. Give one of these, or '{folder / '**' / ('*' + SIM)}'."
    others = sorted(os.listdir(as_opened(folder)))  # noqa: PTH208 - as above
    return f"It holds {shortened_list(others)}." if others else "It is empty."
