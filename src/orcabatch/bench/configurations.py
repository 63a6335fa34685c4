"""Configurations of digitalmodel's in the shape of production's, and the simulated files they are asked of.

Pairs of Max and Min of one history, two ends of each line, one period; or traces over whole simulations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orcabatch import simulated

LINE_VARIABLES = ("Effective tension", "Bend moment", "Curvature", "Wall tension")
OUTPUTS = ("summary", "linked_statistics", "RangeGraph", "time_series", "cummulative_histograms", "visualization")


@dataclass(frozen=True, slots=True)
class SpecifiedConfiguration:
    """A configuration and its files.

    Attributes:
        name: how it stands in the tables.
        columns: summary columns, or series columns.
        objects: in each model.
        files: how many `.sim` files.
        series: time series instead of a summary.
        samples: in each log, of the whole simulation.
    """

    name: str
    columns: int
    objects: int
    files: int
    series: bool = False
    samples: int = 1_001
    size_bytes: int = 1_000_000

    @property
    def cfg(self) -> dict[str, Any]:
        """As digitalmodel's post-process takes it; without files and a result folder."""
        flags: dict[str, Any] = {name: {"flag": False} for name in OUTPUTS}
        flags["time_series" if self.series else "summary"]["flag"] = True
        flags["summary"]["statistics"] = dict.fromkeys(("Minimum", "Maximum", "Mean", "StdDev"), False)
        return {
            "basename": "orcaflex_post_process",
            "meta": {"basename": "orcaflex_post_process"},
            "orcaflex": {"postprocess": flags},
            "Analysis": {"result_folder": "", "file_name": "dm", "file_name_for_overwrite": "dm"},
            "file_management": {"input_files": {"sim": []}},
            **self.sections,
        }

    @property
    def sections(self) -> dict[str, Any]:
        """The settings of the outputs that are on."""
        group = [{"Label": "g", "Columns": self.asked()}]
        if self.series:
            return {"time_series_settings": {"data": True, "groups": group}}
        return {
            "summary_settings": {"groups": group},
            "time_series_settings": {"data": False, "groups": []},
        }

    def asked(self) -> list[dict[str, Any]]:
        """The columns, in order."""
        lines = [item.name for item in self.model() if _is_line(item)]
        return [_column(i, lines, self.series) for i in range(self.columns)]

    def model(self) -> tuple[simulated.ObjectSpec, ...]:
        """The objects of each file but General and Environment, which every model has; at least one line."""
        usual = simulated.mooring_objects(self.objects)
        if len(usual) + 2 <= self.objects:
            return usual
        return tuple(
            simulated.ObjectSpec(f"Line{i:02d}", simulated.ObjectType.Line)
            for i in range(1, max(self.objects - 2, 1) + 1)
        )

    def spec(self, seed: int) -> simulated.SimSpec:
        """What file number `seed` holds."""
        return simulated.SimSpec(
            objects=self.model(),
            sample_interval_s=0.3,
            stop_time_s=0.3 * (self.samples - 1),
            start_time_s=0.0,
            size_bytes=self.size_bytes,
            seed=seed,
        )


def _is_line(item: simulated.ObjectSpec) -> bool:
    return item.type == simulated.ObjectType.Line


def _column(i: int, lines: list[str], series: bool) -> dict[str, Any]:
    kind, place = ("Max", i) if series else (("Max", "Min")[i % 2], i // 2)
    line, place = lines[place % len(lines)], place // len(lines)
    variable, end = LINE_VARIABLES[place % 4], ("End A", "End B")[place // 4 % 2]
    return {
        "Command": "TimeHistory",
        "ObjectName": line,
        "Variable": variable,
        "objectExtra": [end],
        "SimulationPeriod": [0.0, None] if series else [None, None],
        "Statistic_Type": kind,
        "Label": f"c{i:03d}",
    }
