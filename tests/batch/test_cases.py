"""Load cases: names of files as columns, and as an argument of the function."""

from __future__ import annotations

import functools
import math
import threading
from pathlib import Path

import pytest
import yaml

import orcabatch
from cli_batches import configuration, management
from orcabatch.errors import SettingsError
from orcabatch.monitor.report import render_report
from orcabatch.results.cases import number, read_cases, surplus_text

LNGC = "fsts_l015_hwl_125km3_l100_pb_005yr__cl_015deg"
STANDARD = "fsts_l050_lwl_ncl_000deg"
PATTERN = r"_l(?P<loading>\d+)_(?P<level>[hlm]wl)_(?:.*_(?P<berth>pb|sb)_(?P<years>\d+)yr_)?.*_(?P<heading>\d+)deg"
FILES = [Path(f"/sims/{name}.sim") for name in (LNGC, STANDARD)]


def tension_and_case(model, *, case):
    """What a function is given for its file."""
    return {"line": model["Line01"].name, **case}


def needs_case(model, case):
    """The same as a positional argument: the file is not taken for the case."""
    return case["heading"]


def uses_up_its_case(model, *, case):
    """Takes what it was given out of the list, as from a work list of its own."""
    taken = [case["lines"].pop() for _ in list(case["lines"])]
    case["lines"].append("none left")
    return {"taken": ",".join(sorted(taken))}


def test_names_of_the_specification_are_read_by_a_pattern():
    """Digits are numbers; what a name lacks is empty."""
    found, notes, _ = read_cases(PATTERN, FILES)
    assert found[f"{LNGC}.sim"] == {"loading": 15, "level": "hwl", "berth": "pb", "years": 5, "heading": 15}
    assert found[f"{STANDARD}.sim"] == {"loading": 50, "level": "lwl", "berth": None, "years": None, "heading": 0}
    assert notes == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("015", 15),
        ("-4", -4),
        ("2.5", 2.5),
        *((text, text) for text in ("l15_100", "015_100", "12e4", "inf", "nan", "")),
    ],
)
def test_only_plain_numbers_are_numbers(text, value):
    """`015_100` is no 15100 and the name `12e4` no 120000, though Python reads them so."""
    assert number(text) == value


def test_a_table_that_names_a_file_in_two_spellings_is_refused(tmp_path):
    """Neither case takes the other's place: cases go by the name, without folder and ending."""
    pytest.importorskip("pandas", reason="tables are read by pandas: install orcabatch[results]")
    (tmp_path / "cases.csv").write_text(f"file,seed\nhwl/{LNGC}.sim,3\nlwl/{LNGC},4\n")
    with pytest.raises(SettingsError, match="twice"):
        read_cases("cases.csv", FILES, tmp_path)
    (tmp_path / "cases.csv").write_text("file,seed\nMa\xdf,3\nMASS,4\n", encoding="utf-8")
    names = ["ma\xdf.SIM", "mass.sim"]
    assert read_cases("cases.csv", [Path(name) for name in names], tmp_path)[0] == {
        name: {"seed": seed} for name, seed in zip(names, (3, 4), strict=True)
    }


def test_a_table_names_files_with_or_without_folder_and_ending(tmp_path):
    """As people keep them."""
    pytest.importorskip("pandas", reason="tables are read by pandas: install orcabatch[results]")
    (tmp_path / "cases.csv").write_text(f"file,seed\nD:\\\\x\\\\{LNGC}.SIM,3\n{STANDARD},4\n")
    found, *_ = read_cases("cases.csv", FILES, tmp_path)
    assert [found[file.name]["seed"] for file in FILES] == [3, 4]


def test_names_that_are_all_digits_are_names(tmp_path):
    """`001` is no 1: the row of the one is never the case of the other."""
    pytest.importorskip("pandas", reason="tables are read by pandas: install orcabatch[results]")
    (tmp_path / "cases.csv").write_text("file,seed\n001,3\n02,4\n")
    found, notes, _ = read_cases("cases.csv", [Path("001.sim"), Path("1.sim"), Path("2.sim")], tmp_path)
    assert found == {"001.sim": {"seed": 3}}
    assert "No load case for 1.sim, 2.sim" in notes[0]


