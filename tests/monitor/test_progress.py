"""Estimates, snapshots and the small displays."""

from __future__ import annotations

import io
import random
import statistics
import sys
import types

import pytest

from monitor.making import MB, task, tell
from orcabatch import text
from orcabatch.engine.contract import RunEvent
from orcabatch.engine.limits import Limits
from orcabatch.engine.waiting import in_plan_order
from orcabatch.errors import SettingsError
from orcabatch.monitor import PerformanceMonitor, display_choice
from orcabatch.monitor.dashboard import Dashboard
from orcabatch.monitor.display_choice import Snapshot, make_display
from orcabatch.monitor.displays import Bar, Callback, Lines, NoDisplay, Notebook, Tracker, bar_html


def simulated_run(seed: int, *, files: int = 120, workers: int = 12):
    """Events of a batch of mixed sizes (42 MB to 3 GB), longest first; durations `2 s + bytes`, 15% noise."""
    chance = random.Random(seed)
    sizes = [int(min(max(chance.lognormvariate(19.7, 1.0), 42e6), 3e9)) for _ in range(files)]
    tasks = [task(index, size, rank=-size) for index, size in enumerate(sizes)]
    ends: list[tuple[float, int]] = []
    events = [RunEvent("run_started", 0.0, -1, {"files": files, "limit": workers, "executor": "threads"})]
    now_s = 0.0
    for each in sorted(tasks, key=lambda one: -one.size_bytes):
        if len(ends) == workers:
            ends.sort()
            now_s, done = ends.pop(0)
            events.append(RunEvent("finished", now_s, done, {"status": "ok", "batch": "standard"}))
        events.append(RunEvent("started", now_s, each.index, {"worker": f"w{each.index}"}))
        seconds = (2.0 + each.size_bytes / 20e6) * chance.lognormvariate(0.0, 0.15)
        ends.append((now_s + seconds, each.index))
    events += [RunEvent("finished", at_s, index, {"status": "ok", "batch": "standard"}) for at_s, index in sorted(ends)]
    makespan_s = max(ends)[0]
    return tasks, events, makespan_s


def test_cancelled_files_are_not_done():
    """After Ctrl-C the last line says how many were done, not how many there were."""
    tracker = Tracker()
    tracker.state.expect([task(index, 10 * MB) for index in range(3)])
    tracker.state.apply(RunEvent("run_started", 0.0, -1, {"files": 3, "limit": 2, "executor": "threads"}))
    for index, status in enumerate(("ok", "cancelled", "cancelled")):
        tracker.state.apply(RunEvent("finished", 1.0, index, {"status": status, "batch": "standard"}))
    tracker.state.apply(RunEvent("run_finished", 1.0, -1, {"interrupted": True}))
    shot = tracker.snapshot()
    assert (shot.done, shot.total, shot.done_bytes) == (1, 3, 10 * MB)
    assert shot.share == pytest.approx(1 / 3)


def test_files_that_were_not_read_make_no_throughput():
    """An earlier run left their results: they are done, and no bytes of them went through; failed ones were read."""
    tracker = Tracker()
    tracker.state.expect([task(index, 10 * MB) for index in range(3)])
    tracker.state.apply(RunEvent("run_started", 0.0, -1, {"files": 3, "limit": 2, "executor": "threads"}))
    rates = []
    for index, status in enumerate(("skipped", "ok", "failed")):
        tracker.state.apply(RunEvent("finished", 2.0, index, {"status": status, "batch": "standard"}))
        rates.append(tracker.snapshot().bytes_per_s)
    assert rates == [0, 5 * MB, 10 * MB]
    assert tracker.snapshot().done_bytes == 30 * MB


