"""The report: whole at any size, self-contained, escaped, readable by everybody."""

from __future__ import annotations

import itertools
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from browser import Visit, needs_browser, visit
from monitor.batches import COLUMNS, HOSTILE_NAMES, batch_metrics, laid_out, tables_of, with_failures
from monitor.making import failed, outcome
from orcabatch.errors import SourceError
from orcabatch.monitor import PerformanceMonitor
from orcabatch.monitor.metrics import build_metrics, write_metrics
from orcabatch.monitor.notebook import result_html
from orcabatch.monitor.report import read_metrics, render_report, write_report
from orcabatch.monitor.report.charts import LEFT, clock, moments, runs, thinned, ticks
from orcabatch.monitor.report.files import CAUSES, MOST_LINKS
from orcabatch.monitor.report.html import VOID, named, tag, text
from orcabatch.monitor.report.machine import _files_at_once
from orcabatch.monitor.report.results import number
from orcabatch.monitor.report.script import DIGEST, SCRIPT
from orcabatch.monitor.report.sections import REMEDIES
from orcabatch.monitor.report.style import CHART_COLOURS, DARK, LIGHT, style
from orcabatch.monitor.schema import Metrics
from orcabatch.orcaflex.incomplete import non_finite_warning, simulation_warnings
from orcabatch.outcome import Cause, Failure, Usage, name_in
from orcabatch.results.figures import figures
from orcabatch.text import duration, size

TEXT_COLOURS = ("text", "muted", "link", "good", "bad")
FIRST = ("failures", "results", "warnings", "outputs", "files")
SECOND = ("verdict", "bound", "workers", "resources", "tiers", "slowest", "provenance")
SIZES = (3, 464, 5000)
LAID_OUT = laid_out(464, seed=1, slower=1.0, workers=30)


@pytest.fixture(scope="module")
def batches():
    """Metrics of batches of three sizes, each with an earlier, slower run."""
    return {size: (batch_metrics(size), batch_metrics(min(size, 464), seed=2, slower=1.3)) for size in SIZES}


