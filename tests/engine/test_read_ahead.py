"""Reading and copying the next files ahead of the workers."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.fakes import FakeJob, FakeRecipe, Say, task
from orcabatch.engine import EngineOptions, Limits, read_ahead, run
from orcabatch.engine.read_ahead import Counts, ReadAhead

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task

SIZE = 3_000_000


@pytest.fixture
def files(tmp_path: Path) -> list[Task]:
    """Six real files."""
    (tmp_path / "slow").mkdir()
    made = []
    for index in range(6):
        path = tmp_path / "slow" / f"file ü {index}.sim"
        path.write_bytes(bytes([index]) * SIZE)
        made.append(replace(task(index, size_bytes=SIZE), file=path))
    return made


def until(ahead: ReadAhead, files: int) -> None:
    """Wait until so many files have been read ahead."""
    never = threading.Event()
    while ahead.counts.files < files:
        never.wait(0.002)


@pytest.fixture
def ahead(tmp_path: Path) -> Iterator[Any]:
    """Makes one, and closes it in the end."""
    made: list[ReadAhead] = []

    def make(depth: int, stage_in: Path | None = None) -> ReadAhead:
        made.append(ReadAhead(depth, stage_in))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_the_next_files_are_read_once(ahead: Any, files: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files ahead means two files, from first byte to last; as one starts, the next is read."""
    monkeypatch.setattr("orcabatch.engine.read_ahead.TOGETHER_BYTES", 0)
    reader = ahead(2)
    for each in files:
        reader.offered(each)
    reader.walk()
    until(reader, 2)
    assert reader.counts == Counts(files=2, dropped=0, read_bytes=2 * SIZE)
    assert reader.started(files[0]) == files[0]
    reader.walk()
    until(reader, 3)
    assert reader.counts.read_bytes == 3 * SIZE


def test_small_files_are_taken_together(ahead: Any, files: list[Task]) -> None:
    """Files that are small together are read in one go, also beyond the depth."""
    reader = ahead(1)
    for each in files:
        reader.offered(each)
    reader.walk()
    until(reader, 6)
    assert reader.counts.read_bytes == 6 * SIZE


def test_a_file_that_starts_is_dropped(ahead: Any, files: list[Task]) -> None:
    """A file that starts before it was read is not read any more, and never waited for."""
    reader = ahead(1)
    reader.offered(files[0])
    reader.started(files[0])
    reader.walk()
    assert reader.counts == Counts()


def test_files_that_are_over_in_a_moment_are_not_read_ahead(ahead: Any, files: list[Task]) -> None:
    """Neither are those after them, until files take longer, the reading included."""
    reader = ahead(1)
    for each in files:
        reader.offered(each)
    reader.started(files[0])
    reader.ended(0, took_s=read_ahead.SHORT_S / 2)
    for each in files[1:3]:
        reader.walk()
        reader.started(each)
        reader.ended(each.index, took_s=read_ahead.SHORT_S / 2)
    assert reader._thread is None
    for each in (files[3], *files[:3]):
        reader.started(each)
        reader.ended(each.index, took_s=read_ahead.SHORT_S)
    reader.walk()
    until(reader, 2)
    assert reader.counts.read_bytes == 2 * SIZE


def test_the_first_long_file_is_not_waited_for(ahead: Any, files: list[Task]) -> None:
    """While it runs, the next ones are read."""
    reader = ahead(1)
    for each in files:
        reader.offered(each)
    reader.started(files[0])
    reader.walk()
    until(reader, 5)
    assert reader.counts.read_bytes == 5 * SIZE


def test_a_missing_file_is_left_to_its_worker(ahead: Any, files: list[Task]) -> None:
    """A file that cannot be read ahead is no error here: its worker reports it."""
    files[0].file.unlink()
    reader = ahead(1)
    for each in files[:2]:
        reader.offered(each)
    reader.walk()
    until(reader, 2)
    assert reader.counts.read_bytes == SIZE


def test_a_copy_that_breaks_off_leaves_nothing(
    ahead: Any, files: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file that cannot be read to its end; else its beginning took up the disk until the run was over."""
    (tmp_path / "stage").mkdir()

    def broken(reader: ReadAhead, each: Task) -> Iterator[memoryview]:
        yield memoryview(b"the beginning")
        if each.index == 0:
            raise OSError("the share went")

    monkeypatch.setattr(ReadAhead, "_pieces", broken)
    reader = ahead(2, tmp_path / "stage")
    reader.offered(files[0])
    reader.offered(files[1])
    reader.walk()
    until(reader, 2)
    assert [copy.name for copy in (tmp_path / "stage").glob("*/*/*")] == [files[1].file.name]


def test_copies_are_whole_and_are_removed(ahead: Any, files: list[Task], tmp_path: Path) -> None:
    """A staged file has its name, its bytes and its time; the copy is gone once it is done, the original untouched."""
    files[3].file.chmod(0o444)
    reader = ahead(1, tmp_path)
    reader.offered(files[3])
    before = files[3].file.stat()
    reader.walk()
    until(reader, 1)
    started = reader.started(files[3])
    copy = started.read_from
    assert started.file == files[3].file
    assert copy is not None
    assert (copy.name, copy.read_bytes()) == (files[3].file.name, files[3].file.read_bytes())
    assert copy.stat().st_mtime_ns == before.st_mtime_ns == files[3].file.stat().st_mtime_ns
    assert copy.stat().st_mode & stat.S_IWUSR  # Windows deletes nothing that is write-protected, as originals may be
    reader.ended(3)
    assert not copy.exists()


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_a_run_loads_copies_and_leaves_none(executor: Any, files: list[Task], tmp_path: Path) -> None:
    """In a run workers get the copies that are complete, outcomes name the original, and no copy stays behind."""
    stage = tmp_path / "fast"
    stage.mkdir()
    options = EngineOptions(executor=executor, read_ahead=2, stage_in=stage)
    gate = str(tmp_path / "gate")

    def watch(event: Any) -> None:
        if event.kind == "started" and event.index == 0:
            never = threading.Event()
            while len(list(stage.glob("*/*/*.sim"))) < 3:
                never.wait(0.002)
            Path(gate).touch()

    if executor == "serial":  # its first file blocks the listener
        Path(gate).touch()
    work = [replace(each, payload=Say(gate=gate) if each.index == 0 else None) for each in files]
    limits = Limits(max_limit=1, fixed_limit=1)
    outcomes = list(run(work, FakeJob(WhereFrom()), options=options, limits=limits, listener=watch))
    assert [each.file for each in outcomes] == [each.file for each in files]
    loaded = [Path(each.value) for each in outcomes]
    copies = [path for path in loaded if path.is_relative_to(stage)]
    assert executor == "serial" or len(copies) >= 2
    assert all(path.is_relative_to(tmp_path) for path in loaded)
    assert list(stage.iterdir()) == []


class WhereFrom(FakeRecipe):
    """Its workers return the path they loaded."""

    def open_worker(self, note: Any) -> Any:
        worker = super().open_worker(note)
        extract = worker.extract

        def told(task: Task, batch: str, clock: Any) -> Any:
            return type(extract(task, batch, clock))(str(task.read_from or task.file))

        worker.extract = told  # type: ignore[method-assign]
        return worker
