"""`BatchOptimizer`: the specification's grouping by size and its thread counts.

Covers the tiers and the configured counts. Does not cover caps: what memory, licences and files leave of the counts
is the plan's (`orcabatch.plan.make`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, SupportsFloat, TypeVar

from orcabatch.settings import Settings, SizeThresholds, parse_settings

TIERS = ("small", "medium", "large")

GB_PER_THREAD: Mapping[str, int] = {"small": 5, "medium": 8, "large": 16}
"""Total memory, in GB, that the specification recommends for each thread."""

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
        groups: dict[str, list[File]] = {name: [] for name in TIERS}
        for file in files:
            groups[tier_of(_size(file), self._settings.optimization.size_thresholds)].append(file)
        return groups["small"], groups["medium"], groups["large"]

    def assign_thread_counts(self, groups: object = None) -> dict[str, int]:
        """The configured counts, 45 / 30 / 15 by default; never capped, whatever the groups hold.

        Args:
            groups: what `group_by_size` returned, or a mapping of groups; the counts do not depend on it.
        """
        return self._settings.optimization.thread_allocation.model_dump()


def tier_of(size_bytes: float, thresholds: SizeThresholds) -> str:
    """The tier of a file of that size."""
    if size_bytes < thresholds.small:
        return "small"
    return "medium" if size_bytes < thresholds.large else "large"


def _size(file: Any) -> float:
    if isinstance(file, (str, os.PathLike)):
        return Path(file).stat().st_size
    size: object = getattr(file, "size", None)
    if isinstance(size, bool) or not isinstance(size, SupportsFloat):
        raise TypeError(f"group_by_size takes objects with .size in bytes, or paths, not {type(file).__name__}")
    return float(size)
