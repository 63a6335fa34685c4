"""The dispatcher: owns the state of a run, feeds the scheduler with what happened, and does what it says.

    caller <── outcomes ── Dispatcher ── events ──> Scheduler (pure: which file when)
                             │   ^                     └── instructions ──> Dispatcher
              submit, abandon│   │poll: Started, Finished, Died, ...
                             v   │
                           Executor ──> workers

Covers one run from its first file to its last: retries, crashes, timeouts, samples, stopping, and the event log. Does
not cover decisions (`scheduler`), workers (`worker`, the executors), nor what passes between the run and its `Job` and
which tries a task has had (`job_side`).

Promises:
    - the job is called on the thread that iterates, and on no other;
    - every task ends exactly once for each attempt that is handed on: one outcome for each of its batches. Batches of
      a task that are tried again come later, with a higher `attempt`;
    - the run advances only while the caller asks for the next outcome: what it does between two outcomes delays the
      start of further files (running ones go on), so long work belongs elsewhere;
    - closing the iterator drains: what runs is finished and told to the job, nothing new is started;
    - after Ctrl-C (or SIGTERM) the caller gets an outcome for every file, cancelled ones included, and then
      `BatchInterrupted`, whose `signum` says which signal it was. The second Ctrl-C leaves: running files are
      cancelled, worker processes killed, threads left to end by themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from orcabatch.engine import endings, scheduler_messages, worker_messages
from orcabatch.engine.echo import echo
from orcabatch.engine.foreign import RunClock
from orcabatch.engine.job_side import Attempts, JobSide, Retry, RunningTask, on_run_clock, unreported
from orcabatch.engine.logs import logger
from orcabatch.engine.read_ahead import ReadAhead
from orcabatch.engine.scheduler import Scheduler
from orcabatch.engine.stragglers import Stragglers
from orcabatch.engine.work_counter import WorkCounter
from orcabatch.errors import BatchInterrupted, SettingsError
from orcabatch.outcome import Cause, Failure, FileOutcome, Phase

if TYPE_CHECKING:
    from orcabatch.engine.contract import Job, Task
    from orcabatch.engine.event_log import EventLog
    from orcabatch.engine.executor import Executor
    from orcabatch.engine.interrupts import StopSignal
    from orcabatch.engine.limits import Limits, WaitReason
    from orcabatch.engine.occupancy import Stays
    from orcabatch.engine.options import EngineOptions

_log = logger(__name__)

MOST_COST = 0.05
"""Share of the time that looking at the host may take. A look lets go of Python's lock dozens of times, and beside
threads that compute in Python waits some milliseconds for it each time, which they stand still for too. Less: the count
of files at once follows late. More: such files are slowed down by being looked at, beside other programs by a fifth."""


class Dispatcher:
    """One run. Use `orcabatch.engine.run`."""

    def __init__(  # noqa: PLR0913, PLR0917 - the one place where all parts of a run meet
        self,
        tasks: Sequence[Task],
        job: Job,
        options: EngineOptions,
        limits: Limits,
        workers: Executor,
        event_log: EventLog,
        probe: scheduler_messages.Probe | None,
        stop: StopSignal,
    ) -> None:
        self._tasks = {task.index: task for task in tasks}
        self._options = options
        self._limits = limits
        self._workers = workers
        self._event_log = event_log
        self._probe = probe
        self._scheduler = Scheduler(tasks, limits)
        self._stop = stop
        self._stop_level = 0
        self._wait_reason: WaitReason | None = None
        self._left = False
        self._work = WorkCounter()
        self._stragglers = Stragglers()
        self._attempts = Attempts(options)
        self._clock = RunClock()
        self._events: deque[scheduler_messages.Event] = deque()
        self._ahead = ReadAhead(options.read_ahead, options.stage_in, self._warn_lastingly)
        self._job_side = JobSide(job, tasks, self._attempts, event_log, self._ahead, self._events.append, self._clock)
        self._running: dict[int, RunningTask] = {}
        # The caller's own thread is not interrupted: it is noticed afterwards that a file took too long.
        self._late_after_s = options.timeout_s if workers.facts.in_callers_thread else None
        self._said: set[str] = set()
        self._wake_at: float | None = None
        self._sample_at = 0.0

    # --- the life of a run ---

    def outcomes(self) -> Iterator[FileOutcome]:
        """All outcomes, as they come; see the module's promises."""
        # Until the end is reached: an error on the way must not wait for files that may take hours.
        now = True
        self._stop.install()
        self._stop.wake = self._workers.wake
        try:
            self._begin()
            while not self._over():
                yield from self._hand_out()
                self._turn()
            self._end_the_rest()
            yield from self._hand_out()
            now = self._left
        except GeneratorExit:
            self._drain()
            now = self._left
            raise
        finally:
            self._finish(now=now)
        if self._stop.level:
            raise BatchInterrupted(endings.interrupted(self._left), self._stop.signum)

    def _begin(self) -> None:
        self._clock.begin()
        self._tell(
            "run_started",
            files=len(self._tasks),
            executor=self._workers.name,
            limit=self._scheduler.limit,
            limits=self._limits.to_dict(),
        )
        # Before the first file: this sample tells what the process holds without any.
        self._sample_if_due()
        self._job_side.offer_ready(ask_all=True)
        self._step_scheduler()

    def _over(self) -> bool:
        if self._left:
            return True
        if self._running or self._events or not self._scheduler.done:
            return False
        # Nothing runs that could let another task go: all that are held back are asked now, not only the next few.
        self._job_side.offer_ready(ask_all=True)
        self._step_scheduler()
        return not self._running and self._scheduler.done

    def _hand_out(self) -> Iterator[FileOutcome]:
        while self._job_side.for_caller:
            outcome = self._job_side.for_caller.popleft()
            self._stop.foreign = True
            try:
                yield outcome
            finally:
                self._stop.foreign = False

    def _turn(self) -> None:
        """Wait until something happens, and deal with all that has."""
        for message in self._listen():
            if isinstance(message, (worker_messages.Logged, worker_messages.Warned)):
                echo(message)
            else:
                self._receive(message)
        now = self._now()
        if self._wake_at is not None and now >= self._wake_at:
            self._wake_at = None
            self._events.append(scheduler_messages.Woken(now))
        self._sample_if_due()
        self._stop_if_asked()
        self._time_out()
        self._step_scheduler()

    def _listen(self) -> Sequence[worker_messages.Message]:
        self._stop.foreign = self._workers.facts.in_callers_thread
        try:
            return self._workers.poll(self._patience_s())
        except KeyboardInterrupt:
            # It tore apart the file that this thread itself works on, or leaving takes long. Where no signal came, the
            # post-process raised it: that stops the run as one Ctrl-C does, and its worker says what became of it.
            self._stop.ask(1)
            return ()
        finally:
            self._stop.foreign = False

    def _drain(self) -> None:
        self._stop.ask(1)
        self._stop_if_asked()
        self._step_scheduler()
        while not self._over():
            # The caller has gone, but the job gets every outcome: what is finished is written.
            self._turn()
            self._job_side.for_caller.clear()
        self._end_the_rest()

    def _end_the_rest(self) -> None:
        """Tasks that were never offered: the run was stopped, or the job never let them go."""
        for task in self._job_side.never_offered():
            now = self._now()
            if self._stop.level:
                self._job_side.hand_on(endings.cancelled(task, endings.STOPPED, now))
            else:
                reason = "it waits for another file that ended without releasing it"
                self._job_side.hand_on(endings.failed(task, Failure(Cause.EXCEPTION, reason), now))
        self._step_scheduler()

    def _finish(self, *, now: bool) -> None:
        try:
            self._workers.close(now=now)
            self._ahead.close()
        finally:
            self._stop.restore()
            self._tell(
                "run_finished",
                interrupted=bool(self._stop.level),
                read_ahead=asdict(self._ahead.counts) if self._ahead.is_wanted else {},
                **self._scheduler.snapshot(),
            )

    # --- what happened ---

    def _receive(self, message: worker_messages.Message) -> None:
        match message:
            case worker_messages.Started(index, worker, at_s):
                self._started(index, worker, at_s - self._clock.epoch_s)
            case worker_messages.PhaseEntered(index, phase, at_s) if index in self._running:
                self._work.entered(index, phase, self._tasks[index].size_bytes, at_s - self._clock.epoch_s)
                self._event_log.tell("phase", at_s - self._clock.epoch_s, index, phase=phase.value)
            case worker_messages.Noted(note):
                self._job_side.noted(note)
            case worker_messages.Finished() | worker_messages.Written():
                self._finished(message)
            case worker_messages.Died():
                self._died(message)
            case worker_messages.Returned(index):
                self._job_side.written_off.discard(index)
                self._ahead.ended(index)
                self._events.append(scheduler_messages.SlotBack(self._now(), index))
            case worker_messages.Broken(text):
                raise SettingsError(text)
            case worker_messages.Complaint(text, once) if once not in self._said:
                self._said |= {once} - {""}
                self._warn_lastingly(text)
            case worker_messages.Chosen(name, why, capacity, saves, moved):
                self._tell("executor", executor=name, why=why, saves=saves)
                self._events += [scheduler_messages.Moved(self._now(), capacity)] if moved else []

    def _started(self, index: int, worker: str, at_s: float) -> None:
        if index in self._running:
            self._running[index].started_s = at_s
            self._work.started(index, at_s)
            self._event_log.tell("started", at_s, index, worker=worker, attempt=self._running[index].task.attempt)

    def _released(self, index: int, took: worker_messages.Released) -> None:
        """The worker is free; the file is not finished before its outputs are written."""
        run = self._running[index]
        run.released = True
        self._ahead.ended(index, sum(took.phases.values()))
        stays = self._work.finished(index, run.task.size_bytes, took.phases, self._now())
        self._tell("released", index)
        self._events.append(endings.released_event(self._now(), run.task, took, stays))

    def _finished(self, message: worker_messages.Finished | worker_messages.Written) -> None:
        if message.index not in self._running:
            self._job_side.written_off.discard(message.index)  # given up while it was written
            return
        if isinstance(message, worker_messages.Finished) and message.released is not None:
            self._released(message.index, message.released)
            return
        run = self._running.pop(message.index)
        outcomes = on_run_clock(run, message.outcomes, self._clock.epoch_s, self._late_after_s)
        stays: Stays = {}
        busy_s = sum(each.busy_s for each in outcomes)
        if not run.released:
            self._ahead.ended(message.index, busy_s)
            stays = self._work.finished(message.index, run.task.size_bytes, outcomes[0].phases, self._now())
        retry = self._attempts.retry(run.task, outcomes, message.may_heal, self._now())
        if retry is not None:
            self._try_again(run.task, retry, outcomes, busy_s)
            outcomes = tuple(each for each in outcomes if each not in retry.outcomes)
        else:
            self._events.append(endings.finished_event(self._now(), outcomes, busy_s, stays))
            self._attempts.forget(message.index)
            self._stragglers = self._stragglers.end(busy_s, run.task.size_bytes)
        if outcomes:
            self._job_side.hand_on(outcomes)

    def _try_again(self, task: Task, retry: Retry, outcomes: tuple[FileOutcome, ...], busy_s: float) -> None:
        if not retry.denied:
            why = retry.outcomes[0].error
            self._warn(f"{task.file.name}: trying again in {retry.delay_s:.1f} s: {why}", task.index)
        event = endings.finished_event(self._now(), outcomes, busy_s)
        ending: scheduler_messages.Ending = "seat_denied" if retry.denied else "retry"
        self._events.append(replace(event, ending=ending, retry_delay_s=retry.delay_s))

    def _died(self, message: worker_messages.Died) -> None:
        for index in message.indices:
            run = self._running.pop(index, None)
            if run is None:
                continue
            self._work.stopped(index, self._now())
            self._ahead.ended(index)
            may_retry = self._attempts.died(index, guilty=message.guilty)
            if message.final or not may_retry:
                tries = max(1, self._attempts.crashes(index))
                self._fail(run, message.failure or endings.crashed(message.message, tries))
                continue
            self._warn(f"{run.task.file.name}: {message.message}; trying again elsewhere", index)
            self._attempts.note(index, dict.fromkeys(run.task.batches, message.message))
            self._attempts.offered(index, self._now())
            self._events.append(scheduler_messages.TaskFinished(self._now(), index, "lost"))
            self._events.append(scheduler_messages.Redone(self._now(), index))

    def _fail(self, run: RunningTask, failure: Failure, *, slot_lost: bool = False) -> None:
        """End a task whose worker cannot report it; it is no longer among the running."""
        index, now = run.task.index, self._now()
        if not run.released:
            self._work.finished(index, run.task.size_bytes, {}, now)
        ended = scheduler_messages.SlotLost(now, index) if slot_lost else scheduler_messages.TaskFinished(now, index)
        self._events.append(ended)
        self._attempts.forget(index)
        phase = Phase.WRITE if run.released else None
        self._job_side.hand_on(unreported(run, endings.failed(run.task, failure, now, phase)))

    def _time_out(self) -> None:
        timeout_s = self._options.timeout_s
        if timeout_s is None:
            return
        now = self._now()
        for index, run in list(self._running.items()):
            since_s = self._has_since_s(run)
            if since_s is not None and now - since_s > timeout_s:
                # A thread cannot be killed: what it holds is free when its call returns, and it may still be writing.
                freed = self._workers.abandon(index)
                del self._running[index]
                if run.released or not freed:
                    self._job_side.written_off.add(index)
                failure = endings.timed_out(timeout_s, killed=freed, writing=run.released)
                self._fail(run, failure, slot_lost=not (freed or run.released))

    def _has_since_s(self, run: RunningTask) -> float | None:
        """Since when a worker has the task, also one that does not get as far as to say so."""
        if run.started_s is not None:
            return run.started_s
        given_s = self._workers.given_s(run.task.index)
        return None if given_s is None else given_s - self._clock.epoch_s

    def _stop_if_asked(self) -> None:
        level = min(self._stop.level, 2)
        if level <= self._stop_level:
            return
        self._stop_level = level
        self._job_side.stopping = True
        self._warn(endings.draining(len(self._running)) if level == 1 else "leaving at once", stopping=True)
        # What a worker has not begun comes back at once: the run ends with the file that is loaded, not with the next.
        if level == 1:
            self._events.appendleft(scheduler_messages.StopAsked(self._now(), 1))  # else the next event starts a file
            self._cancel(self._workers.recall())
        else:
            self._leave()

    def _leave(self) -> None:
        self._workers.close(now=True)
        self._left = True
        self._events.appendleft(scheduler_messages.StopAsked(self._now(), 2))
        running, self._running = list(self._running.values()), {}
        for run in running:
            reason = "the run was left before this file was finished"
            self._job_side.hand_on(unreported(run, endings.cancelled(run.task, reason, self._now())))

    def _cancel(self, indices: Iterable[int]) -> None:
        """No worker has them, and none shall get them."""
        for index in indices:
            run, now = self._running.pop(index), self._now()
            self._events.append(scheduler_messages.TaskFinished(now, index, "lost"))
            self._job_side.hand_on(unreported(run, endings.cancelled(run.task, endings.STOPPED, now)))

    # --- what follows ---

    def _step_scheduler(self) -> None:
        """Tell the scheduler all that happened, and do all that it says."""
        # What is held of seats is told first: with each of the other events a file may start, and take one.
        while event := self._seats_moved() or (self._events.popleft() if self._events else None):
            instructions = self._scheduler.step(event)
            self._event_log.record(event, instructions)
            for instruction in instructions:
                self._carry_out(instruction)
        if self._wait_reason != (reason := self._scheduler.wait_reason):
            self._wait_reason = reason
            self._tell("admission", held_by=reason.value)
        self._ahead.walk()

    def _seats_moved(self) -> scheduler_messages.SeatsReported | None:
        """What the workers hold of licence seats, where the scheduler supposes something else; it goes on with that."""
        use = self._workers.seat_use
        if use is None or (use.units, use.room) == self._scheduler.seats_held:
            return None
        # Nothing starts with a `SeatsReported` itself, so something has to follow it.
        if not self._events:
            self._events.append(scheduler_messages.Woken(self._now()))
        return scheduler_messages.SeatsReported(self._now(), use.units, use.room)

    def _carry_out(self, instruction: scheduler_messages.Instruction) -> None:
        match instruction:
            case scheduler_messages.Start(index, units):
                self._workers.allow(units)
                self._start(index)
            case scheduler_messages.GiveUp(index, reason):
                self._give_up(index, reason)
            case scheduler_messages.Wake(at_s):
                self._wake_at = at_s
            case scheduler_messages.LimitSet(limit, reason, found):
                self._workers.set_limit(limit)
                self._tell("limit", limit=limit, reason=reason, found=found)
            case scheduler_messages.CollectGarbage():
                self._workers.collect()
                self._tell("admission", garbage="collected")
            case scheduler_messages.Say(text, index):
                if index < 0:
                    self._warn_lastingly(text)
                else:
                    self._warn(text, index)

    def _start(self, index: int) -> None:
        run = self._attempts.handed(self._tasks[index], self._now())
        run.task = task = self._ahead.started(self._job_side.payload(run.task))
        self._running[index] = run
        if self._event_log.wanted:
            self._tell(
                "admission", index, memory_bytes=task.memory_bytes, reserved_bytes=self._scheduler.reserved_bytes
            )
        # It may be what killed its process: alone, it takes no neighbours with it the next time.
        self._workers.submit(task, alone=self._attempts.crashes(index) > 0)

    def _give_up(self, index: int, reason: str) -> None:
        # It was recalled from its worker, and has its outcome.
        if index in self._job_side.cancelled:
            return
        (task, failed), now = self._attempts.give_up(self._tasks[index]), self._now()
        # What went wrong before says more than that there was no other try.
        if failed and not all(map(endings.seat_denied, failed)):
            self._job_side.hand_on(failed)
        elif self._stop_level:
            self._job_side.hand_on(endings.cancelled(task, endings.STOPPED, now))
        else:
            self._job_side.hand_on(endings.failed(task, Failure(Cause.LICENCE, reason), now, Phase.WAIT))

    def _sample_if_due(self) -> None:
        now = self._now()
        if self._probe is None or now < self._sample_at:
            return
        try:
            read = self._probe(self._workers.pids)
        except (OSError, MemoryError) as error:
            text = f"The use of CPU and memory cannot be read ({error}): the run goes on by what was read before."
            self._warn_lastingly(text)
            return
        finally:
            # Counted from now: samples that a busy dispatcher missed are not made up for.
            pause_s = max(self._scheduler.sample_interval_s, (self._now() - now) / MOST_COST)
            self._sample_at = now + min(self._options.sample_interval_s, pause_s)
        sample = self._work.fill(read)
        self._events.append(scheduler_messages.Sampled(now, sample))
        self._event_log.sampled(now, sample)
        self._report_stragglers(now)

    def _report_stragglers(self, now: float) -> None:
        for index, run in self._running.items():
            took_s = 0.0 if run.started_s is None else now - run.started_s
            if self._stragglers.is_far_beyond(index, took_s, run.task.size_bytes):
                self._stragglers = self._stragglers.report(index)
                self._warn_lastingly(self._stragglers.words(run.task, took_s, self._options.timeout_s), index)

    # --- small things ---

    def _patience_s(self) -> float | None:
        """How long nothing needs to be done by ourselves."""
        instants = [self._wake_at] if self._wake_at is not None else []
        if self._probe is not None:
            instants.append(self._sample_at)
        if self._options.timeout_s is not None:
            since = [since_s for run in self._running.values() if (since_s := self._has_since_s(run)) is not None]
            instants += [min(since) + self._options.timeout_s] if since else []
        return max(0.0, min(instants) - self._now()) if instants else None

    def _now(self) -> float:
        return self._clock.now()

    def _tell(self, kind: str, index: int = -1, **data: object) -> None:
        self._event_log.tell(kind, self._now(), index, **data)

    def _warn(self, text: str, index: int = -1, **data: object) -> None:
        _log.info(text)
        self._tell("warning", index, text=text, **data)

    def _warn_lastingly(self, text: str, index: int = -1) -> None:
        """What is true of the whole run, or of a file until its end: it stands in the result's warnings."""
        self._tell("warning", index, text=text, lasting=True)
