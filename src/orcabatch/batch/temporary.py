"""Where temporary files go while a batch runs: OrcaFlex's own, and copies of inputs from slow storage.

OrcaFlex writes its temporary logs to the folder that the environment names, so for the time of the run the environment
names the configured one; worker processes inherit it. Does not cover temporary names of outputs: those lie beside
their targets (`orcabatch.store.atomic`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from orcabatch.errors import OrcabatchError
from orcabatch.store.atomic import check_writable
from orcabatch.store.lock import folder_lock, remove_abandoned
from orcabatch.win32 import new_folder

NAMES = ("TMPDIR", "TEMP", "TMP")


def usable_temporary(asked: str | None) -> tuple[Path, str]:
    """The folder for temporary files, and a warning where the one that was asked for cannot be used."""
    system = Path(tempfile.gettempdir())
    if asked is None:
        return system, ""
    folder = Path(asked)
    try:
        if not folder.is_absolute():
            raise OSError("not an absolute path on this system")
        folder.mkdir(parents=True, exist_ok=True)
        # Not by `tempfile`: where access lists forbid it, that tries other names on Windows without end.
        check_writable(folder)
    except OSError as error:
        reason = error.strerror or error
        return system, f"io.temp_directory {asked} cannot be used ({reason}): the system's {system} is used instead"
    return folder, ""


STAGED = "orcabatch-staged-"
"""Every folder of copies begins with this, so that those of runs that were killed can be told and removed."""


@contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """A folder for copies of inputs until the block ends; those that killed runs of this machine left go first.

    Where none can be made it is the one above: whoever copies finds out, and does without.
    """
    for each in list(parent.glob(f"{STAGED}*")):
        remove_abandoned(each)
    try:
        folder = new_folder(parent, STAGED)
    except OSError:
        yield parent
        return
    try:
        with ExitStack() as held:
            with suppress(OrcabatchError):  # where nothing can be locked it stays, should this run be killed
                held.enter_context(folder_lock(folder, "copies of inputs"))
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_lock = threading.Lock()
_open = 0
_before: tuple[dict[str, str | None], str | None] = ({}, None)


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """Until the block ends, programs that ask for a temporary folder get this one.

    Blocks may overlap in any order: the folder of the one that began last counts, and what was there before the first
    is there again after the last.
    """
    global _open, _before  # noqa: PLW0603 - the environment is the process's own, and so is what it was
    with _lock:
        if not _open:
            _before = {name: os.environ.get(name) for name in NAMES}, tempfile.tempdir
        _open += 1
        os.environ.update(dict.fromkeys(NAMES, str(folder)))
        tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        with _lock:
            _open -= 1
            if not _open:
                _put_back()


def _put_back() -> None:
    environment, tempfile.tempdir = _before
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
