"""What is done twice and what is not: a user's function never unasked; every retry is said."""

from __future__ import annotations

import functools
import gc
import uuid
from pathlib import Path

import pytest

import orcabatch
from batch_functions import largest_tension
from orcabatch import simulated
from orcabatch.orcaflex.failures import NOT_REPEATED
from orcabatch.orcaflex.sim_files import InputError
from orcabatch.outcome import Cause, Status
from orcabatch.results.result import warnings_text


def run(files, function, **performance):
    return orcabatch.run_batch(
        files, postprocess=function, orcaflex="simulated", performance=performance, progress=False
    )


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize(
    "error", [PermissionError(13, "mine"), MemoryError("mine"), TimeoutError("network"), InputError("mine", "", True)]
)
@pytest.mark.parametrize("mark", [lambda function: function, orcabatch.repeatable])
def test_what_a_function_raises_is_final(orcaflex, sims, executor, error, mark):
    """It runs once for each file, whatever it raises and whatever it says of itself."""
    called = []

    @mark
    def function(model):
        called.append(model["Line01"].name)
        raise error

    result = run(sims[:3], function, executor=executor)
    assert len(called) == 3
    assert [(outcome.status, outcome.attempt, outcome.retried) for outcome in result.outcomes] == [
        (Status.FAILED, 1, ())
    ] * 3


class Counting:
    """Opens a second model, the base case, whose licence is refused at the first two tries."""

    def __init__(self, base: Path) -> None:
        self.base, self.called = base, 0

    def __call__(self, model):
        import OrcFxAPI

        self.called += 1
        return len(OrcFxAPI.Model(str(self.base)).objects) > 0


class Repeatable(Counting):
    """The same, and it may be called again."""

    repeatable = True


@pytest.fixture
def base(tmp_path):
    """A file whose loading fails twice for want of a licence."""
    name = f"base-{uuid.uuid4().hex}.sim"  # planned failures are counted by name, over all tests
    file = simulated.write_sim(tmp_path / name, simulated.SimSpec(size_bytes=100_000))
    simulated.configure(simulated.Costs(fail_loads={name: (25, 2)}))
    yield Path(file)
    gc.collect()  # the function's own models go with its exceptions


def test_a_lost_licence_inside_a_function_is_final_and_says_what_would_help(orcaflex, sims, base):
    """Nobody knows what the function did before; the message names the way to have it called again."""
    function = Counting(base)
    (outcome,) = run(sims[:1], function, executor="serial").outcomes
    assert (function.called, outcome.status, outcome.cause, outcome.attempt) == (1, Status.FAILED, Cause.LICENCE, 1)
    assert NOT_REPEATED in outcome.error


@pytest.mark.parametrize("wrap", [lambda function: function, functools.partial])
def test_a_function_that_says_so_is_called_again_and_each_time_is_said(orcaflex, sims, base, wrap):
    """It is well at the third try; the outcome, the end of the run and the metrics say why the first two were not."""
    function = Repeatable(base)
    result = run(sims[:1], wrap(function), executor="serial")
    (outcome,) = result.outcomes
    assert (function.called, outcome.value, outcome.attempt, len(outcome.retried)) == (3, True, 3, 2)
    assert all("no OrcaFlex licence" in reason for reason in outcome.retried)
    assert any("tried again: no OrcaFlex licence" in line for line in warnings_text(result.outcomes))
    assert result.metrics["files"][0]["retried"] == list(outcome.retried)


def test_a_decorated_function_is_the_same_function():
    """The decorator marks it and gives it back."""
    assert orcabatch.repeatable(largest_tension_again) is largest_tension_again
    assert largest_tension_again.repeatable is True


def largest_tension_again(model):
    return largest_tension(model)


STAGED = {"io": {"stage_inputs": True}, "threading": {"max_threads": 1}}


def beside(model, sim_file):
    """A function that looks at the model's path, and writes beside it."""
    seen = Path(model.latestFileName)
    seen.with_suffix(".txt").write_text("mine", encoding="utf-8")
    return seen == sim_file, seen.with_suffix(".yml").exists()


def test_staging_leaves_a_function_its_own_place_and_says_so(orcaflex, sims):
    """The model's path is the original's, a companion file is there, and what it wrote beside its input stays."""
    for sim in sims:
        sim.with_suffix(".yml").write_text("case: 1", encoding="utf-8")
    simulated.configure(simulated.Costs(load_latency_s=0.05))
    result = run(sims, beside, **STAGED)
    assert result.values == [(True, True)] * len(sims)
    assert all(sim.with_suffix(".txt").exists() for sim in sims)
    assert any("io.stage_inputs does not apply to beside" in warning for warning in result.warnings)
    assert {Path(path) for path in simulated.counters().loads_by_file} == set(sims)
    plan = orcabatch.plan_batch(sims, postprocess=beside, performance=STAGED)
    assert any("io.stage_inputs does not apply" in note for note in plan.notes)


COLUMNS = ["file", "name", "batch", "status", "error", "attempt", "size_bytes", "wall_s", "load_s"]


def test_a_table_keeps_its_own_columns_and_every_key_of_a_function(orcaflex, sims):
    """A key that names one of the table's columns is prefixed, in every row; the others are not."""

    def function(model, sim_file):
        shadowing = {name: f"mine {name}" for name in COLUMNS}
        return {**shadowing, "tension": 1.0, "value_name": "another", 7: "seven"}

    table = run(sims, function).to_dataframe()
    assert list(table["name"]) == [sim.name for sim in sims]
    assert set(table["status"]) == {"ok"}
    assert set(table["value_status"]) == {"mine status"}
    assert set(table["value_name"]) == {"another"}
    assert set(table["value_value_name"]) == {"mine name"}
    assert set(table["tension"]) == {1.0}
    assert set(table[7]) == {"seven"}
    assert len(table.columns) == len(set(table.columns))


def test_a_mapping_of_any_kind_spreads_over_columns(orcaflex, sims):
    """What is no dictionary but a mapping does as well; a failed file's cells stay empty."""
    from types import MappingProxyType

    def function(model, sim_file):
        if sim_file == sims[0]:
            raise ValueError("no luck")
        return MappingProxyType({"tension": 2.0, "error": 0.5})

    table = run(sims, function).to_dataframe()
    assert table["tension"].isna().tolist() == [True, *[False] * (len(sims) - 1)]
    assert "no luck" in table["error"][0]
    assert table["value_error"].tolist()[1:] == [0.5] * (len(sims) - 1)
