"""Results: shapes, periods, places, range graphs, statistics, bits."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orcabatch import simulated
from orcabatch.simulated import SimFault, SimSpec

Failure = Callable[..., int]


@pytest.fixture
def model(orcfxapi: ModuleType, sim: Path) -> Any:
    """The small file, loaded."""
    return orcfxapi.Model(sim)


def test_periods(orcfxapi: ModuleType, model: Any, failure: Failure) -> None:
    """Each kind of period, clipped to what was simulated, refused outside."""
    line, number = model["Line01"], orcfxapi.PeriodNum

    def times(period: object) -> tuple[float, float, int]:
        found = model.SampleTimes(period)
        assert len(line.TimeHistory("Z", period, orcfxapi.oeEndA)) == len(found) == line.SampleCount(period)
        return round(found[0], 6), round(found[-1], 6), len(found)

    assert times(None) == times(number.WholeSimulation) == (-8.0, 60.0, 681)
    assert times(number.BuildUp) == (-8.0, 0.0, 81)
    assert times(1) == (0.0, 60.0, 601)
    assert times(number.LatestWave) == (51.0, 60.0, 91)
    assert times(number.InstantaneousValue) == (60.0, 60.0, 1)
    assert times(number.StaticState)[2] == 1
    assert times((0.0, 10.0)) == (0.0, 10.0, 101)
    assert times((5.2, 5.2)) == (5.2, 5.2, 1)
    assert times((5.21, 5.24)) == (5.2, 5.2, 1)
    assert times((50.0, 1e9)) == (50.0, 60.0, 101)
    for period in ((70.0, 80.0), (10.0, 5.0), 77):
        assert failure(line.TimeHistory, "Z", period, orcfxapi.oeEndA) == 12


def test_a_period_is_a_slice_of_the_whole(orcfxapi: ModuleType, model: Any) -> None:
    """The same bits, however they were asked for."""
    line = model["Line02"]
    whole = line.TimeHistory("Bend moment", None, orcfxapi.oeArcLength(33.0))
    part = line.TimeHistory("Bend moment", (3.0, 17.0), orcfxapi.oeArcLength(33.0))
    assert whole[110:251].tobytes() == part.tobytes()


def test_places(orcfxapi: ModuleType, model: Any, failure: Failure) -> None:
    """Places matter, and those that are missing or outside are refused."""
    line, vessel, environment = model["Line01"], model["Vessel1"], model.environment
    tension = "Effective tension"
    ends = [line.StaticResult(tension, each) for each in (orcfxapi.oeEndA, orcfxapi.oeEndB, orcfxapi.oeArcLength(40.0))]
    assert len(set(ends)) == 3
    assert line.StaticResult(tension, orcfxapi.oeNodeNum(1)) == ends[0]
    assert line.StaticResult(tension, orcfxapi.oeArcLength(100.0)) == ends[1]
    assert failure(line.StaticResult, tension) == 15
    assert failure(line.StaticResult, tension, orcfxapi.oeArcLength(100.5)) == 15
    assert failure(line.StaticResult, tension, orcfxapi.oeNodeNum(42)) == 9
    assert vessel.StaticResult("X") == vessel.StaticResult("X", orcfxapi.oeVessel(0, 0, 0))
    assert vessel.StaticResult("X") != vessel.StaticResult("X", orcfxapi.oeVessel(10, 0, 5))
    clearance = [vessel.StaticResult("Support contact clearance", orcfxapi.oeSupport(at)) for at in (1, 2)]
    assert clearance[0] != clearance[1]
    assert failure(vessel.StaticResult, "Support contact clearance", orcfxapi.oeSupport(5)) == 15
    assert failure(vessel.StaticResult, "Support contact clearance", orcfxapi.oeVessel(0, 0, 0)) == 15
    assert failure(environment.StaticResult, "Elevation") == 15
    assert environment.TimeHistory("Elevation", None, orcfxapi.oeEnvironment(1, 2, 0)).std() > 0
    assert model["Winch01"].TimeHistory("Tension").std() > 0
    assert model["Constraint01"].TimeHistory("In-frame connection GX force").std() > 0
    with pytest.raises(TypeError):
        orcfxapi.oeLine(30.5)


def test_a_range_graph_holds_the_histories_extremes(orcfxapi: ModuleType, model: Any) -> None:
    """At each arc length, exactly the minimum, maximum, mean and deviation of the time history there."""
    line = model["Line03"]
    graph = line.RangeGraph("Curvature", (0.0, 30.0), arclengthRange=orcfxapi.arSpecifiedArclengths(20, 40))
    assert graph.X.tolist() == [20.0, 22.5, 25.0, 27.5, 30.0, 32.5, 35.0, 37.5, 40.0]
    for at, length in enumerate(graph.X):
        history = line.TimeHistory("Curvature", (0.0, 30.0), orcfxapi.oeArcLength(length))
        assert (graph.Min[at], graph.Max[at]) == (history.min(), history.max())
        assert graph.Mean[at] == pytest.approx(history.mean(), rel=1e-12)
        assert graph.StdDev[at] == pytest.approx(history.std(), rel=1e-9)
    assert graph.Upper.tolist() == [0.05] * 9


def test_range_graph_arguments(orcfxapi: ModuleType, model: Any, failure: Failure) -> None:
    """Ranges outside the line, an ObjectExtra in the range's place, results that have none."""
    line = model["Line01"]
    assert len(line.RangeGraph("Z").X) == len(line.RangeGraphXaxis("Z")) == 41
    assert line.RangeGraph("Z", None, None, orcfxapi.arSpecifiedArclengths(31, 31)).X.tolist() == [30.0]
    assert len(line.RangeGraph("Z", None, None, orcfxapi.arSpecifiedSections(1, 1)).X) == 41
    for start, stop in ((50, 10), (-1, 5), (150, 160)):
        assert failure(line.RangeGraph, "Z", None, None, orcfxapi.arSpecifiedArclengths(start, stop)) == 58
    assert failure(line.RangeGraph, "Z", None, None, orcfxapi.arSpecifiedSections(1, 2)) == 58
    with pytest.raises(ctypes.ArgumentError):
        line.RangeGraph("Z", None, arclengthRange=orcfxapi.oeEndA)
    assert (line.RangeGraph("API STD 2RD Method 1").Max > 0).all()


