"""The sub-sections of the YAML `performance:` section as models: one class each, one field per key.

Covers names, types, units, defaults, ranges, what each key does. Does not cover what keys must hold among each other
(`orcabatch.settings.models`). Inside, sizes are bytes, durations seconds, rates per second, percentages floats.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from orcabatch.settings import units
from orcabatch.settings.fields import (
    Number,
    Percent,
    PerSecond,
    Seconds,
    Size,
    Switch,
    Text,
    Whole,
    choice,
    count,
    key,
    switch,
)

GC_SHARE = 15 / 16
"""An unset `gc_threshold` is this share of `max_usage_percent`: 75 for the specification's 80."""

METRICS_FILE = "performance_metrics.json"


class Section(BaseModel):
    """Base of all sub-sections: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Threading(Section):
    """How many files are worked on at once."""

    mode: Literal["static", "dynamic", "hybrid"] = choice(
        "dynamic",
        "How files share the workers. `static`: one size tier after the other, each with its fixed thread count. "
        "`dynamic`: all tiers at once, the number of workers found while running, tier counts as ceilings. "
        "`hybrid`: `dynamic` on processes x threads, each process pinned to a NUMA node; a file goes to the emptiest.",
        "static",
        "dynamic",
        "hybrid",
    )
    min_threads: Whole = count(
        5,
        "The fewest files worked on at once. Where it is written (in the YAML or the call) it is kept in every mode, "
        "also where `threads_per_gb` says fewer; memory, seats, a tier's count and the number of files stay what they "
        "are. The default is advice: the count may fall to 1.",
    )
    max_threads: Whole = count(45, "The most files worked on at once, over all tiers and processes.")
    threads_per_gb: Number = key(
        0.25,
        "The most files worked on at once per GB of RAM that is available when the run is planned. Where it is written "
        "it binds in every mode. The default is advice, which the plan shows, and which sets the count only where "
        "there are no tiers (`optimization.group_by_size: false`).",
        "a number above 0",
        gt=0,
    )


class Memory(Section):
    """How much of the memory a batch may fill."""

    max_usage_percent: Percent = key(
        80.0,
        "Memory usage of the host (or the container, whichever is smaller), other programs included, above which "
        "nothing is loaded and the number of workers shrinks. Percent.",
        units.SHARE_ALLOWED,
        gt=0,
        le=100,
    )
    gc_threshold: Percent | None = key(
        None,
        "Memory usage above which garbage is collected, at most every five seconds, while work goes on. Percent.",
        "a percentage above 0, at most max_usage_percent",
        shown="15/16 of `max_usage_percent`",
        gt=0,
        le=100,
    )
    preallocation: Switch = switch(
        True,
        "Whether a worker allocates the buffers that every file needs (text and conversion) once and uses them again. "
        "Arrays handed to a post-process are never reused.",
    )
    chunk_size: Size = key(
        100_000_000,
        "The most that one joint request for results may return. Bytes.",
        units.SIZE_ALLOWED + ", above 0",
        shown="100MB",
        gt=0,
    )

    @property
    def gc_percent(self) -> float:
        """The threshold in force: `gc_threshold`, or 15/16 of `max_usage_percent` where it is unset."""
        return self.max_usage_percent * GC_SHARE if self.gc_threshold is None else self.gc_threshold


class Io(Section):
    """How files are read and written."""

    async_enabled: Switch = switch(
        True,
        "Whether files are read and written beside the work on others: the next ones are read ahead into the system's "
        "cache (`read_ahead`), and a file's time series are written after its model was given back (`write_behind`).",
    )
    buffer_size: Size = key(
        10_000_000,
        "Output is written in pieces of this size. Bytes.",
        units.SIZE_ALLOWED + ", above 0",
        shown="10MB",
        gt=0,
    )
    use_compression: Switch = switch(
        False, "Whether time-series CSVs are written as `.csv.gz`. A changed output: the plan says so."
    )
    temp_directory: Text | None = key(
        None,
        "Folder for OrcaFlex's temporary files and for staged inputs. One that cannot be used gets one warning, and "
        "the system's is used. The plan says where they go, and where a faster disk is there.",
        "a folder",
        shown="the system's",
    )
    stage_inputs: Switch = switch(
        False,
        "Whether `.sim` files are copied to `temp_directory` before they are loaded (for slow network drives). "
        "For digitalmodel's batches only: your own function sees the file where it is.",
    )
    read_ahead: Whole = count(
        2,
        "How many files are read ahead of the workers while `async_enabled` is on; those that are over in milliseconds "
        "are not. Files.",
        least=0,
    )
    write_behind: Size = key(
        200_000_000,
        "How much text of time series may wait to be written in one process while `async_enabled` is on. Their files "
        "have been given back, and others take their places; where there is no room, a worker writes itself first. "
        "Bytes.",
        units.SIZE_ALLOWED + "; 0: none",
        shown="200MB",
        ge=0,
    )


class Monitoring(Section):
    """What is measured and written down."""

    enabled: Switch = switch(
        True, "Whether memory, CPU and I/O are sampled. Outcomes and phases of files are recorded in any case."
    )
    interval: Seconds = key(
        5.0,
        "Time between two samples, at most: where files are shorter than it, up to four a second. Seconds.",
        units.DURATION_ALLOWED + ", above 0",
        shown="5",
        gt=0,
    )
    export_metrics: Switch = switch(True, "Whether the metrics are written to `metrics_file`.")
    metrics_file: Text = key(
        METRICS_FILE,
        "Where the metrics are written, relative to the result folder.",
        "a file name, or a path",
    )


class SizeThresholds(Section):
    """Where a size tier ends."""

    small: Size = key(
        100_000_000,
        "Files below this size are small. Bytes.",
        units.SIZE_ALLOWED + ", above 0 and below `large`",
        shown="100MB",
        gt=0,
    )
    large: Size = key(
        500_000_000,
        "Files of at least this size are large; those between are medium. Bytes.",
        units.SIZE_ALLOWED + ", above `small`",
        shown="500MB",
        gt=0,
    )


class ThreadAllocation(Section):
    """How many files of a size tier are worked on at once."""

    small: Whole = count(45, "The most small files worked on at once.")
    medium: Whole = count(30, "The most medium files worked on at once.")
    large: Whole = count(15, "The most large files worked on at once.")


TIERS = tuple(ThreadAllocation.model_fields)
"""The specification's groups of files by size, in the order in which `mode: static` runs them."""


