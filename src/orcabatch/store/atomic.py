"""Output files that appear whole or not at all.

A file is written under a temporary name in the folder of its target and renamed when it is complete, so that a reader,
a crash or a power cut never meets half a file, and the previous output stays until the new one is ready. A program that
holds the target open (Excel does, on Windows) is waited for a little, then named in the error.
Does not cover what is written, nor locks between batches (`orcabatch.store.lock`).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TypeVar

from orcabatch.errors import OutputError, OutputUnreachable
from orcabatch.network import RECONNECT, unreachable
from orcabatch.win32 import as_opened, ask_to_replace, is_folder, is_held, is_there, kernel32

TEMPORARY_PREFIX = ".orcabatch-"
"""Every temporary output begins with this, whatever its target is called, so that leftovers can be told and removed."""
TEMPORARY_SUFFIX = ".tmp"

WAITS_S = (0.1, 0.2, 0.4, 0.8, 1.5, 2.0)
"""How long a target that another program holds open is waited for, try by try."""

_TAKING_A_NAME = threading.Lock()
"""Of this process: of two writers of one file the second sees what the first has made of it, and leaves that alone."""

Done = TypeVar("Done")


@contextmanager
def atomic_path(target: Path, *, keep_same: bool = False, unless: Callable[[], None] | None = None) -> Iterator[Path]:
    """A temporary path beside `target` to write to; it takes the target's place when the block ends well.

    It is flushed to the disk before it takes that name, so that a power cut cannot leave it empty; where the file
    system knows no flush it takes the name all the same.

    Args:
        target: the output file; its folder must exist.
        keep_same: leave a target alone that holds the same bytes already.
        unless: called at the last moment before the file takes its name; what it raises leaves the target alone.

    Raises:
        OutputError: the folder cannot be written, or another program holds the target open.
    """
    target = target.absolute()  # how long its name is for the system, and where it is whoever changes the folder
    temporary = as_opened(target.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"))
    try:
        yield temporary
        with _TAKING_A_NAME if keep_same else nullcontext():
            if keep_same and _same_bytes(temporary, as_opened(target)):
                return
            with reached(target):
                patiently(lambda: _flush(temporary))
            if unless is not None:
                unless()
            replace(temporary, target)
    finally:
        with suppress(OSError):  # on Windows: a scanner has it open; it goes with the next run's leftovers
            temporary.unlink(missing_ok=True)


def write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target`, whole or not at all.

    Raises:
        OutputError: the folder cannot be written, or another program holds the target open.
    """
    try:
        with atomic_path(target) as temporary:
            temporary.write_bytes(content)
    except (OSError, UnicodeEncodeError) as error:
        raise unwritable(target, error) from error


def unwritable(target: Path, error: OSError | UnicodeEncodeError, remedy: str = "") -> OutputError:
    """What to raise where an output cannot be written: whether another try may help is said by its kind.

    Args:
        target: the output.
        error: what the system said.
        remedy: what to do, unless it is the drive or share that is amiss.
    """
    if gone := unreachable(target.parent, error):
        return OutputUnreachable(f"{target} cannot be written: {gone}. {RECONNECT.capitalize()}.")
    return OutputError(f"{target} cannot be written: {why(error)}{remedy}")


@contextmanager
def reached(target: Path) -> Iterator[None]:
    """While an output is written: that its drive or share went is said, whatever else fails goes on as it is.

    Raises:
        OutputUnreachable: it went.
    """
    try:
        yield
    except OSError as error:
        if isinstance(said := unwritable(target, error), OutputUnreachable):
            raise said from error
        raise


def why(error: OSError | UnicodeEncodeError) -> str:
    """What the system says of a file that it refuses, or that this program has no letters for."""
    if isinstance(error, UnicodeEncodeError):
        return (
            f"the name holds letters that the locale of this program ({error.encoding}) has not; start it with "
            "PYTHONUTF8=1, or under a UTF-8 locale"
        )
    return error.strerror or str(error)


def replace(temporary: Path, target: Path, *, wait: Callable[[float], None] = time.sleep) -> None:
    """Give `temporary` the name `target`, waiting a little while another program holds the target open.

    Raises:
        OutputError: it is still held after all waits, or the rename is not possible.
    """
    # The atomic replacement is os.replace's promise.
    _patiently(lambda: os.replace(as_opened(temporary), as_opened(target)), target, "replaced", wait)  # noqa: PTH105


def remove(target: Path, *, wait: Callable[[float], None] = time.sleep) -> None:
    """Take an output away that may be there, waiting as `replace` does.

    Raises:
        OutputError: it is still held after all waits, or cannot be removed.
    """
    _patiently(lambda: as_opened(target).unlink(missing_ok=True), target, "removed", wait)


def _patiently(act: Callable[[], None], target: Path, done: str, wait: Callable[[float], None]) -> None:
    try:
        patiently(act, wait)
    except OSError as error:
        if not _in_the_way(error):
            raise unwritable(target, error) from error
        held = "another program holds it open"
        what = held if is_held(error) else f"{held}, or it is write-protected"
        raise OutputError(
            f"{target} cannot be {done}: {what}, also {sum(WAITS_S):g} s later. "
            "Close it (Excel?) and run the same command again."
        ) from error
    except UnicodeEncodeError as error:
        raise unwritable(target, error) from error


def patiently(act: Callable[[], Done], wait: Callable[[float], None] = time.sleep) -> Done:
    """Do what another program may be in the way of, waiting a little where it is; returns what that does.

    Raises:
        OSError: it still is; or whatever else the system says.
    """
    for pause in WAITS_S:
        try:
            return act()
        except OSError as error:
            if not _in_the_way(error):
                raise
            wait(pause)
    return act()


