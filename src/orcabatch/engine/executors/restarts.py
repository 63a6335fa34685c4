"""The starts of one executor's worker processes: which are under way, how the last failed, whether another is made.

Covers what `starting` decides, kept up and carried out: a start that hangs is ended, one that fails is counted, and
where none comes up that is said. Does not cover making a process (`processes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orcabatch.engine.executors.starting import RestartPolicy, used_by
from orcabatch.engine.options import ON_THREADS
from orcabatch.engine.worker_messages import Died
from orcabatch.outcome import Cause, Failure
from orcabatch.sleep import awake_s

if TYPE_CHECKING:
    from orcabatch.engine.executors.process_handle import ProcessHandle
    from orcabatch.engine.options import EngineOptions

NOT_UP = f"look at what the post-process imports and at the host's memory, or {ON_THREADS}"


class Restarts:
    """Starts and their failures.

    Args:
        options: how long a start may take.

    Attributes:
        under_way: processes that do not take files yet.
        any_came_up: whether a file ever began in one.
        last_end: how the last that failed ended.
    """

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._policy = RestartPolicy()
        self.under_way: set[ProcessHandle] = set()
        self.any_came_up = False
        self.last_end = ""

    @property
    def gave_up(self) -> bool:
        """Whether no other is started."""
        return self._policy.gave_up

    def may_start(self) -> bool:
        """Whether one may be started now."""
        return self._policy.may_start(awake_s(), len(self.under_way))

    def pause_s(self) -> float | None:
        """How long until another may be started; None: that is no matter of time."""
        return self._policy.pause_s(awake_s())

    def failed(self, began_s: float, how: str) -> None:
        """One that was started at `began_s` ended before it took files, or there was none to be had."""
        self.last_end = how
        self._policy = self._policy.failed(awake_s(), began_s)

    def works(self, child: ProcessHandle) -> None:
        """A file has begun in it: it has come up."""
        if not child.has_worked:
            child.has_worked = self.any_came_up = True
            self._policy = self._policy.came_up()

    def go_on(self) -> None:
        """Those that are there do the rest: what failed so far is forgotten."""
        self._policy = RestartPolicy()

    def end_what_hangs(self) -> None:
        """End what hangs while it starts."""
        now = awake_s()
        for child in self.under_way:
            if child.killed or not child.start.is_due(now):
                continue
            child.start = child.start.look(now, used_by(child.pid))
            if why := child.start.overdue(now, self._options.start_timeout_s, self._options.timeout_s):
                self._policy = self._policy.failed(now, child.start.began_s, hung=True)
                child.kill(f"while it started, {why}")

    def none_for(self, indices: tuple[int, ...]) -> Died:
        """The end of tasks for which no process comes up."""
        cause = Cause.TIMEOUT if self._policy.hangs else Cause.CRASH
        said = f"no worker process comes up; the last one, {self.last_end}"
        return Died("", indices, said, final=True, failure=Failure(cause, said, NOT_UP))
