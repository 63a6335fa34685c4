"""The virtual host against real runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import replay, validation
from orcabatch import simulated


def row(cpu_s: float, waited_s: float) -> dict[str, object]:
    """A file of the metrics that computed and waited while extracting."""
    zero = dict.fromkeys(("load_s", "write_s", "clean_up_s", "load_cpu_s", "write_cpu_s", "peak_memory_bytes"), 0.0)
    extract = {"extract_s": cpu_s + waited_s, "extract_cpu_s": cpu_s, "wall_s": cpu_s + waited_s}
    return {"status": "ok", "size_bytes": 1_000_000, **zero, **extract}


def metrics(files: int, count: int, wall_s: float, lock_taken: float, **row_: float) -> dict[str, object]:
    """The metrics of a run at a fixed count on two cores."""
    plan = {"mode": "static", "limit": count, "ceiling": count, "start_limit": None}
    host = {"logical_cpus": 2, "total_ram_bytes": 10**10, "available_ram_bytes": 10**10}
    samples = {"lock_taken": [lock_taken]}
    return {
        "files": [row(**row_)] * files,
        "plan": plan,
        "host": host,
        "wall_s": wall_s,
        "samples": samples,
        "workers": {"executor": "threads"},
    }


@pytest.mark.parametrize(
    ("run", "at_six"),
    [
        (metrics(60, 2, 60.0, 0.0, cpu_s=0.0, waited_s=2.0), 20.0),  # two wait at a time: six are three times as fast
        (metrics(60, 2, 60.0, 1.0, cpu_s=1.0, waited_s=1.0), 60.0),  # one after the other under the lock, whatever runs
        (metrics(60, 4, 60.0, 0.0, cpu_s=2.0, waited_s=2.0), 60.0),  # two cores, full
    ],
)
def test_waiting_for_neighbours_is_told_from_waiting(run: dict[str, object], at_six: float) -> None:
    """Time without CPU is a file's own where the run would have been shorter without it."""
    assert replay.predict(run, (6,)).fixed_s[6] == pytest.approx(at_six, rel=0.07)


@pytest.mark.parametrize("count", [8, 45])
def test_a_run_is_foretold_as_it_was(count: int) -> None:
    """What many threads lose by handing the lock over stands in the CPU time already: it is not counted twice."""
    run = metrics(60, count, 60.0, 1.0, cpu_s=1.0, waited_s=count - 1.0)
    assert replay.predict(run, ()).error == pytest.approx(0.0, abs=0.04)


def test_a_lock_that_was_not_measured_is_said() -> None:
    """Without samples the lock is taken as free, in words."""
    run = metrics(6, 2, 6.0, 0.0, cpu_s=0.0, waited_s=2.0) | {"samples": {"lock_taken": []}}
    assert "Python's lock was not measured" in replay.replayed(run, "m.json")


def test_each_batch_is_run_at_both_counts_and_foretold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that waits: 15 files on 4 threads tell what 12 would take."""
    waiting = replace(validation.CHECKS[0], costs=simulated.Costs(load_latency_s=0.2))
    monkeypatch.setattr(validation, "CHECKS", (waiting,))
    found = validation.suite(tmp_path, quick=True)
    assert found.rows[0]["rounds"] == "1"
    assert 0.3 < found.bars[0][1] < 1.5
