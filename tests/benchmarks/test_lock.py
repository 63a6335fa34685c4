"""The lock benchmark: the small native DLL under the real binding, and a row of its table."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmarks import lock


@pytest.mark.skipif(shutil.which("cc") is None or os.name != "posix", reason="needs a C compiler")
def test_rows_say_what_was_true_and_what_was_said(tmp_path: Path) -> None:
    """Native passes with Python between them, and tiny calls: each file is done, and no model is left."""
    rows = [lock.row((1.0, 1.0, 2), 0.1, broker=False), lock.row(("tiny", 0.0, 1), 0.05, broker=True)]
    found = list(lock.measured(rows, tmp_path))
    assert [each["files"] for each in found] == [each["files"] for each in rows]
    assert found[0]["native_cores"] > 0
    assert all(0 <= each[who] <= 1 for each in found for who in ("monitor", "engine"))
    assert all(each["held"] > 0 for each in found)
