"""The values in one column: what digitalmodel fails on, ignores, or understands in another way.

Each rule was found by calling digitalmodel 0.0.9 with such a column, and those that are proven are tested that way. A
column is looked at as it is computed, with what its master and earlier columns give it. Does not cover the keys'
spelling, nor what columns do to each other (`labels`), nor what only the loaded model tells: whether an object is a
line or a vessel, whether it is there at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.check.finding import shown
from orcabatch.digitalmodel.check.vocabulary import (
    COLUMN_STATISTICS,
    COMMANDS,
    DATA,
    ENDS,
    HISTORY,
    PERIODS,
    RADIAL,
    RANGE,
    SECTION,
    STATIC,
)
from orcabatch.text import nearest

if TYPE_CHECKING:
    from orcabatch.digitalmodel.check.effective import Column

SUMMARY, LINKED, SERIES = "summary_settings", "linked_statistics_settings", "time_series_settings"


@dataclass(frozen=True, slots=True)
class ColumnFault:
    """What is wrong with one key of a column; see `Finding`."""

    key: str
    problem: str
    nearest: str = ""
    proven: bool = False


class _View:
    """A column, and how it will be computed."""

    def __init__(self, section: str, column: Column) -> None:
        self.values, self.section = column.values, section
        command = column.values.get("Command") if section == SUMMARY else HISTORY
        self.command = command if isinstance(command, str) else ""
        self.summary, self.series, self.linked = section == SUMMARY, section == SERIES, section == LINKED
        self.range, self.static, self.data = self.command == RANGE, self.command in STATIC, self.command in DATA
        self.asks_statistic = self.summary and self.command in {HISTORY, RANGE}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def said(self, key: str) -> str:
        """The key with its value, as it begins a message."""
        return f"{key}: {shown(self.values.get(key))}"

    def fails(self, key: str, problem: str, nearest: str = "") -> ColumnFault:
        """What no file survives: the loop over time series catches it, and leaves the column or the table empty."""
        return ColumnFault(
            key, f"{problem}; {'the column is lost' if self.series else 'every file fails'}", nearest, proven=True
        )


def column_faults(section: str, column: Column) -> Iterator[ColumnFault]:
    """What is wrong with the values of one column of `section`."""
    view = _View(section, column)
    missing = list(_missing(view))
    yield from missing
    told = {fault.key for fault in missing}
    for rule in _RULES:
        yield from (fault for fault in rule(view) if fault.key not in told)


def _missing(view: _View) -> Iterator[ColumnFault]:
    needed = ["ObjectName", "Variable", "Label"]
    needed += ["SimulationPeriod"] if view.series else []
    needed += ["Command"] if view.summary else []
    needed += ["Statistic_Type"] if view.asks_statistic else []
    for key in needed:
        if key not in view.values:
            yield view.fails(key, f"{key} is missing, here and in the master")


def _command(view: _View) -> Iterator[ColumnFault]:
    given = view.get("Command")
    if view.summary and given not in COMMANDS:
        said = f"{view.said('Command')} is none of {', '.join(COMMANDS)}"
        yield view.fails("Command", said, nearest(str(given), COMMANDS))
    elif view.series and given in COMMANDS and given != HISTORY:
        yield ColumnFault("Command", f"{view.said('Command')} is not looked at: a time series is always a time history")


def _statistic(view: _View) -> Iterator[ColumnFault]:
    given = view.get("Statistic_Type")
    if view.asks_statistic and (not isinstance(given, str) or given not in COLUMN_STATISTICS):
        said = f"{view.said('Statistic_Type')} is none of {', '.join(COLUMN_STATISTICS)}"
        yield view.fails("Statistic_Type", said, nearest(str(given), COLUMN_STATISTICS))
    if view.asks_statistic and "transform" in view.values:
        yield view.fails("transform", "digitalmodel calls a function for transform that it does not have")


def _object(view: _View) -> Iterator[ColumnFault]:
    if not isinstance(view.get("ObjectName"), str):
        yield view.fails("ObjectName", f"{view.said('ObjectName')} is no text; put the name in quotes")


def _label(view: _View) -> Iterator[ColumnFault]:
    label, said = view.get("Label"), view.said("Label")
    if isinstance(label, dict) or (view.series and isinstance(label, list)):
        yield view.fails("Label", f"{said} is no text")
    elif view.summary and isinstance(label, bool):
        yield view.fails("Label", f"{said} is what YAML makes of yes, no, on and off; put the word in quotes")
    elif label is None:
        yield ColumnFault("Label", "Label is empty, and the column gets no name")


def _variable(view: _View) -> Iterator[ColumnFault]:
    given, said = view.get("Variable"), view.said("Variable")
    if given is None or isinstance(given, int | float):
        yield view.fails("Variable", f"{said} is no name")
    elif view.data:
        yield from _data_name(view, given)
    elif view.linked:
        yield from _linked_names(view, given)
    elif isinstance(given, list):
        yield from _several_names(view, given)
    elif given == "Line":
        yield view.fails("Variable", "digitalmodel calls a function for the variable Line that it does not have")


def _data_name(view: _View, given: Any) -> Iterator[ColumnFault]:
    wanted = f"{view.said('Variable')} must be [name, index], such as [WaveHs, -1]"
    if not isinstance(given, list) or not given or not isinstance(given[0], str):
        yield view.fails("Variable", wanted)
    elif "RefCurrent" in given[0]:
        return
    elif len(given) == 1 and view.get("ObjectName") != "Environment":
        yield view.fails("Variable", f"{wanted}; only ObjectName: Environment does without the index")
    elif len(given) > 1 and given[1] is None:
        yield view.fails("Variable", wanted)


def _linked_names(view: _View, given: Any) -> Iterator[ColumnFault]:
    if isinstance(given, str) or not given:
        said = f"{view.said('Variable')} must be a list, the main variable first: [Effective tension, Bend moment]"
        yield view.fails("Variable", said)
    elif len(given) == 1:
        yield ColumnFault("Variable", f"{view.said('Variable')} links no second variable: the row stays empty")


def _several_names(view: _View, given: list[Any]) -> Iterator[ColumnFault]:
    if view.range or not given or (len(given) > 1 and (view.series or view.static)):
        yield view.fails("Variable", f"{view.said('Variable')} must be one name")
    elif len(given) > 1:
        yield ColumnFault("Variable", f"{view.said('Variable')}: one value is taken over all of them")


def _support(view: _View) -> Iterator[ColumnFault]:
    given = view.get("Variable")
    if not isinstance(given, str | list) or "Support" not in given:
        return
    if "SupportIndex" not in view.values:
        yield view.fails("SupportIndex", f"SupportIndex is missing, which the variable {shown(given)} needs")
    elif not isinstance(view.get("SupportIndex"), int):
        yield view.fails("SupportIndex", f"{view.said('SupportIndex')} must be a whole number")


def _rigid_pipe(view: _View) -> Iterator[ColumnFault]:
    if view.get("Variable") != "Rigid Pipe":
        return
    location = view.get("Location")
    if "ArcLength" not in view.values:
        if not isinstance(location, list) or len(location) < 3:
            yield view.fails("Variable", "Rigid Pipe needs ArcLength, RadialPos and Theta, or Location: [x, y, z]")
        return
    if "Theta" not in view.values:
        yield view.fails("Theta", "Theta is missing, which Rigid Pipe needs")
    if view.get("RadialPos") not in RADIAL:
        said = f"{view.said('RadialPos')} is none of {', '.join(RADIAL)}"
        yield view.fails("RadialPos", said, nearest(str(view.get("RadialPos")), RADIAL))


def _period(view: _View) -> Iterator[ColumnFault]:
    key, given = "SimulationPeriod", view.get("SimulationPeriod")
    if key not in view.values:
        return
    if isinstance(given, str):
        if given not in PERIODS:
            yield view.fails(key, f"{view.said(key)} is none of {', '.join(PERIODS)}", nearest(given, PERIODS))
    elif isinstance(given, list) and len(given) in {1, 2}:
        yield from _span(view, given)
    elif view.series and (not isinstance(given, list) or not given):
        yield view.fails(key, f"{view.said(key)} must be [from, to], or one of {', '.join(PERIODS)}")
    elif given is not None and not view.static and not view.data:
        said = "is not understood: the whole simulation is taken; write [from, to], or [at] for one instant"
        yield ColumnFault(key, f"{view.said(key)} {said}")


def _span(view: _View, given: list[Any]) -> Iterator[ColumnFault]:
    key, said = "SimulationPeriod", view.said("SimulationPeriod")
    times = [time for time in given if time is not None]
    if view.series and len(given) == 1:
        yield view.fails(key, f"{said}: a time series needs [from, to]")
    elif given == [None] or not all(isinstance(time, int | float) for time in times):
        texts = [time for time in times if isinstance(time, str)]
        open_end = any(nearest(text, ("None", "NULL"), alike=1) for text in texts)
        yield view.fails(key, f"{said} must hold seconds, or NULL for an open end", "NULL" if open_end else "")
    elif len(times) == 2 and times[0] > times[1]:
        yield ColumnFault(key, f"{said} ends before it begins")


def _extra(view: _View) -> Iterator[ColumnFault]:
    """`objectExtra`: digitalmodel looks for the names of ends in its first item."""
    given, said = view.get("objectExtra"), view.said("objectExtra")
    wanted = "write [End A], [End B], [Touchdown] or [Section, [i, j]]"
    if given is None:
        return
    if not isinstance(given, str | list) or not given or not isinstance(given[0], str | list):
        yield view.fails("objectExtra", f"{said} must be a list; {wanted}")
    elif given[0] == SECTION and isinstance(given, list):
        yield from _numbered_sections(view, given)
    elif isinstance(given, str) or not any(end in given[0] for end in ENDS):
        meant = nearest(given if isinstance(given, str) else str(given[0]), (*ENDS, SECTION))
        if not view.data:
            yield ColumnFault("objectExtra", f"{said} is ignored; {wanted}", f"[{meant}]" if meant else "")
    elif view.range and not _has_span(view.get("ArcLength")):
        yield view.fails("objectExtra", f"{said} cannot be used in a range graph; leave it out, or use TimeHistory")


def _numbered_sections(view: _View, given: list[Any]) -> Iterator[ColumnFault]:
    numbers, said = given[1] if len(given) > 1 else None, view.said("objectExtra")
    if not isinstance(numbers, list | str | dict):
        yield view.fails("objectExtra", f"{said} needs the numbers of sections as a list: [Section, [1, 3]]")
    elif len(numbers) not in {1, 2}:
        yield ColumnFault("objectExtra", f"{said} is ignored: one or two numbers of sections are understood")
    elif not view.range and not view.data:
        yield ColumnFault("objectExtra", f"{said}: sections belong to range graphs; of a line nothing comes out here")


def _arc_length(view: _View) -> Iterator[ColumnFault]:
    if "ArcLength" not in view.values:
        return
    given, extra, said = view.get("ArcLength"), view.get("objectExtra"), view.said("ArcLength")
    fault = _unread_length(given, extra) or ("" if extra else _length_as_point(given))
    if fault:
        yield view.fails("ArcLength", f"{said} {fault}")
    elif not extra and _has_span(given) and not (view.range or view.data):
        yield ColumnFault(
            "ArcLength", f"{said} is handed on as the numbers of a line point and a node, not as a length"
        )


def _has_span(given: Any) -> bool:
    return isinstance(given, list) and len(given) in {1, 2}


def _unread_length(given: Any, extra: Any) -> str:
    """What keeps digitalmodel from making a range of it, whatever else the column says."""
    if given is None:
        return "" if isinstance(extra, list) and extra[:1] == [SECTION] else "must be a list, or left out"
    if isinstance(given, str):
        return "" if any(end in given for end in ENDS) else "is no name of an end"
    if not isinstance(given, list):
        return "must be a list: [from, to], or [at]"
    numbers = all(isinstance(length, int | float) for length in given)
    return "" if numbers or len(given) not in {1, 2} else "must hold lengths"


def _length_as_point(given: Any) -> str:
    """What keeps digitalmodel from handing it on as a point of a line, which it does without `objectExtra`."""
    if isinstance(given, str):
        return "is not understood without objectExtra; write objectExtra: [End A]"
    if len(given) > 2:
        return "has more than two lengths"
    if any(isinstance(length, float) for length in given):
        return "must hold whole numbers, because digitalmodel takes them for numbers of nodes too"
    return ""


def _position(view: _View) -> Iterator[ColumnFault]:
    given = view.get("Position")
    if "Position" not in view.values:
        return
    if not isinstance(given, list) or len(given) < 3 or not all(isinstance(x, int | float) for x in given[:3]):
        yield ColumnFault("Position", f"{view.said('Position')} must be [x, y, z]: with a vessel every file fails")


_RULES: tuple[Callable[[_View], Iterator[ColumnFault]], ...] = (
    _command,
    _statistic,
    _object,
    _label,
    _variable,
    _support,
    _rigid_pipe,
    _period,
    _extra,
    _arc_length,
    _position,
)
