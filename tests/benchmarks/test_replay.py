"""A real run again in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

import orcabatch
from batch_functions import largest_tension
from benchmarks.replay import calibrated, predict, replayed
from orcabatch import simulated
from orcabatch.errors import SourceError


@pytest.fixture
def metrics(tmp_path: Path):
    """A latency-bound run on four threads."""
    simulated.install(simulated.Costs(load_latency_s=0.2))
    try:
        files = simulated.generate_batch(tmp_path, lngc=0, standard=12)
        asked = {"threading": {"mode": "static", "max_threads": 4}, "ledger": {"enabled": False}}
        yield orcabatch.run_batch(
            files, postprocess=largest_tension, orcaflex="simulated", progress=False, performance=asked
        ).metrics
    finally:
        simulated.uninstall()


def test_a_latency_bound_run_is_foretold_from_its_metrics(metrics) -> None:
    """Twelve files of 0.2 s on four threads: three rounds; fewer threads take longer, as many as files take one."""
    found = predict(metrics, (1, 4, 12))
    assert abs(found.error) < 0.5
    assert found.fixed_s[1] > 3.5 * found.fixed_s[4]
    assert found.fixed_s[12] < found.fixed_s[4]
    assert "*projected*" in replayed(metrics, "m.json")


def test_a_run_without_measured_files_cannot_be_replayed(metrics) -> None:
    """Said in words."""
    with pytest.raises(SourceError, match="nothing can be replayed"):
        calibrated({**metrics, "files": []})
