"""`BatchOptimizer`: the specification's grouping by size and its thread counts.

Covers the tiers and the configured counts: every plan is made through its two methods, and a run changes where they are
replaced. Does not cover caps: what memory, licences and files leave of the counts is the plan's
(`orcabatch.plan.caps`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat, TypeVar

from orcabatch.errors import SettingsError
from orcabatch.settings import TIERS, Settings, parse_settings
from orcabatch.text import shortened_list

if TYPE_CHECKING:
    from orcabatch.plan.values import PlannedFile

GB_PER_THREAD: Mapping[str, int] = {"small": 5, "medium": 8, "large": 16}
"""Total memory, in GB, that the specification recommends for each thread."""

UNGROUPED = "all"
"""The one tier there is with `group_by_size: false`."""

_NAMED = 5

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
            f"group_by_size of {type(optimizer).__name__} must give three lists, small, medium and large, that hold "
            f"each file exactly once{named}. Nothing was run."
        )
    return {file.index: name for name, group in zip(TIERS, groups, strict=True) for file in group}


def kind_of_mean(optimizer: BatchOptimizer, files: Sequence[PlannedFile]) -> str:
    """The tier of a file as large as these are on average."""
    mean = sum(file.size_bytes for file in files) // len(files)
    return tier_names(optimizer, [replace(files[0], size_bytes=mean)])[files[0].index]


def _size(file: Any) -> float:
    if isinstance(file, (str, os.PathLike)):
        return Path(file).stat().st_size
    size: object = getattr(file, "size", None)
    if isinstance(size, bool) or not isinstance(size, SupportsFloat):
        raise TypeError(f"group_by_size takes objects with .size in bytes, or paths, not {type(file).__name__}")
    return float(size)
