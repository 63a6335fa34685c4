"""One table of a batch: values of any usual shape as rows and columns, with the file and its load case beside them.

| a value that is | gives |
|---|---|
| a number, text, None | one row, column `value` |
| a mapping of such | one row, its keys are the columns; mappings in it are spread: `line1.max` |
| a mapping with arrays of one length | a row for each place (empty: one row); what is single stands in every row |
| a list of mappings | a row for each |
| an array or list of single values | n rows: `position`, `value` |
| an array, shape (n, m) | n rows: `position`, `value_0` ...; a structured one has its own names |
| a pandas Series | one row; its index are the columns |
| a pandas DataFrame | its rows; an index that only counts places is left out |

Anything else stands as it is in the column `value`. A name that comes twice is prefixed, so that nothing is lost. Does
not cover files on the disk (`orcabatch.results.save`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from orcabatch.outcome import FileOutcome

Row = dict[Any, Any]
POSITION, VALUE = "position", "value"
LARGEST_WHOLE = 2**53
"""Up to here a float holds every whole number."""


def table(outcomes: Iterable[FileOutcome], cases: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each row of each file's value; files without results give none.

    Columns: `file` (as `file_names` says), those of the load cases, `batch` where there are several, then the values'
    own. A key of a value that names one of the former is prefixed, as in `BatchResult.to_dataframe`.

    Args:
        outcomes: in the order of the rows.
        cases: load cases by file name.
    """
    import pandas as pd

    done = [outcome for outcome in outcomes if outcome.ok]
    if not done:
        return pd.DataFrame(columns=["file"])
    several = len({outcome.batch for outcome in done}) > 1
    tracks: list[Row] = [
        {"file": name} | ({"batch": outcome.batch} if several else {})
        for outcome, name in zip(done, file_names(outcome.file for outcome in done), strict=True)
    ]
    return rows(tracks, [outcome.file for outcome in done], cases, [outcome.value for outcome in done])


def rows(
    tracks: Sequence[Row], files: Sequence[Path], cases: Mapping[str, Mapping[str, Any]], values: Sequence[Any]
) -> pd.DataFrame:
    """The rows of the values of some files, at least one, with what is known of each file before them (`beside`)."""
    frames = [frame_of(value) for value in values]
    return beside(tracks, files, cases, [len(frame) for frame in frames], joined(frames))


def joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One below the other. Where a frame's column holds nothing but None, the others say of what type the column is.

    Asked itself, pandas 2 warns there and pandas 3 makes a column of numbers one of objects.
    """
    import pandas as pd

    known = _kinds_kept([frame.drop(columns=_nothing(frame)) for frame in frames])
    joined = pd.concat(known, ignore_index=True)
    names = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    empty = [name for name in names if name not in joined.columns]
    if empty:
        joined = pd.concat([joined, pd.DataFrame(dict.fromkeys(empty, [None] * len(joined)), dtype=object)], axis=1)
    place: dict[Any, int] = {name: number for number, name in enumerate(names)}
    # By number: a list of names that are all True or False would be taken for a choice of rows. NaN, which is no name
    # that is found again, comes first.
    return joined.iloc[:, sorted(range(joined.shape[1]), key=lambda number: place.get(joined.columns[number], -1))]


def _nothing(frame: pd.DataFrame) -> list[Any]:
    """Its columns that hold nothing but None."""
    return [name for name, column in frame.items() if holds_nothing(column)]


def holds_nothing(column: pd.Series[Any]) -> bool:
    """Whether it holds nothing, or nothing but None, and so is of no type."""
    return column.empty or (column.dtype.kind == "O" and bool(column.isna().all()))


def _kinds_kept(frames: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Columns as objects where one below the other they would become numbers that cannot say what they are.

    Those are whole numbers that a float cannot hold, truths among numbers, and times that nanoseconds do not reach.
    """
    types, there = defaultdict[Any, set[Any]](set), Counter[Any]()
    for frame in frames:
        there.update(frame.columns)
        for name, dtype in frame.dtypes.items():
            types[name].add(dtype)
    whole = [name for name, found in types.items() if any(dtype.kind in "iu" for dtype in found)]
    changing = {name for name in whole if len(types[name]) > 1 or there[name] < len(frames)}
    mixed = {name for name, found in types.items() if len(found) > 1}
    truths = {name for name in mixed if any(dtype.kind == "b" for dtype in types[name])}
    times = {name for name in mixed if all(dtype.kind in "mM" for dtype in types[name])}
    if not changing | truths | times:
        return frames
    lossy = [
        [
            *(name for name in frame.columns if name in truths or (name in changing and beyond_floats(frame[name]))),
            *(name for name in times.intersection(frame.columns) if beyond_nanoseconds(frame[name])),
        ]
        for frame in frames
    ]
    return [frame.astype(dict.fromkeys(names, object)) for frame, names in zip(frames, lossy, strict=True)]


