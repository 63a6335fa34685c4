"""Every key of the specification, changed alone in a run, changes a line of that run's metrics or plan.

The section is the specification's, pasted, its thresholds as much smaller as the files are, on a host like the
specification's. Echoes of the settings are left out: what has to change is a consequence. A line that two equal runs
have in common is compared by its value, any other by its kind only.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import orcabatch
from dm_proof.configurations import column, configuration
from orcabatch import simulated
from orcabatch.digitalmodel import csv_text
from orcabatch.host import HostResources

pytest.importorskip("digitalmodel", reason="a digitalmodel batch is run: install orcabatch[digitalmodel]")


class SpecifiedHost(orcabatch.ResourceManager):
    """The specification's machine: 64 CPUs, 256 GB."""

    def measure(self) -> HostResources:
        return HostResources(64, 256 * 10**9)


SIZES = (20_000, 100_000, 300_000)
"""Of small, medium and large files, three of each."""

SECTION: dict[str, Any] = {
    "threading": {"mode": "dynamic", "min_threads": 5, "max_threads": 45, "threads_per_gb": 0.25},
    "memory": {"max_usage_percent": 80, "gc_threshold": 75, "preallocation": True, "chunk_size": "100MB"},
    "io": {"async_enabled": True, "buffer_size": "10MB", "use_compression": False, "temp_directory": "{folder}/temp"},
    "monitoring": {
        "enabled": True,
        "interval": 5,
        "export_metrics": True,
        "metrics_file": "performance_metrics.json",
    },
    "optimization": {
        "group_by_size": True,
        "size_thresholds": {"small": 50_000, "large": 250_000},
        "thread_allocation": {"small": 45, "medium": 30, "large": 15},
    },
}

CHANGED: dict[str, tuple[Any, *tuple[str, ...]]] = {
    "threading.mode": ("static", "metrics.files.0.pool"),
    "threading.min_threads": (2, "plan.min_limit"),
    "threading.max_threads": (6, "plan.limit"),
    "threading.threads_per_gb": (0.025, "plan.limit"),
    "memory.max_usage_percent": (90, "plan.memory_budget_bytes"),
    "memory.gc_threshold": (0.001, "metrics.summary.work.garbage_collections"),
    "memory.preallocation": (False, "metrics.buffers"),
    "memory.chunk_size": (1, "metrics.summary.work.joint_requests"),
    "io.async_enabled": (
        False,
        "metrics.summary.work.read_ahead_read_bytes",
        "metrics.summary.work.tables_behind",
        "metrics.summary.work.behind_ms",
    ),
    "io.buffer_size": (2_000, "metrics.summary.work.text_pieces"),
    "io.use_compression": (True, "plan.notes.0"),
    "io.temp_directory": ("{folder}/other", "plan.text.temporary files"),
    "monitoring.enabled": (False, "metrics.summary.peak_rss_bytes"),
    "monitoring.interval": (0.02, "metrics.sampled"),
    "monitoring.export_metrics": (False, "plan.text.metrics"),
    "monitoring.metrics_file": ("other.json", "plan.text.metrics"),
    "optimization.group_by_size": (False, "metrics.files.0.tier"),
    "optimization.size_thresholds.small": (10_000, "metrics.files.0.tier"),
    "optimization.size_thresholds.large": (90_000, "metrics.files.3.tier"),
    "optimization.thread_allocation.small": (1, "plan.tiers.0.limit"),
    "optimization.thread_allocation.medium": (1, "plan.tiers.1.limit"),
    "optimization.thread_allocation.large": (1, "plan.tiers.2.limit"),
}
"""Another value for each key, and the lines that it is sure to change."""


def test_each_key_of_the_section_is_walked() -> None:
    """None is left out."""
    assert [key for key, _ in flat(SECTION, stop=dict)] == list(CHANGED)


