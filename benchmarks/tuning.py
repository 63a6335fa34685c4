"""What each tuned number of the engine trades: half of it and twice of it, in virtual time.

Every number is set to a smaller and a larger value, one at a time, and the tuning cases (`benchmarks.cases`) run again.
Covers the numbers that find the count of files at once and those of memory admission. Does not cover what the virtual
host has not: licence seats, threads against processes, reading ahead. All figures are *projected*. A change below one
percent is chance: another order of the same files brings as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks import cases, virtual
from orcabatch.bench.findings import Findings

if TYPE_CHECKING:
    from benchmarks.cases import Case
    from orcabatch.bench.measure import Say

ENGINE = "orcabatch.engine"

TRIED: dict[str, tuple[Any, Any]] = {
    "concurrency.START": (2, 8),
    "concurrency.BLIND": (6, 24),
    "concurrency.PLATEAU": (0.015, 0.06),
    "concurrency.GAIN": (0.015, 0.06),
    "concurrency.FAR": (0.7, 0.95),
    "concurrency.EVEN": (0.0, 0.02),
    "concurrency.UNSURE_GAIN": (0.05, 0.2),
    "concurrency.DOUBLE": (1.5, 3.0),
    "concurrency.CAREFUL": (1.2, 2.0),
    "concurrency.HELD": (1.3, 2.0),
    "concurrency.CAREFUL_FROM": (8, 32),
    "concurrency.IDLE": (0.1, 0.4),
    "concurrency.TRUST": (1.5, 4.0),
    "concurrency.TRUST_LEAST": (1.0, 4.0),
    "concurrency.MEASURED_SHARE": (0.125, 0.5),
    "concurrency.EARLY": (0.05, 0.3),
    "concurrency.LATE": (0.25, 1.0),
    "concurrency.HOLD": (0.125, 0.5),
    "concurrency.LATE_FROM": (4, 16),
    "concurrency.LEAST_SAMPLES": (1, 4),
    "concurrency.LUMPS": (0.175, 0.7),
    "concurrency.MEMORY_FILES": (1.5, 6.0),
    "concurrency.MEMORY_LEAST": (4, 16),
    "concurrency.RECALL": (2.0, 120.0),
    "concurrency.LEAST_WORK": (0.01, 0.1),
    "concurrency.GIL_FULL": (0.7, 1.0),
    "concurrency.CPU_FULL": (0.8, 1.5),
    "concurrency.ALWAYS": (0.9, 0.99),
    "concurrency.SURE_FILES": (1.0, 4.0),
    "concurrency.SMOOTHING": (0.15, 0.6),
    "concurrency.UNUSED": (0.05, 0.2),
    "concurrency.UNUSED_BYTES": (0, 1_000_000),
    "concurrency.UNUSED_LOOKS": (1, 4),
    "concurrency.SEEN": (0.1, 0.4),
    "concurrency.SEEN_EXTRACTING": (0.2, 0.7),
    "stations.LUMPY": (0.4, 0.95),
    "stations.SHORT_LOOKS": (4.0, 16.0),
    "stations.OCCUPIED": (0.4, 1.5),
    "stations.MOVING_SMOOTHING": (0.05, 0.2),
    "stations.LINE_FILES": (2, 8),
    "stations.PRIOR_FILES": (1.0, 4.0),
    "stations.MOST_EXTRA": (0.5, 2.0),
    "stations.HALVINGS": (6, 24),
    "curves.HOPE": (1.0, 2.0),
    "curves.HOPE_SHARE": (0.0, 1.0),
    "curves.HOPE_FROM": (0.0, 0.6),
    "curves.SURE": (0.0, 3.0),
    "curves.STEEPEST": (1.0, 4.0),
    "curves.STRETCHES": ((1.15,), (1.8,)),
    "memory_admission.BLIND_FACTOR": (2.0, 8.0),
    "memory_admission.TOO_SMALL_TO_TELL_BYTES": (4_000_000, 64_000_000),
    "memory_admission.PATIENCE_S": (10.0, 90.0),
    "scheduler.GUARD_WALLS": (2.0, 8.0),
    "scheduler.SHORTEST_INTERVAL_S": (0.025, 0.1),
    "scheduler.FIRST_INTERVAL_S": (0.0125, 0.05),
    "scheduler.INTERVAL_GROWTH": (1.5, 3.0),
    "scheduler.FIRST_LONGEST_S": (0.125, 0.5),
}
"""Number, and the values tried below and above it."""


@dataclass(frozen=True, slots=True)
class Total:
    """All cases together.

    Attributes:
        seconds: virtual time, by case.
        over_cap_s: virtual seconds with memory above its cap, summed.
    """

    seconds: tuple[float, ...]
    over_cap_s: float


def total(chosen: Sequence[Case]) -> Total:
    """Run the cases with the numbers as they are now."""
    runs = [virtual.simulate(case, virtual.limits_of(case)) for case in chosen]
    return Total(tuple(run.makespan_s for run in runs), sum(run.over_cap_s for run in runs))


@contextmanager
def changed(name: str, value: Any) -> Iterator[Any]:
    """The number set to another value for as long as this lasts; gives the one that it has."""
    place, _, constant = name.rpartition(".")
    module = import_module(f"{ENGINE}.{place}")
    usual = getattr(module, constant)
    setattr(module, constant, value)
    try:
        yield usual
    finally:
        setattr(module, constant, usual)


def suite(*, quick: bool, say: Say) -> Findings:
    """Every number below and above its value, over the field's case and those of two seeds; quick: of one."""
    found = Findings("tuning", unit="virtual time over that with the number as it is, projected")
    chosen = cases.tuning_cases()[: 1 + (1 if quick else 2) * len(cases.SCENARIOS)]
    usual = total(chosen)
    for name, values in TRIED.items():
        for value in values:
            with changed(name, value) as now:
                tried = total(chosen)
            found.rows.append(_row(name, now, value, tried, usual))
            say("  " + "  ".join(found.rows[-1].values()))
    found.notes.append(
        f"{len(chosen)} tuning cases. *Projected*: modelled hosts. Less than a percent is chance. As it is: "
        f"{usual.over_cap_s:.0f} s above the memory cap."
    )
    return found


def _row(name: str, now: Any, value: Any, tried: Total, usual: Total) -> dict[str, str]:
    ratios = [new / old for new, old in zip(tried.seconds, usual.seconds, strict=True)]
    return {
        "number": name,
        "is": str(now),
        "tried": str(value),
        "together": f"{sum(tried.seconds) / sum(usual.seconds):.3f}",
        "mean": f"{sum(ratios) / len(ratios):.3f}",
        "best": f"{min(ratios):.2f}",
        "worst": f"{max(ratios):.2f}",
        "above the cap": f"{tried.over_cap_s:.0f} s",
    }
