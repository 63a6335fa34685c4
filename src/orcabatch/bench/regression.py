"""Figures that do not depend on the machine, against recorded ones: what CI holds.

DLL calls, log passes, bytes and loads of small batches, one file at a time; and, in virtual time, makespan over the
best fixed count, decisions and events. Times are nobody's business here. When a change is meant to change them:
`python -m orcabatch.bench.regression` writes them anew, and the diff shows what changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orcabatch.bench import cases, regret, workloads
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
VIRTUAL = ("small", "mixed", "latency", "cpu")


def figures() -> dict[str, Any]:
    """All figures, as they are now."""
    return {"counts": counts(), "virtual": virtual()}


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


def virtual() -> dict[str, dict[str, float]]:
    """What the controllers decide, by case."""
    found = {}
    for case in [cases.field_case(), *(cases.draw(1, scenario) for scenario in VIRTUAL)]:
        judged = regret.judge(case, (2, 8, 24))
        found[case.name] = {
            "over the bound": round(judged.first_s / judged.bound_s, 3),
            "over the best fixed of 2, 8, 24": round(judged.regret, 3),
            "with history": round(judged.with_history, 3),
            "decisions": judged.decisions,
            "events": judged.events,
        }
    return found


def recorded() -> dict[str, Any]:
    """The figures as they were recorded."""
    content: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return content


def differences(now: Mapping[str, Any], then: Mapping[str, Any] | None = None) -> list[str]:
    """Every figure that differs from the recorded one, in words."""
    return list(_differences(now, recorded() if then is None else then, ""))


def _differences(now: Any, then: Any, where: str) -> Iterator[str]:
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for key in dict.fromkeys([*then, *now]):
            yield from _differences(now.get(key), then.get(key), f"{where}{': ' if where else ''}{key}")
    elif now != then:
        yield f"{where}: {now}, recorded is {then}"


def rows(figures_: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The figures as a table."""
    return [{"case": name, **each} for part in figures_.values() for name, each in part.items()]


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(figures(), indent=1) + "\n", encoding="utf-8")
