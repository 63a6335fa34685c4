"""Values that a function goes on changing after their files have ended: one list that it returns for every file, say.

    outcome ── ended ──> what its value was          the next one ends, the run ends ── is_changed ──> is it still?

A plain loop shows such values as they are in the end, and so does a run whose workers are threads of this process. What
was written down as each file ended (in the ledger, with `keep_values` or `--save`) shows them as they were then. Nobody
can see which of the two was meant, so a run has to know. Not the object is looked at but what it holds: an array may be
one stretch of a buffer that another file fills, and a list that is returned for many files may never change.

Files that overlapped in time may all have changed such a list before the first of them ended, which no content shows:
what their values share is not kept, unless the function had it before the first file and it holds the same still.

Does not cover what follows (`orcabatch.batch.job`), nor values from worker processes, which are copies.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

from orcabatch.engine.foreign import IMMUTABLE, ordinarily
from orcabatch.text import class_home, class_name

if TYPE_CHECKING:
    import pandas as pd

    from orcabatch.outcome import FileOutcome

_KNOWN = frozenset({"builtins", "copyreg", "_codecs", "datetime", "pathlib", "numpy", "pandas", "pyarrow"})
"""Whose things are gone through: what others made may run code of theirs, and has no form in which it could be kept."""

_PLAIN = frozenset({list, dict, set, bytearray})
"""Types of what can be changed, and of which there is no weak reference."""

Parts = dict[int, Any]
"""What can be changed of a value, by `id`, each so that no other is taken for it later."""


class ChangedValues:
    """What the values of a run's files were as each file ended.

    Attributes:
        shared: batches whose values share what can be changed with values of files that ran at the same time.
    """

    def __init__(self) -> None:
        self.shared: set[str] = set()
        self._were: dict[tuple[str, int], bytes | None] = {}
        self._latest: dict[str, FileOutcome] = {}
        self._had: list[tuple[Any, bytes, Parts]] = []
        self._ends = 0
        self._began: dict[tuple[str, int], int] = {}  # how many had ended before
        self._past: OrderedDict[int, tuple[Any, int, str]] = OrderedDict()  # a part, its end, its batch

    def had(self, things: Iterable[Any]) -> None:
        """What a function has before its first file."""
        for thing in things:
            parts: Parts = {}
            with suppress(MemoryError):
                if (content := _content(thing, parts)) is not None and parts:
                    self._had.append((thing, content, parts))

    def began(self, batch: str, index: int) -> None:
        """A worker is about to get the file; until `left`."""
        self._began.setdefault((batch, index), self._ends)

    def left(self, batch: str, index: int) -> None:
        """The file has ended, however it did."""
        self._began.pop((batch, index), None)

    def ended(self, outcome: FileOutcome) -> FileOutcome | None:
        """A file has ended with a value; the one of its batch that ended before it, where that was changed since."""
        before = self._latest.get(outcome.batch)
        self._latest[outcome.batch] = outcome
        changed = before is not None and self.is_changed(before)
        place = (outcome.batch, outcome.index)
        began = self._began.get(place, self._ends)
        parts: Parts | None = {} if began < self._ends or self._began.keys() - {place} else None
        self._were.pop(place, None)
        with suppress(MemoryError):
            self._were[place] = _content(outcome.value, parts)
        self._ends += 1
        if parts:
            self._compare(outcome.batch, began, parts)
        return before if changed else None

    def _compare(self, batch: str, began: int, parts: Parts) -> None:
        """Look for parts of the value that ends now in those that ended since its file began."""
        past = self._past
        same = {key for key, part in parts.items() if key in past and past[key][1] > began and past[key][0] is part}
        for thing, content, its in self._had:
            with suppress(MemoryError):
                if same & its.keys() and _content(thing) == content:
                    same -= its.keys()
        if same:
            self.shared |= {batch, *(past[key][2] for key in same)}
        for key, part in parts.items():
            past[key] = part, self._ends, batch
            past.move_to_end(key)
        oldest = min(self._began.values(), default=self._ends)
        while past and next(iter(past.values()))[1] <= oldest:
            past.popitem(last=False)

    def is_changed(self, outcome: FileOutcome) -> bool:
        """Whether the value of a file that has ended is another now; False where that cannot be told."""
        try:
            # One that could not be read then, and can be now, was being changed at that moment.
            was = self._were[outcome.batch, outcome.index]
            return _content(outcome.value) != was
        except (KeyError, MemoryError):
            return False


def _content(value: Any, parts: Parts | None = None) -> bytes | None:
    """A hash of what it holds; None where it cannot be changed, or cannot be read. `parts` get what can be changed.

    Raises:
        MemoryError: there is none for that.
    """
    if type(value) in IMMUTABLE:
        return None
    written = _Hashed()
    reader = _Reader(written)
    try:
        ordinarily(lambda: reader.dump(value))
        if parts is not None:
            parts |= _parts_of(reader.met())
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a thread changes it at this moment; pandas raises as it likes
        return None
    return written.hash.digest()


def _parts_of(met: Iterable[Any]) -> Parts:
    """What of it can be changed; of an array what owns its numbers."""
    import numpy as np

    parts: Parts = {}
    for part in met:
        kind = type(part)
        if kind in IMMUTABLE:
            continue
        if kind in _PLAIN:
            parts[id(part)] = part
        elif isinstance(part, np.ndarray):
            owner: Any = part
            while (base := getattr(owner, "obj" if isinstance(owner, memoryview) else "base", None)) is not None:
                owner = base
            if type(owner) is not bytes and getattr(getattr(owner, "flags", None), "writeable", True):
                parts[id(owner)] = _unheld(owner)
        elif class_name(kind) in {"DataFrame", "Series"}:
            parts[id(part)] = _unheld(part)
    return parts


def _unheld(part: Any) -> Any:
    """What is the same for one object while it lives, and keeps large ones alive no longer."""
    try:
        return weakref.ref(part)
    except TypeError:
        return part


class _Hashed(io.RawIOBase):
    """A file that keeps the hash of what is written to it: values may be large."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=16)

    def write(self, content: Any) -> int:
        view = content.raw() if isinstance(content, pickle.PickleBuffer) else memoryview(content)  # of a large array
        self.hash.update(view)
        return view.nbytes


