"""Configurations for the proof: the three of the facts written anew, and many drawn by hypothesis."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from orcabatch import simulated

FLAGS = ("summary", "linked_statistics", "RangeGraph", "time_series", "cummulative_histograms", "visualization")
STATISTICS = ("Minimum", "Maximum", "Mean", "StdDev")


def configuration(files: list[Any], result_folder: Path, *on: str, **sections: Any) -> dict[str, Any]:
    """A complete configuration with these outputs switched on."""
    flags: dict[str, Any] = {name: {"flag": name in on} for name in FLAGS}
    flags["summary"]["statistics"] = dict.fromkeys(STATISTICS, False)
    return {
        "basename": "orcaflex_post_process",
        "meta": {"basename": "orcaflex_post_process"},
        "orcaflex": {"postprocess": flags},
        "time_series_settings": {"data": False, "groups": []},
        "Analysis": {"result_folder": str(result_folder), "file_name": "dm", "file_name_for_overwrite": "dm_over"},
        "file_management": {"input_files": {"sim": files}},
        **copy.deepcopy(sections),
    }


def column(command: str, name: str, variable: Any, label: str, **more: Any) -> dict[str, Any]:
    return {"Command": command, "ObjectName": name, "Variable": variable, "Label": label, **more}


MASTERS_AND_STATICS: dict[str, Any] = {
    "summary_settings_master": {
        "groups": [
            {
                "Label": "dyn",
                "Columns": [
                    {
                        "Command": "TimeHistory",
                        "SimulationPeriod": [None, None],
                        "objectExtra": ["End A"],
                        "Variable": "Effective Tension",
                    }
                ],
            },
            {
                "Label": "stat",
                "Columns": [
                    {
                        "Command": "TimeHistory",
                        "SimulationPeriod": "StaticState",
                        "objectExtra": ["End A"],
                        "Variable": "Effective Tension",
                    }
                ],
            },
            {"Label": "env", "Columns": [{"Command": "GetData"}]},
        ]
    },
    "summary_settings": {
        "groups": [
            {
                "Label": "dyn",
                "Columns": [
                    {"ObjectName": "Line01", "Statistic_Type": "Min", "Label": "l1_min"},
                    {"ObjectName": "Line01", "Statistic_Type": "Max", "Label": "l1_max", "Variable": "Bend moment"},
                    {"ObjectName": "Line02", "Statistic_Type": "Mean", "Label": "l2_mean"},
                ],
            },
            {"Label": "stat", "Columns": [{"ObjectName": "Line01", "Statistic_Type": "Max", "Label": "l1_static"}]},
            {
                "Label": "env",
                "Columns": [
                    {"ObjectName": "Environment", "Variable": ["WaveHs", -1], "Label": "Hs"},
                    {"ObjectName": "Environment", "Variable": ["RefCurrentSpeed"], "Label": "Vc"},
                    {"ObjectName": "Environment", "Variable": ["WaveTp"], "Label": "Tp"},
                ],
            },
        ]
    },
}
"""A: Min, Max and Mean with a master that bleeds from column to column, statics, input data and a selected current."""

RANGE_GRAPHS: dict[str, Any] = {
    "summary_settings": {
        "groups": [
            {
                "Label": "riser",
                "Columns": [
                    column(
                        "Range Graph", "Line01", "Effective Tension", f"T_{kind}",
                        SimulationPeriod=[0.0, 10.0], ArcLength=[0, 50], Statistic_Type=kind,
                    )
                    for kind in ("Max", "Min", "Mean")
                ]
                + [
                    column(
                        "Range Graph", "Line01", "API STD 2RD Method 1", "API",
                        SimulationPeriod="LatestWave", Statistic_Type="Max",
                    ),
                    column("Static Result", "Winch01", "Tension", "W1"),
                    column(
                        "TimeHistory", "Vessel1", "Heave", "heave_at_5p2",
                        Position=[10, 0, 5], SimulationPeriod=[5.2], Statistic_Type="Max",
                    ),
                    column(
                        "TimeHistory", "Vessel1", "Support Contact Clearance", "clr",
                        SupportIndex=1, SimulationPeriod="LatestWave", Statistic_Type="Min",
                    ),
                ],
            }
        ]
    }
}  # fmt: skip
"""B: range graphs with several statistics of one variable, statics, a point of a vessel at one instant, a support."""

OPEN_SERIES_AND_LINKED: dict[str, Any] = {
    "time_series_settings_master": {
        "data": True,
        "groups": [
            {"Columns": [{"Command": "TimeHistory", "ObjectName": "Line01", "SimulationPeriod": [0.0, None]}]},
            {"Columns": [{"Command": "TimeHistory", "objectExtra": None, "SimulationPeriod": [0.0, None]}]},
        ],
    },
    "time_series_settings": {
        "data": True,
        "groups": [
            {
                "Label": "line1",
                "Columns": [
                    {"Variable": "Effective Tension", "objectExtra": ["End A"], "Label": "T_A"},
                    {"Variable": "Effective Tension", "objectExtra": ["End B"], "Label": "T_B"},
                ],
            },
            {
                "Label": "ship",
                "Columns": [
                    {"ObjectName": "Vessel1", "Position": [0, 0, 0], "Variable": axis, "Label": axis} for axis in "XY"
                ],
            },
        ],
    },
    "linked_statistics_settings": {
        "groups": [
            {
                "Label": "ends",
                "Columns": [
                    {
                        "ObjectName": "Line01",
                        "objectExtra": ["End B"],
                        "SimulationPeriod": [0.0, 10.0],
                        "Variable": ["Effective tension", "Bend moment", "Curvature"],
                        "Label": "l1",
                    }
                ],
            }
        ]
    },
}
"""C: traces with an open end, and linked statistics."""

CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "A": (("summary",), MASTERS_AND_STATICS),
    "B": (("summary",), RANGE_GRAPHS),
    "C": (("time_series", "linked_statistics"), OPEN_SERIES_AND_LINKED),
    "A+C": (("summary", "time_series", "linked_statistics"), MASTERS_AND_STATICS | OPEN_SERIES_AND_LINKED),
}
"""Outputs and sections of each case."""

STOPS = (30.0, 30.0, 20.0, 40.0, 25.0, 30.0)


def write_files(folder: Path, count: int = 6, stops: tuple[float, ...] = STOPS, **spec: Any) -> list[Path]:
    """Simulations of different length with the same objects."""
    folder.mkdir(parents=True, exist_ok=True)
    # Another current is selected in the files than the active one, so that selecting shows.
    objects = simulated.mooring_objects(18, lines=4)
    files = []
    for i in range(count):
        own = {
            "objects": objects,
            "stop_time_s": stops[i % len(stops)],
            "seed": i,
            "size_bytes": 40_000,
            "selected_current": 2,
            **spec,
        }
        file = folder / f"case_{i:02d}.sim"
        simulated.write_sim(
            file, simulated.SimSpec(sample_interval_s=0.5, current_speeds_m_s=(0.4 + i, 1.1 + i), **own)
        )
        files.append(file)
    return files


def break_files(folder: Path) -> list[Path]:
    """One file of each kind that cannot be post-processed: missing, empty, not a simulation, truncated, no Line01."""
    folder.mkdir(parents=True, exist_ok=True)
    missing, empty, other, cut, bare = (folder / f"{name}.sim" for name in ("missing", "empty", "other", "cut", "bare"))
    empty.touch()
    other.write_bytes(b"a shopping list\n" * 100)
    simulated.write_sim(cut, simulated.SimSpec(faults=(simulated.SimFault.TRUNCATED,)))
    vessel = simulated.ObjectSpec("Vessel1", simulated.ObjectType.Vessel)
    simulated.write_sim(bare, simulated.SimSpec(objects=(vessel,), stop_time_s=50.0, size_bytes=40_000))
    return [missing, empty, other, cut, bare]


# What hypothesis draws. Wrong names are drawn too: some end in an empty cell, some lose the file, as in digitalmodel.

_lines = st.sampled_from(["Line01", "Line02", "Line03", "Line04"] * 3 + ["Nowhere"])
_line_variables = st.sampled_from(["Effective Tension", "Bend moment", "Curvature", "X"] * 2 + ["No such variable"])
_statistic = st.sampled_from(["Max", "Min", "Mean"])
_periods = st.sampled_from(
    [[None, None], [0.0, None], [0.0, 10.0], [5.0], [2.0, 15.0], "StaticState", "WholeSimulation", "LatestWave"]
)
_ends = st.sampled_from([["End A"], ["End B"], ["Touchdown"]])
_data = st.sampled_from(
    [["WaveHs", -1], ["WaveHs"], ["RefCurrentSpeed"], ["RefCurrentDirection"], ["WaveType"], ["WaveSeed"],
     ["NumberOfCurrents", 0], ["CurrentRamped"], ["RefCurrentSpeed", 0]]
)  # fmt: skip


def _history(good: bool) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["Line01", "Line02"]) if good else _lines
    return st.fixed_dictionaries(
        {"Command": st.just("TimeHistory"), "ObjectName": names, "Variable": _line_variables, "objectExtra": _ends,
         "SimulationPeriod": _periods, "Statistic_Type": _statistic}
    )  # fmt: skip


_vessel = st.fixed_dictionaries(
    {"Command": st.just("TimeHistory"), "ObjectName": st.just("Vessel1"),
     "Variable": st.sampled_from(["Heave", "X", "Yaw"]), "SimulationPeriod": _periods, "Statistic_Type": _statistic},
    optional={"Position": st.sampled_from([[10, 0, 5], [0.0, 1.5, 2.0]])},
)  # fmt: skip
_range_graph = st.fixed_dictionaries(
    {"Command": st.just("Range Graph"), "ObjectName": st.sampled_from(["Line01", "Line02"]),
     "Variable": st.sampled_from(["Effective Tension", "API STD 2RD Method 1"]), "Statistic_Type": _statistic,
     "SimulationPeriod": _periods},
    optional={"ArcLength": st.sampled_from([[0, 50], [10, 20]])},
)  # fmt: skip
_static = st.fixed_dictionaries(
    {"Command": st.sampled_from(["Static Result", "StaticResult"]),
     "ObjectName": st.sampled_from(["Winch01", "Winch02"]),
     "Variable": st.sampled_from(["Tension", "Length", "No such variable"])}
)  # fmt: skip
_get_data = st.fixed_dictionaries(
    {
        "Command": st.sampled_from(["GetData", "Get Data"]),
        "ObjectName": st.just("Environment"),
        "Variable": _data.map(list),
    }
)


_labels = st.sampled_from([None] * 12 + ["c0", "a\nb", "a\rb", 'say "x", twice', "", "ü\u2028", 7, 2.5, True])
"""None: the usual one; others hold what has to be quoted, are no text, or stand twice."""


@st.composite
def _labelled(
    draw: st.DrawFn, columns: st.SearchStrategy[dict[str, Any]], labels: st.SearchStrategy[Any]
) -> list[dict[str, Any]]:
    drawn, found = draw(st.lists(columns, min_size=1, max_size=4)), []
    for i, item in enumerate(drawn):
        label = draw(labels)
        found.append({**copy.deepcopy(item), "Label": f"c{i}" if label is None else label})
    return found


def _groups(
    columns: st.SearchStrategy[dict[str, Any]], most: int, labels: st.SearchStrategy[Any] = _labels
) -> st.SearchStrategy[list[dict[str, Any]]]:
    groups = st.lists(_labelled(columns, labels), min_size=1, max_size=most)
    return groups.map(lambda drawn: [{"Label": f"g{i}", "Columns": group} for i, group in enumerate(drawn)])


_summary_groups = _groups(st.one_of(_history(True), _history(False), _vessel, _range_graph, _static, _get_data), 3)
_series_column = st.fixed_dictionaries(
    {"Command": st.just("TimeHistory"), "ObjectName": st.sampled_from(["Line01", "Line02"]), "objectExtra": _ends,
     "Variable": st.sampled_from(["Effective Tension", "Bend moment", "Curvature", "X"] * 4 + ["No such variable"]),
     "SimulationPeriod": st.sampled_from([[0.0, None]] * 8 + [[None, None], [0.0, 10.0], "WholeSimulation"])}
)  # fmt: skip
_linked_column = st.fixed_dictionaries(
    {"ObjectName": st.just("Line01"), "objectExtra": _ends,
     "SimulationPeriod": st.sampled_from([[0.0, 10.0], [0.0, None]]),
     "Variable": st.sampled_from([["Effective tension", "Bend moment"], ["Curvature", "X", "Y"]])}
)  # fmt: skip


@st.composite
def drawn_configurations(draw: st.DrawFn) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Outputs that are on and their sections; masters, wrong names, open periods, statistics and all."""
    on = draw(st.lists(st.sampled_from(["summary", "time_series", "linked_statistics"]), min_size=1, unique=True))
    sections: dict[str, Any] = {
        "summary_settings": {"groups": draw(_summary_groups)},
        "time_series_settings": {"data": True, "groups": draw(_groups(_series_column, 2))},
        # Their labels are values of the table: of some, digitalmodel's statistics die.
        "linked_statistics_settings": {"groups": draw(_groups(_linked_column, 1, st.none()))},
    }
    if "summary" in on and draw(st.booleans()):
        masters = [{"Columns": [draw(_history(True))]} for _ in sections["summary_settings"]["groups"]]
        sections["summary_settings_master"] = {"groups": masters}
        for group in sections["summary_settings"]["groups"]:
            group["Columns"] = [_without_some(item, draw) for item in group["Columns"]]
    if "time_series" in on and draw(st.booleans()):
        column_master = {"Command": "TimeHistory", "ObjectName": "Line02", "SimulationPeriod": [0.0, None]}
        groups = sections["time_series_settings"]["groups"]
        sections["time_series_settings_master"] = {"groups": [{"Columns": [dict(column_master)]} for _ in groups]}
        for group in groups:
            for item in group["Columns"]:
                item.pop("SimulationPeriod")
    return tuple(on), sections


def _without_some(item: dict[str, Any], draw: st.DrawFn) -> dict[str, Any]:
    """A column that leaves some of its keys to the master, and to what bled into it."""
    optional = [key for key in ("SimulationPeriod", "Statistic_Type", "objectExtra") if key in item]
    dropped = draw(st.lists(st.sampled_from(optional), unique=True)) if optional else []
    return {key: value for key, value in item.items() if key not in dropped}
