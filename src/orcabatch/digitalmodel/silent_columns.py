"""Columns, rows and simulations that are not what their label says: digitalmodel writes them without a word. Pure.

Columns that hold nothing, rows that miss values, labels that name two things, simulations that did not reach their end.
Each kind is one notice, however many files and columns it concerns; its details name them. Does not cover why a cell is
empty: the names may be wrong, or the file may lack the object. See also `orcabatch.digitalmodel.gaps` (where the cells
are looked at), `orcabatch.digitalmodel.notices` (when it is said).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.check.vocabulary import OWN_COLUMNS, SETTINGS_OF
from orcabatch.digitalmodel.serial_order import flagged, writes_series
from orcabatch.notice import Notice, Silent
from orcabatch.settings import format_count
from orcabatch.text import shortened_list

if TYPE_CHECKING:
    from orcabatch.digitalmodel.gaps import Gap
    from orcabatch.digitalmodel.postprocess import FileResult
    from orcabatch.digitalmodel.silent import Subject
    from orcabatch.outcome import FileOutcome

WORDS = {"summary": "summary", "linked_statistics": "linked statistics", "time_series": "time series"}


def of_results(batch: Subject, stand: Sequence[FileOutcome]) -> Iterator[Notice]:
    """What the results of the files that stand hold, or rather lack."""
    yield from _partial(batch, stand)
    yield from _gaps(batch, stand)


def _partial(batch: Subject, stand: Sequence[FileOutcome]) -> Iterator[Notice]:
    partial = [outcome for outcome in stand if not outcome.value.complete]
    their = "its" if len(stand) == 1 else "their"
    if partial:
        yield batch.notice(
            Silent.PARTIAL,
            f"{len(partial)} of {format_count(len(stand), 'simulation')} did not reach {their} end, and the results "
            "are those of the part that was simulated",
            "Run these simulations to their end and the batch again, or leave them out",
            files=tuple(outcome.file for outcome in partial),
            details=tuple(
                f"{outcome.file.name}: {outcome.value.run_status}{_reached(outcome.value)}" for outcome in partial
            ),
        )


def _reached(result: FileResult) -> str:
    if result.simulated_to is None:
        return ""
    return f", {result.simulated_to:g} of {result.stop_time:g} s"


def _gaps(batch: Subject, stand: Sequence[FileOutcome]) -> Iterator[Notice]:
    """Columns that hold nothing in any file (or in a series of its own), and rows that miss values beside others."""
    files: dict[Gap, list[Path]] = {}
    for outcome in stand:
        for gap in outcome.value.gaps:
            files.setdefault(_column_of(gap), []).append(outcome.file)
    named = _asked_for(batch.cfg)
    empty: list[tuple[str, list[Path]]] = []
    missing: list[tuple[str, list[Path]]] = []
    for column, without in files.items():
        alone = column.output == "time_series" or len(without) == len(stand)
        where = "every file" if len(without) == len(stand) else shortened_list([file.name for file in without])
        said = f"{WORDS[column.output]} {column.group}: {named.get(_key(column), column.column)}: {where}"
        (empty if column.whole and alone else missing).append((said, without))
    if empty:
        concerned = _in_order(stand, empty)
        yield batch.notice(
            Silent.EMPTY,
            f"{format_count(len(empty), 'column')} {'holds' if len(empty) == 1 else 'hold'} nothing at all: "
            f"{shortened_list([said for said, _ in empty], '; ')}",
            "digitalmodel leaves a column empty where it finds no such object or variable: check the names",
            files=concerned,
            details=tuple(said for said, _ in empty),
        )
    if missing:
        concerned = _in_order(stand, missing)
        yield batch.notice(
            Silent.MISSING,
            f"Rows of {len(concerned)} of {format_count(len(stand), 'file')} miss values, in "
            f"{format_count(len(missing), 'column')}: {shortened_list([said for said, _ in missing], '; ')}",
            "These files lack the object or the variable, or have no number there: check them",
            files=concerned,
            details=tuple(said for said, _ in missing),
        )


def _column_of(gap: Gap) -> Gap:
    """The gap without its counts: the same for all files that lack all, or some, of the column."""
    return replace(gap, missing=1, rows=1 if gap.whole else 2)


def _in_order(stand: Sequence[FileOutcome], said: Sequence[tuple[str, list[Path]]]) -> tuple[Path, ...]:
    concerned = {file for _, files in said for file in files}
    return tuple(outcome.file for outcome in stand if outcome.file in concerned)


def _key(gap: Gap) -> tuple[str, str, str]:
    return gap.output, gap.group, gap.column


def _asked_for(cfg: Mapping[str, Any]) -> dict[tuple[str, str, str], str]:
    """What each column asks for, in words: label, object and variable."""
    asked = {}
    for output, settings in SETTINGS_OF.items():
        for group in (cfg.get(settings) or {}).get("groups") or ():
            for column in group.get("Columns") or ():
                label = str(column.get("Label"))
                what = [str(column[key]) for key in ("ObjectName", "Variable") if column.get(key)]
                asked[output, str(group.get("Label")), label] = f"{label} ({', '.join(what)})" if what else label
    return asked


def overwritten(batch: Subject) -> Iterator[Notice]:
    """Columns and tables that a later one of the same label replaces."""
    details = [detail for output in SETTINGS_OF if _asks(batch.cfg, output) for detail in _replaced(batch.cfg, output)]
    if details:
        yield batch.notice(
            Silent.OVERWRITTEN,
            f"{format_count(len(details), 'label')} {'names' if len(details) == 1 else 'name'} two things, of which "
            f"digitalmodel keeps the last: {shortened_list(details, '; ')}",
            "Give every column of a group, and every group, a label of its own",
            details=tuple(details),
        )


def _asks(cfg: Mapping[str, Any], output: str) -> bool:
    return writes_series(cfg) if output == "time_series" else flagged(cfg, output)


def _replaced(cfg: Mapping[str, Any], output: str) -> Iterator[str]:
    groups = (cfg.get(SETTINGS_OF[output]) or {}).get("groups") or ()
    for label in _twice(group.get("Label") for group in groups):
        yield f"{WORDS[output]} {label}: the whole table"
    if output == "linked_statistics":
        return  # a label is a row's there, and two rows stand beside each other
    for group in groups:
        own = [column.get("Label") for column in group.get("Columns") or ()]
        for label in _twice((*OWN_COLUMNS[output], *own)):
            yield f"{WORDS[output]} {group.get('Label')}: {label}"


def _twice(names: Iterable[Any]) -> list[str]:
    counted = Counter(str(name) for name in names if name is not None)
    return [name for name, count in counted.items() if count > 1]
