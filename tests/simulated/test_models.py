"""Models: loading, reloading, states, errors, handles."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from orcabatch import simulated
from orcabatch.simulated import SimFault, SimSpec, SimState

Failure = Callable[..., int]


def test_a_finished_run(orcfxapi: ModuleType, sim: Path) -> None:
    """Times, state and completeness are those of the file."""
    model = orcfxapi.Model(sim, threadCount=1)
    assert model.state == orcfxapi.ModelState.SimulationStopped
    assert model.simulationComplete
    assert (model.simulationStartTime, model.simulationStopTime) == (-8.0, 60.0)
    assert model.simulationTimeStatus.CurrentTime == 60.0
    assert model.simulationTimeToGo == 0.0
    assert model.threadCount == 1
    assert model.latestFileName == str(sim)


def test_all_cores_are_asked_for_by_default(orcfxapi: ModuleType) -> None:
    """An omitted thread count means every processor."""
    assert orcfxapi.Model().threadCount >= 1


def test_a_partial_run(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """A run that was stopped early is not complete, and has results up to where it came."""
    path = simulated.write_sim(tmp_path / "part.sim", SimSpec(stop_time_s=100.0, current_time_s=30.0))
    model = orcfxapi.Model(path)
    assert not model.simulationComplete
    assert model.simulationTimeStatus.CurrentTime == 30.0
    assert model.SampleTimes()[-1] == pytest.approx(30.0)
    assert model.simulationTimeToGo == 70.0


def test_an_unstable_run(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """Its state says so."""
    spec = SimSpec(state=SimState.UNSTABLE, current_time_s=12.0)
    model = orcfxapi.Model(simulated.write_sim(tmp_path / "unstable.sim", spec))
    assert model.state == orcfxapi.ModelState.SimulationStoppedUnstable
    assert not model.simulationComplete


def test_a_static_state(orcfxapi: ModuleType, failure: Failure, tmp_path: Path) -> None:
    """One sample, of the static state; there is no simulation to ask about."""
    spec = SimSpec(state=SimState.IN_STATIC_STATE)
    path = simulated.write_sim(tmp_path / "static.sim", spec)
    model = orcfxapi.Model(path)
    line = model["Line01"]
    assert orcfxapi.BinaryFileType(path) == orcfxapi.FileType.StaticStateSimulationFile
    assert line.TimeHistory("Effective tension", None, orcfxapi.oeEndA).shape == (1,)
    assert line.StaticResult("Effective tension", orcfxapi.oeEndA) > 0
    assert line.RangeGraph("Effective tension").StdDev.max() == 0.0
    assert failure(line.TimeHistory, "Z", orcfxapi.PeriodNum.WholeSimulation, orcfxapi.oeEndA) == 12


def test_a_data_file(orcfxapi: ModuleType, failure: Failure, tmp_path: Path) -> None:
    """A file in reset state loads as data; results answer 39."""
    path = simulated.write_sim(tmp_path / "model.dat", SimSpec(state=SimState.RESET))
    model = orcfxapi.Model(path)
    assert model.state == orcfxapi.ModelState.Reset
    assert "Line01" in model
    assert failure(model["Line01"].StaticResult, "Z", orcfxapi.oeEndA) == 39


@pytest.mark.parametrize(("fault", "status"), [
    (SimFault.EMPTY, 67), (SimFault.NOT_A_SIM, 67), (SimFault.TRUNCATED, 7), (SimFault.WRONG_VERSION, 34),
    (SimFault.CORRUPT_LOAD, 7), (SimFault.UNEXPECTED_LOAD, 20),
])  # fmt: skip
def test_broken_files(orcfxapi: ModuleType, failure: Failure, tmp_path: Path, fault: SimFault, status: int) -> None:
    """Each kind fails with its own status, in both ways to load, and leaves the model empty."""
    path = simulated.write_sim(tmp_path / "broken.sim", SimSpec(faults=(fault,)))
    assert failure(orcfxapi.Model, path) == status
    model = orcfxapi.Model()
    assert failure(model.LoadSimulation, path) == status
    assert model.state == orcfxapi.ModelState.Reset
    assert len(model) == 2


def test_a_missing_file(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """6, and the message names the file."""
    with pytest.raises(orcfxapi.DLLError, match=r"nowhere\.sim") as caught:
        orcfxapi.Model(tmp_path / "nowhere.sim")
    assert caught.value.status == orcfxapi.StatusCode.FileNotFound


def test_one_model_loads_one_file_after_the_other(orcfxapi: ModuleType, failure: Failure, tmp_path: Path) -> None:
    """Old objects stop working, General and Environment live on, what was set is forgotten."""
    first = simulated.write_sim(tmp_path / "1.sim", SimSpec(wave_height_m=2.0))
    second = simulated.write_sim(tmp_path / "2.sim", SimSpec(wave_height_m=5.0, seed=1))
    model = orcfxapi.Model(first)
    line, environment = model["Line01"], model.environment
    linked = line.LinkedStatistics(["Z", "X"], None, orcfxapi.oeEndA)
    environment.SelectedCurrent = "Current2"
    model.LoadSimulation(second)
    assert (environment.WaveHs, environment.SelectedCurrent) == (5.0, "Current1")
    assert environment == model["Environment"]
    assert model["Line01"] != line
    assert failure(line.TimeHistory, "Z", None, orcfxapi.oeEndA) == 4
    assert failure(linked.TimeSeriesStatistics, "Z") == 4
    model.Clear()
    assert len(model) == 2


def test_loading_from_memory_gives_the_same(orcfxapi: ModuleType, sim: Path) -> None:
    """LoadSimulationMem reads the same bytes."""
    model, other = orcfxapi.Model(sim), orcfxapi.Model()
    other.LoadSimulationMem(bytearray(sim.read_bytes()))
    asked = ("Effective tension", None, orcfxapi.oeEndB)
    assert model["Line01"].TimeHistory(*asked).tobytes() == other["Line01"].TimeHistory(*asked).tobytes()


def test_an_object_does_not_keep_its_model_alive(orcfxapi: ModuleType, failure: Failure, sim: Path) -> None:
    """As in the real binding: status 3 once the model has been collected."""
    line = orcfxapi.Model(sim)["Line01"]
    gc.collect()
    assert failure(line.TimeHistory, "Effective tension", None, orcfxapi.oeEndA) == 3


def test_planned_failures_are_counted(orcfxapi: ModuleType, failure: Failure, sim: Path) -> None:
    """A load fails as often as planned, then succeeds."""
    simulated.configure(simulated.Costs(fail_loads={"case.sim": (7, 2)}))
    assert failure(orcfxapi.Model, sim) == 7
    assert failure(orcfxapi.Model, sim) == 7
    assert orcfxapi.Model(sim).simulationComplete


def test_memory_follows_the_factor(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """Loading takes the log times the factor, and gives it back at Clear."""
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    for factor in (0.6, 1.0, 2.5):  # 36 MB and more: smaller blocks may stay with the allocator
        spec = SimSpec(size_bytes=60_000_000, memory_factor=factor)
        path = simulated.write_sim(tmp_path / f"{factor}.sim", spec)
        model = orcfxapi.Model()
        before = process.memory_info().rss
        model.LoadSimulation(path)
        assert process.memory_info().rss - before == pytest.approx(60e6 * factor, rel=0.15, abs=6e6)
        model.Clear()
        assert process.memory_info().rss - before < 8e6
