"""Memory admission as values: what is reserved, learnt and counted."""

from __future__ import annotations

import math

import pytest

from orcabatch.engine import memory_admission
from orcabatch.engine.scheduler_messages import Limits, Sample

GB = 1_000_000_000
LIMITS = Limits(memory_total_bytes=100 * GB, gc_threshold_percent=75.0)


def sample(used: int, own: int) -> Sample:
    return Sample(total_bytes=100 * GB, available_bytes=100 * GB - used, own_bytes=own)


def test_the_threshold_for_garbage_is_never_above_the_cap() -> None:
    """80% and 75% as specified; without a threshold, or with one above the cap, it is the cap."""
    state = memory_admission.begin(LIMITS, from_history=False)
    assert (state.cap_bytes, state.gc_bytes) == (80 * GB, 75 * GB)
    for percent in (None, 95.0):
        high = memory_admission.begin(
            Limits(memory_total_bytes=100 * GB, gc_threshold_percent=percent), from_history=False
        )
        assert high.gc_bytes == high.cap_bytes


def test_before_anything_is_known_four_times_the_size_is_reserved() -> None:
    """A prediction of 1.5 x size is raised to 4 x size, and to the highest factor seen as files are measured."""
    state = memory_admission.load(memory_admission.begin(LIMITS, from_history=False), int(1.5 * GB))
    assert state.reserved_bytes == pytest.approx(4 * GB, rel=1e-6)
    for _ in range(200):
        state = memory_admission.learn(state, int(1.5 * GB), 2 * GB)
    assert state.reserved_bytes == pytest.approx(2 * GB * (1 + 1 / math.sqrt(201)), rel=1e-6)
    assert state.reserved_bytes >= 2 * GB


def test_the_highest_factor_seen_is_reserved_not_the_mean() -> None:
    """One file of factor 3 among many of factor 1 sets the reservation."""
    state = memory_admission.begin(LIMITS, from_history=False)
    for factor in (1.0, 3.0, *([1.0] * 100)):
        state = memory_admission.learn(state, int(1.5 * GB), int(factor * GB))
    assert state.correction * 1.5 >= 3.0


def test_the_doubt_fades_faster_where_earlier_runs_told_each_files_own() -> None:
    """After 24 files as predicted: a fifth of the doubt is left where predictions were guesses, else a 25th."""
    guessed, told = (memory_admission.begin(LIMITS, from_history=known) for known in (False, True))
    for _ in range(24):
        guessed, told = memory_admission.learn(guessed, 3 * GB, 3 * GB), memory_admission.learn(told, 3 * GB, 3 * GB)
    assert guessed.correction - 1 == pytest.approx((memory_admission.BLIND_FACTOR / LIMITS.overhead - 1) / 5)
    assert told.correction - 1 == pytest.approx((memory_admission.HISTORY_MARGIN - 1) / 25)


def test_a_model_that_is_too_small_to_tell_teaches_nothing() -> None:
    """A few megabytes more or less in a process are chance."""
    state = memory_admission.begin(LIMITS, from_history=False)
    assert memory_admission.learn(state, 1000, 10_000_000) == state


def test_other_programs_and_the_baseline_are_counted() -> None:
    """Room is the cap less what others hold, less what this process held before any file, and will hold beside them."""
    state = memory_admission.observe(
        memory_admission.begin(LIMITS, from_history=False), LIMITS, sample(used=30 * GB, own=5 * GB)
    )
    assert (state.others_bytes, state.baseline_bytes) == (25 * GB, 5 * GB + memory_admission.SETTLING_BYTES)
    assert state.budget_bytes == 50 * GB - memory_admission.SETTLING_BYTES
    assert state.room_bytes == 50 * GB - memory_admission.SETTLING_BYTES


def test_files_that_hold_more_than_was_reserved_leave_less_room() -> None:
    """What is measured counts where it is more than the reservations."""
    state = memory_admission.observe(
        memory_admission.begin(LIMITS, from_history=False), LIMITS, sample(used=10 * GB, own=0)
    )
    state = memory_admission.load(state, int(1.5 * GB))
    state = memory_admission.observe(state, LIMITS, sample(used=50 * GB, own=40 * GB))
    assert state.room_bytes == 80 * GB - 10 * GB - 40 * GB


def test_what_a_finished_file_held_is_free_at_once() -> None:
    """Room does not wait for the next sample."""
    state = memory_admission.observe(memory_admission.begin(LIMITS, from_history=False), LIMITS, sample(used=0, own=0))
    state = memory_admission.observe(memory_admission.load(state, 30 * GB), LIMITS, sample(used=80 * GB, own=80 * GB))
    assert memory_admission.unload(state, 30 * GB, 80 * GB).room_bytes == 80 * GB - memory_admission.SETTLING_BYTES


@pytest.mark.parametrize(("used", "pressure"), [(74, "none"), (76, "collect"), (81, "over")])
def test_pressure_has_two_thresholds(used: int, pressure: str) -> None:
    """Above the first garbage is collected, above the second nothing starts and the limit shrinks."""
    state = memory_admission.observe(
        memory_admission.begin(LIMITS, from_history=False), LIMITS, sample(used=used * GB, own=GB)
    )
    assert state.pressure == pressure


def test_garbage_is_not_collected_at_every_sample() -> None:
    """Five seconds lie between two collections."""
    state = memory_admission.observe(
        memory_admission.begin(LIMITS, from_history=False), LIMITS, sample(used=76 * GB, own=GB)
    )
    assert memory_admission.collect_due(state, 0.0)
    state = memory_admission.collected(state, 0.0)
    assert not memory_admission.collect_due(state, 4.9)
    assert memory_admission.collect_due(state, 5.0)


def test_memory_that_cannot_be_measured_binds_nothing() -> None:
    """Without a total every prediction fits."""
    state = memory_admission.begin(Limits(), from_history=False)
    assert memory_admission.largest_prediction(state, state.room_bytes) == float("inf")
