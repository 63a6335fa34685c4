"""Which executor a run gets.

Covers turning options into one of the executors. Does not cover choosing between threads and processes while the run
goes on (`switching`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orcabatch.engine import moving
from orcabatch.engine.serial import SerialExecutor
from orcabatch.engine.threads import ALL, ThreadExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.executor import Executor
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.signals import Limits, Probe


def build_executor(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> Executor:
    """The executor that the options name; no worker is started yet.

    Raises:
        SettingsError: the recipe cannot be sent to worker processes, or there is no dask cluster.
    """
    if options.executor == "serial":
        return SerialExecutor(recipe, options.initializer)
    sizes = dict(limits.tiers) if limits.mode == "static" else {}
    if options.executor == "threads":
        return ThreadExecutor(
            recipe, sizes or {ALL: options.threads}, scope=limits.seats.scope, initializer=options.initializer
        )
    if options.executor == "auto":
        from orcabatch.engine.switching import SwitchingExecutor

        prospects = moving.Prospects(
            processes=options.processes * options.threads_per_process,
            cpus=limits.cpus,
            start_s=options.start_cost_s,
            total_files=len(tasks),
            total_bytes=sum(task.size_bytes for task in tasks),
            stays=options.stays,
        )
        return SwitchingExecutor(recipe, options, sizes or {ALL: options.threads}, prospects, limits.seats.scope)
    if options.executor == "dask":
        from orcabatch.engine.dask_executor import DaskExecutor

        return DaskExecutor(recipe, options, limits, tasks)
    from orcabatch.engine.processes import ProcessExecutor

    return ProcessExecutor(recipe, options, scope=limits.seats.scope)


def watched(workers: Executor, probe: Probe | None) -> Probe | None:
    """The probe, seen by the executor too where that one decides by what it measures."""
    look = getattr(workers, "watched", None)
    return probe if look is None else look(probe)


def limits_for(workers: Executor, options: EngineOptions, limits: Limits, files: int) -> Limits:
    """The limits of the whole run: processes as the executor has them, and what is each machine's left to it."""
    if options.executor in {"auto", "processes"}:
        # While `auto` goes over to worker processes, this process holds a seat beside them until its threads are done.
        here = options.executor == "auto"
        in_each = limits.seats.threads_per_process if here else options.threads_per_process
        spread = not here and limits.seats.scope == "process"
        seats = replace(limits.seats, processes=here + options.processes, threads_per_process=in_each, spread=spread)
        return replace(limits, seats=seats)
    if options.address is None:
        return limits
    files = max(1, files)
    return replace(
        limits,
        tiers=dict.fromkeys(limits.tiers, files) if limits.mode == "static" else {},
        max_limit=files,
        fixed_limit=limits.fixed_limit or files,
        memory_total_bytes=0,
        seats=replace(limits.seats, processes=files, threads_per_process=getattr(workers, "threads_in_each", 1)),
    )


def recalled(workers: Executor) -> tuple[int, ...]:
    """The tasks that the executor holds but no worker has, taken back."""
    recall = getattr(workers, "recall", None)
    return () if recall is None else recall()
