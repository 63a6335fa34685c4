"""What digitalmodel wastes per column, left out while one file is computed; its results stay the same.

For each summary column of a time history or a static result digitalmodel makes a table of all objects of the model, to
look whether one name is in it; for each column it makes an empty table that only range graphs use; and it adds columns
to a one-row table one at a time, which pandas answers with work that grows with the square of their number. While
`fast_paths` lasts, and only in its thread, digitalmodel's own instances and its name for pandas give stand-ins that do
that work when it is really asked for: `ObjectTable`, `Curves` and `Row`.

Depends on what digitalmodel's functions do with those tables, so it is for tested sources only (`Installation.tested`).
Nothing is changed in digitalmodel's files or classes; what is put on its instances is taken off with the last block.
Does not cover the questions to OrcFxAPI (`orcabatch.orcaflex.broker`) nor writing
(`orcabatch.digitalmodel.csv_output`).
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from orcabatch.orcaflex.broker.classes import object_names
from orcabatch.store.frames import blocks_of, joined

if TYPE_CHECKING:
    from types import ModuleType

    from orcabatch.digitalmodel.installed import Installation

TABLE_OF_OBJECTS = "get_model_objects"
NAMES = "ObjectName"

_TYPES: dict[type, np.dtype[Any]] = {
    float: np.dtype(np.float64),
    np.float64: np.dtype(np.float64),
    int: np.dtype(np.int64),
    bool: np.dtype(np.bool_),
    type(None): np.dtype(object),
}
"""What pandas makes a column of that gets one such value; text is pandas' affair, and so is anything else."""
_WHOLE = 2**63


class Names:
    """The names of a model's objects, listed again only where OrcFxAPI hands out another list of objects."""

    def __init__(self) -> None:
        self._objects: Any = None
        self._names: list[str] = []

    def of(self, objects: Any) -> list[str]:
        """Names of these objects, in their order."""
        if self._objects is None or objects is not self._objects:
            self._names = [target.name for target in objects]
            self._objects = objects if isinstance(objects, tuple) else None
        return self._names


_OBJECT_NAMES: ContextVar[Names | None] = ContextVar("orcabatch_digitalmodel_object_names", default=None)
"""The file being computed in this thread."""


@contextmanager
def fast_paths(installation: Installation) -> Iterator[None]:
    """Leave the waste out while this block lasts, in this thread; nothing for an untested digitalmodel."""
    if not installation.tested:
        yield
        return
    _STAND_INS.acquire(installation)
    token = _OBJECT_NAMES.set(Names())
    try:
        yield
    finally:
        _OBJECT_NAMES.reset(token)
        _STAND_INS.release()


def completed(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Digitalmodel's summary of one file with tables where stand-ins are."""
    return {label: table.frame() if isinstance(table, Row) else table for label, table in summary.items()}


class ObjectTable:
    """The table of all objects: its column of names without the rest; the table itself for whoever wants more."""

    def __init__(self, names: list[str], made: Callable[[], Any]) -> None:
        self._names, self._made = names, made

    def __getitem__(self, column: Any) -> Any:
        return self._names if column == NAMES else self._made()[column]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made(), name)


class Curves:
    """An empty table for the curves of one range graph: columns are kept as they come, and given as pandas' series.

    Most columns of a summary never put anything in. What is not an array of numbers, as long as the ones before, goes
    into a real table, which takes over from then on.
    """

    def __init__(self, pandas: ModuleType) -> None:
        self._pandas = pandas
        self._made: Any = None
        self._curves: dict[Any, Any] = {}

    def __setitem__(self, column: Any, values: Any) -> None:
        if self._made is None and type(column) is str and self._fits(values):
            self._curves[column] = values
        else:
            self._real()[column] = values

    def __getitem__(self, column: Any) -> Any:
        if self._made is None and type(column) is str and column in self._curves:
            return self._pandas.Series(self._curves[column], name=column)
        return self._real()[column]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def _fits(self, values: Any) -> bool:
        ours = type(values) is np.ndarray and values.ndim == 1 and values.dtype == np.float64
        if not ours or not values.size or not values.flags.c_contiguous:
            return False
        return all(len(curve) == len(values) for curve in self._curves.values())

    def _real(self) -> Any:
        if self._made is None:
            self._made = self._pandas.DataFrame()
            for column, values in self._curves.items():
                self._made[column] = values
        return self._made


