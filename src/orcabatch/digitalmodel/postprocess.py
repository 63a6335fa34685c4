"""digitalmodel's own functions, called for one loaded file.

    model ── describe ──> model_dict ┐
    cfg ── copy, settle ──> own cfg ─┴─> summary, linked statistics, time series ──> FileResult

Each file gets its own copy of the configuration, so nothing is shared between threads. digitalmodel's loader is not
used: the session's model is already loaded. Time series are written as they come (`orcabatch.digitalmodel.csv_output`);
summaries are folded and written when all files are done (`orcabatch.digitalmodel.combine`). Linked statistics get the
one argument that digitalmodel's own loop does not give them, so they work here although 0.0.9 cannot produce them.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel import csv_text
from orcabatch.digitalmodel.csv_compiled import Formatted, values_left
from orcabatch.digitalmodel.csv_output import FileTables, Writing, as_compressed
from orcabatch.digitalmodel.fast_paths import completed, fast_paths
from orcabatch.digitalmodel.installed import Installation, find_installation, open_gate
from orcabatch.digitalmodel.mappings import AttributeDict
from orcabatch.digitalmodel.missing import (
    Gap,
    Period,
    asked_periods,
    gaps_of_all,
    period_warnings,
)
from orcabatch.digitalmodel.output_capture import CapturedOutput
from orcabatch.digitalmodel.outputs import flagged, labels, writes_series
from orcabatch.digitalmodel.questions import questions_of
from orcabatch.digitalmodel.serial_order import AS_GIVEN, Variant, needs_of, settle
from orcabatch.digitalmodel.stumbles import empty_columns_explained, stumbles_explained
from orcabatch.engine.contract import Extracted
from orcabatch.errors import DigitalModelError
from orcabatch.orcaflex.binding import find_binding
from orcabatch.orcaflex.failures import refusal_passes

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker import Question
    from orcabatch.orcaflex.work import FileContext

LOADED = "settled"
"""Subject of the note with a file's stop time (seconds), said as soon as it may settle the others."""
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
        done: files of the batch that this run has done.
        left: files of the batch that are to be done, this one among them; 0: not known.
    """

    file_name: Any
    variant: Variant = AS_GIVEN
    tells: bool = False
    again: bool = False
    done: int = 0
    left: int = 0


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
        shows_active: whether the environment shows its active current as it is loaded, so that selecting it changes
            nothing; None: nobody asked, or the model does not say.
        log: what digitalmodel printed and logged.
        hashes: what each of the time series held as it was written (`head_tail_hash` in `orcabatch.host.files`); not
            of results of an earlier run.
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
    shows_active: bool | None = None
    log: tuple[str, ...] = field(default=(), repr=False)
    hashes: tuple[str, ...] = field(default=(), repr=False, compare=False)


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
    _formatted: Formatted = field(default_factory=Formatted, init=False, repr=False, compare=False)
    _selects: bool = field(init=False, repr=False, compare=False)
    _packed: bytes = field(init=False, repr=False, compare=False)
    _periods: dict[Period, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_periods", asked_periods(self.cfg))
        object.__setattr__(self, "_selects", needs_of(self.cfg).selects)
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
            DLLError, MemoryError: digitalmodel went on without what was refused for a moment.
        """
        installation, asked = find_installation(), _asked(context)
        known = described(model)
        _check_state(installation, known, context.file)
        if asked.tells:
            context.note(LOADED, known["stop_time"])
        csv_text.expect(values_left(self._formatted.values, asked.done, asked.left))
        own = self._own_copy()
        captured = CapturedOutput(lambda error: refusal_passes(error, context.file))
        tables = FileTables(context.clock, self.writing, keep_same=asked.again, stem=context.file.stem)
        with tables, captured, fast_paths(installation), stumbles_explained(self.cfg, own, model):
            result = self._result(own, known, asked, tables)
            missing = self._why_empty(known, result.gaps) if self.checks_names else ()
        self._formatted.add(tables.values)
        concerns = (*self._of_periods(known), *missing, *captured.concerns())
        later = tables if tables.waits else None
        return Extracted(replace(result, log=captured.told()), concerns, dict(+tables.counts), later)

    def may_repeat(self, error: BaseException) -> bool:
        """Always: a file that fails leaves nothing, and the next try begins with its own copy of the configuration."""
        return True

    def _why_empty(self, known: dict[str, Any], gaps: Collection[Gap]) -> tuple[str, ...]:
        """What is said of columns that hold nothing; nobody is asked where OrcFxAPI is a test's own."""
        if not gaps or not find_binding().is_genuine:
            return ()
        series = find_installation().series
        return empty_columns_explained(
            self.cfg, known["model"], gaps, lambda column: series.get_time_series_from_orcaflex_run(known, column)
        )

    def _result(self, cfg: AttributeDict, known: dict[str, Any], asked: FilePayload, tables: FileTables) -> FileResult:
        installation = find_installation()
        shows_active = _shows_active(known["model"]) if self._selects else None  # before digitalmodel selects it
        if asked.variant.settled:
            settle(cfg, asked.variant.stop_time)
        summary = linked = record = None
        if flagged(cfg, "summary"):
            # Its row says where the file lies: looked up in the working folder, which somebody may have changed.
            named = self.writing.start / asked.file_name if installation.tested else asked.file_name
            summary = completed(installation.summary.get_summary_for_file(cfg, known, named))
        if flagged(cfg, "linked_statistics"):
            linked = installation.linked.get_linked_statistics(cfg, known, asked.file_name)
        if writes_series(cfg):
            with tables.routed():
                record = _series(installation, cfg, known, asked.file_name)
            if self.writing.compress:
                record = as_compressed(record)
        return FileResult(
            summary=summary,
            linked=linked,
            outputs=tables.outputs(record),
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
            shows_active=shows_active,
            hashes=tables.hashes(),
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


def _shows_active(model: Any) -> bool | None:
    """Whether the current that the environment shows is the active one; None where the model does not say."""
    try:
        environment = model.environment
        shown, active = environment.SelectedCurrent, environment.ActiveCurrent
    except Exception:  # noqa: BLE001 - asked for the sake of a message: the file's own results or failure count
        return None
    return shown == active if isinstance(shown, str) and isinstance(active, str) else None


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
