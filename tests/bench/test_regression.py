"""Figures that do not depend on the machine, held exactly. A change that means to change them records them anew."""

from __future__ import annotations

from typing import Any

import pytest

from orcabatch.bench import regression

AGAIN = "meant to change? `python -m orcabatch.bench.regression` records the figures anew"


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    return regression.recorded()


@pytest.fixture(scope="module")
def counts() -> dict[str, dict[str, int]]:
    return regression.counts()


def test_dll_calls_log_passes_bytes_and_loads_are_the_recorded_ones(
    counts: dict[str, dict[str, int]], recorded: dict[str, Any]
) -> None:
    """What a batch asks of OrcFxAPI, one file at a time: the same number on every machine."""
    assert not regression.differences(counts, recorded), AGAIN


def test_every_file_was_loaded_once_and_every_model_destroyed_on_its_own_thread(
    counts: dict[str, dict[str, int]],
) -> None:
    """Nothing came from a ledger, nothing was left behind."""
    own = {name: each for name, each in counts.items() if name.endswith("orcabatch")}
    assert len(own) == len(regression.BATCHES)
    for name, each in own.items():
        assert each["loads"] == 3, name
        assert each["never_destroyed"] == each["affinity_violations"] == 0, name


def test_orcabatch_asks_at_most_a_fifth_of_what_digitalmodel_asks(counts: dict[str, dict[str, int]]) -> None:
    """On the narrow batches; on wide ones it is hundreds of times less."""
    for name in regression.DIGITALMODEL_TOO:
        assert 5 * counts[f"{name}, orcabatch"]["calls"] <= counts[f"{name}, serial loop"]["calls"], name


def test_a_worse_figure_is_named() -> None:
    """The guard can fail, and says what and by how much."""
    then = {"batch": {"calls": 10}}
    assert regression.differences({"batch": {"calls": 11}}, then) == ["batch: calls: 11, recorded is 10"]
