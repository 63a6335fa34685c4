"""Names that the loaded model does not have: said with the nearest it has, in the file that lacks them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dm_proof.configurations import column, configuration, write_files
from orcabatch import BatchResult, run_batch, simulated

pytest.importorskip("digitalmodel", reason="digitalmodel itself is called: install orcabatch[digitalmodel]")


@pytest.fixture(autouse=True)
def orcaflex() -> Iterator[None]:
    simulated.install()
    yield
    simulated.uninstall()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_files(tmp_path / "sims", 2)


def history(name: str, variable: Any, label: str, **keys: Any) -> dict[str, Any]:
    """A column of a summary, or of time series."""
    found = column("TimeHistory", name, variable, label, SimulationPeriod=[0.0, 5.0], Statistic_Type="Max")
    return {**found, "objectExtra": ["End A"], **keys}


GOOD = history("Line01", "Effective tension", "good")


def run(files: list[Path], output: str, *columns: dict[str, Any], **performance: Any) -> BatchResult:
    """The columns of one group, computed one file after the other."""
    folder = files[0].parents[1] / "results"
    folder.mkdir(exist_ok=True)
    groups = {"data": True, "groups": [{"Label": "g", "Columns": list(columns)}]}
    cfg = configuration(list(files), folder, output, **{f"{output}_settings": groups})
    section = {"orcaflex": "simulated", "executor": "serial", "ledger": {"enabled": False}, **performance}
    return run_batch(cfg, performance=section, progress=False)


def names_said(result: BatchResult) -> list[str]:
    """What the first file's outcome says about names."""
    first = result.outcomes[0]
    return [text for text in [*first.warnings, first.error or ""] if text.startswith("the model has no ")]


@pytest.mark.parametrize("output", ["summary", "time_series"])
def test_an_unknown_variable_is_named_with_the_nearest(files: list[Path], output: str) -> None:
    """The column stays empty, the file has its results, and the warning says why."""
    result = run(files, output, history("Line01", "Efective tention", "x"))
    assert result.ok
    (said,) = names_said(result)
    assert said.startswith(
        "the model has no variable 'Efective tention' of Line01 (asked for by x); the nearest there: "
    )
    assert "'Effective tension'" in said


def test_an_object_that_is_not_there_leaves_a_series_empty_and_is_named(files: list[Path]) -> None:
    """digitalmodel writes a table without rows and says nothing at all."""
    result = run(files, "time_series", history("Vesel1", "Heave", "x"))
    assert result.ok
    (said,) = names_said(result)
    assert said.startswith("the model has no object 'Vesel1' (asked for by x); the nearest there: 'Vessel1'")


FAILS = {
    "an object of a summary": ("summary", history("Vesel1", "Heave", "x"), "object 'Vesel1' (asked for by x)"),
    "an object of a later series": ("time_series", history("Vesel1", "Heave", "x"), "object 'Vesel1' (asked for by x)"),
    "a variable of a later series": ("time_series", history("Line01", "Heve", "x"), "variable 'Heve' of Line01"),
    "a variable of a range graph": (
        "summary", history("Line01", "Bend momnt", "x", Command="Range Graph", objectExtra=None),
        "variable 'Bend momnt' of Line01 (asked for by x); the nearest there: 'Bend moment'",
    ),
    "a variable of linked statistics": (
        "linked_statistics", history("Line01", ["Effective tension", "Curvatur"], "x"), "variable 'Curvatur' of Line01",
    ),
    "data": (
        "summary", history("Environment", ["WaveHz", 0], "x", Command="GetData"),
        "data 'WaveHz' of Environment (asked for by x)",
    ),
}  # fmt: skip


OF_ORCFXAPI = {"a variable of a range graph", "a variable of linked statistics", "data"}
"""Where the file ends in an error of OrcFxAPI."""


@pytest.mark.parametrize("what", FAILS)
def test_where_digitalmodel_stumbles_the_missing_name_is_the_reason(files: list[Path], what: str) -> None:
    """In place of `'NoneType' object has no attribute 'name'`; what OrcFxAPI itself said stands behind."""
    output, asked, words = FAILS[what]
    good = {**GOOD, "Variable": ["Effective tension", "Bend moment"]} if output == "linked_statistics" else GOOD
    result = run(files, output, good, asked)
    assert len(result.failed) == 2
    (said,) = names_said(result)
    assert words in said
    assert said.endswith("(correct the YAML, or take the file out of the batch)")
    assert ("OrcFxAPI said: Error code: " in said) is (what in OF_ORCFXAPI)


