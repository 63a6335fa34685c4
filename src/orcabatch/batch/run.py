"""One call from request to result: the only place that knows the order of the rooms.

    request ── host ──> plan ── tasks, limits ──> engine ── outcomes ──> batches conclude ──> metrics ──> BatchResult

Holds no rules: what may run is the plan's affair, when it runs the engine's, what is written the batches'.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orcabatch.batch.account import (
    Said,
    account_so_far,
    begin_account,
    in_own_order,
    tables_of_call,
    write_account,
)
from orcabatch.batch.ending import (
    AFTER_THE_END,
    BROKEN_OFF,
    CONCLUDED,
    CONCLUDING,
    TORN,
    done_again,
    outputs_lost,
    where_it_is,
)
from orcabatch.batch.for_engine import broker_options, limits_of, options_of, tasks_of
from orcabatch.batch.history import Ran, by_hand, keep
from orcabatch.batch.job import BatchJob
from orcabatch.batch.planning import careful, planned
from orcabatch.batch.shared_files import shared_files
from orcabatch.batch.temporary import staging_folder, temporary_files_in, usable_temporary
from orcabatch.batch.watchers import Watchers
from orcabatch.engine import run as run_engine
from orcabatch.engine.executors import facts_of
from orcabatch.engine.foreign import ordinarily
from orcabatch.engine.gil import METER
from orcabatch.engine.interrupts import StopSignal
from orcabatch.engine.task_state import cancelled, interrupted
from orcabatch.errors import BatchError, BatchInterrupted, OrcabatchError, SettingsError
from orcabatch.host.sampler import host_probe
from orcabatch.monitor import PerformanceMonitor
from orcabatch.monitor.display_choice import make_display
from orcabatch.monitor.live_report import LiveReport
from orcabatch.orcaflex.binding import BindingKind, find_binding
from orcabatch.orcaflex.work import OrcaFlexRecipe
from orcabatch.results.result import BatchResult, last_attempts
from orcabatch.store.kept_values import ValuesFile
from orcabatch.store.lock import folder_lock
from orcabatch.store.paths import place_of
from orcabatch.text import words_of

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.request import Request
    from orcabatch.batch.result_cache import ResultCache
    from orcabatch.batch.streamed import TableFile
    from orcabatch.notice import Notice
    from orcabatch.outcome import FileOutcome
    from orcabatch.plan import BatchPlan

_log = logging.getLogger(__name__)

FUNCTION_STAYS = (
    "a function of yours goes there only where you say so (`executor: processes`), because what it leaves in this "
    "process, such as a list that it appends to, would stay behind"
)

FOREIGN_STAYS = "the OrcFxAPI that a test put into sys.modules is in this process only"


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
        notices: what was done with the results without a word; known at the end.
        interrupted: set once the run was stopped by Ctrl-C or a signal.
    """

    request: Request
    plan: BatchPlan
    cache: ResultCache
    progress: Any = None
    table: TableFile | None = None
    report: Path | None = None
    in_terminal: bool = False
    notices: list[Notice] = field(default_factory=list)
    interrupted: BatchInterrupted | None = None
    monitor: PerformanceMonitor = field(init=False)
    watchers: Watchers = field(init=False)
    _outcomes: list[FileOutcome] = field(default_factory=list)
    _outputs: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    _accounts: list[Path] = field(default_factory=list)
    _metrics: dict[str, Any] = field(default_factory=dict)
    _orcaflex: str = ""
    _folder: Path = field(init=False)
    _complete: bool = False
    _stop: StopSignal = field(default_factory=StopSignal)
    _left_by: str = ""
    _values_files: dict[str, ValuesFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.monitor = PerformanceMonitor(self.request.settings)
        self.watchers = Watchers(self.monitor)
        self.cache.warn = self.watchers.warn
        for note in self.request.notes:
            self.watchers.warn(note)

    @classmethod
    def of(cls, request: Request, progress: Any = None, table: TableFile | None = None) -> Self:
        """Plan the request, to be run."""
        said: list[str] = []
        request = careful(request)
        plan, cache = planned(request, warn=said.append)
        run = cls(request, plan, cache, progress, table)
        for text in said:
            run.watchers.warn(text)
        return run

    def outcomes(self) -> Generator[FileOutcome, None, None]:
        """Outcomes as files finish. When it ends, is closed or is interrupted, everything finished is written.

        Raises:
            BatchLocked: another batch writes to one of the result folders.
            BatchError: something broke the run off when files had ended already; they are in its `result`.
        """
        # Nothing tears how that which is held is given back: a signal waits once it is settled how the run ended.
        with self._stop.heard(), ExitStack() as held:
            try:
                with self._stop.foreign_code():  # a folder that does not answer: the second Ctrl-C leaves it
                    self._hold(held)
                    running, job = self._begun(held)
                yield from self._run(running, job)
            except BatchError:
                raise
            except OrcabatchError as error:
                if not self._outcomes:
                    raise
                raise BatchError(f"{error}; {self._where_it_is()}; {self._done_again()}", self.result()) from error
            except Exception as error:
                self._hand_over(error, f"the batch broke off: {words_of(error)}")
                raise
            finally:
                self._stop.settle()
        if self._stop.late and self.interrupted is None:
            self.interrupted = BatchInterrupted(AFTER_THE_END, self._stop.late)

    def _hold(self, held: ExitStack) -> None:
        """Take what no other run may have, and open what this one needs."""
        for folder, names in _folders(self.request).items():
            held.enter_context(folder_lock(folder, names, warn=self.watchers.warn))
        held.enter_context(self.cache.opened())
        held.enter_context(METER.looking())
        for batch in self.request.batches:
            if batch.values_file is not None:
                values = held.enter_context(ValuesFile(batch.values_file, self.watchers.warn))
                self._values_files[batch.name] = values
                self._outputs[batch.name] = (batch.values_file,)

    def _begun(self, held: ExitStack) -> tuple[Iterator[FileOutcome], BatchJob]:
        """The engine, with nothing asked of it yet, and those who follow the run, who have begun."""
        self._folder, warning = usable_temporary(self.request.settings.io.temp_directory)
        self.watchers.warn(warning)
        tasks, job = tasks_of(self.plan), self._job()
        copies = held.enter_context(staging_folder(self._folder)) if self.request.stages else None
        running = run_engine(
            tasks,
            job,
            options=replace(
                options_of(self.plan, copies, self._stays()),
                initializer=self.request.initializer,
            ),
            limits=limits_of(self.plan),
            probe=host_probe(self.plan.host.logical_cpus),
            listener=self.watchers.listen,
            stop=self._stop,
        )
        shown = make_display(
            self.progress,
            monitor=self.monitor,
            says_time=callable(self.progress) or not self.in_terminal,
        )
        said = Said(values_in=self._values_in, has_report=self.report is not None)
        so_far = partial(account_so_far, self.request, self.plan, self.monitor, said, self._orcaflex)
        display = LiveReport(shown, self.report, self.monitor.state, so_far) if self.report else shown
        self.watchers.begin(display, tasks, self.plan, self.request.settings)
        return running, job

    def _run(self, running: Iterator[FileOutcome], job: BatchJob) -> Iterator[FileOutcome]:
        try:
            self._aside("the metrics", lambda: begin_account(self.request, self.plan, self.monitor, self._orcaflex))
            with temporary_files_in(self._folder):
                yield from self._taken(running, job)
            self._complete = True
        except BatchInterrupted as interruption:
            self.interrupted = interruption
        except (GeneratorExit, KeyboardInterrupt) as left:
            if self._stop.level:
                self.interrupted = BatchInterrupted(interrupted(left=self._stop.level > 1), self._stop.signum)
            if isinstance(left, GeneratorExit) or self.interrupted is None:
                raise
        finally:
            self._end(running, job)

    def _end(self, running: Iterator[FileOutcome], job: BatchJob) -> None:
        """What follows after the last file, however it came; with all of it still to be done, the run is broken off."""
        self.monitor.state.broken, self._stop.wake = True, self._say_concluding
        self.watchers.hold_back()
        try:
            if isinstance(running, Generator):
                try:
                    running.close()
                except KeyboardInterrupt:  # leaving took long: what was to be finished is left as well
                    self.interrupted = BatchInterrupted(interrupted(left=True), self._stop.signum)
            self._take_drained(job)
            self._take_unended(job)
            self.monitor.stop()
            if self._left_by and not self._stop.signum:
                self.monitor.state.interrupted = False  # nobody asked for it: something failed
                self.watchers.warn(self._left_by)
            self._conclude()
        finally:
            if self.table is not None:
                self.table.close()
            self.watchers.close()

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
        error.add_note(f"{said}; {self._where_it_is('batch_result')}")
        with suppress(Exception):  # of a class that takes no attributes
            error.batch_result = self.result()  # type: ignore[attr-defined]

    def _where_it_is(self, attribute: str = "result") -> str:
        table = next(iter(self._outputs.get("", ())), None)
        return where_it_is(self.request.batches, table, None if self.in_terminal else attribute)

    def _done_again(self) -> str:
        batches, outcomes = self.request.batches, last_attempts(self._outcomes)
        anew = [batch for batch in batches if not self.cache.keeps(batch, self._own(batch, outcomes))]
        return done_again(anew, len(batches), self.request.fresh, self.in_terminal)

    def _taken(self, running: Iterator[FileOutcome], job: BatchJob) -> Iterator[FileOutcome]:
        for outcome in running:
            kept = job.kept(outcome)
            self._outcomes.append(kept)
            self.monitor.add_outcome(kept)
            yield outcome

    def _take_drained(self, job: BatchJob) -> None:
        """What ended after the caller had left the loop: nobody was handed it, but it counts like the rest."""
        handed = {(outcome.index, outcome.batch, outcome.attempt) for outcome in self._outcomes}
        for outcome in job.ended:
            if (outcome.index, outcome.batch, outcome.attempt) not in handed:
                self._outcomes.append(outcome)
                self.monitor.add_outcome(outcome)

    def _take_unended(self, job: BatchJob) -> None:
        """Where the engine broke off, the files that nobody spoke of; the others are as much as a whole run's."""
        ended = {(outcome.index, outcome.batch) for outcome in self._outcomes}
        for task in tasks_of(self.plan) if ended else ():
            for outcome in cancelled(task, BROKEN_OFF, self.monitor.wall_s):
                if (outcome.index, outcome.batch) not in ended:
                    self._outcomes.append(job.kept(outcome))
                    self.monitor.add_outcome(outcome)

    def result(self) -> BatchResult:
        """What the run ended with."""
        outcomes = last_attempts(self._outcomes)
        return BatchResult(
            outcomes=outcomes,
            plan=self.plan,
            metrics=self._metrics,
            outputs=(*(path for paths in self._outputs.values() for path in paths), *self._accounts),
            warnings=tuple(self.watchers.warnings),
            notices=tuple(self.notices),
            cases=self.request.cases,
            written=tables_of_call(self.request.batches, outcomes, self._outputs),
        )

    def _job(self) -> BatchJob:
        settings = self.request.settings
        binding = find_binding(settings.orcaflex)
        if binding.kind is BindingKind.FOREIGN and not facts_of(self.plan.executor).in_process:
            raise SettingsError(
                f"executor: {self.plan.executor} cannot be used with an OrcFxAPI that a test put into sys.modules: "
                "worker processes would not have it. Use `executor: threads` or `serial`."
            )
        self._orcaflex = binding.kind.value
        self.watchers.warn(binding.warning)
        recipe = OrcaFlexRecipe(
            {batch.name: batch.postprocess for batch in self.request.batches},
            settings.orcaflex,
            broker_options(settings),
            thread_count=self.plan.native_threads,
            loads=settings.loads,
            reuse_models=settings.reuse_models,
        )
        batches = {batch.name: batch for batch in self.request.batches}
        return BatchJob(
            recipe,
            batches,
            shared_files(self.request.batches),
            self.watchers.warn,
            self.cache,
            None if self.table is None else self.table.add,
            self._values_files,
        )

    def _stays(self) -> str:
        """Why `executor: auto` may not take the batches to worker processes; empty: it may."""
        if self._orcaflex == BindingKind.FOREIGN.value:
            return FOREIGN_STAYS
        return "" if all(batch.moves_unasked for batch in self.request.batches) else FUNCTION_STAYS

    def _say_concluding(self) -> None:
        """Ctrl-C while outputs of all files are written: somebody who sees nothing presses it again, and loses them."""
        if self._stop.level == 1:
            self.watchers.show_stopping(CONCLUDING)

    def _conclude(self) -> None:
        """Have every batch write what it has, then the metrics, whatever happened before.

        Raises:
            BatchError: common outputs of a batch could not be written; those of the others are.
        """
        outcomes, stopped, lost, unsaved = last_attempts(self._outcomes), self._stop.level, [], ""
        try:
            try:
                lost = self._conclude_batches(outcomes)
                unsaved = self._save_table()
                self._say_what_stays(unsaved)
            except KeyboardInterrupt:
                self._torn()
            self._stop.settle()
            if self._stop.level > stopped and self.interrupted is None:
                self._interrupt(CONCLUDED)
            self.monitor.state.broken = bool(lost or unsaved) or not self._complete
            self._aside("which files were done again", self.cache.say_again)
            self._aside("what this run taught", lambda: keep(self.cache, self.plan.host, self._ran(outcomes)))
            self._aside("the metrics", self._account)
        except KeyboardInterrupt:
            self._interrupt(TORN.format("the run"))
        if lost and self.interrupted is None:
            errors = [error for _, error in lost]
            said = [f"{batch.name}: {_reason(error)}" for batch, error in lost]
            kept = all(self.cache.keeps(batch, self._own(batch, outcomes)) for batch, _ in lost)
            raise BatchError("\n".join([*said, outputs_lost(kept, self.in_terminal)]), self.result()) from errors[0]
        for batch, error in lost:
            self.watchers.warn(f"{batch.name}: {_reason(error)}")
        if unsaved and self.interrupted is None:
            raise BatchError(unsaved, self.result())

    def _conclude_batches(self, outcomes: Sequence[FileOutcome]) -> list[tuple[Batch, Exception]]:
        """Those whose common outputs could not be written, with the reason."""
        lost: list[tuple[Batch, Exception]] = []
        with self._stop.foreign_code():
            for batch in self.request.batches:
                try:
                    ordinarily(partial(self._conclude_batch, batch, self._own(batch, outcomes)))
                except Exception as error:  # noqa: BLE001 - foreign code writes them, and the other batches have theirs
                    lost.append((batch, error))
        return lost

    def _own(self, batch: Batch, outcomes: Sequence[FileOutcome]) -> list[FileOutcome]:
        return in_own_order(batch, self.request, outcomes)

    def _say_what_stays(self, unsaved: str) -> None:
        """Where the run was interrupted, have the error say where its results are, and what the next run does again."""
        if self.interrupted is None:
            return
        place = unsaved.rstrip(".") or self._where_it_is()
        said = f"{self.interrupted}; {place}; {self._done_again()}"
        self.interrupted = BatchInterrupted(said, self.interrupted.signum)

    def _torn(self) -> None:
        """Ctrl-C left the writing of what stands for all files."""
        self._complete = False
        self._interrupt(TORN.format(", ".join(batch.name for batch in self.request.batches)))

    def _interrupt(self, text: str) -> None:
        self.interrupted = BatchInterrupted(text, self._stop.signum)
        self.monitor.state.interrupted = True
        self.watchers.warn(f"The run was {text}.")

    def _save_table(self) -> str:
        """Write the table that took the values; returns why it could not be written, else nothing."""
        if self.table is None:
            return ""
        try:
            path, notes = ordinarily(self.table.write)
        except Exception as error:  # noqa: BLE001 - pandas makes it of the user's values, which may raise anything
            said = f"{self.table.target.name}: {_reason(error)} The values are lost; mend that and run again."
            self.watchers.warn(said)
            return said
        self._outputs[""] = () if path is None else (path,)
        for note in notes:
            self.watchers.warn(note)
        return ""

    def _aside(self, what: str, step: Callable[[], None]) -> None:
        """Do a step that comes after the results: where it fails, that costs nothing but itself."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the values are there, and nothing that follows may take them away
            _log.debug("%s", what, exc_info=True)
            self.watchers.warn(f"{what} could not be written: {words_of(error)}. The results are not affected.")

    def _conclude_batch(self, batch: Batch, outcomes: Sequence[FileOutcome]) -> None:
        conclusion = batch.conclude(outcomes, complete=self._complete)
        self._outputs[batch.name] = (*self._outputs.get(batch.name, ()), *conclusion.outputs)
        for warning in conclusion.warnings:
            self.watchers.warn(warning)
        for notice in conclusion.notices:
            self.watchers.log(f"{batch.name}: {notice}")
        self.notices += conclusion.notices
        if self._complete:
            batch.pass_on()
            self._aside("what stands for all files", lambda: self.cache.conclude(batch, outcomes, conclusion.outputs))

    def _account(self) -> None:
        self._drop_what_vanished()
        values = None if self.table is None else self.table.value_of
        warnings, notices = tuple(self.watchers.warnings), tuple(self.notices)
        said = Said(warnings, notices, self._outputs, self._values_in, values, has_report=self.report is not None)
        account = write_account(self.request, self.plan, self.monitor, said, self._orcaflex)
        self._metrics, written, complaints = account
        self._accounts += written
        for complaint in complaints:
            self.watchers.warn(complaint)

    def _drop_what_vanished(self) -> None:
        """A file of values that could not be made, or that somebody removed while it was written, is no output."""
        for name, values in self._values_files.items():
            if not values.is_there:
                outputs = self._outputs.get(name, ())
                self._outputs[name] = tuple(path for path in outputs if path != values.target)
                self.watchers.warn(f"{values.target} is not there (any more): the values of {name} are not kept.")

    @property
    def _values_in(self) -> Path | None:
        """The table that takes the values: as it was written, or will be."""
        return next(iter(self._outputs.get("", ())), self.table.target) if self.table is not None else None

    def _ran(self, outcomes: Sequence[FileOutcome]) -> Ran:
        """What the next run of its kind may learn from."""
        state = self.monitor.state
        return Ran(
            outcomes,
            list(state.limits),
            self.monitor.wall_s,
            state.executor or self.plan.executor,
            state.processes_save,
            *by_hand(self.plan),
        )


def _reason(error: Exception) -> str:
    """An error of ours is in words for the engineer; what foreign code raised has its name."""
    return str(error) if isinstance(error, OrcabatchError) else words_of(error)


def _folders(request: Request) -> dict[Path, str]:
    """The result folders, and the names of the batches that write to each."""
    folders: dict[str, tuple[Path, str]] = {}
    for batch in request.batches:
        if batch.result_folder is not None:
            folder, names = folders.get(place_of(batch.result_folder), (batch.result_folder, ""))
            folders[place_of(folder)] = folder, f"{names}, {batch.name}" if names else batch.name
    return dict(folders.values())
