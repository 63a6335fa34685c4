"""The count of files at once, found from measured curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from orcabatch.engine import concurrency, curves
from orcabatch.engine.bounds import Bound, bound_by
from orcabatch.engine.concurrency import Concurrency, Reading
from orcabatch.engine.executors.auto_decision import HELD
from orcabatch.engine.limits import Limits
from orcabatch.engine.scheduler_messages import Sample

SIZE = 1_000_000.0


def drive(
    slow: Callable[[float], float],
    limits: Limits,
    steps: int = 400,
    *,
    cpu: Callable[[int], float] = lambda n: 0.0,
    gil: Callable[[float], float] = lambda x: 0.0,
    waited: Callable[[int], float] = lambda n: 0.0,
    served: Callable[[int], float] = lambda n: 0.0,
    limited: bool = True,
) -> tuple[Concurrency, list[str]]:
    """A station whose files each take `slow(occupancy)` seconds per megabyte, half of it loading."""
    state, reasons = concurrency.begin(limits, 1000, SIZE), []
    loaded = extracted = stood_s = served_s = 0.0
    for step in range(steps):
        running = state.limit
        each = running / slow(running) * SIZE
        sample = Sample(
            cpu_percent=cpu(running),
            read_bytes=int(loaded),
            work=(loaded + extracted) / 2,
            work_loaded=loaded,
            work_extracted=extracted,
            loading=running - running // 2,
            extracting=running // 2,
            gil_taken=gil(running / slow(running)),
            waited_s=stood_s,
            served_s=served_s,
        )
        reading = Reading(step * 1.0, sample, running, 500, limited, int(running * SIZE))
        state, reason = concurrency.observe(state, reading)
        reasons += [reason] if reason else []
        ended = int((extracted + each) / SIZE) - int(extracted / SIZE)
        for _ in range(ended):
            state = concurrency.finished(state, int(SIZE), {})
        loaded, extracted, stood_s = loaded + each, extracted + each, stood_s + waited(running)
        served_s += served(running)
    return state, reasons


def test_latency_bound_work_gets_all_it_may_have() -> None:
    """Files that never delay each other end at the ceiling, and the reason says latency."""
    state, reasons = drive(lambda n: 20.0, Limits(max_limit=45))
    assert state.limit == 45
    assert "latency-bound" in reasons[-1]


def test_the_count_is_approached_from_below() -> None:
    """It starts at four and at most doubles."""
    counts = [4]
    _, reasons = drive(lambda n: 20.0, Limits(max_limit=45))
    counts += [int(reason.split(" -> ")[1].split(":")[0]) for reason in reasons]
    assert all(after <= 2 * before for before, after in pairwise(counts))


def only_waiting(**taken: float) -> list[int]:
    """Limits after each look at files that are still being opened."""
    state, limits = concurrency.begin(Limits(max_limit=45), 100, SIZE), []
    for look in range(6):
        read, waited_s = int(look * taken.get("read", 0)), look * 0.25 * taken.get("waited", 0)
        sample = Sample(
            cpu_percent=taken.get("cpu", 1),
            gil_taken=taken.get("gil", 0),
            read_bytes=read,
            loading=4,
            waited_s=waited_s,
        )
        state, _ = concurrency.observe(state, Reading(look * 0.25, sample, state.limit, 50, limited=True))
        limits.append(state.limit)
    return limits


@pytest.mark.parametrize("steps", [2, 3])
def test_what_is_taken_all_the_time_is_known_from_the_first_samples(steps: int) -> None:
    """A batch of short files climbed while a lock that was always taken counted as free: its share grew from nothing.

    A moment that differs later counts as little as before.
    """
    state, _ = drive(lambda n: 20.0 * n, Limits(max_limit=45), steps, cpu=lambda n: 50.0, gil=lambda passed: 0.9)
    assert (state.gil, state.cpu) == (pytest.approx(0.9), pytest.approx(0.5))
    later, _ = drive(lambda n: 20.0 * n, Limits(max_limit=45), 40, gil=lambda passed: 0.9)
    assert later.last is not None
    after = replace(later.last, now_s=later.last.now_s + 1, sample=replace(later.last.sample, gil_taken=0.0))
    assert concurrency.observe(later, after)[0].gil == pytest.approx(0.9 * (1 - concurrency.SMOOTHING))


def test_files_that_only_wait_to_be_opened_are_joined_by_others_at_once() -> None:
    """Nothing is taken that more files could take away: the count doubles with each look, from the second on."""
    assert only_waiting() == [4, 4, 8, 16, 32, 45]


@pytest.mark.parametrize("taken", [{"read": 100_000}, {"cpu": 30}, {"gil": 0.3}, {"waited": 2.0}])
def test_a_host_in_use_is_not_called_unused(taken: dict[str, float]) -> None:
    """Bytes that are read, cores or a lock that are taken, also the DLL's: the next step waits for a file to end."""
    assert only_waiting(**taken) == [4] * 6


