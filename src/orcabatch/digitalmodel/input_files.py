"""Which `.sim` files a digitalmodel YAML means, and in which order.

The order of the files is the order of the rows in every summary, and the first file may settle the configuration for
all others, so it has to be digitalmodel's own: the unsorted order in which the file system lists the folder. The rules
followed here are those of assetutilities 0.1.0. Where another one is installed, it is asked itself, because its rules
changed between versions and the installed one decides what digitalmodel would write; that imports most of what
digitalmodel imports, seconds before a batch that has nothing to do could say so.
Covers `file_management` of the YAML, and where the files that it lists lie. Does not cover output folders
(`orcabatch.digitalmodel.configuration`).
"""

from __future__ import annotations

import copy
import fnmatch
import functools
import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from orcabatch import win32
from orcabatch.digitalmodel.mappings import AttributeDict
from orcabatch.digitalmodel.spelling import hint
from orcabatch.engine.logs import logger
from orcabatch.errors import SourceError
from orcabatch.network import amiss
from orcabatch.store.paths import what_cannot_be_read_is_said
from orcabatch.win32 import as_opened, is_folder

_log = logger(__name__)

FOLLOWED = frozenset({"b9b98b7a4af40dff1bac2a1e9ade84f087386178e390d9d7a50871bdcab38486"})
"""Digests of the sources of file managements whose rules `search` follows (assetutilities 0.1.0)."""
_MANAGEMENT = "assetutilities.common.file_management"


def find_input_files(cfg: MutableMapping[str, Any]) -> dict[str, list[Path]]:
    """The files by extension that `cfg` asks for, as digitalmodel would list them.

    Raises:
        SourceError: the input folder does not exist, or the pattern cannot be looked for.
    """
    folder = input_directory(cfg)
    try:
        return _found_in(folder, cfg)
    except ValueError as error:  # what pathlib makes of `*case**.sim`
        pattern = cfg["file_management"]["filename"].get("pattern")
        raise SourceError(
            f"{origin(cfg)}file_management.filename.pattern: {pattern!r} cannot be looked "
            f"for ({error}). digitalmodel puts a star before and behind it; write the part of the name that all files "
            "share, without stars at its ends."
        ) from error


def _found_in(folder: Path, cfg: MutableMapping[str, Any]) -> dict[str, list[Path]]:
    if _follows_the_installed():
        return search(folder, cfg["file_management"]["filename"])
    try:
        return _as_installed(cfg, folder)
    except OSError as error:  # a link to nowhere ends digitalmodel's search; here that one file fails, loudly, later
        _log.info("digitalmodel's own file search gave up (%s); searched without it", error)
        return search(folder, cfg["file_management"]["filename"])


def _follows_the_installed() -> bool:
    """Whether `search` does what the installed file management would, or there is none; imports nothing of it."""
    found = importlib.util.find_spec("assetutilities")
    if found is None:
        return True
    if _MANAGEMENT in sys.modules:
        return False  # nothing is saved, and somebody may have changed it
    for folder in found.submodule_search_locations or ():
        try:
            source = Path(folder, *_MANAGEMENT.split(".")[1:]).with_suffix(".py").read_bytes()
        except OSError:
            continue
        return hashlib.sha256(source.replace(b"\r\n", b"\n")).hexdigest() in FOLLOWED
    return False


def _as_installed(cfg: Mapping[str, Any], folder: Path) -> dict[str, list[Path]]:
    from assetutilities.common.file_management import FileManagement

    management = copy.deepcopy(dict(cfg["file_management"]))
    # Given what is resolved already, so that nothing is looked for in, or created below, the working folder.
    management.update(input_directory=str(folder), output_directory=None)
    if management["filename"].get("filters") is None:
        management["filename"].pop("filters", None)  # an empty section, of which assetutilities 0.1.0 dies
    asked = AttributeDict(file_management=management, Analysis=AttributeDict(copy.deepcopy(dict(cfg["Analysis"]))))
    found: dict[str, list[Path]] = FileManagement().get_files_in_directory(asked)["file_management"]["input_files"]
    return found


def faults(management: Mapping[str, Any]) -> Iterator[str]:
    """Values of `file_management` with which digitalmodel cannot look for files."""
    for name in ("input_directory", "output_directory"):
        value = management.get(name)
        if value is not None and not isinstance(value, str | os.PathLike):
            yield f"file_management.{name}: the name of a folder is needed, not {value!r}"
    filename = management.get("filename")
    filters = (filename.get("filters") if isinstance(filename, Mapping) else None) or {}
    where = "file_management.filename.filters"
    if not isinstance(filters, Mapping):
        yield f"{where}: a section with keys is needed, not {filters!r}; leave it out for no filter"
        return
    for name, kinds, needed in _FILTERS:
        value = filters.get(name)
        parts = value if isinstance(value, list) and name in _LISTS else ()
        if value not in (None, "NULL", []) and not (
            isinstance(value, kinds) and all(isinstance(part, str) for part in parts)
        ):
            yield f"{where}.{name}: {needed} is needed, not {value!r}"


_LISTS = ("contains", "not_contains")
_FILTERS: tuple[tuple[str, tuple[type, ...], str], ...] = (
    *((name, (list, str), "a list of texts") for name in _LISTS),
    *((name, (int, float), "a number") for name in ("min_size_kb", "max_size_kb")),
    ("regex", (str,), "a text"),
)
"""The kinds of value that each filter is compared with."""


