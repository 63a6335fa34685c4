"""The commands, and what goes wrong in an engineer's day: one clear message, the right exit code, no traceback."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from capabilities import require
from cli_batches import management, summary_column
from orcabatch import cli, simulated
from orcabatch.cli.run import summary
from orcabatch.monitor import live_report
from orcabatch.results.result import BatchResult

SECTION = {"orcaflex": "simulated", "ledger": {"enabled": False}}


def test_a_good_batch_says_how_many_and_where(orcabatch, batch):
    """Exit code 0; the files that it names are there."""
    said = orcabatch("run", "b.yml")
    assert said.code == 0
    assert "3 of 3 files done" in said.out
    assert str(batch.folder / "results") in said.out
    assert (batch.folder / "results" / "b_t_dyn.csv").is_file()


def test_a_folder_whose_name_looks_like_a_setting_is_a_folder(orcabatch, batch):
    """`Hs=2/b.yml` is there, so it is a file; what is not there is a setting, or a mistake in one."""
    (batch.folder / "Hs=2").mkdir()
    (batch.folder / "b.yml").rename(batch.folder / "Hs=2" / "b.yml")
    shutil.move(batch.folder / "sims", batch.folder / "Hs=2")
    assert orcabatch("plan", "Hs=2/b.yml", "meta.label=x").code == 0
    said = orcabatch("plan", "Hs=3/b.yml")
    assert (said.code, "'Hs" in said.err or "Hs=3" in said.err) == (2, True), said


def test_one_output_file_is_one():
    """Each count has the word that belongs to it."""
    files = (Path("/r/a.csv"), Path("/r/b.csv"))
    one, two = (summary(BatchResult((), None, outputs=files[:count]), 1.0) for count in (1, 2))
    assert f"1 output file in {files[0].parent}: a.csv" in one
    assert f"2 output files in {files[0].parent}: a.csv, b.csv" in two


def test_output_files_are_told_folder_by_folder_and_named_where_they_are_few():
    """What `--save` made is named, beside a result folder that holds hundreds."""
    many = tuple(Path(f"/r/{number}.csv") for number in range(7))
    said = summary(BatchResult((), None, outputs=(*many, Path("/s/t.xlsx"))), 1.0)
    assert said.splitlines()[-2:] == [f"7 output files in {many[0].parent}", f"1 output file in {Path('/s')}: t.xlsx"]


def test_what_verify_cannot_read_has_a_code_of_its_own(orcabatch, tmp_path, monkeypatch):
    """2 as where nothing could be compared; a difference that was seen is 1, whatever else could not be read."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a.csv", "b.csv"):
            (tmp_path / folder / name).write_text("x\n1\n")
    monkeypatch.chdir(tmp_path)
    opened = Path.open

    def gone(path, *args, **kwargs):
        if path.name == "a.csv" and path.parent.name == "two":
            raise OSError(22, "The network location cannot be reached", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", gone)
    said = orcabatch("verify", "one", "two", "-o", "said.txt")
    assert (said.code, said.out.startswith("Not told: 1 identical, 1 cannot be read.")) == (2, True), said
    assert (tmp_path / "said.txt").read_text(encoding="utf-8") == said.out
    (tmp_path / "two" / "b.csv").write_text("x\n2\n")
    assert orcabatch("verify", "one", "two").code == 1
    said = orcabatch("verify", "one", "two", "-o", "nowhere/said.txt")
    assert (said.code, said.out, "could not be written" in said.err) == (2, "", True)


def test_quiet_says_nothing_and_verify_finds_the_same(orcabatch, batch):
    """Two runs into two folders: identical, exit 0; one digit changed: different, exit 1, and where."""
    for folder in ("one", "two"):
        assert orcabatch("run", "b.yml", "--output", folder, "--quiet").out == ""
    assert orcabatch("verify", "one", "two").code == 0
    table = batch.folder / "two" / "b_t_dyn.csv"
    table.write_text(table.read_text()[:-3] + "7\n")
    said = orcabatch("verify", "one", "two")
    assert said.code == 1
    assert "b_t_dyn.csv" in said.out
    assert json.loads(orcabatch("verify", "one", "two", "--json").out)["equal"] is False


def test_a_proof_on_the_batch_itself_holds(orcabatch, batch):
    """`verify --prove RESULT` runs two files through digitalmodel's own loop, in a process without orcabatch."""
    orcabatch("run", "b.yml")
    said = orcabatch("verify", "--prove", "results", "--files", "2")
    assert said.code == 0
    assert "IDENTICAL" in said.out


def test_a_proof_looks_at_the_folder_that_it_is_given(orcabatch, batch):
    """A copy in which a digit was changed is different; a folder that was moved is as good as before."""
    orcabatch("run", "b.yml")
    shutil.copytree("results", "copied")
    table = batch.folder / "copied" / "b_t_dyn.csv"
    table.write_text(table.read_text()[:-3] + "7\n")
    assert orcabatch("verify", "--prove", "copied").code == 1
    shutil.move("results", "moved")
    assert orcabatch("verify", "--prove", "moved").code == 0


def test_quiet_still_says_what_failed(orcabatch, batch):
    """On standard error, where a scheduler of nightly jobs looks."""
    spoil(batch.sim(1), "empty")
    said = orcabatch("run", "b.yml", "--quiet")
    assert (said.code, said.out) == (1, "")
    assert "a1.sim is empty" in said.err


def test_a_run_that_ends_in_an_error_says_the_rest_too(orcabatch, batch):
    """Tables of all files that cannot be written end it; that the metrics are missing as well is said beside it."""
    for name in ("b_t_dyn.csv", "performance_metrics.json"):
        (batch.folder / "results" / name).mkdir(parents=True)
    said = orcabatch("run", "b.yml")
    assert said.code == 1
    assert "b_t_dyn.csv" in said.err
    assert "metrics are not written" in said.out
    (batch.folder / "results" / "performance_metrics.json").rmdir()
    assert orcabatch("run", "b.yml").out == "", "nothing beside the error: no empty line"


def test_a_wrong_setting_of_the_command_is_not_looked_for_in_the_yaml_alone(orcabatch, batch):
    """What the words behind a YAML change is no line of it."""
    said = orcabatch("plan", "b.yml", "performance.threading.max_thread=3")
    assert (said.code, "b.yml, as this call changes it: threading.max_thread = 3" in said.err) == (2, True), said
    batch.write(performance={"threading": {"max_thread": 3}})
    said = orcabatch("plan", "b.yml")
    assert (said.code, "b.yml: threading.max_thread = 3" in said.err) == (2, True), said


def test_a_repeated_command_says_that_nothing_was_computed(orcabatch, batch):
    """Else a rate of gigabytes per second would be believed."""
    batch.write(performance={"orcaflex": "simulated", "ledger": {"path": str(batch.folder / "ledger.db")}})
    assert "unchanged" not in orcabatch("run", "b.yml").out
    assert "3 of them are unchanged since an earlier run (--fresh does them again)" in orcabatch("run", "b.yml").out
    assert "0 of 3 files to run" in orcabatch("plan", "b.yml").out
    assert "3 of 3 files to run" in orcabatch("plan", "b.yml", "--fresh").out
    spoil(batch.sim(1), "empty")
    spoil(batch.sim(2), "empty")
    assert "1 of them is unchanged since an earlier run" in orcabatch("run", "b.yml").out


@pytest.mark.parametrize(("place", "why"), [("none/r.html", "none is no folder"), ("sims", "it is a folder")])
def test_a_report_that_could_not_be_written_is_refused_before_the_batch(orcabatch, batch, place, why):
    """Exit code 2 after hours of work would say that nothing ran."""
    said = orcabatch("run", "b.yml", "--report", place)
    assert said.code == 2
    assert why in said.err
    assert not (batch.folder / "results").exists()


def test_a_demo_that_cannot_be_set_up_is_said_in_one_message(orcabatch, tmp_path):
    """The folder, and what to do."""
    (tmp_path / "file").touch()
    said = orcabatch("demo", "--folder", str(tmp_path / "file"))
    assert said.code == 2
    assert "cannot be set up in" in said.err
    assert "--folder" in said.err


@pytest.mark.parametrize("suite", [(), ("scaling",), ("regression",), ("real",)], ids=" ".join)
def test_what_has_no_cases_has_nothing_to_choose_from(orcabatch, suite):
    """A filter that nothing goes by is refused, not ignored."""
    said = orcabatch("bench", *suite, "--only", "96 columns")
    assert said.code == 2
    assert "name the suite" in said.err


@pytest.mark.parametrize(
    ("suite", "case"), [("peers", "1 column, 10 objects"), ("spec", "dm_fsts.yml"), ("engine", "latency")]
)
def test_a_case_that_is_not_there_is_refused_with_those_that_are(orcabatch, suite, case):
    """Not measured as an empty table, with exit code 0."""
    said = orcabatch("bench", suite, "--only", "69 columns")
    assert said.code == 2
    assert "'69 columns'" in said.err
    assert case in said.err


def test_a_plan_runs_nothing(orcabatch, batch):
    """Exit code 0, the count of files, and no result folder."""
    said = orcabatch("plan", "b.yml")
    assert said.code == 0
    assert "3 of 3 files to run" in said.out
    assert not (batch.folder / "results").exists()


def test_a_report_is_written_from_the_metrics_and_through_a_run(orcabatch, batch, monkeypatch):
    """Both ways give a page; that of a run is there from its start, and follows until the last one."""
    pages, write = [], live_report.write_bytes

    def seen(path, page):
        write(path, page)
        pages.append(path.read_text(encoding="utf-8"))

    monkeypatch.setattr(live_report, "write_bytes", seen)
    orcabatch("run", "b.yml", "--report", "one.html")
    assert "Running: 0 of 3 files have ended" in pages[0]
    assert 'http-equiv="refresh"' in pages[0]
    assert 'http-equiv="refresh"' not in Path("one.html").read_text(encoding="utf-8")
    for place, name in (("results/performance_metrics.json", "two.html"), ("results", "three.html")):
        assert orcabatch("report", place, "-o", name).code == 0
    for name in ("one.html", "two.html", "three.html"):
        assert (batch.folder / name).read_text().lstrip().lower().startswith("<!doctype html")


@pytest.mark.slow
def test_the_demo_compares_with_digitalmodel(orcabatch, tmp_path):
    """It ends well only where every byte is the same, and leaves a report of the run."""
    said = orcabatch("demo", "--quick", "--folder", tmp_path / "demo")
    assert said.code == 0, said.err
    assert said.out.count("equal byte for byte") == 2
    assert "The run: what took the time" in (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    yaml_file = tmp_path / "demo" / "dm_fsts.yml"
    assert f"orcabatch run {yaml_file.name}" in said.out
    assert orcabatch("plan", yaml_file).code == 0
    again = orcabatch("run", yaml_file)
    assert again.code == 0
    assert "4 of 4 files done" in again.out


BAD_FILES = {
    "missing": "does not exist",
    "empty": "is empty (0 bytes)",
    "truncated": "truncated or damaged",
    "not a sim": "not an OrcaFlex simulation",
    "a folder": "is a folder, not a .sim file",
    "unreadable": "cannot be read",
    "without the object": "the model has no object 'Line01' (asked for by line01)",
}


def spoil(file, how):
    """Make one file bad."""
    if how == "truncated":
        file.write_bytes(file.read_bytes()[:9000])
        return
    file.unlink()
    if how in {"missing", "unreadable"}:
        require("symbolic links")
    if how == "missing":
        file.symlink_to(file.with_name("nowhere"))
    elif how == "unreadable":
        file.symlink_to(file)
    elif how == "a folder":
        file.mkdir()
    elif how == "without the object":
        lines = tuple(item for item in simulated.mooring_objects(26) if item.name != "Line01")
        simulated.write_sim(file, simulated.SimSpec(objects=lines, size_bytes=80_000, stop_time_s=10.0))
    else:
        file.write_bytes(b"" if how == "empty" else b"x,y\n1,2\n")


@pytest.mark.parametrize("how", BAD_FILES)
def test_one_bad_file_is_named_and_the_others_are_written(orcabatch, batch, how):
    """Exit code 1, the file's name, what is wrong and what to do; two time series are there."""
    spoil(batch.sim(1), how)
    said = orcabatch("run", "b.yml")
    assert said.code == 1
    assert BAD_FILES[how] in said.text
    assert "1 of 3 files have no results; the others have theirs" in said.text
    assert "a1.sim: a1.sim" not in said.text
    assert "Traceback" not in said.text
    written = sorted(path.name for path in (batch.folder / "results").glob("*.csv"))
    assert written == ["a0_ten.csv", "a2_ten.csv", "b_t_dyn.csv", "b_t_failed_files.csv"]
    assert "a1.sim" in (batch.folder / "results" / "b_t_failed_files.csv").read_text()


def test_equal_failures_stand_together(orcabatch, batch):
    """Two truncated files are one line."""
    spoil(batch.sim(1), "truncated")
    spoil(batch.sim(2), "truncated")
    said = orcabatch("run", "b.yml")
    assert said.out.count("truncated or damaged") == 1


def test_an_unknown_variable_leaves_its_cells_empty_and_is_said(orcabatch, batch):
    """digitalmodel itself leaves the cell empty, so the files count as done; the engineer is told all the same."""
    column = summary_column(Variable="Efective tension")
    batch.write(summary_settings={"groups": [{"Label": "dyn", "Columns": [column]}]})
    said = orcabatch("run", "b.yml")
    assert said.code == 0
    assert "Unrecognised variable name: Efective tension (object Line01)" in said.text
    assert "a0.sim, a1.sim, a2.sim" in said.text or "a2.sim" in said.text


def test_what_digitalmodel_does_silently_is_printed_first_also_by_a_quiet_and_by_a_repeated_run(orcabatch, batch):
    """A column without content is loud at the end; on standard error where all else is quiet; again from the ledger."""
    column = summary_column(Variable="Efective tension")
    performance = {"orcaflex": "simulated", "ledger": {"path": str(batch.folder / "ledger.db")}}
    batch.write(summary_settings={"groups": [{"Label": "dyn", "Columns": [column]}]}, performance=performance)
    line = "! 1 column holds nothing at all: summary dyn: line01 (Line01, Efective tension): every file"
    said = orcabatch("run", "b.yml").out
    assert 0 < said.index(line) < said.index("output files in")
    again = orcabatch("run", "b.yml").out
    assert "3 of them are unchanged" in again
    assert line in again
    quiet = orcabatch("run", "b.yml", "--quiet")
    assert quiet.out == ""
    assert line in quiet.err
    planned = " ".join(orcabatch("plan", "b.yml").out.split())
    assert line in planned


def test_what_makes_the_numbers_of_single_files_suspicious_is_printed_by_a_quiet_run_too(orcabatch, batch):
    """A period that covers hardly anything of the simulation: on standard error, with the files."""
    batch.write(
        summary_settings={"groups": [{"Label": "dyn", "Columns": [summary_column(SimulationPeriod=[0.0, 0.5])]}]}
    )
    quiet = orcabatch("run", "b.yml", "--quiet")
    assert (quiet.code, quiet.out) == (0, "")
    assert "a0.sim" in quiet.err
    assert "period 0..0.5 s covers only 3% of the simulated time" in quiet.err


def test_a_variable_that_ends_digitalmodel_fails_the_file_in_words(orcabatch, batch):
    """A range graph of a variable that is not there is a failure of its file."""
    column = summary_column(Command="Range Graph", Variable="Efective tension", ArcLength=[0, 50])
    batch.write(summary_settings={"groups": [{"Label": "dyn", "Columns": [column]}]})
    said = orcabatch("run", "b.yml")
    assert said.code == 1
    assert "the model has no variable 'Efective tension' of Line01 (asked for by line01)" in said.text
    assert "the nearest there: 'Effective tension'" in said.text
    assert "No file has results." in said.text


def batch_of(batch, **sections):
    batch.write(**sections)
    return ("run", "b.yml")


def same_stem(batch):
    (batch.folder / "more").mkdir()
    shutil.copy(batch.sim(0), batch.folder / "more" / "a0.sim")
    files = ["sims/a0.sim", "more/a0.sim"]
    return batch_of(batch, file_management=management(flag=False, input_files={"sim": files}))


def folder_is_a_file(batch):
    (batch.folder / "results").write_text("")
    return ("run", "b.yml")


def text_file(content):
    def write(batch):
        (batch.folder / "b.yml").write_bytes(content)
        return ("run", "b.yml")

    return write


def performance(**section):
    return lambda batch: batch_of(batch, performance={**SECTION, **section})


def performance_twice(batch):
    words = batch_of(batch, performance=SECTION)
    with (batch.folder / "b.yml").open("a") as file:
        file.write("\nperformance:\n  retries: 1\n")
    return words


NOTHING_RUNS = {
    "no files match": (
        lambda batch: batch_of(batch, file_management=management(filename={"extension": ["sim"], "pattern": "zzz"})),
        ["No file matches *zzz*.sim", "sims", "It holds 3 .sim files", "Correct file_management.filename"],
    ),
    "no input folder": (
        lambda batch: batch_of(batch, file_management=management(input_directory="simz")),
        ["The input folder simz does not exist", "file_management.input_directory"],
    ),
    "same stem twice": (same_stem, ["sims/a0.sim and", "more/a0.sim would both write", "a0_ten.csv", "Rename one"]),
    "the result folder is a file": (folder_is_a_file, ["results cannot be made", "output_directory"]),
    "the result folder cannot be made": (
        lambda batch: ("run", "b.yml", "--output", "b.yml/results"),
        ["results cannot be made: ", "Correct file_management.output_directory", "give another output folder"],
    ),
    "not YAML": (text_file(b": : [\n x"), ["b.yml is not valid YAML at line 1, column 1", "Correct it there"]),
    "text": (text_file(b"just words"), ["b.yml is not a digitalmodel YAML: it holds text"]),
    "another YAML": (text_file(b"a: 1"), ["has no basename", "orcaflex_post_process"]),
    "binary": (text_file(b"\xff\xfe\x00"), ["not a text file in UTF-8", "Save it as UTF-8"]),
    "no such YAML": (lambda batch: ("run", "c.yml"), ["c.yml does not exist"]),
    "no YAML named": (lambda batch: ("run",), ["name at least one YAML file"]),
    "a .sim file": (lambda batch: ("run", "sims/a0.sim"), ["sims/a0.sim"]),
    "a misspelt performance section": (
        lambda batch: batch_of(batch, performence=SECTION),
        ["'performence' is no section", "Did you mean performance?"],
    ),
    "a performance section twice": (performance_twice, ["b.yml: the section performance stands more than once"]),
    "a misspelt file_management": (
        lambda batch: batch_of(batch, file_management=management(input_directory=None), file_managment={"a": 1}),
        ["Is 'file_managment' meant to be file_management?", "input_directory is not given"],
    ),
    "a misspelt section": (performance(threadng={"mode": "static"}), ["threadng", "Did you mean threading?"]),
    "misspelt keys, all at once": (
        performance(threading={"max_thread": 3}, memory={"max_usage": 70}, retries=-1),
        [
            "3 settings are wrong",
            "Did you mean threading.max_threads?",
            "Did you mean memory.max_usage_percent?",
            "retries = -1",
            "nothing was run",
        ],
    ),
    "a misspelt value": (performance(threading={"mode": "hybird"}), ["one of static, dynamic, hybrid", "hybrid?"]),
    "a misspelt argument": (
        lambda batch: ("run", "b.yml", "performance.threading.max_thread=3"),
        ["threading.max_thread = 3", "Did you mean threading.max_threads?"],
    ),
    "a misspelt option": (lambda batch: ("run", "b.yml", "--frsh"), ["Did you mean --fresh?"]),
    "verify without folders": (lambda batch: ("verify", "sims"), ["give two result folders"]),
    "verify a folder with itself": (lambda batch: ("verify", "sims", "./sims/../sims"), ["are one folder", "name two"]),
    "verify a folder that is not there": (lambda batch: ("verify", "sims", "nope"), ["nope is not a folder"]),
    "prove nothing": (lambda batch: ("verify", "--prove", "nope"), ["nope does not exist", "result folder"]),
    "report on nothing": (lambda batch: ("report", "nope.json"), ["nope.json cannot be read"]),
    "report on something else": (lambda batch: ("report", "b.yml"), ["b.yml is not JSON"]),
}


@pytest.mark.parametrize("what", NOTHING_RUNS)
def test_what_cannot_run_is_said_in_one_message(orcabatch, batch, what):
    """Exit code 2 before anything is loaded; what, where, and what to do; never a traceback."""
    prepare, words = NOTHING_RUNS[what]
    simulated.install(simulated.Costs())
    with simulated.counting() as count:
        said = orcabatch(*prepare(batch))
    assert said.code == 2
    for word in words:
        assert word in said.text
    assert "Traceback" not in said.text
    assert said.err.startswith("orcabatch ")
    assert count.counters.loads_by_file == {}


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--postprocess", "m:f", 'C:\\my sims" --save x.csv'),
        ("run", 'C:\\my sims" b.yml'),
        ("run", "--output", './my results" b.yml'),
        ("run", 'file_management.input_directory=C:\\my sims" b.yml'),
        ("doctor", '.\\my sims" --orcaflex simulated'),
        ("report", 'C:\\my results"'),
    ],
)
def test_a_folder_in_quotes_that_ends_in_a_backslash_is_told_what_it_did(orcabatch, words):
    """Windows gives it to every program as one word with what follows."""
    said = orcabatch(*words)
    assert said.code == 2
    assert f"{words[-1]} holds a quotation mark" in said.err
    assert "Leave that backslash out" in said.err


