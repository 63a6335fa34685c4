"""The suites of `orcabatch bench`: what runs against what, and what the table says of it.

    suite(Setup) ──> Findings (rows, notes, raw measurements)

Covers spec, peers, scaling, memory and stress. The broker, real OrcaFlex, the virtual host and the regression figures
have modules of their own. Ratios are made within one run; every figure is a median over the rounds.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from orcabatch.bench import peers
from orcabatch.bench.measure import Contender, Measured, Say, compete, run_once, temporary_folder
from orcabatch.bench.workloads import (
    MB,
    MEMORY_FACTORS,
    SCALE,
    THRESHOLDS,
    Made,
    Workload,
    shapes,
    sizes,
    specification,
    written,
)

CPUS = os.cpu_count() or 1
SCALED: dict[str, Any] = {"optimization": {"size_thresholds": {"small": THRESHOLDS[0], "large": THRESHOLDS[1]}}}
"""The specification's thresholds for files that are `SCALE` times smaller."""
JOINT = ("many", "one")


@dataclass(frozen=True, slots=True)
class Setup:
    """How a suite is run.

    Attributes:
        folder: where generated files are kept while it lasts.
        rounds: how often everything is measured.
        quick: fewer and smaller files, for a look.
        warm_cache: fill the page cache with the files instead of emptying it.
        only: cases whose name holds this, where a suite has several.
        say: told about progress.
    """

    folder: Path
    rounds: int = 3
    quick: bool = False
    warm_cache: bool = False
    only: str = ""
    say: Say = lambda _: None

    def files(self, usual: int) -> int:
        """How many files where a full run has `usual`."""
        return max(3, usual // 4) if self.quick else usual


@dataclass(slots=True)
class Findings:
    """What a suite found.

    Attributes:
        suite: its name.
        rows: the table.
        notes: what the reader has to know, beside or below the table.
        raw: all measurements.
        bars: label and value of the plot, and what the value is.
    """

    suite: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: list[dict[str, Any]] = field(default_factory=list)
    bars: list[tuple[str, float]] = field(default_factory=list)
    unit: str = "seconds, median"

    def keep(self, measured: Sequence[Measured]) -> None:
        """Add raw measurements."""
        self.raw += [asdict(each) for each in measured]


def settings(**more: Any) -> dict[str, Any]:
    """orcabatch's settings for scaled files, without a ledger."""
    return {"ledger": {"enabled": False}, **SCALED, **more}


def row(each: Measured, baseline: Measured | None = None) -> dict[str, Any]:
    """A contender as a row of a table."""
    lanes = _lanes(each)
    cells: dict[str, Any] = {
        "batch": each.workload,
        "who": each.contender,
        "seconds": _spread(each.wall_s),
        "without the simulator": f"{each.without_simulator_s(lanes):.2f}" if each.wall_s else "",
        "CPU s": f"{each.median('cpu_s'):.1f}",
        "peak memory": f"{each.median('peak_bytes') / MB:.0f} MB",
        "DLL calls": f"{each.median('calls'):.0f}",
        "log passes": f"{each.median('passes'):.0f}",
        "same output": {True: "yes", False: "no", None: ""}[each.same_output],
    }
    if baseline is not None and baseline.wall_s and each.wall_s:
        cells[f"x {baseline.contender}"] = f"{baseline.median_s / each.median_s:.2f}"
    if each.error:
        cells["seconds"] = f"not finished: {each.error}"
    return cells


def _lanes(each: Measured) -> int:
    """On how many lanes at once the simulator's own Python ran.

    One under the GIL; for processes as many as there were, at most the CPUs. For orcabatch the CPUs, which is to its
    disadvantage.
    """
    kind, _, count = each.contender.rpartition(" ")
    if each.contender.startswith("orcabatch"):
        return CPUS
    return min(CPUS, int(count)) if kind in {"processes", "joblib-loky", "dask"} else 1


def _spread(walls: Sequence[float]) -> str:
    if not walls:
        return ""
    return f"{statistics.median(walls):.2f} ({min(walls):.2f}-{max(walls):.2f})"


# --- the specification's configurations -----------------------------------------------------------------------------

CONFIGURATIONS = (("15/large", 15), ("30/medium", 30), ("45/small", 45), ("60/mixed", 60))
SPEC_FILES = {"large": 16, "medium": 32, "small": 48, "mixed": 48}


def spec(setup: Setup) -> Findings:
    """The five configurations of the specification and its two batches, against 30 threads and the best of the rest."""
    found = Findings("spec")
    for name, count in CONFIGURATIONS:
        kind = name.split("/")[1]
        fixed = dict.fromkeys(("small", "medium", "large"), count)
        static = settings(
            threading={"mode": "static", "max_threads": count},
            optimization={**SCALED["optimization"], "thread_allocation": fixed},
        )
        own = [
            peers.orcabatch(f"orcabatch static {count}", **static),
            peers.orcabatch("orcabatch dynamic", **settings()),
        ]
        _against_best(found, setup, Workload(f"{name}", sizes(kind, setup.files(SPEC_FILES[kind])), host="ssd"), own)
    for workload in specification(setup.files(32)).values():
        for joint in JOINT:
            own = [peers.orcabatch("orcabatch dynamic", ledger={"enabled": False})]
            _against_best(found, setup, workload.on("ssd", joint), own)
    found.notes += [
        f"Files are {SCALE} times smaller than production's; costs: an SSD-like host ({_words('ssd')}).",
        "60/mixed and dynamic/mixed are the rows `orcabatch static 60` and `orcabatch dynamic` of 60/mixed.",
        (
            "A reduction is against the fastest of serial, processes and the best fixed count of threads, all measured "
            "in the same run; the one against 30 threads stands beside it."
        ),
    ]
    return found


def _against_best(found: Findings, setup: Setup, workload: Workload, own: Sequence[Contender]) -> None:
    """Measure a workload: serial, 30 threads, the best pool of threads and of processes, and orcabatch."""
    if setup.only not in workload.name:
        return
    made = written(workload, setup.folder / _place(workload))
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


def _place(workload: Workload) -> str:
    """A folder per set of files; costs are not part of it."""
    return (
        f"{workload.yaml or 'drawn'}_{workload.columns}_{workload.objects}_{abs(hash(workload.sizes)) % 10**8}".replace(
            ".", "_"
        )
        + f"_{workload.samples}_{int(workload.series)}_{workload.memory_factors[1]:g}"
    )


def _words(host: str) -> str:
    from orcabatch.bench.workloads import HOSTS

    return ", ".join(f"{name} {value:g}" for name, value in HOSTS[host].items()) or "nothing but Python"


# --- peers ----------------------------------------------------------------------------------------------------------

PEER_CASES = (
    ("96x300", "free", 6),
    ("96x300", "ssd", 6),
    ("20x10", "free", 24),
    ("1x10", "free", 48),
    ("series", "ssd", 8),
)


def peers_suite(setup: Setup) -> Findings:
    """Everyone else at the best setting found for each, on the same work."""
    found = Findings("peers")
    lacking = peers.missing()
    for shape, host, usual in PEER_CASES:
        for joint in JOINT if host != "free" else ("many",):
            workload = shapes(setup.files(usual))[shape].on(host, joint)
            if setup.only not in workload.name:
                continue
            made = written(workload, setup.folder / _place(workload))
            best = peers.search(made, files=2, say=setup.say)
            own = peers.orcabatch(**settings())
            everyone = [peers.SERIAL, *best, peers.TIERS, own]
            measured = compete(everyone, made, rounds=setup.rounds, warm_cache=setup.warm_cache, say=setup.say)
            _peer_rows(found, measured)
    found.notes += [f"{pool} is left out: {package} is not installed" for pool, package in lacking.items()]
    found.notes.append("Peers stand with the best count found for each by a search over the first files.")
    return found


def _peer_rows(found: Findings, measured: Sequence[Measured]) -> None:
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
                "thread_allocation": dict.fromkeys(("small", "medium", "large"), count),
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
        f"Latency-bound: {_words('latency')}. {CPUS} CPUs hold what is not waiting; at 60 threads the simulated "
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
    """The specification's batches run three times on one ledger, which is new in every round; results are not reused."""
    found = Findings("again")
    for workload in specification(setup.files(48)).values():
        for host in ("latency", "ssd"):
            made = written(workload.on(host), setup.folder / _place(workload))
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
        cells = row(each) | {"over the first": f"{statistics.median(ratios):.3f}", "started with": str(starts)}
        cells["plan says what it learned"] = "yes" if all(run["learned"] for run in each.runs) else "no"
        found.rows.append(cells)
        found.bars.append((f"{batch}: {each.contender}", each.median_s))
    found.keep(measured)


SUITES: Mapping[str, Callable[[Setup], Findings]] = {
    "spec": spec,
    "peers": peers_suite,
    "scaling": scaling,
    "memory": memory,
    "stress": stress,
    "again": again,
}


def tour(setup: Setup) -> Iterator[Findings]:
    """A short look: one peer comparison, scaling, memory."""
    short = replace(setup, quick=True, rounds=1)
    found = Findings("tour")
    workload = shapes(4)["20x10"].on("ssd")
    made = written(workload, setup.folder / _place(workload))
    contenders = [
        peers.SERIAL,
        peers.BASELINE,
        Contender(f"processes {CPUS}", f"processes:{CPUS}"),
        peers.orcabatch(**settings()),
    ]
    _peer_rows(found, compete(contenders, made, rounds=1, say=setup.say))
    yield found
    yield scaling(short)
