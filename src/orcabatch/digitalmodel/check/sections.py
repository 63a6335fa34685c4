"""The shapes of sections, and the values of all keys outside columns.

What has the wrong shape cannot be looked into any further, so this comes first. Does not cover the few keys that are
refused for everyone, because nothing could run without them (`orcabatch.digitalmodel.preconditions`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orcabatch.digitalmodel.check.finding import CheckFinding, Path, dotted, shown
from orcabatch.digitalmodel.outputs import OUTPUTS, SETTINGS_OF, STATISTICS, flagged, writes_series


def shape_faults(cfg: Mapping[str, Any], section: str, *, is_merged: bool = False) -> list[CheckFinding]:
    """What keeps digitalmodel from going through the groups of `section`; its columns can be told where this is empty.

    A master is merged whether its output is on or off, so its shape matters in any case.
    """
    settings, master = cfg.get(section), cfg.get(f"{section}_master")
    with_master = f"{section}_master" in cfg and not is_merged
    absent = settings is None or (isinstance(settings, Mapping) and "groups" not in settings)
    if not with_master and (absent or not computes(cfg, section)):
        return []  # what is absent altogether is refused elsewhere, or found in the lines of a file by a newer clone
    if with_master and not isinstance(master, Mapping):
        return [_fault((f"{section}_master",), f"a section with groups is needed, not {shown(master)}")]
    if not isinstance(settings, Mapping):
        return [_fault((section,), f"a section with groups is needed, not {shown(settings)}")]
    groups: Any = settings.get("groups")
    if not _is_list(groups):
        return [_fault((section, "groups"), f"a list of groups is needed, not {shown(groups)}")]
    masters = master.get("groups") if with_master and isinstance(master, Mapping) else None
    return [
        *(_master_faults(section, groups, masters) if with_master and groups else []),
        *(fault for position, group in enumerate(groups) for fault in _group(section, position, group, masters)),
    ]


def computes(cfg: Mapping[str, Any], section: str) -> bool:
    """Whether the groups of a section are computed: its output is on."""
    output = next(output for output, name in SETTINGS_OF.items() if name == section)
    data = output == "time_series" and isinstance(cfg.get(section), Mapping)
    return writes_series(cfg) if data else flagged(cfg, output)


def _master_faults(section: str, groups: list[Any], masters: Any) -> Iterator[CheckFinding]:
    path = (f"{section}_master", "groups")
    if not isinstance(masters, list):
        yield _fault(path, f"a list of groups is needed, not {shown(masters)}")
        return
    if len(masters) < len(groups):
        yield _fault(path, f"{len(masters)} master groups for {len(groups)} groups: each needs one, in its place")
        return
    with_columns = isinstance(masters[0], Mapping) and "Columns" in masters[0]
    for position, master in enumerate(masters[: len(groups)]):
        columns = master.get("Columns") if isinstance(master, Mapping) else None
        if not isinstance(master, Mapping):
            yield _fault((*path, position), f"a master group with keys is needed, not {shown(master)}")
        elif with_columns and not (isinstance(columns, list) and columns and isinstance(columns[0], Mapping)):
            yield _fault((*path, position), "its Columns must be a list with one column, as those of the first master")


def _group(section: str, position: int, group: Any, masters: Any) -> Iterator[CheckFinding]:
    path: Path = (section, "groups", position)
    if not isinstance(group, Mapping):
        yield _fault(path, f"a group with Label and Columns is needed, not {shown(group)}")
        return
    columns = group.get("Columns", _inherited(masters, position))
    if not _is_list(columns):
        yield _fault((*path, "Columns"), f"a list of columns is needed, not {shown(columns)}")
        return
    for i, column in enumerate(columns):
        if not isinstance(column, Mapping):
            yield _fault((*path, "Columns", i), f"a column with keys is needed, not {shown(column)}")


def _is_list(value: Any) -> bool:
    """Whether digitalmodel can go through it; an empty section or text does as well as an empty list."""
    return isinstance(value, list) or (isinstance(value, Mapping | str) and not value)


def _inherited(masters: Any, position: int) -> Any:
    """The columns that a group without any takes from its master: only where the first master has none."""
    if not isinstance(masters, list) or position >= len(masters):
        return None
    first, own = masters[0], masters[position]
    if not isinstance(first, Mapping) or "Columns" in first or not isinstance(own, Mapping):
        return None
    return own.get("Columns")


def value_faults(cfg: Mapping[str, Any]) -> Iterator[CheckFinding]:
    """Values outside columns that fail, or do something else than they say."""
    for output in OUTPUTS:
        yield from _output(cfg, output)
    yield from _texts_for_flags(cfg)
    yield from _nothing_written(cfg)
    overwrite = _at(cfg, "default", "config", "overwrite", "output")
    if isinstance(overwrite, str):
        said = f"digitalmodel takes the text {shown(overwrite)} for false, so names get the time; write true or false"
        yield _fault(("default", "config", "overwrite", "output"), said, proven=False)
    yield from _filters(cfg)


def _output(cfg: Mapping[str, Any], output: str) -> Iterator[CheckFinding]:
    path: Path = ("orcaflex", "postprocess", output)
    section = _at(cfg, *path)
    decimals = section.get("csv_decimal", 6) if isinstance(section, Mapping) else 6
    whole = isinstance(decimals, int) and not isinstance(decimals, bool)
    if output in SETTINGS_OF and computes(cfg, SETTINGS_OF[output]) and not (whole or isinstance(decimals, Mapping)):
        yield _fault(
            (*path, "csv_decimal"), f"a whole number is needed, not {shown(decimals)}: no table can be rounded"
        )


def _texts_for_flags(cfg: Mapping[str, Any]) -> Iterator[CheckFinding]:
    """Texts where true or false is asked for: `'False'` is on."""
    paths: list[Path] = [("orcaflex", "postprocess", output, "flag") for output in OUTPUTS]
    paths += [("file_management", "flag")]
    paths += [("time_series_settings", "data")] if flagged(cfg, "time_series") else []
    if flagged(cfg, "summary"):
        paths += [("orcaflex", "postprocess", "summary", "statistics", name) for name in STATISTICS]
    for path in paths:
        flag = _at(cfg, *path)
        if isinstance(flag, str) and flag:
            said = f"digitalmodel takes any text for on, {shown(flag)} too; write true or false without quotes"
            yield _fault(path, said, proven=False)


def _nothing_written(cfg: Mapping[str, Any]) -> Iterator[CheckFinding]:
    """Outputs that are on and write nothing."""
    if flagged(cfg, "time_series") and not writes_series(cfg):
        said = "time_series is on, but time_series_settings.data is not: no time series are written"
        yield _fault(("time_series_settings", "data"), said, proven=False)
    from_lines = bool(cfg.get("parameters"))  # a newer clone makes the groups from VarNames and the lines of a file
    for output, section in SETTINGS_OF.items():
        if computes(cfg, section) and _at(cfg, section, "groups") in ([], {}, "") and not from_lines:
            yield _fault(
                (section, "groups"), f"{output} is on, but there are no groups: nothing is written", proven=False
            )


def _filters(cfg: Mapping[str, Any]) -> Iterator[CheckFinding]:
    for name in ("contains", "not_contains"):
        value = _at(cfg, "file_management", "filename", "filters", name)
        if isinstance(value, str) and len(value) > 1 and value != "NULL":
            said = f"digitalmodel looks for each letter of {shown(value)} by itself; write a list: [{value}]"
            yield _fault(("file_management", "filename", "filters", name), said, proven=False)
    pattern = _at(cfg, "file_management", "filename", "pattern")
    if isinstance(pattern, list | Mapping):
        said = f"digitalmodel needs one text, and takes {shown(pattern)} for letters of which a name has one"
        yield _fault(("file_management", "filename", "pattern"), said, proven=False)


def _at(cfg: Mapping[str, Any], *path: Any) -> Any:
    """What stands there; None where it does not."""
    here: Any = cfg
    for key in path:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here


def _fault(path: Path, problem: str, *, proven: bool = True) -> CheckFinding:
    return CheckFinding(path, dotted(path), problem, proven=proven)
