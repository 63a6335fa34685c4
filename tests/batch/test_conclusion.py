"""What follows after the last file: it costs only itself where it fails; how a run ended is said alike everywhere."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import orcabatch
from batch_functions import largest_tension
from cli_batches import configuration
from orcabatch import background, simulated
from orcabatch.batch import functions
from orcabatch.batch.batch import Conclusion
from orcabatch.batch.ending import where_it_is
from orcabatch.cli.run import summary
from orcabatch.engine import interrupts
from orcabatch.errors import BatchError, BatchInterrupted, OutputError
from orcabatch.monitor.report import render_report
from orcabatch.notice import Notice, Silent
from orcabatch.outcome import Status
from orcabatch.simulated import SimSpec, SimState
from orcabatch.store import failed_files

OUT = "out"


@pytest.fixture
def concluding(monkeypatch):
    """Puts a step of the test's own in the place of what a batch does at its end."""

    def put(step):
        def conclude(batch, outcomes, *, complete=True):
            step()
            return Conclusion()

        monkeypatch.setattr(functions.FunctionBatch, "conclude", conclude)

    return put


@pytest.fixture
def lines():
    """For what the default progress writes into a file."""
    return io.StringIO()


def run(sims, tmp_path, *, seen=None, **arguments):
    """A serial run with outputs; what is shown of it goes to `seen`."""
    known = {"postprocess": largest_tension, "orcaflex": "simulated", "output_dir": tmp_path / OUT}
    with contextlib.redirect_stderr(seen or io.StringIO()):
        return orcabatch.run_batch(sims, **{"performance": {"executor": "serial"}} | known | arguments)


def metrics(tmp_path):
    return json.loads((tmp_path / OUT / "performance_metrics.json").read_text("utf-8"))


def interrupt(times):
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


def test_metrics_of_an_earlier_run_do_not_lie_beside_the_outputs_of_a_later_one(orcaflex, sims, tmp_path):
    """A run that is killed at any moment leaves metrics that say that it was under way."""
    seen = []
    run(sims, tmp_path, on_outcome=lambda _: seen.append((tmp_path / OUT / "performance_metrics.json").exists()))
    assert not any(seen)  # where there are none nobody is misled
    before = metrics(tmp_path)
    assert before["state"] == "finished"
    during = []
    run(sims, tmp_path, on_outcome=lambda _: during.append(metrics(tmp_path)))
    assert {each["state"] for each in during} == {"running"}
    assert during[0]["started_at"] != before["started_at"]
    assert during[0]["files"] == []
    assert set(during[0]) == set(before)
    assert metrics(tmp_path)["state"] == "finished"


def test_a_share_that_went_hides_no_result(tmp_path, monkeypatch):
    """Where outputs lie is asked for one sentence about how a run ended: nothing that the system answers ends that."""

    def gone(path, **_):
        raise OSError(22, "The network location cannot be reached", str(path), 1231)

    batch = SimpleNamespace(values_are_rows=False, result_folder=tmp_path / "gone")
    monkeypatch.setattr(Path, "stat", gone)
    assert where_it_is([batch], None, "result") == "what was computed is in the error's `result`"


def test_ctrl_c_while_outputs_are_written_lets_them_be_written(orcaflex, sims, tmp_path, concluding, lines):
    """Error, metrics, report and progress agree that the run was interrupted; the terminal says so at once."""
    written = []
    concluding(lambda: (interrupt(1), written.append(lines.getvalue())))
    with pytest.raises(BatchInterrupted, match="everything is written") as stopped:
        run(sims, tmp_path, seen=lines)
    assert len(written) == 1
    assert "Ctrl-C once more" in written[0]
    assert (stopped.value.signum, len(stopped.value.result.values)) == (signal.SIGINT, len(sims))
    assert metrics(tmp_path)["state"] == stopped.value.result.metrics["state"] == "interrupted"
    assert "interrupted after" in lines.getvalue().splitlines()[-1]
    assert "finished after" not in lines.getvalue()
    from orcabatch.monitor.report import render_report

    assert "The run was interrupted" in render_report(stopped.value.result.metrics)


