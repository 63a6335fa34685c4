"""Which file starts when: order, limits, memory, seats, stopping; and that nothing breaks under random events."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orcabatch.engine.contract import Task
from orcabatch.engine.event_log import event_from_dict, event_to_dict, instruction_to_dict, replay
from orcabatch.engine.limits import Limits, SeatLimits
from orcabatch.engine.scheduler import Scheduler
from orcabatch.engine.scheduler_messages import (
    CollectGarbage,
    Event,
    GiveUp,
    Instruction,
    LimitSet,
    Moved,
    Offered,
    Redone,
    Sample,
    Sampled,
    Say,
    SeatsReported,
    SlotBack,
    SlotLost,
    Start,
    StopAsked,
    TaskFinished,
    Wake,
    Woken,
)
from orcabatch.engine.waiting import NOWHERE, Waiting

GB = 1_000_000_000
RANKED = (("small", 5), ("large", 2), ("medium", 7), ("large", 0), ("small", 2))


def task(index: int, size: int, tier: str = "small", factor: float = 1.5) -> Task:
    """Ranked longest first, as the plan would."""
    return Task(index, Path(f"/sims/{index}.sim"), ("b",), size, int(size * factor), -size, tier)


def fixed(count: int, **changes: Any) -> Limits:
    return Limits(max_limit=count, fixed_limit=count, **changes)


def offer_all(scheduler: Scheduler, tasks: list[Task], now_s: float = 0.0) -> list[int]:
    """Offers every task; the indices that start."""
    said: list[Instruction] = []
    for each in tasks:
        said += scheduler.step(Offered(now_s, each.index))
    return starts(said)


def starts(said: list[Instruction]) -> list[int]:
    return [each.index for each in said if isinstance(each, Start)]


def memory_sample(total: int, others: int, own: int = 0) -> Sample:
    return Sample(total_bytes=total, available_bytes=total - others - own, own_bytes=own)


def test_the_longest_file_starts_first_whatever_the_order_of_the_offers() -> None:
    """Offers come in input order; nothing starts before the last of them."""
    tasks = [task(index, size) for index, size in enumerate((1, 5, 3, 9))]
    scheduler = Scheduler(tasks, fixed(2))
    assert offer_all(scheduler, tasks) == [3, 1]
    assert starts(scheduler.step(TaskFinished(1.0, 3))) == [2]


def test_a_task_that_is_not_offered_does_not_hold_the_others() -> None:
    """The answer to an early offer is a wake for the same moment, at which what is there starts."""
    tasks = [task(index, 10) for index in range(3)]
    scheduler = Scheduler(tasks, fixed(2))
    assert scheduler.step(Offered(4.0, 1)) == [Wake(4.0)]
    assert starts(scheduler.step(Woken(4.0))) == [1]
    assert starts(scheduler.step(TaskFinished(5.0, 1))) == []
    assert scheduler.done


def test_in_order_none_passes_another() -> None:
    """Neither a longer one, nor a smaller one while the first waits for memory or its next try."""
    tasks = [replace(task(index, size), rank=index) for index, size in enumerate((1, 9, 30 * GB, 2, 3))]
    scheduler = Scheduler(tasks, fixed(1, memory_total_bytes=20 * GB, in_order=True))
    assert offer_all(scheduler, tasks) == [0]
    assert starts(scheduler.step(TaskFinished(1.0, 0, ending="retry", retry_delay_s=5.0))) == []
    assert starts(scheduler.step(Woken(6.0))) == [0]
    assert [starts(scheduler.step(TaskFinished(7.0 + index, index))) for index in range(4)] == [[1], [2], [3], [4]]


def test_in_order_and_static_is_tier_after_tier() -> None:
    """Within a tier as listed."""
    tiers = ("large", "small", "large", "small")
    ranks = (2, 0, 3, 1)
    tasks = [replace(task(index, 9), tier=tier, rank=ranks[index]) for index, tier in enumerate(tiers)]
    limits = fixed(1, mode="static", tiers={"small": 1, "large": 1}, in_order=True)
    scheduler = Scheduler(tasks, limits)
    ran = offer_all(scheduler, tasks)
    for now_s in range(1, 4):
        ran += starts(scheduler.step(TaskFinished(float(now_s), ran[-1])))
    assert ran == [1, 3, 0, 2]


def test_the_plan_owns_the_order() -> None:
    """Ranks are what counts: not sizes, folders, tiers nor the order of the list; equals start as listed."""
    tasks = [replace(task(index, index + 1, tier), rank=rank) for index, (tier, rank) in enumerate(RANKED)]
    scheduler = Scheduler(tasks, fixed(5))
    assert offer_all(scheduler, tasks) == [3, 1, 4, 0, 2]


def test_small_files_backfill_around_one_that_waits_for_memory() -> None:
    """The first in plan order that fits starts, not only the first."""
    tasks = [task(0, 30 * GB), task(1, 30 * GB), task(2, 4 * GB)]
    limits = fixed(3, memory_total_bytes=220 * GB, overhead=1.5)
    scheduler = Scheduler(tasks, limits)
    assert offer_all(scheduler, tasks) == [0, 2]
    assert scheduler.reserved_bytes <= 0.8 * 220 * GB


def test_small_files_do_not_pass_over_a_large_one_for_ever() -> None:
    """After four mean file times memory is kept free until the large one fits."""
    tasks = [task(0, 9 * GB), task(1, 8 * GB), *(task(index, 3 * GB + index) for index in range(2, 400))]
    scheduler = Scheduler(tasks, fixed(4, memory_total_bytes=80 * GB))
    running, now_s = offer_all(scheduler, tasks), 0.0
    assert running[0] == 0
    passed = 0
    while 1 not in running:
        now_s, passed = now_s + 10.0, passed + 1
        index = running.pop(-1)
        running += starts(scheduler.step(TaskFinished(now_s, index, wall_s=10.0)))
        assert passed < 40
    assert scheduler.running


def test_a_file_larger_than_the_budget_runs_alone_after_the_others_with_a_warning() -> None:
    """It neither waits for ever nor holds the others."""
    tasks = [task(0, 100 * GB), task(1, GB), task(2, GB)]
    scheduler = Scheduler(tasks, fixed(3, memory_total_bytes=20 * GB))
    assert offer_all(scheduler, tasks) == [1, 2]
    assert starts(scheduler.step(TaskFinished(1.0, 1))) == []
    said = scheduler.step(TaskFinished(2.0, 2))
    assert starts(said) == [0]
    assert any(isinstance(each, Say) and "alone" in each.text and each.index == 0 for each in said)


def test_nothing_is_admitted_above_the_cap_and_one_file_runs_after_patience() -> None:
    """With nothing running and memory taken by others, half a minute passes before one file runs all the same."""
    tasks = [task(0, GB), task(1, GB)]
    scheduler = Scheduler(tasks, fixed(2, memory_total_bytes=100 * GB))
    scheduler.step(Sampled(0.0, memory_sample(100 * GB, others=0)))
    scheduler.step(Sampled(0.0, memory_sample(100 * GB, others=90 * GB)))
    assert offer_all(scheduler, tasks) == []
    assert scheduler.step(Woken(1.0)) == [Wake(30.0)]
    said = scheduler.step(Woken(30.0))
    assert starts(said) == [0]
    assert any(isinstance(each, Say) for each in said)


def run_all(scheduler: Scheduler, said: list[Instruction], now_s: float) -> tuple[list[list[int]], list[Say]]:
    """Ends each file a second after its start: what started together, and all that was said."""
    together, texts = [], [each for each in said if isinstance(each, Say)]
    while running := starts(said):
        together.append(running)
        for index in running:
            now_s += 1.0
            said = scheduler.step(TaskFinished(now_s, index))
            texts += [each for each in said if isinstance(each, Say)]
    return together, texts


@pytest.mark.parametrize("factor", [1.5, 1000.0], ids=["small files", "files above the cap"])
def test_a_cap_below_what_is_in_use_is_one_sentence_and_one_file_at_a_time_without_waiting(factor: float) -> None:
    """It was so before the first file, so nothing is waited for; the numbers are the host's, the sentence the run's."""
    tasks = [task(index, 1_000_000, factor=factor) for index in range(20)]
    scheduler = Scheduler(tasks, fixed(4, memory_total_bytes=24 * GB, max_usage_percent=2.0))
    said = scheduler.step(Sampled(0.0, memory_sample(24 * GB, others=2 * GB, own=150_000_000)))
    for each in tasks:
        said += scheduler.step(Offered(0.0, each.index))
    together, texts = run_all(scheduler, said, 0.0)
    assert together == [[index] for index in range(20)]
    assert texts == [
        Say(
            "2.1 GB of memory are in use, 150 MB of it by this run, and memory.max_usage_percent = 2 allows 480 MB: "
            "files run one at a time. Close other programs, or raise it"
        )
    ]


def test_memory_that_others_take_while_running_is_one_sentence_too_and_waited_for_once() -> None:
    """After half a minute one file after the other runs; when memory is back they run together again."""
    tasks = [task(index, GB) for index in range(8)]
    scheduler = Scheduler(tasks, fixed(4, memory_total_bytes=100 * GB))
    scheduler.step(Sampled(0.0, memory_sample(100 * GB, others=0)))
    scheduler.step(Sampled(0.0, memory_sample(100 * GB, others=90 * GB)))
    assert offer_all(scheduler, tasks) == []
    first = scheduler.step(Woken(30.0))
    second = scheduler.step(TaskFinished(31.0, 0))
    assert (starts(first), starts(second)) == ([0], [1])
    assert [each.index for each in (*first, *second) if isinstance(each, Say)] == [-1]
    back = scheduler.step(Sampled(32.0, memory_sample(100 * GB, others=0)))
    assert starts(back) == [2, 3, 4]


def test_memory_above_the_cap_shrinks_the_limit_and_below_it_opens_it() -> None:
    """Another program grows and goes: the limit follows, garbage is collected, nothing starts meanwhile."""
    tasks = [task(index, GB) for index in range(12)]
    scheduler = Scheduler(tasks, fixed(4, memory_total_bytes=100 * GB))
    scheduler.step(Sampled(0.0, memory_sample(100 * GB, others=0)))
    offer_all(scheduler, tasks)
    said = scheduler.step(Sampled(1.0, memory_sample(100 * GB, others=80 * GB, own=6 * GB)))
    assert CollectGarbage() in said
    assert scheduler.limit == 3
    assert starts(scheduler.step(TaskFinished(2.0, scheduler.running[0]))) == []
    said = scheduler.step(Sampled(3.0, memory_sample(100 * GB, others=0, own=4 * GB)))
    assert any(isinstance(each, LimitSet) and each.limit == 4 for each in said)
    assert len(scheduler.running) == 4


@pytest.mark.parametrize("mode", ["dynamic", "static"])
@pytest.mark.parametrize(("used", "goes_on"), [(60, True), (76, True), (79, False), (81, False)])
def test_above_the_threshold_garbage_is_collected_and_work_goes_on_up_to_the_cap(
    mode: Any, used: int, goes_on: bool
) -> None:
    """75 and 80: a file of 1.5 GB starts at 76% as it does at 60%; none does where it would pass 80%."""
    tasks = [task(index, GB) for index in range(12)]
    limits = Limits(mode=mode, max_limit=4, memory_total_bytes=100 * GB, gc_threshold_percent=75.0, overhead=4.0)
    scheduler = Scheduler(tasks, limits)
    scheduler.step(Sampled(0.0, memory_sample(100 * GB, others=0)))
    offer_all(scheduler, tasks)
    said = scheduler.step(Sampled(1.0, memory_sample(100 * GB, others=used * GB - 6 * GB, own=6 * GB)))
    assert (CollectGarbage() in said) == (used > 75)
    assert len(scheduler.running) == 4
    ended = scheduler.step(TaskFinished(2.0, scheduler.running[0]))
    assert bool(starts(ended)) == goes_on


def test_a_limit_that_memory_lowered_opens_again_between_threshold_and_cap() -> None:
    """The threshold for garbage is no second cap: at 78% files are no longer held back."""
    tasks = [task(index, GB) for index in range(12)]
    scheduler = Scheduler(tasks, fixed(4, memory_total_bytes=100 * GB, gc_threshold_percent=75.0, overhead=4.0))
    scheduler.step(Sampled(0.0, memory_sample(100 * GB, others=0)))
    offer_all(scheduler, tasks)
    lowered = scheduler.step(Sampled(1.0, memory_sample(100 * GB, others=76 * GB, own=6 * GB)))
    opened = scheduler.step(Sampled(2.0, memory_sample(100 * GB, others=72 * GB, own=6 * GB)))
    said = [each for each in (*lowered, *opened) if isinstance(each, LimitSet)]
    assert [(each.limit, each.found) for each in said] == [(3, False), (4, True)], "what memory sets, nobody found good"
    assert scheduler.limit == 4


def test_the_tiers_are_ceilings_in_dynamic_mode() -> None:
    """No more large files at once than their tier allows; the other slots go to small ones."""
    tasks = [task(index, 600 - index, "large" if index < 5 else "small") for index in range(10)]
    scheduler = Scheduler(tasks, fixed(6, tiers={"large": 2, "small": 45}))
    assert offer_all(scheduler, tasks) == [0, 1, 5, 6, 7, 8]


def test_static_mode_runs_the_tiers_one_after_the_other_with_their_counts() -> None:
    """In the order of their ranks; the next tier begins when the one before has ended."""
    kinds = ["large"] * 2 + ["small"] * 3 + ["medium"] * 2
    places = {"small": 0, "medium": 1, "large": 2}
    tasks = [replace(task(index, 10, kind), rank=places[kind]) for index, kind in enumerate(kinds)]
    scheduler = Scheduler(tasks, Limits(mode="static", max_limit=45, tiers={"small": 2, "medium": 1, "large": 5}))
    assert offer_all(scheduler, tasks) == [2, 3]
    assert starts(scheduler.step(TaskFinished(1.0, 2))) == [4]
    assert starts(scheduler.step(TaskFinished(2.0, 3))) == []
    assert starts(scheduler.step(TaskFinished(3.0, 4))) == [5]
    assert starts(scheduler.step(TaskFinished(4.0, 5))) == [6]
    assert starts(scheduler.step(TaskFinished(5.0, 6))) == [0, 1]


def test_a_retry_waits_for_its_delay() -> None:
    """The scheduler asks to be woken and starts it then."""
    tasks = [task(0, 10)]
    scheduler = Scheduler(tasks, fixed(1))
    offer_all(scheduler, tasks)
    assert scheduler.step(TaskFinished(5.0, 0, "retry", retry_delay_s=3.0)) == [Wake(8.0)]
    assert not scheduler.done
    assert starts(scheduler.step(Woken(8.0))) == [0]


def test_a_finished_task_can_be_done_again_and_a_running_one_after_it_came_back() -> None:
    """`Redone` starts it once more in both cases."""
    tasks = [task(0, 10), task(1, 9)]
    scheduler = Scheduler(tasks, fixed(2))
    offer_all(scheduler, tasks)
    scheduler.step(TaskFinished(1.0, 0))
    assert starts(scheduler.step(Redone(2.0, 0))) == [0]
    assert starts(scheduler.step(Redone(2.0, 1))) == []
    assert starts(scheduler.step(TaskFinished(3.0, 1))) == [1]
    assert starts(scheduler.step(Offered(4.0, 1))) == []


def test_a_hung_file_keeps_its_memory_and_its_slot_until_it_returns() -> None:
    """Written off, its reservation stays; the others go on in what is left."""
    tasks = [task(index, GB) for index in range(6)]
    scheduler = Scheduler(tasks, fixed(2, memory_total_bytes=100 * GB))
    offer_all(scheduler, tasks)
    held = scheduler.reserved_bytes
    assert starts(scheduler.step(SlotLost(1.0, 0))) == []
    assert scheduler.reserved_bytes == held
    assert starts(scheduler.step(SlotBack(2.0, 0))) == [2]


def test_with_every_slot_hung_one_more_file_still_runs() -> None:
    """Progress is never lost to written-off threads."""
    tasks = [task(index, 10) for index in range(3)]
    scheduler = Scheduler(tasks, fixed(2))
    offer_all(scheduler, tasks)
    assert starts(scheduler.step(SlotLost(1.0, 0))) == []
    assert starts(scheduler.step(SlotLost(1.0, 1))) == [2]


def test_stopping_gives_up_what_waits_and_lets_what_runs_finish() -> None:
    """After the first Ctrl-C nothing starts; a late offer is given up at once."""
    tasks = [task(index, 10 - index) for index in range(4)]
    scheduler = Scheduler(tasks, fixed(2))
    for index in range(3):
        scheduler.step(Offered(0.0, index))
    scheduler.step(Woken(0.0))
    said = scheduler.step(StopAsked(1.0, 1))
    assert [each.index for each in said if isinstance(each, GiveUp)] == [2]
    assert not scheduler.done
    assert [type(each) for each in scheduler.step(Offered(2.0, 3))] == [GiveUp]
    scheduler.step(TaskFinished(3.0, 0))
    scheduler.step(TaskFinished(3.0, 1))
    assert scheduler.done
    assert Scheduler(tasks, fixed(2)).step(StopAsked(0.0, 2)) == []


def test_no_licence_for_ten_minutes_gives_all_up_with_the_reason() -> None:
    """Denied again and again with no seat held, the waiting ends in words."""
    tasks = [task(0, 10), task(1, 9)]
    scheduler = Scheduler(tasks, fixed(2, seats=SeatLimits(max=2, scope="model", wait_s=600.0)))
    running, now_s, given_up = offer_all(scheduler, tasks), 0.0, []
    for _ in range(200):
        event: Event = TaskFinished(now_s, running.pop(), "seat_denied") if running else Woken(now_s)
        said = scheduler.step(event)
        running += starts(said)
        given_up += [each for each in said if isinstance(each, GiveUp)]
        wakes = [each.at_s for each in said if isinstance(each, Wake)]
        now_s = max(now_s + 1e-3, wakes[-1]) if wakes and not running else now_s + 1e-3
        if scheduler.done:
            break
    assert sorted(each.index for each in given_up) == [0, 1]
    assert "licence seat" in given_up[0].reason
    assert 600.0 <= now_s < 700.0


def test_a_task_that_comes_back_without_running_is_an_error() -> None:
    """A contradiction is said at once."""
    with pytest.raises(ValueError, match="was not running"):
        Scheduler([task(0, 10)], fixed(1)).step(TaskFinished(0.0, 0))


def test_events_and_instructions_survive_json() -> None:
    """What is logged can be read back as it was."""
    events: list[Event] = [
        Offered(0.0, 1),
        TaskFinished(1.0, 1, "retry", 0.5, 1.0, {"load": 0.5}, 0.1, 7, 9),
        Redone(1.0, 1),
        Sampled(2.0, Sample(total_bytes=5, gil_taken=0.5)),
        Woken(3.0),
        StopAsked(4.0, 2),
        SlotLost(5.0, 1),
        SlotBack(6.0, 1),
    ]
    for event in events:
        assert event_from_dict(json.loads(json.dumps(event_to_dict(event)))) == event
    said: list[Instruction] = [Start(1, 1), CollectGarbage(), LimitSet(1, "r"), Say("x", 1), Wake(1.0), GiveUp(1, "r")]
    assert all(json.loads(json.dumps(instruction_to_dict(each)))["do"] == type(each).__name__ for each in said)


def test_a_recorded_run_is_replayed_to_the_same_decisions() -> None:
    """The same events through a new scheduler give the same instructions."""
    tasks = [task(index, GB + index) for index in range(20)]
    limits = Limits(max_limit=4, memory_total_bytes=40 * GB, seats=SeatLimits(max=3, scope="model", seed=5))
    scheduler, log, said = Scheduler(tasks, limits), [], []
    events: list[Event] = [Sampled(0.0, memory_sample(40 * GB, GB)), *(Offered(0.0, index) for index in range(20))]
    for number in range(120):
        event = events.pop(0) if events else Woken(number / 4)
        if not events and scheduler.running and number % 3 == 0:
            ending = "seat_denied" if number % 9 == 0 else "done"
            event = TaskFinished(number / 4, scheduler.running[0], ending, wall_s=1.0, memory_bytes=GB, size_bytes=GB)  # type: ignore[arg-type]
        log.append(json.loads(json.dumps(event_to_dict(event))))
        said.append(scheduler.step(event))
    assert [answer for _, answer in replay(tasks, limits, log)] == said
    assert sum(map(len, said)) > 20


def test_the_first_position_that_fits_is_found_in_logarithmic_time() -> None:
    """The tree answers as a scan of the list would."""
    needs = [7, 3, 9, 3, 1]
    waiting = Waiting(len(needs))
    for position, need in enumerate(needs):
        waiting.put(position, need)
    for bound in range(11):
        expected = next((position for position, need in enumerate(needs) if need <= bound), NOWHERE)
        assert waiting.first(bound) == expected
    waiting.take(1)
    assert waiting.first(3) == 3


class _CountingQueue(Waiting):
    """Counts the nodes that are touched."""

    touched = 0

    def put(self, position: int, need: float) -> None:
        _CountingQueue.touched += self._leaves.bit_length()
        super().put(position, need)

    def first(self, at_most: float = 1e300) -> int:
        _CountingQueue.touched += self._leaves.bit_length()
        return super().first(at_most)


def _work_for(count: int, monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr("orcabatch.engine.waiting.Waiting", _CountingQueue)
    _CountingQueue.touched = 0
    tasks = [task(index, GB + index % 97) for index in range(count)]
    scheduler = Scheduler(tasks, fixed(8, memory_total_bytes=1000 * GB))
    running = offer_all(scheduler, tasks)
    ended = 0
    while running:
        running += starts(scheduler.step(TaskFinished(float(ended), running.pop(), memory_bytes=GB, wall_s=1.0)))
        ended += 1
    assert ended == count
    return _CountingQueue.touched / count


def test_a_hundred_thousand_files_cost_as_much_each_as_a_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Per file the scheduler touches a number of nodes that grows with the logarithm only."""
    few, many = _work_for(1_000, monkeypatch), _work_for(100_000, monkeypatch)
    assert many / few < 2.0


