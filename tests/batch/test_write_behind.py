"""A file's model, memory and seat are given back before its tables are written; what is written is as ever."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import orcabatch
from orcabatch import network, simulated
from orcabatch.digitalmodel.csv_output import FileTables, Writing
from orcabatch.digitalmodel.csv_text import write_csv
from orcabatch.outcome import Cause, Phase
from orcabatch.store import atomic
from orcabatch.store.lock import NAME as LOCK
from orcabatch.store.lock import folder_lock
from orcabatch.store.write_behind import ROOM

EXAMPLE = Path(__file__).parents[2] / "examples" / "dm_fsts.yml"


@pytest.fixture
def batch(orcaflex: Any, sims: list[Path], tmp_path: Path) -> Path:
    """digitalmodel's example over eight small files."""
    text = EXAMPLE.read_text(encoding="utf-8").replace("input_directory: sims", f"input_directory: {sims[0].parent}")
    target = tmp_path / "batch.yml"
    target.write_text(text.replace("pattern: fsts_l015_hwl_ncl_000deg", "pattern: fsts"), encoding="utf-8")
    return target


def run(batch: Path, out: Path, *, most: int = 2, **performance: Any) -> Any:
    asked = {
        "executor": "threads", "threading": {"max_threads": most, "min_threads": most}, "ledger": {"enabled": False},
        **performance,
    }  # fmt: skip
    simulated.reset_counters()
    return orcabatch.run_batch(
        batch, orcaflex="simulated", progress=False, fresh=True, output_dir=out, performance=asked
    )


def tables(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.rglob("*.csv*")}


@pytest.mark.parametrize(
    ("executor", "compress"), [("serial", False), ("threads", False), ("threads", True), ("processes", False)]
)
def test_the_output_is_the_same_with_and_without(batch: Path, tmp_path: Path, executor: str, compress: bool) -> None:
    """Byte for byte, whatever may wait: all, some, or nothing; and no room stays taken."""
    found, all_wait, none_waits = [], {"write_behind": 200_000_000}, {"async_enabled": False}
    # Worker processes have the same room, each its own: that some wait is seen where files share one.
    some_wait = [] if executor == "processes" else [{"write_behind": 100_000}]
    for io in (all_wait, *some_wait, none_waits):
        out = tmp_path / "out"
        result = run(batch, out, executor=executor, process_count=2, io={**io, "use_compression": compress})
        assert result.ok
        found.append(tables(out))
        for path in sorted(out.rglob("*.csv*")):
            path.unlink()
        assert ROOM.held_bytes == 0
    assert all(each == found[0] for each in found)
    assert sum(name.endswith(".csv.gz") for name in found[0]) == (16 if compress else 0)


def test_a_slow_folder_delays_writing_and_holds_neither_models_nor_workers(batch: Path, tmp_path: Path) -> None:
    """Two at a time: with a folder that takes 0.5 s for each table all are loaded before half of the tables are there.

    Switched off, no third file begins before a table is written.
    """
    counts = {}
    for behind in (True, False):
        simulated.configure(simulated.Costs(write_latency_s=0.5))
        result = run(batch, tmp_path / f"out-{behind}", io={"async_enabled": behind}, consistency="per_file")
        simulated.configure(simulated.Costs())
        first_end_s = min(outcome.finished_s for outcome in result.outcomes)
        counts[behind] = sum(outcome.started_s < first_end_s for outcome in result.outcomes)
        assert simulated.counters().peak_live_models <= 2
        assert {outcome.worker.partition("-")[0] for outcome in result.outcomes} == {"worker"}
        assert len({outcome.worker for outcome in result.outcomes}) <= 2
        work = result.metrics["summary"]["work"]
        assert (work.get("tables_behind", 0), work.get("behind_ms", 0) > 0) == ((16, True) if behind else (0, False))
    assert counts[False] == 2
    assert counts[True] >= 4


def test_a_seat_is_free_while_tables_are_written(batch: Path, tmp_path: Path) -> None:
    """One seat for each open model: the second file takes it while the first one's tables wait for a slow folder."""
    simulated.configure(simulated.Costs(write_latency_s=0.3, seats=1, seat_scope="model"))
    seats = {"max": 1, "scope": "model", "ramp_up": 1000}
    result = run(batch, tmp_path / "out", licences=seats, consistency="per_file")
    assert result.ok
    assert simulated.counters().peak_seats == 1
    starts = sorted(outcome.started_s for outcome in result.outcomes)
    ends = sorted(outcome.finished_s for outcome in result.outcomes)
    assert starts[1] < ends[0]


def test_phases_add_up_to_the_time_a_file_took(batch: Path, tmp_path: Path) -> None:
    """Wait, load, extract, write and clean-up, however long a table waited for its folder."""
    simulated.configure(simulated.Costs(write_latency_s=0.2))
    result = run(batch, tmp_path / "out")
    for outcome in result.outcomes:
        assert set(outcome.phases) == {phase.value for phase in Phase}
        assert outcome.wall_s - outcome.phases["wait"] == pytest.approx(outcome.finished_s - outcome.started_s)
        assert outcome.phases["write"] >= 0.2
    efficiency = json.loads(next((tmp_path / "out").glob("*metrics.json")).read_text("utf-8"))["summary"]
    assert 0 <= efficiency["thread_efficiency"] <= 1


