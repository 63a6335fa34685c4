"""A dask cluster as on several machines: a scheduler and workers that are processes of their own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

TESTS = Path(__file__).parents[1]
NEEDED = pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="the extra `dask` is not installed")
MARKS = [NEEDED, pytest.mark.slow]
"""Of what starts a cluster: several processes, each of which imports distributed."""


class Cluster:
    """A scheduler; workers are added one by one, each below a nanny that starts it again when it dies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._environment = os.environ | {
            "PYTHONPATH": str(TESTS),
            "DASK_DISTRIBUTED__WORKER__HEARTBEAT_INTERVAL": "100ms",
            # Else one that waits for its next test takes a tenth of a CPU: it looks hundreds of times a second at
            # where its threads are, and at how late it is.
            "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
            "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
        }
        where = folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", where)
        never = threading.Event()
        while not where.exists() or not (text := where.read_text()).rstrip().endswith("}"):
            never.wait(0.02)
        self.address: str = json.loads(text)["address"]

    def add(self, name: str, *options: Any, threads: int = 1, memory: str = "400MB") -> subprocess.Popen[bytes]:
        """One more worker."""
        return self._start(
            *("worker", self.address, "--name", name, "--nthreads", threads, "--memory-limit", memory),
            *("--no-dashboard", "--local-directory", self.folder, "--death-timeout", 300, *options),
        )

    def _start(self, *arguments: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *map(str, arguments[1:])]
        log = (self.folder / "log").open("ab")
        with log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment, cwd=self.folder)
        self._processes.append(process)
        return process

    def until(self, workers: int) -> None:
        """Wait until so many are there."""
        import distributed

        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)

    def end_scheduler(self) -> None:
        """Kill it."""
        self._processes[0].kill()

    def kill_worker_below(self, number: int) -> None:
        """Kill the worker process that the nanny of the so-manieth `add` has started."""
        for child in psutil.Process(self._processes[number].pid).children(recursive=True):
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is not None:
                continue
            for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                try:
                    child.kill()
                except psutil.NoSuchProcess:
                    pass
            process.wait()


@contextmanager
def cluster(*names: str, workers: int = 0, options: Sequence[Any] = (), **more: Any) -> Iterator[Cluster]:
    """A cluster with workers of these names, once so many are there."""
    with tempfile.TemporaryDirectory() as folder:
        made = Cluster(Path(folder))
        try:
            for name in names:
                made.add(name, *options, **more)
            if workers:
                made.until(workers)
            yield made
        finally:
            made.close()


_shared: list[Any] = []


def shared() -> Cluster:
    """Two workers with two threads each, for every test of the contract; `close_shared` ends them."""
    if not _shared:
        context = cluster("two", options=("--nworkers", 2), threads=2, workers=2)
        _shared.extend((context, context.__enter__()))
    made: Cluster = _shared[1]
    return made


def close_shared() -> None:
    """End the cluster, if there is one."""
    if _shared:
        _shared[0].__exit__(None, None, None)
        _shared.clear()
