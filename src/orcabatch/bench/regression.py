"""Figures that do not depend on the machine, against recorded ones: what CI holds.

DLL calls, log passes, bytes and loads of small batches, one file at a time. Times are nobody's business here. A change
that is meant to change them records them anew: `python -m orcabatch.bench.regression`; the diff shows what changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orcabatch.bench import workloads
from orcabatch.bench.measure import run_once, temporary_folder
from orcabatch.bench.peers import SERIAL, orcabatch
from orcabatch.bench.workloads import Workload

RECORDED = Path(__file__).with_name("recorded.json")
COUNTED = ("calls", "passes", "bytes_loaded", "loads", "never_destroyed", "affinity_violations")
ONE_BY_ONE: dict[str, Any] = {"executor": "serial", "ledger": {"enabled": False}, "monitoring": {"enabled": False}}
BATCHES = (
    Workload("1 column, 10 objects", (60_000,) * 3, columns=1),
    Workload("20 columns, 10 objects", (60_000,) * 3),
    Workload("96 columns, 300 objects", (60_000,) * 3, columns=96, objects=300, samples=101),
    Workload("12 series, 10 objects", (60_000,) * 3, columns=12, series=True),
)
DIGITALMODEL_TOO = ("1 column, 10 objects", "20 columns, 10 objects")
"""Whose counts of digitalmodel's own loop are recorded too; the others take seconds."""


def counts() -> dict[str, dict[str, int]]:
    """What a batch asks of OrcFxAPI, by batch and by who works."""
    found = {}
    with temporary_folder() as folder:
        for number, workload in enumerate(BATCHES):
            made = workloads.written(workload, folder / f"files{number}")
            for who in (orcabatch(**ONE_BY_ONE), SERIAL):
                if who is SERIAL and workload.name not in DIGITALMODEL_TOO:
                    continue
                run = run_once(who, made, folder / f"{number}_{who.kind}", warm_cache=True)
                found[f"{workload.name}, {who.name}"] = {name: int(run[name]) for name in COUNTED}
    return found


def recorded(file: Path = RECORDED) -> dict[str, Any]:
    """The figures as they were recorded."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def record(figures: Mapping[str, Any], file: Path = RECORDED) -> None:
    """Write the figures anew."""
    file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """Every figure that differs from the recorded one, in words."""
    return list(_differences(now, then, ""))


def _differences(now: Any, then: Any, where: str) -> Iterator[str]:
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for key in dict.fromkeys([*then, *now]):
            yield from _differences(now.get(key), then.get(key), f"{where}{': ' if where else ''}{key}")
    elif now != then:
        yield f"{where}: {now}, recorded is {then}"


def rows(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The figures as a table."""
    return [{"case": name, **each} for name, each in figures.items()]


if __name__ == "__main__":
    record(counts())
