"""The executors that there are, and what is true of each whatever it runs.

Another executor is a module with a `build` in it and a line in `EXECUTORS`: what plans, settings, monitor and report
decide by, they ask its facts.
"""

from __future__ import annotations

from dataclasses import dataclass

THREADS, PROCESSES = "threads", "processes"
AUTO = "auto"
"""Begins as `threads`, and may go on as `processes`: while it runs, its name is that of what it is then."""


@dataclass(frozen=True, slots=True)
class ExecutorFacts:
    """What is true of an executor whatever it runs.

    Attributes:
        module: where it is built: a function `build(recipe, options, limits, tasks)`.
        in_process: its workers are threads of this process. Nothing has to travel; a file that hangs cannot be killed,
            and one that crashes takes everything with it.
        in_order: it works on one file after the other as they are listed, in the caller's own thread.
        elsewhere: its workers may be on other machines: what this one has says nothing about them.
    """

    module: str
    in_process: bool = False
    in_order: bool = False
    elsewhere: bool = False


EXECUTORS: dict[str, ExecutorFacts] = {
    AUTO: ExecutorFacts("orcabatch.engine.executors.auto", in_process=True),
    "serial": ExecutorFacts("orcabatch.engine.executors.serial", in_process=True, in_order=True),
    THREADS: ExecutorFacts("orcabatch.engine.executors.threads", in_process=True),
    PROCESSES: ExecutorFacts("orcabatch.engine.executors.processes"),
    "dask": ExecutorFacts("orcabatch.engine.executors.dask.executor", elsewhere=True),
}


def facts_of(name: str) -> ExecutorFacts:
    """What is true of the executor of that name; without one, what is true of a loop of the caller's own."""
    return EXECUTORS.get(name, ExecutorFacts("", in_process=True, in_order=True))
