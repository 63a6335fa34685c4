"""One table of a batch: values of any usual shape as rows and columns, with the file and its load case beside them.

| a value that is | gives |
|---|---|
| a number, text, None | one row, column `value` |
| a mapping of such | one row, its keys are the columns; mappings in it are spread: `line1.max` |
| a mapping with arrays of one length | a row for each place; what is single stands in every row |
| a list of mappings | a row for each |
| an array or list, shape (n,) | n rows: `position`, `value` |
| an array, shape (n, m) | n rows: `position`, `value_0` ...; a structured one has its own names |
| a pandas Series | one row; its index are the columns |
| a pandas DataFrame | its rows; an index that only counts places is left out |

Anything else stands as it is in the column `value`. Does not cover files on the disk (`orcabatch.batch.save`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from orcabatch.outcome import FileOutcome

Row = dict[Any, Any]
POSITION, VALUE = "position", "value"


def table(outcomes: Iterable[FileOutcome], cases: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each row of each file's value; files without results give none.

    Columns: `file` (the name), those of the load cases, `batch` where there are several, then the values' own. A key of
    a value that names one of the former is prefixed, as in `BatchResult.to_dataframe`.

    Args:
        outcomes: in the order of the rows.
        cases: load cases by file name.
    """
    import pandas as pd

    done = [outcome for outcome in outcomes if outcome.ok]
    values = [frame_of(outcome.value) for outcome in done]
    several = len({outcome.batch for outcome in done}) > 1
    beside = [
        {"file": outcome.file.name, **cases.get(outcome.file.name, {}), **({"batch": outcome.batch} if several else {})}
        for outcome in done
    ]
    left = dict.fromkeys(name for each in beside for name in each)
    names = column_names(left.keys(), (column for frame in values for column in frame.columns))
    if not done:
        return pd.DataFrame(columns=["file"])
    together = pd.concat([frame.rename(columns=names) for frame in values], ignore_index=True)
    lengths = [len(frame) for frame in values]
    track = pd.DataFrame(beside, columns=list(left)).iloc[np.repeat(np.arange(len(done)), lengths)]
    return pd.concat([track.reset_index(drop=True), together], axis=1)


def frame_of(value: Any) -> pd.DataFrame:
    """A value as rows and columns, as the table in this module's docstring says."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return _with_index(value)
    if isinstance(value, pd.Series):
        return pd.DataFrame([dict(value.items())])
    if isinstance(value, Mapping):
        return _of_mapping(_flat(value))
    if isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
        return pd.concat([frame_of(item) for item in value], ignore_index=True)
    if _is_places(value):
        return _of_array(np.asarray(value))
    return pd.DataFrame({VALUE: pd.Series([value], dtype=None if np.isscalar(value) else object)})


def column_names(taken: Set[Any], keys: Iterable[Any]) -> dict[Any, Any]:
    """The column of each key of the values: the key itself, prefixed as often as it takes to name no other column."""
    names: dict[Any, Any] = dict.fromkeys(keys)
    for key in names:
        column = key
        while column in taken or (column != key and column in names):
            column = f"value_{column}"
        names[key] = column
    return names


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    if isinstance(frame.index, pd.RangeIndex):
        return frame.reset_index(drop=True)
    names = [POSITION if name is None else name for name in frame.index.names]
    return frame.reset_index(names=names)


def _flat(value: Mapping[Any, Any], before: str = "") -> Row:
    """Mappings in the mapping spread, their keys joined by dots."""
    found: Row = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            found |= _flat(item, f"{before}{key}.")
        else:
            found[f"{before}{key}" if before else key] = item
    return found


def _of_mapping(value: Row) -> pd.DataFrame:
    import pandas as pd

    lengths = {len(item) for item in value.values() if _is_places(item, dimensions=(1,))}
    if len(lengths) != 1:  # single values only, or arrays that do not belong side by side
        return pd.DataFrame([value], index=[0])
    (length,) = lengths
    columns = {key: item if _is_places(item, dimensions=(1,)) else [item] * length for key, item in value.items()}
    return pd.DataFrame(columns, index=range(length))


def _of_array(values: np.ndarray[Any, Any]) -> pd.DataFrame:
    import pandas as pd

    if values.dtype.names:
        return pd.DataFrame(values)
    columns = [VALUE] if values.ndim == 1 else [f"{VALUE}_{column}" for column in range(values.shape[1])]
    frame = pd.DataFrame(values, columns=columns)
    frame.insert(0, POSITION, range(len(values)))
    return frame


def _is_places(value: Any, dimensions: Sequence[int] = (1, 2)) -> bool:
    """Whether it is an array of these dimensions, or a list of numbers, texts and the like."""
    if isinstance(value, np.ndarray):
        return value.ndim in dimensions
    return isinstance(value, list | tuple) and not any(isinstance(item, list | tuple | Mapping) for item in value)
