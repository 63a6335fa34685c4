"""Threads, processes and hybrid on the work that tells them apart: what holds Python's lock, and what waits.

    workload ── fresh process for each run (`hybrid_side`), all three in turn, for some rounds ──> ratios ──> Markdown

Every ratio is made within a round, hybrid's seconds over those of the better of the two others in that round, and then
its median taken. Seconds are those of `run_batch`, the start of workers included; how long it took until the first file
was begun stands beside. Where one takes more than `HOPELESS` times what the fastest takes, it is not run again. Files
and OrcaFlex are simulated, time, threads and processes are not. Asserts nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orcabatch import simulated
from orcabatch.bench.findings import Findings

SIDE = Path(__file__).with_name("hybrid_side.py")
QUIET: dict[str, Any] = {"ledger": {"enabled": False}, "monitoring": {"export_metrics": False}}
EXECUTORS: dict[str, dict[str, Any]] = {
    "threads": {"executor": "threads"},
    "processes": {"executor": "processes"},
    "hybrid": {"threading": {"mode": "hybrid"}},
}
HOPELESS = 3.0
WITHIN = 1.1
"""The aim: hybrid's seconds over those of the better of the two others."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Work:
    """A batch with one thing that limits it.

    Attributes:
        name: what limits it.
        function: a name in `hybrid_side`.
        files: how many.
        costs: what the simulated OrcaFlex charges.
        without: an executor that would take minutes, and is left out.
    """

    name: str
    function: str
    files: int
    costs: Mapping[str, Any] = field(default_factory=dict)
    without: str = ""


WAITS, WAITS_LONG = {"load_latency_s": 0.4, "log_pass_s": 0.2}, {"load_latency_s": 4.0, "log_pass_s": 2.0}
WORKS = (
    Work("Python's lock", "held_by_the_lock", 30),
    Work("Python's lock, held without CPU", "held_without_cpu", 30),
    Work("Python's lock, few long files", "held_for_long", 6),
    Work("waiting", "one_history", 30, WAITS),
    Work("waiting, files ten times as long", "one_history", 60, WAITS_LONG, without="processes"),
)


@dataclass(frozen=True, slots=True)
class Ran:
    """One run.

    Attributes:
        wall_s: from the call to the end.
        start_s: of it, until the first file was begun.
        workers: processes and threads that had files.
        limits: files at once, in the order in which the run set them.
        said: what it said held it back, the heaviest first.
        load: of the host, over the last minute.
    """

    wall_s: float
    start_s: float
    workers: int
    limits: Sequence[int]
    said: str
    load: float


def suite(folder: Path, *, rounds: int = 5, quick: bool = False, say: Say = lambda _: None) -> Findings:
    """Every workload with each executor, `rounds` times, every other round in reverse order."""
    found = Findings("hybrid", unit="hybrid's seconds over those of the better of threads and processes")
    for work in WORKS[:4] if quick else WORKS:
        runs = compete(work, folder / work.function, rounds=rounds, say=say)
        found.rows += rows(work, runs)
        found.bars.append((work.name, statistics.median(ratios(runs))))
    found.notes.append(f"Ratio: seconds over those of the better of threads and processes; the aim is {WITHIN}.")
    return found


def compete(work: Work, folder: Path, *, rounds: int, say: Say = lambda _: None) -> dict[str, list[Ran]]:
    """Each executor's runs, by round; those that were hopeless in the first stand with that one."""
    files = _files(work, folder)
    runs: dict[str, list[Ran]] = {name: [] for name in EXECUTORS if name != work.without}
    for number in range(rounds):
        order = list(runs) if number % 2 == 0 else list(reversed(runs))
        fastest = min((kept[0].wall_s for kept in runs.values() if kept), default=0.0)
        for name in order:
            if number and runs[name][0].wall_s > HOPELESS * fastest:
                continue
            runs[name].append(run_once(work, files, EXECUTORS[name]))
            say(f"  {work.name}, {name}: {runs[name][-1].wall_s:.2f} s")
    return runs


def ratios(runs: Mapping[str, Sequence[Ran]]) -> list[float]:
    """Hybrid's seconds over those of the better of the two others, round by round."""
    others = [kept for name, kept in runs.items() if name != "hybrid"]
    return [
        mine.wall_s / min(theirs[number].wall_s for theirs in others if number < len(theirs))
        for number, mine in enumerate(runs["hybrid"])
    ]


def rows(work: Work, runs: Mapping[str, Sequence[Ran]]) -> list[dict[str, str]]:
    """One row for each executor, medians over its rounds."""
    made = []
    for name, kept in runs.items():
        cells = {
            "work": f"{work.name}, {work.files} files",
            "executor": name,
            "seconds": f"{statistics.median(ran.wall_s for ran in kept):.2f}",
            "until the first file": f"{statistics.median(ran.start_s for ran in kept):.2f}",
            "ratio": f"{statistics.median(ratios(runs)):.3f}" if name == "hybrid" else "",
            "workers": str(kept[-1].workers),
            "files at once": ", ".join(map(str, kept[-1].limits)),
            "rounds": str(len(kept)),
            "load": f"{min(ran.load for ran in kept):.1f}-{max(ran.load for ran in kept):.1f}",
            "held back by": kept[-1].said,
        }
        made.append(cells)
    return made


def run_once(work: Work, files: Sequence[Path], performance: Mapping[str, Any]) -> Ran:
    """One run in a fresh process.

    Raises:
        RuntimeError: it failed; the message holds its last words.
    """
    with tempfile.TemporaryDirectory(prefix="orcabatch-bench-") as place:
        answer, asked = Path(place, "answer.json"), Path(place, "question.json")
        question = {
            "function": work.function,
            "files": [str(file) for file in files],
            "costs": dict(work.costs),
            "performance": {**QUIET, **performance},
            "answer": str(answer),
            "sys_path": [str(SIDE.parent), *(entry or str(Path.cwd()) for entry in sys.path)],
        }
        asked.write_text(json.dumps(question), encoding="utf-8")
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        command = [sys.executable, "-P", str(SIDE), str(asked)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, cwd=place)
        if done.returncode:
            last_words = "\n  ".join(done.stderr.strip().splitlines()[-8:])
            raise RuntimeError(f"{work.name} with {dict(performance)} failed:\n  {last_words}")
        return Ran(**json.loads(answer.read_text(encoding="utf-8")), load=load)


def _files(work: Work, folder: Path) -> list[Path]:
    spec = simulated.SimSpec(objects=simulated.mooring_objects(3), stop_time_s=20.0)
    target = folder / str(work.files)
    if not target.exists():
        simulated.generate_batch(
            target, lngc=0, standard=work.files, standard_bytes=(200_000, 200_000), objects=3, base=spec
        )
    return sorted(target.glob("*.sim"))
