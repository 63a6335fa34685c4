"""Files that wait for others are asked about often enough, and not too often."""

from __future__ import annotations

from pathlib import Path

from orcabatch.engine.contract import Task
from orcabatch.engine.job_side import LOOK_AHEAD, BlockedTasks


class FirstLeads:
    """A job whose files wait for the first that has not failed."""

    def __init__(self) -> None:
        self.leader, self.asked = 0, 0

    def ready(self, task: Task) -> bool:
        self.asked += 1
        return task.index == self.leader


def tasks(count: int) -> list[Task]:
    """Largest first, which is the last of the list."""
    return [Task(index, Path(f"{index}.sim"), ("batch",), 1, 1) for index in reversed(range(count))]


def test_each_leader_that_fails_costs_a_few_questions() -> None:
    """A share that is gone: each file leads in its turn, none loads, and no turn asks about all others."""
    job, count = FirstLeads(), 2_000
    gate = BlockedTasks(job, tasks(count))
    for leader in range(count):
        job.leader = leader
        assert [task.index for task in gate.ready(ask_all=True)] == [leader]
    assert job.asked <= count * (LOOK_AHEAD + 3)
    assert gate.rest() == []


def test_whoever_is_ready_is_found_where_the_first_is_not() -> None:
    """All are asked where nobody else would bring the run on; who was let go is not held."""
    job = FirstLeads()
    gate = BlockedTasks(job, tasks(1_000))
    job.leader = 700
    assert [task.index for task in gate.ready(ask_all=True)] == [700]
    assert len(gate.rest()) == 999


def test_those_who_wait_are_asked_in_turns() -> None:
    """Without asking all, every file has been asked about after a few looks."""
    job = FirstLeads()
    gate = BlockedTasks(job, tasks(1_000))
    job.leader = 5
    found = [task.index for _ in range(1 + 1_000 // LOOK_AHEAD) for task in gate.ready(ask_all=False)]
    assert found == [5]
