"""What keys must hold among each other, each right by itself.

Covers conflicts between keys. Does not cover the range of a single key (`orcabatch.settings.models`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orcabatch.engine.executors import AUTO, PROCESSES, facts_of
from orcabatch.settings import units

if TYPE_CHECKING:
    from orcabatch.settings.models import Settings


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two keys that do not go together.

    Attributes:
        key: the key that is at fault, dotted.
        other: the key it does not go with, dotted.
        value: the value of `key`.
        problem: what is wrong and what is allowed.
    """

    key: str
    other: str
    value: object
    problem: str


def cross_faults(settings: Settings) -> tuple[Conflict, ...]:
    """All conflicts between keys that are right by themselves."""
    checks = (_thread_range, _gc_below_cap, _size_order, _hybrid_needs_processes, _address_needs_dask, _not_at_address)
    return tuple(conflict for check in checks if (conflict := check(settings)) is not None)


def _thread_range(settings: Settings) -> Conflict | None:
    least, most = settings.threading.min_threads, settings.threading.max_threads
    if "min_threads" not in settings.threading.model_fields_set or least <= most:
        return None
    problem = f"must be at most threading.max_threads, which is {most}"
    return Conflict("threading.min_threads", "threading.max_threads", least, problem)


def _gc_below_cap(settings: Settings) -> Conflict | None:
    threshold, cap = settings.memory.gc_threshold, settings.memory.max_usage_percent
    if threshold is None or threshold <= cap:
        return None
    problem = f"must be at most memory.max_usage_percent, which is {cap:g}"
    return Conflict("memory.gc_threshold", "memory.max_usage_percent", threshold, problem)


def _size_order(settings: Settings) -> Conflict | None:
    limits, section = settings.optimization.size_thresholds, "optimization.size_thresholds"
    if limits.small < limits.large:
        return None
    small, large = units.format_size(limits.small), units.format_size(limits.large)
    if "small" in limits.model_fields_set:
        return Conflict(
            f"{section}.small", f"{section}.large", small, f"must be below {section}.large, which is {large}"
        )
    return Conflict(f"{section}.large", f"{section}.small", large, f"must be above {section}.small, which is {small}")


def _hybrid_needs_processes(settings: Settings) -> Conflict | None:
    if settings.threading.mode != "hybrid" or settings.executor in {AUTO, PROCESSES}:
        return None
    problem = (
        "does not go with threading.mode: hybrid, which is processes x threads on this machine; "
        "choose executor: auto or processes, or threading.mode: dynamic or static"
    )
    return Conflict("executor", "threading.mode", settings.executor, problem)


def _address_needs_dask(settings: Settings) -> Conflict | None:
    if settings.dask.address is None or facts_of(settings.executor).elsewhere:
        return None
    return Conflict("dask.address", "executor", settings.dask.address, "is used with executor: dask only")


def _not_at_address(settings: Settings) -> Conflict | None:
    """What is said about worker processes where somebody else starts them, or reaches this machine only."""
    if settings.dask.address is None:
        return None
    how = {
        "process_count": "the workers are those that were started there",
        "threads_per_process": "start the workers with `--nthreads`",
        "priority": "start the workers with the priority they shall have",
    }
    for key, remedy in how.items():
        if key in settings.model_fields_set and getattr(settings, key) not in {None, "normal"}:
            return Conflict(key, "dask.address", getattr(settings, key), f"does not go with dask.address: {remedy}")
    if settings.io.stage_inputs:
        problem = "does not go with dask.address: copies in this machine's temporary folder are not seen by others"
        return Conflict("io.stage_inputs", "dask.address", True, problem)
    return None
