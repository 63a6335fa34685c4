"""Helpers are no workers: where the system gives them no thread, or they hang, the run does without."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

import orcabatch
from batch_functions import largest_tension
from births import BEFORE_IT_IS_LISTED, BEFORE_IT_LIVES, BEFORE_ITS_TARGET, die_at_birth
from capabilities import needs
from orcabatch.batch import input_files
from orcabatch.host import lookout
from orcabatch.outcome import Cause

HELPERS = "orcabatch-(read-ahead|monitor|lock|lock-told|ledger|flush|lookout|look|parent)"


def run(sims: list[Path], executor: str, **more: Any) -> Any:
    performance = {"executor": executor, "process_count": 1, **more}
    return orcabatch.run_batch(
        sims, postprocess=largest_tension, version="1", orcaflex="simulated", progress=False, performance=performance
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("executor", "moment"),
    [
        ("serial", "refused"),
        ("threads", "refused"),
        ("processes", "refused"),
        ("serial", BEFORE_IT_LIVES),
        ("threads", BEFORE_IT_IS_LISTED),
        ("processes", BEFORE_ITS_TARGET),
    ],
)
def test_without_threads_for_helpers_everything_is_done(
    executor: str, moment: str, sims: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of threads, or of memory for one, reading ahead, sampling, the ledger's flushes: a run has its values."""
    without = refuse(monkeypatch) if moment == "refused" else die_at_birth(monkeypatch, HELPERS, moment)
    result = run(sims, executor)
    assert result.ok
    assert {f"orcabatch-{name}" for name in ("read-ahead", "monitor", "lock", "flush", "lookout")} <= set(without)
    assert sum("files are not read ahead" in text for text in result.warnings) == 1
    assert result.metrics["samples"]
    again = run(sims, executor)
    assert [outcome.status.value for outcome in again.outcomes] == ["skipped"] * len(sims)


def refuse(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The system gives helpers no thread; the names of those that were asked for."""
    refused: list[str] = []
    original = threading.Thread.start

    def start(self: threading.Thread) -> None:
        if re.fullmatch(HELPERS, self.name):
            refused.append(self.name)
            raise RuntimeError("can't start new thread")
        original(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    return refused


def test_a_share_that_is_gone_does_not_hold_up_the_run(sims: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where looking at a file hangs, the others are done, nothing of its folder is kept, and that is said once."""
    monkeypatch.setattr(lookout, "SILENT_S", 0.1)
    back, original = threading.Event(), input_files.status_of

    def hangs(file: Path) -> Any:
        back.wait()
        return original(file)

    monkeypatch.setattr(input_files, "status_of", hangs)
    before = set(threading.enumerate())
    result = run(sims, "threads")
    back.set()
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert result.ok
    assert sum("does not answer" in text for text in result.warnings) == 1
    monkeypatch.setattr(input_files, "status_of", original)
    assert [outcome.status.value for outcome in run(sims, "threads").outcomes] == ["ok"] * len(sims)


@needs("named pipes")
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_named_pipe_costs_itself(executor: str, sims: list[Path], tmp_path: Path) -> None:
    """In the place of a file, read ahead, fingerprinted and loaded: with `timeout` the others are done."""
    pipe = tmp_path / "pipe.sim"
    os.mkfifo(pipe)
    before = set(threading.enumerate())
    result = run([*sims[:2], pipe], executor, timeout=2)
    if left := set(threading.enumerate()) - before:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # whoever waits for a writer waits no longer
        for thread in left:
            thread.join()
    assert [outcome.file.name for outcome in result.failed] == ["pipe.sim"]
    assert result.failed[0].cause in {Cause.TIMEOUT, Cause.INPUT}
