"""When a run that began on threads goes on in processes: the decision alone, no clock, no threads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcabatch.engine.executors.auto_decision import LEAST_WATCHED_S, WORSE, Decision, Look, Prospects, Trial, Watch

GB = 10**9
PROSPECTS = Prospects(processes=8, cpus=8, start_s=3.0, total_files=100, total_bytes=100 * GB)


def looks(count: int, *, taken: float | None, cores: float = 1.0, per_s: int = GB // 10, busy: int = 4) -> list[Look]:
    """Four looks a second at steady work."""
    return [
        Look(
            now_s=tick / 4,
            busy=busy,
            gil_taken=taken,
            cores=cores,
            done_bytes=int(tick / 4 * per_s),
            running_bytes=GB // 10,
            done=int(tick / 4 * per_s) // GB,
        )
        for tick in range(1, count + 1)
    ]


def decisions(seen: list[Look], prospects: Prospects = PROSPECTS) -> list[Decision]:
    watch, said = Watch(), []
    for look in seen:
        watch, decision = watch.step(look, prospects)
        said += [decision] if decision is not None else []
    return said


def test_work_held_by_the_lock_moves_once_and_says_why() -> None:
    """A lock that is always taken and a long rest: move, said once, with the sums."""
    said = decisions(looks(40, taken=1.0))
    assert [decision.do for decision in said] == ["move"]
    assert "100% of the time" in said[0].why
    assert "3 s to start" in said[0].why


def test_files_that_are_done_again_are_still_to_be_done() -> None:
    """A first file that changes has all others done again: as much is left as if none had ended."""
    quick = replace(PROSPECTS, start_s=0.1)
    late = [replace(each, done=90, done_bytes=90 * GB) for each in looks(40, taken=1.0)]
    assert [decision.do for decision in decisions(late, quick)] == ["stay"]
    again = [replace(each, again=90, again_bytes=90 * GB) for each in late]
    assert [decision.do for decision in decisions(again, quick)] == ["move"]


def standing(share: float, *, cores: float = 0.1, taken: float = 0.02) -> list[Look]:
    """Files that stand still in the DLL for this share of their time."""
    seen = looks(40, taken=taken, cores=cores)
    return [replace(look, dll_waited_s=share * 4 * look.now_s) for look in seen]


def test_a_dll_that_serialises_is_left_for_processes_with_one_each() -> None:
    """Where nothing else is taken; a little waiting is none, and full cores or a taken lock are its cause."""
    (moved,) = decisions(standing(0.6))
    assert moved.do == "move"
    assert "the DLL serialises: files stood still in it for 60% of their time" in moved.why
    assert decisions(standing(0.2)) == []
    assert decisions(standing(0.6, cores=7.5)) == []
    assert decisions(standing(0.6, taken=0.6)) == []
    several = [replace(look, dll_served_s=2.0 * look.now_s) for look in standing(0.6)]
    assert decisions(several) == []  # two seconds of calls a second: it lets in several, and those that wait differ
    (stays,) = decisions(standing(0.6), replace(PROSPECTS, stays_because="a function of yours stays"))
    assert (stays.do, "a function of yours stays" in stays.why, stays.saves > 0) == ("stay", True, True)


@pytest.mark.parametrize("taken", [0.0, 0.3, 0.7])
def test_a_lock_that_is_mostly_free_never_moves(taken: float) -> None:
    """Work that waits for disks, or computes in native code, stays on threads without a word until the end."""
    seen = looks(400, taken=taken)
    assert decisions(seen) == []
    watch = Watch()
    for look in seen:
        watch, _ = watch.step(look, PROSPECTS)
    closing = watch.closing(PROSPECTS)
    assert closing.do == "stay"
    assert f"{100 * taken:.0f}% of the time" in closing.why
    assert "threads are not held back by it" in closing.why


def test_a_run_that_ends_before_the_decision_says_nothing_of_what_holds_threads_back() -> None:
    """It was too short to tell; that threads are not held back by a lock that is always taken would be wrong."""
    watch = Watch()
    for look in looks(3, taken=0.96):
        watch, decision = watch.step(look, PROSPECTS)
        assert decision is None
    assert watch.closing(PROSPECTS).why.startswith("Python's lock was taken 96% of the time: the run ended before")


def test_unmeasured_is_not_held() -> None:
    """Where the lock is not measured nothing is decided."""
    assert decisions(looks(40, taken=None)) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"total_bytes": GB // 2, "total_files": 6}, "cost 3 s to start"),
        ({"processes": 1}, "1 worker process would be no faster"),
        ({"cpus": 1}, "1 worker process would be no faster"),
        ({"stays_because": "its function lives here only"}, "its function lives here only"),
    ],
)
def test_it_stays_for_a_reason(change: dict[str, object], word: str) -> None:
    """Too little left, nothing to spread over, or something that cannot travel: it stays, and says so once."""
    said = decisions(looks(40, taken=1.0), replace(PROSPECTS, **change))  # type: ignore[arg-type]
    assert [decision.do for decision in said] == ["stay"]
    assert word in said[0].why


def test_what_may_not_move_is_told_what_it_misses_only_where_moving_pays() -> None:
    """The share that processes would save stands in the decision where they would pay, and nowhere else."""
    may_not = replace(PROSPECTS, stays_because="nobody said so")
    assert [decision.saves for decision in decisions(looks(40, taken=1.0), may_not)] == [pytest.approx(7 / 8)]
    assert [decision.saves for decision in decisions(looks(40, taken=1.0), replace(may_not, start_s=1e6))] == [0.0]
    assert [decision.saves for decision in decisions(looks(40, taken=1.0))] == [0.0]


def test_what_is_left_is_not_judged_by_bytes_alone() -> None:
    """Large files go first: where each takes as long as any other, most of the time is left with few bytes left."""
    large_first = replace(PROSPECTS, total_files=400, total_bytes=GB // 2)
    assert [decision.do for decision in decisions(looks(40, taken=1.0), large_first)] == ["move"]


def test_cores_that_are_full_already_leave_nothing_to_gain() -> None:
    """Where the process uses as many cores as there are, processes could not be faster."""
    said = decisions(looks(40, taken=0.9, cores=7.9))
    assert [decision.do for decision in said] == ["stay"]


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 3.0),
            st.integers(0, 45),
            st.none() | st.floats(0, 1),
            st.floats(0, 8),
            st.integers(0, 5 * GB),
            st.integers(0, 5 * GB),
        ),
        max_size=60,
    ),
    st.builds(
        Prospects,
        processes=st.integers(0, 60),
        cpus=st.integers(1, 64),
        start_s=st.floats(0.1, 10),
        total_files=st.integers(1, 500),
        total_bytes=st.integers(0, 100 * GB),
        stays_because=st.sampled_from(["", "no"]),
    ),
)
def test_whatever_is_seen(ticks: list[tuple[float, int, float | None, float, int, int]], prospects: Prospects) -> None:
    """At most one decision; moving only with the lock held, more than one place to go, leave to go, and enough seen."""
    watch, now_s, done, files, said = Watch(), 0.0, 0, 0, []
    for seconds, busy, taken, cores, more, running in ticks:
        now_s, done, files = now_s + seconds, done + more, files + bool(more)
        watch, decision = watch.step(Look(now_s, busy, taken, cores, done, running, files), prospects)
        assert 0 <= watch.taken <= 1
        if decision is not None:
            said.append(decision)
            assert decision.why
            if decision.do == "move":
                assert min(prospects.processes, prospects.cpus) > 1
                assert not prospects.stays_because
                assert watch.watched_s >= LEAST_WATCHED_S
                assert done + running < prospects.total_bytes
    assert len(said) <= 1
    assert watch.decided == bool(said)
    assert watch.closing(prospects).why


# --- a move is watched ---


def moved(files_per_s: float = 2.0) -> Trial:
    """After ten seconds in which threads got through so many of a hundred files, and have two left."""
    watch = Watch()
    for tick in range(1, 41):
        done = int(tick / 4 * files_per_s)
        watch, _ = watch.step(Look(tick / 4, 2, 0.5, 1.0, done * GB, 2 * GB, done), PROSPECTS)
    return watch.trial(PROSPECTS)


MOVED_S = 10.0


def after(trial: Trial, files_per_s: float, *, start_s: float = 3.0) -> tuple[float, str]:
    """When it went back, and why; the processes get through so many once they have started."""
    for tick in range(1, 400):
        now_s = MOVED_S + tick / 4
        threads = 2 if tick < 4 else 0
        ended = max(0, int((tick / 4 - start_s) * files_per_s))
        done = trial.done - threads + ended
        trial, why = trial.step(Look(now_s, threads, 0.0, 1.0, done * GB, 0, done), PROSPECTS)
        if why:
            return now_s - MOVED_S, why
    return 0.0, ""


@pytest.mark.parametrize(("speed", "back"), [(4.0, False), (2.0, False), (2.0 * WORSE * 0.95, True), (0.5, True)])
def test_a_move_is_taken_back_where_processes_get_through_less(speed: float, back: bool) -> None:
    """Threads did two files a second. The start of the processes counts neither way."""
    when_s, why = after(moved(), speed)
    assert bool(why) == back
    assert not back or "of what threads did" in why
    # Sixteen files, two for each process, are enough to know.
    assert when_s <= 3.0 + 20 / speed


def test_a_move_is_taken_back_where_nothing_comes() -> None:
    """Three times what starting costs, and two files' time: then threads go on."""
    when_s, why = after(moved(), 0.0)
    assert "no file was done" in why
    assert when_s == pytest.approx(3 * PROSPECTS.start_s + 2.0, abs=1.0)


def test_threads_are_measured_by_their_best() -> None:
    """A count that only just came to where it is makes the first half of a run slower than threads are."""
    watch = Watch()
    for tick in range(1, 41):
        done = max(0, (tick - 20) // 2)
        watch, _ = watch.step(Look(tick / 4, 2, 0.5, 1.0, done * GB, 2 * GB, done), PROSPECTS)
    assert watch.trial(PROSPECTS).speed == pytest.approx(2.0 / 100, rel=0.1)


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.integers(0, 9), st.integers(0, 3)), max_size=60))
def test_whatever_is_seen_after_a_move_it_goes_back_at_most_once(ticks: list[tuple[float, int, int]]) -> None:
    """And never after it has settled."""
    trial, now_s, done, said = moved(), 10.0, 20, list[str]()
    for seconds, busy, more in ticks:
        now_s, done = now_s + seconds, done + more
        before = trial
        trial, why = trial.step(Look(now_s, busy, 0.0, 1.0, done * GB, 0, done), PROSPECTS)
        said += [why] if why else []
        assert not (before.settled and why)
    assert len(said) <= 1