def test_a_file_that_was_not_offered_is_not_started_where_memory_has_no_limit() -> None:
    """The first small files tell what files are like; one that is not ready is not among them."""
    sizes = [492, 192_292_338, 321, 416, 3_825_289_462, 1272, 579_238, 44, 18, 2651]
    scheduler = Scheduler([task(index, size) for index, size in enumerate(sizes)], Limits(max_limit=9))
    started: set[int] = set()
    events: list[Event] = [Woken(0.0), Offered(0.0, 1), Woken(0.0), Offered(1.0, 0), Offered(1.0, 6), Woken(2.0)]
    for event in events:
        started |= {each.index for each in scheduler.step(event) if isinstance(each, Start)}
    assert started <= {0, 1, 6}
    assert scheduler.running


def test_files_that_hang_on_every_seat_do_not_make_the_others_wait_for_ever() -> None:
    """The only seat is held by a hung file: the rest is given up after the time that one waits for a licence."""
    limits = Limits(max_limit=4, seats=SeatLimits(max=1, scope="model", wait_s=50.0))
    scheduler = Scheduler([task(0, 9), task(1, 5)], limits)
    said = [*scheduler.step(Woken(0.0)), *scheduler.step(Offered(0.0, 0)), *scheduler.step(Offered(0.0, 1))]
    (hung,) = [each.index for each in said if isinstance(each, Start)]
    (wake,) = [each for each in scheduler.step(SlotLost(10.0, hung)) if isinstance(each, Wake)]
    assert wake.at_s == 60.0
    (given_up,) = [each for each in scheduler.step(Woken(60.0)) if isinstance(each, GiveUp)]
    assert given_up.index == 1 - hung
    assert "hangs" in given_up.reason
    assert scheduler.done