def test_a_swallowed_word_is_told_also_where_the_parser_refuses(capsys):
    """What came out of it may be one word too many."""
    with pytest.raises(SystemExit) as refused:
        cli.main(["report", "results", "y.html", 'C:\\my results" -o C:\\x'])
    assert refused.value.code == 2
    assert "Leave that backslash out" in capsys.readouterr().err


@pytest.mark.parametrize("word", ['meta={"label": "a/b"}', "nope/b.yml", 'meta.label=8"'])
def test_other_words_are_not(orcabatch, word):
    """Settings hold quotation marks by right."""
    said = orcabatch("run", word)
    assert said.code == 2
    assert "quotation mark" not in said.text


@pytest.mark.parametrize(("raised", "code"), [((), 130), ((15,), 143), ((1,), 129), (("mine",), 130)])
def test_a_command_that_leaves_at_once_ends_as_its_signal_says(orcabatch, batch, monkeypatch, raised, code):
    """Three signals: 143 where the first was a request to terminate, 130 for Ctrl-C."""

    def leave(*_, **__):
        raise KeyboardInterrupt(*raised)

    monkeypatch.setattr("orcabatch.cli.run.carry_out", leave)
    assert orcabatch("run", "b.yml").code == code


def test_an_unknown_command_names_the_commands(orcabatch, capsys):
    """As argparse does: usage, exit code 2."""
    with pytest.raises(SystemExit) as ended:
        orcabatch("rn", "b.yml")
    assert ended.value.code == 2
    assert "run, plan, verify" in capsys.readouterr().err


