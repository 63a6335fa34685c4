"""Findings in words, lower bounds, and what a result shows in a notebook."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.batches import HOSTILE_NAMES, batch_metrics
from monitor.making import failed, outcome
from orcabatch.monitor.bottlenecks import Bottleneck, Evidence, explanation, findings, mean, ordered
from orcabatch.monitor.file_costs import Machine, lower_bound
from orcabatch.monitor.jsonable import flattened
from orcabatch.monitor.notebook import failed_html, plot_resources, plot_timeline, result_html, table_html
from orcabatch.outcome import FileOutcome, Status, Usage
from orcabatch.results.result import BatchResult


def kinds(**measured: object) -> list[str]:
    """What is found in this evidence."""
    return [finding.kind for finding in findings(Evidence(**measured))]  # type: ignore[arg-type]


def test_nothing_measured_nothing_found():
    """No evidence, no advice."""
    assert kinds() == []
    assert mean([]) is None
    assert mean([1.0, float("inf"), float("nan")]) == 1.0


def test_memory_that_holds_slots_empty_is_said_in_slots_and_time():
    """The sentence of the design, with its advice."""
    evidence = Evidence(
        wall_s=100.0, limit=30, capacity_s=3000.0, idle_s={"memory": 18 * 63.0}, idle_wall_s={"memory": 63.0}
    )
    (finding,) = findings(evidence)
    assert finding.evidence == "memory left 18 of 30 slots empty for 63% of the time"
    assert "raise `max_usage_percent`" in finding.advice


def test_empty_slots_that_wait_for_a_seat_are_the_licence():
    """Two seats for eight slots; where no number of seats was set, they are asked for too slowly."""
    evidence = {"wall_s": 10.0, "limit": 8, "capacity_s": 80.0, "idle_s": {"seat": 48.0}, "idle_wall_s": {"seat": 8.0}}
    (finding,) = findings(Evidence(**evidence, seats=2))
    assert finding.kind == "licence"
    assert "licences.max" in finding.advice
    assert "licences.ramp_up" in findings(Evidence(**evidence))[0].advice
    assert "6 of 8 slots waited for a licence seat for 80% of the time" in finding.evidence


def test_the_end_of_a_batch_with_empty_slots_are_stragglers():
    """One file runs on when all others are done."""
    evidence = {"wall_s": 100.0, "limit": 10, "capacity_s": 1000.0, "longest_s": 90.0, "files": 12}
    assert kinds(**evidence, idle_s={"drain": 500.0}, idle_wall_s={"drain": 60.0}) == ["stragglers"]
    assert kinds(**evidence, idle_s={"drain": 50.0}, idle_wall_s={"drain": 10.0}) == []


def test_a_taken_lock_is_the_gil_where_threads_could_share_it():
    """Also where the engine went down to one thread because of it; not in a serial run, nor around any other code."""
    assert kinds(lock_taken=0.9, limit=8, executor="threads") == ["gil"]
    assert kinds(lock_taken=0.9, limit=1, executor="threads") == ["gil"]
    assert kinds(lock_taken=0.9, limit=1, executor="serial") == []
    assert kinds(lock_taken=0.9) == []
    assert kinds(lock_taken=0.4, limit=8, executor="threads") == []
    assert kinds(lock_taken=0.9, limit=8, executor="threads", host_cpu_percent=99.0) == []


@pytest.mark.parametrize(
    ("measured", "advice"),
    [
        ({"wall_s": 60.0, "cpus": 2.0}, "use `executor: processes`, or `threading.mode: hybrid`"),
        ({"wall_s": 5.0, "cpus": 2.0}, "none for a batch as short as this"),
        ({"wall_s": 5.0, "cpus": 2.0, "processes_save": 0.3}, "`executor: processes` would take about 30% less time"),
        ({"wall_s": 60.0, "cpus": 1.0}, "not be faster on one CPU"),
    ],
)
def test_worker_processes_are_advised_where_they_are_faster(measured: dict[str, float], advice: str) -> None:
    """Half of 60 s is more than they take to start, half of 5 s is not; one CPU runs one process at a time."""
    (finding,) = findings(Evidence(lock_taken=1.0, limit=8, executor="threads", **measured))  # type: ignore[arg-type]
    assert advice in finding.advice


@pytest.mark.parametrize("waiting", [{"io_wait_percent": 60.0}, {"busy_s": 100.0, "extract_idle_s": 80.0}])
def test_files_that_wait_in_worker_processes_are_better_off_with_several_in_each(waiting: dict[str, float]) -> None:
    """One process with one file waits with it; with several in each the number is found, or raised."""
    at_once = "`threading.mode: hybrid` (or `executor: threads`) waits for several at once"
    (one,) = findings(Evidence(executor="processes", threads_per_process=1, **waiting))  # type: ignore[arg-type]
    assert at_once in one.advice
    for there in ({"executor": "processes", "threads_per_process": 22}, {"executor": "threads"}):
        (other,) = findings(Evidence(**there, **waiting))  # type: ignore[arg-type]
        assert at_once not in other.advice
        assert "fewer files at once," not in other.advice


def test_seats_that_are_all_in_use_are_the_licence_unless_the_cpus_are_full():
    """As many files at once as there are seats, and others waiting: no slot is empty, and still the seats hold it."""
    evidence = {"wall_s": 10.0, "seats": 4, "limit": 4}
    assert kinds(**evidence, seats_full_s=9.0) == ["licence"]
    assert kinds(**evidence, seats_full_s=2.0) == []
    assert kinds(**evidence, seats_full_s=9.0, cpu_percent=95.0) == ["cpu"]


def test_waiting_for_answers_is_latency_only_on_a_machine_with_room():
    """On full cores the same waiting is for a core."""
    waiting = {"busy_s": 100.0, "extract_idle_s": 80.0}
    assert kinds(**waiting, cpu_percent=10.0) == ["latency"]
    assert kinds(**waiting, cpu_percent=88.0) == []
    assert kinds(**waiting, cpu_percent=10.0, host_cpu_percent=99.0) == ["others"]
    assert kinds(**waiting, cpu_percent=10.0, lock_taken=0.8, executor="threads") == ["gil"]


@pytest.mark.parametrize("own", [5.0, 50.0, 70.0])
def test_a_full_machine_of_which_others_have_a_quarter_is_never_without_a_word(own):
    """With exactly one other program beside Python code on two cores, each has half: that was said of neither."""
    locked = {"lock_taken": 0.95, "executor": "threads", "cpu_percent": own}
    assert kinds(**locked, host_cpu_percent=98.0) == ["others"]
    assert kinds(**locked, host_cpu_percent=own) == ["gil"]


def test_waits_in_the_dll_are_the_dll_not_a_disk_and_not_late_answers():
    """With cores and Python's lock free; on full cores, or where the lock is taken, these make calls stand still."""
    waits = {"dll_waited": 0.6, "io_wait_percent": 70.0, "busy_s": 100.0, "extract_idle_s": 80.0, "executor": "threads"}
    assert kinds(**waits, cpu_percent=2.0) == ["dll"]
    assert kinds(**waits, cpu_percent=95.0) == ["cpu", "io"]
    assert "dll" not in kinds(**waits, cpu_percent=2.0, lock_taken=0.8)
    assert "dll" not in kinds(**{**waits, "dll_waited": 0.2}, cpu_percent=2.0)


