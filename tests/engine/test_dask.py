"""Workers of dask.distributed: which gets which file, what one costs that dies, and one that joins late."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine import dask_cluster
from engine.fakes import Book, FakeJob, FakeRecipe, Say, task, tasks
from engine.travellers import BadStart, ElsewhereRecipe
from orcabatch import console
from orcabatch.engine import EngineOptions, Limits, SeatLimits, run, shared_values
from orcabatch.engine.executors.dask import cluster as connection
from orcabatch.engine.executors.dask import executor as dask_executor
from orcabatch.engine.executors.dask import worker as dask_worker
from orcabatch.engine.executors.dask.placement import DaskWorkerSlot, DaskWorkerSlots, Seen
from orcabatch.engine.executors.dask.worker import Crew, WorkOrder
from orcabatch.engine.inherited import Inherited, Loan
from orcabatch.engine.shared_state import SharedStateWatch
from orcabatch.engine.surroundings import Surroundings
from orcabatch.engine.worker_messages import Broken, Complaint, Died, Finished
from orcabatch.errors import SettingsError
from orcabatch.outcome import Cause
from orcabatch.versions import versions_of_results

MB = 10**6
ORDER = WorkOrder("run-1", b"", Inherited.here(), ())


# --- which worker gets which file -----------------------------------------------------------------------------------


def worker(name: str, limit_mb: int = 1000, *, machine: str = "a", threads: int = 2, held_mb: int = 100) -> Seen:
    return Seen(name, f"tcp://{machine}:{name}", name, threads, limit_mb * MB, held_mb * MB)


def crew_of(book: Book, publish: Any) -> Crew:
    return Crew(FakeRecipe(book), "dask-x", publish, Surroundings.here(), Loan(Inherited.here(), "dask-x"))


def places(*workers: Seen, **limits: Any) -> DaskWorkerSlots:
    made = DaskWorkerSlots(Limits(**limits), from_history=True)
    made.update({each.identity: each for each in workers})
    return made


def given(made: DaskWorkerSlots, index: int, **more: Any) -> str:
    """Where the task goes; it is taken there."""
    wanted = task(index, **more)
    place = made.choose(wanted, alone=False, kept=())
    if place is None:
        return ""
    made.take(place, wanted, alone=False)
    return place.seen.name


def named(made: DaskWorkerSlots, name: str) -> DaskWorkerSlot:
    return next(place for place in made if place.seen.name == name)


def test_files_go_to_the_emptiest_worker_up_to_its_threads() -> None:
    """Two workers with two threads each take four files, in turns, and the fifth waits."""
    made = places(worker("1"), worker("2"))
    assert sorted(given(made, index) for index in range(4)) == ["1", "1", "2", "2"]
    assert given(made, 4) == ""
    assert made.slots == 4


def test_each_workers_own_memory_limit_counts() -> None:
    """A file of 500 MB goes to the worker that has them, even past an empty one; a second one waits for the first."""
    made = places(worker("1", 500), worker("2", 1000))
    assert given(made, 0) == "2"
    named(made, "2").memory = replace(named(made, "2").memory, running=())
    named(made, "2").tasks.clear()
    assert [given(made, index, memory_bytes=500 * MB) for index in (1, 2)] == ["2", ""]
    assert given(made, 3, memory_bytes=50 * MB) in {"1", "2"}


def test_a_file_that_no_worker_can_take_runs_alone_on_the_one_with_most() -> None:
    """A gate that can wait for ever is the classic fault."""
    made = places(worker("1", 500), worker("2", 1000))
    assert given(made, 0, memory_bytes=5000 * MB) == "2"
    assert given(made, 1, memory_bytes=5000 * MB) == ""


def test_what_waits_for_memory_keeps_a_worker_from_smaller_ones() -> None:
    """The kept worker gets nothing else, so the large file comes to its turn."""
    made = places(worker("1", 1000))
    assert given(made, 0, memory_bytes=300 * MB) == "1"
    large = task(1, memory_bytes=600 * MB)
    assert made.choose(large, alone=False, kept=()) is None
    kept = made.keep_for(large, kept=())
    assert kept is named(made, "1")
    assert made.choose(task(2), alone=False, kept={kept}) is None
    made.leave(kept, 0)
    assert made.choose(large, alone=False, kept=()) is kept


def test_what_one_file_took_is_reserved_for_the_others_on_every_worker() -> None:
    """A file that took three times its prediction makes its like wait, on other workers too."""
    made = places(worker("1", 1000), worker("2", 1000))
    first = named(made, given(made, 0, memory_bytes=100 * MB))
    made.leave(first, 0, measured_bytes=300 * MB)
    assert all(place.memory.correction >= 3 for place in made)


def test_limits_are_each_machines() -> None:
    """Two files at once, one of them large: on each of two machines, whatever threads their workers have."""
    made = places(
        *(worker("1", machine="a", threads=4), worker("2", machine="b", threads=4)), max_limit=2, tiers={"large": 1}
    )
    assert sorted(given(made, index, tier="large") for index in range(2)) == ["1", "2"]
    assert given(made, 2, tier="large") == ""
    assert sorted(given(made, index) for index in (3, 4)) == ["1", "2"]
    assert given(made, 5) == ""
    assert made.slots == 4


@pytest.mark.parametrize(("scope", "used"), [("process", {"1"}), ("model", {"1"}), ("host", {"1", "2"})])
def test_no_worker_is_opened_without_a_seat(scope: Any, used: set[str]) -> None:
    """With one seat a second process, model or machine is never opened, also not after the first file."""
    made = places(
        *(worker("1", machine="a"), worker("2", machine="a"), worker("3", machine="b")),
        seats=SeatLimits(max=1, scope=scope),
    )
    found = set()
    for index in range(6):
        name = given(made, index)
        found.add(name)
        if name and scope == "model":
            made.leave(named(made, name), index)
    assert found - {""} == used


def test_sessions_that_hold_counted_seats_are_not_closed_unheard() -> None:
    """Under a lower limit idle places are spared, but not where each has a seat that another could take too early."""
    for most, spared in ((None, 2), (3, 0)):
        made = places(*(worker(str(number)) for number in range(3)), seats=SeatLimits(max=most))
        for index in range(3):
            made.leave(named(made, given(made, index)), index)
            named(made, str(index)).sessions = 1
        assert len(made.to_spare(1)) == spared


def test_a_worker_that_is_gone_comes_back_as_another_one() -> None:
    """The same address with another identity is another process, and what the first held is told."""
    made = places(worker("1"))
    given(made, 0)
    (gone,) = made.update({"new": replace(worker("1"), identity="new")})
    assert list(gone.tasks) == [0]
    assert not named(made, "1").tasks


# --- the worker's side ----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the SystemExit that is tested
def test_sessions_live_and_are_closed_on_their_own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three files on one session; `sys.exit` costs it, the next file has another; both are closed where they opened."""
    book, said = Book(), []
    monkeypatch.setattr(dask_worker, "_hire", lambda _: crew_of(book, said.append))
    work = [task(0), task(1), task(2, say=Say(exit=SystemExit(3))), task(3)]
    before = set(threading.enumerate())
    reports = [pickle.loads(dask_worker.work(ORDER, pickle.dumps(each))) for each in work]  # noqa: S301 - our own
    assert {thread.name for thread in set(threading.enumerate()) - before} == {"dask-x-2"}
    assert [type(each.message) for each in reports] == [Finished, Finished, Died, Finished]
    asyncio.run(dask_worker.close_run("run-1"))
    assert (book.count("open"), book.count("close"), book.wrong_thread) == (2, 2, 0)
    assert said


