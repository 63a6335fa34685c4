"""The engine's controllers in virtual time: a run with history against one without, and both against their bounds.

Every case runs twice: as it comes, and again with what the first run taught (`orcabatch.plan.history`): seconds and
memory per file, and the count it held. Regret is the first run's time over that of the best of some fixed counts.
`benchmarks.virtual` compares with every fixed count. Hosts have up to 64 cores: every figure here is *projected*,
from the laws of `benchmarks.plant`, not from a machine.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks import cases, virtual
from orcabatch.bench.findings import Findings
from orcabatch.engine.limits import ORCAFLEX_OVERHEAD
from orcabatch.engine.scheduler_messages import TaskFinished
from orcabatch.plan.history import Learned, Record, held_limit, learn

if TYPE_CHECKING:
    from benchmarks.cases import Case
    from benchmarks.virtual import VirtualRun
    from orcabatch.bench.measure import Say
    from orcabatch.engine.contract import Task
    from orcabatch.engine.scheduler_messages import Event, Instruction


AIM = 1.03
"""A run with history should take no more than this of one without."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One case. Seconds of virtual time.

    Attributes:
        case: its name.
        first_s: the run as it comes.
        again_s: with what the first run taught.
        fixed_s: by fixed count, as far as any were tried.
        bound_s: lower bound.
        decisions: how often the limit was changed in the first run.
        events: what the scheduler was told in it.
        start: the count that the second run started with.
    """

    case: str
    first_s: float
    again_s: float
    fixed_s: dict[int, float]
    bound_s: float
    decisions: int
    events: int
    start: int | None

    @property
    def regret(self) -> float:
        """The first run over the best fixed count; infinite where none was tried."""
        return self.first_s / min(self.fixed_s.values(), default=0.0) if self.fixed_s else math.inf

    @property
    def with_history(self) -> float:
        """The second run over the first."""
        return self.again_s / self.first_s


def judge(case: Case, counts: Iterable[int] = ()) -> Judged:
    """Run a case as it comes, with history, and at fixed counts."""
    limits = virtual.limits_of(case)
    first, learned = _taught(case)
    informed = replace(limits, start_limit=learned.start(len(case.files), "threads"))
    again = virtual.simulate(case, informed, tasks=_tasks(case, learned))
    tried = [count for count in counts if count <= limits.max_limit]
    fixed = {count: virtual.simulate(case, replace(limits, fixed_limit=count)).makespan_s for count in tried}
    return Judged(
        case.name,
        first.makespan_s,
        again.makespan_s,
        fixed,
        bound_s(case),
        len(first.decisions),
        first.events,
        learned.limits.get("threads"),
    )


def _taught(case: Case) -> tuple[VirtualRun, Learned]:
    """A first run, and what it teaches."""
    records: list[Record] = []
    tasks = virtual.tasks_of(case)

    def listen(event: Event, _: list[Instruction]) -> None:
        if isinstance(event, TaskFinished):
            name, size = tasks[event.index].file.name, case.files[event.index].size_bytes
            records.append(Record(name, size, event.wall_s, event.memory_bytes / size))

    run = virtual.simulate(case, virtual.limits_of(case), listen=listen)
    limit = held_limit([(at_s, limit) for at_s, limit, _ in run.decisions], run.makespan_s)
    return run, learn(records, limits={} if limit is None else {"threads": limit})


def _tasks(case: Case, learned: Learned) -> Sequence[Task]:
    made, costs = [], []
    for task in virtual.tasks_of(case):
        expected = learned.expect(task.file, task.size_bytes)
        factor = expected.memory_factor or ORCAFLEX_OVERHEAD
        costs.append(expected.seconds or float(task.size_bytes))
        made.append(replace(task, memory_bytes=math.ceil(task.size_bytes * factor)))
    return virtual.ranked(made, costs)


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
    """With history against without: the cases that were looked at while tuning, and the held-out ones."""
    found = Findings("history", unit="time with history over time without, projected")
    for kind, chosen in (("tuning", cases.tuning_cases()), ("held-out", cases.held_out_cases())):
        judged = []
        for case in chosen[: 4 if quick else None]:
            judged.append(judge(case))
            say(f"  {case.name}: with history {judged[-1].with_history:.3f}")
        found.rows += [_row(each) for each in judged]
        found.bars += [(f"orcabatch {each.case}", each.with_history) for each in judged]
        together = sum(each.again_s for each in judged) / sum(each.first_s for each in judged)
        ratios = [each.with_history for each in judged]
        found.notes.append(
            f"With history against without, the {len(judged)} {kind} cases: together {together:.3f}, median "
            f"{statistics.median(ratios):.3f}, worst {max(ratios):.3f}, {sum(ratio > AIM for ratio in ratios)} above "
            f"{AIM}. *Projected*: modelled hosts, up to 64 cores."
        )
    return found


def _row(each: Judged) -> dict[str, str]:
    return {
        "case (projected)": each.case,
        "first s": f"{each.first_s:.1f}",
        "with history s": f"{each.again_s:.1f}",
        "ratio": f"{each.with_history:.3f}",
        "started with": str(each.start or ""),
        "first over the bound": f"{each.first_s / each.bound_s:.2f}",
        "decisions": str(each.decisions),
    }
