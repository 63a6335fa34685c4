"""The dispatcher over the quick executors: order, gating, retries, redoing, phases, the event log, and its own cost."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from engine.fakes import Book, FakeJob, FakeRecipe, Say, task, tasks
from orcabatch.engine import EngineOptions, Limits, run
from orcabatch.engine.dispatcher import MOST_COST
from orcabatch.engine.foreign import RunClock
from orcabatch.engine.scheduler import SHORTEST_INTERVAL_S
from orcabatch.engine.scheduler_messages import Sample
from orcabatch.errors import SettingsError
from orcabatch.outcome import Cause, FileOutcome, Phase, Status

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent

LIMITS = Limits(max_limit=4, fixed_limit=4)
QUICK = {"retry_delay_s": 0.001}


def go(jobs_tasks: list[Any], job: FakeJob | None = None, **options: Any) -> list[FileOutcome]:
    """Run on threads, or as the options say."""
    settings = EngineOptions(**{"executor": "threads", "threads": 4, **QUICK, **options})
    return list(run(jobs_tasks, job or FakeJob(), options=settings, limits=LIMITS))


def test_every_file_ends_once_with_its_value() -> None:
    """Each task yields exactly one outcome per batch, and the value its worker returned."""
    outcomes = go(tasks(40, batches=("a", "b")))
    assert Counter((each.index, each.batch) for each in outcomes) == Counter(
        (index, batch) for index in range(40) for batch in ("a", "b")
    )
    assert all(each.value == (each.index, each.batch, 1) for each in outcomes)


def test_the_lowest_rank_starts_first() -> None:
    """Tasks start as the plan ranked them, whatever their order in the list and their sizes."""
    book = Book()
    work = [task(index, rank=rank, size_bytes=rank) for index, rank in enumerate([3, 1, 4, 2])]
    go(work, FakeJob(FakeRecipe(book)), executor="serial")
    assert [index for what, index, _ in book.entries if what == "load"] == [1, 3, 0, 2]


def test_the_job_is_called_on_the_iterating_thread_only() -> None:
    """ready, payload, noted and finished all come from the thread that iterates."""
    job = FakeJob()
    go([task(index, say=Say(note="x")) for index in range(10)], job)
    assert job.threads == {threading.get_ident()}
    assert len(job.notes) == 10


def test_what_is_not_ready_waits_for_a_note() -> None:
    """Files that wait for a note start after it was said, and not before."""
    book = Book()
    job = FakeJob(FakeRecipe(book), held_back={1, 2, 3})
    outcomes = go([task(0, say=Say(note="settled")), *(task(index) for index in (1, 2, 3))], job)
    order = [(what, index) for what, index, _ in book.entries]
    assert all(order.index(("load", index)) > order.index(("extract", 0)) for index in (1, 2, 3))
    assert len(outcomes) == 4
    assert all(each.ok for each in outcomes)


def test_what_is_not_ready_waits_for_an_outcome() -> None:
    """Files that wait for another one's end start after it."""
    job = FakeJob(held_back=set(range(1, 600)), released_by=0)
    outcomes = go(tasks(600), job)
    assert len(outcomes) == 600
    assert job.told[0] == (0, 1, "ok")


def test_a_file_that_never_becomes_ready_is_reported() -> None:
    """A job that never lets a file go costs that file, and does not hang the run."""
    outcomes = go(tasks(3), FakeJob(held_back={2}, released_by=99))
    assert {each.index: each.status for each in outcomes} == {0: Status.OK, 1: Status.OK, 2: Status.FAILED}
    assert "waits for another file" in str(outcomes[-1].error)


def test_what_the_job_knows_is_handed_on_and_nobody_works_for_it() -> None:
    """Answered tasks end as skipped with their value; the others are done; the job is told of all of them."""
    book = Book()
    job = FakeJob(FakeRecipe(book), known={(index, "batch"): f"known {index}" for index in range(0, 1000, 2)})
    outcomes = go(tasks(1000, batches=("batch",)), job)
    assert sorted(each.index for each in outcomes) == list(range(1000))
    assert {each.index for each in outcomes if each.status is Status.SKIPPED} == set(range(0, 1000, 2))
    assert {each.value for each in outcomes if each.index == 4} == {"known 4"}
    assert {index for what, index, _ in book.entries if what == "load"} == set(range(1, 1000, 2))
    assert sorted(index for index, _, _ in job.told) == list(range(1000))


