"""Licence seats that idle workers hold: who gives way to whom, counted by the simulated DLL or by a book of models."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from batch_functions import count_objects
from engine.fakes import MOVING, FakeJob, FakeWorker, Say, locked, quick_to_move, task, tasks
from orcabatch import simulated
from orcabatch.engine import EngineOptions, Limits, SeatLimits, run
from orcabatch.engine.contract import RunEvent, SimpleJob, Task, Worker
from orcabatch.orcaflex.user_function import FunctionPostProcess
from orcabatch.orcaflex.work import OrcaFlexRecipe
from orcabatch.outcome import Cause, FileOutcome


@pytest.fixture
def sims(tmp_path: Path) -> Iterator[list[Path]]:
    """Forty tiny files under the simulated DLL, which is counted."""
    simulated.install(simulated.Costs())
    simulated.reset_counters()
    spec = simulated.SimSpec(objects=simulated.mooring_objects(3), stop_time_s=1.0)
    try:
        with quick_to_move():
            yield [simulated.write_sim(tmp_path / f"{number}.sim", spec) for number in range(40)]
    finally:
        simulated.configure(simulated.Costs())
        simulated.uninstall()


def moving(sims: list[Path], seats: SeatLimits, **options: Any) -> list[FileOutcome]:
    """A run that begins on threads and goes on in two processes of two threads."""
    work = [Task(index, file, ("b",), 1000, 1500) for index, file in enumerate(sims)]
    recipe = OrcaFlexRecipe({"b": FunctionPostProcess(count_objects)}, "simulated")
    limits = Limits(max_limit=4, fixed_limit=4, cpus=4, seats=seats)
    settings = EngineOptions(**{**MOVING, **options})
    return list(run(work, SimpleJob(recipe), options=settings, limits=limits, probe=locked))


@pytest.mark.parametrize("most", [1, 2, 3, 6])
@pytest.mark.parametrize("scope", ["model", "process", "host"])
def test_threads_and_processes_share_the_seats(sims: list[Path], scope: Any, most: int) -> None:
    """While a run moves to processes, no thread keeps a model that a process has no seat for; every file is done."""
    simulated.configure(simulated.Costs(seat_scope=scope, load_latency_s=0.005))
    seats = SeatLimits(max=most, scope=scope, ramp_per_s=0.0, threads_per_process=4, wait_s=20.0)
    outcomes = moving(sims, seats)
    counted = simulated.counters()
    assert [each.error for each in outcomes if not each.ok] == []
    assert {each.worker.split("-")[0] for each in outcomes} == {"worker", "process"}
    assert counted.peak_seats <= most
    assert counted.never_destroyed == 0


@dataclass
class Models:
    """How many workers are open, and at most were; a seat by model that is not there is refused."""

    seats: int
    alive: int = 0
    most: int = 0
    refused: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def open(self) -> bool:
        with self.lock:
            self.refused += self.alive >= self.seats
            if self.alive >= self.seats:
                return False
            self.alive += 1
            self.most = max(self.most, self.alive)
            return True

    def close(self) -> None:
        with self.lock:
            self.alive -= 1


class Seated(FakeWorker):
    """Takes a seat with its first file and keeps it until it closes."""

    def __init__(self, note: Any, models: Models, stays: threading.Event | None) -> None:
        super().__init__(note, None)
        self.models, self.stays, self.has_one = models, stays, False

    def load(self, task: Task) -> None:
        if not self.has_one and not self.models.open():
            raise Refused
        self.has_one = True

    def close(self) -> None:
        if self.stays is not None:
            self.stays.wait(60)
        if self.has_one:
            self.models.close()


class Refused(Exception):  # noqa: N818 - what it is
    """No seat."""


@dataclass(frozen=True)
class SeatedRecipe:
    """Makes them. With `stays` none closes before that is set."""

    models: Models
    stays: threading.Event | None = None

    def open_worker(self, note: Any) -> Worker:
        return Seated(note, self.models, self.stays)

    def explain(self, error: BaseException, task: Task, phase: Any) -> Any:
        from orcabatch.outcome import Failure

        assert isinstance(error, Refused)
        return Failure(Cause.LICENCE, "no seat", may_heal=True)


def static(seats: SeatLimits) -> Limits:
    return Limits(mode="static", tiers={"small": 4, "large": 4}, max_limit=4, seats=seats)


def in_tiers(count: int) -> list[Task]:
    return [task(index, tier="small" if index < count else "large") for index in range(2 * count)]


@pytest.mark.parametrize("most", [None, 4])
def test_sessions_end_with_their_tier(most: int | None) -> None:
    """Four seats: the second tier's models are opened when the first tier's are gone, and none is refused."""
    models = Models(4)
    seats = SeatLimits(max=most, scope="model", ramp_per_s=0.0, wait_s=5.0)
    work = SimpleJob(SeatedRecipe(models))
    outcomes = list(run(in_tiers(8), work, options=EngineOptions(threads=4), limits=static(seats)))
    assert all(each.ok for each in outcomes)
    assert (models.most, models.refused, models.alive) == (4, 0, 0)


def test_a_retry_of_an_earlier_tier_finds_a_seat(tmp_path: Path) -> None:
    """The only seat is the second tier's when a file of the first comes again: it gives way."""
    models = Models(1)
    seats = SeatLimits(max=1, scope="model", ramp_per_s=0.0, wait_s=5.0)
    again = Say(fail="extract", until_attempt=2, may_heal=True)

    @dataclass(frozen=True)
    class Recipe(SeatedRecipe):
        def explain(self, error: BaseException, task: Task, phase: Any) -> Any:
            from orcabatch.outcome import Failure

            return Failure(Cause.EXCEPTION, "once", may_heal=True)

    work = [task(0, tier="small", say=again), *(task(index, tier="large") for index in range(1, 30))]
    options = EngineOptions(threads=4, retry_delay_s=0.001)
    outcomes = list(run(work, SimpleJob(Recipe(models)), options=options, limits=static(seats)))
    assert all(each.ok for each in outcomes)
    assert (models.most, models.refused, models.alive) == (1, 0, 0)


