"""Which file settles the configuration: decisions against a naive serial loop, in any order of events."""

from __future__ import annotations

import copy
import sys
import tracemalloc
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orcabatch.digitalmodel.serial_order import AS_GIVEN, Needs, SerialOrder, Variant, needs_of, settle


@dataclass(frozen=True)
class Sim:
    """A file as the state machine sees it: whether it loads, its stop time, and the variants with which it fails."""

    loads: bool
    stop: float
    fails_as_leader: bool
    fails_under: frozenset[float | None]

    def stands(self, variant: Variant) -> bool:
        if not self.loads:
            return False
        return variant.stop_time not in self.fails_under if variant.settled else not self.fails_as_leader


def serially(files: list[Sim], needs: Needs) -> dict[int, Variant]:
    """What a serial loop does: the first file that stands changes the configuration, failed ones leave no trace."""
    variants: dict[int, Variant] = {}
    settled = AS_GIVEN
    for i, file in enumerate(files):
        if file.stands(settled):
            variants[i] = settled
            if needs.leader and settled == AS_GIVEN:
                settled = Variant(settled=True, stop_time=file.stop if needs.stop_time else None)
    return variants


def in_parallel(
    files: list[Sim], needs: Needs, workers: int, draw: Any, early: frozenset[int] = frozenset()
) -> dict[int, Variant]:
    """The same through the state machine, with workers that take turns as `draw` says; some start unasked."""
    state, waiting = SerialOrder(needs, len(files)), list(range(len(files)))
    running: dict[int, tuple[Variant, bool]] = {}
    ended: dict[int, Variant | None] = {}
    starts = [0] * len(files)
    for _ in range(10_000):
        ready = [i for i in waiting if state.variant(i) is not None or i in early]
        moves = [("start", i) for i in ready if len(running) < workers]
        moves += [("end" if told else "load", i) for i, (_, told) in running.items()]
        if not moves:
            break
        move, i = draw(st.sampled_from(moves))
        redo: tuple[int, ...] = ()
        if move == "start":
            waiting.remove(i)
            running[i] = (state.started(i), not files[i].loads)
            starts[i] += 1
        elif move == "load":
            running[i] = (running[i][0], True)
            redo = state.loaded(i, files[i].stop) if needs.stop_time else ()
        else:
            variant, _ = running.pop(i)
            ok = files[i].stands(variant)
            ended[i] = variant if ok else None
            redo = state.finished(i, ok=ok, unloadable=not files[i].loads)
        assert not set(redo) & set(running)
        waiting += redo
    assert not waiting, "a file waits for ever"
    assert not running
    assert max(starts) <= 2 + bool(early), "with each that came to lead all others were done again"
    return {i: variant for i, variant in ended.items() if variant is not None}


sims = st.builds(
    Sim,
    loads=st.sampled_from([True, True, True, False]),
    stop=st.sampled_from([60.0, 100.0, 140.0]),
    fails_as_leader=st.booleans(),
    fails_under=st.frozensets(st.sampled_from([None, 60.0, 100.0, 140.0]), max_size=2),
)
all_needs = st.sampled_from([Needs(), Needs(leader=True), Needs(stop_time=True, leader=True)])


@settings(max_examples=150, deadline=None)
@given(
    files=st.lists(sims, min_size=1, max_size=8),
    needs=all_needs,
    workers=st.integers(1, 4),
    early=st.frozensets(st.integers(0, 7), max_size=2),
    data=st.data(),
)
def test_any_order_of_events_gives_what_the_serial_loop_gives(
    files: list[Sim], needs: Needs, workers: int, early: frozenset[int], data: Any
) -> None:
    """Whoever starts, loads and fails when: files that stand were done as a loop without the failed ones does them.

    So they are where some do not wait, because another batch waits for them.
    """
    assert in_parallel(files, needs, workers, data.draw, early) == serially(files, needs)


def test_nobody_waits_where_the_configuration_needs_nothing() -> None:
    """Without open periods and currents every file may start at once, as given."""
    state = SerialOrder(Needs(), 5)
    assert [state.variant(i) for i in range(5)] == [AS_GIVEN] * 5


def test_only_the_leader_starts_before_its_stop_time_is_known() -> None:
    """With an open period the others wait until the first is loaded, not until it is finished."""
    state = SerialOrder(Needs(stop_time=True, leader=True), 3)
    state.started(0)
    assert [state.variant(i) is not None for i in range(3)] == [True, False, False]
    redo = state.loaded(0, 60.0)
    assert redo == ()
    assert [state.variant(i) for i in range(3)] == [AS_GIVEN, Variant(True, 60.0), Variant(True, 60.0)]


def test_a_failed_leader_hands_over_and_what_differs_is_done_again() -> None:
    """The next one leads, and files done with the old stop time are done again once it stands: it may fail as well."""
    state = SerialOrder(Needs(stop_time=True, leader=True), 3)
    state.started(0)
    state.loaded(0, 60.0)
    for i in (1, 2):
        state.started(i)
        state.loaded(i, 100.0)
        redo = state.finished(i, ok=True)
        assert redo == ()
    redo = state.finished(0, ok=False)
    assert redo == (1,)
    assert [state.variant(i) for i in (1, 2)] == [AS_GIVEN, Variant(True, 100.0)]
    state.started(1)
    redo = state.finished(1, ok=True)
    assert redo == (2,)


