"""The suite that says what each tuned number trades tries numbers that there are, and leaves them as they were."""

from __future__ import annotations

from importlib import import_module

import pytest

from benchmarks import cases, tuning


@pytest.mark.parametrize("name", tuning.TRIED)
def test_a_tuned_number_lies_between_those_that_are_tried(name: str) -> None:
    """It is found by its name, differs from both, and stands between them where it is one number."""
    low, high = tuning.TRIED[name]
    with tuning.changed(name, low) as value:
        assert value not in {low, high}
    if not isinstance(value, tuple):
        assert low < value < high


def test_a_changed_number_decides_and_comes_back() -> None:
    """While it is changed the batch begins with another count; afterwards it is what it was."""
    concurrency = import_module("orcabatch.engine.concurrency")
    usual, case = concurrency.START, cases.draw(0, "latency")
    before = tuning.total([case])
    with tuning.changed("concurrency.START", 1):
        assert tuning.total([case]).seconds != before.seconds
    assert usual == concurrency.START
    assert tuning.total([case]) == before
