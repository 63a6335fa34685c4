"""How well seconds per file are foretold, on batches that were not learned from.

The files of the virtual host's cases, each batch run twice: the first run teaches, the second is foretold. `same files`
is the same batch again (their noise drawn anew); `new files` holds every fourth file back from the teaching. Beside the
robust fit (`orcabatch.plan.history`) stand the size alone, which is what a plan has without history, and a learner: the
mean of the nearest neighbours by size and family. The figure is the median relative error.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import cases
from orcabatch.bench.findings import Findings
from orcabatch.plan.history import Record, family, learn

NOISE = 0.15
"""Spread of a file's seconds from run to run: it meets other neighbours."""
FAMILIES = (("fsts_l015_hwl_125km3_l100_pb", 1.6), ("fsts_l015_hwl_ncl", 1.0), ("fsts_l015_lwl_cl", 0.7))
"""Name patterns, and how long their files take beside others of their size: they hold more or fewer results."""
NEIGHBOURS = 5

Predictor = Callable[[Sequence[Record]], Callable[[Record], float]]


def batch(case: cases.Case, run: int) -> list[Record]:
    """The records of one run of a case."""
    draw = random.Random(f"{case.name}/{run}")  # noqa: S311 - a reproducible draw
    kinds = random.Random(case.name)  # noqa: S311 - the same in every run
    made = []
    for number, file in enumerate(case.files):
        stem, ratio = kinds.choice(FAMILIES)
        seconds = ratio * file.alone_s(case.host) * math.exp(draw.gauss(0.0, NOISE))
        if draw.random() < 0.03:  # it met something that held it up
            seconds *= draw.uniform(2, 5)
        made.append(Record(f"{stem}_{number:03d}.sim", file.size_bytes, seconds, file.memory_bytes / file.size_bytes))
    return made


def by_size_alone(records: Sequence[Record]) -> Callable[[Record], float]:
    """Total seconds over total bytes."""
    rate = sum(record.seconds for record in records) / sum(record.size_bytes for record in records)
    return lambda record: rate * record.size_bytes


def by_history(records: Sequence[Record]) -> Callable[[Record], float]:
    """The robust fit."""
    learned = learn(records)
    return lambda record: learned.expect(Path(record.file), record.size_bytes).seconds or 0.0


def by_neighbours(records: Sequence[Record]) -> Callable[[Record], float]:
    """A learner: the nearest files by logarithm of size, another family counting as far away."""

    def foretold(record: Record) -> float:
        def distance(other: Record) -> float:
            apart = abs(math.log(other.size_bytes / record.size_bytes))
            return apart + (0.0 if family(other.file) == family(record.file) else 3.0)

        near = sorted(records, key=distance)[:NEIGHBOURS]
        return math.exp(statistics.fmean(math.log(each.seconds) for each in near))

    return foretold


PREDICTORS: dict[str, Predictor] = {
    "size alone": by_size_alone,
    "robust fit": by_history,
    "nearest neighbours": by_neighbours,
}


def error(predictor: Predictor, taught: Sequence[Record], asked: Sequence[Record]) -> float:
    """Median relative error."""
    foretell = predictor(taught)
    return statistics.median(abs(foretell(record) / record.seconds - 1) for record in asked)


def suite(*, quick: bool) -> Findings:
    """The held-out cases."""
    chosen = cases.held_out_cases()[: 9 if quick else None]
    found = Findings("prediction", unit="median relative error of seconds per file, held-out batches")
    for name, predictor in PREDICTORS.items():
        same = [error(predictor, batch(case, 0), batch(case, 1)) for case in chosen]
        new = [error(predictor, *_split(case)) for case in chosen]
        found.rows.append(
            {
                "predictor": name,
                "same files again": f"{statistics.median(same):.1%} (worst batch {max(same):.1%})",
                "new files": f"{statistics.median(new):.1%} (worst batch {max(new):.1%})",
            }
        )
        found.bars.append((f"orcabatch {name}" if name == "robust fit" else name, statistics.median(new)))
    found.notes = [
        (
            f"{len(chosen)} drawn batches; seconds of a file differ by {NOISE:.0%} from run to run, 3% meet something "
            "that makes them 2-5 times longer. One earlier run of the very file cannot foretell better than 14%."
        )
    ]
    return found


def _split(case: cases.Case) -> tuple[list[Record], list[Record]]:
    taught, asked = batch(case, 0), batch(case, 1)
    return (
        [record for number, record in enumerate(taught) if number % 4],
        [record for number, record in enumerate(asked) if number % 4 == 0],
    )
