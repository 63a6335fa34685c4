"""`executor: auto` in the middle of a run: files go to processes, and back where something does not travel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from capabilities import die
from engine.fakes import MOVING, FakeJob, FakeRecipe, Say, locked, one_at_a_time, quick_to_move, task, tasks
from engine.travellers import LocalRecipe, Maker, MakingRecipe, Unwelcome
from orcabatch.engine import EngineOptions, Limits, SeatLimits, run
from orcabatch.engine.executors.auto import SwitchingExecutor, build
from orcabatch.engine.executors.auto_decision import Look, Watch
from orcabatch.engine.executors.processes import ProcessExecutor
from orcabatch.engine.executors.threads import ThreadExecutor
from orcabatch.engine.scheduler_messages import Moved, Sampled
from orcabatch.engine.worker_messages import Broken, Chosen, Died, Finished, Message
from orcabatch.outcome import Cause, FileOutcome

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent, Task
    from orcabatch.engine.scheduler_messages import Event, Probe

LIMITS = Limits(max_limit=4, fixed_limit=4, cpus=4, seats=SeatLimits(ramp_per_s=0.0))


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with quick_to_move():
        yield


def go(
    work: list[Any], job: FakeJob | None = None, probe: Probe = locked, limits: Limits = LIMITS, **options: Any
) -> tuple[list[FileOutcome], list[dict[str, Any]]]:
    """All outcomes, and what was said about the executor."""
    said: list[dict[str, Any]] = []

    def listen(event: RunEvent) -> None:
        said.extend([event.data] if event.kind == "executor" else [])

    settings = EngineOptions(**{**MOVING, "retry_delay_s": 0.001, **options})
    outcomes = list(run(work, job or FakeJob(), options=settings, limits=limits, listener=listen, probe=probe))
    return outcomes, said


def where(outcomes: list[FileOutcome]) -> set[str]:
    return {each.worker.split("-")[0] for each in outcomes}


@pytest.mark.parametrize("place", [0, 1000], ids=["before it", "after it"])
def test_what_ended_in_a_process_is_not_done_again_where_no_other_comes_up(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are heard at once, in either order: the file has its outcome, the others go on in threads."""
    poll, submit = ProcessExecutor.poll, ThreadExecutor.submit
    ended, here = set[int](), list[int]()

    def heard(executor: ProcessExecutor, timeout_s: float | None) -> list[Message]:
        messages = list(poll(executor, timeout_s))
        ended.update(each.index for each in messages if isinstance(each, Finished))
        messages[place:place] = [Broken("none comes up")] if ended else []
        return messages

    def given(executor: ThreadExecutor, task: Task, *, alone: bool = False) -> None:
        here.append(task.index)
        submit(executor, task, alone=alone)

    monkeypatch.setattr(ProcessExecutor, "poll", heard)
    monkeypatch.setattr(ThreadExecutor, "submit", given)
    outcomes, said = go(tasks(60))
    assert sorted(each.index for each in outcomes) == list(range(60))
    assert [each["executor"] for each in said] == ["processes", "threads"]
    assert ended
    assert sorted([*ended, *here]) == list(range(60))


def test_files_go_to_processes_once_it_pays() -> None:
    """The first files run on threads, the last in processes; it is said once, with the reason."""
    outcomes, said = go(tasks(60))
    assert len(outcomes) == 60
    assert all(each.ok for each in outcomes)
    assert where(outcomes) == {"worker", "process"}
    ordered = sorted(outcomes, key=lambda each: each.finished_s)
    assert ordered[0].worker.startswith("worker")
    assert ordered[-1].worker.startswith("process")
    assert [each["executor"] for each in said] == ["processes"]
    assert "lock was taken 100%" in said[0]["why"]


def test_the_count_is_found_anew_for_processes_and_known_again_for_threads() -> None:
    """The scheduler is told of the move, of the way back, and how many files each kind takes; of a stay it is not."""
    told: list[Event] = []

    def go_on(files: int, probe: Probe | None) -> list[int]:
        told.clear()
        settings = EngineOptions(**{**MOVING, "processes": 3, "threads_per_process": 1})
        record = lambda event, _: told.append(event)  # noqa: E731 - one line
        list(run(tasks(files), FakeJob(), options=settings, limits=LIMITS, probe=probe, recorder=record))
        return [each.capacity for each in told if isinstance(each, Moved)]

    with quick_to_move(WORSE=1e9):
        assert go_on(400, locked) == [3, 4]
    assert go_on(5, None) == []
    assert told


