"""One contract, every executor."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from births import BEFORE_IT_LIVES, die_at_birth
from engine import dask_cluster
from engine.fakes import MOVING, Book, FakeJob, FakeRecipe, OwnBaseError, Say, locked, quick_to_move, task, tasks
from engine.travellers import RAISING, Maker, MakingRecipe
from orcabatch.engine import EngineOptions, Limits, executors, run
from orcabatch.engine.executors import ExecutorFacts
from orcabatch.errors import SettingsError
from orcabatch.outcome import Cause, FileOutcome, Phase, Status

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent

EXECUTORS: dict[str, dict[str, Any]] = {
    "serial": {"executor": "serial"},
    "threads": {"executor": "threads", "threads": 4},
    "processes": {"executor": "processes", "processes": 2},
    "hybrid": {"executor": "processes", "processes": 2, "threads_per_process": 2},
    "auto": {"executor": "auto", "threads": 4, "processes": 2},
    "moving": MOVING,
    "dask": {"executor": "dask"},
    "pairs": {"executor": "pairs"},
}
"""`auto` never moves here, because nothing is measured; `moving` does as soon as one file has ended;
`pairs` is the tests' own."""
DASK = pytest.param("dask", marks=dask_cluster.MARKS)
ALL = [DASK if name == "dask" else name for name in EXECUTORS]
ONE_BY_ONE = {"serial", "pairs"}
"""They do a file at a time: none of theirs can wait for another."""
MANY = [name for name in ALL if name is DASK or name not in ONE_BY_ONE]
LONG = bool(os.environ.get("ORCABATCH_LONG"))
LIMITS = Limits(max_limit=4, fixed_limit=4, cpus=4)


def go(name: str, work: list[Any], job: FakeJob | None = None, **options: Any) -> list[FileOutcome]:
    return list(started(name, work, job or FakeJob(), **options))


def started(name: str, work: list[Any], job: FakeJob, *, listener: Any = None, **options: Any) -> Iterator[FileOutcome]:
    address = dask_cluster.shared().address if name == "dask" else None
    settings = EngineOptions(**{"retry_delay_s": 0.001, "address": address, **EXECUTORS[name], **options})
    probe = locked if name == "moving" else None
    return run(work, job, options=settings, limits=LIMITS, listener=listener, probe=probe)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    own = ExecutorFacts("engine.pairs_executor", in_process=True, in_callers_thread=True, as_listed=True)
    monkeypatch.setitem(executors.EXECUTORS, "pairs", own)
    with quick_to_move():
        yield


@pytest.mark.parametrize("name", ALL)
def test_2000_tiny_files(name: str) -> None:
    """2,000 tiny files (fewer where others do the same, unless ORCABATCH_LONG is set) end once each, with values."""
    count = 2000 if name in {"serial", "threads", "processes"} or LONG else 100 if name == "dask" else 500
    outcomes = go(name, tasks(count))
    assert Counter(each.index for each in outcomes) == Counter(range(count))
    assert all(each.value == (each.index, "a", 1) for each in outcomes)


@pytest.mark.parametrize("name", ALL)
def test_raising_costs_one_file(name: str) -> None:
    """Files that raise fail with their phase and reason, in whichever phase it is; the seventeen others succeed."""
    raising = {5: "load", 9: "extract", 13: "write"}
    work = [task(index, say=Say(fail=raising[index]) if index in raising else None) for index in range(20)]
    outcomes = go(name, work)
    bad = sorted((each for each in outcomes if not each.ok), key=lambda each: each.index)
    assert [(each.index, each.failed_phase) for each in bad] == [(at, Phase(where)) for at, where in raising.items()]
    assert {each.cause for each in bad} == {Cause.EXCEPTION}
    assert all("UnhappyError" in str(each.traceback) for each in bad)
    assert len(outcomes) == 20


@pytest.mark.parametrize("name", ALL)
def test_two_batches_share_one_load(name: str) -> None:
    """A file that stands in two batches is loaded once, and its phases and its time agree over both outcomes."""
    outcomes = go(name, [task(0, batches=("a", "b"))])
    assert {each.value for each in outcomes} == {(0, "a", 1), (0, "b", 1)}
    busy = sum(each.wall_s - each.phases["wait"] for each in outcomes)
    assert busy == pytest.approx(outcomes[0].finished_s - outcomes[0].started_s, abs=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_notes_retry_and_redo(name: str) -> None:
    """Notes arrive, what may heal is tried again, what is to be redone comes with a higher attempt."""
    job = FakeJob(redo_once={2})
    work = [task(0, say=Say(note={"x": 1})), task(1, say=Say(fail="load", until_attempt=2, may_heal=True)), task(2)]
    outcomes = go(name, work, job)
    assert [note.content for note in job.notes] == [{"x": 1}]
    assert Counter((each.index, each.attempt) for each in outcomes) == Counter([(0, 1), (1, 2), (2, 1), (2, 2)])


@pytest.mark.parametrize("name", ALL)
def test_gating(name: str) -> None:
    """Files that wait for the first one's note run after it."""
    job = FakeJob(held_back={1, 2, 3})
    outcomes = go(name, [task(0, say=Say(note="go")), task(1), task(2), task(3)], job)
    assert all(each.ok for each in outcomes)
    assert len(outcomes) == 4


@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(3), OwnBaseError(3)], ids=lambda error: type(error).__name__
)
@pytest.mark.parametrize("name", ALL)
def test_what_is_no_exception_costs_one_file(
    name: str, error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    """sys.exit and its like cost their file, which is not tried again; a new worker does the rest, without a word."""
    outcomes = go(name, [task(index, say=Say(exit=error) if index == 3 else None) for index in range(8)])
    bad = [each for each in outcomes if not each.ok]
    assert [(each.index, each.cause, each.attempt) for each in bad] == [(3, Cause.CRASH, 1)]
    assert f"{type(error).__name__}: 3" in str(bad[0].error)
    assert len(outcomes) == 8
    assert "Exception in thread" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ALL)
