"""What a plan is made of: files with their sizes, files with their place, tiers. Bytes and seconds.

Does not cover the plan as a whole (`orcabatch.plan.batch_plan`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SizedFile:
    """A file and its size in bytes: what a plan is made of."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of the plan.

    Attributes:
        index: position in the input list.
        file: the `.sim` file.
        batches: names of the batches that want it.
        size_bytes: its size.
        tier: small, medium or large; `all` where files are not grouped.
        memory_bytes: predicted memory of the loaded file.
        seconds: what it is expected to take, as measured before; None where nothing is known.
        skip: why it will not run; None where it will.
        cost: predicted work, comparable within the plan: seconds where any file's are known (scaled by size for the
            others), else bytes.
        rank: its place in the order of all files, skipped ones included: one that is skipped may have to be done after
            all, and then has its turn where it would have had it.
    """

    index: int
    file: Path
    batches: tuple[str, ...]
    size_bytes: int
    tier: str
    memory_bytes: int
    seconds: float | None = None
    skip: str | None = None
    cost: float = 0.0
    rank: int = 0

    @property
    def size(self) -> int:
        """Its size in bytes, by the name that `BatchOptimizer.group_by_size` asks for."""
        return self.size_bytes


@dataclass(frozen=True, slots=True)
class Tier:
    """Files of similar size, and how many of them are worked on at once.

    Attributes:
        name: small, medium or large; `all` where files are not grouped.
        files: how many will run (skipped ones left out).
        total_bytes: their sizes together.
        count: as `assign_thread_counts` gave it, or from the rules of thumb where files are not grouped.
        limit: what is left of it after the hard caps.
        ceiling: the same where files turn out to take far less memory than predicted: the engine may go up to here.
        bound_by: the constraint that set `limit`.
        advised: what the rules of thumb say together: the specification's formula, `threads_per_gb` where it is only
            a default, the GB-per-thread table.
        advice: each of these rules with its number.
    """

    name: str
    files: int
    total_bytes: int
    count: int
    limit: int
    ceiling: int
    bound_by: str
    advised: int
    advice: str
