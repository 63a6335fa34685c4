"""The engine in real runs on this machine: how close it comes to the best fixed count, to linear scaling, to the bound.

    suite("engine", folder, arguments) ──> findings, one after the other (`suite`, `markdown`, `result`)
    suite("real", folder, arguments)   ──> the same comparison over files of the user's own

Covers regret on four kinds of batches, scaling at 45 threads, makespan over the lower bound; memory and the engine's
own cost stand in `real_memory` and `real_cost`. Files and the DLL are simulated, time and threads are not. The best
fixed count is found by trying, and measured again in fresh rounds that alternate with adaptive ones, so that what else
the machine does falls on both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch import simulated
from orcabatch.batch.named_files import named_files
from orcabatch.bench import real_cost, real_memory, real_work
from orcabatch.bench.findings import chosen, markdown
from orcabatch.bench.real_engine import outcomes
from orcabatch.bench.workloads import MB
from orcabatch.errors import SourceError

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent

COUNTS = (1, 2, 4, 8, 16, 32, 45)


@dataclass(frozen=True, slots=True)
class Kind:
    """A batch with one thing that limits it.

    Attributes:
        name: of what limits it.
        function: what is done with each file.
        costs: what the simulated OrcaFlex charges.
        files: how many.
        sizes: bytes of a file, least and most.
        counts: fixed counts that are tried. (Where every file only waits, fewer at once than these cannot be faster.)
        performance: settings beside the defaults.
    """

    name: str
    function: Callable[..., Any]
    costs: simulated.Costs
    files: int
    sizes: tuple[int, int] = (200_000, 800_000)
    counts: tuple[int, ...] = COUNTS
    performance: dict[str, Any] = field(default_factory=dict)


KINDS = (
    Kind("I/O", real_work.one_history, simulated.Costs(bandwidth_bytes_per_s=10e6, load_latency_s=0.01), 200),
    Kind(
        "latency", real_work.one_history, simulated.Costs(load_latency_s=0.8, log_pass_s=0.2), 450, counts=(24, 32, 45)
    ),
    Kind(
        "latency, files four times as long", real_work.one_history, simulated.Costs(load_latency_s=3.2, log_pass_s=0.8),
        225, counts=(24, 32, 45),
    ),
    Kind("CPU", real_work.one_history, simulated.Costs(cpu_s_per_pass=0.15), 80, counts=(1, 2, 3, 4, 8, 16)),
    Kind("GIL", real_work.held_by_the_lock, simulated.Costs(), 150, counts=(1, 2, 3, 4, 8)),
    Kind(
        "GIL, two processes allowed", real_work.held_by_the_lock, simulated.Costs(), 900, counts=(1, 2, 3, 4, 8),
        performance={"process_count": 2},
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One run.

    Attributes:
        wall_s: from the call to the end, planning and closing included.
        span_s: from the beginning of the run to the end of its last file.
        files: outcomes that are fine.
        peak: most files that were being worked on at once.
        executor, why: what the workers were at the end.
        limits: seconds, limit and reason of every change.
    """

    wall_s: float
    span_s: float
    files: int
    peak: int
    executor: str
    why: str
    limits: list[tuple[float, int, str]]


def measured(
    files: Sequence[Path], function: Callable[..., Any], performance: dict[str, Any], fixed: int | None = None,
    orcaflex: str = "simulated",
) -> MeasuredRun:  # fmt: skip
    """Run a batch through the engine as `run_batch` does, adaptively or (`fixed`) at one count of threads."""
    watch = _Watch()
    began = time.perf_counter()
    ended = list(
        outcomes(files, function, performance, fixed=fixed, orcaflex=orcaflex, listener=watch),
    )
    wall_s = time.perf_counter() - began
    done = sum(outcome.ok for outcome in ended)
    return MeasuredRun(wall_s, watch.ended_s, done, watch.peak, watch.executor, watch.why, watch.limits)


