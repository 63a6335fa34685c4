"""What the controllers decide in virtual time, held exactly. A change that means to change it records it anew."""

from __future__ import annotations

from benchmarks import decisions
from orcabatch.bench import regression


def test_decisions_in_virtual_time_are_the_recorded_ones() -> None:
    """The same events give the same decisions, and the makespan over its bound is what it was."""
    found = regression.differences(decisions.decisions(), regression.recorded(decisions.RECORDED))
    assert not found, "meant to change? `python -m benchmarks.decisions` records them anew"
