"""One run of `benchmarks.hybrid`, in a process of its own: a function over simulated files, timed.

Run by path (`python -P hybrid_side.py question.json`); worker processes import it as a module. Imports are not timed,
what `run_batch` starts is.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

STEPS = 6_000_000
HELD_S, TURN_S = 0.25, 0.005
LONG = 6


def held_by_the_lock(model: Any) -> int:
    """Nothing but Python, which holds the lock all the time: a quarter of a second."""
    total = 0
    for step in range(STEPS):
        total += step % 7
    return total


def held_without_cpu(model: Any) -> None:
    """Holds the lock as long, without CPU: a machine that others use changes nothing in it."""
    _hold(HELD_S)


def held_for_long(model: Any) -> None:
    """The same, six times as long."""
    _hold(LONG * HELD_S)


def _hold(seconds: float) -> None:
    """Sleep in a library that is called without letting go of the lock, which others get in between."""
    windows = sys.platform == "win32"
    asleep = ctypes.PyDLL("kernel32").Sleep if windows else ctypes.PyDLL(None).usleep
    for _ in range(round(seconds / TURN_S)):
        asleep(round(TURN_S * (1e3 if windows else 1e6)))


def one_history(model: Any) -> float:
    """One pass over the log, which waits without the lock."""
    import OrcFxAPI

    history = model["Line01"].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)
    return float(history.max())


def main(question_file: str) -> None:
    """Answer the question in the file."""
    question = json.loads(Path(question_file).read_text(encoding="utf-8"))
    sys.path[:] = question["sys_path"]
    import orcabatch
    from orcabatch import simulated

    simulated.install(simulated.Costs(**question["costs"]))
    # By the module's name, not from `__main__`, so that worker processes find it.
    function = getattr(importlib.import_module(Path(__file__).stem), question["function"])
    files, asked = question["files"], question["performance"]
    warm = {**asked, "executor": "serial", "threading": {}}
    orcabatch.run_batch(files[:1], postprocess=_nothing, orcaflex="simulated", progress=False, performance=warm)
    begun = time.perf_counter()
    result = orcabatch.run_batch(files, postprocess=function, orcaflex="simulated", progress=False, performance=asked)
    wall_s = time.perf_counter() - begun
    result.raise_for_failures()
    metrics = result.metrics
    told = {
        "wall_s": wall_s,
        "start_s": wall_s - metrics["wall_s"] + min(row["started_s"] for row in metrics["files"]),
        "workers": len({row["worker"] for row in metrics["files"]}),
        "limits": [change["limit"] for change in metrics["limits"]],
        "said": ", ".join(finding["kind"] for finding in metrics["bottleneck"]["findings"]),
    }
    Path(question["answer"]).write_text(json.dumps(told), encoding="utf-8")


def _nothing(model: Any) -> None:
    """So that what is imported once is imported."""


if __name__ == "__main__":
    main(sys.argv[1])
