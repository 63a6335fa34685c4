"""What a worker does with one task: phases, shares, exceptions, memory."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.fakes import Book, FakeRecipe, Say, task
from orcabatch.engine import memory_meter as meters
from orcabatch.engine.memory_meter import MemoryMeter, give_back, resident_bytes
from orcabatch.engine.worker import Caught, Done, TaskRunner, attempt
from orcabatch.engine.worker_messages import Complaint, Message, PhaseEntered, Started
from orcabatch.outcome import Cause, Phase, Status

if TYPE_CHECKING:
    from orcabatch.engine.contract import Extracted


def bench(recipe: Any = None) -> tuple[TaskRunner, list[Message]]:
    said: list[Message] = []
    return TaskRunner(recipe or FakeRecipe(Book()), said.append, "w", MemoryMeter()), said


def test_the_phases_are_told_in_order() -> None:
    """A task goes from start through load, extract and write to clean-up, and each change is told once."""
    worker, said = bench()
    worker.do(task(4))
    assert isinstance(said[0], Started)
    assert [each.phase for each in said if isinstance(each, PhaseEntered)] == [
        Phase.EXTRACT,
        Phase.WRITE,
        Phase.CLEAN_UP,
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_passes_after_the_release(error: type[BaseException]) -> None:
    """KeyboardInterrupt and its like pass through, but the file is released before."""
    book = Book()

    class Raising(FakeRecipe):
        def open_worker(self, note: Any) -> Any:
            worker = super().open_worker(note)

            def extract(*_: Any) -> Extracted:
                raise error

            worker.extract = extract  # type: ignore[method-assign]
            return worker

    worker, _ = bench(Raising(book))
    with pytest.raises(error):
        worker.do(task(0))
    assert (book.count("load"), book.count("release")) == (1, 1)


def test_a_worker_that_cannot_be_opened_fails_the_file_and_is_opened_again() -> None:
    """Opening happens at the first load; if it raises, the file fails there, and the next file tries anew."""
    book = Book(refuse_opens=1)
    worker, _ = bench(FakeRecipe(book))
    first, second = worker.do(task(0)), worker.do(task(1))
    assert (first.outcomes[0].cause, first.outcomes[0].failed_phase) == (Cause.LICENCE, Phase.LOAD)
    assert first.may_heal == {"a"}
    assert second.outcomes[0].ok


def test_an_explanation_that_raises_is_replaced() -> None:
    """A recipe whose explain raises costs the explanation, not the worker."""

    class Speechless(FakeRecipe):
        def explain(self, error: BaseException, task: Any, phase: Phase) -> Any:
            raise RuntimeError("no words")

    worker, _ = bench(Speechless())
    outcome = worker.do(task(0, say=Say(fail="load"))).outcomes[0]
    assert outcome.status is Status.FAILED
    assert "UnhappyError" in str(outcome.error)
    assert "no words" in str(outcome.traceback)


def test_an_exception_that_cannot_say_what_it_is_fails_its_file_alone() -> None:
    """A post-process may raise an exception whose `str` raises: explaining it must not end the batch."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("mute")

    class Mute(FakeRecipe):
        def open_worker(self, note: Any) -> Any:
            worker = super().open_worker(note)

            def extract(*_: Any) -> Extracted:
                raise MuteError

            worker.extract = extract  # type: ignore[method-assign]
            return worker

        def explain(self, error: BaseException, task: Any, phase: Phase) -> Any:
            return str(error)

    worker, _ = bench(Mute())
    outcome = worker.do(task(0)).outcomes[0]
    assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.EXCEPTION)
    assert "MuteError" in str(outcome.error)


def test_a_worker_that_cannot_be_closed_is_a_complaint() -> None:
    """Closing never raises; the engineer is told."""

    class Sticky(FakeRecipe):
        def open_worker(self, note: Any) -> Any:
            worker = super().open_worker(note)

            def close() -> None:
                raise OSError("stuck")

            worker.close = close  # type: ignore[method-assign]
            return worker

    worker, said = bench(Sticky())
    worker.do(task(0))
    worker.close()
    assert [type(each) for each in said if not isinstance(each, Started | PhaseEntered)] == [Complaint]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the allocator gives back by itself, or is not asked")