def calling(calls_s: Callable[[int], float], before: float = 0.0) -> list[int]:
    """Limits after each look at files that wait in the DLL, where so many seconds of calls return a second."""
    state, limits, returned = concurrency.begin(Limits(max_limit=45), 100, SIZE), [], before
    for look in range(16):
        sample = Sample(cpu_percent=1, gil_taken=0.02, loading=1, extracting=state.limit - 1, calls_s=returned)
        state, _ = concurrency.observe(state, Reading(look * 0.25, sample, state.limit, 50, limited=True))
        returned += 0.25 * calls_s(state.limit)
        limits.append(state.limit)
    return limits


def test_a_dll_that_serialises_is_not_asked_for_more() -> None:
    """Calls that return a second for every second are one at a time, however many wait: no doubling follows."""
    assert calling(lambda n: 1.0)[-1] == 4
    assert calling(lambda n: min(n, 6))[-1] == 16  # it bears six at once: twice as many are tried, and more are not
    assert calling(lambda n: n)[-1] == 45
    assert calling(lambda n: 0.001 * n)[-1] == 45  # long calls, none of which has returned
    assert calling(lambda n: n, before=1e6)[-1] == 45  # an earlier run's calls are none of this one's


def with_the_lock_taken(slow: Callable[[float], float], taken: float, **limits: int) -> tuple[int, list[str]]:
    """The count in the end, and what was said on the way, of files whose Python's lock is taken for such a share."""
    state, said = drive(slow, Limits(max_limit=45, **limits), 1000, gil=lambda _: taken)
    return state.limit, [reason.split(":")[0] for reason in said]


def test_a_lock_that_is_always_taken_is_tried_with_half_as_many_files_and_half_of_those() -> None:
    """Each hand-over costs the more the more wait: as long as fewer do better, and each count once."""

    def convoy(n: float) -> float:
        return n * (1 + 0.2 * n) if n > 1 else 2.0

    assert with_the_lock_taken(convoy, 1.0, start_limit=8) == (2, ["8 -> 4", "4 -> 2", "2 -> 1", "1 -> 2"])
    assert with_the_lock_taken(convoy, 0.9, start_limit=8) == (8, [])  # a tenth of the lock is free: for whom?
    assert with_the_lock_taken(convoy, 1.0, start_limit=8, min_limit=3)[1] == ["8 -> 4", "4 -> 3"]


def test_what_was_given_up_for_fewer_files_in_vain_is_gone_back_to_and_not_tried_again() -> None:
    """Where a lock that seems always taken is shared by four, and eight do a seventh more."""

    def shared_by_four(n: float) -> float:
        return 20.0 * n / (min(n, 4) * (1 + 0.14 * max(0.0, min(n, 8) - 4) / 4))

    assert with_the_lock_taken(shared_by_four, 1.0, start_limit=8) == (8, ["8 -> 4", "4 -> 8"])
    assert with_the_lock_taken(shared_by_four, 1.0, start_limit=16)[0] == 8


def waiting_after_loading(gil: float | None = 0.0, waited: float = 0.0) -> list[float]:
    """When the limit rises, of files that read for ten seconds and then wait for fifty, one look a second."""
    state, rose = concurrency.begin(Limits(max_limit=45), 100, SIZE), []
    for look in range(60):
        loaded = min(look, 10) * 400_000
        counts = {"loading": state.limit} if look < 10 else {"extracting": state.limit}
        work = 4 * SIZE if look >= 10 else 0.0
        sample = Sample(
            cpu_percent=1, gil_taken=gil, read_bytes=loaded, work_loaded=work, work=work / 2,
            waited_s=waited * look, **counts,
        )  # fmt: skip
        reading = Reading(look, sample, state.limit, 50, limited=True, running_bytes=int(state.limit * SIZE))
        state, reason = concurrency.observe(state, reading)
        rose += [look] if reason else []
    return rose


