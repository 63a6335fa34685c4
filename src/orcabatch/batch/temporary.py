"""Where temporary files go while a batch runs: OrcaFlex's own, and copies of inputs from slow storage.

OrcaFlex writes its temporary logs to the folder that the environment names, so for the time of the run the environment
names the configured one; worker processes inherit it. Does not cover temporary names of outputs: those lie beside
their targets (`orcabatch.store.atomic`).
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orcabatch.store.atomic import check_writable

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
