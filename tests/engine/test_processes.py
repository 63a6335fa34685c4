"""Worker processes: what may travel, who survives whom, priority, pinning, recycling, orphans."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from capabilities import needs
from engine.fakes import MOVING, FakeJob, FakeRecipe, Say, Stubborn, locked, quick_to_move, task, tasks
from engine.travellers import LocalRecipe, Maker, MakingRecipe, Unwelcome
from orcabatch import console
from orcabatch.engine import EngineOptions, Limits, build_executor, run
from orcabatch.engine.executors import process_handle, processes
from orcabatch.engine.executors.packing import stays_because
from orcabatch.engine.executors.process_handle import Gone, ProcessHandle, end_descendants
from orcabatch.engine.executors.processes import ProcessExecutor
from orcabatch.engine.executors.threads import ThreadExecutor
from orcabatch.errors import SettingsError
from orcabatch.outcome import Cause, FileOutcome, Status
from orcabatch.sleep import awake_s
from orcabatch.versions import versions_of_results

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent

LIMITS = Limits(max_limit=4, fixed_limit=4)


def go(work: list[Any], job: FakeJob | None = None, listener: Any = None, **options: Any) -> list[FileOutcome]:
    settings = EngineOptions(**{"executor": "processes", "processes": 2, "retry_delay_s": 0.001, **options})
    return list(run(work, job or FakeJob(), options=settings, limits=LIMITS, listener=listener))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_killed_process_costs_the_file_that_kills_it(threads: int) -> None:
    """Of twenty files one kills its process each time: nineteen are delivered, that one is reported with its signal."""
    work = [task(index, say=Say(kill=True) if index == 5 else None) for index in range(20)]
    outcomes = go(work, retries=1, threads_per_process=threads)
    bad = [each for each in outcomes if not each.ok]
    assert [(each.index, each.cause) for each in bad] == [(5, Cause.CRASH)]
    assert "signal 9 (SIGKILL" in str(bad[0].error)
    assert "tried 2 times" in str(bad[0].error)
    assert len(outcomes) == 20


def test_a_file_whose_process_was_killed_once_succeeds_elsewhere() -> None:
    """A process that dies once costs nothing: its file is done again in another."""
    outcomes = go([task(0, say=Say(kill=True, until_attempt=2)), *tasks(5)[1:]], retries=2)
    first = next(each for each in outcomes if each.index == 0)
    assert (first.status, first.attempt, len(first.retried)) == (Status.OK, 2, 1)
    assert "worker process" in first.retried[0]
    assert all(each.ok for each in outcomes)


def test_an_end_that_its_reader_finds_no_memory_to_tell_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that writes to the process looks after it: nobody waits for the file for ever."""
    original, failed = ProcessExecutor._post, list[object]()

    def post(executor: ProcessExecutor, item: Any) -> None:
        if isinstance(item, Gone) and not failed:
            failed.append(item)
            raise MemoryError
        original(executor, item)

    monkeypatch.setattr(ProcessExecutor, "_post", post)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    outcomes = go([task(0, say=Say(kill=True, until_attempt=2)), task(1)], processes=1, retries=1)
    assert [each.ok for each in outcomes] == [True, True]
    assert failed


def test_neighbours_of_a_killer_are_not_blamed() -> None:
    """With two threads in each process, files beside one that always kills its process succeed all the same."""
    work = [task(index, say=Say(kill=True) if index in {0, 7} else None) for index in range(16)]
    outcomes = go(work, retries=2, threads_per_process=2)
    assert sorted(each.index for each in outcomes if not each.ok) == [0, 7]


def test_retries_of_none_report_the_first_crash() -> None:
    """With no retries a file whose process dies is reported at once."""
    outcomes = go([task(0, say=Say(kill=True))], retries=0)
    assert [(each.cause, each.attempt) for each in outcomes] == [(Cause.CRASH, 1)]