class Row:
    """A table of one row whose new columns are added together, each as a block of its own, as single inserts do.

    The blocks matter: when files are put together, pandas looks at whole blocks to decide the type of a column.
    """

    def __init__(self, pandas: ModuleType, data: Any, columns: Sequence[str]) -> None:
        self._pandas, self._base = pandas, pandas.DataFrame(data, columns=columns)
        self._own, self._new = frozenset(columns), dict[str, Any]()

    def __setitem__(self, labels: Any, values: Any) -> None:
        if type(labels) is list and type(values) is list and len(labels) == len(values) == 1:
            label, column = labels[0], _column(values)
            if type(label) is str and column is not None and label not in self._own:
                self._new[label] = column
                return
        frame = self.frame()
        try:
            frame[labels] = values
        finally:
            self._own = frozenset(frame.columns)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.frame(), name)

    def frame(self) -> Any:
        """The table, with everything that was added so far."""
        if self._new:
            base, labels = self._base, list(self._new)
            plain = {label: values for label, values in self._new.items() if _is_numbers(values)}
            # pandas knows what texts and empty cells become. Asking it for numbers too takes longer than all else.
            asked = [label for label in labels if label not in plain]
            others = blocks_of(self._pandas.DataFrame({label: self._new[label] for label in asked}, copy=False))
            blocks = {asked[positions[0]]: values for positions, values in others}
            blocks |= {label: values.reshape(1, 1) for label, values in plain.items()}
            added = [(np.array([place]), blocks[label]) for place, label in enumerate(labels, start=base.shape[1])]
            # Not concat: before pandas 3 it merges blocks, whether it copies or not.
            columns = base.columns.append(self._pandas.Index(labels))
            self._base = joined([*blocks_of(base), *added], base.index, columns)
            self._own, self._new = frozenset(columns), {}
        return self._base


def _is_numbers(values: Any) -> bool:
    return type(values) is np.ndarray and values.dtype != object


def _column(values: list[Any]) -> Any:
    """A list of one value as what the column becomes; None where pandas has to look at the value itself."""
    kind, value = type(values[0]), values[0]
    if kind is str:
        return values
    dtype = _TYPES.get(kind)
    if dtype is None or (kind is int and not -_WHOLE <= value < _WHOLE):
        return None
    return np.array(values, dtype=dtype)


class _Pandas:
    """pandas under the summary's name for it, with stand-ins for the tables it makes of one file."""

    def __init__(self, original: ModuleType) -> None:
        self.original = original

    def __getattr__(self, name: str) -> Any:
        if name == "DataFrame" and _OBJECT_NAMES.get() is not None:
            return self._table
        return getattr(self.original, name)

    def _table(self, *args: Any, **named: Any) -> Any:
        if not args and not named:
            return Curves(self.original)
        if len(args) == 1 and named.keys() == {"columns"} and type(args[0]) is list and len(args[0]) == 1:
            return Row(self.original, args[0], named["columns"])
        return self.original.DataFrame(*args, **named)


class _StandIns:
    """What is on digitalmodel's instances, once for all files being computed in this process."""

    def __init__(self) -> None:
        self._lock, self._users = threading.Lock(), 0
        self._undo: list[Callable[[], None]] = []

    def acquire(self, installation: Installation) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._install(installation)

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            while not self._users and self._undo:
                self._undo.pop()()

    def _install(self, installation: Installation) -> None:
        summary, series = (
            inspect.getmodule(type(instance)) for instance in (installation.summary, installation.series)
        )
        for module in (summary, series):
            objects = vars(module).get("of_objects")
            if objects is not None and TABLE_OF_OBJECTS not in vars(objects):
                self._put(vars(objects), TABLE_OF_OBJECTS, _table_of_objects(getattr(objects, TABLE_OF_OBJECTS)))
        if summary is not None and "pd" in vars(summary):
            self._put(vars(summary), "pd", _Pandas(vars(summary)["pd"]))

    def _put(self, names: dict[str, Any], name: str, value: Any) -> None:
        if name in names:
            before = names[name]
            self._undo.append(lambda: names.__setitem__(name, before))
        else:
            self._undo.append(lambda: names.__delitem__(name))
        names[name] = value


_STAND_INS = _StandIns()


def _table_of_objects(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def get_model_objects(model: Any) -> Any:
        names = _OBJECT_NAMES.get()
        if names is None:
            return original(model)
        told = object_names(model)
        listed = names.of(model.objects) if told is None else told
        return {"object_df": ObjectTable(listed, lambda: original(model)["object_df"])}

    return get_model_objects
