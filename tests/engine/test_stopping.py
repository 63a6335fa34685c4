"""Ctrl-C and SIGTERM, once and twice, at chosen and at random moments, with every executor."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capabilities import require
from engine import dask_cluster
from engine.fakes import FakeJob, tasks, wait_for
from orcabatch.engine import EngineOptions, Limits, interrupts, run
from orcabatch.engine.interrupts import StopSignal
from orcabatch.errors import BatchInterrupted

EXECUTORS = {
    "serial": ("serial", 1),
    "threads": ("threads", 1),
    "processes": ("processes", 1),
    "hybrid": ("processes", 2),
    "auto": ("auto", 1),
    "dask": ("dask", 1),
}
DASK = pytest.param("dask", marks=dask_cluster.MARKS)
DASK_ONCE = pytest.param("dask", signal.SIGINT, marks=dask_cluster.MARKS)
FEW = [name for name in EXECUTORS if name != "dask"]
LONG = bool(os.environ.get("ORCABATCH_LONG"))
"""Many more random moments, and every pair of signal and executor."""
SCRIPT = Path(__file__).with_name("stopping_script.py")


class Interruptee:
    """The script in a process of its own, and what it says."""

    def __init__(self, name: str, count: int, gate: str = "", again: str = "") -> None:
        require("process groups")
        executor, threads = EXECUTORS[name]
        command = [sys.executable, str(SCRIPT), executor, str(threads), str(count), gate, again]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.said: list[dict[str, Any]] = []

    def lines(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            yield self.said[-1]

    def until(self, key: str, value: Any, times: int = 1) -> None:
        """Read until it has said this so often."""
        for line in self.lines():
            times -= line.get(key) == value
            if not times:
                return
        raise AssertionError(f"ended without saying {key}={value}: {self.said[-3:]}, {self.errors()}")

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """As a terminal does: the worker processes hear it too."""
        os.killpg(self.process.pid, number) if number == signal.SIGINT else self.process.send_signal(number)

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def finish(self) -> int:
        """Read to the end."""
        list(self.lines())
        errors = self.errors()
        code = self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]
        self.process.stderr.close()  # type: ignore[union-attr]
        assert errors == ""
        return code

    def statuses(self) -> Counter[str]:
        return Counter(line["status"] for line in self.said if "status" in line)

    def end(self, which: int = 0) -> dict[str, Any]:
        return [line for line in self.said if line.get("end")][which]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *((name, signal.SIGINT) for name in FEW),
        DASK_ONCE,
        *((name, signal.SIGTERM) for name in (FEW if LONG else ["threads", "hybrid"])),
    ],
)
def test_once_finishes_what_runs(name: str, number: int, tmp_path: Path) -> None:
    """The first signal finishes the running files, cancels the others, and says which signal it was."""
    gate = tmp_path / "gate"
    batch = Interruptee(name, 30, str(gate))
    if name == "serial":  # its listener hears of a file when it has ended
        wait_for(f"{gate} reached")
        batch.interrupt(number)
    else:
        batch.until("event", "started", 2)
        batch.interrupt(number)
        batch.until("event", "warning")
    gate.touch()
    assert batch.finish() == 0
    statuses = batch.statuses()
    assert sum(statuses.values()) == 30
    assert statuses["failed"] == 0
    assert statuses["ok"] == (1 if name == "serial" else 2)
    assert batch.end() == {"end": True, "signum": number, "told": 30, "children": 0, "threads": 0, "restored": True}


@pytest.mark.parametrize("name", ["threads", "processes", "hybrid", "auto", DASK])
def test_twice_leaves_now(name: str, tmp_path: Path) -> None:
    """The second signal gives up the running files too: every file is cancelled, and hung ones do not keep Python."""
    batch = Interruptee(name, 10, str(tmp_path / "never"))
    batch.until("event", "started", 2)
    batch.interrupt()
    batch.until("waits", True)  # in its own code the second signal would be a KeyboardInterrupt
    batch.interrupt()
    assert batch.finish() == 0
    assert batch.statuses() == {"cancelled": 10}
    assert (batch.end()["children"], batch.end()["restored"]) == (0, True)


def test_twice_leaves_a_hung_serial_file(tmp_path: Path) -> None:
    """In a serial run the second signal leaves the post-process itself."""
    from engine.fakes import FakeRecipe, Say, task

    class Signalling(FakeRecipe):
        def open_worker(self, note: Any) -> Any:
            worker = super().open_worker(note)
            extract = worker.extract

            def interrupted(*args: Any) -> Any:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
                return extract(*args)

            worker.extract = interrupted  # type: ignore[method-assign]
            return worker

    work = [task(index, say=Say(gate=str(tmp_path / "never"))) for index in range(3)]
    statuses = []
    with pytest.raises(BatchInterrupted, match="left at once"):  # noqa: PT012 - what came before the error counts
        for outcome in run(work, FakeJob(Signalling()), options=EngineOptions(executor="serial"), limits=Limits()):
            statuses.append(outcome.status.value)  # noqa: PERF401 - see above
    assert statuses == ["cancelled"] * 3


@pytest.mark.parametrize("name", [*FEW, DASK] if LONG else FEW)
@pytest.mark.parametrize("seed", range(20 if LONG else 1))
def test_at_random_moments(name: str, seed: int) -> None:
    """Whenever Ctrl-C comes, each of 1,500 files has exactly one outcome, nothing is left, and the next run works."""
    chance = random.Random(f"{name}{seed}")  # the pipe holds less than 1,500 files' lines: it cannot end before
    batch = Interruptee(name, 1500, again="again")
    batch.until("event", "started", chance.randrange(1, 100))
    batch.interrupt()
    assert batch.finish() == 0
    first = batch.said.index(batch.end(0))
    indices = Counter(line["index"] for line in batch.said[:first] if "index" in line)
    assert indices == Counter(range(1500))
    assert batch.end(0) == {"end": True, "signum": 2, "told": 1500, "children": 0, "threads": 0, "restored": True}
    assert batch.end(1) == {"end": True, "signum": None, "told": 5, "children": 0, "threads": 0, "restored": True}


def test_the_second_signal_interrupts_the_callers_loop() -> None:
    """Between two outcomes the first signal lets the caller's code go on, the second raises KeyboardInterrupt in it."""
    went_on = False
    outcomes = run(tasks(50), FakeJob(), options=EngineOptions(threads=2), limits=Limits(max_limit=2))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the loop's body is what is tested
        for _ in outcomes:
            signal.raise_signal(signal.SIGINT)
            went_on = True
            signal.raise_signal(signal.SIGINT)
    outcomes.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():  # they were left to end by themselves
        if thread.name.startswith("orcabatch"):
            thread.join()
    assert went_on
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", ["serial", "threads", "auto"])
def test_what_ends_together_with_the_signal_starts_no_other_file(name: str, times: int) -> None:
    """Both come while the dispatcher is at work: a file that it started then would have no outcome, or a late one."""
    began, job = list[int](), FakeJob()

    def listen(event: Any) -> None:
        began.extend([event.index] if event.kind == "started" else [])
        if event.kind == "finished" and event.index == 0:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    options, statuses = EngineOptions(executor=name, threads=1), dict[int, str]()  # type: ignore[arg-type]
    with pytest.raises(BatchInterrupted):  # noqa: PT012 - what came before the error counts
        for outcome in run(tasks(4), job, options=options, limits=Limits(max_limit=1, fixed_limit=1), listener=listen):
            statuses[outcome.index] = outcome.status.value
    assert statuses == {0: "ok"} | dict.fromkeys([1, 2, 3], "cancelled")
    assert (sorted(index for index, *_ in job.told), began) == ([0, 1, 2, 3], [0])


