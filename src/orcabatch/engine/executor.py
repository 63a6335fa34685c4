"""The contract that every executor keeps.

    dispatcher ── submit, abandon, set_limit, collect ──> Executor ──> worker threads, here or in worker processes
         ^                                                                  │
         └────────── poll: Started, PhaseEntered, Noted, Finished, ... ─────┘

Covers what an executor promises. Does not cover what comes back through it (`orcabatch.engine.worker_messages`), which
task starts when (`orcabatch.engine.scheduler`) nor what a worker does with it (`orcabatch.engine.worker`). An executor
has no opinion: it starts workers when they are needed, keeps each on the thread that opened it, and says truthfully
what became of every task that it was given.

All calls but `wake` come from the dispatcher's thread.
See also the modules of `orcabatch.engine.executors`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orcabatch.engine.executors import ExecutorFacts, facts_of
from orcabatch.engine.memory_meter import give_back

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task
    from orcabatch.engine.executors.mailbox import Mailbox
    from orcabatch.engine.limits import Limits
    from orcabatch.engine.scheduler_messages import Probe
    from orcabatch.engine.worker_messages import Message


@dataclass(frozen=True, slots=True)
class SeatUse:
    """What an executor has open of what takes licence seats (see `SeatLimits.scope`).

    Attributes:
        units: that hold a seat, or wait only for another to be given back; what is being closed is left out.
        room: how many more files these take.
    """

    units: int
    room: int


class Executor(ABC):
    """Runs tasks on workers. Nothing is started before the first `submit`.

    Six members are to be given, and the mailbox at which `poll` waits; the rest has defaults, which are right for
    workers that are threads of this process and hold no licence seat of their own.

    Attributes:
        name: as in `EXECUTORS`; of one that chooses, what it is now.
        capacity: how many tasks it can hold at once, at least 1.
    """

    name: str
    capacity: int
    _mailbox: Mailbox[Any]

    @property
    def facts(self) -> ExecutorFacts:
        """What is true of it whatever it runs."""
        return facts_of(self.name)

    @abstractmethod
    def submit(self, task: Task, *, alone: bool = False) -> None:
        """Give the task to a free worker, starting one if need be.

        Args:
            task: what to do; never more than `capacity` at once.
            alone: keep other tasks out of its process (it is suspected of having killed one).
        """

    @abstractmethod
    def poll(self, timeout_s: float | None) -> Sequence[Message]:
        """What happened since the last call; waits at most this long for the first message (None: for ever)."""

    @abstractmethod
    def abandon(self, index: int) -> bool:
        """Stop waiting for a hung task; what it has not written yet is not written where that can be helped.

        Returns:
            Whether its slot is free again (its process was killed, or it was only being written). If not, its thread
            stays taken until the hung call returns, which `Returned` reports.
        """

    @abstractmethod
    def close(self, *, now: bool = False) -> None:
        """End all workers, each on its own thread.

        Args:
            now: do not wait for tasks that still run: processes are killed, threads left to themselves.
        """

    def wake(self) -> None:
        """Let a waiting `poll` return; may be called from a signal handler and from any thread."""
        self._mailbox.wake()

    @property
    def pids(self) -> tuple[int, ...]:
        """The worker processes that live now; empty where the workers are threads of this process."""
        return ()

    def given_s(self, index: int) -> float | None:
        """Since when a worker that takes files has the task (`awake_s`); None: it waits for one, or it began.

        Asked only where files have a time limit, and until the task has `Started`.
        """
        return None

    @property
    def seat_use(self) -> SeatUse | None:
        """What holds licence seats now; None where it all holds one together, or seats are counted by the executor."""
        return None

    def allow(self, units: int) -> None:  # noqa: B027 - of use only where workers hold seats of their own
        """No more than this many units may hold a licence seat from now on; what idles gives way to what is needed."""

    def set_limit(self, limit: int) -> None:  # noqa: B027 - of use only where idle workers cost something
        """No more than this many tasks will run at once from now on: idle workers beyond it are closed."""

    def collect(self) -> None:
        """Collect garbage where the workers are."""
        give_back()

    def recall(self) -> tuple[int, ...]:
        """Take back the tasks that no worker has yet: their indices."""
        return ()

    def watched(self, probe: Probe | None) -> Probe | None:
        """The probe, where the executor looks at what it measures or knows better what the workers' machines do."""
        return probe

    def limits_of_all(self, limits: Limits, files: int) -> Limits:
        """The limits of the whole run: what is each machine's or each process's is left to the executor."""
        return limits
