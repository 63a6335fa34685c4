"""`orcabatch run --postprocess module:function FILES ... --save FILE`, and `--save` for YAMLs."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pandas as pd
import polars
import pytest

from cli_batches import configuration, management, summary_column
from orcabatch import simulated
from orcabatch.batch import carry_out
from orcabatch.monitor.report import read_metrics, render_report

MODULE = """
import os
from pathlib import Path

import OrcFxAPI


def largest(model):
    history = model["Line01"].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)
    return {"tension": float(history.max())}


def stopped_at_the_second(model, path):
    if Path(path).stem == "a1" and not Path("again").exists():
        raise KeyboardInterrupt
    return largest(model)


def stopped_at_once(model):
    raise KeyboardInterrupt


def goes_elsewhere(model):
    Path("elsewhere").mkdir(exist_ok=True)
    os.chdir("elsewhere")
    return largest(model)


def fails(model):
    raise ValueError("no")


def nothing():
    return 1


def three(model, a, b):
    return 1


def opens(path: str):
    return 1


class Deeper:
    largest = staticmethod(largest)


NUMBER = 3
"""


@pytest.fixture
def module(batch):
    """`mine.py` in the working folder."""
    (batch.folder / "mine.py").write_text(MODULE)
    return "mine"


def run(orcabatch, *words):
    return orcabatch("run", "--orcaflex", "simulated", *words)


@pytest.mark.parametrize("files", [["sims"], ["sims/*.sim"], ["sims/a0.sim", "sims/a1.sim", "sims/a2.sim"], ["b.yml"]])
def test_a_function_runs_over_what_is_named_and_its_table_is_saved(orcabatch, batch, module, files):
    """A folder, a pattern, files, the files of a YAML; load cases and settings from the command line."""
    words = ["--postprocess", "mine:largest", "--cases", r"a(?P<number>\d+)", "performance.threading.max_threads=2"]
    said = run(orcabatch, *words, *files, "--save", "out.parquet")
    assert said.code == 0
    table = polars.read_parquet("out.parquet").to_dict(as_series=False)
    assert sorted(zip(table["file"], table["number"], strict=True)) == [("a0.sim", 0), ("a1.sim", 1), ("a2.sim", 2)]
    assert all(value > 0 for value in table["tension"])
    assert "3 of 3 files done" in said.out
    assert str(batch.folder) in said.out


def test_what_is_named_on_the_command_line_stays_where_it_was_meant(orcabatch, batch, module):
    """Table and report, where the function leaves another working directory behind."""
    words = ["--postprocess", "mine:goes_elsewhere", "sims", "performance.executor=serial"]
    assert run(orcabatch, *words, "--save", "out.csv", "--report", "out.html").code == 0
    assert Path.cwd() != batch.folder
    assert (batch.folder / "out.csv").is_file()
    assert "a2.sim" in (batch.folder / "out.html").read_text("utf-8")
    assert not list(Path.cwd().glob("out.*"))


@pytest.mark.parametrize(
    ("name", "files", "why"),
    [
        ("nothing", ["sims"], "takes no positional argument"),
        ("three", ["sims"], "requires 3 positional arguments"),
        ("opens", ["sims"], "`loads: false`"),
        ("largest", ["b.yml", "sims"], "YAML files and .sim files in one list"),
    ],
)
def test_what_a_function_cannot_be_called_with_is_said_in_one_message(orcabatch, batch, module, name, files, why):
    """In Python these are TypeErrors, as for any function; in a terminal nobody wants a traceback."""
    said = run(orcabatch, "--postprocess", f"mine:{name}", *files)
    assert said.code == 2
    assert why in said.err
    assert "Traceback" not in said.err


def test_plan_takes_a_function_too_and_what_is_not_saved_is_said(orcabatch, batch, module):
    """A plan runs nothing; values without a place are named."""
    assert "OrcFxAPI" in orcabatch("plan", "--postprocess", "mine:largest", "sims").err
    words = ("--postprocess", "mine:Deeper.largest", "sims", "--orcaflex", "simulated")
    assert "3 of 3 files to run" in orcabatch("plan", *words).out
    assert "--save results.parquet" in run(orcabatch, "--postprocess", "mine:largest", "sims").out
    said = run(orcabatch, "--postprocess", "mine:fails", "sims", "--save", "out.csv")
    assert said.code == 1
    assert list(pd.read_csv("out.csv").columns) == ["file"]


def test_a_version_keeps_what_a_function_returned(orcabatch, batch, module):
    """The next run does no file again, and has their values all the same; another version does them all."""
    words = ("--postprocess", "mine:largest", "sims", "--save", "out.csv", "--function-version")
    assert "unchanged" not in run(orcabatch, *words, "1").out
    first = pd.read_csv("out.csv")
    assert "3 of them are unchanged since an earlier run" in run(orcabatch, *words, "1").out
    assert pd.read_csv("out.csv").equals(first)
    assert "unchanged" not in run(orcabatch, *words, "2").out
    assert "--function-version is about a function" in orcabatch("run", "b.yml", "--function-version", "1").err


NOTHING_RUNS = {
    "no function": (["mine", "sims"], "write module:function, such as mine:largest_tension"),
    "a file": (["mine.py:largest", "sims"], "write module:function, such as mine:largest"),
    "a file of Windows": (["C:\\own\\mine.py:largest", "sims"], "such as mine:largest, in the folder of that module"),
    "a module in a folder": (["own/mine:largest", "sims"], "such as mine:largest, in the folder of that module"),
    "no such module": (["mien:largest", "sims"], "there is no module mien in"),
    "no such function": (["mine:largst", "sims"], "mine has no function largst; did you mean largest?"),
    "no function at all": (["mine:NUMBER", "sims"], "NUMBER is no function, but int"),
    "a module that fails": (["broken:f", "sims"], "importing broken raises ZeroDivisionError"),
    "a module that lacks another": (["lacking:f", "sims"], "lacking imports nowhere_to_be_found, which is not there"),
    "no files": (["mine:largest"], "name the .sim files, a folder of them, or a pattern"),
    "no such folder": (["mine:largest", "simz"], "simz does not exist. Name .sim files, a folder of them, or"),
    "another file": (["mine:largest", "mine.py"], "mine.py is neither a .sim file nor a folder"),
    "an empty pattern": (["mine:largest", "sims/zz*.sim"], "No file matches sims/zz*.sim"),
    "a change of no YAML": (["mine:largest", "sims", "meta.label=x"], "meta would change a YAML, and none is named"),
    "another format": (["mine:largest", "sims", "--save", "out.mat"], "saved as .parquet, .csv, .xlsx"),
    "no place": (["mine:largest", "sims", "--save", "none/out.csv"], "could not be written"),
}


@pytest.mark.parametrize("what", NOTHING_RUNS)
def test_what_cannot_run_is_said_in_one_message(orcabatch, batch, module, what):
    """Exit code 2, and what to do."""
    (batch.folder / "broken.py").write_text("1 / 0")
    (batch.folder / "lacking.py").write_text("import nowhere_to_be_found")
    words, message = NOTHING_RUNS[what]
    said = run(orcabatch, "--postprocess", *words)
    assert said.code == 2
    assert message in said.text


@pytest.mark.parametrize("word", ["sims", "sims/a0.sim", "sims/*.sim"])
def test_files_without_a_function_name_the_option(orcabatch, batch, word):
    """In `plan` too; what stands behind a section of digitalmodel's is none of them."""
    for command in ("run", "plan"):
        said = orcabatch(command, word)
        assert said.code == 2
        assert f"{word} is no YAML. A function of yours runs over it with `--postprocess module:function`" in said.text
    assert orcabatch("plan", "b.yml", "--workers", "3").code == 0


