"""One side of a comparison, in a process of its own: a configuration over simulated files, counted and timed.

Run by path (`python -P broker_side.py question.json`), never imported. Digitalmodel's side imports nothing of orcabatch
but the simulated OrcaFlex, and ends with an error where anything else was imported. The first file is done once before
anything is counted (`warm`): imports and tables that are made once are nobody's cost per file. What is timed ends well
only where as many files were loaded as there are.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil

SIMULATED = "orcabatch.simulated"


def main(question_file: str) -> None:
    """Answer the question in the file, as JSON beside it."""
    question = json.loads(Path(question_file).read_text(encoding="utf-8"))
    sys.path[:] = question["sys_path"]
    simulated = importlib.import_module(SIMULATED)
    simulated.install(simulated.Costs(**question["costs"]))
    side = _Digitalmodel() if question["side"] == "digitalmodel" else _Orcabatch(question)
    side.run(_configured(question, question["files"][:1], "warm"))
    answer = _timed(side, simulated, question)
    answer["foreign"] = [name for name in sys.modules if name.startswith("orcabatch.") and not _is_simulated(name)]
    if question["side"] == "digitalmodel" and answer["foreign"]:
        raise SystemExit(f"worth nothing: it imported {', '.join(answer['foreign'])}")
    Path(question["answer"]).write_text(json.dumps(answer), encoding="utf-8")


def _is_simulated(name: str) -> bool:
    return f"{name}.".startswith(f"{SIMULATED}.")


def _configured(question: dict[str, Any], files: list[str], folder: str) -> dict[str, Any]:
    cfg: dict[str, Any] = json.loads(json.dumps(question["cfg"]))
    out = Path(question["out"], folder)
    out.mkdir(parents=True)
    cfg["Analysis"]["result_folder"] = str(out)
    cfg["file_management"]["input_files"]["sim"] = files
    return cfg


def _timed(side: Any, simulated: Any, question: dict[str, Any]) -> dict[str, Any]:
    cfg = _configured(question, question["files"], "out")
    with simulated.counting() as count:
        wall, cpu = time.perf_counter(), _cpu_s()
        told = side.run(cfg)
        wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    counted = count.counters
    if counted.loads != len(question["files"]):
        raise SystemExit(f"{counted.loads} files were loaded, not {len(question['files'])}")
    return {
        "wall_s": wall,
        "cpu_s": cpu,
        "files": counted.loads,
        "calls": counted.calls,
        "passes": counted.log_passes,
        "simulator_s": counted.own_seconds + counted.reading_seconds + counted.cost_seconds,
        **told,
    }


def _cpu_s() -> float:
    """CPU seconds of this process and of its children that ended (which Windows does not keep: there without them)."""
    ended = psutil.Process().cpu_times()
    return time.process_time() + getattr(ended, "children_user", 0.0) + getattr(ended, "children_system", 0.0)


class _Digitalmodel:
    """digitalmodel's own loop, as shipped."""

    def __init__(self) -> None:
        self._post = importlib.import_module("digitalmodel.modules.orcaflex.opp").OrcaFlexPostProcess()
        self._attributes = importlib.import_module("assetutilities.common.update_deep").AttributeDict
        importlib.import_module("loguru").logger.remove()

    def run(self, cfg: dict[str, Any]) -> dict[str, Any]:
        with Path(os.devnull).open("w") as nowhere:  # its lines are no part of the comparison
            terminal, sys.stdout = sys.stdout, nowhere
            try:
                self._post.post_process_router(self._attributes(cfg))
            finally:
                sys.stdout = terminal
        return {}


class _Orcabatch:
    """orcabatch with the settings that the question has."""

    def __init__(self, question: dict[str, Any]) -> None:
        self._performance, self._cpu = question["performance"], question["cpu"]
        self._run_batch = importlib.import_module("orcabatch").run_batch

    def run(self, cfg: dict[str, Any]) -> dict[str, Any]:
        if self._cpu is not None:
            psutil.Process().cpu_affinity([self._cpu])
        result = self._run_batch(cfg, orcaflex="simulated", progress=False, fresh=True, performance=self._performance)
        result.raise_for_failures()
        files = result.outcomes
        return {
            "extract_s": [file.phases.get("extract", 0.0) for file in files],
            "peak_bytes": [file.usage.peak_memory_bytes for file in files],
            "reserved_bytes": [file.memory_bytes for file in result.plan.files],
            "held_s": [sum(s for phase, s in file.usage.cpu_s.items() if phase != "wait") for file in files],
        }


if __name__ == "__main__":
    main(sys.argv[1])