def test_long_files_that_only_wait_after_loading_are_joined_before_the_first_has_ended() -> None:
    """After a third of the run in which nothing else was seen of them, and step by step as the run gets longer."""
    rose = waiting_after_loading()
    assert len(rose) == 4  # 8, 16, 32, 45
    assert rose[0] >= 9 / (1 - concurrency.SEEN_EXTRACTING)  # of the look in between half counts
    assert all(after - before >= concurrency.SEEN * after for before, after in pairwise(rose))


@pytest.mark.parametrize("taken", [{"gil": None}, {"gil": 0.3}, {"waited": 2.0}])
def test_while_extracting_what_is_taken_or_not_looked_at_is_not_free(taken: dict[str, Any]) -> None:
    """A lock that nobody looks at may be taken all the time, and so may the DLL's: nobody joins."""
    assert waiting_after_loading(**taken) == []


def test_loading_that_was_seen_is_not_taken_for_none_before_the_first_file_has_ended() -> None:
    """Sixteen in a row for one lock behind a second of loading: by what follows alone, two at once would be enough."""
    state, reasons, extracted = concurrency.begin(Limits(max_limit=45, start_limit=16), 100, SIZE), [], 0.0
    for look in range(30):
        in_row = 0 if look < 10 else 2 if look < 15 else 16
        sample = Sample(
            cpu_percent=1, gil_taken=0.0, loading=16 - in_row, extracting=in_row, work_loaded=SIZE * in_row,
            work_extracted=extracted, work=(SIZE * in_row + extracted) / 2,
        )  # fmt: skip
        reading = Reading(look * 0.1, sample, 16, 50, limited=True, running_bytes=int(16 * SIZE))
        state, reason = concurrency.observe(state, reading)
        reasons += [reason] if "fewer" in reason else []
        extracted += 0.1 * SIZE * (2.5 if in_row == 2 else 2.0 if in_row else 0.0)
    assert reasons == []
    assert state.rest.curve.points


def test_files_that_delay_each_other_more_than_they_help_are_reduced() -> None:
    """With a peak at eight the count stays near it, and far from the ceiling."""
    state, _ = drive(lambda n: 20.0 * max(1.0, (n / 8) ** 1.8), Limits(max_limit=45))
    assert 6 <= state.limit <= 11


def test_a_dll_that_lets_one_in_at_a_time_is_not_given_more_files() -> None:
    """Files that stand still in it for each other gain nothing from a larger count, whatever the curves hope for."""
    state, reasons = drive(lambda n: 20.0, Limits(max_limit=45), waited=lambda n: 0.6 * n)
    free, _ = drive(lambda n: 20.0, Limits(max_limit=45), waited=lambda n: 0.1 * n)
    assert (state.limit, reasons, free.limit) == (4, [], 45)


def test_a_full_disk_is_named() -> None:
    """Loading that slows down in proportion is called I/O-bound."""
    load = curves.Smooth((1.0, 8.0), (1.0, 8.0), 1.0)
    state = concurrency.begin(Limits(max_limit=45), 100, SIZE)
    assert concurrency.bound_in_words(state, load, None, 8).startswith("I/O-bound")


@pytest.mark.parametrize(
    ("cpu", "gil", "dll", "word"),
    [
        (0.95, 0.2, 0.9, "CPU-bound"),
        (0.1, 0.95, 0.9, "GIL-bound"),
        (0.1, 0.6, 0.0, "GIL-bound"),
        (0.1, 0.04, 0.6, "serialised by the DLL: for 60% of their time"),
        (0.8, 0.04, 0.6, "held back"),
        (0.1, 0.04, 0.1, "held back"),
    ],
)
def test_what_delays_files_while_extracting_is_told_apart(cpu: float, gil: float, dll: float, word: str) -> None:
    """Cores, Python's lock where it is held, or, with both of them free, waits in the DLL, where they were seen."""
    rest = curves.Smooth((1.0, 8.0), (1.0, 8.0), 1.0)
    load = curves.Smooth((1.0,), (0.1,), 0.0)
    state = Concurrency(8, 45, 1, SIZE, cpu=cpu, gil=gil, waited_s=dll, worked_s=1.0)
    assert concurrency.bound_in_words(state, load, rest, 8).startswith(word)


