"""How many files were in a station at once, as each of them met it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcabatch.engine.occupancy import AFTER, LOADING, Occupancy, Stays

Stay = tuple[float, float, float]
"""When a file was started, when it was loaded, and when it had ended."""
moments = st.floats(0.0, 100.0)


def met(stays: list[Stay]) -> list[Stays]:
    """What each file met, told in the order in which it happened."""
    told = [(at_s, step, index) for index, stay in enumerate(stays) for step, at_s in enumerate(stay)]
    occupancy, said = Occupancy(), dict[int, Stays]()
    for at_s, step, index in sorted(told):
        if step < 2:
            occupancy.enter(index, (LOADING, AFTER)[step], at_s)
        else:
            said[index] = occupancy.end(index, at_s)
    return [said[index] for index in range(len(stays))]


def overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Seconds that two stretches of time have in common."""
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def test_files_that_start_together_meet_each_other_in_both_stations() -> None:
    """Four that load for a second at once, and leave one after the other: between two looks all of it is over."""
    said = met([(0.0, 1.0, 1.0 + 0.01 * (1 + number)) for number in range(4)])
    assert [each[LOADING] for each in said] == [pytest.approx((1.0, found, 4.0)) for found in (1, 2, 3, 4)]
    after = zip((0.01, 0.02, 0.03, 0.04), (1, 2, 3, 4), (4.0, 3.5, 3.0, 2.5), strict=True)
    assert [each[AFTER] for each in said] == [pytest.approx(stay) for stay in after]


@given(st.lists(st.tuples(moments, moments, moments).map(sorted).map(tuple), min_size=1, max_size=12))
def test_a_file_is_told_how_many_it_found_and_how_many_were_there_meanwhile(stays: list[Stay]) -> None:
    """Itself included; a station in which it spent no time is left out."""
    for stay, said in zip(stays, met(stays), strict=True):
        for station, first in ((LOADING, 0), (AFTER, 1)):
            mine, others = (stay[first], stay[first + 1]), [(each[first], each[first + 1]) for each in stays]
            if mine[1] - mine[0] < 1e-6:
                continue
            seconds, found, meanwhile = said[station]
            assert seconds == pytest.approx(mine[1] - mine[0])
            together_s = sum(overlap(mine, other) for other in others)
            assert meanwhile == pytest.approx(together_s / seconds, rel=1e-3, abs=1e-3)
            most = sum(other[0] <= mine[0] <= other[1] for other in others)
            least = 1 + sum(other[0] < mine[0] < other[1] for other in others)
            assert least - 1e-6 <= found <= most + 1e-6


def test_what_comes_late_takes_nothing_back() -> None:
    """Workers tell their changes of phase with their own instants: one that is told late counts from then on."""
    occupancy = Occupancy()
    occupancy.enter(0, LOADING, 0.0)
    occupancy.enter(1, LOADING, 5.0)
    occupancy.enter(0, AFTER, 4.0)
    assert occupancy.end(0, 6.0) == {LOADING: (5.0, 1.0, 1.0), AFTER: (1.0, 1.0, 1.0)}
    assert occupancy.end(1, 6.0) == {LOADING: (1.0, 2.0, 1.0)}  # it found another, and was alone from then on


def test_a_file_that_never_began_met_nobody() -> None:
    """Its end changes nothing for the others."""
    occupancy = Occupancy()
    occupancy.enter(0, LOADING, 0.0)
    assert occupancy.end(7, 1.0) == {}
    assert occupancy.end(0, 2.0) == {LOADING: (2.0, 1.0, 1.0)}
