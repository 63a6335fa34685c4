"""Mistakes in a YAML, as the commands and the calls of scripts meet them."""

from __future__ import annotations

import copy
import importlib

import pytest
import yaml

from cli_batches import configuration, series_column, summary_column
from orcabatch import plan_batch, run_batch, simulated
from orcabatch.digitalmodel import source_code
from orcabatch.errors import SettingsError

MASTER = {
    "Command": "TimeHistory",
    "SimulationPeriod": [None, None],
    "Variable": "Effective tension",
    "objectExtra": ["End A"],
    "Statistic_Type": "Max",
}


def summary(*columns, **sections):
    """A summary with a master; `sections` beside it."""
    return {
        "summary_settings_master": groups("dyn", MASTER),
        "summary_settings": groups("dyn", {"ObjectName": "Line01", "Label": "a"}, *columns),
        **sections,
    }


def groups(label, *columns):
    """A settings section with one group."""
    return {"groups": [{"Label": label, "Columns": list(columns)}]}


def without(key, column):
    """A column that lacks a key."""
    return {name: value for name, value in column.items() if name != key}


MISTAKES = {
    "a misspelt object": (
        summary({"Objectname": "Line02", "Label": "line02_min"}),
        "digitalmodel does not read Objectname; it takes ObjectName: 'Line01' from the column 'a' before it.",
    ),
    "a misspelt statistic key": (
        summary({"ObjectName": "Line02", "Statistik_Type": "Min", "Label": "b"}),
        "it takes Statistic_Type: 'Max' from the master. Did you mean Statistic_Type?",
    ),
    "a label twice": (summary({"ObjectName": "Line02", "Label": "a"}), "column number 1 is lost"),
    "a misspelt statistic": (
        summary({"ObjectName": "Line02", "Statistic_Type": "Minn", "Label": "b"}),
        "Statistic_Type: 'Minn' is none of Max, Min, Mean; every file fails. Did you mean Min?",
    ),
    "a misspelt command": (
        {"summary_settings": groups("g", summary_column(Command="TimeHistroy"))},
        "every file fails. Did you mean TimeHistory?",
    ),
    "a misspelt variable key": (
        {"summary_settings": groups("g", without("Variable", summary_column(Varible="X")))},
        "digitalmodel does not read Varible. Did you mean Variable?",
    ),
    "a column without a variable": (
        {"time_series_settings": {"data": True, **groups("g", without("Variable", series_column()))}},
        "Variable is missing, here and in the master; the column is lost",
    ),
    "a group that leaves the folder": (
        {"summary_settings": groups("a/../../../x", summary_column())},
        "outside the result folder",
    ),
    "a misspelt meta key": (
        {"meta": {"basename": "orcaflex_post_process", "lable": "t"}},
        "meta: digitalmodel does not read lable. Did you mean label?",
    ),
}  # fmt: skip


NO_PLACE = "a group that leaves the folder"
"""Ends at the first write, whoever asks."""


@pytest.fixture
def mistake(request, batch):
    """What a YAML with one mistake is told; it lies in `b.yml`."""
    sections, words = MISTAKES[request.param]
    batch.write(**copy.deepcopy(sections))
    return words


def run(orcabatch_command, *words):
    """A command and the loads it made."""
    simulated.install(simulated.Costs())
    with simulated.counting() as count:
        said = orcabatch_command(*words)
    return said, sum(count.counters.loads_by_file.values())


@pytest.mark.parametrize("mistake", MISTAKES, indirect=True)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_proven_mistake_ends_run_and_plan_before_anything_is_loaded(orcabatch, batch, mistake, command):
    """Exit code 2, with file, line, nearest word and the way past it; no folder is made."""
    said, loads = run(orcabatch, command, "b.yml")
    assert (said.code, loads) == (2, 0)
    assert "b.yml has a mistake; nothing was loaded." in said.text or "b.yml has 2 mistakes" in said.text
    assert "b.yml, line " in said.text
    assert mistake in said.text
    assert "`check: warn` in its `performance:` section, or performance.check=warn behind it" in said.text
    assert not (batch.folder / "results").exists()


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if name != NO_PLACE], indirect=True)
def test_a_call_from_a_script_only_warns(orcabatch, batch, mistake):
    """`run_batch` runs what it ran before, and says what it found at the end; so do the commands when asked to."""
    simulated.install(simulated.Costs())
    with simulated.counting() as count:
        result = run_batch(batch.folder / "b.yml", progress=False)
    assert len(count.counters.loads_by_file) == 3
    assert [warning for warning in result.warnings if mistake in warning]
    plan = plan_batch(batch.folder / "b.yml")
    assert [note for note in plan.notes if mistake in note]
    said = orcabatch("run", "b.yml", "performance.check=warn")
    assert said.code in {0, 1}
    assert f"! check: b.yml, line {line_of(result)}" in said.text
    assert mistake in said.text
    assert mistake in orcabatch("plan", "b.yml", "performance.check=warn").text