def test_a_dll_that_is_never_without_a_call_serialises_though_few_wait_for_it():
    """Three at once that load long keep it busy and hardly meet: no disk is to blame. Several calls at once: no DLL."""
    waits = {"dll_waited": 0.2, "io_wait_percent": 70.0, "busy_s": 100.0, "cpu_percent": 2.0, "executor": "threads"}
    assert kinds(**waits, dll_taken=0.95) == ["dll"]
    assert kinds(**waits, dll_taken=0.5) == ["io"]
    assert kinds(**{**waits, "dll_waited": 0.6}, dll_taken=3.0) == ["io"]
    (said,) = findings(Evidence(**waits, dll_taken=0.95))
    assert "20% of the workers' time" in said.evidence
    assert "for 95% of the time it was in one of them" in said.evidence


def test_the_verdict_of_a_dll_that_serialises_says_so_and_advises_no_disk():
    """Nor what the run has weighed by itself."""
    seen = Evidence(dll_waited=0.6, io_wait_percent=70.0, busy_s=100.0, cpu_percent=2.0, executor="threads")
    said = explanation(Bottleneck.DLL_BOUND, seen)
    assert "the DLL serialises: for 60% of the workers' time" in said
    assert "faster disk" not in said
    assert "`executor: processes`" in said
    (weighed,) = findings(replace(seen, executor_why="back to threads: they got through 60%"))
    assert "`executor: processes`" not in weighed.advice
    assert "back to threads" in weighed.advice


def test_the_finding_of_the_verdict_comes_first():
    """Even where another one weighs more."""
    evidence = Evidence(io_wait_percent=30.0, cpu_percent=99.0)
    assert [finding.kind for finding in ordered(Bottleneck.IO_BOUND, evidence)] == ["io", "cpu"]
    said = explanation(Bottleneck.IO_BOUND, evidence)
    assert said.startswith("IO_BOUND: I/O waiting 30%, CPU 99% on average")
    assert said.count("Advice:") == 2


def cost(index: int, busy_s: float, cpu_s: float = 0.0, read: int = 0, memory: int = 0) -> FileOutcome:
    """A file by what bounds count."""
    return outcome(index, phases={"load": busy_s}, usage=Usage({"load": cpu_s}, read, memory))


