"""The serial executor: the real thing, one file at a time, in the thread that runs the batch.

Covers debugging (breakpoints hit, tracebacks whole) and hosts where nothing may run beside the caller. Does not cover
stopping a hung file: it holds the only thread there is, so a timeout is reported after the file ended.

Whoever reads an iterator may do so on several threads, and a worker's models belong to one: the thread that began keeps
its worker, that of any other is closed with its file, since nobody knows whether the thread comes back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orcabatch.engine.executor import Executor
from orcabatch.engine.executors.mailbox import Mailbox
from orcabatch.engine.memory_meter import MemoryMeter
from orcabatch.engine.surroundings import Initializer, begin_here
from orcabatch.engine.worker import TaskRunner
from orcabatch.engine.worker_loop import death

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.limits import Limits
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.worker_messages import Message


class SerialExecutor(Executor):
    """Runs each task inside `poll`.

    Args:
        recipe: makes the worker.
        initializer: called before the first file.
    """

    name = "serial"
    capacity = 1

    def __init__(self, recipe: Recipe, initializer: Initializer | None = None) -> None:
        self._initializer = initializer
        self._mailbox: Mailbox[Message] = Mailbox()
        self._tasks: deque[Task] = deque()
        self._recipe, self._meter = recipe, MemoryMeter()
        self._runners: dict[threading.Thread, TaskRunner] = {}

    def submit(self, task: Task, *, alone: bool = False) -> None:
        """Keep the task for the next `poll`."""
        initializer, self._initializer = self._initializer, None
        begin_here(initializer)
        self._tasks.append(task)

    def poll(self, timeout_s: float | None) -> Sequence[Message]:
        """Do one task and tell all that happened; wait only where there is no task."""
        if not self._tasks:
            return self._mailbox.take(timeout_s)
        here = threading.current_thread()
        if here not in self._runners:
            self._runners[here] = TaskRunner(self._recipe, self._mailbox.post, "serial", self._meter)
        self._do(self._tasks.popleft(), self._runners[here])
        if here is not next(iter(self._runners)):
            self._runners.pop(here).close()
        return self._mailbox.take(0)

    def _do(self, task: Task, runner: TaskRunner) -> None:
        try:
            self._mailbox.post(runner.do(task))
        except BaseException as error:  # as where a thread ends; GeneratorExit would pass for the consumer's
            self._mailbox.post(death("serial", task.index))
            runner.close()
            if isinstance(error, KeyboardInterrupt):  # the caller's own, which stops the run as well
                raise

    def abandon(self, index: int) -> bool:
        """A task is over before anybody can abandon it."""
        return True

    def close(self, *, now: bool = False) -> None:
        """Close the worker; one that belongs to another thread keeps its model while the process lives."""
        self._tasks.clear()
        for runner in self._runners.values():
            runner.close()


def build(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> SerialExecutor:
    """As the registry of executors asks for it."""
    return SerialExecutor(recipe, options.initializer)
