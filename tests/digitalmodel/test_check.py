"""The check of a configuration: what it finds, that digitalmodel really does that, and that nothing else is found."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dm_proof.configurations import CASES, column, configuration, drawn_configurations, write_files
from dm_proof.real_yamls import BASE, YAMLS
from orcabatch import simulated
from orcabatch.digitalmodel.base_config import builtin_configuration
from orcabatch.digitalmodel.check import CheckFinding, check_configuration, lines_of, proven
from orcabatch.digitalmodel.check.effective import effective_groups
from orcabatch.digitalmodel.check.labels import name_faults
from orcabatch.digitalmodel.check.vocabulary import LEVELS, words_of
from orcabatch.digitalmodel.mappings import AttributeDict, merged
from orcabatch.digitalmodel.output_capture import CapturedOutput
from orcabatch.digitalmodel.outputs import SETTINGS_OF
from orcabatch.digitalmodel.postprocess import described
from orcabatch.digitalmodel.source_code import find_source_code

pytest.importorskip("digitalmodel", reason="digitalmodel itself is called: install orcabatch[digitalmodel]")

SECTIONS = tuple(SETTINGS_OF.values())


@pytest.fixture(scope="module", autouse=True)
def orcaflex() -> Iterator[None]:
    simulated.install()
    yield
    simulated.uninstall()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("sims"), 1)[0]


@pytest.fixture(scope="module")
def known(file: Path) -> dict[str, Any]:
    """The loaded file in digitalmodel's terms."""
    import OrcFxAPI

    return described(OrcFxAPI.Model(str(file)))


@pytest.fixture(scope="module")
def installation() -> Any:
    from orcabatch.digitalmodel.installed import find_installation

    return find_installation()


def summary(*columns: dict[str, Any], master: dict[str, Any] | None = None, label: Any = "g") -> dict[str, Any]:
    """A configuration with one group of a summary."""
    sections = {"summary_settings": {"groups": [{"Label": label, "Columns": list(columns)}]}}
    if master is not None:
        sections["summary_settings_master"] = {"groups": [{"Columns": [master]}]}
    return configuration(["a.sim"], Path("/results"), "summary", **sections)


def series(*columns: dict[str, Any], label: Any = "g") -> dict[str, Any]:
    """A configuration with one group of time series."""
    groups = [{"Label": label, "Columns": list(columns)}]
    settings = {"data": True, "groups": groups}
    return configuration(["a.sim"], Path("/results"), "time_series", time_series_settings=settings)


def linked(*columns: dict[str, Any]) -> dict[str, Any]:
    """A configuration with one group of linked statistics."""
    settings = {"groups": [{"Label": "g", "Columns": list(columns)}]}
    return configuration(["a.sim"], Path("/results"), "linked_statistics", linked_statistics_settings=settings)


