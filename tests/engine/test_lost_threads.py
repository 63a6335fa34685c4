"""Threads that end in the lines of `concurrent.futures`' own pool: no file is lost with them, no run waits for ever."""

from __future__ import annotations

import concurrent.futures.thread as pools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from engine.fakes import FakeJob, FakeRecipe, FakeWorker, Say, task
from engine.test_births import FILES, LIMITS, STATIC, all_well
from orcabatch.engine import EngineOptions, run, worker_loop
from orcabatch.engine.executors import leaving
from orcabatch.engine.executors import threads as thread_executor
from orcabatch.engine.executors.mailbox import Mailbox
from orcabatch.engine.executors.threads import ALL, ENDED_BY_ITSELF, ThreadExecutor, _Pool, _Threads
from orcabatch.engine.memory_meter import MemoryMeter
from orcabatch.engine.scheduler_messages import Sample
from orcabatch.engine.surroundings import Surroundings
from orcabatch.engine.worker_loop import WorkerLoop
from orcabatch.engine.worker_messages import Died, Finished, Written
from orcabatch.outcome import Cause, FileOutcome

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent

EXECUTORS: dict[str, dict[str, Any]] = {
    "threads": {"executor": "threads", "threads": 2},
    "one": {"executor": "threads", "threads": 1},
    "auto": {"executor": "auto", "threads": 2, "processes": 2},
    "static": {"executor": "threads", "threads": 2},
}

MANY = 9
"""Of messages: so many are too many, and end what would go on for ever."""

Living = Callable[..., None]


@pytest.fixture(autouse=True)
def _unheard(caplog: pytest.LogCaptureFixture) -> None:
    """What the pool logs of such an end is not asked for here."""
    caplog.set_level("CRITICAL", logger="concurrent.futures")


def go(name: str, **options: Any) -> tuple[list[FileOutcome], list[str]]:
    """The outcomes, and what was said of the whole run."""
    heard: list[RunEvent] = []
    settings = EngineOptions(**{"retry_delay_s": 0.001, **EXECUTORS[name], **options})
    work = [task(index, say=Say(late=True), tier="small") for index in range(FILES)]
    limits = STATIC if name == "static" else LIMITS
    outcomes = list(run(work, FakeJob(), options=settings, limits=limits, listener=heard.append))
    return outcomes, [str(each.data["text"]) for each in heard if each.kind == "warning" and each.data.get("lasting")]


def taking(monkeypatch: pytest.MonkeyPatch, which: Callable[[int], bool]) -> list[int]:
    """Threads end with the loop that they have just taken and not begun, for those of its number; how many did."""
    original, taken = pools._WorkItem.run, list[int]()  # type: ignore[attr-defined]

    def end(item: Any) -> None:
        taken.append(len(taken))
        if which(taken[-1]):
            raise MemoryError
        original(item)

    monkeypatch.setattr(pools._WorkItem, "run", end)  # type: ignore[attr-defined]
    return taken


def living(monkeypatch: pytest.MonkeyPatch, live: Callable[[Living], Living]) -> None:
    """Threads of pools run something else around what `concurrent.futures` has them run."""
    names = _Threads._adjust_thread_count.__globals__
    monkeypatch.setitem(names, "_worker", live(names["_worker"]))


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_thread_that_ends_with_what_it_took_costs_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is begun on another one, as if nothing had been, and that is said once."""
    taken = taking(monkeypatch, lambda number: number == 0)
    outcomes, said = go(name, retries=0)
    assert all_well(outcomes)
    assert [each.attempt for each in outcomes] == [1] * FILES
    assert said == [ENDED_BY_ITSELF]
    assert len(taken) > 1


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_thread_that_takes_nothing_leaves_its_queue_to_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has begun, and ends before it asks for something to do."""
    ended: list[str] = []

    def first_ends(live: Living) -> Living:
        def lives(*arguments: Any) -> None:
            if not ended:
                ended.append(threading.current_thread().name)
                return
            live(*arguments)

        return lives

    living(monkeypatch, first_ends)
    outcomes, said = go(name, retries=0)
    assert (all_well(outcomes), said) == (True, [ENDED_BY_ITSELF])
    assert len(ended) == 1


