"""Files, the tiers they fall into by size, and `BatchOptimizer`, the specification's grouping and thread counts.

Covers what a plan is made of, and the configured counts: every plan is made through the optimizer's two methods, and a
run changes where they are replaced. Does not cover caps: what memory, licences and files leave of the counts is the
plan's (`orcabatch.plan.caps`); nor the plan as a whole (`orcabatch.plan.batch_plan`). Bytes and seconds.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, SupportsFloat, TypeVar

from orcabatch.errors import SettingsError
from orcabatch.settings import TIERS, Settings, parse_settings
from orcabatch.text import class_name, shortened_list
from orcabatch.win32 import as_opened

GB_PER_THREAD: Mapping[str, int] = {"small": 5, "medium": 8, "large": 16}
"""Total memory, in GB, that the specification recommends for each thread."""
UNGROUPED = "all"
"""The one tier there is with `group_by_size: false`."""
_NAMED = 5


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


File = TypeVar("File")


class BatchOptimizer:
    """Groups files by size and says how many threads each group gets.

    Args:
        settings: the settings, or a `performance:` section; None: the defaults.

    Raises:
        SettingsError: the section is wrong.
    """

    def __init__(self, settings: Settings | Mapping[str, Any] | None = None) -> None:
        self._settings = settings if isinstance(settings, Settings) else parse_settings(settings)

    def group_by_size(self, files: Iterable[File]) -> tuple[list[File], list[File], list[File]]:
        """Small, medium and large files: small < 100 MB <= medium < 500 MB <= large, unless configured otherwise.

        Args:
            files: objects with `.size` in bytes, or paths.

        Returns:
            The same objects, each list in input order.

        Raises:
            OSError: a path has no file.
            TypeError: neither a size nor a path.
        """
        thresholds = self._settings.optimization.size_thresholds
        small: list[File] = []
        medium: list[File] = []
        large: list[File] = []
        for file in files:
            size = _size(file)
            (small if size < thresholds.small else medium if size < thresholds.large else large).append(file)
        return small, medium, large

    def assign_thread_counts(self, groups: object = None) -> dict[str, int]:
        """The configured counts, 45 / 30 / 15 by default; never capped, whatever the groups hold.

        Args:
            groups: what `group_by_size` returned, or a mapping of groups; the counts do not depend on it.
        """
        return self._settings.optimization.thread_allocation.model_dump()


def tier_names(optimizer: BatchOptimizer, files: Sequence[PlannedFile]) -> dict[int, str]:
    """The tier of each file, by index, as `group_by_size` groups them.

    Raises:
        SettingsError: a method that replaces it lost a file, or put one into two groups.
    """
    groups = tuple(optimizer.group_by_size(files))
    times = Counter(getattr(file, "index", None) for group in groups for file in group)
    if len(groups) != len(TIERS) or times != Counter(file.index for file in files):
        odd = [file.file.name for file in files if times[file.index] != 1]
        named = f", but not {shortened_list(odd, most=_NAMED)}" if odd else ""
        raise SettingsError(
            f"group_by_size of {class_name(type(optimizer))} must give three lists, small, medium and large, that hold "
            f"each file exactly once{named}. Nothing was run."
        )
    return {file.index: name for name, group in zip(TIERS, groups, strict=True) for file in group}


def kind_of_mean(optimizer: BatchOptimizer, files: Sequence[PlannedFile]) -> str:
    """The tier of a file as large as these are on average."""
    mean = sum(file.size_bytes for file in files) // len(files)
    return tier_names(optimizer, [replace(files[0], size_bytes=mean)])[files[0].index]


def _size(file: Any) -> float:
    if isinstance(file, (str, os.PathLike)):
        return as_opened(file).stat().st_size
    size: object = getattr(file, "size", None)
    if isinstance(size, bool) or not isinstance(size, SupportsFloat):
        raise TypeError(f"group_by_size takes objects with .size in bytes, or paths, not {class_name(type(file))}")
    return float(size)
