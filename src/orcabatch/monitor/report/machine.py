"""The sections of a report about the machine: workers over time, memory, CPU and disk over time, size tiers.

Each takes the metrics of a batch and gives a section of HTML. Pure. See also `orcabatch.monitor.report.sections`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from orcabatch.monitor.report import charts
from orcabatch.monitor.report.charts import PHASES, ChartLine, PhaseBar, Scale
from orcabatch.monitor.report.html import Html, Ids, figure, folded, join, section, table, tag
from orcabatch.monitor.report.sections import MOST_NAMED, PHASE_NAMES, Metrics, worked
from orcabatch.outcome import name_in
from orcabatch.text import and_more, duration, natural, plural, size


def workers(metrics: Metrics, ids: Ids) -> Html:
    """Who worked on what when, as a picture and as a table."""
    files = [file for file in worked(metrics) if file["worker"]]
    if not files:
        return section("workers", "Workers over time", tag("p", "No worker had a file in this run."))
    by_worker: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in files:
        by_worker[file["worker"]].append(file)
    names = sorted(by_worker, key=natural)
    shown = names[: charts.MOST_WORKERS]
    wall_s = max(metrics["wall_s"], *(file["finished_s"] for file in files))
    bars = [bar for row, name in enumerate(shown) for file in by_worker[name] for bar in _bars(row, file)]
    boxes = [
        charts.title_box(row, file["started_s"], file["finished_s"], wall_s, _told(file))
        for row, name in enumerate(shown)
        for file in by_worker[name]
        if len(files) <= charts.MOST_TITLES
    ]
    hidden = f" The first {len(shown)} of {len(names)} workers." if len(names) > len(shown) else ""
    return section(
        "workers",
        "Workers over time",
        charts.legend({phase: PHASE_NAMES[phase] for phase in PHASES[1:]}),
        figure(
            charts.timeline(ids, shown, bars, wall_s, boxes),
            f"One row per worker; an empty stretch is a worker without a file.{hidden}",
        ),
        folded("Workers as a table", _worker_table(metrics)),
    )


def _bars(row: int, file: Mapping[str, Any]) -> list[PhaseBar]:
    """While the worker had the file: what was written behind is not there, the worker had the next one."""
    bars, at_s = [], file["started_s"]
    for phase in PHASES[1:]:
        held_s = file[f"{phase}_s"] - (file.get("behind_s", 0.0) if phase == "write" else 0.0)
        bars.append(PhaseBar(row, phase, at_s, at_s + held_s))
        at_s += held_s
    return bars


def _told(file: Mapping[str, Any]) -> str:
    phases = ", ".join(f"{phase.replace('_', ' ')} {duration(file[f'{phase}_s'])}" for phase in PHASES[1:])
    return f"{name_in(file['file'])} ({size(file['size_bytes'])}, {file['status']}): {phases}"


def _worker_table(metrics: Metrics) -> Html:
    rows = [
        (
            each["worker"],
            f"{each['files']:,}",
            f"{each['busy']:.0%}",
            *(duration(each["phases"][phase]) for phase in PHASES[1:]),
        )
        for each in metrics["workers"].get("each", ())
    ]
    head = ("Worker", "Files", "Busy", "Load", "Extract", "Write", "Clean up")
    return table(
        "Workers; what was written while they had the next file already is not in their time",
        head,
        rows,
        numbers=range(1, 7),
    )


def resources(metrics: Metrics, ids: Ids) -> Html:
    """Memory, CPU, I/O and the limit over time."""
    samples = metrics["samples"]
    at_s = samples["at_s"]
    wall_s = max([metrics["wall_s"], *at_s])
    if not at_s:
        return section("resources", "Machine over time", tag("p", "Sampling was switched off (`monitoring.enabled`)."))
    cap = _memory_cap(metrics)
    percent = [
        ChartLine("memory in use", "extract", samples["memory_percent"]),
        ChartLine("CPU of the batch", "load", samples["cpu_percent"]),
        ChartLine("Python's lock taken", "write", [100 * share for share in samples["lock_taken"]]),
    ]
    disk = [
        ChartLine("read", "load", samples["read_bytes_per_s"]),
        ChartLine("written", "write", samples["write_bytes_per_s"]),
    ]
    moments_s, count = _files_at_once(metrics, wall_s)
    capped = f"The dashed line is the cap of {cap:g}%." if cap else ""
    return section(
        "resources",
        "Machine over time",
        _figure("Memory and CPU", charts.curves(ids, "Memory and CPU", at_s, percent, Scale(wall_s, cap=cap)), percent),
        tag("p", capped, class_="muted"),
        _figure("Disk", charts.curves(ids, "Disk", at_s, disk, Scale(wall_s, _highest(disk), "B/s")), disk),
        _figure(
            "Files at once",
            charts.curves(ids, "Files at once", moments_s, count, Scale(wall_s, _highest(count), "")),
            count,
        ),
        _limits(metrics["limits"]),
    )


def _files_at_once(metrics: Metrics, wall_s: float) -> tuple[list[float], list[ChartLine]]:
    """How many workers had a file, and how many might have one, at moments from the beginning to the end."""
    moments_s = [wall_s * step / charts.POINTS for step in range(charts.POINTS)]
    had = _had(metrics)
    begun, ended = sorted(start for start, _ in had), sorted(end for _, end in had)
    busy = [float(bisect_right(begun, at_s) - bisect_right(ended, at_s)) for at_s in moments_s]
    changed = [change["at_s"] for change in metrics["limits"]]
    counts = [None, *(float(change["limit"]) for change in metrics["limits"])]
    allowed = [counts[bisect_right(changed, at_s)] for at_s in moments_s]
    return moments_s, [ChartLine("workers with a file", "extract", busy), ChartLine("allowed", "line", allowed)]


def _had(metrics: Metrics) -> list[tuple[float, float]]:
    """From when to when a worker had a file: one at a time, whatever is still written behind it.

    A file of several batches has an entry for each, with one beginning; outputs that are written behind may wait for
    their turn, so the file's end, less the writing, may lie beyond the beginning of the worker's next one.
    """
    of: dict[Any, dict[float, float]] = defaultdict(dict)
    for file in worked(metrics):
        own, start = of[file["worker"] or file["index"]], file["started_s"]
        own[start] = max(own.get(start, start), file["finished_s"] - file.get("behind_s", 0.0))
    return [
        (start, min(own[start], following))
        for own in of.values()
        for start, following in pairwise([*sorted(own), float("inf")])
    ]


def _figure(title: str, chart: Html, lines: Sequence[ChartLine]) -> Html:
    known = charts.legend({line.colour: line.name for line in lines})
    return join([tag("h3", title), known, figure(chart)])


def _highest(lines: Sequence[ChartLine]) -> float:
    return max((value for line in lines for value in line.values if value is not None), default=0.0) * 1.05


def _memory_cap(metrics: Metrics) -> float | None:
    """`memory.max_usage_percent` of the run's settings, where they hold it."""
    settings = metrics["settings"]
    memory = settings.get("memory") if isinstance(settings, Mapping) else None
    cap = memory.get("max_usage_percent") if isinstance(memory, Mapping) else None
    return float(cap) if isinstance(cap, (int, float)) else None


