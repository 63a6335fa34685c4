"""pandas frames as plain values and back, with the layout that they have in memory.

    parts_of(frame) -> lists, texts and arrays     frame_of(parts) -> the frame     cells_of(parts) -> without pandas

pandas keeps columns of one type together in blocks, but not always: a column that was inserted is a block of its own
until somebody has a reason to merge it. The layout shows in results: before pandas 3, putting two frames together
leaves out blocks without any value when it decides on types, and what is a float or an object then decides how it is
rounded. So blocks come back as they were: which columns, in which order, and how they lie in memory.

Covers frames whose columns are of numpy's types or pandas' text type, with a plain index and plain column names. Does
not cover others, nor how plain values become bytes (`orcabatch.store.values`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from orcabatch.store.storable import Damaged, NotStorable
from orcabatch.text import class_name


def parts_of(frame: Any) -> list[Any]:
    """A frame as lists, texts, numbers and arrays.

    Raises:
        NotStorable: it has more to it than `frame_of` could give back.
    """
    if frame.attrs or not frame.flags.allows_duplicate_labels:
        raise NotStorable("a frame with attributes of its own has no exact safe form")
    return [_index(frame.index), _index(frame.columns), [_part(run) for run in _runs(blocks_of(frame))]]


def frame_of(parts: Sequence[Any]) -> Any:
    """The frame that `parts_of` was given.

    Raises:
        Damaged: they are the parts of no frame.
    """
    index, columns = _read_index(parts[0]), _read_index(parts[1])
    blocks = [block for part in parts[2] for block in _read_part(*part)]
    placed = np.concatenate([np.zeros(0, "<i8"), *(positions for positions, _ in blocks)])
    if len(placed) != len(columns) or sorted(placed.tolist()) != list(range(len(columns))):
        raise Damaged("a frame with other columns than names")
    for positions, values in blocks:
        if values.shape != ((len(positions), len(index)) if type(values) is np.ndarray else (len(index),)):
            raise Damaged("columns of another length than the frame")
    return joined(blocks, index, columns)


def cells_of(parts: Sequence[Any]) -> Any:
    """The cells of the frame that `parts_of` was given, by column: a list, or where there is one row the cell itself.

    Made without pandas; where two columns have one name it is the frame.
    """
    columns: dict[int, list[Any]] = {}
    for positions, values, *_ in parts[2]:
        if type(values) is list:  # texts
            cells = [values[2]]
        else:
            # As a list, dates would be numbers.
            cells = list(map(list, values)) if values.dtype.kind in "mM" else values.tolist()
        columns |= zip(positions.tolist(), cells, strict=True)
    _, *content = parts[1]
    names = range(*content) if len(content) == 3 else content[0][2] if type(content[0]) is list else content[0].tolist()
    if len(set(names)) < len(names):
        return frame_of(parts)
    nested = (list, tuple, dict, np.ndarray)
    is_row = all(len(cells) == 1 and not isinstance(cells[0], nested) for cells in columns.values())
    return {name: columns[place][0] if is_row else columns[place] for place, name in enumerate(names)}


def blocks_of(frame: Any) -> list[tuple[Any, Any]]:
    """The blocks of a frame: positions of their columns; values of shape (columns, rows), or one column of pandas' own.

    Raises:
        NotStorable: this pandas does not show them.
    """
    blocks = getattr(getattr(frame, "_mgr", None), "blocks", None)
    if blocks is None:
        raise NotStorable("this pandas does not show how a frame lies in memory, so it has no exact safe form")
    found = []
    for block in blocks:
        plain = isinstance(block.values.dtype, np.dtype)
        found.append((block.mgr_locs.as_array, np.asarray(block.values) if plain else block.values))
    return found


def kinds_of(frame: Any) -> Any:
    """Names and types of the columns: where they are alike, putting frames together decides nothing."""
    return frame.columns.tolist(), [str(dtype) for dtype in frame.dtypes]


def below(frame: Any, others: Sequence[Any]) -> Any:
    """The frame with others of its kinds below it, as it would be had they come one at a time."""
    import pandas as pd

    return pd.concat([frame, *others], ignore_index=True) if others else frame


def joined(blocks: Sequence[tuple[Any, Any]], index: Any, columns: Any) -> Any:
    """The frame that has these blocks, as `blocks_of` gives them; they are taken as they are, without a copy."""
    return _maker()([(values, positions) for positions, values in blocks], index, columns)


@cache
def _maker() -> Callable[[list[tuple[Any, Any]], Any, Any], Any]:
    """What makes a frame of blocks: public since pandas 3."""
    with suppress(ModuleNotFoundError):
        maker: Callable[..., Any] = importlib.import_module("pandas.api.internals").create_dataframe_from_blocks
        return maker
    pandas, internals = importlib.import_module("pandas"), importlib.import_module("pandas.core.internals")

    def make(blocks: list[tuple[Any, Any]], index: Any, columns: Any) -> Any:
        made = tuple(internals.make_block(values, placement=positions, ndim=2) for values, positions in blocks)
        manager = internals.BlockManager(made, [columns, index])
        return pandas.DataFrame._from_mgr(manager, axes=manager.axes)

    return make


def _runs(blocks: Sequence[tuple[Any, Any]]) -> list[list[tuple[Any, Any]]]:
    """The blocks one after the other; those that hold one row's number each, of one type, together."""
    runs: list[list[tuple[Any, Any]]] = []
    before = ""
    for block in blocks:
        kind = _single(block[1])
        if kind and kind == before:
            runs[-1].append(block)
        else:
            runs.append([block])
        before = kind
    return runs


