"""Our own processes at a console of any code page."""

from __future__ import annotations

import ast
import errno
import io
import os
import pickle
import queue
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from multiprocessing import spawn
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from capabilities import needs
from docs_pages import ROOT
from orcabatch import __main__ as main
from orcabatch import cli, console, plan_batch, win32
from orcabatch.batch.input_files import InputFiles
from orcabatch.console import (
    crash_without_a_dialog,
    exit_code_text,
    flush_streams,
    leave_the_terminal_to_the_parent,
    pipe_is_closed,
    reader_is_gone,
)
from orcabatch.engine.executors import process_main
from orcabatch.engine.executors.launching import launch, tell_windows
from orcabatch.engine.executors.process_main import WorkerProcess, _watch
from orcabatch.engine.executors.transport import Ready, Wire
from orcabatch.host import measure, system_probes
from orcabatch.network import Partition
from orcabatch.orcaflex.sim_files import check_readable
from orcabatch.sleep import awake_s
from orcabatch.win32 import without_boxes

CODE_PAGES = ("ascii", "cp1252", "cp850", "utf-8")

FUNCTION = """
def talkative(model):
    print("\u0394\u03c3 of", model.simulationComplete, flush=True)
    return 1.0
"""

SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import orcabatch
from talking import talkative
result = orcabatch.run_batch({files!r}, postprocess=talkative, orcaflex="simulated", progress=False,
                             performance={{"executor": {executor!r}, "process_count": 1}})
for outcome in result.failed:
    sys.exit(str(outcome.error).encode("ascii", "replace").decode())
"""


def at_code_page(encoding: str) -> dict[str, str]:
    """The environment of a process whose streams have this encoding, strictly."""
    return {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    from orcabatch import simulated

    return [str(file) for file in simulated.generate_batch(tmp_path / "\u0394 sims", lngc=0, standard=2)]


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_what_a_function_prints_in_a_worker_process_never_fails_its_file(tmp_path, files, encoding):
    """Letters that the code page lacks arrive as escapes."""
    (tmp_path / "talking.py").write_text(FUNCTION, encoding="utf-8")
    script = SCRIPT.format(here=str(tmp_path), files=files, executor="processes")
    done = subprocess.run([sys.executable, "-c", script], env=at_code_page(encoding), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    said = "\u0394\u03c3".encode(encoding, "backslashreplace")
    assert done.stderr.count(said) == 2


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_the_command_line_can_be_redirected_at_any_code_page(tmp_path, encoding):
    """`orcabatch plan > log.txt` with a folder that the code page cannot spell: its message, not a traceback."""
    missing = tmp_path / "\u0394\u03c3.yml"
    done = subprocess.run(
        [sys.executable, "-m", "orcabatch", "plan", str(missing)],
        env=at_code_page(encoding), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert "\u0394\u03c3".encode(encoding, "backslashreplace") in done.stderr


def test_workers_leave_ctrl_c_and_ctrl_break_to_their_parent(monkeypatch):
    """Ctrl-Break exists on Windows only; it would end the very processes that the parent waits for."""
    set_to: dict[int, object] = {}
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
    monkeypatch.setattr(signal, "signal", set_to.__setitem__)
    leave_the_terminal_to_the_parent()
    hang_up = {signal.SIGHUP: signal.SIG_IGN} if hasattr(signal, "SIGHUP") else {}
    assert set_to == {signal.SIGINT: signal.SIG_IGN, **hang_up, 21: signal.SIG_IGN}


FORTRAN = "FOR_DISABLE_CONSOLE_CTRL_HANDLER"

ASKS = f"""
import os

def asks(model):
    return os.environ[{FORTRAN!r}]
"""

ASKED = """
import os, sys
sys.path.insert(0, {here!r})
import orcabatch
from asking import asks
result = orcabatch.run_batch({files!r}, postprocess=asks, orcaflex="simulated", progress=False,
                             performance={{"executor": "processes", "process_count": 1}})
