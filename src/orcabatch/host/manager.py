"""`ResourceManager`: the specification's class over a measured or given host.

Covers measuring and the one formula for a thread count, by which every plan is made. Does not cover tiers and caps
(`orcabatch.plan`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

from orcabatch.host.files import sim_sizes
from orcabatch.host.measure import measure, memory_reading
from orcabatch.host.values import HostResources, MemoryReading

ORCAFLEX_OVERHEAD = 1.5
"""Memory that a loaded file takes, as a multiple of its size, until it has been measured."""
CPU_SHARE = 0.75
"""Share of the logical CPUs that the formula uses; the rest is left to the system."""

_LARGEST = 1e30


class ResourceManager:
    """Measures what a batch may use, and computes a thread count from it.

    Args:
        host: the host to plan for; None: this one.
    """

    def __init__(self, host: HostResources | None = None) -> None:
        self._host = host

    def measure(self) -> HostResources:
        """The given host, or this one as it is now."""
        return self._host or measure()

    def memory(self) -> MemoryReading:
        """Memory of the given host, or of this one at this moment."""
        if self._host is None:
            return memory_reading()
        return MemoryReading(self._host.total_ram_bytes, self._host.available_ram_bytes)

    def sim_sizes(self, files: Iterable[str | os.PathLike[str]]) -> tuple[int | None, ...]:
        """The size of each file in bytes, in input order; None for one that cannot be asked."""
        return sim_sizes(files)

    def calculate_optimal_threads(self, file_sizes: Iterable[float], available_ram: float) -> int:
        """How many files to work on at once: what memory allows against 75% of the CPUs, the smaller.

        Args:
            file_sizes: bytes.
            available_ram: bytes.

        Returns:
            floor(min(available_ram / (mean size x 1.5), logical CPUs x 0.75)), at least 1. Without sizes, or where all
            are zero, memory does not count.
        """
        sizes = [_sane(size) for size in file_sizes]
        memory_per_thread = math.fsum(sizes) / max(1, len(sizes)) * ORCAFLEX_OVERHEAD
        by_cpu = self.measure().logical_cpus * CPU_SHARE
        by_memory = _sane(available_ram) / memory_per_thread if memory_per_thread > 0 else by_cpu
        return max(1, math.floor(min(by_memory, by_cpu)))


def _sane(amount: float) -> float:
    """Not negative, finite; what is no number counts as nothing."""
    return float(min(max(amount, 0), _LARGEST)) if amount == amount else 0.0  # noqa: PLR0124 - NaN differs from itself
