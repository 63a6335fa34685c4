"""The engine: runs files side by side under limits, on threads, processes or none.

    tasks + job + options + limits ──> run() ──> FileOutcome, FileOutcome, ...

Pure half: `scheduler` decides (`memory_admission`, `concurrency`, `licences`), `scheduler_messages` are its words, and
`limits` what it never exceeds.
Effects: `dispatcher` owns the state and the loop, `executors` hold the workers, `worker` is what one does with a file,
`interrupts` is Ctrl-C. `contract` is what the rest of the house gives to the engine and gets from it.

Covers the door: putting a run together, its executor, what that may hold, its event log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from orcabatch.engine.executors import EXECUTORS
from orcabatch.engine.limits import Limits, SeatLimits
from orcabatch.engine.options import EngineOptions

if TYPE_CHECKING:
    from orcabatch.engine.contract import Job, Listener, Recipe, Task
    from orcabatch.engine.event_log import Recorder
    from orcabatch.engine.executor import Executor
    from orcabatch.engine.interrupts import StopSignal
    from orcabatch.engine.scheduler_messages import Probe
    from orcabatch.outcome import FileOutcome

__all__ = ["EngineOptions", "Limits", "SeatLimits", "run"]


def run(  # noqa: PLR0913 - two values and five keywords, each a part of a run
    tasks: Sequence[Task],
    job: Job,
    *,
    options: EngineOptions,
    limits: Limits,
    probe: Probe | None = None,
    listener: Listener | None = None,
    recorder: Recorder | None = None,
    stop: StopSignal | None = None,
) -> Iterator[FileOutcome]:
    """Run the tasks; outcomes come as files finish.

    Args:
        tasks: what to do; indices are unique. Offered in the order of their ranks.
        job: what the work is, and what follows from it.
        options: how to run.
        limits: what may never be exceeded; `max_limit` is lowered to what the executor can hold.
        probe: measures the host at every `sample_interval_s`; None: nothing is sampled.
        listener: gets the event log. One that raises is switched off.
        recorder: gets the scheduler's events and instructions. One that raises is switched off.
        stop: of a caller that listens to signals beyond the last outcome; None: nobody does.

    Raises:
        SettingsError: the recipe cannot be sent to worker processes (at once, before anything is started).
        BatchInterrupted: from the iterator, after the last outcome, when the run was stopped by a signal.
    """
    # Imported by who runs something: a worker process, settings and plans take values of this room, and start without.
    from orcabatch.engine.dispatcher import Dispatcher
    from orcabatch.engine.event_log import EventLog
    from orcabatch.engine.interrupts import StopSignal
    from orcabatch.engine.waiting import in_plan_order

    workers = build_executor(job.recipe, options, limits, tasks)
    probe = workers.watched(probe)
    limits = workers.limits_of_all(limits, len(tasks))
    most = max(1, min(limits.max_limit, workers.capacity))
    fixed = None if limits.fixed_limit is None else min(limits.fixed_limit, most)
    limits = replace(limits, max_limit=most, fixed_limit=fixed)
    # The first that is offered may start before the scheduler has heard of the others: it has to be the right one.
    ordered = in_plan_order(tasks)
    event_log = EventLog(listener, recorder)
    return Dispatcher(ordered, job, options, limits, workers, event_log, probe, stop or StopSignal()).outcomes()


def build_executor(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> Executor:
    """The executor that the options name; no worker is started yet.

    Raises:
        SettingsError: the recipe cannot be sent to worker processes, or there is no dask cluster.
    """
    # Imported only where it is used: `distributed` is an extra, and worker processes are no affair of threads.
    executor: Executor = import_module(EXECUTORS[options.executor].module).build(recipe, options, limits, tasks)
    return executor
