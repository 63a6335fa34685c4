"""What digitalmodel does without a word, each kind as one notice, however many files and columns it concerns. Pure.

Covers time series that end where another file's simulation does (an open period is closed once, with the planned end
of the first file that stands in the output, for all files), columns that hold nothing, rows that miss values, labels
and files that two things share, and simulations that did not reach their end. Does not cover why a cell is empty: the
names may be wrong, or the file may lack the object. See also `orcabatch.digitalmodel.serial_order` (how the first file
decides), `orcabatch.digitalmodel.missing` (where the cells are looked at), `orcabatch.digitalmodel.notices` (when it is
said).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.check.vocabulary import OWN_COLUMNS
from orcabatch.digitalmodel.outputs import (
    SETTINGS_OF,
    WORDS,
    group_labels,
    groups,
    is_asked,
    said_of,
    table_stems,
)
from orcabatch.notice import Notice, Silent
from orcabatch.orcaflex.incomplete import partial_notices
from orcabatch.settings import format_count
from orcabatch.store.paths import name_of
from orcabatch.text import shortened_list

if TYPE_CHECKING:
    from orcabatch.digitalmodel.missing import Gap
    from orcabatch.digitalmodel.postprocess import FileResult
    from orcabatch.digitalmodel.serial_order import Needs
    from orcabatch.outcome import FileOutcome

WAY_OUT = "With `consistency: per_file` each file's series end where its own simulation does"


@dataclass(frozen=True, slots=True)
class Subject:
    """What of a batch decides what it does without a word.

    Attributes:
        name: the batch's name.
        cfg: its configuration; before a run its masters may not be merged yet.
        needs: what the files of a serial run over it depend on.
        consistency: the one that is used, serial or per_file.
        files: in input order.
    """

    name: str
    cfg: Mapping[str, Any]
    needs: Needs
    consistency: str
    files: tuple[Path, ...]

    def notice(self, kind: Silent, text: str, remedy: str, **more: Any) -> Notice:
        """A notice about this batch."""
        return Notice(kind, self.name, text, remedy, **more)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a simulation goes.

    Attributes:
        file: whose.
        stop_time: its planned end, in seconds of simulation time.
        simulated_to: where it really ended; None: not known.
        shows_active: whether it was loaded showing its active current; None: not known.
    """

    file: Path
    stop_time: float
    simulated_to: float | None = None
    shows_active: bool | None = None

    @classmethod
    def of(cls, outcome: FileOutcome) -> Reach:
        """That of a file with results."""
        value = outcome.value
        return cls(outcome.file, value.stop_time, value.simulated_to, value.shows_active)

    @property
    def end(self) -> float:
        """Up to where it has results, as far as is known."""
        return self.stop_time if self.simulated_to is None else min(self.stop_time, self.simulated_to)


def will_be_cut(batch: Subject, known: Mapping[int, Reach]) -> Iterator[Notice]:
    """Whose series will be cut, as far as ends are known (by position in the list, in order)."""
    if batch.consistency != "serial" or not batch.needs.stop_time or len(batch.files) < 2:
        return
    first = batch.files[0]
    if 0 not in known:
        yield batch.notice(
            Silent.CUT,
            f"Time series with an open end will end in all {len(batch.files)} files where the simulation of the first "
            f"one, {first.name}, is to stop: digitalmodel takes its stop time for all. Where that is, and whom it "
            "cuts, is known once they are loaded",
            WAY_OUT,
        )
        return
    longer = _longer(batch, known[0], known.values())
    if longer:
        unknown = len(batch.files) - len(known)
        more = (
            f"; {format_count(unknown, 'file')} of the list {'is' if unknown == 1 else 'are'} not known yet"
            if unknown
            else ""
        )
        yield _cut_notice(batch, known[0], longer, f"will end{{}}{more}")


def cut(batch: Subject, stand: Sequence[Reach]) -> Iterator[Notice]:
    """Whose series were cut, of the files that stand."""
    longer = _longer(batch, stand[0], stand) if batch.consistency == "serial" and stand else []
    if longer:
        yield _cut_notice(batch, stand[0], longer, "end{}")


def _longer(batch: Subject, first: Reach, reaches: Iterable[Reach]) -> list[Reach]:
    """Those whose series a serial run ends before their simulation does: a shorter one's end where it does anyway."""
    return [reach for reach in reaches if reach.end > first.stop_time] if batch.needs.stop_time else []


def _cut_notice(batch: Subject, first: Reach, longer: Sequence[Reach], said: str) -> Notice:
    ends = sorted(reach.end for reach in longer)
    theirs = f"{ends[0]:g} s" if ends[0] == ends[-1] else f"{ends[0]:g} to {ends[-1]:g} s"
    where = f" at {first.stop_time:g} s, before their simulation does ({theirs})"
    return batch.notice(
        Silent.CUT,
        f"Time series of {len(longer)} of {format_count(len(batch.files), 'file')} {said.format(where)}: digitalmodel "
        f"ends open periods of all files where the simulation of the first one, {first.file.name}, is to stop",
        WAY_OUT,
        files=tuple(reach.file for reach in longer),
        details=tuple(f"{reach.file.name}: {reach.end:g} s" for reach in longer),
    )


def first_decides(batch: Subject, stand: Sequence[Reach]) -> Iterator[Notice]:
    """What else the first file decided for all others of a serial run; what is cut is said already."""
    for found in _differing(batch, stand) if batch.consistency == "serial" else ():
        yield batch.notice(
            Silent.FIRST_DECIDES,
            f"{found.what[:1].upper()}{found.what[1:]}: `consistency: serial` was used",
            f"`consistency: per_file` {found.gives}",
            files=found.files,
        )