def beyond_floats(column: pd.Series[Any]) -> bool:
    """Whether it holds a whole number that a float may not (a seed of 64 bits, an identifier)."""
    if column.dtype.kind not in "iu":
        return False
    known = column.dropna()
    return len(known) > 0 and _is_beyond(max(int(known.max()), -int(known.min())))


def beyond_nanoseconds(column: pd.Series[Any]) -> bool:
    """Whether it holds a time or duration in a coarser unit that cannot be counted in nanoseconds (64 bits of them)."""
    import pandas as pd

    if column.dtype.kind not in "mM" or column.dtype.name.startswith(("datetime64[ns", "timedelta64[ns")):
        return False
    try:
        column.dt.as_unit("ns")
    except (pd.errors.OutOfBoundsDatetime, pd.errors.OutOfBoundsTimedelta):
        return True
    return False


def is_whole(item: Any) -> bool:
    """Whether it is a whole number; of numpy's durations, which are subclasses of its whole numbers, none is."""
    return isinstance(item, int | np.integer) and not isinstance(item, np.timedelta64)


def _is_beyond(item: Any) -> bool:
    return is_whole(item) and abs(int(item)) > LARGEST_WHOLE


def _exact(items: Sequence[Any]) -> Any:
    """Single values as a column takes them: as objects where they would become floats that cannot hold them."""
    if isinstance(items, np.ndarray):
        return items
    if any(map(is_whole, items)):  # beside which pandas makes floats that are as short as numpy's short ones
        items = [float(item) if isinstance(item, np.float32 | np.float16) else item for item in items]
    if not any(map(_is_beyond, items)):
        return items
    column = np.empty(len(items), object)
    column[:] = items
    return column if not all(map(is_whole, items)) else items


def columns_of(rows: Sequence[Row], names: Iterable[Any]) -> dict[Any, Any]:
    """The rows as columns that a frame is made of, None where a row has no such item."""
    return {name: _exact([row.get(name) for row in rows]) for name in names}


def beside(
    tracks: Iterable[Row],
    files: Iterable[Path],
    cases: Mapping[str, Mapping[str, Any]],
    lengths: Sequence[int],
    frame: pd.DataFrame,
) -> pd.DataFrame:
    """The rows of all files with each file's track and load case before their own columns.

    Args:
        tracks: what is known of each file; its name, as `file`, comes first.
        files: the files, in the order of their rows.
        cases: load cases by file name.
        lengths: how many rows of `frame` are each file's.
        frame: the rows; a column that is called like one of the former is prefixed.
    """
    import pandas as pd

    rows = [
        {"file": track["file"], **cases.get(file.name, {}), **track} for track, file in zip(tracks, files, strict=True)
    ]
    # Of all load cases, not of these files': in a table that comes in pieces each piece has the same columns.
    names = dict.fromkeys(
        ["file", *(name for case in cases.values() for name in case), *(name for row in rows[:1] for name in row)]
    )
    known = pd.DataFrame(columns_of(rows, names), index=range(len(rows)))
    left = known.iloc[np.repeat(np.arange(len(rows)), lengths)].reset_index(drop=True)
    renamed = frame.rename(columns=column_names(set(left.columns), frame.columns))
    return pd.concat([left, renamed], axis=1)


def read_csv(source: Any, texts: Iterable[str] = (), missing: Sequence[str] | None = None) -> pd.DataFrame:
    """A CSV's table, its numbers to the last bit.

    Args:
        source: as pandas takes it.
        texts: columns of texts, also where each looks like a number.
        missing: cells that hold nothing; None: what spreadsheets write there too, `NA` and `None` among it.
    """
    import pandas as pd

    # Before 3.1 pandas reads more than 15 digits its own way, unless it is asked not to; since then asking warns.
    exact: Any = {"float_precision": "round_trip"} if pd.__version__.startswith(("2.", "3.0.")) else {}
    if missing is not None:
        exact |= {"keep_default_na": False, "na_values": [*missing]}
    frame: pd.DataFrame = pd.read_csv(source, dtype=dict.fromkeys(texts, str), **exact)
    return frame


def file_names(files: Iterable[Path]) -> list[str]:
    """Each file's name; the whole path where several files have one name, so that none is taken for another."""
    listed = list(files)
    paths: defaultdict[str, set[Path]] = defaultdict(set)
    for file in listed:
        paths[file.name].add(file)
    return [file.name if len(paths[file.name]) == 1 else str(file) for file in listed]


def frame_of(value: Any) -> pd.DataFrame:
    """A value as rows and columns, as the table in this module's docstring says."""
    try:
        return _taken_apart(value)
    except (TypeError, ValueError):  # pandas cannot: structures in two dimensions, durations without a unit
        return _as_it_is(value)


