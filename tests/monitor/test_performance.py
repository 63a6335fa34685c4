"""The monitor: its series, its life, and what events and outcomes add."""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time

import pytest

from monitor.making import Work, failed, outcome, run_for_real, still_probes, task
from orcabatch.engine.contract import RunEvent
from orcabatch.host.usage import HostCpu, HostReaders, OwnProcesses, allowed_cpus, memory_percent
from orcabatch.monitor import Bottleneck, PerformanceMonitor
from orcabatch.monitor.performance import SERIES

QUICK = {"monitoring": {"interval": 0.05}}


def still_monitor(**probes: float) -> PerformanceMonitor:
    """A monitor that reads nothing from this machine."""
    return PerformanceMonitor(QUICK, probes=still_probes(**probes))


def until(condition, timeout_s=10.0):
    """Wait for a condition, not for a time."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        threading.Event().wait(0.005)


def test_a_new_monitor_has_the_five_series_empty_and_says_balanced():
    """Nothing measured, nothing bound."""
    monitor = PerformanceMonitor()
    assert monitor.metrics == {name: [] for name in SERIES}
    assert monitor.analyze_bottlenecks() == "BALANCED"
    assert "nothing was measured" in monitor.explain()


@pytest.mark.parametrize(
    ("numbers", "answer"),
    [
        ({"io_wait_time": [20.0]}, "BALANCED"),
        ({"io_wait_time": [20.1]}, "IO_BOUND"),
        ({"io_wait_time": [21.0], "cpu_utilization": [99.0], "memory_usage": [99.0]}, "IO_BOUND"),
        ({"cpu_utilization": [90.0]}, "BALANCED"),
        ({"cpu_utilization": [100.0, 81.0], "memory_usage": [95.0]}, "CPU_BOUND"),
        ({"memory_usage": [80.0]}, "BALANCED"),
        ({"memory_usage": [81.0], "cpu_utilization": [90.0], "io_wait_time": [20.0]}, "MEMORY_BOUND"),
        ({"io_wait_time": [float("nan")], "memory_usage": [81.0]}, "MEMORY_BOUND"),
    ],
)
def test_numbers_appended_by_hand_decide_in_the_specified_order(numbers, answer):
    """I/O, then CPU above 90, then memory above 80, means over the series."""
    monitor = PerformanceMonitor()
    for name, values in numbers.items():
        monitor.metrics[name].extend(values)
    assert monitor.analyze_bottlenecks() == answer
    assert monitor.analyze_bottlenecks() is Bottleneck(answer)
    assert monitor.explain().startswith(answer)


def test_the_io_threshold_is_an_argument():
    """The specification leaves it open."""
    monitor = PerformanceMonitor(io_wait_threshold=50.0)
    monitor.metrics["io_wait_time"].append(40.0)
    assert monitor.analyze_bottlenecks() == "BALANCED"


def test_it_samples_every_interval_around_any_code():
    """No engine is needed for CPU and memory."""
    with PerformanceMonitor({"monitoring": {"interval": 0.02}}) as monitor:
        until(lambda: len(monitor.samples) >= 3)
    assert len(monitor.metrics["cpu_utilization"]) == len(monitor.samples)
    assert all(0.0 <= percent <= 100.0 for percent in monitor.metrics["cpu_utilization"])
    assert all(0.0 < percent <= 100.0 for percent in monitor.metrics["memory_usage"])
    assert monitor.metrics["thread_efficiency"] == []


def test_short_files_are_sampled_within_themselves():
    """A quarter of what files take, four a second at most; before one has ended, of what the run has lasted."""
    monitor = PerformanceMonitor({"monitoring": {"enabled": False}})
    monitor.expect([task(index) for index in range(3)])
    monitor.listener(RunEvent("run_started", 0.0, -1, {"files": 3, "limit": 2}))
    assert monitor.due_s() == 0.25
    monitor.listener(RunEvent("started", 0.0, 0, {"worker": "w"}))
    monitor.listener(RunEvent("sample", 8.0, -1, {}))
    assert monitor.due_s() == 2.0
    monitor.listener(RunEvent("finished", 12.0, 0, {"status": "ok", "batch": "b"}))
    assert monitor.due_s() == 3.0
    for index in (1, 2):
        monitor.listener(RunEvent("started", 12.0, index, {"worker": "w"}))
        monitor.listener(RunEvent("finished", 12.0, index, {"status": "ok", "batch": "b"}))
    assert monitor.due_s() == 1.0


def test_a_run_shorter_than_an_interval_has_one_sample():
    """The last reading is taken at the stop."""
    with PerformanceMonitor(probes=still_probes(memory=85.0)) as monitor:
        pass
    assert monitor.metrics["memory_usage"] == [85.0]


def test_stopping_ends_the_thread_and_can_be_repeated():
    """Nothing runs on after a monitor."""
    monitor = still_monitor()
    monitor.start()
    monitor.start()
    assert [thread.name for thread in threading.enumerate()].count("orcabatch-monitor") == 1
    monitor.stop()
    monitor.stop()
    assert "orcabatch-monitor" not in [thread.name for thread in threading.enumerate()]


def test_switched_off_it_starts_no_thread_and_still_takes_outcomes():
    """`monitoring.enabled: false` stops sampling; times of files are always there."""
    with PerformanceMonitor({"monitoring": {"enabled": False}}) as monitor:
        assert "orcabatch-monitor" not in [thread.name for thread in threading.enumerate()]
        monitor.add_outcome(outcome())
    assert monitor.metrics["file_processing_times"] == [9.0]
    assert monitor.metrics["cpu_utilization"] == []


def test_a_file_that_was_done_again_replaces_its_numbers():
    """The last attempt stands in the result, and in the series."""
    monitor = still_monitor()
    monitor.add_outcome(outcome(0))
    monitor.add_outcome(outcome(1))
    monitor.add_outcome(outcome(0, attempt=2, phases={"load": 1.0, "extract": 1.0}))
    assert monitor.metrics["file_processing_times"] == [2.0, 9.0]
    assert len(monitor.metrics["io_wait_time"]) == 2
    assert [each.attempt for each in monitor.outcomes] == [2, 1]


def test_thread_efficiency_is_busy_over_limit_times_wall():
    """Two of four slots busy all the time: one half."""
    monitor = PerformanceMonitor(QUICK, probes=still_probes())
    monitor.start()
    monitor.listener(RunEvent("run_started", 0.0, -1, {"files": 2, "limit": 4}))
    for index in (0, 1):
        monitor.listener(RunEvent("started", 0.0, index, {"worker": "w"}))
    until(lambda: len(monitor.metrics["thread_efficiency"]) >= 2)
    monitor.stop()
    assert monitor.metrics["thread_efficiency"] == [pytest.approx(0.5)] * len(monitor.metrics["thread_efficiency"])


def test_cpu_is_percent_of_the_cpus_that_may_be_used():
    """Two busy CPUs of eight are a quarter."""
    with PerformanceMonitor({"monitoring": {"interval": 0.3}}, probes=still_probes(cpu=2.0, cpus=8.0)) as monitor:
        until(lambda: bool(monitor.samples))
    assert monitor.metrics["cpu_utilization"][0] == pytest.approx(25.0, rel=0.05)


def test_the_probes_read_this_machine():
    """Own processes, host and memory give numbers in their ranges."""
    mine, host = OwnProcesses(), HostCpu()
    before = mine()
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 200_000)
    after = mine()
    assert sum(after.cpu_s.values()) > sum(before.cpu_s.values())
    assert after.rss_bytes > 10**6
    assert 0.0 <= host() <= 100.0
    assert 0.0 < memory_percent() < 100.0
    assert allowed_cpus() >= 1


def test_settings_models_and_mappings_mean_the_same():
    """The facade hands in the model, a user may hand in the section of his YAML."""
    from orcabatch.settings import Settings

    model = Settings()
    assert PerformanceMonitor(model)._interval_s == PerformanceMonitor()._interval_s == 5.0
    section = {"performance": {"monitoring": {"interval": 2, "metrics_file": "m.json"}}}
    assert PerformanceMonitor(section)._interval_s == 2.0
    assert PerformanceMonitor(section["performance"])._file.name == "m.json"


def test_it_exports_what_it_has_to_a_file(tmp_path):
    """Also while running, and without an engine."""
    monitor = still_monitor()
    monitor.start()
    monitor.add_outcome(failed(0))
    path = monitor.export(tmp_path / "metrics.json")
    assert json.loads(path.read_text(encoding="utf-8"))["state"] == "running"
    monitor.stop()
    monitor.export(path)
    assert json.loads(path.read_text(encoding="utf-8"))["summary"]["failed"] == 1


def test_without_a_path_it_exports_to_the_settings_metrics_file(tmp_path, monkeypatch):
    """Relative to the current folder."""
    monkeypatch.chdir(tmp_path)
    monitor = PerformanceMonitor({"monitoring": {"metrics_file": "own name.json"}})
    assert monitor.export().resolve() == tmp_path / "own name.json"


# -- verdicts on real runs


def spin(seconds):
    """Hold the interpreter lock for this much CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))