def _in_the_way(error: OSError) -> bool:
    """Whether another program may be: Windows tells what is held from what is denied for some calls only."""
    return isinstance(error, PermissionError) or is_held(error)


@contextmanager
def temporary_folder(target: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """A folder beside `target` for what it is made of, until the block ends; with the access that its place gives.

    `tempfile` would take that from others.

    Args:
        target: an output.
        say: told where something of it stays, since a scanner or indexer has it open.
    """
    folder = as_opened(target.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"))
    folder.mkdir()
    try:
        yield folder
    finally:
        with suppress(OSError):
            patiently(lambda: shutil.rmtree(folder))
        shutil.rmtree(folder, ignore_errors=True)  # what is beside a piece that is still held
        if is_there(folder):
            say(f"{folder} stays: another program has files in it open. Nothing needs it any more: remove it.")


def check_writable(folder: Path, *, wait: Callable[[float], None] = time.sleep) -> None:
    """Create and delete a file: what `os.access` says knows nothing of access lists and shares on Windows.

    A scanner that looks into each new file is waited for, as `replace` does.

    Raises:
        OSError: the folder cannot be written to.
    """
    probe = as_opened(folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
    with probe.open("xb"):
        pass
    # Whoever got the folder's lock meanwhile has cleared it of what looks left over.
    patiently(lambda: probe.unlink(missing_ok=True), wait)


def check_place(target: Path, *, wait: Callable[[float], None] = time.sleep) -> None:
    """See before hours of work that a file can be written there, over one that is there as well.

    Raises:
        OutputError: it cannot; says why.
    """
    folder = target.absolute().parent
    fault = "it is a folder" if is_folder(target) else ""
    try:
        check_writable(folder)
    except OSError as error:
        what = f"{folder} {'cannot be written' if is_folder(folder) else 'is no folder'}"
        fault = unreachable(folder, error) or what
    if not fault and sys.platform == "win32" and (impossible := impossible_on_windows(target.name)):
        fault = f"its name {impossible}"
    if fault := fault or hindrance(target, wait=wait):
        raise OutputError(f"{target} could not be written: {fault}. Give another place; nothing was run.")


def hindrance(target: Path, *, wait: Callable[[float], None] = time.sleep) -> str:
    """Why Windows would not replace a file that is there; empty where it would. Elsewhere its folder alone decides."""
    if sys.platform != "win32":
        return ""
    target = as_opened(target)
    try:
        if not target.stat().st_mode & stat.S_IWRITE:
            return "it is write-protected"
        patiently(lambda: ask_to_replace(target), wait)
    except FileNotFoundError:
        return ""
    except OSError as error:
        if _in_the_way(error):
            return "another program has it open (Excel?), or it may not be changed: close it there and run again"
        return why(error)
    return ""


def impossible_on_windows(name: str) -> str:
    """Why no file may have the name there; empty where one may."""
    if _FORBIDDEN.search(name):
        return "holds a character that no file name on Windows may have"
    if name.partition(".")[0].rstrip().upper() in _DEVICES:
        return "is the name of a device on Windows, whatever follows it"
    return ""


_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
_PORTS = [
    f"{port}{number}"
    for port in ("COM", "LPT")
    for number in "123456789\N{SUPERSCRIPT ONE}\N{SUPERSCRIPT TWO}\N{SUPERSCRIPT THREE}"
]
_DEVICES = frozenset(["CON", "CONIN$", "CONOUT$", "PRN", "AUX", "NUL", *_PORTS])


def remove_leftovers(folder: Path) -> int:
    """Remove temporary outputs that a killed run left in `folder`; returns how many.

    Only to be called by the batch that holds the folder's lock: another batch's temporary files look the same.
    """
    leftovers: list[Path] = []
    with suppress(OSError):  # the share went while the batch ran: how that ended is what is to be heard
        leftovers += as_opened(folder).glob(f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}")
    for path in map(as_opened, leftovers):
        with suppress(OSError):  # on Windows: one that somebody has open is no leftover yet
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return len(leftovers)


def _same_bytes(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _flush(path: Path) -> None:
    """Have the system put the file's content on the disk."""
    with path.open("rb+") as written:
        to_disk(written.fileno())


def to_disk(number: int) -> None:
    """Have the system put an open file's content on the disk; where the file system knows no flush it is its affair.

    Raises:
        OSError: the disk is full, or fails.
    """
    try:
        os.fsync(number)
    except OSError as error:
        word = _windows_word(number)
        if knows_no_flush(error, lambda: word):
            return
        if sys.platform == "win32" and word:  # Python's is EBADF, of a full disk and of a share that went alike
            import ctypes

            raise ctypes.WinError(word) from error
        raise


_NO_FLUSH = frozenset([errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP])
_NO_FLUSH_ON_WINDOWS = frozenset([1, 50, 120])
"""ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED, ERROR_CALL_NOT_IMPLEMENTED."""


def knows_no_flush(error: OSError, windows_word: Callable[[], int], platform: str = sys.platform) -> bool:
    """Whether a flush failed because the file system has none, as some network drives have: all is written.

    A full disk, or one that fails, is another error.

    Args:
        error: what `os.fsync` raised.
        windows_word: Windows' own error; Python says EBADF there whatever that is.
        platform: as in `sys.platform`.
    """
    if platform == "win32":
        return error.errno == errno.EBADF and windows_word() in _NO_FLUSH_ON_WINDOWS
    return error.errno in _NO_FLUSH


def _windows_word(number: int) -> int:
    """What Windows says when it is asked once more to flush an open file; 0: what it said before is lost."""
    if sys.platform != "win32":
        return 0
    import ctypes
    import msvcrt

    if kernel32().FlushFileBuffers(ctypes.c_void_p(msvcrt.get_osfhandle(number))):
        return 0
    return ctypes.get_last_error()
