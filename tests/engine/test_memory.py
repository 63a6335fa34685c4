"""Memory admission as values: what is reserved, learnt and counted."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

import pytest

from benchmarks import virtual
from benchmarks.cases import Case
from benchmarks.plant import FileModel, HostModel
from orcabatch.engine import memory_admission
from orcabatch.engine.limits import Limits
from orcabatch.engine.scheduler_messages import Event, Instruction, Sample, Sampled, Start, TaskFinished

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


def test_a_loaded_file_is_no_longer_doubted() -> None:
    """Two files extract and hold 1 GB each, a third loads: only that one is reserved the worst."""
    state = memory_admission.observe(memory_admission.begin(LIMITS, from_history=False), LIMITS, sample(10 * GB, 0))
    for _ in range(3):
        state = memory_admission.load(state, 15 * GB)
    seen = replace(sample(12 * GB, 2 * GB), loading=1, extracting=2)
    state = memory_admission.observe(state, LIMITS, seen)
    assert state.loading_bytes == 3 * 40 * GB  # memory was read before the phases: one look is not enough
    state = memory_admission.observe(state, LIMITS, seen)
    assert state.room_bytes == 80 * GB - 12 * GB - 40 * GB
    state = memory_admission.learn(state, 15 * GB, 30 * GB)  # one of factor 2: those that are loaded may grow to it yet
    assert state.reserved_bytes == int(60 * GB + state.loading_bytes)


def one_size(factors: Sequence[float], *, room: float) -> Case:
    """Files of 1 GB that take some seconds each and hold so many times their size; a cap with room for so many GB."""
    host = HostModel("small", 8, int(room * GB / 0.8), disk_bps=GB, stream_bps=GB, free_readers=99, base_bytes=0)
    plain = FileModel(GB, 0.5, 6.0, 0.1, 0.0, 0, GB)
    return Case("memory", host, tuple(replace(plain, memory_bytes=int(factor * GB)) for factor in factors), tiers=())


def test_files_that_are_alike_fill_the_room() -> None:
    """Thirty files that take the default factor exactly, room for five: three quarters of it, once four have ended."""
    case, room = one_size([1.5] * 30, room=7.7), 7.7
    running, ended, begun, seen = set[int](), 0, 0, list[int]()

    def listen(event: Event, instructions: list[Instruction]) -> None:
        nonlocal ended, begun
        if isinstance(event, TaskFinished):
            running.discard(event.index)
            ended += 1
        started = {each.index for each in instructions if isinstance(each, Start)}
        running.update(started)
        begun += len(started)
        if isinstance(event, Sampled) and ended >= 4 and begun < 30:
            seen.append(len(running))

    run = virtual.simulate(case, virtual.limits_of(case), listen=listen)
    assert run.over_cap_s == 0.0
    assert 1.5 * mean(seen) >= 0.75 * room


@pytest.mark.parametrize("seed", range(20))
def test_files_that_are_not_alike_stay_below_the_cap(seed: int) -> None:
    """Factors from 0.3 to 4: what has been seen says little about what comes."""
    drawn = random.Random(seed)
    case = one_size([drawn.uniform(0.3, 4.0) for _ in range(60)], room=16.0)
    run = virtual.simulate(case, virtual.limits_of(case))
    assert run.over_cap_s == 0.0
    assert run.peak_bytes <= 16.0 * GB