def native(rounds):
    """Compute without the interpreter lock."""
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", rounds)


def device(seconds):
    """Wait for a slow device: wall time without CPU, without the lock."""
    return lambda: time.sleep(seconds)


SELDOM = 5.0
"""Each reading of the system asks for the lock many times: while it is hard to get, that leaves no time to look."""


def measured(work, *, files=12, threads=6, cpus=None, interval=0.1):
    """The verdict of a batch that really ran."""
    probes = HostReaders(cpus=cpus or allowed_cpus())
    monitor = PerformanceMonitor({"monitoring": {"interval": interval}}, probes=probes)
    run_for_real(monitor, work, files=files, threads=threads)
    return monitor


def test_a_batch_that_waits_for_its_disk_is_io_bound():
    """Nine tenths of the time without CPU while loading."""
    monitor = measured(Work(load=device(0.09), extract=lambda: native(3_000)))
    assert monitor.analyze_bottlenecks() == "IO_BOUND"
    assert "waiting for input and output" in monitor.explain()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_batch_held_by_the_interpreter_lock_is_never_io_bound(share):
    """Wherever the Python code stands, in the load or the extract phase: no I/O, no IO_BOUND."""
    work = Work(load=lambda: spin(0.08 * share), extract=lambda: spin(0.08 * (1 - share)))
    cpu_s = time.process_time()
    monitor = measured(work, interval=SELDOM)
    cpu_s = time.process_time() - cpu_s
    assert monitor.analyze_bottlenecks() != "IO_BOUND"
    # What other programs leave of the cores is no affair of the lock's: it was held while there was CPU.
    assert monitor._sampler.gil_between(0.0, math.inf).held > 0.7 * min(1.0, cpu_s / monitor.wall_s)
    assert monitor._sampler.gil_between(0.0, math.inf).looks >= 3


