"""One self-contained HTML file from a metrics JSON: readable offline, without JavaScript, printed, in the dark.

    metrics (and an earlier run's) ──> sections ──> page ──> text

The batch comes first (what has results, what they say, every file), the run and its machine second. Covers reading
metrics, putting the sections in order and writing the file; the sections are in `sections`, `results`, `files`,
`machine` and `comparison`. Does not cover what is measured (`orcabatch.monitor.metrics`) nor how a verdict is reached
(`orcabatch.monitor.bottlenecks`). Built from Python functions that escape every text they are given, instead of a
template language: that needs no further dependency, and there is no place where escaping can be forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orcabatch.errors import SourceError
from orcabatch.monitor.jsonable import flattened
from orcabatch.monitor.metrics import SCHEMA_VERSION
from orcabatch.monitor.report import comparison, files, machine, results, sections
from orcabatch.monitor.report.html import Html, Ids, folded, join, named, section, table, tag
from orcabatch.monitor.report.links import Links
from orcabatch.monitor.report.script import DIGEST, SCRIPT
from orcabatch.monitor.report.sections import moment
from orcabatch.monitor.report.style import style
from orcabatch.network import amiss
from orcabatch.settings import METRICS_FILE
from orcabatch.store.atomic import write_bytes
from orcabatch.text import and_more, shortened, shortened_list, utf8, words_of
from orcabatch.win32 import as_opened, is_folder

__all__ = ["page_bytes", "read_metrics", "render_report", "write_report"]

POLICY = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{DIGEST}'"
"""The browser itself refuses any other script and anything from a network, whatever a file name may hold."""

STATES = {
    "finished": "The run finished.",
    "interrupted": "The run was interrupted. The same command again does the rest; where results are not kept, such as "
    "those of a function without a `version`, it does everything again.",
    "failed": "The run broke off.",
    "running": "Written while the run was going on.",
}

MOST_SETTINGS = 400


def read_metrics(path: Path) -> dict[str, Any]:
    """The metrics in a file, or in the file of the usual name in a folder.

    Raises:
        SourceError: it cannot be read, or is not a metrics file of a version that is known.
    """
    path = path / METRICS_FILE if is_folder(path) else path
    try:
        metrics = json.loads(as_opened(path).read_text(encoding="utf-8"))
    except OSError as error:
        said = f"{path} cannot be read: {error.strerror or error}. Give a batch's metrics file."
        raise SourceError(amiss(path, said, error)) from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is not JSON ({error}). Give a batch's metrics file.") from error
    return _checked(metrics, str(path))


def _checked(metrics: Any, name: str) -> dict[str, Any]:
    version = metrics.get("schema_version") if isinstance(metrics, dict) else None
    if version != SCHEMA_VERSION:
        raise SourceError(
            f"{name} is not a metrics file of orcabatch: its schema_version is {version!r}, this version reads "
            f"{SCHEMA_VERSION}. Metrics files are named performance_metrics.json unless `monitoring.metrics_file` says "
            "otherwise."
        )
    return dict(metrics)


def render_report(
    metrics: Mapping[str, Any], *, earlier: Mapping[str, Any] | None = None, page: Path | None = None
) -> str:
    """The report as one self-contained HTML page.

    Args:
        metrics: the metrics of a batch.
        earlier: those of an earlier run to compare with; None: no comparison.
        page: the folder that the page will stand in, so that its links to outputs lead from there; None: not known.

    Raises:
        SourceError: one of them is not of a version that is known, or not what was written.
    """
    metrics = _checked(metrics, "the metrics")
    earlier = None if earlier is None else _checked(earlier, "the earlier run")
    try:
        return _rendered(files.with_noticed(metrics), earlier, Links.of(metrics, page))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        # A file that somebody may have changed: of 200 values each may be anything, in every section.
        said = f"{words_of(error)}"
        raise SourceError(f"The metrics are not as orcabatch wrote them ({said}). Give the file as it was.") from error


def _rendered(metrics: Mapping[str, Any], earlier: Mapping[str, Any] | None, links: Links) -> str:
    ids = Ids()
    first = [
        ("failures", "Without results", sections.failures(metrics)),
        ("results", "Results", results.results(metrics, ids)),
        ("warnings", "Warnings", sections.warnings(metrics)),
        ("outputs", "Outputs", results.outputs(metrics, links)),
        ("files", "All files", files.files(metrics, links, results.governing_rows(metrics))),
    ]
    if (said_first := sections.notices(metrics)) is not None:
        first.insert(0, ("notices", "Look at this first", said_first))
    second = [
        ("verdict", "What took the time", sections.bottleneck(metrics)),
        ("bound", "Least time possible", sections.lower_bound(metrics)),
        ("workers", "Workers", machine.workers(metrics, ids)),
        ("resources", "Machine", machine.resources(metrics, ids)),
        ("tiers", "Sizes", machine.tiers(metrics, ids)),
        ("slowest", "Slowest files", sections.slowest(metrics)),
        ("provenance", "Settings", _provenance(metrics)),
    ]
    if earlier is not None:
        second.insert(2, ("comparison", "Earlier run", comparison.comparison(metrics, earlier)))
    parts = first + second
    contents = tag("ul", *(tag("li", tag("a", title, href=f"#{name}")) for name, title, _ in parts))
    return _page(
        metrics,
        tag("header", *_head(metrics), sections.tiles(metrics)),
        tag("nav", contents, aria_label="Sections"),
        tag("main", *(content for _, _, content in parts), id="main"),
        tag("footer", tag("p", f"Made by orcabatch {metrics['versions'].get('orcabatch', '')}.")),
        Html(f"<script>{SCRIPT}</script>"),
    )


def write_report(path: Path, metrics: Mapping[str, Any], *, earlier: Mapping[str, Any] | None = None) -> None:
    """Write the report to a file, whole or not at all.

    Raises:
        SourceError: the metrics are not of a version that is known.
        OutputError: the file cannot be written.
    """
    write_bytes(path, page_bytes(path, metrics, earlier=earlier))


def page_bytes(path: Path, metrics: Mapping[str, Any], *, earlier: Mapping[str, Any] | None = None) -> bytes:
    """The report as it is to stand at that path.

    Raises:
        SourceError: as above.
    """
    return utf8(render_report(metrics, earlier=earlier, page=path.absolute().parent))


def _page(metrics: Mapping[str, Any], *body: Html) -> str:
    progress = metrics.get("progress")
    again = f"{max(progress['again_s'], 1):.0f}" if progress else None
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("noscript", tag("meta", http_equiv="refresh", content=again)) if progress else "",
        tag("title", f"{_title(metrics)} - orcabatch report"),
        Html(f"<style>{style()}</style>"),
    )
    skip = tag("a", "Skip to the content", href="#main", class_="skip")
    return "<!DOCTYPE html>\n" + tag("html", head, tag("body", skip, *body), lang="en", data_again=again) + "\n"


def _title(metrics: Mapping[str, Any]) -> str:
    """With the names of all batches of the call."""
    names = [metrics["batch"]] if metrics["batch"] else list(dict.fromkeys(each["batch"] for each in metrics["files"]))
    return f"Batch{'es' if len(names) > 1 else ''} {' and '.join(filter(None, names))}".rstrip()


def _head(metrics: Mapping[str, Any]) -> list[Html]:
    simulated = " OrcaFlex was simulated." if metrics["orcaflex"] == "simulated" else ""
    began = f"Batch report. Began {moment(metrics['started_at'])}. {STATES[metrics['state']]}{simulated}"
    progress = metrics.get("progress")
    return [
        tag("h1", named(_title(metrics))),
        *sections.truth(metrics),
        tag("p", began, class_="muted"),
        *([sections.going_on(progress)] if progress else []),
    ]


def _provenance(metrics: Mapping[str, Any]) -> Html:
    """Settings, plan, host and versions: enough to run it again."""
    parts = [
        _mapping(title, metrics[key])
        for key, title in (("settings", "Settings"), ("plan", "Plan"), ("host", "Host"), ("versions", "Versions"))
        if isinstance(metrics[key], Mapping)
    ]
    lost = metrics["non_finite"]
    told = tag("p", f"Numbers that were not finite: {shortened_list(lost, most=20)}", class_="bad") if lost else ""
    return section("provenance", "Settings and provenance", told, join(parts))


def _mapping(title: str, values: Mapping[str, Any]) -> Html:
    rows = [(name, _value(value)) for name, value in flattened(values)]
    more = and_more(len(rows), MOST_SETTINGS)
    return folded(title, table(title, ("Name", "Value"), rows[:MOST_SETTINGS]), tag("p", more) if more else "")


def _value(value: Any) -> str:
    if isinstance(value, list) and len(value) > 20:
        return f"{len(value):,} entries"
    return shortened(json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value), 300)
