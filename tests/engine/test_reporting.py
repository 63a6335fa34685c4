"""Whoever reports a file's end is guarded: what cannot be reported is reported as that, and a death is a process's."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from capabilities import needs
from engine.fakes import FakeJob, Say, task, tasks
from engine.travellers import Maker, MakingRecipe
from orcabatch.engine import EngineOptions, Limits, run
from orcabatch.engine.executors import transport
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


@needs("SIGSTOP")
def test_a_stopped_process_with_a_timeout_costs_its_file() -> None:
    """A worker process that was stopped is killed at its file's `timeout`, and what waited to be told to it with it."""
    outcomes = go("processes", [made(0, "stopped"), *tasks(4)[1:]], timeout_s=2.0)
    assert failed(outcomes) == {0: Cause.TIMEOUT}


@needs("SIGSTOP")
def test_a_process_that_was_stopped_is_given_up_with_its_next_file(tmp_path: Path) -> None:
    """With `timeout` a file's time counts from when its worker has it, not from when that says so."""
    stopped: list[int] = []
    gate = tmp_path / "gate"
    before = set(psutil.Process().children())  # what other tests share may be among them

    def stop(event: Any) -> None:
        if event.kind == "finished" and not stopped:
            (child,) = set(psutil.Process().children()) - before
            stopped.append(child.pid)
            os.kill(child.pid, signal.SIGSTOP)
            gate.touch()  # no file ends before its process is stopped

    work = [task(0), *(task(index, say=Say(gate=str(gate))) for index in (1, 2))]
    outcomes = go("processes", work, stop, processes=1, timeout_s=2.0)
    assert len(outcomes) == 3
    assert failed(outcomes) == {1: Cause.TIMEOUT}
