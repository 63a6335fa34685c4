"""What can be known to go wrong before a digitalmodel batch runs.

Covers missing keys, outputs that would overwrite each other, and the result folder. Does not cover the `.sim` files
(`orcabatch.orcaflex`) nor a misspelt `performance:` (`orcabatch.digitalmodel.spelling`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orcabatch.digitalmodel.input_files import origin
from orcabatch.digitalmodel.outputs import STATISTICS, common_tables, flagged, visits_files, writes_series
from orcabatch.digitalmodel.source_code import find_source_code
from orcabatch.digitalmodel.spelling import hint
from orcabatch.errors import OutputError, SettingsError
from orcabatch.network import amiss
from orcabatch.store.atomic import check_writable, hindrance
from orcabatch.store.paths import Places
from orcabatch.win32 import as_opened, is_folder


def check_keys(cfg: Mapping[str, Any]) -> None:
    """Refuse a configuration that lacks what digitalmodel reads.

    Raises:
        SettingsError: naming all that is missing at once, or what digitalmodel itself would put out of its way.
    """
    _check_record(cfg)
    needed: list[tuple[str, ...]] = [("meta", "basename"), ("Analysis", "result_folder"), ("Analysis", "file_name")]
    needed += [("file_management", "input_files", "sim"), ("orcaflex", "postprocess")]
    missing = [".".join(path) for path in needed if not _stands(cfg, path)]
    missing = missing or [".".join(path) for path in _needed_by_outputs(cfg) if not _stands(cfg, path)]
    if missing:
        raise SettingsError(
            f"{origin(cfg)}The digitalmodel configuration lacks what its post-process reads: "
            + ", ".join(missing)
            + "."
            + (hint((name.split(".")[0] for name in missing), cfg) or " Add them, or switch off the output.")
            + " In a script of yours, `orcabatch.digitalmodel.configuration.load_configuration(yaml)` fills in "
            "digitalmodel's defaults."
        )


def _check_record(cfg: Mapping[str, Any]) -> None:
    """Refuse a name for digitalmodel's record under which it would empty a section that it still reads.

    Inside its router that was done already, and no flag may be left to look at.
    """
    name = cfg["meta"]["basename"] if _stands(cfg, ("meta", "basename")) else None
    flags = _stands(cfg, ("orcaflex", "postprocess"))
    read = {"meta", "Analysis", "file_management", "orcaflex", "time_series_settings"}
    read |= {f"{output}_settings" for output in ("summary", "linked_statistics") if flags and flagged(cfg, output)}
    if name in read and name in cfg and (not cfg[name] or (flags and visits_files(cfg))):
        raise SettingsError(
            f"{origin(cfg)}meta.basename (where there is none, basename) is {name}, the name of a section of the "
            "configuration: digitalmodel puts its record there before the first file, loses the section, and fails. "
            "Give another name: `meta: {basename: orcaflex_post_process}`."
        )


def _needed_by_outputs(cfg: Mapping[str, Any]) -> list[tuple[str, ...]]:
    needed: list[tuple[str, ...]] = []
    if flagged(cfg, "summary"):
        needed += [("orcaflex", "postprocess", "summary", "statistics", name) for name in STATISTICS]
        if not _groups_come_from_lines(cfg):
            needed.append(("summary_settings", "groups"))
    if flagged(cfg, "linked_statistics"):
        needed += [("linked_statistics_settings", "groups"), ("basename",), ("Analysis", "file_name_for_overwrite")]
    if writes_series(cfg):
        needed.append(("time_series_settings", "groups"))
    return needed


def _groups_come_from_lines(cfg: Mapping[str, Any]) -> bool:
    """Whether a newer digitalmodel makes the groups while merging: from variables and the names of a file's lines."""
    sources = find_source_code() if _stands(cfg, ("parameters", "VarNames", "Line")) else None
    return sources is not None and sources.discovers


def _stands(cfg: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    here: Any = cfg
    for key in path:
        if not isinstance(here, Mapping) or key not in here:
            return False
        here = here[key]
    return True


def check_collisions(cfg: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Refuse files whose time series would overwrite each other with different contents.

    One file that is listed twice writes the same tables twice, which is no harm.

    Raises:
        OutputError: naming the files.
    """
    owners, places, folder = dict[str, Path](), Places(), Path(cfg["Analysis"]["result_folder"])
    for name, i in series_names(cfg, files):
        file = files[i]
        first = owners.setdefault(places.of_name(folder / name), file)
        if first != file and not _one_file(first, file):
            raise OutputError(
                f"{first} and {file} would both write their time series to {name}. "
                "Rename one of them, or run them in two batches with different result folders."
            )


def _one_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file: another spelling, or a hard link."""
    try:
        first, second = as_opened(one).stat(), as_opened(other).stat()
    except OSError:
        return False
    # Shares that number no file say 0 of each, and others give the number that a file had a moment ago to the next one.
    alike = (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)
    return alike and first.st_ino != 0 and os.path.samestat(first, second)


def series_names(cfg: Mapping[str, Any], files: Sequence[Path]) -> Iterator[tuple[str, int]]:
    """The names of the time series that will be written, each with the position of its file."""
    if writes_series(cfg):
        labels = [str(group.get("Label")) for group in cfg["time_series_settings"]["groups"] or ()]
        yield from ((f"{file.stem}_{label}.csv", i) for i, file in enumerate(files) for label in labels)


def check_folder(cfg: Mapping[str, Any]) -> None:
    """Refuse a result folder that is not there or cannot be written.

    Raises:
        OutputError: naming the folder.
    """
    folder = Path(cfg["Analysis"]["result_folder"])
    if not is_folder(folder):
        missing = f"The result folder {folder} does not exist. Create it, or correct `result_folder`."
        raise OutputError(amiss(folder, missing))
    try:
        check_writable(folder)
    except OSError as error:
        said = (
            f"The result folder {folder} cannot be written ({error.strerror or error}). "
            "Ask for write access, or give another folder."
        )
        raise OutputError(amiss(folder, said, error)) from error


def check_tables(cfg: Mapping[str, Any]) -> None:
    """Refuse a batch whose summaries of an earlier run could not be replaced in the end, as Excel has them open.

    Raises:
        OutputError: naming the table.
    """
    for _, name in common_tables(cfg):
        table = Path(cfg["Analysis"]["result_folder"]) / name
        if fault := hindrance(table):
            raise OutputError(f"{table} could not be written in the end: {fault}. Nothing was run.")
