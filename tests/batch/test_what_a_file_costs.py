"""What a file costs besides its own work, counted: so that nothing of it comes back unseen."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orcabatch import run_batch, simulated
from orcabatch.engine import event_log, memory_meter, read_ahead, scheduler, scheduler_messages
from orcabatch.host import lookout
from orcabatch.store.ledger import sqlite_ledger

FEW, MANY = 10, 40

MOST: dict[str, float] = {
    "DLL calls": 7,
    "steps of the scheduler": 2,
    "events": 5,
    "readings of memory": 1,
    "readings of what a thread read": 2,
    "looks at the file": 2,
    "commits": 0,
    "bytes for the ledger": 1_500,
    "bytes of metrics": 1_900,
}
"""For one more file of a function that does nothing; bytes with room for the length of its path."""


def nothing(model: Any) -> int:
    return 1


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts what runs do from now on."""
    count: Counter[str] = Counter()

    def tally(owner: Any, name: str, what: str, size: Any = lambda *_: 1) -> None:
        original = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            count[what] += size(*args)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    by_the_clock = scheduler_messages.Sampled | scheduler_messages.Woken  # come with time
    tally(scheduler.Scheduler, "step", "steps of the scheduler", lambda _, event: not isinstance(event, by_the_clock))
    tally(event_log.EventLog, "tell", "events", lambda _, kind, *rest: kind != "sample")
    tally(memory_meter.ReadCounter, "so_far", "readings of what a thread read")
    tally(lookout.Lookout, "at", "looks at the file")
    tally(sqlite_ledger.SqliteLedger, "_write", "commits")
    tally(sqlite_ledger.SqliteLedger, "put", "bytes for the ledger", lambda _, entry: len(entry.payload))
    resident = memory_meter.resident_bytes

    def read() -> int:
        count["readings of memory"] += 1
        return resident()

    monkeypatch.setattr(memory_meter.MemoryMeter.__init__, "__defaults__", (read, lambda: 0.0))
    monkeypatch.setattr(sqlite_ledger, "COMMITTING", 1e-9)  # the longest group, whatever a commit takes here
    monkeypatch.setattr(sqlite_ledger, "GROUP_S", 600.0)
    monkeypatch.setattr(read_ahead, "SHORT_S", 600.0)  # files of a moment, however busy the machine is
    return count


def test_one_more_file_costs_no_more_than_it_did(tmp_path: Path, counted: Counter[str], orcaflex: Any) -> None:
    """Calls into the DLL, steps, events, readings, looks, commits and bytes: the difference between 40 files and 10."""
    files = [simulated.write_sim(tmp_path / f"a{seed:02}.sim", simulated.SimSpec(seed=seed)) for seed in range(MANY)]
    found = []
    for some in (files[:FEW], files):
        counted.clear()
        with simulated.counting() as calls:
            result = run_batch(
                some,
                postprocess=nothing,
                version="1",
                fresh=True,
                progress=False,
                orcaflex="simulated",
                performance={"executor": "serial", "ledger": {"path": str(tmp_path / "ledger")}},
            )
        own = {name: value for name, value in result.metrics.items() if name in {"files", "events", "plan", "metrics"}}
        counted["bytes of metrics"] = len(json.dumps(own))
        counted["DLL calls"] = sum(calls.counters.calls.values())
        assert result.metrics["summary"]["ok"] == len(some)
        found.append(Counter(counted))
    more = {name: (found[1][name] - found[0][name]) / (MANY - FEW) for name in MOST}
    assert {name: each for name, each in more.items() if each > MOST[name]} == {}, more
    assert all(found[1][name] for name in MOST), found[1]