def _taken_apart(value: Any) -> pd.DataFrame:
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return _with_index(value)
    if isinstance(value, pd.Series):
        return _renamed(pd.DataFrame([value.tolist()], columns=value.index))
    if isinstance(value, Mapping):
        return _of_mapping(flat(value))
    if isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
        return joined([frame_of(item) for item in value])
    return _of_places(value)


def column_names(taken: Set[Any], keys: Iterable[Any], prefix: str = "value_") -> dict[Any, Any]:
    """The column of each key of the values: the key itself, prefixed as often as it takes to name no other column."""
    names: dict[Any, Any] = dict.fromkeys(keys)
    for key in names:
        column = key
        while column in taken or (column != key and column in names):
            column = f"{prefix}{column}"
        names[key] = column
    return names


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    renamed = _renamed(frame.reset_index(drop=True))
    places = pd.RangeIndex(len(frame))
    if isinstance(frame.index, pd.RangeIndex) and frame.index.identical(places):  # that of every 10 m is a range too
        return renamed
    names = [POSITION if name is None else name for name in frame.index.names]
    index = frame.index.to_frame(index=False)
    index.columns = pd.Index(names)
    return _renamed(pd.concat([index, renamed], axis=1))


def _renamed(frame: pd.DataFrame) -> pd.DataFrame:
    """With one level of column names, of which none comes twice."""
    names: dict[Any, None] = {}
    for column in frame.columns:
        names[_free(_name(column), names)] = None
    return frame.set_axis(list(names), axis=1)


def _name(key: Any) -> Any:
    """A key as a column's name: pandas takes tuples for names of several levels, and finds none that is missing."""
    if isinstance(key, tuple):
        return ".".join(map(str, key))
    return str(key) if key is None or (isinstance(key, float) and math.isnan(key)) else key


def _free(name: Any, taken: Mapping[Any, Any]) -> Any:
    while name in taken:
        name = f"value_{name}"
    return name


def flat(value: Mapping[Any, Any], before: str = "") -> Row:
    """Mappings in the mapping spread, their keys joined by dots."""
    found: Row = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            inner = flat(item, f"{before}{key}.")
        else:
            inner = {f"{before}{key}" if before else _name(key): single(item)}
        for name, found_one in inner.items():
            found[_free(name, found)] = found_one
    return found


def single(item: Any) -> Any:
    """Of an array without a dimension its number; None where that is masked, as is the largest of masked ones."""
    if not isinstance(item, np.ndarray) or item.ndim:
        return item
    return None if np.ma.is_masked(item) else item.item()


def _of_mapping(value: Row) -> pd.DataFrame:
    import pandas as pd

    lengths = {len(item) for item in value.values() if _is_places(item)}
    if len(lengths) != 1:  # single values only, or arrays that do not belong side by side
        return pd.DataFrame([value], index=[0])
    (length,) = lengths
    if not length and not all(_is_places(item) for item in value.values()):
        # No peak was found, say: the file's other values stand in a row all the same.
        return pd.DataFrame([{key: None if _is_places(item) else item for key, item in value.items()}], index=[0])
    columns = {key: _exact(item) if _is_places(item) else [item] * length for key, item in value.items()}
    return pd.DataFrame(columns, index=range(length))


def _of_places(value: Any) -> pd.DataFrame:
    """Of an array or a list; anything else as it is."""
    import pandas as pd

    if isinstance(value, np.ndarray) and value.ndim in {1, 2}:
        return _of_array(value)
    if _is_places(value):  # without numpy, which makes text of [1, "a"]
        return pd.DataFrame({POSITION: range(len(value)), VALUE: _exact(list(value))})
    value = single(value)
    return pd.DataFrame({VALUE: [value]}) if np.isscalar(value) else _as_it_is(value)


def _as_it_is(value: Any) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({VALUE: pd.Series([value], dtype=object)})


def _of_array(values: np.ndarray[Any, Any]) -> pd.DataFrame:
    import pandas as pd

    if values.dtype.names:
        if any(values.dtype[name].kind == "V" for name in values.dtype.names):
            raise TypeError("structures in a structure are no columns")
        return pd.DataFrame(values)
    columns = [VALUE] if values.ndim == 1 else [f"{VALUE}_{column}" for column in range(values.shape[1])]
    frame = pd.DataFrame(values, columns=columns)
    frame.insert(0, POSITION, range(len(values)))
    return frame


def _is_places(value: Any) -> bool:
    """Whether it is an array of one dimension, or a list of numbers, texts and the like."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    inner = (list, tuple, Mapping, np.ndarray)
    return isinstance(value, list | tuple) and not any(isinstance(item, inner) for item in value)
