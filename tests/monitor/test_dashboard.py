"""The terminal displays, also in a real pseudo-terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from capabilities import require
from monitor.making import MB, task
from orcabatch.engine.contract import RunEvent
from orcabatch.monitor import PerformanceMonitor
from orcabatch.monitor.dashboard import MOST_ROWS, Screen, dashboard_lines
from orcabatch.monitor.displays import Tracker, status_text
from orcabatch.monitor.state import RunState
from orcabatch.text import told_apart

HOSTILE = "a\x1b[31m\nvery long name of a simulation with a wave of hundred years from south west.sim"


def tracker_with(running: int) -> Tracker:
    """A run in the middle, with so many files in work."""
    tracker = Tracker(RunState(cap_percent=80.0, seats=40))
    files = [task(index, 574 * MB, file=task(index).file.with_name(HOSTILE)) for index in range(200)]
    tracker.state.expect(files)
    tracker.state.apply(RunEvent("run_started", 0.0, -1, {"files": 200, "limit": 45, "executor": "threads"}))
    for index in range(running + 20):
        tracker.state.apply(RunEvent("started", index / 10, index, {"worker": f"worker-{index}"}))
    for index in range(20):
        tracker.state.apply(
            RunEvent("finished", 40.0, index, {"status": "failed" if index == 3 else "ok", "batch": "b"})
        )
    gb = 10**9
    sample = {"total_bytes": 256 * gb, "available_bytes": 90 * gb, "cpu_percent": 88.0, "read_bytes": 0}
    tracker.state.apply(RunEvent("sample", 41.0, -1, sample))
    tracker.state.apply(RunEvent("sample", 42.0, -1, sample | {"read_bytes": 830 * MB}))
    tracker.state.apply(RunEvent("limit", 43.0, -1, {"limit": 45, "reason": "throughput grew by 12% at the last step"}))
    return tracker


@pytest.mark.parametrize("width", [20, 60, 80, 200])
@pytest.mark.parametrize("running", [0, 1, 9, 10, 45])
@pytest.mark.parametrize("blocks", [True, False])
def test_it_fits_its_terminal(width, running, blocks):
    """At most 16 lines, none too wide, no control characters, plain ASCII where blocks cannot be shown."""
    tracker = tracker_with(running)
    lines = dashboard_lines(tracker.state, tracker.snapshot(), "IO_BOUND", Screen(width, blocks=blocks))
    assert len(lines) <= MOST_ROWS
    assert all(len(line) <= width and line.isprintable() for line in lines)
    assert blocks or "".join(lines).isascii()


def test_it_says_what_the_engineer_looks_for():
    """Files by phase, memory against its cap, CPU, disk, seats, the limit with its reason, the verdict."""
    tracker = tracker_with(45)
    tracker.state.apply(RunEvent("phase", 44.0, 60, {"phase": "extract"}))
    text = "\n".join(dashboard_lines(tracker.state, tracker.snapshot(), "IO_BOUND", Screen(120)))
    for part in (
        "20 of 200 files, 10% of the bytes, 1 failed, 45 running",
        "65%  memory of 256 GB, cap 80%",
        "88%  CPU",
        "Disk 830 MB/s",
        "Seats for 40 at once.",
        "Limit 45 at once: throughput grew by 12% at the last step",
        "Verdict so far: IO_BOUND",
        "worker-20    load",
        "and 37 more: 1 extract, 36 load",
    ):
        assert part in text


def test_a_small_terminal_keeps_what_matters_most():
    """Three lines: how far, how it stands, memory."""
    tracker = tracker_with(45)
    lines = dashboard_lines(tracker.state, tracker.snapshot(), "BALANCED", Screen(80, rows=3))
    assert len(lines) == 3
    assert "20 of 200 files, 10% of the bytes" in lines[1]


SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
{before}
from orcabatch.engine.contract import RunEvent
from orcabatch.monitor import PerformanceMonitor
from orcabatch.monitor.display_choice import make_display
from monitor.making import task, tell
monitor = PerformanceMonitor()
display = make_display({kind!r}, sys.stderr, monitor=monitor)
monitor.expect([task(index) for index in range(40)], cap_percent=80.0, seats=3)
tell(display, RunEvent("run_started", 0.0, -1, {{"files": 40, "limit": 12, "executor": "threads"}}))
for index in range(12):
    tell(display, RunEvent("started", 0.1, index, {{"worker": f"worker-{{index}}"}}))
for step in range(1, 6):
    tell(display, RunEvent("finished", 2.0 * step, step, {{"status": "ok", "batch": "b"}}))
    while display._drawer._drawn:  # what is not drawn yet when the next comes is not drawn at all
        time.sleep(0.001)
tell(display, RunEvent("run_finished", 11.0, -1, {{"interrupted": True}}))
display.close()
print("type:", type(display).__name__)
"""