def changed(base: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A column with other keys; `...` takes one away."""
    return {key: value for key, value in (base | keys).items() if value is not ...}


HISTORY = column(
    "TimeHistory", "Line01", "Effective tension", "x",
    SimulationPeriod=[0.0, 10.0], objectExtra=["End A"], Statistic_Type="Max",
)  # fmt: skip
RANGE = changed(HISTORY, Command="Range Graph", objectExtra=...)
STATIC = changed(HISTORY, Command="Static Result", Statistic_Type=...)
DATA = column("GetData", "Environment", ["WaveHs", 0], "x")
SERIES = changed(HISTORY, Command=..., Statistic_Type=...)
LINKED = changed(SERIES, Variable=["Effective tension", "Bend moment"])
VESSEL = changed(HISTORY, ObjectName="Vessel1", Variable="Heave", objectExtra=...)
OTHER = changed(HISTORY, ObjectName="Line02")
SUPPORT, PIPE = changed(HISTORY, Variable="Support x"), changed(HISTORY, Variable="Rigid Pipe", objectExtra=...)

FAILS: dict[str, list[dict[str, Any]]] = {
    "summary": [
        *(changed(HISTORY, **{key: ...}) for key in ("Command", "ObjectName", "Variable", "Label", "Statistic_Type")),
        *(changed(HISTORY, Command=command) for command in ("TimeHistroy", "timehistory", "RangeGraph", None)),
        *(changed(HISTORY, Statistic_Type=kind) for kind in ("Minn", "max", "StdDev", None, ["Max"])),
        *(changed(RANGE, Statistic_Type=kind) for kind in ("Minn", "StdDev", ...)),
        *(changed(HISTORY, ObjectName=name) for name in (5, None, ["Line01"])),
        *(changed(HISTORY, Label=label) for label in ({"a": 1}, True)),
        *(changed(HISTORY, Variable=name) for name in (None, 5, [], "Line")),
        *(changed(HISTORY, SimulationPeriod=period)
          for period in ("Static", "", [None], ["None", "None"], ["0", "10"], ["Whole"])),
        *(changed(HISTORY, objectExtra=extra)
          for extra in ([], [None], [5], "", {"a": 1}, 5, ["Section"], ["Section", 1])),
        *(changed(HISTORY, objectExtra=..., ArcLength=at)
          for at in ([30.0], [0.0, 50.0], None, "End A", "foo", [1, 2, 3], 30, ["a"], {"a": 1})),
        *(changed(HISTORY, ArcLength=at) for at in (30, None, "foo", ["a"], {"a": 1})),
        SUPPORT, *(changed(SUPPORT, SupportIndex=index) for index in ("1", 1.0, None)),
        PIPE, changed(PIPE, ArcLength=[3], RadialPos="Outer"), changed(PIPE, Location=[1, 2]),
        changed(PIPE, ArcLength=[3], RadialPos="Outr", Theta=3),
        *(changed(base, transform={"a": 1}) for base in (HISTORY, RANGE)),
        changed(STATIC, SimulationPeriod="Foo"), changed(STATIC, Variable=["Effective tension", "Bend moment"]),
        *(changed(RANGE, objectExtra=[end]) for end in ("End A", "End B", "Touchdown")),
        changed(RANGE, ArcLength=[0.0, 50.0]), changed(RANGE, ArcLength="End A"), changed(RANGE, Variable=["X"]),
        *(changed(DATA, Variable=name) for name in ("WaveHs", [], [5, 0], ["WaveHs", None], "RefCurrentSpeed")),
        changed(DATA, ObjectName="environment", Variable=["WaveHs"]),
        changed(DATA, ObjectName="Line01", Variable=["Length"]),
        changed(DATA, ArcLength=[30.0]), changed(DATA, SimulationPeriod="Foo"),
    ],
    "time_series": [
        *(changed(SERIES, **{key: ...}) for key in ("ObjectName", "Variable", "Label", "SimulationPeriod")),
        *(changed(SERIES, SimulationPeriod=period) for period in ("Whole", [5], 5, None, [], ["None", "None"], "")),
        *(changed(SERIES, Label=label) for label in (["a", "b"], "time")),
        changed(SERIES, objectExtra=[]), changed(SERIES, objectExtra=..., ArcLength=[30.0]),
        changed(SERIES, Variable="Support x"), changed(SERIES, Variable=["Effective tension", "Bend moment"]),
        changed(SERIES, ObjectName=5), changed(SERIES, Variable=None),
    ],
    "linked_statistics": [
        *(changed(LINKED, **{key: ...}) for key in ("ObjectName", "Variable", "Label")),
        changed(LINKED, Variable="Effective tension"), changed(LINKED, Variable=[]), changed(LINKED, objectExtra=[]),
        changed(LINKED, SimulationPeriod="Foo"), changed(LINKED, objectExtra=..., ArcLength=[3.0]),
    ],
}  # fmt: skip
"""Columns with which digitalmodel 0.0.9 fails for every file, or loses the column."""

RUNS: dict[str, list[dict[str, Any]]] = {
    "summary": [
        HISTORY, RANGE, STATIC, DATA, VESSEL,
        changed(HISTORY, Label=3), changed(HISTORY, Label=["a", "b"]), changed(HISTORY, Label=None),
        *(changed(HISTORY, SimulationPeriod=period)
          for period in (5, [5], [1, 2, 3], [], None, {"a": 1}, [10, 0], ..., "StaticState", [None, None], [True, 10])),
        *(changed(HISTORY, objectExtra=extra)
          for extra in ("End A", ["EndA"], ["Section", [1]], ["Section", [1, 2, 3]], None, ["End A", "End B"], ...)),
        *(changed(HISTORY, objectExtra=..., ArcLength=at) for at in ([30], [0, 50], [])),
        *(changed(HISTORY, ArcLength=at) for at in ([30.0], "End A", [1.0, 2.0, 3.0])),
        changed(HISTORY, Variable=["Effective tension", "Bend moment"]), changed(HISTORY, Variable={"a": 1}),
        changed(SUPPORT, SupportIndex=1), changed(PIPE, ArcLength=[3], RadialPos="Outer", Theta=3),
        changed(STATIC, Statistic_Type="Foo"), changed(STATIC, transform={}), changed(STATIC, SimulationPeriod=5),
        changed(VESSEL, Position=[1, 2, 3, 4]), changed(HISTORY, Position=[1]), changed(HISTORY, SupportIndex="a"),
        changed(RANGE, objectExtra="End A"), changed(RANGE, objectExtra=["EndA"]), changed(RANGE, SimulationPeriod=...),
        changed(RANGE, objectExtra=["Section", [1]]), changed(RANGE, ArcLength=[0, 50]), changed(RANGE, ArcLength=[30]),
        changed(RANGE, objectExtra=["End A"], ArcLength=[0, 50]),
        changed(RANGE, objectExtra=["Section", [1]], ArcLength=[0.0, 5.0]),
        changed(RANGE, objectExtra=["Section", [1]], ArcLength=None),
        *(changed(DATA, Variable=name)
          for name in (["WaveHs"], ["WaveHs", "0"], ["WaveHs", 0, 0], ["RefCurrentSpeed"])),
        changed(DATA, Statistic_Type="Foo"), changed(DATA, objectExtra=["EndA"]), changed(DATA, transform={}),
    ],
    "time_series": [
        SERIES, changed(SERIES, Label=3), changed(SERIES, Statistic_Type="Minn"), changed(SERIES, Command="Foo"),
        *(changed(SERIES, SimulationPeriod=period)
          for period in ("StaticState", "WholeSimulation", "LatestWave", [1, 2, 3], [None, None], [0, None])),
        changed(SERIES, Command="GetData"), changed(SERIES, Variable=["Effective tension"]),
        changed(SERIES, objectExtra=..., ArcLength=[0, 50]),
    ],
    "linked_statistics": [
        LINKED, changed(LINKED, Variable=["Effective tension"]), changed(LINKED, SimulationPeriod=...),
        changed(LINKED, SimulationPeriod=5), changed(LINKED, Command="Foo"),
    ],
}  # fmt: skip
"""Columns that digitalmodel 0.0.9 computes, though not all as one would think."""

MAKE = {"summary": summary, "time_series": series, "linked_statistics": linked}


def _rows(table: dict[str, list[dict[str, Any]]]) -> list[Any]:
    return [
        pytest.param(output, row, id=f"{output}-{i}") for output, rows in table.items() for i, row in enumerate(rows)
    ]


def computes(installation: Any, known: dict[str, Any], cfg: dict[str, Any], file: Path, folder: Path) -> bool:
    """Whether digitalmodel's own functions get a value, or the column they are asked for, out of this file."""
    own = AttributeDict(copy.deepcopy(cfg))
    own["Analysis"]["result_folder"] = str(folder)
    try:
        with CapturedOutput() as captured:
            if own["orcaflex"]["postprocess"]["summary"]["flag"]:
                installation.summary.get_summary_for_file(own, known, str(file))
            elif own["orcaflex"]["postprocess"]["linked_statistics"]["flag"]:
                installation.linked.get_linked_statistics(own, known, str(file))
            else:
                own["orcaflex_post_process"] = {}
                installation.series.get_time_series_data(own, known, str(file))
                header, *rows = (folder / f"{file.stem}_g.csv").read_text().splitlines()
                return bool(rows) and not captured.serious and header.count(",") == 1
    except Exception:  # noqa: BLE001 - whatever digitalmodel dies of
        return False
    return True


@pytest.mark.parametrize(("output", "asked"), _rows(FAILS))
def test_what_is_called_proven_really_fails(
    output: str, asked: dict[str, Any], installation: Any, known: dict[str, Any], file: Path, tmp_path: Path
) -> None:
    """digitalmodel itself gets nothing out of such a column, and the check says so, naming the column."""
    cfg = MAKE[output](asked)
    assert not computes(installation, known, cfg, file, tmp_path)
    found = proven(check_configuration(cfg))
    assert found
    assert all("group 'g'" in finding.place for finding in found)


@pytest.mark.parametrize(("output", "asked"), _rows(RUNS))
def test_what_digitalmodel_computes_is_never_called_proven(
    output: str, asked: dict[str, Any], installation: Any, known: dict[str, Any], file: Path, tmp_path: Path
) -> None:
    """It may be doubtful, but it runs."""
    cfg = MAKE[output](asked)
    assert computes(installation, known, cfg, file, tmp_path)
    assert proven(check_configuration(cfg)) == ()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@settings(max_examples=200)
@given(drawn_configurations())
def test_drawn_configurations_that_run_have_no_proven_mistake(
    installation: Any, known: dict[str, Any], file: Path, folder: Path, drawn: tuple[tuple[str, ...], dict[str, Any]]
) -> None:
    """The proof's own configurations, with masters that bleed: where digitalmodel gets all columns, none is proven."""
    on, sections = drawn
    cfg = configuration([file], folder, *on, **sections)
    lost = "stands at two"  # labels are drawn twice on purpose, and do lose a column
    found = [str(one) for one in proven(check_configuration(cfg)) if lost not in one.problem]
    assert found == [] or not runs(installation, known, cfg, file)


def runs(installation: Any, known: dict[str, Any], cfg: dict[str, Any], file: Path) -> bool:
    """Whether digitalmodel gets through a whole configuration without a complaint."""
    own = AttributeDict(copy.deepcopy(cfg))
    on = own["orcaflex"]["postprocess"]
    own["orcaflex_post_process"] = {}
    try:
        with CapturedOutput() as captured:
            installation.opp.OrcaFlexPostProcess().get_cfg_with_master_data(own)
            if on["summary"]["flag"]:
                installation.summary.get_summary_for_file(own, known, str(file))
            if on["linked_statistics"]["flag"]:
                installation.linked.get_linked_statistics(own, known, str(file))
            if on["time_series"]["flag"]:
                installation.series.get_time_series_data(own, known, str(file))
    except Exception:  # noqa: BLE001 - whatever digitalmodel dies of
        return False
    return not captured.serious


@settings(max_examples=200)
@given(drawn_configurations(), st.data())
def test_columns_are_what_digitalmodels_own_merge_makes(
    drawn: tuple[tuple[str, ...], dict[str, Any]], data: st.DataObject
) -> None:
    """Also where groups or columns are one object by an anchor."""
    from orcabatch.digitalmodel.installed import find_installation

    on, sections = drawn
    cfg = configuration(["a.sim"], Path("/results"), *on, **sections)
    _share(cfg, data)
    expected = AttributeDict(copy.deepcopy(cfg))
    find_installation().opp.OrcaFlexPostProcess().get_cfg_with_master_data(expected)
    for section in SECTIONS:
        groups = effective_groups(cfg, section)
        theirs = expected[section]["groups"]
        assert [[dict(column.values) for column in group.columns] for group in groups] == [
            group["Columns"] for group in theirs
        ]
        assert [group.values.get("Label") for group in groups] == [group.get("Label") for group in theirs]


def _share(cfg: dict[str, Any], data: st.DataObject) -> None:
    """Make some masters, or some lists of columns, one object."""
    for section in SECTIONS:
        masters = cfg.get(f"{section}_master", {}).get("groups", [])
        if len(masters) > 1 and data.draw(st.booleans()):
            masters[-1] = masters[0]
        groups = cfg[section]["groups"]
        if len(groups) > 1 and data.draw(st.booleans()):
            groups[-1]["Columns"] = groups[0]["Columns"]


_odd = st.sampled_from([None, 5, 2.5, True, "", "text", [], [None], {}, {"a": 1}, ["End A"], [[]]])


@settings(max_examples=400)
@given(drawn_configurations(), st.data())
def test_whatever_stands_in_a_configuration_the_check_ends_in_words(
    drawn: tuple[tuple[str, ...], dict[str, Any]], data: st.DataObject
) -> None:
    """A script that works today must not die of the check: values of any kind in any place, keys taken away."""
    on, sections = drawn
    # Drawn again it must be what it was: what is damaged is a copy.
    cfg = copy.deepcopy(configuration(["a.sim"], Path("/results"), *on, **sections))
    for _ in range(data.draw(st.integers(1, 3))):
        _damage(cfg, data)
    for finding in check_configuration(cfg):
        assert str(finding)


def _damage(cfg: dict[str, Any], data: st.DataObject) -> None:
    sections = [name for name in cfg if name.endswith(("_settings", "_master"))]
    here: Any = cfg
    key: Any = data.draw(st.sampled_from(sections))
    while isinstance(here[key], dict | list) and here[key] and data.draw(st.integers(0, 5)):
        here = here[key]
        key = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
    if isinstance(here, dict) and here is not cfg and data.draw(st.booleans()):
        del here[key]
    else:
        here[key] = copy.deepcopy(data.draw(_odd))


def _complete(base: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    cfg: dict[str, Any] = merged(copy.deepcopy(base), copy.deepcopy(asked))
    cfg["file_management"] = {**cfg["file_management"], "input_files": {"sim": ["/in/c1.sim", "/in/c2.sim"]}}
    cfg["Analysis"] = {"result_folder": "/results", "file_name": "dm_x", "file_name_for_overwrite": "dm_x"}
    return cfg


@pytest.mark.parametrize("base", [builtin_configuration("orcaflex_post_process"), BASE], ids=["built in", "a clone's"])
@pytest.mark.parametrize("name", YAMLS)
def test_yamls_as_engineers_have_them_raise_no_alarm(name: str, base: dict[str, Any]) -> None:
    """Ignored keys, old keys, notes, parked sections and a base full of both: not one word, however it is called."""
    cfg = _complete(base, YAMLS[name])
    assert [str(finding) for finding in check_configuration(cfg, asked=YAMLS[name])] == []
    assert [str(finding) for finding in check_configuration(cfg)] == []


@pytest.mark.parametrize("name", CASES)
def test_the_proofs_cases_raise_no_false_alarm(name: str) -> None:
    """Only what bleeds on purpose in case A is said."""
    on, sections = CASES[name]
    found = check_configuration(configuration(["a.sim"], Path("/results"), *on, **sections))
    assert proven(found) == ()
    said = ["Variable: 'Bend moment' from the column 'l1_max' before it, not 'Effective Tension' from the master"]
    assert [re.search(r"takes (.*), because", str(finding))[1] for finding in found] == said * ("A" in name)  # type: ignore[index]


MISSPELT = [
    ("summary_setings", "summary_settings", ()),
    ("sumary_settings_master", "summary_settings_master", ()),
    ("lable", "label", ("meta",)),
    ("output_directry", "output_directory", ("file_management",)),
    ("patern", "pattern", ("file_management", "filename")),
    ("contain", "contains", ("file_management", "filename", "filters")),
    ("post_process", "postprocess", ("orcaflex",)),
    ("time_serie", "time_series", ("orcaflex", "postprocess")),
    ("flg", "flag", ("orcaflex", "postprocess", "time_series")),
    ("csv_decimals", "csv_decimal", ("orcaflex", "postprocess", "summary")),
    ("Minimun", "Minimum", ("orcaflex", "postprocess", "summary", "statistics")),
    ("Group", "groups", ("summary_settings",)),
    ("Coloumns", "Columns", ("summary_settings", "groups", 0)),
    ("label", "Label", ("summary_settings", "groups", 0)),
    *((key, right, ("summary_settings", "groups", 0, "Columns", 0)) for key, right in {
        "Objectname": "ObjectName", "Varible": "Variable", "Statistik_Type": "Statistic_Type", "Comand": "Command",
        "Simulation_Period": "SimulationPeriod", "ObjectExtra": "objectExtra", "Arclength": "ArcLength",
        "Lable": "Label", "Postion": "Position", "Support_Index": "SupportIndex", "RadialPosition": "RadialPos",
    }.items()),
    ("Variabel", "Variable", ("summary_settings_master", "groups", 0, "Columns", 0)),
]  # fmt: skip


@pytest.mark.parametrize(("key", "right", "path"), MISSPELT)
def test_a_key_that_is_nearly_one_is_named_with_it(key: str, right: str, path: tuple[str | int, ...]) -> None:
    """At every level; set aside beside the right one it is not."""
    asked: Any = _at(path, {key: {"a": 1}})
    cfg = _complete(builtin_configuration("orcaflex_post_process"), YAMLS["a summary with masters"])
    found = [
        one for one in check_configuration(cfg, asked=asked) if one.problem.startswith("digitalmodel does not read")
    ]
    assert [(one.nearest, one.path[-1], one.proven) for one in found] == [(right, key, right != "RadialPos")]
    asked = _at(path, {f"{right}_old": 1, f"{right}2": 1, f"x{right}": 1, f"# {right}": 1, right: {}})
    assert [one for one in check_configuration(cfg, asked=asked) if "does not read" in one.problem] == []


def _at(path: tuple[str | int, ...], value: Any) -> Any:
    for part in reversed(path):
        value = [value] if isinstance(part, int) else {part: value}
    return value


SLIPS = [
    ((), "mexa", {}, "digitalmodel does not read mexa", "meta", False),
    ((), "time_serie_settings", {}, "", "", False),  # of an output that is off
    ((), "Qfile_management", {}, "digitalmodel does not read Qfile_management, and file_management stands nowhere",
     "", False),
    ((), "Qsummary_settings", {"summary_settings": {}}, "", "", False),
    ((), "parameter_study", {}, "digitalmodel does not read parameter_study", "parameters", False),
    ((), "summary_settings_masrer", {"summary_settings": {}}, "digitalmodel does not read summary_settings_masrer",
     "summary_settings_master", True),
    (("file_management", "filename", "filters"), "notcontains", {"contains": ["a"]},
     "digitalmodel does not read notcontains", "not_contains", True),
    (("file_management", "filename", "filters"), "old_contains", {"contains": ["a"]}, "", "", False),
    (("file_management",), "filters", {}, "digitalmodel does not read filters here, only in file_management.filename",
     "", False),
    (("summary_settings", "groups", 0, "Columns", 0), "Commend", {},
     "digitalmodel does not read Commend; it takes Command: 'TimeHistory' from the master", "Command", True),
    (("parameters",), "VarNmes", {}, "digitalmodel does not read VarNmes", "VarNames", True),
]  # fmt: skip
"""Where, a key, what stands beside it, and what is said: a slip in one word may look like another word put out of use,
or like one that is ignored."""


@pytest.mark.parametrize(("path", "key", "beside", "problem", "right", "is_proven"), SLIPS)
def test_a_slip_is_told_from_a_key_that_is_put_out_of_use(
    path: tuple[str | int, ...], key: str, beside: dict[str, Any], problem: str, right: str, is_proven: bool
) -> None:
    """`notcontains` beside `contains` chose other files without a word."""
    cfg = _complete(builtin_configuration("orcaflex_post_process"), YAMLS["a summary with masters"])
    found = [one for one in check_configuration(cfg, asked=_at(path, {key: None, **beside})) if key in one.path]
    said = [(problem, right, is_proven)] * bool(problem)
    assert [(one.problem, one.nearest, one.proven) for one in found] == said


def test_columns_that_differ_in_their_labels_only_are_said() -> None:
    """One was copied, and the object or the statistic forgotten; a note or an ignored key makes no difference."""
    copied = changed(HISTORY, Label="line02", description="of the other line", ObjectType="line")
    said = finding(summary(changed(OTHER, Label="y"), HISTORY, copied), "only their labels differ")
    assert (said.problem, said.path[-1]) == ("asks for the same as column 'x': only their labels differ", 2)
    assert not said.proven
    # What a column that omits its object takes from the one before it, where the master has none.
    master = changed(HISTORY, ObjectName=..., Label=...)
    bled = summary({"ObjectName": "Line01", "Label": "a"}, {"Label": "b"}, master=master)
    assert finding(bled, "asks for the same as column 'a'").path[-1] == 1


MOVED = [
    (("file_management",), "pattern", "file_management.filename"),
    (("file_management", "filename"), "contains", "file_management.filename.filters"),
    (("default",), "overwrite", "default.config"),
    (("default", "config"), "output", "default.config.overwrite"),
    (("orcaflex",), "summary", "orcaflex.postprocess"),
    (("orcaflex", "postprocess"), "postprocess", "orcaflex"),
    (("orcaflex", "postprocess", "summary"), "Minimum", "orcaflex.postprocess.summary.statistics"),
    (("orcaflex", "postprocess", "summary", "statistics"), "csv_decimal", "orcaflex.postprocess.summary"),
    (("summary_settings",), "SimulationPeriod", "summary_settings.groups[].Columns[]"),
    (("summary_settings", "groups", 0), "Statistic_Type", "summary_settings.groups[].Columns[]"),
    ((), "filename", "file_management"),
    ((), "postprocess", "orcaflex"),
    ((), "SimulationPeriod", ""),
    ((), "pattern", ""),
]
"""Where a key was put, what it is, and the section that reads it; none: too far off to say so."""


@pytest.mark.parametrize(("path", "key", "home"), MOVED)
def test_a_key_that_stands_a_level_off_is_told_where_it_belongs(
    path: tuple[str | int, ...], key: str, home: str
) -> None:
    """It changes nothing where it is: a period for all columns, a pattern that chooses no files. Only said."""
    cfg = _complete(builtin_configuration("orcaflex_post_process"), YAMLS["a summary with masters"])
    found = [one for one in check_configuration(cfg, asked=_at(path, {key: None})) if key in one.path]
    said = [f"digitalmodel does not read {key} here, only in {home}"] * bool(home)
    assert [(one.problem, one.proven) for one in found] == [(text, False) for text in said]


def finding(cfg: dict[str, Any], words: str) -> CheckFinding:
    """The one finding that says so."""
    (found,) = [one for one in check_configuration(cfg) if words in str(one)]
    return found


def test_a_misspelt_name_says_whose_value_the_column_takes() -> None:
    """`Objectname: Line02` leaves Line01 of the column before; `Statistik_Type` the master's statistic."""
    master = changed(HISTORY, ObjectName=..., Label=...)
    columns = [{"ObjectName": "Line01", "Label": "a"}, {"Objectname": "Line02", "Statistik_Type": "Min", "Label": "b"}]
    cfg = summary(*columns, master=master)
    said = finding(cfg, "Objectname")
    assert "it takes ObjectName: 'Line01' from the column 'a' before it. Did you mean ObjectName?" in str(said)
    assert said.place == "summary_settings, group 'g', column 'b'"
    assert "it takes Statistic_Type: 'Max' from the master" in str(finding(cfg, "Statistik_Type"))


def test_a_key_far_from_all_others_is_only_said() -> None:
    """`Stat` may be a note; where it begins a right one, that is suggested."""
    said = finding(summary(changed(HISTORY, Stat="Min")), "Stat.")
    assert (said.proven, said.nearest) == (False, "Statistic_Type")
    assert finding(summary(changed(HISTORY, Colour="red")), "Colour").nearest == ""


@pytest.mark.parametrize("key", ["xStatistic_Type", "Statistic_Type_old", "Statistic_Type2", "_Statistic_Type"])
def test_a_key_that_is_put_out_of_use_is_no_mistake(key: str) -> None:
    """That the master's counts then is what was meant; it is said all the same."""
    master = changed(HISTORY, ObjectName=..., Label=...)
    (said,) = check_configuration(summary({"ObjectName": "Line01", "Label": "a", key: "Min"}, master=master))
    assert (said.problem, said.proven) == (f"digitalmodel does not read {key}", False)


def test_a_key_that_stands_in_other_sources_is_known_there() -> None:
    """A clone that was never tested reads what stands in no table here."""
    cfg = summary(changed(HISTORY, Statistics_Type="P90", Colour="red"))
    assert {one.path[-1] for one in check_configuration(cfg)} == {"Statistics_Type", "Colour"}
    assert check_configuration(cfg, known=frozenset({"Statistics_Type", "Colour"})) == ()


def test_values_taken_over_in_the_masters_stead_are_said() -> None:
    """A column that leaves a key to the master gets it from the column before, which changed the master."""
    columns = [
        {"ObjectName": "Line01", "Statistic_Type": "Min", "Label": "a"},
        {"ObjectName": "Line02", "Label": "b"},
    ]
    cfg = summary(*columns, master=changed(HISTORY, ObjectName=..., Label=...))
    said = finding(cfg, "takes Statistic_Type")
    assert "takes Statistic_Type: 'Min' from the column 'a' before it, not 'Max' from the master" in str(said)
    assert not said.proven


@pytest.mark.parametrize(
    ("cfg", "words", "is_proven"),
    [
        (summary(HISTORY, OTHER), "Label 'x' stands at two columns of the group: column number 1 is lost", True),
        (series(SERIES, changed(SERIES, Variable="X")), "column number 1 is lost", True),
        (linked(LINKED, changed(LINKED, ObjectName="Line02")), "their rows cannot be told apart", False),
        (summary(HISTORY, {"Variable": "X"}, master=HISTORY), "column number 1 is lost", True),
        (summary(HISTORY, HISTORY), "stands at two columns of the group: equal to column number 1", False),
        (summary(changed(HISTORY, Label="start_time")), "a column that digitalmodel writes itself", True),
        (summary(changed(HISTORY, Label="description")), "a column that digitalmodel leaves empty", False),
        (series(changed(SERIES, Label="time")), "a column that digitalmodel writes itself", True),
        (summary(HISTORY, label=5), "Label: 5 is no text", True),
        (summary(HISTORY, label="a/../../../x"), "outside the result folder", True),
        (summary(HISTORY, label="a/b"), "into a folder that is not there", True),
        (summary(HISTORY, label="failed_files"), "as that of the list of failed files", False),
        (series(SERIES, changed(SERIES, Label="y", SimulationPeriod=[1.0, 5.0])), "are those of the first", False),
    ],
)  # fmt: skip
def test_labels_that_lose_something_are_named(cfg: dict[str, Any], words: str, is_proven: bool) -> None:
    """Columns, tables, places of files; and what is only doubtful is only said."""
    assert finding(cfg, words).proven is is_proven


def test_groups_of_one_label_lose_a_table() -> None:
    """Also where the label comes from the master; nothing is lost where they are equal."""
    cfg = summary(HISTORY)
    groups = cfg["summary_settings"]["groups"]
    groups.append(copy.deepcopy(groups[0]))
    assert not finding(cfg, "Label 'g' stands at two groups: equal to group number 1").proven
    groups[1]["Columns"].append(changed(HISTORY, Label="y"))
    assert finding(cfg, "Label 'g' stands at two groups: the table of group number 1 is lost").proven
    for group in groups:
        del group["Label"]
    cfg["summary_settings_master"] = {"groups": [{"Label": "m", "Columns": [{}]}, {"Label": "m", "Columns": [{}]}]}
    assert finding(cfg, "Label 'm' stands at two groups").proven


def test_two_outputs_may_not_write_one_file() -> None:
    """A summary and linked statistics of one label; a time series of a file that is named like the batch."""
    cfg = summary(HISTORY) | {k: v for k, v in linked(LINKED).items() if k == "linked_statistics_settings"}
    cfg["orcaflex"]["postprocess"]["linked_statistics"]["flag"] = True
    assert [one for one in check_configuration(cfg) if one.proven] == []
    cfg["Analysis"]["file_name_for_overwrite"] = cfg["Analysis"]["file_name"]
    said = finding(cfg, "would be written to dm_g.csv, as that of summary_settings, group 'g'")
    assert said.proven
    cfg = merged(summary(HISTORY), {k: v for k, v in series(SERIES).items() if k == "time_series_settings"})
    cfg["orcaflex"]["postprocess"]["time_series"]["flag"] = True
    cfg["file_management"]["input_files"]["sim"] = ["/in/dm.sim", "/in/a.sim"]
    assert finding(cfg, "would be written to dm_g.csv").proven


def test_on_windows_names_that_differ_in_capitals_are_one_file() -> None:
    """And some characters cannot stand in a name."""
    cfg = summary(HISTORY)
    cfg["summary_settings"]["groups"] = [{"Label": label, "Columns": [HISTORY]} for label in ("Dyn", "dyn", "a>b")]
    groups = {"summary_settings": effective_groups(cfg, "summary_settings")}
    assert list(name_faults(cfg, groups, windows=False)) == []
    said = [str(one) for one in name_faults(cfg, groups, windows=True) if one.proven]
    assert len(said) == 2
    assert "as that of summary_settings, group 'Dyn'" in said[0]
    assert "a character that no file name on Windows may have" in said[1]
    for label, group in zip(("Ma\xdf", "Mass"), cfg["summary_settings"]["groups"], strict=False):
        group["Label"] = label
    cfg["summary_settings"]["groups"].pop()
    groups = {"summary_settings": effective_groups(cfg, "summary_settings")}
    assert list(name_faults(cfg, groups, windows=True)) == []


@pytest.mark.parametrize("make", [summary, series])
def test_a_label_that_goes_through_a_folder_needs_it_except_on_windows(make: Any, tmp_path: Path) -> None:
    """Windows takes `a/..` away before it looks; elsewhere no table can be written, after all files were computed."""
    cfg = make(HISTORY, label="a/../x")
    cfg["Analysis"]["result_folder"] = str(tmp_path)
    section = "summary_settings" if make is summary else "time_series_settings"
    groups = {section: effective_groups(cfg, section)}
    for windows in (True, False):
        (said,) = name_faults(cfg, groups, windows=windows)
        assert said.proven is not windows
        assert ("into a folder that is not there" in said.problem) is not windows


@pytest.mark.parametrize(
    ("name", "where"),
    [("a/b", "into a folder that is not there"), ("/../../x", "outside the result folder"), ("x", "")],
)
def test_meta_label_names_files_too(name: str, where: str, tmp_path: Path) -> None:
    """Every summary is named after it."""
    cfg = summary(HISTORY)
    cfg["Analysis"] |= {"result_folder": str(tmp_path), "file_name": f"dm_{name}"}
    said = [one for one in check_configuration(cfg) if "meta.label puts the table" in one.problem]
    assert [(where in one.problem, one.proven) for one in said] == [(True, True)] * bool(where)


SHAPES: list[tuple[dict[str, Any], str]] = [
    ({"summary_settings": 5}, "a section with groups is needed, not 5"),
    ({"summary_settings": {"groups": None}}, "a list of groups is needed, not None"),
    ({"summary_settings": {"groups": ["g"]}}, "a group with Label and Columns is needed, not 'g'"),
    ({"summary_settings": {"groups": [{"Label": "g"}]}}, "a list of columns is needed, not None"),
    (
        {"summary_settings": {"groups": [{"Label": "g", "Columns": {"a": 1}}]}},
        "a list of columns is needed, not {'a': 1}",
    ),
    ({"summary_settings": {"groups": [{"Label": "g", "Columns": [None]}]}}, "a column with keys is needed, not None"),
    ({"summary_settings_master": None}, "a section with groups is needed, not None"),
    ({"summary_settings_master": {"groups": []}}, "0 master groups for 1 groups"),
    ({"summary_settings_master": {"groups": [{"Columns": []}]}}, "its Columns must be a list with one column"),
    ({"linked_statistics_settings_master": {"groups": []}}, "a section with groups is needed, not None"),
]


@pytest.mark.parametrize(("sections", "words"), SHAPES)
def test_a_section_of_the_wrong_shape_is_named(sections: dict[str, Any], words: str, installation: Any) -> None:
    """digitalmodel cannot even begin; a master matters where its output is off too."""
    cfg = summary(HISTORY) | copy.deepcopy(sections)
    said = finding(cfg, words)
    assert said.proven
    with pytest.raises((TypeError, KeyError, IndexError, AttributeError)), CapturedOutput():
        _begin(installation, AttributeDict(copy.deepcopy(cfg)))


def _begin(installation: Any, cfg: AttributeDict) -> None:
    """What digitalmodel does before it looks into a model."""
    installation.opp.OrcaFlexPostProcess().get_cfg_with_master_data(cfg)
    installation.summary.get_summary_for_file(cfg, {"run_status": "", "start_time": 0, "current_time": 0}, "a.sim")


@pytest.mark.parametrize(
    ("path", "value", "words", "is_proven"),
    [
        ("orcaflex.postprocess.summary.csv_decimal", 2.0, "a whole number is needed, not 2.0", True),
        ("orcaflex.postprocess.summary.csv_decimal", None, "a whole number is needed, not None", True),
        ("orcaflex.postprocess.summary.flag", "False", "digitalmodel takes any text for on, 'False' too", False),
        ("orcaflex.postprocess.summary.statistics.Mean", "False", "digitalmodel takes any text for on", False),
        ("file_management.flag", "no", "digitalmodel takes any text for on, 'no' too", False),
        ("file_management.filename", {"pattern": ["ab"]}, "digitalmodel needs one text, and takes ['ab'] for", False),
        ("orcaflex.postprocess.time_series.flag", True, "time_series_settings.data is not: no time series", False),
        ("summary_settings.groups", [], "summary is on, but there are no groups: nothing is written", False),
        ("default", {"config": {"overwrite": {"output": "true"}}}, "takes the text 'true' for false", False),
        (
            "file_management.filename",
            {"filters": {"contains": "pb"}},
            "each letter of 'pb' by itself; write a list",
            False,
        ),
    ],
)
def test_values_outside_columns_are_checked(path: str, value: Any, words: str, is_proven: bool) -> None:
    """What fails is proven; what digitalmodel takes for something else is said."""
    cfg = summary(HISTORY)
    here: Any = cfg
    *folders, key = path.split(".")
    for folder in folders:
        here = here.setdefault(folder, {})
    here[key] = value
    said = finding(cfg, words)
    assert said.proven is is_proven


def test_outputs_that_are_off_are_not_looked_at() -> None:
    """Their sections may be half done."""
    cfg = summary(changed(HISTORY, Command="Foo", Objectname="x"), HISTORY, OTHER)
    assert proven(check_configuration(cfg))
    cfg["orcaflex"]["postprocess"]["summary"]["flag"] = False
    assert check_configuration(cfg) == ()


TEXT = """\
basename: orcaflex_post_process
common: &end {objectExtra: [End A]}
summary_settings:
  groups:
    - Label: g
      Columns:
        - {<<: *end, ObjectName: Line01, Label: a}
        - ObjectName: Line02
          Label: b
          Label: c
"""


def test_lines_are_those_of_the_yaml() -> None:
    """Keys, items of lists, keys that come by an anchor; and what stands twice."""
    lines = lines_of(yaml.compose(TEXT), "b.yml")
    columns = ("summary_settings", "groups", 0, "Columns")
    assert lines.origin((*columns, 1, "ObjectName")) == "b.yml, line 8"
    assert lines.origin((*columns, 1)) == "b.yml, line 8"
    assert lines.origin((*columns, 1, "Missing")) == "b.yml, line 8"
    assert lines.origin((*columns, 0, "objectExtra")) == "b.yml, line 2"
    assert lines.origin((*columns, 0, "Label")) == "b.yml, line 7"
    assert lines.origin(("meta", "label")) == "b.yml"
    assert [(twice.path[-1], twice.line) for twice in lines.twice] == [("Label", 9)]


def test_a_key_that_stands_twice_is_named_where_it_decides_something() -> None:
    """YAML takes the last one in silence; a note may stand twice, and the same twice loses nothing."""
    cfg = summary(changed(HISTORY, Label="a"), changed(OTHER, Label="c"))
    said = [str(one) for one in check_configuration(cfg, lines=lines_of(yaml.compose(TEXT), "b.yml"))]
    once = "Label stands twice here (first on line 9), and only the last one counts"
    assert said == [f"b.yml, line 10: summary_settings.groups[0].Columns[1]: {once}."]
    for harmless in (TEXT.replace("Label: c", "Label: b"), TEXT.replace("Label:", "note:")):
        assert check_configuration(cfg, lines=lines_of(yaml.compose(harmless), "b.yml")) == ()


def test_equal_findings_are_told_once() -> None:
    """With how many more there are: forty columns may share one mistake."""
    cfg = summary(*(changed(HISTORY, ObjectName=f"L{i}", Statistic_Type="Minn", Label=f"c{i}") for i in range(40)))
    (said,) = check_configuration(cfg)
    assert "column 'c0' (and 39 more): Statistic_Type: 'Minn' is none of Max, Min, Mean" in str(said)


def test_every_key_that_digitalmodel_reads_is_in_the_vocabulary() -> None:
    """Compared with the keys that stand in brackets in the sources of what makes the outputs."""
    sources = find_source_code()
    assert sources is not None
    read: set[str] = set()
    for module in ("opp_summary", "opp_linkedstatistics", "orcaflex_objects"):
        text = (sources.folder / f"{module}.py").read_text()
        read |= set(re.findall(r'(?:cfg|cfg_item|ls_cfg|group|cfg_time_series)\["(\w+)"\]', text))
    levels = set().union(*(level.read | level.idle for level in LEVELS.values()))
    assert {"ObjectName", "SupportIndex", "Theta", "Statistic_Type", "transform"} <= read
    assert read - levels - {"result_folder", "file_name", "file_name_for_overwrite", "VarNames"} == set()
    assert {"Statistic_Type", "objectExtra", "Range Graph"} <= words_of(sources.folder.glob("*.py"))


DYN = {"Label": "dyn", "Columns": [{"Command": "TimeHistory", "SimulationPeriod": [None, None]}]}
STAT = {"Label": "stat", "Columns": [{"Command": "TimeHistory", "SimulationPeriod": "StaticState"}]}


def with_masters(
    groups: list[dict[str, Any]], masters: list[dict[str, Any]], output: str = "summary"
) -> list[CheckFinding]:
    """What is said of groups that stand beside master groups of other labels."""
    sections = {f"{output}_settings": {"groups": groups}, f"{output}_settings_master": {"groups": masters}}
    if output == "time_series":
        sections["time_series_settings"]["data"] = True  # type: ignore[assignment]
    cfg = configuration(["a.sim"], Path("/results"), output, **sections)
    return [finding for finding in check_configuration(cfg) if "master has the group" in finding.problem]


def labelled(label: str, **own: Any) -> dict[str, Any]:
    """A group whose column says all but what its master gives."""
    asked = {"ObjectName": "Line01", "Variable": "Effective tension", "Statistic_Type": "Max", "Label": f"{label}_max"}
    return {"Label": label, "Columns": [asked | own]}


@pytest.mark.parametrize("output", ["summary", "time_series"])
def test_groups_in_another_order_than_their_masters_are_said(output: str) -> None:
    """digitalmodel merges by place: `stat` gets the period of `dyn`. Both are named; not proven."""
    found = with_masters([labelled("stat"), labelled("dyn")], [DYN, STAT], output)
    assert [finding.proven for finding in found] == [False, False]
    assert "group 'stat'" in found[0].place
    assert (
        "stands in place 1, where the master has the group 'dyn', and takes SimulationPeriod: [None, None] from that, "
        "not from the master group of its own Label in place 2" in found[0].problem
    )
    assert "takes SimulationPeriod: 'StaticState'" in found[1].problem


def test_a_group_that_takes_nothing_from_the_other_master_may_stand_there() -> None:
    """In the same order, with masters that give the same, or where its columns say all themselves: nothing is said."""
    assert not with_masters([labelled("dyn"), labelled("stat")], [DYN, STAT])
    assert not with_masters([labelled("stat"), labelled("dyn")], [DYN, {**DYN, "Label": "stat"}])
    whole = {"Command": "TimeHistory", "SimulationPeriod": "StaticState"}
    assert not with_masters([labelled("stat", **whole), labelled("dyn", **whole)], [DYN, STAT])


def test_a_master_that_lacks_the_group_and_one_that_would_give_more() -> None:
    """A group left out of the master shifts all after it; what its own master would give is named too."""
    found = with_masters([labelled("extra", Command="TimeHistory")], [DYN, STAT])
    assert "takes SimulationPeriod: [None, None] from that. digitalmodel merges by place" in found[0].problem
    with_arc = {"Label": "stat", "Columns": [{**DYN["Columns"][0], "objectExtra": ["End A"]}]}
    found = with_masters([labelled("stat"), labelled("dyn")], [DYN, with_arc])
    assert "in place 2, which would give objectExtra as well" in found[0].problem
