"""The sections of a report about the batch: what was done silently, verdict, bound, slowest files, failures, warnings.

Each takes the metrics of a batch (`docs/metrics.schema.json`) and gives a section of HTML. Pure. Below them, what all
sections use: names in words, and files of a batch. See also `orcabatch.monitor.report.machine` (workers, resources,
tiers) and `orcabatch.monitor.report.comparison`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any

from orcabatch.monitor.report import charts
from orcabatch.monitor.report.charts import PHASES
from orcabatch.monitor.report.html import Html, Ids, figure, folded, prose, section, table, tag
from orcabatch.outcome import FILE_MARK
from orcabatch.text import and_more, duration, plural, size

Metrics = Mapping[str, Any]

# The report of 5,000 files is still read by a human; the metrics file has the rest.
SLOWEST = 20
MOST_GROUPS = 50
MOST_NAMED = 100
IN_METRICS = "(all of them stand in the metrics file)"

PHASE_NAMES = {
    "wait": "wait (for a slot, memory or a seat)",
    "load": "load",
    "extract": "extract",
    "write": "write",
    "clean_up": "clean up",
}

BOUND_NAMES = {
    "longest_file": "longest file",
    "cpu": "CPU work",
    "disk": "bytes to read",
    "memory": "memory",
}

BOUND_WORDS = {
    "longest_file": "The longest file alone takes this long, whatever the machine.",
    "cpu": "The CPU seconds of all files, spread over every CPU that the batch may use.",
    "disk": "The bytes of all files at the best rate that was seen in this run, which waited for its disk.",
    "memory": "The memory of each file times how long it was held, in the memory that may be used.",
}

REMEDIES = {
    "input": "Look at the file: copy it again, or run its simulation again.",
    "licence": "Free a licence seat, or set `licences.max` to the seats you have; run the batch again for these files.",
    "timeout": "Raise `timeout`, or look at what the post-process does with these files.",
    "memory": "Close other programs, lower `max_threads`, or use a machine with more memory.",
    "crash": "Run these files alone with `executor: processes`, so that a crash costs only its own file.",
    "output": "Close programs that hold the result files open (Excel does), and check the rights of the result folder.",
    "exception": "The message comes from the post-process or from OrcaFlex: check the names in the configuration.",
    "cancelled": "Run the batch again: it does the rest.",
}

VERDICT_WORDS = {
    "IO_BOUND": "Input and output held the batch back.",
    "CPU_BOUND": "The CPUs held the batch back.",
    "MEMORY_BOUND": "Memory held the batch back.",
    "BALANCED": "None of I/O, CPU and memory was at its limit.",
}


def tiles(metrics: Metrics) -> Html:
    """The run in a few numbers."""
    summary = metrics["summary"]
    share = metrics["lower_bound"]["seconds"] / metrics["wall_s"] if metrics["wall_s"] > 0 else 0.0
    efficiency = summary["thread_efficiency"]
    peak = summary["peak_memory_percent"]
    numbers: list[tuple[str, object]] = [
        ("Files", f"{summary['files']:,}"),
        ("Without results", tag("span", f"{summary['failed'] + summary['cancelled']:,}", class_=_colour(summary))),
        ("Time taken", duration(metrics["wall_s"])),
        ("Size of all files", size(summary["bytes"])),
        ("Efficiency", f"{share:.0%}" if metrics["lower_bound"]["binding"] else "not measured"),
        ("Workers busy", f"{efficiency:.0%}" if efficiency is not None else "not measured"),
        ("Highest memory", f"{peak:.0f}%" if peak is not None else "not measured"),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in numbers), class_="tiles")


def _colour(summary: Mapping[str, Any]) -> str:
    return "bad" if summary["failed"] + summary["cancelled"] else "good"


def notices(metrics: Metrics) -> Html | None:
    """What was done with the results without a word, with the remedy; None where there is nothing of the kind."""
    said = metrics.get("notices", ())
    if not said:
        return None
    several = len({notice["batch"] for notice in said}) > 1
    parts: list[object] = [
        tag("p", "The results are identical to digitalmodel's own, and so is what it does with them without a word:")
    ]
    for notice in said:
        of = f"{notice['batch']}: " if several else ""
        parts.append(tag("p", of, prose(f"{notice['text']}."), class_="bad"))
        parts.append(tag("p", tag("strong", "Where it is not meant: "), prose(f"{notice['remedy']}.")))
        if notice["details"]:
            shown = [tag("li", detail) for detail in notice["details"][:MOST_NAMED]]
            more = and_more(len(notice["details"]), MOST_NAMED, IN_METRICS)
            rest = tag("p", more) if more else ""
            parts.append(folded(plural(len(notice["details"]), "place"), tag("ul", *shown), rest))
    return section("notices", "Look at this first", *parts)


def verdict(metrics: Metrics) -> Html:
    """What held the batch back, with evidence and advice."""
    bottleneck = metrics["bottleneck"]
    said = bottleneck["explanation"].splitlines()[0].partition(": ")[2]
    items = [
        tag(
            "li",
            f"{finding['evidence'][:1].upper()}{finding['evidence'][1:]}. ",
            tag("strong", "Advice: "),
            prose(f"{finding['advice']}."),
        )
        for finding in bottleneck["findings"]
    ]
    body = tag(
        "div",
        tag("p", tag("strong", bottleneck["verdict"]), f" {VERDICT_WORDS[bottleneck['verdict']]}"),
        tag("p", said[:1].upper() + said[1:]),
        tag("ul", *items) if items else tag("p", "Nothing stands out that a setting would change."),
        class_="verdict",
    )
    return section("verdict", "What held it back", body)


def lower_bound(metrics: Metrics, ids: Ids) -> Html:
    """The time taken against the least time possible, and which bound that is."""
    bound = metrics["lower_bound"]
    if not bound["binding"]:
        return section("bound", "Time against the lower bound", tag("p", "No file was worked on in this run."))
    name, wall_s = BOUND_NAMES[bound["binding"]], metrics["wall_s"]
    share = bound["seconds"] / wall_s if wall_s > 0 else 0.0
    told = tag(
        "p",
        f"The batch took {duration(wall_s)}. It could not have been done in less than "
        f"{duration(bound['seconds'])} on what it had: that is {share:.0%} of the time taken. "
        f"What binds: {name}. ",
        BOUND_WORDS[bound["binding"]],
        _same_workers(bound["same_workers_s"], wall_s),
    )
    ordered = dict(sorted(bound["bounds"].items(), key=lambda item: -item[1]))
    chart = charts.bound_bars(ids, {BOUND_NAMES[key]: seconds for key, seconds in ordered.items()}, wall_s)
    rows = [(BOUND_NAMES[key], duration(seconds), BOUND_WORDS[key]) for key, seconds in ordered.items()]
    return section(
        "bound",
        "Time against the lower bound",
        told,
        figure(chart),
        table("Lower bounds; the largest binds", ("Bound", "Time", "Meaning"), rows, numbers=(1,)),
    )


def _same_workers(seconds: float | None, wall_s: float) -> str:
    if seconds is None or wall_s <= 0:
        return ""
    return (
        f" The same work on the same number of workers, without a gap between files, takes {duration(seconds)} "
        f"({seconds / wall_s:.0%} of the time taken)."
    )


def slowest(metrics: Metrics) -> Html:
    """The files that took longest."""
    files = sorted(worked(metrics), key=busy_s, reverse=True)[:SLOWEST]
    rows = [
        (
            short(file["file"]),
            file["batch"],
            size(file["size_bytes"]),
            duration(busy_s(file)),
            *(duration(file[f"{phase}_s"]) for phase in PHASES),
            duration(file["cpu_s"]),
        )
        for file in files
    ]
    head = ("File", "Batch", "Size", "Time", "Wait", "Load", "Extract", "Write", "Clean up", "CPU")
    return section(
        "slowest",
        "Slowest files",
        table(f"The {plural(len(files), 'file')} that took longest", head, rows, numbers=range(2, 10)),
    )


def failures(metrics: Metrics) -> Html:
    """Files without results: equal reasons together, each with its remedy."""
    groups = metrics["failures"]
    if not groups:
        return section("failures", "Failures", tag("p", "Every file has its results.", class_="good"))
    parts: list[object] = []
    for group in groups[:MOST_GROUPS]:
        names = [short(file) for file in group["files"]]
        more = and_more(len(names), MOST_NAMED, IN_METRICS)
        parts += [
            tag("h3", f"{plural(group['count'], 'file')}: {group['cause']}"),
            tag("p", group["message"], class_="bad"),
            tag("p", tag("strong", "What to do: "), prose(REMEDIES.get(group["cause"], "Look at the traceback."))),
            folded("Files", tag("p", ", ".join(names[:MOST_NAMED]), f" {more}" if more else "")),
        ]
        if group["traceback"]:
            parts.append(folded("Traceback of the first", tag("pre", group["traceback"][-8000:])))
    more = and_more(len(groups), MOST_GROUPS, "kinds of failure; all stand in the metrics file")
    parts += [tag("p", more)] if more else []
    return section("failures", "Failures", *parts)


def warnings(metrics: Metrics) -> Html:
    """What the engineer should know although files have results; equal ones together."""
    counted: Counter[str] = Counter()
    first: dict[str, str] = {}
    for file in metrics["files"]:
        name = short(file["file"])
        for warning in (*file["warnings"], *(f"tried again: {why}" for why in file.get("retried", ()))):
            general = warning.replace(file["file"], FILE_MARK).replace(name, FILE_MARK)
            counted[general] += 1
            first.setdefault(general, name)
    if not counted and not metrics["warnings"]:
        return section("warnings", "Warnings", tag("p", "None."))
    rows = [(warning, "the batch", "") for warning in metrics["warnings"][:MOST_NAMED]]
    rows += [(text, plural(n, "file"), first[text]) for text, n in counted.most_common(MOST_NAMED)]
    return section("warnings", "Warnings", table("Warnings", ("Warning", "Where", "First file"), rows))


# -- what all sections use


def short(path: str) -> str:
    """The name of a file; paths of Windows and others alike."""
    return PureWindowsPath(path).name or path


def moment(stamp: str) -> str:
    """An ISO time of the metrics as `2026-11-24 09:30:00 UTC`."""
    return f"{stamp[:19].replace('T', ' ')} UTC"


def worked(metrics: Metrics) -> list[dict[str, Any]]:
    """The files that a worker had in this run."""
    return [file for file in metrics["files"] if file["status"] in {"ok", "failed"} and file["wall_s"] > 0]


def busy_s(file: Mapping[str, Any]) -> float:
    """Worker seconds of a file."""
    return float(file["wall_s"] - file["wait_s"] - file.get("behind_s", 0.0))
