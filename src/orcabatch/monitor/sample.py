"""One line of the time series, as it is kept and exported. How it comes to be: `orcabatch.monitor.performance`."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the time series.

    Attributes:
        at_s: seconds since the run began.
        cpu_percent: CPU of the batch's own processes, percent of the CPUs it may use.
        host_cpu_percent: CPU of the whole host, percent.
        memory_percent: memory in use, percent.
        rss_bytes: memory held by the batch's own processes.
        read_bytes_per_s, write_bytes_per_s: I/O of the batch's own processes since the sample before.
        lock_taken: share of the time the interpreter lock was found taken, 0 to 1.
        busy_workers: workers that have a file now.
        limit: how many may have one; 0 where nobody said.
        efficiency: busy worker seconds / (limit x wall) since the sample before; None where nobody said.
    """

    at_s: float
    cpu_percent: float
    host_cpu_percent: float
    memory_percent: float
    rss_bytes: int
    read_bytes_per_s: float
    write_bytes_per_s: float
    lock_taken: float
    busy_workers: int
    limit: int
    efficiency: float | None


SAMPLE_COLUMNS = tuple(each.name for each in fields(Sample))
