"""The time histories that a configuration asks of every file, known before the first one is loaded.

So the broker can ask the first file jointly, as it asks the others once it has learnt. Only what is certain from the
configuration is told: a column whose place on the object depends on what kind of object the file has under that name is
left out and learnt. Times that the file decides (`NULL`) are told as a pattern; the broker takes the ones that are
asked for. An untested digitalmodel may ask otherwise: nothing is told. Asks OrcFxAPI nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.check.vocabulary import ENDS, PERIODS
from orcabatch.digitalmodel.outputs import columns, flagged, writes_series
from orcabatch.orcaflex.broker import Question

if TYPE_CHECKING:
    from orcabatch.digitalmodel.installed import Installation

FROM_START, TO_END = float("-inf"), float("inf")
"""Stand for the file's own times; files that ran to their end have one end for summaries and time series."""

STATICS = frozenset({"Static Result", "StaticResult"})

Fields = tuple[tuple[str, Any], ...]


def questions_of(cfg: Mapping[str, Any], installation: Installation) -> Iterator[Question]:
    """The questions of a (merged) configuration, in the order in which digitalmodel asks them."""
    api = sys.modules.get("OrcFxAPI")
    if api is None or not installation.tested:
        return
    for column in columns(cfg, "summary_settings") if flagged(cfg, "summary") else ():
        if column.get("Command") == "TimeHistory":
            yield from _question(api, column, column.get("SimulationPeriod"))
        elif column.get("Command") in STATICS:
            yield from _question(api, column, "StaticState")
    for column in columns(cfg, "time_series_settings") if writes_series(cfg) else ():
        yield from _question(api, column, column.get("SimulationPeriod"))


def _question(api: Any, column: Mapping[str, Any], period: Any) -> Iterator[Question]:
    name, variable = column.get("ObjectName"), column.get("Variable")
    if not isinstance(name, str) or not isinstance(variable, str) or _is_special(variable):
        return
    place, times = _place(api, column), _times(api, period)
    if place is not None and times is not None:
        yield Question(name, variable, times, place)


def _is_special(variable: str) -> bool:
    """Whether digitalmodel decides the place by the variable."""
    return "Support" in variable or variable in {"Rigid Pipe", "Line"}


def _times(api: Any, period: Any) -> int | tuple[float, float] | None:
    if isinstance(period, str):
        return int(api.PeriodNum[period]) if period in PERIODS else None
    if not isinstance(period, list) or not all(_is_time(time) for time in period):
        return None
    if len(period) == 1 and period[0] is not None:
        return float(period[0]), float(period[0])
    if len(period) != 2:
        return None
    begin, end = period
    return (FROM_START if begin is None else float(begin), TO_END if end is None else float(end))


def _is_time(time: Any) -> bool:
    return time is None or (isinstance(time, (int, float)) and not isinstance(time, bool))


def _place(api: Any, column: Mapping[str, Any]) -> Fields | None:
    """Where on its object a column looks; None where that cannot be told from the configuration."""
    extra, position = column.get("objectExtra"), column.get("Position")
    if position is not None:
        return _point(api, position) if not extra and not column.get("ArcLength") else None
    if not isinstance(extra, list) or not extra or not isinstance(extra[0], str):
        return None
    end = next((end for end in ENDS if end in extra[0]), None)
    return None if end is None else _fields(getattr(api, f"oe{end.replace(' ', '')}"))


def _point(api: Any, position: Any) -> Fields | None:
    """A point that only vessels have."""
    if not isinstance(position, list) or len(position) < 3 or not all(_is_time(x) and x is not None for x in position):
        return None
    return _fields(api.oeVessel(*position[:3]))


def _fields(extra: Any) -> Fields:
    return tuple((name, getattr(extra, name)) for name, *_ in extra._fields_ if name != "Size")