class Page(HTMLParser):
    """Reads a page and notes what matters; complains about elements that are not closed in order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.cells: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._cell: list[str] | None = None
        self._open: list[str] = []
        self.feed(content)
        assert self._open == []

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self._open.append(name)
        if name in {"th", "td", "dd"}:
            self._cell = []
            self.cells.append((name, dict(attributes), self._cell))

    def handle_endtag(self, name):
        assert self._open.pop() == name
        if name in {"th", "td", "dd"}:
            self._cell = None

    def handle_data(self, data):
        if self._open and self._open[-1] not in {"style", "script"}:
            self.words.append(data)
            if self._cell is not None:
                self._cell.append(data)

    def all(self, name):
        return [attributes for found, attributes in self.elements if found == name]

    def titles_of_rows(self):
        return [words for name, attributes, words in self.cells if name == "th" and attributes["scope"] == "row"]

    @property
    def text(self):
        return " ".join(self.words)


@pytest.mark.parametrize("size", SIZES)
def test_all_sections_stand_in_it_at_any_size(batches, size):
    """The batch first, the run second; below 3 MB, also for 5,000 files; the metrics it stands on fit their schema."""
    metrics, earlier = batches[size]
    Metrics.model_validate_json(json.dumps(metrics))
    content = render_report(metrics, earlier=earlier)
    page = Page(content)
    assert [section["id"] for section in page.all("section")] == [*FIRST, *SECOND[:2], "comparison", *SECOND[2:]]
    assert len(content.encode()) < 3_000_000
    assert f"Files {size:,}" in page.text
    names = {name_in(file["file"]) for file in metrics["files"]}
    assert len(names) == size
    assert {"".join(cell) for cell in page.titles_of_rows()} >= names


def test_a_page_of_900_columns_is_as_small():
    """5,000 files of 900 columns and four of load cases: every column is there, below 3 MB."""
    names = [f"Line{n} Effective Tension" for n in range(900)]
    content = render_report(batch_metrics(5000, columns=names))
    assert len(content.encode()) < 3_000_000
    assert {"".join(cell) for cell in Page(content).titles_of_rows()} >= set(names)


@pytest.mark.parametrize("size", SIZES)
def test_it_needs_nothing_from_anywhere(batches, size):
    """One script, its own; links to itself and to outputs only; no image, no font. The browser refuses all else."""
    content = render_report(batches[size][0], page=Path("/production/reports"))
    page = Page(content)
    assert {name for name, _ in page.elements}.isdisjoint({"link", "img", "iframe", "object", "base", "form"})
    assert content.count(f"<script>{SCRIPT}</script>") == len(page.all("script")) == 1
    assert all(anchor["href"].startswith(("#", "../results")) for anchor in page.all("a"))
    assert not any(
        key in {"src", "srcset", "action"} or key.startswith("on") for _, each in page.elements for key in each
    )
    policy = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == [f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{DIGEST}'"]


def test_it_can_be_read_by_a_screen_reader(batches):
    """Language, one h1, headings without a gap, captions, titles of rows and columns, described drawings."""
    page = Page(render_report(batches[464][0], earlier=batches[464][1]))
    assert page.all("html")[0]["lang"] == "en"
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch(r"h[1-6]", name)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table")) > 5
    assert all(title["scope"] in {"row", "col"} for title in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for drawing in page.all("svg"):
        assert drawing["role"] == "img"
        assert set(drawing["aria-labelledby"].split()) <= set(ids)
    assert {anchor["href"][1:] for anchor in page.all("a") if anchor["href"].startswith("#")} <= set(ids)


def test_names_from_anywhere_are_only_text():
    """A file may be called like a script; its name stands in the page as it is and does nothing, in a link as well."""
    content = render_report(batch_metrics(40, names=HOSTILE_NAMES), earlier=batch_metrics(40, names=HOSTILE_NAMES))
    page = Page(content)
    assert content.count("<script>") == 1
    assert "img" not in {name for name, _ in page.elements}
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "alert('x')" in page.text
    assert "&lt;already escaped&gt;" in page.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", content)
    content.encode("utf-8")


def test_a_name_that_is_not_utf8_can_be_written(tmp_path):
    """On Linux a file name is bytes; the report is written all the same."""
    write_report(tmp_path / "report.html", batch_metrics(5, names=HOSTILE_NAMES))
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_it_says_what_happened(batches):
    """The verdict with advice, the binding bound, failures with remedies, what changed since the earlier run."""
    metrics, earlier = batches[464]
    said = Page(render_report(metrics, earlier=earlier)).text
    assert "IO_BOUND" in said
    assert "Advice:" in said
    assert "It could not have been done in less than" in said
    assert "7 files: error in the post-process or in OrcaFlex" in said
    assert "failed: error in the post-process or in OrcaFlex" in said
    assert "and 4 more: no object named 'Line 7'" in said.replace("_ ", "_")
    assert "<file>" not in said
    assert "Free a licence seat" in said
    assert "the simulation is incomplete" in said
    assert "451 of 464 files have results, 13 have not." in said
    assert "10 files with warnings" in said
    assert "464 files in both runs" in said
    assert "OrcaFlex was simulated." in said
    assert "memory.max_usage_percent" in said


def shown(metrics):
    """Every number of the metrics, in each of the ways in which a page writes numbers."""
    found = set()

    def collect(value):
        if isinstance(value, dict):
            for each in value.values():
                collect(each)
        elif isinstance(value, list):
            for each in value:
                collect(each)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found.update((f"{value:,}", f"{value:.0%}", f"{value:.0f}%", number(value), size(value), duration(value)))

    collect(metrics)
    return found


def test_every_number_of_a_table_stands_in_the_metrics(batches):
    """Nothing is worked out in the page but its notation: who has the metrics file has what the page says."""
    metrics, _ = batches[464]
    page, known = Page(render_report(metrics)), shown(metrics)
    numbers = [
        "".join(words)
        for name, each, words in page.cells
        if name == "dd" or each.get("class") == "n" or "data-v" in each
    ]
    figures = [words for words in numbers if any(map(str.isdigit, words))]
    assert len(figures) > 1000
    assert [words for words in figures if words not in known] == []


def test_the_results_name_the_governing_files(batches):
    """Of each column the largest and smallest value with their files, as they are found by hand; by load case too."""
    metrics, _ = batches[464]
    rows = metrics["files"]
    values = {row: tables_of(laid)["tension"] for row, laid in enumerate(LAID_OUT) if rows[row]["status"] == "ok"}
    (table,) = metrics["results"]
    for column in table["columns"]:
        name = column["name"]
        assert column["maximum_file"] == max(values, key=lambda row: values[row][name])
        assert column["minimum"] == min(each[name] for each in values.values())
        assert column["mean"] == pytest.approx(sum(each[name] for each in values.values()) / len(values))
    by_heading = [group for group in table["cases"] if group["case"] == "heading" and group["value"] == 90]
    (largest,) = [one for one in by_heading[0]["maxima"] if one["column"] == "Line1 Effective Tension A"]
    same = [row for row in values if rows[row]["case"]["heading"] == 90]
    assert largest["file"] == max(same, key=lambda row: values[row]["Line1 Effective Tension A"])
    content = render_report(metrics)
    governing = table["columns"][7]["maximum_file"]
    assert f'<a href="#file-{governing}">{named(name_in(rows[governing]["file"]))}</a>' in content
    assert content.count(f'id="file-{governing}"') == 1


def test_no_column_ends_silently(batches):
    """Where charts or the tables by load case end, the page says how many more columns there are, and where."""
    metrics, _ = batches[464]
    said = Page(render_report(metrics)).text
    assert "2 more columns are in the table below." in said
    assert "not in this table" not in said
    by_heading = render_report(metrics).partition("<summary>By heading</summary>")[2].partition("</table>")[0]
    assert [f"{name}</th>" in by_heading for name in COLUMNS] == [True] * len(COLUMNS)
    (table,) = metrics["results"]
    longer = table | {"columns": [*table["columns"], table["columns"][-1] | {"name": "another"}]}
    said = Page(render_report(metrics | {"results": [longer]})).text
    assert "1 more column is not in this table:" in said
    assert "result.governing(column, 'heading')" in said


def test_a_load_case_without_a_table_says_why(batches):
    """5,000 files have 53 seeds: too many for a table."""
    said = Page(render_report(batches[5000][0])).text
    assert "No table by seed: it has 53 different values for 5,000 files." in said
    assert "No table by" not in Page(render_report(batches[464][0])).text


class Stopped:
    """A model whose simulation did not reach its end."""

    simulationComplete = False  # noqa: N815 - as OrcFxAPI calls it

    def __init__(self, state, at_s):
        self.state = state
        self.simulationTimeStatus = SimpleNamespace(CurrentTime=at_s, StopTime=60.0)


@pytest.mark.parametrize(
    ("warnings", "said"),
    [
        (simulation_warnings(Stopped(4, 12.0)), "! stopped at 12 s"),
        (simulation_warnings(Stopped(5, 12.5)), "! unstable at 12.5 s"),
        (simulation_warnings(Stopped(4, 60.0)), "! incomplete"),
        ((non_finite_warning(("a",)), *simulation_warnings(Stopped(5, 3.0))), "! unstable at 3 s"),
        ((non_finite_warning(("a", "b")),), "! has NaN or infinity"),
        (("period 0..1 s lies outside the simulated 2..3 s",), "! see warnings"),
    ],
    ids=["incomplete", "unstable", "not complete", "worst first", "NaN", "other"],
)
def test_a_governing_file_with_warnings_is_marked_by_a_word(warnings, said):
    """Beside its name in the results, by load case too, and under its chart; the mark leads to the warnings."""
    metrics = batch_metrics(48)
    for file in metrics["files"]:
        file["warnings"] = []
    assert 'href="#warnings" class="bad"' not in render_report(metrics)
    (table,) = metrics["results"]
    governing = table["columns"][0]["maximum_file"]
    metrics["files"][governing]["warnings"] = list(warnings)
    content = render_report(metrics)
    row = f'<a href="#file-{governing}">{named(name_in(metrics["files"][governing]["file"]))}</a>'
    marked = f'{row} <a href="#warnings" class="bad">{said}</a>'
    by_heading = content.partition("<summary>By heading</summary>")[2].partition("</table>")[0]
    assert content.count(row) == content.count(marked) > by_heading.count(marked) > 0
    assert f"{name_in(metrics['files'][governing]['file'])} {said}, smallest" in content
    of_all = content.partition('id="files"')[2]
    assert of_all.count('<td><a href="#warnings">done, with warnings</a></td>') == 1


@pytest.mark.parametrize(
    ("kind", "warnings", "said"),
    [
        ("missing", [], "! misses values"),
        ("empty", ["period 0..1 s lies outside the simulated 2..3 s"], "! has empty columns"),
        ("cut", [], "! has series that end early"),
    ],
)
def test_a_file_that_a_notice_names_is_marked_as_one_with_warnings(kind, warnings, said):
    """Its outcome is "done, with warnings", and where it governs a word stands beside it: both lead to the notice."""
    metrics = batch_metrics(48)
    for file in metrics["files"]:
        file["warnings"] = []
    governing = metrics["results"][0]["columns"][0]["maximum_file"]
    file = metrics["files"][governing]
    file["warnings"] = warnings
    notice = {"kind": kind, "batch": file["batch"], "text": "Rows miss values", "remedy": "Check", "details": []}
    metrics["notices"] = [
        {**notice, "files": [file["file"]]},
        {**notice, "kind": "first_decides", "files": [each["file"] for each in metrics["files"]]},
        {**notice, "batch": "another", "files": [each["file"] for each in metrics["files"]]},
    ]
    content = render_report(metrics)
    row = f'<a href="#file-{governing}">{named(name_in(file["file"]))}</a>'
    assert content.count(row) == content.count(f'{row} <a href="#notices" class="bad">{said}</a>') > 1
    assert content.count('<td><a href="#notices">done, with warnings</a></td>') == 1


def test_the_smallest_of_a_minimum_governs():
    """Said in the table of all files, in the one by load case, under the chart, with its file."""
    outcomes = [outcome(n, value={"gap_min": float(n)}) for n in range(4)]
    monitor, cases = PerformanceMonitor(), {each.file.name: {"heading": each.index // 2} for each in outcomes}
    for each in outcomes:
        monitor.add_outcome(each)
    made = figures(outcomes, lambda file: {"": file.value}, cases)
    metrics = build_metrics(replace(monitor.record(wall_s=30.0), results=made, cases=cases))
    Metrics.model_validate_json(json.dumps(metrics))
    said = Page(render_report(metrics)).text
    assert re.search(r"smallest\s+0\s+in\s+case 0\.sim\s+; largest 1 in\s+case 1\.sim", said)
    assert re.search(r"3\s+case 3\.sim\s+0\s+case 0\.sim\s*, governs \(smallest\)", said)
    assert "Smallest 0 in case 0.sim, largest 3." in render_report(metrics)


def test_the_phases_of_a_worker_are_the_time_that_it_had_a_file():
    """Not what was written behind while it had the next file already; and the page says which time is counted."""
    monitor = PerformanceMonitor()
    for index in (0, 4):  # of the same worker
        monitor.add_outcome(outcome(index, usage=Usage({"load": 1.0}, 1, 1, behind_s=0.4)))
    metrics = build_metrics(monitor.record(wall_s=20.0))
    (worker,) = metrics["workers"]["each"]
    phases = {phase: seconds for phase, seconds in worker["phases"].items() if phase != "wait"}
    assert phases["write"] == pytest.approx(0.2)
    assert sum(phases.values()) == pytest.approx(worker["busy"] * 20.0)
    content = render_report(metrics)
    assert "what was written while they had the next file already is not in their time" in content
    assert "Time taken, first file to last" in content


def test_while_values_go_into_a_table_the_page_says_so():
    """Not that the files returned no numbers, which is said where it is so: at the end too."""
    monitor = PerformanceMonitor()
    monitor.add_outcome(outcome(0))
    record = monitor.record(wall_s=3.0)
    ended = build_metrics(replace(record, values_in=Path("/results/out.csv")))
    standing = {"elapsed_s": 3.0, "total": 2, "done": 1, "failed": 0, "running": 1, "remaining_s": None, "files": []}
    standing |= {"total_bytes": 0, "done_bytes": 0, "share": 0.0, "again_s": 10.0}
    standing |= {"written_at": "2026-11-24T09:43:32+00:00"}
    went = Page(render_report(ended | {"progress": standing})).text
    assert "The values go into out.csv as files end; when all have, their figures stand here." in went
    assert "returned no numbers" not in went
    assert "returned no numbers" in Page(render_report(ended)).text
    assert "returned no numbers" in Page(render_report(build_metrics(record))).text


def test_a_worker_has_one_file_at_a_time():
    """Also where outputs of the one before are still written, or wait for that, and where two batches share a file."""
    behind = Usage(behind_s=5.0)
    files = [
        outcome(
            n, worker="w1", started_s=2.0 * n, finished_s=2.0 * n + 9, phases={"load": 1.0, "write": 5.0}, usage=behind
        )
        for n in range(5)
    ]
    files += [replace(each, batch="other") for each in files]
    monitor = PerformanceMonitor()
    for each in files:
        monitor.add_outcome(each)
    metrics = build_metrics(monitor.record(wall_s=20.0))
    _, (had, _) = _files_at_once(metrics, 20.0)
    assert max(had.values) == 1
    assert sum(had.values) == pytest.approx(12 / 20 * len(had.values), abs=1)


def test_a_name_breaks_behind_underscores_only():
    """So that it can be read and, because a break is no letter, found whole."""
    assert named("pb_005yr__b.sim_") == "pb_005yr__<wbr>b.sim_"
    assert re.findall(r"([^;]+);overflow-wrap:anywhere", style()) == ["white-space:pre-wrap"]


def test_two_batches_are_named_both():
    """In the title and beside each file."""
    metrics = batch_metrics(6)
    for n, file in enumerate(metrics["files"]):
        file["batch"] = ("standard", "lngc")[n % 2]
    content = render_report(metrics | {"batch": ""})
    assert "<h1>Batches standard and lngc</h1>" in content
    assert content.partition('id="all"')[2].partition("</table>")[0].count("<td>lngc</td>") == 3


def test_links_lead_from_the_page_to_the_outputs():
    """Relative, so that page and results can be moved together; a path of another system is no link."""
    metrics = batch_metrics(3)
    content = render_report(metrics, page=Path("/production/reports"))
    assert '<a href="../results/standard_tension.csv">' in content
    stem = Path(metrics["files"][0]["file"]).stem
    assert f'<a href="../results/standard_lines_{stem}.csv">lines</a>' in content
    assert '<a href="file:///production/results/standard_tension.csv">' in render_report(metrics)
    foreign = "D:\\results" if os.sep == "/" else "/results"
    listed = render_report(metrics | {"result_folder": foreign}).partition('id="outputs"')[2].partition("</ul>")[0]
    assert "standard_<wbr>tension.csv" in listed
    assert "href" not in listed
    hostile = render_report(metrics | {"outputs": ["javascript:alert(1)"]}, page=Path("/production/results"))
    assert 'href="./javascript%3Aalert%281%29"' in hostile


def test_very_many_outputs_are_counted_not_linked():
    """With more links than a page of 3 MB has room for, each file says how many, and the folder is linked."""
    metrics = batch_metrics(464)
    for file in metrics["files"]:
        file["outputs"] = [["lines", "x.csv"]] * (MOST_LINKS // 400)
    content = render_report(metrics)
    assert f"<td>{MOST_LINKS // 400} files</td>" in content
    assert "The outputs of single files are in" in content
    assert "x.csv" not in content


FORBIDDEN = re.compile(r"\b(gates?|held|settled?|reserved)\b", re.IGNORECASE)


@pytest.mark.parametrize("verdict", ["IO_BOUND", "CPU_BOUND", "MEMORY_BOUND", "BALANCED"])
def test_it_is_written_in_plain_words(batches, verdict):
    """Whoever runs a batch need not know how it is run inside."""
    metrics, earlier = batches[464]
    metrics = metrics | {"bottleneck": metrics["bottleneck"] | {"verdict": verdict}}
    page = Page(render_report(metrics, earlier=earlier))
    assert FORBIDDEN.findall(page.text) == []


def test_an_empty_run_has_a_report():
    """A batch that was interrupted before its first file, without samples, settings or plan."""
    content = render_report(build_metrics(PerformanceMonitor().record()))
    said = Page(content).text
    assert "No worker had a file in this run." in said
    assert "Sampling was switched off" in said
    assert "Every file has its results." in said


def test_only_failures_have_a_report():
    """No file came through; there is still a timeline of what was tried."""
    monitor = PerformanceMonitor()
    monitor.add_outcome(failed(0, phases={"load": 2.0}, error=None))
    metrics = build_metrics(monitor.record(wall_s=3.0))
    assert "1 file: error in the post-process or in OrcaFlex" in Page(render_report(metrics)).text


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_words_and_its_remedy_is_said_once(cause):
    """A failure that says its own remedy needs no general one beside it; what OrcaFlex said in brackets is none."""

    def said(error):
        monitor = PerformanceMonitor()
        monitor.add_outcome(failed(0, error=error, cause=cause))
        return Page(render_report(build_metrics(monitor.record(wall_s=3.0)))).text

    plain = said("went wrong")
    assert f"1 file: {CAUSES[cause]}" in plain
    assert f"1 file: {cause} " not in plain
    assert "What to do:" in plain
    assert REMEDIES[cause].partition("`")[0] in plain
    assert "What to do:" in said("refused (OrcaFlex status 9: Line (1) is missing)")
    own = said(str(Failure(cause, "went wrong", "do this (or that)")))
    assert own.count("What to do:") == 1
    assert re.search(r"went wrong\s+What to do:\s+Do this \(or that\)\.", own)


def test_a_skipped_file_has_no_time(batches):
    """Its results came from an earlier run."""
    from orcabatch.outcome import Status

    monitor = PerformanceMonitor()
    monitor.add_outcome(outcome(0, status=Status.SKIPPED))
    metrics = build_metrics(monitor.record(wall_s=1.0))
    assert "No worker had a file in this run." in Page(render_report(metrics)).text


def test_it_reads_what_was_written(tmp_path, batches):
    """From the metrics file to the report."""
    write_metrics(tmp_path / "m.json", batches[3][0])
    assert render_report(read_metrics(tmp_path / "m.json")) == render_report(batches[3][0])


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), ("{", "not JSON"), ("[1]", "None"), ('{"schema_version": 99}', "99")],
)
def test_a_file_that_is_no_metrics_file_is_one_clear_error(tmp_path, content, said):
    """It names the file and what is wrong."""
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SourceError, match=said) as caught:
        read_metrics(path)
    assert str(path) in str(caught.value)


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_contrast_is_enough_in_light_and_dark(theme):
    """Text 4.5 to 1 on the page and on panels; parts of charts 3 to 1 on the page."""
    assert all(contrast(theme[name], theme[under]) >= 4.5 for name in TEXT_COLOURS for under in ("page", "panel"))
    assert all(contrast(theme[name], theme["page"]) >= 3.0 for name in CHART_COLOURS)


def test_text_is_escaped_and_html_is_not_escaped_twice():
    """The only two kinds of content."""
    assert tag("p", "a < b & c", tag("b", '"'), title='x"y') == '<p title="x&quot;y">a &lt; b &amp; c<b>&quot;</b></p>'
    assert text(text("<")) == "&lt;"


def test_axes_have_round_numbers():
    """Ten marks at most."""
    assert ticks(100.0, 4) == [0, 25, 50, 75, 100]
    assert ticks(0.0) == [0.0]
    assert moments(282.0)[:3] == [0.0, 30.0, 60.0]
    assert moments(100 * 3600.0)[1] == 10 * 3600.0
    said = [clock(at_s) for at_s in (0.5, 30, 60, 90, 3600, 5400)]
    assert said == [
        "0.5 s",
        "30 s",
        "1 min",
        "1:30 min",
        "1 h",
        "1:30 h",
    ]
    for wall_s in (0.0, 1.0, 9.0, 61.0, 3599.0, 86400.0, 1e6):
        assert 1 <= len(moments(wall_s)) <= 12


def test_a_thinned_curve_keeps_its_peak():
    """300 points of 10,000, and the one spike is among them."""
    values = [1.0] * 10_000
    values[4321] = 99.0
    points = thinned(range(10_000), values)
    assert len(points) <= 300
    assert (4321, 99.0) in points


def test_curves_begin_with_the_run(batches):
    """The first sample of a run comes after five seconds; how many files ran at once is known from the first moment."""
    late = batches[3][0] | {"samples": {name: values[1:] for name, values in batches[3][0]["samples"].items()}}
    assert late["samples"]["at_s"][0] == 5.0
    drawn = [each["d"] for each in Page(render_report(late)).all("path") if (each["class"] or "").startswith("curve")]
    assert len(drawn) == 7
    assert all(path.startswith(f"M{LEFT} ") for path in drawn)


def test_stretches_of_columns():
    """Consecutive numbers become one stretch."""
    assert runs([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 1), (9, 2)]


# -- in a real browser


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(("size", "theme"), [(3, "light"), (464, "light"), (464, "dark"), (5000, "light")])
def test_a_browser_shows_it_without_complaint_and_without_a_network(batches, tmp_path, size, theme):
    """No console message, no request of the page; the picture shows the whole page."""
    page, picture = tmp_path / "report.html", tmp_path / f"report-{size}-{theme}.png"
    write_report(page, batches[size][0], earlier=batches[size][1])
    assert visit(page, picture, theme) == Visit([], [])
    assert picture.stat().st_size > 30_000


@pytest.mark.slow
@needs_browser
def test_a_browser_shows_results_of_any_size_as_a_notebook_does(tmp_path):
    """The tables of 3, 464 and 5,000 files, names like scripts among them, below 20 kB each."""
    tables = []
    for count in SIZES:
        outcomes = with_failures(laid_out(count, seed=1, slower=1.0, workers=30))
        hostile = [replace(each, file=Path(name)) for each, name in zip(outcomes, HOSTILE_NAMES, strict=False)]
        tables.append(result_html(hostile + outcomes[len(hostile) :]))
    assert max(map(len, tables)) < 20_000
    page = tmp_path / "tables.html"
    page.write_bytes(f'<meta charset="utf-8">{"<hr>".join(tables)}'.encode("utf-8", "replace"))
    assert visit(page, tmp_path / "tables.png") == Visit([], [])


@pytest.mark.slow
@needs_browser
def test_a_request_or_a_complaint_would_be_seen(tmp_path):
    """The check above can fail: a page with a picture from elsewhere and an error in a script."""
    page = tmp_path / "other.html"
    page.write_text('<img src="http://example.invalid/x.png"><script>oops()</script>', encoding="utf-8")
    seen = visit(page, tmp_path / "other.png")
    assert seen.console
    assert set(seen.requests) == {"http://example.invalid/x.png"}