def errors_at_half_time(seed: int) -> tuple[float, float]:
    """Relative error of the predicted end at half time: of the estimate, and of a bar that counts files."""
    tasks, events, makespan_s = simulated_run(seed)
    tracker = Tracker()
    tracker.state.expect(tasks)
    for event in events:
        if event.at_s > makespan_s / 2:
            break
        tracker.state.apply(event)
    tracker.state.advance(makespan_s / 2)
    shot = tracker.snapshot()
    per_file_s = shot.elapsed_s / shot.done * shot.total
    return (abs(shot.elapsed_s + shot.remaining_s - makespan_s) / makespan_s, abs(per_file_s - makespan_s) / makespan_s)


def test_at_half_time_the_end_is_predicted_within_15_percent_in_the_median():
    """On batches of mixed sizes, where counting files is far off."""
    errors = [errors_at_half_time(seed) for seed in range(30)]
    own, per_file = (statistics.median(column) for column in zip(*errors, strict=True))
    assert own <= 0.15
    assert own < per_file / 3


def in_the_middle(sizes, limits: Limits, *, began: int, ended: int, limit: int):
    """A run that began its first files, of which the first ended after 10 s each."""
    tracker = Tracker()
    tracker.state.expect(sizes)
    tracker.state.apply(
        RunEvent("run_started", 0.0, -1, {"files": len(sizes), "limit": limit, "limits": limits.to_dict()})
    )
    order = [one.index for one in in_plan_order(sizes)]
    for index in order[:began]:
        tracker.state.apply(RunEvent("started", 0.0, index, {"worker": f"w{index}"}))
    for index in order[:ended]:
        tracker.state.apply(RunEvent("finished", 10.0, index, {"status": "ok", "batch": "standard"}))
    return tracker


def tiered(small: int, large: int, *, large_first: bool):
    """Small and large files that all take 10 s."""
    tiers = ["large"] * large + ["small"] * small if large_first else ["small"] * small + ["large"] * large
    return [task(index, 100 * MB, rank=index, tier=tier) for index, tier in enumerate(tiers)]


LARGE = {"small": 20, "large": 2}


@pytest.mark.parametrize("limit", [20, 12])
def test_a_tier_of_few_slots_takes_as_long_as_these_need(limit):
    """Static: 20 small files at once are done, ten large ones run two at a time, whatever the limit of all is."""
    tracker = in_the_middle(
        tiered(20, 10, large_first=False),
        Limits(mode="static", tiers=LARGE, max_limit=20),
        began=20,
        ended=20,
        limit=limit,
    )
    assert tracker.snapshot().remaining_s == pytest.approx(50.0)


def test_large_files_that_wait_for_their_slots_leave_the_others_to_small_ones():
    """Dynamic: two of ten large files at once, small ones beside them; when two are done, eight take 40 s more."""
    tasks = tiered(18, 10, large_first=True)
    tracker = in_the_middle(tasks, Limits(tiers=LARGE, max_limit=20), began=2, ended=2, limit=20)
    assert tracker.snapshot().remaining_s == pytest.approx(40.0)


def test_a_limit_that_is_not_reached_yet_is_what_the_rest_is_laid_out_over():
    """Three began, one is done: 39 small files go to 18 free slots, and 1 s later to those of two overdue ones."""
    tasks = tiered(40, 2, large_first=True)
    tracker = in_the_middle(tasks, Limits(tiers=LARGE, max_limit=20), began=3, ended=1, limit=20)
    assert tracker.snapshot().remaining_s == pytest.approx(21.0)


@pytest.mark.parametrize(("held_by", "left_s"), [("memory", 60.0), ("seat", 60.0), ("", 20.0)])
def test_where_memory_or_seats_hold_files_the_limit_is_not_reached(held_by, left_s):
    """Two at once is what there was room for, of a limit of eight."""
    tasks = [task(index) for index in range(14)]
    tracker = in_the_middle(tasks, Limits(max_limit=8), began=2, ended=2, limit=8)
    tracker.state.apply(RunEvent("admission", 10.0, -1, {"held_by": held_by}))
    assert tracker.snapshot().remaining_s == pytest.approx(left_s)


