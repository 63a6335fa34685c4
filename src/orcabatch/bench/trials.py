"""Suites of orcabatch alone: scaling, memory under a cap, many files, and the same batch again."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from orcabatch.bench import peers
from orcabatch.bench.findings import CPUS, Findings, Setup, place, row, settings, words
from orcabatch.bench.measure import Contender, Measured, compete, run_once, temporary_folder
from orcabatch.bench.workloads import (
    MB,
    MEMORY_FACTORS,
    Made,
    Workload,
    sizes,
    specification,
    written,
)
from orcabatch.settings import TIERS

# --- scaling --------------------------------------------------------------------------------------------------------

SCALING_COUNTS = (1, 2, 4, 8, 15, 30, 45, 60)
QUICK_COUNTS = (1, 4, 15)


def scaling(setup: Setup) -> Findings:
    """As many times more files as threads, on latency-bound work: linear is the same time for all."""
    found = Findings("scaling", unit="files per second over threads times the rate of one thread")
    rates: dict[int, float] = {}
    for count in QUICK_COUNTS if setup.quick else SCALING_COUNTS:
        rounds = 4
        workload = Workload(f"{count} threads", (100_000,) * (rounds * count), columns=4, objects=10, host="latency")
        made = written(workload, setup.folder / "scaling")
        static = settings(
            threading={"mode": "static", "max_threads": count},
            optimization={
                "group_by_size": True,
                "thread_allocation": dict.fromkeys(TIERS, count),
            },
        )
        measured = compete(
            [peers.orcabatch(f"orcabatch static {count}", **static)], made, rounds=setup.rounds, say=setup.say
        )
        found.keep(measured)
        only = measured[0]
        rates[count] = len(made.files) / only.median_s
        share = rates[count] / (count * rates[1]) if rates.get(1) else float("nan")
        found.rows.append(row(only) | {"files/s": f"{rates[count]:.1f}", "of linear": f"{share:.0%}"})
        found.bars.append((f"{count} threads", share))
    found.notes.append(
        f"Latency-bound: {words('latency')}. {CPUS} CPUs hold what is not waiting; at 60 threads the simulated "
        "OrcaFlex's own Python and the GIL show."
    )
    return found


# --- memory, stress -------------------------------------------------------------------------------------------------


def memory(setup: Setup) -> Findings:
    """Files whose memory is drawn from 0.3 to 4 times their size, under a cap that holds a few of them."""
    import psutil

    found = Findings("memory", unit="peak bytes of its processes")
    count = setup.files(24)
    size = (20 if setup.quick else 60) * MB
    workload = Workload(
        "memory factors 0.3-4", (size,) * count, columns=4, memory_factors=MEMORY_FACTORS, host="latency"
    )
    made = written(workload, setup.folder / "memory")
    total, used = psutil.virtual_memory().total, psutil.virtual_memory().total - psutil.virtual_memory().available
    room = max(8 * size * 2, 800 * MB)
    cap = round(100 * (used + room) / total, 2)
    contenders = [
        peers.orcabatch("orcabatch dynamic", ledger={"enabled": False}, memory={"max_usage_percent": cap}),
        Contender("threads 30", "threads:30"),
        Contender("threads 8", "threads:8"),
    ]
    measured = compete(contenders, made, rounds=setup.rounds, warm_cache=True, say=setup.say)
    for each in measured:
        peak = each.median("peak_memory_percent")
        cells = row(each) | {"cap": f"{cap:.2f}%", "host's peak": f"{peak:.2f}%" if peak == peak else ""}  # noqa: PLR0124
        found.rows.append(cells)
        found.bars.append((each.contender, each.median("peak_bytes")))
    found.keep(measured)
    found.notes.append(
        f"The cap leaves {room / MB:.0f} MB beside what was in use; {count} files of {size / MB:.0f} MB, their memory "
        "unknown to the engine. Other programs of the host count in `host's peak`."
    )
    return found


def stress(setup: Setup) -> Findings:
    """Many small files, and many of them on threads at once: nothing lost, nothing left, cost per file."""
    found = Findings("stress", unit="milliseconds per file")
    count = setup.files(464)
    workload = Workload(f"{count} files", sizes("small", count), columns=4, objects=10, samples=101)
    made = written(workload, setup.folder / "stress")
    quiet = settings(monitoring={"enabled": True})
    contenders = [
        peers.SERIAL,
        peers.orcabatch("orcabatch dynamic", **quiet),
        peers.orcabatch("orcabatch static 45", **quiet, threading={"mode": "static", "max_threads": 45}),
    ]
    measured = compete(contenders, made, rounds=setup.rounds, warm_cache=setup.warm_cache, say=setup.say)
    for each in measured:
        each_ms = 1000 * each.median_s / count
        found.rows.append(
            row(each)
            | {
                "ms per file": f"{each_ms:.2f}",
                "failed": f"{each.median('failed'):.0f}" if each.contender.startswith("orcabatch") else "",
                "models left": f"{each.median('never_destroyed'):.0f}",
                "wrong threads": f"{each.median('affinity_violations'):.0f}",
            }
        )
        found.bars.append((each.contender, each_ms))
    found.keep(measured)
    return found


def again(setup: Setup) -> Findings:
    """The specification's batches, three times on one ledger that is new in every round; results are not reused."""
    found = Findings("again")
    for workload in specification(setup.files(32)).values():
        for host in ("latency", "ssd"):
            made = written(workload.on(host), setup.folder / place(workload))
            runs: dict[str, list[dict[str, Any]]] = {"first run": [], "second run": [], "third run": []}
            for _ in range(setup.rounds):
                _in_turn(made, runs, setup)
            _again_rows(found, made.workload.name, runs)
    found.notes.append("Runs of one round share a ledger that is empty before the first; each is a fresh process.")
    return found


def _in_turn(made: Made, runs: Mapping[str, list[dict[str, Any]]], setup: Setup) -> None:
    with temporary_folder() as folder:
        contender = peers.orcabatch(ledger={"enabled": True, "path": str(folder / "ledger")})
        for name, kept in runs.items():
            kept.append(run_once(contender, made, folder / name.replace(" ", "_"), warm_cache=setup.warm_cache))
            setup.say(f"  {made.workload.name}, {name}: {kept[-1]['wall_s']:.2f} s")


def _again_rows(found: Findings, batch: str, runs: Mapping[str, list[dict[str, Any]]]) -> None:
    measured = [
        Measured(f"orcabatch {name}", batch, tuple(run["wall_s"] for run in kept), tuple(kept))
        for name, kept in runs.items()
    ]
    for each in measured:
        ratios = [now / first for now, first in zip(each.wall_s, measured[0].wall_s, strict=True)]
        starts = sorted({run["start_limit"] for run in each.runs})
        cpu = [now["cpu_s"] / first["cpu_s"] for now, first in zip(each.runs, measured[0].runs, strict=True)]
        cells = row(each) | {"over the first": f"{statistics.median(ratios):.3f}", "started with": str(starts)}
        cells["CPU seconds over the first"] = f"{statistics.median(cpu):.3f}"
        cells["plan says what it learned"] = "yes" if all(run["learned"] for run in each.runs) else "no"
        found.rows.append(cells)
        found.bars.append((f"{batch}: {each.contender}", each.median_s))
    found.keep(measured)
