"""What the suites run on: batches in miniature whose costs are those of production, scaled.

    Workload ── written ──> Made: the files, and digitalmodel's configuration for them (`SpecifiedConfiguration`)

Covers sizes (drawn like the published ones, divided by `SCALE`), columns, objects, time series, the specification's
two batches, and hosts as costs of the simulated OrcaFlex. Does not cover running (`orcabatch.bench.measure`). Bytes are
divided by 500, so a bandwidth divided by 500 gives production's seconds (the `disk` host: 10 MB/s stand for 5 GB/s);
what a pass over the log costs is given in seconds and does not grow with a file.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orcabatch import simulated
from orcabatch.digitalmodel.outputs import OUTPUTS, STATISTICS
from orcabatch.plan import TIERS, BatchOptimizer, SizedFile

MB = 1_000_000
SCALE = 500
"""By how much files are smaller than production's: 42 MB become 84 kB, 3.5 GB become 7 MB."""
THRESHOLDS = (100 * MB // SCALE, 500 * MB // SCALE)
"""The specification's 100 and 500 MB, scaled."""
MEMORY_FACTORS = (0.3, 4.0)
"""Memory of a loaded file over its size, least and most, where the engine shall not know it beforehand."""
HOSTS: dict[str, dict[str, Any]] = {
    "free": {},
    "ssd": {"load_latency_s": 0.001, "bandwidth_bytes_per_s": 500e6, "log_pass_s": 0.002},
    "latency": {"load_latency_s": 0.5, "log_pass_s": 0.01},
    "disk": {"load_latency_s": 0.002, "bandwidth_bytes_per_s": 10e6, "log_pass_s": 0.001},
    "cpu": {"cpu_s_per_pass": 0.02},
    "measured": {},
}
"""What limits a host: nothing but Python, an SSD, waiting for a share, a slow disk that all share, cores."""
MEASURED = "measured"
"""The host whose costs were measured (`calibrate`); it takes the place of all others."""
LINE_VARIABLES = ("Effective tension", "Bend moment", "Curvature", "Wall tension")


def calibrate(costs: simulated.Costs) -> None:
    """From now on every host costs this, measured over files of full size."""
    measured = json.loads(costs.to_json())
    if costs.bandwidth_bytes_per_s:
        measured["bandwidth_bytes_per_s"] = costs.bandwidth_bytes_per_s / SCALE
    HOSTS[MEASURED] = measured


@dataclass(frozen=True, slots=True)
class Workload:
    """Files, a configuration, and what the simulated OrcaFlex costs.

    Attributes:
        name: how it stands in the tables.
        sizes: bytes of each file, in input order.
        columns, objects, samples, series: of the configuration and its files (see `SpecifiedConfiguration`).
        host: a name of `HOSTS`.
        joint: whether a joint call costs one pass over the log, or as many as it has variables.
        yaml: one of the specification's batches (`dm_fsts.yml`, `dm_fsts_lngc.yml`) instead of drawn columns.
        memory_factors: memory of a loaded file over its size, drawn per file between these.
        seed: of the draws.
    """

    name: str
    sizes: tuple[int, ...]
    columns: int = 20
    objects: int = 10
    samples: int = 501
    series: bool = False
    host: str = "free"
    joint: str = "many"
    yaml: str = ""
    memory_factors: tuple[float, float] = (1.0, 1.0)
    seed: int = 1

    @property
    def costs(self) -> dict[str, Any]:
        """What `simulated.Costs` takes."""
        return {**HOSTS[self.host], "joint_passes": self.joint, **HOSTS[MEASURED]}

    @property
    def tiers(self) -> list[str]:
        """The tier of each file, by the scaled thresholds."""
        small, large = THRESHOLDS
        optimizer = BatchOptimizer({"optimization": {"size_thresholds": {"small": small, "large": large}}})
        sized = [SizedFile(Path(str(place)), size) for place, size in enumerate(self.sizes)]
        groups = zip(TIERS, optimizer.group_by_size(sized), strict=True)
        named = {file.path: tier for tier, group in groups for file in group}
        return [named[file.path] for file in sized]

    def on(self, host: str, joint: str = "many") -> Workload:
        """The same batch on another host."""
        return replace(self, name=f"{self.name}, {host}, {joint}", host=host, joint=joint)


@dataclass(frozen=True, slots=True)
class Made:
    """A workload on disk: digitalmodel's configuration (JSON-able) and the files."""

    workload: Workload
    cfg: dict[str, Any] = field(repr=False)
    files: list[str]


@dataclass(frozen=True, slots=True)
class SpecifiedConfiguration:
    """A configuration in the shape of production's, and its files.

    Pairs of Max and Min of one history, two ends of each line, one period; or traces over whole simulations.

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
        flags["summary"]["statistics"] = dict.fromkeys(STATISTICS, False)
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
        lines = [item.name for item in self.model() if item.type == simulated.ObjectType.Line]
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


def specification(files: int) -> dict[str, Workload]:
    """The specification's two batches: the LNGC models are larger and fewer."""
    return {
        name: Workload(name, sizes(kind, count), yaml=name)
        for name, kind, count in (("dm_fsts_lngc.yml", "large", files // 2), ("dm_fsts.yml", "small", files))
    }


def shapes(files: int) -> dict[str, Workload]:
    """Configurations of several widths, from one column to production's."""
    return {
        "1x10": Workload("1 column, 10 objects", sizes("small", files), columns=1),
        "20x10": Workload("20 columns, 10 objects", sizes("small", files)),
        "96x300": Workload("96 columns, 300 objects", sizes("mixed", files), columns=96, objects=300),
        "900x300": Workload("900 columns, 300 objects", sizes("mixed", files), columns=900, objects=300),
        "series": Workload("12 series, 10 objects", sizes("mixed", files), columns=12, samples=3_001, series=True),
    }


def sizes(kind: str, count: int) -> tuple[int, ...]:
    """Sizes in bytes, drawn like the published ones and divided by `SCALE`.

    Args:
        kind: small (8-100 MB), medium (100-500 MB), large (0.5-3.5 GB), mixed (42 MB to 3.5 GB, most of them small).
        count: how many.
    """
    draw = random.Random(f"{kind}/1")  # noqa: S311 - a reproducible draw
    bounds = {"small": (8 * MB, 99 * MB), "medium": (100 * MB, 499 * MB), "large": (500 * MB, 3_500 * MB)}
    kinds = ["small", "small", "medium", "large"] if kind == "mixed" else [kind]
    least_most = [bounds[kinds[place % len(kinds)]] for place in range(count)]
    return tuple(draw.randint(*each) // SCALE for each in least_most)


def written(workload: Workload, folder: Path) -> Made:
    """The workload's files and its configuration; files that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    if workload.yaml:
        return _example(workload, folder)
    configuration = SpecifiedConfiguration(
        workload.name, workload.columns, workload.objects, len(workload.sizes), workload.series, workload.samples
    )
    draw = random.Random(workload.seed)  # noqa: S311 - a reproducible draw
    files = [folder / f"case_{place:03d}.sim" for place in range(len(workload.sizes))]
    for place, (file, size) in enumerate(zip(files, workload.sizes, strict=True)):
        factor = draw.uniform(*workload.memory_factors)
        if not file.exists():
            spec = configuration.spec(workload.seed * 1000 + place)
            simulated.write_sim(file, replace(spec, size_bytes=size, memory_factor=factor))
    return Made(workload, configuration.cfg, [str(file) for file in files])


def _example(workload: Workload, folder: Path) -> Made:
    """One of the specification's batches over generated files: `sizes` says how many, the generator how large."""
    from orcabatch.bench.examples import examples, make_sims
    from orcabatch.digitalmodel.configuration import load_configuration

    lngc = workload.yaml == "dm_fsts_lngc.yml"
    count = len(workload.sizes)
    made = make_sims(folder, lngc=count if lngc else 0, standard=0 if lngc else count)
    overrides = {"file_management": {"input_directory": str(folder), "output_directory": str(folder)}}
    cfg = load_configuration(examples() / workload.yaml, overrides).cfg
    plain: dict[str, Any] = json.loads(json.dumps(cfg, default=str))
    return Made(workload, plain, [str(file) for file in made])


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