print(*result.values, os.environ.get({name!r}))
"""


def test_no_fortran_library_has_ctrl_c_in_processes_of_ours(tmp_path, files, monkeypatch):
    """Anaconda's scipy would end them at the first one; who called a batch from a script of his own keeps his world."""
    monkeypatch.delenv(FORTRAN, raising=False)
    (tmp_path / "asking.py").write_text(ASKS, encoding="utf-8")
    script = ASKED.format(here=str(tmp_path), files=files, name=FORTRAN)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1", "1", "None"], done.stderr


@pytest.mark.parametrize("before", [None, "0"])
def test_it_is_said_before_any_library_is_loaded_and_never_over_the_users_word(monkeypatch, before):
    """At the door of the command line, and where Ctrl-C is left to the parent (workers, dask's, the doctor's child)."""
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(console, "_OURS", False)
    said = []
    monkeypatch.setattr(main, "command_line", lambda: said.append(os.environ[FORTRAN]) or 0)
    for door in (main.main, leave_the_terminal_to_the_parent):
        monkeypatch.setenv(FORTRAN, before) if before else monkeypatch.delenv(FORTRAN, raising=False)
        door()
        assert os.environ[FORTRAN] == (before or "1")
    assert said == [before or "1"]


READS = """
import sys

def reads(model):
    with open(__file__) as text:
        return text.encoding, sys.flags.utf8_mode, sys.flags.optimize
"""

READ = """
import sys
sys.path.insert(0, {here!r})
import orcabatch
from reading import reads
for executor in ("serial", "processes"):
    result = orcabatch.run_batch({files!r}, postprocess=reads, orcaflex="simulated", progress=False,
                                 performance={{"executor": executor, "process_count": 1}})
    print(*result.values)
"""


@pytest.mark.parametrize("flags", [["-X", "utf8=1"], ["-X", "utf8=0"], ["-O", "-X", "utf8"]])
def test_a_function_reads_the_same_letters_in_worker_processes(tmp_path, files, flags):
    """`python -X utf8` reads text as UTF-8, and without it in the code page of Windows: 12° would be 12Â° there."""
    (tmp_path / "reading.py").write_text(READS, encoding="utf-8")
    script = READ.format(here=str(tmp_path), files=files[:1])
    otherwise = {**os.environ, "PYTHONUTF8": "1" if "utf8=0" in flags else "0"}
    said = subprocess.check_output([sys.executable, *flags, "-c", script], env=otherwise, text=True).splitlines()
    assert len(said) == 2
    assert said[0] == said[1]


def test_our_python_has_the_flags_that_change_what_code_does(monkeypatch):
    """Python's own, as it was started: a variable that was set since counts for neither."""
    for utf8, optimize in ((0, 0), (1, 2)):
        monkeypatch.setattr(sys, "flags", SimpleNamespace(utf8_mode=utf8, optimize=optimize))
        command = console.own_python("-c", "import sys; print(sys.flags.utf8_mode, sys.flags.optimize)")
        monkeypatch.undo()
        assert subprocess.check_output(command, env={**os.environ, "PYTHONUTF8": str(1 - utf8)}, text=True).split() == [
            str(utf8),
            str(optimize),
        ]


