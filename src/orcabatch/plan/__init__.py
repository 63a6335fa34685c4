"""The plan: tiers, counts and what bound them, memory and time predicted, order. A pure value, made before a run.

    make         from files, settings and a host to a plan
    tiers        files, the tiers they fall into, and `BatchOptimizer`
    predict      memory, seconds and order of files; `history`: what earlier runs teach of them
    caps         limits as named constraints; `workers`: how many processes and threads carry one
    notes        what an engineer should know before it starts, and which settings bind
    batch_plan   the plan, and how it is shown

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