@pytest.mark.parametrize(("kind", "word"), [("Stubborn", "cannot be sent back"), ("Trap", "cannot be unpacked")])
def test_a_value_that_does_not_travel_costs_its_file(kind: str, word: str) -> None:
    """A result that cannot come back fails its file with what to do; the same process goes on with the others."""
    say = Say(value=Maker(kind))
    outcomes = go([task(0, say=say), *tasks(4)[1:]], FakeJob(MakingRecipe()), processes=1)
    bad = [each for each in outcomes if not each.ok]
    assert [(each.index, each.cause) for each in bad] == [(0, Cause.OUTPUT)]
    assert word in str(bad[0].error)
    assert "executor: threads" in str(bad[0].error)
    assert {each.worker for each in outcomes} == {"process-1-1"}


def test_a_payload_that_does_not_travel_costs_its_file() -> None:
    """What the job sends along and cannot be packed fails that file only."""
    outcomes = go([task(0, say=Stubborn()), *tasks(3)[1:]])
    assert {each.index: each.status for each in outcomes} == {0: Status.FAILED, 1: Status.OK, 2: Status.OK}


def test_a_recipe_that_does_not_travel_is_refused_at_once() -> None:
    """A function inside a function is refused before anything starts, with what to do about it."""
    job = FakeJob(LocalRecipe(lambda model: model))
    with pytest.raises(SettingsError, match=r"executor: threads.*move it to a module"):
        run(tasks(1), job, options=EngineOptions(executor="processes"), limits=LIMITS)
    assert stays_because(FakeRecipe()) is None
    assert "lambda" in str(stays_because(LocalRecipe(lambda model: model)))


def test_the_python_beside_a_frozen_program_has_its_packages_or_does_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports from folders of its own: what it would compute with others was kept as made by the program's."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", "/opt/tool")  # what `set_executable` names is another
    options = EngineOptions(executor="processes", processes=1)
    assert all(each.ok for each in run(tasks(2), FakeJob(), options=options, limits=LIMITS))
    wanted = (*versions_of_results()[:-1], ("numpy", "0.9"))
    monkeypatch.setattr(processes, "versions_of_results", lambda: wanted)
    with pytest.raises(SettingsError, match=r"of this frozen program have numpy .* instead of 0\.9: "):
        list(run(tasks(2), FakeJob(), options=options, limits=LIMITS))


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """This program is a tool that somebody froze; nothing is started from it."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(subprocess, "Popen", None)


@pytest.mark.usefixtures("frozen")
def test_a_frozen_program_is_told_before_anything_is_started() -> None:
    """In place of windows of its own, one for each worker process; `auto` stays where it is, and says why."""
    with pytest.raises(SettingsError, match=r"`executor: processes`: .* is no Python .*set_executable.*; or use"):
        run(tasks(1), FakeJob(), options=EngineOptions(executor="processes"), limits=LIMITS)
    said: list[RunEvent] = []
    options, limits = EngineOptions(**MOVING), replace(LIMITS, cpus=4)
    with quick_to_move():
        outcomes = list(run(tasks(60), FakeJob(), options=options, limits=limits, listener=said.append, probe=locked))
    assert all(each.ok for each in outcomes)
    assert {each.worker.split("-")[0] for each in outcomes} == {"worker"}
    assert "is no Python" in next(event.data["why"] for event in said if event.kind == "executor")


def test_worker_processes_have_low_priority_and_their_node() -> None:
    """Where asked, worker processes give way, and each is pinned to the CPUs of its node; this process is untouched."""
    seen: list[tuple[int, list[int]]] = []
    mine = psutil.Process().nice()
    cpu = sorted(os.sched_getaffinity(0))[0]

    def watch(event: RunEvent) -> None:
        children = psutil.Process().children() if event.kind == "started" else []
        seen.extend((child.nice(), child.cpu_affinity()) for child in children)

    go(tasks(6), listener=watch, priority="low", numa_cpus=((cpu,), (cpu,)))
    assert (max(10, mine), [cpu]) in seen
    assert psutil.Process().nice() == mine


def test_as_many_processes_as_the_plan_says() -> None:
    """The engine has no cap of its own: what the plan shows is what is started."""
    workers = build_executor(FakeRecipe(), EngineOptions(executor="processes", processes=100), LIMITS, tasks(1))
    assert workers.capacity == 100
    workers.close(now=True)


def test_a_process_that_keeps_memory_is_replaced() -> None:
    """A process that does not give its memory back is replaced when idle; the files do not notice."""
    say = Say(hog=40_000_000)
    work = [task(index, say=say if index >= 4 else None) for index in range(9)]
    outcomes = go(work, processes=1, recycle_growth_bytes=30_000_000)
    assert all(each.ok for each in outcomes)
    assert len({each.worker for each in outcomes}) >= 2


def test_a_module_that_is_missing_in_the_children_is_said() -> None:
    """A recipe that cannot be unpacked in the children ends the run with what to do."""
    with pytest.raises(SettingsError, match="make its module importable"):
        go(tasks(2), FakeJob(Unwelcome()))


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from engine.fakes import FakeJob, FakeRecipe, Say, task, tasks
from orcabatch.engine import EngineOptions, Limits, run
from orcabatch import console
from orcabatch.engine import build_executor
from orcabatch.engine.executors.packing import stays_because
from orcabatch.engine.executors.process_handle import ProcessHandle
from orcabatch.engine.executors.processes import ProcessExecutor
from orcabatch.engine.executors.threads import ThreadExecutor
print("script runs")
options = EngineOptions(executor="processes", processes=2)
limits = Limits(max_limit=2, fixed_limit=2)
"""