@pytest.mark.parametrize("ok", [True, False])
def test_one_that_did_not_wait_and_comes_to_lead_is_done_again(ok: bool) -> None:
    """Another batch waited for it. It was done as no leader, and may fail as one, whatever became of it then."""
    state = SerialOrder(Needs(stop_time=True, leader=True), 3)
    given = state.started(1)
    state.loaded(1, 100.0)
    assert state.finished(1, ok=ok) == ()
    state.started(0)
    state.loaded(0, 60.0)
    redo = state.finished(0, ok=False)
    assert redo == (1,)
    assert state.started(1) == AS_GIVEN != given
    redo = state.finished(1, ok=False)
    assert redo == ()
    assert state.leader == 2


def test_followers_keep_their_results_when_the_new_leader_stops_at_the_same_time() -> None:
    """The stop time is what matters, not whose it is: only the new leader itself is done again."""
    state = SerialOrder(Needs(stop_time=True, leader=True), 3)
    state.started(0)
    state.loaded(0, 60.0)
    for i in (1, 2):
        state.started(i)
        state.loaded(i, 60.0)
        state.finished(i, ok=True)
    redo = state.finished(0, ok=False)
    assert redo == (1,)


def configuration(**changes: Any) -> dict[str, Any]:
    series = {"data": True, "groups": [{"Label": "a", "Columns": [{"SimulationPeriod": [0.0, None]}]}]}
    summary = {"groups": [{"Label": "s", "Columns": [_data(["WaveHs", -1]), _data(["RefCurrentSpeed"])]}]}
    flags = {"summary": {"flag": True}, "time_series": {"flag": True}}
    return {
        "orcaflex": {"postprocess": flags},
        "time_series_settings": series,
        "summary_settings": summary,
        **changes,
    }


def _data(names: list[Any], command: str = "GetData", name: str = "Environment") -> dict[str, Any]:
    return {"Command": command, "ObjectName": name, "Variable": names}


def test_an_open_period_and_a_current_need_the_leader() -> None:
    """An open period of the time series waits for the leader's stop time; a current alone does not wait."""
    assert needs_of(configuration()) == Needs(stop_time=True, leader=True, selects=True)
    closed = configuration(time_series_settings={"data": False, "groups": []})
    assert needs_of(closed) == Needs(stop_time=False, leader=True, selects=True)


@pytest.mark.parametrize(
    "column",
    [
        _data(["WaveHs"]),
        _data(["RefCurrentSpeed", 0]),
        _data(["RefCurrentSpeed"], name="Current1"),
        _data(["RefCurrentSpeed"], command="TimeHistory"),
    ],
)
def test_what_changes_nothing_for_the_others_needs_no_leader(column: dict[str, Any]) -> None:
    """An index appended to a plain data name gives every file the same value."""
    cfg = configuration(time_series_settings=None, summary_settings={"groups": [{"Columns": [column]}]})
    assert needs_of(cfg) == Needs()


def test_a_list_shared_by_two_columns_needs_the_leader() -> None:
    """A YAML anchor gives two columns one list: what is appended for one stands in the other in later files."""
    names = ["WaveHs"]
    columns = [_data(names, name="Line1"), _data(names)]
    cfg = configuration(time_series_settings=None, summary_settings={"groups": [{"Columns": columns}]})
    assert needs_of(cfg).leader


def test_settling_ends_open_periods_and_appends_indices() -> None:
    """The settled configuration is what digitalmodel's pass over the first file leaves; it can be settled twice."""
    cfg = configuration()
    settle(cfg, 60.0)
    again = copy.deepcopy(cfg)
    settle(again, 90.0)
    assert again == cfg
    assert cfg["time_series_settings"]["groups"][0]["Columns"][0]["SimulationPeriod"] == [0.0, 60.0]
    assert cfg["summary_settings"]["groups"][0]["Columns"][1]["Variable"] == ["RefCurrentSpeed", 0]


def steps(state: SerialOrder, events: Any) -> int:
    """Lines of `serial_order.py` that run for the events, and hundreds of bytes that they move."""
    lines, moved = 0, 0

    def count(frame: Any, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != settle.__code__.co_filename:
            return None
        lines += event == "line"
        return count

    tracemalloc.start()
    before = sys.gettrace()
    try:
        for event in events:
            tracemalloc.reset_peak()
            held, _ = tracemalloc.get_traced_memory()
            sys.settrace(count)
            event(state)
            sys.settrace(before)
            moved += tracemalloc.get_traced_memory()[1] - held
    finally:
        sys.settrace(before)
        tracemalloc.stop()
    return lines + moved // 100


def all_well(count: int) -> Any:
    """Each file starts, is loaded and ends well."""
    for i in range(count):
        yield lambda state, i=i: (state.started(i), state.loaded(i, 60.0), state.finished(i, ok=True))


def leaders_fail_last(count: int) -> Any:
    """All but the first half end well, then the first half fails, leader after leader, all with one stop time."""
    for i in range(count):
        yield lambda state, i=i: (state.started(i), state.loaded(i, 60.0))
    for i in range(count // 2, count):
        yield lambda state, i=i: state.finished(i, ok=True)
    for i in range(count // 2):
        yield lambda state, i=i: state.finished(i, ok=False, unloadable=True)


def nothing_loads(count: int) -> Any:
    """Every file fails in loading, the leader last."""
    for i in reversed(range(count)):
        yield lambda state, i=i: (state.started(i), state.finished(i, ok=False, unloadable=True), state.variant(0))


@pytest.mark.parametrize("events", [all_well, leaders_fail_last, nothing_loads])
@pytest.mark.parametrize("needs", [Needs(), Needs(stop_time=True, leader=True)])
def test_ten_times_the_files_cost_ten_times_the_steps(events: Any, needs: Needs) -> None:
    """Counted in lines that run and in bytes that are moved, whoever fails and in which order."""
    few, many = (steps(SerialOrder(needs, count), events(count)) for count in (100, 1_000))
    assert many < 15 * few
