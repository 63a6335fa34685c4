"""Rows of `benchmarks.lock`, in a process of their own: batches whose Python and native work are known.

Run by path (`python -P lock_side.py question.json`): answers a JSON line for each row.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

CALLS = 20
ROUNDS = 40


def main(question_file: str) -> None:
    """Answer the question in the file."""
    question = json.loads(Path(question_file).read_text(encoding="utf-8"))
    sys.path[:] = question["sys_path"]
    from benchmarks.native import SmallDll

    dll = SmallDll(Path(question["library"]))
    _measured(dll, question, question["rows"][0] | {"files": 1})  # what is imported with a first run is no row's work
    for row in question["rows"]:
        print(json.dumps(_measured(dll, question, row)), flush=True)


def _function(row: dict[str, Any]) -> Callable[[Any], int]:
    def mixed(model: Any) -> int:
        line = model["Line1"]
        for _ in range(CALLS):
            if row["native_ms"]:
                line.TimeHistory("Effective tension")
            until = time.thread_time() + row["python_ms"] / 1e3
            while time.thread_time() < until:
                sum(range(200))
        return 1

    def tiny(model: Any) -> int:
        return sum(len(each.name) for _ in range(ROUNDS) for each in model.objects)

    return tiny if row["tiny"] else mixed


def _measured(dll: Any, question: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    import orcabatch
    from orcabatch.engine.gil import METER
    from orcabatch.sleep import awake_s

    held_s = told_s = 0.0
    asked = METER.since

    def since(begin_s: float) -> Any:
        nonlocal held_s, told_s
        use, passed_s = asked(begin_s), awake_s() - begin_s
        # By the time it is said of: samples follow each other closer while nothing has ended, and plans are made then.
        held_s, told_s = held_s + use.held * passed_s, told_s + passed_s
        return use

    threads = row["threads"]
    performance = {
        "executor": "threads",
        "threading": {"mode": "static", "max_threads": threads},
        "optimization": {"thread_allocation": {"small": threads}},
        "monitoring": {"interval": 0.25, "export_metrics": False},
        "ledger": {"enabled": False},
        "broker": {"enabled": row["broker"]},
    }
    dll.cost(pass_ms=row["native_ms"])
    files = question["files"][: row["files"]]
    before, cpu, wall = dll.used(), time.process_time(), time.perf_counter()
    setattr(METER, "since", since)  # noqa: B010 - what the engine is told is listened to
    try:
        result = orcabatch.run_batch(files, postprocess=_function(row), progress=False, performance=performance)
    finally:
        setattr(METER, "since", asked)  # noqa: B010
    result.raise_for_failures()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    native = (dll.used()["computed_ns"] - before["computed_ns"]) / 1e9
    taken = result.metrics["samples"]["lock_taken"]
    return row | {
        "wall_s": wall,
        "held": (cpu - native) / wall,
        "native_cores": native / wall,
        "monitor": sum(taken) / len(taken),
        "engine": held_s / max(told_s, 1e-9),
        "verdict": result.metrics["bottleneck"]["verdict"],
        "load": psutil.getloadavg()[0],
    }


if __name__ == "__main__":
    main(sys.argv[1])