def _single(values: Any) -> str:
    """The type of a number that is a block of its own; empty for any other block."""
    return values.dtype.str if type(values) is np.ndarray and values.shape == (1, 1) and values.dtype != object else ""


def _part(run: Sequence[tuple[Any, Any]]) -> list[Any]:
    """A block: its positions and values. Several: theirs, and that each is one; a row of a summary has hundreds."""
    if len(run) == 1:
        return [run[0][0].astype("<i8"), _values(run[0][1])]
    return [np.concatenate([each for each, _ in run]).astype("<i8"), np.concatenate([each for _, each in run]), True]


def _read_part(positions: Any, values: Any, each: bool = False) -> list[tuple[Any, Any]]:
    found = _read_values(values)
    if not each:
        return [(positions, found)]
    return [(positions[place : place + 1], found[place : place + 1].copy()) for place in range(len(positions))]


def _values(values: Any) -> Any:
    if type(values) is np.ndarray:
        return values.copy(order="K")  # rows or columns together, as they lie: sums go along the memory
    return _texts(values)


def _read_values(part: Any) -> Any:
    if type(part) is not list and (type(part) is not np.ndarray or part.ndim != 2):
        raise Damaged("columns that are none")
    return _read_texts(part) if type(part) is list else part


def _index(index: Any) -> list[Any]:
    import pandas as pd

    if type(index) is pd.RangeIndex:
        return [index.name, index.start, index.stop, index.step]
    if type(index) is not pd.Index:
        raise NotStorable(f"a frame with a {class_name(type(index))} has no exact safe form")
    plain = isinstance(index.dtype, np.dtype)
    return [index.name, index.to_numpy() if plain else _texts(index.array)]


def _read_index(part: Any) -> Any:
    import pandas as pd

    name, *content = part
    if len(content) == 3:
        start, stop, step = content
        return pd.RangeIndex(start, stop, step, name=name)
    [values] = content
    if type(values) is list:
        return pd.Index(_read_texts(values), name=name)
    return pd.Index(values, dtype=values.dtype, name=name, tupleize_cols=False)


def _texts(array: Any) -> list[Any]:
    """A column of pandas' own text type; others have no form here."""
    import pandas as pd

    dtype = array.dtype
    if type(dtype) is not pd.StringDtype or dtype != _text_type(dtype.storage, dtype.na_value is pd.NA):
        raise NotStorable(f"a column of dtype {dtype} has no exact safe form")
    texts = [item if isinstance(item, str) else None for item in array.tolist()]
    return [dtype.storage, dtype.na_value is pd.NA, texts]


def _read_texts(part: list[Any]) -> Any:
    import pandas as pd

    storage, na, texts = part
    dtype = _text_type(storage, na)
    if dtype is None or not all(text is None or isinstance(text, str) for text in texts):
        raise Damaged("texts that are none")
    return pd.array(texts, dtype=dtype)


def _text_type(storage: str, na: bool) -> Any:
    """The type of such texts; None where this pandas has none (before 2.3 missing ones were always `pandas.NA`)."""
    import pandas as pd

    try:
        return pd.StringDtype(storage) if na else pd.StringDtype(storage, na_value=np.nan)
    except TypeError:
        return None
