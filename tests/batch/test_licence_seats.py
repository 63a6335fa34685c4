"""Licence seats, counted by the simulated DLL: never one above `licences.max`, and no file fails for want of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import orcabatch
from batch_functions import count_objects
from orcabatch import simulated

SHAPES = {"even": (8, 8, 8), "rising": (1, 3, 12), "falling": (14, 2, 1), "gap": (7, 0, 7), "one": (0, 9, 0)}
"""How many small, medium and large files there are."""

SIZES = {"small": 20_000, "medium": 40_000, "large": 80_000}
SCOPES = ("model", "process", "host")
SEATS = (1, 6, 12, 20)
MODES = {
    "auto": ("static", "dynamic", "hybrid"),
    "serial": ("static", "dynamic"),
    "threads": ("static", "dynamic"),
    "processes": ("static", "dynamic", "hybrid"),
    "dask": ("static", "dynamic"),
}
IN_THE_GATE = {
    ("serial", "static", "model", 1, "even"),
    ("auto", "static", "model", 6, "even"),
    ("auto", "dynamic", "model", 6, "even"),
    ("auto", "hybrid", "process", 6, "falling"),
    ("processes", "static", "model", 6, "even"),
    ("processes", "dynamic", "process", 1, "gap"),
    ("processes", "hybrid", "model", 6, "rising"),
    ("processes", "hybrid", "process", 1, "even"),
    ("dask", "static", "model", 6, "even"),
}
"""Beside all that run on threads. Starting processes takes a second each time: others run with ORCABATCH_LONG."""


@pytest.fixture(scope="module")
def tiers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Files of each tier, as many as any shape wants."""
    folder = tmp_path_factory.mktemp("tiers")
    objects = simulated.mooring_objects(3)
    return {
        tier: [
            simulated.write_sim(
                folder / f"{tier}{number}.sim",
                simulated.SimSpec(objects=objects, stop_time_s=1.0, size_bytes=size, seed=number),
            )
            for number in range(max(SHAPES[shape][at] for shape in SHAPES))
        ]
        for at, (tier, size) in enumerate(SIZES.items())
    }


def combinations() -> list[Any]:
    """Every executor x mode x scope x seats x shape; but for threads, mostly on demand."""
    found = []
    for executor, modes in MODES.items():
        for mode in modes:
            for scope in SCOPES:
                for seats in SEATS:
                    for shape in SHAPES:
                        case = (executor, mode, scope, seats, shape)
                        marks = [] if executor == "threads" or case in IN_THE_GATE else [pytest.mark.long]
                        found.append(pytest.param(*case, marks=marks, id="-".join(map(str, case))))
    return found


def ran(files: list[Any], costs: simulated.Costs, executor: str, mode: str, licences: dict[str, Any]) -> Any:
    """The result, and what the DLL counted."""
    simulated.configure(costs)
    simulated.reset_counters()
    section = {
        "orcaflex": "simulated",
        "executor": executor,
        "threading": {"mode": mode},
        "optimization": {"size_thresholds": {"small": 30_000, "large": 60_000}},
        "licences": {"wait": 30, "ramp_up": 1000, **licences},
        "ledger": {"enabled": False},
    }
    if executor in {"processes", "dask"} or mode == "hybrid":
        section |= {"process_count": 3}
    result = orcabatch.run_batch(files, postprocess=count_objects, performance=section, progress=False)
    return result, simulated.counters()


@pytest.mark.parametrize(("executor", "mode", "scope", "seats", "shape"), combinations())
def test_no_file_fails_and_no_seat_is_taken_above_the_maximum(
    orcaflex, tiers, executor, mode, scope, seats, shape
) -> None:
    """Whatever the mode, the scope, the number of seats, the executor and the shape of the tiers."""
    if executor == "dask":
        pytest.importorskip("distributed")
    files = [file for tier, count in zip(SIZES, SHAPES[shape], strict=True) for file in tiers[tier][:count]]
    costs = simulated.Costs(seat_scope=scope, load_latency_s=0.002)
    result, counted = ran(files, costs, executor, mode, {"max": seats, "scope": scope})
    assert [outcome.error for outcome in result.failed] == []
    assert counted.peak_seats <= seats
    assert (counted.seats_in_use, counted.destroyed_on_wrong_thread) == (0, 0)


@pytest.mark.parametrize("mode", ["static", "dynamic"])
@pytest.mark.parametrize("seats", [1, 3])
def test_a_server_with_fewer_seats_than_were_thought_fails_no_file(orcaflex, tiers, mode, seats) -> None:
    """Without `licences.max`: what idles makes room for what is refused, and the rest waits its turn."""
    files = [file for tier in SIZES for file in tiers[tier][:6]]
    costs = simulated.Costs(seat_scope="model", seats=seats, load_latency_s=0.002)
    result, counted = ran(files, costs, "threads", mode, {"scope": "model", "wait": 60})
    assert [outcome.error for outcome in result.failed] == []
    assert counted.peak_seats <= seats


def test_a_tier_that_ends_gives_its_models_back_on_their_threads(orcaflex, tiers) -> None:
    """Ten models of small files are gone before the first of two large ones is loaded:."""
    files = [*tiers["small"][:10], *tiers["large"][:2]]
    costs = simulated.Costs(load_latency_s=0.05)
    alive: list[int] = []

    def look(model) -> None:
        if Path(model.latestFileName).stat().st_size > SIZES["medium"]:
            alive.append(simulated.counters().live_models)

    simulated.configure(costs)
    section = {
        "orcaflex": "simulated",
        "executor": "threads",
        "threading": {"mode": "static"},
        "optimization": {"size_thresholds": {"small": 30_000, "large": 60_000}},
        "ledger": {"enabled": False},
    }
    result = orcabatch.run_batch(files, postprocess=look, performance=section, progress=False)
    assert result.ok
    assert max(alive) <= 2
    assert orcaflex is not None
