"""What columns and groups do to each other: labels that overwrite, files that overwrite, values taken over by accident.

The names of tables are digitalmodel's: `<name>_<Label>.csv` of summaries and linked statistics, `<stem>_<Label>.csv` of
time series. Does not cover time series of two files (`orcabatch.digitalmodel.preconditions`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.check.columns import LINKED, SERIES
from orcabatch.digitalmodel.check.effective import MASTER, OWN
from orcabatch.digitalmodel.check.finding import CheckFinding, shown
from orcabatch.digitalmodel.check.vocabulary import KEPT_EMPTY, LEVELS, OWN_COLUMNS
from orcabatch.digitalmodel.outputs import SETTINGS_OF, table_stems
from orcabatch.store.atomic import impossible_on_windows
from orcabatch.store.failed_files import SUFFIX
from orcabatch.store.paths import in_capitals
from orcabatch.win32 import is_folder

if TYPE_CHECKING:
    from orcabatch.digitalmodel.check.effective import Column, Group

_OWN_COLUMNS = {SETTINGS_OF[output]: own for output, own in OWN_COLUMNS.items()}
_DECIDING = LEVELS["summary_settings.groups[].Columns[]"].read - {"Label"}


def label_faults(section: str, groups: Sequence[Group]) -> Iterator[CheckFinding]:
    """Labels of one section that lose a column or a table."""
    first: dict[Any, Group] = {}
    for group in groups:
        label = group.values.get("Label")
        if "Label" not in group.values:
            yield _of_group(group, "Label is missing here and in the master, so every file fails")
        elif not isinstance(label, str):
            yield _of_group(
                group, f"Label: {shown(label)} is no text, so no file can be named after it; put it in quotes"
            )
        elif label in first:
            yield _same_group(group, first[label])
        else:
            first[label] = group
        yield from _columns(section, group)
        yield from _same_values(group)
        yield from _taken_over(group)
        if section == SERIES:
            yield from _other_periods(group)


def _same_group(group: Group, first: Group) -> CheckFinding:
    """Two groups of one label: they are written to one file, where nothing is lost if they are equal."""
    equal = [column.values for column in group.columns] == [column.values for column in first.columns]
    which = f"group number {int(first.path[-1]) + 1}"
    said = f"Label {shown(group.values['Label'])} stands at two groups"
    return _of_group(
        group, f"{said}: {f'equal to {which}' if equal else f'the table of {which} is lost'}", proven=not equal
    )


def _columns(section: str, group: Group) -> Iterator[CheckFinding]:
    first: dict[str, Column] = {}
    for column in group.columns:
        for label in _labels(column):
            place, path = group.place_of(column), column.key("Label")
            if label in _OWN_COLUMNS[section] and label not in KEPT_EMPTY:
                said = f"Label {shown(label)} is a column that digitalmodel writes itself: that one is lost"
                yield CheckFinding(path, place, said, proven=True)
            elif label in _OWN_COLUMNS[section]:
                said = f"Label {shown(label)} takes the place of a column that digitalmodel leaves empty"
                yield CheckFinding(path, place, said)
            elif label in first:
                yield CheckFinding(path, place, *_same_label(section, label, column, first[label]))
            first.setdefault(label, column)


def _same_label(section: str, label: Any, column: Column, first: Column) -> tuple[str, str, bool]:
    """Two columns of one label: problem, nearest, whether it is proven. Of equal ones nothing is lost."""
    said, which = f"Label {shown(label)} stands at two columns of the group", f"column number {int(first.path[-1]) + 1}"
    if column.values == first.values:
        return f"{said}: equal to {which}", "", False
    if section == LINKED:
        return f"{said}: their rows cannot be told apart", "", False
    return f"{said}: {which} is lost", "", True


def _same_values(group: Group) -> Iterator[CheckFinding]:
    """Columns that differ in nothing but their labels: one was copied, and what makes it another one forgotten."""
    first: dict[str, Column] = {}
    for column in group.columns:
        asked = {key: value for key, value in column.values.items() if key in _DECIDING}
        earlier = first.setdefault(repr(sorted(asked.items())), column)
        if earlier is not column and _labels(column) != _labels(earlier):
            said = f"asks for the same as column {earlier.label}: only their labels differ"
            yield CheckFinding(column.path, group.place_of(column), said)


def _labels(column: Column) -> list[Any]:
    """The labels of a column; digitalmodel takes a list too."""
    label = column.values.get("Label")
    found = label if isinstance(label, list) else [label]
    return [one for one in found if isinstance(one, str | int | float)]


def _taken_over(group: Group) -> Iterator[CheckFinding]:
    """Keys for which the master has a value, and an earlier column's counts in its place."""
    for column in group.columns:
        for key, source in column.origins.items():
            if source in {OWN, MASTER} or key not in column.master or column.values[key] == column.master[key]:
                continue
            mine, theirs = shown(column.values[key]), shown(column.master[key])
            said = f"takes {key}: {mine} from {source}, not {theirs} from the master"
            yield CheckFinding(column.path, group.place_of(column), f"{said}, because digitalmodel merges in place")


