"""Limits as named constraints: the smallest wins, and its name is kept.

Covers the hard caps and the rules of thumb of one group of files. Hard are `max_threads`, the tier's count, the number
of files, licence seats, predicted memory, and what the user wrote of `threads_per_gb` and `min_threads` (the one lower
bound: it outranks rules of thumb and `threads_per_gb`, no other cap). Where he did not, `threads_per_gb`, like the
75% of CPUs and the GB-per-thread table, is advice, and decides only where files are not grouped.

How many files memory holds and what 75% of the CPUs are is `ResourceManager.calculate_optimal_threads`' to say, the
counts of tiers `BatchOptimizer.assign_thread_counts`': both are asked, nothing of theirs stands here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from orcabatch.engine.executors import facts_of
from orcabatch.engine.memory_admission import share_bytes
from orcabatch.errors import SettingsError
from orcabatch.host import CPU_SHARE, ORCAFLEX_OVERHEAD, HostResources, ResourceManager
from orcabatch.plan.tiers import GB_PER_THREAD, UNGROUPED, BatchOptimizer, PlannedFile, Tier, kind_of_mean
from orcabatch.settings import TIERS, Settings, format_count, format_size, was_set
from orcabatch.text import class_name

GB = 10**9
LEAST_SHARE = 1 / 30
"""No loaded file takes less than this share of its predicted memory (a twentieth of its size): as far as the engine may
go where files turn out small."""
_MOST = 10**9
"""What stands for an infinite count, which has no whole number."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What counts are made for.

    Attributes:
        settings, host: as given.
        optimizer: groups files and gives the tiers' counts.
        manager: makes the `ResourceManager` of a host, whose formula says what its memory and CPUs allow.
    """

    settings: Settings
    host: HostResources
    optimizer: BatchOptimizer
    manager: Callable[[HostResources], ResourceManager] = ResourceManager

    @property
    def floor(self) -> int:
        """`min_threads` where the user wrote it; 1 otherwise."""
        written = was_set(self.settings, "threading.min_threads")
        return self.settings.threading.min_threads if written else 1

    @property
    def per_gb_binds(self) -> bool:
        """Whether the user wrote `threads_per_gb`."""
        return was_set(self.settings, "threading.threads_per_gb")


@dataclass(frozen=True, slots=True)
class Cap:
    """A named limit.

    Attributes:
        count: files at once, as predicted.
        because: what sets it, in words for the engineer.
        ceiling: the same where files turn out to take less memory than predicted; 0: as `count`.
    """

    count: int
    because: str
    ceiling: int = 0

    @property
    def highest(self) -> int:
        """How far the engine may go under this cap."""
        return max(self.count, self.ceiling)


def tightest(caps: Iterable[Cap]) -> Cap:
    """The smallest cap, the first of equal ones, below the lowest ceiling of all; a count is at least 1."""
    caps = tuple(caps)
    cap = min(caps, key=lambda cap: cap.count)
    return Cap(max(1, cap.count), cap.because, max(1, min(cap.highest for cap in caps)))


def raised(cap: Cap, settings: Settings, floor: int) -> Cap:
    """The cap, or `min_threads` where it is written and higher."""
    if cap.count >= floor:
        return cap
    because = f"threading.min_threads = {settings.threading.min_threads}, which is above {cap.because}"
    return Cap(floor, because, max(floor, cap.highest))


def memory_budget(settings: Settings, host: HostResources) -> int:
    """Bytes that may be filled: `max_usage_percent` of the total, less what is in use already; never negative."""
    in_use = host.total_ram_bytes - host.available_ram_bytes
    return max(0, _memory_cap_bytes(settings, host) - in_use)


def hard_caps(files: Sequence[PlannedFile], at: Situation) -> tuple[Cap, ...]:
    """The hard caps that hold for any group of files, whatever its tier; without memory."""
    settings = at.settings
    caps = [
        Cap(settings.threading.max_threads, f"threading.max_threads = {settings.threading.max_threads}"),
        Cap(len(files), f"{format_count(len(files), 'file')} to run"),
    ]
    seats = settings.licences.max
    if seats is not None and settings.licences.scope == "model":
        caps.append(Cap(seats, f"licences.max = {seats}, one seat per open model"))
    most = facts_of(settings.executor).most_at_once
    if most is not None:
        caps.append(Cap(most, f"executor: {settings.executor}"))
    if at.per_gb_binds:
        caps.append(raised(per_gb(at), settings, at.floor))
    return tuple(caps)


def per_gb(at: Situation) -> Cap:
    """`threads_per_gb` of the memory that is available now."""
    each, available = at.settings.threading.threads_per_gb, at.host.available_ram_bytes
    because = f"threading.threads_per_gb = {each:g} x {format_size(available)} available"
    return Cap(max(1, math.floor(min(available / GB * each, _MOST))), because)


def memory_cap(files: Sequence[PlannedFile], at: Situation) -> Cap:
    """How many files of average size memory holds: the specification's formula, on a host with CPUs in plenty."""
    plenty = replace(at.host, logical_cpus=2 * len(files), numa_cpus=(), limited_by={})
    return _formula(files, at, plenty)


