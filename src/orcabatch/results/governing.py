"""Which file governs: the largest value of a column, by load case; of a column called a minimum the smallest.

Does not cover where the table comes from (`orcabatch.results.result`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from orcabatch.errors import SourceError
from orcabatch.text import nearest, shortened_list

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


_A_MINIMUM = re.compile(r"(^|[_.])min(imum)?$", re.IGNORECASE)
"""Names of columns whose smallest value governs (`line01_min` is digitalmodel's): of a slack line the largest minimum
says nothing."""


def is_minimum(column: str) -> bool:
    """Whether a column is called a minimum, so that its smallest value governs."""
    return _A_MINIMUM.search(column) is not None


def governing(
    frame: pd.DataFrame,
    column: str,
    by: tuple[str, ...],
    largest: bool | None = None,
    partial: Collection[str] = frozenset(),
) -> pd.DataFrame:
    """One row a case, in the order of the cases; see `BatchResult.governing`.

    Files in `partial` did not reach their end: where one governs, that is said.
    """
    import pandas as pd

    if largest is None:
        largest = not is_minimum(column)

    for name in (column, *by):
        if name not in frame.columns:
            raise SourceError(_unknown(name, frame.columns))
    extreme, percentile = ("maximum", "p90") if largest else ("minimum", "p10")
    for name in (extreme, "files", "mean", percentile):
        if name in by:
            raise SourceError(
                f"The column {name!r} of the load cases is called like one that this table has of its own: rename it."
            )
    frame = frame[frame["file"].notna()]  # a summary's own statistics are of no file
    values = pd.to_numeric(frame[column], errors="coerce")
    if values.dtype == bool:
        values = values.astype(float)
    if len(frame) and values.isna().all():
        raise SourceError(f"The column {column!r} holds no number, so no file governs.")
    keys = dict.fromkeys((*by, "file"))
    files_values = values.groupby([frame[name] for name in keys], sort=False, dropna=False)
    of_files = files_values.max() if largest else files_values.min()
    nothing = frame["file"][values.groupby(frame["file"]).transform("count") == 0]
    warn_of(nothing, f"no number in {column!r} and do not count")
    infinite = f"infinity in {column!r}, so {extreme}, mean or {percentile.upper()} may say nothing"
    warn_of(frame["file"][np.isinf(values)], infinite)
    own = of_files.dropna().reset_index(name=extreme)
    groups = own.groupby(list(by), dropna=False) if by else [((), own)]
    rows: list[dict[str, Any]] = []
    for case, files in groups:
        numbers = files[extreme].to_numpy()
        found = files.iloc[int(numbers.argmax() if largest else numbers.argmin())]
        rows.append(
            dict(zip(by, case if isinstance(case, tuple) else (case,), strict=True))
            | {
                extreme: found[extreme],
                "file": found["file"],
                "files": len(files),
                "mean": _mean(numbers),
                percentile: _percentile(numbers, 90 if largest else 10) if len(files) > 1 else np.nan,
            }
        )
    part = (row["file"] for row in rows if str(row["file"]) in partial)
    warn_of(part, f"not reached the end of the simulation, and {column!r} is governed by the part that was simulated")
    return pd.DataFrame(rows, columns=[*by, extreme, "file", "files", "mean", percentile])


def _mean(numbers: NDArray[np.float64]) -> float:
    with np.errstate(invalid="ignore"):  # of both infinities there is none
        return float(numbers.mean())


def _percentile(numbers: NDArray[np.float64], percent: int) -> float:
    """numpy's linear percentile, which is NaN beside an infinity: there the infinite neighbour is the answer."""
    if np.isfinite(numbers).all():
        return float(np.percentile(numbers, percent))
    ranked, place = np.sort(numbers), percent / 100 * (len(numbers) - 1)
    low, high = ranked[int(place)], ranked[int(np.ceil(place))]
    with np.errstate(invalid="ignore"):
        share = place - int(place)
        return float(low if low == high else low * (1 - share) + high * share)


def warn_of(files: Iterable[Any], has: str, stacklevel: int = 4) -> None:
    """Files that have no number, or infinity, might have governed."""
    names = [str(name) for name in dict.fromkeys(files)]
    if names:
        have = "file has" if len(names) == 1 else "files have"
        warnings.warn(f"{len(names)} {have} {has}: {shortened_list(names)}", stacklevel=stacklevel)


def _unknown(name: str, columns: Iterable[Any]) -> str:
    there = [str(each) for each in columns]
    near = nearest(name, there, alike=0.5)
    hint = f" Did you mean {near!r}?" if near else f" There are {', '.join(there[:12])}."
    return f"The results have no column {name!r}.{hint}"
