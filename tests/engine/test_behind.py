"""Outputs that are written after their file was given back: beside the work on others, with all promises kept."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.fakes import MOVING, Book, FakeJob, FakeRecipe, Say, locked, quick_to_move, task, wait_for
from orcabatch.engine import EngineOptions, Limits, build_executor, run
from orcabatch.engine.limits import Limits as SchedulerLimits
from orcabatch.engine.limits import SeatLimits
from orcabatch.engine.memory_meter import MemoryMeter
from orcabatch.engine.scheduler import Scheduler
from orcabatch.engine.scheduler_messages import Offered, Redone, Start, TaskFinished, Woken
from orcabatch.engine.worker import TaskRunner, WriteBehind
from orcabatch.engine.worker_messages import Finished
from orcabatch.outcome import Cause, FileOutcome, Phase, Status

if TYPE_CHECKING:
    from orcabatch.engine.contract import Extracted, RunEvent

EXECUTORS: dict[str, dict[str, Any]] = {
    "threads": {"executor": "threads", "threads": 4},
    "processes": {"executor": "processes", "processes": 2},
    "hybrid": {"executor": "processes", "processes": 1, "threads_per_process": 2},
    "auto": {"executor": "auto", "threads": 4, "processes": 2},
    "moving": MOVING,
}
ALONE = Limits(max_limit=1, fixed_limit=1, max_writing=4)


def go(
    name: str, work: list[Any], *, limits: Limits = ALONE, job: FakeJob | None = None, **options: Any
) -> tuple[list[FileOutcome], list[RunEvent]]:
    """The outcomes of a run, and its event log."""
    events: list[RunEvent] = []
    with quick_to_move():
        settings = EngineOptions(**{"retry_delay_s": 0.001, **EXECUTORS[name], **options})
        probe = locked if name == "moving" else None
        return list(
            run(work, job or FakeJob(), options=settings, limits=limits, listener=events.append, probe=probe)
        ), events


@pytest.mark.parametrize("name", EXECUTORS)
def test_what_is_slow_to_write_holds_no_worker(name: str, tmp_path: Path) -> None:
    """One file at a time: the first one's output waits for the third one's extraction, which is not held up by it."""
    gate = str(tmp_path / "third")
    work = [task(0, say=Say(late=True, late_gate=gate)), task(1), task(2, say=Say(mark=gate))]
    outcomes, events = go(name, work)
    assert sorted(each.index for each in outcomes) == [0, 1, 2]
    assert all(each.ok and each.value == (each.index, "a", 1) for each in outcomes)
    order = [(event.kind, event.index) for event in events]
    assert order.index(("started", 2)) < order.index(("finished", 0))
    assert [event.index for event in events if event.kind == "released"] == [0]


@pytest.mark.parametrize("name", EXECUTORS)
def test_no_more_files_are_written_beside_the_limit_than_may_be(name: str, tmp_path: Path) -> None:
    """None may: the next file starts when the one before is written, as many seats and as much memory there may be."""
    work = [task(index, say=Say(late=True)) for index in range(4)]
    _, events = go(name, work, limits=Limits(max_limit=1, fixed_limit=1))
    order = [(event.kind, event.index) for event in events if event.kind in {"started", "finished"}]
    assert order == [(kind, index) for index in range(4) for kind in ("started", "finished")]


@pytest.mark.parametrize("name", EXECUTORS)
def test_what_cannot_be_written_fails_its_file_in_the_phase_write(name: str) -> None:
    """With its reason, as if the worker had written itself; what may heal is tried again; the others are well."""
    work = [
        task(0, say=Say(late=True, fail="late", cause=Cause.OUTPUT)),
        task(1, say=Say(late=True, fail="late", may_heal=True, until_attempt=2)),
        task(2, say=Say(late=True)),
    ]
    job = FakeJob()
    outcomes, _ = go(name, work, job=job)
    found = {each.index: each for each in outcomes}
    assert len(outcomes) == 3
    assert (found[0].status, found[0].cause, found[0].failed_phase) == (Status.FAILED, Cause.OUTPUT, Phase.WRITE)
    assert found[0].value is None
    assert "late of 0" in str(found[0].error)
    assert (found[1].ok, found[1].attempt, found[2].ok) == (True, 2, True)
    assert sorted(job.told) == [(0, 1, "failed"), (1, 2, "ok"), (2, 1, "ok")]


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_folder_that_never_answers_costs_its_file_alone(name: str, tmp_path: Path) -> None:
    """It is reported after the timeout, the others are done meanwhile, and the run ends.

    What failed so is not written when the folder answers at last.
    """
    gate, mark = tmp_path / "at the end", tmp_path / "written"
    work = [task(0, say=Say(late=True, late_gate=str(gate), late_mark=str(mark))), task(1), task(2)]
    events: list[RunEvent] = []
    options = EngineOptions(**{**EXECUTORS[name], "timeout_s": 1.0})
    running = run(work, FakeJob(), options=options, limits=ALONE, listener=events.append)
    found: dict[int, FileOutcome] = {}
    for outcome in running:
        found[outcome.index] = outcome
        if len(found) == 3:
            wait_for(f"{mark} dropped")  # a worker process hears of it a moment later
            gate.touch()
    assert found[0].cause is Cause.TIMEOUT
    assert found[0].failed_phase is Phase.WRITE
    assert "being written" in str(found[0].error)
    assert found[1].ok
    assert found[2].ok
    all_written()
    assert not mark.exists()


@pytest.mark.parametrize("scope", ["model", "process"])
@pytest.mark.parametrize("name", EXECUTORS)
def test_a_seat_is_free_while_outputs_are_written(name: str, scope: Any, tmp_path: Path) -> None:
    """One seat: the first file's output waits for the last one's extraction, in whichever executor."""
    gate = str(tmp_path / "last")
    work = [task(index, say=Say(late=True, late_gate=gate)) for index in range(5)]
    work.append(task(5, say=Say(mark=gate)))
    seats = SeatLimits(max=1, scope=scope, ramp_per_s=1000)
    limits = Limits(max_limit=4, fixed_limit=4, max_writing=6, seats=seats)
    outcomes, _ = go(name, work, limits=limits)
    assert sorted(each.index for each in outcomes if each.ok) == list(range(6))


@pytest.mark.parametrize("name", EXECUTORS)
def test_what_ends_a_thread_that_writes_fails_the_file(name: str) -> None:
    """`SystemExit` and the like: nobody waits for an end that never comes, and no worker is lost with it."""
    outcomes, _ = go(name, [task(0, say=Say(late=True, late_exit=SystemExit(3))), task(1)])
    found = {each.index: each for each in outcomes}
    assert (found[0].status, found[0].failed_phase, found[1].ok) == (Status.FAILED, Phase.WRITE, True)
    assert "SystemExit: 3" in str(found[0].error)


@pytest.mark.parametrize("name", ["threads", "processes"])
def test_nothing_is_written_once_the_run_was_left(name: str, tmp_path: Path) -> None:
    """The executor is closed at once, as the second Ctrl-C does, with an output being written and a file running."""
    gates = [tmp_path / "folder", tmp_path / "post-process"]
    marks = [tmp_path / "mark 0", tmp_path / "mark 1"]
    work = [
        task(0, say=Say(late=True, late_gate=str(gates[0]), late_mark=str(marks[0]))),
        task(1, say=Say(late=True, gate=str(gates[1]), late_mark=str(marks[1]))),
    ]
    workers = build_executor(FakeRecipe(), EngineOptions(**EXECUTORS[name]), Limits(max_limit=2), work)
    for each in work:
        workers.submit(each)
    heard: list[Any] = []
    while not any(isinstance(message, Finished) for message in heard):
        heard += workers.poll(10.0)
    workers.close(now=True)
    for gate in gates:
        gate.touch()
    all_written()
    assert not any(mark.exists() for mark in marks)


def all_written() -> None:
    """Wait for all threads of workers, and those that write beside them."""
    for thread in threading.enumerate():
        if "worker" in thread.name:
            thread.join()


@pytest.mark.parametrize("name", ["processes", "hybrid"])
def test_a_process_that_dies_writing_costs_no_file(name: str, tmp_path: Path) -> None:
    """The file whose output it was writing is done again elsewhere, and so is what else it held."""
    work = [task(0, say=Say(late=True, late_kill=True, until_attempt=2)), *(task(index) for index in range(1, 6))]
    outcomes, _ = go(name, work, limits=Limits(max_limit=2, fixed_limit=2, max_writing=4))
    assert sorted(each.index for each in outcomes) == list(range(6))
    assert all(each.ok for each in outcomes)
    assert next(each.attempt for each in outcomes if each.index == 0) == 2


@pytest.mark.parametrize("name", EXECUTORS)
def test_closing_the_iterator_waits_for_what_is_being_written(name: str) -> None:
    """Nothing new starts; what was begun is written, and the job is told."""
    job = FakeJob()
    work = [task(index, say=Say(late=True)) for index in range(6)]
    options = EngineOptions(**EXECUTORS[name])
    running = run(work, job, options=options, limits=Limits(max_limit=2, fixed_limit=2, max_writing=4))
    next(running)
    running.close()  # type: ignore[attr-defined]
    begun = [index for index, _, status in job.told if status == "ok"]
    assert 1 <= len(begun) == len(set(begun))
    assert len(job.told) == 6


def test_a_file_is_released_before_its_outputs_are_written() -> None:
    """In this order, on the worker's own thread or another; and the phases add up to the time it took."""
    book = Book()
    bench = TaskRunner(FakeRecipe(book), lambda _: None, "w", MemoryMeter())
    behind = bench.begin(task(3, batches=("a", "b"), say=Say(late=True)))
    assert isinstance(behind, WriteBehind)
    assert behind.finished.outcomes == ()
    assert [what for what, _, _ in book.entries] == ["open", "load", "extract", "extract", "release"]
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(behind.write()))
    thread.start()
    thread.join()
    assert [what for what, _, _ in book.entries][-3:] == ["release", "late", "late"]
    outcomes = done[0].outcomes
    assert [outcome.batch for outcome in outcomes] == ["a", "b"]
    took_s = outcomes[0].finished_s - outcomes[0].started_s
    assert sum(outcome.wall_s for outcome in outcomes) == pytest.approx(took_s, abs=1e-9)
    assert all(set(outcome.phases) == {"load", "extract", "write", "clean_up"} for outcome in outcomes)
    assert all(seconds >= 0 for outcome in outcomes for seconds in outcome.usage.cpu_s.values())
    bench.close()


