"""digitalmodel's own functions, called for one loaded file.

    model ── describe ──> model_dict ┐
    cfg ── copy, settle ──> own cfg ─┴─> summary, linked statistics, time series ──> FileResult

Each file gets its own copy of the configuration, so nothing is shared between threads. digitalmodel's loader is not
used: the session's model is already loaded. Time series are written here, beside their target and renamed; summaries
are folded and written when all files are done (`orcabatch.digitalmodel.combine`). Linked statistics get the one
argument that digitalmodel's own loop does not give them, so they work here although 0.0.9 cannot produce them.
"""

from __future__ import annotations

import copy
import gzip
import pickle
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orcabatch.digitalmodel.csv_output import ToCsv, written_by
from orcabatch.digitalmodel.fast_paths import completed, fast_paths
from orcabatch.digitalmodel.installed import Installation, find_installation, open_gate
from orcabatch.digitalmodel.mappings import AttributeDict
from orcabatch.digitalmodel.missing import (
    Gap,
    Period,
    absence_named,
    asked_periods,
    empty_columns_named,
    gaps_of,
    gaps_of_all,
    period_warnings,
)
from orcabatch.digitalmodel.output_capture import CapturedOutput
from orcabatch.digitalmodel.outputs import flagged, labels, writes_series
from orcabatch.digitalmodel.questions import questions_of
from orcabatch.digitalmodel.serial_order import AS_GIVEN, Variant, settle
from orcabatch.engine.contract import Extracted, PhaseClock
from orcabatch.errors import DigitalModelError
from orcabatch.outcome import Phase
from orcabatch.store.atomic import atomic_path
from orcabatch.store.write_behind import TextBehind

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker import Question
    from orcabatch.orcaflex.work import FileContext

LOADED = "settled"
"""Subject of the note with a file's stop time (seconds), said as soon as it may settle the others."""
GZ = ".gz"
ONLY_READ = frozenset({"file_management"})
"""Sections of the configuration that digitalmodel's functions do not change; the list of files may be long."""


