"""Threads, processes and hybrid compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import hybrid
from benchmarks.hybrid import Ran, Work


def ran(wall_s: float) -> Ran:
    """A run of so many seconds."""
    return Ran(wall_s, 0.0, 1, (1,), "", 0.0)


def test_the_ratio_is_made_within_a_round_over_the_better_of_the_others() -> None:
    """Processes were run once only, because they were hopeless."""
    runs = {"threads": [ran(2.0), ran(5.0)], "processes": [ran(1.0)], "hybrid": [ran(1.1), ran(10.0)]}
    assert hybrid.ratios(runs) == pytest.approx([1.1, 2.0])


def test_each_executor_works_on_all_files_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Every row says seconds, the time until the first file, and how many workers had files."""
    work = Work("waiting", "one_history", 4, {"load_latency_s": 0.01})
    runs = hybrid.compete(work, tmp_path, rounds=1)
    assert [len(kept) for kept in runs.values()] == [1, 1, 1]
    assert all(0 <= kept[0].start_s <= kept[0].wall_s and kept[0].workers for kept in runs.values())
    assert [row["executor"] for row in hybrid.rows(work, runs)] == ["threads", "processes", "hybrid"]