def test_twice_leaves_the_writing_and_says_what_is_missing(orcaflex, sims, tmp_path, concluding):
    """The second Ctrl-C is answered where it meets; the values, and a warning with the batch's name, are there."""
    concluding(lambda: interrupt(2))
    with pytest.raises(BatchInterrupted, match="largest_tension are missing") as stopped:
        run(sims, tmp_path)
    assert all(outcome.ok for outcome in stopped.value.result.outcomes)
    assert any("largest_tension are missing" in warning for warning in metrics(tmp_path)["warnings"])
    assert metrics(tmp_path)["state"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_in_the_run_counts_in_its_conclusion(orcaflex, sims, tmp_path, concluding):
    """The second of two leaves, wherever the first one came."""
    left = [1]
    concluding(lambda: interrupt(1))
    with pytest.raises(BatchInterrupted, match="are missing"):
        run(sims, tmp_path, on_outcome=lambda _: interrupt(left.pop()) if left else None)


def test_a_third_signal_leaves_no_temporary_file(orcaflex, sims, tmp_path, monkeypatch):
    """Whatever was half written when the run was left goes with the lock of its folder."""
    from orcabatch.store import atomic

    def torn(path):
        interrupt(3)

    monkeypatch.setattr(atomic, "_flush", torn)
    half = tmp_path / OUT / f"{atomic.TEMPORARY_PREFIX}half.tmp"
    with pytest.raises(BatchInterrupted):
        run(sims, tmp_path, on_outcome=lambda _: half.write_text("of a thread that was left"))
    assert [path.name for path in (tmp_path / OUT).iterdir() if path.name.startswith(".orcabatch")] == []


def own_threads():
    return {each.name for each in threading.enumerate() if each.name.startswith("orcabatch")}


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_a_signal_while_the_run_gives_back_what_it_holds_waits(orcaflex, sims, tmp_path, monkeypatch, executor):
    """How it ended is settled by then: nothing is left behind, the metrics stay true, the values are in the error."""
    from orcabatch.batch.result_cache import ResultCache

    opened, planned = ResultCache.opened, []

    @contextlib.contextmanager
    def interrupted_while_closing(cache):
        with opened(cache) as it:
            yield it
            interrupt(3 if planned else 0)
            planned.append(True)

    monkeypatch.setattr(ResultCache, "opened", interrupted_while_closing)
    before = own_threads()
    with pytest.raises(BatchInterrupted, match="after its end") as stopped:
        run(sims, tmp_path, performance={"executor": executor})
    assert (stopped.value.signum, len(stopped.value.result.values)) == (signal.SIGINT, len(sims))
    assert metrics(tmp_path)["state"] == "finished"
    assert own_threads() == before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("executor", ["serial", "threads", "auto"])
def test_a_signal_that_tears_the_wait_for_the_log_leaves_the_result(orcaflex, sims, tmp_path, monkeypatch, executor):
    """A console that is held for longer than a signal waits: all is written by then, and is in the error."""
    waits = background.awaited_end

    def interrupted_meanwhile(thread, deadline=None):
        if thread.name == "orcabatch-logs":
            monkeypatch.setattr(interrupts, "PATIENCE_S", -1.0)
            interrupt(1)
        return waits(thread, deadline)

    monkeypatch.setattr(background, "awaited_end", interrupted_meanwhile)
    with pytest.raises(BatchInterrupted, match="after its end") as stopped:
        run(sims, tmp_path, performance={"executor": executor})
    assert (stopped.value.signum, len(stopped.value.result.values)) == (signal.SIGINT, len(sims))
    assert metrics(tmp_path)["state"] == "finished"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_tears_it_is_no_end_of_a_run_that_was_broken_off(orcaflex, sims, tmp_path, monkeypatch):
    """Not all is written then: Ctrl-C stays what it is."""
    monkeypatch.setattr(
        background, "awaited_end", lambda thread, *_: interrupt(thread.name == "orcabatch-logs") or True
    )
    monkeypatch.setattr(interrupts, "PATIENCE_S", -1.0)
    with pytest.raises(KeyboardInterrupt) as stopped:
        run(sims, tmp_path, on_outcome=lambda _: 1 / 0)
    assert type(stopped.value) is KeyboardInterrupt


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_twice_in_what_is_called_with_outcomes_hands_over_what_there_is(orcaflex, sims, tmp_path, executor):
    """`on_outcome` is torn apart; what had ended is in the error, and the metrics say the same."""
    seen = []

    def twice(outcome):
        seen.append(outcome)
        interrupt(2)

    with pytest.raises(BatchInterrupted, match="left at once") as stopped:
        run(sims, tmp_path, on_outcome=twice, performance={"executor": executor})
    (first,) = seen
    assert first.value in stopped.value.result.values
    assert metrics(tmp_path)["state"] == "interrupted"


def goes_on_all_the_same(model):
    """As digitalmodel does where a column's history is torn apart: what it has then is half of it."""
    try:
        interrupt(2)
    except:  # noqa: E722, S110 - a bare one, as there
        pass
    return 0.5


def test_what_keeps_ctrl_c_to_itself_gives_no_result(orcaflex, sims, tmp_path):
    """A function that was torn apart and went on is not taken at its word: its file is no result, and is not kept."""
    with pytest.raises(BatchInterrupted) as stopped:
        run(sims, tmp_path, postprocess=goes_on_all_the_same, version="1")
    assert [each.value for each in stopped.value.result.outcomes if each.ok] == []
    assert metrics(tmp_path)["state"] == "interrupted"


def test_a_third_signal_tears_no_record(orcaflex, sims, tmp_path, monkeypatch):
    """It comes while a file is put into the ledger: the next run finds the file there."""
    from orcabatch.batch.result_cache import ResultCache

    record, ended = ResultCache.record, []

    def interrupted(cache, files):
        record(cache, files)
        if not ended:
            ended.extend(each.outcome.file.name for each in files)
            interrupt(3)
            cache.ledger.commit()

    with monkeypatch.context() as patch:
        patch.setattr(ResultCache, "record", interrupted)
        with pytest.raises(BatchInterrupted):
            run(sims, tmp_path, version="1")
    again = run(sims, tmp_path, version="1")
    assert [each.file.name for each in again.outcomes if each.status == "skipped"] == ended


def test_what_cannot_be_concluded_costs_only_itself(orcaflex, sims, tmp_path, concluding, lines):
    """Whatever foreign code raises at the end: a `BatchError` with all values; nobody says that the run finished."""

    def ends():
        raise SystemExit(3)

    concluding(ends)
    with pytest.raises(BatchError, match=r"largest_tension: .*SystemExit: 3") as failed:
        run(sims, tmp_path, seen=lines)
    assert all(outcome.ok for outcome in failed.value.result.outcomes)
    assert "is kept" not in str(failed.value)  # without a version nothing is
    assert metrics(tmp_path)["state"] == "failed"
    assert "broken off after" in lines.getvalue().splitlines()[-1]
    with pytest.raises(BatchError, match="what was computed is kept"):
        run(sims, tmp_path, version="1")


def test_an_initializer_that_fails_leaves_no_finished_run(orcaflex, sims, tmp_path):
    """What breaks the run itself is no end of it."""

    def set_up():
        raise ValueError("no such unit system")

    with pytest.raises(orcabatch.SettingsError, match="no such unit system"):
        run(sims, tmp_path, initializer=set_up, progress=False)
    assert metrics(tmp_path)["state"] == "failed"


SCRIPT = """
import sys
from pathlib import Path

import orcabatch
from batch_functions import largest_tension

class NoImports:
    def __init__(self, files):
        self.left = files

    def __call__(self, _outcome):
        self.left -= 1
        if self.left == 0:
            sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        raise ImportError(f"no more descriptors for {name}")

def fails_on_one(model):
    if model.latestFileName.endswith(sys.argv[-1]):
        raise ValueError("no such heading")
    return largest_tension(model)

yamls = [name for name in sys.argv[1:] if name.endswith(".yml")]
arguments = {} if yamls else {"postprocess": fails_on_one, "version": "1", "output_dir": "out"}
files = yamls or sys.argv[1:]
ends = NoImports(3 if yamls else len(files))
result = orcabatch.run_batch(files, orcaflex="simulated", on_outcome=ends, progress=False, **arguments)
said = [text for text in result.warnings if "descriptors" in text]
print(ends.left, said, result.metrics["state"], len(result.failed), len(result.outputs) >= 2)
"""


@pytest.mark.parametrize("kind", ["function", "digitalmodel"])
def test_nothing_is_imported_after_the_last_file(sims, tmp_path, kind):
    """A process that has used up its descriptors can import nothing, and needs nothing more."""
    words = [str(sim) for sim in sims]
    if kind == "digitalmodel":
        (tmp_path / "sims").mkdir(exist_ok=True)
        for number, sim in enumerate(sims[:3]):
            os.link(sim, tmp_path / "sims" / f"a{number}.sim")
        (tmp_path / "b.yml").write_text(yaml.safe_dump(configuration(), sort_keys=False))
        words = ["b.yml"]
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(tests), os.environ.get("PYTHONPATH"))))},
    )  # fmt: skip
    failed = 1 if kind == "function" else 0
    assert done.stdout.strip() == f"0 [] finished {failed} True", done.stderr