def differences(batch: Subject, stand: Sequence[Reach]) -> tuple[str, ...]:
    """Where a serial run would have given other results than this one, file by file, did: that is no silent doing."""
    if batch.consistency != "per_file" or not stand:
        return ()
    return tuple(
        f"{found.what}: `consistency: per_file` was used; `consistency: serial` {found.gives}"
        for found in (*_series_that_go_on(batch, stand), *_differing(batch, stand))
    )


@dataclass(frozen=True, slots=True)
class _Difference:
    """Something by which a serial run and one file by file give different results: what, for whom, how surely."""

    what: str
    files: tuple[Path, ...]
    gives: str = "gives other results"


def _series_that_go_on(batch: Subject, stand: Sequence[Reach]) -> Iterator[_Difference]:
    first, longer = stand[0], _longer(batch, stand[0], stand)
    if longer:
        what = (
            f"time series of {len(longer)} of {format_count(len(stand), 'file')} go on after {first.stop_time:g} s, "
            f"where the simulation of the first one, {first.file.name}, is to stop"
        )
        yield _Difference(what, tuple(reach.file for reach in longer), "ends them there")


def _differing(batch: Subject, stand: Sequence[Reach]) -> Iterator[_Difference]:
    # Whatever the first file shows, both ways read its active current; the others only differ where they show another.
    others = [reach for reach in stand[1:] if not reach.shows_active] if batch.needs.selects else []
    if others:
        sure = any(reach.shows_active is False for reach in others)
        of, show = format_count(len(stand), "file"), "shows" if len(others) == 1 else "show"
        what = (
            f"{len(others)} of {of} {show if sure else 'may show'} another current than the active one, and "
            f"digitalmodel selects the active one only in the first file, {stand[0].file.name}, when it runs serially"
        )
        gives = "gives other results where these currents differ" if sure else "may give other results"
        yield _Difference(what, tuple(reach.file for reach in others), gives)


def lacking(batch: Subject, stand: Sequence[FileOutcome]) -> Iterator[Notice]:
    """What the results of the files that stand hold, or rather lack."""
    yield from _partial(batch, stand)
    yield from _gaps(batch, stand)


def _partial(batch: Subject, stand: Sequence[FileOutcome]) -> tuple[Notice, ...]:
    values = [(outcome.file, outcome.value) for outcome in stand if not outcome.value.complete]
    partial = [(file, f"{value.run_status}{_reached(value)}") for file, value in values]
    return partial_notices(batch.name, partial, len(stand))


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
            "digitalmodel leaves a column empty where it finds no such object or variable, or OrcaFlex refuses the "
            "result (not logged, outside the simulated time): the warnings of the files say which",
            files=concerned,
            details=tuple(said for said, _ in empty),
        )
    if missing:
        concerned = _in_order(stand, missing)
        yield batch.notice(
            Silent.MISSING,
            f"Rows of {len(concerned)} of {format_count(len(stand), 'file')} miss values, in "
            f"{format_count(len(missing), 'column')}: {shortened_list([said for said, _ in missing], '; ')}",
            "These files lack the object, the variable or its log, or have no number there: see their warnings too",
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
        for group in groups(cfg, settings):
            for column in group.get("Columns") or ():
                asked[output, str(group.get("Label")), str(column.get("Label"))] = said_of(column)
    return asked


def overwritten(batch: Subject) -> Iterator[Notice]:
    """Columns and tables that a later one of the same label replaces."""
    columns = [each for output in SETTINGS_OF if is_asked(batch.cfg, output) for each in _columns(batch.cfg, output)]
    details = [*dict.fromkeys(_tables(batch)), *columns]
    if details:
        yield batch.notice(
            Silent.OVERWRITTEN,
            f"{format_count(len(details), 'label')} {'names' if len(details) == 1 else 'name'} two things, of which "
            f"digitalmodel keeps the last: {shortened_list(details, '; ')}",
            "Give every column of a group, and every group, a label of its own",
            details=tuple(details),
        )


def _tables(batch: Subject) -> Iterator[str]:
    """Those in whose place another is written: by their files, which may be one for different labels."""
    owners = dict[str, str]()
    for output, stems in table_stems(batch.cfg, [file.stem for file in dict.fromkeys(batch.files)]).items():
        labels = group_labels(batch.cfg, output) if is_asked(batch.cfg, output) else ()
        for name, label in ((f"{stem}_{label}.csv", label) for stem in stems for label in labels):
            table, place = f"{WORDS[output]} {label}", name_of(os.path.normpath(name))
            before = owners.get(place)
            if before is not None:
                by = "" if before == table else f", by {table}, as both are {name}"
                yield f"{before}: the whole table{by}"
            owners[place] = table


def _columns(cfg: Mapping[str, Any], output: str) -> Iterator[str]:
    if output == "linked_statistics":
        return  # a label is a row's there, and two rows stand beside each other
    for group in groups(cfg, SETTINGS_OF[output]):
        own = [column.get("Label") for column in group.get("Columns") or ()]
        for label in _twice((*OWN_COLUMNS[output], *own)):
            yield f"{WORDS[output]} {group.get('Label')}: {label}"


def _twice(names: Iterable[Any]) -> list[str]:
    counted = Counter(str(name) for name in names if name is not None)
    return [name for name, count in counted.items() if count > 1]
