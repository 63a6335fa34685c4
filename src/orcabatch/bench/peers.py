"""Who else could do the work, each at the best setting found for it by search, on the same workload.

Covers digitalmodel's serial loop as shipped; plain thread and process pools over its functions (what its later version
does); joblib on threads and on loky; dask.distributed; equal chunks as NsgOrcFx makes them; the specification's static
tiers. joblib and distributed are optional (`pip install orcabatch[bench]`). Does not cover measuring
(`orcabatch.bench.measure`).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orcabatch.bench.measure import Contender, Measured, Say, compete
from orcabatch.plan import WINDOWS_MOST_PROCESSES

if TYPE_CHECKING:
    from orcabatch.bench.workloads import Made

SERIAL = Contender("serial loop", "serial")
TIERS = Contender("static tiers 45/30/15", "tiers")
BASELINE = Contender("threads 30", "threads:30")
POOLS = {
    "threads": "",
    "processes": "",
    "joblib-threading": "joblib",
    "joblib-loky": "joblib",
    "dask": "distributed",
    "chunks": "",
}
"""Pools by the package they need."""
THREAD_COUNTS = (2, 8, 30)
"""Few, some, and the baseline's 30; the search stops where more is slower."""


def orcabatch(name: str = "orcabatch", **performance: Any) -> Contender:
    """orcabatch with these settings (its defaults without any)."""
    return Contender(name, "orcabatch", performance)


def counts(pool: str, cpus: int | None = None) -> tuple[int, ...]:
    """The counts that are tried for a pool: the number of CPUs, half and twice as many for processes."""
    cpus = cpus or os.cpu_count() or 1
    if pool in {"processes", "joblib-loky", "dask"}:
        # Python's pools and loky's refuse more there, and a peer shall have its best count.
        most = WINDOWS_MOST_PROCESSES if sys.platform == "win32" and pool != "dask" else 2 * cpus
        return tuple(sorted({min(count, most) for count in (max(1, cpus // 2), cpus, 2 * cpus)}))
    return THREAD_COUNTS


def missing() -> dict[str, str]:
    """Pools that cannot run here, and the package each lacks."""
    return {pool: package for pool, package in POOLS.items() if package and importlib.util.find_spec(package) is None}


def search(
    made: Made, pools: Sequence[str] = tuple(POOLS), *, files: int = 4, say: Say = lambda _: None
) -> list[Contender]:
    """The best setting of each pool over the first files of the workload.

    Counts go up until one is slower than the one before.
    """
    few = replace(made, workload=replace(made.workload, sizes=made.workload.sizes[:files]), files=made.files[:files])
    lacking = missing()
    found = [_climbed(pool, few, say) for pool in pools if pool not in lacking]
    return [contender for contender in found if contender is not None]


def _climbed(pool: str, few: Made, say: Say) -> Contender | None:
    best, best_s = None, float("inf")
    for count in counts(pool):
        contender = Contender(f"{pool} {count}", f"{pool}:{count}")
        tried = compete([contender], few, rounds=1, say=say)[0]
        if tried.median_s >= best_s:
            break
        best, best_s = contender, tried.median_s
    return best


def best_of(measured: Sequence[Measured], *, but: Sequence[str] = ()) -> Measured:
    """The fastest that finished, orcabatch and `but` left out."""
    others = [each for each in measured if not each.contender.startswith("orcabatch") and each.contender not in but]
    return min(others, key=lambda each: each.median_s)
