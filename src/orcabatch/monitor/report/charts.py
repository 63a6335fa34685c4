"""Charts as inline SVG: timeline of the workers, curves over time, bars. Pure: numbers in, HTML out.

Every chart has a title and a description for screen readers, and is small for any number of files: a timeline has at
most `COLUMNS` cells per worker, a curve at most `POINTS` points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orcabatch.monitor.report.html import Html, Ids, join, tag
from orcabatch.outcome import Phase
from orcabatch.text import duration, shortened, size

WIDTH = 1000
LEFT = 110
RIGHT = 12
ROW = 14
COLUMNS = 420
"""Cells of a timeline per worker, two units wide each: finer ones are not seen, and the file grows with them."""

POINTS = 300
"""Points of a curve; of those between, the highest is drawn."""

CURVE_TOP = 8
CURVE_HEIGHT = 160
MOST_WORKERS = 64
"""Rows of a timeline; the table below it has all workers."""

MOST_TITLES = 600
"""Up to this many files, each says its name when pointed at."""

TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)

PHASES = tuple(phase.value for phase in Phase)


@dataclass(frozen=True, slots=True)
class PhaseBar:
    """One phase of one file on one worker.

    Attributes:
        row: the worker's row.
        phase: name of the phase.
        begin_s, end_s: seconds since the run began.
    """

    row: int
    phase: str
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart.

    Attributes:
        name: what it shows.
        colour: a colour of the theme.
        values: one per moment; None where there was none.
    """

    name: str
    colour: str
    values: Sequence[float | None]


def svg(ids: Ids, title: str, description: str, height: float, *content: object, width: int = WIDTH) -> Html:
    """A drawing that a screen reader can announce."""
    name, told = ids.new("title"), ids.new("desc")
    return tag(
        "svg",
        tag("title", title, id=name),
        tag("desc", description, id=told),
        *content,
        viewBox=f"0 0 {width} {height:g}",
        role="img",
        aria_labelledby=f"{name} {told}",
    )


def ticks(highest: float, most: int = 8) -> list[float]:
    """Round numbers from 0 to a highest value."""
    if highest <= 0:
        return [0.0]
    raw = highest / most
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(magnitude * factor for factor in (1, 2, 2.5, 5, 10) if magnitude * factor >= raw)
    return [step * n for n in range(int(highest / step + 1e-9) + 1)]


def time_axis(wall_s: float, top: float, height: float) -> Html:
    """Vertical lines and seconds below them."""
    parts = []
    for n, at_s in enumerate(moments(wall_s)):
        x = across(at_s, wall_s)
        parts.append(tag("path", d=f"M{x:g} {top:g}v{height:g}", class_="grid"))
        place = {"x": f"{x:g}", "y": f"{top + height + 18:g}", "text_anchor": "middle"}
        parts.append(tag("text", clock(at_s), **place, class_="alt" if n % 4 else None))  # a narrow page has no room
    parts.append(tag("path", d=f"M{LEFT} {top + height:g}H{WIDTH - RIGHT}", class_="axis"))
    return join(parts)


def across(at_s: float, wall_s: float) -> float:
    """Horizontal place of a moment."""
    return round(LEFT + (WIDTH - LEFT - RIGHT) * (at_s / wall_s if wall_s > 0 else 0.0), 1)


def clock(at_s: float) -> str:
    """A moment on an axis: `30 s`, `4 min`, `4:30 min`, `1:30 h`."""
    if at_s < 60:
        return f"{at_s:g} s"
    unit, whole, part = ("min", *divmod(round(at_s), 60)) if at_s < 3600 else ("h", *divmod(round(at_s / 60), 60))
    return f"{whole}:{part:02d} {unit}" if part else f"{whole} {unit}"


def moments(wall_s: float) -> list[float]:
    """Some ten round moments from 0 to the end: seconds, minutes or hours."""
    if wall_s < 10:
        return ticks(wall_s, 10)
    step = next((step for step in TIME_STEPS_S if wall_s / step <= 10), math.ceil(wall_s / 10 / 3600) * 3600)
    return [float(step * n) for n in range(int(wall_s / step) + 1)]


