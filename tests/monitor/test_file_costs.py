"""How much of a file's waiting was I/O."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.making import outcome
from orcabatch.engine.gil import GilUse
from orcabatch.host.usage import cores_taken
from orcabatch.monitor.file_costs import io_wait_percent
from orcabatch.outcome import FileOutcome, Status, Usage

FREE = GilUse(0.0, 0.0, 100)
TAKEN = GilUse(1.0, 0.02, 100)


def cost(
    load: tuple[float, float], extract: tuple[float, float], write: tuple[float, float] = (0.0, 0.0)
) -> FileOutcome:
    """Wall and CPU seconds by phase."""
    phases = {"load": load, "extract": extract, "write": write}
    usage = Usage({name: both[1] for name, both in phases.items()})
    return outcome(phases={name: both[0] for name, both in phases.items()}, usage=usage)


def test_time_of_loading_and_writing_without_cpu_is_waiting_for_io():
    """8 of 20 seconds waited for the disk."""
    assert io_wait_percent(cost((6, 1), (10, 10), (4, 1)), FREE, 0.0) == pytest.approx(40.0)


def test_waiting_while_extracting_is_not_io():
    """It is latency of the DLL or the lock; the specification's verdict is about input and output."""
    assert io_wait_percent(cost((1, 1), (9, 1)), FREE, 0.0) == pytest.approx(0.0)


def test_waiting_for_the_lock_while_loading_is_not_io():
    """Loading waits per CPU second as much as extracting does: eight threads share one lock, nobody reads."""
    assert io_wait_percent(cost((8, 1), (40, 5)), TAKEN, 0.0) == pytest.approx(0.0, abs=1.0)


def test_waiting_for_the_lock_is_told_from_io_where_only_loading_computes():
    """A function that does everything while loading has no extract phase to compare with."""
    assert io_wait_percent(cost((8, 1), (0, 0)), TAKEN, 0.0) == pytest.approx(0.0, abs=1.0)


def test_a_short_load_that_only_waited_for_the_lock_is_not_io():
    """A few calls come back from the DLL and queue for the lock: no CPU to show for it."""
    assert io_wait_percent(cost((0.3, 0.0), (0.2, 0.1)), TAKEN, 0.0) == pytest.approx(0.0)


def test_io_beside_a_taken_lock_stays_io():
    """Four seconds at the disk, one at computing: the lock explains what comes with the CPU, not the disk."""
    assert io_wait_percent(cost((4, 0.1), (1.5, 1.0)), TAKEN, 0.0) > 60.0


def test_waiting_for_a_core_is_not_io():
    """Eight threads on two full cores."""
    assert io_wait_percent(cost((8, 2), (16, 4)), FREE, 1.0) == pytest.approx(0.0)


def test_what_was_not_measured_is_none():
    """No CPU seconds: nothing can be said."""
    assert io_wait_percent(outcome(phases={"load": 5.0}, usage=Usage()), FREE, 0.0) is None


def test_the_phase_wait_is_not_the_workers_time():
    """Waiting for a seat, memory or a slot happens before a worker has the file."""
    assert outcome().busy_s == pytest.approx(9.0)


def test_skipped_and_cancelled_files_have_no_cost():
    """Their numbers would be those of another run."""
    assert not outcome(status=Status.SKIPPED).worked_on
    assert not outcome(status=Status.CANCELLED).worked_on
    assert outcome().worked_on


seconds = st.floats(0.0, 1e4)


@example((1.0, 5e-324), (1.0, 5e-324), 0.0, 0.0, 0.0)
@example((1.0, 5e-324), (1.0, 0.0), 0.0, 0.0, 0.0)
@given(st.tuples(seconds, seconds), st.tuples(seconds, seconds), st.floats(0, 1), st.floats(0, 10), st.floats(0, 1))
def test_the_share_is_a_percentage_whatever_was_measured(load, extract, taken, wait, cores):
    """Clocks of different grain give odd numbers; the answer stays between 0 and 100."""
    percent = io_wait_percent(cost(load, extract), GilUse(taken, wait, 1), cores)
    assert percent is None or 0.0 <= percent <= 100.0


def test_cores_are_taken_only_where_hardly_any_is_idle():
    """Below 80% a thread that wants a core gets one."""
    assert (cores_taken(50.0), cores_taken(80.0), cores_taken(100.0)) == (0.0, 0.0, 1.0)
