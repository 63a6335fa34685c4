"""Several batches as one job for the engine: a `.sim` that stands in two of them is loaded once.

Covers the numbering (task index to position in each batch) and what follows from the notes of workers: a batch's own
(a settled configuration) go to the batch; the broker's (a joint answer that differed) switch prefetching off for
everyone and have the files that used it done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from orcabatch.batch.changed_values import ChangedValues
from orcabatch.batch.shared_files import Ended, SharedFile
from orcabatch.engine.shared_values import SHARED, SharedValues
from orcabatch.orcaflex.user_function import ANOTHER_FUNCTION, CHANGED_INPUT
from orcabatch.orcaflex.work import MISMATCH, PREFETCHED, TaskPayload
from orcabatch.outcome import Status

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.result_cache import ResultCache
    from orcabatch.engine.contract import Note, Recipe, Task
    from orcabatch.outcome import FileOutcome
    from orcabatch.store.kept_values import ValuesFile

RETURNS_ONE = (
    "{0} returns one list, dictionary, table or array for several files that ran at the same time, or what it returns "
    "could not be looked through (no memory, say): nobody can tell whether each value is its own file's alone. Nothing "
    "of {0} is kept for the next run. Return a new one for each, or a copy. A constant may be a tuple, or an array "
    "that nobody can change (`setflags(write=False)`)."
)


@dataclass(slots=True)
class BatchJob:
    """The engine's `Job` over one or more batches.

    Attributes:
        recipe: what workers are made from.
        warn: told, once each, what the engineer should know about the whole run.
        cache: what earlier runs knew, and what later ones will.
        sink: gets every outcome as its file ends, and keeps the value in place of the run; None: the run keeps values.
        values_files: keep values as files end, by the name of their batch.
        ended: every outcome so far, those of an earlier attempt included.
    """

    recipe: Recipe
    batches: Mapping[str, Batch]
    shared_files: Sequence[SharedFile]
    warn: Callable[[str], None]
    cache: ResultCache
    sink: Callable[[FileOutcome], None] | None = None
    values_files: Mapping[str, ValuesFile] = field(default_factory=dict)
    prefetch: bool = True
    ended: list[FileOutcome] = field(default_factory=list)
    _prefetched: set[int] = field(default_factory=set)
    _due: list[int] = field(default_factory=list)
    _values: ChangedValues = field(default_factory=ChangedValues)
    _shared: SharedValues = field(default_factory=SharedValues)
    _changing: set[str] = field(default_factory=set)
    _sharing: set[str] = field(default_factory=set)
    _index: dict[tuple[str, int], int] = field(init=False)

    def __post_init__(self) -> None:
        self._index = {
            (batch, position): index
            for index, shared in enumerate(self.shared_files)
            for batch, position in shared.positions.items()
        }

    def ready(self, task: Task) -> bool:
        """Whether every batch that wants the file lets it start.

        One that a batch waits for passes later batches whose own leader waits for an earlier one: those that begin
        with different files would wait for each other for ever.
        """
        leads = False
        for name, position in self._positions(task.index):
            batch = self.batches[name]
            if not batch.ready(position) and not (leads and self._waits_for_earlier(name)):
                return False
            leads = leads or position == batch.leader
        return True

    def _waits_for_earlier(self, name: str) -> bool:
        """Whether an earlier batch holds back the file for which those of this one wait."""
        leader = self.batches[name].leader
        wanted = () if leader is None else self._positions(self._index[name, leader])
        earlier = takewhile(lambda each: each[0] != name, wanted)  # positions stand in the order of the batches
        return any(not self.batches[other].ready(position) for other, position in earlier)

    def answered(self, task: Task) -> tuple[FileOutcome, ...]:
        """The results of earlier runs that still hold; of the others, what earlier runs know before they are loaded."""
        outcomes = []
        for name, position in self._positions(task.index):
            known = self.cache.answered(task.index, name)
            if known is not None and known.joint and not self.prefetch:
                self.cache.distrust([task.index])
                known = None
            if known is None:
                for subject, content in self.cache.facts(task.index, name):
                    self._due += self._again(name, self.batches[name].noted(position, subject, content))
                continue
            self.batches[name].payload(position)  # it was done as it would be now
            if known.joint:
                self._prefetched.add(task.index)
            outcomes.append(replace(known.outcome, tier=task.tier))
        return tuple(outcomes)

    def payload(self, task: Task) -> TaskPayload:
        """What each batch that is to be done hands along, and whether joint answers may be used."""
        self.cache.starting(task.index)
        self._shared.began(task.index)
        positions = self.shared_files[task.index].positions
        handed = {name: self.batches[name].payload(positions[name]) for name in task.batches}
        return TaskPayload(handed, self.prefetch)

    def noted(self, note: Note) -> Iterable[int]:
        """Give the note to whom it concerns."""
        if note.subject == PREFETCHED:
            self._prefetched.add(note.index)
            return self._distrusted() if not self.prefetch else ()
        if note.subject == MISMATCH:
            return self._distrust(note)
        if note.subject == CHANGED_INPUT:
            self.cache.changed_by_its_function(note.index)
            return ()
        if note.subject == ANOTHER_FUNCTION:
            self.cache.computed_by_another(note.index, note.batch)
            self.warn(another_function(self.batches[note.batch].label, note.content))
            return ()
        if note.subject == SHARED:
            batch = self.batches[note.batch]  # which may not have the file
            if batch.values_are_rows and self.cache.may_keep(batch, 0):
                self._share({batch.name})
            return ()
        position = self.shared_files[note.index].positions[note.batch]
        self.cache.remember_fact(note.index, note.batch, note.subject, note.content)
        return self._again(note.batch, self.batches[note.batch].noted(position, note.subject, note.content))

    def finished(self, outcomes: tuple[FileOutcome, ...]) -> Iterable[int]:
        """Tell each batch about its outcome, and have what stands remembered."""
        self.ended += map(self.kept, outcomes)
        again, stands, self._due = self._due, [], []
        for outcome in outcomes:
            position = self.shared_files[outcome.index].positions[outcome.batch]
            redo = self._again(outcome.batch, self.batches[outcome.batch].finished(position, outcome))
            if outcome.index not in redo:
                stands.append(Ended(outcome, joint=outcome.index in self._prefetched))
            again += redo
        for outcome in (end.outcome for end in stands):  # before it is written down: threads may go on changing it
            if not self._is_written(outcome):
                continue
            if (changed := self._values.ended(outcome)) is not None:
                self._goes_on_changing(changed)
            if self._may_be_kept(outcome.batch, outcome.index):
                self._share(self._shared.ended(outcome.index, outcome.batch, outcome.value))
        self.cache.record(stands)
        for outcome in outcomes:
            self._shared.left(outcome.index)
            if self.sink is not None:
                self.sink(outcome)
            if (values := self.values_files.get(outcome.batch)) is not None:
                values.add(outcome, self.shared_files[outcome.index].positions[outcome.batch])
        return dict.fromkeys(again)

    def look_again(self) -> None:
        """All files have ended: see whether values are still what was written down of them."""
        latest = {(outcome.batch, outcome.index): outcome for outcome in self.ended}
        for outcome in latest.values() if self.sink is None else ():
            if outcome.batch not in self._changing and self._values.is_changed(outcome):
                self._goes_on_changing(outcome)
        for name in sorted(self._sharing - self._changing):
            self.warn(RETURNS_ONE.format(name))

    def _is_written(self, outcome: FileOutcome) -> bool:
        """Whether the value that a worker gave is written down as its file ends, and is to be what it was."""
        batch = self.batches[outcome.batch]
        if outcome.status is not Status.OK or not batch.values_are_rows or batch.name in self._changing:
            return False
        kept = self.sink is not None or batch.name in self.values_files
        return kept or self._may_be_kept(batch.name, outcome.index)

    def _may_be_kept(self, name: str, index: int) -> bool:
        return self.cache.may_keep(self.batches[name], self.shared_files[index].positions[name])

    def _goes_on_changing(self, outcome: FileOutcome) -> None:
        """Whoever reads what was written of this batch gets other values than this run: nothing of it is kept."""
        name = outcome.batch
        self._changing.add(name)
        earlier = any(each.batch == name and each.status is Status.SKIPPED for each in self.ended)
        values = self.values_files.get(name)
        kept_in = None if values is None else values.target.name
        self._forget(name)
        self.warn(still_changing(name, outcome.file.name, self.sink is not None, kept_in, earlier))

    def _share(self, names: set[str]) -> None:
        """Nobody can tell whether values of these batches are their own files' alone: nothing of them is kept."""
        for name in names - self._sharing:
            self._forget(name)
        self._sharing |= names

    def _forget(self, name: str) -> None:
        """Nothing of the batch is kept, nor of others of its function."""
        for batch in self.batches.values():  # the same function is called for others, too
            if batch.label == self.batches[name].label:
                self.cache.forget_batch(batch.name)

    def kept(self, outcome: FileOutcome) -> FileOutcome:
        """The outcome as the run remembers it."""
        return outcome if self.sink is None else replace(outcome, value=None)

    def _positions(self, index: int) -> Iterable[tuple[str, int]]:
        return self.shared_files[index].positions.items()

    def _again(self, batch: str, positions: Iterable[int]) -> list[int]:
        return [self._index[batch, position] for position in positions]

    def _distrust(self, note: Note) -> Iterable[int]:
        """Joint answers are off from now on; every file that used one is done again."""
        if self.prefetch:
            self.prefetch = False
            self.warn(
                f"A joint answer of OrcFxAPI differed from the single one: {note.content}, in "
                f"{self.shared_files[note.index].file.name}. Asking jointly is switched off for this run and the "
                "files that used it are done again. Please report this variable; `broker: {prefetch: false}` avoids "
                "the check."
            )
        self._prefetched.add(note.index)
        return self._distrusted()

    def _distrusted(self) -> Iterable[int]:
        again = tuple(sorted(self._prefetched))
        self.cache.distrust(again)
        self._prefetched.clear()
        return again