def test_sessions_of_a_client_that_is_gone_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody closes them, and for a while there is no file: their models are given back all the same."""
    book = Book()
    crew = crew_of(book, lambda _: None)
    monkeypatch.setattr(dask_worker, "IDLE_S", 0.05)
    monkeypatch.setattr(dask_worker, "_hire", lambda _: crew)
    dask_worker.work(ORDER, pickle.dumps(task(0)))
    dask_worker._dismiss_when_idle("run-1", crew)
    assert (book.count("open"), book.count("close")) == (1, 1)
    assert dask_worker._crews == {}


@pytest.mark.parametrize("several", [True, False])
def test_values_are_looked_through_where_a_worker_does_several_files_at_once(
    monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    """With one thread nothing is shared, and a value may be large."""
    looked: list[Any] = []
    monkeypatch.setattr(shared_values, "_parts_of", lambda value: looked.append(value) or {})
    crew = crew_of(Book(), lambda _: None)
    crew.surroundings = replace(crew.surroundings, watch=SharedStateWatch(lambda _: None) if several else None)
    monkeypatch.setattr(dask_worker, "_hire", lambda _: crew)
    dask_worker.work(ORDER, pickle.dumps(task(0)))
    asyncio.run(dask_worker.close_run("run-1"))
    assert len(looked) == several


def test_nothing_of_dask_is_imported_by_other_executors() -> None:
    """It is an extra, and heavy: a run on threads does without."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from engine.fakes import FakeJob, tasks; "
        "from orcabatch.engine import EngineOptions, Limits, run; "
        "done = list(run(tasks(3), FakeJob(), options=EngineOptions(threads=2), limits=Limits())); "
        "print(len(done), [name for name in sys.modules if name.split('.')[0] in {'dask', 'distributed'}])"
    )
    folder = str(Path(__file__).parents[1])
    said = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert said.stdout == "3 []\n"


