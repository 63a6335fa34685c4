"""How much work is done, counted in bytes of `.sim` files from the phases that files have passed.

Covers the part of a `Sample` that only the dispatcher knows, and how many files each met (`occupancy`). Does not cover
memory, CPU and disks: the probe does.
Nothing is interpolated from elapsed time: a running file counts for its loading once it is loaded, and for the rest
when it ends. How much of a file's work its loading is, is learnt from the files that ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from orcabatch.engine.occupancy import AFTER, LOADING, Occupancy, Stays
from orcabatch.outcome import Phase

if TYPE_CHECKING:
    from orcabatch.engine.scheduler_messages import Sample


class WorkCounter:
    """Counts the work of one run."""

    def __init__(self) -> None:
        self._phase: dict[int, Phase] = {}
        self._credit: dict[int, float] = {}
        self._work = self._loaded = self._extracted = 0.0
        self._load_s = self._rest_s = 0.0
        self._occupancy = Occupancy()

    def started(self, index: int, at_s: float) -> None:
        """A worker has the file."""
        self._phase[index] = Phase.LOAD
        self._occupancy.enter(index, LOADING, at_s)

    def entered(self, index: int, phase: Phase, size_bytes: int, at_s: float) -> None:
        """The file passed into another phase."""
        if index not in self._phase:
            return
        self._phase[index] = phase
        self._occupancy.enter(index, LOADING if phase is Phase.LOAD else AFTER, at_s)
        if phase is Phase.EXTRACT and index not in self._credit:
            self._credit[index] = size_bytes * self._load_share
            self._work += self._credit[index]
            self._loaded += size_bytes

    def stopped(self, index: int, at_s: float) -> None:
        """The file's worker was lost; what was credited stays credited."""
        self._phase.pop(index, None)
        self._occupancy.end(index, at_s)

    def finished(self, index: int, size_bytes: int, phases: Mapping[str, float], at_s: float) -> Stays:
        """The file ended, well or not; its stays, and how many it met in each."""
        self._phase.pop(index, None)
        if index not in self._credit:
            self._loaded += size_bytes
        self._work += size_bytes - self._credit.pop(index, 0.0)
        self._extracted += size_bytes
        load_s = phases.get(Phase.LOAD, 0.0)
        self._load_s += load_s
        self._rest_s += sum(phases.values()) - load_s - phases.get(Phase.WAIT, 0.0)
        return self._occupancy.end(index, at_s)

    def fill(self, sample: Sample) -> Sample:
        """The sample with what is known here."""
        phases = list(self._phase.values())
        return replace(
            sample,
            work=self._work,
            work_loaded=self._loaded,
            work_extracted=self._extracted,
            loading=phases.count(Phase.LOAD),
            extracting=phases.count(Phase.EXTRACT),
            writing=phases.count(Phase.WRITE),
        )

    @property
    def _load_share(self) -> float:
        total = self._load_s + self._rest_s
        return self._load_s / total if total else 0.5