@pytest.mark.parametrize("behind", ["0", "100MB"])
def test_a_label_with_a_separator_is_named_with_its_folder_and_what_to_do(orcabatch, batch, behind):
    """Written at once or behind: no temporary name stands in the error, and nothing is left."""
    performance = configuration()["performance"] | {"check": "warn", "io": {"write_behind": behind}}
    batch.write(time_series_settings={"data": True, **groups("ten/sion", series_column())}, performance=performance)
    said = orcabatch("run", "b.yml")
    assert said.code == 1
    assert "take the separator out of the Label 'ten/sion', or make the folder" in said.text
    assert f"{batch.folder / 'results' / 'a0_ten'} is not there" in said.text
    assert ".orcabatch-" not in said.text
    (batch.folder / "results" / "a0_ten").mkdir()
    assert "1 of 3 files done" in orcabatch("run", "b.yml").text
    assert [path.name for path in (batch.folder / "results" / "a0_ten").iterdir()] == ["sion.csv"]


def test_a_summary_label_with_a_separator_names_the_folder_too(orcabatch, batch):
    """The table that stands for all files ends the command in words."""
    performance = configuration()["performance"] | {"check": "warn"}
    batch.write(summary_settings=groups("dy/n", summary_column()), performance=performance)
    said = orcabatch("run", "b.yml")
    assert said.code != 0
    assert "is not there. What stands before a separator in a group's Label is a folder" in said.text
    assert ".orcabatch-" not in said.text


def line_of(result):
    """The line that the first finding names."""
    return next(warning for warning in result.warnings if "check: " in warning).split("line ")[1].split(":")[0]


def test_the_yaml_decides_what_mistakes_become(orcabatch, batch):
    """`check: strict` binds a script, `off` silences the commands."""
    sections, words = MISTAKES["a misspelt object"]
    performance = configuration()["performance"]
    batch.write(**sections, performance={**performance, "check": "strict"})
    with pytest.raises(SettingsError, match="Did you mean ObjectName"):
        run_batch(batch.folder / "b.yml", progress=False)
    batch.write(**sections, performance={**performance, "check": "off"})
    said = orcabatch("run", "b.yml")
    assert said.code == 0
    assert words not in said.text


def test_mistakes_of_all_yamls_are_told_at_once(orcabatch, batch):
    """Of several YAMLs of one call none is begun."""
    for name, mistake in (("b.yml", "a misspelt object"), ("c.yml", "a label twice"), ("d.yml", None)):
        sections = MISTAKES[mistake][0] if mistake else {}
        meta = {"basename": "orcaflex_post_process", "label": name[0]}
        (batch.folder / name).write_text(yaml.safe_dump(configuration(**{"meta": meta, **sections})))
    said, loads = run(orcabatch, "run", "b.yml", "c.yml", "d.yml")
    assert (said.code, loads) == (2, 0)
    assert "b.yml has a mistake" in said.text
    assert "c.yml has a mistake" in said.text
    assert "d.yml" not in said.text


def test_what_may_be_meant_is_said_beside_the_mistakes_and_refuses_nothing(orcabatch, batch):
    """Alone it is a note in the plan and at the end of the run."""
    doubtful = {"ObjectName": "Line02", "Stat": "Min", "Label": "b"}
    batch.write(**summary({**doubtful, "Statistic_Type": "Minn"}))
    said = orcabatch("plan", "b.yml")
    assert "This may be meant, and is only said:" in said.text
    batch.write(**summary(doubtful))
    for command in ("plan", "run"):
        said = orcabatch(command, "b.yml")
        assert said.code == 0
        assert "digitalmodel does not read Stat. Did you mean Statistic_Type?" in said.text


