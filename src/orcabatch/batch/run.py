"""One call from request to result: the only place that knows the order of the rooms.

    request ── host ──> plan ── tasks, limits ──> engine ── outcomes ──> epilogue: batches conclude, metrics
                                                                             └──> BatchResult

Holds no rules: what may run is the plan's affair, when it runs the engine's, what is written the batches'. What follows
after the last file is `orcabatch.batch.epilogue`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orcabatch.batch.account import Account
from orcabatch.batch.ending import AFTER_THE_END, BROKEN_OFF
from orcabatch.batch.epilogue import Epilogue
from orcabatch.batch.for_engine import recipe_of, run_of, tasks_of
from orcabatch.batch.job import BatchJob
from orcabatch.batch.planning import careful, planned
from orcabatch.batch.shared_files import shared_files
from orcabatch.batch.temporary import staging_folder, temporary_files_in, usable_temporary
from orcabatch.batch.watchers import Watchers
from orcabatch.engine.endings import cancelled, interrupted
from orcabatch.engine.gil import METER
from orcabatch.engine.interrupts import StopSignal
from orcabatch.engine.logs import handled_in_background
from orcabatch.errors import BatchError, BatchInterrupted, OrcabatchError
from orcabatch.monitor import PerformanceMonitor
from orcabatch.monitor.display_choice import make_display
from orcabatch.orcaflex.binding import find_binding
from orcabatch.sleep import held_off
from orcabatch.store.kept_values import ValuesFile
from orcabatch.store.lock import folder_lock
from orcabatch.store.paths import place_of
from orcabatch.text import words_of
from orcabatch.win32 import kernel32

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.request import Request
    from orcabatch.batch.result_cache import ResultCache
    from orcabatch.batch.streamed import TableFile
    from orcabatch.monitor.display_choice import Display
    from orcabatch.outcome import FileOutcome
    from orcabatch.plan import BatchPlan
    from orcabatch.results.result import BatchResult


@dataclass(slots=True)
class Run:
    """One call. Iterate `outcomes`, then take `result`.

    Attributes:
        request: what was asked for.
        plan: what will be done.
        cache: what earlier runs know of the files; must be the one the plan was made with.
        progress: how to show it (see `orcabatch.monitor.display_choice.make_display`).
        table: takes the values, of which the run then keeps none; None: they stay in the outcomes.
        report: is written anew while it runs, for whoever watches; None: nothing is.
        in_terminal: whoever is told how it ended has no error whose `result` he could look at.
    """

    request: Request
    plan: BatchPlan
    cache: ResultCache
    progress: Any = None
    table: TableFile | None = None
    report: Path | None = None
    in_terminal: bool = False
    monitor: PerformanceMonitor = field(init=False)
    watchers: Watchers = field(init=False)
    _account: Account = field(init=False)
    _epilogue: Epilogue = field(init=False)
    _stop: StopSignal = field(default_factory=StopSignal)
    _folder: Path = field(init=False)
    _left_by: str = ""

    def __post_init__(self) -> None:
        self.monitor = PerformanceMonitor(self.request.settings)
        self.watchers = Watchers(self.monitor)
        self._account = Account(self.request, self.plan, self.monitor, self.table)
        self._epilogue = Epilogue(self._account, self.cache, self.watchers, self._stop, self.in_terminal)
        self.cache.warn = self.watchers.warn
        for note in self.request.notes:
            self.watchers.warn(note)

    @classmethod
    def of(cls, request: Request, progress: Any = None, **more: Any) -> Self:
        """Plan the request, to be run; `more` are other attributes."""
        said: list[str] = []
        request = careful(request)
        plan, cache = planned(request, warn=said.append)
        run = cls(request, plan, cache, progress, **more)
        for text in said:
            run.watchers.warn(text)
        return run

    def outcomes(self) -> Generator[FileOutcome, None, None]:
        """Outcomes as files finish. When it ends, is closed or is interrupted, everything finished is written.

        Raises:
            BatchLocked: another batch writes to one of the result folders.
            BatchError: something broke the run off when files had ended already; they are in its `result`.
        """
        end, ended = self._epilogue, False
        try:
            # Nothing tears how that which is held is given back: a signal waits once it is settled how the run ended.
            with self._stop.heard(), handled_in_background(), ExitStack() as held:
                try:
                    with self._stop.foreign_code():  # a folder that does not answer: the second Ctrl-C leaves it
                        self._hold(held)
                        running, job = self._begun(held)
                    yield from self._run(running, job)
                    ended = True
                except BatchError:
                    raise
                except OrcabatchError as error:
                    if not end.outcomes:
                        raise
                    raise BatchError(f"{error}; {end.what_stays()}", end.result()) from error
                except Exception as error:
                    self._hand_over(error, f"the batch broke off: {words_of(error)}")
                    raise
                finally:
                    self._stop.settle()
        except KeyboardInterrupt:  # unless giving back takes long, as where a console is held: all is written by then
            if not (ended and self._stop.late):
                raise
        if self._stop.late and end.interrupted is None:
            end.interrupted = BatchInterrupted(AFTER_THE_END, self._stop.late)

    def result(self) -> BatchResult:
        """What the run ended with."""
        return self._epilogue.result()

    @property
    def interrupted(self) -> BatchInterrupted | None:
        """Set once the run was stopped by Ctrl-C or a signal."""
        return self._epilogue.interrupted

    def left_by(self, error: Exception, outcomes: Generator[FileOutcome, None, None]) -> None:
        """The caller's own code raised between two outcomes: end as a run that failed, and hand over what there is."""
        self._left_by = f"the batch ended early, since what is called with its outcomes raised {words_of(error)}"
        try:
            outcomes.close()
        except BatchError as lost:
            error.add_note(str(lost))
        self._hand_over(error, self._left_by)

    def _hand_over(self, error: Exception, said: str) -> None:
        """Have an exception that is not ours, and stays what it is, bring what there is."""
        error.add_note(f"{said}; {self._epilogue.where_it_is('batch_result')}")
        with suppress(Exception):  # of a class that takes no attributes
            error.batch_result = self.result()  # type: ignore[attr-defined]

    # --- before the first file

    def _hold(self, held: ExitStack) -> None:
        """Take what no other run may have, and open what this one needs."""
        for folder, writing in _folders(self.request).items():
            names = ", ".join(batch.name for batch in writing)
            signature = held.enter_context(folder_lock(folder, names, warn=self.watchers.warn))
            for batch in writing:
                batch.held(signature)
        held.enter_context(self.cache.opened())
        self.cache.check_finished()
        held.enter_context(METER.looking())
        held.enter_context(held_off(kernel32()))
        for batch in self.request.batches:
            if batch.values_file is not None:
                values = held.enter_context(ValuesFile(batch.values_file, self.watchers.warn))
                self._epilogue.values_files[batch.name] = values
                self._account.outputs[batch.name] = (batch.values_file,)

    def _begun(self, held: ExitStack) -> tuple[Iterator[FileOutcome], BatchJob]:
        """The engine, with nothing asked of it yet, and those who follow the run, who have begun."""
        request, plan = self.request, self.plan
        self._folder, warning = usable_temporary(request.settings.io.temp_directory)
        self.watchers.warn(warning)
        binding = find_binding(request.settings.orcaflex)
        recipe = recipe_of(request, plan, binding)
        self._account.orcaflex = binding.kind.value
        self.watchers.warn(binding.warning)
        job = BatchJob(
            recipe,
            batches={batch.name: batch for batch in request.batches},
            shared_files=shared_files(request.batches),
            warn=self.watchers.warn,
            cache=self.cache,
            sink=None if self.table is None else self.table.add,
            values_files=self._epilogue.values_files,
        )
        copies = held.enter_context(staging_folder(self._folder)) if request.stages else None
        tasks, listener = tasks_of(plan), self.watchers.listen
        running = run_of(request, plan, binding, tasks, job, copies=copies, listener=listener, stop=self._stop)
        says_time = callable(self.progress) or not self.in_terminal
        displays: list[Display] = [make_display(self.progress, monitor=self.monitor, says_time=says_time)]
        if self.report is not None:
            from orcabatch.monitor.live_report import LiveReport  # the room that makes pages: for who wants one

            displays.append(LiveReport(self.report, self.monitor.state, self._account.so_far))
        self.watchers.begin(displays, tasks, plan, request.settings)
        return running, job

    # --- the files, and how their run ends

    def _run(self, running: Iterator[FileOutcome], job: BatchJob) -> Iterator[FileOutcome]:
        end = self._epilogue
        try:
            end.aside("the metrics", self._account.begin)
            with temporary_files_in(self._folder):
                for outcome in running:
                    self._take(job.kept(outcome))
                    yield outcome
            end.complete = True
        except BatchInterrupted as interruption:
            end.interrupted = interruption
        except (GeneratorExit, KeyboardInterrupt) as left:
            if self._stop.level:
                end.interrupted = BatchInterrupted(interrupted(left=self._stop.level > 1), self._stop.signum)
            if isinstance(left, GeneratorExit) or end.interrupted is None:
                raise
        finally:
            self._end(running, job)

    def _end(self, running: Iterator[FileOutcome], job: BatchJob) -> None:
        """What follows after the last file, however it came; with all of it still to be done, the run is broken off."""
        end = self._epilogue
        self.monitor.state.broken, self._stop.wake = True, end.say_concluding
        self.watchers.hold_back()
        try:
            if isinstance(running, Generator):
                try:
                    running.close()
                except KeyboardInterrupt:  # leaving took long: what was to be finished is left as well
                    end.interrupted = BatchInterrupted(interrupted(left=True), self._stop.signum)
            self._take_drained(job)
            self._take_unended(job)
            end.aside("whether values are still what they were", job.look_again)
            self.monitor.stop()
            if self._left_by and not self._stop.signum:
                self.monitor.state.interrupted = False  # nobody asked for it: something failed
                self.watchers.warn(self._left_by)
            end.conclude()
        finally:
            if self.table is not None:
                self.table.close()
            self.watchers.close()

    def _take(self, outcome: FileOutcome) -> None:
        self._epilogue.outcomes.append(outcome)
        self.monitor.add_outcome(outcome)

    def _take_drained(self, job: BatchJob) -> None:
        """What ended after the caller had left the loop: nobody was handed it, but it counts like the rest."""
        handed = {(outcome.index, outcome.batch, outcome.attempt) for outcome in self._epilogue.outcomes}
        for outcome in job.ended:
            if (outcome.index, outcome.batch, outcome.attempt) not in handed:
                self._take(outcome)

    def _take_unended(self, job: BatchJob) -> None:
        """Where the engine broke off, the files that nobody spoke of; the others are as much as a whole run's."""
        ended = {(outcome.index, outcome.batch) for outcome in self._epilogue.outcomes}
        for task in tasks_of(self.plan) if ended else ():
            for outcome in cancelled(task, BROKEN_OFF, self.monitor.wall_s):
                if (outcome.index, outcome.batch) not in ended:
                    self._take(job.kept(outcome))


def _folders(request: Request) -> dict[Path, list[Batch]]:
    """The result folders, and the batches that write to each."""
    folders: dict[str, tuple[Path, list[Batch]]] = {}
    for batch in request.batches:
        if batch.result_folder is not None:
            folders.setdefault(place_of(batch.result_folder), (batch.result_folder, []))[1].append(batch)
    return dict(folders.values())
