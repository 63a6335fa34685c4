"""From the results of single files to digitalmodel's summaries, with digitalmodel's own folds and writers.

    FileResults in input order ── pairwise concat ──> one frame per group ── save ──> CSV, whole or not at all

The fold keeps digitalmodel's order: two frames at a time, because that decides the columns' types and so the text; only
where there is nothing to decide, since all types are the same already, many are put together at once.
Failed files stand in `<file_name>_failed_files.csv` and, where it is asked for, as rows of the summaries, inserted as
text so that no other row changes. Does not write time series: each file wrote its own.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.csv_output import ToCsv, Writer, folder_named, frame_class, written_by
from orcabatch.digitalmodel.outputs import FILE, FILE_STEM
from orcabatch.errors import OutputError
from orcabatch.host.files import full_hash
from orcabatch.store.atomic import atomic_path, patiently, unwritable
from orcabatch.store.compare_tables import read_rows
from orcabatch.store.frames import below, kinds_of
from orcabatch.text import class_name, csv_row

if TYPE_CHECKING:
    from orcabatch.digitalmodel.installed import Installation
    from orcabatch.digitalmodel.mappings import AttributeDict
    from orcabatch.digitalmodel.postprocess import FileResult
    from orcabatch.outcome import FileOutcome

BLOCK_BYTES = 1_000_000
"""Larger pieces of text take more memory, smaller ones more calls; summaries are small, so it hardly matters."""


def save_summaries(
    installation: Installation, cfg: AttributeDict, outcomes: Sequence[FileOutcome], start: Path, *, failed_rows: bool
) -> dict[Path, str]:
    """Fold and save the summaries with digitalmodel's own functions; returns what was written, and its hash.

    Args:
        installation: the digitalmodel that folds.
        cfg: the configuration.
        outcomes: of all files.
        start: what the configuration's names are relative to (see `Writing`).
        failed_rows: whether files without results get a row.

    Raises:
        OutputError: a summary cannot be written, or digitalmodel cannot make it of these results.
    """
    fold = installation.summary.add_file_result_to_all_results
    together = _folded(fold, [_result(o).summary for o in outcomes if o.ok], by_runs=installation.tested)
    edit = _row_inserter(outcomes) if failed_rows else None
    written: dict[Path, str] = {}
    with written_by(_whole(written, edit, start)), _in_words("summaries", _DATES):
        installation.summary.save_summary(together, cfg)
    return written


def save_linked(
    installation: Installation, cfg: AttributeDict, outcomes: Sequence[FileOutcome], start: Path
) -> dict[Path, str]:
    """Fold and save the linked statistics with digitalmodel's own functions; its record replaces `cfg[basename]`.

    Args: as of `save_summaries`.

    Raises:
        OutputError: a table cannot be written, or digitalmodel cannot make it of these results.
    """
    fold = installation.linked.add_file_result_to_all_results
    together = _folded(fold, [_result(o).linked for o in outcomes if o.ok], by_runs=installation.tested)
    written: dict[Path, str] = {}
    with written_by(_whole(written, None, start)), _in_words("linked statistics", _LABELS):
        installation.linked.save_linked_statistics(together, cfg)
    return written


@contextmanager
def _in_words(tables: str, remedy: str) -> Iterator[None]:
    """Let digitalmodel's own errors over what it was given end its tables, not the other batches of the call."""
    try:
        yield
    except (TypeError, ValueError) as error:
        said = str(error).splitlines()[0] if str(error) else "no reason given"
        raise OutputError(
            f"digitalmodel cannot write its {tables} ({class_name(type(error))}: {said}). {remedy}"
        ) from error


_DATES = (
    "With statistics of the table it takes names that look like dates (20240101.sim, 0100.sim) for dates: rename such "
    "files, or switch the flags below `summary.statistics` off."
)

_LABELS = (
    "It always adds statistics of the table, and takes labels or names of files that are empty or look like dates for "
    "dates: give the columns of `linked_statistics_settings` other labels, or the files other names."
)


def _result(outcome: FileOutcome) -> FileResult:
    result: FileResult = outcome.value
    return result


def _folded(
    fold: Callable[[Any, Any], Any], parts: Sequence[Mapping[str, Any] | None], *, by_runs: bool
) -> dict[str, Any] | None:
    """One frame per group, as two frames at a time make it; None where there is nothing."""
    together, kinds, run = None, None, list[Mapping[str, Any]]()
    for part in parts:
        if part is None:
            continue
        # Not all at once: pandas decides types from what it is given together.
        if by_runs and kinds is not None and kinds == _kinds(part):
            run.append(part)
            continue
        together = fold(_below(together, run), part)
        kinds, run = _kinds(together) if by_runs and together else None, []
    together = _below(together, run)
    return together and {label: frame_class()(frame) for label, frame in together.items()}


def _kinds(part: Mapping[str, Any]) -> dict[str, Any]:
    """What of a file's frames decides what becomes of their types."""
    return {label: kinds_of(frame) for label, frame in part.items()}


def _below(together: dict[str, Any] | None, run: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The frames of further files below; of the kinds of those that there are."""
    return together and {label: below(frame, [part[label] for part in run]) for label, frame in together.items()}


def _whole(written: dict[Path, str], edit: Callable[[Path], None] | None, start: Path) -> Writer:
    """A writer whose tables appear under their name when they are complete."""

    def write(target: Path, _: Any, to_csv: ToCsv) -> None:
        target = start / target
        try:
            with folder_named(target), atomic_path(target) as temporary:
                to_csv(temporary, BLOCK_BYTES, True)
                if edit is not None:
                    edit(temporary)
                found = patiently(lambda: full_hash(temporary))
        except OSError as error:
            raise unwritable(target, error, ". Free or correct it.") from error
        written[target] = found

    return write


def _row_inserter(outcomes: Sequence[FileOutcome]) -> Callable[[Path], None]:
    """Puts a row for each failed file where it stands in the input; every other row keeps its bytes."""

    def insert(table: Path) -> None:
        with patiently(lambda: table.open(encoding="utf-8", newline="")) as text:
            rows = _records(text.read())
        header, body = rows[0], iter(rows[1:])
        columns = next(read_rows([header]))
        with patiently(lambda: table.open("w", encoding="utf-8", newline="")) as text:
            text.write(header)
            for outcome in outcomes:
                text.write(next(body) if outcome.ok else _failed_row(outcome, columns, header))
            text.writelines(body)

    return insert


def _records(text: str) -> list[str]:
    """The table's records with their line ends; a quoted field may hold line ends of its own."""
    records, begun, within_quotes = list[str](), "", False
    for line in io.StringIO(text, newline="\n"):  # other separators of lines may stand in a name, unquoted
        begun += line
        within_quotes ^= line.count('"') % 2 == 1
        if not within_quotes:
            records.append(begun)
            begun = ""
    return records


def _failed_row(outcome: FileOutcome, columns: Sequence[str], header: str) -> str:
    known = {
        FILE: str(outcome.file).replace("\\", "/"),
        FILE_STEM: outcome.file.stem,
        "run_status": f"{outcome.status}: {outcome.error or 'no reason known'}",
    }
    line_end = "\r\n" if header.endswith("\r\n") else "\n"
    return csv_row([known.get(column, "") for column in columns], line_end)