def test_linked_statistics(orcfxapi: ModuleType, model: Any) -> None:
    """Extremes of one variable and what the other is at that time."""
    line, period = model["Line01"], (0.0, 20.0)
    names = ["Effective tension", "Bend moment", "Curvature"]
    found = line.LinkedStatistics(names, period, orcfxapi.oeEndB).Query(names[0], names[2])
    tension = line.TimeHistory(names[0], period, orcfxapi.oeEndB)
    curvature = line.TimeHistory(names[2], period, orcfxapi.oeEndB)
    times = model.SampleTimes(period)
    top, bottom = tension.argmax(), tension.argmin()
    assert (found.ValueAtMax, found.TimeOfMax, found.LinkedValueAtMax) == (tension[top], times[top], curvature[top])
    assert (found.ValueAtMin, found.TimeOfMin) == (tension[bottom], times[bottom])
    assert found.LinkedValueAtMin == curvature[bottom]


def test_time_series_statistics(orcfxapi: ModuleType, model: Any) -> None:
    """Mean and deviation of the history, by both ways."""
    line = model["Line01"]
    values = line.TimeHistory("Effective tension", None, orcfxapi.oeEndA)
    one = line.TimeSeriesStatistics("Effective tension", None, orcfxapi.oeEndA)
    linked = line.LinkedStatistics(["Effective tension"], None, orcfxapi.oeEndA).TimeSeriesStatistics(
        "Effective tension"
    )
    assert one.asDict() == linked.asDict()
    assert one.Mean == pytest.approx(values.mean())
    assert one.StdDev == pytest.approx(values.std())
    assert one.Tz > one.Tc > 0
    extrema = line.AnalyseExtrema("Effective tension", None, orcfxapi.oeEndA)
    assert (extrema.Max, extrema.IndexOfMin) == (values.max(), values.argmin())


_QUESTIONS = [
    ("Line01", "Effective tension", lambda api: api.oeEndA), ("Winch01", "Tension", lambda api: None),
    ("Line08", "Declination", lambda api: api.oeArcLength(61.7)), ("Constraint02", "Displacement", lambda api: None),
    ("Vessel1", "Heave", lambda api: api.oeVessel(10, -3, 5)), ("Winch02", "Length", lambda api: None),
    ("Vessel1", "Support Reaction Force", lambda api: api.oeSupport(3)), ("General", "Time", lambda api: None),
    ("Environment", "Elevation", lambda api: api.oeEnvironment(4, 5, 0)), ("Link01", "Tension", lambda api: None),
]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(st.sampled_from(_QUESTIONS), min_size=1, max_size=12),
    period=st.sampled_from([None, (0.0, 10.0), (5.2, 5.2), 32002, 32004]),
)
def test_joint_and_single_answers_are_the_same_bits(
    orcfxapi: ModuleType, model: Any, chosen: list[Any], period: Any
) -> None:
    """GetMultipleTimeHistories gives in one call what TimeHistory gives in many."""
    specification = [
        orcfxapi.TimeHistorySpecification(model[name], variable, extra(orcfxapi)) for name, variable, extra in chosen
    ]
    joint = orcfxapi.GetMultipleTimeHistories(specification, period)
    for column, (name, variable, extra) in enumerate(chosen):
        single = model[name].TimeHistory(variable, period, extra(orcfxapi))
        assert joint[:, column].tobytes() == single.tobytes()


