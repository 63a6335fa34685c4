"""The report of a run that goes on: there from the start, whole, following by itself, and never dear."""

from __future__ import annotations

import re
import threading

import pytest

from monitor.batches import batch_metrics
from monitor.making import MB, task
from orcabatch.background import Background
from orcabatch.engine.contract import RunEvent
from orcabatch.errors import OutputError
from orcabatch.monitor import live_report
from orcabatch.monitor.live_report import EVERY_S, MOST_COST, LiveReport
from orcabatch.monitor.report import render_report
from orcabatch.monitor.schema import Metrics
from orcabatch.monitor.state import RunState


class Watched:
    """A run of 1,000 s that says something every second, on a machine where a page takes `cost_s`."""

    def __init__(self, path, cost_s: float) -> None:
        self.state, self.now_s, self.at_s, self.written_s = RunState(), 0.0, 0.0, []
        self.cost_s, self.metrics = cost_s, batch_metrics(3)
        at_once = Background("", own_thread=False)
        self.report = LiveReport(path, self.state, self.so_far, lambda: self.now_s, at_once)
        self.state.expect([task(n, (n + 1) * 100 * MB) for n in range(3)])

    def so_far(self):
        self.now_s += self.cost_s
        self.written_s.append(self.at_s)
        return dict(self.metrics)

    def tell(self, kind: str, at_s: float, index: int = -1, **data) -> None:
        self.at_s = at_s
        event = RunEvent(kind, at_s, index, data)
        self.state.apply(event)
        self.report.listener(event)


@pytest.mark.parametrize("cost_s", [0.0, 0.01, 0.2, 3.0])
def test_it_costs_at_most_a_hundredth_of_the_wall_time(tmp_path, cost_s):
    """What a page took decides when the next one comes; the first is there at once, then at least 5 s lie between."""
    run = Watched(tmp_path / "report.html", cost_s)
    for second in range(1000):
        run.tell("sample", float(second))
    assert run.written_s[0] == 0.0
    gaps = [after - before for before, after in zip(run.written_s, run.written_s[1:], strict=False)]
    assert min(gaps) >= max(EVERY_S, cost_s / MOST_COST)
    assert max(gaps) <= max(EVERY_S, cost_s / MOST_COST) + cost_s + 1


def test_the_page_says_how_far_the_run_is_and_follows_by_itself(tmp_path):
    """Files and bytes, what is in work, when it was written; it is loaded anew, and the last page is not."""
    path = tmp_path / "report.html"
    run = Watched(path, 0.0)
    run.tell("run_started", 0.0, files=3, limit=2, executor="threads")
    run.tell("started", 1.0, 0, worker="w")
    run.tell("started", 1.0, 1, worker="v")
    run.tell("finished", 9.0, 0, status="ok", batch="standard")
    run.tell("sample", 15.0)
    content = path.read_text(encoding="utf-8")
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in content
    assert '<html lang="en" data-again="5">' in content
    assert "Running: 1 of 3 files have ended, 17% of the bytes." in content
    assert re.search(r"In work now: case 1.sim\.", content)
    assert "refresh" not in re.sub(r"<script>.*", "", render_report(run.metrics), flags=re.DOTALL)


def test_the_metrics_of_a_running_page_fit_their_schema(tmp_path, monkeypatch):
    """What it says of the progress has its place there too."""
    seen = []
    monkeypatch.setattr(live_report, "page_bytes", lambda _, metrics: seen.append(metrics) or b"")
    run = Watched(tmp_path / "report.html", 0.0)
    run.tell("run_started", 0.0, files=3, limit=2, executor="threads")
    assert Metrics.model_validate(seen[0]).progress is not None


def test_a_share_that_is_away_costs_nothing(tmp_path, monkeypatch):
    """The run goes on, and the page comes at the next time."""
    path = tmp_path / "report.html"
    run, there = Watched(path, 0.0), live_report.write_bytes

    def away(*_):
        raise OutputError("the share is away")

    monkeypatch.setattr(live_report, "write_bytes", away)
    run.tell("sample", 0.0)
    assert not path.exists()
    monkeypatch.setattr(live_report, "write_bytes", there)
    run.tell("sample", 6.0)
    assert path.exists()


def test_a_share_that_hangs_holds_up_nothing_and_the_last_page_is_the_last(tmp_path, monkeypatch):
    """Events are taken in, one page waits and no second one; the end waits for it, so that it replaces none."""
    written, hangs, answers = [], threading.Event(), threading.Event()

    def hanging(path, page):
        hangs.set()
        answers.wait()
        written.append(page)

    monkeypatch.setattr(live_report, "write_bytes", hanging)
    monkeypatch.setattr(live_report, "page_bytes", lambda _, metrics: str(metrics["progress"]["done"]).encode())
    state = RunState()
    report = LiveReport(tmp_path / "report.html", state, dict)
    for at_s in range(0, 100, 10):
        event = RunEvent("finished", float(at_s), at_s, {"status": "ok", "batch": "b"})
        state.apply(event)
        report.listener(event)
        hangs.wait()
    assert (state.done_files, written) == (10, [])
    threading.Timer(0.0, answers.set).start()
    report.close()
    assert written == [b"1"]
