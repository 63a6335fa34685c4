"""Whoever reports a file's end is guarded: what cannot be reported is reported as that, and a death is a process's."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from capabilities import needs
from engine.fakes import FakeJob, Say, task, tasks
from engine.travellers import Maker, MakingRecipe
from orcabatch.engine import EngineOptions, Limits, run
from orcabatch.engine.executors import transport
from orcabatch.engine.executors.processes import ProcessExecutor
from orcabatch.engine.foreign import RunClock
from orcabatch.outcome import Cause, FileOutcome

LIMITS = Limits(max_limit=4, fixed_limit=4)
PROCESSES: dict[str, dict[str, Any]] = {
    "processes": {"executor": "processes", "processes": 2},
    "hybrid": {"executor": "processes", "processes": 2, "threads_per_process": 2},
}


def go(name: str, work: list[Any], listener: Any = None, **options: Any) -> list[FileOutcome]:
    settings = EngineOptions(**{"retry_delay_s": 0.001, **PROCESSES[name], **options})
    return list(run(work, FakeJob(MakingRecipe()), options=settings, limits=LIMITS, listener=listener))


def made(index: int, kind: str) -> Any:
    return task(index, say=Say(value=Maker(kind)))


def failed(outcomes: list[FileOutcome]) -> dict[int, Cause | None]:
    return {each.index: each.cause for each in outcomes if not each.ok}


@needs("resource")
@pytest.mark.parametrize("name", PROCESSES)
def test_what_cannot_be_sent_is_reported(name: str) -> None:
    """A worker process at its memory limit, and one without descriptors, cost the files they have: the run ends."""
    work = [made(0, "at the limit"), made(1, "closed"), *tasks(6)[2:]]
    outcomes = go(name, work, retries=0 if name == "processes" else 2)
    assert len(outcomes) == 6
    assert failed(outcomes).keys() == {0, 1}
    assert failed(outcomes)[1] is Cause.CRASH
    assert "could not report what became of its files" in str(next(each.error for each in outcomes if each.index == 1))


@needs("fork")
@pytest.mark.parametrize("name", PROCESSES)
def test_what_was_forked_does_not_hide_a_death(name: str) -> None:
    """A process that dies while something it forked holds its pipe open is heard of, however that was forked."""
    work = [made(0, "forked"), made(1, "forked in C"), made(2, "unwound in a child"), *tasks(6)[3:]]
    outcomes = go(name, work, retries=0 if name == "processes" else 1)
    assert failed(outcomes) == {0: Cause.CRASH, 1: Cause.CRASH}
    assert next(each.value for each in outcomes if each.index == 2) == "told by the parent"


def test_a_result_that_finds_no_memory_costs_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's process is short of memory when a large result arrives: that file fails, its process goes on."""
    monkeypatch.setattr(transport, "_room", lambda length: None if length > 1_000_000 else bytearray(length))
    work = [task(0, say=Say(value=bytes(3_000_000))), *tasks(4)[1:]]
    outcomes = go("processes", work, processes=1)
    assert failed(outcomes) == {0: Cause.OUTPUT}
    assert "found no room" in str(next(each.error for each in outcomes if each.index == 0))
    assert {each.worker for each in outcomes} == {"process-1-1"}


def test_a_reader_that_ends_is_a_death_of_its_worker(unreceivable: list[bool]) -> None:
    """What a process says that cannot be received at all ends that process: its file is done again elsewhere."""
    outcomes = go("processes", tasks(3), processes=1)
    assert (len(unreceivable), failed(outcomes)) == (1, {})
    (again,) = [each for each in outcomes if each.retried]
    assert "could not be received: MemoryError" in again.retried[0]


TIMEOUT_S = 600.0
"""Longer than any machine takes for a file of these tests: only `later` makes a file overdue."""


def _children() -> set[psutil.Process]:
    """What other tests share may be among them."""
    return set(psutil.Process().children())


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Moves the run's clock on, beyond the timeout of whatever a worker has by then."""
    original, ahead_s = RunClock.now, [0.0]

    def moved() -> None:
        ahead_s[0] = 2 * TIMEOUT_S

    monkeypatch.setattr(RunClock, "now", lambda clock: original(clock) + ahead_s[0])
    return moved


@needs("SIGSTOP")
def test_a_stopped_process_with_a_timeout_costs_its_file(later: Callable[[], None]) -> None:
    """A worker process that was stopped is killed at its file's `timeout`, and what waited to be told to it with it."""
    ended: list[int] = []
    before = _children()

    def look(event: Any) -> None:
        if event.kind != "finished":
            return
        ended.append(event.index)
        if len(ended) == 3:
            while not any(child.status() == psutil.STATUS_STOPPED for child in _children() - before):
                time.sleep(0.01)
            later()

    outcomes = go("processes", [made(0, "stopped"), *tasks(4)[1:]], look, timeout_s=TIMEOUT_S)
    assert sorted(ended[:3]) == [1, 2, 3]
    assert failed(outcomes) == {0: Cause.TIMEOUT}


@needs("SIGSTOP")
def test_a_process_that_was_stopped_is_given_up_with_its_next_file(
    later: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `timeout` a file's time counts from when its worker has it, not from when that says so."""
    stopped, given = list[int](), ProcessExecutor.given_s
    gate = tmp_path / "gate"
    before = _children()

    def stop(event: Any) -> None:
        if event.kind == "finished" and not stopped:
            (child,) = _children() - before
            stopped.append(child.pid)
            os.kill(child.pid, signal.SIGSTOP)
            gate.touch()  # no file ends before its process is stopped

    def given_s(executor: ProcessExecutor, index: int) -> float | None:
        since_s = given(executor, index)
        if index == 1 and stopped and since_s is not None:
            later()
        return since_s

    monkeypatch.setattr(ProcessExecutor, "given_s", given_s)
    work = [task(0), task(1, say=Say(gate=str(gate)))]
    outcomes = go("processes", work, stop, processes=1, timeout_s=TIMEOUT_S)
    assert len(outcomes) == 2
    assert failed(outcomes) == {1: Cause.TIMEOUT}


def test_what_can_wait_goes_with_the_next_word() -> None:
    """A word that need not be said at once is in the pipe when the next one is, or what was kept is to be said."""
    here, there = os.pipe(), os.pipe()
    said = transport.Wire(os.fdopen(here[0], "rb"), os.fdopen(there[1], "wb"))
    heard = transport.Wire(os.fdopen(there[0], "rb", buffering=0), os.fdopen(here[1], "wb"))
    said.send(transport.Rested(1), at_once=False)
    said.send(transport.Rested(2))
    said.send(transport.Rested(3), at_once=False)
    os.set_blocking(there[0], False)
    received = [heard.receive(), heard.receive()]
    assert [each and each.unpack() for each in received] == [transport.Rested(1), transport.Rested(2)]
    assert os.fstat(there[0])
    said.flush()
    last = heard.receive()
    assert last is not None
    assert last.unpack() == transport.Rested(3)
    for wire in (said, heard):
        wire.close()
