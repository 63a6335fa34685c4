"""The suites of `orcabatch bench` by name, and the tour.

    suite(Setup) ──> Findings (rows, notes, raw measurements)

Comparisons with others stand in `comparisons`, trials of orcabatch alone in `trials`. The broker, real OrcaFlex, the
virtual host and the regression figures have modules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from orcabatch.bench import peers
from orcabatch.bench.comparisons import peer_rows, peers_suite, spec
from orcabatch.bench.findings import CPUS, Findings, Setup, place, settings
from orcabatch.bench.measure import Contender, compete
from orcabatch.bench.trials import again, memory, scaling, stress
from orcabatch.bench.workloads import (
    shapes,
    written,
)

SUITES: Mapping[str, Callable[[Setup], Findings]] = {
    "spec": spec,
    "peers": peers_suite,
    "scaling": scaling,
    "memory": memory,
    "stress": stress,
    "again": again,
}


def tour(setup: Setup) -> Iterator[Findings]:
    """A short look: one peer comparison, scaling, memory."""
    short = replace(setup, quick=True, rounds=1)
    found = Findings("tour")
    workload = shapes(4)["20x10"].on("ssd")
    made = written(workload, setup.folder / place(workload))
    contenders = [
        peers.SERIAL,
        peers.BASELINE,
        Contender(f"processes {CPUS}", f"processes:{CPUS}"),
        peers.orcabatch(**settings()),
    ]
    peer_rows(found, compete(contenders, made, rounds=1, say=setup.say))
    yield found
    yield scaling(short)