def test_pythons_lock_here_does_not_bind_what_goes_to_processes() -> None:
    """Files that threads still have may hold it for long: the count for the processes does not go by that."""
    told: list[Event] = []
    with quick_to_move():
        record = lambda event, _: told.append(event)  # noqa: E731 - one line
        list(run(tasks(200), FakeJob(), options=EngineOptions(**MOVING), limits=LIMITS, probe=locked, recorder=record))
    moved = next(place for place, event in enumerate(told) if isinstance(event, Moved))
    taken = [
        [each.sample.gil_taken for each in part if isinstance(each, Sampled)] for part in (told[:moved], told[moved:])
    ]
    assert set(taken[0][1:-1]) == {1.0}
    assert set(taken[1]) == {None}


def test_a_dll_that_serialises_sends_files_to_processes() -> None:
    """With Python's lock free: each process has a DLL of its own. The reason names the DLL."""
    outcomes, said = go(tasks(60), probe=one_at_a_time())
    assert len(outcomes) == 60
    assert all(each.ok for each in outcomes)
    assert where(outcomes) == {"worker", "process"}
    assert [each["executor"] for each in said] == ["processes"]
    assert "the DLL serialises" in said[0]["why"]


def test_processes_that_do_not_help_a_dll_that_serialises_are_left_again() -> None:
    """A move for the DLL's sake is watched as any other."""
    with quick_to_move(WORSE=1e9):
        outcomes, said = go(tasks(400), probe=one_at_a_time())
    assert len({each.index for each in outcomes}) == len(outcomes) == 400
    assert [each["executor"] for each in said] == ["processes", "threads"]
    assert "the DLL serialises" in said[0]["why"]
    assert "of what threads did in the same time" in said[1]["why"]


def test_a_function_that_cannot_travel_stays() -> None:
    """A recipe that holds a lambda stays on threads, and the reason is said."""
    outcomes, said = go(tasks(40), FakeJob(LocalRecipe(lambda model: model)))
    assert where(outcomes) == {"worker"}
    assert [each["executor"] for each in said] == ["threads"]
    assert "lambda" in said[0]["why"]


def test_what_was_known_beforehand_keeps_it() -> None:
    """A reason given with the options keeps the run on threads and is passed on."""
    outcomes, said = go(tasks(40), stays_because="the module is a test's own")
    assert where(outcomes) == {"worker"}
    assert [each["executor"] for each in said] == ["threads"]
    assert "the module is a test's own" in said[0]["why"]
    assert "worker processes save about" in said[0]["why"]
    assert 0 < said[0]["saves"] <= 1


def test_what_would_not_travel_is_said_with_what_processes_would_bring() -> None:
    """A function that stays because nobody asked for processes, and could not go there as it is: both are said."""
    _, said = go(tasks(40), FakeJob(LocalRecipe(lambda model: model)), stays_because="nobody said so")
    assert "worker processes save about" in said[0]["why"]
    assert "nobody said so" in said[0]["why"]
    assert "lambda" in said[0]["why"]


def test_a_recipe_that_processes_cannot_unpack_comes_back() -> None:
    """Processes that cannot make a worker cost nothing: every file is done on threads."""
    outcomes, said = go(tasks(40), FakeJob(Unwelcome()))
    assert [each.ok for each in outcomes] == [True] * 40
    assert where(outcomes) == {"worker"}
    assert [each["executor"] for each in said] == ["processes", "threads"]
    assert "back to threads" in said[1]["why"]


@pytest.mark.parametrize("kind", ["Stubborn", "Trap"])
def test_a_first_value_that_does_not_travel_keeps_it(kind: str) -> None:
    """Values that cannot come back from a process are noticed on threads, where they are welcome."""
    work = [task(index, say=Say(value=Maker(kind))) for index in range(30)]
    outcomes, said = go(work, FakeJob(MakingRecipe()))
    assert [each.ok for each in outcomes] == [True] * 30
    assert [each["executor"] for each in said] == ["threads"]
    assert "cannot be sent back" in said[0]["why"]


def test_a_later_value_that_does_not_travel_is_done_again_on_a_thread() -> None:
    """A file whose value gets stuck in its process succeeds on a thread, and so do those after it."""
    work = [task(index, say=Say(value=Maker("Stubborn")) if index >= 30 else None) for index in range(60)]
    outcomes, said = go(work, FakeJob(MakingRecipe()))
    assert [each.ok for each in outcomes] == [True] * 60
    assert len({each.index for each in outcomes}) == 60
    assert [each["executor"] for each in said] == ["processes", "threads"]


def test_a_payload_that_does_not_travel_is_done_on_a_thread() -> None:
    """What the job sends along and cannot be packed goes to a thread; the others go on in processes."""
    work = [task(index, say=(lambda: None) if index == 30 else None) for index in range(60)]
    outcomes, said = go(work)
    assert [each.ok for each in outcomes] == [True] * 60
    assert next(each for each in outcomes if each.index == 30).worker.startswith("worker")
    assert [each["executor"] for each in said] == ["processes"]


