"""Peers do the same work as digitalmodel's loop: same bytes, every file loaded once, in fresh processes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from orcabatch.bench import findings, measure, peers, workloads
from orcabatch.bench.findings import CPUS, Setup, cpu_percent, row
from orcabatch.bench.measure import Contender, Measured, compete
from orcabatch.bench.suites import tour
from orcabatch.bench.workloads import Workload, sizes, written

pytest.importorskip("digitalmodel", reason="peers run digitalmodel's functions: install orcabatch[digitalmodel]")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> workloads.Made:
    workload = Workload("tiny", (30_000, 60_000, 90_000), columns=4, samples=101)
    return written(workload, tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def measured(made: workloads.Made) -> dict[str, Measured]:
    here = [pool for pool in peers.POOLS if pool not in peers.missing()]
    contenders = [
        peers.SERIAL,
        peers.TIERS,
        *(Contender(f"{pool} 2", f"{pool}:2") for pool in here),
        peers.orcabatch(ledger={"enabled": False}),
    ]
    return {each.contender: each for each in compete(contenders, made, rounds=1)}


@pytest.mark.long
def test_every_peer_writes_the_bytes_of_digitalmodels_loop(measured: dict[str, Measured]) -> None:
    """A peer that did other work would be no peer."""
    assert {name: each.error for name, each in measured.items() if each.error} == {}
    assert all(each.same_output for each in measured.values())
    assert len(measured) == 3 + len(peers.POOLS) - len(peers.missing())


@pytest.mark.long
def test_every_contender_loads_each_file_once_and_only_orcabatch_asks_less(measured: dict[str, Measured]) -> None:
    """Nothing came from a ledger; peers run digitalmodel's functions as they are."""
    calls = {name: each.median("calls") for name, each in measured.items()}
    assert {each.median("loads") for each in measured.values()} == {3}
    own = calls.pop("orcabatch")
    assert min(calls.values()) > 3 * own
    assert max(calls.values()) < 1.05 * min(calls.values())


@pytest.mark.long
def test_a_contender_that_fails_is_named_with_its_last_words_and_the_others_go_on(made: workloads.Made) -> None:
    """One peer that cannot run costs its own row only."""
    broken = Contender("nonsense", "threads:0")
    found = compete([broken, peers.SERIAL], made, rounds=1)
    assert "max_workers" in found[0].error
    assert math.isinf(found[0].median_s)
    assert found[1].wall_s
    assert "not finished" in row(found[0])["seconds"]


def test_cpu_stands_in_percent_of_all_cores_too() -> None:
    """Half of all cores over the run: CPU seconds alone say nothing without how long it took."""
    half = Measured("who", "what", (4.0,), ({"cpu_s": 2.0 * CPUS},))
    assert cpu_percent(half) == 50
    assert row(half)["CPU %"] == "50"
    assert row(Measured("who", "what"))["CPU %"] == ""


def test_peers_that_are_not_installed_are_left_out_with_the_package_they_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    """joblib and distributed are optional."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert peers.missing() == {"joblib-threading": "joblib", "joblib-loky": "joblib", "dask": "distributed"}


def test_a_hopeless_peer_is_run_once_and_the_baseline_in_every_round() -> None:
    """Twice as slow as the fastest peer after one round; digitalmodel's loop and orcabatch are never left out."""
    contenders = [peers.SERIAL, peers.BASELINE, Contender("chunks 2", "chunks:2"), Contender("dask 2", "dask:2")]
    walls = {"serial loop": 9.0, "threads 30": 8.0, "chunks 2": 5.0, "dask 2": 2.0}
    runs = {name: [{"wall_s": wall}] for name, wall in walls.items()}
    assert measure._hopeless(contenders, runs, (peers.BASELINE.name,)) == {"chunks 2"}


def test_sizes_are_drawn_like_the_published_ones_and_always_the_same() -> None:
    """42 MB to 3.5 GB, divided by the scale; tiers by the scaled thresholds."""
    mixed = sizes("mixed", 40)
    assert mixed == sizes("mixed", 40)
    assert max(mixed) <= 3_500 * workloads.MB // workloads.SCALE
    assert set(Workload("x", mixed).tiers) == {"small", "medium", "large"}
    assert set(Workload("x", sizes("large", 10)).tiers) == {"large"}


def test_the_tables_hold_what_was_measured_and_json_has_no_infinity(tmp_path: Path) -> None:
    """A peer that did not finish is null in JSON, and missing in the plot."""
    each = Measured("threads 30", "batch", error="too long")
    text = findings.as_json({"raw": [each], "nan": math.nan, "more": {"x": math.inf}})
    assert json.loads(text)["nan"] is None
    picture = findings.svg("title", [("orcabatch", 1.0), ("threads <30>", math.inf), ("a & b", 2.0)], "seconds")
    assert picture.count("<rect") == 3
    assert "a &amp; b" in picture
    assert findings.markdown([{"a": 1}, {"b": "x|y"}]).splitlines()[-1] == "|  | x\\|y |"


@pytest.mark.long
@pytest.mark.slow
def test_the_tour_measures_orcabatch_and_its_peers(tmp_path: Path) -> None:
    """What `orcabatch bench` without a suite shows: a row per contender, then scaling."""
    found = list(tour(Setup(tmp_path, rounds=1, quick=True)))
    assert [each.suite for each in found] == ["tour", "scaling"]
    assert next(cells["who"] for cells in found[0].rows) == "serial loop"
    assert all("not finished" not in cells["seconds"] for each in found for cells in each.rows)
    assert measure.provenance(["x"])["command"] == "orcabatch bench x"


def test_no_peer_is_given_more_processes_than_windows_lets_it_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """On 64 CPUs its best count may be the most that there can be: it is tried, and none that is refused."""
    monkeypatch.setattr(peers.sys, "platform", "linux")
    assert peers.counts("processes", 64) == (32, 64, 128)
    monkeypatch.setattr(peers.sys, "platform", "win32")
    assert peers.counts("processes", 64) == peers.counts("joblib-loky", 64) == (32, 61)
    assert peers.counts("dask", 64) == (32, 64, 128)
