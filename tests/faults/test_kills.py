"""SIGKILL of the whole process tree at random moments, each followed by a resume.

Here a share of them; `ORCABATCH_KILLS=200` runs 200 on threads and 200 on processes (see also `kills.py`).
"""

from __future__ import annotations

import os
import signal

import pytest

from faults.harness import Project
from faults.kills import job, kill_and_resume

KILLS = int(os.environ.get("ORCABATCH_KILLS", "6"))


@pytest.mark.slow
@pytest.mark.timeout(60 + 60 * KILLS)
@pytest.mark.parametrize(
    ("executor", "digitalmodel"),
    [("threads", True), ("processes", False), pytest.param("serial", False, marks=pytest.mark.long)],
)
def test_a_kill_costs_the_files_in_flight_and_nothing_else(server, tmp_path, executor, digitalmodel):
    """Nothing finished is lost or done twice, no output is ever partial, the end is the serial run's, byte for byte."""
    project = Project.made(tmp_path, server, load_latency_s=0.1)
    watch = kill_and_resume(project, KILLS, job(executor, digitalmodel=digitalmodel, project=project), seed=KILLS)
    assert watch.kills == KILLS
    assert watch.batches


@pytest.mark.slow
def test_worker_processes_end_when_only_their_parent_is_killed(server, tmp_path):
    """Nothing is left behind, also where the killer did not know the children; the next run does the rest."""
    project = Project.made(tmp_path, server, load_latency_s=0.3)
    what = job("processes", digitalmodel=False, project=project)
    child = project.start(**what)
    child.until(lambda said: any("outcome" in line for line in said))
    child.signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    project.gone()
    finished = project.kept()
    assert finished
    again = project.run(**what)
    assert again.code == 0
    skipped = {line["outcome"] for line in again.said("outcome") if line["status"] == "skipped"}
    assert finished <= skipped