def _other_periods(group: Group) -> Iterator[CheckFinding]:
    """Columns of a time series that cover another time than the first: they all share one time column."""
    if not group.columns:
        return
    period = group.columns[0].values.get("SimulationPeriod")
    for column in group.columns[1:]:
        other = column.values.get("SimulationPeriod")
        if other != period:
            said = f"SimulationPeriod: {shown(other)}, but the times in the table are those of the first column"
            said = f"{said}, {shown(period)}"
            yield CheckFinding(column.key("SimulationPeriod"), group.place_of(column), said)


def name_faults(
    cfg: Mapping[str, Any], groups: Mapping[str, Sequence[Group]], *, windows: bool = os.name == "nt"
) -> Iterator[CheckFinding]:
    """Labels that give two tables one file, or a file outside the result folder.

    Args:
        cfg: the configuration.
        groups: the groups of each section whose output is on.
        windows: whether file names are Windows'.
    """
    analysis = cfg["Analysis"]
    owners: dict[str, str] = {_as_file(f"{analysis['file_name']}{SUFFIX}", windows): "the list of failed files"}
    files = dict.fromkeys(PurePath(str(file)).stem for file in cfg["file_management"]["input_files"]["sim"])
    stems = table_stems(cfg, files)
    for output in ("summary", "linked_statistics", "time_series"):
        prefixes = stems[output]
        for group in groups.get(SETTINGS_OF[output], ()):
            label = group.values.get("Label")
            if isinstance(label, str):
                yield from _bad_name(group, label, prefixes, str(analysis["result_folder"]), windows)
                yield from _collisions(group, label, prefixes, owners, windows)


def _bad_name(group: Group, label: str, prefixes: Sequence[str], folder: str, windows: bool) -> Iterator[CheckFinding]:
    separators = "/\\" if windows else "/"
    names = [f"{prefix}_{label}.csv" for prefix in prefixes]
    if any(separator in name for separator in separators for name in names):
        places = [os.path.join(folder, name) for name in names]  # noqa: PTH118 - spelled as digitalmodel joins it
        plain = [os.path.normpath(place) for place in places]
        inside = all(PurePath(place).is_relative_to(os.path.normpath(folder)) for place in plain)
        # Windows takes `a/..` away before it looks; elsewhere `a` must be there.
        missing = any(not is_folder(os.path.dirname(place)) for place in (plain if windows else places))  # noqa: PTH120
        where = "into a folder that is not there" if missing else "into another folder"
        where = where if inside else "outside the result folder"
        by = f"Label {shown(label)}" if any(separator in label for separator in separators) else "meta.label"
        yield _of_group(group, f"{by} puts the table {where}", proven=not inside or missing)
    elif windows and (faults := list(filter(None, map(impossible_on_windows, names)))):
        by = f"Label {shown(label)}" if impossible_on_windows(f"_{label}.csv") else "meta.label"
        yield _of_group(group, f"{by} {faults[0]}")


def _collisions(
    group: Group, label: str, prefixes: Sequence[str], owners: dict[str, str], windows: bool
) -> Iterator[CheckFinding]:
    mine = group.place
    told: set[str] = set()
    for prefix in prefixes:
        file = f"{prefix}_{label}.csv"
        owner = owners.setdefault(_as_file(file, windows), mine)
        if owner != mine and owner not in told:
            told.add(owner)
            exact = owner != "the list of failed files"
            yield _of_group(group, f"its table would be written to {file}, as that of {owner}", proven=exact)


def _as_file(name: str, windows: bool) -> str:
    """What the file system takes for the same."""
    plain = os.path.normpath(name)
    return in_capitals(plain) if windows else plain


def _of_group(group: Group, problem: str, *, proven: bool = True) -> CheckFinding:
    path = (*group.path, "Label") if "Label" in group.values else group.path
    return CheckFinding(path, group.place, problem, proven=proven)