def test_a_key_changed_alone_changes_a_line_of_its_run(bench: Bench) -> None:
    """Two runs of the section as it is tell what is stable; then each key in turn."""
    first, second = bench.lines(SECTION), bench.lines(SECTION)
    stable = {line for line in first if first[line] == second.get(line)}
    assert len(stable) > 200
    unseen = {}
    for key, (value, *named) in CHANGED.items():
        asked = copy.deepcopy(SECTION)
        *path, name = key.split(".")
        inner = asked
        for part in path:
            inner = inner[part]
        inner[name] = value
        got = bench.lines(asked)
        changed = {line for line in first.keys() | got.keys() if differs(first, got, line, stable)}
        if not changed.issuperset(named):
            unseen[key] = sorted(changed)
    assert unseen == {}


def differs(before: Mapping[str, Any], after: Mapping[str, Any], line: str, stable: set[str]) -> bool:
    if line in stable and line in after:
        return bool(before[line] != after[line])
    return type(before.get(line)) is not type(after.get(line))


def flat(content: Any, prefix: str = "", stop: type = object) -> Iterator[tuple[str, Any]]:
    """Every value with its dotted place; of a list its length too."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from flat(value, f"{prefix}.{name}" if prefix else str(name), stop)
    elif isinstance(content, list) and stop is object:
        yield f"{prefix}.length", len(content)
        for place, value in enumerate(content):
            yield from flat(value, f"{prefix}.{place}")
    else:
        yield prefix, content


@dataclass
class Bench:
    """Nine files and a digitalmodel configuration over them, run again and again."""

    folder: Path
    files: list[Path]

    def lines(self, section: dict[str, Any]) -> dict[str, Any]:
        """The lines of a run's metrics and plan, without what only repeats the settings."""
        out = self.folder / "out"
        out.mkdir(exist_ok=True)
        csv_text.forget_buffers()
        asked = _filled(section, self.folder) | {"executor": "threads", "ledger": {"enabled": False}}
        result = orcabatch.run_batch(
            _asked(self.files, out),
            performance=asked,
            orcaflex="simulated",
            progress=False,
            resource_manager=SpecifiedHost,
        )
        result.raise_for_failures()
        assert not any(outcome.warnings for outcome in result.outcomes)
        metrics = dict(result.metrics)
        plan = {name: value for name, value in metrics.pop("plan").items() if name != "settings"}
        plan["text"] = _text_lines(result.plan.to_text(width=1000))
        for name in ("settings", "events", "limits", "warnings"):
            metrics.pop(name)
        work = metrics["summary"]["work"]
        metrics["buffers"] = "for each piece" if work["text_buffers"] == work["text_pieces"] else "used again"
        # A run of a second has two samples or three, however often it is done: only how many at all is a consequence.
        metrics["sampled"] = "often" if len(metrics["samples"]["at_s"]) > 6 else "at its ends"
        metrics["files"] = [{**file, "pool": file["worker"].split("-")[0]} for file in metrics["files"]]
        return dict(flat({"plan": plan, "metrics": metrics}))


def _filled(section: Any, folder: Path) -> Any:
    if isinstance(section, dict):
        return {name: _filled(value, folder) for name, value in section.items()}
    return section.replace("{folder}", str(folder)) if isinstance(section, str) else section


def _text_lines(text: str) -> dict[str, str]:
    """The plan as it is shown: what stands behind the first colon of a line, by what stands before it."""
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def _asked(files: list[Path], out: Path) -> dict[str, Any]:
    histories = ("Effective tension", "Bend moment", "Curvature", "X")
    more = {"SimulationPeriod": [0.0, 10.0], "objectExtra": ["End A"]}
    series = [column("TimeHistory", "Line01", name, name, **more) for name in histories]
    return configuration(
        [str(file) for file in files],
        out,
        "time_series",
        time_series_settings={"data": True, "groups": [{"Label": name, "Columns": series} for name in "tu"]},
    )


@pytest.fixture
def bench(orcaflex: Any, tmp_path: Path) -> Bench:
    objects = simulated.mooring_objects(10)
    files = []
    for place in range(9):
        spec = simulated.SimSpec(
            objects=objects, size_bytes=SIZES[place // 3], seed=place, stop_time_s=12.0, sample_interval_s=0.1
        )
        files.append(simulated.write_sim(tmp_path / f"case_{place}.sim", spec))
    simulated.configure(simulated.Costs(load_latency_s=0.2))
    return Bench(tmp_path, files)