def test_a_value_that_raises_on_its_way_costs_its_file(name: str) -> None:
    """Whatever a result raises when it is packed or unpacked, no `Exception` included: that file fails, no other."""
    work = [task(index, say=Say(value=Maker(kind))) for index, kind in enumerate(RAISING)]
    outcomes = go(name, [*work, *tasks(12)[len(RAISING) :]], FakeJob(MakingRecipe()))
    assert len(outcomes) == 12
    bad = {each.index: each for each in outcomes if not each.ok}
    # Threads hand a result on as it is, and what `auto` cannot send back is done on one.
    assert bad.keys() == (set(range(len(RAISING))) if name in {"processes", "hybrid", "dask"} else set())
    assert all(each.cause is Cause.OUTPUT and "the result ca" in str(each.error) for each in bad.values())


@pytest.mark.parametrize("name", ["serial", "threads", "auto"])
def test_workers_stay_on_their_thread_and_are_closed(name: str) -> None:
    """Workers are opened lazily, used and closed on one thread, and every loaded file is released."""
    book = Book()
    work = [task(index, say=Say(fail="load") if index % 5 == 0 else None) for index in range(30)]
    go(name, work, FakeJob(FakeRecipe(book)))
    assert book.wrong_thread == 0
    assert book.count("open") == book.count("close")
    assert 1 <= book.count("open") <= 4
    assert book.count("load") == book.count("release") == 30


@pytest.mark.parametrize("name", MANY)
def test_files_run_at_once(name: str, tmp_path: Path) -> None:
    """As many files run at once as the limit allows: each waits for a mark that the last one makes."""
    gate = str(tmp_path / "gate")
    width = 2 if name == "processes" else 4
    begun: list[int] = []

    def watch(event: RunEvent) -> None:
        begun.extend([event.index] if event.kind == "started" else [])
        if len(begun) == width:
            Path(gate).touch()

    work = [task(index, say=Say(gate=gate)) for index in range(width)]
    outcomes = list(started(name, work, FakeJob(), listener=watch))
    assert all(each.ok for each in outcomes)


@pytest.mark.parametrize("name", MANY)
def test_a_file_that_hangs_costs_itself_only(name: str, tmp_path: Path) -> None:
    """A hung file is reported as timed out while the others succeed; when its call returns its worker is closed.

    Its time counts from its start, however long a worker that starts may take.
    """
    gate, book = tmp_path / "gate", Book()
    work = [task(index, say=Say(gate=str(gate)) if index == 0 else None) for index in range(12)]
    in_threads = name in {"threads", "auto"}
    job = FakeJob(FakeRecipe(book if in_threads else None))
    before = set(threading.enumerate())
    outcomes = go(name, work, job, timeout_s=1.0, start_timeout_s=3600.0)
    left = set(threading.enumerate()) - before
    gate.touch()
    for thread in left:
        thread.join()
    bad = [each for each in outcomes if not each.ok]
    assert [(each.index, each.cause) for each in bad] == [(0, Cause.TIMEOUT)]
    assert len(outcomes) == 12
    assert len(left) == (0 if name in {"processes", "hybrid", "dask"} else 1)
    assert (book.count("open"), book.count("load")) == (book.count("close"), book.count("release"))


def test_a_slow_serial_file_is_reported_afterwards(tmp_path: Path) -> None:
    """A serial run cannot stop a file, and reports the timeout when it has ended."""
    late = tmp_path / "late"
    timer = threading.Timer(0.1, late.touch)
    timer.start()
    outcomes = go("serial", [task(0, say=Say(gate=str(late))), task(1)], timeout_s=0.05)
    timer.join()
    assert [(each.index, each.cause) for each in outcomes] == [(0, Cause.TIMEOUT), (1, None)]


