"""What the results say: of each table and column the extremes with their files, charts over load cases, the outputs.

Each takes the metrics of a batch and gives a section of HTML. Pure. How the figures are made is
`orcabatch.results.figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orcabatch.monitor.report import charts
from orcabatch.monitor.report.files import mark, row_id
from orcabatch.monitor.report.html import Html, Ids, figure, folded, join, named, prose, section, table, tag, text
from orcabatch.outcome import name_in
from orcabatch.text import and_more, plural

if TYPE_CHECKING:
    from orcabatch.monitor.report.links import Links

Metrics = Mapping[str, Any]

MOST_COLUMNS = 40
"""Rows of a table's figures that stand open; the others are unfolded."""

MOST_SIDE_BY_SIDE = 4
"""Columns of a table by load case that fit beside each other on a page of 800 pixels, each with a file's name."""

MOST_FIGURES = 2000
"""Of one table: a page of 5,000 files and 900 columns stays below 3 MB."""


UNITS = (
    "Numbers are in the unit system of each model (General data), unless a function converts them: orcabatch converts "
    "nothing."
)
"""Said once: OrcFxAPI hands over numbers without units, and asking for units takes questions of its own."""


def results(metrics: Metrics, ids: Ids) -> Html:
    """Each table: charts of its first columns that are results; minimum, maximum, governing file and mean of all."""
    tables = metrics.get("results") or ()
    if not tables:
        return section("results", "Results", tag("p", _no_figures(metrics)))
    return section(
        "results", "Results", tag("p", UNITS, class_="muted"), *(_table(metrics, each, ids) for each in tables)
    )


def _no_figures(metrics: Metrics) -> Html:
    if (target := metrics.get("values_in")) is not None and metrics.get("progress"):
        return join(
            ["The values go into ", named(name_in(target)), " as files end; when all have, their figures stand here."]
        )
    return text("The files returned no numbers that could be summed up here.")


def governing_rows(metrics: Metrics) -> set[int]:
    """Places of the files that some figure names."""
    return {
        place
        for each in metrics.get("results") or ()
        for column in each["columns"]
        for place in (column["maximum_file"], column["minimum_file"])
    } | {
        place
        for each in metrics.get("results") or ()
        for group in each["cases"]
        for one in group["maxima"]
        for place in (one["file"], one.get("minimum_file"))
        if place is not None
    }


def number(value: float | None) -> str:
    """A result as text: six digits."""
    return "not finite" if value is None else f"{value:.6g}"


def _table(metrics: Metrics, each: Mapping[str, Any], ids: Ids) -> Html:
    title = each["label"] or "What the function returned"
    of = f" ({each['batch']})" if not metrics["batch"] else ""
    columns = each["columns"]
    drawn = [_chart(metrics, column, ids) for column in columns if column["values"]]
    head = ("Column", "Maximum", "In file", "Minimum", "In file", "Mean", "Files")
    rows = [
        (
            column["name"],
            number(column["maximum"]),
            _governing(metrics, column["maximum_file"], ", governs" if governs(column) is True else ""),
            number(column["minimum"]),
            _governing(metrics, column["minimum_file"], ", governs (smallest)" if governs(column) is False else ""),
            number(column["mean"]),
            f"{column['files']:,}",
        )
        for column in columns[:MOST_FIGURES]
    ]
    shown = [table(f"{title}: every column over all files", head, rows[:MOST_COLUMNS], numbers=(1, 3, 5, 6))]
    more = len(columns) - len(drawn)
    if rows[MOST_COLUMNS:]:
        rest = table(f"{title}: the other columns", head, rows[MOST_COLUMNS:], numbers=(1, 3, 5, 6))
        left = and_more(len(columns), MOST_FIGURES, "in the metrics file")
        shown.append(folded(f"{plural(len(rows) - MOST_COLUMNS, 'more column')}", rest, tag("p", left) if left else ""))
    return join(
        [
            tag("h3", f"{title}{of}"),
            tag("div", *drawn, class_="charts") if drawn else "",
            tag("p", f"{plural(more, 'more column')} {_are(more)} in the table below.") if drawn and more else "",
            *shown,
            *_by_case(metrics, each),
        ]
    )


def governs(column: Mapping[str, Any]) -> bool | None:
    """Whether the largest value governs or the smallest; None for a column that is no result."""
    largest: bool | None = column.get("largest", True)
    return largest


def _file(metrics: Metrics, place: int) -> Html:
    """A governing file; one with warnings or notices is marked, since its number may not be what it seems."""
    file = metrics["files"][place]
    name = tag("a", named(name_in(file["file"])), href=f"#{row_id(place)}")
    if (marked := mark(file)) is None:
        return name
    said, section_id = marked
    return join([name, " ", tag("a", said, href=f"#{section_id}", class_="bad")])


def _governing(metrics: Metrics, place: int, governs: str) -> Html:
    """A file with an extreme value, and whether it is the one that governs."""
    return join([_file(metrics, place), governs])