def test_what_no_thread_ever_begins_fails_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends: each try begins on two threads at most."""
    taken = taking(monkeypatch, lambda _: True)
    outcomes, said = go("threads", retries=1)
    assert [each.cause for each in outcomes] == [Cause.CRASH] * FILES
    assert all("the thread of its worker has ended" in str(each.error) for each in outcomes)
    assert said == [ENDED_BY_ITSELF]
    assert len(taken) <= FILES * 2 * 2


def test_exactly_the_file_that_meets_it_twice_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, so the first two ends are of the first file."""
    taking(monkeypatch, lambda number: number < 2)
    outcomes, _ = go("one", retries=1)
    assert all_well(outcomes)
    assert {each.index: bool(each.retried) for each in outcomes} == {index: index == 0 for index in range(FILES)}


def test_a_loop_that_is_not_even_called_is_lived_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread has noted that it failed, and lives on: nobody would ask it."""
    original, called = WorkerLoop.run, list[str]()

    def live(loop: WorkerLoop) -> None:
        called.append(loop.name)
        if len(called) == 1:
            raise MemoryError
        original(loop)

    monkeypatch.setattr(WorkerLoop, "run", live)
    outcomes, said = go("one", retries=0)
    assert (all_well(outcomes), said) == (True, [ENDED_BY_ITSELF])
    assert called == ["worker-1"] * 2


def test_a_pool_that_lost_an_idle_thread_still_begins_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool counts on it and begins no other, so that what is submitted would wait for it for ever."""
    original = pools._WorkItem.run  # type: ignore[attr-defined]

    def once(item: Any) -> None:
        original(item)
        raise MemoryError

    monkeypatch.setattr(pools._WorkItem, "run", once)  # type: ignore[attr-defined]
    pool = _Pool("idle", 1)
    loops = [WorkerLoop(FakeRecipe(), lambda _: None, name, MemoryMeter(), Surroundings.here()) for name in "ab"]
    for loop in loops:
        pool.start(loop)
        while pool.awaits_threads:
            pool.move_on()
        loop.end()
        assert loop.thread is not None
        loop.thread.join()
    assert (pool.awaits_threads, len(pool.threads)) == (False, 2)
    pool.shutdown()


def test_a_loop_is_lived_once() -> None:
    """A thread that comes to it late, when it was moved or given up, goes on without it."""
    said: list[Any] = []
    moved, given_up = [
        WorkerLoop(FakeRecipe(), said.append, name, MemoryMeter(), Surroundings.here())
        for name in ("moved", "given up")
    ]
    moved.end()
    moved.run()
    moved.run()
    given_up.give(task(3))
    given_up.give_up()
    given_up.run()
    assert [getattr(each, "worker", None) for each in said] == ["moved", "given up", "given up"]
    assert said[1].indices == (3,)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", EXECUTORS)