def script(tmp_path: Path, body: str) -> list[str]:
    path = tmp_path / "a script's.py"
    head = SCRIPT.format(path=[str(Path(__file__).parents[1])])
    path.write_text(head + textwrap.dedent(body), encoding="utf-8")
    return [sys.executable, str(path)]


def test_a_script_without_main_guard_runs_once(tmp_path: Path) -> None:
    """Worker processes do not run the user's script again: no main guard is needed."""
    body = """
    outcomes = list(run(tasks(6), FakeJob(), options=options, limits=limits))
    print(sum(each.ok for each in outcomes))
    """
    done = subprocess.run(script(tmp_path, body), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n") == ["script runs", "6", ""]


def test_what_lives_in_the_script_is_refused_with_advice(tmp_path: Path) -> None:
    """A recipe whose class is defined in the script itself cannot travel, and the message says why."""
    body = """
    class Mine(FakeRecipe):
        pass
    print(stays_because(Mine()))
    """
    done = subprocess.run(script(tmp_path, body), capture_output=True, text=True, timeout=60, check=True)
    assert "Mine is defined in the script or notebook itself" in done.stdout


def test_a_worker_process_has_no_command_line() -> None:
    """Modules that read theirs when they are imported find none of ours."""
    (outcome,) = go([task(0, say=Say(value=Maker("command line")))], FakeJob(MakingRecipe()), processes=1)
    assert outcome.value == ["-c"]


@needs("SIGKILL")
def test_children_end_with_their_parent(tmp_path: Path) -> None:
    """When the parent is killed its worker processes end, also with a file that hangs."""
    body = """
    import psutil
    def watch(event):
        if event.kind == "started":
            print("child", *(child.pid for child in psutil.Process().children()), flush=True)
    work = [task(0, say=Say(gate="/nonexistent/gate"))]
    list(run(work, FakeJob(), options=options, limits=limits, listener=watch))
    """
    with subprocess.Popen(script(tmp_path, body), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        line = next(line for line in parent.stdout if line.startswith("child"))
        children = [psutil.Process(int(pid)) for pid in line.split()[1:]]
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert (len(gone), alive) == (len(children), [])


@needs("signals from a descriptor")
def test_a_child_that_gives_no_thread_a_turn_ends_with_its_parent(tmp_path: Path) -> None:
    """As a library that spins and keeps Python's lock: nothing of ours could notice that the parent was killed."""
    body = """
    from engine.travellers import Maker, MakingRecipe
    list(run([task(0, say=Say(value=Maker("lock held")))], FakeJob(MakingRecipe()), options=options, limits=limits))
    """
    with subprocess.Popen(script(tmp_path, body), stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stderr is not None
        line = next(line for line in parent.stderr if line.startswith("keeps the lock"))
        child = psutil.Process(int(line.split()[-1]))
        parent.kill()
        parent.wait()
    try:
        child.wait(20)
    finally:
        if child.is_running():
            child.kill()


def test_whoever_waits_looks_up_as_often_as_windows_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """There a main thread that waits notices Ctrl-C only between two waits: none is without an end."""
    monkeypatch.setattr(console, "LONGEST_WAIT_S", 0.2)
    assert list(itertools.islice(console.pieces_s(None), 3)) == [0.2, 0.2, 0.2]
    assert list(console.pieces_s(awake_s() - 1.0)) == [0.0]
    assert 0.0 < next(console.pieces_s(awake_s() + 0.1)) <= 0.1


class Waited:
    """Stands for a process, or a thread, that ends at the third look."""

    def __init__(self) -> None:
        self.asked: list[float | None] = []

    def wait(self, timeout: float | None = None) -> int:
        self.asked.append(timeout)
        if len(self.asked) < 3:
            raise subprocess.TimeoutExpired("worker", timeout or 0.0)
        return 0

    def join(self, timeout: float | None = None) -> None:
        self.asked.append(timeout)

    def is_alive(self) -> bool:
        return len(self.asked) < 3

    def poll(self) -> int:
        return 0


def test_busy_workers_are_waited_for_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long their files take: a run that closes hears Ctrl-C on Windows meanwhile."""
    monkeypatch.setattr(console, "LONGEST_WAIT_S", 0.2)
    process, thread = Waited(), Waited()
    child: Any = SimpleNamespace(process=process, ends_by=None, reap=lambda: None)
    ProcessHandle.wait(child, None)
    session: Any = SimpleNamespace(thread=thread, name="w")
    ThreadExecutor._join(object.__new__(ThreadExecutor), [session], bounded=False)
    assert process.asked == thread.asked == [0.2, 0.2, 0.2]


@needs("process groups")
def test_a_process_that_is_ending_already_may_be_killed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows denies that while it hangs in a driver: the run goes on, and the file fails for its time."""
    killed = subprocess.Popen.kill

    def denied(process: subprocess.Popen[bytes]) -> None:
        killed(process)
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(subprocess.Popen, "kill", denied)
    process = object.__new__(ProcessHandle)
    process.fault, process._killed_s = "", None
    process.process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    with process.process:
        process.kill("it hangs")
    assert process.killed
    assert process.process.returncode


@needs("SIGSTOP")
def test_a_process_that_cannot_be_killed_is_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that hangs in a driver: the file after it is done in another, and the run ends."""
    stuck: list[ProcessHandle] = []

    def stopped(process: ProcessHandle) -> None:
        process._killed_s = awake_s()
        os.kill(process.pid, signal.SIGSTOP)
        stuck.append(process)

    monkeypatch.setattr(ProcessHandle, "_end", stopped)
    monkeypatch.setattr(process_handle, "ENDED_S", 0.1)
    work = [task(0, say=Say(gate=str(tmp_path / "never"))), task(1)]
    try:
        outcomes = go(work, processes=1, timeout_s=0.5, retries=0)
        assert {each.index: each.ok for each in outcomes} == {0: False, 1: True}
        (process,) = stuck
        assert "does not end: it hangs" in process.how_it_ended
    finally:
        for process in stuck:
            process.process.kill()
            process.reap()


def test_closing_waits_for_a_killed_process_only_so_long() -> None:
    """A run that is left at once does not hang with a process that does."""
    process = Waited()
    child: Any = SimpleNamespace(
        process=process, ends_by=awake_s() - 1.0, killed=True, name="p", kill=lambda: None, reap=lambda: None
    )
    ProcessHandle.wait(child, None)
    assert process.asked == [0.0]


def test_what_a_process_has_started_ends_with_it() -> None:
    """Where no group does that: on Windows."""
    nested = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()']).wait()"
    with subprocess.Popen([sys.executable, "-c", nested], stdin=subprocess.PIPE) as process:
        while not (children := psutil.Process(process.pid).children()):
            assert process.poll() is None
        end_descendants(process.pid)
        assert psutil.wait_procs(children, timeout=60)[1] == []