@pytest.mark.parametrize(
    ("waited", "taken", "bound"),
    [
        (0.22, 0.97, Bound.DLL),
        (0.22, 0.0, None),
        (0.22, 0.6, None),
        (0.01, 0.97, None),
        (0.6, 0.0, Bound.DLL),
        (0.6, 0.6, Bound.DLL),
        (0.6, 2.0, None),
    ],
)
def test_a_dll_serialises_where_it_is_full_or_much_waited_for_and_never_returns_more_than_a_second_a_second(
    waited: float, taken: float, bound: Bound | None
) -> None:
    """As few files as just keep it busy hardly wait; more seconds of calls than time say that several are let in."""
    assert bound_by(0.1, 0.05, waited, taken) is bound
    assert bound_by(0.8, 0.05, waited, taken) is None
    assert bound_by(0.1, 0.6, waited, taken) is Bound.GIL
    state = Concurrency(8, 45, 1, SIZE, waited_s=waited, worked_s=1.0, served_s=taken, lasted_s=1.0)
    assert state.at_its_end is (bound is Bound.DLL and waited > 0.25)


def test_the_count_may_rise_until_the_lock_is_taken_for_long_enough_to_go_on_in_processes() -> None:
    """Else threads would be kept at a count at which the lock never looks taken, and the run would not move."""
    roomy = Concurrency(8, 45, 1, SIZE, gil=HELD, locked_s=HELD, passed=4.0 * SIZE)
    assert not roomy.at_its_end
    assert concurrency._roof(roomy) > roomy.passed
    assert replace(roomy, gil=1.0).at_its_end


def test_calls_that_differ_and_are_served_all_at_once_do_not_hold_the_count() -> None:
    """They seem to stand still for each other; what they return a second says that they do not."""
    apart, _ = drive(lambda n: 20.0, Limits(max_limit=45), waited=lambda n: 0.6 * n, served=lambda n: 0.3 * n)
    in_a_row, reasons = drive(lambda n: 20.0, Limits(max_limit=45), waited=lambda n: 0.6 * n, served=lambda n: 0.9)
    assert (apart.limit, in_a_row.limit, reasons) == (45, 4, [])


def test_loading_that_waits_in_the_dll_is_no_disk() -> None:
    """Where the DLL lets in one call at a time, loads stand still in it too: the reason names the DLL, not I/O."""
    load = curves.Smooth((1.0, 8.0), (1.0, 8.0), 1.0)
    state = Concurrency(8, 45, 1, SIZE, waited_s=0.6, worked_s=1.0)
    assert concurrency.bound_in_words(state, load, None, 8).startswith("serialised by the DLL")


def test_a_lock_that_is_almost_always_taken_stops_growth_before_the_files_slow_down() -> None:
    """What a byte takes of the lock bounds the throughput, however few files wait for it yet."""
    state, _ = drive(lambda n: 20.0, Limits(max_limit=45), gil=lambda rate: min(1.0, rate * 0.8))
    free, _ = drive(lambda n: 20.0, Limits(max_limit=45), gil=lambda rate: min(1.0, rate * 0.01))
    assert state.limit <= 32
    assert free.limit == 45


def test_on_a_plateau_the_smallest_count_is_enough() -> None:
    """Throughput that stays the same from eight on is had with few more than eight."""
    state, _ = drive(lambda n: 20.0 * max(1.0, n / 8), Limits(max_limit=45))
    assert state.limit <= 16


def test_time_that_was_not_limited_by_the_count_never_raises_it() -> None:
    """While memory or the last files keep the count down, nothing is learnt that would raise it."""
    state, _ = drive(lambda n: 20.0, Limits(max_limit=45), limited=False)
    assert state.limit == 4


def test_the_prior_from_history_is_where_it_starts() -> None:
    """A batch like an earlier one starts at the count that was found then, within the hard limits."""
    assert concurrency.begin(Limits(max_limit=45, start_limit=20), 100, SIZE).limit == 20
    assert concurrency.begin(Limits(max_limit=8, start_limit=20), 100, SIZE).limit == 8
    assert concurrency.begin(Limits(max_limit=45), 3, SIZE).limit == 3


