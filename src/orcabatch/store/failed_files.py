"""The table of files without results that a batch leaves beside its outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orcabatch.errors import OutputError
from orcabatch.store.atomic import remove, write_bytes
from orcabatch.text import csv_row, utf8

if TYPE_CHECKING:
    from orcabatch.outcome import FileOutcome

SUFFIX = "_failed_files.csv"
COLUMNS = ("fe_filename", "status", "cause", "phase", "reason")


def save_failed_files(target: Path, outcomes: Sequence[FileOutcome], warn: Callable[[str], None]) -> tuple[Path, ...]:
    """Write which files failed and why; where none did, take away what an earlier run wrote.

    It is no result: who has last run's list open in Excel loses nothing else.

    Args:
        target: the list.
        outcomes: of all files.
        warn: told where it cannot be written, or taken away.

    Returns:
        what was written.
    """
    try:
        return _saved(target, [outcome for outcome in outcomes if not outcome.ok])
    except OutputError as error:
        warn(f"{error} The list that stands there is an earlier run's; the results are not affected.")
        return ()


def _saved(target: Path, failed: Sequence[FileOutcome]) -> tuple[Path, ...]:
    if not failed:
        remove(target)
        return ()
    rows: list[Sequence[str]] = [COLUMNS]
    for outcome in failed:
        cause, phase = outcome.cause, outcome.failed_phase
        rows.append([outcome.file.as_posix(), outcome.status, cause or "", phase or "", outcome.error or ""])
    write_bytes(target, utf8("".join(csv_row(row, "\n") for row in rows)))
    return (target,)
