"""What was computed is in the caller's hands, however the run ended; what a run changed around it is put back."""

from __future__ import annotations

import copy
import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import weakref

import pytest

import orcabatch
from batch_functions import largest_tension
from capabilities import needs
from orcabatch.batch.temporary import temporary_files_in
from orcabatch.errors import BatchError, BatchInterrupted

HANG_UP = needs("SIGHUP")
FORKING = needs("fork")
FORKS = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs processes that fork")


def interrupting(after):
    """A callback that sends Ctrl-C once so many files have ended."""
    left = [after]

    def heard(outcome):
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGINT)

    return heard


def failing_on_two(model):
    """Fails on two of the files."""
    if model.latestFileName.endswith(("045deg.sim", "090deg.sim")):
        raise ValueError("no such heading")
    return largest_tension(model)


def ending_a_fork(model):
    """A function that forks a process, and ends it as `multiprocessing.Pool` does."""
    process = multiprocessing.get_context("fork").Process(target=signal.pause)
    process.start()
    process.terminate()
    process.join(60)
    code = process.exitcode
    process.kill()
    return code


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_an_interrupted_run_hands_over_what_it_has(orcaflex, sims, executor):
    """Values and outcomes so far, one outcome a file, the plan and the metrics."""
    with pytest.raises(BatchInterrupted) as stopped:
        orcabatch.run_batch(
            sims, postprocess=largest_tension, orcaflex="simulated", progress=False, on_outcome=interrupting(3),
            performance={"executor": executor, "threading": {"max_threads": 1}},
        )  # fmt: skip
    result = stopped.value.result
    assert "written" not in str(stopped.value)  # it has no folder
    assert "`result`" in str(stopped.value)
    assert "the next run does all files again" in str(stopped.value)
    assert len(result.outcomes) == len(sims)
    values = [outcome.value for outcome in result.outcomes if outcome.ok]
    assert len(values) >= 3
    assert all(value["tension"] > 0 for value in values)
    assert result.metrics["state"] == "interrupted"
    assert copy.copy(stopped.value).signum == signal.SIGINT


def test_iterating_hands_over_what_it_has_as_well(orcaflex, sims):
    """The same error from `iter_batch`."""
    outcomes = orcabatch.iter_batch(
        sims, postprocess=largest_tension, orcaflex="simulated", performance={"executor": "serial"}
    )
    with pytest.raises(BatchInterrupted) as stopped:
        list(map(interrupting(2), outcomes))
    assert sum(outcome.ok for outcome in stopped.value.result.outcomes) >= 2


def test_a_batch_with_failed_files_hands_over_the_others(orcaflex, sims):
    """Only where it was asked to raise."""
    with pytest.raises(BatchError) as failed:
        orcabatch.run_batch(sims, postprocess=failing_on_two, orcaflex="simulated", progress=False, on_failure="raise")
    result = failed.value.result
    assert result.failed
    assert len(result.outcomes) - len(result.failed) == sum(outcome.ok for outcome in result.outcomes) > 0