def in_a_terminal(kind: str, width: int, before: str = "", **environment: str) -> str:
    """What a display writes to a pseudo-terminal of this width, after the line `before`."""
    require("terminals")  # elsewhere the lines themselves are tested above
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    inherited = {key: value for key, value in os.environ.items() if key not in {"CI", "NO_COLOR", "COLUMNS"}}
    script = SCRIPT.format(tests=str(Path(__file__).parents[1]), kind=kind, before=before)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=inherited | {"TERM": "xterm-256color"} | environment,
    )
    os.close(slave)
    written = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        written += piece
    os.close(master)
    assert process.wait() == 0, written.decode()
    return written.decode()


CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize(("kind", "name"), [("bar", "Bar"), ("live", "Dashboard")])
def test_in_a_real_terminal_no_line_is_wider_than_it(width, kind, name):
    """The cursor goes up over what was drawn; nothing wraps, the cursor is given back."""
    written = in_a_terminal(kind, width)
    lines = [line.split("\r")[-1] for line in CONTROL.sub("", written).split("\r\n")]
    assert f"type: {name}" in written
    assert max(len(line) for line in lines) <= width
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1
    assert "5 of 40 files, 12% of the bytes" in written


@pytest.mark.parametrize("kind", ["bar", "live"])
def test_it_draws_over_itself_where_digitalmodel_strips_escape_codes(kind):
    """digitalmodel calls `colorama.init(strip=True)` on import, which would leave every frame on the screen."""
    pytest.importorskip("colorama", reason="comes with digitalmodel: install orcabatch[digitalmodel]")
    written = in_a_terminal(kind, 80, before="import colorama; colorama.init(strip=True, convert=False)")
    assert written.count("\x1b[1A") >= 5


@pytest.mark.parametrize("kind", ["bar", "live"])
def test_without_colour_it_says_the_same(kind):
    """NO_COLOR is heeded: no colour code is written."""
    written = in_a_terminal(kind, 80, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", written)
    assert "5 of 40 files, 12% of the bytes" in written


def test_a_dumb_terminal_gets_lines():
    """It cannot move its cursor."""
    written = in_a_terminal("live", 80, TERM="dumb")
    assert "type: Lines" in written
    assert "\x1b" not in written


def test_the_verdict_comes_from_the_monitor():
    """What the monitor says now stands in the frame."""
    import io

    from orcabatch.monitor.dashboard import Dashboard

    monitor = PerformanceMonitor()
    monitor.metrics["io_wait_time"].append(99.0)
    display = Dashboard(io.StringIO(), monitor)
    assert "Verdict so far: IO_BOUND" in display._lines(display.tracker.snapshot())


def test_a_narrow_terminal_keeps_counts_and_time():
    """Bytes and their rate are what a line of 60 columns leaves out, the rate first."""
    tracker = tracker_with(45)
    shot = tracker.snapshot()
    wide = status_text(shot)
    assert wide.startswith("20 of 200 files, 10% of the bytes, 1 failed, 45 running, 11.5 GB of 115 GB, ")
    assert wide.endswith(" left")
    narrow = status_text(shot, 80)
    assert narrow.startswith("20 of 200 files, 10% of the bytes, 1 failed, 45 running, about ")
    assert status_text(shot, 60).startswith("20 of 200 files, 10%, 1 failed, 45 running, about ")


def test_names_are_cut_where_they_are_alike():
    """At 80 columns every name of a batch that differs in its middle is still told from the others."""
    names = [
        f"fsts_l015_hwl_125km3_l100_pb_{years:03d}yr__cl_{heading:03d}deg.sim"
        for years in (5, 100)
        for heading in range(0, 360, 45)
    ]
    for width in (14, 20, 38, 50):
        cut = told_apart(names, width)
        assert len(set(cut)) == len(names)
        assert all(len(name) <= width for name in cut)
    assert told_apart(names, 38)[0] == "...125km3_l100_pb_005yr__cl_000deg.sim"
    assert told_apart(names, 100) == names
    assert told_apart(names[:1], 20) == ["fsts_l01...00deg.sim"]
    assert told_apart([], 5) == []


def test_it_says_what_the_next_file_waits_for():
    """Memory or a licence seat, where slots are empty; nothing where they are not."""
    tracker = tracker_with(12)
    flow = [dashboard_lines(tracker.state, tracker.snapshot(), "BALANCED", Screen(120))[4]]
    for cause in ("memory", "seat", ""):
        tracker.state.apply(RunEvent("admission", 44.0, -1, {"held_by": cause}))
        flow.append(dashboard_lines(tracker.state, tracker.snapshot(), "BALANCED", Screen(120))[4])
    assert [line.partition(". ")[0] for line in flow] == [
        "168 waiting",
        "168 waiting for memory",
        "168 waiting for a licence seat",
        "168 waiting",
    ]