def timeline(ids: Ids, workers: Sequence[str], bars: Sequence[PhaseBar], wall_s: float, titles: Sequence[Html]) -> Html:
    """One row per worker, one colour per phase; `titles` are drawn above and say what is pointed at."""
    height = len(workers) * ROW
    shapes = _cells(bars, wall_s)
    names = [
        tag("text", shortened(worker, 16), x=f"{LEFT - 6}", y=f"{row * ROW + 11:g}", text_anchor="end", class_="row")
        for row, worker in enumerate(workers)
    ]
    description = (
        f"{len(workers)} rows, one per worker, over {duration(wall_s)}. The table of workers below says the same "
        "in numbers."
    )
    return svg(
        ids,
        "Workers over time",
        description,
        height + 30,
        time_axis(wall_s, 0, height),
        *names,
        *(tag("path", d=shape, class_=f"f-{phase}") for phase, shape in shapes.items()),
        *titles,
    )


def title_box(row: int, begin_s: float, end_s: float, wall_s: float, told: str) -> Html:
    """An invisible box over a file's bars that says its name when pointed at."""
    x = across(begin_s, wall_s)
    width = max(across(end_s, wall_s) - x, 1)
    return tag(
        "rect", tag("title", told), x=f"{x:g}", y=row * ROW + 1, width=f"{width:.4g}", height=ROW - 2, class_="hit"
    )


def _cells(bars: Sequence[PhaseBar], wall_s: float) -> dict[str, str]:
    """One path per phase on a grid of columns; a column shows the phase that filled most of it."""
    filled: dict[tuple[int, int], dict[str, float]] = {}
    for bar in bars:
        begin, end = (at_s / wall_s * COLUMNS if wall_s > 0 else 0.0 for at_s in (bar.begin_s, bar.end_s))
        for column in range(int(begin), min(math.ceil(end), COLUMNS)):
            shares = filled.setdefault((bar.row, column), {})
            overlap = min(end, column + 1) - max(begin, column)
            shares[bar.phase] = shares.get(bar.phase, 0.0) + overlap
    columns: dict[tuple[str, int], list[int]] = {}
    for (row, column), shares in sorted(filled.items()):
        if sum(shares.values()) >= 0.5:
            columns.setdefault((max(shares, key=lambda phase: shares[phase]), row), []).append(column)
    paths: dict[str, str] = {}
    for (phase, row), places in columns.items():
        paths[phase] = paths.get(phase, "") + "".join(_cell(row, *run) for run in runs(places))
    return paths


def _cell(row: int, begin: int, length: int) -> str:
    wide = (WIDTH - LEFT - RIGHT) / COLUMNS
    return f"M{LEFT + begin * wide:.1f} {row * ROW + 2}h{length * wide:.1f}v{ROW - 4}h-{length * wide:.1f}z"


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Stretches of consecutive numbers: first and length."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == sum(found[-1]):
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((number, 1))
    return found


@dataclass(frozen=True, slots=True)
class Scale:
    """The two axes of a chart of curves.

    Attributes:
        wall_s: the right end, seconds since the run began.
        highest: the upper end.
        unit: `%`, `B/s` or empty for a count.
        cap: where a dashed line lies; None: nowhere.
    """

    wall_s: float
    highest: float = 100.0
    unit: str = "%"
    cap: float | None = None

    def label(self, value: float) -> str:
        """A value with its unit."""
        return size(value) + "/s" if self.unit == "B/s" else f"{value:.3g}{self.unit}"

    def y(self, value: float) -> float:
        """Vertical place of a value."""
        share = min(value / self.highest, 1.0) if self.highest > 0 else 0.0
        return round(CURVE_TOP + CURVE_HEIGHT * (1 - share), 1)


def curves(ids: Ids, title: str, at_s: Sequence[float], lines: Sequence[ChartLine], scale: Scale) -> Html:
    """Lines over time on one scale from 0, with a dashed line for a cap."""
    marks = []
    for value in ticks(scale.highest, 4):
        marks.append(tag("path", d=f"M{LEFT} {scale.y(value):g}H{WIDTH - RIGHT}", class_="grid"))
        marks.append(tag("text", scale.label(value), x=f"{LEFT - 6}", y=f"{scale.y(value) + 4:g}", text_anchor="end"))
    if scale.cap is not None:
        marks.append(tag("path", d=f"M{LEFT} {scale.y(scale.cap):g}H{WIDTH - RIGHT}", class_="cap"))
    drawn = [tag("path", d=_curve(at_s, line, scale), class_=f"curve s-{line.colour}") for line in lines]
    told = "; ".join(f"{line.name}: {_range(line.values, scale)}" for line in lines)
    axis = time_axis(scale.wall_s, CURVE_TOP, CURVE_HEIGHT)
    return svg(ids, title, told, CURVE_TOP + CURVE_HEIGHT + 30, axis, *marks, *drawn)


def _range(values: Sequence[float | None], scale: Scale) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "not measured"
    return f"mean {scale.label(sum(known) / len(known))}, highest {scale.label(max(known))}"