def test_a_python_beside_a_frozen_program_imports_what_is_its_own(monkeypatch):
    """What the program imports from holds its own modules alone, without most of the standard library."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    process, lifeline = launch()
    try:
        process.stdin.write(pickle.dumps(["/opt/reports/_internal/base_library.zip"]))
        process.stdin.flush()
        said, begun = Wire(process.stdout, process.stdin).await_begin()
        assert begun, said
    finally:
        process.kill()
        process.communicate()
        if lifeline is not None:
            lifeline.close()


@pytest.mark.parametrize(
    ("executable", "frozen", "named"),
    [
        (r"C:\Program Files\Reports\reports.exe", True, "reports.exe"),
        (r"C:\tools\python_reports.exe", True, "python_reports.exe"),
        (r"C:\Program Files\Orcina\OrcaFlex\OrcaFlex64.exe", False, "OrcaFlex64.exe"),
        ("", False, "this program"),
        (None, False, "this program"),
        (r"C:\Python312\pythonw.exe", False, ""),
        ("/usr/bin/pypy3", False, ""),
    ],
)
def test_a_program_that_is_no_python_is_not_started_once_more(monkeypatch, executable, frozen, named):
    """A frozen tool, and one that has Python inside, would begin its own work again; what the user names counts."""
    monkeypatch.setattr(spawn, "_python_exe", executable)
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(sys, "frozen", frozen, raising=False)
    said = console.no_python(lambda _: True)
    assert said.startswith(f"{named} is no Python") if named else not said
    monkeypatch.setattr(spawn, "_python_exe", os.fsencode(r"C:\Python312\python.exe"))
    assert (console.no_python(lambda _: True), console.python()) == ("", r"C:\Python312\python.exe")


def test_a_python_that_is_not_there_is_none(monkeypatch, tmp_path):
    """Programs by Nuitka name one beside themselves, so that nobody starts the program once more by that name."""
    monkeypatch.setattr(spawn, "_python_exe", str(tmp_path / "tool.dist" / "python.exe"))
    assert console.no_python().startswith("python.exe is no Python")
    monkeypatch.setattr(spawn, "_python_exe", sys.executable)
    assert not console.no_python()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1, "1"),
        (3221225477, "0xC0000005 (access violation)"),
        (0xC0000374, "0xC0000374 (heap corruption)"),
        (0xC0000999, "0xC0000999"),
    ],
)
def test_exit_codes_of_windows_can_be_looked_up(code, text):
    """3221225477 says nothing to an engineer."""
    assert exit_code_text(code) == text


class Pipe:
    """A standard output that cannot be written any more, or can."""

    def __init__(self, error: OSError | None) -> None:
        self.error = error

    def flush(self) -> None:
        if self.error is not None:
            raise self.error


CLOSED = OSError(errno.EINVAL, "Invalid argument")


@pytest.mark.parametrize(
    ("error", "platform", "stream", "gone"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "linux", Pipe(None), True),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "win32", Pipe(None), True),
        (CLOSED, "win32", Pipe(CLOSED), True),
        (CLOSED, "win32", Pipe(None), False),
        (CLOSED, "win32", None, False),
        (CLOSED, "linux", Pipe(CLOSED), False),
        (PermissionError(errno.EACCES, "Permission denied"), "win32", Pipe(CLOSED), False),
    ],
)
def test_a_reader_that_went_is_told_from_other_errors(monkeypatch, error, platform, stream, gone):
    """Windows may say "invalid argument" for a closed pipe; whatever else says so goes on as an error."""
    monkeypatch.setattr(sys, "stdout", stream)
    assert reader_is_gone(error, platform) is gone


class Unread:
    """A wire to a parent that is gone, or whose pipe other code has closed."""

    def __init__(self, error: OSError) -> None:
        self.error = error

    def send(self, word: object, *, at_once: bool = True) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "platform", "goes_on"),
    [(CLOSED, "win32", True), (CLOSED, "linux", False), (OSError("closed by other code"), "win32", False)],
)
def test_a_worker_whose_parent_is_gone_ends_without_a_traceback(monkeypatch, error, platform, goes_on):
    """Windows says "invalid argument" for the pipe that nobody reads; what else goes wrong is still an error."""
    monkeypatch.setattr(pipe_is_closed, "__defaults__", (platform,))
    worker: Any = object.__new__(WorkerProcess)
    worker._wire = Unread(error)
    if goes_on:
        worker._send(Ready())
    else:
        with pytest.raises(OSError, match=re.escape(str(error))):
            worker._send(Ready())


@pytest.mark.parametrize("name", ["orcabatch-gil-told", "process-1-2", "of the function"])
def test_a_thread_of_ours_that_finds_no_memory_is_told_in_a_sentence(monkeypatch, capsys, name):
    """By its worker process; a thread that a function has left shows its traceback, as in a plain loop."""
    told: list[Any] = []
    worker: Any = object.__new__(WorkerProcess)
    worker._wire = SimpleNamespace(send=lambda word, **_: told.append(word))
    worker._setup, worker._keeps = SimpleNamespace(name="process-1"), False
    monkeypatch.setattr(threading, "excepthook", worker._thread_failed)

    def failing():
        raise MemoryError("no room")

    thread = threading.Thread(target=failing, name=name)
    thread.start()
    thread.join()
    shown, ours = capsys.readouterr().err, name != "of the function"
    assert [name in each.message.text and "MemoryError: no room" in each.message.text for each in told] == [True] * ours
    assert ("Traceback" in shown) is not ours


def test_a_program_without_streams_has_nothing_to_flush(monkeypatch):
    """As pythonw is; and a stream that is closed already takes nothing with it."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", Pipe(CLOSED))
    flush_streams()


