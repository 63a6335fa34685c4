"""Whatever a program asks, in whatever order: answers and errors are the same with the broker on and off."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orcabatch.orcaflex.broker import Question
from orcaflex.driving import broker, run, values

NAMES = st.sampled_from(
    ["Line01", "Line02", "line02", "Vessel1", "Environment", "General", "Winch01", "Buoy1", "Nobody", "LineType1"]
)
VARIABLES = st.sampled_from(
    ["Effective tension", "effective Tension", "X", "Y", "Bend moment", "Tension", "Elevation", "Heave", "Nonsense", ""]
)
PERIODS = st.sampled_from(
    [
        None,
        "static",
        "whole",
        "latest",
        1,
        77,
        (0.0, 5.0),
        [0, 5],
        (2.5, 2.5),
        (-8.0, 0.0),
        "own end",
        (5.0, None),
        (9.0, 1.0),
    ]
)
EXTRAS = st.sampled_from(
    [
        None,
        "end a",
        "end b",
        "arc 10",
        "arc 20.5",
        "node 3",
        "position",
        "support 1",
        "water",
        "clearance",
        "wrong type",
    ]
)


def _period(module, model, period):
    named = {
        "static": module.PeriodNum.StaticState,
        "whole": module.Period(module.PeriodNum.WholeSimulation),
        "latest": module.PeriodNum.LatestWave,
    }
    if period == "own end":
        return module.SpecifiedPeriod(0.0, model.simulationTimeStatus.CurrentTime)
    return named.get(period, period) if isinstance(period, str) else period


def _extra(module, extra):
    made = {
        "end a": lambda: module.oeLine(module.LinePoint.EndA),
        "end b": lambda: module.oeLine(module.LinePoint.EndB),
        "arc 10": lambda: module.oeArcLength(10.0),
        "arc 20.5": lambda: module.oeArcLength(20.5),
        "node 3": lambda: module.oeNodeNum(3),
        "position": lambda: module.oeVessel([1.0, 0.0, 2.0]),
        "support 1": lambda: module.oeSupport(1, "Line01"),
        "water": lambda: module.oeEnvironment(10.0, 2.0, 0.0),
        "clearance": lambda: module.oeLine(ClearanceLineName="Line02", ArcLength=10.0),
        "wrong type": module.arEntireRange,
    }
    return None if extra is None else made[extra]()


def _plain(result):
    """Something comparable to the bit; arrays are spoilt afterwards, as a caller may."""
    if isinstance(result, np.ndarray):
        shown = (result.shape, str(result.dtype), result.flags.c_contiguous, result.tobytes())
        if result.flags.writeable:
            result.fill(-7.0)
        return shown
    if hasattr(result, "asDict"):
        return {name: _plain(value) for name, value in result.asDict().items()}
    if isinstance(result, float):
        return type(result).__name__, np.float64(result).tobytes()
    if isinstance(result, list | tuple):
        return [_plain(item) for item in result]
    return type(result).__name__, str(result)


ASKS = {
    "history": lambda m, x, a: x[a["name"]].TimeHistory(
        a["variable"], _period(m, x, a["period"]), _extra(m, a["extra"])
    ),
    "table": lambda m, x, a: x[a["name"]].TimeHistory(
        [a["variable"], "X"], _period(m, x, a["period"]), _extra(m, a["extra"])
    ),
    "static": lambda m, x, a: x[a["name"]].StaticResult(a["variable"], _extra(m, a["extra"])),
    "graph": lambda m, x, a: x[a["name"]].RangeGraph(
        a["variable"],
        _period(m, x, a["period"]),
        _extra(m, a["extra"]) if a["flag"] else None,
        m.arSpecifiedArclengths(5.0, 40.0) if a["flag"] else None,
    ),
    "extrema": lambda m, x, a: x[a["name"]].AnalyseExtrema(
        a["variable"], _period(m, x, a["period"]), _extra(m, a["extra"])
    ),
    "linked": lambda m, x, a: (
        x[a["name"]]
        .LinkedStatistics(["X", a["variable"]], _period(m, x, a["period"]), _extra(m, a["extra"]))
        .Query("X", a["variable"])
    ),
    "times": lambda m, x, a: x.SampleTimes(_period(m, x, a["period"])),
    "own times": lambda m, x, a: x[a["name"]].SampleTimes(_period(m, x, a["period"])),
    "count": lambda m, x, a: (len(x), x[a["name"]].SampleCount(_period(m, x, a["period"]))),
    "listed": lambda m, x, a: [(item.name, int(item.type), item.typeName) for item in x.objects],
    "names": lambda m, x, a: [*x, a["name"] in x, *x.keys()],
    "general": lambda m, x, a: [
        x.general.name,
        x.environment.name,
        str(x.state),
        x.simulationComplete,
        x.simulationStartTime,
    ],
    "read": lambda m, x, a: [x[a["name"]].name, x.environment.RefCurrentSpeed, repr(x[a["name"]])],
    "variable": lambda m, x, a: (x[a["name"]].varID(a["variable"]), len(x[a["name"]].vars())),
    "select": lambda m, x, a: setattr(x.environment, "SelectedCurrent", a["current"]),
    "rename": lambda m, x, a: setattr(x[a["name"]], "name", a["new name"]),
    "set data": lambda m, x, a: x[a["name"]].SetData("Name", -1, a["new name"]),
    "no such data": lambda m, x, a: setattr(x[a["name"]], "Nonsense", 3),
}

STEP = st.fixed_dictionaries(
    {
        "ask": st.sampled_from(sorted(ASKS)) | st.sampled_from(["history", "history", "table", "graph"]),
        "name": NAMES,
        "variable": VARIABLES,
        "period": PERIODS,
        "extra": EXTRAS,
        "flag": st.booleans(),
        "current": st.sampled_from(["Current1", "Current2", "Nothing"]),
        "new name": st.sampled_from(["Line99", "Line02", "Vessel1", ""]),
        "only": st.sampled_from([None, None, None, 0, 1, 2]),
    }
)
PROGRAM = st.lists(STEP, min_size=1, max_size=14).flatmap(lambda steps: st.sampled_from([steps, steps * 2]))


SEEDS = st.lists(
    st.builds(
        Question,
        NAMES,
        VARIABLES,
        st.sampled_from([None, (0.0, 5.0), (0.0, 20.0), 32004]),
        st.sampled_from([None, (("LinePoint", 0),), (("LinePoint", 1),)]),
    ),
    max_size=6,
)


def interpreter(module, program):
    """The program as a post-process function; a step may belong to one file only."""
    turn = iter(range(100))

    def postprocess(model):
        file, out = next(turn), []
        for step in program:
            if step["only"] not in {None, file}:
                continue
            try:
                out.append(_plain(ASKS[step["ask"]](module, model, step)))
            except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same
                out.append((type(error).__name__, getattr(error, "status", None), str(error)))
        return out

    return postprocess


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(program=PROGRAM, seeds=SEEDS, chunk=st.sampled_from([100_000_000, 2 * 8 * 300, 1]), place=st.integers(0, 3))
def test_any_program_gets_the_same_with_and_without_broker(orcaflex, sims, program, seeds, chunk, place):
    """Wrong names, periods, extras, writes and foreseen questions; with much, little and no room for joint answers."""
    files = _files(sims)
    expected = values(run(files, interpreter(orcaflex, program), counting=nullcontext))
    shared = broker(orcaflex, seeds, draw=lambda count: min(place, count - 1), chunk_bytes=chunk)
    brokered = run(files, interpreter(orcaflex, program), shared, nullcontext)
    assert values(brokered) == expected
    assert [report.mismatch for _, _, report in brokered] == [""] * len(files)


_MADE: dict[object, list] = {}


def _files(sims):
    # The examples of one test run share their files: they only read them.
    if sims not in _MADE:
        _MADE.clear()
        _MADE[sims] = sims(3)
    return _MADE[sims]