# --- on a cluster ---------------------------------------------------------------------------------------------------


@dask_cluster.NEEDED
@pytest.mark.slow
@pytest.mark.usefixtures("_dask_cluster")
class TestDask:
    """With two workers of two threads each, below a nanny that replaces them."""

    def go(self, work: list[Any], job: FakeJob | None = None, **more: Any) -> tuple[dict[int, Any], list[str]]:
        """The outcomes by index, and what was warned of."""
        said: list[str] = []
        listener = lambda event: said.append(event.data["text"]) if event.kind == "warning" else None  # noqa: E731
        options = EngineOptions(executor="dask", **{"address": dask_cluster.shared().address, **more})
        outcomes = run(work, job or FakeJob(), options=options, limits=Limits(max_limit=4), listener=listener)
        return {each.index: each for each in outcomes}, said

    def test_a_killed_worker_costs_its_files_one_try(self) -> None:
        """A worker process killed by SIGKILL: its file succeeds elsewhere, all others at once."""
        outcomes, said = self.go([task(0, say=Say(kill=True, until_attempt=2)), *tasks(12)[1:]])
        assert all(each.ok for each in outcomes.values())
        assert (len(outcomes), outcomes[0].attempt) == (12, 2)
        assert any("its dask worker" in text and "died; it held" in text for text in said)

    def test_a_file_that_kills_every_worker_fails_alone(self) -> None:
        """It is given up after its retries, and the others are done."""
        outcomes, _ = self.go([task(0, say=Say(kill=True)), *tasks(6)[1:]], retries=1)
        assert {index for index, each in outcomes.items() if not each.ok} == {0}
        assert outcomes[0].cause is Cause.CRASH
        assert "(tried 2 times)" in str(outcomes[0].error)

    def test_a_worker_with_other_versions_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Results are the same only where the packages are; when no worker is left, the run ends and says why."""
        wanted = (("Python", "2.7"), *versions_of_results()[1:])
        monkeypatch.setattr(dask_executor, "versions_of_results", lambda: wanted)
        with pytest.raises(SettingsError, match=r"no dask worker can do the work; .* instead of 2\.7; install"):
            self.go(tasks(4))

    def test_a_worker_with_another_orcaflex_is_not_used(self, tmp_path: Path) -> None:
        """It would fail each file, and be free for the next one first; it is said once, and the other does them all."""
        dask_cluster.shared().until(2)
        outcomes, said = self.go(tasks(12), job=FakeJob(ElsewhereRecipe(place=str(tmp_path / "first"))))
        assert [each.error for each in outcomes.values() if not each.ok] == []
        (barred,) = (text for text in said if "is not used" in text)
        assert "OrcaFlex's DLL has another version" in barred

    def test_what_cannot_go_there_fails_alone(self) -> None:
        """A payload that cannot be packed, and one that cannot be unpacked on the worker."""
        from engine.fakes import Stubborn, Trap

        outcomes, _ = self.go([task(0, say=Stubborn()), task(1, say=Trap()), task(2)])
        assert [outcomes[index].ok for index in range(3)] == [False, False, True]


@pytest.fixture
def growing(_nothing_left: None) -> Iterator[dask_cluster.Cluster]:
    """A cluster without workers."""
    with dask_cluster.cluster() as made:
        yield made


@dask_cluster.NEEDED
@pytest.mark.slow
def test_workers_join_late_each_with_its_memory_limit(growing: dask_cluster.Cluster, tmp_path: Path) -> None:
    """A run without workers waits for one; a second one that joins gets what the first has no memory or thread for.

    The first file waits for a mark that is made when the second has started, which the first worker cannot take.
    """
    gate, begun, said = tmp_path / "gate", [], []

    def watch(event: Any) -> None:
        if event.kind == "warning" and "has no worker" in event.data["text"]:
            growing.add("small", memory="400MB")
        if event.kind == "started":
            begun.append(event.data["worker"])
            growing.add("large", threads=2, memory="1200MB") if len(begun) == 1 else gate.touch()
        said.append(event.kind)

    work = [task(0, say=Say(gate=str(gate)), memory_bytes=50 * MB, rank=-1)]
    work += [task(index, memory_bytes=500 * MB) for index in (1, 2, 3)]
    options = EngineOptions(executor="dask", address=growing.address)
    outcomes = {each.index: each for each in run(work, FakeJob(), options=options, limits=Limits(), listener=watch)}
    assert all(each.ok for each in outcomes.values())
    assert outcomes[0].worker == "dask-small-1"
    heavy = sorted((outcomes[index] for index in (1, 2, 3)), key=lambda each: each.started_s)
    assert {each.worker for each in heavy} == {"dask-large-1"}


@dask_cluster.NEEDED
def test_a_frozen_program_has_no_cluster_on_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of dask's workers would be that program once more; one that somebody else started is asked as ever."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(connection, "_local", None)
    with pytest.raises(SettingsError, match=r"executor: dask: .* is no Python that .*set_executable"):
        connection.Cluster(None)


def test_ctrl_c_is_heard_while_sessions_close(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On Windows a wait cannot be interrupted: none of a minute's is longer than a moment."""
    waits = list[float]()

    def wait_for(told: Any, timeout: float) -> SimpleNamespace:
        waits.append(timeout)
        return SimpleNamespace(done=set(), not_done=told)

    cluster = object.__new__(connection.Cluster)
    monkeypatch.setattr(connection.Cluster, "_tell", lambda *_, **__: object())
    monkeypatch.setattr(console, "LONGEST_WAIT_S", 0.0)
    monkeypatch.setattr(connection, "CLOSING_S", 0.001)
    monkeypatch.setattr(connection, "wait_for", wait_for)
    cluster.close_sessions("run-1", ["tcp://a"], wait=True)
    assert set(waits) == {0.0}
    assert "did not close their sessions" in caplog.text


