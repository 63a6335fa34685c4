"""Results and plans as they show themselves in Jupyter: static HTML tables, and a timeline with matplotlib.

Covers tables without JavaScript (notebooks strip it) that stay small for any batch, everything escaped, and plots
(matplotlib, the extra `orcabatch[plot]`). Does not cover the full account of a run (`orcabatch.monitor.report`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from orcabatch.monitor.report.style import LIGHT
from orcabatch.outcome import FileOutcome, Phase, Status, grouped_failures
from orcabatch.text import and_more, natural, plural, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from orcabatch.notice import Notice

MOST_ROWS = 20
"""A table stays readable in a cell; the rest is counted below it."""

_CELL = 'style="text-align:left"'


def table_html(head: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """A table of at most `MOST_ROWS` rows, with a line that says how many more there are.

    Args:
        head: titles of the columns.
        rows: cells; texts are escaped.
        caption: what the table shows.
    """
    all_rows = list(rows)
    shown = "".join(
        "<tr>" + "".join(f"<td {_CELL}>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in all_rows[:MOST_ROWS]
    )
    more = and_more(len(all_rows), MOST_ROWS)
    foot = f'<tr><td colspan="{len(head)}" {_CELL}>{more}</td></tr>' if more else ""
    titles = "".join(f'<th scope="col" {_CELL}>{escape(title)}</th>' for title in head)
    top = f"<caption {_CELL}>{escape(caption)}</caption>" if caption else ""
    return f"<table>{top}<thead><tr>{titles}</tr></thead><tbody>{shown}{foot}</tbody></table>"


def result_html(outcomes: Sequence[FileOutcome], notices: Sequence[Notice] = ()) -> str:
    """A finished batch: what became of it and what was done silently, failures by reason, files with times."""
    counts = {status: sum(outcome.status is status for outcome in outcomes) for status in Status}
    summary = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count) or "no files"
    parts = [f"<div><strong>{plural(len(outcomes), 'file')}</strong>: {escape(summary)}</div>"]
    if notices:
        said = [(notice.text, notice.remedy) for notice in notices]
        parts.append(table_html(("what", "what to do"), said, caption="Done without a word, as a plain loop does it"))
    parts.append(_failures_html(outcomes))
    body = table_html(
        ("file", "batch", "status", "size", "seconds", *(str(phase) for phase in Phase), "warnings"),
        (_row(outcome) for outcome in outcomes),
        caption="Files, seconds by phase",
    )
    parts.append(f"<details><summary>Files</summary>{body}</details>")
    return "<div>" + "".join(parts) + "</div>"


def failed_html(failed: Sequence[FileOutcome]) -> str:
    """Files without results, equal reasons together, then each by its name."""
    if not failed:
        return "<div>Every file has its results.</div>"
    rows = ((outcome.file.name, outcome.batch, outcome.cause or outcome.status, outcome.error) for outcome in failed)
    return _failures_html(failed) + table_html(("file", "batch", "cause", "what happened"), rows)


def _failures_html(outcomes: Sequence[FileOutcome]) -> str:
    rows = [(group["count"], group["cause"], group["message"]) for group in grouped_failures(outcomes)]
    return table_html(("files", "cause", "what happened"), rows, caption="Files without results") if rows else ""


def _row(outcome: FileOutcome) -> tuple[object, ...]:
    phases = (f"{outcome.phases.get(phase, 0.0):.2f}" for phase in Phase)
    return (
        outcome.file.name,
        outcome.batch,
        outcome.status,
        size(outcome.size_bytes),
        f"{outcome.wall_s:.2f}",
        *phases,
        len(outcome.warnings) or "",
    )


def plot_timeline(metrics: Mapping[str, Any], axes: Axes | None = None) -> Axes:
    """Who worked on what when: one row per worker, one bar per phase. Needs matplotlib (`orcabatch[plot]`).

    Args:
        metrics: the metrics of a batch (`result.metrics`, or a metrics JSON that was read).
        axes: where to draw; None: a new figure.
    """
    files = [file for file in metrics["files"] if file["worker"]]
    workers = {name: row for row, name in enumerate(sorted({file["worker"] for file in files}, key=natural))}
    axes = _axes(axes, height=min(1.6 + 0.25 * len(workers), 12.0))
    drawn: dict[Phase, tuple[list[int], list[float], list[float]]] = {}
    for file in files:
        at_s = file["started_s"]
        for phase in list(Phase)[1:]:
            seconds = file[f"{phase}_s"]
            rows, lefts, widths = drawn.setdefault(phase, ([], [], []))
            rows.append(workers[file["worker"]])
            lefts.append(at_s)
            widths.append(seconds)
            at_s += seconds
    for phase, (rows, lefts, widths) in drawn.items():
        axes.barh(rows, widths, left=lefts, height=0.8, color=LIGHT[phase], label=phase.replace("_", " "))
    axes.set_yticks(range(len(workers)), list(workers))
    axes.set_ylim(max(len(workers), 1) - 0.5, -0.5)
    axes.set_xlim(left=0.0)
    axes.set_xlabel("seconds since the run began")
    axes.set_title("Workers over time", loc="left")
    if drawn:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(drawn), frameon=False)
    return axes


def plot_resources(metrics: Mapping[str, Any], axes: Axes | None = None) -> Axes:
    """Memory, CPU and the interpreter lock over time, percent. Needs matplotlib (`orcabatch[plot]`)."""
    axes = _axes(axes)
    samples = metrics["samples"]
    axes.plot(samples["at_s"], samples["memory_percent"], label="memory")
    axes.plot(samples["at_s"], samples["cpu_percent"], label="CPU of the batch")
    axes.plot(samples["at_s"], [100 * share for share in samples["lock_taken"]], label="interpreter lock taken")
    axes.set_xlim(left=0.0)
    axes.set_ylim(0, 105)
    axes.set_xlabel("seconds since the run began")
    axes.set_ylabel("percent")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False)
    return axes


def _axes(axes: Axes | None, height: float = 4.0) -> Axes:
    if axes is not None:
        return axes
    from matplotlib import pyplot

    made: Axes = pyplot.subplots(figsize=(10, height), layout="constrained")[1]
    return made
