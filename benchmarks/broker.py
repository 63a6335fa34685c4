"""What the result broker and the adapter's savings are worth: digitalmodel as shipped against orcabatch, measured.

    case ── files, configuration ──> fresh processes, in turn, for some rounds ──> medians ──> ratios, Markdown

Every figure is a median over rounds; every ratio is made within a round (one after the other on the same machine) and
then its median taken. The simulator's own time (its Python, reading files, costs burnt on purpose) is taken out of CPU
time, and the figure with it left in stands beside. Covers calls and log passes, time per file, both cost models of the
joint call, and threads against processes where nothing but Python is left. Asserts nothing: tests assert the counts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from orcabatch import simulated
from orcabatch.bench.workloads import SpecifiedConfiguration

SIDE = Path(__file__).with_name("broker_side.py")
QUIET: dict[str, Any] = {"ledger": {"enabled": False}, "monitoring": {"enabled": False}}
ON: dict[str, Any] = {"executor": "serial", **QUIET}
OFF: dict[str, Any] = {**ON, "broker": {"enabled": False}}

CASES = (
    SpecifiedConfiguration("96 columns, 300 objects", 96, 300, 16),
    SpecifiedConfiguration("96 columns, 10 objects", 96, 10, 16),
    SpecifiedConfiguration("900 columns, 300 objects", 900, 300, 8),
    SpecifiedConfiguration("time series 24 x 36,001", 24, 26, 6, series=True, samples=36_001),
    SpecifiedConfiguration("1 column, 1 object", 1, 1, 32),
)
DIGITALMODEL_FILES = {"900 columns, 300 objects": 1, "96 columns, 300 objects": 4}
"""digitalmodel's own loop costs the same for every file: fewer of them will do where one takes seconds."""

SSD: dict[str, Any] = {"load_latency_s": 0.25, "log_pass_s": 0.005}
NETWORK: dict[str, Any] = {"load_latency_s": 1.0, "log_pass_s": 0.05}
COSTS = {"SSD-like (0.25 s a load, 5 ms a pass)": SSD, "network-like (1 s a load, 50 ms a pass)": NETWORK}


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. Seconds over all files unless the name says otherwise."""

    files: int
    wall_s: float
    cpu_s: float
    simulator_s: float
    passes: int
    calls: Mapping[str, int] = field(repr=False)
    held_s: Sequence[float] = ()
    peak_bytes: Sequence[int] = ()
    reserved_bytes: Sequence[int] = ()

    @property
    def wall_ms(self) -> float:
        """Wall time per file, in milliseconds."""
        return 1000 * self.wall_s / self.files

    @property
    def cpu_ms(self) -> float:
        """CPU time per file, in milliseconds, the simulator's own included."""
        return 1000 * self.cpu_s / self.files

    @property
    def net_ms(self) -> float:
        """CPU time per file, in milliseconds, the simulator's own taken out."""
        return 1000 * (self.cpu_s - self.simulator_s) / self.files

    @property
    def calls_per_file(self) -> float:
        """DLL calls per file."""
        return sum(self.calls.values()) / self.files


