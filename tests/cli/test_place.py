"""Commands where something around them is not as it should be: one sentence and a code, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from capabilities import needs
from cli_batches import configuration, summary_column
from deep_folders import too_deep
from orcabatch import simulated
from orcabatch.batch import streamed
from orcabatch.cli import run
from orcabatch.digitalmodel import preconditions
from orcabatch.digitalmodel.proof_input import read_proof_input
from orcabatch.errors import OutputError
from orcabatch.monitor import report
from orcabatch.results.result import BatchResult


def command(*words, cwd, **environment):
    """`python -m orcabatch WORDS` in a process of its own, whose working folder goes away where that is asked."""
    gone = "import os, runpy, sys; os.rmdir(os.getcwd()) if os.environ.get('GONE') else None; "
    return subprocess.run(
        [sys.executable, "-c", f"{gone}runpy.run_module('orcabatch', run_name='__main__')", *map(str, words)],
        capture_output=True, text=True, encoding="utf-8", errors="replace", check=False, cwd=cwd, timeout=300,
        env={**os.environ, **environment},
    )  # fmt: skip


@needs("folders that are removed while somebody works in them")
@pytest.mark.parametrize("name", ["run", "doctor"])
def test_a_working_folder_that_is_gone_is_said(batch, name):
    """Whatever the command would have done there."""
    (batch.folder / "gone").mkdir()
    words = [batch.folder / "b.yml"] if name == "run" else []
    done = command(name, *words, cwd=batch.folder / "gone", GONE="1")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "is not there any more" in done.stderr


@needs("names that are bytes")
def test_letters_that_the_locale_lacks_are_said(batch):
    """A label's table cannot be named: that is said with the remedy, and costs no other."""
    label = "gr\N{LATIN SMALL LETTER O WITH DIAERESIS}ssen"
    batch.write(summary_settings={"groups": [{"Label": label, "Columns": [summary_column()]}]})
    done = command("run", "b.yml", cwd=batch.folder, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, "Traceback" in done.stderr, "PYTHONUTF8=1" in done.stderr) == (1, False, True), done.stderr
    assert len(list((batch.folder / "results").glob("a*_ten.csv"))) == 3


@pytest.mark.parametrize("option", ["--report", "--save"])
def test_a_place_that_a_program_holds_open_is_said_before_anything_runs(batch, orcabatch, monkeypatch, option):
    """Which file, and what to do; nothing is loaded or written."""

    def held(*_, **__):
        raise OutputError(f"{target} could not be written: another program has it open.")

    target = batch.folder / ("r.html" if option == "--report" else "r.csv")
    monkeypatch.setattr(run if option == "--report" else streamed, "check_place", held)
    with simulated.counting() as count:
        said = orcabatch("run", "b.yml", option, target)
    assert (said.code, f"{target} could not be written: another program has it open" in said.err) == (2, True), said
    assert count.counters.loads == 0
    assert not list(batch.folder.glob("results/*.csv"))


def test_the_files_that_summaries_are_saved_in_are_looked_at_before_anything_runs(batch, orcabatch, monkeypatch):
    """Of several each is called by its label: the bare name may be open, it is not written; without any, none runs."""
    asked = list[str]()

    def held(target):
        asked.append(target.name)
        if target.name == "s_two.xlsx":
            raise OutputError(f"{target.name} could not be written: another program has it open.")

    monkeypatch.setattr(streamed, "check_place", held)
    groups = [{"Label": label, "Columns": [summary_column()]} for label in ("dyn", "two")]
    batch.write(summary_settings={"groups": groups})
    with simulated.counting() as count:
        said = orcabatch("run", "b.yml", "--save", "s.xlsx")
        assert (said.code, "s_two.xlsx could not be written" in said.err) == (2, True), said
        outputs = configuration()["orcaflex"]
        outputs["postprocess"]["summary"]["flag"] = False
        batch.write(orcaflex=outputs)
        said = orcabatch("run", "b.yml", "--save", "none.csv")
    assert (said.code, "none.csv is not written: the batch has no summary" in said.err) == (2, True), said
    assert (asked, count.counters.loads) == (["s_dyn.xlsx", "s_two.xlsx"], 0)


def test_a_summary_that_excel_has_open_is_said_before_anything_runs(batch, orcabatch, monkeypatch):
    """On Windows, where it could not be replaced in the end; where nothing is to be done it may be open."""
    batch.write(performance={"orcaflex": "simulated", "ledger": {"path": "ledger.db"}})
    assert orcabatch("run", "b.yml").code == 0
    summary = batch.folder / "results" / "b_t_dyn.csv"
    assert summary.exists()
    asked = []

    def held(table):
        asked.append(table)
        return "another program has it open"

    monkeypatch.setattr(preconditions, "hindrance", held)
    with simulated.counting() as count:
        assert orcabatch("run", "b.yml").code == 0
        assert asked == []
        said = orcabatch("run", "b.yml", "--fresh")
    assert (said.code, f"{summary} could not be written in the end: another" in said.err) == (2, True), said
    assert (asked, count.counters.loads) == ([summary], 0)


