"""After every test of the engine nothing may be left over."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from capabilities import HAS
from engine import dask_cluster
from orcabatch.engine.executors import transport


def descriptors() -> int:
    """Open descriptors of this process; 0 where the system does not say."""
    return len(os.listdir("/proc/self/fd")) if HAS["/proc"]() else 0  # noqa: PTH208 - the listing itself counts


@pytest.fixture(scope="module")
def _dask_cluster() -> Iterator[None]:
    """One cluster for a module's tests that name dask: starting one takes longer than they do."""
    dask_cluster.shared()
    yield
    dask_cluster.close_shared()


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """No thread, no process and no descriptor more than before."""
    if "[dask" in request.node.name and "test_executors" in request.node.nodeid:
        request.getfixturevalue("_dask_cluster")
    threads, files, processes = set(threading.enumerate()), descriptors(), set(psutil.Process().children())
    yield
    assert set(threading.enumerate()) <= threads
    assert set(psutil.Process().children()) <= processes
    if descriptors() > files:
        gc.collect()  # a worker that its test did not close has one
    assert descriptors() <= files


@pytest.fixture
def unreceivable(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The first result of a file that a worker process sends finds no memory here; whether it came."""
    original, raised = transport.Wire.receive, list[bool]()

    def receive(self: Any) -> Any:
        received = original(self)
        # It is about a file: its process has started by then.
        if received is not None and b"Finished" in received.word and not raised:
            raised.append(True)
            raise MemoryError
        return received

    monkeypatch.setattr(transport.Wire, "receive", receive)
    return raised
