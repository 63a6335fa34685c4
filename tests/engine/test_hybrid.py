"""Processes x threads: files spread over real processes that are pinned to faked NUMA nodes, and stay there."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.fakes import FakeJob, FakeRecipe, FakeWorker, Say, task
from orcabatch.engine import EngineOptions, Limits, SeatLimits, run
from orcabatch.engine.contract import Extracted, RunEvent
from orcabatch.errors import SettingsError

ALLOWED = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (0, 1)
IN_THE_GATE = {(1, 2, 3), (2, 2, 1), (2, 3, 2), (4, 2, 2), (4, 5, 1)}
"""Eight processes take seconds to start: all others run where ORCABATCH_LONG is set."""

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="asks Linux where a process may run")


def faked(nodes: int) -> tuple[tuple[int, ...], ...]:
    """So many nodes, one CPU of this machine each (several share one where it has fewer)."""
    if nodes == 1:
        return (ALLOWED,)
    return tuple((ALLOWED[node % len(ALLOWED)],) for node in range(nodes))


class PlacedWorker(FakeWorker):
    """Returns in which process it is, and on which CPUs that may run: before and after the file."""

    def extract(self, *args: Any) -> Extracted:
        before = tuple(psutil.Process().cpu_affinity())
        super().extract(*args)
        return Extracted((os.getpid(), before, tuple(psutil.Process().cpu_affinity())))


@dataclass(frozen=True)
class PlacedRecipe(FakeRecipe):
    """Makes them."""

    def open_worker(self, note: Any) -> PlacedWorker:
        return PlacedWorker(note, None)


def combinations() -> list[Any]:
    every = [(nodes, processes, threads) for nodes in (1, 2, 4) for processes in range(2, 9) for threads in range(1, 9)]
    return [
        pytest.param(*each, marks=[] if each in IN_THE_GATE else [pytest.mark.long], id="-".join(map(str, each)))
        for each in every
    ]


@pytest.mark.parametrize(("nodes", "processes", "threads"), combinations())
def test_files_are_spread_and_stay_on_their_node(nodes: int, processes: int, threads: int, tmp_path: Path) -> None:
    """As many files as there are threads, held until all have begun, and as many again: every process is full once."""
    gate, begun, full = tmp_path / "gate", Counter[str](), processes * threads

    def watch(event: RunEvent) -> None:
        if event.kind == "started":
            begun[event.data["worker"].rpartition("-")[0]] += 1
            if begun.total() == full:
                held.update(begun)
                gate.touch()

    held: Counter[str] = Counter()
    work = [task(index, say=Say(gate=str(gate))) for index in range(2 * full)]
    options = EngineOptions(
        "processes", processes=processes, threads_per_process=threads, numa_cpus=faked(nodes) if nodes > 1 else ()
    )
    limits = Limits(max_limit=full, fixed_limit=full, seats=SeatLimits(ramp_per_s=0.0))
    outcomes = list(run(work, FakeJob(PlacedRecipe()), options=options, limits=limits, listener=watch))
    assert [each.error for each in outcomes if not each.ok] == []
    assert set(held.values()) == {threads}
    assert len(held) == processes
    pinned = {each.value[0]: each.value[1] for each in outcomes}
    assert all(each.value[1] == each.value[2] == pinned[each.value[0]] for each in outcomes)
    assert len(pinned) == processes
    on_cpu = Counter(pinned.values())
    if nodes == 1:
        assert set(on_cpu) == {ALLOWED}
    elif processes >= nodes:
        assert all(len(cpus) == 1 for cpus in on_cpu)
        assert max(on_cpu.values()) - min(on_cpu.values()) <= max(1, nodes // len(ALLOWED))


def test_few_files_reach_every_node(tmp_path: Path) -> None:
    """Four files at once on two nodes of two processes: two on each, though the first process had room for all."""
    gate, begun = tmp_path / "gate", set()

    def watch(event: RunEvent) -> None:
        if event.kind == "started":
            begun.add(event.index)
            if len(begun) == 4:
                gate.touch()

    options = EngineOptions("processes", processes=4, threads_per_process=8, numa_cpus=faked(2))
    limits = Limits(max_limit=32, fixed_limit=4, seats=SeatLimits(ramp_per_s=0.0))
    work = [task(index, say=Say(gate=str(gate))) for index in range(4)]
    outcomes = list(run(work, FakeJob(PlacedRecipe()), options=options, limits=limits, listener=watch))
    assert len({each.value[0] for each in outcomes}) == 4
    assert set(Counter(each.value[1] for each in outcomes).values()) == {4 // min(2, len(ALLOWED))}


def test_the_first_files_get_a_process_each_though_processes_come_one_by_one(tmp_path: Path) -> None:
    """Files may be long: two that begin in one process would share its lock to their ends, beside an empty one."""
    gate, begun = tmp_path / "gate", set()

    def watch(event: RunEvent) -> None:
        if event.kind == "started":
            begun.add(event.index)
            if len(begun) == 2:
                gate.touch()

    options = EngineOptions("processes", processes=2, threads_per_process=8)
    limits = Limits(max_limit=16, fixed_limit=2, seats=SeatLimits(ramp_per_s=2.0))
    work = [task(index, say=Say(gate=str(gate))) for index in range(2)]
    outcomes = list(run(work, FakeJob(PlacedRecipe()), options=options, limits=limits, listener=watch))
    assert len({each.value[0] for each in outcomes}) == 2


def test_what_stays_in_the_script_is_refused_with_a_remedy_that_hybrid_takes() -> None:
    """The message names the setting that asked for processes; `executor: threads` alone would not go with hybrid."""
    options = EngineOptions("processes", processes=2, asked="threading.mode: hybrid")
    limits = Limits(max_limit=2)
    recipe = type("Mine", (FakeRecipe,), {"__module__": "__main__"})()
    with pytest.raises(SettingsError, match=r"^`threading.mode: hybrid`: Mine .*with `threading.mode: dynamic`"):
        run([task(0)], FakeJob(recipe), options=options, limits=limits)
