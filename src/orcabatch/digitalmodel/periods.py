"""Periods that a configuration asks for, held against what was simulated: R31. Pure.

A period given in numbers that lies outside the simulation, reaches beyond its end or covers little of it is said, with
the columns that have it; digitalmodel takes it without a word. An open end is where the simulation ends, so it is no
fault. Does not cover named periods, nor series that are cut at another file's end (`silent`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from orcabatch.digitalmodel.serial_order import columns, flagged, writes_series
from orcabatch.orcaflex.incomplete import period_warning
from orcabatch.text import shortened_list

Period = tuple[float | None, float | None]
"""From and to, seconds of simulation time; None: open."""


def asked_periods(cfg: Mapping[str, Any]) -> dict[Period, tuple[str, ...]]:
    """The periods in numbers of a (merged) configuration, with the labels of the columns that have each."""
    asked: dict[Period, list[str]] = {}
    for section in _sections(cfg):
        for column in columns(cfg, section):
            period = _period(column.get("SimulationPeriod"))
            if period is not None:
                asked.setdefault(period, []).append(str(column.get("Label")))
    return {period: tuple(dict.fromkeys(names)) for period, names in asked.items()}


def period_warnings(asked: Mapping[Period, tuple[str, ...]], start: Any, end: Any) -> tuple[str, ...]:
    """What is to be said of these periods for a file that was simulated from `start` to `end`, seconds."""
    if not _is_time(start) or not _is_time(end):
        return ()  # a model without a simulation, or a stub that cannot say
    said = []
    for (first, last), names in asked.items():
        opened, closed = start if first is None else first, end if last is None else last
        if last is None:
            closed = max(opened, closed)
        elif first is None:
            opened = min(opened, closed)
        warning = period_warning((opened, closed), (start, end))
        if warning:
            said.append(f"{warning}: {shortened_list(names)}")
    return tuple(said)


def _sections(cfg: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{output}_settings" for output in ("summary", "linked_statistics") if flagged(cfg, output))
    if writes_series(cfg):
        yield "time_series_settings"


def _period(given: Any) -> Period | None:
    """A period as it stands in a column; None where it is none in numbers."""
    if not isinstance(given, list) or len(given) != 2 or given == [None, None]:
        return None
    start, end = given
    return (start, end) if all(each is None or _is_time(each) for each in given) else None


def _is_time(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and math.isfinite(value)
