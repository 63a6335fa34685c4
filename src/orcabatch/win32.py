r"""What Windows wants said or named in its own way: its library kernel32, no boxes, and files at whatever depth.

    deep\a.sim  ── as_opened ──> \\?\C:\...\deep\a.sim, by the name that the system takes whatever its length

Whoever reads, writes, renames or removes a file names it to the system by `as_opened`; what is said of it, and what a
function, digitalmodel or OrcaFlex gets, names the path as it was given. Elsewhere there are no boxes, no other names.
"""

from __future__ import annotations

import contextlib
import functools
import ntpath
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath, PureWindowsPath
from typing import IO, Any, NoReturn

LONGEST_PLAIN = 247
"""Of Windows' 260 a file has its terminating zero less, and a folder room for a short name in it."""

_HELD = frozenset({32, 33, 1224})
"""ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_USER_MAPPED_FILE (of the last Python says EINVAL)."""


@functools.cache
def kernel32() -> Any:
    """Windows' library of that name, whose errors `ctypes.get_last_error` tells; None elsewhere."""
    if sys.platform != "win32":
        return None
    import ctypes

    return ctypes.WinDLL("kernel32", use_last_error=True)


@contextlib.contextmanager
def without_boxes() -> Iterator[None]:
    """While the block runs, a drive with nothing in it is an error to this thread.

    An empty card reader or DVD drive is there as any other. Whoever looks into it lets Windows ask for a disk in a box,
    and waits until somebody comes and closes it. Of our own processes `crash_without_a_dialog` says it once for all.
    """
    kernel = kernel32()
    if kernel is None:
        yield
        return
    before = int(kernel.GetThreadErrorMode())
    kernel.SetThreadErrorMode(before | _NO_BOXES, None)
    try:
        yield
    finally:
        kernel.SetThreadErrorMode(before, None)


def end_now(code: int, kernel: Any = None) -> NoReturn:
    """End this process, wherever its threads are. `kernel`: `kernel32()`, or something with the same functions.

    On Windows `os._exit` ends the others first, and then has each library clean up: one that wants a lock which such a
    thread had keeps the process for ever, with its memory and its licence seat
    (https://github.com/openssl/openssl/pull/8301).
    """
    if (kernel := kernel or kernel32()) is not None:
        import ctypes

        kernel.TerminateProcess(ctypes.c_void_p(kernel.GetCurrentProcess()), code)
    os._exit(code)


_NO_BOXES = 0x0001 | 0x8000
"""SEM_FAILCRITICALERRORS and SEM_NOOPENFILEERRORBOX."""


def without_window(kernel: Any = None) -> int:
    """`creationflags` with which a process that we start shows no window. `kernel`: as above.

    A program without a console (a GUI) would have Windows open one for each: who closes it ends the process.
    """
    kernel = kernel or kernel32()
    return 0 if kernel is None or kernel.GetConsoleCP() else _CREATE_NO_WINDOW


_CREATE_NO_WINDOW = 0x08000000


def takes_escape_codes(stream: IO[str]) -> bool:
    """Whether what reads the stream moves its cursor as escape codes say, if it is a terminal.

    A console of Windows has to be switched to that, which it stays: the classic one begins without.
    """
    kernel = kernel32()
    if kernel is None:
        return True
    import msvcrt

    try:
        handle = msvcrt.get_osfhandle(stream.fileno())  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, OSError, ValueError):  # no descriptor, or a stream that has `write` alone
        return True
    return switched_to_escape_codes(kernel, handle)


def switched_to_escape_codes(kernel: Any, handle: int) -> bool:
    """Whether what is behind a handle of Windows takes them from now on, or is no console."""
    import ctypes

    mode, console = ctypes.c_ulong(), ctypes.c_void_p(handle)
    if not kernel.GetConsoleMode(console, ctypes.byref(mode)):
        return True
    return bool(mode.value & _ESCAPE_CODES or kernel.SetConsoleMode(console, mode.value | _ESCAPE_CODES))


_ESCAPE_CODES = 0x0004
"""ENABLE_VIRTUAL_TERMINAL_PROCESSING."""

MOST_GROUPS = 64
"""Of processors: there is room for the numbers of so many. Windows has 32 at most."""


def processor_groups(kernel: Any) -> tuple[int, ...]:
    """Numbers of the groups of Windows' processors that this process is in; empty where it does not say."""
    import ctypes

    count, numbers = ctypes.c_ushort(MOST_GROUPS), (ctypes.c_ushort * MOST_GROUPS)()
    own = ctypes.c_void_p(kernel.GetCurrentProcess())
    answered = kernel.GetProcessGroupAffinity(own, ctypes.byref(count), numbers)
    return tuple(numbers[: count.value]) if answered else ()


