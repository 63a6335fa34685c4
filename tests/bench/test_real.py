"""The real runs in small: they count what they say they count. No test here asserts a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from orcabatch import simulated
from orcabatch.bench import measure, real, real_cost, real_memory, real_work
from orcabatch.errors import SourceError


@pytest.fixture(autouse=True)
def _orcaflex() -> Any:
    """The simulated OrcaFlex; afterwards nothing is alive."""
    simulated.install()
    simulated.reset_counters()
    yield
    assert simulated.counters().never_destroyed == 0
    simulated.configure(simulated.Costs())
    simulated.uninstall()


def small(index: int, files: int = 12) -> real.Kind:
    kind = real.KINDS[index]
    costs = replace(kind.costs, load_latency_s=min(kind.costs.load_latency_s, 0.1), log_pass_s=0.0, cpu_s_per_pass=0.0)
    return replace(kind, files=files, costs=costs, counts=(1, 4))


@pytest.mark.parametrize("index", range(4))
def test_regret_does_every_file_in_every_run(tmp_path: Path, index: int) -> None:
    """Two fixed counts are tried, then one adaptive run and one of the best count: each does all twelve files."""
    found = real.regret(small(index), tmp_path, rounds=1)
    assert found["done"] == [12, 12]
    assert set(found["sweep_s"]) == {1, 4}
    assert found["best_fixed"] in {1, 4}
    assert simulated.counters().loads == 4 * 12
    assert found["executor"] == ["threads"]
    assert found["why"][0]


@pytest.mark.parametrize("fixed", [1, 3])
def test_a_fixed_count_is_kept(tmp_path: Path, fixed: int) -> None:
    """So many files at once, and so many models, whatever the plan would say."""
    kind = small(1)
    files = real.batch_of(tmp_path, kind)
    simulated.configure(simulated.Costs(load_latency_s=0.1))
    found = real.measured(files, real_work.one_history, {}, fixed)
    assert (found.files, found.peak) == (12, fixed)
    assert simulated.counters().peak_live_models == fixed


def test_scaling_reaches_as_many_models_as_threads(tmp_path: Path) -> None:
    """At a fixed 15 threads fifteen models are alive at once, and the linear time is that of the single files."""
    found = real.scaling(tmp_path, threads=15, files=45)
    assert found["peak_live_models"] == 15
    assert found["linear_s"] == pytest.approx(found["one_file_s"] * 3)


def test_the_makespan_is_never_below_its_bound(tmp_path: Path) -> None:
    """The bound is made from declared costs: no run can beat it."""
    found = real.makespan(tmp_path, at_once=8, files=20)
    assert found["ratio"] >= 1
    assert simulated.counters().loads == 20


@pytest.mark.parametrize("executor", real_memory.EXECUTORS)
def test_memory_stays_below_the_cap(tmp_path: Path, executor: str) -> None:
    """In a cgroup, over files that together need more than twice the cap: all are done, none is started above it."""
    limit = 600 * real_memory.MB
    files = real_memory.hungry_batch(tmp_path, together_bytes=2 * limit, sizes=(8_000_000, 20_000_000))
    found = real_memory.one_run(files, executor, limit_bytes=limit)
    if "skipped" in found:
        pytest.skip(found["skipped"])
    assert found["done"] == len(files)
    assert found["needed_bytes"] > 2 * found["cap_bytes"]
    assert found["peak_bytes"] <= found["cap_bytes"]
    assert found["started_above"] == 0


def test_the_longest_stretch_above_the_cap() -> None:
    """Stretches are told apart by a look below the cap."""
    seen = [(0.0, 5), (1.0, 11), (2.0, 12), (3.0, 9), (4.0, 11), (4.5, 10)]
    assert real_memory.longest_above(seen, 10) == 1.0
    assert real_memory.longest_above(seen, 20) == 0.0


def test_own_cost_counts_every_file() -> None:
    """The engine and its peers do as many no-op files as they were given."""
    found = real_cost.all_costs(quick=True)
    assert {"orcabatch's engine", "ThreadPoolExecutor"} <= {row["who"] for row in found["rows"]}
    assert all(row["ms per file"] > 0 for row in found["rows"])


def test_own_files_are_compared(tmp_path: Path) -> None:
    """The user's files, by a pattern, at each count and adaptively in every round; one run before is no count's own."""
    files = real.batch_of(tmp_path, small(0, 4))
    asked = SimpleNamespace(files=[files[0].parent / "*.sim"], quick=True, orcaflex="simulated", rounds=2)
    found = list(real.suite("real", tmp_path, asked))
    assert found[0]["result"]["files"] == [str(file) for file in files]
    assert {count: len(each) for count, each in found[0]["result"]["seconds"].items()} == {
        "1": 2, "2": 2, "4": 2, "adaptive": 2,
    }  # fmt: skip
    assert simulated.counters().loads == 4 * (1 + 2 * 4)
    with pytest.raises(SourceError, match="needs files"):
        list(real.suite("real", tmp_path, SimpleNamespace(files=[], quick=True)))


def test_without_a_load_average_what_is_busy_is_looked_at_and_called_so(monkeypatch: Any) -> None:
    """Windows has none, and psutil's stand-in says 0 there when it is asked first."""
    monkeypatch.setattr(measure.os, "getloadavg", lambda: (1.5, 0.0, 0.0), raising=False)
    assert measure.provenance([])["load_before"] == 1.5
    monkeypatch.delattr(measure.os, "getloadavg")
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 25.0)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 8)
    said = measure.provenance([])
    assert said["load_before"] == 2.0
    assert "knows no load average" in said["load_before_is"]
