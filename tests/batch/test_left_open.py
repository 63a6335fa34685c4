"""A batch that the caller does not read to its end: he drops it, his own code raises, or his script ends."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import orcabatch
from batch_functions import largest_tension
from engine import dask_cluster

SCRIPT = """
    import sys, orcabatch
    from batch_functions import largest_tension
    executor, folder, *sims = sys.argv[1:]
    performance = {"executor": executor, "threading": {"max_threads": 2}}
    if executor == "dask":
        performance |= {"process_count": 1, "threads_per_process": 2}
    if executor == "hybrid":
        performance = {"threading": {"mode": "hybrid", "max_threads": 2}}
    outcomes = orcabatch.iter_batch(
        sims, postprocess=largest_tension, orcaflex="simulated", output_dir=folder, performance=performance)
    print(next(outcomes).ok)
"""


@pytest.mark.parametrize(
    "executor",
    [
        *("serial", "threads", "processes"),
        pytest.param("hybrid", marks=pytest.mark.long),
        pytest.param("dask", marks=[*dask_cluster.MARKS, pytest.mark.long]),
    ],
)
def test_a_script_that_ends_with_a_batch_in_hand_closes_it(sims, tmp_path, executor):
    """As leaving the loop does: what ran is written, the rest is cancelled, no lock or worker stays, the code is 0."""
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), executor, str(tmp_path / "out"), *map(str, sims)],
        capture_output=True, text=True, check=False, timeout=240,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (tests, os.environ.get("PYTHONPATH"))))},
    )  # fmt: skip
    assert (done.stdout.split(), done.returncode) == (["True"], 0), done.stderr
    assert done.stderr.count("The script ends while it still holds a batch") == 1
    assert len(done.stderr.splitlines()) == 1
    metrics = json.loads((tmp_path / "out" / "performance_metrics.json").read_text("utf-8"))
    assert metrics["state"] == "interrupted"
    assert len(metrics["files"]) == len(sims)
    assert {file["status"] for file in metrics["files"]} == {"ok", "cancelled"}
    assert not (tmp_path / "out" / ".orcabatch.lock").exists()


class Holder:
    """Something of the user's that is part of a cycle, so that only the garbage collector frees it."""

    def __init__(self, outcomes):
        self.outcomes, self.me = outcomes, self


def test_a_batch_that_the_collector_finds_on_its_own_worker_is_closed_on_another_thread(orcaflex, sims):
    """The worker would wait for itself for ever."""
    dropped, collected = threading.Event(), []

    def collecting(model):
        if threading.current_thread() is not threading.main_thread() and len(collected) == 1:
            assert dropped.wait(60)
            gc.collect()
        collected.append(model.latestFileName)

    gc.collect()
    gc.disable()
    try:
        holder = Holder(
            orcabatch.iter_batch(
                sims, postprocess=collecting, orcaflex="simulated",
                performance={"executor": "threads", "threading": {"max_threads": 1}},
            )
        )  # fmt: skip
        next(holder.outcomes)
        del holder
        dropped.set()
        worker = next(each for each in threading.enumerate() if each.name.startswith("orcabatch-worker"))
        worker.join(60)
        assert not worker.is_alive()
        for closing in [each for each in threading.enumerate() if each.name == "orcabatch-closes"]:
            closing.join(60)
    finally:
        gc.enable()
    assert len(collected) < len(sims)


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_an_iterator_may_be_read_on_several_threads(orcaflex, sims, executor):
    """As `asyncio.to_thread` does: a model answers on its own thread only, and each file has one there."""
    outcomes = orcabatch.iter_batch(
        sims, postprocess=largest_tension, orcaflex="simulated", performance={"executor": executor}
    )
    read = [next(outcomes)]
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool:
            read += [pool.submit(next, outcomes).result(), pool.submit(next, outcomes).result()]
        read.append(next(outcomes))
    read += outcomes
    assert [outcome.error for outcome in read] == [None] * len(sims)
    assert orcaflex.counters.loads == len(sims)


class OwnError(Exception):
    """Of the caller's own code."""


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_what_is_called_with_outcomes_may_raise_as_in_a_loop(orcaflex, sims, tmp_path, executor):
    """The caller gets his own exception, and with it what there is; the run has failed, nobody interrupted it."""
    seen = []

    def refusing(outcome):
        seen.append(outcome)
        if len(seen) == 2:
            raise OwnError("no such case")

    with pytest.raises(OwnError, match="no such case") as raised:
        orcabatch.run_batch(
            sims, postprocess=largest_tension, orcaflex="simulated", progress=False, on_outcome=refusing,
            output_dir=tmp_path, performance={"executor": executor, "threading": {"max_threads": 1}},
        )  # fmt: skip
    result = raised.value.batch_result
    assert len(seen) == 2
    assert len(result.outcomes) == len(sims)
    assert sum(outcome.ok for outcome in result.outcomes) >= 2
    assert any("OwnError: no such case" in note and "`batch_result`" in note for note in raised.value.__notes__)
    metrics = json.loads((tmp_path / "performance_metrics.json").read_text("utf-8"))
    assert metrics["state"] == result.metrics["state"] == "failed"
    assert any("OwnError" in warning for warning in metrics["warnings"])
