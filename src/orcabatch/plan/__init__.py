"""The plan: tiers, counts and what bound them, memory and time predicted, order. A pure value, made before a run.

Covers every decision that can be made without running. Does no I/O and reads no clock (but for
`BatchOptimizer.group_by_size`, which asks the size of a file given as a path). See also `orcabatch.engine`, which
adapts while running.
"""

from orcabatch.plan.batch_plan import BatchPlan
from orcabatch.plan.make import Deciders, make_plan
from orcabatch.plan.predict import Expectation, History, NothingKnown
from orcabatch.plan.tiers import GB_PER_THREAD, BatchOptimizer, PlannedFile, SizedFile, Tier
from orcabatch.plan.workers import WINDOWS_MOST_PROCESSES, as_processes
from orcabatch.settings import TIERS

__all__ = [
    "GB_PER_THREAD",
    "TIERS",
    "WINDOWS_MOST_PROCESSES",
    "BatchOptimizer",
    "BatchPlan",
    "Deciders",
    "Expectation",
    "History",
    "NothingKnown",
    "PlannedFile",
    "SizedFile",
    "Tier",
    "as_processes",
    "make_plan",
]