REAL = {"performance": {"ledger": {"enabled": False}}}


def test_without_orcfxapi_the_message_says_how_to_get_it(orcabatch, batch, without_orcfxapi):
    """And names the simulated one."""
    batch.write(**REAL)
    said = orcabatch("run", "b.yml")
    assert said.code == 2
    assert "OrcFxAPI is not installed in this Python environment" in said.text
    assert "pip install orcfxapi" in said.text
    assert "--orcaflex simulated" in said.text
    assert "Traceback" not in said.text


def test_orcfxapi_without_its_dll_is_told_from_none(orcabatch, batch, without_dll):
    """The package is there, OrcaFlex is not."""
    batch.write(**REAL)
    said = orcabatch("run", "b.yml")
    assert said.code == 2
    assert "OrcFxAPI is installed, but not OrcaFlex with its DLL" in said.text
    assert "--orcaflex simulated" in said.text
    assert "Traceback" not in said.text


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_where_no_run_can_start_the_plan_says_so_and_the_run_leaves_nothing(orcabatch, batch, without_orcfxapi):
    """Neither results nor logs, of a YAML or of a function; the plan has the reason."""
    batch.write(**REAL)
    (batch.folder / "mine.py").write_text("def f(model):\n    return 1.0\n")
    before = left(batch.folder)
    function = ("--postprocess", "mine:f", "sims", "--output", "out", "performance.ledger.enabled=false")
    for words in (("b.yml",), function):
        planned = orcabatch("plan", *words)
        assert planned.code == 0
        assert "OrcaFlex is not available here, so `run` cannot start: OrcFxAPI cannot be used." in planned.text
        assert orcabatch("run", *words).code == 2
        assert left(batch.folder) - {"__pycache__"} == before
    assert "cannot start" not in orcabatch("plan", "b.yml", "--orcaflex", "simulated").text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has winreg")
