"""A folder full of simulated `.sim` files like a production batch's: mixed sizes, two name patterns, by seed.

The larger LNGC cases are called `fsts_l015_hwl_125km3_l100_pb_005yr__cl_015deg` and so on (see `LNGC_PATTERN`), the
smaller standard ones `fsts_l015_hwl_ncl_000deg` (`STANDARD_PATTERN`).
"""

# ruff: noqa: S311, PLR0913 - reproducible draws, no secrets; the options of generate_batch are keywords

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from orcabatch.simulated.simfile import write_sim
from orcabatch.simulated.spec import SimFault, SimSpec, mooring_objects

if TYPE_CHECKING:
    import os

LNGC_PATTERN = "fsts_l015_hwl_125km3_l100_{side}_{years:03d}yr__{current}_{heading:03d}deg"
STANDARD_PATTERN = "fsts_l015_hwl_{current}_{heading:03d}deg"
_Case = TypeVar("_Case")
_HEADINGS = (0, 15, 30, 45, 60, 90, 120, 135, 150, 180, 210, 225, 240, 270, 300, 315, 330, 345)


def batch_names(lngc: int, standard: int, *, seed: int = 0) -> tuple[list[str], list[str]]:
    """Stems of the LNGC and of the standard cases, each name once; the patterns' own examples come first."""
    return _lngc_names(lngc, random.Random(seed)), _standard_names(standard, random.Random(seed + 1))


def _lngc_names(count: int, draw: random.Random) -> list[str]:
    first = ("pb", 5, "cl", 15)
    product = itertools.product(("pb", "sb"), (5, 1, 10, 100), ("cl", "ncl"), _HEADINGS)
    every = [each for each in product if each != first]
    draw.shuffle(every)
    chosen = _repeated([first, *every], count)
    return [
        LNGC_PATTERN.format(side=side, years=years, current=current, heading=heading) + suffix
        for (side, years, current, heading), suffix in chosen
    ]


def _standard_names(count: int, draw: random.Random) -> list[str]:
    first = ("ncl", 0)
    every = [each for each in itertools.product(("ncl", "cl"), _HEADINGS) if each != first]
    draw.shuffle(every)
    return [
        STANDARD_PATTERN.format(current=current, heading=heading) + suffix
        for (current, heading), suffix in _repeated([first, *every], count)
    ]


def _repeated(cases: list[_Case], count: int) -> list[tuple[_Case, str]]:
    """`count` cases; from the second round on with a load case suffix."""
    rounds = ((case, number) for number in itertools.count(1) for case in cases)
    return [(case, f"_lc{number:02d}" if number > 1 else "") for case, number in itertools.islice(rounds, count)]


def generate_batch(
    folder: str | os.PathLike[str],
    *,
    lngc: int = 4,
    standard: int = 8,
    lngc_bytes: tuple[int, int] = (4_000_000, 12_000_000),
    standard_bytes: tuple[int, int] = (500_000, 2_000_000),
    objects: int = 26,
    stop_times_s: tuple[float, ...] = (60.0,),
    memory_factors: tuple[float, float] | None = None,
    faults: tuple[SimFault, ...] = (),
    seed: int = 0,
    base: SimSpec | None = None,
) -> list[Path]:
    """Write `lngc` + `standard` files into `folder` (created) and return their paths, LNGC first, by name pattern.

    Sizes in bytes are drawn between the two bounds; stop times in turn from `stop_times_s`; memory factors drawn
    log-uniformly between the bounds of `memory_factors` (None: 1). `objects` per model. The first `len(faults)`
    standard files have one fault each. `base` gives everything else. The same arguments give the same bytes.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    large, small = batch_names(lngc, standard, seed=seed)
    cases = [(stem, lngc_bytes) for stem in large] + [(stem, standard_bytes) for stem in small]
    start = base or SimSpec(objects=mooring_objects(objects))
    written = []
    for index, (stem, (least, most)) in enumerate(cases):
        spec = replace(
            start,
            seed=seed * 1000 + index,
            size_bytes=draw.randint(least, most),
            stop_time_s=stop_times_s[index % len(stop_times_s)],
            memory_factor=_drawn_factor(draw, memory_factors),
            wave_height_m=round(draw.uniform(1.0, 6.0), 2),
            wave_period_s=round(draw.uniform(7.0, 14.0), 2),
            current_speeds_m_s=(round(draw.uniform(0.2, 0.9), 2), round(draw.uniform(0.9, 1.8), 2)),
            faults=faults[index - lngc : index - lngc + 1] if index >= lngc else (),
        )
        written.append(write_sim(target / f"{stem}.sim", spec))
    return written


def _drawn_factor(draw: random.Random, bounds: tuple[float, float] | None) -> float:
    if bounds is None:
        return 1.0
    return round(math.exp(draw.uniform(math.log(bounds[0]), math.log(bounds[1]))), 3)
