"""Threads that end at their birth for want of memory: the run ends, and says the truth of every file."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from births import (
    BEFORE_IT_IS_LISTED,
    BEFORE_IT_LIVES,
    BEFORE_ITS_TARGET,
    FOR_ITS_TARGET,
    MOMENTS,
    die_at_birth,
    in_children,
)
from engine.fakes import Book, FakeJob, FakeRecipe, Say, task, tasks
from engine.test_dask import ORDER, crew_of
from orcabatch.engine import EngineOptions, Limits, run, worker_loop
from orcabatch.engine.executors import process_handle, starting
from orcabatch.engine.executors.dask import worker as dask_worker
from orcabatch.engine.limits import SeatLimits
from orcabatch.engine.memory_meter import MemoryMeter
from orcabatch.engine.surroundings import Surroundings
from orcabatch.engine.worker_loop import WorkerLoop
from orcabatch.engine.worker_messages import Closed, Died, Finished, Message
from orcabatch.errors import SettingsError
from orcabatch.outcome import Cause, FileOutcome
from orcabatch.own_thread import STILLBORN

EXECUTORS: dict[str, dict[str, Any]] = {
    "threads": {"executor": "threads", "threads": 4},
    "auto": {"executor": "auto", "threads": 4, "processes": 2},
    "static": {"executor": "threads", "threads": 4},
    "processes": {"executor": "processes", "processes": 2},
    "hybrid": {"executor": "processes", "processes": 2, "threads_per_process": 2},
}
LIMITS = Limits(max_limit=4, fixed_limit=4, max_writing=4, seats=SeatLimits(processes=2, ramp_per_s=1e6))
STATIC = Limits(mode="static", tiers={"small": 4}, max_limit=4, max_writing=4)
FILES = 6

# What a thread's `run` raises is printed by Python; a `MemoryError` there is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def go(name: str, **options: Any) -> list[FileOutcome]:
    """Six files, each with something that is written behind it."""
    settings = EngineOptions(**{"retry_delay_s": 0.001, **EXECUTORS[name], **options})
    work = [task(index, say=Say(late=True), tier="small") for index in range(FILES)]
    return list(run(work, FakeJob(), options=settings, limits=STATIC if name == "static" else LIMITS))


def all_well(outcomes: list[FileOutcome]) -> bool:
    return sorted(each.index for each in outcomes if each.ok) == list(range(FILES)) and len(outcomes) == FILES


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", ["threads", "auto", "static"])
def test_a_worker_that_is_stillborn_is_one_fewer(name: str, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others do the rest, and where outputs find no thread of their own the worker writes them."""
    met = die_at_birth(monkeypatch, r"orcabatch-(worker|small)_1|orcabatch-.*-writes-\d+", moment)
    outcomes = go(name)
    assert all_well(outcomes)
    assert {each.worker for each in outcomes} == {"small-1" if name == "static" else "worker-1"}
    assert sum("-writes-" in each for each in met) == FILES
    assert len(met) == FILES + 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_without_any_worker_it_says_so(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread lives for a worker: the run ends with the reason."""
    die_at_birth(monkeypatch, r"orcabatch-worker_\d+", moment)
    with pytest.raises(SettingsError, match=f"no worker thread can be started: {STILLBORN}"):
        go("threads")


@pytest.mark.parametrize(
    ("which", "moment"),
    [("1-reader", BEFORE_IT_LIVES), ("1-writer", BEFORE_ITS_TARGET), ("2-writer", BEFORE_IT_IS_LISTED)],
)
def test_a_process_that_nobody_can_talk_to_is_none(which: str, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader or writer is stillborn: it is ended; others do the work, and without others that is said."""
    met = die_at_birth(monkeypatch, f"orcabatch-process-{which}", moment)
    if which.startswith("2"):
        outcomes = go("processes")
        assert all_well(outcomes)
        assert {each.worker for each in outcomes} == {"process-1-1"}
    else:
        with pytest.raises(SettingsError, match=f"no worker process can be started: {STILLBORN}"):
            go("processes")
    assert met == [f"orcabatch-process-{which}"]


@pytest.mark.parametrize(
    ("name", "moment"), [("processes", BEFORE_IT_LIVES), ("hybrid", BEFORE_ITS_TARGET), ("hybrid", BEFORE_IT_IS_LISTED)]
)
def test_in_a_process_helpers_and_some_workers_are_done_without(
    name: str, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks for the parent, tells of the lock or writes behind; a first process's only worker, others' second."""
    worker = "process-1-1" if name == "processes" else r"process-\d+-2"
    in_children(monkeypatch, tmp_path, rf"orcabatch-(parent|lock|lock-told|.*-writes-\d+)|{worker}", moment)
    outcomes = go(name)
    assert all_well(outcomes)
    assert not {each.worker for each in outcomes} & {"process-1-1" if name == "processes" else "process-1-2"}


def test_a_worker_of_a_process_that_ends_for_its_loop_costs_a_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread has begun, and finds no memory to call what it was begun for: its file is told as lost."""
    in_children(monkeypatch, tmp_path, r"process-1-1", FOR_ITS_TARGET)
    outcomes = go("hybrid", retries=5)
    assert all_well(outcomes)
    assert "process-1-1" not in {each.worker for each in outcomes}
    assert any("the thread of its worker has ended" in str(each.retried) for each in outcomes)


def test_processes_in_which_no_worker_lives_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not started for ever: their files fail with the reason."""
    monkeypatch.setattr(starting, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(starting, "FAILURES", 2)
    in_children(monkeypatch, tmp_path, r"process-\d+-\d+", BEFORE_IT_LIVES)
    outcomes = go("processes", processes=1)
    assert [each.cause for each in outcomes] == [Cause.CRASH] * FILES
    assert all(STILLBORN in str(each.error) for each in outcomes)


def test_a_dask_worker_without_a_thread_costs_a_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is told as one whose worker ended, and the next one finds a thread."""
    book, crew = Book(), None

    def hire(_: Any) -> Any:
        nonlocal crew
        crew = crew_of(book, lambda _: None)
        return crew

    monkeypatch.setattr(dask_worker, "_hire", hire)
    die_at_birth(monkeypatch, "dask-x-1", BEFORE_IT_LIVES)
    first, second = [pickle.loads(dask_worker.work(ORDER, pickle.dumps(task(0)))) for _ in range(2)]  # noqa: S301
    assert isinstance(first.message, Died)
    assert STILLBORN in first.message.message
    assert second.message.outcomes[0].ok
    dask_worker._crews.pop(ORDER.run).close()


class _NoMemory(threading.Event):
    def set(self) -> None:
        raise MemoryError


def test_a_loop_that_ends_before_it_took_its_file_says_so() -> None:
    """Nobody else would: the file that it was given, and one that comes too late, are told as lost with it."""
    said: list[Message] = []
    loop = WorkerLoop(FakeRecipe(), said.append, "w", MemoryMeter(), Surroundings.here())
    loop.began = _NoMemory()
    loop.give(task(3))
    with pytest.raises(MemoryError):
        loop.run()
    loop.give(task(4))
    assert [(type(each), getattr(each, "indices", ())) for each in said] == [(Died, (3,)), (Closed, ()), (Died, (4,))]


def test_a_file_of_such_a_loop_is_done_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first worker never takes a file; what it was given is tried again."""
    original, first = WorkerLoop.run, list[WorkerLoop]()

    def live(loop: WorkerLoop) -> None:
        if not first:
            first.append(loop)
            loop.began = _NoMemory()
        original(loop)

    monkeypatch.setattr(worker_loop.WorkerLoop, "run", live)
    outcomes = go("threads", threads=1, retries=1)
    assert all_well(outcomes)
    assert sum("the thread of its worker has ended" in str(each.retried) for each in outcomes) == 1


def test_a_worker_that_ends_between_two_files_gets_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has told of its file and finds no memory to wait for the next one: another has the rest."""
    original, ended = WorkerLoop._tell, list[str]()

    def tell(loop: WorkerLoop, done: Finished) -> None:
        original(loop, done)
        if not ended:
            ended.append(loop.name)
            raise MemoryError

    monkeypatch.setattr(WorkerLoop, "_tell", tell)
    settings = EngineOptions(threads=1, retry_delay_s=0.001)
    outcomes = list(run(tasks(FILES), FakeJob(), options=settings, limits=LIMITS))
    assert all_well(outcomes)
    assert ended == ["worker-1"]
    assert {each.worker for each in outcomes} == {"worker-1", "worker-2"}


def test_a_reader_that_cannot_even_say_why_ends_is_a_death(
    monkeypatch: pytest.MonkeyPatch, unreceivable: list[bool]
) -> None:
    """It finds no memory, and none for its own last words: its process is ended all the same."""

    def no_words(error: BaseException) -> str:
        raise MemoryError

    monkeypatch.setattr(process_handle, "CLOSED_S", 0.1)
    monkeypatch.setattr(process_handle, "words_of", no_words)
    settings = EngineOptions(executor="processes", processes=1, retry_delay_s=0.001)
    outcomes = list(run(tasks(3), FakeJob(), options=settings, limits=LIMITS))
    assert (len(outcomes), all(each.ok for each in outcomes), unreceivable) == (3, True, [True])
