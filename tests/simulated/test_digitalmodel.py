"""digitalmodel's own post-process runs on the simulation, unmodified."""

from __future__ import annotations

import csv
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from orcabatch import simulated

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("digitalmodel") is None, reason="digitalmodel is not installed"),
    pytest.mark.filterwarnings("default"),
]

SUMMARY = """
summary_settings_master: {groups: [
  {Label: dyn, Columns: [{Command: TimeHistory, SimulationPeriod: [NULL, NULL], objectExtra: [End A],
                          Variable: Effective Tension}]},
  {Label: stat, Columns: [{Command: TimeHistory, SimulationPeriod: StaticState, objectExtra: [End A],
                           Variable: Effective Tension}]},
  {Label: env, Columns: [{Command: GetData}]}]}
summary_settings: {groups: [
  {Label: dyn, Columns: [{ObjectName: Line01, Statistic_Type: Min, Label: l1_min},
                         {ObjectName: Line01, Statistic_Type: Max, Label: l1_max},
                         {ObjectName: Line02, Statistic_Type: Mean, Label: l2_mean}]},
  {Label: stat, Columns: [{ObjectName: Line01, Statistic_Type: Max, Label: l1_static}]},
  {Label: env, Columns: [{ObjectName: Environment, Variable: [WaveHs, -1], Label: Hs},
                         {ObjectName: Environment, Variable: [RefCurrentSpeed], Label: Vc}]}]}
time_series_settings: {data: False, groups: []}
"""
RANGES = """
summary_settings: {groups: [{Label: riser, Columns: [
  {Command: Range Graph, ObjectName: Line01, SimulationPeriod: [0.0, 10.0], ArcLength: [0, 50],
   Variable: Effective Tension, Statistic_Type: Max, Label: T_max},
  {Command: Range Graph, ObjectName: Line01, SimulationPeriod: LatestWave, Variable: API STD 2RD Method 1,
   Statistic_Type: Max, Label: API},
  {Command: Static Result, ObjectName: Winch01, Variable: Tension, Label: W1},
  {Command: TimeHistory, ObjectName: Vessel1, Position: [10, 0, 5], SimulationPeriod: [5.2], Variable: Heave,
   Statistic_Type: Max, Label: heave},
  {Command: TimeHistory, ObjectName: Buoy1, SupportIndex: 1, SimulationPeriod: LatestWave,
   Variable: Support Contact Clearance, Statistic_Type: Min, Label: clearance}]}]}
time_series_settings: {data: False, groups: []}
"""
TRACES = """
time_series_settings: {data: True, groups: [
  {Label: line1, Columns: [
    {Command: TimeHistory, ObjectName: Line01, SimulationPeriod: [0.0, NULL], Variable: Effective Tension,
     objectExtra: [End A], Label: T_A},
    {Command: TimeHistory, ObjectName: Line01, SimulationPeriod: [0.0, NULL], Variable: Effective Tension,
     objectExtra: [End B], Label: T_B}]},
  {Label: ship, Columns: [{Command: TimeHistory, ObjectName: Vessel1, Position: [0, 0, 0], Variable: X, Label: X,
                           SimulationPeriod: [0.0, NULL]}]}]}
linked_statistics_settings: {groups: [{Label: ends, Columns: [
  {ObjectType: line, ObjectName: Line01, objectExtra: [End B], SimulationPeriod: [0.0, 10.0],
   Variable: [Effective tension, Bend moment, Curvature], Label: l1}]}]}
"""
_KINDS = ("summary", "linked_statistics", "RangeGraph", "time_series", "cummulative_histograms", "visualization")


def run(text: str, kind: str, files: list[Path], folder: Path) -> None:
    """Digitalmodel's post-process of a configuration, its results in `folder`."""
    from assetutilities.common.update_deep import AttributeDict

    postprocess: dict[str, Any] = {each: {"flag": each == kind} for each in _KINDS}
    postprocess["summary"]["statistics"] = dict.fromkeys(("Minimum", "Maximum", "Mean", "StdDev"), False)
    folder.mkdir(exist_ok=True)
    cfg = {
        **yaml.safe_load(text),
        "basename": "orcaflex_post_process",
        "meta": {"basename": "orcaflex_post_process"},
        "orcaflex": {"postprocess": postprocess},
        "Analysis": {"result_folder": str(folder), "file_name": "out", "file_name_for_overwrite": "out"},
        "file_management": {"input_files": {"sim": files}},
    }
    opp = importlib.import_module("digitalmodel.modules.orcaflex.opp")
    opp.OrcaFlexPostProcess().post_process_router(AttributeDict(cfg))


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def files(orcfxapi: ModuleType, tmp_path: Path) -> list[Path]:
    """Three files that stop at different times."""
    return simulated.generate_batch(tmp_path / "in", lngc=1, standard=2, stop_times_s=(20.0, 30.0))


def test_summaries(orcfxapi: ModuleType, files: list[Path], tmp_path: Path) -> None:
    """Minimum, maximum, mean, static values and input data of each file, as OrcFxAPI gives them."""
    run(SUMMARY, "summary", files, tmp_path / "out")
    found = rows(tmp_path / "out" / "out_dyn.csv")
    model = orcfxapi.Model(files[1])
    history = model["Line01"].TimeHistory("Effective tension", None, orcfxapi.oeEndA)
    assert found[1]["l1_max"] == repr(round(float(history.max()), 6))
    assert [row["stop_time"] for row in found] == ["20.0", "30.0", "20.0"]
    assert all(float(row["l1_static"]) for row in rows(tmp_path / "out" / "out_stat.csv"))
    environment = rows(tmp_path / "out" / "out_env.csv")
    assert float(environment[1]["Hs"]) == model.environment.WaveHs
    assert float(environment[1]["Vc"]) == model.environment.RefCurrentSpeed


def test_range_graphs_static_results_and_positions(files: list[Path], tmp_path: Path) -> None:
    """All kinds of column give numbers."""
    run(RANGES, "summary", files, tmp_path / "out")
    for row in rows(tmp_path / "out" / "out_riser.csv"):
        assert all(float(row[name]) for name in ("T_max", "API", "W1", "heave", "clearance"))


def test_traces(files: list[Path], tmp_path: Path) -> None:
    """The first file's stop time ends them all: digitalmodel's own habit."""
    run(TRACES, "time_series", files, tmp_path / "out")
    found = [rows(tmp_path / "out" / f"{path.stem}_line1.csv") for path in files]
    assert [len(each) for each in found] == [201, 201, 201]
    assert set(found[0][0]) == {"time", "T_A", "T_B"}


def test_linked_statistics_with_the_argument_they_lack(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the model's dictionary, which digitalmodel 0.0.9 forgets, they work."""
    opp = importlib.import_module("digitalmodel.modules.orcaflex.opp")
    own = opp.opp_ls.get_linked_statistics
    metadata = {"start_time": 0.0, "current_time": 20.0}
    monkeypatch.setattr(
        opp.opp_ls, "get_linked_statistics", lambda cfg, model, name: own(cfg, {"model": model, **metadata}, name)
    )
    run(TRACES, "linked_statistics", files, tmp_path / "out")
    assert float(rows(tmp_path / "out" / "out_ends.csv")[0]["ValueAtMax_Effective tension"])