def test_a_list_of_failed_files_that_is_open_ends_no_run_as_failed(orcaflex, sims, tmp_path, monkeypatch):
    """Last run's, in Excel while the next one does all files: summaries and outputs are those of a success.

    Of a function, of digitalmodel, and of a batch of digitalmodel's that was finished before.
    """

    def held(target):
        raise OutputError(f"{target} cannot be removed: another program holds it open.")

    keeps = {"orcaflex": "simulated", "executor": "serial", "ledger": {"path": str(tmp_path / "ledger")}}
    (tmp_path / "b.yml").write_text(yaml.safe_dump(configuration(performance=keeps), sort_keys=False))
    for number, sim in enumerate(sims[:2]):
        sim.rename(sim.with_name(f"a{number}.sim"))
    sims = [sim.with_name(f"a{number}.sim") for number, sim in enumerate(sims[:2])]
    first = orcabatch.run_batch(tmp_path / "b.yml", progress=False)
    monkeypatch.setattr(failed_files, "remove", held)
    results = [
        run(sims, tmp_path),
        orcabatch.run_batch(tmp_path / "b.yml", progress=False, fresh=True),
        orcabatch.run_batch(tmp_path / "b.yml", progress=False),
    ]
    for result in results:
        (said,) = [warning for warning in result.warnings if "_failed_files.csv cannot be removed" in warning]
        assert said.endswith("The list that stands there is an earlier run's; the results are not affected.")
        assert result.metrics["state"] == "finished"
    assert [len(result.metrics["outputs"]) for result in results[1:]] == [len(first.metrics["outputs"])] * 2
    assert {outcome.status for outcome in results[2].outcomes} == {Status.SKIPPED}