def test_of_a_task_with_two_batches_only_the_unknown_one_is_done() -> None:
    """The file is loaded once, for the batch that needs it."""
    outcomes = go([task(0, batches=("a", "b"))], FakeJob(known={(0, "a"): "known"}))
    assert {each.batch: (each.status, each.attempt) for each in outcomes} == {
        "a": (Status.SKIPPED, 1),
        "b": (Status.OK, 1),
    }


def test_an_answer_lets_go_who_waited_for_it() -> None:
    """A file that was not done now releases the others as one that was."""
    job = FakeJob(held_back={1, 2, 3}, released_by=0, known={(0, "a"): 1, (2, "a"): 1})
    outcomes = go(tasks(4, batches=("a",)), job)
    assert [each.status for each in sorted(outcomes, key=lambda each: each.index)] == [
        Status.SKIPPED, Status.OK, Status.SKIPPED, Status.OK,
    ]  # fmt: skip


def test_an_answer_that_does_not_hold_is_done() -> None:
    """The job may ask for an answered task again, as for a finished one: it comes a second time."""
    job = FakeJob(known={(0, "a"): "known"}, redo_once={0})
    outcomes = go([task(0, batches=("a",))], job)
    assert [(each.status, each.attempt) for each in outcomes] == [(Status.SKIPPED, 1), (Status.OK, 2)]


@pytest.mark.parametrize("where", ["load", "extract", "write"])
def test_a_failure_names_its_phase_and_leaves_the_others(where: str) -> None:
    """A file that raises in a phase fails in that phase, with message, remedy and traceback; the others succeed."""
    outcomes = go([task(0, say=Say(fail=where)), *tasks(6)[1:]])
    bad = [each for each in outcomes if not each.ok]
    assert [(each.index, each.failed_phase) for each in bad] == [(0, Phase(where))]
    assert bad[0].error == f"0.sim: {where} of 0 (a remedy)"
    assert "UnhappyError" in str(bad[0].traceback)
    assert bad[0].value is None


def test_one_batch_fails_and_the_other_does_not() -> None:
    """A failure of one batch of a task leaves its other batch's result."""
    outcomes = go([task(0, batches=("a", "b"), say=Say(fail="extract", batch="a"))])
    assert {each.batch: each.status for each in outcomes} == {"a": Status.FAILED, "b": Status.OK}


def test_a_failed_load_fails_every_batch() -> None:
    """A file that cannot be loaded fails in each of its batches."""
    outcomes = go([task(0, batches=("a", "b"), say=Say(fail="load"))])
    assert [(each.batch, each.status, each.failed_phase) for each in outcomes] == [
        ("a", Status.FAILED, Phase.LOAD),
        ("b", Status.FAILED, Phase.LOAD),
    ]


def test_what_may_heal_is_tried_again() -> None:
    """A failure that may heal is tried again; the file is handed on once, with the attempt that made it."""
    job = FakeJob()
    outcomes = go([task(0, say=Say(fail="load", until_attempt=3, may_heal=True))], job, retries=2)
    assert [(each.status, each.attempt, len(each.retried)) for each in outcomes] == [(Status.OK, 3, 2)]
    assert all("a remedy" in reason for reason in outcomes[0].retried)
    assert job.told == [(0, 3, "ok")]


def test_only_the_batch_that_may_heal_is_tried_again() -> None:
    """Of a task with two batches only the failed one is done again; the other is handed on at once."""
    say = Say(fail="extract", batch="a", until_attempt=2, may_heal=True)
    outcomes = go([task(0, batches=("a", "b"), say=say)])
    assert [(each.batch, each.status, each.attempt, len(each.retried)) for each in outcomes] == [
        ("b", Status.OK, 1, 0),
        ("a", Status.OK, 2, 1),
    ]