def test_a_table_in_the_code_page_of_a_machine_is_said_to_be_one(tmp_path):
    """As Excel saves plain CSV: with what to save instead."""
    (tmp_path / "cases.csv").write_bytes("file,w\u00e4rme\na.sim,1\n".encode("cp1252"))
    with pytest.raises(SettingsError, match="save it in Excel as `CSV UTF-8`"):
        read_cases("cases.csv", FILES, tmp_path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_is_read_as_excel_writes_it_in_any_country(tmp_path, separator, encoding):
    """With `;` and decimal commas in much of Europe, a mark at the beginning, and rows that hold nothing at the end."""
    pytest.importorskip("pandas", reason="tables are read by pandas: install orcabatch[results]")
    decimal = "." if separator == "," else ","
    rows = [
        ("file", "seed", "hs", "name"),
        (LNGC, "3", f"1{decimal}5E+00", "W\u00e4rme 1,5"),
        (STANDARD, "4", "2", "1,25"),
    ]
    rows = [[f'"{cell}"' if separator in cell else cell for cell in row] for row in [*rows, ("", "", "", "")]]
    text = "\r\n".join(separator.join(row) for row in rows)
    (tmp_path / "cases.csv").write_bytes(text.encode(encoding))
    found, notes, _ = read_cases("cases.csv", FILES, tmp_path)
    cases = [dict(found[file.name]) for file in FILES]
    assert cases == [
        {"seed": 3, "hs": 1.5, "name": "W\u00e4rme 1,5"},
        {"seed": 4, "hs": 2.0, "name": "1,25"},
    ]
    assert (notes, {type(case["seed"]) for case in cases}) == ((), {int})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('file,hs\na,"1,5"\n', "1,5 in column 'hs'"),
        ('file,hs\na,"1,234.5"\n', "1,234.5 in column 'hs'"),
        ("file;hs\na;1.234,5\n", "1.234,5 in column 'hs'"),
        ("file;hs\na;1.234.567\n", "1.234.567 in column 'hs'"),
        ("file;hs\na;1.234\nb;12\n", "1.234 in column 'hs'"),
        ("file;hs;tp\na;1,5;10.5\n", "1,5 in column 'hs'"),
        ("file;hs\na;1,500\nb;12\n", "1,500 in column 'hs'"),
        ("file\ths\na\t-12,500\n", "-12,500 in column 'hs'"),
        ("file,hs\na,1,5\n", "line 2: 3 cells, of which the header names 2"),
    ],
)
def test_a_number_that_may_be_another_is_refused(tmp_path, text, said):
    """1.234 is a thousand in one country and little more than one in another; a surplus cell shifts a whole row."""
    pytest.importorskip("pandas", reason="tables are read by pandas: install orcabatch[results]")
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(SettingsError) as error:
        read_cases("cases.csv", FILES, tmp_path)
    assert said in str(error.value)
    assert "save the table as .xlsx" in str(error.value)


@pytest.mark.parametrize("sign", [".", ","])
def test_what_stands_between_semicolons_is_a_decimal_where_it_can_be_nothing_else(tmp_path, sign):
    """A point too, as on a machine whose decimal sign was set to it: one cell tells it of all."""
    pytest.importorskip("pandas", reason="tables are read by pandas: install orcabatch[results]")
    (tmp_path / "cases.csv").write_text(f"file;hs\n{LNGC};1{sign}234\n{STANDARD};0{sign}5\n")
    found, *_ = read_cases("cases.csv", FILES, tmp_path)
    assert [found[file.name]["hs"] for file in FILES] == [1.234, 0.5]


@pytest.mark.parametrize("other", ["", "1.5"])
def test_a_long_whole_number_is_read_as_it_stands(tmp_path, other):
    """A seed of 64 bits: beside an empty cell or a fraction pandas makes a float of it, which is another number."""
    pytest.importorskip("pandas", reason="tables are read by pandas: install orcabatch[results]")
    (tmp_path / "cases.csv").write_text(f"file,seed\n{LNGC},1152921504606846977\n{STANDARD},{other}\n")
    found, *_ = read_cases("cases.csv", FILES, tmp_path)
    first, second = (found[file.name]["seed"] for file in FILES)
    assert (first, type(first)) == (2**60 + 1, int)
    assert second == 1.5 if other else math.isnan(second)


def test_a_name_that_does_not_match_is_said():
    """Which, and why; its columns stay empty."""
    found, (note,), _ = read_cases(r"_(?P<years>\d+)yr_", FILES)
    assert list(found) == [f"{LNGC}.sim"]
    assert note.startswith(f"No load case for {STANDARD}.sim: the pattern")


