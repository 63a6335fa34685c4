"""The sections of a report that are sentences: how it stands, what to look at first, failures, warnings; the verdict.

Each takes the metrics of a batch (`docs/metrics.schema.json`) and gives a section of HTML. Pure. Below them, what all
sections use: names in words, and files of a batch. See also `results` and `files` (what came out), `machine` (workers,
resources, tiers) and `comparison`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from orcabatch.monitor.report.charts import PHASES
from orcabatch.monitor.report.files import CAUSES
from orcabatch.monitor.report.html import Html, bar, folded, join, named, prose, section, table, tag
from orcabatch.outcome import name_in, with_names, without_file_name
from orcabatch.text import and_more, duration, plural, shortened_list, size

Metrics = Mapping[str, Any]

# The report of 5,000 files is still read by a human; the metrics file has the rest.
SLOWEST = 20
MOST_GROUPS = 50
MOST_NAMED = 100
MOST_RUNNING = 40
IN_METRICS = "(all of them stand in the metrics file)"
IN_TABLE = "(all of them stand in the table of all files)"

PHASE_NAMES = {
    "wait": "wait (for its turn, memory or a licence seat)",
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
    "memory": "The memory of each file times how long it was in use, in the memory that may be used.",
}

REMEDIES = {
    "input": "Look at the file: copy it again, or run its simulation again.",
    "licence": "Free a licence seat, or set `licences.max` to the seats you have; run the batch again for these files.",
    "timeout": "Raise `timeout`, or look at what the post-process does with these files.",
    "memory": "Close other programs, lower `max_threads`, or use a machine with more memory.",
    "crash": "Run these files alone with `executor: processes`, so that a crash costs only its own file.",
    "output": "Close programs that have the result files open (Excel does), and check the rights of the result folder.",
    "exception": "The message comes from the post-process or from OrcaFlex: check the names in the configuration.",
    "cancelled": "Run the batch again.",
}

OWN_REMEDY = re.compile(r"\((?!OrcaFlex status)[^()]*(\([^()]*\)[^()]*)*\)$")
"""A message that says what to do ends with that in brackets (`orcabatch.outcome.Failure`)."""

BOTTLENECK_WORDS = {
    "IO_BOUND": "Reading and writing files took the time.",
    "CPU_BOUND": "Computing took the time: the CPUs were busy.",
    "MEMORY_BOUND": "Memory was short: files waited for it.",
    "DLL_BOUND": "OrcaFlex's DLL let in one call at a time: files waited for each other in it.",
    "BALANCED": "Nothing was at its limit: neither the disk, nor the CPUs, nor memory.",
}


def truth(metrics: Metrics) -> list[Html]:
    """How many files have results, and what is suspicious: what is read first, and often all that is read."""
    summary = metrics["summary"]
    without, known = summary["failed"] + summary["cancelled"], summary["skipped"]
    there = summary["ok"] + known
    if metrics.get("progress"):
        said = _standing(metrics["progress"])
    elif without:
        have = "has" if without == 1 else "have"
        said = f"{there:,} of {plural(summary['files'], 'file')} have results, {without:,} {have} not."
    else:
        said = f"All {plural(there, 'file')} have results." if there > 1 else f"{plural(there, 'file')}, with results."
    if known:
        said += f" {known:,} of them {'is' if known == 1 else 'are'} unchanged since an earlier run."
    return [tag("p", tag("strong", said, class_="bad" if without else None), class_="truth"), _suspicious(metrics)]


def _standing(progress: Mapping[str, Any]) -> str:
    said = f"Running: {progress['done']:,} of {plural(progress['total'], 'file')} have ended"
    if progress["total_bytes"]:
        said += f", {progress['share']:.0%} of the bytes"
    said += f"; {progress['failed']:,} failed." if progress["failed"] else "."
    if progress["remaining_s"] is not None:
        said += f" About {duration(progress['remaining_s'])} left."
    return said


def _suspicious(metrics: Metrics) -> Html:
    """What may make a number suspicious, each with a link to where it stands."""
    warned = sum(bool(file["warnings"]) for file in metrics["files"])
    silent, notes = len(metrics.get("notices", ())), len(metrics["warnings"])
    found = [
        (silent, f"{plural(silent, 'thing')} done silently", "notices"),
        (warned, f"{plural(warned, 'file')} with warnings", "warnings"),
        (notes, f"{plural(notes, 'note')} about the run", "warnings"),
    ]
    links = [tag("a", words, href=f"#{where}") for count, words, where in found if count]
    if not links:
        return tag("p", "Nothing was found that makes a number suspicious.", class_="muted")
    parts = [part for link in links for part in (", ", link)][1:]
    return tag("p", "To be looked at before the numbers are used: ", *parts, ".")


def going_on(progress: Mapping[str, Any]) -> Html:
    """When the page of a run that goes on was written, and what is being worked on."""
    again = duration(progress["again_s"])
    working = [name for file in progress["files"][:MOST_RUNNING] for name in (", ", named(file))][1:]
    more = and_more(len(progress["files"]), MOST_RUNNING)
    return join(
        [
            tag(
                "p",
                f"Written {moment(progress['written_at'])}; written anew about every {again}, and this page follows "
                "by itself. Where that time is long past, the run was ended from outside.",
                class_="muted",
            ),
            tag("p", "In work now: ", *working, f" {more}." if more else ".") if working else "",
        ]
    )


def tiles(metrics: Metrics) -> Html:
    """The batch in a few numbers."""
    summary = metrics["summary"]
    without = summary["failed"] + summary["cancelled"]
    numbers: list[tuple[str, object]] = [
        ("Files", f"{summary['files']:,}"),
        ("Without results", tag("span", f"{without:,}", class_="bad" if without else "good")),
        ("Time taken, first file to last", duration(metrics["wall_s"])),
        ("Size of all files", size(summary["bytes"])),
    ]
    return _tiles(numbers)


def _tiles(numbers: Sequence[tuple[str, object]]) -> Html:
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in numbers), class_="tiles")


def _machine_tiles(metrics: Metrics) -> Html:
    summary, least = metrics["summary"], metrics["lower_bound"]
    share = least.get("share", {}).get("largest")
    busy, peak = summary["thread_efficiency"], summary["peak_memory_percent"]
    return _tiles(
        [
            ("Least time possible", duration(least["seconds"]) if least["binding"] else "not measured"),
            ("Of the time taken", f"{share:.0%}" if least["binding"] and share is not None else "not measured"),
            ("Workers busy", f"{busy:.0%}" if busy is not None else "not measured"),
            ("Highest memory", f"{peak:.0f}%" if peak is not None else "not measured"),
        ]
    )


def notices(metrics: Metrics) -> Html | None:
    """What was done with the results without a word, with the remedy; None where there is nothing of the kind."""
    said = metrics.get("notices", ())
    if not said:
        return None
    several = len({notice["batch"] for notice in said}) > 1
    parts: list[object] = [
        tag(
            "p",
            "The results are identical to a plain loop's. What it does with them silently, and so is done here:",
        )
    ]
    for notice in said:
        of = f"{notice['batch']}: " if several else ""
        parts.append(tag("p", of, named(prose(f"{notice['text']}.")), class_="bad"))
        if notice["files"]:
            names = [name_in(file) for file in notice["files"]]
            parts.append(tag("p", "Files: ", named(shortened_list(names, most=10))))
        parts.append(tag("p", tag("strong", "If that is not intended: "), prose(f"{notice['remedy']}.")))
        if notice["details"]:
            shown = [tag("li", named(detail)) for detail in notice["details"][:MOST_NAMED]]
            more = and_more(len(notice["details"]), MOST_NAMED, IN_METRICS)
            rest = tag("p", more) if more else ""
            parts.append(folded(plural(len(notice["details"]), "detail"), tag("ul", *shown), rest))
    return section("notices", "Look at this first", *parts)


def bottleneck(metrics: Metrics) -> Html:
    """What took the time, with evidence and advice."""
    found = metrics["bottleneck"]
    said = found["explanation"].splitlines()[0].partition(": ")[2]
    items = [
        tag(
            "li",
            f"{finding['evidence'][:1].upper()}{finding['evidence'][1:]}. ",
            tag("strong", "Advice: "),
            prose(f"{finding['advice']}."),
        )
        for finding in found["findings"]
    ]
    why = f" {found['verdict']}: {said.rstrip('.')}."
    body = tag(
        "div",
        tag("p", tag("strong", BOTTLENECK_WORDS[found["verdict"]]), why),
        tag("ul", *items) if items else tag("p", "Nothing stands out that a setting would change."),
        class_="verdict",
    )
    return section("verdict", "The run: what took the time", body, _machine_tiles(metrics), half=True)


def lower_bound(metrics: Metrics) -> Html:
    """The time taken against the least time possible, and which bound that is."""
    bound = metrics["lower_bound"]
    if not bound["binding"]:
        return section("bound", "The least time possible", tag("p", "No file was worked on in this run."))
    wall_s, shares = metrics["wall_s"], bound.get("share", {})
    largest = shares.get("largest") or 0.0
    told = tag(
        "p",
        f"The batch took {duration(wall_s)}. It could not have been done in less than "
        f"{duration(bound['seconds'])} on what it had: that is {largest:.0%} of the time taken. "
        f"What decides: {BOUND_NAMES[bound['binding']]}. ",
        BOUND_WORDS[bound["binding"]],
        _same_workers(bound["same_workers_s"], shares.get("same_workers")),
    )
    ordered = sorted(bound["bounds"].items(), key=lambda item: -item[1])
    rows = [
        (BOUND_NAMES[key], duration(seconds), bar(shares.get(key) or 0.0), BOUND_WORDS[key]) for key, seconds in ordered
    ]
    head = ("Limited by", "Time", "Beside the time taken", "Meaning")
    return section(
        "bound",
        "The least time possible",
        told,
        table("What the batch could not be faster than; the largest decides", head, rows, numbers=(1,)),
    )


def _same_workers(seconds: float | None, share: float | None) -> str:
    if seconds is None or share is None:
        return ""
    return (
        f" The same work on the same number of workers, without a gap between files, takes {duration(seconds)} "
        f"({share:.0%} of the time taken)."
    )


def slowest(metrics: Metrics) -> Html:
    """The files that took longest."""
    files, several = sorted(worked(metrics), key=busy_s, reverse=True)[:SLOWEST], not metrics["batch"]
    rows = [
        (
            named(name_in(file["file"])),
            *([named(file["batch"])] if several else []),
            size(file["size_bytes"]),
            duration(busy_s(file)),
            *(duration(file[f"{phase}_s"]) for phase in PHASES),
            duration(file["cpu_s"]),
        )
        for file in files
    ]
    numbers = ("Size", "Time", "Wait", "Load", "Extract", "Write", "Clean up", "CPU")
    head = ("File", *(["Batch"] if several else []), *numbers)
    return section(
        "slowest",
        "Slowest files",
        table(
            f"The {plural(len(files), 'file')} that took longest",
            head,
            rows,
            numbers=range(len(head) - len(numbers), len(head)),
        ),
    )


def failures(metrics: Metrics) -> Html:
    """Files without results: equal reasons together, each with its remedy."""
    groups = metrics["failures"]
    if not groups:
        return section("failures", "Files without results", tag("p", "Every file has its results.", class_="good"))
    parts: list[object] = []
    for group in groups[:MOST_GROUPS]:
        names = [named(name_in(file)) for file in group["files"]]
        more, (message, remedy) = and_more(len(names), MOST_NAMED, IN_TABLE), _with_remedy(group)
        listed = [part for name in names[:MOST_NAMED] for part in (", ", name)][1:]
        parts += [
            tag("h3", f"{plural(group['count'], 'file')}: {CAUSES.get(group['cause'], group['cause'])}"),
            tag("p", named(message), class_="bad"),
            tag("p", tag("strong", "What to do: "), prose(remedy)),
            tag("p", tag("strong", "Files: "), *listed, f" {more}" if more else ""),
        ]
        if group["traceback"]:
            parts.append(folded("Traceback of the first", tag("pre", group["traceback"][-8000:])))
    more = and_more(len(groups), MOST_GROUPS, "kinds of failure; all stand in the metrics file")
    parts += [tag("p", more)] if more else []
    return section("failures", "Files without results", *parts)


def _with_remedy(group: Mapping[str, Any]) -> tuple[str, str]:
    """What happened, and what to do: the message's own remedy, else that of its cause."""
    own = OWN_REMEDY.search(group["message"])
    if own is None:
        return group["message"], REMEDIES.get(group["cause"], "Look at the traceback.")
    return group["message"][: own.start()].rstrip(), f"{own[0][1].upper()}{own[0][2:-1]}."


