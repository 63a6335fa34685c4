"""What a column really has: its own keys, the master's, and what earlier columns left in the master.

digitalmodel merges each column into the one column of its master group, in place. So a key that a column gives stays
for all columns after it, and a column that gives `Objectname` keeps the ObjectName of the column before. This repeats
that merge on a copy, and remembers where each key comes from. Pure; equality with digitalmodel's own merge is tested.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.mappings import merged

if TYPE_CHECKING:
    from orcabatch.digitalmodel.check.finding import Path

OWN, MASTER = "", "the master"
"""Origins of a key beside an earlier column, which is told by its label."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column as digitalmodel computes it.

    Attributes:
        path: where it stands in the configuration.
        values: its keys and values after the merge.
        origins: where each key comes from, in words.
        master: what its master's column gave before any column was merged into it.
    """

    path: Path
    values: Mapping[str, Any]
    origins: Mapping[str, str] = field(default_factory=dict)
    master: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its label in a message, or its place in the group."""
        return _label(self.values, int(self.path[-1]))

    def key(self, name: str) -> Path:
        """Where a key of it stands: in the column where it is its own, else the column itself."""
        return (*self.path, name) if self.origins.get(name, OWN) == OWN and name in self.values else self.path


@dataclass(frozen=True, slots=True)
class Group:
    """One group of columns: one table.

    Attributes:
        path: where it stands.
        values: its own keys and its master's, without the columns.
        columns: its columns as computed.
    """

    path: Path
    values: Mapping[str, Any]
    columns: tuple[Column, ...]

    @property
    def label(self) -> str:
        """Its label in a message, or its place."""
        return _label(self.values, int(self.path[-1]))

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"{self.path[0]}, group {self.label}"

    def place_of(self, column: Column) -> str:
        """Where one of its columns is, in words."""
        return f"{self.place}, column {column.label}"


def effective_groups(cfg: Mapping[str, Any], section: str, *, is_merged: bool = False) -> tuple[Group, ...]:
    """The groups of a section as digitalmodel computes them.

    Args:
        cfg: the configuration; the shapes of this section and its master are right (`sections.shape_faults`).
        section: `summary_settings` or another one with groups.
        is_merged: masters were merged already.
    """
    # Together, so that what stands in both by a YAML anchor stays one.
    both = copy.deepcopy({name: cfg.get(name) for name in (section, f"{section}_master")})
    groups = (both[section] or {}).get("groups") or []
    if is_merged or f"{section}_master" not in cfg:
        return tuple(_as_given((section, "groups", position), group) for position, group in enumerate(groups))
    masters = (both[f"{section}_master"] or {}).get("groups") or []
    merge = _Merge(bool(groups) and "Columns" in masters[0])
    return tuple(
        merge.group((section, "groups", position), group, masters[position]) for position, group in enumerate(groups)
    )


@dataclass(slots=True)
class _Merge:
    """The merge of one section, with what earlier columns left behind.

    Attributes:
        with_columns: whether masters have columns; digitalmodel looks at the first group only.
        seen: each master column met so far (kept, so that no other object gets its id), as it was before the merge, and
            which column gave each of its keys since.
    """

    with_columns: bool
    seen: dict[int, tuple[dict[str, Any], Mapping[str, Any], dict[str, str]]] = field(default_factory=dict)

    def group(self, path: Path, group: Mapping[str, Any], master: dict[str, Any]) -> Group:
        """One group, merged into its master."""
        columns = group["Columns"] if "Columns" in group else master["Columns"]
        found = (
            tuple(self._columns(path, columns, master))
            if self.with_columns
            else _as_given(path, {"Columns": columns}).columns
        )
        master.update(merged(master, {**group, "Columns": columns}))
        return Group(path, _without_columns(master), found)

    def _columns(self, path: Path, columns: list[Any], into: Mapping[str, Any]) -> Iterator[Column]:
        sources: list[tuple[dict[str, str], Mapping[str, Any]]] = []
        for i, column in enumerate(columns):
            base = into["Columns"][0]  # each time: by anchors it may be one of the columns that are replaced here
            _, master, givers = self.seen.setdefault(id(base), (base, dict(base), {}))
            own = dict(column)
            base.update(merged(base, own))
            givers.update(dict.fromkeys(own, f"the column {_label(base, i)} before it"))
            sources.append(({key: OWN if key in own else givers.get(key, MASTER) for key in base}, master))
            columns[i] = copy.deepcopy(base)
        for i, (column, (origins, master)) in enumerate(zip(columns, sources, strict=True)):
            yield Column((*path, "Columns", i), copy.deepcopy(column), origins, master)


def _label(values: Mapping[str, Any], position: int) -> str:
    label = values.get("Label")
    return repr(label) if label is not None else f"number {position + 1}"


def _as_given(path: Path, group: Mapping[str, Any]) -> Group:
    columns = (Column((*path, "Columns", i), column) for i, column in enumerate(group["Columns"]))
    return Group(path, _without_columns(group), tuple(columns))


def _without_columns(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "Columns"}
