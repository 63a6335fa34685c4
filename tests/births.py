"""Threads that end at their birth, as in a process at its memory limit: one of Python's own lines raises `MemoryError`.

In this process by `die_at_birth`, in processes that it starts by `in_children`.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

BEFORE_IT_LIVES, BEFORE_IT_IS_LISTED, BEFORE_ITS_TARGET = "before it lives", "before it is listed", "before its target"
FOR_ITS_TARGET = "for its target"
"""It has begun, as whoever started it was told."""
MOMENTS = (BEFORE_IT_LIVES, BEFORE_IT_IS_LISTED, BEFORE_ITS_TARGET)

WHICH, WHEN = "ORCABATCH_TESTS_STILLBORN", "ORCABATCH_TESTS_STILLBORN_WHEN"

IN_CHILDREN = f"""
import os, sys
sys.path.append({str(Path(__file__).parent)!r})
import births
births.from_environment()
"""


def die_at_birth(monkeypatch: pytest.MonkeyPatch, names: str, moment: str) -> list[str]:
    """From now on threads of such names (a pattern) end at that moment; the names of those that did."""
    bootstrap, met = _dying(names, moment)
    monkeypatch.setattr(threading.Thread, "_bootstrap_inner", bootstrap)
    return met


def in_children(monkeypatch: pytest.MonkeyPatch, folder: Path, names: str, moment: str) -> None:
    """The same in all processes that are started from now on."""
    (folder / "sitecustomize.py").write_text(IN_CHILDREN, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv(WHICH, names)
    monkeypatch.setenv(WHEN, moment)


def from_environment() -> None:
    """In such a process, before anything else."""
    bootstrap, _ = _dying(os.environ[WHICH], os.environ[WHEN])
    threading.Thread._bootstrap_inner = bootstrap  # type: ignore[attr-defined]


def _dying(names: str, moment: str) -> tuple[Any, list[str]]:
    original = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]
    met: list[str] = []

    def bootstrap_inner(self: Any) -> None:
        if not re.fullmatch(names, self.name):
            original(self)
            return
        met.append(self.name)
        if moment == BEFORE_IT_LIVES:
            raise MemoryError
        if moment == BEFORE_IT_IS_LISTED:
            self._started.set()
            raise MemoryError
        if moment == FOR_ITS_TARGET:
            self._target, self._args = _no_memory, ()
        else:
            self.run = _no_memory
        original(self)

    return bootstrap_inner, met


def _no_memory() -> None:
    raise MemoryError
