"""What an engineer should know before a batch starts, in sentences.

Covers what the numbers of the plan do not show by themselves: where the host is limited, which files do not fit, which
settings change the output or cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orcabatch.plan.caps import memory_budget
from orcabatch.settings import Settings, format_size
from orcabatch.text import shortened_list

if TYPE_CHECKING:
    from orcabatch.host import DiskKind, HostResources
    from orcabatch.plan.caps import Cap, Situation
    from orcabatch.plan.values import PlannedFile, Tier

_NAMED = 5
FASTEST_FIRST: tuple[DiskKind, ...] = ("ssd", "hdd", "network")
_DISKS = {"ssd": "an SSD", "hdd": "a hard disk", "network": "a network drive"}
ROOM_BYTES = 10_000_000_000
"""A disk with less free space than this is not proposed: OrcaFlex's temporary logs are as large as its results."""
_LIMITED = {"logical_cpus": "fewer CPUs", "total_ram_bytes": "less memory"}


def notes(files: Sequence[PlannedFile], tiers: Sequence[Tier], at: Situation, bound: Cap) -> tuple[str, ...]:
    """All notes on a plan; `bound` is what set its limit."""
    settings, host = at.settings, at.host
    running = [file for file in files if file.skip is None]
    return (
        *_limited(host),
        *_memory(running, memory_budget(settings, host), settings),
        *_floor(tiers, at, bound),
        *_temporary(settings, host),
        *_output(settings),
        *_machines(settings),
    )


def _limited(host: HostResources) -> Iterator[str]:
    for attribute, by in host.limited_by.items():
        what = _LIMITED.get(attribute, f"less {attribute}")
        yield f"This run gets {what} than the machine has: limited by {by}."


def _memory(running: Sequence[PlannedFile], budget: int, settings: Settings) -> Iterator[str]:
    if budget == 0:
        yield (
            f"Memory is already filled above max_usage_percent = {settings.memory.max_usage_percent:g}: files will run "
            "one at a time. Close other programs, or wait for them."
        )
        return
    large = [file for file in running if file.memory_bytes > budget]
    if large:
        names = shortened_list([file.file.name for file in large], most=_NAMED)
        yield f"Larger than the whole memory budget of {format_size(budget)}, will run alone: {names}."


def _floor(tiers: Sequence[Tier], at: Situation, bound: Cap) -> Iterator[str]:
    """Where a written `min_threads` meets something harder; static runs one tier at a time."""
    if not tiers:
        return
    if at.floor > bound.count:
        yield f"threading.min_threads = {at.floor} cannot be kept: {bound.because}."
    elif at.settings.threading.mode == "static":
        for tier in tiers:
            if at.floor > tier.limit:
                yield f"threading.min_threads = {at.floor} cannot be kept by the {tier.name} files: {tier.bound_by}."


def _temporary(settings: Settings, host: HostResources) -> Iterator[str]:
    """Say where a faster disk is there for temporary files; where the kind of a disk is not known nothing is said."""
    folder = temporary_folder(settings, host)
    disk = None if folder is None else host.disk_of(folder)
    if disk is None or disk.kind not in FASTEST_FIRST:
        return
    faster = FASTEST_FIRST[: FASTEST_FIRST.index(disk.kind)]
    better = [other for other in host.disks if other.kind in faster and (other.free_bytes or 0) >= ROOM_BYTES]
    if better:
        best = min(better, key=lambda other: (FASTEST_FIRST.index(other.kind), -(other.free_bytes or 0)))
        yield (
            f"Temporary files go to {folder}, on {_DISKS[disk.kind]}; {best.mount} is on {_DISKS[best.kind]} with "
            f"{format_size(best.free_bytes or 0)} free. If you may write there, name a folder on it: io.temp_directory."
        )


def temporary_folder(settings: Settings, host: HostResources) -> Path | None:
    """Where temporary files will go: where the settings say, else where the system has them; None: not known."""
    asked = settings.io.temp_directory
    return host.temporary if asked is None else Path(asked)


def _machines(settings: Settings) -> Iterator[str]:
    if settings.dask.address is not None:
        yield (
            f"The workers are those at {settings.dask.address}, however many there are. This plan is for each of their "
            "machines, as if it were like this one; memory counts for each worker, with the worker's own limit."
        )


def _output(settings: Settings) -> Iterator[str]:
    if settings.io.use_compression:
        yield "io.use_compression: time series are written as .csv.gz, so these files differ from digitalmodel's."
    if settings.orcaflex == "simulated":
        yield "orcaflex: simulated: the results are invented, for trying things out only."
