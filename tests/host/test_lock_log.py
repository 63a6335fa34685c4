"""The interpreter lock probe and its log."""

from __future__ import annotations

import itertools
import math

import pytest

from orcabatch.engine.lock import LockProbe
from orcabatch.host.sampler import Contention, ContentionLog


def probe(*round_trips_s: float) -> LockProbe:
    """A probe whose round trips take these times."""
    instants = itertools.accumulate(itertools.chain.from_iterable((0.0, each) for each in round_trips_s), initial=0.0)
    next(instants)
    return LockProbe(clock=lambda: next(instants), let_go=lambda: None)


def test_a_round_trip_as_short_as_the_shortest_finds_the_lock_free():
    """The probe's own cost is no waiting."""
    measuring = probe(60e-6, 70e-6, 60e-6)
    assert [measuring.measure()[0] for _ in range(3)] == [False, False, False]


def test_a_round_trip_of_a_switch_interval_finds_the_lock_taken():
    """Five milliseconds are what a computing thread keeps the lock for."""
    measuring = probe(60e-6, 5.06e-3)
    measuring.measure()
    taken, waited_s = measuring.measure()
    assert taken
    assert waited_s == pytest.approx(5e-3)


def test_a_lock_that_is_always_taken_does_not_look_free():
    """There is a most that the probe itself can cost, so that it need not have seen the lock free once."""
    measuring = probe(*[5e-3] * 4)
    assert all(measuring.measure()[0] for _ in range(4))


def test_a_stretch_of_the_log_holds_the_probes_in_it():
    """Ten seconds free, then ten seconds taken."""
    log = ContentionLog()
    for step in range(200):
        log.add(step / 10, step >= 100, 0.01 if step >= 100 else 0.0)
    assert log.between(0.0, 9.0).taken == 0.0
    assert log.between(12.0, 19.0).taken == 1.0
    assert log.between(0.0, math.inf) == Contention(0.5, pytest.approx(0.005), 200)


def test_a_stretch_between_two_probes_takes_the_nearest():
    """A file shorter than the step is judged by what was found around it."""
    log = ContentionLog()
    for step in range(40):
        log.add(step, True, 0.02)
    assert log.between(5.1, 5.2).taken == 1.0
    assert log.between(1000.0, 1001.0).taken == 1.0


def test_nothing_probed_is_nothing_taken():
    """A monitor that never ran has no evidence."""
    assert ContentionLog().between(0.0, 10.0) == Contention()


def test_the_log_stays_small():
    """Twenty probes a second for an hour make four or five entries a second."""
    log = ContentionLog()
    for step in range(20 * 3600):
        log.add(step / 20, False, 0.0)
    assert len(log._times) <= 5 * 3600 + 2


def test_few_probes_of_a_stretch_are_seen_with_those_before():
    """One free probe of a short file says nothing alone; what was long before says nothing about it either."""
    log = ContentionLog()
    for at_s in range(1, 41):
        log.add(float(at_s), at_s > 30 and at_s != 37, 0.01)
    assert log.between(36.5, 37.0).taken == 0.0
    assert log.between(36.5, 37.0, 4).taken == pytest.approx(0.75)
    assert log.between(0.5, 40.0, 4) == log.between(0.5, 40.0)
    assert log.between(0.5, 1.0, 4).probes == 1