class Units:
    """What an executor that prefers the emptiest unit would have open: the files of each unit, idle units too."""

    def __init__(self, limits: SeatLimits) -> None:
        self.size = 1 if limits.scope == "model" else limits.threads_per_process
        self.files: list[set[int]] = []

    def truth(self) -> tuple[int, int]:
        return len(self.files), sum(self.size - len(unit) for unit in self.files)

    def start(self, index: int, allowed: int) -> None:
        emptiest = min(self.files, key=len, default=None)
        if (emptiest is None or emptiest) and len(self.files) < allowed:
            emptiest = set()
            self.files.append(emptiest)
        assert emptiest is not None, "a file starts where a unit is held, or may be asked for"
        assert len(emptiest) < self.size, "a file starts where a unit has room"
        emptiest.add(index)

    def leave(self, index: int, *, closes: bool = False) -> None:
        for unit in [unit for unit in self.files if index in unit]:
            unit.discard(index)
            if closes and not unit:
                self.files.remove(unit)


class RandomRun(RuleBasedStateMachine):
    """The scheduler under random events; a model beside it knows what must hold."""

    @initialize(
        sizes=st.lists(st.integers(1, 12 * GB), min_size=1, max_size=40),
        limit=st.integers(1, 9),
        static=st.booleans(),
        adaptive=st.booleans(),
        scope=st.sampled_from(("model", "process")),
        most=st.one_of(st.none(), st.integers(1, 4)),
        ram=st.sampled_from((0, 16 * GB, 64 * GB)),
    )
    def begin(self, **drawn: Any) -> None:
        tiers = ("small", "medium", "large")
        self.tasks = [task(index, size, tiers[size % 3]) for index, size in enumerate(drawn["sizes"])]
        self.seats = SeatLimits(max=drawn["most"], scope=drawn["scope"], processes=4, threads_per_process=2, wait_s=50)
        self.limits = Limits(
            mode="static" if drawn["static"] else "dynamic",
            tiers={"small": 4, "medium": 3, "large": 2},
            max_limit=drawn["limit"],
            fixed_limit=None if drawn["adaptive"] else drawn["limit"],
            memory_total_bytes=drawn["ram"],
            seats=self.seats,
        )
        self.scheduler = Scheduler(self.tasks, self.limits)
        self.now_s, self.others, self.work, self.stopped = 0.0, 0, 0.0, 0
        self.running: list[int] = []
        self.waits: set[int] = set()
        self.done: Counter[int] = Counter()
        self.due: Counter[int] = Counter()
        self.given_up: set[int] = set()
        self.lost: list[int] = []
        self.wake_s: float | None = None
        self.units = Units(self.seats)
        self.tell(Sampled(0.0, memory_sample(max(1, drawn["ram"]), 0)) if drawn["ram"] else Woken(0.0))

    def tell(self, event: Event) -> None:
        if (held := self.units.truth()) != self.scheduler.seats_held:
            self.obey(self.scheduler.step(SeatsReported(self.now_s, *held)))
        self.obey(self.scheduler.step(event))

    def obey(self, said: list[Instruction]) -> None:
        for each in said:
            if isinstance(each, Start):
                assert self.seats.max is None or each.units <= self.seats.max
                self.units.start(each.index, each.units)
                assert each.index not in self.running
                assert each.index in self.waits, "only what waits starts"
                self.waits.discard(each.index)
                self.running.append(each.index)
                self.check_admission(each.index)
            elif isinstance(each, GiveUp):
                assert each.index in self.waits
                self.waits.discard(each.index)
                self.given_up.add(each.index)
            elif isinstance(each, Wake):
                self.wake_s = each.at_s

    def check_admission(self, index: int) -> None:
        """Within the budget unless alone; within seats, tier and limit."""
        state = self.scheduler
        if self.limits.memory_total_bytes and len(self.running) > 1:
            assert self.others + state.reserved_bytes <= 0.8 * self.limits.memory_total_bytes + 1
        tier = self.tasks[index].tier
        assert sum(self.tasks[each].tier == tier for each in self.running) <= self.limits.tiers[tier]
        assert len(self.running) <= self.limits.max_limit
        if self.seats.max is not None:
            each_seat = 1 if self.seats.scope == "model" else self.seats.threads_per_process
            assert len(self.running) <= self.seats.max * each_seat

    @rule(number=st.integers(0, 39))
    def offer(self, number: int) -> None:
        index = number % len(self.tasks)
        known = index in self.running or index in self.waits or index in self.given_up or index in self.lost
        if not known and not self.done[index]:
            self.waits.add(index)
            self.due[index] += 1
        self.tell(Offered(self.now_s, index))

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 8), factor=st.floats(0.3, 4.0), ending=st.sampled_from(["done"] * 5 + ["retry"]))
    def finish(self, number: int, factor: float, ending: Any) -> None:
        index = self.running.pop(number % len(self.running))
        size = self.tasks[index].size_bytes
        self.now_s += 1.0
        self.units.leave(index)
        if ending == "retry":
            self.waits.add(index)
        else:
            self.done[index] += 1
            self.work += size
        self.tell(
            TaskFinished(self.now_s, index, ending, 2.0, 1.0, {"load": 0.4, "extract": 0.6}, 0.5, int(size * factor))
        )

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 8))
    def deny(self, number: int) -> None:
        index = self.running.pop(number % len(self.running))
        self.now_s += 0.1
        self.waits.add(index)
        self.units.leave(index, closes=True)
        self.tell(TaskFinished(self.now_s, index, "seat_denied"))

    @precondition(lambda self: self.running and not self.stopped)
    @rule(number=st.integers(0, 8))
    def hang(self, number: int) -> None:
        index = self.running.pop(number % len(self.running))
        self.lost.append(index)
        self.done[index] += 1
        if self.seats.scope == "process":  # only a thread can hang; its process's seat serves the other threads
            self.units.leave(index)
        self.tell(SlotLost(self.now_s, index))

    @precondition(lambda self: self.lost)
    @rule()
    def come_back(self) -> None:
        index = self.lost.pop()
        self.units.leave(index, closes=True)
        self.tell(SlotBack(self.now_s, index))

    @precondition(lambda self: any(not unit for unit in self.units.files))
    @rule()
    def close_what_idles(self) -> None:
        self.units.files.remove(set())
        self.tell(Woken(self.now_s))

    @rule(percent=st.integers(0, 95), step=st.floats(0.1, 5.0))
    def look(self, percent: int, step: float) -> None:
        self.now_s += step
        total = self.limits.memory_total_bytes
        if not total:
            return
        self.others = total * percent // 100
        own = min(total - self.others, len(self.running) * GB // 4)
        half = len(self.running) // 2
        extra = {"loading": half, "extracting": len(self.running) - half, "gil_taken": 0.5, "cpu_percent": 40.0}
        sample = replace(
            memory_sample(total, self.others, own), work_loaded=self.work, work_extracted=self.work, **extra
        )
        self.tell(Sampled(self.now_s, sample))

    @rule(capacity=st.integers(1, 12))
    def move(self, capacity: int) -> None:
        self.tell(Moved(self.now_s, capacity))

    @rule()
    def wake(self) -> None:
        self.now_s = max(self.now_s, self.wake_s or 0.0)
        self.wake_s = None
        self.tell(Woken(self.now_s))

    @precondition(lambda self: len(self.given_up) == 0 and sum(self.done.values()) > 15)
    @rule()
    def stop(self) -> None:
        self.stopped = 1
        self.tell(StopAsked(self.now_s, 1))

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        state = self.scheduler
        assert sorted(state.running) == sorted(self.running)
        assert state.waiting == len(self.waits)
        assert not self.waits & set(self.running), "nothing both waits and runs"
        held = sum(self.tasks[index].memory_bytes for index in [*self.running, *self.lost])
        assert sum(state._memory.running) == held, "reserved is the sum over what runs and hangs"
        for index, count in self.done.items():
            assert count <= self.due[index], "no file ends more often than it was asked for"
        json.dumps(state.snapshot())

    def teardown(self) -> None:
        """Whatever happened, the run comes to its end: every file that was asked for ends exactly once."""
        if not hasattr(self, "scheduler"):
            return
        for _ in range(4 * len(self.tasks) + 400):  # a denied seat is waited for, second by second, for 50 s
            if self.scheduler.done:
                break
            if self.running:
                index = self.running.pop()
                self.done[index] += 1
                self.now_s += 1.0
                self.units.leave(index)
                self.tell(TaskFinished(self.now_s, index, wall_s=1.0))
            else:
                assert self.wake_s is not None, "with nothing running and something waiting there is a time to wake"
                self.wake()
        assert self.scheduler.done
        for index in range(len(self.tasks)):
            assert self.done[index] + (index in self.given_up) == self.due[index]


TestRandomRun = RandomRun.TestCase
TestRandomRun.settings = settings(
    max_examples=260,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)