class Bench:
    """Runs one side of a case at a time, each in a fresh process.

    Args:
        folder: where the simulated files are kept between runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(
        self,
        case: SpecifiedConfiguration,
        performance: Mapping[str, Any] | None,
        *,
        files: int | None = None,
        costs: Mapping[str, Any] | None = None,
        cpu: int | None = None,
    ) -> Measured:
        """Measure one side: digitalmodel as shipped (`performance` None), or orcabatch with this section.

        Args:
            case: what to run.
            performance: the `performance:` section.
            files: how many of the case's files; None: all.
            costs: of the simulated OrcaFlex.
            cpu: the only CPU that the process may use.

        Raises:
            RuntimeError: the process failed; the message holds its last words.
        """
        cfg, names = written(case, self._folder / f"{case.columns}_{case.objects}_{case.samples}_{case.size_bytes}")
        with tempfile.TemporaryDirectory(prefix="orcabatch-bench-") as place:
            question = {
                "side": "digitalmodel" if performance is None else "orcabatch",
                "cfg": cfg,
                "files": names[:files],
                "out": place,
                "answer": str(Path(place, "answer.json")),
                "costs": dict(costs or {}),
                "performance": performance,
                "cpu": cpu,
                "sys_path": [entry or str(Path.cwd()) for entry in sys.path],
            }
            return _answered(question, Path(place))


def _answered(question: Mapping[str, Any], place: Path) -> Measured:
    asked = place / "question.json"
    asked.write_text(json.dumps(question), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", str(SIDE), str(asked)], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        last_words = "\n  ".join(done.stderr.strip().splitlines()[-8:])
        raise RuntimeError(f"the {question['side']} side of the comparison failed:\n  {last_words}")
    answer = json.loads(Path(question["answer"]).read_text(encoding="utf-8"))
    return Measured(**{name: answer[name] for name in Measured.__slots__ if name in answer})


def written(configuration: SpecifiedConfiguration, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The configuration as digitalmodel takes it, and its files in this folder; those that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"file_{i:03d}.sim" for i in range(configuration.files)]
    for i, file in enumerate(files):
        if not file.exists():
            simulated.write_sim(file, configuration.spec(i))
    return configuration.cfg, [str(file) for file in files]


def compare(bench: Bench, case: SpecifiedConfiguration, rounds: int) -> dict[str, Any]:
    """One case: digitalmodel as shipped, orcabatch with and without its broker, one file after the other."""
    files = DIGITALMODEL_FILES.get(case.name)
    sides: dict[str, Callable[[], Measured]] = {
        "digitalmodel": lambda: bench.run(case, None, files=files),
        "broker off": lambda: bench.run(case, OFF, files=files),
        "broker on": lambda: bench.run(case, ON),
    }
    runs: dict[str, list[Measured]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            runs[name].append(run())
    return {
        "case": asdict(case),
        **{name: _medians(each) for name, each in runs.items()},
        "ratios": _ratios(runs["digitalmodel"], runs["broker on"]),
        "against off": _ratios(runs["broker off"], runs["broker on"]),
        "memory": _memory(runs["broker on"]),
    }


FIGURES = ("wall_ms", "cpu_ms", "net_ms", "calls_per_file")


def _medians(runs: Sequence[Measured]) -> dict[str, float]:
    figures = {name: statistics.median(getattr(run, name) for run in runs) for name in FIGURES}
    later = [1000 * statistics.mean(run.held_s[1:]) for run in runs if len(run.held_s) > 1]
    first = [1000 * run.held_s[0] for run in runs if run.held_s]
    figures["passes_per_file"] = statistics.median(run.passes / run.files for run in runs)
    if later:
        figures |= {"first_held_ms": statistics.median(first), "later_held_ms": statistics.median(later)}
    return figures


def _ratios(slow: Sequence[Measured], fast: Sequence[Measured]) -> dict[str, float]:
    pairs = list(zip(slow, fast, strict=True))
    return {name: statistics.median(getattr(a, name) / getattr(b, name) for a, b in pairs) for name in FIGURES}


def _memory(runs: Sequence[Measured]) -> dict[str, int]:
    """The largest peak of a file, and the smallest reservation."""
    return {
        "peak_bytes": max(peak for run in runs for peak in run.peak_bytes),
        "reserved_bytes": min(reserved for run in runs for reserved in run.reserved_bytes),
    }


def on_threads(count: int, **more: Any) -> dict[str, Any]:
    """The section that works on so many files at once, on threads."""
    tiers = dict.fromkeys(("small", "medium", "large"), count)
    threading = {"mode": "static", "max_threads": count, "min_threads": 1}
    return {
        "executor": "threads", "threading": threading, "optimization": {"thread_allocation": tiers}, **QUIET, **more
    }  # fmt: skip


def on_processes(count: int) -> dict[str, Any]:
    """The section that works on so many files at once, each in a process of its own."""
    return on_threads(count) | {"executor": "processes", "process_count": count, "threads_per_process": 1}


def with_costs(bench: Bench, rounds: int, files: int = 24) -> list[dict[str, Any]]:
    """8 threads against 1, where loading and reading logs take time, with the joint call costing one pass and many."""
    case = SpecifiedConfiguration("96 columns, 26 objects", 96, 26, files)
    rows = []
    for name, costs in COSTS.items():
        for joint in ("one", "many"):
            paid = {**costs, "joint_passes": joint}
            one, eight = _in_turn(
                rounds, *(partial(bench.run, case, on_threads(count), costs=paid) for count in (1, 8))
            )
            faster = statistics.median(a.wall_s / b.wall_s for a, b in zip(one, eight, strict=True))
            rows.append({"costs": name, "joint passes": joint, "1 thread": _wall(one), "8 threads": _wall(eight),
                         "faster": faster})  # fmt: skip
    return rows


def nothing_but_python(bench: Bench, rounds: int, files: int = 200) -> list[dict[str, Any]]:
    """Nothing to wait for: what threads, one CPU and processes make of work that holds Python's lock."""
    case = SpecifiedConfiguration("96 columns, 26 objects", 96, 26, files, size_bytes=200_000)
    cores = os.cpu_count() or 1
    ways: dict[str, Callable[[], Measured]] = {
        "1 thread": lambda: bench.run(case, on_threads(1)),
        "8 threads": lambda: bench.run(case, on_threads(8)),
        "8 threads, one CPU": lambda: bench.run(case, on_threads(8), cpu=0),
        f"{cores} processes": lambda: bench.run(case, on_processes(cores)),
    }
    runs = _in_turn(rounds, *ways.values())
    alone = runs[0]
    return [
        {
            "how": name,
            "wall ms per file": _wall(each),
            "CPU ms per file": statistics.median(run.cpu_ms for run in each),
            "of 1 thread's time": statistics.median(a.wall_s / b.wall_s for a, b in zip(each, alone, strict=True)),
        }
        for name, each in zip(ways, runs, strict=True)
    ]


