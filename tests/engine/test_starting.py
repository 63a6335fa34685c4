"""Starting worker processes: those that die at their birth, those that hang there, and when that is given up."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities import needs
from engine.fakes import MOVING, FakeJob, locked, quick_to_move, tasks
from engine.travellers import BadStart
from orcabatch.engine import EngineOptions, Limits, run
from orcabatch.engine.executors import starting
from orcabatch.engine.executors.starting import RestartPolicy, StartWatch, Used
from orcabatch.outcome import Cause, FileOutcome

LIMITS = Limits(max_limit=4, fixed_limit=4, cpus=4)
MOMENTS = st.lists(st.tuples(st.floats(0.01, 30.0), st.sampled_from(["died", "hung", "came up"])), max_size=40)


@given(MOMENTS)
def test_starts_are_paced_and_end(moments: list[tuple[float, str]]) -> None:
    """After a failure one starts at a time, each after a longer pause; never more than so many in a row."""
    now, policy, in_a_row, pauses = 0.0, RestartPolicy(), 0, list[float]()
    for wait_s, end in moments:
        if policy.gave_up:
            assert not policy.may_start(now + 1e9, 0)
            assert policy.pause_s(now) is None
            break
        now += policy.pause_s(now) or 0.0
        assert policy.may_start(now, 0)
        assert policy.may_start(now, 1) == (not policy.failures)
        began, now = now, now + wait_s
        if end == "came up":
            policy, in_a_row, pauses = policy.came_up(), 0, []
            continue
        policy, in_a_row = policy.failed(now, began, hung=end == "hung"), in_a_row + 1
        assert not policy.may_start(now, 0)
        pauses.append(policy.not_before_s - now)
        assert pauses == sorted(pauses)
    assert in_a_row <= starting.FAILURES


@given(st.integers(1, 60), st.floats(0.0, 100.0))
def test_those_that_started_together_fail_once(together: int, now: float) -> None:
    """Sixty processes that are started at once and all die are one failure, not the end."""
    policy = RestartPolicy()
    for number in range(together):
        policy = policy.failed(now + 1.0 + number / 100, began_s=now)
    assert (policy.failures, policy.gave_up) == (1, False)


@given(st.lists(st.booleans(), max_size=200), st.floats(0.5, 90.0))
def test_what_moves_is_never_given_up(moves: list[bool], quiet_s: float) -> None:
    """A start is given up exactly when it did not move for as long as is allowed; without `timeout` however long."""
    watch, used, still = StartWatch.begun(0.0), Used(), 0
    for second, moved in enumerate(moves, start=1):
        used, still = (Used(used.cpu_s, used.moved_bytes + 1), 0) if moved else (used, still + 1)
        watch = watch.look(float(second), used)
        assert bool(watch.overdue(float(second), quiet_s, None)) == (still >= quiet_s)


def test_a_little_cpu_is_no_movement_but_adds_up() -> None:
    """A thread that wakes now and then is not work; the same CPU all the time is, some day."""
    watch = StartWatch.begun(0.0).look(1.0, Used(0.01, 0)).look(2.0, Used(0.02, 0))
    assert watch.moved_s == 0.0
    assert watch.look(3.0, Used(0.06, 0)).moved_s == 3.0
    # Where the system does not say there is no proof.
    assert watch.look(3.0, None).moved_s == 3.0


def test_with_a_timeout_a_start_has_an_end_in_any_case() -> None:
    """Where a file's time is limited so is an import that reads and computes for ever; without, it is not."""
    busy = StartWatch.begun(0.0).look(99.0, Used(99.0, 1)).look(900.0, Used(900.0, 2))
    assert busy.overdue(900.0, 60.0, None) == ""
    assert "within 70 s" in busy.overdue(900.0, 60.0, 10.0)


def test_cpu_alone_is_no_start_for_ever() -> None:
    """Some libraries spin where they get no memory: that moves, and never comes up."""
    spinning = StartWatch.begun(0.0).look(1.0, Used(1.0, 100)).look(120.0, Used(120.0, 100))
    assert spinning.overdue(120.0, 60.0, None) == ""
    spinning = spinning.look(121.0, Used(121.0, 100))
    assert "neither read nor wrote" in spinning.overdue(121.0, 60.0, None)
    assert spinning.look(122.0, Used(122.0, 101)).overdue(122.0, 60.0, None) == ""


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(starting, "LEAST_QUIET_S", 1.0)


def go(log: Path, kind: str, times: int = 1_000_000, **options: Any) -> list[FileOutcome]:
    recipe = BadStart(None, str(log), kind, times)
    settings = EngineOptions(**{"executor": "processes", "processes": 2, "retry_delay_s": 0.001, **options})
    return list(run(tasks(6), FakeJob(recipe), options=settings, limits=LIMITS))


NO_IMPORT = """
import sys
class Short:
    def find_spec(self, name, *_):
        if name == "orcabatch.engine.worker_loop":
            raise MemoryError
sys.meta_path.insert(0, Short())
"""
NO_INTERPRETER = """
import os
os.write(2, b"python: error while loading shared libraries: libm.so.6: failed to map segment\\n")
os._exit(127)
"""
NO_THREAD = """
import threading
def made(self, *args, **more):
    raise MemoryError("no room for a thread")
threading.Thread.__init__ = made
"""
TALKS = """
import os
os.write(2, b"a library that warns\\n")
"""


