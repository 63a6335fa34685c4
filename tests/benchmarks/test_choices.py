"""The benchmark of choices: the small native DLL under the real binding, and how runs are compared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import choices
from orcabatch.engine.bounds import SEVERAL_IN


@pytest.mark.skipif(shutil.which("cc") is None or os.name != "posix", reason="needs a C compiler")
def test_a_case_runs_by_default_as_a_loop_and_at_a_count(tmp_path: Path) -> None:
    """Each is one answer; the default says what it chose, and no more models are alive than it says."""
    case = choices.Case("one lock", 6, {"one_lock": 1, "pass_sleep_ms": 1, "queue_s": 0.001}, calls=2, uneven=2)
    default, loop, two = choices.measured(case, (choices.DEFAULT, choices.LOOP, 2), tmp_path)
    assert [each["at_once"] for each in (default, loop, two)] == [0, -1, 2]
    assert default["limits"]
    assert default["most_alive"] <= max(each["limit"] for each in default["limits"])
    assert two["most_alive"] <= 2


@pytest.mark.skipif(shutil.which("cc") is None or os.name != "posix", reason="needs a C compiler")
def test_a_dll_with_one_lock_is_said_to_serialise_by_all(tmp_path: Path) -> None:
    """Reason of a limit, verdict and finding name the DLL, none of them a disk, though loads wait there as well."""
    case = choices.Case("one lock", 24, {"one_lock": 1, "pass_sleep_ms": 20}, calls=5)
    (eight,) = choices.measured(case, (8,), tmp_path)
    if eight["bottleneck"]["evidence"]["host_cpu_percent"] >= 50:
        pytest.skip("other programs had the CPUs: what wakes late says nothing of the DLL")
    assert eight["verdict"] == "DLL_BOUND"
    assert eight["bottleneck"]["findings"][0]["kind"] == "dll"
    assert "io" not in {finding["kind"] for finding in eight["bottleneck"]["findings"]}
    assert 0.3 < eight["bottleneck"]["evidence"]["dll_taken"] <= SEVERAL_IN
    (free,) = choices.measured(replace(case, costs={"pass_sleep_ms": 20}), (8,), tmp_path)
    assert free["verdict"] != "DLL_BOUND"
    assert free["bottleneck"]["evidence"]["dll_taken"] > SEVERAL_IN


def test_the_best_count_is_compared_on_other_rounds_than_it_was_found_on() -> None:
    """Four is the best of the first round, so the default is measured against four's second, good or bad."""
    runs = {
        count: [{"wall_s": seconds} for seconds in walls]
        for count, walls in {
            choices.DEFAULT: (1.0, 3.0),
            choices.LOOP: (0.5, 0.5),
            2: (2.0, 1.0),
            4: (1.0, 2.0),
        }.items()
    }
    assert choices.compared(runs) == (4, 1.5)


@pytest.mark.parametrize(("wall_s", "times"), [(0.5, 6), (5.0, 2)])
def test_short_batches_run_more_often(
    wall_s: float, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside other programs they differ too much to be compared by two runs."""

    def measured(_: choices.Case, counts: Sequence[int], __: Path) -> Iterator[dict[str, Any]]:
        yield from ({"at_once": count, "wall_s": wall_s} for count in counts)

    monkeypatch.setattr(choices, "measured", measured)
    runs = choices.compete(choices.Case("any", 2, counts=(1, 2)), tmp_path, rounds=2)
    assert {count: len(kept) for count, kept in runs.items()} == {choices.DEFAULT: times, 1: times, 2: times}
