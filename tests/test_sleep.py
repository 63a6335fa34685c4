"""The machine's sleep, through stand-ins for Windows' libraries; nothing here was run on Windows."""

from __future__ import annotations

import ast
import ctypes
import time
from pathlib import Path
from typing import Any

import pytest

import orcabatch
from batch_functions import largest_tension
from docs_pages import ROOT
from engine.fakes import FakeJob, Say, task, tasks
from orcabatch import simulated, sleep
from orcabatch.batch import run as batch_run
from orcabatch.engine import EngineOptions, Limits, run, stragglers
from orcabatch.engine.scheduler_messages import Sample
from orcabatch.sleep import awake_s, held_off, interrupt_clock, slept_s

CONTINUOUS, SYSTEM, DISPLAY = 0x80000000, 0x1, 0x2
NIGHT_S = 8 * 3600.0


class Machine:
    """Windows as far as it sleeps: Python's clocks go on meanwhile, that of the interrupts stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slept_s, self._clock = 0.0, time.perf_counter
        for name in ("perf_counter", "monotonic"):
            monkeypatch.setattr(time, name, lambda: self._clock() + self.slept_s)
        monkeypatch.setattr(sleep, "_clock", lambda: interrupt_clock(self))

    def QueryUnbiasedInterruptTimePrecise(self, pointer: Any) -> None:  # noqa: N802 - Windows' name
        pointer._obj.value = round(self._clock() * 1e7)


def test_what_was_slept_is_how_far_pythons_clock_is_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """It grows by each sleep, and by nothing else."""
    machine = Machine(monkeypatch)
    monkeypatch.setattr(sleep, "_python_s", time.perf_counter)
    assert slept_s() == pytest.approx(0.0, abs=60.0)
    machine.slept_s = NIGHT_S
    assert slept_s() == pytest.approx(NIGHT_S, abs=60.0)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_night_in_the_middle_of_a_file_is_no_time_of_it(
    executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes no time limit, is not called far beyond the others, and no phase of it or of the run is that long."""
    machine, gate, said = Machine(monkeypatch), tmp_path / "gate", list[str]()
    monkeypatch.setattr(stragglers, "LEAST_S", 60.0)
    looks = [0]

    def listen(event: Any) -> None:
        if event.kind == "finished" and event.index == 4:  # with that, files are compared
            machine.slept_s = NIGHT_S
        if event.kind == "sample" and machine.slept_s:
            looks[0] += 1
            if looks[0] == 3:
                gate.touch()
        if event.kind == "warning":
            said.append(event.data["text"])

    work = [task(0, say=Say(gate=str(gate))), *tasks(5)[1:]]
    options = EngineOptions(executor=executor, threads=2, processes=2, sample_interval_s=0.01, timeout_s=300.0)
    limits = Limits(max_limit=2, fixed_limit=2)
    outcomes = list(run(work, FakeJob(), options=options, limits=limits, probe=lambda pids: Sample(), listener=listen))
    assert [each.error for each in outcomes if not each.ok] == []
    assert said == []
    assert looks[0] >= 3
    assert max(seconds for each in outcomes for seconds in (*each.phases.values(), each.finished_s)) < NIGHT_S / 10


def test_the_clock_is_one_for_all_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a function has set the clocks of its process."""
    before = awake_s()
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    assert before <= awake_s() <= before + 600.0
    with pytest.raises(AttributeError):
        interrupt_clock(object())


def test_the_clock_of_the_interrupts_is_read_as_windows_counts_it() -> None:
    """In steps of a ten millionth of a second."""

    class Library:
        def QueryUnbiasedInterruptTimePrecise(self, pointer: Any) -> None:  # noqa: N802 - Windows' name
            assert isinstance(pointer._obj, ctypes.c_uint64)
            pointer._obj.value = 25_000_000

    assert interrupt_clock(Library())() == 2.5


class Kernel:
    """kernel32 as far as a thread says what it needs."""

    def __init__(self, state: int = CONTINUOUS) -> None:
        self.state, self.said = state, list[int]()

    def SetThreadExecutionState(self, state: int) -> int:  # noqa: N802 - Windows' name
        before, self.state = self.state, state
        self.said.append(state)
        return ctypes.c_int(before).value  # as ctypes gives it


@pytest.mark.parametrize("before", [CONTINUOUS, CONTINUOUS | DISPLAY, CONTINUOUS | SYSTEM])
def test_while_it_is_held_off_what_the_thread_had_said_counts_as_well(before: int) -> None:
    """And afterwards that alone, also where the block ends with an error; runs may stand within each other."""
    kernel = Kernel(before)
    with pytest.raises(ZeroDivisionError), held_off(kernel), held_off(kernel):
        _ = 1 / (kernel.state - (before | SYSTEM))
    assert kernel.state == before
    assert kernel.said.count(before | SYSTEM) >= 2


def test_where_windows_does_not_listen_nothing_is_put_back() -> None:
    """It answers 0 then."""
    kernel = Kernel(0)
    with held_off(kernel):
        pass
    assert kernel.said == [CONTINUOUS | SYSTEM]
    with held_off(None):
        pass


@pytest.mark.parametrize("raises", [False, True])
def test_a_batch_keeps_the_machine_awake_until_it_is_over(
    raises: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While files are worked on, and no longer: also where the caller's own code ends it."""
    kernel, seen = Kernel(), list[int]()
    monkeypatch.setattr(batch_run, "kernel32", lambda: kernel)
    sims = simulated.generate_batch(tmp_path, lngc=0, standard=2, stop_times_s=(10.0,))

    def look(outcome: Any) -> None:
        seen.append(kernel.state)
        if raises:
            raise ZeroDivisionError

    def go() -> None:
        orcabatch.run_batch(sims, postprocess=largest_tension, orcaflex="simulated", progress=False, on_outcome=look)

    if raises:
        with pytest.raises(ZeroDivisionError):
            go()
    else:
        go()
    assert set(seen) == {CONTINUOUS | SYSTEM}
    assert kernel.state == CONTINUOUS


OTHERS = {
    "sleep.py": "by which it is told what was slept",
    "interrupts.py": "between two signals",
    "unlocked.py": "of single calls, in nanoseconds; what was slept in one is taken off",
    "reference_run.py": "in a process that has nothing of ours",
    "prove.py": "beside that",
}
"""Who reads Python's clocks, and what for."""


def test_nobody_else_asks_a_clock_that_goes_on_while_the_machine_sleeps() -> None:
    """Wherever something is limited or measured, but for the simulated OrcaFlex and what compares with others."""
    house = ROOT / "src" / "orcabatch"
    sources = [each for each in house.rglob("*.py") if each.relative_to(house).parts[0] not in {"simulated", "bench"}]
    found = {
        source.name
        for source in sources
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr.startswith(("monotonic", "perf_counter"))
    }
    assert found == set(OTHERS)
