"""Our own processes at the console: what they print survives every code page, what is pressed there is the parent's.

What may take longer than a moment is waited for in pieces (`awaited`, `awaited_end`): a main thread of Windows hears
Ctrl-C between two waits only.

On Windows a pipe or a redirected file takes text in the ANSI code page, and one letter beyond it ends a print with
UnicodeEncodeError: a finished batch would end in a traceback, a user's function would fail for its own `print`. This is
set once at the door of each process that is ours (command line, workers); a user's script keeps its streams.
"""

from __future__ import annotations

import contextlib
import errno
import io
import ntpath
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from orcabatch.sleep import awake_s

T = TypeVar("T")

EXIT_CODES = {
    0xC0000005: "access violation",
    0xC0000017: "out of memory",
    0xC000001D: "illegal instruction",
    0xC0000094: "integer division by zero",
    0xC00000FD: "stack overflow",
    0xC0000135: "a DLL was not found",
    0xC000013A: "Ctrl-C",
    0xC0000142: "a DLL could not be initialised",
    0xC0000374: "heap corruption",
    0xC0000409: "stack buffer overrun, or abort",
}
"""Windows' own exit codes (NTSTATUS) that a native library ends a process with, in words."""


_OURS = False
"""Whether this process runs our command line, or is a worker of ours: nobody else's code began it."""


def is_ours() -> bool:
    """Whether the process is ours alone."""
    return _OURS


def claim() -> None:
    """Say so; at the door, before anything else runs."""
    global _OURS  # noqa: PLW0603 - of the process
    _OURS = True
    keep_ctrl_c()


def keep_ctrl_c() -> None:
    """Let no library that is loaded later have Ctrl-C and Ctrl-Break: what they mean is our affair.

    Intel's Fortran runtime, which scipy comes with from Anaconda, hears of them first on Windows, and ends the process
    at once ("forrtl: error (200)"). It asks this variable when it is loaded; elsewhere nobody does.
    """
    os.environ.setdefault("FOR_DISABLE_CONSOLE_CTRL_HANDLER", "1")


LONGEST_WAIT_S = 0.2 if sys.platform == "win32" else 60.0
"""On Windows a waiting main thread does not notice Ctrl-C: there it has to look up now and then."""


def pieces_s(deadline: float | None) -> Iterator[float]:
    """How long to wait, again and again until then (`awake_s`; None: for ever); once at least."""
    while True:
        left_s = LONGEST_WAIT_S if deadline is None else max(0.0, deadline - awake_s())
        yield min(left_s, LONGEST_WAIT_S)
        if deadline is not None and awake_s() >= deadline:
            return


def awaited(wait: Callable[[float], T], deadline: float | None = None) -> T:
    """What `wait(seconds)` gives; where those are over it is asked again, until the deadline (None: for ever).

    Raises:
        queue.Empty, subprocess.TimeoutExpired: as the last `wait` did.
    """
    import queue
    import subprocess  # who waits for either has them: a start that ends at `--help` does not

    while True:
        try:
            return wait(next(pieces_s(deadline)))
        except (queue.Empty, subprocess.TimeoutExpired):
            if deadline is not None and awake_s() >= deadline:
                raise


def awaited_end(thread: threading.Thread, deadline: float | None = None) -> bool:
    """Whether the thread has ended, which is waited for until the deadline (None: for ever)."""
    for piece_s in pieces_s(deadline):
        thread.join(piece_s)
        if not thread.is_alive():
            return True
    return False


def survive_code_pages() -> None:
    """Let letters that a stream's encoding lacks be written as escapes instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_to_console(platform: str = sys.platform) -> None:
    """Where descriptor 1 has become a console since `sys.stdout` was made, print by Python's own stream for consoles.

    On Windows the other one writes in the code page of files, and a console reads that of DOS: 12° would be 12░.
    """
    if platform == "win32" and os.isatty(1):
        sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - it stays


def flush_streams() -> None:
    """Write what waits in the standard streams, if there are any and they still take it: a GUI program has none."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