def test_a_command_without_streams_ends_as_one_with_them(monkeypatch):
    """`pythonw -m orcabatch` from a scheduler: its exit code, and no AttributeError after all was done."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["doctor", "--forget"]) == 0


@needs("fork")
def test_worker_processes_of_a_program_without_standard_error_print_into_nothing(tmp_path, files):
    """Its number is free there, and a pipe of ours would get it: what a function prints would go into that."""
    (tmp_path / "talking.py").write_text(FUNCTION, encoding="utf-8")
    script = SCRIPT.format(here=str(tmp_path), files=files, executor="processes")
    done = subprocess.run(
        [sys.executable, "-c", script], preexec_fn=lambda: os.close(2), stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == 0


def test_a_worker_prints_on_a_console_by_the_stream_for_consoles(monkeypatch, capfd):
    """The one that Python made over a pipe writes in another code page than a console of Windows reads."""
    over_a_pipe = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", over_a_pipe)
    monkeypatch.setattr(console.os, "isatty", lambda descriptor: descriptor == 1)
    console.print_to_console("linux")
    assert sys.stdout is over_a_pipe
    console.print_to_console("win32")
    print("12° Δσ")
    sys.stdout.close()
    assert capfd.readouterr().out == "12° Δσ\n"
    os.fstat(1)  # the descriptor is not the stream's


def test_windows_has_the_standard_handles_that_python_has():
    """Also where a descriptor has none: C's `dup2` tells Windows of them in console programs alone."""
    told = {}

    class Kernel:
        def SetStdHandle(self, name, handle):  # noqa: N802 - Windows' name
            told[name] = handle.value

    def handle_of(descriptor):
        if descriptor == 2:
            raise OSError(errno.EBADF, "Bad file descriptor")
        return 100 + descriptor

    tell_windows(Kernel(), handle_of)
    assert told == {-10: 100, -11: 101}


def test_our_processes_crash_without_a_dialog(monkeypatch):
    """On Windows a message box keeps a crashed process alive until somebody closes it."""
    modes: list[int] = []
    library = SimpleNamespace(SEM_FAILCRITICALERRORS=1, SEM_NOGPFAULTERRORBOX=2, SetErrorMode=modes.append)
    monkeypatch.setitem(sys.modules, "msvcrt", library)
    monkeypatch.setattr(sys, "platform", "win32")
    crash_without_a_dialog()
    assert modes == [3]
    monkeypatch.setattr(main, "command_line", lambda: modes.pop() * 0)
    assert main.main() == 0, "the command line is such a process"
    assert modes == [3]


HANGS = """
import atexit, threading
from orcabatch import __main__, own_thread

def command_line():
    if {hangs}:
        own_thread.OwnThread(threading.Event().wait, "orcabatch-in-orcaflex").start()
    atexit.register(print, "what others do at the end")
    return 3

__main__.command_line = command_line
__main__.end_now = lambda code: print("ended with", code)
__main__.process()
"""


@pytest.mark.parametrize("hangs", [True, False])
def test_a_command_that_leaves_a_thread_behind_has_no_library_clean_up(hangs):
    """It hangs in OrcaFlex, with what it has locked there; all else at Python's end is done before."""
    done = subprocess.run(
        [sys.executable, "-c", HANGS.format(hangs=hangs)], capture_output=True, text=True, check=False
    )
    said = ["what others do at the end", *(["ended with 3"] if hangs else [])]
    assert (done.stdout.splitlines(), done.returncode) == (said, 3), done.stderr


@pytest.mark.parametrize(("answers", "ends"), [(psutil.AccessDenied(7), []), (psutil.NoSuchProcess(7), [1])])
def test_a_parent_that_may_not_be_looked_at_has_not_ended(monkeypatch, answers, ends):
    """On Windows, where the two have other rights: the pipe's end alone tells, and nothing is printed of it."""
    ended: list[int] = []

    def process(_: int) -> None:
        raise answers

    monkeypatch.setattr(psutil, "Process", process)
    monkeypatch.setattr(process_main, "end_now", ended.append)
    monkeypatch.setattr(sys, "platform", "win32")
    _watch(7)
    assert ended == ends


