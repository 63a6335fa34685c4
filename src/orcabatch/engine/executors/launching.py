"""How a worker process begins: what it gets along, and what becomes of what it writes before it talks over the pipe.

    launch() ──> python -c BOOTSTRAP ──> process_main.main ── take_streams() ──> the wire begins

Covers both sides of that. Does not cover what is said afterwards (`transport`), nor if one is started (`starting`).

What ends a process until then (no memory for its imports, a library that is missing) belongs into the sentence that
says which process died, not into the user's terminal: its standard error is the pipe as well, until the wire begins.
On Windows a handle more cannot be given along as simply: there it is what Python says that goes into the pipe.

A process whose main thread spins inside a C library gives no thread of it a turn to notice that its parent was killed.
On Linux the system ends it: nothing is ever written into the lifeline, so the only thing that its reader can be told of
is that the parent, the only writer, is gone. (The signal that a process can ask for at its parent's death comes at the
end of the *thread* that started it, which may end before the run does.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from orcabatch.console import is_frozen, own_python, standard_error
from orcabatch.text import shortened
from orcabatch.win32 import kernel32, without_window

STANDARD_HANDLES = {-10: 0, -11: 1, -12: 2}
"""Windows' names for them, and the descriptors."""

BOOTSTRAP = """
import os, sys
try:
    import pickle
    orders = os.fdopen(os.dup(0), "rb")
    sys.path[:] = pickle.load(orders)
    from orcabatch.engine.executors.process_main import main
    main(orders)
except BaseException as error:
    os.write(1, f"\\n{error!r}\\n".encode(errors="backslashreplace"))
finally:
    os._exit(1)
"""

MOST_SAID = 300
"""Characters of what a process wrote last that are quoted. More: a sentence that nobody reads. Less: paths of libraries
that cannot be loaded lose their name."""


def launch() -> tuple[subprocess.Popen[bytes], BinaryIO | None]:
    """A new process, and the lifeline that it ends with, to be closed once it has ended.

    Raises:
        OSError: the system gives no process, or no descriptors for one.
    """
    # Of a frozen program, what it imports from lacks the standard library that another Python needs.
    bootstrap = BOOTSTRAP.replace("path[:] =", "path +=") if is_frozen() else BOOTSTRAP
    command = own_python("-c", bootstrap)
    if sys.platform == "win32":
        # Out of reach of the terminal's Ctrl-C: what that means is decided here.
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | without_window()
        pipe, error = subprocess.PIPE, standard_error()
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=error, creationflags=flags), None
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        end, own_end = os.pipe()
        theirs.callback(os.close, end)
        lifeline = ours.enter_context(os.fdopen(own_end, "wb", buffering=0))
        error = os.open(os.devnull, os.O_WRONLY) if standard_error() else os.dup(2)
        theirs.callback(os.close, error)
        process = subprocess.Popen(
            [*command, str(error), str(end)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(error, end),
            start_new_session=True,  # out of reach of the terminal's Ctrl-C, as above
        )
        ours.pop_all()
        return process, lifeline


def take_streams() -> BinaryIO:
    """In the process: the standard output for the wire alone; what others print goes to standard error."""
    empty = os.open(os.devnull, os.O_RDONLY)
    output = os.fdopen(os.dup(1), "wb")
    if sys.platform != "win32":
        error, lifeline = map(int, sys.argv[1:])
        del sys.argv[1:]  # modules of the user's may take it for a command line of theirs
        os.dup2(error, 2)
        os.close(error)
        _end_with_writer(lifeline)
    os.dup2(2, 1)
    os.dup2(empty, 0)
    os.close(empty)
    if sys.platform == "win32":
        import msvcrt

        tell_windows(kernel32(), msvcrt.get_osfhandle)
    return output


def tell_windows(kernel: Any, handle_of: Callable[[int], int]) -> None:
    """Let Windows have the standard handles that Python has.

    C's `dup2` tells it of them in a console program alone. In one without (`pythonw`) it would keep those that are
    closed by now, and whatever the function starts would get them.
    """
    for name, descriptor in STANDARD_HANDLES.items():
        with contextlib.suppress(OSError):  # there is none
            kernel.SetStdHandle(name, ctypes.c_void_p(handle_of(descriptor)))


def _end_with_writer(lifeline: int) -> None:
    """Where a system refuses, or knows no such signal, there is the thread that looks for the parent."""
    os.set_inheritable(lifeline, False)
    if sys.platform != "linux":
        return
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)


def last_line(written: bytes) -> str:
    """The line that says why, of what a process wrote before it ended: of a traceback, the error."""
    lines = written.decode("utf-8", "replace").splitlines()
    return shortened(next((line for line in reversed(lines) if line and not line[0].isspace()), ""), MOST_SAID)
