"""What is drawn never holds up who has it drawn, and gets out as far as there is anybody to take it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import orcabatch
from births import BEFORE_ITS_TARGET, die_at_birth
from capabilities import needs, require
from monitor.making import task, tell
from orcabatch import background, simulated
from orcabatch.engine.contract import RunEvent
from orcabatch.monitor import displays
from orcabatch.monitor.dashboard import Dashboard
from orcabatch.monitor.displays import Bar, Lines
from orcabatch.monitor.drawing import Drawer


class UnreadPipe:
    """A pipe that is full and that nobody reads, as a console is that somebody clicked into."""

    def __init__(self) -> None:
        self.end, own = os.pipe()
        os.set_blocking(own, False)
        self.filled = 0
        for size in (4096, 1):  # to the last byte
            try:
                while True:
                    self.filled += os.write(own, b"x" * size)
            except BlockingIOError:
                pass
        os.set_blocking(own, True)
        self.stream = os.fdopen(own, "w", encoding="utf-8", errors="backslashreplace")

    def read(self) -> str:
        """All that was written beside the filling, once everybody has closed it."""
        self.stream.close()
        with os.fdopen(self.end, "rb") as reader:
            return reader.read()[self.filled :].decode()


@pytest.fixture
def pipe(monkeypatch) -> Iterator[UnreadPipe]:
    require("pipes that say when they are full")
    monkeypatch.setattr(displays, "PATIENCE_S", 0.05)
    made = UnreadPipe()
    yield made
    if not made.stream.closed:
        made.read()
    for thread in threading.enumerate():
        if thread.name == "orcabatch-draws":
            thread.join()


def fails(model: Any) -> None:
    raise ValueError("no such line")


@pytest.mark.parametrize("progress", ["lines", "bar"])
def test_a_run_ends_its_files_though_nobody_takes_what_it_shows(progress, pipe, tmp_path, monkeypatch, caplog):
    """A click into a Windows console, Ctrl-S, a pipe that nobody reads: it ends, and failures are named elsewhere."""
    sims = simulated.generate_batch(tmp_path, lngc=0, standard=3, stop_times_s=(10.0,))
    monkeypatch.setattr(sys, "stderr", pipe.stream)
    monkeypatch.setattr("orcabatch.monitor.displays.BAR_EVERY_S", 0.0)
    result = orcabatch.run_batch(sims, postprocess=fails, orcaflex="simulated", progress=progress)
    monkeypatch.undo()
    assert len(result.failed) == len(sims)
    assert "ValueError: no such line" in caplog.text, "as where nothing is shown"
    assert "3 of 3 files" in pipe.read()


COMMAND = """
from orcabatch.__main__ import process
from orcabatch.monitor import displays
displays.PATIENCE_S = 0.05
process()
"""


def test_a_command_ends_though_nobody_reads_its_standard_error(pipe, tmp_path):
    """With its own exit code, though a thread is still in a write to what the interpreter's end flushes."""
    sims = simulated.generate_batch(tmp_path / "sims", lngc=0, standard=2, stop_times_s=(10.0,))
    (tmp_path / "mine.py").write_text("def end(model):\n    return model.simulationStopTime\n", encoding="utf-8")
    words = ["run", "--postprocess", "mine:end", *map(str, sims), "--orcaflex", "simulated", "--save", "all.csv"]
    with Path(tmp_path / "said.txt").open("wb") as said:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *words],
            cwd=tmp_path, stdout=said, stderr=pipe.stream, check=False, timeout=100,
        )  # fmt: skip
    assert done.returncode == 0
    assert "2 of 2 files done" in (tmp_path / "said.txt").read_text(encoding="utf-8")
    assert (tmp_path / "all.csv").is_file()


@pytest.mark.parametrize("made", [Lines, Bar, Dashboard])
def test_what_is_shown_last_gets_out_when_somebody_takes_it(made, pipe, monkeypatch):
    """Of what was drawn meanwhile the newest only; what was said is all there, in its order, and before that."""
    display = made(pipe.stream)
    display.every_s = 0.0
    display.tracker.state.expect([task(index) for index in range(4)])
    tell(display, RunEvent("run_started", 0.0, -1, {"files": 4, "limit": 2, "executor": "threads"}))
    for index in range(4):
        tell(display, RunEvent("finished", index + 1.0, index, {"status": "failed", "error": f"reason {index}"}))
        tell(display, RunEvent("warning", index + 1.5, -1, {"text": f"stopping {index}", "stopping": True}))
    tell(display, RunEvent("run_finished", 5.0, -1, {"interrupted": True}))
    display.close()
    said = pipe.read()
    assert [said.index(f"stopping {index}") for index in range(4)] == sorted(
        said.index(f"stopping {index}") for index in range(4)
    )
    assert said.index("stopping 3") < said.index("4 of 4 files")
    assert "3 of 4 files" not in said
    assert not display.names_failures, "when it was closed nobody had read them"


