"""One digitalmodel batch: the dispatcher's side of its work, and what becomes of the results.

    from_cfg ── files, postprocess ──> engine ── ready, payload, noted, finished ──> outcomes ── conclude ──> outputs

Works on a copy of the caller's configuration; only `conclude` writes back into the caller's what digitalmodel itself
would have left there. Does not know about workers, memory or order of work. See also
`orcabatch.digitalmodel.serial_order` (who waits for whom) and `orcabatch.digitalmodel.postprocess` (what is done with
one file).
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orcabatch.batch.batch import Batch, Conclusion, Facts
from orcabatch.digitalmodel import combine
from orcabatch.digitalmodel.caching import (
    Determinants,
    Frames,
    common_outputs,
    found_in_cfg,
    kept_of_cfg,
    packed,
    respelled,
    unpacked,
)
from orcabatch.digitalmodel.csv_output import Writing
from orcabatch.digitalmodel.input_files import sim_files
from orcabatch.digitalmodel.installed import Installation, find_installation
from orcabatch.digitalmodel.mappings import AttributeDict, write_back
from orcabatch.digitalmodel.native import (
    asks_beyond,
    attributes_left,
    is_inside_router,
    merge_masters,
    pass_on,
    router,
    run_natively,
)
from orcabatch.digitalmodel.notices import (
    consistency_warnings,
    expected_notices,
    expected_warnings,
    listed_again,
    notices_of_run,
)
from orcabatch.digitalmodel.output_capture import CapturedOutput
from orcabatch.digitalmodel.outputs import (
    FILE,
    FILE_STEM,
    common_tables,
    linked_name,
    visits_files,
    writes,
    writes_series,
)
from orcabatch.digitalmodel.postprocess import LOADED, DigitalModelPostProcess, FilePayload, FileResult
from orcabatch.digitalmodel.preconditions import check_collisions, check_folder, check_keys, check_tables, series_names
from orcabatch.digitalmodel.proof_input import ProofInput, exact_form, without_masters
from orcabatch.digitalmodel.serial_order import Needs, SerialOrder, may_need, needs_of, settle
from orcabatch.digitalmodel.silent import Subject
from orcabatch.engine.logs import logger
from orcabatch.outcome import Cause, FileOutcome, Phase, Status
from orcabatch.store.atomic import remove
from orcabatch.store.failed_files import SUFFIX, save_failed_files

if TYPE_CHECKING:
    from orcabatch.notice import Notice
    from orcabatch.settings import Settings

_log = logger(__name__)


class DigitalModelBatch(Batch):
    """A digitalmodel batch; made by `from_cfg`.

    Attributes:
        name: the name that digitalmodel gives its outputs (`Analysis.file_name`).
        files: the `.sim` files in the order of the configuration's list, absolute.
        warnings: what the engineer should know before it runs.
        reads_copies: digitalmodel asks a loaded model for results, never for its path.
        moves_unasked: it leaves nothing in the process that anybody looks for.
        facts: subjects of notes that hold for the file whenever it is loaded.
        findings: what the check of the configuration said; kept for a proof.
    """

    reads_copies = True
    moves_unasked = True
    facts = (LOADED,)
    findings: tuple[str, ...] = ()

    def __init__(
        self,
        given: Mapping[str, Any],
        settings: Settings,
        cfg: AttributeDict,
        installation: Installation | None,
        *,
        looked: bool = False,
    ) -> None:
        self._given, self._settings, self._cfg, self._installation = given, settings, cfg, installation
        self._begun_in = _working_folder()
        self._router, self._left = router(), cfg
        tested = installation is not None and installation.tested
        self._sees_all = self._router is None or (tested and self._router.asked is not None)
        self._asked = self._as_asked()
        self._determined = Determinants.of_batch(self._asked, cfg, installation, looked=looked)
        self.name = str(cfg["Analysis"]["file_name"])
        self._list = tuple(cfg["file_management"]["input_files"]["sim"]) if self._visits_files() else ()
        self.files = sim_files(self._list)
        self._times = Counter(self.files)
        self.warnings = expected_warnings(installation, cfg) + listed_again(self.files)
        self._written: dict[int, tuple[Path, ...]] = {}
        self._ended: set[int] = set()
        self._hashes: dict[Path, str] = {}
        self._done, self._signature = 0, ""
        self._shown: dict[int, list[str]] = {}
        self._serial_needs = needs_of(cfg)
        self._understood = installation is not None or not self._determined.with_masters
        self._state = SerialOrder(self._serial_needs if self.consistency == "serial" else Needs(), len(self.files))

    def __copy__(self) -> Self:
        """One to try events on, which leave this one as it is."""
        twin = object.__new__(type(self))
        twin.__dict__ |= self.__dict__
        twin._written, twin._state, twin._ended = dict(self._written), copy.copy(self._state), set(self._ended)
        return twin

    @classmethod
    def from_cfg(cls, cfg: Mapping[str, Any], *, settings: Settings, planning: bool = False) -> Self:
        """A batch for digitalmodel's configuration, which is not changed.

        Args:
            cfg: the configuration as digitalmodel's post-process takes it (files found, folders known).
            settings: the `performance:` section.
            planning: nothing will run: digitalmodel is not imported, masters are not merged, no folder is looked at.

        Raises:
            SettingsError: the configuration lacks keys, all named at once.
            OutputError: outputs would overwrite each other, or the result folder cannot be used.
            DigitalModelError, OrcaFlexUnavailable: digitalmodel cannot be used.
        """
        own = AttributeDict(copy.deepcopy(dict(cfg)))
        check_keys(own)
        installation, looked = None if planning else find_installation(), False
        if installation is not None and not installation.missing:
            check_folder(own)
            check_tables(own)
            if not is_inside_router():
                looked = merge_masters(installation, own)
        batch = cls(cfg, settings, own, installation, looked=looked)
        check_collisions(own, batch.files)
        return batch

    @property
    def postprocess(self) -> DigitalModelPostProcess:
        """What a worker computes from each of the files."""
        io = self._settings.io
        behind = io.write_behind if io.async_enabled else 0
        reuse = self._settings.memory.preallocation
        held = (self.result_folder, self._signature)
        writing = Writing(io.buffer_size, io.use_compression, reuse, behind, self._begun_in, held)
        digest = self._installation.digest if self._installation is not None and not self._installation.missing else ""
        return DigitalModelPostProcess(dict(self._cfg), writing, digest, self._settings.check != "off")

    @property
    def result_folder(self) -> Path:
        """Where the outputs go; one that is relative stays where it was when the batch began."""
        return self._begun_in / Path(self._cfg["Analysis"]["result_folder"])

    def held(self, signature: str) -> None:
        """Its workers write only while the folder's lock has this signature."""
        self._signature = signature

    @property
    def consistency(self) -> str:
        """What `auto` means for the installed digitalmodel and this configuration: serial or per_file."""
        asked = str(self._settings.consistency)
        return self._native_consistency() if asked == "auto" else asked

    def ready(self, i: int) -> bool:
        """Whether file `i` may start now; False: it waits for the first file to be loaded."""
        return self._state.variant(i) is not None

    @property
    def leader(self) -> int | None:
        """The first file that may still stand in the output."""
        return self._state.leader

    def payload(self, i: int) -> FilePayload:
        """What goes to the worker with file `i`; to be asked when it starts."""
        again = self._times[self.files[i]] > 1
        left = len(self.files) - len(self._ended)
        return FilePayload(
            self._list[i],
            self._state.started(i),
            tells=self._state.needs.stop_time,
            again=again,
            done=self._done,
            left=left,
        )

    def noted(self, i: int, subject: str, content: Any) -> tuple[int, ...]:
        """A worker said something about file `i`; returns the finished files that have to be done again."""
        return self._state.loaded(i, content) if subject == LOADED else ()

    def finished(self, i: int, outcome: FileOutcome) -> tuple[int, ...]:
        """File `i` ended; returns the finished files that have to be done again.

        The file itself is among them where it was done with a configuration that does not hold any more.
        """
        if outcome.status is Status.CANCELLED:
            return ()
        self._done += outcome.status is Status.OK
        self._ended.add(i)
        redo: tuple[int, ...] = ()
        if outcome.ok and isinstance(outcome.value, FileResult):
            self._written[i] = tuple(path for _, path in outcome.value.outputs)
            redo = self._state.loaded(i, outcome.value.stop_time)  # a result that was remembered says it only now
        unloadable = outcome.failed_phase in {Phase.WAIT, Phase.LOAD} or outcome.cause is Cause.TIMEOUT
        return redo + self._state.finished(i, ok=outcome.ok, unloadable=unloadable)

    def conclude(self, outcomes: Sequence[FileOutcome], *, complete: bool = True) -> Conclusion:
        """Fold and write the results, and leave in the caller's configuration what digitalmodel would.

        Args:
            outcomes: one per file, in the order of `files`.
            complete: False after an interruption: what is finished is written, but for files that would have been done
                again because the first file changed; the list of failed files says the rest.

        Raises:
            OutputError: an output cannot be written.
        """
        installation = self._installation or find_installation()
        if installation.missing:
            run_natively(installation, self._given, self._router and self._router.post)
            return Conclusion((), self.warnings)
        failed_files, left_over = self.result_folder / f"{self.name}{SUFFIX}", list[str]()
        if not complete:
            outcomes = [self._standing(outcome) for outcome in outcomes]
        outputs = list(dict.fromkeys(path for outcome in outcomes if outcome.ok for _, path in outcome.value.outputs))
        self._take_back(outcomes)
        _keep_log(outcomes)
        left = AttributeDict(self._cfg)  # a record may take the place of a section that is still read here
        with CapturedOutput():
            self._leave_in_cfg(left, outcomes)
            failed_rows = self._settings.failed_rows and not all(outcome.ok for outcome in outcomes)
            common = combine.save_summaries(installation, left, outcomes, self._begun_in, failed_rows=failed_rows)
            common |= combine.save_linked(installation, left, outcomes, self._begun_in)
        outputs = list(dict.fromkeys((*outputs, *common)))
        self._hashes = common
        if failed_files not in outputs:  # a label of the batch's own may be called so: its table is what counts
            outputs += save_failed_files(failed_files, outcomes, left_over.append)
        write_back(left, self._given)
        self._left = left
        if self._router is not None and self._visits_files():
            vars(self._router.post).update(attributes_left(self._cfg, outcomes, has_pool=installation.has_pool))
        warnings = (*self.warnings, *consistency_warnings(self._subject, outcomes), *left_over)
        return Conclusion(tuple(outputs), warnings, notices_of_run(self._subject, outcomes))

    def foresee(self, known: Mapping[int, FileOutcome], facts: Facts) -> tuple[Notice, ...]:
        """What digitalmodel will do without a word, as far as is known before anything is loaded.

        Args:
            known: results of earlier runs that still hold, by position.
            facts: what workers of earlier runs said about a position's file.
        """
        subject = self._subject
        if not self._understood:
            subject = replace(subject, needs=may_need(self._cfg))
        unknown = [i for i in range(len(self.files)) if i not in known] if subject.needs.stop_time else []
        told = {i: dict(facts(i)) for i in unknown}
        return expected_notices(subject, {i: said[LOADED] for i, said in told.items() if LOADED in said}, known)

    def pass_on(self) -> None:
        """Let digitalmodel do what else the configuration asks for (visualisation, all variables), unchanged.

        To be called after `conclude`; does nothing inside digitalmodel's own router, which does it itself.
        """
        if self._router is None:
            cfg = AttributeDict(self._given, orcaflex=self._cfg["orcaflex"])  # linked statistics may be recorded there
            pass_on(self._installation or find_installation(), cfg)

    def proof(
        self, outcomes: Sequence[FileOutcome], orcaflex: str, *, digitalmodel: str | None = None
    ) -> dict[str, Any] | None:
        """What `orcabatch verify --prove` has to know of this batch later; None where digitalmodel itself ran it.

        Args:
            outcomes: of all files.
            orcaflex: `real` or `simulated`.
            digitalmodel: which one made the results; None: the one that was found.
        """
        if digitalmodel is None and (self._installation is None or self._installation.missing):
            return None
        proof = ProofInput.of_batch(
            self._asked,
            [outcome for outcome in outcomes if outcome.batch == self.name],
            per_file=self.consistency == "per_file",
            orcaflex=orcaflex,
            digitalmodel=digitalmodel or self._found(),
        )
        proof = replace(proof, result_folder=str(self.result_folder.absolute()), working_folder=str(self._begun_in))
        return replace(proof, findings=self.findings).to_dict()

    # --- for the ledger

    def stands(self, i: int, value: FileResult) -> bool:
        """Whether it was made with the configuration that the leader settles, as far as that is known."""
        return value.settled == self._state.variant(i)

    @property
    def label(self) -> str:
        """What is computed, whenever: the name without its time stamp."""
        return str(self._cfg["Analysis"].get("file_name_for_overwrite") or self.name)

    @property
    def caveats(self) -> tuple[str, ...]:
        """That a configuration with values of no exact form answers for none."""
        if self._determined.configuration is not None:
            return ()
        said = (
            f"Results of {self.name} are not kept for the next run: the configuration holds objects that have no exact "
            "form. Give plain values (numbers, text, lists, dates)."
        )
        return (said,)

    def determinants(self, i: int) -> dict[str, Any] | None:
        """All but the `.sim` file and the versions of packages that determines the results of file `i`.

        Only of use once `ready(i)`; None where it cannot be told: digitalmodel itself runs the batch, the configuration
        holds what has no exact form, or what a newer clone learns from the files is not known yet.
        """
        variant = self._state.variant(i) if self._understood else None
        if i not in self._shown:  # asked several times, and the file may lie on a slow drive
            self._shown[i] = self._determined.shown(self._list[i], self._begun_in)
        compressed = self._settings.io.use_compression
        return self._determined.of_file(self._shown[i], variant, self.result_folder, compressed=compressed)

    @property
    def hints_depend_on(self) -> dict[str, Any] | None:
        """What determines `planning_hints`; None where that cannot be told."""
        known = self._determined
        if known.configuration is None or known.digitalmodel is None or known.merged is not None:
            return None
        return {"configuration": known.configuration, "digitalmodel": known.digitalmodel}

    @property
    def planning_hints(self) -> dict[str, bool] | None:
        """What only merging the masters tells: who waits for whom; None where they were not merged."""
        return asdict(self._serial_needs) if self._understood else None

    def take_hints(self, hints: Mapping[str, Any]) -> None:
        """Take over what a batch that depends on the same knew; raises TypeError where it is something else."""
        if not all(isinstance(need, bool) for need in hints.values()):
            raise TypeError("needs are yes or no")
        self._serial_needs, self._understood = Needs(**hints), True
        self._state = SerialOrder(self._serial_needs if self.consistency == "serial" else Needs(), len(self.files))

    def pack(self, value: FileResult) -> dict[str, Any]:
        """A file's result as plain values and frames."""
        return packed(value, self.result_folder)

    def unpack(self, stored: Any, i: int) -> FileResult:
        """The result of file `i` that `pack` was given, under the names that this batch has for file and folder.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        result = unpacked(stored, self.result_folder)
        if not self._determined.shows_paths:
            result = respelled(result, self._list[i], self._cfg["Analysis"]["result_folder"])
        if self._installation is not None:  # else nothing is folded, and pandas need not be imported
            for frames in (result.summary, result.linked):
                dict(frames or {})
        return result

    def outputs_of(self, value: FileResult) -> tuple[tuple[str, Path], ...]:
        """The time series of a file, each with the label of its group."""
        return value.outputs

    def hashes_of(self, value: FileResult) -> dict[Path, str]:
        """What these held as they were written."""
        return {path: found for (_, path), found in zip(value.outputs, value.hashes, strict=False)}

    @property
    def common_hashes(self) -> Mapping[Path, str]:
        """What its summaries and linked statistics held as they were written."""
        return self._hashes

    file_columns = (FILE, FILE_STEM)

    @property
    def summaries(self) -> tuple[str, ...] | None:
        """Its summaries and linked statistics; not known where digitalmodel itself runs it."""
        native = self._installation is not None and bool(self._installation.missing)
        return None if native else tuple(label for label, _ in common_tables(self._cfg))

    def summaries_in(self, outputs: Iterable[Path]) -> dict[str, Path]:
        """Its summaries and linked statistics, by the labels of their groups."""
        named = {self.result_folder / name: label for label, name in common_tables(self._cfg)}
        begin = f"{self.name}_"
        # Groups that a newer clone finds in the files are in no configuration that was only read.
        more = [path for path in outputs if path not in named and path.suffix == ".csv" and path.name.startswith(begin)]
        named |= {path: path.stem.removeprefix(begin) for path in more if not path.name.endswith(SUFFIX)}
        return {named[path]: path for path in outputs if path in named}

    def tables_of(self, value: FileResult) -> dict[str, Any]:
        """A file's rows of the summaries and of the linked statistics, by the labels of their groups."""
        both = (value.summary, value.linked)
        summary, linked = (each.cells() if isinstance(each, Frames) else each or {} for each in both)
        return {**summary, **{linked_name(label, summary): table for label, table in linked.items()}}

    @property
    def writes(self) -> tuple[str, ...]:
        """Its summaries, series and other outputs."""
        return tuple(writes(self._cfg, len(self.files)))

    @property
    def tables(self) -> tuple[Path, ...]:
        """The time series, summaries and linked statistics that will be written."""
        names = (*(name for name, _ in series_names(self._cfg, self.files)), *(n for _, n in common_tables(self._cfg)))
        return tuple(self.result_folder / name for name in names)

    def concluded(self, outcomes: Sequence[FileOutcome], outputs: Iterable[Path]) -> dict[str, Any] | None:
        """What a later run needs to write the common outputs again; None where there is more to be done than that."""
        if self._installation is None or self._installation.missing or not self._sees_all or asks_beyond(self._cfg):
            return None
        own = {path for outcome in outcomes for _, path in outcome.value.outputs}
        shared = {path: self._hashes.get(path) for path in outputs if path not in own}
        common = common_outputs(shared, self.result_folder, self.name)
        if common is None:
            return None
        return {
            "outputs": common,
            "warnings": list(self.warnings + consistency_warnings(self._subject, outcomes)),
            "notices": [notice.to_dict() for notice in notices_of_run(self._subject, outcomes)],
            "digitalmodel": self._found(),
            "cfg": kept_of_cfg(self._left, self._asked, self.consistency),
        }

    def left_in_cfg(self, kept: Any) -> dict[str, Any]:
        """What digitalmodel would leave in the caller's configuration, from a conclusion's `cfg`.

        Raises:
            KeyError, TypeError, ValueError: it is something else, or of another configuration.
        """
        return found_in_cfg(kept, self._given, self._asked, self.consistency)

    def _as_asked(self) -> dict[str, Any]:
        """The configuration before masters were merged; without them where only the merged one was seen."""
        if self._router is None:
            return exact_form(self._given)
        asked = self._router.asked if self._sees_all else None
        return exact_form(without_masters(self._given)) if asked is None else dict(asked)

    @property
    def _subject(self) -> Subject:
        return Subject(self.name, self._cfg, self._serial_needs, self.consistency, self.files)

    def _found(self) -> str:
        return f"{self._installation.version} ({self._installation.package})" if self._installation is not None else ""

    def _native_consistency(self) -> str:
        pool = self._cfg.get("parallel_processing") or {}
        pooled = self._determined.has_pool and pool.get("enabled", True)
        return "per_file" if pooled else "serial"

    def _visits_files(self) -> bool:
        native = self._installation is not None and bool(self._installation.missing)
        return not native and visits_files(self._cfg)

    def _standing(self, outcome: FileOutcome) -> FileOutcome:
        """The outcome, or a cancelled one where it was made with a configuration that does not hold any more."""
        if not outcome.ok or self.stands(outcome.index, outcome.value):
            return outcome
        said = "stopped before it was done again with the configuration that an earlier file settles; run it again"
        return replace(outcome, status=Status.CANCELLED, value=None, error=said, cause=Cause.CANCELLED)

    def _take_back(self, outcomes: Sequence[FileOutcome]) -> None:
        """Remove what files wrote that failed when they were done again; a table of one that stands stays."""
        stand = {path for outcome in outcomes if outcome.ok for _, path in outcome.value.outputs}
        for outcome in outcomes:
            for path in () if outcome.ok else set(self._written.get(outcome.index, ())) - stand:
                remove(path)

    def _leave_in_cfg(self, left: AttributeDict, outcomes: Sequence[FileOutcome]) -> None:
        """What digitalmodel's own pass over the files that stand leaves in the configuration."""
        stand = [outcome.value for outcome in outcomes if outcome.ok]
        basename = left["meta"]["basename"]
        if self._visits_files():
            left[basename] = {}
        if self.consistency == "serial" and stand:
            settle(left, stand[0].stop_time)
            if writes_series(left):
                # Its loop makes the list at the first file and forgets to put that file in.
                left[basename]["time_series"] = [result.record for result in stand[1:] if result.record]


def _keep_log(outcomes: Sequence[FileOutcome]) -> None:
    """What digitalmodel said about each file that stands (a failed one's traceback holds it); `--verbose` shows it."""
    for outcome in outcomes:
        for line in outcome.value.log if outcome.ok else ():
            _log.debug("%s: %s", outcome.file.name, line)


def _working_folder() -> Path:
    """Where this process works now; empty where that is removed: who names no path from it may go on."""
    try:
        return Path.cwd()
    except OSError:
        return Path()