def test_one_ulp_between_joint_and_single(orcfxapi: ModuleType, model: Any) -> None:
    """The knob changes one variable of one file, by the last bit."""
    simulated.configure(simulated.Costs(ulp=("case.sim", "Line01", "Effective tension")))
    line = model["Line01"]
    names = ["Effective tension", "Wall tension"]
    joint = line.TimeHistory(names, None, orcfxapi.oeEndA)
    single = [line.TimeHistory(name, None, orcfxapi.oeEndA) for name in names]
    assert (joint[:, 0] == np.nextafter(single[0], np.inf)).all()
    assert (joint[:, 1] == single[1]).all()


def test_results_differ_by_file_and_repeat(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """Another seed, other values, static ones too; the same seed, the same bytes on disk."""
    paths = [simulated.write_sim(tmp_path / f"{at}.sim", SimSpec(seed=seed)) for at, seed in enumerate((1, 2, 1))]
    assert paths[0].read_bytes() == paths[2].read_bytes() != paths[1].read_bytes()
    asked = [("Effective tension", None, orcfxapi.oeEndA), ("Z", 32004, orcfxapi.oeEndA)]
    models = [orcfxapi.Model(path) for path in paths]
    answers = [[model["Line01"].TimeHistory(*each).tobytes() for each in asked] for model in models]
    assert answers[0] == answers[2]
    assert answers[0][0] != answers[1][0]
    assert answers[0][1] != answers[1][1]


def test_a_memory_factor_below_one_still_answers(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """Only part of the log stays in memory; the answers repeat."""
    path = simulated.write_sim(tmp_path / "thin.sim", SimSpec(memory_factor=0.35))
    models = [orcfxapi.Model(path) for _ in range(2)]
    answers = {model["Line01"].TimeHistory("Z", None, orcfxapi.oeEndA).tobytes() for model in models}
    assert len(answers) == 1


def test_faults_of_results(orcfxapi: ModuleType, tmp_path: Path, failure: Failure) -> None:
    """Not logged, corrupt, NaN."""
    spec = SimSpec(not_logged=(("Line01", "Bend moment"),), nan_variable=("Line02", "Z"))
    model = orcfxapi.Model(simulated.write_sim(tmp_path / "some.sim", spec))
    assert failure(model["Line01"].TimeHistory, "Bend moment", None, orcfxapi.oeEndA) == 55
    assert model["Line01"].TimeHistory("Z", None, orcfxapi.oeEndA).std() > 0
    assert np.isnan(model["Line02"].TimeHistory("Z", None, orcfxapi.oeEndA)).sum() == 1
    path = simulated.write_sim(tmp_path / "corrupt.sim", SimSpec(faults=(SimFault.CORRUPT_RESULTS,)))
    line = orcfxapi.Model(path)["Line01"]
    model = orcfxapi.Model(path)
    line = model["Line01"]
    assert failure(line.TimeHistory, "Z", None, orcfxapi.oeEndA) == 8
    assert failure(line.RangeGraph, "Z") == 14
    path = simulated.write_sim(tmp_path / "unlogged.sim", SimSpec(faults=(SimFault.NOT_LOGGED,)))
    model = orcfxapi.Model(path)
    assert failure(model["Line01"].TimeHistory, "Z", None, orcfxapi.oeEndA) == 55
    assert model["Line01"].StaticResult("Z", orcfxapi.oeEndA) is not None


def test_arguments_no_one_should_give_never_succeed(orcfxapi: ModuleType, model: Any) -> None:
    """An address of zero or a missing name is an error of the call, never a silent success."""
    status = ctypes.c_int()
    orcfxapi._GetDataType(model["Line01"].handle, None, ctypes.c_int(), status)
    assert status.value == 20
    orcfxapi._GetVarID(model.handle, "Z", ctypes.c_int(), status)
    assert status.value != 0
    orcfxapi._GetTimeHistory2(model["Line01"].handle, None, None, 6001, np.empty(5), status)
    assert status.value != 0
