"""Which file governs: the largest value of a column, by load case.

Does not cover where the table comes from (`orcabatch.batch.result`).
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


def governing(frame: pd.DataFrame, column: str, by: tuple[str, ...]) -> pd.DataFrame:
    """One row a case, see `BatchResult.governing`."""
    import pandas as pd

    for name in (column, *by):
        if name not in frame.columns:
            raise SourceError(_unknown(name, frame.columns))
    values = pd.to_numeric(frame[column], errors="coerce")
    if len(frame) and values.isna().all():
        raise SourceError(f"The column {column!r} holds no number, so no file governs.")
    keys = dict.fromkeys((*by, "file"))
    of_files = values.groupby([frame[name] for name in keys], sort=False, dropna=False).max()
    _warn_of(column, dict.fromkeys(frame["file"][values.groupby(frame["file"]).transform("count") == 0]))
    own = of_files.dropna().reset_index(name="maximum")
    groups = own.groupby(list(by), sort=False, dropna=False) if by else [((), own)]
    rows: list[dict[str, Any]] = []
    for case, files in groups:
        largest = files.iloc[int(files["maximum"].to_numpy().argmax())]
        seeds = len(files) > 1
        rows.append(
            dict(zip(by, case if isinstance(case, tuple) else (case,), strict=True))
            | {
                "maximum": largest["maximum"],
                "file": largest["file"],
                "files": len(files),
                "mean": float(files["maximum"].mean()) if seeds else np.nan,
                "p90": float(np.percentile(files["maximum"], 90)) if seeds else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=[*by, "maximum", "file", "files", "mean", "p90"])


def _warn_of(column: str, files: Iterable[Any]) -> None:
    """Files that have no number might have governed."""
    names = [str(name) for name in files]
    if names:
        have = "file has" if len(names) == 1 else "files have"
        text = f"{len(names)} {have} no number in {column!r} and do not count: {shortened_list(names)}"
        warnings.warn(text, stacklevel=4)


def _unknown(name: str, columns: Iterable[Any]) -> str:
    there = [str(each) for each in columns]
    near = nearest(name, there, alike=0.5)
    hint = f" Did you mean {near!r}?" if near else f" There are {', '.join(there[:12])}."
    return f"The results have no column {name!r}.{hint}"