def at_birth(folder: Path, does: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[FileOutcome]:
    """A run whose worker processes do this before anything else."""
    (folder / "sitecustomize.py").write_text(does, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    settings = EngineOptions(**{"executor": "processes", "processes": 1, "retries": 0, **options})
    return list(run(tasks(1), FakeJob(), options=settings, limits=LIMITS))


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    ("does", "how"),
    [
        (NO_IMPORT, "ended with exit code 1, and said last: MemoryError()"),
        (NO_THREAD, "ended with exit code 1, and said last: MemoryError: no room for a thread"),
        pytest.param(
            NO_INTERPRETER,
            "ended with exit code 127, and said last: python: error while loading shared libraries: libm.so.6: failed "
            "to map segment",
            marks=needs("fork"),  # elsewhere it goes to the terminal
        ),
    ],
    ids=["no-memory-for-an-import", "no-memory-for-a-thread", "no-memory-for-the-interpreter"],
)
def test_what_ends_a_process_at_its_birth_is_said_with_it(
    does: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever it writes then stands in the sentence on its end, and nothing of it on the user's terminal."""
    (outcome,) = at_birth(tmp_path, does, monkeypatch)
    assert outcome.cause is Cause.CRASH
    assert f"{how} (" in str(outcome.error)
    assert capfd.readouterr() == ("", "")


def test_what_a_process_writes_at_its_birth_is_shown_where_it_comes_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A warning of a library that is loaded there is no death, and reaches the user as in his own process."""
    (outcome,) = at_birth(tmp_path, TALKS, monkeypatch)
    assert outcome.ok
    assert capfd.readouterr() == ("", "a library that warns\n")


def starts(log: Path) -> int:
    return len(log.read_text("utf-8").split())


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("threads", [1, 2])
def test_processes_that_die_at_birth_are_not_started_for_ever(threads: int, tmp_path: Path) -> None:
    """Of processes that are killed while they import a few are started, whatever the number of files and tries."""
    outcomes = go(tmp_path / "log", "killed", threads_per_process=threads, retries=5)
    assert [each.cause for each in outcomes] == [Cause.CRASH] * 6
    assert all("no worker process comes up" in str(each.error) for each in outcomes)
    assert all("signal 9" in str(each.error) and "executor: threads" in str(each.error) for each in outcomes)
    assert starts(tmp_path / "log") <= 2 + starting.FAILURES - 1


@pytest.mark.usefixtures("_quick")
def test_a_bad_moment_at_birth_costs_nothing(tmp_path: Path) -> None:
    """Processes that come up after some that died do all files, and none of these is blamed for it."""
    outcomes = go(tmp_path / "log", "killed", 3, retries=0)
    assert [each.status.value for each in outcomes] == ["ok"] * 6


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(("kind", "limit"), [("hangs", {"start_timeout_s": 1.0}), ("stops", {"timeout_s": 0.5})])
def test_a_start_that_hangs_is_given_up(kind: str, limit: dict[str, float], tmp_path: Path) -> None:
    """An import that hangs, and a process that is stopped before it began, end: by `start_timeout`, or by `timeout`."""
    before = set(psutil.Process().children())
    outcomes = go(tmp_path / "log", kind, **limit)
    assert [each.cause for each in outcomes] == [Cause.TIMEOUT] * 6
    assert all("neither its CPU nor its I/O moved for 1 s" in str(each.error) for each in outcomes)
    assert starts(tmp_path / "log") <= 2 + starting.HANGS
    assert set(psutil.Process().children()) <= before


@pytest.mark.usefixtures("_quick")
def test_auto_goes_back_to_threads_where_no_process_comes_up(tmp_path: Path) -> None:
    """`executor: auto` fails no file that threads would have done: it does them there."""
    said: list[str] = []
    options = EngineOptions(**{"retry_delay_s": 0.001, **MOVING})
    job = FakeJob(BadStart(None, str(tmp_path / "log"), "killed"))
    with quick_to_move():
        running = run(tasks(300), job, options=options, limits=LIMITS, probe=locked, listener=_why(said))
        outcomes = list(running)
    assert len(outcomes) == 300
    assert all(each.ok for each in outcomes)
    assert any("back to threads: no worker process comes up" in why for why in said)


def test_auto_goes_back_to_threads_where_the_system_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page file that is too small, a policy: threads work all the same, and go on."""

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(1455, "The paging file is too small for this operation to complete")

    monkeypatch.setattr(subprocess, "Popen", refused)
    said: list[str] = []
    options = EngineOptions(**MOVING)
    with quick_to_move():
        outcomes = list(run(tasks(300), FakeJob(), options=options, limits=LIMITS, probe=locked, listener=_why(said)))
    assert len(outcomes) == 300
    assert all(each.ok for each in outcomes)
    assert any("back to threads: no worker process can be started: " in why for why in said)


def _why(said: list[str]) -> Any:
    return lambda event: said.append(str(event.data.get("why", "")))