def test_whoever_may_not_leave_it_writes_himself() -> None:
    """`do` is the whole task: the serial executor's, and dask's."""
    book = Book()
    done = TaskRunner(FakeRecipe(book), lambda _: None, "w", MemoryMeter()).do(task(0, say=Say(late=True)))
    assert isinstance(done, Finished)
    assert done.outcomes[0].ok
    assert [what for what, _, _ in book.entries] == ["open", "load", "extract", "release", "late"]


def test_what_a_broken_off_task_left_is_dropped() -> None:
    """The second batch ends the thread: the first one's outputs are not written, and nothing of them stays."""
    book = Book()

    class Exits(FakeRecipe):
        def open_worker(self, note: Any) -> Any:
            worker = super().open_worker(note)
            plain = worker.extract

            def extract(task: Any, batch: str, clock: Any) -> Extracted:
                if batch == "b":
                    raise SystemExit
                return plain(task, batch, clock)

            worker.extract = extract  # type: ignore[method-assign]
            return worker

    with pytest.raises(SystemExit):
        TaskRunner(Exits(book), lambda _: None, "w", MemoryMeter()).do(task(0, batches=("a", "b"), say=Say(late=True)))
    assert [what for what, _, _ in book.entries] == ["open", "load", "extract", "release", "drop"]