class Optimization(Section):
    """How files are grouped."""

    group_by_size: Switch = switch(
        True,
        "Whether files are grouped into small, medium and large, each with its own count. False: one tier, its count "
        "from memory, CPUs and `threads_per_gb` (`ResourceManager.calculate_optimal_threads`).",
    )
    size_thresholds: SizeThresholds = SizeThresholds()
    thread_allocation: ThreadAllocation = ThreadAllocation()


class Licences(Section):
    """How OrcaFlex licence seats are shared."""

    max: Whole | None = count(None, "The most licence seats this batch may hold at once.", shown="no limit")
    scope: Literal["model", "process", "host"] = choice(
        "process",
        "What holds a seat: each `model` that is open, each `process`, or the whole `host`.",
        "model",
        "process",
        "host",
    )
    wait: Seconds = key(
        600.0,
        "How long to wait for a seat that is not free before the file counts as failed. Seconds.",
        units.DURATION_ALLOWED,
        shown="10 min",
        ge=0,
    )
    ramp_up: PerSecond = key(
        1.0,
        "How fast seats are taken at the start. Seats per second.",
        units.RATE_ALLOWED + ", above 0",
        shown="1 per second",
        gt=0,
    )


class Broker(Section):
    """How OrcFxAPI is asked for results."""

    enabled: Switch = switch(
        True, "Whether repeated questions about one loaded file are answered from memory, bit for bit as OrcFxAPI did."
    )
    prefetch: Switch = switch(
        True, "Whether the time histories that the first files asked for are fetched jointly for the later ones."
    )
    self_check: Switch = switch(
        True,
        "Whether on every file one joint answer, drawn at random, is asked again singly. One bit of difference "
        "switches `prefetch` off for the batch and redoes the files that used it.",
    )


class Ledger(Section):
    """What is remembered between runs."""

    enabled: Switch = switch(
        True, "Whether finished files are remembered, so that a run resumes and unchanged files are skipped."
    )
    path: Text | None = key(None, "Folder or file of the ledger.", "a path", shown="in the user's state folder")
    max_size: Size = key(
        2_000_000_000,
        "Above this size the oldest results are forgotten. Bytes.",
        units.SIZE_ALLOWED + ", above 0",
        shown="2GB",
        gt=0,
    )


class Dask(Section):
    """Where `executor: dask` finds its workers."""

    address: Text | None = key(
        None,
        "Address of the scheduler, such as `tcp://host:8786`. Used with `executor: dask`; limits are each machine's.",
        "an address such as tcp://host:8786",
        shown="a local cluster",
    )
