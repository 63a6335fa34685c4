"""Carries a case out: the batch that its faults meet, the run that follows, the verdict."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from faults.campaign.arena import Arena, made_template
from faults.campaign.faults import Case, Fault, Way
from faults.campaign.injecting import inject
from faults.campaign.oracle import Expected, Observed, judge
from faults.campaign.seeing import Before
from faults.campaign.watching import Watch

if TYPE_CHECKING:
    from faults.harness import Project, Server


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case.

    Attributes:
        met: the faults that were injected.
        findings: what was not as it must be.
        seconds, idle_s: how long both runs took, and the longest time in which nothing moved.
        seen: how the harmed run ended, in a word.
    """

    case: Case
    met: tuple[str, ...]
    findings: tuple[str, ...]
    seconds: float
    idle_s: float
    seen: str


@dataclass
class Stage:
    """The files that every case gets, and what a plain loop makes of them.

    Attributes:
        template: a project with the files.
        expected: by kind of work, once it was asked for.
    """

    template: Project
    expected: dict[bool, Expected] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path, server: Server) -> Stage:
        """With new files in the folder."""
        return cls(made_template(folder, server))

    def expects(self, case: Case) -> Expected:
        """What a plain loop over the files makes of them; with digitalmodel, a run on `serial` that meets no fault."""
        function = case.work == "function"
        if function not in self.expected:
            undisturbed = Case(-1, "serial", "function" if function else "call", (), "serial")
            with tempfile.TemporaryDirectory(prefix="orcabatch-campaign-loop-") as folder:
                arena = Arena(Path(folder), self.template, undisturbed)
                run = observe(arena, "serial", plain_loop=function)
                if run.code:
                    raise AssertionError(f"a run without faults ends with {run.code}: {run.said} {run.error}")
                self.expected[function] = Expected(arena.names, arena.leader, run.values, run.outputs)
        return self.expected[function]

    def carry_out(self, case: Case) -> Verdict:
        """The case, the run that follows, and the verdict."""
        begun, expected = time.monotonic(), self.expects(case)
        harmed, healed, met = self._played(case)
        findings = judge(case, expected, harmed, healed)
        idle_s, seconds = max(harmed.idle_s, healed.idle_s), time.monotonic() - begun
        return Verdict(case, met, tuple(findings), seconds, idle_s, harmed.ending)

    def _played(self, case: Case) -> tuple[Observed, Observed, tuple[str, ...]]:
        prefix = f"orcabatch-campaign-{case.seed}-"
        with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
            arena = Arena(Path(folder), self.template, case)
            try:
                harmed = observe(arena, case.executor, case.faults)
                arena.heal()
                return harmed, observe(arena, case.healed_on), tuple(arena.met)
            finally:
                arena.close()


def observe(arena: Arena, executor: str, faults: tuple[Fault, ...] = (), *, plain_loop: bool = False) -> Observed:
    """One run to its end, with these faults or none."""
    before = Before(arena)
    child = arena.start(executor, faults, entry="plain_loop" if plain_loop else "run")
    watch = Watch(arena, child)
    for fault in faults:
        if fault.what.way is Way.OUTSIDE and inject(fault, arena, child, watch):
            arena.met.append(fault.kind)
    return before.observed(child, watch.until_its_end(), watch.longest_s)