def input_directory(cfg: Mapping[str, Any]) -> Path:
    """The folder to search: relative to the YAML's folder if it is there, else to the working folder.

    Raises:
        SourceError: neither exists.
    """
    asked = cfg["file_management"].get("input_directory")
    root = str(cfg["Analysis"]["analysis_root_folder"])
    asked = root if asked is None else os.fspath(asked)
    below_root = os.path.join(root, asked)  # noqa: PTH118 - spelt as digitalmodel spells it: it shows in an output
    if not os.path.isabs(asked) and is_folder(below_root):  # noqa: PTH117
        return Path(below_root)
    if is_folder(asked):
        return Path(os.path.abspath(asked))  # noqa: PTH100 - links stay as they are named
    looked = dict.fromkeys((root, str(Path.cwd())))
    missing = (
        f"The input folder {asked} does not exist (looked in {' and in '.join(looked)}). "
        "Correct file_management.input_directory, or give file_management.input_directory=FOLDER."
    )
    raise SourceError(origin(cfg) + amiss(asked, missing))


def origin(cfg: Mapping[str, Any]) -> str:
    """The YAML, as a message begins (there may be several in one call); nothing where there is none."""
    name = (cfg.get("Analysis") or {}).get("CustomInputFile")
    return f"{name}: " if name else ""


def search(folder: Path, filename: Mapping[str, Any]) -> dict[str, list[Path]]:
    """Files of `folder` by extension that match the `filename` section, in the file system's own order."""
    pattern, filters = filename.get("pattern"), filename.get("filters")
    stem = "*" if pattern is None else f"*{pattern}*"
    found = {extension: _glob(folder, f"{stem}.{extension}") for extension in filename.get("extension", [])}
    if filters is None:
        return found
    return {extension: [file for file in files if passes(file, filters)] for extension, files in found.items()}


def _glob(folder: Path, pattern: str) -> list[Path]:
    """What matches, named as the folder is, by whatever name the system opens that."""
    opened = as_opened(folder)
    if opened == folder.absolute():
        return list(folder.glob(pattern))
    return [folder / file.relative_to(opened) for file in opened.glob(pattern)]


def passes(file: Path, filters: Mapping[str, Any]) -> bool:
    """Whether `file` passes every filter that is set: contains, not_contains, min_size_kb, max_size_kb, regex."""
    given = {name: value for name, value in filters.items() if value not in (None, "NULL", [])}
    checks: dict[str, Callable[[Any], bool]] = {
        "contains": lambda parts: all(part in file.stem for part in parts),
        "not_contains": lambda parts: all(part not in file.stem for part in parts),
        "min_size_kb": lambda size: _size_kb(file) >= size,
        "max_size_kb": lambda size: _size_kb(file) <= size,
        "regex": lambda regex: _found(regex, file.stem),
    }
    return all(check(given[name]) for name, check in checks.items() if name in given)


def _size_kb(file: Path) -> float:
    try:
        return as_opened(file).stat().st_size / 1024
    except OSError:
        return 0.0


def _found(regex: str, stem: str) -> bool:
    try:
        return re.search(regex, stem) is not None
    except re.error:
        return False


def describe_search(cfg: Mapping[str, Any], folder: Path) -> str:
    """What was looked for and what lies there instead, for the message that nothing matched."""
    filename = cfg["file_management"]["filename"]
    pattern = filename.get("pattern")
    set_filters = {
        name: value for name, value in (filename.get("filters") or {}).items() if value not in (None, "NULL", [])
    }
    with what_cannot_be_read_is_said():  # for `glob` a folder that may not be looked into holds nothing
        others = fnmatch.filter(os.listdir(as_opened(folder)), "*.sim")  # noqa: PTH208
    wanted = f"*{pattern}*.sim" if pattern is not None else "*.sim"
    filtered = f" with the filters {set_filters}" if set_filters else ""
    there = f"It holds {len(others)} .sim files, such as {min(others)}." if others else "It holds no .sim file at all."
    said = f"No file matches {wanted}{filtered} in {folder}. {there}"
    if cfg["file_management"].get("input_directory") is None:
        mistaken = hint(("file_management",), cfg)
        return f"{said}{mistaken} file_management.input_directory is not given, so the YAML's own folder was searched."
    return f"{said} Correct file_management.filename."


def sim_files(items: Iterable[Any]) -> tuple[Path, ...]:
    """The simulations that digitalmodel loads for the items of its list: another extension is replaced.

    Each folder is asked once where it lies. digitalmodel asks for each file, by its name without the extension: where
    nothing is called so, Windows opens six files for that, perhaps over a network.
    """
    place_of = functools.cache(lambda folder: Path(folder).resolve())
    return tuple(Path(f"{_whole(os.path.splitext(item)[0], place_of)}.sim") for item in items)  # noqa: PTH122 - as it does


def _whole(stem: str, place_of: Callable[[str], Path]) -> Path:
    folder, name = os.path.split(stem)
    try:
        os.lstat(stem)
    except OSError:
        whole = place_of(folder) / name
        if len(str(whole)) <= win32.LONGEST_PLAIN:
            return whole
        # Behind a letter that stands for a long folder Windows answers with a prefix, which opens it.
    return Path(stem).resolve()  # there is something: a link, or other capitals
