"""The sampler of the host: one look as the engine takes it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from orcabatch.host.sampler import host_probe
from orcabatch.host.usage import OwnProcesses


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has started and read its modules, until the test ends it."""
    script = "import sys; print('here', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"here"
        yield process
        process.kill()


def test_a_look_counts_the_workers_memory(worker):
    """This process and the workers it is told of, no others."""
    look = host_probe(2)
    assert look((worker.pid,)).own_bytes > look(()).own_bytes + 10**6


def test_a_worker_that_ended_keeps_what_it_read_and_used(worker):
    """Bytes never run backwards, whoever asks; memory that is given back counts no longer."""
    look, totals = host_probe(2), OwnProcesses()
    before, used = look((worker.pid,)), totals((worker.pid,))
    worker.kill()
    worker.wait()
    after = look((worker.pid,))
    assert after.read_bytes >= before.read_bytes
    assert after.own_bytes < before.own_bytes
    assert totals(()).cpu_s[worker.pid] == used.cpu_s[worker.pid]


def test_what_a_worker_used_before_it_was_seen_is_no_load(worker):
    """Its start may have cost a core for a while; the first look at it says nothing of that."""
    assert host_probe(1)((worker.pid,)).cpu_percent == 0.0
