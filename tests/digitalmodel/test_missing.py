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
    assert "take the file out of the batch." in said
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