def test_lines_name_failures_where_they_got_out(tmp_path):
    """Then nothing else names them; and the stream that was given stays open."""
    with Path(tmp_path / "log.txt").open("w", encoding="utf-8") as stream:
        display = Lines(stream)
        display.tracker.state.expect([task(0)])
        tell(display, RunEvent("finished", 1.0, 0, {"status": "failed", "error": "empty file"}))
        display.close()
        assert display.names_failures
        stream.write("after it\n")
    said = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert (said[0], said[-1]) == ("orcabatch: failed: case 0.sim: empty file", "after it")


def test_there_is_room_for_so_much_and_what_is_beyond_is_left_out(pipe, monkeypatch):
    """A batch with thousands of failures before a console that takes nothing keeps some of them."""
    monkeypatch.setattr(background, "MOST_SAID", 3)
    drawer, said, held = Drawer(pipe.stream), [], threading.Event()
    begun = threading.Event()
    drawer.say(lambda: (begun.set(), held.wait()))
    begun.wait()
    for number in range(5):
        drawer.say(lambda number=number: said.append(number))
    held.set()
    drawer.close()
    assert drawer.left_out
    assert said == [0, 1, 2]


@pytest.mark.parametrize("raised_at", ["say", "close"])
def test_what_drawing_ends_with_is_raised_where_it_was_asked_for(raised_at, pipe):
    """A terminal that is gone: whoever calls a display learns it, and draws no more."""
    drawer = Drawer(pipe.stream)

    def gone() -> None:
        raise BrokenPipeError("gone")

    drawer.say(gone)
    if raised_at == "say":
        drawer._thread.join()
    with pytest.raises(BrokenPipeError, match="gone"):
        drawer.say(print) if raised_at == "say" else drawer.close()
    assert drawer.left_out


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_without_a_thread_it_is_drawn_at_once(tmp_path, monkeypatch):
    """As it is where the system has no such place: a buffer, a notebook."""
    die_at_birth(monkeypatch, "orcabatch-draws", BEFORE_ITS_TARGET)
    said = []
    with Path(tmp_path / "log.txt").open("w", encoding="utf-8") as stream:
        for drawer in (Drawer(stream), Drawer(io.StringIO()), Drawer(io.TextIOWrapper(io.BytesIO()))):
            drawer.say(lambda: said.append(threading.get_ident()))
            drawer.close()
    assert said == [threading.get_ident()] * 3


@needs("terminals")
@pytest.mark.parametrize("made", [Bar, Dashboard])
def test_the_end_of_a_display_that_was_held_stands_below_what_was_printed_since(made, monkeypatch):
    """It does not draw over the command's own last lines, and gives the cursor back."""
    monkeypatch.setattr("orcabatch.monitor.displays.PATIENCE_S", 0.05)
    monkeypatch.setenv("TERM", "xterm")
    outer, inner = os.openpty()
    held, begun = threading.Event(), threading.Event()
    with os.fdopen(inner, "w", encoding="utf-8") as terminal:
        display = made(terminal)
        display.tracker.state.expect([task(0), task(1)])
        tell(display, RunEvent("run_started", 0.0, -1, {"files": 2, "limit": 2, "executor": "threads"}))
        drawn = b""
        while b"0 of 2 files" not in drawn:
            drawn += os.read(outer, 100_000)
        display._drawer.say(lambda: (begun.set(), held.wait()))
        begun.wait()
        tell(display, RunEvent("warning", 0.5, -1, {"text": "stopping", "stopping": True}))
        for index in range(2):
            tell(display, RunEvent("finished", index + 1.0, index, {"status": "ok"}))
        tell(display, RunEvent("run_finished", 5.0, -1, {"interrupted": False}))
        display.close()
        os.write(inner, b"1 output file\n")
        held.set()
        display._drawer._thread.join()
        shown = b""
        while b"\x1b[?25h" not in shown:
            shown += os.read(outer, 100_000)
    after = shown.decode().partition("1 output file")[2]
    os.close(outer)
    assert b"\x1b[?25l" in drawn, "drawing hid the cursor"
    assert "A\x1b[2K" not in after, "up a line, which is wiped"
    assert after.index("stopping") < after.index("2 of 2 files") < after.index("\x1b[?25h"), "and is shown again"


def test_a_console_that_takes_it_again_at_the_end_of_the_program_gets_the_end(tmp_path):
    """As after Ctrl-Q: what the program prints last gets out, and it ends; the cursor would stay hidden."""
    script = """
import atexit, sys, threading, time
from orcabatch.monitor.drawing import Drawer
held = threading.Event()
drawer = Drawer(sys.stderr)
drawer.say(lambda: (held.wait(), [time.sleep(0.001) for _ in range(50)], drawer.stream.write("the end")))
drawer.close(0.0)
atexit.register(held.set)
"""
    with Path(tmp_path / "said.txt").open("wb") as said:
        subprocess.run([sys.executable, "-c", script], stderr=said, check=True, timeout=100)
    assert (tmp_path / "said.txt").read_text(encoding="utf-8") == "the end"
