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
DLL_MET, DLL_FULL = 0.05, 0.85
"""So much is enough where the DLL was in a call for this share of the time: as few files as just keep it busy hardly
wait for each other. `DLL_MET` lower: calls that differ pass for ones that wait. `DLL_FULL` lower: what happens to take
about as long as there is time passes for a DLL that is full. Higher: the DLL goes unsaid where the count is right."""
SEVERAL_IN = 1.1
"""So many seconds of calls that returned in a second were not let in one at a time: those that seemed to wait differ.
Lower: what is counted between moments of reading is a little off. Higher: a DLL that serves all seems to serialise."""
ROOM = 0.7
"""Use of the cores below which they have room: on fuller ones a thread may have waited for a core as well."""


class Bound(StrEnum):
    """What binds, of what is shared by all files."""

    CPU = "cpu"
    GIL = "gil"
    DLL = "dll"


def bound_by(cores: float, lock_taken: float, dll_waited: float, dll_taken: float = 0.0) -> Bound | None:
    """What binds; None: none of the three.

    Args:
        cores: share of the cores that is in use.
        lock_taken: share of the time that Python's lock was held.
        dll_waited: share of the workers' time in which they stood still in the DLL for each other.
        dll_taken: seconds of calls a second that the DLL returned, as they take alone; 0: not known.
    """
    # Full cores make threads wait for the lock, and both make calls wait inside the DLL: the cause comes first.
    if cores > CORES_FULL:
        return Bound.CPU
    if lock_taken > LOCK_TAKEN:
        return Bound.GIL
    return Bound.DLL if cores < ROOM and _serialised(dll_waited, dll_taken) else None


def _serialised(waited: float, taken: float) -> bool:
    if taken > SEVERAL_IN:
        return False
    return waited > DLL_WAITED or (waited > DLL_MET and taken > DLL_FULL)
