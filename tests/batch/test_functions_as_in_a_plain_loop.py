"""Drawn functions, in every executor that runs here, with and without broker, against a plain loop over OrcFxAPI.

See `dm_proof.functions` for what they do. `ORCABATCH_FUNCTIONS=seed,count` draws others, and more.
"""

from __future__ import annotations

import collections
import gc
import os
import uuid

import pytest

import orcabatch
from dm_proof.functions import CASES, Drawn, drawn, plain_loop
from orcabatch import simulated

SEED, COUNT = (int(number) for number in os.environ.get("ORCABATCH_FUNCTIONS", "20,60").split(","))
RUNS = [(executor, broker) for executor in ("serial", "threads", "processes") for broker in (True, False)]


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """Programs, files, and what the plain loop makes of them."""
    folder, programs = tmp_path_factory.mktemp("functions"), drawn(SEED, COUNT)
    module = simulated.install(simulated.Costs())
    files = [_file(folder, number, case) for number in range(COUNT) for case in range(CASES)]
    ends = plain_loop(files, programs)
    assert not hasattr(module.Model, "_answer_cache")
    gc.collect()
    yield programs, files, ends
    simulated.uninstall()


def _file(folder, number, case):
    spec = simulated.SimSpec(
        objects=simulated.mooring_objects(10), stop_time_s=8.0 + case, sample_interval_s=0.25, seed=10 * number + case
    )
    return simulated.write_sim(folder / f"p{number:03d}_case{case}.sim", spec)


@pytest.mark.parametrize(("executor", "broker"), RUNS)
def test_functions_give_what_a_plain_loop_gives(loop, executor, broker):
    """Equal values, bit for bit, and equal errors; but kept and returned models and objects raise `FileReleased`."""
    programs, files, ends = loop
    with simulated.counting() as count:
        result = orcabatch.run_batch(
            files,
            postprocess=Drawn(programs, uuid.uuid4().hex),
            performance={
                "executor": executor,
                "process_count": 2,
                "threading": {"max_threads": 3},
                "broker": {"enabled": broker},
                "orcaflex": "simulated",
            },
            progress=False,
            fresh=True,
        )
    different = [
        _shown(end, outcome, programs[int(outcome.file.name[1:4])])
        for end, outcome in zip(ends, result.outcomes, strict=True)
        if not _equal(end, outcome)
    ]
    assert not different, "\n".join(different[:5])
    again = [(o.file.name, o.attempt, o.retried, o.warnings) for o in result.outcomes if o.attempt != 1]
    assert not again
    gc.collect()
    assert count.counters.affinity_violations == count.counters.destroyed_on_wrong_thread == 0


def _equal(end, outcome):
    kind, expected = end
    if kind == "value":
        return outcome.status == "ok" and repr(outcome.value) == repr(expected)
    if kind == "gone":
        return outcome.status == "failed" and "orcabatch.errors.FileReleased: the value" in outcome.traceback
    # The members of a group stand below its own text.
    told = outcome.traceback.endswith(expected) or (
        expected.startswith("ExceptionGroup") and expected in outcome.traceback
    )
    return outcome.status == "failed" and told


def _shown(end, outcome, program):
    kind, expected = end
    if kind != "value" or outcome.status != "ok":
        return f"{outcome.file.name}: {expected!r}, not {outcome.error or 'a value'} ({program})"
    steps = zip(program.steps, expected, outcome.value, strict=True)
    return f"{outcome.file.name}: {[(s, e, o) for s, e, o in steps if repr(e) != repr(o)]} ({program})"


def test_everything_is_drawn(loop):
    """Each way to end, and each step, is among them; half of the files end with a value."""
    programs, _, ends = loop
    assert {program.end for program in drawn(SEED, 100)} >= {"ValueError", "MemoryError", "in a table", "value"}
    steps = collections.Counter(step[0] for program in programs for step in program.steps)
    assert len(steps) == 18
    kinds = collections.Counter(kind for kind, _ in ends)
    assert min(kinds["value"], kinds["error"], kinds["gone"]) > len(ends) / 10
