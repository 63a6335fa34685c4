"""Harm that is done from inside a batch's process before it begins, where the system offers no way from outside."""

from __future__ import annotations

import itertools
import resource
import time

import psutil


def little_memory() -> None:
    """The system refuses this process more than 300 MB beyond what it has."""
    limit = psutil.Process().memory_info().vms + 300_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def jumping_clock() -> None:
    """The time of day jumps by days, forward and back, with every look at it."""
    real, jumps = time.time, itertools.cycle([0.0, 3e5, -3e5, 86400.0, -2e6])
    time.time = lambda: real() + next(jumps)