@pytest.mark.parametrize(
    ("machine", "binding", "seconds"),
    [
        (Machine(cpus=100), "longest_file", 30.0),
        (Machine(cpus=1), "cpu", 40.0),
        (Machine(cpus=4, disk_bytes_per_s=2e9), "disk", 50.0),
        (Machine(cpus=4, memory_bytes=4 * 10**9), "memory", 62.5),
    ],
)
def test_each_bound_can_bind(machine, binding, seconds):
    """Files of 30, 10 and 10 seconds; 40 CPU seconds, 100 GB, 250 GB seconds."""
    gb = 10**9
    files = [
        cost(0, 30.0, 20.0, 60 * gb, 5 * gb),
        cost(1, 10.0, 10.0, 20 * gb, 5 * gb),
        cost(2, 10.0, 10.0, 20 * gb, 5 * gb),
    ]
    found = lower_bound(files, machine)
    assert (found.binding, found.seconds) == (binding, pytest.approx(seconds))
    assert found.seconds == max(found.bounds.values())


def test_the_same_workers_without_a_gap():
    """No limit of the machine, so it never binds."""
    files = [cost(n, 10.0) for n in range(8)]
    assert lower_bound(files, Machine(workers=4)).same_workers_s == pytest.approx(20.0)
    assert lower_bound(files, Machine(workers=30)).same_workers_s == pytest.approx(10.0)
    assert lower_bound(files, Machine()).same_workers_s is None
    assert lower_bound([], Machine()).binding == ""


def test_a_result_shows_itself_small_and_escaped():
    """500 files, hostile names: a page of rows and a count of the rest; no script."""
    outcomes = [outcome(n, file=Path("/sims") / HOSTILE_NAMES[2]) for n in range(499)]
    shown = result_html([*outcomes, failed(499)])
    assert "<img" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;.sim" in shown
    assert "499 ok, 1 failed" in shown
    assert "and 480 more" in shown
    assert "no object named" in shown
    assert len(shown) < 20_000


def test_an_empty_result_shows_itself():
    """Nothing to run."""
    assert "no files" in result_html([])


def test_failed_files_are_a_table_with_their_names():
    """What a notebook shows of `result.failed`: each by its name and reason; equal reasons also together."""
    outcomes = [failed(n, error=f"case {n}.sim: no object 'Line 7'") for n in range(3)]
    shown = BatchResult((*outcomes, outcome(3)), plan=None).failed._repr_html_()
    assert '<td style="text-align:left">case 0.sim, case 1.sim, case 2.sim: no object' in shown
    assert shown.count("case 2.sim</td>") == 1
    assert "case 3.sim" not in shown
    assert "&lt;file&gt;" not in shown
    assert "Every file has its results." in failed_html(())


def test_files_that_were_skipped_are_counted_as_such():
    """Their results came from an earlier run."""
    assert "1 skipped" in result_html([outcome(status=Status.SKIPPED)])


def test_mappings_are_flattened_to_dotted_names():
    """Settings as a table of two columns."""
    assert flattened({"a": {"b": 1, "c": {}}, "d": [2]}) == [("a.b", 1), ("a.c", {}), ("d", [2])]
    assert "and 1 more" in table_html(["a"], [[n] for n in range(21)])


def test_the_timeline_draws_every_phase_of_every_file(monkeypatch):
    """With matplotlib, the optional extra."""
    matplotlib = pytest.importorskip("matplotlib", reason="the extra orcabatch[plot] is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    metrics = batch_metrics(12, workers=3)
    axes = plot_timeline(metrics)
    assert [each.get_text() for each in axes.get_yticklabels()] == ["worker-0", "worker-1", "worker-2"]
    assert sum(len(container) for container in axes.containers) == 12 * 4
    assert plot_resources(metrics, pyplot.subplots()[1]).get_ylabel() == "percent"
    pyplot.close("all")


def test_what_the_run_does_itself_is_no_advice() -> None:
    """`mode: dynamic` looks for the count: nobody is told to let it, nor to raise what it did not use."""
    io = {"io_wait_percent": 60.0, "executor": "threads", "limit": 8}
    (fixed,), (found,) = findings(Evidence(**io)), findings(Evidence(**io, ceiling=45))  # type: ignore[arg-type]
    assert "let `mode: dynamic` find" in fixed.advice
    assert "mode: dynamic" not in found.advice
    assert "faster disk" in found.advice
    late = {"busy_s": 10.0, "extract_idle_s": 8.0, "cpu_percent": 5.0, "executor": "threads", "limit": 8}
    (below,), (at) = findings(Evidence(**late, ceiling=45)), findings(Evidence(**late, ceiling=8))  # type: ignore[arg-type]
    assert "max_threads" not in below.advice
    assert "raise `max_threads`" in at[0].advice
