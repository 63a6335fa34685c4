"""The figures on writing behind come from runs that wrote behind, and from runs that did not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import behind


@pytest.mark.long
def test_every_folder_is_measured_on_and_off(tmp_path: Path) -> None:
    """One row for each, with both times and their ratio."""
    found = behind.suite(tmp_path, rounds=1, quick=True)
    assert [row["folder"] for row in found.rows] == [case.name for case in behind.CASES]
    assert all(float(row["on s"]) > 0 < float(row["off s"]) for row in found.rows)