# --- the scheduler ------------------------------------------------------------------------------------------------


def begun(limits: SchedulerLimits, count: int = 4) -> tuple[Scheduler, list[int]]:
    work = [task(index, size_bytes=10**9, memory_bytes=15 * 10**8) for index in range(count)]
    scheduler = Scheduler(work, limits)
    said = [each for one in work for each in scheduler.step(Offered(0.0, one.index))]
    return scheduler, [each.index for each in said if isinstance(each, Start)]


def starts(scheduler: Scheduler, event: Any) -> list[int]:
    return [each.index for each in scheduler.step(event) if isinstance(each, Start)]


@pytest.mark.parametrize(
    "limits",
    [
        SchedulerLimits(max_limit=1, fixed_limit=1, max_writing=2),
        SchedulerLimits(max_limit=4, fixed_limit=4, max_writing=2, memory_total_bytes=5_500_000_000),
        SchedulerLimits(
            max_limit=4, fixed_limit=4, max_writing=2, seats=SeatLimits(max=1, scope="model", ramp_per_s=1000)
        ),
    ],
)
def test_slot_memory_and_seat_are_free_once_the_file_is_released(limits: SchedulerLimits) -> None:
    """Whichever of the three keeps the next file waiting: it starts then, and not only when all is written."""
    scheduler, running = begun(limits)
    assert running == [0]
    assert starts(scheduler, TaskFinished(1.0, 0, "released")) == [1]
    assert not scheduler.done
    assert starts(scheduler, TaskFinished(2.0, 0)) == []
    assert scheduler.running == (1,)


def test_a_run_is_not_done_before_the_last_output_is_written() -> None:
    """Written, failed for good, given up after a timeout (these end it alike), or lost with its process."""
    for last in (TaskFinished(2.0, 0), TaskFinished(2.0, 0, "lost")):
        scheduler, _ = begun(SchedulerLimits(max_limit=1), 1)
        scheduler.step(TaskFinished(1.0, 0, "released"))
        assert not scheduler.done
        scheduler.step(last)
        assert scheduler.done
        assert scheduler.snapshot()["lost"] == []


def test_an_output_that_may_heal_has_its_file_done_again() -> None:
    """After the delay; and one that is to be redone meanwhile is redone when it is written."""
    scheduler, _ = begun(SchedulerLimits(max_limit=1), 1)
    scheduler.step(TaskFinished(1.0, 0, "released"))
    assert starts(scheduler, TaskFinished(2.0, 0, "retry", retry_delay_s=5.0)) == []
    assert starts(scheduler, Woken(7.0)) == [0]
    scheduler.step(TaskFinished(8.0, 0, "released"))
    assert starts(scheduler, Redone(8.5, 0)) == []
    assert starts(scheduler, TaskFinished(9.0, 0)) == [0]
