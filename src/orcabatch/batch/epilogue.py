"""What follows after the last file of a run, each step under its own guard.

    batches conclude ──> the table of the values ──> what the next run may learn ──> metrics ──> BatchResult
                    └── lost: the others have theirs    └── aside: costs only itself

However the run ended, all of it is tried: what was computed is in the caller's hands, and error, metrics and result
agree on what became of it. Does not cover how the run ended (`orcabatch.batch.run`), nor the words for it
(`orcabatch.batch.ending`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from orcabatch.batch.account import Account, in_own_order, tables_of_call
from orcabatch.batch.ending import CONCLUDED, CONCLUDING, NOTHING_YET, TORN, done_again, outputs_lost, where_it_is
from orcabatch.batch.history import Ran, keep
from orcabatch.engine.foreign import ordinarily
from orcabatch.engine.logs import logger
from orcabatch.errors import BatchError, BatchInterrupted, OrcabatchError
from orcabatch.orcaflex.sim_files import stands
from orcabatch.results.result import BatchResult, last_attempts
from orcabatch.text import words_of

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.request import Request
    from orcabatch.batch.result_cache import ResultCache
    from orcabatch.batch.watchers import Watchers
    from orcabatch.engine.interrupts import StopSignal
    from orcabatch.outcome import FileOutcome
    from orcabatch.store.kept_values import ValuesFile

_log = logger(__name__)


@dataclass(slots=True)
class Epilogue:
    """What one run has come to, and what is done with it in the end.

    Attributes:
        account: what there is to be said of it.
        cache: keeps what stands for the next run.
        watchers: are told.
        stop: whether somebody asks to stop meanwhile.
        in_terminal: whoever is told how it ended has no error whose `result` he could look at.
        outcomes: of the files that have ended, as the run remembers them, those of earlier attempts included.
        values_files: keep values as files end, by the name of their batch.
        complete: whether every file has ended and nobody left.
        interrupted: set once the run was stopped by Ctrl-C or a signal.
    """

    account: Account
    cache: ResultCache
    watchers: Watchers
    stop: StopSignal
    in_terminal: bool = False
    outcomes: list[FileOutcome] = field(default_factory=list)
    values_files: dict[str, ValuesFile] = field(default_factory=dict)
    complete: bool = False
    interrupted: BatchInterrupted | None = None

    def conclude(self) -> None:
        """Have every batch write what it has, then the metrics, whatever happened before.

        Raises:
            BatchError: common outputs of a batch could not be written; those of the others are.
        """
        outcomes, stopped = last_attempts(self.outcomes), self.stop.level
        lost: list[tuple[Batch, Exception]] = []
        unsaved, state = "", self.account.monitor.state
        try:
            try:
                lost = self._conclude_batches(outcomes)
                unsaved = self._save_table()
                self._say_what_stays(unsaved)
            except KeyboardInterrupt:
                self._torn()
            self.stop.settle()
            if self.stop.level > stopped and self.interrupted is None:
                self._interrupt(CONCLUDED)
            state.broken = bool(lost or unsaved) or not self.complete
            self.aside("which files were done again", self.cache.say_again)
            self.aside("what this run taught", partial(self._teach, outcomes))
            self.aside("the metrics", self._write_account)
        except KeyboardInterrupt:
            self._interrupt(TORN.format("the run"))
        self._raise_what_is_lost(outcomes, lost, unsaved)

    def result(self) -> BatchResult:
        """What the run ended with."""
        outcomes, account = last_attempts(self.outcomes), self.account
        return BatchResult(
            outcomes=outcomes,
            plan=account.plan,
            metrics=account.metrics,
            outputs=(*(path for paths in account.outputs.values() for path in paths), *account.metrics_files),
            warnings=tuple(self.watchers.warnings),
            notices=tuple(account.notices),
            cases=self._request.cases,
            written=tables_of_call(self._request.batches, outcomes, account.outputs, account.stood),
        )

    def where_it_is(self, attribute: str = "result") -> str:
        """Where the results of the files that are finished are; without a terminal in an attribute of the error."""
        table = next(iter(self.account.outputs.get("", ())), None)
        return where_it_is(self._request.batches, table, None if self.in_terminal else attribute)

    def what_stays(self, unsaved: str = "") -> str:
        """Where the results of the files that are finished are, or why they are nowhere, and what the next run does."""
        batches, outcomes = self._request.batches, last_attempts(self.outcomes)
        if not any(outcome.ok for outcome in outcomes):
            return NOTHING_YET
        anew = [batch for batch in batches if not self.cache.keeps(batch, self._own(batch, outcomes))]
        again = done_again(anew, len(batches), self._request.fresh, self.in_terminal)
        return f"{unsaved.rstrip('.') or self.where_it_is()}; {again}"

    def aside(self, what: str, step: Callable[[], None]) -> None:
        """Do a step that is beside the results: where it fails, that costs nothing but itself."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the values are there, and nothing that follows may take them away
            _log.debug("%s", what, exc_info=True)
            self.watchers.warn(f"{what} could not be written: {words_of(error)}. The results are not affected.")

    # --- the batches

    def _conclude_batches(self, outcomes: Sequence[FileOutcome]) -> list[tuple[Batch, Exception]]:
        """Those whose common outputs could not be written, with the reason."""
        lost: list[tuple[Batch, Exception]] = []
        with self.stop.foreign_code():
            for batch in self._request.batches:
                try:
                    ordinarily(partial(self._conclude_batch, batch, self._own(batch, outcomes)))
                except Exception as error:  # noqa: BLE001 - foreign code writes them, and the other batches have theirs
                    lost.append((batch, error))
        return lost

    def _conclude_batch(self, batch: Batch, outcomes: Sequence[FileOutcome]) -> None:
        conclusion, outputs = batch.conclude(outcomes, complete=self.complete), self.account.outputs
        outputs[batch.name] = (*outputs.get(batch.name, ()), *conclusion.outputs)
        self.account.stood |= {path: stands(path) for path in conclusion.outputs}
        for warning in conclusion.warnings:
            self.watchers.warn(warning)
        for notice in conclusion.notices:
            self.watchers.log(f"{batch.name}: {notice}")
        self.account.notices += conclusion.notices
        if self.complete:
            batch.pass_on()
            self.aside("what stands for all files", lambda: self.cache.conclude(batch, outcomes, conclusion.outputs))

    def _save_table(self) -> str:
        """Write the table that took the values; returns why it could not be written, or lacks some, else nothing."""
        table = self.account.table
        if table is None:
            return ""
        try:
            path, notes = ordinarily(table.write)
        except Exception as error:  # noqa: BLE001 - pandas makes it of the user's values, which may raise anything
            said = f"{table.target.name}: {_reason(error)} The values are lost; mend that and run again."
            self.watchers.warn(said)
            return said
        self.account.outputs[""] = () if path is None else (path,)
        lacking = list(table.lacking())
        for note in (*notes, *lacking):
            self.watchers.warn(note)
        return "\n".join(lacking)

    # --- beside the results

    def _teach(self, outcomes: Sequence[FileOutcome]) -> None:
        plan = self.account.plan
        keep(self.cache, plan.host, Ran.of(outcomes, plan, self.account.monitor))

    def _write_account(self) -> None:
        self._drop_what_vanished()
        for complaint in self.account.write(tuple(self.watchers.warnings)):
            self.watchers.warn(complaint)

    def _drop_what_vanished(self) -> None:
        """A file of values that could not be made, or that somebody removed while it was written, is no output."""
        outputs = self.account.outputs
        for name, values in self.values_files.items():
            if not values.is_there:
                outputs[name] = tuple(path for path in outputs.get(name, ()) if path != values.target)
                self.watchers.warn(f"{values.target} is not there (any more): the values of {name} are not kept.")

    # --- what is said of it

    def say_concluding(self) -> None:
        """Ctrl-C while outputs of all files are written: somebody who sees nothing presses it again, and loses them."""
        if self.stop.level == 1:
            self.watchers.show_stopping(CONCLUDING)

    def _say_what_stays(self, unsaved: str) -> None:
        """Where the run was interrupted, have the error say where its results are, and what the next run does again."""
        if self.interrupted is None:
            return
        said = f"{self.interrupted}; {self.what_stays(unsaved)}"
        self.interrupted = BatchInterrupted(said, self.interrupted.signum)

    def _torn(self) -> None:
        """Ctrl-C left the writing of what stands for all files."""
        self.complete = False
        self._interrupt(TORN.format(", ".join(batch.name for batch in self._request.batches)))

    def _interrupt(self, text: str) -> None:
        self.interrupted = BatchInterrupted(text, self.stop.signum)
        self.account.monitor.state.interrupted = True
        self.watchers.warn(f"The run was {text}.")

    def _raise_what_is_lost(
        self, outcomes: Sequence[FileOutcome], lost: Sequence[tuple[Batch, Exception]], unsaved: str
    ) -> None:
        """Raise, unless the run was interrupted, which whoever called is told already; then it is a warning."""
        said = [f"{batch.name}: {_reason(error)}" for batch, error in lost]
        if lost and self.interrupted is None:
            kept = all(self.cache.keeps(batch, self._own(batch, outcomes)) for batch, _ in lost)
            text = "\n".join([*said, outputs_lost(kept, self.in_terminal)])
            raise BatchError(text, self.result()) from lost[0][1]
        for text in said:
            self.watchers.warn(text)
        if unsaved and self.interrupted is None:
            raise BatchError(unsaved, self.result())

    def _own(self, batch: Batch, outcomes: Sequence[FileOutcome]) -> list[FileOutcome]:
        return in_own_order(batch, self._request, outcomes)

    @property
    def _request(self) -> Request:
        return self.account.request


def _reason(error: Exception) -> str:
    """An error of ours is in words for the engineer; what foreign code raised has its name."""
    return str(error) if isinstance(error, OrcabatchError) else words_of(error)