@pytest.mark.parametrize(("code", "ends"), [(0, "_exit"), (1, "end_now")])
def test_a_worker_process_that_leaves_its_threads_has_no_library_clean_up(monkeypatch, code, ends):
    """Its parent is gone, and they are in OrcaFlex: Windows ends them there. Where it was closed none is left."""
    for name in ("claim", "leave_the_terminal_to_the_parent", "crash_without_a_dialog", "flush_streams"):
        monkeypatch.setattr(process_main, name, lambda: None)
    monkeypatch.setattr(process_main, "take_streams", io.BytesIO)
    monkeypatch.setattr(process_main, "_live", lambda _: code)

    def over(name: str) -> Any:
        def end(_: int) -> None:
            raise StopIteration(name)

        return end

    monkeypatch.setattr(process_main, "end_now", over("end_now"))
    monkeypatch.setattr(os, "_exit", over("_exit"))
    monkeypatch.setattr(process_main, "Wire", lambda *_: SimpleNamespace(begin=lambda: None))
    with pytest.raises(StopIteration, match=ends):
        process_main.main(io.BytesIO())


class ThreadModes(threading.local):
    """kernel32 as far as a thread says what it wants to be shown."""

    def __init__(self) -> None:
        self.mode, self.set = 0x2, list[int]()

    def GetThreadErrorMode(self) -> int:  # noqa: N802 - Windows' name
        return self.mode

    def SetThreadErrorMode(self, mode: int, before: None) -> int:  # noqa: N802 - Windows' name
        self.mode = mode
        self.set.append(mode)
        return 1


@pytest.fixture
def modes(monkeypatch) -> ThreadModes:
    kernel = ThreadModes()
    monkeypatch.setattr(win32, "kernel32", lambda: kernel)
    return kernel


def test_an_empty_drive_is_an_error_and_no_box(modes):
    """Windows asks for a disk in a box and waits; what the thread had said before is there again, after a fault too."""
    with pytest.raises(ZeroDivisionError), without_boxes():
        _ = 1 / (modes.mode - 0x8003)
    assert modes.set == [0x8003, 0x2]


def _modes_of_lookers(modes, files, monkeypatch) -> list[int]:
    """Those in which other threads look at the files of a batch, before it and when a file begins."""
    seen, stat = list[int](), Path.stat

    def looked(self, **kwargs):
        seen.append(modes.mode)
        return stat(self, **kwargs)

    monkeypatch.setattr(Path, "stat", looked)
    looking = InputFiles(print)
    looking.look_at(map(Path, files))
    before = len(seen)
    looking.begin(0, Path(files[0]))
    looking.close()
    assert 0 < before < len(seen)
    return seen


def test_whoever_looks_into_drives_shows_no_box(modes, files, monkeypatch):
    """Measuring the host asks each letter, reading a request those of its files, a session that of the next one."""
    seen = []

    def usage(_: str) -> None:
        seen.append(("host", modes.mode))

    stat, opened = os.stat, Path.open

    def looked(path, *args, **kwargs):
        if str(path).endswith(".sim"):
            seen.append(("request", modes.mode))
        return stat(path, *args, **kwargs)

    def opens(path, *args, **kwargs):
        if path.suffix == ".sim":
            seen.append(("session", modes.mode))
        return opened(path, *args, **kwargs)

    partitions = (Partition("D:\\", "D:\\", "", "rw,removable"),)
    measure(replace(system_probes(), partitions=lambda: partitions, disk_usage=usage))
    monkeypatch.setattr(os, "stat", looked)
    plan_batch(files, postprocess=len, orcaflex="simulated")
    monkeypatch.setattr(Path, "open", opens)
    check_readable(Path(files[0]))
    monkeypatch.setattr(Path, "open", opened)
    seen += [("looker", mode) for mode in _modes_of_lookers(modes, files, monkeypatch)]
    assert {what for what, _ in seen} == {"host", "request", "session", "looker"}
    assert {mode for _, mode in seen} == {0x8003}
    assert modes.mode == 0x2


