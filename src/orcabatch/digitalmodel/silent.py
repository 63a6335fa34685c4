"""What of a batch decides what digitalmodel does without a word.

Covers the value that `silent_ends`, `silent_columns` and `notices` look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.notice import Notice, Silent

if TYPE_CHECKING:
    from orcabatch.digitalmodel.serial_order import Needs


@dataclass(frozen=True, slots=True)
class Subject:
    """What of a batch decides what it does without a word.

    Attributes:
        name: the batch's name.
        cfg: its configuration; before a run its masters may not be merged yet.
        needs: what the files of a serial run over it depend on.
        consistency: the one that is used, serial or per_file.
        files: in input order.
    """

    name: str
    cfg: Mapping[str, Any]
    needs: Needs
    consistency: str
    files: tuple[Path, ...]

    def notice(self, kind: Silent, text: str, remedy: str, **more: Any) -> Notice:
        """A notice about this batch."""
        return Notice(kind, self.name, text, remedy, **more)
