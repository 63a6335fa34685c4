"""The loop that a worker thread lives in: the same in this process and in worker processes.

Covers taking tasks one after the other, closing the worker on its own thread whatever happens, and saying so when the
thread ends in the middle of a task. Does not cover who starts the thread (`threads`, `child`).
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from orcabatch.engine.entry import Bench
from orcabatch.engine.executor import Closed, Died, Post

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.meter import MemoryMeter
    from orcabatch.engine.surroundings import Surroundings


class Session:
    """A worker on a thread of its own.

    Args:
        recipe: makes the worker.
        post: takes the messages.
        name: of the worker.
        meter: of this process.
        surroundings: what each file finds.

    Attributes:
        name: of the worker.
        thread: the thread that runs it, once it does.
        began: set as soon as `thread` is.
    """

    def __init__(self, recipe: Recipe, post: Post, name: str, meter: MemoryMeter, surroundings: Surroundings) -> None:
        self.name = name
        self.thread: threading.Thread | None = None
        self.began = threading.Event()
        self._post = post
        self._bench = Bench(recipe, post, name, meter)
        self._surroundings = surroundings
        self._inbox: SimpleQueue[Task | None] = SimpleQueue()
        self._busy: Task | None = None

    def give(self, task: Task) -> None:
        """Hand it a task; it has none now."""
        self._inbox.put(task)

    def end(self) -> None:
        """Let it close its worker and leave, after the task it has."""
        self._inbox.put(None)

    def run(self) -> None:
        """Live. Ends by `end`, or by whatever is not an `Exception`, which costs the task in hand."""
        self.thread = threading.current_thread()
        self.began.set()
        try:
            while (task := self._inbox.get()) is not None:
                self._busy = task
                finished = self._surroundings.run(partial(self._bench.do, task), task.file.name)
                self._busy = None
                self._post(finished)
                del task, finished
        finally:
            try:
                self._bench.close()
            finally:
                if self._busy is not None:
                    self._post(death(self.name, self._busy.index))
                self._post(Closed(self.name))


def death(worker: str, index: int) -> Died:
    """What is said of a thread that the exception now being handled has ended."""
    error = sys.exception()
    what = type(error).__name__ if error is not None else "an unknown error"
    detail = f" ({error})" if error is not None and str(error) else ""
    text = f"the post-process ended its worker with {what}{detail}; raise an ordinary exception instead"
    return Died(worker, (index,), text, final=True)
