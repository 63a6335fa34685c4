"""YAMLs as engineers have them, written anew from how 22 real ones are built, for measuring false alarms.

Each is what stands in the file, without digitalmodel's defaults: some have masters, keys that digitalmodel ignores, old
keys, sections of other programs, parked sections, notes. All of them do what they say on 0.0.9 or are known to be
accepted there. `BASE` is what a clone's base configuration is full of.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

STATISTICS = dict.fromkeys(("Minimum", "Maximum", "Mean", "StdDev"), False)
STRUTS = tuple(f"Strut{i}" for i in range(1, 9))


def _yaml(*on: str, **sections: Any) -> dict[str, Any]:
    flags: dict[str, Any] = {name: {"flag": True} for name in on}
    return {
        "meta": {"basename": "orcaflex_post_process", "library": "digitalmodel", "label": "x", "description": "text"},
        "basename": "orcaflex_post_process",
        "default": {"log_level": "INFO", "config": {"overwrite": {"output": True}}},
        "orcaflex": {"postprocess": flags},
        "file_management": {
            "flag": True,
            "input_directory": None,
            "output_directory": None,
            "filename": {"extension": ["sim"], "pattern": None, "filters": {"contains": [], "not_contains": []}},
        },
        **sections,
    }


def _group(label: str, *columns: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"Label": label, **keys, "Columns": list(columns)}


def _histories(names: Iterable[str], *statistics: str) -> list[dict[str, Any]]:
    return [
        {"ObjectName": name, "Statistic_Type": kind, "Label": f"{name}_{kind}".lower()}
        for name in names
        for kind in statistics
    ]


LINES = [f"Line{i:02d}" for i in range(1, 17)]
ENVIRONMENT = [
    {"Variable": ["WaveHs", -1], "Label": "Hs"},
    {"Variable": ["WaveTp", -1], "Label": "Tp"},
    {"Variable": ["WaveDirection", -1], "Label": "WaveDir"},
    {"Variable": ["WaveGamma", -1], "Label": "Gamma"},
    {"Variable": ["WaveType", -1], "Label": "WaveType"},
    {"Variable": ["WaveSeed", -1], "Label": "Seed"},
    {"Variable": ["WindSpeed", -1], "Label": "Wind"},
    {"Variable": ["WindDirection", -1], "Label": "WindDir"},
    {"Variable": ["RefCurrentSpeed"], "Label": "Current"},
    {"Variable": ["RefCurrentDirection"], "Label": "CurrentDir"},
    {"Variable": ["WaterDepth", 0], "Label": "Depth"},
]
_ENV_MASTER = _group("env", {"Command": "GetData", "ObjectName": "Environment"})
_DYN = {"Command": "TimeHistory", "SimulationPeriod": [None, None], "Variable": "Effective tension"}
_STATIC = {**_DYN, "SimulationPeriod": "StaticState", "Statistic_Type": "Max"}
_OLD = {
    "AddMinimumToSummary": False,
    "AddMaximumToSummary": False,
    "AddMeanToSummary": False,
    "groups": [],
}


def _summary_flag(**more: Any) -> dict[str, Any]:
    return {"flag": True, "statistics": dict(STATISTICS), **more}


def _masters() -> dict[str, Any]:
    """A mooring summary as it is run for hundreds of files: tensions, statics, motions, fenders, environment."""
    return {
        "summary_settings_master": {
            "groups": [
                _group("dyn", {**_DYN, "objectExtra": ["End A"]}),
                _group("stat", {**_STATIC, "objectExtra": ["End A"]}),
                _group("struts", {**_DYN, "objectExtra": None, "Variable": "Force"}),
                _group("vessel", {**_DYN, "ObjectName": "Vessel1", "Position": [0, 0, 0], "Variable": "X"}),
                _ENV_MASTER,
            ]
        },
        "summary_settings": {
            "groups": [
                _group("dyn", *_histories(LINES, "Min", "Max")),
                _group("stat", *[{"ObjectName": name, "Label": f"{name}_pre"} for name in LINES]),
                _group("struts", *_histories(STRUTS, "Max")),
                _group(
                    "vessel",
                    *[
                        {"Variable": axis, "Statistic_Type": kind, "Label": f"{axis}_{kind}"}
                        for axis in ("X", "Y", "Z", "Rotation 1")
                        for kind in ("Min", "Max")
                    ],
                ),
                _group("env", *ENVIRONMENT),
            ]
        },
    }


def _traces(period: list[Any]) -> dict[str, Any]:
    columns = [{"Variable": variable, "Label": variable.lower()} for variable in ("Tension", "Length", "Velocity")]
    return {
        "time_series_settings_master": {
            "data": True,
            "groups": [
                _group(name, {"Command": "TimeHistory", "ObjectName": name, "SimulationPeriod": list(period)})
                for name in STRUTS
            ],
        },
        "time_series_settings": {
            "data": True,
            "histogram": False,
            "summation": False,
            "groups": [_group(name, *copy.deepcopy(columns)) for name in STRUTS],
        },
    }


def _instant(at: float) -> list[dict[str, Any]]:
    return [
        {"Command": "TimeHistory", "ObjectName": name, "Variable": "Effective tension", "objectExtra": [end],
         "SimulationPeriod": [at], "Statistic_Type": "Max", "Label": f"{name}_{end}"}
        for name in LINES[:8] for end in ("End A", "End B")
    ]  # fmt: skip


RANGE = {"Command": "Range Graph", "ObjectName": "Riser", "SimulationPeriod": [0.0, 10.0], "Statistic_Type": "Max"}
_LINKED = {"ObjectType": "line", "ObjectName": "Line01", "objectExtra": ["End B"], "SimulationPeriod": [0.0, 10.0]}

YAMLS: dict[str, dict[str, Any]] = {
    "a first summary": _yaml(
        orcaflex={"postprocess": {"summary": _summary_flag(min=False, max=False, mean=False)}},
        summary_settings={
            **_OLD,
            "groups": [
                _group(
                    "all",
                    *[{**RANGE, "Variable": name, "Label": name} for name in ("Effective tension", "Bend moment",
                      "Curvature", "API STD 2RD Method 1")],
                    {**_DYN, "ObjectName": "Vessel1", "Variable": "Heave", "Statistic_Type": "Max", "Label": "heave"},
                    *[{"Command": "Get Data", "ObjectName": "Environment", **column} for column in ENVIRONMENT[:7]],
                    SummaryFileName="summary", inject_into=None, directory=None, filename_pattern=None,
                )
            ],
        },
    ),
    "a summary with masters": _yaml(
        orcaflex={"postprocess": {"summary": _summary_flag(csv_decimal=4)}}, **_masters()
    ),
    "a summary without statistics of its own": _yaml("summary", **_masters()),
    "linked statistics": _yaml(
        orcaflex={"postprocess": {"linked_statistics": {"flag": True, "csv_decimal": 6}, "summary": {"flag": False}}},
        linked_statistics_settings_master={"groups": [_group("ends", copy.deepcopy(_LINKED))]},
        linked_statistics_settings={
            "groups": [_group("ends", *[
                {"Variable": ["Effective tension", "Bend moment", "Curvature"], "Label": f"l{i}",
                 "ObjectName": f"Line0{i}"} for i in (1, 2, 3)
            ])]
        },
    ),
    "a time series": _yaml(
        "time_series",
        time_series_settings={
            "data": True, "histogram": False, "summation": False, "statistics": {"Max": True},
            "groups": [_group("line", {**_DYN, "ObjectName": "Line01", "objectExtra": ["End A"], "Label": "T",
                                       "SimulationPeriod": [0.0, 60.0]})],
        },
    ),
    "traces of struts": _yaml("time_series", **_traces([0.0, None])),
    "traces with an end": _yaml("time_series", **_traces([0, 10800])),
    "summary and traces": _yaml("summary", "time_series", **_masters(), **_traces([None, None])),
    "only statics": _yaml(
        "summary",
        summary_settings_master={"groups": [_group("p", {**_STATIC, "objectExtra": ["End B"]})]},
        summary_settings={"groups": [_group("p", *[{"ObjectName": n, "Label": f"{n} [kN]"} for n in LINES])]},
    ),
    "at one instant": _yaml("summary", summary_settings={"groups": [_group("t", *_instant(312.4))]}),
    "several instants": _yaml(
        "summary", summary_settings={"groups": [_group(f"t{at}", *_instant(at)) for at in (10.0, 20.0, 30.5)]}
    ),
    "a vessel's points": _yaml(
        "summary",
        summary_settings={
            "groups": [_group("manifold", *[
                {"Command": "TimeHistory", "ObjectName": "Vessel1", "Position": [12.5, -3, 20.1], "Variable": axis,
                 "SimulationPeriod": "LatestWave", "Statistic_Type": kind, "Label": f"{axis} {kind}", "units": "m"}
                for axis in ("Z", "GZ-Acceleration") for kind in ("Min", "Max")
            ])]
        },
    ),
    "an umbilical": _yaml(
        "summary",
        summary_settings={
            "groups": [
                _group(
                    "umb",
                    *[{**RANGE, "ArcLength": [0, 50], "Variable": v, "Label": v, "SimulationPeriod": "LatestWave"}
                      for v in ("Effective tension", "Bend moment")],
                    *[{**_DYN, "ObjectName": "Umbilical", "objectExtra": [end], "Variable": v, "Statistic_Type": "Max",
                       "SimulationPeriod": "LatestWave", "Label": f"{v} {end}"}
                      for end in ("End A", "End B", "Touchdown") for v in ("Effective tension", "Declination")],
                    {**_DYN, "ObjectName": "Vessel1", "Variable": "Support Contact Clearance", "SupportIndex": 1,
                     "Statistic_Type": "Min", "Label": "clearance"},
                    *[{"Command": "GetData", "ObjectName": "Environment", **column} for column in ENVIRONMENT[:7]],
                )
            ]
        },
    ),
    "sections of a line": _yaml(
        "summary",
        summary_settings={"groups": [_group(
            "touchdown", {**RANGE, "objectExtra": ["Section", [2, 2]], "Variable": "Bend moment", "Label": "bm"},
            {**RANGE, "objectExtra": ["Section", [3]], "Variable": "Bend moment", "Label": "bm3"},
        )]},
    ),
    "static results": _yaml(
        "summary",
        summary_settings={"groups": [_group("w", *[
            {"Command": command, "ObjectName": f"Winch0{i}", "Variable": "Tension", "Label": f"w{i}", "ObjectType": "w"}
            for i, command in enumerate(("Static Result", "StaticResult"), start=1)
        ])]},
    ),
    "lines from a file": _yaml(
        "RangeGraph",
        parameters={"VarNames": {"Line": ["Effective Tension", "Bend Moment"]}},
        RangeGraph=[{"ObjectName": "Line01", "SimulationPeriod": [0, 10], "Variable": "X", "ArcLength": [0, 5],
                     "AdditionalData": ["Max"]}],
        RangeGraph_settings={"add_effective_tension_to_cfg": False},
        workflow={"execution_order": ["a"], "next_config": None, "previous_config": None},
    ),
    "all variables": _yaml("all_vars", parameters={"VarNames": {"Line": ["Effective Tension"]}}),
    "pictures": _yaml(
        "visualization",
        visualization_settings={"label": "v", "individual": True, "combined": False, "hide_items": [], "add_items": [],
                                "views": ["plan"], "tdp_line": None, "viewparams": {"plan": {"ViewSize": 100}}},
    ),
    "a run and its results": {
        **_yaml("summary", **_masters()),
        "orcaflex": {
            "analysis": {"static": False, "simulation": False, "iterate": {"flag": False}, "save_sim": True,
                         "save_dat": False, "mooring": {"flag": False}},
            "postprocess": {"summary": _summary_flag(), "RAOs": {"flag": False}, "all_vars": {"flag": False},
                            "rain_flow": {"bins": 10, "range": [0, 100]}, "cumulative_histograms": {"flag": False}},
        },
        "parallel_processing": {"enabled": True, "max_workers": 30, "timeout_per_file": 3600, "task_type": "mixed",
                                "auto_optimize": True, "save_error_reports": True, "progress_reporting": True},
        "quiet": False,
        "verbose": True,
        "workers": 30,
    },
    "things set aside": {
        **_yaml("summary", **_masters()),
        "summary_settings_old": {"groups": [{"label": "x", "columns": []}]},
        "time_series_settings_backup": {"groups": []},
        "x-common": {"Lable": 1},
        "analysis": {"static": True},
        "time_series_settings": {"data": False, "Groups": [{"lable": "?", "Colums": [{"Objectname": "l"}]}]},
        "notes": "ask Anna",
    },
    "notes beside columns": _yaml(
        "summary",
        summary_settings={"groups": [_group(
            "dyn",
            {**_DYN, "ObjectName": "Line01", "objectExtra": ["End A"], "Statistic_Type": "Max", "Label": "T",
             "Unit": "kN", "description": "tension at the vessel", "Label_old": "tension", "Variable2": "Bend moment"},
            description="for the report",
        )]},
    ),
}  # fmt: skip

BASE: dict[str, Any] = {
    "meta": {"basename": "orcaflex_post_process", "library": "digitalmodel", "version": "0.1"},
    "default": {"log_level": "DEBUG", "config": {"overwrite": {"output": True}}, "Analysis": {"flag": False}},
    "parallel_processing": {"enabled": True, "max_workers": 30},
    "orcaflex": {
        "analysis": {"static": False, "simulation": False, "iterate": {"flag": False}, "mooring": {"flag": False}},
        "preprocess": {"check_yml": {"flag": False}, "load_vessel": {"flag": False}},
        "postprocess": {
            "visualization": {"flag": False, "settings": None},
            "summary": {"flag": False, "statistics": dict(STATISTICS), "min": False, "max": False, "mean": False},
            "linked_statistics": {"flag": False},
            "RangeGraph": {"flag": False},
            "time_series": {"flag": False},
            "RAOs": {"flag": False},
            "cummulative_histograms": {"flag": False},
            "rain_flow": {"bins": 10, "range": [0, 1000]},
        },
    },
    "time_series_settings": {"data": False, "histogram": False, "summation": False, "groups": []},
    "summary_settings": {**_OLD},
    "file_management": {
        "flag": True,
        "input_directory": None,
        "output_directory": None,
        "update_unfinished": {"flag": False},
        "filename": {
            "extension": ["sim"],
            "pattern": None,
            "filters": {"contains": [], "not_contains": [], "min_size_kb": None, "max_size_kb": None, "regex": None},
        },
        "files": {"files_in_current_directory": {"flag": False}, "csv": {"flag": False}, "data": []},
    },
}
"""Defaults of a clone: everything off, full of keys that nothing reads."""