def test_processes_that_get_through_less_are_left_again() -> None:
    """Nothing is as fast as these threads were said to be: after some files in processes the others go on here."""
    with quick_to_move(WORSE=1e9):
        outcomes, said = go(tasks(400))
    assert len({each.index for each in outcomes}) == len(outcomes) == 400
    assert all(each.ok for each in outcomes)
    assert [each["executor"] for each in said] == ["processes", "threads"]
    assert "of what threads did in the same time" in said[1]["why"]
    where_in_order = [each.worker[:6] for each in sorted(outcomes, key=lambda each: each.started_s)]
    moved = where_in_order.index("proces")
    assert "worker" in where_in_order[:moved], where_in_order
    assert "worker" in where_in_order[moved:], where_in_order


def test_a_file_that_kills_its_process_costs_itself() -> None:
    """A crash after the move is retried in processes only, never in this one."""
    work = [task(index, say=Say(kill=True) if index == 50 else None) for index in range(60)]
    outcomes, _ = go(work, retries=1)
    bad = [each for each in outcomes if not each.ok]
    assert [(each.index, each.cause) for each in bad] == [(50, Cause.CRASH)]
    assert "tried 2 times" in str(bad[0].error)


@dataclass(frozen=True)
class EndsElsewhere(FakeRecipe):
    """Its workers live in this process only."""

    here: int = 0

    def open_worker(self, note: Any) -> Any:
        if os.getpid() != self.here:
            die()
        return super().open_worker(note)


@pytest.mark.parametrize(
    "seats",
    [SeatLimits(ramp_per_s=0.0), SeatLimits(max=1, ramp_per_s=0.0), SeatLimits(max=2, scope="model", ramp_per_s=0.0)],
)
def test_processes_that_end_with_their_first_files_are_left_at_once(seats: SeatLimits) -> None:
    """A DLL that crashes in any other process: what two had may have been to blame, all other files are done here.

    Those two are tried in a process once more, which gets its seat when threads have nothing to do.
    """
    job = FakeJob(EndsElsewhere(here=os.getpid()))
    outcomes, said = go(tasks(60), job, limits=replace(LIMITS, seats=seats), retries=1)
    assert sorted(each.index for each in outcomes) == list(range(60))
    assert [each["executor"] for each in said] == ["processes", "threads"]
    assert "back to threads: before any file was done in them its worker process" in said[1]["why"]
    assert 0 < sum(not each.ok for each in outcomes) <= LIMITS.max_limit + 1  # one came in the place of the first


@dataclass(frozen=True)
class OneEndsElsewhere(FakeRecipe):
    """The first file that another process takes ends that process; tried again it is done."""

    here: int = 0
    mark: str = ""

    def open_worker(self, note: Any) -> Any:
        worker = super().open_worker(note)
        extract = worker.extract

        def once(*args: Any) -> Any:
            if os.getpid() != self.here:
                with suppress(FileExistsError):
                    Path(self.mark).touch(exist_ok=False)
                    die()
            return extract(*args)

        worker.extract = once  # type: ignore[method-assign]
        return worker


def test_one_file_that_ends_its_process_first_does_not_bring_the_others_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is heard before any other has ended: the next of its kind would end the whole run here."""
    poll, held = ProcessExecutor.poll, list[Message]()

    def heard(executor: ProcessExecutor, timeout_s: float | None) -> list[Message]:
        messages = [*held, *poll(executor, timeout_s)]
        held.clear()
        if not dead and not any(isinstance(each, Died) for each in messages):
            held.extend(each for each in messages if isinstance(each, Finished))
            return [each for each in messages if not isinstance(each, Finished)]
        dead.append(True)
        return sorted(messages, key=lambda each: not isinstance(each, Died))

    dead = list[bool]()
    monkeypatch.setattr(ProcessExecutor, "poll", heard)
    recipe = OneEndsElsewhere(here=os.getpid(), mark=str(tmp_path / "ended"))
    outcomes, said = go(tasks(60), FakeJob(recipe), retries=1)
    assert dead
    assert [each.ok for each in outcomes] == [True] * 60
    assert [each["executor"] for each in said] == ["processes"]


@dataclass(frozen=True)
class ThirtiethEndsElsewhere(FakeRecipe):
    """One file ends every other process."""

    here: int = 0

    def open_worker(self, note: Any) -> Any:
        worker = super().open_worker(note)
        extract = worker.extract

        def ends(task: Task, *args: Any) -> Any:
            if task.index == 30 and os.getpid() != self.here:
                die()
            return extract(task, *args)

        worker.extract = ends  # type: ignore[method-assign] - of this one worker
        return worker


@pytest.mark.parametrize("waits", [False, True], ids=["before it is tried again", "while it waits for a process"])
def test_what_may_have_ended_its_process_is_not_done_here_where_no_other_comes_up(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would end the whole run: it has failed, and all others are done on threads."""
    poll, submit = ProcessExecutor.poll, ProcessExecutor.submit
    seen = list[object]()

    def heard(executor: ProcessExecutor, timeout_s: float | None) -> list[Message]:
        messages = list(poll(executor, timeout_s))
        seen.extend(each for each in messages if isinstance(each, Died) and not waits)
        return [*messages, Broken("none comes up")] if seen else messages

    def given(executor: ProcessExecutor, task: Task, *, alone: bool = False) -> None:
        if alone and waits:
            seen.append(task)
        else:
            submit(executor, task, alone=alone)

    monkeypatch.setattr(ProcessExecutor, "poll", heard)
    monkeypatch.setattr(ProcessExecutor, "submit", given)
    recipe = ThirtiethEndsElsewhere(here=os.getpid())
    outcomes, said = go(tasks(60), FakeJob(recipe), retries=1, threads_per_process=1)
    assert sorted(each.index for each in outcomes) == list(range(60))
    (failed,) = [each for each in outcomes if not each.ok]
    assert (failed.index, failed.cause) == (30, Cause.CRASH)
    assert "there is no other in which it could be tried again" in str(failed.error)
    assert [each["executor"] for each in said] == ["processes", "threads"]