def test_an_ignored_signal_stays_ignored() -> None:
    """Under nohup or in a background shell job, where SIGINT is ignored, it stays so."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        stop = StopSignal()
        stop.install()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        stop.restore()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_that_leaves_at_once_names_its_first_signal() -> None:
    """So that a command that was asked to terminate does not end as one that was interrupted by Ctrl-C."""
    stop = StopSignal()
    stop.install()
    stop.foreign = True
    try:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt) as left:
            signal.raise_signal(signal.SIGINT)
    finally:
        stop.restore()
    assert left.value.args == (signal.SIGTERM,)


def test_overlapping_runs_give_the_signals_back() -> None:
    """Two runs in turns in one thread, ended in the order they began, leave a Ctrl-C that works."""
    options, limits = EngineOptions(executor="serial"), Limits(max_limit=1)
    first = run(tasks(3), FakeJob(), options=options, limits=limits)
    second = run(tasks(3), FakeJob(), options=options, limits=limits)
    next(first), next(second)
    assert len(list(first)) == 2
    assert len(list(second)) == 2
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_run_gives_back_what_one_that_was_closed_on_another_thread_could_not() -> None:
    """Only the main thread sets handlers: the next run there takes the signals from whoever had them before both."""
    closed, after = StopSignal(), StopSignal()
    closed.install()
    thread = threading.Thread(target=closed.restore)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) == closed._came
    with after.heard():
        assert signal.getsignal(signal.SIGINT) == after._came
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_asking_never_lowers() -> None:
    """A level that was asked for once stays, whatever is asked for later."""
    stop = StopSignal()
    stop.ask(2)
    stop.ask(1)
    assert stop.level == 2


def test_what_was_to_be_redone_is_cancelled_when_stopped() -> None:
    """A file that was handed on and is to be redone ends as cancelled once the run is stopped: the last word counts."""

    class Doubting(FakeJob):
        def finished(self, outcomes: Any) -> Any:
            super().finished(outcomes)
            return (0,) if any(each.index == 0 or each.status.value == "cancelled" for each in outcomes) else ()

    statuses: dict[int, list[str]] = {}
    with pytest.raises(BatchInterrupted):  # noqa: PT012 - the loop's body stops the run
        for outcome in run(tasks(5), Doubting(), options=EngineOptions(executor="serial"), limits=Limits(max_limit=1)):
            statuses.setdefault(outcome.index, []).append(outcome.status.value)
            signal.raise_signal(signal.SIGINT) if outcome.attempt == 2 else None
    assert statuses[0][-1] == "cancelled"
    assert statuses[0].count("cancelled") == 1
    assert sorted(statuses) == [0, 1, 2, 3, 4]


def signals(stop: StopSignal, times: int) -> None:
    """So many of them."""
    for _ in range(times):
        stop._came(signal.SIGINT, None)


StopAndTime = tuple[StopSignal, list[float]]


@pytest.fixture
def stop_and_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[StopAndTime]:
    """One that listens, and what its clock says."""
    now = [0.0]
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: now[0])
    stop = StopSignal()
    stop.install()
    yield stop, now
    stop.restore()


def test_what_is_ours_is_not_torn_apart_unless_leaving_takes_long(
    stop_and_time: tuple[StopSignal, list[float]],
) -> None:
    """Any number of signals raises nothing where no other code holds the thread; after a while each does."""
    stop, now = stop_and_time
    signals(stop, 5)
    now[0] += interrupts.PATIENCE_S + 1
    with pytest.raises(KeyboardInterrupt):
        signals(stop, 1)


def test_a_signal_waits_once_it_is_settled_how_the_run_ended(stop_and_time: StopAndTime) -> None:
    """It counts no more, and is kept for whoever hears of the end; after a while it raises all the same."""
    stop, now = stop_and_time
    stop.settle()
    signals(stop, 3)
    assert (stop.level, stop.late) == (0, signal.SIGINT)
    now[0] += interrupts.PATIENCE_S + 1
    with pytest.raises(KeyboardInterrupt):
        signals(stop, 1)
