"""The sampler of the host: one look as the engine takes it, and when its thread looks."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Iterator

import psutil
import pytest

from orcabatch.host.sampler import HostReading, Sampler, host_probe
from orcabatch.host.usage import HostCpu, HostReaders, OwnProcesses, ProcessTotals
from orcabatch.sleep import awake_s


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


def test_the_time_of_interrupts_counts_once(monkeypatch):
    """Windows has it in what the system took, and psutil tells it besides."""
    times = namedtuple("scputimes", ["user", "system", "idle", "interrupt", "dpc"])
    seen = iter([times(0.0, 0.0, 0.0, 0.0, 0.0), times(1.0, 4.0, 5.0, 2.0, 2.0)])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(seen))
    assert HostCpu()() == 50.0


def test_this_process_is_counted_more_finely_than_in_ticks():
    """A run's first look is hardly longer than a tick of the system's: one too many would pass for a busy core."""
    before = time.process_time()
    used = OwnProcesses()(()).cpu_s[os.getpid()]
    assert before <= used <= time.process_time()


def test_what_a_worker_used_before_it_was_seen_is_no_load(worker):
    """Its start may have cost a core for a while; the first look at it says nothing of that."""
    assert host_probe(1)((worker.pid,)).cpu_percent == 0.0


@pytest.mark.parametrize("interval_s", [3600.0, 1.0])
def test_what_a_process_used_counts_though_it_ended_before_the_sample(interval_s: float) -> None:
    """Worker processes have ended when a run's last sample is made: without a look before, they used nothing."""
    own, seen, began = OwnProcesses(), threading.Event(), time.perf_counter()
    used_s = 0.0

    def processes() -> ProcessTotals:
        nonlocal used_s
        totals = own()
        if (used_s := totals.cpu_s.get(child.pid, 0.0)) >= 0.2:
            seen.set()
        return totals

    readings: list[HostReading] = []
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        sampler = Sampler(
            HostReaders(processes=processes), interval_s, readings.append, lambda: time.perf_counter() - began
        )
        sampler.start()
        assert seen.wait(60)
    finally:
        child.kill()
        child.wait()
    sampler.stop()
    times = [0.0, *(reading.rates.at_s for reading in readings)]
    spans = [after - before for before, after in itertools.pairwise(times)]
    counted = sum(span * sum(reading.cpus_used) for span, reading in zip(spans, readings, strict=True))
    assert counted >= 0.9 * used_s >= 0.18


def test_a_reading_that_fails_is_left_out() -> None:
    """Out of descriptors for a moment: the thread goes on, and its last reading is there."""
    own, readings, fails, enough = OwnProcesses(), [], itertools.cycle([True, False]), threading.Event()

    def processes() -> ProcessTotals:
        if started and next(fails):
            enough.set()
            raise OSError(24, "Too many open files")
        return own()

    started = False
    sampler = Sampler(HostReaders(processes=processes), 0.01, readings.append, awake_s)
    started = True
    sampler.start()
    assert enough.wait(60)
    while not readings:
        time.sleep(0.001)
    sampler.stop()
    assert not any(thread.name == "orcabatch-monitor" for thread in threading.enumerate())
    assert readings