def _chart(metrics: Metrics, column: Mapping[str, Any], ids: Ids) -> Html:
    """The column's value of each file: over the load case that varies most, or in the order of the files."""
    values, name = column["values"], ""
    places: Sequence[float] = range(len(values))
    numeric = _numeric_cases(metrics)
    if numeric:
        name = max(numeric, key=lambda case: len(set(numeric[case])))
        places = numeric[name]
    ends = [("largest", "maximum"), ("smallest", "minimum")]
    (first, governs), (second, other) = ends if column.get("largest", True) else reversed(ends)
    governing = metrics["files"][column[f"{governs}_file"]]
    marked = mark(governing)
    named_so = f"{name_in(governing['file'])} {marked[0]}" if marked else name_in(governing["file"])
    told = f"{first.title()} {number(column[governs])} in {named_so}, {second} {number(column[other])}."
    cloud = charts.Cloud(column["name"], told, name, places, values, column[f"{governs}_file"])
    return figure(charts.dots(ids, cloud), column["name"])


def _numeric_cases(metrics: Metrics) -> dict[str, list[float]]:
    """Columns of the load cases with a number for every file, and three different ones at least."""
    files = metrics["files"]
    names = dict.fromkeys(name for file in files for name in file.get("case", {}))
    found = {name: [file.get("case", {}).get(name) for file in files] for name in names}
    return {
        name: values
        for name, values in found.items()
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        and len(set(values)) > 2
    }


def _by_case(metrics: Metrics, each: Mapping[str, Any]) -> list[Html]:
    made, groups = [], each["cases"]
    for case in dict.fromkeys(group["case"] for group in groups):
        own = [group for group in groups if group["case"] == case]
        columns = list(dict.fromkeys(one["column"] for group in own for one in group["maxima"]))
        rows = [
            (
                _case_name(case, group["value"], alone=len(columns) > MOST_SIDE_BY_SIDE),
                f"{group['files']:,}",
                *(_maximum(metrics, group, column) for column in columns),
            )
            for group in sorted(own, key=_case_order)
        ]
        smallest = any(one.get("minimum_file") is not None for group in own for one in group["maxima"])
        too = " (of a column called a minimum the smallest governs, and stands first)" if smallest else ""
        caption = f"The largest value and its file for each {case}{too}; files are those that have a number"
        cards = len(columns) > MOST_SIDE_BY_SIDE
        shown = table(caption, (case, "Files", *columns), rows, numbers=(1,), cards=cards)
        made.append(folded(f"By {case}", shown, _not_by_case(_results_of(each) - len(columns), case)))
    return [*made, *_ungrouped(metrics, {group["case"] for group in groups})]


def _results_of(each: Mapping[str, Any]) -> int:
    """How many columns of a table are results."""
    return sum(governs(column) is not None for column in each["columns"])


def _ungrouped(metrics: Metrics, grouped: set[str]) -> list[Html]:
    """Of each load case's column that has no table, because it has too many values for so few files, the reason."""
    names = dict.fromkeys(name for file in metrics["files"] for name in file.get("case", {}))
    different = {name: len({str(file.get("case", {}).get(name)) for file in metrics["files"]}) for name in names}
    files = len({file["file"] for file in metrics["files"]})
    return [
        tag(
            "p",
            prose(
                f"No table by {name}: it has {count:,} different values for {plural(files, 'file')}. "
                f"`result.governing(column, {name!r})` in Python gives the governing file of each."
            ),
        )
        for name, count in different.items()
        if count > 1 and name not in grouped
    ]


def _not_by_case(more: int, case: str) -> Html:
    if not more:
        return Html("")
    said = (
        f"{plural(more, 'more column')} {_are(more)} not in this table: `result.governing(column, {case!r})` in Python "
    )
    return tag("p", prose(f"{said}gives the same of each; the table of every column has the largest over all files."))


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _case_name(case: str, value: Any, *, alone: bool) -> str:
    """A load case's value; where each stands on a card of its own, with its column."""
    said = "none" if value is None else str(value)
    return f"{case} {said}" if alone else said


def _case_order(group: Mapping[str, Any]) -> tuple[bool, float, str]:
    value = group["value"]
    numeric = isinstance(value, int | float)
    return (not numeric, value if numeric else 0.0, str(value))


def _maximum(metrics: Metrics, group: Mapping[str, Any], column: str) -> Html:
    for one in group["maxima"]:
        if one["column"] == column:
            few = one.get("files", 0)  # where a column lacks some files' numbers, which might have been larger
            of = f", of {plural(few, 'file')}" if 0 < few < group["files"] else ""
            if (place := one.get("minimum_file")) is None:
                return join([tag("b", number(one["maximum"])), " in ", _file(metrics, one["file"]), of])
            smallest = ["smallest ", tag("b", number(one["minimum"])), " in ", _file(metrics, place), of]
            return join([*smallest, "; largest ", number(one["maximum"]), " in ", _file(metrics, one["file"])])
    return Html("")


def outputs(metrics: Metrics, links: Links) -> Html:
    """The outputs that stand for all files, and the folder that has them all."""
    common = metrics.get("outputs") or ()
    if not common:
        return section(
            "outputs",
            "Outputs",
            tag("p", "No output files were written" + (" yet." if metrics.get("progress") else ".")),
        )
    parts = [tag("p", "All in ", links.to_folder(), ".")] if links.folder else []
    listed = tag("ul", *(tag("li", links.to(output)) for output in common))
    told = tag("p", "Outputs of single files stand beside them in the table of all files.")
    return section("outputs", "Outputs", *parts, listed, told)
