"""What the suites run on: batches in miniature whose costs are those of production, scaled.

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
from orcabatch.bench.configurations import SpecifiedConfiguration
from orcabatch.plan import TIERS, BatchOptimizer, SizedFile

MB = 1_000_000
SCALE = 500
"""By how much files are smaller than production's: 42 MB become 84 kB, 3.5 GB become 7 MB."""
THRESHOLDS = (100 * MB // SCALE, 500 * MB // SCALE)
"""The specification's 100 and 500 MB, scaled."""
MEMORY_FACTORS = (0.3, 4.0)

HOSTS: dict[str, dict[str, Any]] = {
    "free": {},
    "ssd": {"load_latency_s": 0.001, "bandwidth_bytes_per_s": 500e6, "log_pass_s": 0.002},
    "latency": {"load_latency_s": 0.5, "log_pass_s": 0.01},
    "disk": {"load_latency_s": 0.002, "bandwidth_bytes_per_s": 10e6, "log_pass_s": 0.001},
    "cpu": {"cpu_s_per_pass": 0.02},
}
"""What limits a host: nothing but Python, an SSD, waiting for a share, a slow disk that all share, cores."""


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
        return {**HOSTS[self.host], "joint_passes": self.joint}

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


def sizes(kind: str, count: int, seed: int = 1) -> tuple[int, ...]:
    """Sizes in bytes, drawn like the published ones and divided by `SCALE`.

    Args:
        kind: small (8-100 MB), medium (100-500 MB), large (0.5-3.5 GB), mixed (42 MB to 3.5 GB, most of them small).
        count: how many.
        seed: of the draw.
    """
    draw = random.Random(f"{kind}/{seed}")  # noqa: S311 - a reproducible draw
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