def is_held(error: OSError) -> bool:
    """Whether Windows says that another program has the file open, and will not share it."""
    return getattr(error, "winerror", None) in _HELD


def ask_to_replace(path: Path) -> None:
    """Open a file with the right that replacing it needs, and close it.

    Who opened it as C programs do shares reading and writing, but not that.

    Raises:
        OSError: it may not be replaced.
    """
    if sys.platform == "win32":
        import ctypes

        if code := refusal_to_replace(path, kernel32(), ctypes.get_last_error):
            raise ctypes.WinError(code)


def refusal_to_replace(path: Path, kernel: Any, last_error: Callable[[], int]) -> int:
    """Windows' number for why a file may not be replaced; 0 where it may.

    Args:
        path: the file.
        kernel: `kernel32()`, or something with the same functions.
        last_error: why the last call failed.
    """
    import ctypes

    kernel.CreateFileW.restype = ctypes.c_void_p
    name = ctypes.c_wchar_p(str(path))
    handle = kernel.CreateFileW(name, _DELETE, _SHARE_ALL, None, _OPEN_EXISTING, 0, None)
    if handle is None or handle == ctypes.c_void_p(-1).value:
        return last_error()
    kernel.CloseHandle(ctypes.c_void_p(handle))
    return 0


_DELETE, _SHARE_ALL, _OPEN_EXISTING = 0x10000, 0x7, 3


def as_opened(path: str | os.PathLike[str], longest: int = LONGEST_PLAIN) -> Path:
    """The file by the name that the system is given: whole, since how long that is decides.

    Of a folder in which others are looked for, names may be too long that are not known yet: `longest` is 0 then.
    """
    whole = (path if isinstance(path, Path) else Path(path)).absolute()
    taken = beyond_max_path(whole, longest)
    return whole if taken is whole else Path(taken)


def beyond_max_path(path: PurePath, longest: int = LONGEST_PLAIN) -> PurePath:
    """The same file by a name that Windows takes whatever its length.

    Windows refuses paths of 260 characters and more (of folders, 248) unless they begin with its own prefix. Elsewhere
    nothing changes.
    """
    if not isinstance(path, PureWindowsPath):
        return path
    # The prefix takes every part by its letter.
    text = ntpath.normpath(path) if ".." in path.parts else str(path)
    if len(text) <= longest or text.startswith("\\\\?\\"):
        return path
    if text.startswith("\\\\"):
        return type(path)("\\\\?\\UNC" + text[1:])
    return type(path)("\\\\?\\" + text)


def new_folder(parent: Path, prefix: str) -> Path:
    """Make a folder that no other user gets into, with a name that nothing else has.

    Not by `tempfile`: where access lists allow files and no folders, that tries other names on Windows without end.

    Raises:
        OSError: none can be made there.
    """
    folder = parent / f"{prefix}{os.urandom(6).hex()}"
    folder.mkdir(0o700)
    return folder


def new_file(parent: Path) -> IO[bytes]:
    """A new file to write and read, which is gone once it is closed. For `tempfile` as for folders (`new_folder`).

    Raises:
        OSError: none can be made there.
    """
    if not (gone_when_closed := getattr(os, "O_TEMPORARY", 0)):
        return tempfile.TemporaryFile(dir=parent)
    # Named as a whole: a folder may be short enough to be opened as it is, and too long for a name in it.
    file = as_opened(parent / f"orcabatch-{os.urandom(6).hex()}")
    own = gone_when_closed | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | own
    return os.fdopen(os.open(file, flags, 0o600), "w+b")


def needs_another_name(path: Path) -> bool:
    """Whether the file is there, but not by its own name, which is too long for whoever knows no other."""
    try:
        taken = as_opened(path)
    except OSError:  # the working folder is gone
        return False
    return taken is not path and taken != path.absolute() and _answers(taken) and not _answers(path)


def _answers(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether there is anything; of what cannot be asked nothing is there.

    `Path.exists` raises most of what the system says of a share that went (up to Python 3.13), in the midst of saying
    something else.
    """
    try:
        return os.path.exists(path and as_opened(path))  # noqa: PTH110 - as above
    except OSError:  # the working folder is gone
        return False


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is there; never raises, as `is_there`."""
    try:
        return os.path.isdir(path and as_opened(path))  # noqa: PTH112 - as above
    except OSError:  # the working folder is gone
        return False
