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

    A file that a batch names twice is visited twice: digitalmodel writes two rows for it. One that two batches spell
    differently is loaded for each: functions see the spelling, and digitalmodel writes it.
    """
    found: dict[tuple[str, int], SharedFile] = {}
    for batch in batches:
        seen: dict[str, int] = {}
        for position, file in enumerate(batch.files):
            spelled = str(file)  # as text: Windows' paths are equal in other capitals
            occurrence = seen.get(spelled, 0)
            seen[spelled] = occurrence + 1
            shared = found.get((spelled, occurrence), SharedFile(file, {}))
            found[spelled, occurrence] = SharedFile(file, {**shared.positions, batch.name: position})
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Ended:
    """How a file ended, and whether joint answers of OrcFxAPI were used for it."""

    outcome: FileOutcome
    joint: bool = False
