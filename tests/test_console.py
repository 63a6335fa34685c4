"""Our own processes at a console of any code page."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orcabatch.console import exit_code_text, leave_the_terminal_to_the_parent, reader_is_gone

CODE_PAGES = ("ascii", "cp1252", "cp850", "utf-8")

FUNCTION = """
def talkative(model):
    print("\u0394\u03c3 of", model.simulationComplete)
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