def without_encoding(source: Path) -> list[str]:
    """Where a module opens text without saying in which encoding."""
    found = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        if name not in TEXT or any(word.arg == "encoding" for word in node.keywords):
            continue
        said = [each.value for each in node.args if isinstance(each, ast.Constant)]
        given = len(node.args) - (name == "write_text")
        method = isinstance(node.func, ast.Attribute)
        is_text = {"read_text": method and not given, "write_text": method and not given}.get(
            name, any(isinstance(mode, str) and MODES.fullmatch(mode) for mode in said)
        )
        found += [f"{source.name}:{node.lineno}"] if is_text else []
    return found


TEXT = ("open", "fdopen", "read_text", "write_text")
MODES = re.compile(r"[rwax]\+?t?")


def test_no_text_is_read_or_written_in_the_code_page_of_the_machine():
    """It is another one in every country; what pipes and devices take is text, too."""
    assert [each for source in sorted((ROOT / "src").rglob("*.py")) for each in without_encoding(source)] == []


UNTIMED = {
    "bench/real_memory.py: neighbour.wait": "a tool that nobody runs on Windows: control groups",
    "bench/measure.py: process.wait": "it was killed a moment ago",
    "doctor/threads.py: thread.join": "in the child, which the parent ends",
    "doctor/threads.py: runs.wait": "in the child, which the parent ends",
    "doctor/threads.py: ticker.join": "in the child, which the parent ends",
    "doctor/threads.py: both.wait": "in the child, which the parent ends",
    "engine/executors/dask/worker.py: hand.ended.get": "in dask's worker",
    "engine/executors/dask/worker.py: hand.thread.join": "in dask's worker",
    "engine/executors/process_handle.py: self.process.wait": "on the thread that reads from it",
    "engine/executors/process_main.py: self._kept.wait": "on a thread of its own",
    "engine/executors/process_main.py: psutil.Process(parent).wait": "in the worker process",
    "engine/executors/process_main.py: loop.began.wait": "in the worker process",
    "engine/executors/process_main.py: loop.thread.join": "in the worker process",
    "engine/worker_loop.py: self._inbox.get": "on the worker's thread",
    "background.py: self._told.get": "on the thread that draws, or calls handlers",
    "host/lookout.py: self._asked.get": "on the thread that may be left behind",
    "engine/executors/process_main.py: self._inbox.get": "on the worker's thread",
}
"""Waits without an end, and why no main thread hangs in them."""


def test_no_main_thread_waits_without_looking_up():
    """On Windows Ctrl-C is heard between two waits only: whoever waits for longer takes `awaited` or `awaited_end`."""
    found = {
        f"{source.relative_to(ROOT / 'src' / 'orcabatch').as_posix()}: {ast.unparse(call.func)}"
        for source in (ROOT / "src" / "orcabatch").rglob("*.py")
        for call in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and not (call.args or call.keywords)
        if call.func.attr in {"join", "wait", "acquire", "communicate"}
        or (call.func.attr == "get" and ast.unparse(call.func.value).startswith(("self._", "hand.")))
    }
    assert {one for one in found if ".acquire" not in one} - UNTIMED.keys() == set()


def test_what_is_waited_for_in_pieces_comes_or_its_time_is_over(monkeypatch):
    """Asked again for what took longer than a piece; what the last piece raised where the time is over."""
    monkeypatch.setattr(console, "LONGEST_WAIT_S", 0.01)
    waited = list[float]()

    def third(seconds):
        waited.append(seconds)
        if len(waited) < 3:
            raise queue.Empty
        return "said"

    assert console.awaited(third) == "said"
    assert waited == [0.01] * 3
    process = SimpleNamespace(wait=lambda seconds: (_ for _ in ()).throw(subprocess.TimeoutExpired("x", seconds)))
    with pytest.raises(subprocess.TimeoutExpired):
        console.awaited(process.wait, awake_s())
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait)
    thread.start()
    assert not console.awaited_end(thread, awake_s() + 0.02)
    gate.set()
    assert console.awaited_end(thread)