class _Watch:
    """Listens to one run."""

    def __init__(self) -> None:
        self.running: set[int] = set()
        self.peak = 0
        self.ended_s = 0.0
        self.executor = self.why = ""
        self.limits: list[tuple[float, int, str]] = []

    def __call__(self, event: RunEvent) -> None:
        match event.kind:
            case "started":
                self.running.add(event.index)
                self.peak = max(self.peak, len(self.running))
            case "finished":
                self.running.discard(event.index)
                self.ended_s = event.at_s
            case "limit":
                self.limits.append((event.at_s, event.data["limit"], event.data["reason"]))
            case "run_started":
                self.executor = event.data["executor"]
                self.limits.append((event.at_s, event.data["limit"], "start"))
            case "executor":
                self.executor, self.why = event.data["executor"], event.data["why"]


def batch_of(folder: Path, kind: Kind) -> list[Path]:
    """The batch's files; those that are there already are kept."""
    target = folder / f"{kind.files}-{kind.sizes[0]}-{kind.sizes[1]}"
    if target.exists():
        return sorted(target.glob("*.sim"))
    spec = simulated.SimSpec(objects=simulated.mooring_objects(3), stop_time_s=20.0)
    return sorted(
        simulated.generate_batch(target, lngc=0, standard=kind.files, standard_bytes=kind.sizes, objects=3, base=spec)
    )


def regret(kind: Kind, folder: Path, *, rounds: int = 3) -> dict[str, Any]:
    """The adaptive run against the best fixed count of threads, alternating in fresh rounds."""
    files = batch_of(folder, kind)
    _install(kind.costs)
    sweep = {count: measured(files, kind.function, kind.performance, count).wall_s for count in kind.counts}
    best = min(sweep, key=lambda count: sweep[count])
    adaptive: list[MeasuredRun] = []
    fixed: list[MeasuredRun] = []
    for turn in range(2 * rounds):
        count = best if turn % 2 else None
        (fixed if turn % 2 else adaptive).append(measured(files, kind.function, kind.performance, count))
    mine = statistics.median(each.wall_s for each in adaptive)
    theirs = statistics.median(each.wall_s for each in fixed)
    return {
        "kind": kind.name,
        "files": kind.files,
        "done": [each.files for each in (*adaptive, *fixed)],
        "sweep_s": sweep,
        "best_fixed": best,
        "adaptive_s": [each.wall_s for each in adaptive],
        "best_fixed_s": [each.wall_s for each in fixed],
        "ratio": mine / theirs,
        "executor": [each.executor for each in adaptive],
        "why": [each.why for each in adaptive],
        "limits": [each.limits for each in adaptive],
    }


