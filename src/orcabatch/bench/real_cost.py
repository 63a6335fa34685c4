"""What the engine itself costs for each file, beside three ways of doing without it.

Covers no-op files: what is left is the overhead. `ThreadPoolExecutor`, joblib and dask (where they are installed) do
the same number of no-ops on as many threads in the same run. None of them knows phases, memory, limits, seats or
outcomes: the figure says what these cost.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.engine import EngineOptions, Limits, run
from orcabatch.engine.contract import Extracted, SimpleJob, Task
from orcabatch.outcome import Cause, Failure

if TYPE_CHECKING:
    from orcabatch.engine.contract import Note, PhaseClock
    from orcabatch.outcome import Phase

THREADS = 8


class _Nothing:
    """A worker that does nothing."""

    def load(self, task: Task) -> None:
        """Nothing to load."""

    def extract(self, task: Task, batch: str, clock: PhaseClock) -> Extracted:
        """The index."""
        return Extracted(task.index)

    def release(self, task: Task) -> None:
        """Nothing to release."""

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True)
class _NothingRecipe:
    def open_worker(self, note: Callable[[Note], None]) -> _Nothing:
        return _Nothing()

    def explain(self, error: BaseException, task: Task, phase: Phase) -> Failure:
        return Failure(Cause.EXCEPTION, repr(error))


def engine_s(files: int, threads: int = THREADS) -> float:
    """Seconds for so many no-op files through the engine, adaptive, on threads."""
    tasks = [Task(index, Path(f"{index}.sim"), ("batch",), 1000, 1500) for index in range(files)]
    began = time.perf_counter()
    limits = Limits(max_limit=threads, fixed_limit=threads)
    ended = sum(
        1 for _ in run(tasks, SimpleJob(_NothingRecipe()), options=EngineOptions(threads=threads), limits=limits)
    )
    if ended != files:
        raise RuntimeError(f"{ended} of {files} files ended")
    return time.perf_counter() - began


def _pool_s(files: int) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(abs, range(files)))
    return time.perf_counter() - began


def _joblib_s(files: int) -> float:
    import joblib

    began = time.perf_counter()
    joblib.Parallel(n_jobs=THREADS, backend="threading")(joblib.delayed(abs)(index) for index in range(files))
    return time.perf_counter() - began


def _dask_s(files: int) -> float:
    import dask

    began = time.perf_counter()
    dask.compute(*(dask.delayed(abs)(index) for index in range(files)), scheduler="threads", num_workers=THREADS)
    return time.perf_counter() - began


def _contenders() -> Iterator[tuple[str, Callable[[int], float]]]:
    yield "orcabatch's engine", engine_s
    yield "ThreadPoolExecutor", _pool_s
    for module, contender in (("joblib", _joblib_s), ("dask", _dask_s)):
        if importlib.util.find_spec(module) is not None:
            yield module, contender


def all_costs(*, quick: bool = False) -> dict[str, Any]:
    """Milliseconds per file for each, and whether the engine's grow with the number of files."""
    files, rounds = (500, 1) if quick else (2000, 3)
    taken: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, contender in _contenders():
            taken.setdefault(name, []).append(_per_file(contender, files))
    rows = [_row(name, files, each) for name, each in taken.items()]
    sizes = (2_000, 5_000) if quick else (10_000, 100_000)
    rows += [_row("orcabatch's engine", size, [_per_file(engine_s, size)]) for size in sizes]
    return {"rows": rows, "threads": THREADS, "measured": taken}


def _per_file(contender: Callable[[int], float], files: int) -> tuple[float, float]:
    """Milliseconds per file: wall, and CPU of this process, which does not depend on who else is busy."""
    before = time.process_time()
    wall_s = contender(files)
    return 1000 * wall_s / files, 1000 * (time.process_time() - before) / files


def _row(who: str, files: int, measured: Sequence[tuple[float, float]]) -> dict[str, Any]:
    wall, cpu = (statistics.median(each) for each in zip(*measured, strict=True))
    return {"who": who, "files": files, "ms per file": wall, "CPU ms per file": cpu}