def still_changing(batch: str, file: str, in_table: bool, values_file: str | None, earlier: bool) -> str:
    """What the engineer is told of a function that goes on changing what it has returned.

    Args:
        batch: its name.
        file: whose value is not what it was.
        in_table: whether values went into a table as files ended.
        values_file: where they are kept as they were, if anywhere.
        earlier: whether results of earlier runs are among them.
    """
    then = [
        *(["the table"] if in_table else []),
        *([values_file] if values_file else []),
        *(["what earlier runs had computed"] if earlier else []),
    ]
    show = "" if in_table else " Values show what they hold at the end of the run, as in a plain loop."
    written = f" In {' and '.join(then)} each is as it was when its file ended." if then else ""
    return (
        f"{batch} goes on changing what it has returned: the value of {file} was changed after that file had ended."
        f"{show}{written} Nothing of {batch} is kept for the next run. Is one list, dictionary or array returned for "
        "several files, or does your loop change what it is handed? Return a new one for each, or change a copy."
    )


def another_function(label: str, differing: Sequence[str]) -> str:
    """What the engineer is told where worker processes compute with something else than he sees."""
    return (
        f"Values may be wrong: worker processes do not have {label} as it is here. What differs: "
        f"{'; '.join(differing)}. Worker processes import modules as they stand on the disk, without what a script or "
        "notebook set in them, or what was edited in the file, since it was imported here. Nothing that was computed "
        "there is kept for the next run. Set it in `initializer=`, or pass it with functools.partial, or import an "
        "edited module again, or use `executor: threads` or `serial`; then run again."
    )
