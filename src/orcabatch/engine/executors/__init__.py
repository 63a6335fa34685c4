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
        in_callers_thread: its workers are the caller's own thread. A slow file is not interrupted, only noticed
            afterwards, and what looks like Ctrl-C may come out of a file.
        as_listed: files start as they are listed, so that a function meets them as in a plain loop.
        most_at_once: never more files than so many, whatever is asked for; None: it sets no limit of its own.
        elsewhere: its workers may be on other machines: what this one has says nothing about them.
    """

    module: str
    in_process: bool = False
    in_callers_thread: bool = False
    as_listed: bool = False
    most_at_once: int | None = None
    elsewhere: bool = False


EXECUTORS: dict[str, ExecutorFacts] = {
    AUTO: ExecutorFacts("orcabatch.engine.executors.auto", in_process=True),
    "serial": ExecutorFacts(
        "orcabatch.engine.executors.serial", in_process=True, in_callers_thread=True, as_listed=True, most_at_once=1
    ),
    THREADS: ExecutorFacts("orcabatch.engine.executors.threads", in_process=True),
    PROCESSES: ExecutorFacts("orcabatch.engine.executors.processes"),
    "dask": ExecutorFacts("orcabatch.engine.executors.dask.executor", elsewhere=True),
}


def facts_of(name: str) -> ExecutorFacts:
    """What is true of the executor of that name; without one, what is true of a loop of the caller's own."""
    loop = ExecutorFacts("", in_process=True, in_callers_thread=True, as_listed=True, most_at_once=1)
    return EXECUTORS.get(name, loop)