@pytest.mark.parametrize("first_out", [0, 1])
def test_overlapping_runs_leave_the_temporary_folder_as_it_was(tmp_path, first_out, monkeypatch):
    """Whichever ends first."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("TEMP", raising=False)
    before = dict(os.environ), tempfile.tempdir
    blocks = [temporary_files_in(tmp_path / name) for name in ("a", "b")]
    for block in blocks:
        block.__enter__()
    assert os.environ["TEMP"] == tempfile.tempdir == str(tmp_path / "b")
    blocks[first_out].__exit__(None, None, None)
    blocks[1 - first_out].__exit__(None, None, None)
    assert (dict(os.environ), tempfile.tempdir) == before


def raising_half_a_letter(model):
    """As an error about a file whose name is in another encoding."""
    raise ValueError("cannot read caf\udce9.csv")


def test_what_cannot_be_spelled_costs_no_result(orcaflex, sims, tmp_path, caplog):
    """A file name, or an error's text, that is not UTF-8: results, metrics, report, lists and log stand."""
    strange = sims[0].with_name(os.fsdecode(b"caf\xe9.sim"))
    try:
        os.link(sims[0], strange)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no names that are not UTF-8")
    arguments = {"orcaflex": "simulated", "progress": False, "output_dir": tmp_path / "out"}
    first = orcabatch.run_batch([*sims, strange], postprocess=largest_tension, version="1", **arguments)
    again = orcabatch.run_batch([*sims, strange], postprocess=largest_tension, version="1", **arguments)
    assert len(first.values) == len(sims) + 1
    assert {outcome.status.value for outcome in again.outcomes} == {"skipped"}
    failed = orcabatch.run_batch([strange], postprocess=raising_half_a_letter, **arguments)
    assert "caf" in failed.failed[0].error
    assert [record.getMessage().encode() for record in caplog.records if "caf" in record.getMessage()]
    assert json.loads((tmp_path / "out" / "performance_metrics.json").read_text("utf-8"))["state"] == "finished"
    assert "udce9" in (tmp_path / "out" / "raising_half_a_letter_failed_files.csv").read_text("utf-8")
    from orcabatch.monitor.report import write_report

    write_report(tmp_path / "report.html", failed.metrics)
    assert "caf" in (tmp_path / "report.html").read_text("utf-8")


def test_a_step_after_the_results_costs_only_itself(orcaflex, sims, monkeypatch):
    """Metrics that cannot be made are said; values and outcomes are handed over."""
    from orcabatch.batch import epilogue

    def fails(*_):
        raise RuntimeError("no more descriptors")

    monkeypatch.setattr(epilogue.Account, "write", fails)
    monkeypatch.setattr(epilogue, "keep", fails)
    result = orcabatch.run_batch(sims, postprocess=largest_tension, orcaflex="simulated", progress=False)
    assert len(result.values) == len(sims)
    said = [warning for warning in result.warnings if "no more descriptors" in warning]
    assert len(said) == 2


@pytest.mark.parametrize("reason", [MemoryError(), OSError(24, "Too many open files")])
def test_a_result_that_cannot_be_kept_is_a_result(orcaflex, sims, monkeypatch, reason):
    """A process that is short of memory or descriptors says so once; the values are in hand."""
    from orcabatch.batch import cache_entries

    def fails(_):
        raise reason

    monkeypatch.setattr(cache_entries, "encode", fails)
    result = orcabatch.run_batch(
        sims, postprocess=largest_tension, orcaflex="simulated", progress=False, version="1",
        performance={"executor": "serial"},
    )  # fmt: skip
    assert len(result.values) == len(sims)
    assert sum(type(reason).__name__ in warning for warning in result.warnings) == 1


class Heavy:
    """Something large that a function has in hand."""

    alive = weakref.WeakSet()

    def __init__(self):
        self.before = len(self.alive)
        self.alive.add(self)


def failing_with_hands_full(model):
    """Has something large and a model of its own when it fails, for a reason that another error led to."""
    import OrcFxAPI

    heavy, own = Heavy(), OrcFxAPI.Model(model.latestFileName)
    try:
        own["no such object"]
    except (OrcFxAPI.DLLError, KeyError) as error:
        raise ValueError(f"{heavy.before} were left") from error


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_what_a_failing_function_had_in_hand_goes_with_its_file(orcaflex, sims, executor):
    """The next file finds nothing of it, also where the collector does not come; models end on their own thread."""
    gc.disable()
    try:
        result = orcabatch.run_batch(
            sims, postprocess=failing_with_hands_full, orcaflex="simulated", progress=False,
            performance={"executor": executor, "threading": {"max_threads": 1}},
        )  # fmt: skip
        assert len(result.failed) == len(sims)
        assert {outcome.error.split(" (")[0] for outcome in result.failed} == {"ValueError: 0 were left"}
        assert not Heavy.alive
    finally:
        gc.enable()