def test_min_threads_binds_where_it_is_set() -> None:
    """The count never falls below what the user asked for."""
    state, _ = drive(lambda n: 20.0 * n**2, Limits(max_limit=45, min_limit=5))
    assert state.limit == 5
    free, _ = drive(lambda n: 20.0 * n**2, Limits(max_limit=45))
    assert free.limit < 5


def test_a_fixed_count_is_never_changed() -> None:
    """Benchmarks compare with counts that stay."""
    state, reasons = drive(lambda n: 20.0, Limits(max_limit=45, fixed_limit=7))
    assert (state.limit, reasons) == (7, [])


def test_what_threads_bore_does_not_bound_processes_and_is_known_again_when_files_come_back() -> None:
    """Of work that Python's lock holds up two at once are enough for threads; 32 processes begin with more."""
    here, _ = drive(lambda n: 20.0 * n, Limits(max_limit=45), gil=lambda passed: 1.0)
    assert here.limit <= 4
    away = concurrency.moved(here, None, 400.0, 32)
    assert (away.limit, away.most, away.gil, away.locked_s) == (concurrency.BLIND, 32, 0.0, 0.0)
    assert away.load.curve == here.load.curve
    assert not away.rest.curve.points
    assert concurrency.moved(here, None, 400.0, 2).limit == 2
    back = concurrency.moved(away, here, 500.0, 45)
    assert (back.limit, back.most, back.rest, back.since_s) == (here.limit, here.most, here.rest, 500.0)


def test_a_count_that_was_asked_for_stays_where_files_go_to_other_workers() -> None:
    """A fixed count is the user's, and so is the least."""
    fixed = concurrency.begin(Limits(max_limit=45, fixed_limit=7), 100, SIZE)
    assert concurrency.moved(fixed, None, 1.0, 32) == fixed
    least = concurrency.begin(Limits(max_limit=45, min_limit=6), 100, SIZE)
    assert concurrency.moved(least, None, 1.0, 2).limit == 6


def ended(times: dict[int, list[float]]) -> curves.Smooth:
    """The curve of short files of one size that took so long, by how many there were."""
    curve = curves.Curve()
    for occupancy, seconds in times.items():
        for each in seconds:
            curve = curves.add(curve, occupancy, each, SIZE, ended=True)
    smooth = curves.smooth(curve, 0.0)
    assert smooth is not None
    return smooth


def test_short_files_that_differ_are_no_slower_for_being_more_by_chance() -> None:
    """Four of which every other one takes five times as long say nothing; forty, or four that are alike, do."""
    assert ended({2: [0.1, 0.5, 0.1, 0.1], 8: [0.5, 0.1, 0.5, 0.5]}).rates == pytest.approx([0.3 / SIZE])
    assert len(ended({2: [0.1, 0.5, 0.1, 0.1] * 10, 8: [0.5, 0.1, 0.5, 0.5] * 10}).rates) == 2
    assert len(ended({2: [0.2, 0.21, 0.19, 0.2], 8: [0.4, 0.41, 0.39, 0.4]}).rates) == 2


def test_points_in_the_wrong_order_are_pooled() -> None:
    """One more file never makes the others faster: the smoothed curve only rises."""
    curve = curves.Curve()
    for occupancy, seconds in ((1, 10.0), (2, 8.0), (4, 9.0), (8, 30.0)):
        curve = curves.add(curve, occupancy, seconds, 10.0)
    smooth = curves.smooth(curve, 1.0)
    assert smooth is not None
    assert list(smooth.rates) == sorted(smooth.rates)
    assert smooth.rates[0] == pytest.approx(27.0 / 30.0)


def test_a_curve_goes_on_as_steeply_as_it_ended() -> None:
    """In proportion where the last stretch was in proportion, flat where it was flat."""
    curve = curves.Curve()
    for occupancy in (1, 2, 4, 8):
        curve = curves.add(curve, occupancy, occupancy * 10.0, 10.0)
    smooth = curves.smooth(curve, 1.0)
    assert smooth is not None
    assert smooth.at(16) == pytest.approx(2 * smooth.at(8), rel=1e-6)
    assert curves.smooth(curves.Curve(), 1.0) is None