def test_a_thread_without_memory_to_tell_its_end_costs_a_try(
    name: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it could not say of its file, and then of its own end, is said for it."""
    original, failed = Mailbox.post, list[str]()

    def post(mailbox: Mailbox[Any], message: Any, *, wakes: bool = True) -> None:
        me = threading.current_thread().name
        if isinstance(message, Finished | Died) and len(failed) < times and {me, *failed} == {me}:
            failed.append(me)
            raise MemoryError
        original(mailbox, message, wakes=wakes)

    monkeypatch.setattr(Mailbox, "post", post)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    settings = EngineOptions(**{"retry_delay_s": 0.001, "sample_interval_s": 0.01, **EXECUTORS[name]})
    work = [task(index, tier="small") for index in range(FILES)]
    limits = STATIC if name == "static" else LIMITS
    outcomes = list(run(work, FakeJob(), options=settings, limits=limits, probe=lambda _: Sample()))
    assert all_well(outcomes)
    assert (len(failed), [len(each.retried) for each in outcomes if each.retried]) == (times, [1])


@pytest.mark.parametrize("times", [1, 2])
def test_outputs_that_nobody_tells_of_fail_their_file(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that wrote them finds no memory to say so, or even less: the run does not wait for it."""
    original, failed = Mailbox.post, list[int]()

    def post(mailbox: Mailbox[Any], message: Any, *, wakes: bool = True) -> None:
        if isinstance(message, Written) and len(failed) < times and {message.index, *failed} == {message.index}:
            failed.append(message.index)
            raise MemoryError
        original(mailbox, message, wakes=wakes)

    monkeypatch.setattr(Mailbox, "post", post)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    options = EngineOptions(threads=2, executor="threads", sample_interval_s=0.01)
    work = [task(index, say=Say(late=True)) for index in range(FILES)]
    outcomes = list(run(work, FakeJob(), options=options, limits=LIMITS, probe=lambda _: Sample()))
    assert sorted(each.index for each in outcomes) == list(range(FILES))
    assert {each.index for each in outcomes if each.cause is Cause.OUTPUT} == set(failed)
    assert len(failed) == times


@pytest.mark.parametrize("thread", [True, False])
def test_a_look_while_the_end_of_outputs_is_told_tells_no_second_one(
    thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would end the file's next try; where no thread is to be had the worker itself writes and tells."""
    said: list[Any] = []

    def post(message: Any) -> None:
        said.append(message)
        if [type(each) for each in said].count(Written) == 1 and isinstance(message, Written):
            raise MemoryError  # no memory for the whole outcome
        if len(said) < MANY and isinstance(message, Written):
            loop.look()

    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    if not thread:
        monkeypatch.setattr(worker_loop.OwnThread, "start", no_thread)
    loop = WorkerLoop(FakeRecipe(), post, "worker", MemoryMeter(), Surroundings.here(), behind=True)
    loop.give(task(0, say=Say(late=True)))
    loop.end()
    loop.run()
    loop.look()
    first, *lost = [each for each in said if isinstance(each, Written)]
    assert first.outcomes[0].ok
    assert [each.outcomes[0].cause for each in lost] == [Cause.OUTPUT]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", EXECUTORS)
def test_a_thread_that_ends_as_it_has_told_its_file_ends_the_file_once(
    name: str, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is raised in it from outside, say, once its message is there; what it was still to write is done anew.

    So is what it was given meanwhile, which is as chance will have it.
    """
    original, ended = Mailbox.post, list[int]()
    original_give, given = WorkerLoop.give, list[tuple[str, int]]()

    def give(loop: WorkerLoop, task: Any) -> None:
        given.append((loop.name, task.index))
        original_give(loop, task)

    def post(mailbox: Mailbox[Any], message: Any, *, wakes: bool = True) -> None:
        original(mailbox, message, wakes=wakes)
        if isinstance(message, Finished) and not ended:
            ended.append(message.index)
            raise MemoryError

    monkeypatch.setattr(Mailbox, "post", post)
    monkeypatch.setattr(WorkerLoop, "give", give)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    settings = EngineOptions(**{"retry_delay_s": 0.001, "sample_interval_s": 0.01, **EXECUTORS[name]})
    work = [task(index, say=Say(late=late), tier="small") for index in range(FILES)]
    limits = STATIC if name == "static" else LIMITS
    outcomes = list(run(work, FakeJob(), options=settings, limits=limits, probe=lambda _: Sample()))
    assert all_well(outcomes)
    its_own = next(name for name, index in given if index == ended[0])
    had = [index for name, index in given if name == its_own]
    meanwhile = had[had.index(ended[0]) + 1 :]
    assert {each.index for each in outcomes if each.retried} == {*(ended if late else ()), *meanwhile}


def test_a_file_does_not_wait_behind_a_worker_that_does_not_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool's only thread destroys a model, which hangs: another thread begins the next file."""
    monkeypatch.setattr(leaving, "CLOSING_S", 0.01)
    monkeypatch.setattr(thread_executor, "CLOSING_S", 0.01)
    closes, opened = threading.Event(), list[FakeWorker]()

    class Hanging(FakeRecipe):
        def open_worker(self, note: Any) -> Any:
            opened.append(FakeWorker(note, None))
            if len(opened) == 1:
                opened[0].close = closes.wait  # type: ignore[assignment]
            return opened[-1]

    executor = ThreadExecutor(Hanging(), {ALL: 1})
    for index in range(2):
        executor.submit(task(index))
        while not any(isinstance(message, Finished) for message in executor.poll(None)):
            pass
        executor.set_limit(0)
    closes.set()
    executor.close()
    assert len(opened) == 2


def test_a_run_that_is_left_does_not_wait_for_what_never_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C twice, while a thread has ended with what it took."""
    taking(monkeypatch, lambda _: True)
    monkeypatch.setattr(thread_executor, "CLOSING_S", float("inf"))
    executor = ThreadExecutor(FakeRecipe(), {ALL: 1})
    executor.submit(task(0))
    executor.close(now=True)
