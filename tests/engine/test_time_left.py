"""What is learnt of files that ended, and how long those take that start in order under the limits of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcabatch.engine.limits import Limits
from orcabatch.engine.time_left import Estimate, least_makespan, makespan

MB = 10**6
TIERS = ("small", "medium", "large")
FILES = st.lists(st.tuples(st.sampled_from(TIERS), st.floats(0.1, 100.0)), max_size=30)
LIMITS = st.builds(
    Limits,
    mode=st.sampled_from(["static", "dynamic"]),
    tiers=st.dictionaries(st.sampled_from(TIERS), st.integers(1, 5)),
    max_limit=st.integers(1, 8),
)


def test_each_file_goes_where_a_slot_is_free_first():
    """Two slots: 3 and 2 s, then 4 s behind the 2, then 1 s behind the 3."""
    assert makespan([("a", 3.0), ("a", 2.0), ("a", 4.0), ("a", 1.0)], 2, Limits()) == 6.0


def test_who_runs_already_is_in_the_way():
    """One of two slots is taken for 5 s."""
    assert makespan([("a", 2.0), ("a", 2.0), ("a", 2.0)], 2, Limits(), [("a", 5.0)]) == 6.0


def test_nothing_takes_no_time():
    """Neither files that run nor files that wait."""
    assert makespan([], 3, Limits()) == least_makespan([], 3, Limits()) == 0.0


@pytest.mark.parametrize(("mode", "seconds"), [("dynamic", 50.0), ("static", 60.0)])
def test_a_full_tier_is_passed_over_unless_tiers_follow_each_other(mode, seconds):
    """Ten large files two at a time are 50 s; ten small ones fit beside them, or come first."""
    files = [("small", 10.0)] * 10 + [("large", 10.0)] * 10
    limits = Limits(mode=mode, tiers={"small": 10, "large": 2}, max_limit=12)
    assert makespan(files, 12, limits) == seconds
    assert least_makespan(files, 12, limits) == seconds


@given(files=FILES, running=FILES, limits=LIMITS, at_once=st.integers(1, 8))
def test_it_is_never_below_what_the_slots_allow(files, running, limits, at_once):
    """Neither below the work over all slots, nor a tier's over its own, nor any file; nor above one after the other."""
    seconds = makespan(files, at_once, limits, running[:at_once])
    everything = [*files, *running[:at_once]]
    bounds = [sum(each for _, each in everything) / at_once]
    for tier in TIERS:
        own = [each for name, each in files if name == tier]
        count = min(at_once, limits.tiers.get(tier, limits.max_limit))
        bounds += [sum(own) / count, *(each for name, each in everything if name == tier)]
    assert max(bounds) * (1 - 1e-9) <= seconds <= sum(each for _, each in everything) * (1 + 1e-9)


@given(files=FILES, limits=LIMITS, at_once=st.integers(1, 8))
def test_the_bound_is_one(files, limits, at_once):
    """What is not laid out is never said to take longer than it would if it were."""
    assert least_makespan(files, at_once, limits) <= makespan(files, at_once, limits) * (1 + 1e-9)


def test_an_overdue_file_still_takes_time():
    """It has passed its prediction: the estimate grows with it and never reaches zero."""
    estimate = Estimate()
    estimate.add(100 * MB, 10.0)
    assert estimate.rest_s(100 * MB, 50.0) == pytest.approx(5.0)


def test_a_fixed_time_per_file_and_a_time_per_byte_are_both_learnt():
    """3 s + 1 s per 10 MB."""
    estimate = Estimate()
    for size in (10 * MB, 50 * MB, 200 * MB, 400 * MB):
        estimate.add(size, 3.0 + size / (10 * MB))
    assert estimate.seconds(1000 * MB) == pytest.approx(103.0)
