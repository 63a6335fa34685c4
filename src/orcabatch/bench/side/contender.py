"""One contender over one workload, in a process of its own: timed, counted, and ended with its answer as JSON.

Run by path (`python -P contender.py question.json`), never imported. Peers import nothing of orcabatch but the
simulated OrcaFlex. Imports and the start of pools are not timed, for anyone but orcabatch, whose workers start while it
is timed. The page cache is emptied of the files before the clock starts, or filled with them, as the question says.
What did not load as many files as it has is worth nothing and ends with an error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

Mapper = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
TIER_COUNTS = {"small": 45, "medium": 30, "large": 15}


def main(question_file: str) -> None:
    """Answer the question in the file."""
    question = json.loads(Path(question_file).read_text(encoding="utf-8"))
    sys.path[:] = question["sys_path"]
    simulated = importlib.import_module("orcabatch.simulated")
    simulated.install()
    kind, _, count = question["contender"].partition(":")
    side = _orcabatch if kind == "orcabatch" else _serial if kind == "serial" else _pooled
    with side(question, kind, int(count or 0)) as work:
        answer = _timed(work, simulated, question)
    answer["cpu_s"] = _cpu_s() - answer.pop("cpu_before_s")
    Path(question["answer"]).write_text(json.dumps(answer), encoding="utf-8")


def _timed(
    work: Callable[[list[str], str], dict[str, Any]], simulated: Any, question: dict[str, Any]
) -> dict[str, Any]:
    files = question["files"]
    _cache(files, warm=question["warm_cache"])
    before, storage = _cpu_s(), _storage_bytes()
    with simulated.counting() as count:
        begun = time.perf_counter()
        told = work(files, "out")
        wall = time.perf_counter() - begun
    counted = count.counters
    if counted.loads != len(files) and not question["partial"]:
        raise SystemExit(f"{question['contender']}: {counted.loads} files were loaded, not {len(files)}")
    return {
        "wall_s": wall,
        "cpu_before_s": before,
        "loads": counted.loads,
        "calls": counted.total_calls,
        "passes": counted.log_passes,
        "bytes_loaded": counted.bytes_loaded,
        "own_s": counted.own_seconds,
        "reading_s": counted.reading_seconds,
        "cost_s": counted.cost_seconds,
        "never_destroyed": counted.never_destroyed,
        "affinity_violations": counted.affinity_violations,
        "storage_read_bytes": _storage_bytes() - storage,
    } | told


def _cpu_s() -> float:
    """CPU seconds of this process and of its children that ended (which Windows does not keep: there without them)."""
    ended = psutil.Process().cpu_times()
    return time.process_time() + getattr(ended, "children_user", 0.0) + getattr(ended, "children_system", 0.0)


def _storage_bytes() -> int:
    """Bytes this process had read from storage, not from the page cache; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return int(dict(line.split(": ") for line in lines)["read_bytes"])


def _cache(files: Sequence[str], *, warm: bool) -> None:
    """Fill the page cache with the files, or ask the system to drop them from it."""
    for file in files:
        with Path(file).open("rb") as stream:
            if warm:
                while stream.read(1 << 22):
                    pass
            elif sys.platform == "linux":
                os.fsync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _configured(question: dict[str, Any], files: list[str], folder: str) -> dict[str, Any]:
    """The configuration for these files, writing to a folder of its own."""
    cfg: dict[str, Any] = json.loads(json.dumps(question["cfg"]))
    out = Path(question["out"], folder)
    out.mkdir(parents=True)
    cfg["Analysis"].update(result_folder=str(out), result_data_folder=str(out), result_plot_folder=str(out))
    cfg["file_management"]["input_files"]["sim"] = files
    return cfg


# --- who works ----------------------------------------------------------------------------------------------------


@contextmanager
def _serial(question: dict[str, Any], _kind: str, _count: int) -> Iterator[Callable[..., dict[str, Any]]]:
    """digitalmodel's own loop, as shipped."""
    peer = importlib.import_module("bench_peer")
    peer.warm()

    def work(files: list[str], folder: str) -> dict[str, Any]:
        cfg = peer.attribute_dict()(_configured(question, files, folder))
        peer.opp().OrcaFlexPostProcess().post_process_router(cfg)
        return {}

    work(question["files"][:1], "warm")
    yield work


@contextmanager
def _pooled(question: dict[str, Any], kind: str, count: int) -> Iterator[Callable[..., dict[str, Any]]]:
    """digitalmodel's functions, file by file, over somebody's pool."""
    peer = importlib.import_module("bench_peer")
    peer.warm()
    with _mapper(kind, count, question["tiers"]) as run:

        def work(files: list[str], folder: str) -> dict[str, Any]:
            cfg = peer.merged(_configured(question, files, folder))
            peer.folded(cfg, run(peer.one, [(file, dict(cfg)) for file in files]))
            return {}

        work(question["files"][:1], "warm")
        yield work