def test_a_batch_of_tiny_loads_under_the_lock_is_not_io_bound():
    """Loading is over at once and then queues for the lock; the waiting is no disk's."""
    monitor = measured(Work(load=device(0.0), extract=lambda: spin(0.08)), interval=SELDOM)
    assert monitor.analyze_bottlenecks() != "IO_BOUND"


def test_a_batch_that_fills_its_cores_is_cpu_bound():
    """Native code without the lock; a hundredth of a core is allowed, so that other programs do not matter."""
    monitor = measured(Work(load=lambda: native(300_000), extract=lambda: native(300_000)), threads=4, cpus=0.01)
    assert monitor.analyze_bottlenecks() == "CPU_BOUND"


def test_a_batch_on_a_full_host_is_memory_bound():
    """Memory in use, other programs included, above 80 percent."""
    probes = still_probes(memory=92.0)
    monitor = PerformanceMonitor({"monitoring": {"interval": 0.05}}, probes=probes)
    run_for_real(monitor, Work(load=lambda: native(2_000), extract=device(0.02)), files=6, threads=2)
    assert monitor.analyze_bottlenecks() == "MEMORY_BOUND"


def test_a_batch_that_waits_for_answers_is_balanced_and_the_explanation_says_latency():
    """Neither disk nor CPU nor memory: more files at once would help."""
    probes = still_probes(cpu=0.1)
    monitor = PerformanceMonitor({"monitoring": {"interval": 0.1}}, probes=probes)
    run_for_real(monitor, Work(load=lambda: native(500), extract=device(0.06)), files=12, threads=6)
    assert monitor.analyze_bottlenecks() == "BALANCED"
    assert "waiting for answers" in monitor.explain()


def test_empty_slots_are_explained_by_memory():
    """18 of 30 slots empty because, as the engine says, no waiting file fits: that is the verdict too."""
    monitor = PerformanceMonitor()
    monitor.expect([task(index) for index in range(40)], cap_percent=80.0)
    monitor.listener(RunEvent("run_started", 0.0, -1, {"files": 40, "limit": 30, "executor": "threads"}))
    for index in range(12):
        monitor.listener(RunEvent("started", 0.0, index, {"worker": f"w{index}"}))
    monitor.listener(RunEvent("admission", 0.0, -1, {"held_by": "memory"}))
    monitor.listener(RunEvent("admission", 10.0, -1, {"held_by": ""}))
    evidence = monitor.evidence()
    assert evidence.idle_s == {"memory": pytest.approx(180.0)}
    assert evidence.idle_wall_s == {"memory": pytest.approx(10.0)}
    assert monitor.analyze_bottlenecks() == "MEMORY_BOUND"
