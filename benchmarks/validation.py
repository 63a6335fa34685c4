"""The virtual host against real runs: one run calibrates it, and it foretells a run at another count.

    real run at one count ── metrics ── calibrated ──> virtual host ──> seconds at another count  <──> real run at it

Covers batches that wait, that compute in native code, and that hold Python's lock, on this machine's own cores. Does
not cover hosts larger than this one: nothing here can check those figures, which is why they are called *projected*.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orcabatch
from benchmarks.replay import predict
from orcabatch import simulated
from orcabatch.bench import real_work
from orcabatch.bench.findings import Findings


@dataclass(frozen=True, slots=True)
class Check:
    """A batch, the count that calibrates, and the count that is foretold.

    Attributes:
        name: what limits it.
        function: what is done with each file.
        costs: what the simulated OrcaFlex charges.
        files: how many.
        taught, asked: files at once.
    """

    name: str
    function: Callable[..., Any]
    costs: simulated.Costs
    files: int
    taught: int
    asked: int


CHECKS = (
    Check("waiting", real_work.one_history, simulated.Costs(load_latency_s=0.3, log_pass_s=0.1), 60, 4, 12),
    Check("cores", real_work.one_history, simulated.Costs(cpu_s_per_pass=0.1), 30, 1, 4),
    Check("Python's lock", real_work.held_by_the_lock, simulated.Costs(), 60, 2, 6),
)


def suite(folder: Path, *, rounds: int = 10, quick: bool = False) -> Findings:
    """Every check, `rounds` times: calibrated and foretold anew in each."""
    found = Findings("validation", unit="foretold seconds over measured")
    for check in CHECKS:
        files = simulated.generate_batch(
            folder / check.name, lngc=0, standard=check.files // (4 if quick else 1), standard_bytes=(200_000, 800_000)
        )
        simulated.install(check.costs)
        try:
            ratios = [_ratio(check, files) for _ in range(1 if quick else rounds)]
        finally:
            simulated.uninstall()
        found.rows.append(
            {
                "limited by": check.name,
                "calibrated at": str(check.taught),
                "foretold at": str(check.asked),
                "foretold / measured (median)": f"{statistics.median(ratios):.3f}",
                "least, most": f"{min(ratios):.3f}, {max(ratios):.3f}",
                "rounds": str(len(ratios)),
            }
        )
        found.bars.append((check.name, statistics.median(ratios)))
    return found


def _ratio(check: Check, files: list[Path]) -> float:
    foretold = predict(_metrics(check, files, check.taught), (check.asked,)).fixed_s[check.asked]
    return foretold / float(_metrics(check, files, check.asked)["wall_s"])


def _metrics(check: Check, files: list[Path], count: int) -> Mapping[str, Any]:
    """A real run at a fixed count."""
    asked = {
        "threading": {"mode": "static", "max_threads": count},
        "ledger": {"enabled": False},
        "broker": {"enabled": False},
    }
    result = orcabatch.run_batch(
        files, postprocess=check.function, orcaflex="simulated", progress=False, performance=asked
    )
    metrics: Mapping[str, Any] = result.metrics
    return metrics