@contextmanager
def _orcabatch(question: dict[str, Any], _kind: str, _count: int) -> Iterator[Callable[..., dict[str, Any]]]:
    """orcabatch with the settings of the question."""
    run_batch = importlib.import_module("orcabatch").run_batch

    asked = question["performance"]

    def run(files: list[str], folder: str, performance: dict[str, Any]) -> Any:
        cfg = _configured(question, files, folder)
        return run_batch(cfg, orcaflex="simulated", progress=False, fresh=True, performance=performance)

    def work(files: list[str], folder: str) -> dict[str, Any]:
        result = run(files, folder, asked)
        if not question["partial"]:
            result.raise_for_failures()
        return _told(result)

    run(question["files"][:1], "warm", {**asked, "ledger": {"enabled": False}})
    yield work


def _told(result: Any) -> dict[str, Any]:
    """What orcabatch says about its own run."""
    metrics, plan = result.metrics, result.plan
    series = metrics["metrics"]
    return {
        "ok": sum(outcome.ok for outcome in result.outcomes),
        "failed": len(result.failed),
        "peak_memory_percent": metrics["summary"]["peak_memory_percent"],
        "busy_s": metrics["summary"]["busy_s"],
        "cpu_utilization": series["cpu_utilization"],
        "thread_efficiency": metrics["summary"]["thread_efficiency"],
        "lower_bound": metrics["lower_bound"],
        "limits": metrics["limits"],
        "bottleneck": metrics["bottleneck"]["verdict"],
        "plan_limit": plan.ceiling,
        "start_limit": plan.start_limit,
        "learned": [note for note in plan.notes if note.startswith("learned from")],
        "executor": plan.executor,
        "files": [
            {name: row[name] for name in ("file", "size_bytes", "wall_s", "load_s", "extract_s", "peak_memory_bytes")}
            for row in metrics["files"]
        ],
    }


# --- how files are spread ----------------------------------------------------------------------------------------


@contextmanager
def _mapper(kind: str, count: int, tiers: list[str]) -> Iterator[Mapper]:
    """Somebody's map over `count` workers, results in input order."""
    makers: dict[str, Callable[[], Any]] = {
        "threads": lambda: _executor(ThreadPoolExecutor(count), count),
        "processes": lambda: _executor(ProcessPoolExecutor(count), count),
        "joblib-threading": lambda: _joblib("threading", count),
        "joblib-loky": lambda: _joblib("loky", count),
        "dask": lambda: _dask(count),
        "chunks": lambda: _chunks(count),
        "tiers": lambda: _tiers(tiers),
    }
    with makers[kind]() as run:
        yield run


@contextmanager
def _executor(pool: Executor, count: int) -> Iterator[Mapper]:
    peer = importlib.import_module("bench_peer")
    with pool:
        for future in [pool.submit(peer.warm) for _ in range(count)]:
            future.result()
        yield lambda function, jobs: list(pool.map(function, jobs))


@contextmanager
def _joblib(backend: str, count: int) -> Iterator[Mapper]:
    joblib, peer = importlib.import_module("joblib"), importlib.import_module("bench_peer")
    with joblib.Parallel(n_jobs=count, backend=backend, batch_size=1) as parallel:
        parallel(joblib.delayed(peer.warm)() for _ in range(4 * count))
        yield lambda function, jobs: list(parallel(joblib.delayed(function)(job) for job in jobs))
    if backend == "loky":
        importlib.import_module("joblib.externals.loky").get_reusable_executor().shutdown(wait=True)


@contextmanager
def _dask(count: int) -> Iterator[Mapper]:
    distributed, peer = importlib.import_module("distributed"), importlib.import_module("bench_peer")
    cluster = distributed.LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        client.run(peer.warm)
        yield lambda function, jobs: client.gather(client.map(function, jobs, pure=False))


@contextmanager
def _chunks(count: int) -> Iterator[Mapper]:
    """Chunks of equally many files, one thread each: how NsgOrcFx spreads its load cases."""

    def run(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
        each = -(-len(jobs) // count)
        parts = [jobs[start : start + each] for start in range(0, len(jobs), each)]
        with ThreadPoolExecutor(max(1, len(parts))) as pool:
            done = pool.map(lambda part: [function(job) for job in part], parts)
            return [result for part in done for result in part]

    yield run


@contextmanager
def _tiers(tiers: list[str]) -> Iterator[Mapper]:
    """The specification's static tiers: small, medium, large one after the other, each on its own count of threads."""

    def run(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
        results: list[Any] = [None] * len(jobs)
        for name, threads in TIER_COUNTS.items():
            places = [place for place, tier in enumerate(tiers[: len(jobs)]) if tier == name]
            with ThreadPoolExecutor(threads) as pool:
                for place, result in zip(places, pool.map(function, [jobs[p] for p in places]), strict=True):
                    results[place] = result
        return results

    yield run


if __name__ == "__main__":
    main(sys.argv[1])
