"""Cells that a table of one file lacks: digitalmodel leaves them empty where it finds no object, variable or number.

Looked at where the table is made, once, so that nobody has to read tables again. What follows from the gaps of all
files is said in `orcabatch.digitalmodel.notices`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ALWAYS_EMPTY = frozenset({"description", "statistic", "run_status"})
"""Columns that digitalmodel itself keeps for later and never fills in a file's own table."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A column of a file's table with empty cells.

    Attributes:
        output: summary, linked_statistics or time_series.
        group: the group's label.
        column: the column's label.
        missing: how many of its cells are empty.
        rows: how many it has.
    """

    output: str
    group: str
    column: str
    missing: int
    rows: int

    @property
    def whole(self) -> bool:
        """Whether the column holds nothing at all."""
        return self.missing == self.rows


def gaps_of(output: str, group: str, frame: Any, labels: Collection[str] = ()) -> Iterator[Gap]:
    """The gaps of one table.

    Args:
        output: the table's kind, as in `Gap`.
        group: its label.
        frame: the table.
        labels: of the columns that the configuration asks for, whatever digitalmodel keeps under these names.
    """
    rows = len(frame)
    for name, missing in zip(frame.columns, frame.isna().to_numpy().sum(axis=0), strict=True):
        # A series none of whose objects exist is a heading without rows.
        if (missing or not rows) and (str(name) in labels or name not in ALWAYS_EMPTY):
            yield Gap(output, group, str(name), int(missing), rows)


def gaps_of_all(output: str, frames: Mapping[str, Any] | None, labels: Collection[str] = ()) -> Iterator[Gap]:
    """The gaps of a file's tables by group label."""
    for group, frame in (frames or {}).items():
        yield from gaps_of(output, str(group), frame, labels)
