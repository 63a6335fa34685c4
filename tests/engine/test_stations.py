"""What is known of loading and of the rest, and how files divide over both."""

from __future__ import annotations

import math

import pytest

from orcabatch.engine import curves
from orcabatch.engine.stations import Line, throughput

SIZE = 1_000_000.0


def test_both_stations_pass_on_as_much_as_they_get() -> None:
    """Files divide themselves over loading and the rest in proportion to the time they spend there."""
    load, rest = curves.Smooth((1.0,), (1.0,), 0.0), curves.Smooth((1.0,), (3.0,), 0.0)
    value, loading = throughput(load, rest, 8)
    assert math.isclose(value, 2.0, rel_tol=1e-3)
    assert math.isclose(loading, 2.0, rel_tol=1e-2)


def test_the_constant_part_of_a_file_is_learnt() -> None:
    """Ten seconds and one per megabyte look like ten megabytes more per file, at most as many as the mean size."""
    line = Line()
    for megabytes in range(1, 200):
        line = line.add(megabytes * SIZE, 10.0 + megabytes)
    assert line.extra_bytes == pytest.approx(10 * SIZE, rel=0.1)
    proportional = Line()
    for megabytes in range(1, 50):
        proportional = proportional.add(megabytes * SIZE, 3.0 * megabytes)
    assert proportional.extra_bytes == pytest.approx(0.0, abs=1.0)
