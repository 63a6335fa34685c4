"""The table of all files: outcome, load case, time, size, outputs. Found by the browser's own search, script or not.

A batch may have 5,000 files: a row is kept short, and a page has at most `MOST_LINKS` links to outputs of single files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orcabatch.monitor.report.html import Html, join, named, section, tag, text, titles_beside
from orcabatch.outcome import name_in
from orcabatch.text import duration, plural, size

if TYPE_CHECKING:
    from orcabatch.monitor.report.links import Links

TABLE = "all"

MOST_LINKS = 8000
"""About a megabyte: with more of them each file says how many outputs it has, and the folder is linked."""

MARKS = {
    r"became unstable at (\S+ s)": "unstable at {}",
    r"incomplete: it reached (\S+ s)": "stopped at {}",
    r"not marked as complete()": "incomplete",
    r"not a finite number()": "has NaN or infinity",
}
"""Of warnings that make a file's numbers doubtful, the worst first: what is found, and the word beside its name."""

NOTICED = {
    "partial": "incomplete",
    "missing": "misses values",
    "empty": "has empty columns",
    "cut": "has series that end early",
}
"""Of notices that name the file, the worst first, and the word beside its name. That the first file decides something
for all others is about the batch: marking all but one would tell nothing apart."""

OUTCOMES = {"ok": "done", "skipped": "unchanged", "failed": "failed", "cancelled": "not done"}

CAUSES = {
    "exception": "error in the post-process or in OrcaFlex",
    "input": "cannot be read as a simulation",
    "licence": "no licence seat",
    "timeout": "took too long",
    "memory": "not enough memory",
    "crash": "its worker crashed",
    "output": "results could not be written",
    "cancelled": "the run was stopped",
}
"""What a cause is to an engineer."""


@dataclass(frozen=True, slots=True)
class Head:
    """Which columns the table has.

    Attributes:
        several: whether each file's batch is said.
        cases: columns of the load cases.
        lean: outputs are counted, not linked one by one.
    """

    several: bool
    cases: tuple[str, ...]
    lean: bool

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> Head:
        """What these metrics need."""
        files = metrics["files"]
        cases = dict.fromkeys(name for file in files for name in file.get("case", {}))
        lean = sum(len(file.get("outputs", ())) for file in files) > MOST_LINKS
        return cls(not metrics["batch"], tuple(cases), lean)

    @property
    def titles(self) -> list[str]:
        """Of the columns."""
        return ["File", *(["Batch"] if self.several else []), "Outcome", *self.cases, "Time", "Size", "Outputs"]


def files(metrics: Mapping[str, Any], links: Links, linked: Iterable[int]) -> Html:
    """The section; rows in `linked` can be linked to."""
    each = metrics["files"]
    if not each:
        return section("files", "All files", tag("p", "No file has ended yet."))
    head, targets = Head.of(metrics), set(linked)
    rows = [_row(file, head, links, f' id="{row_id(n)}"' if n in targets else "") for n, file in enumerate(each)]
    numbers = {"Time", "Size"}
    thead = tag(
        "tr", *(tag("th", title, scope="col", class_="n" if title in numbers else None) for title in head.titles)
    )
    caption = f"{plural(len(each), 'file')}; time is what a worker had the file for."
    table = tag(
        "table",
        tag("caption", caption),
        tag("thead", thead),
        tag("tbody", join(rows)),
        id=TABLE,
        style=titles_beside(head.titles),
    )
    where = (
        tag("p", "The outputs of single files are in ", links.to_folder(), ".") if head.lean and links.folder else ""
    )
    return section("files", "All files", where, tag("div", table, class_="scroll"))


def _row(file: Mapping[str, Any], head: Head, links: Links, row: str) -> Html:
    """Written out, not made of elements: 5,000 of them take less than half the time so."""
    bad = file["status"] not in {"ok", "skipped"}
    outcome = text(
        OUTCOMES[file["status"]] + (f": {CAUSES.get(file['cause'], file['cause'])}" if bad and file["cause"] else "")
    )
    if not bad and (marked := mark(file)):
        outcome = Html(f'<a href="#{marked[1]}">{outcome}, with warnings</a>')
    seconds, case = file.get("busy_s", 0.0), file.get("case", {})
    cases = "".join(f"<td>{'' if case.get(name) is None else text(case[name])}</td>" for name in head.cases)
    return Html(
        f'<tr{row}><th scope="row">{named(name_in(file["file"]))}</th>'
        + (f"<td>{text(file['batch'])}</td>" if head.several else "")
        + (f'<td class="bad">{outcome}</td>' if bad else f"<td>{outcome}</td>")
        + cases
        + f'<td data-v="{seconds:.4g}">{duration(seconds) if seconds else ""}</td>'
        + f'<td data-v="{file["size_bytes"]:.4g}">{size(file["size_bytes"])}</td>'
        + f"<td>{_outputs(file.get('outputs', ()), links, lean=head.lean)}</td></tr>"
    )


def _outputs(outputs: Sequence[Sequence[str]], links: Links, *, lean: bool) -> Html:
    if lean and outputs:
        return text(plural(len(outputs), "file"))
    return Html(", ".join(links.to(name, label) for label, name in outputs))


def row_id(n: int) -> str:
    """What a row is linked by."""
    return f"file-{n}"


def with_noticed(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics, with each file's mark from the notices of its batch (`noticed`): looked up once for all tables."""
    words: dict[tuple[str, str], str] = {}
    for kind, said in NOTICED.items():
        for notice in metrics.get("notices", ()):
            for name in notice["files"] if notice["kind"] == kind else ():
                words.setdefault((notice["batch"], name), said)
    files = [{**file, "noticed": words.get((file["batch"], file["file"]), "")} for file in metrics["files"]]
    return {**metrics, "files": files}


def mark(file: Mapping[str, Any]) -> tuple[str, str] | None:
    """What stands beside the name of a doubtful file wherever its numbers do, and the section that says why."""
    said = "\n".join(file["warnings"])
    found = ((re.search(pattern, said), words) for pattern, words in MARKS.items())
    words = next((words.format(match[1]) for match, words in found if match), "")
    if not words and file.get("noticed"):
        return f"! {file['noticed']}", "notices"
    return (f"! {words or 'see warnings'}", "warnings") if said else None