def test_the_summaries_of_a_yaml_are_saved(orcabatch, batch):
    """One under the name that is given; of several each under its label; a batch that has none says so."""
    assert orcabatch("run", "b.yml", "--save", "out.csv").code == 0
    assert sorted(pd.read_csv("out.csv")["file"]) == ["a0.sim", "a1.sim", "a2.sim"]
    groups = [{"Label": label, "Columns": [summary_column()]} for label in ("dyn", "two")]
    batch.write(summary_settings={"groups": groups})
    said = orcabatch("run", "b.yml", "--save", "all.csv")
    assert said.code == 0
    assert sorted(path.name for path in batch.folder.glob("all*")) == ["all_dyn.csv", "all_two.csv"]
    outputs = configuration()["orcaflex"]
    outputs["postprocess"]["summary"]["flag"] = False
    batch.write(orcaflex=outputs)
    assert "has no summary" in orcabatch("run", "b.yml", "--save", "none.csv").text


def test_no_table_is_left_out_or_stands_in_the_place_of_another(orcabatch, batch):
    """A label that leads into a folder, linked statistics beside a stamped name, two YAMLs whose groups are one."""
    groups = [{"Label": label, "Columns": [summary_column()]} for label in ("dyn", "sub/x")]
    batch.write(summary_settings={"groups": groups})
    (batch.folder / "results" / "b_t_sub").mkdir(parents=True)
    assert orcabatch("run", "b.yml", "--save", "all.csv").code == 0
    assert {path.name for path in batch.folder.glob("all*")} == {"all_dyn.csv", "all_sub_x.csv"}
    outputs = configuration()["orcaflex"]
    outputs["postprocess"] |= {"linked_statistics": {"flag": True}, "time_series": {"flag": False}}
    linked = {"ObjectName": "Line01", "objectExtra": ["End A"], "SimulationPeriod": [0.0, 5.0], "Label": "linked"}
    linked |= {"Variable": ["Effective tension", "Bend moment"]}
    batch.write(
        default={"config": {"overwrite": {"output": False}}},
        orcaflex=outputs,
        linked_statistics_settings={"groups": [{"Label": "dyn", "Columns": [linked]}]},
    )
    assert orcabatch("run", "b.yml", "--save", "st.csv").code == 0
    assert {path.name for path in batch.folder.glob("st*")} == {"st_dyn.csv", "st_dyn (linked statistics).csv"}
    outputs["postprocess"]["linked_statistics"] = {"flag": False}
    for yaml, label, pattern in (("b", "t", "a[01]"), ("c", "u", "a2")):
        meta = configuration()["meta"] | {"label": label}
        files = management(filename={"extension": ["sim"], "pattern": pattern})
        batch.write(orcaflex=outputs, meta=meta, file_management=files)
        (batch.folder / "b.yml").replace(batch.folder / f"{yaml}.made")
    for yaml in ("b", "c"):
        (batch.folder / f"{yaml}.made").replace(batch.folder / f"{yaml}.yml")
    assert orcabatch("run", "b.yml", "c.yml", "--save", "both.csv").code == 0
    files = {path.name: list(pd.read_csv(path)["file"]) for path in batch.folder.glob("both*")}
    assert {name: sorted(own) for name, own in files.items()} == {
        "both_b_t_dyn.csv": ["a0.sim", "a1.sim"], "both_c_u_dyn.csv": ["a2.sim"],
    }  # fmt: skip