def test_what_was_freed_goes_back_to_the_system() -> None:
    """The allocator keeps 120 MB that lie below something still in use, until it is told to let go."""
    many = [bytearray(60_000) for _ in range(2000)]
    in_use = bytearray(60_000)
    many.clear()
    kept = resident_bytes()
    give_back()
    assert resident_bytes() < kept - 60_000_000
    assert len(in_use) == 60_000


def test_what_goes_back_to_the_system_is_no_files_negative_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that loads 300 while 600 of earlier files go back has taken 300, not less than nothing."""
    level = [1000]
    monkeypatch.setattr(meters, "give_back", lambda: level.__setitem__(0, level[0] - 600))
    meter = MemoryMeter(lambda: level[0], clock=itertools.count().__next__)
    meter.begin(0, 100)
    meter.give_back()
    level[0] += 300
    assert meter.end(0) == 300


def test_memory_is_shared_out_by_size() -> None:
    """What the process grows while two files are in work is theirs, by their sizes; what is given back is nobody's."""
    level = [1000]
    meter = MemoryMeter(lambda: level[0], clock=itertools.count().__next__)
    meter.begin(0, 300)
    level[0] = 1100
    meter.begin(1, 100)
    level[0] = 1500
    meter.mark()
    level[0] = 1400
    assert meter.end(0) == 100 + 300
    assert meter.end(1) == 100
    level[0] = 1000
    meter.released()
    meter.begin(2, 1)
    level[0] = 1250
    assert meter.end(2) == 250


def test_what_a_file_of_a_moment_takes_is_not_read_at_every_step() -> None:
    """Within a millisecond memory is read once for a file, when it was given back: it is nobody's negative growth."""
    level, reads, now = [1000], list[int](), [0.0]

    def resident() -> int:
        reads.append(level[0])
        return level[0]

    meter = MemoryMeter(resident, clock=lambda: now[0])
    for index in range(10):
        meter.begin(index, 100)
        meter.mark()
        meter.mark()
        meter.end(index)
        level[0] -= 10
        meter.released()
        now[0] += meters.FRESH_S / 2
    assert len(reads) == 1 + 10
    now[0] += 2 * meters.FRESH_S
    meter.begin(10, 100)
    level[0] += 300
    now[0] += 2 * meters.FRESH_S
    assert meter.end(10) == 300


READING = """
import sys
from dataclasses import dataclass
from pathlib import Path

from engine.fakes import FakeRecipe, task
from orcabatch.engine.contract import Extracted
from orcabatch.engine.memory_meter import MemoryMeter, resident_bytes
from orcabatch.engine.worker import TaskRunner


class Reader:
    def load(self, task):
        self.held = Path(sys.argv[1]).read_bytes()

    def extract(self, task, batch, clock):
        return Extracted(len(self.held))

    def release(self, task):
        self.held = b""

    def close(self):
        pass


class Reading(FakeRecipe):
    def open_worker(self, note):
        return Reader()


runner = TaskRunner(Reading(), lambda message: None, "w", MemoryMeter())
usage = runner.do(task(0, size_bytes=50_000_000)).outcomes[0].usage
print(usage.peak_memory_bytes, usage.read_bytes, resident_bytes())
"""


def test_a_large_allocation_is_seen(tmp_path: Path) -> None:
    """Memory and bytes read stand in the outcome, as the system measured them."""
    path = tmp_path / "big.sim"
    path.write_bytes(bytes(50_000_000))
    # A process of its own: what other tests left here is given back when it likes to be, which counts as less growth.
    tests = str(Path(__file__).parents[1])
    said = subprocess.run(
        [sys.executable, "-c", READING, str(path)],
        env=os.environ | {"PYTHONPATH": tests}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    peak, read, resident = map(int, said.stdout.split())
    assert 45_000_000 < peak < 120_000_000
    assert 50_000_000 <= read < 51_000_000
    assert resident > 0


def test_attempt_returns_what_was_raised() -> None:
    """The one broad except turns an exception into a value."""
    assert attempt(lambda: 3) == Done(3)
    assert isinstance(attempt(lambda: int("x")), Caught)
