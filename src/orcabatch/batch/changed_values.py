"""Values that a function goes on changing after their files have ended: one list that it returns for every file, say.

    outcome ── ended ──> what its value was          the next one ends, the run ends ── is_changed ──> is it still?

A plain loop shows such values as they are in the end, and so does a run whose workers are threads of this process. What
was written down as each file ended (in the ledger, with `keep_values` or `--save`) shows them as they were then. Nobody
can see which of the two was meant, so a run has to know. Not the object is looked at but what it holds: an array may be
one stretch of a buffer that another file fills, and a list that is returned for many files may never change.

Does not cover what follows (`orcabatch.batch.job`), values that were changed before their files ended
(`orcabatch.engine.shared_values`), nor those from worker processes, which are copies.
"""

from __future__ import annotations

import hashlib
import io
import pickle
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


class ChangedValues:
    """What the values of a run's files were as each file ended."""

    def __init__(self) -> None:
        self._were: dict[tuple[str, int], bytes | None] = {}
        self._latest: dict[str, FileOutcome] = {}

    def ended(self, outcome: FileOutcome) -> FileOutcome | None:
        """A file has ended with a value; the one of its batch that ended before it, where that was changed since."""
        before = self._latest.get(outcome.batch)
        self._latest[outcome.batch] = outcome
        changed = before is not None and self.is_changed(before)
        self._were.pop((outcome.batch, outcome.index), None)
        with suppress(MemoryError):
            self._were[outcome.batch, outcome.index] = _content(outcome.value)
        return before if changed else None

    def is_changed(self, outcome: FileOutcome) -> bool:
        """Whether the value of a file that has ended is another now; False where that cannot be told."""
        try:
            # One that could not be read then, and can be now, was being changed at that moment.
            was = self._were[outcome.batch, outcome.index]
            return _content(outcome.value) != was
        except (KeyError, MemoryError):
            return False


def _content(value: Any) -> bytes | None:
    """A hash of what it holds; None where it cannot be changed, or cannot be read.

    Raises:
        MemoryError: there is none for that.
    """
    if type(value) in IMMUTABLE:
        return None
    written = _Hashed()
    try:
        ordinarily(lambda: _Reader(written, pickle.HIGHEST_PROTOCOL).dump(value))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a thread changes it at this moment; pandas raises as it likes
        return None
    return written.hash.digest()


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

    def reducer_override(self, value: Any) -> Any:
        kind = class_name(type(value))
        named = isinstance(value, type | FunctionType | BuiltinFunctionType) or kind == "cython_function_or_method"
        home = str(value.__module__ if named else class_home(type(value))).partition(".")[0]
        if home not in _KNOWN:
            raise pickle.PicklingError(f"{kind} is somebody else's")
        if named or (home, kind) != ("pandas", "DataFrame"):
            return NotImplemented
        return list, (_parts(value),)


def _parts(frame: pd.DataFrame) -> list[Any]:
    """A table by what its columns are of: 900 of one type take a millisecond so, and 24 one after the other."""
    import numpy as np

    places: dict[Any, list[int]] = {}
    for place, dtype in enumerate(frame.dtypes):
        places.setdefault(dtype, []).append(place)
    blocks = [np.ascontiguousarray(frame.iloc[:, those].to_numpy()) for those in places.values()]
    return [frame.columns, frame.index, list(places.items()), blocks]