def test_a_batch_goes_on_whatever_its_first_file_lacks(files: list[Path], tmp_path: Path) -> None:
    """The first file has another name for the line; only that file is about it."""
    other = tmp_path / "sims" / "a_first.sim"
    lines = tuple(item for item in simulated.mooring_objects(18, lines=4) if item.name != "Line01")
    simulated.write_sim(other, simulated.SimSpec(objects=lines, stop_time_s=30.0, size_bytes=40_000))
    result = run([other, *files], "time_series", GOOD)
    assert result.ok
    assert [bool([text for text in one.warnings if "no object 'Line01'" in text]) for one in result.outcomes] == [
        True, False, False,
    ]  # fmt: skip


def test_where_all_is_well_no_file_is_asked_for_its_names(files: list[Path]) -> None:
    """An empty column asks for them once; with `check: off` nobody does."""
    bad, counts = {**GOOD, "Variable": "Nothing"}, {}
    for name, asked, check in (("well", GOOD, "warn"), ("bad", bad, "warn"), ("off", bad, "off")):
        simulated.reset_counters()
        result = run(files, "time_series", asked, check=check)
        counts[name] = simulated.counters().calls.get("C_EnumerateVars2W", 0)
        assert bool(names_said(result)) == (name == "bad")
    assert counts["well"] == counts["off"] == 0
    assert counts["bad"] > 0


def test_a_column_that_is_empty_for_another_reason_is_not_blamed_on_a_name(files: list[Path]) -> None:
    """All names are there; the period is not."""
    result = run(files, "summary", {**GOOD, "SimulationPeriod": [10.0, 0.0]})
    assert result.ok
    assert [gap.column for gap in result.outcomes[0].value.gaps] == ["good"]
    assert names_said(result) == []


