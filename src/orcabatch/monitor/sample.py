"""One line of the time series, as it is kept and exported. How it comes to be: `orcabatch.monitor.performance`."""

from __future__ import annotations

from dataclasses import dataclass, fields

from orcabatch.host.sampler import HostRates


@dataclass(frozen=True, slots=True)
class Sample(HostRates):
    """One line of the time series: what the host gave, and what the workers did.

    Attributes:
        lock_taken: share of the time the interpreter lock was found taken, 0 to 1.
        busy_workers: workers that have a file now.
        limit: how many may have one; 0 where nobody said.
        efficiency: busy worker seconds / (limit x wall) since the sample before; None where nobody said.
    """

    lock_taken: float
    busy_workers: int
    limit: int
    efficiency: float | None


SAMPLE_COLUMNS = tuple(each.name for each in fields(Sample))
