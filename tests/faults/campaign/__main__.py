"""The fault campaign on demand.

    python -m tests.faults.campaign --runs 500 --seed 1 --at-once 2
    python -m tests.faults.campaign --seed 4711                  one run again, alone

Says every finding as it comes, with its seed, and at the end what was drawn; exit code 1 where there are findings.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

sys.path.insert(0, str(Path(__file__).parents[2]))

from faults.campaign.driver import Stage, Verdict
from faults.campaign.faults import EXECUTORS, KINDS, Case, draw
from faults.harness import Server


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the next one has the next number")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--kind", choices=sorted(KINDS), default="", help="the first fault of every run")
    parser.add_argument("--executor", choices=EXECUTORS, default="")
    parser.add_argument("--work", choices=["function", "call", "command"], default="")
    parser.add_argument("--without", nargs="*", default=[], help="kinds that are known: their runs are left out")
    asked = parser.parse_args()
    begun, verdicts = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="orcabatch-campaign-") as folder:
        stages: SimpleQueue[Stage] = SimpleQueue()
        servers = [Server() for _ in range(asked.at_once)]
        for number, server in enumerate(servers):
            stages.put(Stage.made(Path(folder) / str(number), server))

        def one(seed: int) -> Verdict:
            stage = stages.get()
            try:
                return stage.carry_out(drawn(seed, asked))
            finally:
                stages.put(stage)

        try:
            with ThreadPoolExecutor(asked.at_once) as pool:
                wanted = [seed for seed in range(asked.seed, asked.seed + asked.runs) if not known(seed, asked)]
                for done in as_completed([pool.submit(one, seed) for seed in wanted]):
                    verdicts.append(done.result())
                    show(verdicts[-1])
        finally:
            for server in servers:
                server.close()
    print(summary(verdicts, time.monotonic() - begun))
    return int(any(verdict.findings for verdict in verdicts))


def drawn(seed: int, asked: argparse.Namespace) -> Case:
    """As the command line wants it."""
    return draw(seed, kind=asked.kind, executor=asked.executor, work=asked.work)


def known(seed: int, asked: argparse.Namespace) -> bool:
    """Whether a case is left out."""
    return any(fault.kind in asked.without for fault in drawn(seed, asked).faults)


def show(verdict: Verdict) -> None:
    """One line, and what was found."""
    mark = "!" if verdict.findings else " "
    print(f"{mark} {verdict.case}: {verdict.seen}, {verdict.seconds:.1f} s (still {verdict.idle_s:.1f} s)", flush=True)
    for finding in verdict.findings:
        print("    - " + finding.replace("\n", "\n      "), flush=True)


def summary(verdicts: list[Verdict], seconds: float) -> str:
    """What was drawn, how many of each, how they ended."""
    kinds = Counter(fault.kind for verdict in verdicts for fault in verdict.case.faults)
    met = Counter(kind for verdict in verdicts for kind in verdict.met)
    executors = Counter(verdict.case.executor for verdict in verdicts)
    works = Counter(verdict.case.work for verdict in verdicts)
    seen = Counter(verdict.seen for verdict in verdicts)
    missed = sorted(verdict.case.seed for verdict in verdicts if len(verdict.met) < len(verdict.case.faults))
    bad = [verdict.case.seed for verdict in verdicts if verdict.findings]
    longest = max(verdicts, key=lambda verdict: verdict.idle_s)
    return "\n".join(
        [
            f"{len(verdicts)} runs in {seconds:.0f} s",
            "  " + ", ".join(f"{name} {count}" for name, count in executors.most_common()),
            "  " + ", ".join(f"{name} {count}" for name, count in works.most_common()),
            f"  {met.total()} of {kinds.total()} faults met their run: "
            + ", ".join(f"{name} {met[name]} of {count}" for name, count in kinds.most_common()),
            f"  runs that were over before, or a machine that cannot: {missed}",
            "  " + ", ".join(f"{name} {count}" for name, count in seen.most_common()),
            f"  longest without progress: {longest.idle_s:.1f} s (seed {longest.case.seed})",
            f"  findings in {len(bad)} runs: {sorted(bad)}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