def pipe_is_closed(error: OSError, platform: str = sys.platform) -> bool:
    """Whether writing to a pipe failed because nobody reads it any more: on Windows that may be error 22."""
    return isinstance(error, BrokenPipeError) or (platform == "win32" and error.errno == errno.EINVAL)


def reader_is_gone(error: OSError, platform: str = sys.platform) -> bool:
    """Whether the error, of whatever the command did, says that nobody reads our output any more."""
    if isinstance(error, BrokenPipeError):
        return True
    if not pipe_is_closed(error, platform) or sys.stdout is None:
        return False
    # Much else is error 22 there: it is the pipe where what waits in the stream cannot be written now either.
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def leave_the_terminal_to_the_parent() -> None:
    """Ignore Ctrl-C, Ctrl-Break and the terminal's end: what they mean is said by the parent, which waits for us."""
    keep_ctrl_c()
    for name in ("SIGINT", "SIGHUP", "SIGBREAK"):
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.SIG_IGN)


def takes_nothing() -> bool:
    """Whether one of the standard streams takes no more text: the terminal is gone, the disk is full."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.write("\n")
                stream.flush()
    except OSError:
        return True
    return False


def let_go_of_what_is_lost() -> None:
    """Drop what a standard stream does not take: Python's end would try once more, and have an exit code of its own."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # as with pythonw
            continue
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def crash_without_a_dialog() -> None:
    """Let a crash end this process, and those that it starts, at once.

    Windows may show a message box instead, and the process lives on until somebody comes and closes it.
    """
    if sys.platform == "win32":
        import msvcrt

        msvcrt.SetErrorMode(msvcrt.SEM_FAILCRITICALERRORS | msvcrt.SEM_NOGPFAULTERRORBOX)


def python() -> str:
    """The Python that processes of ours run: the one that runs here, or what `multiprocessing.set_executable` named."""
    from multiprocessing.spawn import get_executable

    return os.fsdecode(get_executable() or "")


def own_python(*words: str) -> list[str]:
    """The command that runs Python with these words with the letters (`-X utf8`) and the `-O` that it has here.

    `python -X utf8 script.py` reads text as UTF-8, and would have worker processes read it in the code page of Windows.
    """
    return [python(), "-P", f"-Xutf8={sys.flags.utf8_mode}", *["-O"] * sys.flags.optimize, *words]


def is_frozen() -> bool:
    """Whether this is a program with Python and its packages packed into it (PyInstaller): others import elsewhere."""
    return bool(getattr(sys, "frozen", False))


def no_python(is_there: Callable[[str], bool] = os.path.exists) -> str:
    """Why no process of ours can be started from this program; empty where one can.

    A frozen program (PyInstaller), and one that has Python inside (OrcaFlex, Excel), is its own `sys.executable`: it
    would be started once more itself, with its windows and with its own batch. One by Nuitka names a `python.exe` that
    is not there.
    """
    executable = python()
    name = ntpath.basename(executable)  # it divides at both kinds of slashes
    frozen = is_frozen() and executable == sys.executable
    if not frozen and any(word in name.lower() for word in ("python", "pypy")) and is_there(executable):
        return ""
    return (
        f"{name or 'this program'} is no Python that other processes could run (it is frozen, or has Python inside): "
        r"name one that has orcabatch, as in `multiprocessing.set_executable(r'C:\Python312\python.exe')`"
    )


def standard_error() -> int | None:
    """What a process that we start gets as its standard error: ours, or nothing where we have none.

    Where it is missing (a GUI program, pythonw, a service that closed it) its number is free: the next pipe gets it,
    and what the process prints goes into that.
    """
    import subprocess

    return subprocess.DEVNULL if sys.__stderr__ is None else None


def write_error(text: bytes) -> None:
    """Pass on what a process that we started wrote to its standard error, as if it had ours."""
    if text and standard_error() is None:
        with contextlib.suppress(OSError):
            os.write(2, text)


def exit_code_text(code: int) -> str:
    """A process's exit code as an engineer can look it up: Windows' own in hex, with what it means."""
    if code < 0x80000000:
        return str(code)
    meaning = EXIT_CODES.get(code)
    return f"0x{code:08X} ({meaning})" if meaning else f"0x{code:08X}"