@FORKS
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_a_process_that_a_function_forks_can_be_ended(orcaflex, sims, executor):
    """It inherits the run's handlers: SIGTERM ends it all the same, and is not heard for a run that is elsewhere."""
    result = orcabatch.run_batch(
        sims[:2], postprocess=ending_a_fork, orcaflex="simulated", progress=False,
        performance={"executor": executor, "threading": {"max_threads": 1}},
    )  # fmt: skip
    assert result.values == [-signal.SIGTERM] * 2


SCRIPT = """
    import signal, sys, orcabatch
    from batch_functions import largest_tension
    if "hang-up" in sys.argv and "nohup" not in sys.argv:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
    sys.stderr = None if "quiet" in sys.argv else sys.stderr
    ended = []
    def heard(outcome):
        ended.append(outcome)
        if "hang-up" in sys.argv and len(ended) == 2:
            signal.raise_signal(signal.SIGHUP)
    try:
        result = orcabatch.run_batch(
            [name for name in sys.argv[1:] if name.endswith(".sim")], postprocess=largest_tension,
            orcaflex="simulated", performance={"executor": "serial"}, on_outcome=heard)
        print(len(result.values))
    except orcabatch.BatchInterrupted as stop:
        print("interrupted", stop.signum, sum(outcome.ok for outcome in stop.result.outcomes))
"""


def script(sims, *words, before=()):
    """A user's script over the files, in a process of its own."""
    tests = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - for the environment
    return subprocess.run(
        [*before, sys.executable, "-c", textwrap.dedent(SCRIPT), *map(str, sims), *words],
        capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (tests, os.environ.get("PYTHONPATH"))))},
    )  # fmt: skip


@HANG_UP
def test_a_terminal_that_is_closed_drains_the_run(sims):
    """As a request to terminate does; under `nohup` it goes on."""
    done = script(sims, "hang-up")
    assert done.stdout.split()[:2] == ["interrupted", str(int(signal.SIGHUP))], done.stderr
    assert int(done.stdout.split()[2]) >= 2
    assert script(sims, "hang-up", "nohup", before=["nohup"]).stdout.split() == [str(len(sims))]


def test_a_program_without_a_console_runs(sims):
    """pythonw and GUI programs have no standard error."""
    done = script(sims, "quiet")
    assert (done.stdout.split(), done.returncode) == ([str(len(sims))], 0), done.stderr


@needs("pipes whose reader may go")
def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path):
    """`orcabatch doctor | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "orcabatch", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    plan = subprocess.run(
        [sys.executable, "-m", "orcabatch", "doctor"], stdout=writer, stderr=subprocess.PIPE, check=False, cwd=tmp_path
    )
    os.close(writer)
    assert b"Traceback" not in done.stderr + plan.stderr
    assert b"BrokenPipe" not in done.stderr + plan.stderr
    assert plan.returncode == 141


def forking(model):
    """Forks as scripts do: the child does something of its own and ends."""
    child = os.fork()
    if child == 0:
        sys.exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forking_and_returning(model):
    """A child that goes on as if it were the only one."""
    child = os.fork()
    return 7 if child == 0 else os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@FORKING
@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_a_process_that_a_function_forked_ends_with_the_function(orcaflex, sims, executor):
    """It does not go on with the batch beside its parent; its exit code is its own."""
    arguments = {"orcaflex": "simulated", "progress": False, "performance": {"executor": executor}}
    assert orcabatch.run_batch(sims, postprocess=forking, **arguments).values == [3] * len(sims)
    assert orcabatch.run_batch(sims, postprocess=forking_and_returning, **arguments).values == [0] * len(sims)


def test_a_lock_whose_descriptor_a_function_closed_costs_no_result(orcaflex, sims, tmp_path, monkeypatch):
    """It is let go of after the results are written."""
    from orcabatch.store import lock

    released = lock._release

    def closed_already(stream, path):
        os.close(stream.fileno())
        released(stream, path)

    monkeypatch.setattr(lock, "_release", closed_already)
    arguments = {"orcaflex": "simulated", "progress": False, "output_dir": tmp_path / "out"}
    assert len(orcabatch.run_batch(sims, postprocess=largest_tension, **arguments).values) == len(sims)
    assert not (tmp_path / "out" / ".orcabatch.lock").exists()