@pytest.mark.parametrize("as_mapping", [True, False])
def test_rows_that_name_no_file_are_said_once(tmp_path, as_mapping):
    """A file that was deleted, a name with a slip: in the table of load cases, and in a mapping of them."""
    pytest.importorskip("pandas", reason="tables are read by pandas: install orcabatch[results]")
    rows = [f"{LNGC}.sim", STANDARD, "gone.sim", "slip"]
    (tmp_path / "cases.csv").write_text("\n".join(["file,seed", *(f"{name},1" for name in rows)]))
    cases = {name: {"seed": 1} for name in rows} if as_mapping else "cases.csv"
    _, notes, surplus = read_cases(cases, FILES, tmp_path)
    of = "the cases" if as_mapping else "cases.csv"
    assert notes == ()
    assert surplus_text([surplus]) == (f"2 rows of {of} name no file of this batch: gone.sim, slip.",)
    _, _, other = read_cases(cases, [Path("gone.sim")], tmp_path)
    assert surplus_text([surplus, other]) == (f"1 row of {of} names no file of these batches: slip.",)


def test_rows_without_a_file_are_in_the_plan_the_warnings_and_the_report(orcaflex, sims, tmp_path, monkeypatch):
    """Like files without a row; and the settings of the report say where the cases came from."""
    pytest.importorskip("pandas", reason="tables are read by pandas: install orcabatch[results]")
    (tmp_path / "own.csv").write_text(f"file,heading\n{Path(sims[0]).name},1\ngone.sim,2\n")
    monkeypatch.chdir(tmp_path)
    given = {"postprocess": needs_case, "orcaflex": "simulated", "cases": "own.csv"}
    said = "1 row of own.csv names no file of this batch: gone.sim."
    assert said in orcabatch.plan_batch(sims[:2], **given).notes
    result = orcabatch.run_batch(sims[:2], progress=False, **given)
    assert result.warnings.count(said) == 1
    assert result.metrics["settings"]["cases"] == "own.csv"
    report = render_report(result.metrics)
    assert "row of own.csv names no file of this batch" in report
    _, failed = result.outcomes
    assert "no load case" in failed.error
    assert "'heading'" in failed.error
    assert "add it to the load cases" in failed.error
    assert "dictionary" not in failed.error


HEADING, SEED = r"(?P<heading>\d)", r"(?P<seed>\d)"


@pytest.mark.parametrize(
    ("folders", "cases", "argument", "refused"),
    [
        (("a", "b"), ("a.csv", "b.csv"), None, True),
        (("a", "b"), ("a.csv", None), None, True),
        (("a", "a"), ("a.csv", "b.csv"), None, True),
        (("a", "a"), (HEADING, SEED), None, True),
        (("a", "a"), ("a.csv", None), None, False),
        (("a", "b"), ("a.csv", "a.csv"), None, False),
        (("a", "b"), ("a.csv", "c.csv"), None, False),
        (("a", "b"), (HEADING, HEADING), None, False),
        (("a", "b"), ("a.csv", "b.csv"), HEADING, False),
        (("a", "other"), ("a.csv", "b.csv"), None, False),
    ],
)
def test_a_file_name_has_one_load_case_in_a_call(tmp_path, monkeypatch, folders, cases, argument, refused):
    """Tables go by it: else the rows of one YAML would stand under the headings of the other's load cases."""
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"x{7 if folder == 'other' else 1}.sim").touch()
    Path("a.csv").write_text("file,heading,note\nx1,15,\nx2,30,beam\n")
    Path("b.csv").write_text("file,heading,note\nx1,90,\nx7,15,\n")
    Path("c.csv").write_text("file,note,heading\nx1,,15.0\nx2,beam,30.5\n")
    for name, folder, own in zip(("one", "two"), folders, cases, strict=True):
        asked = configuration(
            file_management=management(input_directory=folder, output_directory=name, filename={"extension": ["sim"]}),
            performance={"orcaflex": "simulated", "ledger": {"enabled": False}, **({"cases": own} if own else {})},
        )
        Path(f"{name}.yml").write_text(yaml.safe_dump(asked))
    if refused:
        with pytest.raises(SettingsError, match=r"x1\.sim .*one_t.*two_t"):
            orcabatch.plan_batch(["one.yml", "two.yml"], cases=argument)
    else:
        assert len(orcabatch.plan_batch(["one.yml", "two.yml"], cases=argument).files) == len(set(folders))


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ("(", "is no regular expression"),
        (r"_l(\d+)_", "names no group"),
        (r"(?P<file>.*)", "may not be called 'file'"),
        ("nothing.csv", r"nothing\.csv does not exist\. Check the name and the folder"),
        (5, "names no group"),
        ({LNGC: 5}, "is 5"),
        ({LNGC: {"file": "x"}}, "may not be called 'file'"),
        ({f"hwl/{LNGC}.sim": {"h": 0}, f"lwl\\{LNGC}.sim": {"h": 1}}, "twice"),
    ],
)
def test_what_is_no_load_case_is_one_clear_error(cases, said):
    """Before anything is loaded."""
    with pytest.raises(SettingsError, match=said):
        read_cases(cases, FILES)


