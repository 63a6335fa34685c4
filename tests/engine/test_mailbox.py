"""Where messages wait for the dispatcher, and which of them wake it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.fakes import FakeJob, Say, task, tasks
from orcabatch.engine import EngineOptions, Limits, run
from orcabatch.engine.executors.mailbox import LATE_S, Bell, Mailbox
from orcabatch.engine.executors.processes import ProcessExecutor
from orcabatch.engine.worker_messages import PhaseEntered, Started

EXECUTORS: dict[str, dict[str, Any]] = {
    "threads": {"executor": "threads", "threads": 2},
    "processes": {"executor": "processes", "processes": 1},
    "hybrid": {"executor": "processes", "processes": 1, "threads_per_process": 2},
    "auto": {"executor": "auto", "threads": 2},
}


class Waits:
    """Stands for a bell's lock: notes each wait, and lets something happen during it."""

    def __init__(self, *during: Callable[[], None]) -> None:
        self.rings = 0
        self.waited = list[float]()
        self._during = list(during)

    def locked(self) -> bool:
        return not self.rings

    def release(self) -> None:
        self.rings += 1

    def acquire(self, timeout: float) -> bool:
        self.waited.append(round(timeout, 3))
        if self._during and timeout:
            self._during.pop(0)()
        rang, self.rings = bool(self.rings), 0
        return rang


def bell_that_waits(monkeypatch: pytest.MonkeyPatch, *during: Callable[[], None]) -> tuple[Bell, Waits]:
    """A bell, and the lock that it waits at."""
    bell, waits = Bell(), Waits(*during)
    monkeypatch.setattr(bell, "_silence", waits)
    return bell, waits


def test_what_wakes_nobody_comes_with_what_does() -> None:
    """Messages are taken in the order of their arrival; two mailboxes with one bell keep theirs apart."""
    bell = Bell()
    box, other = Mailbox[int](bell), Mailbox[int](bell)
    box.post(1, wakes=False)
    other.post(4)
    box.post(2)
    box.post(3, wakes=False)
    bell.wait(None)
    assert (box.take(0), other.take(0)) == ([1, 2, 3], [4])
    assert box.take(0) == []


def test_where_nothing_comes_nobody_looks_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look takes Python's lock from the workers: a quiet wait is one wait, as long as was asked."""
    bell, waits = bell_that_waits(monkeypatch)
    bell.wait(7.0)
    bell.wait(5.0)
    assert waits.waited == [7.0, 5.0]


def test_the_first_hint_after_quiet_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would look up otherwise; the next ones wait for a moment, and cost one look together."""
    box = Mailbox[int](bell := Bell())

    def twice() -> None:
        box.post(2, wakes=False)
        box.post(3, wakes=False)

    waits = Waits(lambda: box.post(1, wakes=False), twice)
    monkeypatch.setattr(bell, "_silence", waits)
    assert (box.take(7.0), waits.waited) == ([1], [7.0])
    waits.waited.clear()
    assert (box.take(7.0), waits.waited) == ([2, 3], [LATE_S, 0.0])
    waits.waited.clear()
    assert (box.take(7.0), waits.waited) == ([], [LATE_S, 7.0 - LATE_S])


def test_what_came_before_the_wait_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was posted between two waits woke nobody, and is taken at once after quiet."""
    bell, waits = bell_that_waits(monkeypatch)
    box = Mailbox[int](bell)
    box.post(1, wakes=False)
    assert (box.take(None), waits.waited) == ([1], [0.0])


def test_rings_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes without waiting, file after file, leaves one ring behind, not one for each."""
    bell, waits = bell_that_waits(monkeypatch)
    box = Mailbox[int](bell)
    for number in range(9):
        box.post(number)
        assert box.take(0) == [number]
    assert waits.rings == 1


def test_ringing_takes_no_memory() -> None:
    """There may be none, and whoever posts would take a message for lost that is there. Other threads take some."""
    bell, took = Bell(), list[int]()
    tracemalloc.start()
    try:
        while len(took) < 50:
            tracemalloc.clear_traces()
            bell.ring()
            peak = tracemalloc.get_traced_memory()[1]
            took.append(peak)
            bell.wait(0.0)
    finally:
        tracemalloc.stop()
    assert min(took) == 0


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_a_bell_that_another_thread_has_just_rung_is_rung(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock says that it is free already, or finds no memory to say so."""
    bell, waits = bell_that_waits(monkeypatch)

    def release() -> None:
        waits.rings += 1
        raise error

    monkeypatch.setattr(waits, "release", release)
    box = Mailbox[int](bell)
    box.post(1)
    assert (box.take(None), waits.rings) == ([1], 0)


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_phase_is_told_while_it_lasts(name: str, tmp_path: Path) -> None:
    """A file that stays in a phase is seen there: its gate opens once the listener has heard of the phase."""
    gate = tmp_path / "gate"

    def listen(event: Any) -> None:
        if event.kind == "phase" and event.data["phase"] == "extract":
            gate.touch()

    work, options = [task(0, say=Say(gate=str(gate)))], EngineOptions(**EXECUTORS[name])
    (outcome,) = run(work, FakeJob(), options=options, limits=Limits(), listener=listen)
    assert outcome.ok


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_short_file_wakes_the_dispatcher_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four messages come of each, and all four are taken; what is only shown wakes nobody."""
    posted = list[tuple[object, bool]]()
    original = Mailbox.post

    def post(self: Mailbox[Any], message: Any, *, wakes: bool = True) -> None:
        posted.append((getattr(getattr(message, "word", message), "message", message), wakes))
        original(self, message, wakes=wakes)

    monkeypatch.setattr(Mailbox, "post", post)
    seats = 0
    use = ProcessExecutor.seat_use

    def counted(self: ProcessExecutor) -> Any:
        nonlocal seats
        seats += 1
        return use.__get__(self)

    monkeypatch.setattr(ProcessExecutor, "seat_use", property(counted))
    limits = Limits(max_limit=1, fixed_limit=1)
    outcomes = list(run(tasks(30), FakeJob(), options=EngineOptions(**EXECUTORS[name]), limits=limits))
    assert len(outcomes) == 30
    shown = [wakes for message, wakes in posted if isinstance(message, Started | PhaseEntered)]
    assert (len(shown), any(shown)) == (4 * 30, False)
    assert sum(wakes for _, wakes in posted) <= 30 + 10  # and what is said of the process
    assert seats <= 5 * 30
