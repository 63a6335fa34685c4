"""What monitoring and display cost: CPU seconds of their own threads and calls, against the time of the run."""

from __future__ import annotations

import io
import threading
import time

import pytest

from monitor.making import outcome, task
from orcabatch.engine.contract import RunEvent
from orcabatch.monitor import PerformanceMonitor
from orcabatch.monitor.dashboard import Dashboard
from orcabatch.monitor.displays import Bar, Lines, Tracked, Tracker

MOST = 0.01
"""Of the wall time."""


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="this system has no CPU clock of a thread")
def test_the_sampling_thread_uses_less_than_a_hundredth_of_a_core():
    """From its start until after a sample, twice as often as by default; the CPU clock is that thread's own."""
    sampled = threading.Event()
    with PerformanceMonitor({"monitoring": {"interval": 2.5}}) as monitor:
        monitor.samples = _Telling(sampled)
        (thread,) = (each for each in threading.enumerate() if each.name == "orcabatch-monitor")
        clock = time.pthread_getcpuclockid(thread.ident)
        assert sampled.wait(60)
        used_s, wall_s = time.clock_gettime(clock), monitor.wall_s
    assert used_s <= MOST * wall_s


class _Telling(list):
    """A list that tells when it gets its first entry."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self._event = event

    def append(self, entry: object) -> None:
        super().append(entry)
        self._event.set()


@pytest.mark.parametrize(("display", "most"), [(Lines, MOST), (Bar, MOST), (Dashboard, 2 * MOST)])
def test_listening_and_displaying_use_a_small_part_of_the_run(display, most):
    """All events of 464 files of two seconds each on 30 workers, four samples a second; a dashboard may use two."""
    files, workers, seconds = 464, 30, 2.0
    monitor, shown = PerformanceMonitor({"monitoring": {"enabled": False}}), display(io.StringIO())
    tasks = [task(index) for index in range(files)]
    monitor.expect(tasks, cap_percent=80.0)
    shown.tracker = Tracker(monitor.state)
    began = time.thread_time()
    for event in events(files, workers, seconds):
        monitor.listener(event)
        shown.listener(event)
        if event.kind == "finished":
            monitor.add_outcome(outcome(event.index))
    shown.close()
    used_s = time.thread_time() - began
    assert isinstance(shown, Tracked)
    assert shown.tracker.snapshot().done == files
    assert used_s <= most * seconds * files / workers


def events(files: int, workers: int, seconds: float):
    """What the engine tells of a batch of equal files, one round of workers after the other."""
    yield RunEvent("run_started", 0.0, -1, {"files": files, "limit": workers, "executor": "threads"})
    for first in range(0, files, workers):
        round_of, at_s = range(first, min(first + workers, files)), first / workers * seconds
        for index in round_of:
            yield RunEvent("admission", at_s, index, {"memory_bytes": 10**8, "reserved_bytes": 10**9})
            yield RunEvent("started", at_s, index, {"worker": f"worker-{index % workers}"})
        for step, phase in enumerate(("load", "extract", "write", "clean_up")):
            for index in round_of:
                yield RunEvent("phase", at_s + step * seconds / 4, index, {"phase": phase})
            memory = {"total_bytes": 10**11, "available_bytes": 10**10, "cpu_percent": 50.0, "read_bytes": first}
            for part in range(int(seconds)):
                yield RunEvent("sample", at_s + (step + part / seconds) * seconds / 4, -1, memory)
        for index in round_of:
            yield RunEvent("finished", at_s + seconds, index, {"status": "ok", "batch": "standard"})
    yield RunEvent("run_finished", -(-files // workers) * seconds, -1, {"interrupted": False})
