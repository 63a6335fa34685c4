"""What a post-process does with a batch's results without a word: the one value that says so, everywhere.

    configuration, earlier runs ──> plan.notices
    results of the files ──> result.notices ──> metrics ──> top of the report, `verify --prove`

Output is identical to digitalmodel's also where digitalmodel's is not what the engineer means, so such things are said
beside the numbers. Covers the value and its plain form. Does not cover what there is to be said: see
`orcabatch.digitalmodel.notices`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

CHECK_MARK = "check: "
"""How every note begins that was found in a batch's configuration, among warnings and in proofs."""


class Silent(StrEnum):
    """What is done without a word."""

    CUT = "cut"
    """Time series end before their simulation does: at the end of another file's."""
    FIRST_DECIDES = "first_decides"
    """The first file decides something for all others, and they differ."""
    EMPTY = "empty"
    """Columns hold nothing."""
    MISSING = "missing"
    """Rows miss some of their values."""
    OVERWRITTEN = "overwritten"
    """Columns or tables are replaced by later ones of the same name."""
    PARTIAL = "partial"
    """Simulations did not reach their end."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that is done without a word.

    Attributes:
        kind: what it is.
        batch: the batch's name.
        text: what happens to how many files, in one sentence.
        remedy: what to do where it is not meant.
        files: those that it concerns, in input order; none where it concerns whatever file there is.
        details: what exactly and where, one line for each.
    """

    kind: Silent
    batch: str
    text: str
    remedy: str
    files: tuple[Path, ...] = ()
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text}. {self.remedy}."

    def to_dict(self) -> dict[str, Any]:
        """As plain values: texts and lists."""
        return {
            "kind": str(self.kind),
            "batch": self.batch,
            "text": self.text,
            "remedy": self.remedy,
            "files": [str(file) for file in self.files],
            "details": list(self.details),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """What `to_dict` gave; raises KeyError, TypeError or ValueError where it is something else."""
        return cls(
            kind=Silent(plain["kind"]),
            batch=str(plain["batch"]),
            text=str(plain["text"]),
            remedy=str(plain["remedy"]),
            files=tuple(Path(file) for file in plain["files"]),
            details=tuple(str(detail) for detail in plain["details"]),
        )
