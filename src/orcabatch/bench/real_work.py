"""What the files of the real runs do, in a module of its own so that worker processes find it.

Covers four kinds of work with known costs. Does not cover files and the simulated OrcaFlex's costs (`real`).
"""

from __future__ import annotations

import time
from typing import Any

SECONDS_PER_BYTE = 4e-7
"""`paced`: a file of 1 MB takes 0.4 s."""

GIL_STEPS = 600_000
"""Some hundredths of a second of Python: long beside what handing a file out takes."""


def one_history(model: Any) -> float:
    """One pass over the log."""
    import OrcFxAPI

    history = model["Line01"].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)
    return float(history.max())


def held_by_the_lock(model: Any) -> int:
    """Nothing but Python, which holds the lock all the time."""
    total = 0
    for step in range(GIL_STEPS):
        total += step % 7
    return total


def paced(model: Any, sim_file: Any) -> int:
    """Waits in proportion to the file's size, so that the cost of every file is known exactly."""
    size = int(sim_file.stat().st_size)
    time.sleep(size * SECONDS_PER_BYTE)
    return size


def loaded(model: Any) -> int:
    """How many objects the file has: for files of the user's own, of which nothing is known."""
    return len(model.objects)
