"""Faults drawn at random over batches in real processes: a share here, 500 on demand.

ORCABATCH_LONG=1 python -m pytest tests/faults/test_campaign.py
python -m tests.faults.campaign --runs 500 --seed 1 --at-once 2
"""

from __future__ import annotations

import pytest

from faults.campaign.driver import Stage
from faults.campaign.faults import draw

RUNS = 500
ALSO_LONG = {"raises", "hangs", "cut-input", "full-folder", "forks-and-keeps-pipes"}
"""Kinds that other tests of the gate meet on every executor."""
SHARE = [
    (1, "kill-tree", "threads", "function"),
    (2, "kill-tree", "serial", "call"),
    (3, "kill-worker", "processes", "function"),
    (4, "SIGTERM", "threads", "function"),
    (6, "full-folder", "threads", "call"),
    (7, "vanishing-folder", "serial", "function"),
    (8, "memory-limit", "threads", "function"),
    (11, "raises", "threads", "function"),
    (12, "hangs", "threads", "function"),
    (13, "cut-input", "auto", "command"),
    (15, "forks-and-keeps-pipes", "serial", "function"),
    (16, "packing-raises", "processes", "function"),
    (17, "descriptor-limit", "serial", "function"),
    (18, "no-threads", "threads", "function"),
]


@pytest.fixture(scope="module")
def stage(server, tmp_path_factory):
    """The files, and what a plain loop makes of them."""
    return Stage.made(tmp_path_factory.mktemp("campaign"), server)


def found(stage, case):
    """What the oracle says of a case, and how to have it again."""
    verdict = stage.carry_out(case)
    return [f"{case}: {finding}\n{case.command}" for finding in verdict.findings]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "kind", "executor", "work"),
    [pytest.param(*case, marks=pytest.mark.long if case[1] in ALSO_LONG else ()) for case in SHARE],
)
def test_a_run_that_meets_faults_ends_and_tells_the_truth(stage, seed, kind, executor, work):
    """Nothing hangs, is lost, done twice, cut off, left behind or told otherwise; the next run ends as a plain loop."""
    assert found(stage, draw(seed, kind=kind, executor=executor, work=work)) == []


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_many_runs_that_meet_faults(stage):
    """The same over everything that is drawn."""
    findings = [finding for seed in range(RUNS) for finding in found(stage, draw(seed))]
    assert findings == []
