"""Files that take far longer than the others are reported, once; no time limit is set for them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fakes import FakeJob, Say, task, tasks
from orcabatch.engine import EngineOptions, Limits, run, stragglers
from orcabatch.engine.scheduler_messages import Sample
from orcabatch.engine.stragglers import FAR, KNOWN, LEAST_S, Stragglers

FILES = st.lists(st.tuples(st.floats(0.0, 1e4), st.integers(0, 10**10)), max_size=20)


@given(FILES, st.floats(0.0, 1e6), st.integers(0, 10**10))
def test_only_what_is_far_beyond_all_others_is_reported(
    ended: list[tuple[float, int]], took_s: float, size_bytes: int
) -> None:
    """Not before a minute, not before some ended, and five times longer than each of them, also for its size."""
    seen = Stragglers()
    for wall_s, size in ended:
        seen = seen.end(wall_s, size)
    said = seen.is_far_beyond(0, took_s, size_bytes)
    far = all(took_s > FAR * wall_s and took_s > FAR * (wall_s / max(1, size)) * size_bytes for wall_s, size in ended)
    assert said == (far and took_s > LEAST_S and len(ended) >= KNOWN)
    assert not seen.report(0).is_far_beyond(0, took_s, size_bytes)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_file_that_hangs_is_said_while_it_does(
    executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `timeout` nothing ends it, and the engineer hears its name, how long it took, and what would."""
    monkeypatch.setattr(stragglers, "LEAST_S", 0.3)
    gate, said = tmp_path / "gate", list[str]()

    def listen(event: Any) -> None:
        if event.kind == "warning" and event.data.get("lasting"):
            said.append(event.data["text"])
            gate.touch()

    work = [task(0, say=Say(gate=str(gate))), *tasks(5)[1:]]
    options = EngineOptions(executor=executor, threads=2, processes=2, sample_interval_s=0.01)
    limits = Limits(max_limit=2, fixed_limit=2)
    running = run(work, FakeJob(), options=options, limits=limits, probe=lambda pids: Sample(), listener=listen)
    watchdog = threading.Timer(60, gate.touch)
    watchdog.start()
    outcomes = list(running)
    watchdog.cancel()
    watchdog.join()
    assert all(each.ok for each in outcomes)
    assert len(said) == 1
    assert said[0].startswith("0.sim has been worked on for ")
    assert "a `timeout` would end it" in said[0]