def scaling(folder: Path, *, threads: int = 45, files: int = 450) -> dict[str, Any]:
    """A latency-limited batch at a fixed count of threads against linear scaling, from one file at a time."""
    kind = replace(KINDS[1], files=files)
    batch = batch_of(folder, kind)
    _install(kind.costs)
    few = batch[: max(10, threads // 3)]
    serial = measured(few, kind.function, {}, 1).wall_s / len(few)
    simulated.reset_counters()
    before = time.process_time()
    wide = measured(batch, kind.function, {}, threads)
    cpu_s = (time.process_time() - before) / files
    linear_s = serial * files / threads
    return {
        "threads": threads,
        "files": files,
        "one_file_s": serial,
        "cpu_per_file_s": cpu_s,
        "wall_s": wide.wall_s,
        "linear_s": linear_s,
        "of_linear": linear_s / wide.wall_s,
        "peak_live_models": simulated.counters().peak_live_models,
    }


def makespan(folder: Path, *, at_once: int = 16, files: int = 200, seed: int = 0) -> dict[str, Any]:
    """A mixed batch whose every file's cost is declared, against the least time in which it can be done."""
    latency_s = 0.05
    target = folder / f"mixed-{files}-{seed}"
    if not target.exists():
        spec = simulated.SimSpec(objects=simulated.mooring_objects(3), stop_time_s=20.0)
        simulated.generate_batch(
            target, lngc=files // 4, standard=files - files // 4, lngc_bytes=(2 * MB, 12 * MB),
            standard_bytes=(200_000, 2 * MB), objects=3, base=spec, seed=seed,
        )  # fmt: skip
    batch = sorted(target.glob("*.sim"))
    _install(simulated.Costs(load_latency_s=latency_s))
    costs = [latency_s + file.stat().st_size * real_work.SECONDS_PER_BYTE for file in batch]
    bound_s = max(*costs, sum(costs) / at_once)
    span_s = measured(batch, real_work.paced, {}, at_once).span_s
    return {"files": files, "at_once": at_once, "bound_s": bound_s, "span_s": span_s, "ratio": span_s / bound_s}


def suite(name: str, folder: Path, arguments: Any) -> Iterator[dict[str, Any]]:
    """Everything, the batches whose name holds `only`, or (`real`) the comparison over the user's own files.

    Args:
        name: `engine` or `real`.
        folder: for generated files.
        arguments: with `rounds`, `quick`, `only`, `orcaflex`, `files`, `costs` (measured ones, or None).

    Raises:
        SourceError: `real` without files, or no batch's name holds `only`.
    """
    if name == "real":
        yield _own_files(arguments)
        return
    rounds, quick = max(1, arguments.rounds), bool(arguments.quick)
    costs = getattr(arguments, "costs", None)
    known = KINDS if costs is None else (Kind("measured here", real_work.one_history, costs, 200),)
    kinds = [replace(kind, files=kind.files // 5) for kind in known] if quick else known
    wanted = chosen({kind.name: kind for kind in kinds}, arguments.only)
    results = [regret(kind, folder, rounds=rounds) for kind in wanted]
    yield _finding("engine: regret", [_regret_row(each) for each in results], results)
    if arguments.only or costs is not None:
        return
    scaled = scaling(folder, files=90 if quick else 450)
    yield _finding("engine: scaling", [scaled], scaled)
    spans = [makespan(folder, at_once=at_once, files=50 if quick else 200) for at_once in (16, 32)]
    yield _finding("engine: makespan", spans, spans)
    held = real_memory.all_runs(folder, quick=quick)
    yield _finding("engine: memory", [real_memory.row(each) for each in held], held)
    cost = real_cost.all_costs(quick=quick)
    yield _finding("engine: own cost", cost["rows"], cost)


def _own_files(arguments: Any) -> dict[str, Any]:
    files = [
        file.absolute() for file in named_files(arguments.files, print)
    ]  # patterns too, which Windows' shells pass on
    if not files:
        raise SourceError("`bench real` needs files: orcabatch bench real --files *.sim")
    counts = (1, 2, 4) if arguments.quick else tuple(count for count in COUNTS if count <= len(files))
    # What a first run does besides (imports, a seat, reading into the system's cache) is no count's own.
    measured(files, real_work.loaded, {}, None, arguments.orcaflex)
    walls: dict[str, list[float]] = {str(count or "adaptive"): [] for count in (*counts, None)}
    for _ in range(max(1, arguments.rounds)):
        for count in (*counts, None):
            run = measured(files, real_work.loaded, {}, count, arguments.orcaflex)
            walls[str(count or "adaptive")].append(run.wall_s)
    rows = [
        {"files at once": count, "seconds": f"{statistics.median(each):.2f} ({min(each):.2f}-{max(each):.2f})"}
        for count, each in walls.items()
    ]
    return _finding("real", rows, {"files": [str(file) for file in files], "seconds": walls})


def _regret_row(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "limited by": result["kind"],
        "files": result["files"],
        "best fixed": result["best_fixed"],
        "best fixed s": f"{statistics.median(result['best_fixed_s']):.2f}",
        "adaptive s": f"{statistics.median(result['adaptive_s']):.2f}",
        "ratio": f"{result['ratio']:.3f}",
        "ended on": ", ".join(dict.fromkeys(result["executor"])),
        "at": ", ".join(str(limits[-1][1]) for limits in result["limits"] if limits),
    }


def _finding(name: str, rows: Sequence[dict[str, Any]], result: Any) -> dict[str, Any]:
    shown = [{key: f"{v:.3g}" if isinstance(v, float) else v for key, v in row.items()} for row in rows]
    return {"suite": name, "markdown": markdown(shown), "result": result}


def _install(costs: simulated.Costs) -> None:
    simulated.install()
    simulated.configure(costs)