def test_the_run_says_first_which_simulations_are_partial(tmp_path):
    """A function's batch as digitalmodel's: a notice, marked in the plan and the command, first in the report."""
    ends = {
        "whole": {},
        "unstable": {"state": SimState.UNSTABLE, "current_time_s": 12.0},
        "stopped": {"current_time_s": 20.0},
    }
    objects = simulated.mooring_objects(18, lines=1)
    sims = [simulated.write_sim(tmp_path / f"{name}.sim", SimSpec(objects, **end)) for name, end in ends.items()]
    result = run(sims, tmp_path)
    assert [bool(outcome.warnings) for outcome in result.outcomes] == [False, True, True]
    (said,) = result.notices
    assert said.kind is Silent.PARTIAL
    assert said.text.startswith("2 of 3 simulations did not reach their end")
    assert said.files == tuple(sims[1:])
    assert said.details[0].startswith("unstable.sim: simulation became unstable at 12 s of ")
    assert Notice.from_dict(metrics(tmp_path)["notices"][0]) == said
    assert not [warning for warning in result.warnings if "did not reach" in warning], "said once"
    page = render_report(result.metrics)
    assert (
        page.index("Look at this first") < page.index("2 of 3 simulations did not reach") < page.index('id="verdict"')
    )
    assert f"! {said}" in summary(result, 1.0)
    assert not run(sims[:1], tmp_path / "whole").notices


def test_the_plan_says_which_known_simulations_are_partial(tmp_path):
    """Of files whose results still hold, as for digitalmodel's batches."""
    unstable = SimSpec(simulated.mooring_objects(18, lines=1), state=SimState.UNSTABLE, current_time_s=12.0)
    sims = [simulated.write_sim(tmp_path / "unstable.sim", unstable)]
    asked = {"postprocess": largest_tension, "version": "1"}
    asked |= {"performance": {"orcaflex": "simulated", "ledger": {"path": str(tmp_path / "ledger.db")}}}
    assert not orcabatch.plan_batch(sims, **asked).notices
    done = orcabatch.run_batch(sims, progress=False, **asked)
    plan = orcabatch.plan_batch(sims, **asked)
    assert plan.notices == done.notices
    assert "! 1 of 1 simulation did not reach its end" in plan.to_text()
    again = orcabatch.run_batch(sims, progress=False, **asked)
    assert [outcome.status for outcome in again.outcomes] == [Status.SKIPPED]
    assert again.notices == done.notices