@pytest.mark.parametrize(("may_heal", "attempts"), [(True, 3), (False, 1)])
def test_retries_end(may_heal: bool, attempts: int) -> None:
    """A failure that may heal is tried `retries` times more, one that may not never; then it is reported."""
    outcomes = go([task(0, say=Say(fail="load", may_heal=may_heal))], retries=2)
    assert [(each.status, each.attempt, len(each.retried)) for each in outcomes] == [
        (Status.FAILED, attempts, attempts - 1)
    ]


def test_a_denied_seat_costs_no_attempt() -> None:
    """A worker that gets no licence is asked again without charging the file; the file ends well, attempt 1."""
    book = Book(refuse_opens=1)
    outcomes = go([task(0)], FakeJob(FakeRecipe(book)), retries=0)
    assert [(each.status, each.attempt) for each in outcomes] == [(Status.OK, 1)]


def test_a_redone_file_is_handed_on_again() -> None:
    """The job asks for a finished file again: it comes a second time, with a higher attempt."""
    job = FakeJob(redo_once={1})
    outcomes = go(tasks(3), job)
    assert Counter((each.index, each.attempt) for each in outcomes) == Counter([(0, 1), (1, 1), (1, 2), (2, 1)])
    assert sorted(job.told) == [(0, 1, "ok"), (1, 1, "ok"), (1, 2, "ok"), (2, 1, "ok")]


def test_a_note_redoes_a_running_file() -> None:
    """The job asks for a running file again: it is handed on twice, the second time with attempt 2."""
    job = FakeJob(redo_on_note=(0,))

    class Once(FakeJob):
        def noted(self, note: Any) -> Any:
            again, self.redo_on_note = self.redo_on_note, ()
            return again

    job = Once(redo_on_note=(0,))
    outcomes = go([task(0, say=Say(note="x"))], job)
    assert [each.attempt for each in outcomes] == [1, 2]


def test_phases_add_up() -> None:
    """Over a task's outcomes, the phases add up to the time from startable to released, and CPU is told by phase."""
    outcomes = go([task(0, batches=("a", "b"))], executor="serial")
    total = sum(each.wall_s for each in outcomes)
    wait = sum(each.phases["wait"] for each in outcomes)
    first = outcomes[0]
    assert total == pytest.approx(first.finished_s - first.started_s + wait, abs=1e-9)
    assert set(first.phases) == {"wait", "load", "extract", "write", "clean_up"}
    assert set(first.usage.cpu_s) == {"load", "extract", "write", "clean_up"}


def test_a_release_that_fails_is_a_warning_and_a_new_worker() -> None:
    """A worker that cannot release its file is replaced; the file keeps its result and says so."""
    book = Book()
    outcomes = go([task(0, say=Say(fail="release")), task(1)], FakeJob(FakeRecipe(book)), executor="serial")
    assert all(each.ok for each in outcomes)
    assert "could not release" in outcomes[0].warnings[0]
    assert (book.count("open"), book.count("close")) == (2, 2)


def test_the_event_log_tells_each_step_and_a_bad_listener_is_switched_off(caplog: pytest.LogCaptureFixture) -> None:
    """Listeners hear of start, phases and end of each file; one that raises is left out with a warning."""
    heard: list[RunEvent] = []
    settings = EngineOptions(threads=2)
    list(run(tasks(3), FakeJob(), options=settings, limits=LIMITS, listener=heard.append))
    kinds = Counter(event.kind for event in heard)
    assert (kinds["run_started"], kinds["run_finished"]) == (1, 1)
    assert (kinds["started"], kinds["finished"], kinds["phase"]) == (3, 3, 9)
    told = json.loads(json.dumps(next(event.data for event in heard if event.kind == "run_started")))
    assert Limits.from_dict(told["limits"]) == replace(LIMITS, max_limit=2, fixed_limit=2)  # two threads are all

    def bad(event: RunEvent) -> None:
        raise ValueError(event.kind)

    with caplog.at_level(logging.WARNING):
        outcomes = list(run(tasks(3), FakeJob(), options=settings, limits=LIMITS, listener=bad))
    assert len(outcomes) == 3
    assert "switched off" in caplog.text


