"""What goes to worker processes: the configuration once for each process, and next to nothing with each file."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.travel import CASES, sent
from orcabatch import simulated

pytest.importorskip("digitalmodel", reason="digitalmodel itself is called: install orcabatch[digitalmodel]")


@pytest.fixture(autouse=True)
def orcaflex() -> Iterator[None]:
    simulated.install()
    yield
    simulated.uninstall()


def test_the_configuration_does_not_travel_with_each_file(tmp_path: Path) -> None:
    """A task is as small with 900 columns as with 96; what is said once to a process holds them all."""
    (large, task), (small, other) = (sent(case, tmp_path) for case in CASES)
    assert len(task) == len(other) < 1_000
    assert len(large) > 3 * len(small)
    posts = pickle.loads(large).postprocesses.values()  # noqa: S301 - packed one line above
    assert [len(post.cfg["summary_settings"]["groups"][0]["Columns"]) for post in posts] == [900]
