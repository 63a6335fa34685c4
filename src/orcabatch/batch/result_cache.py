"""What a call knows from earlier ones, and what it leaves to later ones: the ledger in terms of batches and files.

    look ──> which files need not be done (for the plan)
    answered, facts ──> for the job, as each file is about to start
    starting, record, remember_fact, distrust ──> from the job, as files come and go
    conclude, conclusion ──> a finished batch's common outputs

A result is found again only if all that determines it is the same: the `.sim` file (place, size, time, head and tail),
what the batch says it depends on (`Batch.determinants`), and the versions of what computes. A file goes by its place,
however its path is spelled; where the spelling can be seen in a result, the batch says that it depends on it. Output
files that belong to it must stand as they were written; they are not kept here, because a batch's time series would
drive everything else out of the ledger. A file that changes while it is being worked on is not remembered. Nothing of a
foreign OrcFxAPI is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orcabatch.batch.cache_entries import overwritten, packed, unpacked, unpacked_fact
from orcabatch.batch.cache_keys import (
    AGAIN,
    CHANGED_MEANWHILE,
    OVERWRITTEN,
    changed,
    digest,
    encoded_by_key,
    environment,
    key_of,
    output_print,
)
from orcabatch.batch.input_files import InputFiles
from orcabatch.batch.known import Known
from orcabatch.engine.foreign import ordinarily
from orcabatch.errors import BatchLocked
from orcabatch.host.files import full_hash
from orcabatch.orcaflex.binding import Binding, BindingKind
from orcabatch.outcome import FileOutcome, Status
from orcabatch.plan import Expectation
from orcabatch.settings.units import format_size
from orcabatch.store.ledger import Entry, FileHistory, LedgerStore, NoLedger, open_ledger
from orcabatch.store.values import Damaged, NotStorable, checked, decode, encode
from orcabatch.text import shortened_list, words_of

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.shared_files import Ended, SharedFile
    from orcabatch.notice import Notice
    from orcabatch.settings import Settings

UNCHANGED = "unchanged since an earlier run"

NO_BINDING = Binding(None, BindingKind.FOREIGN)
"""Where no OrcFxAPI is to be had, nothing is known."""


@dataclass(slots=True)
class ResultCache:
    """The ledger for one call.

    Attributes:
        batches: of the call.
        shared_files: its files.
        binding: what computes.
        settings: of the whole call: where the ledger is.
        own: settings by batch: which of them remember.
        fresh: results are not used, but kept and replaced.
        warn: told what the engineer should know.
    """

    batches: Sequence[Batch]
    shared_files: Sequence[SharedFile]
    binding: Binding
    settings: Settings
    own: Mapping[str, Settings]
    fresh: bool = False
    warn: Callable[[str], None] = lambda _: None
    ledger: LedgerStore = field(default_factory=NoLedger)
    _by_name: dict[str, Batch] = field(init=False)
    _environment: dict[str, Any] = field(init=False)
    _wanted: dict[str, Mapping[str, int]] = field(init=False)
    _files: InputFiles = field(init=False)
    _looked: dict[tuple[int, str], Known] = field(default_factory=dict)
    _changes_itself: set[int] = field(default_factory=set)
    _by_another: set[tuple[int, str]] = field(default_factory=set)
    _changing: set[str] = field(default_factory=set)
    _keys: dict[tuple[str, int], bytes] = field(default_factory=dict)
    _again: dict[str, list[str]] = field(default_factory=dict)
    _overwritten: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._files = InputFiles(self._say_silent)
        self._by_name = {batch.name: batch for batch in self.batches}
        # As text: on Windows a path equals another spelling of it, and each is loaded for its own batches.
        self._wanted = {str(shared.file): shared.positions for shared in self.shared_files}
        self._environment = environment(self.binding)

    @property
    def active(self) -> bool:
        """Whether anything may be remembered."""
        return any(own.ledger.enabled for own in self.own.values()) and self.binding.kind is not BindingKind.FOREIGN

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Have the ledger open; where it cannot be used, that is said and nothing is remembered."""
        if self.active:
            asked = self.settings.ledger
            self.ledger = open_ledger(asked.path, max_bytes=asked.max_size, warn=self.warn)
        try:
            yield self
        finally:
            self.ledger.close()
            self.ledger = NoLedger()
            self._files.close()

    def say_again(self) -> None:
        """Say which files that had results were done again, and why; and of which another program has the tables."""
        for said in self.again():
            self.warn(f"{AGAIN}: {said}.")
        if self._overwritten:
            self.warn(OVERWRITTEN.format(shortened_list(self._overwritten)))

    # --- before the run

    def again(self) -> tuple[str, ...]:
        """Which files that had results will be done again, and why, where `look` was asked for reasons."""
        said = tuple(f"{shortened_list(names)}: {reason}" for reason, names in self._again.items())
        self._again.clear()
        return said

    def look(self, *, why: bool = False) -> dict[int, str]:
        """Why files need not be done, by index: those that are known for every batch that wants them.

        With `why` the reasons are found out for which others will be done again.
        """
        self._take_known()
        for batch in self.batches:
            for caveat in batch.caveats if self._may(batch) else ():
                self.warn(caveat)
            self._exchange_hints(batch)
        open_batches = [batch for batch in self.batches if not batch.known]
        if open_batches and not self.fresh and self.ledger.remembers:
            self._files.look_at(self._met(open_batches))
            for batch in open_batches:
                self._look_at(batch, why=why)
        return {
            index: UNCHANGED
            for index, shared in enumerate(self.shared_files)
            if all((index, name) in self._looked for name in shared.positions)
        }

    def met_all(self) -> bool:
        """Whether earlier runs kept something for every file, whatever it depended on; reads none of them."""
        return self.ledger.remembers and len(self._met(self.batches)) == len(self.shared_files)

    def known(self, batch: Batch) -> list[Known] | None:
        """What `look` found for every file of the batch, in the batch's order; None where anything is missing."""
        at = self._index_of(batch)
        found = [self._looked.get((at[position], batch.name)) for position in range(len(batch.files))]
        return None if None in found or not found else [known for known in found if known is not None]

    def notices(self) -> tuple[Notice, ...]:
        """What the batches do without a word, as far as `look` tells before they run."""
        return tuple(notice for batch in self.batches for notice in self._foreseen(batch))

    def _index_of(self, batch: Batch) -> dict[int, int]:
        """Where the batch's files stand among those of the call, by their position in the batch."""
        name = batch.name
        return {each.positions[name]: at for at, each in enumerate(self.shared_files) if name in each.positions}

    def _foreseen(self, batch: Batch) -> tuple[Notice, ...]:
        at = self._index_of(batch)
        known = {
            place: self._looked[index, batch.name].outcome
            for place, index in at.items()
            if (index, batch.name) in self._looked
        }
        return batch.foresee(known, lambda position: self.facts(at[position], batch.name))

    def expect(self, file: Path, size_bytes: int) -> Expectation:
        """What the history tells of a file: seconds over all batches that want it, and the greatest memory factor."""
        wanted = self._wanted.get(str(file), {})
        kind = self.binding.kind
        pasts = [self.ledger.past(self._files.place(file), [f"{kind}:{self._by_name[name].label}"]) for name in wanted]
        known = [past for past in pasts if past is not None and past.size_bytes == size_bytes]
        if not known or len(known) < len(pasts):
            return Expectation()
        factors = [past.memory_factor for past in known if past.memory_factor is not None]
        return Expectation(sum(past.seconds for past in known), max(factors, default=None))

    def check_finished(self) -> None:
        """Of a batch that an earlier run finished: that all stands as it did before this one held the folder.

        Raises:
            BatchLocked: something does not.
        """
        for (index, name), known in self._looked.items():
            finished, file = self._by_name[name].known, self.shared_files[index].file
            if finished and (path := self._files.changed(file, known)) is not None:
                raise BatchLocked(CHANGED_MEANWHILE.format(path, name))

    # --- asked by the job

    def answered(self, index: int, name: str) -> Known | None:
        """The result of an earlier run for a file that is ready, if it still holds."""
        batch = self._by_name[name]
        if batch.known:
            return self._looked.get((index, name))
        if self.fresh or not self._may(batch) or name in self._changing:
            return None
        looked = self._looked.get((index, name))
        if looked is not None and self._files.changed(self.shared_files[index].file, looked):
            looked = None  # when it was looked at, another run may have had the folder
        key = self._key(index, batch) if self._met_before(index) else None
        if looked is not None and looked.key == key:
            return looked
        known = None if key is None else self._stored(index, batch, key)
        if known is None:
            self._note_why(index, batch)
        return known

    def facts(self, index: int, name: str) -> Iterator[tuple[str, Any]]:
        """What workers of earlier runs said about the file: subject and content."""
        batch = self._by_name[name]
        for subject in batch.facts if self._may(batch) and not self.fresh and self._met_before(index) else ():
            key = self._fact_key(index, subject)
            content = None if key is None else self.ledger.get(key)
            if content is not None:
                with suppress(Damaged):
                    yield subject, unpacked_fact(content)

    def starting(self, index: int) -> None:
        """A worker is about to get the file: remember what it looks like now."""
        if self.ledger.remembers:
            self._files.begin(index, self.shared_files[index].file)

    def changed_by_its_function(self, index: int) -> None:
        """A function changed its own input, and its outcome says so: doing it again would not help."""
        self._changes_itself.add(index)

    def computed_by_another(self, index: int, name: str) -> None:
        """Another function than the one that its key is made of computed the file: its result is not kept."""
        self._by_another.add((index, name))

    def remember_fact(self, index: int, name: str, subject: str, content: Any) -> None:
        """A worker said something about the file that later runs may want to know before they load it."""
        batch = self._by_name[name]
        if subject in batch.facts and self._may(batch) and self._unchanged(index):
            key = self._fact_key(index, subject)
            if key is not None:
                file = self._files.place(self.shared_files[index].file)
                self._keep(Entry(key, "fact", file, batch.label, encode(content)), batch)
                self.ledger.commit_soon()

    def record(self, ended: Iterable[Ended]) -> None:
        """Keep the results of a task that ended, and its costs, in one transaction."""
        for end in ended:
            if end.outcome.status is Status.OK:
                try:
                    ordinarily(partial(self._record, end))
                except Exception as error:  # noqa: BLE001 - out of memory for a copy, a table that pandas cannot take apart
                    kept = f"Results of {end.outcome.batch} are not kept for the next run"
                    self.warn(f"{kept}: {words_of(error)}.")
        self.ledger.commit_soon()

    def distrust(self, indices: Iterable[int]) -> None:
        """Forget what this run or another kept for these files: it used an answer that turned out wrong."""
        places = [place for index in indices for place in self.shared_files[index].positions.items()]
        self.ledger.forget([self._keys.pop(place) for place in places if place in self._keys])

    def may_keep(self, batch: Batch, position: int) -> bool:
        """Whether a result of this position may be kept for the next run."""
        return self._may(batch) and batch.determinants(position) is not None

    def forget_batch(self, name: str) -> None:
        """Its values are not what was kept of them: nothing of it is kept, whichever run computed it."""
        self._changing.add(name)
        places = [place for place in self._keys if place[0] == name]
        self.ledger.forget([self._keys.pop(place) for place in places])

    # --- when a batch is finished

    def conclude(self, batch: Batch, outcomes: Sequence[FileOutcome], outputs: Iterable[Path]) -> None:
        """Keep the common outputs of a batch all of whose files have results; those of another program are said."""
        for path, written in batch.common_hashes.items():
            with suppress(OSError):
                self._overwritten += [path.name] if full_hash(path) != written else []
        key = self._conclusion_key(batch, outcomes)
        if key is None or not self.ledger.remembers or batch.known:
            return
        content = batch.concluded(outcomes, outputs)
        if content is not None:
            self._keep(Entry(key, "conclusion", "", batch.label, encode(content)), batch)
            self.ledger.commit()

    def conclusion(self, batch: Batch, outcomes: Sequence[FileOutcome]) -> Any:
        """What `conclude` kept for exactly these results; None where there is nothing."""
        key = self._conclusion_key(batch, outcomes)
        content = None if key is None else self.ledger.get(key)
        if content is not None:
            with suppress(Damaged):
                return decode(content)
        return None

    def keeps(self, batch: Batch, outcomes: Sequence[FileOutcome]) -> bool:
        """Whether the next run finds all the results that there are; `outcomes` are numbered as in the batch."""
        return self._may(batch) and all((batch.name, each.index) in self._keys for each in outcomes if each.ok)

    # --- keys

    def _met_before(self, index: int) -> bool:
        """Whether an earlier run met the file. Others are read as they start: not all, one by one, before the first."""
        return self._files.was_seen(self.shared_files[index].file)

    def _may(self, batch: Batch) -> bool:
        return self.ledger.remembers and self.own[batch.name].ledger.enabled

    def _key(self, index: int, batch: Batch) -> bytes | None:
        """What identifies the file's result, all that determines it included; None where that cannot be told."""
        depends = self._depends(index, batch)
        return None if depends is None else digest("result", depends)

    def _depends(self, index: int, batch: Batch) -> dict[str, Any] | None:
        position = self.shared_files[index].positions[batch.name]
        determinants, file = batch.determinants(position), self._files.identity(self.shared_files[index].file)
        if determinants is None or file is None:
            return None
        return {"file": file, **determinants, **self._environment}

    def _fact_key(self, index: int, subject: str) -> bytes | None:
        file = self._files.identity(self.shared_files[index].file)
        if file is None:
            return None
        return digest("fact", {"subject": subject, "file": file, **self._environment})

    def _conclusion_key(self, batch: Batch, outcomes: Sequence[FileOutcome]) -> bytes | None:
        keys = [self._keys.get((batch.name, position)) for position in range(len(batch.files))]
        if len(outcomes) != len(keys) or not keys or None in keys or not all(outcome.ok for outcome in outcomes):
            return None
        return digest("conclusion", {"results": keys, "label": batch.label})

    def _say_silent(self, folder: Path) -> None:
        self.warn(
            f"{folder} does not answer when its files are looked at: what this run computes from them is not kept for "
            "the next one. Look whether the share is there."
        )

    # --- looking

    def _take_known(self) -> None:
        """What batches that an earlier run finished bring with them."""
        for index, shared in enumerate(self.shared_files):
            for name, position in shared.positions.items():
                known = self._by_name[name].known
                if known:
                    outcome = replace(known[position].outcome, index=index)
                    self._looked[index, name] = Known(outcome, b"", rests_on=known[position].rests_on)

    def _exchange_hints(self, batch: Batch) -> None:
        """Keep what the batch knows, or tell it what another one knew."""
        depend_on, hints = batch.hints_depend_on, batch.planning_hints
        if depend_on is None or not self._may(batch):
            return
        key = digest("hints", {**depend_on, **self._environment})
        kept = self.ledger.get(key)
        if hints is not None and kept is None:
            self._keep(Entry(key, "hints", "", batch.label, encode(dict(hints))), batch)
            self.ledger.commit()
        elif hints is None and kept is not None:
            with suppress(Damaged, TypeError):
                batch.take_hints(checked(decode(kept), dict))

    def _met(self, batches: Iterable[Batch]) -> list[Path]:
        """The files for which one of the batches, or another of its kind, was run before."""
        labels = {batch.name: batch.label for batch in batches}
        return [
            shared.file
            for shared in self.shared_files
            if self.ledger.labels(self._files.place(shared.file)) & {labels.get(name) for name in shared.positions}
        ]

    def _look_at(self, batch: Batch, *, why: bool) -> None:
        """Ask for every file as the job would, on a copy of the batch, until nothing new is learnt."""
        trial = copy.copy(batch)
        seen = self._files.was_seen
        at = {place: index for place, index in self._index_of(batch).items() if seen(self.shared_files[index].file)}
        waiting = dict.fromkeys(at)
        while ready := [position for position in waiting if trial.ready(position)]:
            for position in ready:
                del waiting[position]
                if not self._try(trial, position, at) and why:
                    self._note_why(at[position], trial)

    def _try(self, trial: Batch, position: int, at: Mapping[int, int]) -> bool:
        """Look for the file's result, and have the batch learn from it; returns whether it is there."""
        index = at[position]
        key = self._key(index, trial)
        known = None if key is None or not self._may(trial) else self._stored(index, trial, key)
        if known is None:
            for subject, content in self.facts(index, trial.name):
                trial.noted(position, subject, content)
            return False
        self._looked[index, trial.name] = known
        trial.payload(position)  # it is done as it would be now
        for other in trial.finished(position, known.outcome):
            self._looked.pop((at[other], trial.name), None)
        return True

    def _stored(self, index: int, batch: Batch, key: bytes) -> Known | None:
        """The result under the key, if it can be read and its output files stand as they were written."""
        payload, shared = self.ledger.get(key), self.shared_files[index]
        try:
            known = None if payload is None else unpacked(payload, batch, shared, index, key)
        except (Damaged, KeyError, TypeError, ValueError):
            return None
        if known is None:
            return None
        self._keys[batch.name, shared.positions[batch.name]] = key
        return replace(known, rests_on=((shared.file, self._files.stood(shared.file)), *known.rests_on))

    # --- keeping

    def _record(self, end: Ended) -> None:
        outcome, index, batch = end.outcome, end.outcome.index, self._by_name[end.outcome.batch]
        outputs = [output_print(path) for _, path in batch.outputs_of(outcome.value)]
        others = overwritten(outputs, batch, outcome.value)
        self._overwritten += others  # where nothing is remembered, too: what stands there is not what this run says
        if not self.ledger.remembers:
            return
        file, label = self._files.place(self.shared_files[index].file), f"{self.binding.kind}:{batch.label}"
        self.ledger.add_history(FileHistory(file, label, outcome.size_bytes, outcome.busy_s, outcome.memory_factor))
        position = self.shared_files[index].positions[batch.name]
        self._keys.pop((batch.name, position), None)  # done again, it is another result than the one that was kept
        if batch.name in self._changing or (index, batch.name) in self._by_another:
            return
        if not self._may(batch) or not batch.stands(position, outcome.value) or not self._unchanged(index):
            return
        depends = self._depends(index, batch)
        if others or depends is None or None in outputs:  # those of others would pass for ours for ever
            return  # an output that has vanished by now would later stand as it was written: not there
        made_of = encoded_by_key(depends)
        try:
            content = packed(end, batch, outputs, made_of)
        except NotStorable as error:
            self.warn(f"Results of {batch.name} are not kept for the next run: {error}.")
            return
        key = key_of("result", made_of)
        if self._keep(Entry(key, "result", file, batch.label, content), batch):
            self._keys[batch.name, position] = key

    def _keep(self, entry: Entry, batch: Batch) -> bool:
        """Put it into the ledger; that it is too large for one is said."""
        kept = self.ledger.put(entry)
        if not kept:
            what = "The tables" if entry.kind == "conclusion" else "Results"
            self.warn(
                f"{what} of {batch.name} larger than {format_size(self.ledger.most_bytes)} are not kept for the next "
                "run, which makes them again: that is a quarter of `ledger.max_size`, or the most that a row holds."
            )
        return kept

    def _unchanged(self, index: int) -> bool:
        """Whether the file is what it was when its worker got it; else nothing about it is kept, and that is said."""
        file = self.shared_files[index].file
        if self._files.stayed(index, file):
            return True
        if not self._files.began(index) or index in self._changes_itself:
            return False
        self.warn(
            f"{file.name} was changed or replaced while it was being worked on: its results may be of the earlier or "
            "of the later content. Run the same command again: it will be done again."
        )
        return False

    def _note_why(self, index: int, batch: Batch) -> None:
        """Remember, for the engineer, why a file that was done before is done again."""
        file = self.shared_files[index].file
        if not self._files.was_seen(file) or not self.ledger.remembers:
            return
        before, now = self.ledger.latest(self._files.place(file), batch.label), self._depends(index, batch)
        if before is None or now is None:
            return
        with suppress(Damaged, KeyError, TypeError, ValueError):
            depends = checked(decode(before), dict)["depends"]
            reason = changed(dict(decode(depends)), now, str(batch.files[0].name))
            if reason:
                self._again.setdefault(reason, []).append(file.name)
