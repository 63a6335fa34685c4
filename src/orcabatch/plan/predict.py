"""What is known about files before they run: their memory, their seconds, and the order that follows.

Covers pure arithmetic over sizes and a history. Does not cover where the history comes from (`orcabatch.store`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orcabatch.host import ORCAFLEX_OVERHEAD

_EQUAL = 1.05
"""Predictions within this ratio count as equal: they are not that exact, and neighbours share a folder's cache. More:
what is longer does start later. Less: hardly any two files are equal, and folders are read to and fro."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What past runs tell about a file; None where they tell nothing.

    Attributes:
        seconds: wall time.
        memory_factor: memory of the loaded file as a multiple of its size.
    """

    seconds: float | None = None
    memory_factor: float | None = None


class History(Protocol):
    """Where expectations come from. Asked once per file; must not touch the file."""

    def expect(self, file: Path, size_bytes: int) -> Expectation:
        """What is known about this file."""


class NothingKnown:
    """The history of a first run."""

    def expect(self, file: Path, size_bytes: int) -> Expectation:
        """Nothing."""
        return Expectation()


def memory_bytes(size_bytes: int, expected: Expectation) -> int:
    """Predicted memory of a loaded file."""
    factor = expected.memory_factor
    known = factor is not None and math.isfinite(factor) and factor > 0
    return math.ceil(size_bytes * (factor if known and factor is not None else ORCAFLEX_OVERHEAD))


def usable_seconds(expected: Expectation) -> float | None:
    """Expected seconds, where they are a sensible number."""
    seconds = expected.seconds
    return seconds if seconds is not None and math.isfinite(seconds) and seconds >= 0 else None


def costs(sizes: Sequence[int], seconds: Sequence[float | None]) -> tuple[float, ...]:
    """One comparable cost per file: seconds where any are known (others by their size), else bytes."""
    known = [(size, second) for size, second in zip(sizes, seconds, strict=True) if second is not None]
    if not known:
        return tuple(map(float, sizes))
    known_bytes, known_s = sum(size for size, _ in known), sum(second for _, second in known)
    rate = known_s / known_bytes if known_bytes else 0.0
    return tuple(size * rate if second is None else second for size, second in zip(sizes, seconds, strict=True))


def longest_first(items: Iterable[tuple[int, float, Path]]) -> tuple[int, ...]:
    """Indices by falling cost; those of equal cost (within 5%) folder by folder.

    Args:
        items: index, cost and file.
    """
    ranked = sorted(items, key=lambda item: (-_step(item[1]), str(item[2].parent), -item[1], item[0]))
    return tuple(index for index, _, _ in ranked)


def _step(cost: float) -> int:
    return math.floor(math.log(cost, _EQUAL)) if cost > 0 else -100_000
