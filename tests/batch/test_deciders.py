"""The specification's classes decide: where one of their methods is replaced, a run is another."""

from __future__ import annotations

from typing import Any

import pytest

import orcabatch
from batch_functions import largest_tension
from orcabatch import simulated
from orcabatch.host import ResourceManager
from orcabatch.plan import BatchOptimizer

MODES = ("static", "dynamic", "hybrid")


def run(sims: Any, performance: dict[str, Any] | None = None, **more: Any) -> tuple[Any, int]:
    """A run on threads, and how many models were alive at once."""
    simulated.configure(simulated.Costs(load_latency_s=0.2))
    simulated.reset_counters()
    asked = {"executor": "threads", "threading": {"min_threads": 4}, **(performance or {})}
    result = orcabatch.run_batch(
        sims, postprocess=largest_tension, performance=asked, orcaflex="simulated", progress=False, fresh=True, **more
    )
    assert result.ok
    assert len(result.outcomes) == 8
    return result, simulated.counters().peak_live_models


def test_four_and_more_run_at_once_where_nothing_is_replaced(orcaflex: Any, sims: Any) -> None:
    """What the others are compared with."""
    result, alive = run(sims)
    assert alive >= 4
    assert {outcome.tier for outcome in result.outcomes} == {"small"}


@pytest.mark.parametrize("mode", ["static", "dynamic"])
@pytest.mark.parametrize("grouped", [True, False])
def test_replacing_the_formula_caps_a_run(
    orcaflex: Any, sims: Any, monkeypatch: pytest.MonkeyPatch, mode: str, grouped: bool
) -> None:
    """`ResourceManager.calculate_optimal_threads` says two: two models are alive at once."""
    monkeypatch.setattr(ResourceManager, "calculate_optimal_threads", lambda self, file_sizes, available_ram: 2)
    result, alive = run(sims, {"threading": {"mode": mode}, "optimization": {"group_by_size": grouped}})
    assert alive == 2
    assert result.metrics["plan"]["bound_by"].startswith("calculate_optimal_threads (")


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_replacing_the_counts_changes_a_run(
    orcaflex: Any, sims: Any, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """`BatchOptimizer.assign_thread_counts` says three small ones at once: three models are alive."""
    counts = {"small": 3, "medium": 1, "large": 1}
    monkeypatch.setattr(BatchOptimizer, "assign_thread_counts", lambda self, groups=None: counts)
    _, alive = run(sims, {"threading": {"mode": mode}})
    assert alive == 3


def test_replacing_the_grouping_changes_a_run(orcaflex: Any, sims: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`BatchOptimizer.group_by_size` calls every file large: they run at the count of large ones."""
    monkeypatch.setattr(BatchOptimizer, "group_by_size", lambda self, files: ([], [], list(files)))
    result, alive = run(sims, {"optimization": {"thread_allocation": {"large": 2}}})
    assert alive == 2
    assert {outcome.tier for outcome in result.outcomes} == {"large"}


class OneByOne(BatchOptimizer):
    """One file of each tier at a time; the two largest files are large."""

    def group_by_size(self, files: Any) -> Any:
        ranked = sorted(files, key=lambda file: file.size)
        return ranked[:-2], [], ranked[-2:]

    def assign_thread_counts(self, groups: Any = None) -> dict[str, int]:
        return {"small": 1, "medium": 1, "large": 1}


class Thrifty(ResourceManager):
    """A quarter of what the specification allows, but one."""

    def calculate_optimal_threads(self, file_sizes: Any, available_ram: float) -> int:
        return min(2, super().calculate_optimal_threads(file_sizes, available_ram))


def test_a_subclass_is_handed_to_the_call(orcaflex: Any, sims: Any) -> None:
    """`batch_optimizer` and `resource_manager` take classes; a plan and an iteration are made with them as well."""
    result, alive = run(sims, batch_optimizer=OneByOne, performance={})
    assert alive == 2
    assert sorted(outcome.tier for outcome in result.outcomes) == ["large"] * 2 + ["small"] * 6
    assert run(sims, resource_manager=Thrifty, performance={})[1] == 2
    planned = orcabatch.plan_batch(sims, postprocess=largest_tension, batch_optimizer=OneByOne)
    assert [(tier.name, tier.limit) for tier in planned.tiers] == [("small", 1), ("large", 1)]
    arguments = {"postprocess": largest_tension, "orcaflex": "simulated", "resource_manager": Thrifty}
    assert all(outcome.ok for outcome in orcabatch.iter_batch(sims, **arguments))


@pytest.mark.parametrize("mode", MODES)
def test_written_per_gb_and_min_threads_bind_a_run(orcaflex: Any, sims: Any, mode: str) -> None:
    """`threads_per_gb` so small that it gives one: one file after the other; with `min_threads: 3` beside it, three."""
    low = {"mode": mode, "threads_per_gb": 0.0001}
    for threading, most in ((low, 1), ({**low, "min_threads": 3}, 3)):
        result, _ = run(sims, {"executor": "auto", "threading": threading})
        assert max(_at_once(result)) <= most
        assert result.metrics["plan"]["limit"] == most
        assert any("threads_per_gb" in said and "(written)" in said for said in result.metrics["plan"]["binding"])


def _at_once(result: Any) -> list[int]:
    """Files in work at each moment one began."""
    spans = [
        (outcome.finished_s - outcome.wall_s + outcome.phases["wait"], outcome.finished_s)
        for outcome in result.outcomes
    ]
    return [sum(begin <= at < end for begin, end in spans) for at, _ in spans]
