"""Which file governs: the largest value of a column, by load case.

Does not cover where the table comes from (`orcabatch.results.result`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from orcabatch.errors import SourceError
from orcabatch.text import nearest, shortened_list

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def governing(frame: pd.DataFrame, column: str, by: tuple[str, ...]) -> pd.DataFrame:
    """One row a case, in the order of the cases; see `BatchResult.governing`."""
    import pandas as pd

    for name in (column, *by):
        if name not in frame.columns:
            raise SourceError(_unknown(name, frame.columns))
    values = pd.to_numeric(frame[column], errors="coerce")
    if len(frame) and values.isna().all():
        raise SourceError(f"The column {column!r} holds no number, so no file governs.")
    keys = dict.fromkeys((*by, "file"))
    of_files = values.groupby([frame[name] for name in keys], sort=False, dropna=False).max()
    nothing = frame["file"][values.groupby(frame["file"]).transform("count") == 0]
    _warn_of(nothing, f"no number in {column!r} and do not count")
    _warn_of(frame["file"][np.isinf(values)], f"infinity in {column!r}, so maximum, mean or P90 may say nothing")
    own = of_files.dropna().reset_index(name="maximum")
    groups = own.groupby(list(by), dropna=False) if by else [((), own)]
    rows: list[dict[str, Any]] = []
    for case, files in groups:
        largest = files.iloc[int(files["maximum"].to_numpy().argmax())]
        rows.append(
            dict(zip(by, case if isinstance(case, tuple) else (case,), strict=True))
            | {
                "maximum": largest["maximum"],
                "file": largest["file"],
                "files": len(files),
                "mean": _mean(files["maximum"].to_numpy()),
                "p90": _p90(files["maximum"].to_numpy()) if len(files) > 1 else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=[*by, "maximum", "file", "files", "mean", "p90"])


def _mean(maxima: NDArray[np.float64]) -> float:
    with np.errstate(invalid="ignore"):  # of both infinities there is none
        return float(maxima.mean())


def _p90(maxima: NDArray[np.float64]) -> float:
    """numpy's linear percentile, which is NaN beside an infinity: there the infinite neighbour is the answer."""
    if np.isfinite(maxima).all():
        return float(np.percentile(maxima, 90))
    ranked, place = np.sort(maxima), 0.9 * (len(maxima) - 1)
    low, high = ranked[int(place)], ranked[int(np.ceil(place))]
    with np.errstate(invalid="ignore"):
        share = place - int(place)
        return float(low if low == high else low * (1 - share) + high * share)


def _warn_of(files: Iterable[Any], has: str) -> None:
    """Files that have no number, or infinity, might have governed."""
    names = [str(name) for name in dict.fromkeys(files)]
    if names:
        have = "file has" if len(names) == 1 else "files have"
        warnings.warn(f"{len(names)} {have} {has}: {shortened_list(names)}", stacklevel=4)


def _unknown(name: str, columns: Iterable[Any]) -> str:
    there = [str(each) for each in columns]
    near = nearest(name, there, alike=0.5)
    hint = f" Did you mean {near!r}?" if near else f" There are {', '.join(there[:12])}."
    return f"The results have no column {name!r}.{hint}"
