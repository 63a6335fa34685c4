"""What holds the work back now: one rule for the reasons of limits and for what is said of a whole run.

Covers what is asked first and can be measured at any time: the cores, Python's lock, and OrcaFlex's DLL where it lets
in one call at a time. Does not cover what files lose to each other in loading and extracting
(`orcabatch.engine.concurrency`), nor verdict and advice (`orcabatch.monitor.bottlenecks`).
"""

from __future__ import annotations

from enum import StrEnum

CORES_FULL = 0.9
"""The cores are what binds above this share of them; the specification's."""
LOCK_TAKEN = 0.5
"""Share of the time above which Python's lock is said to hold the work back. Lower: any run with some Python in it is
held by its lock. Higher: what costs a good part of the time goes unsaid."""
DLL_WAITED = 0.25
"""Share of the workers' time above which standing still in the DLL for others means that it lets in one at a time.
Lower: a lock that it takes for a moment is said to serialise it. Higher: with few files at once it goes unsaid."""
ROOM = 0.7
"""Use of the cores below which they have room: on fuller ones a thread may have waited for a core as well."""


class Bound(StrEnum):
    """What binds, of what is shared by all files."""

    CPU = "cpu"
    GIL = "gil"
    DLL = "dll"


def bound_by(cores: float, lock_taken: float, dll_waited: float) -> Bound | None:
    """What binds; None: none of the three.

    Args:
        cores: share of the cores that is in use.
        lock_taken: share of the time that Python's lock was held.
        dll_waited: share of the workers' time in which they stood still in the DLL for each other.
    """
    # Full cores make threads wait for the lock, and both make calls wait inside the DLL: the cause comes first.
    if cores > CORES_FULL:
        return Bound.CPU
    if lock_taken > LOCK_TAKEN:
        return Bound.GIL
    return Bound.DLL if dll_waited > DLL_WAITED and cores < ROOM else None
