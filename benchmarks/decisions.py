"""What the controllers decide in virtual time, against recorded figures: what the gate holds beside DLL calls.

Makespan over the best fixed count, decisions and events, the same on every machine. When a change is meant to change
them: `python -m benchmarks.decisions` writes them anew, and the diff shows what changed.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import cases, regret
from orcabatch.bench.regression import record

RECORDED = Path(__file__).with_name("decisions.json")
SCENARIOS = ("small", "mixed", "latency", "cpu")


def decisions() -> dict[str, dict[str, float]]:
    """What the controllers decide, by case."""
    found = {}
    for case in [cases.field_case(), *(cases.draw(1, scenario) for scenario in SCENARIOS)]:
        judged = regret.judge(case, (2, 8, 24))
        found[case.name] = {
            "over the bound": round(judged.first_s / judged.bound_s, 3),
            "over the best fixed of 2, 8, 24": round(judged.regret, 3),
            "with history": round(judged.with_history, 3),
            "decisions": judged.decisions,
            "events": judged.events,
        }
    return found


if __name__ == "__main__":
    record(decisions(), RECORDED)