def loads(counted):
    return sum(counted.counters.loads_by_file.values())


SERIAL = "performance.executor=serial"


def test_ctrl_c_of_a_function_names_the_table_and_says_that_all_is_done_again(orcabatch, batch, module):
    """Its results are not kept for the next run: that one loads every file, as was said."""
    words = ("--postprocess", "mine:stopped_at_the_second", "sims", SERIAL, "--save", "int.csv")
    said = run(orcabatch, *words)
    assert said.code == 130
    assert f"the finished rows are in {batch.folder / 'int.csv'}" in said.text
    assert "all files again (a function's results are kept for the next run only with `--function-version" in said.text
    assert "run_batch" not in said.text
    assert "`result`" not in said.text
    assert "for the rest" not in said.text
    assert list(pd.read_csv("int.csv")["file"]) == ["a0.sim"]
    (batch.folder / "again").touch()
    with simulated.counting() as count:
        assert run(orcabatch, *words).code == 0
    assert loads(count) == 3


@pytest.mark.parametrize("more", [("--save", "int.csv"), ("--function-version", "1"), ()], ids=" ".join)
def test_ctrl_c_before_any_file_has_ended_promises_nothing(orcabatch, batch, module, more):
    """No rows that are somewhere, and nothing that is kept: there are none, whatever would be done with them."""
    said = run(orcabatch, "--postprocess", "mine:stopped_at_once", "sims", SERIAL, *more)
    assert said.code == 130
    assert "no file has results yet: the next run does all files" in said.text
    assert "finished rows" not in said.text
    assert "is not done again" not in said.text
    assert "--save FILE" not in said.text


def test_ctrl_c_of_a_function_whose_values_go_nowhere_names_the_option(orcabatch, batch, module):
    """No error's `result`, which nobody sees in a terminal."""
    said = run(orcabatch, "--postprocess", "mine:stopped_at_the_second", "sims", SERIAL)
    assert said.code == 130
    assert "that takes --save FILE" in said.text
    assert "`result`" not in said.text


def test_ctrl_c_of_a_yaml_names_the_folder_and_says_that_the_rest_is_done(orcabatch, batch, monkeypatch):
    """What is finished is not loaded again; the report says what holds for both kinds."""
    batch.write(performance={"orcaflex": "simulated", "ledger": {"path": str(batch.folder / "ledger.db")}})
    presses = [signal.SIGINT]
    press = partial(carry_out, on_outcome=lambda _: signal.raise_signal(presses.pop()) if presses else None)
    monkeypatch.setattr("orcabatch.cli.run.carry_out", press)
    said = orcabatch("run", "b.yml", SERIAL)
    assert said.code == 130
    assert "run the batch again for the rest: what is finished is not done again" in said.text
    folder = said.err.partition("what was finished is written: ")[2].partition(";")[0]
    assert folder.startswith(str(batch.folder))
    metrics = read_metrics(Path(folder))
    assert "without a `version`, it does everything again" in " ".join(render_report(metrics).split())
    finished = sum(file["status"] == "ok" for file in metrics["files"])
    assert finished > 0
    with simulated.counting() as count:
        assert orcabatch("run", "b.yml", SERIAL).code == 0
    assert loads(count) == 3 - finished