def _curve(at_s: Sequence[float], line: ChartLine, scale: Scale) -> str:
    """A sample stands for the time since the one before it: the first one for the time since the run began."""
    points = thinned(at_s, line.values)
    if points and points[0][0] > 0:
        points.insert(0, (0.0, points[0][1]))
    return _line([(across(moment, scale.wall_s), scale.y(value)) for moment, value in points])


def _line(points: Sequence[tuple[float, float]]) -> str:
    if not points:
        return ""
    if len(points) == 1:
        x, y = points[0]
        return f"M{x - 2:g} {y:g}h4"
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def thinned(at_s: Sequence[float], values: Sequence[float | None]) -> list[tuple[float, float]]:
    """At most `POINTS` points: of each stretch the highest, so that no peak is lost."""
    known = [(moment, value) for moment, value in zip(at_s, values, strict=True) if value is not None]
    per_point = math.ceil(len(known) / POINTS)
    if per_point <= 1:
        return known
    return [max(known[n : n + per_point], key=lambda point: point[1]) for n in range(0, len(known), per_point)]


def share_bar(ids: Ids, title: str, shares: Mapping[str, float]) -> Html:
    """One bar cut into coloured shares of a whole."""
    total = sum(shares.values())
    parts, x = [], 0.0
    for name, value in shares.items():
        width = WIDTH * value / total if total > 0 else 0.0
        if width >= 1:
            parts.append(tag("rect", x=f"{x:.1f}", y=0, width=f"{width:.1f}", height=22, class_=f"f-{name}"))
        x += width
    told = ", ".join(f"{name} {value / total:.0%}" for name, value in shares.items()) if total > 0 else "nothing"
    return svg(ids, title, told, 22, *parts)


@dataclass(frozen=True, slots=True)
class Cloud:
    """One number of each file, over a number of its load case or in the order of the files.

    Attributes:
        title: what the number is.
        told: the same for a screen reader.
        across: what lies across; empty: the order of the files.
        places: where each file lies.
        values: its number; None where it has none.
        governing: the place in `values` that stands out.
    """

    title: str
    told: str
    across: str
    places: Sequence[float]
    values: Sequence[float | None]
    governing: int

    def points(self) -> list[tuple[float, float]]:
        """Place and number of each file that has one."""
        return [(float(at), n) for at, n in zip(self.places, self.values, strict=True) if n is not None]


def dots(ids: Ids, cloud: Cloud) -> Html:
    """One dot per file; the governing one stands out."""
    points = cloud.points()
    left, right = min(at for at, _ in points), max(at for at, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)
    wide, tall, gutter, edge, top = 420, 154, 62, 8, 20

    def spot(at: float, value: float) -> tuple[str, str]:
        x = gutter + (wide - gutter - edge) * ((at - left) / (right - left) if right > left else 0.5)
        y = top + (tall - 2 * top) * (1 - ((value - low) / (high - low) if high > low else 0.5))
        return f"{x:.0f}", f"{y:.0f}"

    # A file that falls on another one's dot is not drawn again: 5,000 files are some hundred dots.
    drawn = dict.fromkeys(spot(at, value) for at, value in points)
    x, y = spot(float(cloud.places[cloud.governing]), cloud.values[cloud.governing] or 0.0)
    ends = (f"{left:g}", cloud.across, f"{right:g}") if cloud.across else ("first file", "", "last")
    return svg(
        ids,
        cloud.title,
        cloud.told,
        tall,
        tag("path", d=f"M{gutter} {tall - top + 4}H{wide - edge}", class_="axis"),
        tag("path", d="".join(f"M{x} {y}h0" for x, y in drawn), class_="dots s-load"),
        tag("circle", cx=x, cy=y, r=5, class_="most"),
        tag("text", f"{high:.4g}", x=gutter - 10, y=top + 4, text_anchor="end"),
        tag("text", f"{low:.4g}", x=gutter - 10, y=tall - top + 4, text_anchor="end") if high > low else "",
        tag("text", ends[0], x=gutter, y=tall - 2, text_anchor="start"),
        tag("text", ends[1], x=(gutter + wide - edge) / 2, y=tall - 2, text_anchor="middle"),
        tag("text", ends[2], x=wide - edge, y=tall - 2, text_anchor="end"),
        width=wide,
    )


def legend(names: Mapping[str, str]) -> Html:
    """Colours and what they mean."""
    return tag("ul", *(tag("li", tag("i", class_=colour), name) for colour, name in names.items()), class_="legend")
