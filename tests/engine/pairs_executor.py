"""An executor of the tests' own: it keeps tasks until it is asked, and does two at a time, in the caller's thread."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from orcabatch.engine.executor import Executor
from orcabatch.engine.executors.mailbox import Mailbox
from orcabatch.engine.memory_meter import MemoryMeter
from orcabatch.engine.surroundings import begin_here
from orcabatch.engine.worker import TaskRunner
from orcabatch.engine.worker_loop import death

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.limits import Limits
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.worker_messages import Message


class PairsExecutor(Executor):
    """Two workers in the caller's thread, which take turns."""

    name = "pairs"
    capacity = 2

    def __init__(self, recipe: Recipe, options: EngineOptions) -> None:
        begin_here(options.initializer)
        self._mailbox: Mailbox[Message] = Mailbox()
        self._workers = deque(TaskRunner(recipe, self._mailbox.post, f"pair-{one}", MemoryMeter()) for one in (1, 2))
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task, *, alone: bool = False) -> None:
        self._tasks.append(task)

    def poll(self, timeout_s: float | None) -> Sequence[Message]:
        if not self._tasks:
            return self._mailbox.take(timeout_s)
        for _ in range(min(2, len(self._tasks))):
            self._workers.rotate()
            self._do(self._workers[0], self._tasks.popleft())
        return self._mailbox.take(0)

    def _do(self, worker: TaskRunner, task: Task) -> None:
        try:
            self._mailbox.post(worker.do(task))
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - a function that ends its thread costs its file
            worker.close()
            self._mailbox.post(death("pairs", task.index))

    def abandon(self, index: int) -> bool:
        return True

    def close(self, *, now: bool = False) -> None:
        for worker in self._workers:
            worker.close()


def build(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> PairsExecutor:
    return PairsExecutor(recipe, options)
