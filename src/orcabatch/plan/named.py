"""Which settings bind a plan and which only advise, by name: what the user wrote binds, defaults advise.

Covers the sentences. Does not cover what they lead to (`orcabatch.plan.caps`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from orcabatch.host import CPU_SHARE
from orcabatch.plan.caps import per_gb
from orcabatch.plan.optimizer import GB_PER_THREAD
from orcabatch.settings import format_count, was_set

if TYPE_CHECKING:
    from orcabatch.plan.caps import Situation
    from orcabatch.settings import Settings


def binding(at: Situation) -> tuple[str, ...]:
    """What no count exceeds, or falls below; each with whether it was written."""
    return tuple(_binding(at))


def advising(at: Situation) -> tuple[str, ...]:
    """What binds nothing here; each with whether it was written."""
    return tuple(_advising(at))


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
