"""Values that files share which were worked on at the same time: one list that a function fills for each of them, say.

    began ──> ended: whose values share something with the one that ends now ──> left

All of them may have changed such a list before the first value is written down, or packed for another process, which no
content shows, not even where it holds what it did before the first file (a list of findings that each file clears).
Files one after the other change it between two ends, which is seen in what was written down.

Covers values that can be kept (`orcabatch.store.values`), where their files' threads are. Does not cover what follows,
nor a file that changes what others return and then fails, or is stopped: it has no value to compare.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from orcabatch.engine.contract import Note
from orcabatch.engine.foreign import IMMUTABLE, ordinarily
from orcabatch.engine.worker_messages import Finished, Noted, Written
from orcabatch.text import class_home, class_name

if TYPE_CHECKING:
    from orcabatch.engine.worker_messages import Message

SHARED = "shared_values"
"""Subject of the note that a batch's values share something with those of files that ran at the same time."""

Parts = dict[int, tuple[Any, Any]]
"""What can be changed of a value, by `id`: each so that no other is taken for it later, and who copies it on write."""


class SharedValues:
    """The values of one process's files, each until all have ended that began before it did."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends = 0
        self._began: dict[int, int] = {}  # how many had ended, and been written down, before
        self._at_hand: dict[int, int] = {}  # the ends of those that are being written down
        self._met: dict[int, tuple[Any, Any, int, dict[str, int]]] = {}  # `Parts`, the last end, that of each batch
        self._past: deque[tuple[int, list[int]]] = deque()  # end, and what it met; in no order

    def began(self, index: int) -> None:
        """A worker is about to get the file; until `left`."""
        with self._lock:
            self._began.setdefault(index, min(self._at_hand.values(), default=self._ends + 1) - 1)

    def left(self, *indices: int) -> None:
        """The files have ended, and what they gave is written down, or packed."""
        with self._lock:
            for index in indices:
                self._began.pop(index, None)
                self._at_hand.pop(index, None)

    def ended(self, index: int, batch: str, value: Any) -> set[str]:
        """The batches whose values share something with this one, its own among them; empty where none does."""
        with self._lock:
            began = self._began.get(index, self._ends)
            self._ends += 1
            self._at_hand.setdefault(index, self._ends)
            try:
                return self._compared(batch, began, ordinarily(partial(_parts_of, value)))
            except Exception:  # noqa: BLE001 - no memory, or what owns an array is somebody else's: nobody can tell
                return {batch}

    def notes(self, message: Message) -> list[Noted]:
        """What is to be said with a worker's message, before its values are packed."""
        ends = message.outcomes if isinstance(message, Finished | Written) else ()
        shared = [(each.index, batch) for each in ends for batch in self.ended(each.index, each.batch, each.value)]
        return [Noted(Note(*place, SHARED, None)) for place in shared]

    def _compared(self, batch: str, began: int, parts: Parts) -> set[str]:
        """Look for parts of the value that ends now in those that ended since its file began."""
        found, ends = set[str](), {batch: self._ends}
        for key, (part, copier) in parts.items():
            met, its_copier, _, its_ends = self._met.get(key, (None, None, 0, ends))
            if met is not part:
                self._met[key] = part, copier, self._ends, ends
                continue
            # Who copies on write does so for all that look at it, or for nobody.
            shared = copier is None or copier is not its_copier
            found |= {other for other, end in its_ends.items() if shared and end > began}
            self._met[key] = part, None if shared else copier, self._ends, its_ends | ends
        self._past.append((self._ends, list(parts)))
        self._forget(min(self._began.values(), default=self._ends))
        return {batch, *found} if found else found

    def _forget(self, oldest: int) -> None:
        """Of two ends at most, so that the end of a long file costs no more than others: one comes with each."""
        for _ in range(min(2, len(self._past))):
            end, keys = self._past.popleft()
            if met := [key for key in keys if self._is_awaited(key, end, oldest)]:
                self._past.append((end, met))

    def _is_awaited(self, key: int, end: int, oldest: int) -> bool:
        """Whether a file that runs may return it; what nobody else has by now, none can: while one hangs, all ends'."""
        met = self._met.get(key)
        if met is None or met[2] != end:  # a later end has met it
            return False
        if end > oldest and not _is_nobody_elses(met):
            return True
        del self._met[key]
        return False


def _parts_of(value: Any) -> Parts:
    """What can be changed of a value; of an array what owns its numbers.

    Not the index of a table: pandas does not change one, and has copies of a table share it.
    """
    import numpy as np

    parts, met, waiting = Parts(), dict[int, Any](), [value]
    while waiting:
        part = waiting.pop()
        kind = type(part)
        if kind in IMMUTABLE or id(part) in met:
            continue
        met[id(part)] = part  # so that its id stays its own
        arrays: list[tuple[Any, Any]] = []
        if kind is list or kind is tuple:
            waiting += part
        elif kind is dict:
            waiting += part.values()
        elif kind is np.ndarray:
            arrays = [(part, None)]
        elif class_home(kind).partition(".")[0] == "pandas" and class_name(kind) == "DataFrame":
            parts[id(part)] = _unheld(part), None
            arrays = _arrays_of(part)
        if kind is list or kind is dict:
            parts[id(part)] = part, None
        for array, copier in arrays:
            waiting += array.ravel().tolist() if array.dtype.kind == "O" else ()
            owner = _owner(array)
            if _writeable(array) or _writeable(owner):
                before = parts.get(id(owner), (None, copier))[1]
                parts[id(owner)] = _unheld(owner), copier if before is copier else None
    return parts


def _arrays_of(table: Any) -> list[tuple[Any, Any]]:
    """What numpy holds of a table, and who copies it on write: one for all tables that pandas made of one another.

    From its third version on, as before that is an option. Tables that were made of one array without a copy have each
    their own. Not seen: such a table in a module, of which each file returns one that pandas made of it (`assign`),
    while the array is changed behind its back.
    """
    import numpy as np
    import pandas as pd

    copies = int(pd.__version__.partition(".")[0]) >= 3
    blocks = getattr(getattr(table, "_mgr", None), "blocks", ())
    return [
        (np.asarray(block.values), block.refs if copies else None)
        for block in blocks
        if isinstance(block.dtype, np.dtype)
    ]


def _owner(array: Any) -> Any:
    """What has the numbers that the array looks at."""
    while (base := getattr(array, "obj" if isinstance(array, memoryview) else "base", None)) is not None:
        array = base
    return array


def _writeable(owner: Any) -> bool:
    return type(owner) is not bytes and getattr(getattr(owner, "flags", None), "writeable", True)


def _unheld(part: Any) -> Any:
    """What is the same for one object while it lives, and keeps large ones alive no longer."""
    try:
        return weakref.ref(part)
    except TypeError:
        return part


def _is_nobody_elses(met: tuple[Any, ...]) -> bool:
    """Whether what was met, a list say, is held here alone; what holds others is asked before them."""
    return met[0]() is None if isinstance(met[0], weakref.ref) else _references(met) <= _HERE_ALONE


def _references(met: tuple[Any, ...]) -> int:
    return sys.getrefcount(met[0])


_HERE_ALONE = _references(([],))  # what asking adds depends on the version of Python