def test_load_cases_that_excel_has_open_are_said_to_be_closed_there(tmp_path, monkeypatch):
    """On Windows nobody else may read them meanwhile."""

    def held(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", held)
    with pytest.raises(
        SettingsError, match=r"cases\.csv cannot be read: .*denied.*Close it where it is open \(Excel\?\)"
    ):
        read_cases(str(tmp_path / "cases.csv"), FILES)


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_a_function_that_asks_for_its_case_gets_it(orcaflex, sims, executor):
    """By keyword or position, in every executor; the table has the columns beside."""
    for function in (tension_and_case, needs_case):
        result = orcabatch.run_batch(
            sims[:2], postprocess=function, orcaflex="simulated", progress=False, cases=r"_(?P<heading>\d+)deg",
            performance={"executor": executor, "process_count": 1},
        )  # fmt: skip
        result.raise_for_failures()
        headings = [int(file.stem.rsplit("_", 1)[1].removesuffix("deg")) for file in map(Path, sims[:2])]
        assert [value["heading"] if isinstance(value, dict) else value for value in result.values] == headings


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_a_case_that_its_function_changes_is_changed_for_that_call_alone(orcaflex, sims, executor):
    """Files that share a list each get it as it was given; so do the table, the key of a result, and the next run."""
    shared = ["Line01", "Line02"]
    cases = {Path(sim).name: {"lines": shared} for sim in sims[:3]}
    batch = {
        "postprocess": uses_up_its_case, "orcaflex": "simulated", "progress": False, "cases": cases, "version": "1",
        "performance": {"executor": executor, "process_count": 1, "threads_per_process": 1},
    }  # fmt: skip
    first, second = [orcabatch.run_batch(sims[:3], **batch) for _ in range(2)]
    for result in (first, second):
        result.raise_for_failures()
        assert [value["taken"] for value in result.values] == ["Line01,Line02"] * 3
        assert {name: list(case["lines"]) for name, case in result.cases.items()} == {
            name: ["Line01", "Line02"] for name in cases
        }
    assert [str(outcome.status) for outcome in second.outcomes] == ["skipped"] * 3
    assert shared == ["Line01", "Line02"]


def test_a_case_that_the_script_goes_on_changing_stays_as_it_was_given(orcaflex, sims):
    """The table shows what the batch was begun with."""
    case = {"lines": ["Line01"], "lock": threading.Lock()}

    def changes_it(model):
        case["lines"].append("Line02")
        return 1.0

    result = orcabatch.run_batch(
        sims[:1], postprocess=changes_it, orcaflex="simulated", progress=False, cases={Path(sims[0]).name: case}
    )
    (kept,) = result.cases.values()
    assert (kept["lines"], kept["lock"]) == (["Line01"], case["lock"])


def test_a_case_that_is_bound_already_stays(orcaflex, sims):
    """`functools.partial` decided: the batch's own cases are for the columns only."""
    bound = functools.partial(tension_and_case, case={"heading": "mine"})
    (value,) = orcabatch.run_batch(
        sims[:1], postprocess=bound, orcaflex="simulated", progress=False, cases=r"_(?P<heading>\d+)deg"
    ).values
    assert value["heading"] == "mine"


def test_without_cases_nothing_changes(orcaflex, sims):
    """A second argument is the file, whatever it is called."""
    (value,) = orcabatch.run_batch(sims[:1], postprocess=second, orcaflex="simulated", progress=False).values
    assert value == str(sims[0])


def second(model, case):
    return str(case)


def test_a_function_that_wants_a_case_where_there_are_none_is_told_what_it_gets(orcaflex, sims):
    """It gets the file's path, as any second argument does; that the name says otherwise is said."""
    result = orcabatch.run_batch(sims[:1], postprocess=needs_case, orcaflex="simulated", progress=False)
    assert not result.outcomes[0].ok
    assert any("argument `case` is the file's path" in warning for warning in result.warnings)