def test_the_time_left_is_never_below_the_longest_running_file():
    """One file of 3 GB runs, everything else is done: its rest is the batch's rest."""
    tasks = [task(0, 3000 * MB, rank=1), task(1, 100 * MB, rank=0)]
    tracker = in_the_middle(tasks, Limits(max_limit=30), began=2, ended=1, limit=30)
    assert tracker.snapshot().remaining_s == pytest.approx(290.0)


def test_what_waits_is_laid_out_in_the_order_of_the_plan():
    """A large file that starts last (`static`, `serial`) ends last: 20 s of small files, then its 40 s."""
    tracker = Tracker()
    sizes = (400 * MB, 100 * MB, 100 * MB, 100 * MB, 100 * MB, 100 * MB)
    tracker.state.expect([task(index, size, rank=-index) for index, size in enumerate(sizes)])
    tracker.state.apply(RunEvent("run_started", 0.0, -1, {"files": 6, "limit": 2, "executor": "threads"}))
    tracker.state.apply(RunEvent("started", 0.0, 5, {"worker": "w"}))
    tracker.state.apply(RunEvent("finished", 10.0, 5, {"status": "ok", "batch": "standard"}))
    assert tracker.snapshot().remaining_s == pytest.approx(60.0)


def test_a_file_that_is_only_being_written_has_no_worker():
    """It neither runs nor waits, is not done, and its worker's time ends there: slow folders predict no slow files."""
    tracker = Tracker()
    tracker.state.expect([task(index, 100 * MB) for index in range(3)])
    tracker.state.apply(RunEvent("run_started", 0.0, -1, {"files": 3, "limit": 1, "executor": "threads"}))
    tracker.state.apply(RunEvent("started", 0.0, 0, {"worker": "w"}))
    tracker.state.apply(RunEvent("released", 10.0, 0))
    tracker.state.apply(RunEvent("started", 10.0, 1, {"worker": "w"}))
    shot = tracker.snapshot()
    assert (shot.done, shot.running, tracker.state.waiting_files, len(tracker.state.waiting)) == (0, 1, 1, 1)
    tracker.state.apply(RunEvent("finished", 70.0, 0, {"status": "ok", "batch": "standard"}))
    assert tracker.state.took == [(100 * MB, 10.0)]
    assert tracker.state.writing == {}


def a_slow_folder(files: int) -> Tracker:
    """One worker has had three files for 10 s each; a minute later each is written, the first at 70 s."""
    tracker = Tracker()
    tracker.state.expect([task(index, 100 * MB) for index in range(files)])
    tracker.state.apply(RunEvent("run_started", 0.0, -1, {"files": files, "limit": 1, "executor": "threads"}))
    for index in range(3):
        tracker.state.apply(RunEvent("started", 10.0 * index, index, {"worker": "w"}))
        tracker.state.apply(RunEvent("released", 10.0 * index + 10.0, index))
    return tracker


@pytest.mark.parametrize(("at_s", "left_s"), [(70.0, 20.0), (75.0, 15.0)])
def test_what_is_still_being_written_is_left(at_s, left_s):
    """None runs and none waits from 30 s on, but the last is written at 90 s: there was 0 s left until then."""
    tracker = a_slow_folder(3)
    tracker.state.apply(RunEvent("finished", 70.0, 0, {"status": "ok", "batch": "standard"}))
    tracker.state.advance(at_s)
    assert tracker.snapshot().remaining_s == pytest.approx(left_s)


@pytest.mark.parametrize(("files", "left_s"), [(4, 65.0), (5, 75.0)])
def test_what_runs_and_waits_is_written_afterwards(files, left_s):
    """Half of its 10 s are over for the fourth file, and the fifth waits for it; the last needs its minute as well."""
    tracker = a_slow_folder(files)
    tracker.state.apply(RunEvent("started", 65.0, 3, {"worker": "w"}))
    tracker.state.apply(RunEvent("finished", 70.0, 0, {"status": "ok", "batch": "standard"}))
    assert tracker.snapshot().remaining_s == pytest.approx(left_s)


