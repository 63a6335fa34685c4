"""The engine's controllers in virtual time: against the best fixed count, the lower bound, and themselves with history.

Every case runs adaptively, at fixed counts, and once more with the count found before as its start. Regret is the
adaptive run's time over that of the best fixed count for that very case. Hosts have up to 64 cores: every figure here
is *projected*, from the laws of `orcabatch.bench.plant`, not from a machine.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orcabatch.bench import cases, virtual
from orcabatch.bench.suites import Findings

if TYPE_CHECKING:
    from orcabatch.bench.cases import Case
    from orcabatch.bench.measure import Say

COUNTS = (1, 2, 4, 8, 12, 16, 24, 32, 45)


@dataclass(frozen=True, slots=True)
class Judged:
    """One case. Seconds of virtual time.

    Attributes:
        case: its name.
        adaptive_s: the run as it comes.
        fixed_s: by fixed count.
        again_s: with the limit that the first run ended with as its start.
        bound_s: lower bound.
        decisions: how often the limit was changed.
        events: what the scheduler was told.
    """

    case: str
    adaptive_s: float
    fixed_s: dict[int, float]
    again_s: float
    bound_s: float
    decisions: int
    events: int

    @property
    def best(self) -> int:
        """The best fixed count."""
        return min(self.fixed_s, key=lambda count: self.fixed_s[count])

    @property
    def regret(self) -> float:
        """Adaptive over the best fixed count."""
        return self.adaptive_s / self.fixed_s[self.best]


def judge(case: Case, counts: Iterable[int] = COUNTS) -> Judged:
    """Run a case adaptively, at fixed counts and with history."""
    first = virtual.simulate(case, virtual.limits_of(case))
    prior = found_limit(first.limits)
    again = virtual.simulate(case, virtual.limits_of(case, prior_limit=prior)) if prior else first
    tried = [count for count in counts if count <= len(case.files)]
    fixed = {count: virtual.simulate(case, virtual.limits_of(case, fixed_limit=count)).makespan_s for count in tried}
    return Judged(case.name, first.makespan_s, fixed, again.makespan_s, bound_s(case), len(first.limits), first.events)


def found_limit(limits: Iterable[tuple[float, int, str]]) -> int | None:
    """The count a run ended with; None where it never decided."""
    found = [limit for _, limit, _ in limits]
    return found[-1] if found else None


def bound_s(case: Case) -> float:
    """The largest of: longest file, cores, GIL, disk, memory-seconds, the hard limit on files at once."""
    host, files = case.host, case.files
    alone = [file.alone_s(host) for file in files]
    budget = case.max_usage_percent / 100 * host.ram_bytes - host.base_bytes
    return max(
        *alone,
        sum(alone) / min(case.max_limit, len(files)),
        sum(file.native_s for file in files) / host.cores,
        sum(file.gil_s for file in files),
        sum(file.size_bytes + file.write_bytes for file in files) / host.disk_bps,
        sum(file.memory_bytes * each for file, each in zip(files, alone, strict=True)) / budget,
    )


def suite(*, quick: bool, say: Say) -> Findings:
    """The field's row and the held-out cases."""
    chosen = [cases.field_case(), *cases.held_out_cases()[: 4 if quick else None]]
    judged = []
    for case in chosen:
        judged.append(judge(case))
        say(f"  {case.name}: regret {judged[-1].regret:.2f}")
    found = Findings("virtual", unit="adaptive time over the best fixed count, projected")
    found.rows = [_row(each) for each in judged]
    found.bars = [(f"orcabatch {each.case}", each.regret) for each in judged]
    again = sum(each.again_s for each in judged) / sum(each.adaptive_s for each in judged)
    found.notes = [
        (
            f"Regret: median {statistics.median(each.regret for each in judged):.2f}, "
            f"worst {max(each.regret for each in judged):.2f} over {len(judged)} cases."
        ),
        (
            f"With history against without, all cases together: {again:.3f}; median "
            f"{statistics.median(each.again_s / each.adaptive_s for each in judged):.3f}."
        ),
        "All of it is *projected*: a model of hosts with up to 64 cores, no machine.",
    ]
    return found


def _row(each: Judged) -> dict[str, str]:
    return {
        "case (projected)": each.case,
        "adaptive s": f"{each.adaptive_s:.1f}",
        "best fixed": f"{each.fixed_s[each.best]:.1f} at {each.best}",
        "regret": f"{each.regret:.2f}",
        "over the bound": f"{each.adaptive_s / each.bound_s:.2f}",
        "with history": f"{each.again_s / each.adaptive_s:.3f}",
        "decisions": str(each.decisions),
    }
