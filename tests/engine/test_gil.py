"""How much a worker process's interpreter lock is held: measured in the process itself, told to its parent."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.fakes import FakeJob, FakeRecipe, FakeWorker, Say, task
from orcabatch.engine import EngineOptions, Limits, SeatLimits, run
from orcabatch.engine.gil import GilUse, GilWatch
from orcabatch.engine.scheduler_messages import Sample

if TYPE_CHECKING:
    from orcabatch.engine.contract import Extracted, RunEvent


def spin(until: Any) -> None:
    """Python code, and nothing but."""
    while not until():
        sum(range(1000))


class Meter:
    """Says that the lock was held for most of the time."""

    def looking(self) -> nullcontext[None]:
        return nullcontext()

    def since(self, begin_s: float) -> GilUse:
        return GilUse(0.9)


def test_a_lock_that_is_held_is_told_and_a_process_without_work_says_so_once() -> None:
    """While there is work the share is told again and again; then one more word, which is 0."""
    told: list[float] = []
    busy = [True]
    watch = GilWatch(told.append, lambda: busy[0], Meter(), every_s=0.01)  # type: ignore[arg-type]
    watch.start()
    spin(lambda: len(told) >= 3)
    busy[0] = False
    spin(lambda: told[-1] == 0.0)
    seen = len(told)
    watch.stop()
    assert set(told[:-1]) == {0.9}
    assert told[-1] == 0.0
    assert len(told) == seen


HELD = 0.2
"""Of each lock, on a machine that others use as well; what a waiting process does beside waiting is far below it."""


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
    """Two processes of two threads: with Python code in all, both locks are held; while they wait, hardly ever."""
    gate, shares = tmp_path / "gate", []

    def watch(event: RunEvent) -> None:
        if event.kind == "sample":
            shares.append(event.data["gil_taken"])
            if max(shares) > HELD or (what == "wait" and len(shares) > 40):
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
    assert (max(shares) > HELD) == (what == "spin")
