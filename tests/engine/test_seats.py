"""Licence seats as values: ceilings, ramp-up, back-off, giving up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orcabatch.engine import licences
from orcabatch.engine.limits import SeatLimits


@pytest.mark.parametrize(
    ("limits", "files"),
    [
        (SeatLimits(max=3, scope="model"), 3),
        (SeatLimits(scope="model"), 40),
        (SeatLimits(max=3, scope="process", processes=8, threads_per_process=4), 12),
        (SeatLimits(max=9, scope="process", processes=2, threads_per_process=4), 8),
        (SeatLimits(max=1, scope="host", processes=8), 40),
        (SeatLimits(max=0, scope="model"), 0),
    ],
)
def test_the_scope_says_how_many_files_the_seats_allow(limits: SeatLimits, files: int) -> None:
    """A seat per model, per process with its threads, or one for the host."""
    state, running = licences.begin(replace(limits, ramp_per_s=0.0)), 0
    while running < 40 and licences.may_start(state, 0.0):
        assert licences.allowed(state, 0.0) <= licences.begin(limits).most_units
        state, running = licences.started(state, 0.0), running + 1
    assert running == files
    assert state.stuck == (files < 40 and files > 0)


def test_seats_are_asked_for_gradually_and_kept() -> None:
    """Two per second: the third waits half a second; a seat that is held needs no asking."""
    state = licences.begin(SeatLimits(max=8, scope="model", ramp_per_s=2.0))
    state = licences.started(state, 0.0)
    assert not licences.may_start(state, 0.4)
    assert licences.may_start(state, 0.5)
    state = licences.came_back(licences.started(state, 0.5))
    assert licences.may_start(state, 0.5)
    assert licences.allowed(state, 0.5) == 2


def test_threads_of_one_process_share_its_seat() -> None:
    """Ten files at once in one process take one seat and no ramp-up."""
    state = licences.begin(SeatLimits(max=1))
    for _ in range(10):
        assert licences.may_start(state, 0.0)
        state = licences.started(state, 0.0)
    assert state.units == 1


def test_processes_are_opened_one_by_one_and_files_do_not_wait_for_them() -> None:
    """Four files at once, a process every ten seconds: the second process may be there at 10 s, all files are at 0."""
    state, allowed = licences.begin(SeatLimits(processes=3, threads_per_process=4, ramp_per_s=0.1)), []
    for now_s in (0.0, 0.0, 10.0, 10.0, 20.0):
        assert licences.may_start(state, now_s)
        allowed.append(licences.allowed(state, now_s))
        state = licences.started(state, now_s)
    assert allowed == [1, 1, 2, 2, 3]
    assert (state.units, state.room) == (3, 7)


def test_a_file_waits_a_moment_for_a_process_of_its_own() -> None:
    """One process a second: the second file gets the second process; with all open, files share."""
    state = licences.begin(SeatLimits(processes=2, threads_per_process=4, spread=True))
    state = licences.started(state, 0.0)
    assert not licences.may_start(state, 0.0, 1)
    assert licences.wake_s(state, 1) == 1.0
    assert licences.allowed(state, 1.0) == 2
    state = licences.started(state, 1.0)
    assert licences.may_start(state, 1.0, 2)


@pytest.mark.parametrize(
    ("limits", "running"),
    [
        (SeatLimits(processes=2, threads_per_process=4, spread=True, ramp_per_s=0.1), 1),  # ten seconds are too long
        (SeatLimits(processes=2, threads_per_process=4, spread=True, max=1), 1),  # there will be no other
        (SeatLimits(processes=2, threads_per_process=4, spread=True), 0),  # the process idles
        (SeatLimits(processes=2, threads_per_process=4), 1),  # threads of one process, and one to come with `auto`
    ],
)
def test_a_file_does_not_wait_for_a_process_that_is_not_about_to_come(limits: SeatLimits, running: int) -> None:
    """Room in the process that is there is better than waiting long, or for nothing."""
    state = licences.started(licences.begin(limits), 0.0)
    assert licences.may_start(state, 0.0, running)
    refused = licences.denied(licences.told(state, 1, 3, 0.0), 0.0)
    assert licences.may_start(refused, 0.5, running)


def test_only_the_first_files_wait_for_a_process_of_their_own() -> None:
    """Four processes are there: what the work is like is known by now, and files that only wait are not held back."""
    state = licences.begin(SeatLimits(processes=50, threads_per_process=4, spread=True))
    for number in range(4):
        assert not licences.may_start(state, number - 0.1, number)
        state = licences.started(state, float(number))
    assert licences.may_start(state, 3.0, 4)


def test_a_seat_that_was_not_needed_after_all_delays_nobody() -> None:
    """The file went to an idle process: the next ask comes as if there had been none, but not after a refusal."""
    state = licences.started(licences.begin(SeatLimits(processes=3, threads_per_process=4, ramp_per_s=0.1)), 0.0)
    state = licences.started(licences.told(licences.came_back(state), 1, 4, 10.0), 10.0)
    assert (state.units, state.next_ask_s) == (2, 20.0)
    state = licences.told(state, 1, 3, 10.0)
    assert licences.allowed(state, 10.0) == 2
    refused = licences.denied(licences.told(licences.started(state, 10.0), 1, 3, 11.0), 11.0)
    assert licences.told(refused, 0, 0, 11.0).next_ask_s == refused.next_ask_s


def test_seats_that_idle_elsewhere_are_no_seats_for_more_models() -> None:
    """Six idle models hold all six seats: files start in their room, and a seventh seat is never allowed."""
    state = licences.told(licences.begin(SeatLimits(max=6, scope="model")), 6, 2, 100.0)
    assert [licences.allowed(state, 200.0), licences.may_start(state, 200.0)] == [6, True]
    state = licences.started(licences.started(state, 200.0), 200.0)
    assert not licences.may_start(state, 300.0)
    assert licences.wake_s(state, 6) is None


def test_back_off_doubles_with_jitter_that_a_replay_repeats() -> None:
    """Waits grow to about a minute, differ by seed and are the same for the same seed."""

    def waits(seed: int) -> list[float]:
        state, times = licences.begin(SeatLimits(max=2, scope="model", seed=seed)), []
        for _ in range(8):
            state = licences.denied(state, 0.0)
            times.append(state.next_ask_s)
        return times

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)
    for number, wait in enumerate(waits(1)):
        assert 0.7 <= wait / min(60.0, 2.0 * 2**number) <= 1.3


def test_waiting_is_over_only_when_no_seat_is_held() -> None:
    """Ten minutes without any seat end it; a denial beside files that run or idle only lowers the number."""
    state = licences.denied(licences.begin(SeatLimits(max=4, scope="model", wait_s=600.0)), 10.0)
    assert not licences.exhausted(state, 0, 609.0)
    assert licences.exhausted(state, 0, 610.0)
    assert not licences.exhausted(state, 1, 610.0)
    two = licences.started(licences.started(state, 11.0), 11.0)
    assert licences.denied(two, 12.0).dry_since_s is None
    assert not licences.exhausted(licences.told(state, 1, 1, 20.0), 0, 1000.0)


def test_a_seat_that_works_ends_the_row_of_denials() -> None:
    """The next denial starts with the short wait again."""
    state = licences.begin(SeatLimits(max=2, scope="model"))
    for _ in range(5):
        state = licences.denied(state, 0.0)
    assert licences.denied(licences.worked(state), 0.0).next_ask_s < 3.0


def test_the_message_names_seats_asked_and_got() -> None:
    """An engineer sees how many seats were wanted, how many there were, and what to do."""
    state = licences.denied(licences.begin(SeatLimits(max=4, scope="model", wait_s=60.0)), 0.0)
    text = licences.message(state)
    assert "up to 4" in text
    assert "got 0 in 1 attempts" in text
    assert "licences.max" in licences.message(licences.begin(SeatLimits(max=0)))


def test_a_licence_that_is_lost_lets_nobody_start_before_the_next_time_to_ask() -> None:
    """The second file of a process is refused while the first still runs: the seat that is held is worth nothing."""
    state = licences.begin(SeatLimits(threads_per_process=2))
    state = licences.denied(licences.came_back(licences.started(licences.started(state, 0.0), 0.0)), 5.0, 0.0)
    assert not licences.may_start(state, 5.1)
    assert not licences.may_start(licences.came_back(state), 5.1)
    assert licences.may_start(state, state.next_ask_s)


def test_files_that_are_refused_together_count_once() -> None:
    """Thirty at the same moment are one denial: the next look comes soon, and waiting is counted from the first."""
    state = licences.begin(SeatLimits(threads_per_process=30, wait_s=600.0))
    for _ in range(30):
        state = licences.started(state, 0.0)
    for _ in range(30):
        state = licences.denied(licences.came_back(state), 5.0, 0.0)
    assert state.denials == 1
    assert state.next_ask_s < 8.0
    began = state.dry_since_s
    for _ in range(30):
        state = licences.denied(licences.came_back(state), 9.0, 8.5)
    assert state.denials == 2
    assert state.dry_since_s == began == 5.0
