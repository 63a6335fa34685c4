"""A folder whose path is too long for the system, as one of 260 characters is for Windows.

Linux refuses paths of 4,096 bytes and more. What leads to the folder all the same, as Windows' own prefix does there,
is the number of its descriptor.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capabilities import require
from orcabatch import win32

LONGEST = 4_095
"""Bytes of the longest path that Linux takes: its `PATH_MAX` counts the zero behind it."""


@contextmanager
def too_deep(above: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """Such a folder, and the name that the system takes for it."""
    require("/proc")
    folder = above / "deep"
    folder.mkdir()
    handles = [os.open(folder, os.O_RDONLY)]
    try:
        while len(str(folder)) <= LONGEST:
            folder /= "f" * 200
            os.mkdir(folder.name, dir_fd=handles[-1])
            handles.append(os.open(folder.name, os.O_RDONLY, dir_fd=handles[-1]))
        with pytest.raises(OSError, match="too long"):
            folder.stat()
        assert folder.parent.is_dir()  # the only one that is too deep
        short = Path(f"/proc/self/fd/{handles[-1]}")
        monkeypatch.setattr(win32, "beyond_max_path", lambda path, _: Path(str(path).replace(str(folder), str(short))))
        yield folder, short
    finally:
        for handle in handles:
            os.close(handle)
        shutil.rmtree(above / "deep")
