"""Where messages wait for the dispatcher, and which of them wake it."""

from __future__ import annotations

from pathlib import Path
from queue import Empty
from typing import Any

import pytest

from engine.fakes import FakeJob, Say, task, tasks
from orcabatch.engine import EngineOptions, Limits, run
from orcabatch.engine.executors.mailbox import LATE_S, Mailbox
from orcabatch.engine.executors.processes import ProcessExecutor
from orcabatch.engine.worker_messages import PhaseEntered, Started

EXECUTORS: dict[str, dict[str, Any]] = {
    "threads": {"executor": "threads", "threads": 2},
    "processes": {"executor": "processes", "processes": 1},
    "hybrid": {"executor": "processes", "processes": 1, "threads_per_process": 2},
}


def test_what_wakes_nobody_comes_with_what_does() -> None:
    """Messages are taken in the order of their arrival, and only those that wake ring for who waits elsewhere."""
    rung = list[bool]()
    box = Mailbox[int](lambda: rung.append(True))
    box.post(1, wakes=False)
    box.post(2)
    box.post(3, wakes=False)
    assert (box.take(None), len(rung)) == ([1, 2, 3], 1)
    assert box.take(0) == []


def test_nobody_waits_for_ever_for_what_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits without a limit looks up after a moment, and takes what has woken nobody."""
    waited, box = list[float](), Mailbox[int]()

    class Silent:
        def get(self, timeout: float) -> None:
            waited.append(timeout)
            raise Empty

        def get_nowait(self) -> None:
            raise Empty

    monkeypatch.setattr(box, "_wakes", Silent())
    box.post(1, wakes=False)
    assert (box.take(None), waited) == ([1], [LATE_S])


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
