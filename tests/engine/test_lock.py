"""Whether a worker process's interpreter lock is taken: asked for in the process itself, told to its parent."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.fakes import FakeJob, FakeRecipe, FakeWorker, Say, task
from orcabatch.engine import EngineOptions, Limits, Sample, SeatLimits, run
from orcabatch.engine.lock import LockWatch, most_taken

if TYPE_CHECKING:
    from orcabatch.engine.contract import Extracted, RunEvent


def spin(until: Any) -> None:
    """Python code, and nothing but."""
    while not until():
        sum(range(1000))


def test_a_lock_that_is_always_taken_is_told_and_a_process_without_work_says_so_once() -> None:
    """Two threads of Python code: taken most of the time. Then nothing to do: one more word, which is 0."""
    told: list[float] = []
    busy = [True]
    watch = LockWatch(told.append, lambda: busy[0])
    watch.start()
    deadline = time.monotonic() + 60
    other = threading.Thread(target=spin, args=(lambda: any(share > 0.5 for share in told),))
    other.start()
    spin(lambda: any(share > 0.5 for share in told) or time.monotonic() > deadline)
    other.join()
    busy[0] = False
    spin(lambda: told[-1] == 0.0 or time.monotonic() > deadline)
    watch.stop()
    assert max(told) > 0.5
    assert told.count(0.0) == 1


def test_who_uses_no_cpu_holds_no_lock() -> None:
    """Waiting for a core on a full machine is no waiting for the lock."""
    assert most_taken(0.02) == pytest.approx(0.08)
    assert most_taken(0.9) == 1.0


class SpinningWorker(FakeWorker):
    """Runs Python code until its gate is there, or waits for that without a word of Python."""

    def extract(self, *args: Any) -> Extracted:
        say: Say = args[0].payload
        if say.value == "spin":
            spin(Path(say.gate).exists)
        return super().extract(*args)


@dataclass(frozen=True)
class SpinningRecipe(FakeRecipe):
    """Makes them."""

    def open_worker(self, note: Any) -> SpinningWorker:
        return SpinningWorker(note, None)


@pytest.mark.parametrize("what", ["spin", "wait"])
def test_the_scheduler_hears_of_the_worker_processes_locks(what: str, tmp_path: Path) -> None:
    """Two processes of two threads: with Python code in all, most of both locks is taken; while they wait, nothing."""
    gate, shares = tmp_path / "gate", []

    def watch(event: RunEvent) -> None:
        if event.kind == "sample":
            shares.append(event.data["gil_taken"])
            if max(shares) > 0.5 or (what == "wait" and len(shares) > 40):
                gate.touch()

    work = [task(index, say=Say(gate=str(gate), value=what)) for index in range(4)]
    options = EngineOptions("processes", processes=2, threads_per_process=2, sample_interval_s=0.05)
    limits = Limits(max_limit=4, fixed_limit=4, seats=SeatLimits(ramp_per_s=0.0))
    probe = Sample(gil_taken=1.0)  # of this process: not what is asked for
    outcomes = list(
        run(
            work,
            FakeJob(SpinningRecipe()),
            options=options,
            limits=limits,
            probe=lambda pids: probe,
            listener=watch,
        )
    )
    assert all(each.ok for each in outcomes)
    assert (max(shares) > 0.5) == (what == "spin")