@pytest.mark.long
@dask_cluster.NEEDED
def test_a_scheduler_that_dies_ends_the_run(growing: dask_cluster.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run says so and ends, instead of waiting for ever."""
    growing.add("one")
    monkeypatch.setattr(connection, "ANSWER_S", 0.5)
    monkeypatch.setattr(dask_executor, "GONE_S", 0.5)
    work = [task(index, say=Say(gate="/never")) for index in range(2)]
    options = EngineOptions(executor="dask", address=growing.address)

    def watch(event: Any) -> None:
        growing.end_scheduler() if event.kind == "started" else None

    with pytest.raises(SettingsError, match="the dask scheduler is gone"):
        list(run(work, FakeJob(), options=options, limits=Limits(), listener=watch))


@pytest.mark.parametrize("deserted", [True, False])
def test_nobody_waits_for_workers_that_dask_has_given_up(deserted: bool) -> None:
    """Of a cluster of our own that lost all; at an address others may join."""
    options, cluster = EngineOptions(executor="dask"), SimpleNamespace(is_deserted=deserted)
    executor = dask_executor.DaskExecutor(FakeRecipe(), options, Limits(), tasks(1))
    executor._cluster = cast("Any", cluster)
    executor._waiting.append(dask_executor._Entry(task(0), b"", alone=False))
    said = executor._looked({})
    assert [type(each) for each in said] == [Broken if deserted else Complaint]
    assert ("`executor: processes`" if deserted else "waiting for one") in str(said[0])


@pytest.mark.slow
@dask_cluster.NEEDED
def test_a_worker_that_never_begins_is_given_up(tmp_path: Path) -> None:
    """An import that hangs on a dask worker, before it said that it began: with `timeout` the run ends."""
    recipe = BadStart(None, str(tmp_path / "log"), "hangs")
    with dask_cluster.cluster("one") as there:
        options = EngineOptions(executor="dask", address=there.address, timeout_s=0.5, start_timeout_s=1.0)
        outcomes = list(run(tasks(1), FakeJob(recipe), options=options, limits=Limits()))
    assert [each.cause for each in outcomes] == [Cause.TIMEOUT]