def test_a_worker_that_does_not_close_makes_nobody_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first tier's model cannot be closed: its seat stays taken, and the rest is given up with the reason."""
    from orcabatch.engine.executors import leaving

    monkeypatch.setattr(leaving, "CLOSING_S", 0.05)
    stays, said = threading.Event(), []
    models = Models(1)

    def watch(event: RunEvent) -> None:
        said.extend([event.data["text"]] if event.kind == "warning" else [])
        if "does not close" in str(said):
            giving_up.set()

    giving_up = threading.Event()
    seats = SeatLimits(max=1, scope="model", ramp_per_s=0.0, wait_s=0.1)
    work = [task(0, tier="small"), task(1, tier="large")]
    running = run(
        work,
        SimpleJob(SeatedRecipe(models, stays)),
        options=EngineOptions(threads=2),
        limits=static(seats),
        listener=watch,
    )
    first, second = next(running), next(running)
    stays.set()
    assert [first.ok, second.ok, list(running)] == [True, False, []]
    assert second.cause is Cause.LICENCE
    assert "hangs" in str(second.error)
    assert any("does not close" in text for text in said)
    assert models.most == 1


def test_a_payload_that_stays_here_gets_a_seat_from_the_processes(sims: list[Path]) -> None:
    """Files go to processes; one that cannot be packed goes to a thread, for which a process gives its seat back."""
    seats = SeatLimits(max=2, scope="process", ramp_per_s=0.0, threads_per_process=4, wait_s=20.0)
    work = [task(index, say=(lambda: None) if index == 30 else None) for index in range(60)]
    limits = Limits(max_limit=4, fixed_limit=4, cpus=4, seats=seats)
    outcomes = list(run(work, FakeJob(), options=EngineOptions(**MOVING), limits=limits, probe=locked))
    assert all(each.ok for each in outcomes)
    assert next(each for each in outcomes if each.index == 30).worker.startswith("worker")


def test_files_are_spread_over_processes_that_hold_seats() -> None:
    """A licence for three processes of four threads: as many files as seats allow, none waits for a seat it has."""
    seats = SeatLimits(max=3, scope="process", ramp_per_s=0.0)
    limits = Limits(max_limit=12, fixed_limit=12, seats=seats)
    options = EngineOptions("processes", processes=3, threads_per_process=4)
    outcomes = list(run(tasks(36), FakeJob(), options=options, limits=limits))
    assert all(each.ok for each in outcomes)
    assert len({each.worker.rpartition("-")[0] for each in outcomes}) == 3
