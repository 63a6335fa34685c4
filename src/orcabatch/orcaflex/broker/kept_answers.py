"""The answers of one file, at most so many bytes of them: the oldest of those that were asked for go first.

A joint answer that nobody asked for yet is never driven out: what was asked ahead would have to be asked again. What
stands in `held` is never handed out itself: callers get copies, which they may modify.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(slots=True)
class Parcel:
    """Answers that came together and go together.

    Attributes:
        keys: theirs.
        size_bytes: of all of them.
        unread: how many of them nobody asked for yet.
    """

    keys: Sequence[Hashable]
    size_bytes: int
    unread: int = 0


class KeptAnswers:
    """Answers by key.

    Attributes:
        held: a column answer is a pair (array of shape (samples, columns), column); others are what was kept.
        held_bytes: of all that is held; never above `limit_bytes`.
        unread: the joint answers that nobody asked for yet.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held: dict[Hashable, Any] = {}
        self.held_bytes = 0
        self.unread: dict[Hashable, Parcel] = {}
        self._unread_bytes = 0
        self._parcels: deque[Parcel] = deque()

    @property
    def room_bytes(self) -> int:
        """What a joint answer may take now."""
        return self.limit_bytes - self._unread_bytes

    def keep(self, key: Hashable, value: Any, size_bytes: int) -> None:
        """Keep one answer, unless there is no room for it."""
        if self._take(Parcel((key,), size_bytes)):
            self.held[key] = value

    def keep_history(self, key: Hashable, history: Any) -> None:
        """Keep a copy of a time history of shape (samples,)."""
        if isinstance(history, np.ndarray) and history.ndim == 1 and self.make_room(history.nbytes):
            self.keep(key, (history.copy().reshape(-1, 1), 0), history.nbytes)

    def keep_table(self, keys: Sequence[Hashable], table: Any) -> None:
        """Keep an array of shape (samples, keys) as it is; it belongs to nobody else, and nobody asked for it yet."""
        parcel = Parcel(keys, table.nbytes, len(keys))
        if self._take(parcel):
            self._unread_bytes += parcel.size_bytes
            for column, key in enumerate(keys):
                self.held[key], self.unread[key] = (table, column), parcel

    def asked(self, key: Hashable) -> None:
        """The code asked for this answer."""
        parcel = self.unread.pop(key, None)
        if parcel is not None:
            parcel.unread -= 1
            # All at once, with its last column: the table is one piece of memory, of which no column can be let go.
            self._unread_bytes -= 0 if parcel.unread else parcel.size_bytes

    def clear(self) -> None:
        """Forget everything."""
        self.held.clear()
        self.unread.clear()
        self._parcels.clear()
        self.held_bytes = self._unread_bytes = 0

    def make_room(self, size_bytes: int) -> bool:
        """Forget the oldest answers that were asked for, until this many more bytes are within the limit.

        Returns:
            Whether they are.
        """
        if size_bytes > self.room_bytes:
            return False
        # What nobody asked for yet is stepped over; `room_bytes` left it out, so the others are enough.
        waiting = []
        while self.held_bytes + size_bytes > self.limit_bytes:
            parcel = self._parcels.popleft()
            if parcel.unread:
                waiting.append(parcel)
            else:
                self._forget(parcel)
        self._parcels.extendleft(reversed(waiting))
        return True

    def _forget(self, parcel: Parcel) -> None:
        self.held_bytes -= parcel.size_bytes
        for key in parcel.keys:
            self.held.pop(key, None)

    def _take(self, parcel: Parcel) -> bool:
        if not self.make_room(parcel.size_bytes):
            return False
        self.held_bytes += parcel.size_bytes
        self._parcels.append(parcel)
        return True
