"""Which executor a run gets.

Covers turning options into one of the executors. Does not cover choosing between threads and processes while the run
goes on (`switching`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orcabatch.engine import moving
from orcabatch.engine.serial import SerialExecutor
from orcabatch.engine.threads import ALL, ThreadExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.dispatcher import Probe
    from orcabatch.engine.executor import Executor
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.signals import Limits


def build_executor(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> Executor:
    """The executor that the options name; no worker is started yet.

    Raises:
        SettingsError: the recipe cannot be sent to worker processes.
    """
    if options.executor == "serial":
        return SerialExecutor(recipe)
    sizes = dict(limits.tiers) if limits.mode == "static" else {}
    if options.executor == "threads":
        return ThreadExecutor(recipe, sizes or {ALL: options.threads})
    if options.executor == "auto":
        from orcabatch.engine.switching import SwitchingExecutor

        prospects = moving.Prospects(
            processes=options.process_count * options.threads_per_process,
            cpus=limits.cpus,
            start_s=options.start_cost_s,
            total_files=len(tasks),
            total_bytes=sum(task.size_bytes for task in tasks),
            stays=options.stays,
        )
        return SwitchingExecutor(recipe, options, sizes or {ALL: options.threads}, prospects)
    from orcabatch.engine.processes import ProcessExecutor

    return ProcessExecutor(recipe, options)


def watched(workers: Executor, probe: Probe | None) -> Probe | None:
    """The probe, seen by the executor too where that one decides by what it measures."""
    look = getattr(workers, "watched", None)
    return probe if look is None else look(probe)
