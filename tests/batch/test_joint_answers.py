"""A joint answer that differs from the single one, in a whole batch."""

from __future__ import annotations

from functools import partial

import orcabatch
from orcabatch import simulated
from orcabatch.orcaflex.broker import broker

VARIABLES = ("Effective tension", "Bend moment", "Curvature")


def histories(model):
    """Three histories, to the bit."""
    import OrcFxAPI

    line = model["Line01"]
    return [line.TimeHistory(name, OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA).tobytes() for name in VARIABLES]


def test_one_bit_of_difference_redoes_every_file_that_used_a_joint_answer(orcaflex, sims, monkeypatch):
    """One variable of one file, one unit in the last place: a warning names it; all values are the single calls'."""
    single = {"executor": "serial", "broker": {"prefetch": False}, "ledger": {"enabled": False}}
    joint = {"executor": "serial", "ledger": {"enabled": False}}
    ask = partial(orcabatch.run_batch, sims, postprocess=histories, orcaflex="simulated", progress=False)
    expected = ask(performance=single).values
    simulated.configure(simulated.Costs(ulp=(sims[4].name, "Line01", "Bend moment")))
    draw = partial(broker.ResultBroker, draw=lambda count: VARIABLES.index("Bend moment"))
    monkeypatch.setattr(broker, "ResultBroker", draw)
    with simulated.counting() as count:
        result = ask(performance=joint)
    assert result.values == expected
    (warning,) = [text for text in result.metrics["warnings"] if "differed from the single one" in text]
    assert "'Bend moment' of 'Line01'" in warning
    assert sims[4].name in warning
    attempts = [outcome.attempt for outcome in result.outcomes]
    redone = sum(attempt > 1 for attempt in attempts)
    assert attempts[4] > 1
    assert count.counters.loads == len(sims) + redone