def test_a_digitalmodel_that_was_not_tested_makes_every_mistake_doubtful(orcabatch, batch, monkeypatch):
    """What it makes of one is not known; and a key that stands in its sources is a key."""
    monkeypatch.setattr(source_code, "TESTED", frozenset())
    batch.write(**summary({"Objectname": "Line02", "Label": "b"}))
    said = orcabatch("plan", "b.yml")
    assert said.code == 0
    assert "Did you mean ObjectName?" in said.text


def test_words_of_a_command_line_are_checked_too(orcabatch, batch):
    """They stand on no line: that of their section is named."""
    said = orcabatch("plan", "b.yml", "orcaflex.postprocess.summary.csv_decimals=3")
    assert said.code == 2
    assert "b.yml, line 20: orcaflex.postprocess.summary: digitalmodel does not read csv_decimals." in said.text


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"basename": "orcaflex", "meta": {"label": "t"}}, "b.yml: meta.basename (where there is none, basename) is "),
        ({"basename": "orcaflex", "meta": {"basename": "orcaflex"}}, "Give another name: `meta: {basename: orcaflex_"),
        ({"basename": None}, "b.yml has no basename"),
        ({"basename": "orcaflx"}, "orcaflex_analysis, orcaflex. Did you mean orcaflex?"),
    ],
)
def test_a_basename_that_cannot_work_is_refused_before_anything_is_loaded(orcabatch, batch, command, sections, words):
    """digitalmodel loads all files first, and ends in a KeyError; the YAML is named, there may be several."""
    batch.write(**sections)
    said, loads = run(orcabatch, command, "b.yml")
    assert (said.code, loads) == (2, 0)
    assert words in said.text


def test_where_a_function_computes_only_the_choice_of_files_is_checked(batch, orcabatch):
    """The columns are not asked for."""
    management = configuration()["file_management"]
    management["filename"]["patern"] = "a0"
    batch.write(**summary({"Objectname": "Line02", "Label": "b"}), file_management=management)
    plan = plan_batch(batch.folder / "b.yml", postprocess=lambda model: 1)
    assert [note for note in plan.notes if "Did you mean pattern?" in note]
    assert not [note for note in plan.notes if "Objectname" in note]


def test_what_a_default_yaml_holds_has_lines_of_its_own(orcabatch, batch):
    """digitalmodel reads both as one text."""
    sections, words = MISTAKES["a misspelt object"]
    (batch.folder / "base.yml").write_text(f"# a line\n{yaml.safe_dump(sections, sort_keys=False)}")
    content = configuration(default_yaml="base.yml")
    del content["summary_settings"]
    (batch.folder / "b.yml").write_text(yaml.safe_dump(content))
    said = orcabatch("plan", "b.yml")
    assert words in said.text
    assert "base.yml, line 20" in said.text
    assert (batch.folder / "base.yml").read_text().splitlines()[19].strip() == "- Objectname: Line02"


@pytest.mark.parametrize("mistake", ["a misspelt object", "a misspelt statistic key"], indirect=True)
def test_what_the_check_found_is_said_with_quiet_and_by_the_proof(orcabatch, batch, mistake):
    """A number of another object stays suspicious all else is quiet, from the ledger, where it is identical."""
    performance = {"orcaflex": "simulated", "ledger": {"path": str(batch.folder / "ledger.db")}}
    sections = yaml.safe_load((batch.folder / "b.yml").read_text())
    batch.write(**{name: section for name, section in sections.items() if "summary" in name}, performance=performance)
    for _ in range(2):
        said = orcabatch("run", "b.yml", "performance.check=warn", "--quiet")
        assert (said.code, said.out) == (0, "")
        assert "! check: b.yml, line " in said.err
        assert mistake in said.err
        proof = orcabatch("verify", "--prove", "results", "--files", "2")
        assert proof.code == 0
        assert "the check of the YAML found what digitalmodel's own run has as well:" in proof.out
        assert mistake in proof.out


def test_an_output_without_groups_says_where_the_function_is_that_fills_in_defaults(orcabatch, batch):
    """`linked_statistics: {flag: true}` alone: what is missing, and a name that can be imported as it stands."""
    sections = configuration()["orcaflex"]
    sections["postprocess"]["linked_statistics"] = {"flag": True}
    batch.write(orcaflex=sections)
    said = orcabatch("run", "b.yml")
    assert said.code == 2
    assert "linked_statistics_settings.groups" in said.text
    name = said.text.partition("a script of yours, `")[2].partition("(yaml)`")[0]
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))