def _limits(limits: Sequence[Mapping[str, Any]]) -> Html:
    if not limits:
        return Html("")
    rows = [(duration(change["at_s"]), change["limit"], change["reason"]) for change in limits[:MOST_NAMED]]
    more = and_more(len(limits), MOST_NAMED)
    return folded(
        f"The limit changed {plural(len(limits), 'time')}",
        table("How many files might run at once, and why", ("After", "Limit", "Reason"), rows, numbers=(1,)),
        tag("p", more) if more else "",
    )


def tiers(metrics: Metrics, ids: Ids) -> Html:
    """Size tiers: how many files, how long, where the time went."""
    rows, bars = [], []
    for each in metrics.get("tiers", ()):
        rows.append(
            (
                each["tier"],
                f"{each['files']:,}",
                size(each["bytes"]),
                duration(each["mean_s"]),
                duration(each["longest_s"]),
                *(f"{each['shares'][phase]:.0%}" for phase in PHASES[1:]),
                size(each["peak_memory_bytes"]),
            )
        )
        shares = {phase: each["shares"][phase] for phase in PHASES[1:]}
        bars += [
            tag("h3", f"{each['tier']}: where the time of its files went"),
            charts.share_bar(ids, f"Tier {each['tier']}", shares),
        ]
    head = ("Tier", "Files", "Size", "Mean time", "Longest", "Load", "Extract", "Write", "Clean up", "Most memory")
    return section(
        "tiers",
        "Small, medium and large files",
        table("Files by size, times of one file", head, rows, numbers=range(1, 10)),
        charts.legend({phase: PHASE_NAMES[phase] for phase in PHASES[1:]}) if bars else "",
        *bars,
    )
