"""The executor behind `executor: auto`: begins with threads, and goes on in worker processes once that pays.

    submit ──> threads                          until the decision of `auto_decision`
    submit ──> processes, threads run dry       afterwards
    submit ──> threads again                    if recipe or results do not travel, or processes get through less, or
                                                end with their first files

Covers carrying out the decision, both ways, without losing a task. Does not cover the decision itself
(`auto_decision`). A file that a thread has is never taken from it. What cannot be sent to a process, or back from it,
is done on a thread: `auto` never fails a file that threads would have done, but for one with which a worker process
died. That might end this one, and with it the whole run: where no other process comes up it has failed.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from orcabatch.console import no_python
from orcabatch.engine.endings import refused
from orcabatch.engine.executor import Executor, SeatUse
from orcabatch.engine.executors import auto_decision, packing
from orcabatch.engine.executors.mailbox import Bell, Mailbox
from orcabatch.engine.executors.threads import ThreadExecutor, pools_of
from orcabatch.engine.foreign import ordinarily
from orcabatch.engine.worker_messages import Broken, Chosen, Died, Finished, Message, Written, over
from orcabatch.sleep import awake_s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.executors.processes import ProcessExecutor
    from orcabatch.engine.limits import Limits, Scope
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.scheduler_messages import Probe, Sample
    from orcabatch.outcome import FileOutcome


class SwitchingExecutor(Executor):
    """Runs tasks on threads, later perhaps in worker processes.

    Args:
        recipe: makes the workers.
        options: how many threads, how many processes with how many threads, what starting them costs.
        sizes: of the threads' pools, see `ThreadExecutor`.
        prospects: what the decision needs to know beforehand.
        scope: what holds a licence seat; threads and processes share those that are allowed.
    """

    name = "threads"
    """Where files go now."""

    def __init__(
        self,
        recipe: Recipe,
        options: EngineOptions,
        sizes: Mapping[str, int],
        prospects: auto_decision.Prospects,
        scope: Scope = "process",
    ) -> None:
        self._recipe = recipe
        self._options = options
        self._prospects = prospects
        self._bell = Bell()
        self._mailbox: Mailbox[Message] = Mailbox(self._bell)
        self._scope = scope
        self._allowed = sys.maxsize
        self._threads = ThreadExecutor(recipe, sizes, self._bell, scope, options.initializer)
        self._processes: ProcessExecutor | None = None
        self._watch = auto_decision.Watch()
        self._trial: auto_decision.Trial | None = None
        self._chosen: Chosen | None = None
        self._here: dict[int, Task] = {}
        self._away: dict[int, Task] = {}
        self._writing: set[int] = set()
        self._worked = False  # a file came back from worker processes
        self._fell = set[tuple[int, ...]]()  # what those had that died
        self._ended = set[int]()
        self._done = self._again = (0, 0)  # files and bytes
        self._closing = False  # all had ended: none was left to decide about
        self._began_s: float | None = None
        self._sample: FileOutcome | None = None
        self.capacity = self._threads.capacity

    def given_s(self, index: int) -> float | None:
        """Since when a worker process that takes files has it; a thread begins at once."""
        return None if self._processes is None or index not in self._away else self._processes.given_s(index)

    @property
    def _sending(self) -> bool:
        return self.name == "processes"

    @property
    def pids(self) -> tuple[int, ...]:
        """The worker processes that live now."""
        return () if self._processes is None else self._processes.pids

    @property
    def seat_use(self) -> SeatUse | None:
        """What both sides hold; files go to one of them only."""
        if self._scope == "host":
            return None
        here = self._threads.seat_use or SeatUse(self._threads.kept, self._threads.capacity - len(self._busy_here))
        away = (self._processes.seat_use if self._processes is not None else None) or SeatUse(0, 0)
        return SeatUse(here.units + away.units, away.room if self._sending else max(0, here.room * min(1, here.units)))

    @property
    def _busy_here(self) -> list[Task]:
        """What threads have, without what is only still being written."""
        return [task for index, task in self._here.items() if index not in self._writing]

    def allow(self, units: int) -> None:
        """Open nothing on either side that would make it more seats."""
        self._allowed = units
        self._share_seats()

    def _share_seats(self) -> None:
        """What one side has, or is closing, the other may not take; what idles on the side that gets nothing goes."""
        if self._processes is None:
            self._threads.allow(self._allowed)
            return
        if self._sending:
            self._threads.set_limit(0)
        else:
            self._processes.set_limit(0)
        if self._threads.wants_seat:
            self._processes.give_way()
        self._processes.allow(self._allowed - self._threads.taken)
        self._threads.allow(self._allowed - self._processes.taken)

    # --- the contract ---

    def submit(self, task: Task, *, alone: bool = False) -> None:
        """Give the task to where files go now; one that cannot be packed, or is done again here, to a thread."""
        if task.index in self._ended:
            self._ended.discard(task.index)
            self._again = _and(self._again, task)
            self._closing = False
        processes = self._processes
        # One that may have killed its process goes to a process in any case: here it would end the whole run.
        if processes is None and self._is_suspected(task.index):
            self._mailbox.post(_lost(task.index))
        elif processes is None or not (alone or (self._sending and _travels(task))):
            self._here[task.index] = task
            self._threads.submit(task)
        else:
            self._away[task.index] = task
            processes.submit(task, alone=alone)
        if self._began_s is None:
            self._began_s = awake_s()
            self._prepare_to_go()

    def poll(self, timeout_s: float | None) -> Sequence[Message]:
        """What happened on both sides."""
        if self._processes is not None:
            timeout_s = self._processes.patience_s(timeout_s)
        self._bell.wait(self._threads.patience_s(timeout_s))
        return self._heard()

    def abandon(self, index: int) -> bool:
        """Kill the process that has the task, or write its thread off."""
        if self._processes is not None and self._away.pop(index, None) is not None:
            return self._processes.abandon(index)
        self._here.pop(index, None)
        self._writing.discard(index)
        return self._threads.abandon(index)

    def set_limit(self, limit: int) -> None:
        """Close what the limit no longer needs; threads as soon as nothing is sent to them."""
        self._threads.set_limit(0 if self._sending else limit)
        if self._processes is not None:
            self._processes.set_limit(limit if self._sending else 0)

    def collect(self) -> None:
        """Collect garbage on both sides."""
        self._threads.collect()
        if self._processes is not None:
            self._processes.collect()

    def close(self, *, now: bool = False) -> None:
        """End all workers on both sides."""
        try:
            self._threads.close(now=now)
        finally:
            if self._processes is not None:
                self._processes.close(now=now)

    # --- what happened ---

    def _heard(self) -> list[Message]:
        messages = list(self._threads.poll(0))
        self._count(messages, self._here)
        if self._processes is not None:
            messages += self._from_processes(self._processes.poll(0))
        self._share_seats()
        if not (self._chosen or self._closing) and len(self._ended) >= self._prospects.total_files:
            self._closing = True
            self._mailbox.post(Chosen(self.name, self._watch.closing(self._prospects).why, self.capacity))
        return messages + self._mailbox.take(0)

    def _count(self, messages: Iterable[Message], given: dict[int, Task]) -> None:
        for message in messages:
            if isinstance(message, Finished) and message.released is not None:
                self._writing.add(message.index)
            for index in over(message):
                self._writing.discard(index)
                task = given.pop(index, None)
                if task is not None and not (isinstance(message, Finished) and refused(message.outcomes)):
                    self._ended.add(index)
                    self._done = _and(self._done, task)
            if isinstance(message, Finished | Written):
                self._sample = next((each for each in message.outcomes if each.ok), self._sample)

    def _from_processes(self, messages: Sequence[Message]) -> list[Message]:
        heard: list[Message] = []
        broken = ""
        for message in messages:
            # Dead without a worker: no process comes up any more.
            if isinstance(message, Broken) or (isinstance(message, Died) and not message.worker):
                broken = broken or message.message
            elif isinstance(message, Finished | Written) and any(map(packing.did_not_travel, message.outcomes)):
                self._stop_sending("a result could not be sent back from its worker process")
                self._again_here(message.index)
            else:
                self._worked = self._worked or isinstance(message, Finished | Written)
                if isinstance(message, Died) and message.guilty and not message.final:
                    self._fell.add(message.indices)
                    # One may be its file's own fault, and here it would end the whole run.
                    if len(self._fell) > 1 and not self._worked:
                        self._stop_sending(f"before any file was done in them {message.message}")
                # At once: what has ended there is not done again here if the processes end with this.
                self._count([message], self._away)
                heard.append(message)
        return heard + self._come_back(broken) if broken else heard

    def _again_here(self, index: int) -> None:
        self._writing.discard(index)
        task = self._away.pop(index)
        self._here[index] = task
        self._threads.submit(task)

    def _is_suspected(self, index: int) -> bool:
        """Whether a worker process died with it, as this one might."""
        return any(index in held for held in self._fell)

    def _come_back(self, why: str) -> list[Message]:
        """No process can make a worker: everything that is there is done here, but what might end this process too."""
        processes, self._processes = self._processes, None
        if processes is not None:
            processes.close(now=True)
        self._stop_sending(why)
        lost: list[Message] = [_lost(index) for index in self._away if self._is_suspected(index)]
        self._count(lost, self._away)
        for index in list(self._away):
            self._again_here(index)
        return lost

    def _stop_sending(self, why: str) -> None:
        self._trial = None
        if self._sending:
            self.name = "threads"
            self._choose(f"back to threads: {why}")

    # --- the decision ---

    def limits_of_all(self, limits: Limits, files: int) -> Limits:
        """While it goes over to worker processes, this process holds a seat beside them until its threads are done."""
        return replace(limits, seats=replace(limits.seats, processes=1 + self._options.processes))

    def watched(self, probe: Probe | None) -> Probe | None:
        """The probe, so that this executor sees what it measures."""
        if probe is None:
            return None

        def seen(pids: tuple[int, ...]) -> Sample:
            sample = probe(pids)
            self._look(sample)
            # Worker processes have locks of their own: what threads still hold of this one does not bind those.
            return replace(sample, gil_taken=None) if self._sending else sample

        return seen

    def _look(self, sample: Sample) -> None:
        if self._began_s is None or self._closing or (self._chosen is not None and self._trial is None):
            return
        (done, done_bytes), (again, again_bytes) = self._done, self._again
        look = auto_decision.Look(
            now_s=awake_s() - self._began_s,
            busy=len(self._busy_here),
            gil_taken=sample.gil_taken,
            cores=sample.cpu_percent / 100 * self._prospects.cpus,
            done_bytes=done_bytes,
            running_bytes=sum(task.size_bytes for task in self._busy_here),
            done=done,
            dll_waited_s=sample.waited_s,
            dll_served_s=sample.served_s,
            again=again,
            again_bytes=again_bytes,
        )
        if self._trial is None:
            self._decide(look)
            return
        self._trial, worse = self._trial.step(look, self._prospects)
        if worse:
            self._stop_sending(worse)
            self._share_seats()

    def _decide(self, look: auto_decision.Look) -> None:
        self._watch, decision = self._watch.step(look, self._prospects)
        if decision is None:
            return
        # Packing all that would travel is dear, so it is only tried once moving is worth it.
        hindrance = self._hindrance() if decision.do == "move" or decision.saves else None
        if decision.do == "move" and hindrance is None:
            self._trial = self._watch.trial(self._prospects)
            self._go()
        self._choose(f"{decision.why}; {hindrance}" if hindrance else decision.why, decision.saves)

    def _prepare_to_go(self) -> None:
        """Import what `_go` needs, beside the first load: one that fails later would cost what is done by then."""
        if not self._prospects.stays_because:
            import_module("orcabatch.engine.executors.processes")

    def _go(self) -> None:
        """Send files to worker processes from now on."""
        from orcabatch.engine.executors.processes import ProcessExecutor  # see `_prepare_to_go`

        self._processes = ProcessExecutor(self._recipe, self._options, self._bell, self._scope)
        self.name = "processes"

    def _choose(self, why: str, saves: float = 0.0) -> None:
        capacity = self._processes.capacity if self._sending and self._processes is not None else self.capacity
        moved = self.name != (self._chosen.executor if self._chosen else "threads")
        self._chosen = Chosen(self.name, why, capacity, saves, moved)
        self._mailbox.post(self._chosen)

    def _hindrance(self) -> str | None:
        """Why the run stays although moving would pay; None: nothing."""
        reason = no_python() or packing.stays_because(self._recipe, self._options.initializer)
        if reason is None and self._sample is not None and not packing.returns(self._sample):
            reason = "its results cannot be sent back from worker processes"
        return reason


def _and(counted: tuple[int, int], task: Task) -> tuple[int, int]:
    """How many files, and of how many bytes, with this one."""
    return counted[0] + 1, counted[1] + task.size_bytes


def _travels(task: Task) -> bool:
    try:
        ordinarily(lambda: pickle.dumps(task.payload, pickle.HIGHEST_PROTOCOL))
    except Exception:  # noqa: BLE001 - packing runs the code of whatever goes along
        return False
    return True


def _lost(index: int) -> Died:
    """The end of a file that no process is left for; that was no other try."""
    said = "its worker process ended with it, and there is no other in which it could be tried again"
    return Died("", (index,), said, guilty=False, final=True)


def build(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> SwitchingExecutor:
    """As the registry of executors asks for it."""
    prospects = auto_decision.Prospects(
        processes=options.processes * options.threads_per_process,
        cpus=limits.cpus,
        start_s=options.start_cost_s,
        total_files=len(tasks),
        total_bytes=sum(task.size_bytes for task in tasks),
        stays_because=options.stays_because,
    )
    return SwitchingExecutor(recipe, options, pools_of(options, limits), prospects, limits.seats.scope)