def test_the_real_package_on_another_system_says_that_it_needs_windows(orcabatch, batch, monkeypatch):
    """What a first try on Linux ends in."""
    monkeypatch.delitem(sys.modules, "OrcFxAPI", raising=False)
    batch.write(**REAL)
    said = orcabatch("run", "b.yml")
    assert said.code == 2
    assert "runs on Windows; this is no Windows" in said.text


def test_without_a_licence_nothing_could_run(orcabatch, batch, no_licence):
    """Every file says so; exit code 2, because no file had a seat."""
    batch.write(performance={**SECTION, "licences": {"wait": 0.1}, "retries": 0})
    said = orcabatch("run", "b.yml")
    assert said.code == 2
    assert "no OrcaFlex licence seat" in said.text
    assert "raise licences.wait" in said.text
    assert "No file has results." in said.text


def test_another_release_than_the_dll_is_a_note(orcabatch, batch, other_version):
    """It may work, so it runs; the note says which package belongs to the DLL."""
    said = orcabatch("run", "b.yml")
    assert said.code == 0
    assert "OrcFxAPI package is version 11.2.1" in said.text
    assert "pip install orcfxapi==11.6.*" in said.text


def test_debug_shows_the_traceback(orcabatch, batch):
    """Only then."""
    assert "Traceback" in orcabatch("run", "c.yml", "--debug").err