def test_a_folder_that_refuses_fails_the_file_and_leaves_nothing_of_it(
    batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full when a table is written behind: its file fails in the phase write, the others are there."""
    out = tmp_path / "out"
    refused = "ncl_045deg"
    original = os.replace

    def replace(source: Any, target: Any) -> None:
        if refused in str(target):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        original(source, target)

    monkeypatch.setattr(os, "replace", replace)
    result = run(batch, out, retries=0)
    (failed,) = result.failed
    assert failed.failed_phase is Phase.WRITE
    assert refused in failed.file.name
    assert "No space left on device" in str(failed.error)
    assert not list(out.rglob(f"{atomic.TEMPORARY_PREFIX}*.tmp"))
    assert not [name for name in tables(out) if refused in name]
    assert result.metrics["summary"]["work"]["tables_behind"] == 16
    assert ROOM.held_bytes == 0


def test_a_share_that_goes_for_a_moment_costs_another_try(
    batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is written behind meets it at its flush: its file is done again, and stands as the others."""
    original, lost = os.fsync, list[int]()

    def fsync(number: int) -> None:
        if not lost:
            lost.append(number)
            raise OSError(errno.EINVAL, "Invalid argument")  # of a handle: Windows tells no name
        original(number)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(atomic, "knows_no_flush", lambda *_: False)
    monkeypatch.setattr(network, "is_on_network", lambda _: True)
    result = run(batch, tmp_path / "out", retries=1)
    assert result.ok
    (again,) = [outcome for outcome in result.outcomes if outcome.retried]
    assert "the connection was lost" in str(again.retried)
    assert len([name for name in tables(tmp_path / "out") if name.startswith(f"{again.file.stem}_")]) == 2


def test_a_table_that_is_not_wanted_any_more_takes_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropped before they are written, or while the folder holds the first one up: none appears, nothing is left."""
    frame = pd.DataFrame({"Time": [0.0, 0.1]})
    for is_writing in (False, True):
        made = FileTables(PassingClock(), Writing(behind_bytes=1_000_000))
        with made:
            for name in "ab":
                made._write(tmp_path / f"{name}.csv", frame, lambda target, block, reuse: write_csv(
                    frame, target, block_bytes=block, reuse=reuse))  # fmt: skip
        assert made.waits
        if is_writing:
            monkeypatch.setattr(atomic, "_flush", lambda path, made=made: made.drop())
        else:
            made.drop()
        with pytest.raises(InterruptedError):
            made.write()
        assert list(tmp_path.iterdir()) == []
        assert ROOM.held_bytes == 0


@pytest.mark.parametrize("behind", [False, True])
def test_a_worker_that_outlives_its_run_writes_nothing_into_the_next_ones_folder(
    batch: Path, tmp_path: Path, behind: bool
) -> None:
    """A run was killed, and its workers on other machines went on: their tables took the place of the next run's."""
    out, io = tmp_path / "out", {"async_enabled": behind}
    performance = {"executor": "serial", "ledger": {"enabled": False}, "io": io}
    outcomes = orcabatch.iter_batch(batch, orcaflex="simulated", output_dir=out, performance=performance)
    first = next(outcomes)
    (out / LOCK).unlink()  # as if its process had been killed: the next run has the folder
    with folder_lock(out, "the next run"):
        before = tables(out)
        left = list(outcomes)
        after = {name: text for name, text in tables(out).items() if name.startswith("fsts_")}
    assert after == before
    assert (first.ok, len(left)) == (True, 7)
    for outcome in left:
        assert (outcome.ok, outcome.cause) == (False, Cause.OUTPUT)
        assert "this run does not hold it" in str(outcome.error)


def test_a_share_that_went_when_the_lock_is_looked_at_is_no_run_that_has_ended(
    batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows calls the lock's file missing then: another try finds it."""
    original, lost = Path.read_bytes, list[Path]()

    def read_bytes(path: Path) -> bytes:
        if path.name == LOCK and not lost:
            lost.append(path)
            error = FileNotFoundError(2, "The network path was not found", str(path))
            error.winerror = 53  # type: ignore[attr-defined, unused-ignore]
            raise error
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    result = run(batch, tmp_path / "out", retries=1)
    assert result.ok
    assert [str(outcome.retried) for outcome in result.outcomes if outcome.retried]
    assert len(lost) == 1


class PassingClock:
    """Does not count."""

    def enter(self, phase: Phase) -> None:
        """Nothing."""


def test_what_waits_is_bounded(batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more text than may wait, over all threads; what finds no room is written by its worker."""
    most = 60_000
    seen: list[int] = []
    take = type(ROOM).take

    def counted(self: Any, size: int, most_bytes: int) -> bool:
        taken = take(self, size, most_bytes)
        seen.append(self.held_bytes)
        return taken

    monkeypatch.setattr(type(ROOM), "take", counted)
    simulated.configure(simulated.Costs(write_latency_s=0.1))
    result = run(batch, tmp_path / "out", most=4, io={"write_behind": most}, consistency="per_file")
    assert result.ok
    assert 0 < max(seen) <= most
    assert re.fullmatch(r"\d+", str(result.metrics["summary"]["work"]["tables_behind"]))