@pytest.mark.parametrize("at_once", [2, 4])
def test_at_a_files_end_its_slot_counts(at_once: int):
    """The time left does not jump between a file's end and the next one's beginning, when a display is shown it."""
    tracker = Tracker()
    tracker.state.expect([task(index, 10 * MB) for index in range(20)])
    tracker.state.apply(RunEvent("run_started", 0.0, -1, {"files": 20, "limit": at_once}))
    for index in range(at_once):
        tracker.state.apply(RunEvent("started", 0.0, index, {"worker": f"w{index}"}))
    tracker.state.apply(RunEvent("finished", 10.0, 0, {"status": "ok"}))
    at_the_end = tracker.snapshot().remaining_s
    tracker.state.apply(RunEvent("started", 10.0, at_once, {"worker": "w0"}))
    assert at_the_end == pytest.approx(tracker.snapshot().remaining_s, rel=0.15)


def test_before_the_first_file_nothing_is_claimed():
    """No rate was measured."""
    tracker = in_the_middle([task(0), task(1)], Limits(max_limit=2), began=2, ended=0, limit=2)
    assert tracker.snapshot().remaining_s is None


@pytest.mark.parametrize(("mode", "left_s"), [("dynamic", 2500.0), ("static", 4490.0)])
def test_thousands_of_waiting_files_are_estimated_by_their_area(mode, left_s):
    """The layout of 5,000 files would cost more than it tells; tiers count there as well."""
    tasks = tiered(4000, 1000, large_first=False)
    limits = Limits(mode=mode, tiers={"small": 20, "large": 4}, max_limit=20)
    tracker = in_the_middle(tasks, limits, began=20, ended=20, limit=20)
    assert tracker.snapshot().remaining_s == pytest.approx(left_s)


def test_a_tracker_counts_files_of_two_batches_once():
    """A file that stands in two batches ends twice and is one file; the worse ending counts."""
    tracker = Tracker()
    tracker.state.expect([task(0), task(1)])
    for event in (
        RunEvent("run_started", 0.0, -1, {"files": 2, "limit": 2}),
        RunEvent("started", 0.0, 0, {"worker": "w"}),
        RunEvent("finished", 4.0, 0, {"status": "failed", "batch": "a"}),
        RunEvent("finished", 4.0, 0, {"status": "ok", "batch": "b"}),
    ):
        tracker.state.apply(event)
    shot = tracker.snapshot()
    assert (shot.done, shot.failed, shot.done_bytes, shot.share) == (1, 1, 100 * MB, 0.5)


def test_a_display_reads_the_state_that_the_monitor_folds():
    """Both get every event of a batch; it counts once, and the time left is learnt from it all the same."""
    monitor, shots = PerformanceMonitor({"monitoring": {"enabled": False}}), []
    display = make_display(shots.append, monitor=monitor)
    monitor.expect([task(0), task(1)])
    for event in (
        RunEvent("run_started", 0.0, -1, {"files": 2, "limit": 1}),
        RunEvent("started", 0.0, 0, {"worker": "w"}),
        RunEvent("finished", 4.0, 0, {"status": "ok", "batch": "a"}),
    ):
        monitor.listener(event)
        display.listener(event)
    assert [(shot.done, shot.remaining_s) for shot in shots] == [(1, 4.0)]
    assert monitor.state.capacity_s == 4.0


def test_a_file_done_again_counts_once():
    """It is taken back when it starts anew."""
    tracker = Tracker()
    tracker.state.expect([task(0), task(1)])
    tracker.state.apply(RunEvent("run_started", 0.0, -1, {"files": 2, "limit": 2}))
    for at_s in (0.0, 10.0):
        tracker.state.apply(RunEvent("started", at_s, 0, {"worker": "w"}))
        assert tracker.snapshot().done == 0
        tracker.state.apply(RunEvent("finished", at_s + 5, 0, {"status": "ok", "batch": "standard"}))
    assert (tracker.snapshot().done, tracker.snapshot().done_bytes) == (1, 100 * MB)


# -- displays


