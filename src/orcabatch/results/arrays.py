"""Results as one labelled array: case x name x time, each file with its own time axis.

| the files' times are | the array's dimensions |
|---|---|
| all the same | `case`, `name`, `time` |
| each file's own | `case`, `name`, `sample`; `time` is a coordinate over case and sample, NaN beyond a file's end |
| not there (single values) | `case`, `name` |

Columns of load cases are coordinates of `case`, or dimensions in its place; one that is called as the array has
something of its own (`case`, `name`, `time`, `sample`) is prefixed: `case_name`. Does not cover where rows come from
(`orcabatch.results.result`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orcabatch.errors import SourceError
from orcabatch.results.table import POSITION, beyond_floats, column_names
from orcabatch.text import nearest, shortened_list

if TYPE_CHECKING:
    import pandas as pd
    import xarray

TIMES = ("time", "Time", "TIME", "t")
"""What a column of times is called; `T` is a tension, or a period."""


def array_of(
    files: Sequence[tuple[str, pd.DataFrame]], cases: Sequence[Mapping[str, Any]], time: str | None, by: Sequence[str]
) -> xarray.DataArray:
    """The rows of each file as one array.

    Args:
        files: each one's name and rows, a row for each time.
        cases: each file's load case.
        time: the column of times; None: the one that is called so.
        by: columns of the load cases that become dimensions in place of `case`.

    Raises:
        ImportError: xarray is not installed.
        SourceError: there is no number, no such column, or two files are one case by `by`.
    """
    try:
        import xarray
    except ImportError as error:
        raise ImportError("to_xarray needs xarray: pip install xarray") from error
    frames = [frame for _, frame in files]
    axes = [_time_column(frame, time) for frame in frames]
    names = _names(frames, axes)
    most = max(map(len, frames))
    values = np.full((len(frames), len(names), most), np.nan)
    times = np.full((len(frames), most), np.nan)
    for place, (frame, axis) in enumerate(zip(frames, axes, strict=True)):
        held = frame.dropna(axis="columns", how="all")  # of which some are no floats
        values[place, :, : len(frame)] = held.reindex(columns=names).astype(float).to_numpy().T
        if axis in held.columns:
            times[place, : len(frame)] = held[axis].astype(float)
        elif set(axes) == {None}:  # beside other files' times, places would be taken for such
            times[place, : len(frame)] = np.arange(len(frame))
    coordinates: dict[str, Any] = {"case": [file for file, _ in files], "name": [str(name) for name in names]}
    dimensions: tuple[str, ...]
    if most == 1 and set(axes) == {None}:
        values, dimensions = values[:, :, 0], ("case", "name")
    elif (times == times[0]).all():
        coordinates["time"], dimensions = times[0], ("case", "name", "time")
    else:
        coordinates["time"], dimensions = (("case", "sample"), times), ("case", "name", "sample")
    called = column_names({*coordinates, *dimensions}, (key for case in cases for key in case), "case_")
    of_cases = {called[key]: ("case", _column([case.get(key) for case in cases])) for key in called}
    made = xarray.DataArray(values, coordinates | of_cases, dimensions)
    return _by(made, cases, by, called) if by else made


def _time_column(frame: pd.DataFrame, time: str | None) -> Any:
    """The column of times; None where there is none."""
    if time is not None and time not in frame.columns:
        near = nearest(time, map(str, frame.columns), alike=0.5)
        hint = (
            f"Did you mean {near!r}?" if near else f"There are {shortened_list([*map(str, frame.columns)], most=12)}."
        )
        raise SourceError(f"The results have no column {time!r}. {hint}")
    if time is not None and not _fits(frame[time]):
        raise SourceError(f"The column {time!r} holds no times: it must have numbers, in seconds.")
    names = [name for name in frame.columns if name == time or (time is None and name in TIMES and _fits(frame[name]))]
    return next(iter(names), None)


def _fits(column: pd.Series[Any]) -> bool:
    """Whether an array of floats can hold it: numbers or nothing, and no whole number that would be rounded."""
    return (column.dtype.kind in "biuf" and not beyond_floats(column)) or bool(column.isna().all())


def _names(frames: Sequence[pd.DataFrame], axes: Sequence[Any]) -> list[Any]:
    """The columns of numbers, in the order in which they are first met; what is left out is said."""
    found: dict[Any, bool] = {}
    for frame, axis in zip(frames, axes, strict=True):
        for name, column in frame.items():
            if not (name == axis or (name == POSITION and _counts(column))):
                found[name] = found.get(name, True) and _fits(column)
    left_out = [str(name) for name, fits in found.items() if not fits]
    if left_out:
        warnings.warn(f"not in the array, which holds floats: {shortened_list(left_out)}", stacklevel=4)
    names = [name for name, fits in found.items() if fits]
    if not names:
        raise SourceError("The results hold no numbers, so there is no array of them.")
    return names


def _counts(column: pd.Series[Any]) -> bool:
    """Whether it only counts places, as that of an array does: a function may have a `position` of its own."""
    return column.dtype.kind in "iu" and bool((column == np.arange(len(column))).all())


def _column(items: Sequence[Any]) -> Any:
    """As a coordinate; lists and the like are things, not further dimensions."""
    if not any(isinstance(item, list | tuple | Mapping | np.ndarray) for item in items):
        return items
    column = np.empty(len(items), object)
    for place, item in enumerate(items):
        column[place] = item
    return column


def _by(
    made: xarray.DataArray, cases: Sequence[Mapping[str, Any]], by: Sequence[str], called: Mapping[str, str]
) -> xarray.DataArray:
    for key in by:
        if key not in called:
            raise SourceError(f"The load cases have no column {key!r}; there are {', '.join(called) or 'none'}.")
    files: dict[tuple[Any, ...], str] = {}
    for file, case in zip(made["case"].to_numpy(), cases, strict=True):
        other = files.setdefault(tuple(case.get(key) for key in by), str(file))
        if other != file:
            raise SourceError(
                f"{other} and {file} are one case by {', '.join(by)}, and an array has one place for it: name another "
                "column that tells them apart (a seed, say)."
            )
    rest = [name for key, name in called.items() if key not in by]
    if len(by) == 1:
        return made.swap_dims(case=called[by[0]]).drop_vars([*rest, "case"])
    return made.drop_vars([*rest, "case"]).set_index(case=[called[key] for key in by]).unstack("case")
