"""Objects, data and variables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from orcabatch import simulated
from orcabatch.simulated import ObjectSpec, ObjectType, SimSpec

Failure = Callable[..., int]


def test_enumeration_names_and_types(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """Hundreds of objects, General and Environment first, long names whole."""
    long_name = "A very long name indeed, longer than the fifty characters of ObjectInfo"
    objects = (*simulated.mooring_objects(320), ObjectSpec(long_name, ObjectType.Winch))
    model = orcfxapi.Model(simulated.write_sim(tmp_path / "many.sim", SimSpec(objects=objects)))
    names = [each.name for each in model.objects]
    assert len(model) == len(names) == 321
    assert names[:2] == ["General", "Environment"]
    assert names[-1] == long_name
    assert list(model) == names
    assert model[long_name].typeName == "Winch"
    assert model["LINE01"].type == orcfxapi.ObjectType.Line
    assert model["buoy1"].typeName == "6D Buoy"
    with pytest.raises(KeyError):
        model["Nobody"]
    assert "Nobody" not in model


def test_data_of_several_kinds(orcfxapi: ModuleType, failure: Failure, sim: Path) -> None:
    """Doubles, integers, text, rows; any case; by attribute and by GetData."""
    model = orcfxapi.Model(sim)
    environment, line = model.environment, model["Line01"]
    assert environment.WaveHs == environment.GetData("wavehs", -1) == 3.0
    assert environment.NumberOfCurrents == 2
    assert environment.GetData(["WaveHs", "WaveType"], 0) == [3.0, "JONSWAP"]
    assert list(environment.CurrentName) == ["Current1", "Current2"]
    assert line.LineType[0] == "LineType1"
    assert line.CumulativeLength[-1] == 100.0
    assert len(line.NodeArclengths) == 41
    assert failure(line.GetData, "Nonsense", 0) == 31
    assert failure(line.GetData, "LineType", 7) == 21
    with pytest.raises(AttributeError):
        line.Nonsense  # noqa: B018
    assert model.general.ActualLogSampleInterval == 0.1


def test_the_selected_current_decides(orcfxapi: ModuleType, failure: Failure, sim: Path) -> None:
    """RefCurrentSpeed is that of the selected current, until the next load."""
    environment = orcfxapi.Model(sim).environment
    model = orcfxapi.Model(sim)
    environment = model.environment
    slow = environment.RefCurrentSpeed, environment.RefCurrentDirection
    environment.ActiveCurrent = "Current2"
    assert (environment.RefCurrentSpeed, environment.RefCurrentDirection) == slow
    environment.SelectedCurrent = environment.ActiveCurrent
    assert environment.RefCurrentSpeed != slow[0]
    assert environment.RefCurrentDirection != slow[1]
    assert failure(environment.SetData, "SelectedCurrent", -1, "Current9") == 49
    model.LoadSimulation(sim)
    assert (environment.RefCurrentSpeed, environment.RefCurrentDirection) == slow


def test_data_can_be_set(orcfxapi: ModuleType, sim: Path) -> None:
    """What was set is what is read."""
    model = orcfxapi.Model(sim)
    model.environment.WaveHs = 7.25
    model.general.StageCount = 3
    model["Line01"].name = "Riser"
    model["Riser"].EndAConnection = "Fixed"
    assert (model.environment.WaveHs, model.general.StageCount) == (7.25, 3)
    assert (model["riser"].name, model["riser"].EndAConnection) == ("Riser", "Fixed")


def test_variables_and_what_they_need(orcfxapi: ModuleType, failure: Failure, sim: Path) -> None:
    """Names, units, and the fields of ObjectExtra they require."""
    model = orcfxapi.Model(sim)
    line = model["Line01"]
    details = {each.VarName: each.VarUnits for each in line.varDetails()}
    assert details["Effective tension"] == "kN"
    assert "API STD 2RD Method 1" in line.vars(orcfxapi.ResultType.RangeGraph)
    assert line.varID("effective TENSION") == line.varID("Effective tension")
    assert list(line.RequiredObjectExtraFields("Bend moment")) == [orcfxapi.ObjectExtraField.LinePoint]
    assert model["Vessel1"].ObjectExtraFieldRequired(
        "Support Contact Clearance", orcfxapi.ObjectExtraField.SupportIndex
    )
    assert failure(line.varID, "Nonsense") == 26
    for name in ("Vessel1", "Winch01", "Link01", "Constraint01", "Buoy1", "Environment", "General"):
        assert model[name].vars()