def show(display, seed: int = 1):
    """A display over a whole run."""
    tasks, events, _ = simulated_run(seed, files=30, workers=4)
    display.tracker.state.expect(tasks)
    tell(display, *events, RunEvent("run_finished", events[-1].at_s, -1, {"interrupted": False}))
    display.close()
    display.close()


def test_who_says_how_long_it_took_is_not_contradicted():
    """A command says its own time, in which the run's is contained."""
    stream = io.StringIO()
    display = make_display("lines", stream, says_time=False)
    show(display)
    assert stream.getvalue().splitlines()[-1].endswith(", finished")


def test_lines_say_beginning_end_and_every_ten_seconds_at_most():
    """For files and CI: no control characters, not one line per file."""
    stream = io.StringIO()
    show(Lines(stream))
    lines = stream.getvalue().splitlines()
    _, _events, makespan_s = simulated_run(1, files=30, workers=4)
    assert lines[0].startswith("orcabatch: 0 of 30 files, 0% of the bytes")
    assert "30 of 30 files, 100% of the bytes" in lines[-1]
    assert "finished after" in lines[-1]
    assert len(lines) <= makespan_s / 10 + 2
    assert "\x1b" not in stream.getvalue()


def test_lines_name_each_failed_file_at_once():
    """With what happened; a hostile name cannot move the cursor."""
    stream = io.StringIO()
    display = Lines(stream)
    display.tracker.state.expect([task(0, file=task(0).file.with_name("a\x1b[2Jb.sim"))])
    tell(display, RunEvent("run_started", 0.0, -1, {"files": 1, "limit": 1}))
    tell(display, RunEvent("finished", 0.1, 0, {"status": "failed", "batch": "b", "error": "empty file"}))
    tell(display, RunEvent("warning", 0.2, -1, {"text": "memory is short"}))
    assert "orcabatch: failed: a?[2Jb.sim: empty file\n" in stream.getvalue()
    assert "orcabatch: warning: memory is short\n" in stream.getvalue()


def test_lines_say_the_same_failure_of_a_file_once():
    """A file that is run again, because another one has to be the first, gets no second line; another reason does."""
    stream = io.StringIO()
    display = Lines(stream)
    display.tracker.state.expect([task(0), task(1)])
    for index, error in ((0, "no Line9"), (1, "no Line9"), (0, "no Line9"), (0, "no licence")):
        tell(display, RunEvent("finished", 0.1, index, {"status": "failed", "error": error}))
    said = [line.rpartition(": ")[2] for line in stream.getvalue().splitlines() if "failed: " in line]
    assert said == ["no Line9", "no Line9", "no licence"]


