"""What can be set about the result broker, and a question it may be told beforehand. Plain picklable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CHUNK_BYTES = 100_000_000
"""As `memory.chunk_size` is by default: more in one request saves log passes and takes as much more memory per file."""
SHARE = 4
"""Answers get a quarter of what is reserved for a file; the rest is the model's. More would save requests in files with
many long histories, and break the reservation: 900 columns of a 200 MB file, for which 300 MB are reserved, peaked at
256 MB with this and at 330 MB without it (docs/performance.md)."""
LEAST_ROOM_BYTES = 8_000_000
"""So much every file may have, small ones too: half of what a process gains by chance, which no measurement notices."""


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """How much the broker may do.

    Attributes:
        enabled: False: OrcFxAPI is asked exactly as the code asks.
        prefetch: whether time histories are asked for together, ahead of the code.
        self_check: whether one joint answer of every file is asked again singly and compared.
        chunk_bytes: the most that one joint request may return (`memory.chunk_size`).
    """

    enabled: bool = True
    prefetch: bool = True
    self_check: bool = True
    chunk_bytes: int = CHUNK_BYTES

    @property
    def most_bytes(self) -> int:
        """The most memory that the answers of one file take: one joint answer, and as much of remembered ones."""
        return 2 * self.chunk_bytes if self.enabled else 0

    def room_bytes(self, reserved_bytes: int | None = None) -> int:
        """The most memory that the answers of one file take: a quarter of what memory admission reserves for it.

        Args:
            reserved_bytes: the reservation; None: nothing is reserved, `most_bytes` is the only bound.
        """
        if reserved_bytes is None:
            return self.most_bytes
        return min(self.most_bytes, max(reserved_bytes // SHARE, LEAST_ROOM_BYTES))


@dataclass(frozen=True, slots=True)
class Question:
    """A time history that is asked for in every file, as far as it is known before the first one.

    Attributes:
        object_name: the object's name, spelled as the code spells it or as the model does.
        variable: the variable's name, spelled as the code spells it.
        period: what the code passes: None, a period number, or (from, to) in seconds. Where the code passes other
            times for each file, any times will do: the ones that are asked for are used.
        extra: fields of the `ObjectExtra` the code passes, by name; None where it passes none.
    """

    object_name: str
    variable: str
    period: int | tuple[float, float] | None = None
    extra: tuple[tuple[str, Any], ...] | None = None
