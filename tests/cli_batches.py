"""The content of a small digitalmodel YAML, part by part, for the command line's tests."""

from __future__ import annotations

LINE = {
    "ObjectName": "Line01",
    "Command": "TimeHistory",
    "Variable": "Effective tension",
    "objectExtra": ["End A"],
    "Label": "line01",
}


def configuration(**sections):
    """A YAML's content: one summary column, one time series; `sections` replace whole sections."""
    flags = {name: {"flag": False} for name in ("linked_statistics", "RangeGraph", "cummulative_histograms")}
    statistics = dict.fromkeys(("Minimum", "Maximum", "Mean", "StdDev"), False)
    cfg = {
        "basename": "orcaflex_post_process",
        "meta": {"basename": "orcaflex_post_process", "library": "digitalmodel", "label": "t"},
        "default": {"config": {"overwrite": {"output": True}}},
        "file_management": management(),
        "orcaflex": {
            "postprocess": {
                "summary": {"flag": True, "statistics": statistics},
                "time_series": {"flag": True},
                "visualization": {"flag": False},
                **flags,
            }
        },
        "summary_settings": {"groups": [{"Label": "dyn", "Columns": [summary_column()]}]},
        "time_series_settings": {"data": True, "groups": [{"Label": "ten", "Columns": [series_column()]}]},
        "performance": {"orcaflex": "simulated", "ledger": {"enabled": False}},
    }
    return cfg | sections


def management(**keys):
    """Where files come from and results go."""
    found = {"flag": True, "input_directory": "sims", "output_directory": "results"}
    return found | {"filename": {"extension": ["sim"], "pattern": "a"}} | keys


def summary_column(**keys):
    """One column of the summary."""
    return LINE | {"SimulationPeriod": [None, None], "Statistic_Type": "Max"} | keys


def series_column(**keys):
    """One column of the time series."""
    return LINE | {"SimulationPeriod": [0.0, None]} | keys
