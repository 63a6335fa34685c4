"""Suites of orcabatch against others: the specification's configurations and batches, and every peer."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from orcabatch.bench import peers
from orcabatch.bench.findings import JOINT, SCALED, Findings, Setup, chosen, place, row, settings, words
from orcabatch.bench.measure import Contender, Measured, compete
from orcabatch.bench.workloads import (
    SCALE,
    Workload,
    shapes,
    sizes,
    specification,
    written,
)
from orcabatch.settings import TIERS

# --- the specification's configurations -----------------------------------------------------------------------------

CONFIGURATIONS = (("15/large", 15), ("30/medium", 30), ("45/small", 45), ("60/mixed", 60))
SPEC_FILES = {"large": 16, "medium": 32, "small": 48, "mixed": 48}


def spec(setup: Setup) -> Findings:
    """The five configurations of the specification and its two batches, against 30 threads and the best of the rest."""
    found = Findings("spec")
    cases: dict[str, tuple[Workload, list[Contender]]] = {}
    for name, count in CONFIGURATIONS:
        kind = name.split("/")[1]
        fixed = dict.fromkeys(TIERS, count)
        static = settings(
            threading={"mode": "static", "max_threads": count},
            optimization={**SCALED["optimization"], "thread_allocation": fixed},
        )
        own = [
            peers.orcabatch(f"orcabatch static {count}", **static),
            peers.orcabatch("orcabatch dynamic", **settings()),
        ]
        cases[name] = Workload(name, sizes(kind, setup.files(SPEC_FILES[kind])), host="ssd"), own
    for batch in specification(setup.files(48)).values():
        for joint in JOINT:
            workload = batch.on("ssd", joint)
            cases[workload.name] = workload, [peers.orcabatch("orcabatch dynamic", ledger={"enabled": False})]
    for workload, own in chosen(cases, setup.only):
        _against_best(found, setup, workload, own)
    found.notes += [
        f"Files are {SCALE} times smaller than production's; costs: an SSD-like host ({words('ssd')}).",
        "60/mixed and dynamic/mixed are the rows `orcabatch static 60` and `orcabatch dynamic` of 60/mixed.",
        (
            "A reduction is against the fastest of serial, processes and the best fixed count of threads, all measured "
            "in the same run; the one against 30 threads stands beside it."
        ),
    ]
    return found


def _against_best(found: Findings, setup: Setup, workload: Workload, own: Sequence[Contender]) -> None:
    """Measure a workload: serial, 30 threads, the best pool of threads and of processes, and orcabatch."""
    made = written(workload, setup.folder / place(workload))
    best = peers.search(made, ("threads", "processes"), files=8, say=setup.say)
    others = [peers.SERIAL, peers.BASELINE, *(each for each in best if each.kind != peers.BASELINE.kind)]
    measured = compete(
        [*others, *own],
        made,
        rounds=setup.rounds,
        warm_cache=setup.warm_cache,
        keep=(peers.BASELINE.name,),
        say=setup.say,
    )
    fastest = peers.best_of(measured)
    baseline = next(each for each in measured if each.contender == peers.BASELINE.name)
    for each in measured:
        cells = row(each)
        cells["less than 30 threads"] = _less(each, baseline)
        cells["less than the best other"] = _less(each, fastest) if each.contender.startswith("orcabatch") else ""
        found.rows.append(cells)
        found.bars.append((f"{workload.name}: {each.contender}", each.median_s))
    found.keep(measured)


def _less(each: Measured, than: Measured) -> str:
    return f"{100 * (1 - each.median_s / than.median_s):.0f}%" if each.wall_s and than.wall_s else ""


# --- peers ----------------------------------------------------------------------------------------------------------

PEER_CASES = (
    ("96x300", "free", 24),
    ("96x300", "ssd", 6),
    ("20x10", "free", 24),
    ("1x10", "free", 48),
    ("series", "ssd", 8),
)


def peers_suite(setup: Setup) -> Findings:
    """Everyone else at the best setting found for each, on the same work."""
    found = Findings("peers")
    lacking = peers.missing()
    cases = [
        shapes(setup.files(usual))[shape].on(host, joint)
        for shape, host, usual in PEER_CASES
        for joint in (JOINT if host != "free" else ("many",))
    ]
    for workload in chosen({case.name: case for case in cases}, setup.only):
        made = written(workload, setup.folder / place(workload))
        best = peers.search(made, setup.pools, files=2, say=setup.say)
        own = peers.orcabatch(**settings())
        tiers = [peers.TIERS] if "chunks" in setup.pools else []
        everyone = [peers.SERIAL, *best, *tiers, own]
        measured = compete(everyone, made, rounds=setup.rounds, warm_cache=setup.warm_cache, say=setup.say)
        peer_rows(found, measured)
    found.notes += [f"{pool} is left out: {package} is not installed" for pool, package in lacking.items()]
    found.notes.append("Peers stand with the best count found for each by a search over the first files.")
    return found


def peer_rows(found: Findings, measured: Sequence[Measured]) -> None:
    """Add contenders as rows, against digitalmodel's loop and the best peer."""
    serial = next(each for each in measured if each.contender == peers.SERIAL.name)
    best = peers.best_of(measured, but=(peers.SERIAL.name,))
    for each in measured:
        cells = row(each, serial)
        cells["x best peer"] = f"{best.median_s / each.median_s:.2f}" if each.wall_s else ""
        cells["over the bound"] = _over_bound(each)
        found.rows.append(cells)
        found.bars.append((f"{each.workload}: {each.contender}", each.median_s))
    found.keep(measured)


def _over_bound(each: Measured) -> str:
    """Wall time over the lower bound of what orcabatch's own run had to do."""
    bounds = [run["lower_bound"]["seconds"] for run in each.runs if run.get("lower_bound")]
    return f"{each.median_s / statistics.median(bounds):.2f}" if bounds and min(bounds) > 0 else ""