def test_lines_survive_a_stream_that_cannot_encode_a_name():
    """A Windows console of code page 1252 and a Japanese file name."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="cp1252")
    display = Lines(stream)
    display.tracker.state.expect([task(0, file=task(0).file.with_name("波浪.sim"))])
    tell(display, RunEvent("finished", 0.1, 0, {"status": "failed", "error": "empty"}))
    assert b"failed: ??.sim: empty" in raw.getvalue()


def test_a_function_is_called_for_every_file_and_at_the_end():
    """With a snapshot that it may keep."""
    seen: list[Snapshot] = []
    show(make_display(seen.append))
    assert [shot.done for shot in seen] == [*range(1, 31), 30]
    assert seen[-1].finished
    assert seen[-1].remaining_s == 0.0


def test_false_is_silent(capsys):
    """One switch."""
    display = make_display(False)
    display.listener(RunEvent("finished", 1.0, 0, {"status": "failed", "error": "empty file"}))
    display.close()
    assert capsys.readouterr() == ("", "")


def test_a_file_or_ci_gets_lines_and_an_unknown_word_is_an_error(monkeypatch):
    """Without a terminal there is no bar, not even where one was asked for with `live`."""
    assert isinstance(make_display(None, io.StringIO()), Lines)
    assert isinstance(make_display(True, io.StringIO()), Lines)
    assert isinstance(make_display("live", io.StringIO()), Lines)
    assert isinstance(make_display(False), NoDisplay)
    assert isinstance(make_display(print), Callback)
    with pytest.raises(SettingsError, match="'loud'"):
        make_display("loud")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    class Window:
        """What a program with windows puts in the place of standard error."""

        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

    window = Window()
    lines = make_display(None, window)
    assert isinstance(lines, Lines)
    lines._write("a.sim failed")
    assert window.text == "orcabatch: a.sim failed\n"
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(make_display(None, Terminal()), Bar)
    monkeypatch.setattr(display_choice, "takes_escape_codes", lambda _: False)
    assert isinstance(make_display(None, Terminal()), Lines)
    monkeypatch.undo()
    monkeypatch.setenv("CI", "true")
    assert isinstance(make_display(None, Terminal()), Lines)


def test_a_notebook_gets_one_bar_that_is_replaced(monkeypatch):
    """No widget, no script; every update goes to the one handle."""
    shown: list[str] = []

    class Handle:
        def update(self, content):
            shown.append(content.data)

    def display(content, display_id):
        assert display_id
        shown.append(content.data)
        return Handle()

    class ZMQInteractiveShell:
        pass

    ipython, in_it = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = ZMQInteractiveShell
    in_it.display, in_it.HTML = display, lambda data: types.SimpleNamespace(data=data)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", in_it)
    made = make_display(None)
    assert isinstance(made, Notebook)
    show(made)
    assert 'aria-valuenow="100"' in shown[-1]
    assert "script" not in "".join(shown)


def test_the_bar_of_a_notebook_says_it_in_text_too():
    """Readable without colours."""
    shot = Snapshot(10.0, 4, 2, 1, 2, 400, 200, 20.0, 12.0, False, False)
    assert (
        "50% - 2 of 4 files, 50% of the bytes, 1 failed, 2 running, 200 B of 400 B, 20 B/s, about 12 s left"
        in bar_html(shot)
    )


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (text.size(0), "0 B"),
        (text.size(999), "999 B"),
        (text.size(3_231_000_000), "3.2 GB"),
        (text.size(574e6), "574 MB"),
        (text.duration(None), "unknown"),
        (text.duration(0.0004), "under 1 ms"),
        (text.duration(0.0421), "42 ms"),
        (text.duration(0), "0.0 s"),
        (text.duration(0.44), "0.4 s"),
        (text.duration(59.7), "1 min 00 s"),
        (text.duration(3725), "1 h 02 min"),
        (text.shortened("fsts_l015_hwl_ncl_000deg.sim", 15), "fsts_l...eg.sim"),
        (text.shortened("abc", 2), "ab"),
        (text.plural(1, "file"), "1 file"),
        (text.plural(4640, "file"), "4,640 files"),
    ],
)
def test_sizes_and_times_in_words(made, text):
    """Decimal sizes, as in the settings."""
    assert made == text


@pytest.mark.parametrize("made", [Bar, Dashboard], ids=["bar", "live"])
def test_ctrl_c_is_seen_at_once(made):
    """Above the bar and the dashboard: how much is still to be finished, though it is not yet time to draw."""
    stream = io.StringIO()
    display = made(stream)
    said = "stopping: 3 files still being worked on"
    tell(display, RunEvent("run_started", 0.0, -1, {"files": 4, "limit": 3, "executor": "threads"}))
    tell(display, RunEvent("warning", 0.01, -1, {"text": said, "stopping": True}))
    assert stream.getvalue().count(f"orcabatch: {said}") == 1
    tell(display, RunEvent("warning", 0.02, -1, {"text": "another warning"}))
    display.close()
    assert "another warning" not in stream.getvalue()


@pytest.mark.parametrize("progress", [None, "bar", "lines", "live"])
def test_a_standard_error_that_was_closed_shows_nothing(progress, monkeypatch):
    """As one that is not there: asking it whether it is a terminal would end the batch before its first file."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert isinstance(make_display(progress), NoDisplay)
