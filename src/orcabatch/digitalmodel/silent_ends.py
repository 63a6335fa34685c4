"""Time series that end where another file's simulation does: digitalmodel's serial loop does it without a word. Pure.

An open period is closed once, with the planned end of the first file that stands in the output, for all files. See also
`orcabatch.digitalmodel.serial_order` (how), `orcabatch.digitalmodel.notices` (when it is said).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orcabatch.notice import Notice, Silent
from orcabatch.settings import format_count

if TYPE_CHECKING:
    from orcabatch.digitalmodel.silent import Subject
    from orcabatch.outcome import FileOutcome

WAY_OUT = "With `consistency: per_file` each file's series end where its own simulation does"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a simulation goes.

    Attributes:
        file: whose.
        stop_time: its planned end, in seconds of simulation time.
        simulated_to: where it really ended; None: not known.
    """

    file: Path
    stop_time: float
    simulated_to: float | None = None

    @classmethod
    def of(cls, outcome: FileOutcome) -> Reach:
        """That of a file with results."""
        return cls(outcome.file, outcome.value.stop_time, outcome.value.simulated_to)

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
    longer = [reach for reach in known.values() if reach.end > known[0].stop_time]
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
    if batch.consistency != "serial" or not batch.needs.stop_time or not stand:
        return
    longer = [reach for reach in stand if reach.end > stand[0].stop_time]
    if longer:
        yield _cut_notice(batch, stand[0], longer, "end{}")


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
    for what in _differing(batch, stand) if batch.consistency == "serial" else ():
        yield batch.notice(
            Silent.FIRST_DECIDES,
            f"The files differ in {what}, and digitalmodel lets the first one decide for all when it runs serially: "
            "`consistency: serial` was used",
            "`consistency: per_file` gives other results",
            files=tuple(reach.file for reach in stand[1:]),
        )


def differences(batch: Subject, stand: Sequence[Reach]) -> tuple[str, ...]:
    """Where a serial run would have given other results than this one, file by file, did: that is no silent doing."""
    return tuple(
        f"the files differ in {what}, and digitalmodel lets the first one decide for all when it runs serially: "
        "`consistency: per_file` was used; `consistency: serial` gives other results"
        for what in (_differing(batch, stand) if batch.consistency == "per_file" else ())
    )


def _differing(batch: Subject, stand: Sequence[Reach]) -> Iterator[str]:
    stops = sorted({reach.stop_time for reach in stand})
    if batch.needs.stop_time and len(stops) > 1 and not list(cut(batch, stand)):
        yield f"stop times ({stops[0]:g} to {stops[-1]:g} s)"
    if batch.needs.selects and len(stand) > 1:
        yield "the current that only the first file selects"
