"""The loop that a worker thread lives in: the same in this process and in worker processes.

Covers taking tasks one after the other, closing the worker on its own thread whatever happens, and saying so when the
thread ends in the middle of a task. Outputs may be written beside the next task, each task's on a thread of its own: a
folder that is slow, or does not answer at all, delays those of that task alone. Does not cover who starts the loop
(`threads`, `process_main`).
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from orcabatch.engine.worker import TaskRunner, WriteBehind
from orcabatch.engine.worker_messages import Closed, Died, Finished, Post
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s
from orcabatch.text import words_of

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.memory_meter import MemoryMeter
    from orcabatch.engine.surroundings import Surroundings


TIDY_S = 1.0
"""How long a loop that ends waits for its writing threads. They have said all by then, but for one that hangs."""


class WorkerLoop:
    """A worker on a thread of its own.

    Args:
        recipe: makes the worker.
        post: takes the messages.
        name: of the worker.
        meter: of this process.
        surroundings: what each file finds.
        behind: whether outputs are written beside the next task, and `Written` said of them.

    Attributes:
        name: of the worker.
        thread: the thread that runs it, once it does.
        began: set as soon as `thread` is, or it is settled that there will be none.
        is_over: a thread has lived it.
    """

    def __init__(  # noqa: PLR0913 - what a worker needs, and how it lives
        self,
        recipe: Recipe,
        post: Post,
        name: str,
        meter: MemoryMeter,
        surroundings: Surroundings,
        *,
        behind: bool = False,
    ) -> None:
        self.name = name
        self.thread: threading.Thread | None = None
        self.began = threading.Event()
        self._post = post
        self._runner = TaskRunner(recipe, post, name, meter)
        self._surroundings = surroundings
        self._inbox: SimpleQueue[Task | None] = SimpleQueue()
        self._door = threading.Lock()
        self.is_over = self._claimed = self._ended = self._told_all = False
        self._busy: Task | None = None
        self._behind = behind
        self._writing: list[tuple[threading.Thread, WriteBehind]] = []
        self._unwanted: set[int] = set()
        self._left = False

    def claim(self, thread: threading.Thread | None = None) -> bool:
        """Have it from now on, to be lived on the thread or by nobody; False: somebody else has it."""
        with self._door:
            if self._claimed:
                return False
            self._claimed, self.thread = True, thread
            return True

    def give_up(self) -> None:
        """No thread lives it any more, or will: what none has told is told as lost. Nothing where one has begun it."""
        if (self.is_over or self.claim()) and not self._told_all:
            self.began.set()
            self._tell_all()

    def look(self) -> None:
        """Tell what its own threads found no memory to tell, and do not try to any more."""
        if self.is_over:
            self.give_up()
        for _, behind in self._writing:
            if behind.is_lost:
                self._post(behind.lost(MemoryError()))
                behind.is_lost = False

    def give(self, task: Task) -> None:
        """Hand it a task; it has none now. Of one that comes when its thread has ended it is said at once."""
        with self._door:
            if not self._ended:
                self._inbox.put(task)
                return
        self._post(_not_told(self.name, task.index))

    def end(self) -> None:
        """Let it close its worker and leave, after the task it has."""
        self._inbox.put(None)

    def drop(self, index: int) -> None:
        """What this task, in hand or being written, has not written yet is not written. On any thread."""
        self._unwanted.add(index)
        for _, behind in self._writing:
            if behind.index == index:
                behind.drop()
                self._unwanted.discard(index)

    def leave(self) -> None:
        """The run is left: nothing is written any more, now or later. On any thread."""
        self._left = True
        for _, behind in self._writing:
            behind.drop()

    def run(self) -> None:
        """Live, once. Ends by `end`, or by whatever is not an `Exception`, which costs the task in hand."""
        if not self.claim(threading.current_thread()):
            return
        try:
            self._live()
        finally:
            self.is_over = True

    def _live(self) -> None:
        died = None
        try:
            self.began.set()
            while (task := self._inbox.get()) is not None:
                self._busy = task
                work = self._runner.begin if self._behind else self._runner.do
                done = self._surroundings.run(partial(work, task), task.file.name)
                if isinstance(done, Finished):
                    self._tell(done)
                else:
                    self._write(done)
                del task, done
        except BaseException as error:
            # An `Exception` is ours, for want of memory. All else is the function's own, and told as the end of its
            # file: Python would print it among the user's words.
            if self._busy is None or isinstance(error, Exception):
                raise
            died = death(self.name, self._busy.index)
        finally:
            try:
                self._runner.close()
            finally:
                self._tell_all(died)
                self._tidy()

    def _tell(self, done: Finished) -> None:
        """The task is over as soon as somebody knows."""
        self._post(done)
        self._busy = None

    def _tell_all(self, died: Died | None = None) -> None:
        """Whoever gives it a task from now on hears that it has ended; so does whoever has done so before."""
        self._tell_lost(died)
        with self._door:
            self._ended = True
        with suppress(Empty):
            while True:
                self._busy = self._inbox.get_nowait()
                self._tell_lost()
        self._post(Closed(self.name))
        self._told_all = True

    def _tell_lost(self, died: Died | None = None) -> None:
        if self._busy is not None:
            self._post(died or _not_told(self.name, self._busy.index))
            self._busy = None

    def _write(self, behind: WriteBehind) -> None:
        """Be free, and have the rest written on another thread; on this one where the system gives none."""
        thread = OwnThread(self._write_and_tell, f"orcabatch-{self.name}-writes-{behind.index}", (behind,))
        # On the list before anybody hears of it: whoever drops it from then on finds it there.
        self._writing = [each for each in self._writing if each[0].is_alive() or each[1].is_lost] + [(thread, behind)]
        self._tell(behind.finished)
        if self._left or behind.index in self._unwanted:
            behind.drop()
            return
        try:
            thread.start()
        except RuntimeError:
            self._write_and_tell(behind)

    def _write_and_tell(self, behind: WriteBehind) -> None:
        """Whatever ends this thread, the run hears of the file's end."""
        try:
            self._post(behind.write())
        except BaseException as error:  # noqa: BLE001 - no memory for its outcome: it gets a small one
            try:
                self._post(behind.lost(error))
            except BaseException:
                behind.is_lost = True  # not before: whoever looks meanwhile would tell it a second time
                raise

    def _tidy(self) -> None:
        deadline = awake_s() + TIDY_S
        for thread, _ in self._writing:
            if thread.is_alive():
                thread.join(max(0.0, deadline - awake_s()))


def _not_told(worker: str, index: int) -> Died:
    """What is said of a task that nobody else will tell of."""
    return Died(worker, (index,), "the thread of its worker has ended, most likely for want of memory")


def death(worker: str, index: int) -> Died:
    """What is said of a thread that the exception now being handled has ended."""
    error = sys.exception()
    what = words_of(error) if error is not None else "an unknown error"
    text = f"the post-process ended its worker with {what}; raise an ordinary exception instead"
    return Died(worker, (index,), text, final=True)