def _in_turn(rounds: int, *ways: Callable[[], Measured]) -> list[list[Measured]]:
    runs: list[list[Measured]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, each in zip(ways, runs, strict=True):
            each.append(way())
    return runs


def _wall(runs: Sequence[Measured]) -> float:
    return statistics.median(run.wall_ms for run in runs)


def run_broker_bench(
    rounds: int = 3, *, cases: Iterable[SpecifiedConfiguration] = CASES, folder: Path | None = None
) -> dict[str, Any]:
    """Measure everything; takes some minutes.

    Args:
        rounds: how often everything is measured, in turn.
        cases: what is compared one file after the other.
        folder: where simulated files are kept; None: a temporary one.

    Returns:
        Plain values, with the same as Markdown under "markdown".
    """
    with tempfile.TemporaryDirectory(prefix="orcabatch-bench-files-") as place:
        bench = Bench(folder or Path(place))
        result: dict[str, Any] = {
            "rounds": rounds,
            "cpus": os.cpu_count(),
            "load_average": psutil.getloadavg()[0],
            "cases": [compare(bench, case, rounds) for case in cases],
            "with_costs": with_costs(bench, rounds),
            "nothing_but_python": nothing_but_python(bench, rounds),
        }
    return {**result, "markdown": to_markdown(result)}


def to_markdown(result: Mapping[str, Any]) -> str:
    """The tables of a result."""
    parts = [
        (
            f"Medians of {result['rounds']} rounds on {result['cpus']} CPUs; load of the machine at the start "
            f"{result['load_average']:.1f}. Milliseconds per file, one file after the other."
        ),
        _table([_time_row(item) for item in result["cases"]]),
        _table([_count_row(item) for item in result["cases"]]),
        _table(result["with_costs"]),
        _table(result["nothing_but_python"]),
    ]
    return "\n\n".join(parts)


def _time_row(item: Mapping[str, Any]) -> dict[str, Any]:
    before, off, after, ratios = item["digitalmodel"], item["broker off"], item["broker on"], item["ratios"]
    return {
        "case": item["case"]["name"],
        "digitalmodel": before["net_ms"],
        "broker off": off["net_ms"],
        "broker on": after["net_ms"],
        "less": f"{ratios['net_ms']:.1f}x",
        "with the simulator's time": f"{before['cpu_ms']:.1f} -> {after['cpu_ms']:.1f}",
        "less ": f"{ratios['cpu_ms']:.1f}x",
        "on against off": f"{item['against off']['cpu_ms']:.1f}x",
    }


def _count_row(item: Mapping[str, Any]) -> dict[str, Any]:
    before, after = item["digitalmodel"], item["broker on"]
    return {
        "case": item["case"]["name"],
        "DLL calls per file": f"{before['calls_per_file']:,.0f} -> {after['calls_per_file']:,.1f}",
        "fewer": f"{item['ratios']['calls_per_file']:,.0f}x",
        "log passes per file": f"{before['passes_per_file']:.0f} -> {after['passes_per_file']:.0f}",
        "CPU ms held, first file": after.get("first_held_ms", float("nan")),
        "CPU ms held, later files": after.get("later_held_ms", float("nan")),
        "peak of a file / reserved, MB": f"{item['memory']['peak_bytes'] / 1e6:.1f} / "
        f"{item['memory']['reserved_bytes'] / 1e6:.1f}",
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
