"""Runs of `benchmarks.choices`, in a process of their own: batches over the small native DLL, one after the other.

Run by path (`python -P choices_side.py question.json`): answers a JSON line for each run.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil


def main(question_file: str) -> None:
    """Answer the question in the file."""
    question = json.loads(Path(question_file).read_text(encoding="utf-8"))
    sys.path[:] = question["sys_path"]
    from benchmarks.native import SmallDll

    dll = SmallDll(Path(question["library"]))
    dll.cost(**question["costs"])
    function = _function(question["work"])
    _measured(dll, question | {"files": question["files"][:1]}, function, 0)  # imports everything
    for files_at_once in question["runs"]:
        print(json.dumps(_measured(dll, question, function, files_at_once)), flush=True)


def _function(work: dict[str, Any]) -> Callable[[Any], int]:
    """Per file: so many calls into the DLL (every other file: `uneven` times as many), names of objects, Python."""
    calls, names, python_s, uneven = (work[each] for each in ("calls", "names", "python_s", "uneven"))
    counter = itertools.count()

    def function(model: Any) -> int:
        line = model["Line1"]
        for number in range(calls * (uneven if next(counter) % 2 else 1)):
            line.TimeHistory(f"variable {number}")
        until = time.thread_time() + python_s
        while time.thread_time() < until:
            sum(range(200))
        return sum(len(each.name) for _ in range(names) for each in model.objects)

    return function


def _measured(dll: Any, question: dict[str, Any], function: Callable[[Any], int], at_once: int) -> dict[str, Any]:
    """A run: at once 0 the default, -1 the plain loop, else so many threads."""
    files = question["files"]
    dll.cost(reset=1)
    cpu, wall = time.process_time(), time.perf_counter()
    said: dict[str, Any] = {}
    if at_once < 0:
        for file in files:
            model = dll.module.Model()
            model.LoadSimulation(file)
            function(model)
    else:
        said = _run(files, function, at_once)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    alive = dll.used()["most_alive"]
    return {
        "at_once": at_once, "wall_s": wall, "cpu_s": cpu, "most_alive": alive, "load": psutil.getloadavg()[0],
    } | said  # fmt: skip


def _run(files: list[str], function: Callable[[Any], int], at_once: int) -> dict[str, Any]:
    import orcabatch

    performance: dict[str, Any] = {"monitoring": {"export_metrics": False}, "ledger": {"enabled": False}}
    if at_once:
        performance |= {
            "executor": "threads",
            "threading": {"mode": "static", "max_threads": at_once},
            "optimization": {"thread_allocation": {"small": at_once}},
        }
    result = orcabatch.run_batch(files, postprocess=function, progress=False, performance=performance)
    result.raise_for_failures()
    bottleneck, limits = result.metrics["bottleneck"], result.metrics["limits"]
    return {"verdict": bottleneck["verdict"], "bottleneck": bottleneck, "limits": limits}


if __name__ == "__main__":
    main(sys.argv[1])
