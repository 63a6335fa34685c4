"""The page on the specification: made from its table, which says something of every key, class, number and benchmark.

What stands here of the specification are its names and numbers, with the numbers of its lines.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import orcabatch
from orcabatch.bench import comparisons, trials
from orcabatch.monitor.bottlenecks import Bottleneck
from orcabatch.settings import Settings, parse_settings

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import specification_page  # noqa: E402 - found in the folder above

KEYS: dict[int, tuple[str, Any]] = {
    230: ("threading.mode", "dynamic"),
    231: ("threading.min_threads", 5),
    232: ("threading.max_threads", 45),
    233: ("threading.threads_per_gb", 0.25),
    236: ("memory.max_usage_percent", 80),
    237: ("memory.gc_threshold", 75),
    238: ("memory.preallocation", True),
    239: ("memory.chunk_size", "100MB"),
    242: ("io.async_enabled", True),
    243: ("io.buffer_size", "10MB"),
    244: ("io.use_compression", False),
    245: ("io.temp_directory", "D:/temp"),
    248: ("monitoring.enabled", True),
    249: ("monitoring.interval", 5),
    250: ("monitoring.export_metrics", True),
    251: ("monitoring.metrics_file", "performance_metrics.json"),
    254: ("optimization.group_by_size", True),
    256: ("optimization.size_thresholds.small", "100MB"),
    257: ("optimization.size_thresholds.large", "500MB"),
    259: ("optimization.thread_allocation.small", 45),
    260: ("optimization.thread_allocation.medium", 30),
    261: ("optimization.thread_allocation.large", 15),
}
CLASSES = {
    62: ("ResourceManager", {65: "calculate_optimal_threads"}),
    80: ("BatchOptimizer", {83: "group_by_size", 90: "assign_thread_counts"}),
    101: ("PerformanceMonitor", {113: "analyze_bottlenecks"}),
}
SERIES = {
    106: "file_processing_times",
    107: "memory_usage",
    108: "cpu_utilization",
    109: "io_wait_time",
    110: "thread_efficiency",
}
VERDICTS = {115: "IO_BOUND", 117: "CPU_BOUND", 119: "MEMORY_BOUND", 121: "BALANCED"}
NUMBERS: dict[int, list[float]] = {
    27: [64], 28: [256], 68: [1.5], 73: [0.75], 85: [100], 86: [100, 500], 87: [500], 93: [45], 94: [30], 95: [15],
    117: [90], 119: [80], 142: [100, 45, 5], 143: [100, 500, 30, 8], 144: [500, 15, 16], 174: [30], 181: [40, 60],
    182: [80, 90], 183: [80], 184: [45], 273: [40, 60], 274: [80], 281: [30], 282: [15, 30, 45, 60],
}  # fmt: skip
GROUPS = {88: ["small", "medium", "large"], 93: ["small"], 94: ["medium"], 95: ["large"]}
BENCHMARKS = {189: "15/large", 190: "30/medium", 191: "45/small", 192: "60/mixed", 193: "dynamic/mixed"}
BATCHES = {
    16: "dm_fsts_lngc.yml",
    17: "fsts_l015_hwl_125km3_l100_pb_005yr__cl_015deg",
    18: "03c_0100yr_l015_hwl",
    21: "dm_fsts.yml",
    22: "fsts_l015_hwl_ncl_000deg",
    23: "03c_0100yr_l015_hwl",
}
ASKED = (
    *(16, 17, 18, 19, 21, 22, 23, 24, 27, 28, 29, 30, 38, 39, 40, 41, 44, 45, 46, 47, 51, 52, 53, 54),
    *(62, 65, 67, 68, 69, 72, 73, 75, 80, 83, 85, 86, 87, 88, 90, 93, 94, 95),
    *(101, 106, 107, 108, 109, 110, 113, 115, 117, 119, 121, 127, 130, 131, 132, 142, 143, 144),
    *(147, 148, 149, 150, 153, 154, 155, 156, 159, 160, 161, 162, 165, 166, 167, 168),
    *(174, 175, 176, 177, 181, 182, 183, 184, *BENCHMARKS),
    *(200, 201, 202, 203, 206, 207, 208, 209, 212, 213, 214, 215, 218, 219, 220, 221, *KEYS),
    *(267, 268, 269, 270, 273, 274, 275, 276, 281, 282, 283, 284, 285, 288, 289, 290, 291, 294, 295, 296, 297, 298),
)
"""The numbers of the lines that ask for something; the others are headings, introductions and the problem."""

LINES: dict[int, dict[str, Any]] = {line["at"]: line for area in specification_page.areas() for line in area["line"]}


def told(kind: str) -> dict[int, Any]:
    """What the table tells of this kind, by line."""
    return {at: line[kind] for at, line in LINES.items() if kind in line}


def test_the_page_is_the_table() -> None:
    """`python tools/specification_page.py` writes it anew."""
    assert specification_page.PAGE.read_text(encoding="utf-8") == specification_page.page()


def test_every_line_that_asks_for_something_is_answered_once_and_in_order() -> None:
    """None is left out, none stands twice, and each says how far it goes and why."""
    listed = [line["at"] for area in specification_page.areas() for line in area["line"]]
    assert listed == sorted(ASKED)
    assert {line["state"] for line in LINES.values()} == set(specification_page.STATES)
    assert all(line["asks"] and line["how"].endswith(".") for line in LINES.values())


def test_what_works_in_part_or_otherwise_says_why_in_a_sentence() -> None:
    """A row that only says `in part` helps nobody; `See line N` leads to one that says it."""
    for at, line in LINES.items():
        if line["state"] != "works" and not line["how"].startswith(("See line", "As the line before")):
            assert len(line["how"]) > 40, at


def test_the_keys_are_the_specifications_and_the_settings_have_them() -> None:
    """Each key stands at its line with its value, and the section made of them is taken as it is."""
    assert {at: (LINES[at]["key"], LINES[at]["value"]) for at in told("key")} == KEYS
    section: dict[str, Any] = {}
    for key, value in KEYS.values():
        *path, name = key.split(".")
        inner = section
        for part in path:
            inner = inner.setdefault(part, {})
        inner[name] = value
    settings = parse_settings(section)
    apart = {"io.temp_directory", "memory.gc_threshold"}  # the system's; a share of the cap, which is 75 of 80
    defaults = dict(_flat(Settings().model_dump()))
    for key, value in _flat(settings.model_dump()):
        assert key in apart or defaults[key] == value, key
    assert Settings().memory.gc_percent == settings.memory.gc_percent == 75


def _flat(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def test_the_classes_methods_series_and_verdicts_are_the_specifications() -> None:
    """They stand at their lines, and the library has them under these names."""
    named = BATCHES | {at: name for at, (name, _) in CLASSES.items()}
    for name, methods in CLASSES.values():
        named |= methods
        assert all(callable(getattr(getattr(orcabatch, name), method)) for method in methods.values())
    assert told("name") == named
    assert told("series") == SERIES
    assert list(orcabatch.PerformanceMonitor().metrics) == list(SERIES.values())
    assert told("verdict") == VERDICTS
    assert {str(verdict) for verdict in Bottleneck} == {*VERDICTS.values(), "DLL_BOUND"}  # one of our own


def test_the_numbers_are_the_specifications() -> None:
    """Those that are no value of a key, and the groups that they are of."""
    assert told("numbers") == NUMBERS
    assert told("groups") == GROUPS


def test_the_benchmark_configurations_are_those_that_are_run() -> None:
    """`orcabatch bench spec` has each as a row, the adaptive one beside them; `bench scaling` has the counts."""
    assert told("benchmark") == BENCHMARKS
    fixed = {name: int(name.split("/")[0]) for name in BENCHMARKS.values() if name != "dynamic/mixed"}
    assert dict(comparisons.CONFIGURATIONS) == fixed
    assert set(NUMBERS[282]) <= set(trials.SCALING_COUNTS)


@pytest.mark.parametrize("at", sorted(told("shown")))
def test_the_test_that_shows_it_is_there(at: int) -> None:
    """A renamed test is named anew in the table."""
    path, _, name = LINES[at]["shown"].partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not name or f"def {name}(" in text


def test_the_pages_that_say_more_are_there() -> None:
    """Also the headings that are linked to."""
    for at, target in told("see").items():
        page, _, anchor = target.partition("#")
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        slugs = {re.sub(r"[^\w-]", "", line.lstrip("# ").lower().replace(" ", "-")) for line in text.splitlines()}
        assert not anchor or anchor in slugs, at


def test_most_of_what_works_is_shown_by_a_test() -> None:
    """The rest are documentation and figures measured by hand."""
    unshown = [at for at, line in LINES.items() if line["state"] == "works" and "shown" not in line]
    assert len(unshown) < 8
