"""A result of an earlier run, and what it rests on.

Does not cover how it is kept (`orcabatch.batch.cache_entries`), nor when it is used (`orcabatch.batch.result_cache`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orcabatch.orcaflex.sim_files import stands

if TYPE_CHECKING:
    from orcabatch.outcome import FileOutcome


@dataclass(frozen=True, slots=True)
class Known:
    """A result of an earlier run that still holds.

    Attributes:
        outcome: as the run hands it on.
        key: where it stands in the ledger.
        joint: whether joint answers of OrcFxAPI were used for it.
        rests_on: the `.sim` file and the output files, with size and time of each as it was looked at.
    """

    outcome: FileOutcome
    key: bytes
    joint: bool = False
    rests_on: tuple[tuple[Path, tuple[int, int]], ...] = ()

    def changed(self) -> Path | None:
        """What it rests on that is not as it was looked at; None where all is."""
        return next((path for path, seen in self.rests_on if (stands(path) or ())[:2] != seen), None)