@pytest.mark.parametrize("name", ALL)
def test_closing_the_iterator_drains(name: str) -> None:
    """Closing finishes what runs, tells the job about every file, and starts nothing new."""
    job = FakeJob()
    outcomes = started(name, tasks(200), job)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    ended = Counter(status for _, _, status in job.told)
    assert sum(ended.values()) == 200
    assert ended["cancelled"] >= 200 - 1 - 2 * 4 * 4
    assert {status for _, _, status in job.told} == {"ok", "cancelled"}


@pytest.mark.parametrize("name", ALL)
def test_a_batch_in_another_thread_needs_no_signals(name: str) -> None:
    """Outside the main thread a batch runs as well, and leaves the signal handlers alone."""
    handler = signal.getsignal(signal.SIGINT)
    outcomes: list[FileOutcome] = []
    thread = threading.Thread(target=lambda: outcomes.extend(go(name, tasks(5))))
    thread.start()
    thread.join()
    assert [each.status for each in outcomes] == [Status.OK] * 5
    assert signal.getsignal(signal.SIGINT) is handler


def test_static_mode_is_one_pool_per_tier(tmp_path: Path) -> None:
    """In static mode each tier has its own threads, as many as the tier's count, and tiers follow each other."""
    work = [task(index, tier=("small", "large")[index % 2], rank=index % 2) for index in range(20)]
    limits = Limits(mode="static", tiers={"small": 3, "large": 2}, max_limit=5)
    outcomes = list(run(work, FakeJob(), options=EngineOptions(), limits=limits))
    used = {tier: {each.worker for each in outcomes if each.tier == tier} for tier in ("small", "large")}
    assert all(name.startswith(f"{tier}-") for tier, names in used.items() for name in names)
    assert len(used["small"]) <= 3
    assert len(used["large"]) <= 2
    small = [each for each in outcomes if each.tier == "small"]
    large = [each for each in outcomes if each.tier == "large"]
    assert max(each.finished_s for each in small) <= min(each.started_s for each in large)


def test_every_thread_may_hang_and_the_rest_is_done(tmp_path: Path) -> None:
    """A run on one thread whose first two files hang writes both off and finishes the others on new threads."""
    gate, before = tmp_path / "gate", set(threading.enumerate())
    work = [task(index, say=Say(gate=str(gate)) if index < 2 else None) for index in range(5)]
    outcomes = go("threads", work, threads=1, timeout_s=0.5)
    left = set(threading.enumerate()) - before
    gate.touch()
    for thread in left:
        thread.join()
    assert {each.index: each.cause for each in outcomes} == {
        0: Cause.TIMEOUT,
        1: Cause.TIMEOUT,
        2: None,
        3: None,
        4: None,
    }
    assert len(left) == 2


def test_fewer_threads_than_asked_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no further thread the run goes on with those it has; without any it says so."""
    given = [1]

    def submit(self: Any, *args: Any) -> Any:
        if not given:
            raise RuntimeError("can't start new thread")
        given.pop()
        return original(self, *args)

    original = ThreadPoolExecutor.submit
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    assert len({each.worker for each in go("threads", tasks(20))}) == 1
    with pytest.raises(SettingsError, match="no worker thread can be started"):
        go("threads", tasks(2))


def test_a_tier_waits_for_the_threads_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """In static mode, where the system gives no thread while a tier's sessions still close, the next one has theirs."""
    refused: list[str] = []

    def submit(self: Any, *args: Any) -> Any:
        if "large" in self._thread_name_prefix and not refused:
            refused.append("large")
            raise RuntimeError("can't start new thread")
        return original(self, *args)

    original = ThreadPoolExecutor.submit
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    work = [task(index, tier=("small", "large")[index // 3], rank=index) for index in range(6)]
    limits = Limits(mode="static", tiers={"small": 1, "large": 1}, max_limit=2)
    outcomes = list(run(work, FakeJob(), options=EngineOptions(), limits=limits))
    assert (len(outcomes), refused) == (6, ["large"])
    assert all(each.ok for each in outcomes)


@pytest.mark.parametrize("name", [DASK])
def test_a_cluster_that_nobody_can_look_at_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a thread for it nobody would notice who dies there."""
    met = die_at_birth(monkeypatch, "orcabatch-dask-watcher", BEFORE_IT_LIVES)
    with pytest.raises(SettingsError, match="no thread can be started that looks at its workers"):
        go(name, tasks(1))
    assert met == ["orcabatch-dask-watcher"]


def test_fewer_processes_than_asked_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system starts no further process the run goes on with those it has; without any it says so."""
    given = [1]

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **more: Any) -> None:
            if not given:
                raise OSError("Cannot allocate memory")
            given.pop()
            super().__init__(*args, **more)

        def __del__(self, *_: Any) -> None:
            if hasattr(self, "pid"):
                super().__del__()

    monkeypatch.setattr(subprocess, "Popen", Popen)
    assert {each.worker for each in go("processes", tasks(10))} == {"process-1-1"}
    with pytest.raises(SettingsError, match="no worker process can be started"):
        go("processes", tasks(2))
