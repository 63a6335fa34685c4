"""What an engineer should know before a batch starts, in sentences.

Covers what the numbers of the plan do not show by themselves: which settings bind it and which only advise (what the
user wrote binds, defaults advise), where the host is limited, which files do not fit, which settings change the output
or cannot hold. Does not cover the caps themselves (`orcabatch.plan.caps`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orcabatch.host import CPU_SHARE
from orcabatch.plan.caps import memory_budget, per_gb
from orcabatch.plan.tiers import GB_PER_THREAD
from orcabatch.settings import Settings, format_count, format_size, was_set
from orcabatch.text import shortened_list

if TYPE_CHECKING:
    from orcabatch.host import DiskKind, HostResources
    from orcabatch.plan.caps import Cap, Situation
    from orcabatch.plan.tiers import PlannedFile, Tier
    from orcabatch.settings import Settings


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


def binding(at: Situation) -> tuple[str, ...]:
    """What no count exceeds, or falls below; each with whether it was written."""
    return tuple(_binding(at))


def advising(at: Situation) -> tuple[str, ...]:
    """What binds nothing here; each with whether it was written."""
    return tuple(_advising(at))


def temporary_folder(settings: Settings, host: HostResources) -> Path | None:
    """Where temporary files will go: where the settings say, else where the system has them; None: not known."""
    asked = settings.io.temp_directory
    return host.temporary if asked is None else Path(asked)


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


def _machines(settings: Settings) -> Iterator[str]:
    if settings.dask.address is not None:
        yield (
            f"The workers are those at {settings.dask.address}, however many there are. This plan is for each of their "
            "machines, as if it were like this one; memory counts for each worker, with the worker's own limit."
        )


def _output(settings: Settings) -> Iterator[str]:
    if settings.io.use_compression:
        yield "io.use_compression: time series are written as .csv.gz, so these files differ from a plain loop's."
    if settings.orcaflex == "simulated":
        yield "orcaflex: simulated: the results are invented, for trying things out only."


def _binding(at: Situation) -> Iterator[str]:
    settings, grouped = at.settings, at.settings.optimization.group_by_size
    yield _said(settings, "threading.max_threads", f"= {settings.threading.max_threads}")
    if at.floor > 1:
        yield _said(settings, "threading.min_threads", f"= {settings.threading.min_threads}")
    if at.per_gb_binds:
        yield _per_gb(at)
    if grouped:
        for name in GB_PER_THREAD:
            count = getattr(settings.optimization.thread_allocation, name)
            yield _said(settings, f"optimization.thread_allocation.{name}", f"= {count}")
    else:
        yield from (f"{rule} (without tiers)" for rule in _rules(at))
    yield _said(settings, "memory.max_usage_percent", f"= {settings.memory.max_usage_percent:g}")
    if settings.licences.max is not None:
        yield _said(settings, "licences.max", f"= {settings.licences.max}")


def _advising(at: Situation) -> Iterator[str]:
    if not was_set(at.settings, "threading.min_threads"):
        yield _said(at.settings, "threading.min_threads", f"= {at.settings.threading.min_threads}")
    if at.settings.optimization.group_by_size:
        yield from _rules(at)


def _rules(at: Situation) -> Iterator[str]:
    """The rules of thumb."""
    if not at.per_gb_binds:
        yield _per_gb(at)
    cpus = at.host.logical_cpus
    yield f"{CPU_SHARE:.0%} of {format_count(cpus, 'CPU')}: {max(1, math.floor(CPU_SHARE * cpus))}"
    table = ", ".join(f"{each} GB for each thread with {kind} files" for kind, each in GB_PER_THREAD.items())
    yield table


def _per_gb(at: Situation) -> str:
    cap = per_gb(at)
    return _said(at.settings, "threading.threads_per_gb", f"{cap.because.partition(' ')[2]}: {cap.count}")


def _said(settings: Settings, key: str, value: str) -> str:
    return f"{key} {value} ({'written' if was_set(settings, key) else 'default'})"