def test_the_probe_is_asked_and_told_what_is_done() -> None:
    """The scheduler gets the probe's samples with the work done so far, counted in bytes of files."""
    seen: list[RunEvent] = []
    say = [task(index, size_bytes=100) for index in range(5)]
    options = EngineOptions(executor="serial", sample_interval_s=1e-9)
    probe = lambda pids: Sample(total_bytes=10, available_bytes=9)  # noqa: E731 - shorter than a function
    list(run(say, FakeJob(), options=options, limits=LIMITS, probe=probe, listener=seen.append))
    samples = [event.data for event in seen if event.kind == "sample"]
    assert [sample["total_bytes"] for sample in samples] == [10] * len(samples)
    assert [sample["work"] for sample in samples][:3] == [0, 100, 200]


@pytest.mark.parametrize(("look_s", "least"), [(1e-6, 50), (0.02, 10)])
def test_looking_at_the_host_takes_a_small_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch, look_s: float, least: int
) -> None:
    """Beside threads that hold Python's lock a look takes long, and holds them up: it comes more seldom then."""
    now_s, looks = 0.0, 0

    def probe(_: tuple[int, ...]) -> Sample:
        nonlocal now_s, looks
        now_s, looks = now_s + look_s, looks + 1
        return Sample()

    def passes(event: RunEvent) -> None:
        nonlocal now_s
        now_s += 0.05 if event.kind == "finished" else 0.0

    monkeypatch.setattr(RunClock, "now", lambda _: now_s)
    options = EngineOptions(executor="serial", sample_interval_s=1.0)
    outcomes = list(run(tasks(100), FakeJob(), options=options, limits=LIMITS, probe=probe, listener=passes))
    assert len(outcomes) == 100
    assert now_s >= 5.0
    assert least <= looks <= max(1 + now_s / SHORTEST_INTERVAL_S, 1 + now_s * MOST_COST / look_s)


@pytest.mark.parametrize("reason", [OSError(24, "Too many open files"), MemoryError()])
def test_a_run_goes_on_where_nothing_can_be_measured(reason: Exception) -> None:
    """A process that is short of descriptors or memory has one sample less, which is said; no file is lost."""

    def probe(_: tuple[int, ...]) -> Sample:
        raise reason

    seen: list[RunEvent] = []
    options = EngineOptions(executor="serial", sample_interval_s=1e-9)
    outcomes = list(run(tasks(3), FakeJob(), options=options, limits=LIMITS, probe=probe, listener=seen.append))
    assert all(outcome.ok for outcome in outcomes)
    assert any("cannot be read" in str(event.data.get("text")) for event in seen if event.kind == "warning")


def test_the_recorder_gets_what_the_scheduler_was_told() -> None:
    """Every event and its instructions are recorded, so that a run can be replayed."""
    steps: list[tuple[Any, Any]] = []
    options = EngineOptions(executor="serial")
    list(run(tasks(3), FakeJob(), options=options, limits=LIMITS, recorder=lambda *step: steps.append(step)))
    kinds = Counter(type(event).__name__ for event, _ in steps)
    assert (kinds["Offered"], kinds["TaskFinished"]) == (3, 3)


def test_wrong_options_are_named_together() -> None:
    """All faults of the options are told at once."""
    with pytest.raises(SettingsError, match=r"threads is 0.*timeout_s is -1"):
        EngineOptions(threads=0, timeout_s=-1)


def test_no_files_is_no_work() -> None:
    """An empty list ends at once."""
    assert go([]) == []


def test_a_cause_from_the_recipe_arrives() -> None:
    """What the recipe says about an exception stands in the outcome."""
    outcomes = go([task(0, say=Say(fail="load", cause=Cause.INPUT))])
    assert outcomes[0].cause is Cause.INPUT