def warnings(metrics: Metrics) -> Html:
    """What the engineer should know although files have results; equal ones together."""
    about: dict[str, list[str]] = defaultdict(list)
    for file in metrics["files"]:
        for warning in (*file["warnings"], *(f"tried again: {why}" for why in file.get("retried", ()))):
            about[without_file_name(warning, PurePosixPath(file["file"]))].append(name_in(file["file"]))
    if not about and not metrics["warnings"]:
        return section("warnings", "Warnings", tag("p", "None."))
    rows: list[tuple[object, ...]] = [(named(said), "the run", "") for said in metrics["warnings"][:MOST_NAMED]]
    ordered = sorted(about.items(), key=lambda item: -len(item[1]))
    rows += [
        (named(with_names(said, names)), plural(len(names), "file"), named(shortened_list(names, most=MOST_NAMED)))
        for said, names in ordered[:MOST_NAMED]
    ]
    return section("warnings", "Warnings", table("Warnings", ("Warning", "About", "Files"), rows))


# -- what all sections use


def moment(stamp: str) -> str:
    """An ISO time of the metrics as `2026-11-24 09:30:00 UTC`."""
    return f"{stamp[:19].replace('T', ' ')} UTC"


def worked(metrics: Metrics) -> list[dict[str, Any]]:
    """The files that a worker had in this run."""
    return [file for file in metrics["files"] if file["status"] in {"ok", "failed"} and file["wall_s"] > 0]


def busy_s(file: Mapping[str, Any]) -> float:
    """Worker seconds of a file."""
    return float(file["wall_s"] - file["wait_s"] - file.get("behind_s", 0.0))