def test_a_run_may_write_as_deep_as_the_system_lets_files_lie(batch, orcabatch, monkeypatch):
    """Results, report and tables; the next run finds that they stand, and a proof what it needs."""
    ledger = {"ledger": {"path": str(batch.folder / "ledger.db")}}
    batch.write(performance={"orcaflex": "simulated", "executor": "threads"} | ledger)
    with too_deep(batch.folder, monkeypatch) as (folder, short):
        words = ("run", "b.yml", "--output", folder / "out", "--save", folder / "s.xlsx", "--report", folder / "r.html")
        assert orcabatch(*words).code == 0
        assert {path.name for path in short.iterdir()} == {"out", "s.xlsx", "r.html"}
        assert len(list((short / "out").glob("*.csv"))) == 4
        said = orcabatch(*words)
        assert (said.code, "3 of them are unchanged" in said.out) == (0, True), said
        assert len(read_proof_input(folder / "out").files) == 3
        assert orcabatch("report", folder / "out", "-o", folder / "r.html").code == 0


def test_two_yamls_whose_summaries_would_be_one_file_are_refused(batch, orcabatch):
    """What one calls by its name the other calls by its label: nothing runs, and nothing is overwritten."""
    outputs = configuration()["orcaflex"]
    outputs["postprocess"]["time_series"]["flag"] = False
    for name, own, label in (("b_t", "u", "dyn"), ("b", "t", "u_dyn")):
        groups = [{"Label": label, "Columns": [summary_column()]}]
        meta = configuration()["meta"] | {"label": own}
        batch.write(orcaflex=outputs, meta=meta, summary_settings={"groups": groups})
        (batch.folder / "b.yml").rename(batch.folder / f"{name}.yml")
    said = orcabatch("run", "b.yml", "b_t.yml")
    assert (said.code, "would both write" in said.err, "b_t_u_dyn.csv" in said.err) == (2, True, True), said
    assert not list(batch.folder.glob("results/*.csv"))


def test_a_report_that_cannot_be_made_costs_only_itself(batch, orcabatch, monkeypatch):
    """The results are there, and the exit code says that something is missing."""

    def fails(*_):
        raise ValueError("no such chart")

    monkeypatch.setattr(report, "write_report", fails)
    said = orcabatch("run", "b.yml", "--report", batch.folder / "r.html")
    assert (said.code, "no such chart" in said.err, "3 of 3 files done" in said.out) == (1, True, True), said
    assert not (batch.folder / "r.html").exists()


def test_metrics_that_could_not_be_made_cost_only_themselves(batch, orcabatch, monkeypatch):
    """What the command says of the run does without them."""
    from orcabatch.batch.account import Account

    def fails(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Account, "write", fails)
    said = orcabatch("run", "b.yml")
    assert (said.code, "3 of 3 files done" in said.out, "Too many open files" in said.out) == (0, True, True), said


def test_a_table_that_cannot_be_saved_in_the_end_leaves_the_report_of_the_run(batch, orcabatch, monkeypatch):
    """A program opened it meanwhile: the files are done, which report and exit code say too."""

    def held(result, path, **_):
        raise OutputError(f"{path} could not be written: another program has it open.")

    monkeypatch.setattr(BatchResult, "save", held)
    batch.write(summary_settings={"groups": [{"Label": "dyn", "Columns": [summary_column()]}]})
    said = orcabatch("run", "b.yml", "--save", "s.csv", "--report", "r.html")
    assert (said.code, "s.csv could not be written" in said.err) == (1, True), said
    page = (batch.folder / "r.html").read_text(encoding="utf-8")
    assert ("All 3 files have results" in page, "while the run was going on" in page) == (True, False)


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="a file that takes nothing is Linux's")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_cannot_be_printed_costs_only_itself(tmp_path, unbuffered):
    """A full disk, a terminal that is gone: the report is there, and how the run ended is the exit code as ever."""
    sims = simulated.generate_batch(tmp_path / "sims", lngc=0, standard=2, stop_times_s=(10.0,))
    mine = (
        "import signal\n\ndef end(model):\n    return 1\n\ndef asked(model):\n    signal.raise_signal(signal.SIGTERM)\n"
    )
    (tmp_path / "mine.py").write_text(mine, encoding="utf-8")
    ended = []
    for function, error in (("end", subprocess.PIPE), ("asked", None)):
        words = ["run", "--postprocess", f"mine:{function}", *map(str, sims), "--orcaflex", "simulated"]
        with FULL.open("wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "orcabatch", *words, "--report", f"{function}.html"], cwd=tmp_path, timeout=300,
                stdout=full, stderr=error or full, check=False, env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            )  # fmt: skip
        ended.append(done.returncode)
        page = (tmp_path / f"{function}.html").read_text(encoding="utf-8")
        assert 'http-equiv="refresh"' not in page, "the run does not go on"
        if error is not None:
            assert b"Traceback" not in done.stderr
            assert done.stderr.endswith(b"not all that it says could be written: No space left on device\n")
    assert ended == [1, 128 + signal.SIGTERM]
