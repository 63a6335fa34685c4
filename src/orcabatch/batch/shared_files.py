"""The `.sim` files of a call: one that stands in two of its batches is loaded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.outcome import FileOutcome


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A `.sim` file of the call, with the batches that want it and its position in each."""

    file: Path
    positions: Mapping[str, int]


def shared_files(batches: Sequence[Batch]) -> tuple[SharedFile, ...]:
    """The distinct files of all batches, in the order in which they first appear.

    A file that a batch names twice is visited twice: digitalmodel writes two rows for it.
    """
    found: dict[tuple[Path, int], dict[str, int]] = {}
    for batch in batches:
        seen: dict[Path, int] = {}
        for position, file in enumerate(batch.files):
            occurrence = seen.get(file, 0)
            seen[file] = occurrence + 1
            found.setdefault((file, occurrence), {})[batch.name] = position
    return tuple(SharedFile(file, positions) for (file, _), positions in found.items())


@dataclass(frozen=True, slots=True)
class Ended:
    """How a file ended, and whether joint answers of OrcFxAPI were used for it."""

    outcome: FileOutcome
    joint: bool = False
