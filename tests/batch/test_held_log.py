"""A console that takes nothing, where lines of the log go: all files end meanwhile, and no line is lost."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

import orcabatch
import world_functions as world
from capabilities import needs
from monitor.test_drawing import UnreadPipe
from orcabatch.engine import logs


class Held:
    """A stream that takes nothing before it is given free, as a console that somebody clicked into."""

    def __init__(self) -> None:
        self.free, self.texts = threading.Event(), list[str]()

    def write(self, text: str) -> None:
        self.free.wait()
        self.texts.append(text)

    def flush(self) -> None:
        """All is out."""

    def lines(self) -> list[str]:
        """Give it free; all that was written, once the thread that writes is over."""
        self.free.set()
        for thread in threading.enumerate():
            if thread.name == "orcabatch-logs":
                thread.join()
        return "".join(self.texts).splitlines()


@pytest.fixture
def held(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Where the user's own handler writes all lines."""
    stream = Held()
    handler = logging.StreamHandler(stream)
    caplog.set_level(logging.INFO)
    logging.root.addHandler(handler)
    monkeypatch.setattr(logs, "PATIENCE_S", 0.05)
    yield stream
    stream.lines()
    logging.root.removeHandler(handler)


def gone(shot: Any) -> None:
    """A display that fails: that is said at once."""
    raise ValueError("no window")


def fails(model: Any) -> None:
    """What is said when all files have ended."""
    raise ValueError("no such line")


def run(sims: Any, function: Any, executor: str, progress: Any = False) -> Any:
    performance = {"executor": executor, "process_count": 2, "threading": {"max_threads": 2}}
    more = {"performance": performance, "orcaflex": "simulated"}
    return orcabatch.run_batch(sims, postprocess=function, progress=progress, **more)


def test_what_the_run_warns_of_holds_up_no_file(orcaflex: Any, sims: Any, held: Held) -> None:
    """Neither while files are worked on, nor at the end, where whoever called is waited for."""
    result = run(sims, fails, "threads", progress=gone)
    assert len(result.failed) == len(sims)
    assert held.texts == []
    said = "\n".join(held.lines())
    assert "ValueError: no window" in said
    assert "ValueError: no such line" in said


def test_what_functions_log_in_worker_processes_holds_up_no_file(orcaflex: Any, sims: Any, held: Held) -> None:
    """Nothing of it is lost, and each process's lines stand in its order."""
    result = run(sims, world.logs_its_steps, "processes")
    assert result.ok
    assert held.texts == []
    said = [line.split() for line in held.lines() if line.startswith("step ")]
    assert sorted(said) == sorted(["step", str(step), sim.name] for sim in sims for step in range(3))
    for sim in sims:
        assert [step for _, step, name in said if name == sim.name] == ["0", "1", "2"]


def test_lines_of_a_file_are_handled_before_its_outcome_comes(
    orcaflex: Any, sims: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a plain loop, where nothing is held: what the caller says of the file stands below what it said itself."""
    monkeypatch.setattr(logs, "MOMENT_S", 1e6)
    more = {"performance": {"executor": "processes", "process_count": 2}, "orcaflex": "simulated"}
    with caplog.at_level(logging.INFO):
        for outcome in orcabatch.iter_batch(sims, postprocess=world.logs_its_steps, **more):
            assert [each for each in caplog.messages if outcome.file.name in each] == [
                f"step {step} {outcome.file.name}" for step in range(3)
            ]


SCRIPT = """
import sys
import orcabatch
from orcabatch import simulated
from orcabatch.engine import logs

logs.PATIENCE_S = 0.05

def end(model):
    return model.simulationStopTime

def gone(shot):
    raise ValueError("no window")

result = orcabatch.run_batch(sys.argv[1:], postprocess=end, orcaflex="simulated", progress=gone)
print(len(result.values), flush=True)
"""


@needs("pipes that say when they are full")
def test_a_script_without_logging_of_its_own_has_its_results(sims: Any) -> None:
    """Python writes its warnings to standard error then; the script goes on, and ends once that is taken."""
    pipe = UnreadPipe()
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, sims)], stdout=subprocess.PIPE, stderr=pipe.stream
    ) as script:
        assert script.stdout is not None
        assert script.stdout.readline() == f"{len(sims)}\n".encode()
        said = pipe.read()
    assert script.returncode == 0
    assert "no window" in said


AT_THE_END = """
import pickle
from orcabatch import background
from orcabatch.engine import logs
from orcabatch.engine.echo import echo
from orcabatch.engine.worker_messages import Warned

logs.PATIENCE_S = logs.MOMENT_S = 0.0

with logs.handled_in_background():
    for text in ("first", "second"):
        echo(Warned(pickle.dumps(UserWarning(text)), "a.py", 1, "a"))

def says_whether_it_ends(thread, deadline=None, waits=background.awaited_end):
    print(deadline, flush=True)
    return waits(thread, deadline)

background.awaited_end = says_whether_it_ends
"""


@needs("pipes that say when they are full")
def test_python_ends_after_the_last_line_got_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends while a thread has the lock of standard error aborts, with a dump and an exit code of its own."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # without a buffer there is no lock
    pipe = UnreadPipe()
    with subprocess.Popen([sys.executable, "-c", AT_THE_END], stdout=subprocess.PIPE, stderr=pipe.stream) as script:
        assert script.stdout is not None
        if script.stdout.readline() != b"None\n":
            with suppress(subprocess.TimeoutExpired):
                script.wait(5.0)  # until the interpreter is about to say why it aborts
        said = pipe.read()
    assert script.returncode == 0
    assert "UserWarning: first" in said
    assert "UserWarning: second" in said
