"""Files that are worked on for far longer than the others: they have no time limit of their own, but are reported.

Covers which, as a pure decision, once each, and what is said of one. Does not cover ending them: that is `timeout`,
which is the user's to set.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orcabatch.text import duration

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task

FAR = 5.0
"""How many times the longest of the others, by its size, a file takes before it is reported. Less: a file with more
objects than the others is said to hang. More: one that hangs is heard of late."""

LEAST_S = 60.0
"""And never before this. Less: batches of short files report what is over a moment later. More: as above."""

KNOWN = 3
"""So many files have ended before any is compared with them. Fewer: the first small file makes the large ones suspect.
More: in a batch of few files nothing is ever reported."""


@dataclass(frozen=True, slots=True)
class Stragglers:
    """What the files that ended took.

    Attributes:
        ended: how many.
        longest_s: the longest of them.
        slowest: seconds per byte of the slowest of them.
        reported: the files that were reported.
    """

    ended: int = 0
    longest_s: float = 0.0
    slowest: float = 0.0
    reported: frozenset[int] = field(default_factory=frozenset)

    def end(self, wall_s: float, size_bytes: int) -> Stragglers:
        """A file ended after so long."""
        slowest = max(self.slowest, wall_s / max(1, size_bytes))
        return Stragglers(self.ended + 1, max(self.longest_s, wall_s), slowest, self.reported)

    def is_far_beyond(self, index: int, wall_s: float, size_bytes: int) -> bool:
        """Whether a file that is worked on for so long is to be reported now."""
        if index in self.reported or self.ended < KNOWN:
            return False
        return wall_s > max(LEAST_S, FAR * self.longest_s, FAR * self.slowest * size_bytes)

    def words(self, task: Task, wall_s: float, timeout_s: float | None) -> str:
        """What is said of a file that is worked on for so long; None: there is no time limit."""
        end = "; a `timeout` would end it" if timeout_s is None else ""
        beyond = f"the longest of the others took {duration(self.longest_s)}"
        return f"{task.file.name} has been worked on for {duration(wall_s)}, {beyond}: it may hang{end}"

    def report(self, index: int) -> Stragglers:
        """It is reported."""
        return replace(self, reported=self.reported | {index})
