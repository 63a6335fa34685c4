"""What the monitor's tests share: outcomes and events made by hand, and a small batch that really runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from orcabatch.engine.contract import RunEvent, Task
from orcabatch.host.usage import HostReaders, ProcessTotals
from orcabatch.outcome import Cause, FileOutcome, Phase, Status, Usage
from orcabatch.sleep import awake_s

if TYPE_CHECKING:
    from orcabatch.monitor import PerformanceMonitor
    from orcabatch.monitor.displays import Tracked

MB = 10**6


def outcome(index: int = 0, **changes: object) -> FileOutcome:
    """A file of 100 MB that took 10 s, 6 of them on CPU; `changes` replace its fields."""
    values: dict[str, object] = {
        "file": Path(f"/sims/case {index}.sim"),
        "batch": "standard",
        "status": Status.OK,
        "phases": {"wait": 1.0, "load": 4.0, "extract": 4.0, "write": 0.5, "clean_up": 0.5},
        "index": index,
        "size_bytes": 100 * MB,
        "tier": "medium",
        "worker": f"worker-{index % 4}",
        "started_s": 1.0 + index // 4 * 9,
        "finished_s": 10.0 + index // 4 * 9,
        "usage": Usage({"load": 1.0, "extract": 4.0, "write": 0.5, "clean_up": 0.5}, 100 * MB, 150 * MB),
    }
    return FileOutcome(**(values | changes))  # type: ignore[arg-type]


def tell(display: Tracked, *events: RunEvent) -> None:
    """Have a display shown events, each folded into its state first, as the monitor does in a batch."""
    for event in events:
        display.tracker.state.apply(event)
        display.listener(event)


def failed(index: int, error: str = "no object named 'Line 7' (check the YAML)", **changes: object) -> FileOutcome:
    """A file that failed while extracting."""
    values: dict[str, object] = {
        "status": Status.FAILED,
        "error": error,
        "cause": Cause.EXCEPTION,
        "failed_phase": Phase.EXTRACT,
        "traceback": "Traceback ...",
    }
    return outcome(index, **(values | changes))


def task(index: int, size_bytes: int = 100 * MB, **changes: object) -> Task:
    """What the engine is given for a file."""
    values: dict[str, object] = {
        "index": index,
        "file": Path(f"/sims/case {index}.sim"),
        "batches": ("standard",),
        "size_bytes": size_bytes,
        "memory_bytes": size_bytes * 3 // 2,
        "tier": "medium",
    }
    return Task(**(values | changes))  # type: ignore[arg-type]


def still_probes(*, cpu: float = 0.0, memory: float = 40.0, cpus: float = 4.0) -> HostReaders:
    """Readings that never move: `cpu` CPUs in use since ever, memory at a percentage."""
    began = awake_s()
    return HostReaders(
        processes=lambda: ProcessTotals({1: cpu * (awake_s() - began)}, 0, 0, 10**9),
        memory_percent=lambda: memory,
        host_cpu_percent=lambda: 0.0,
        cpus=cpus,
    )


class Work:
    """One file's phases, run for real on the calling thread and measured as the engine does."""

    def __init__(self, **phases: Callable[[], object]) -> None:
        self.phases = phases

    def run(self, index: int, origin_s: float) -> FileOutcome:
        wall, cpu = {}, {}
        started_s = awake_s() - origin_s
        for name, work in self.phases.items():
            wall_0, cpu_0 = awake_s(), time.thread_time()
            work()
            wall[name], cpu[name] = awake_s() - wall_0, time.thread_time() - cpu_0
        return outcome(
            index,
            phases=wall,
            usage=Usage(cpu),
            started_s=started_s,
            finished_s=awake_s() - origin_s,
            worker=threading.current_thread().name,
        )


def run_for_real(monitor: PerformanceMonitor, work: Work, *, files: int, threads: int) -> None:
    """A batch of equal files on a thread pool, watched by the monitor from the run's first moment."""
    origin_s = awake_s()
    with monitor:
        monitor.listener(RunEvent("run_started", 0.0, -1, {"files": files, "executor": "threads", "limit": threads}))

        def one(index: int) -> None:
            monitor.listener(RunEvent("started", awake_s() - origin_s, index, {"worker": "w"}))
            done = work.run(index, origin_s)
            monitor.listener(RunEvent("finished", done.finished_s, index, {"status": "ok", "batch": "standard"}))
            monitor.add_outcome(done)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, range(files)))
        monitor.listener(RunEvent("run_finished", awake_s() - origin_s, -1, {}))
