"""The answers of one file, at most so many bytes of them: the oldest go first.

What stands in `held` is never handed out itself: callers get copies, which they may modify.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np


class Answers:
    """Answers by key.

    Attributes:
        held: a column answer is a pair (array of shape (samples, columns), column); others are what was kept.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held: dict[Hashable, Any] = {}
        self.held_bytes = 0
        self._parcels: deque[tuple[Sequence[Hashable], int]] = deque()

    def keep(self, key: Hashable, value: Any, size_bytes: int) -> None:
        """Keep one answer, unless it alone is more than the limit."""
        if self._room(size_bytes):
            self.held[key] = value
            self._parcels.append(((key,), size_bytes))

    def keep_history(self, key: Hashable, history: Any) -> None:
        """Keep a copy of a time history of shape (samples,)."""
        if isinstance(history, np.ndarray) and history.ndim == 1:
            self.keep(key, (history.copy().reshape(-1, 1), 0), history.nbytes)

    def keep_table(self, keys: Sequence[Hashable], table: Any) -> None:
        """Keep an array of shape (samples, keys) as it is; it belongs to nobody else."""
        if self._room(table.nbytes):
            self.held.update((key, (table, column)) for column, key in enumerate(keys))
            self._parcels.append((keys, table.nbytes))

    def clear(self) -> None:
        """Forget everything."""
        self.held.clear()
        self._parcels.clear()
        self.held_bytes = 0

    def make_room(self, size_bytes: int) -> None:
        """Forget the oldest answers until this many more bytes are within the limit."""
        while self._parcels and self.held_bytes + size_bytes > self.limit_bytes:
            keys, freed = self._parcels.popleft()
            self.held_bytes -= freed
            for key in keys:
                self.held.pop(key, None)

    def _room(self, size_bytes: int) -> bool:
        if size_bytes > self.limit_bytes:
            return False
        self.make_room(size_bytes)
        self.held_bytes += size_bytes
        return True
