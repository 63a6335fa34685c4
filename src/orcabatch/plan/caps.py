"""Limits as named constraints: the smallest wins, and its name is kept.

Covers the hard caps and the rules of thumb of one group of files. Hard are `max_threads`, the tier's count, the number
of files, licence seats and predicted memory; the 75%-of-CPUs rule, `threads_per_gb` and the GB-per-thread table are
advice, and decide only where files are not grouped.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orcabatch.host import CPU_SHARE, HostResources
from orcabatch.plan.optimizer import GB_PER_THREAD, tier_of
from orcabatch.plan.values import PlannedFile, Tier
from orcabatch.settings import Settings, format_count, format_size

GB = 10**9


@dataclass(frozen=True, slots=True)
class Cap:
    """A named limit.

    Attributes:
        count: files at once.
        because: what sets it, in words for the engineer.
        memory: whether it rests on predicted memory.
    """

    count: int
    because: str
    memory: bool = False


def tightest(caps: Iterable[Cap]) -> Cap:
    """The smallest cap, the first of equal ones; a count is at least 1."""
    cap = min(caps, key=lambda cap: cap.count)
    return Cap(max(1, cap.count), cap.because, cap.memory)


def without_memory(caps: Iterable[Cap]) -> Cap:
    """The smallest cap that does not rest on predicted memory."""
    return tightest(cap for cap in caps if not cap.memory)


def memory_budget(settings: Settings, host: HostResources) -> int:
    """Bytes that may be filled: `max_usage_percent` of the total, less what is in use already; never negative."""
    in_use = host.total_ram_bytes - host.available_ram_bytes
    return max(0, math.floor(host.total_ram_bytes * settings.memory.max_usage_percent / 100) - in_use)


def hard_caps(files: Sequence[PlannedFile], settings: Settings) -> tuple[Cap, ...]:
    """The hard caps that hold for any group of files, whatever its tier; without memory."""
    caps = [
        Cap(settings.threading.max_threads, f"threading.max_threads = {settings.threading.max_threads}"),
        Cap(len(files), f"{format_count(len(files), 'file')} to run"),
    ]
    seats = settings.licences.max
    if seats is not None and settings.licences.scope == "model":
        caps.append(Cap(seats, f"licences.max = {seats}, one seat per open model"))
    if settings.executor == "serial":
        caps.append(Cap(1, "executor: serial"))
    return tuple(caps)


def memory_cap(files: Sequence[PlannedFile], budget: int) -> Cap:
    """How many files of average size the budget holds: the specification's formula with predicted memory."""
    needed = sum(file.memory_bytes for file in files)
    if needed <= budget:
        return Cap(len(files), "memory for all files at once", memory=True)
    each = needed / len(files)
    because = f"memory: {format_size(budget)} free below the cap, {format_size(each)} predicted per file"
    return Cap(math.floor(budget / each), because, memory=True)


def memory_cap_together(files: Sequence[PlannedFile], budget: int) -> Cap:
    """The most files of any size that the budget holds at once: as many of the smallest as fit.

    Each file is admitted by its own size while running; the average of a mixture would hold its small files back.
    """
    filled = itertools.accumulate(sorted(file.memory_bytes for file in files))
    fitting = sum(1 for _ in itertools.takewhile(lambda amount: amount <= budget, filled))
    because = f"memory: {format_size(budget)} free below the cap hold the {format_count(fitting, 'smallest file')}"
    return Cap(fitting, because, memory=True)


def tier(name: str, files: Sequence[PlannedFile], settings: Settings, host: HostResources) -> Tier:
    """A tier with its counts and what bound them; `all` takes its count from the rules of thumb."""
    rules = _rules(name, files, settings, host)
    caps = (*hard_caps(files, settings), memory_cap(files, memory_budget(settings, host)))
    configured = (_configured(name, settings),) if name != "all" else rules
    count = tightest(configured).count
    bound = tightest((*configured, *caps))
    return Tier(
        name=name,
        files=len(files),
        total_bytes=sum(file.size_bytes for file in files),
        count=count,
        limit=bound.count,
        ceiling=without_memory((*configured, *caps)).count,
        bound_by=bound.because,
        advised=tightest(rules).count,
        advice="; ".join(f"{rule.because}: {max(1, rule.count)}" for rule in rules),
    )


def _configured(name: str, settings: Settings) -> Cap:
    count: int = getattr(settings.optimization.thread_allocation, name)
    return Cap(count, f"optimization.thread_allocation.{name} = {count}")


def _rules(name: str, files: Sequence[PlannedFile], settings: Settings, host: HostResources) -> tuple[Cap, ...]:
    total_gb, per_gb = host.total_ram_bytes / GB, settings.threading.threads_per_gb
    mean = sum(file.size_bytes for file in files) / max(1, len(files))
    kind = tier_of(mean, settings.optimization.size_thresholds) if name == "all" else name
    each = GB_PER_THREAD[kind]
    return (
        Cap(math.floor(host.logical_cpus * CPU_SHARE), f"{CPU_SHARE:.0%} of {host.logical_cpus} CPUs"),
        Cap(math.floor(min(total_gb * per_gb, 10**9)), f"threads_per_gb {per_gb:g} x {format_size(total_gb * GB)}"),
        Cap(math.floor(total_gb / each), f"{each} GB per thread ({kind} files)"),
    )