@pytest.mark.parametrize("error", [OSError("access violation"), RuntimeError("odd"), IndexError("none")])
def test_a_model_that_does_not_answer_costs_no_file_its_results(
    files: list[Path], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks while names are looked up: a diagnosis is a bonus, the results are not."""
    import OrcFxAPI

    def broken(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(OrcFxAPI.OrcaFlexObject, "varDetails", broken)
    result = run(files, "summary", {**GOOD, "Variable": "Nothing"})
    assert result.ok
    assert [gap.column for gap in result.outcomes[0].value.gaps] == ["good"]
    assert names_said(result) == []


def one_file(folder: Path, **spec: Any) -> list[Path]:
    """A file like the others but for what is said."""
    lines = simulated.mooring_objects(18, lines=4)
    (folder / "sims").mkdir()
    whole = simulated.SimSpec(**{"objects": lines, "stop_time_s": 30.0, "size_bytes": 40_000, **spec})
    return [simulated.write_sim(folder / "sims" / "one.sim", whole)]


SECOND = history("Line02", "Effective tension", "second")
UNLOGGED = {"not_logged": (("Line02", "Effective tension"),)}
NOT_LOGGED = (
    "one.sim: the result was not logged (OrcaFlex status 55: Results are not logged for Effective tension of Line02; "
    "asked for by {} (Line02, Effective tension)) (log it and run the simulation again)"
)


def test_a_later_series_that_was_not_logged_is_the_reason(tmp_path: Path) -> None:
    """digitalmodel ends in `Length of values (0) does not match length of index (51)`, its own first error hidden."""
    (failed,) = run(one_file(tmp_path, **UNLOGGED), "time_series", GOOD, SECOND).failed
    assert failed.error == NOT_LOGGED.format("time series g: second")


def test_what_orcaflex_refuses_to_a_column_names_the_column(tmp_path: Path) -> None:
    """Where digitalmodel lets OrcFxAPI's error through: of 900 columns one asked for it."""
    asked = {**SECOND, "Variable": ["Effective tension", "Bend moment"]}
    (failed,) = run(one_file(tmp_path, **UNLOGGED), "linked_statistics", asked).failed
    assert "; asked for by linked statistics g: second (Line02, Effective tension, Bend moment))" in str(failed.error)


def test_a_damaged_file_stays_the_files_fault(tmp_path: Path) -> None:
    """The column is said, and the cause is that of the error, not of the place."""
    damaged = one_file(tmp_path, faults=(simulated.SimFault.CORRUPT_RESULTS,))
    graph = history("Line01", "Bend moment", "graph", Command="Range Graph", objectExtra=None)
    (failed,) = run(damaged, "summary", graph).failed
    assert failed.cause == "input"
    assert "asked for by summary g: graph (Line01, Bend moment)" in str(failed.error)


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


MISTAKES = {
    "another period": ("time_series", {**SECOND, "SimulationPeriod": [0.0, 6.0]}, "SimulationPeriod: [0.0, 6.0], but"),
    "no period": ("time_series", without("SimulationPeriod"), "SimulationPeriod is missing, here and in the master"),
    "a statistic": ("summary", {**GOOD, "Statistic_Type": "Maximum"}, "'Maximum' is none of Max, Min, Mean"),
    "a command": ("summary", {**GOOD, "Command": "Time History"}, "Command: 'Time History' is none of"),
    "no object": ("summary", without("ObjectName"), "ObjectName is missing, here and in the master"),
    "an end of a range graph": ("summary", {**GOOD, "Command": "Range Graph"}, "cannot be used in a range graph"),
    "a length": (
        "summary", {**GOOD, "Command": "Range Graph", "objectExtra": None, "ArcLength": None}, "must be a list",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MISTAKES)
def test_where_digitalmodel_stumbles_over_a_column_its_mistake_is_the_reason(files: list[Path], what: str) -> None:
    """In place of `cannot access local variable 'output_value'` and the like: what the check says of this column."""
    output, asked, words = MISTAKES[what]
    first = {**GOOD, "Label": "first"}
    result = run(files[:1], output, first, asked)
    (failed,) = result.failed
    assert words in str(failed.error)
    assert f"group 'g', column {asked['Label']!r}: " in str(failed.error)
    assert "column 'first'" not in str(failed.error)


def test_a_stumble_that_nothing_explains_names_its_column(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are digitalmodel's, the column is said."""
    from digitalmodel.modules.orcaflex import opp_summary

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(opp_summary.OPPSummary, "get_additional_data", broken)
    (failed,) = run(files[:1], "summary", GOOD).failed
    assert failed.error is not None
    assert failed.error.startswith(
        "digitalmodel ended in ZeroDivisionError: float division by zero at summary g: good (Line01, Effective tension)"
    )


def test_an_output_that_cannot_be_written_is_no_columns_fault(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk stays a full disk."""
    from digitalmodel.modules.orcaflex import opp_summary

    def broken(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device", "there")

    monkeypatch.setattr(opp_summary.OPPSummary, "get_additional_data", broken)
    (failed,) = run(files[:1], "summary", GOOD).failed
    assert "the disk is full" in str(failed.error)


EMPTY = {
    "a first series": ("time_series", SECOND, "second"),
    "a history of a summary": ("summary", SECOND, "second"),
    "a static result": ("summary", {**SECOND, "Command": "Static Result"}, "second"),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_an_empty_column_says_what_orcaflex_answered(tmp_path: Path, kind: str) -> None:
    """digitalmodel goes on without it, and the file has its results."""
    output, asked, label = EMPTY[kind]
    result = run(one_file(tmp_path, **UNLOGGED), output, asked, GOOD)
    assert result.ok
    found = [text for text in result.outcomes[0].warnings if " holds nothing: " in text]
    why = "the result was not logged (OrcaFlex status 55: Results are not logged for Effective tension of Line02.)"
    what = f"{label} (Line02, Effective tension)"
    assert found == [f"{what} holds nothing: {why}: log it and run the simulation again"]


def test_only_a_few_of_many_empty_columns_are_asked_again(tmp_path: Path) -> None:
    """A file without any results has them all empty, and OrcaFlex one answer."""
    unlogged = one_file(tmp_path, faults=(simulated.SimFault.NOT_LOGGED,))
    result = run(unlogged, "summary", *({**SECOND, "Label": f"c{n}"} for n in range(20)))
    assert sum(" holds nothing: " in text for text in result.outcomes[0].warnings) == 5
