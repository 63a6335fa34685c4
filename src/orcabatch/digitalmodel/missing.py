"""What one loaded file lacks of what a configuration asks of it: names, times, cells.

- Names of objects, variables and data, with the nearest that the model has. Found out once digitalmodel has stumbled
  over one, or left a column empty (`orcabatch.digitalmodel.stumbles`), so it costs nothing where all is well.
- Times: a period given in numbers that lies outside the simulation, reaches beyond its end or covers little of it. An
  open end is where the simulation ends, so it is no fault; named periods are not looked at.
- Cells of a file's tables: looked at where a table is made, once, so that nobody has to read tables again.

Nothing here ends a batch: a first file may be broken, or another one. What follows from the gaps of all files is said
in `orcabatch.digitalmodel.silent`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orcabatch.digitalmodel.check.vocabulary import DATA
from orcabatch.digitalmodel.outputs import SETTINGS_OF, columns, groups, is_asked
from orcabatch.orcaflex.binding import find_binding
from orcabatch.orcaflex.incomplete import period_warning
from orcabatch.text import alike_names, shortened_list

NAMED = 5
"""Missing names, and columns of one, that a message names: more would fill the screen for one file."""

Place = tuple[str, str, str]
"""Output, label of the group, label of the column."""
Period = tuple[float | None, float | None]
"""From and to, seconds of simulation time; None: open."""
ALWAYS_EMPTY = frozenset({"description", "statistic", "run_status"})
"""Columns that digitalmodel itself keeps for later and never fills in a file's own table."""


@dataclass(slots=True)
class Absence:
    """Something that is asked for and not there.

    Attributes:
        what: as it begins a sentence: `object 'Line05'`.
        nearest: names of its kind that the model has, the most alike first.
        columns: labels of the columns that ask for it.
    """

    what: str
    nearest: list[str]
    columns: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        asking = list(dict.fromkeys(self.columns))
        more = ", ..." if len(asking) > NAMED else ""
        near = f"; the nearest there: {', '.join(map(repr, self.nearest))}" if self.nearest else ""
        return f"{self.what} (asked for by {', '.join(asking[:NAMED])}{more}){near}"


def absences(cfg: Mapping[str, Any], model: Any, places: Collection[Place] | None = None) -> list[Absence]:
    """What is asked for and not there; nothing where the model does not tell.

    Args:
        cfg: the configuration, masters merged.
        model: the loaded model.
        places: the columns to look at; None: all of them.
    """
    there = answered(lambda: [str(item.name) for item in model.objects])
    if there is None:
        return []
    names = {name.casefold(): name for name in there}
    known: dict[str, list[str] | None] = {}
    found: dict[str, Absence] = {}
    for place, column in found_columns(cfg):
        name = column.get("ObjectName")
        if not isinstance(name, str) or (places is not None and place not in places):
            continue
        if name.casefold() not in names:
            missing = [Absence(f"object {name!r}", alike_names(name, there))]
        else:
            missing = list(_unknown(model, names[name.casefold()], column, known))
        for absence in missing:
            found.setdefault(absence.what, absence).columns.append(place[-1])
    return list(found.values())


def _unknown(model: Any, name: str, column: Mapping[str, Any], known: dict[str, list[str] | None]) -> Iterator[Absence]:
    """The variables or data of one column that its object does not have."""
    asked = column.get("Variable")
    if column.get("Command") in DATA:
        data = asked[0] if isinstance(asked, list) and asked else None
        if isinstance(data, str) and answered(lambda: model[name].DataNameValid(data)) is False:
            yield Absence(f"data {data!r} of {name}", [])
        return
    if name not in known:
        known[name] = answered(lambda: _variables(model[name]))
    there = known[name]
    for variable in [asked] if isinstance(asked, str) else asked if isinstance(asked, list) else ():
        if there and isinstance(variable, str) and variable.casefold() not in {one.casefold() for one in there}:
            yield Absence(f"variable {variable!r} of {name}", alike_names(variable, there))


def _variables(item: Any) -> list[str]:
    """All results that an object has, of a line those of its ends too."""
    api = find_binding().module
    extra = api.oeEndA if item.type == api.ObjectType.Line else None
    kinds = (api.ResultType.TimeHistory, api.ResultType.RangeGraph)
    details = [detail for kind in kinds for detail in item.varDetails(kind, extra)]
    return list(dict.fromkeys(str(name) for detail in details for name in (detail.VarName, detail.FullName)))


def answered(question: Callable[[], Any]) -> Any:
    """The model's answer; None where it has none.

    Whatever fails here (on Windows a DLL that breaks is an OSError), the file's own results or failure are what counts.
    """
    try:
        return question()
    except Exception:  # noqa: BLE001 - a foreign model is asked for the sake of a message
        return None


def found_columns(cfg: Mapping[str, Any]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Each column that is asked for, with its place."""
    for output, section in SETTINGS_OF.items():
        for group in groups(cfg, section) if is_asked(cfg, output) else ():
            for column in group.get("Columns") or ():
                yield (output, str(group.get("Label")), str(column.get("Label"))), column


def listed(missing: list[Absence]) -> str:
    """The first of them in one sentence."""
    return shortened_list(list(map(str, missing)), ", no ", NAMED)


@dataclass(frozen=True, slots=True)
class Gap:
    """A column of a file's table with empty cells.

    Attributes:
        output: summary, linked_statistics or time_series.
        group: the group's label.
        column: the column's label.
        missing: how many of its cells are empty.
        rows: how many it has.
    """

    output: str
    group: str
    column: str
    missing: int
    rows: int

    @property
    def whole(self) -> bool:
        """Whether the column holds nothing at all."""
        return self.missing == self.rows


def gaps_of(output: str, group: str, frame: Any, labels: Collection[str] = ()) -> Iterator[Gap]:
    """The gaps of one table.

    Args:
        output: the table's kind, as in `Gap`.
        group: its label.
        frame: the table.
        labels: of the columns that the configuration asks for, whatever digitalmodel keeps under these names.
    """
    from pandas import isna

    rows = len(frame)
    # A row's columns lie apart: looking at each takes longer than at all of them together.
    empty = isna(frame.to_numpy(dtype=object)) if rows == 1 else frame.isna().to_numpy()
    for name, missing in zip(frame.columns, empty.sum(axis=0), strict=True):
        # A series none of whose objects exist is a heading without rows.
        if (missing or not rows) and (str(name) in labels or name not in ALWAYS_EMPTY):
            yield Gap(output, group, str(name), int(missing), rows)


def gaps_of_all(output: str, frames: Mapping[str, Any] | None, labels: Collection[str] = ()) -> Iterator[Gap]:
    """The gaps of a file's tables by group label."""
    for group, frame in (frames or {}).items():
        yield from gaps_of(output, str(group), frame, labels)


def asked_periods(cfg: Mapping[str, Any]) -> dict[Period, tuple[str, ...]]:
    """The periods in numbers of a (merged) configuration, with the labels of the columns that have each."""
    asked: dict[Period, list[str]] = {}
    for section in (section for output, section in SETTINGS_OF.items() if is_asked(cfg, output)):
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


def _period(given: Any) -> Period | None:
    """A period as it stands in a column; None where it is none in numbers."""
    if not isinstance(given, list) or len(given) != 2 or given == [None, None]:
        return None
    start, end = given
    return (start, end) if all(each is None or _is_time(each) for each in given) else None


def _is_time(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and math.isfinite(value)
