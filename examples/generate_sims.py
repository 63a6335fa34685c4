"""Makes the simulated `.sim` files that the YAMLs beside it ask for: `python examples/generate_sims.py [FOLDER]`.

Names and sizes are those of two production batches in miniature: few larger files of the LNGC models, more smaller
ones, one per wave seed. They end at different times, so that open periods matter. The same call makes the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from orcabatch import simulated

LNGC = "fsts_l015_hwl_125km3_l100_pb_005yr__cl_015deg"
STANDARD = "fsts_l015_hwl_ncl_000deg"
STOP_TIMES_S = (60.0, 45.0, 75.0)


def generate_sims(folder: Path, *, lngc: int = 4, standard: int = 12, scale: float = 1.0) -> list[Path]:
    """Write `lngc` larger and `standard` smaller files; `scale` multiplies their sizes (about 6 and 1 MB)."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = [(f"{LNGC}_seed{number:02d}", 40, 6_000_000 + 500_000 * number) for number in range(1, lngc + 1)]
    cases += [(f"{STANDARD}_seed{number:02d}", 26, 900_000 + 50_000 * number) for number in range(1, standard + 1)]
    written = []
    for number, (stem, objects, size_bytes) in enumerate(cases):
        spec = simulated.SimSpec(
            objects=simulated.mooring_objects(objects),
            stop_time_s=STOP_TIMES_S[number % len(STOP_TIMES_S)],
            size_bytes=int(size_bytes * scale),
            seed=number,
            wave_height_m=2.0 + 0.25 * (number % 9),
            wave_period_s=8.0 + 0.5 * (number % 7),
        )
        written.append(simulated.write_sim(folder / f"{stem}.sim", spec))
    return written


def generate_headings(folder: Path, *, headings: range = range(0, 90, 15), seeds: int = 8) -> list[Path]:
    """Write a small file for each heading and wave seed."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = [(heading, seed) for heading in headings for seed in range(1, seeds + 1)]
    return [
        simulated.write_sim(
            folder / f"fsts_l015_hwl_ncl_{heading:03d}deg_seed{seed:02d}.sim",
            simulated.SimSpec(
                objects=simulated.mooring_objects(10),
                stop_time_s=30.0,
                size_bytes=100_000,
                seed=100 * heading + seed,
                wave_height_m=3.0 + heading / 30,
            ),
        )
        for heading, seed in cases
    ]


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sims"
    print(f"{len(generate_sims(target))} simulated .sim files in {target}")
