"""One batch per result folder.

    with folder_lock(folder, batch): ...        BatchLocked: another one has it, named in the message

The lock is the operating system's own on a small file in the folder, so it ends with its process, however that ends: a
file that a killed process left is simply taken over. Whoever has the lock may remove temporary files that killed
processes left. Where the file system knows no locks (some network shares) nothing is locked, and `warn` is told.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from orcabatch.errors import BatchLocked, OutputError
from orcabatch.network import amiss, unreachable
from orcabatch.store.atomic import patiently, remove_leftovers
from orcabatch.win32 import as_opened, is_there

NAME = ".orcabatch.lock"
_PLACE = 1 << 30
"""The byte that is locked on Windows, far behind the text, which others must be able to read."""
_TRIES = 20
_PAUSE_S = 0.05
"""A second in all. Shorter: of two starts at one moment, on a slow share, the second does not hear who refuses it.
Longer: it waits where the holder's disk is full, so that nobody ever says."""
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
"""Whoever may write to a shared folder may plant a link there: what it leads to is none of ours, and is not emptied."""


@contextmanager
def folder_lock(folder: Path, batch: str, *, warn: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Hold the folder while the block runs; clear it before and after of what nobody writes any more.

    A run that is left at once does not wait for its threads: what they were writing then is nobody's any more.

    Args:
        folder: a result folder, which exists.
        batch: the name of the batch, for whoever comes second.
        warn: told where the folder cannot be locked.

    Yields:
        What `is_held_by` asks for; empty where that cannot be told.

    Raises:
        BatchLocked: another batch has it.
        OutputError: the folder cannot be written.
    """
    held, signature = _acquire(folder, batch, warn)
    try:
        if held is not None:
            remove_leftovers(folder)
        yield signature
    finally:
        if held is not None:
            remove_leftovers(folder)
            _release(held, _file(folder))


def is_held_by(folder: Path, signature: str) -> bool:
    """Whether the lock of the folder is still that of the run with this signature, which may be another process's.

    Raises:
        OSError: the folder does not answer.
    """
    try:
        return patiently(_file(folder).read_bytes) == signature.encode()
    except FileNotFoundError as error:
        if unreachable(folder, error):
            raise  # Windows' word for what is on a share that went
        return False


def remove_abandoned(folder: Path) -> None:
    """Remove a folder that a run on this machine held, and which nobody holds any more.

    What no run has signed stays, and what another machine's has: nobody can tell here whether that is used.
    """
    path = _file(folder)
    try:
        stream = os.fdopen(os.open(path, os.O_RDWR | NO_FOLLOW), "r+b", buffering=0)
    except OSError:
        return
    with stream, suppress(OSError):
        _lock(stream)
        if not _is_of_this_machine(stream):
            return
        for each in path.parent.iterdir():  # the lock's own file goes last, and unlocked: Windows asks for that
            if each.name == NAME:
                continue
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink(missing_ok=True)
        _unlock(stream)
        stream.close()
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def _is_of_this_machine(stream: IO[bytes]) -> bool:
    try:
        stream.seek(0)
        return bool(json.loads(stream.read(4096))["host"] == socket.gethostname())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _file(folder: Path) -> Path:
    """The folder may be as deep as its outputs' names allow: the lock's is longer than many of them."""
    return as_opened(folder / NAME)


def _acquire(folder: Path, batch: str, warn: Callable[[str], None]) -> tuple[IO[bytes] | None, str]:
    path = _file(folder)
    for tries in range(_TRIES):
        try:
            stream = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o666), "r+b", buffering=0)
        except OSError as error:
            if (
                sys.platform == "win32"
                and tries < _TRIES - 1
                and isinstance(error, PermissionError)
                and _may_be_there(path)
            ):
                time.sleep(_PAUSE_S)  # its last holder is removing it
                continue
            raise OutputError(_shut(folder, path, error)) from error
        try:
            _lock(stream)
        except OSError as error:
            with stream:
                if error.errno not in {errno.EAGAIN, errno.EACCES, errno.EDEADLK}:
                    warn(f"{folder} cannot be locked ({error.strerror}): do not run two batches into it at once.")
                    return None, ""
                raise BatchLocked(_refusal(folder, stream)) from None
        if _still_there(stream, path):
            return stream, _sign(stream, batch)
        stream.close()  # its last holder removed it meanwhile
    raise BatchLocked(f"{folder} is being used by other batches that come and go. Try again.")


def _shut(folder: Path, path: Path, error: OSError) -> str:
    """What keeps a folder from being locked: itself, or the file of somebody else's run, which only he may change."""
    said = error.strerror or str(error)
    if not isinstance(error, PermissionError) or not is_there(path):
        return amiss(folder, f"The result folder {folder} cannot be written to: {said}.", error)
    try:
        with path.open("rb") as stream:
            who = _holder(stream)
    except OSError:
        who = ""
    return (
        f"The result folder {folder} cannot be used: {said}, of its file {path.name}, which marks a run of "
        f"{who or 'somebody else'}. Where that has ended, have whoever started it remove that file, or "
        "close what else has it open (a backup?); or give another result folder."
    )


def _may_be_there(path: Path) -> bool:
    """Whether it is there, or is on its way out: on a share Windows denies the look at such a file too."""
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _release(stream: IO[bytes], path: Path) -> None:
    """Remove the file while it is held (after letting go on Windows, where an open file cannot be removed)."""
    if sys.platform == "win32":
        with suppress(OSError):
            _unlock(stream)  # closing it lets go too, but when is up to the system: the next run would be refused
        with suppress(OSError):
            stream.close()
    with suppress(OSError):
        path.unlink(missing_ok=True)
    # Somebody's function may have closed it already: the results that it guarded are written.
    with suppress(OSError):
        stream.close()


def _still_there(stream: IO[bytes], path: Path) -> bool:
    if sys.platform == "win32":
        # What is open cannot be removed there; and on a share it may have no number, or another one than its name has.
        return True
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False


def _sign(stream: IO[bytes], batch: str) -> str:
    """What was written; empty where nothing was."""
    content = {
        "batch": batch,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": uuid.uuid4().hex,  # the clock may be set back, and a process may run two batches in a second
    }
    signature = json.dumps(content)
    with suppress(OSError):  # a full disk: the lock counts, its text is a courtesy
        stream.seek(0)
        if not _is_ours(stream.read(4096)):
            return ""  # somebody else's file by this name: it serves as a lock as it is
        stream.seek(0)
        stream.truncate()
        if stream.write(signature.encode()) == len(signature):  # of ASCII letters
            return signature
    return ""


def _is_ours(content: bytes) -> bool:
    try:
        return not content or "batch" in json.loads(content)
    except (ValueError, TypeError):
        return False


def _refusal(folder: Path, stream: IO[bytes]) -> str:
    who = _holder(stream)
    for _ in range(_TRIES if not who else 0):
        time.sleep(_PAUSE_S)  # it has the lock since this moment, and is about to say who it is
        if who := _holder(stream):
            break
    return (
        f"{folder} is being written to by {who or 'another batch'}. Wait until it is finished or stop it, or give "
        "another result folder."
    )


def _holder(stream: IO[bytes]) -> str:
    """Who has the lock; empty where nobody says so (yet)."""
    try:
        stream.seek(0)
        said = json.loads(stream.read(4096))
        return f"{said['batch']} (process {said['pid']} on {said['host']}, started {said['started']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[bytes]) -> None:
        stream.seek(_PLACE)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock(stream: IO[bytes]) -> None:
        stream.seek(_PLACE)
        msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(stream: IO[bytes]) -> None:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(stream: IO[bytes]) -> None:
        fcntl.flock(stream.fileno(), fcntl.LOCK_UN)
