"""Names of files as engineers give them: a path, a folder, a pattern.

    "sims"            ──> its .sim files, by name
    "sims/*_hwl*.sim" ──> what matches, by name; `**` looks into folders below
    "sims/a.sim"      ──> itself, whether it is there or not

Covers what a name stands for. Does not cover what may be done with the files (`orcabatch.batch.readers`).
"""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from orcabatch.errors import SourceError
from orcabatch.store.paths import is_folder
from orcabatch.text import plural, shortened_list

SIM = ".sim"


def named_files(items: Iterable[Path]) -> list[Path]:
    """The files that the names stand for, in the order of the names.

    Raises:
        SourceError: a folder holds no `.sim` file, or a pattern matches none; says what is there.
    """
    return [file for item in items for file in _files(item)]


def _files(item: Path) -> list[Path]:
    if item.is_dir():
        found = sims_in(item)
        if not found:
            raise SourceError(f"The folder {item} holds no .sim file. {_instead(item)}")
        return found
    if not glob.has_magic(str(item)) or item.exists():
        return [item]
    matching = sorted(Path(name) for name in glob.glob(str(item), recursive=True) if not is_folder(name))  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not matching:
        # Windows' own prefix for long paths has a question mark.
        folder = next((folder for folder in item.parents if not glob.has_magic(str(folder))), Path(item.anchor))
        what = _instead(folder) if folder.is_dir() else f"There is no folder {folder}."
        raise SourceError(f"No file matches {item}. {what}")
    return matching


def sims_in(folder: Path) -> list[Path]:
    """The `.sim` files of a folder, by name; also one that cannot be looked at, as a link that leads nowhere."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == SIM and not is_folder(file))


def _instead(folder: Path) -> str:
    """What a folder holds."""
    below = sorted({file.parent for file in folder.glob(f"*/**/*{SIM}")})
    if sims := sims_in(folder):
        return f"{folder} holds {plural(len(sims), '.sim file')}: {shortened_list([file.name for file in sims])}."
    if below:
        names = shortened_list([str(each) for each in below])
        return f"Folders below it do: {names}. Give one of these, or '{folder / '**' / ('*' + SIM)}'."
    others = sorted(file.name for file in folder.iterdir())
    return f"It holds {shortened_list(others)}." if others else "It is empty."
