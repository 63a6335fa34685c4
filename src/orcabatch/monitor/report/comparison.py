"""A run beside an earlier one: what became faster, what slower, which settings differ. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orcabatch.monitor.jsonable import flattened, jsonable
from orcabatch.monitor.report.charts import PHASES
from orcabatch.monitor.report.html import Html, named, section, table, tag
from orcabatch.monitor.report.sections import PHASE_NAMES, Metrics, busy_s, moment, worked
from orcabatch.outcome import name_in
from orcabatch.text import duration, plural, size

MOST_ROWS = 15

Show = Callable[[float], str]


def comparison(metrics: Metrics, earlier: Metrics) -> Html:
    """The section that compares two runs."""
    return section(
        "comparison",
        "Compared with an earlier run",
        tag("p", f"The earlier run began {moment(earlier['started_at'])}. A ratio below 1 means less than then."),
        _bottlenecks(metrics, earlier),
        table(
            "Figures of both runs", ("Figure", "Earlier", "Now", "Ratio"), _figures(metrics, earlier), numbers=(1, 2, 3)
        ),
        _files(metrics, earlier),
        _settings(metrics, earlier),
    )


def _bottlenecks(metrics: Metrics, earlier: Metrics) -> Html:
    now, then = metrics["bottleneck"]["verdict"], earlier["bottleneck"]["verdict"]
    return tag("p", f"The verdict is {now}, as before." if now == then else f"The verdict was {then}, now it is {now}.")


def _figures(metrics: Metrics, earlier: Metrics) -> list[tuple[str, str, str, str]]:
    def count(value: float) -> str:
        return f"{value:,.0f}"

    def percent(value: float) -> str:
        return f"{value:.0f}%"

    def share(value: float) -> str:
        return f"{value:.0%}"

    wanted: list[tuple[str, str, Show]] = [
        ("files", "Files", count),
        ("ok", "Files with new results", count),
        ("failed", "Failed files", count),
        ("worked_bytes", "Bytes worked on", size),
        ("busy_s", "Worker time", duration),
        ("cpu_s", "CPU time", duration),
        ("thread_efficiency", "Workers busy", share),
        ("peak_memory_percent", "Highest memory in use", percent),
    ]
    rows = [_row("Time taken", earlier["wall_s"], metrics["wall_s"], duration)]
    rows += [_row(name, earlier["summary"][key], metrics["summary"][key], show) for key, name, show in wanted]
    then, now = earlier["summary"]["phases"], metrics["summary"]["phases"]
    return rows + [
        _row(f"Worker time: {PHASE_NAMES[phase]}", then[phase], now[phase], duration) for phase in PHASES[1:]
    ]


def _row(name: str, then: float | None, now: float | None, show: Show) -> tuple[str, str, str, str]:
    shown = ["not measured" if value is None else show(value) for value in (then, now)]
    ratio = f"{now / then:.2f}" if then and now is not None else ""
    return name, shown[0], shown[1], ratio


def _files(metrics: Metrics, earlier: Metrics) -> Html:
    """Files that both runs worked on, those that changed most first."""
    then = {(name_in(file["file"]), file["batch"]): busy_s(file) for file in worked(earlier)}
    changed = []
    for file in worked(metrics):
        before_s = then.get((name_in(file["file"]), file["batch"]), 0.0)
        if before_s > 0:
            changed.append((busy_s(file) - before_s, before_s, file))
    if not changed:
        return tag("p", "No file was worked on in both runs.")
    slower = sum(gain > 0 for gain, _, _ in changed)
    rows = [
        (named(name_in(file["file"])), duration(before_s), duration(busy_s(file)), f"{busy_s(file) / before_s:.2f}")
        for _, before_s, file in sorted(changed, key=lambda each: -abs(each[0]))[:MOST_ROWS]
    ]
    told = f"{plural(len(changed), 'file')} in both runs: {slower:,} slower, {len(changed) - slower:,} not."
    return Html(
        tag("p", told)
        + table("Files whose time changed most", ("File", "Earlier", "Now", "Ratio"), rows, numbers=(1, 2, 3))
    )


def _settings(metrics: Metrics, earlier: Metrics) -> Html:
    then, now = (_flat(each["settings"]) | _flat(each["versions"]) for each in (earlier, metrics))
    rows = [(key, then.get(key, ""), now.get(key, "")) for key in sorted(then | now) if then.get(key) != now.get(key)]
    if not rows:
        return tag("p", "Settings and versions are the same.")
    return table("Settings and versions that differ", ("Name", "Earlier", "Now"), rows)


def _flat(values: Any) -> dict[str, str]:
    """Dotted names and values as text."""
    return {name: str(jsonable(value)) for name, value in flattened(values)} if isinstance(values, Mapping) else {}