@dataclass(frozen=True)
class WhereAmI(FakeRecipe):
    """Its workers return their process."""

    def open_worker(self, note: Any) -> Any:
        worker = super().open_worker(note)
        extract = worker.extract

        def placed(*args: Any) -> Any:
            return type(extracted := extract(*args))(os.getpid(), extracted.warnings)

        worker.extract = placed  # type: ignore[method-assign]
        return worker


def test_the_work_really_happens_elsewhere() -> None:
    """After the move files are done in two other processes."""
    outcomes, _ = go(tasks(100), FakeJob(WhereAmI()))
    pids = {each.value for each in outcomes}
    assert os.getpid() in pids
    assert len(pids) == 3


def test_too_little_left_stays() -> None:
    """Where starting processes costs more than they would save, the run stays and says so."""
    outcomes, said = go(tasks(40), start_cost_s=1000.0)
    assert where(outcomes) == {"worker"}
    assert "cost 1000 s to start" in said[0]["why"]


def test_tries_are_no_files() -> None:
    """Of two files one is refused its seat, fails, and is done again: two have ended once the other has, not before."""
    refused = Say(fail="load", may_heal=True, cause=Cause.LICENCE)
    executor = build(FakeRecipe(), EngineOptions(**MOVING), LIMITS, tasks(2))
    try:
        for say in (refused, refused, Say(fail="extract", may_heal=True), None):
            assert not chosen(executor, task(0, say=say))
        (said,) = chosen(executor, task(1))
        assert "the run ended before anything was measured" in said.why
        # The first file had changed: both are done again, and so the end is another.
        assert len(chosen(executor, task(0), task(1))) == 1
    finally:
        executor.close()


def test_what_is_left_counts_files_and_not_tries() -> None:
    """What a file refused its seat does is nothing; what is done again comes on top."""
    looks = list[Look]()
    executor = build(FakeRecipe(), EngineOptions(**MOVING), LIMITS, tasks(9))
    look = executor.watched(locked)
    assert look is not None
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Watch, "step", lambda watch, seen, _: looks.append(seen) or (watch, None))
            for say in (Say(fail="load", may_heal=True, cause=Cause.LICENCE), Say(fail="load", may_heal=True), None):
                chosen(executor, task(0, say=say))
                look(())
    finally:
        executor.close()
    assert [(each.done, each.again, each.done_bytes - each.again_bytes) for each in looks] == [
        (0, 0, 0),
        (1, 0, 1000),
        (2, 1, 1000),
    ]


def chosen(executor: SwitchingExecutor, *work: Task) -> list[Chosen]:
    """What it says of where files go until these have come back."""
    said, back = list[Chosen](), 0
    for each in work:
        executor.submit(each)
    while back < len(work):
        heard = executor.poll(1.0)
        back += sum(isinstance(each, Finished) for each in heard)
        said += [each for each in heard if isinstance(each, Chosen)]
    return said


def test_nothing_measured_is_said_at_the_end() -> None:
    """A run without a probe says in the end that it stayed, and why."""
    said = []
    settings = EngineOptions(**MOVING)
    listen = lambda event: said.append(event.data) if event.kind == "executor" else None  # noqa: E731 - one line
    assert len(list(run(tasks(5), FakeJob(), options=settings, limits=LIMITS, listener=listen))) == 5
    assert [each["executor"] for each in said] == ["threads"]
    assert "before anything was measured" in said[0]["why"]