@dataclass(frozen=True, slots=True)
class FilePayload:
    """What the batch hands to the worker for one file.

    Attributes:
        file_name: the file as it stands in the configuration's list; digitalmodel puts it into its outputs.
        variant: whether the configuration is settled, and how.
        tells: whether the batch wants to know the stop time as soon as the file is loaded.
        again: whether the list names the file more than once: then another worker may be writing the same tables.
    """

    file_name: Any
    variant: Variant = AS_GIVEN
    tells: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class FileResult:
    """What digitalmodel made of one file.

    Attributes:
        summary: a frame of one row by group label; None where no summary is asked for.
        linked: frames of linked statistics by group label; None where none are asked for.
        outputs: label and path of each time series that was written.
        record: what digitalmodel notes in its configuration about the time series; None where there is none.
        run_status: name of the model's state.
        stop_time: the simulation's planned end, in seconds of simulation time.
        settled: what it was done with.
        simulated_to: how far the simulation got, in the same seconds; None where nobody asked.
        complete: whether it reached its end.
        gaps: columns with empty cells.
        log: what digitalmodel printed and logged.
    """

    summary: Mapping[str, Any] | None
    linked: Mapping[str, Any] | None
    outputs: tuple[tuple[str, Path], ...]
    record: Mapping[str, Any] | None
    run_status: str
    stop_time: float
    settled: Variant = AS_GIVEN
    simulated_to: float | None = None
    complete: bool = True
    gaps: tuple[Gap, ...] = ()
    log: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Writing:
    """How time series are written.

    Attributes:
        block_bytes: text is made and written in pieces of about this size.
        compress: write `.csv.gz` instead of `.csv`; the same bytes inside.
        reuse: a worker keeps its buffer for the next piece and file.
        behind_bytes: how much text may wait in a process until its file has been given back; 0: none.
    """

    block_bytes: int = 10_000_000
    compress: bool = False
    reuse: bool = True
    behind_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DigitalModelPostProcess:
    """digitalmodel's post-process as what a worker computes from a loaded file.

    Attributes:
        cfg: the configuration with its masters merged; a plain dict, never changed.
        writing: how time series are written.
        digest: of the digitalmodel that computes (`Installation.digest`); empty: whichever there is.
        checks_names: whether it is said which names of a column that stays empty the model does not have.
    """

    cfg: dict[str, Any]
    writing: Writing = field(default_factory=Writing)
    digest: str = ""
    checks_names: bool = True
    _packed: bytes = field(init=False, repr=False, compare=False)
    _periods: dict[Period, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_periods", asked_periods(self.cfg))
        object.__setattr__(self, "_packed", _packed(self.cfg))

    def prepare(self) -> None:
        """Hand OrcFxAPI to a newer digitalmodel's own gate; see that this process computes with the same sources.

        Raises:
            DigitalModelError: they were changed after the batch was begun, or another machine has others.
        """
        open_gate()
        if self.digest and find_installation().digest != self.digest:
            raise DigitalModelError(
                "digitalmodel's sources here are not those that the batch was begun with: they were edited since, or "
                "this machine has others. Nothing is computed with a mixture; restart Python and run again."
            )

    def questions(self) -> Iterator[Question]:
        """The time histories that are known to be asked of every file."""
        return questions_of(self.cfg, find_installation())

    def __call__(self, model: Any, context: FileContext) -> Extracted:
        """What digitalmodel makes of the loaded file.

        Raises:
            DigitalModelError: the installed digitalmodel does not post-process a model in this state.
            OutputError, OSError: a time series cannot be written.
        """
        installation, asked = find_installation(), _asked(context)
        known = described(model)
        _check_state(installation, known, context.file)
        if asked.tells:
            context.note(LOADED, known["stop_time"])
        with CapturedOutput() as captured, fast_paths(installation), absence_named(self.cfg, model):
            tables = _Tables(context.clock, self.writing, keep_same=asked.again)
            try:
                result = self._result(installation, known, asked, tables)
                missing = empty_columns_named(self.cfg, model, result.gaps) if self.checks_names else ()
            except BaseException:
                tables.drop()
                raise
        concerns = (*self._of_periods(known), *missing, *captured.concerns())
        later = tables if tables.waits else None
        return Extracted(replace(result, log=captured.told()), concerns, dict(+tables.counts), later)

    def may_repeat(self, error: BaseException) -> bool:
        """Always: a file that fails leaves nothing, and the next try begins with its own copy of the configuration."""
        return True

    def _result(
        self, installation: Installation, known: dict[str, Any], asked: FilePayload, tables: _Tables
    ) -> FileResult:
        cfg = self._own_copy()
        if asked.variant.settled:
            settle(cfg, asked.variant.stop_time)
        summary = linked = record = None
        if flagged(cfg, "summary"):
            summary = completed(installation.summary.get_summary_for_file(cfg, known, asked.file_name))
        if flagged(cfg, "linked_statistics"):
            linked = installation.linked.get_linked_statistics(cfg, known, asked.file_name)
        if writes_series(cfg):
            with tables:
                record = _series(installation, cfg, known, asked.file_name)
            if self.writing.compress:
                record = _as_compressed(record)
        return FileResult(
            summary=summary,
            linked=linked,
            outputs=_labelled(record, tables.targets),
            record=record,
            run_status=str(known["run_status"]),
            stop_time=known["stop_time"],
            settled=asked.variant,
            simulated_to=float(known["current_time"]),
            complete=bool(known["simulation_complete"]),
            gaps=(
                *gaps_of_all("summary", summary, labels(cfg, "summary_settings")),
                *gaps_of_all("linked_statistics", linked),
                *tables.gaps(record),
            ),
        )

    def _of_periods(self, known: Mapping[str, Any]) -> tuple[str, ...]:
        """What the periods as they stand in the configuration miss of the simulation."""
        return period_warnings(self._periods, known["start_time"], known["current_time"])

    def _own_copy(self) -> AttributeDict:
        """A copy of the configuration that digitalmodel may change; what it only reads is shared."""
        if not self._packed:
            return AttributeDict(copy.deepcopy(self.cfg))
        cfg = AttributeDict(pickle.loads(self._packed))  # noqa: S301 - made in this object
        cfg.update((key, self.cfg[key]) for key in self.cfg.keys() & ONLY_READ)
        return cfg


def _packed(cfg: Mapping[str, Any]) -> bytes:
    """The configuration in a form that is copied many times faster; empty where something in it has no such form."""
    try:
        return pickle.dumps({key: value for key, value in cfg.items() if key not in ONLY_READ})
    except (pickle.PicklingError, AttributeError, TypeError):
        return b""


def described(model: Any) -> dict[str, Any]:
    """The model and what digitalmodel wants to know of it, in digitalmodel's terms."""
    return {
        "model": model,
        "simulation_complete": model.simulationComplete,
        "run_status": model.state.name,
        "stop_time": model.simulationStopTime,
        "start_time": model.simulationStartTime,
        "current_time": model.simulationTimeStatus.CurrentTime,
    }


def _asked(context: FileContext) -> FilePayload:
    return context.payload if isinstance(context.payload, FilePayload) else FilePayload(context.file)


def _check_state(installation: Installation, known: Mapping[str, Any], file: Path) -> None:
    if not installation.uses(known["run_status"]):
        raise DigitalModelError(
            f"{file.name} is in the state {known['run_status']}; the installed digitalmodel post-processes only "
            f"{' and '.join(sorted(installation.usable_states or ()))}. Run the simulation to its end."
        )


def _series(
    installation: Installation, cfg: AttributeDict, known: dict[str, Any], file_name: Any
) -> Mapping[str, Any] | None:
    """Have the time series written; digitalmodel's record of them (its own loop loses the first file's)."""
    records: list[Mapping[str, Any]] = []
    cfg[cfg["meta"]["basename"]] = {"time_series": records}
    installation.series.get_time_series_data(cfg, known, file_name)
    return records[-1] if records else None


def _as_compressed(record: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Digitalmodel's record with the names that the compressed files have."""
    if record is None:
        return None
    groups = [{**group, "data": f"{group['data']}{GZ}"} for group in record["time_series"]["groups"]]
    return {**record, "time_series": {**record["time_series"], "groups": groups}}


class _Tables:
    """The tables of one file: all of them appear when they are written, none where one cannot be.

    A file that fails in its last table must not leave the first ones behind: it counts as not in the list. Of a file
    that is listed twice, what stands already is left alone: else the ledger would find the tables of the other one
    changed, at every run anew.

    Text is made when digitalmodel saves a table, and never changes afterwards. Where it may wait (`behind_bytes`), the
    tables are those of an `orcabatch.engine.contract.Later` when the block ends: somebody writes or drops them.
    """

    def __init__(self, clock: PhaseClock, writing: Writing, *, keep_same: bool = False) -> None:
        self._clock, self._writing, self._keep_same, self._open = clock, writing, keep_same, ExitStack()
        self._routed = ExitStack()
        self._texts: dict[Path, TextBehind] = {}
        self._lock = threading.Lock()
        self._begun = self._dropped = False
        self.waits = False
        self.counts: Counter[str] = Counter()
        self._gaps: dict[Path, tuple[Gap, ...]] = {}

    @property
    def targets(self) -> list[Path]:
        return list(self._texts)

    def __enter__(self) -> Self:
        self._routed.enter_context(written_by(self._write))
        return self

    def __exit__(self, *raised: Any) -> None:
        self._routed.close()
        if raised[0] is not None:
            self._abandon(*raised)
            return
        behind = [text.kept_bytes for text in self._texts.values() if text.kept_bytes]
        self.counts.update(tables_behind=len(behind), bytes_behind=sum(behind))
        self.waits = bool(behind)
        if not self.waits:
            self._clock.enter(Phase.WRITE)
            self._open.close()

    def write(self) -> None:
        """Write what waits, and let all tables appear.

        Raises:
            OutputError, OSError: a table cannot be written; none of them is.
        """
        with self._lock:
            self._go_on()
            self._begun = True
        try:
            for text in self._texts.values():
                text.write()
        except BaseException as error:
            self._abandon(type(error), error, error.__traceback__)
            raise
        self._open.close()

    def drop(self) -> None:
        """Leave nothing; of tables that are being written, none that has not appeared yet."""
        with self._lock:
            self._dropped = True
            if self._begun:
                return  # whoever writes them stops before the next one takes its name
        error = InterruptedError("the tables were not written")
        self._abandon(InterruptedError, error, None)

    def _go_on(self) -> None:
        if self._dropped:
            raise InterruptedError("the tables are not wanted any more")

    def _abandon(self, *raised: Any) -> None:
        for text in self._texts.values():
            text.drop()
        with suppress(raised[0]):
            self._open.__exit__(*raised)

    def gaps(self, record: Mapping[str, Any] | None) -> Iterator[Gap]:
        """Empty cells of the tables that stand; `record` knows which group each belongs to."""
        groups = {path: label for label, path in _labelled(record, self.targets)}
        for target, found in self._gaps.items():
            yield from (replace(gap, group=groups[target]) for gap in found)

    def _write(self, target: Path, frame: Any, to_csv: ToCsv) -> None:
        found = tuple(gaps_of("time_series", "", frame))
        self._clock.enter(Phase.WRITE)
        if self._writing.compress:
            target = target.with_name(f"{target.name}{GZ}")
        if target in self._texts:  # of two groups with one label the last one stands
            self._texts[target].drop()
            temporary = self._texts[target].path
        else:
            # Absolute now: whoever changes the working directory before it is written does not move the table.
            opened = atomic_path(target.absolute(), keep_same=self._keep_same, unless=self._go_on)
            temporary = self._open.enter_context(opened)
        self._gaps[target] = found
        text = self._texts[target] = TextBehind(temporary, self._writing.behind_bytes)
        made = to_csv(text, self._writing.block_bytes, self._writing.reuse)
        self.counts.update(text_pieces=made.pieces, text_buffers=made.buffers)
        if self._writing.compress:
            text.compress(_compressed)
        self._clock.enter(Phase.EXTRACT)


def _compressed(content: bytes) -> bytes:
    """A compressed form without a time stamp, so that the same text gives the same bytes."""
    return gzip.compress(content, compresslevel=6, mtime=0)


def _labelled(record: Mapping[str, Any] | None, outputs: list[Path]) -> tuple[tuple[str, Path], ...]:
    groups = record["time_series"]["groups"] if record else []
    labels = {Path(group["data"]): str(group["label"]) for group in groups}
    return tuple((labels.get(path, ""), path) for path in outputs)
