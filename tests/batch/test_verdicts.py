"""What held a batch back: each verdict, and each finer finding, on a batch made for it that really ran.

On threads and in worker processes, over the simulated OrcaFlex, with costs that make the one thing short and nothing
else. What cannot be told while other programs have the CPUs is skipped then.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

import orcabatch
from batch_functions import largest_tension, one_takes_long, python_code
from orcabatch import simulated
from orcabatch.engine import bounds
from orcabatch.host.usage import HostReaders
from orcabatch.monitor import bottlenecks, performance

THREADS = {"executor": "threads", "threading": {"mode": "static", "max_threads": 4}}
PROCESSES = {
    "executor": "processes",
    "process_count": 2,
    "threads_per_process": 2,
    "threading": {"mode": "static", "max_threads": 4},
}
EVERYWHERE = pytest.mark.parametrize("workers", [THREADS, PROCESSES], ids=["threads", "processes"])
MB = 10**6


@dataclass
class Ran:
    """What a run said of itself."""

    verdict: str
    explanation: str
    kinds: list[str]
    evidence: dict[str, Any]


def ran(files: list[Path], performance: dict[str, Any], function: Any = largest_tension, **costs: Any) -> Ran:
    """A batch whose files cost this much, sampled five times a second."""
    simulated.configure(simulated.Costs(**costs))
    section = {"monitoring": {"interval": 0.2}, "licences": {"ramp_up": 100}, **performance}
    result = orcabatch.run_batch(
        files, postprocess=function, performance=section, orcaflex="simulated", progress=False, fresh=True
    )
    assert result.ok
    said = result.metrics["bottleneck"]
    kinds = [finding["kind"] for finding in said["findings"]]
    return Ran(said["verdict"], said["explanation"], kinds, said["evidence"])


def only_on_a_free_machine(run: Ran) -> None:
    """Skip what nobody can tell while other programs have the CPUs."""
    host, own = run.evidence["host_cpu_percent"], run.evidence["cpu_percent"]
    if host >= 70 and own < (1 - bottlenecks.OTHERS_TOOK) * host:
        pytest.skip("other programs had the CPUs: on a full machine nobody can say what files would wait for")


@EVERYWHERE
def test_files_that_wait_for_their_disk(orcaflex, sims, workers):
    """Loading takes 0.2 s and no CPU."""
    run = ran(sims, workers, load_latency_s=0.2)
    assert run.verdict == "IO_BOUND"
    assert run.kinds[0] == "io"


@EVERYWHERE
def test_native_work_that_fills_the_cpus(orcaflex, sims, workers, monkeypatch):
    """A hundredth of a CPU is allowed, so other programs do not matter; work outside the lock is not the lock's.

    While processes come up and close nothing is computed, and on a busy machine that is some of the time.
    """
    monkeypatch.setattr(performance, "HostReaders", partial(HostReaders, cpus=0.01))
    monkeypatch.setattr(bottlenecks, "CPU_THRESHOLD_PERCENT", 50.0)
    run = ran(sims, workers, cpu_s_per_pass=0.1)
    assert run.verdict == "CPU_BOUND"
    assert "cpu" in run.kinds
    # Where others have the cores, whoever has the lock waits for one with it in hand: then it is held for longer.
    own, all_programs = run.evidence["cpu_percent"] * 0.01, run.evidence["host_cpu_percent"] * (os.cpu_count() or 1)
    assert run.evidence["lock_taken"] <= bounds.LOCK_TAKEN or own < (1 - bottlenecks.OTHERS_TOOK) * all_programs


@EVERYWHERE
def test_memory_that_leaves_slots_empty(orcaflex, tmp_path, workers, monkeypatch):
    """A machine with room for one file, which really holds 120 MB; memory stays below its cap, and is the verdict."""
    spec = simulated.SimSpec(objects=simulated.mooring_objects(26), size_bytes=30 * MB, memory_factor=4.0)
    files = [simulated.write_sim(tmp_path / f"{n}.sim", replace(spec, seed=n)) for n in range(6)]
    small_machine(monkeypatch, room_bytes=220 * MB)
    run = ran(files, workers, log_pass_s=0.15)
    assert run.verdict == "MEMORY_BOUND"
    assert run.kinds[0] == "admission"
    assert run.evidence["memory_percent"] <= 80.0


def small_machine(monkeypatch: pytest.MonkeyPatch, room_bytes: int) -> None:
    """A machine with nothing on it but this process and its workers, and so much room below its cap of 80%."""
    measure = importlib.import_module("orcabatch.host.measure")
    total = int((held_bytes() + room_bytes) / 0.8)
    probes = replace(measure.system_probes(), ram=lambda: (total, max(total - held_bytes(), 0)))
    monkeypatch.setattr(measure, "system_probes", lambda: probes)


def held_bytes() -> int:
    """Memory of this process and its children."""
    me, held = psutil.Process(), 0
    for process in [me, *me.children(recursive=True)]:
        try:
            held += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return held


@EVERYWHERE
def test_answers_that_take_their_time(orcaflex, sims, workers):
    """Each pass over the log waits half a second: nothing is full, and more files at once would help."""
    run = ran(sims, workers, log_pass_s=0.5)
    assert run.verdict == "BALANCED"
    only_on_a_free_machine(run)
    assert run.kinds[0] == "latency"


def test_python_code_on_threads_of_one_process(orcaflex, sims):
    """Threads wait for each other: not for a disk, not for a full machine. A worker process's lock is not looked at."""
    run = ran(sims, THREADS, python_code)
    assert run.verdict != "IO_BOUND"
    only_on_a_free_machine(run)
    assert run.kinds[0] == "gil"


@EVERYWHERE
@pytest.mark.parametrize("scope", ["model", "process"])
def test_fewer_seats_than_workers(orcaflex, sims, workers, scope):
    """One seat: whatever else there is, files wait for it. One seat for the process is no limit to its threads."""
    licences = {"max": 1, "scope": scope, "ramp_up": 100}
    pass_s = 0.2 if scope == "model" else 0.6  # two files at once, and still longer than a process takes to start
    run = ran(sims, {**workers, "licences": licences}, log_pass_s=pass_s, seats=1, seat_scope=scope)
    held = scope == "model" or "process_count" in workers
    assert ("licence" in run.kinds) is held, run.explanation


@EVERYWHERE
def test_one_file_that_runs_on_alone(orcaflex, sims, workers):
    """Three of four slots are empty while it does."""
    run = ran(sims, workers, one_takes_long)
    only_on_a_free_machine(run)
    assert "stragglers" in run.kinds