def formula_cap(files: Sequence[PlannedFile], at: Situation) -> Cap:
    """What the specification's formula says: memory, or 75% of the CPUs."""
    return _formula(files, at, at.host, f"{CPU_SHARE:.0%} of {format_count(at.host.logical_cpus, 'CPU')}; ")


def _formula(files: Sequence[PlannedFile], at: Situation, host: HostResources, cpus: str = "") -> Cap:
    manager, budget = at.manager(host), memory_budget(at.settings, at.host)
    predicted = [file.memory_bytes / ORCAFLEX_OVERHEAD for file in files]
    least = [size * LEAST_SHARE for size in predicted]
    count = _whole(manager.calculate_optimal_threads(predicted, budget), manager, "calculate_optimal_threads")
    # The engine may go further than predicted, but no further than the formula says of the smallest thinkable models
    # in all the memory that may ever be filled: other programs may give theirs back.
    highest = manager.calculate_optimal_threads(least, _memory_cap_bytes(at.settings, at.host))
    each = sum(file.memory_bytes for file in files) / max(1, len(files))
    because = (
        f"calculate_optimal_threads ({cpus}memory: {format_size(budget)} free below the cap, "
        f"{format_size(each)} predicted per file)"
    )
    return Cap(count, because, _whole(highest, manager, "calculate_optimal_threads"))


def memory_cap_together(files: Sequence[PlannedFile], budget: int) -> Cap:
    """The most files of any size that the budget holds at once: as many of the smallest as fit.

    Each file is admitted by its own size while running; the average of a mixture would hold its small files back.
    """
    filled = itertools.accumulate(sorted(file.memory_bytes for file in files))
    fitting = sum(1 for _ in itertools.takewhile(lambda amount: amount <= budget, filled))
    because = f"memory: {format_size(budget)} free below the cap hold the {format_count(fitting, 'smallest file')}"
    return Cap(fitting, because, len(files))


def tier(name: str, files: Sequence[PlannedFile], at: Situation, allotted: int | None) -> Tier:
    """A tier with its counts and what bound them.

    Args:
        name: small, medium or large, or `all`, which takes its count from the rules of thumb.
        files: those to run.
        at: what for.
        allotted: its count by `assign_thread_counts`; None for `all`.
    """
    rules = (formula_cap(files, at), *(() if at.per_gb_binds else (per_gb(at),)), _per_thread(name, files, at))
    own = raised(tightest(rules), at.settings, at.floor) if allotted is None else _allotted(name, allotted, at)
    bound = tightest((own, *hard_caps(files, at), memory_cap(files, at)))
    return Tier(
        name=name,
        files=len(files),
        total_bytes=sum(file.size_bytes for file in files),
        count=max(1, own.count),
        limit=bound.count,
        ceiling=bound.highest,
        bound_by=bound.because,
        advised=tightest(rules).count,
        advice="; ".join(f"{rule.because}: {max(1, rule.count)}" for rule in rules),
    )


def allotted_counts(at: Situation, groups: tuple[list[PlannedFile], ...]) -> dict[str, int]:
    """The tiers' counts as `assign_thread_counts` gives them, for the tiers that have files.

    Raises:
        SettingsError: a method that replaces it gave something else.
    """
    given = at.optimizer.assign_thread_counts(groups)
    names = [name for name, files in zip(TIERS, groups, strict=True) if files]
    missing = [name for name in names if name not in given]
    if missing:
        raise SettingsError(
            f"assign_thread_counts of {class_name(type(at.optimizer))} gave no count for {', '.join(missing)} files, "
            f"but {given!r}. It must give one for each of small, medium and large. Nothing was run."
        )
    return {name: _whole(given[name], at.optimizer, "assign_thread_counts") for name in names}


def _allotted(name: str, count: int, at: Situation) -> Cap:
    if count == getattr(at.settings.optimization.thread_allocation, name):
        return Cap(count, f"optimization.thread_allocation.{name} = {count}")
    return Cap(count, f"assign_thread_counts of {class_name(type(at.optimizer))}: {name} = {count}")


def _per_thread(name: str, files: Sequence[PlannedFile], at: Situation) -> Cap:
    """The specification's memory-per-thread table; without tiers the row of a file of average size."""
    kind = kind_of_mean(at.optimizer, files) if name == UNGROUPED else name
    each = GB_PER_THREAD[kind]
    return Cap(math.floor(at.host.total_ram_bytes / GB / each), f"{each} GB per thread ({kind} files)")


def _memory_cap_bytes(settings: Settings, host: HostResources) -> int:
    return share_bytes(host.total_ram_bytes, settings.memory.max_usage_percent)


def _whole(given: float, by: object, method: str) -> int:
    """A count that a method (the user may have replaced it) gave, as a whole number of at least 1.

    Raises:
        SettingsError: it is no number.
    """
    if isinstance(given, bool) or not hasattr(given, "__float__") or math.isnan(float(given)):
        raise SettingsError(f"{method} of {class_name(type(by))} gave {given!r}, which is no count. Nothing was run.")
    return max(1, math.floor(min(float(given), _MOST)))