class _Reader(pickle.Pickler):
    """Goes through a value as `pickle` does; through a table by its columns, which pandas moves for who only looks."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.besides: list[Any] = []  # arrays whose numbers went through as copies

    def met(self) -> list[Any]:
        """What it went through."""
        return [thing for _, thing in self.memo.copy().values()] + self.besides

    def reducer_override(self, value: Any) -> Any:
        kind = class_name(type(value))
        named = isinstance(value, type | FunctionType | BuiltinFunctionType) or kind == "cython_function_or_method"
        home = str(value.__module__ if named else class_home(type(value))).partition(".")[0]
        if home not in _KNOWN:
            raise pickle.PicklingError(f"{kind} is somebody else's")
        # Pickle's way goes through what all tables and columns share: a list of their class, the memory of a dtype.
        if not named and home == "pandas" and kind.endswith("Dtype") and kind != "CategoricalDtype":
            return str, (str(value),)
        if not named and (home, kind) == ("pandas", "Series"):
            return list, ([value.name, value.index, value.array, value.attrs],)
        if named or (home, kind) != ("pandas", "DataFrame"):
            return NotImplemented
        last = {dtype: place for place, dtype in enumerate(value.dtypes)}
        self.besides += [value.iloc[:, place].to_numpy() for place in last.values()]
        return list, (_parts(value),)


def _parts(frame: pd.DataFrame) -> list[Any]:
    """A table by what its columns are of: 900 of one type take a millisecond so, and 24 one after the other."""
    import numpy as np

    places: dict[Any, list[int]] = {}
    for place, dtype in enumerate(frame.dtypes):
        places.setdefault(dtype, []).append(place)
    blocks = [np.ascontiguousarray(frame.iloc[:, those].to_numpy()) for those in places.values()]
    return [frame.columns, frame.index, list(places.items()), blocks]
