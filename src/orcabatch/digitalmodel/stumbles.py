"""Why digitalmodel ended at a file, in the engineer's words: at which column, and what is wrong there.

digitalmodel goes from column to column without a word, and where one has no result it often ends in something else
(`Length of values (0) does not match length of index (601)`), its first error hidden behind that. The column stands in
the traceback's frames, the first error in the chain. Then, in this order: a name that the model does not have
(`orcabatch.digitalmodel.missing`), what OrcaFlex refused, a mistake in the column itself
(`orcabatch.digitalmodel.check`), or digitalmodel's own words with the column.

Costs nothing where all is well. Does not cover files that cannot be written or have no memory: these are no column's
fault, nor what OrcaFlex's errors mean (`orcabatch.orcaflex.failures`).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Never

from orcabatch.digitalmodel.check import check_configuration
from orcabatch.digitalmodel.missing import NAMED, Gap, Place, absences, answered, found_columns, listed
from orcabatch.digitalmodel.outputs import SETTINGS_OF, WORDS, groups, is_asked, said_of
from orcabatch.errors import DigitalModelError, OrcabatchError
from orcabatch.orcaflex.failures import refusal, status_of
from orcabatch.text import words_of

NO_COLUMNS_FAULT = (OrcabatchError, OSError, MemoryError)
"""Errors that say themselves what is wrong."""


@dataclass(frozen=True, slots=True)
class At:
    """The column that digitalmodel was at.

    Attributes:
        place: output, label of the group, label of the column.
        path: where it stands in the configuration.
        said: the place in words, with what is asked for there.
    """

    place: Place
    path: tuple[str | int, ...]
    said: str


@contextmanager
def stumbles_explained(cfg: Mapping[str, Any], own: Mapping[str, Any], model: Any) -> Iterator[None]:
    """Where digitalmodel ends with an error, say what it was about.

    Args:
        cfg: the configuration, masters merged.
        own: the copy of it that digitalmodel works with.
        model: the loaded model.

    Raises:
        DigitalModelError: naming what is missing, or what is wrong with the column.
        DLLError: what OrcaFlex refused, with the column that asked for it.
    """
    try:
        yield
    except NO_COLUMNS_FAULT:
        raise
    except Exception as error:  # noqa: BLE001 - foreign code may raise anything; it goes on, explained or as it is
        _explain(error, cfg, own, model)


def _explain(error: Exception, cfg: Mapping[str, Any], own: Mapping[str, Any], model: Any) -> Never:
    at = _column_at(error, own)
    if at is None or absences(cfg, model, {at.place}):
        missing = absences(cfg, model)
        if missing:
            said = "" if status_of(error) is None else f" OrcFxAPI said: {' '.join(str(error).split())}"
            raise DigitalModelError(
                f"the model has no {listed(missing)}.{said} (correct the YAML, or take the file out of the batch)"
            ) from error
    if at is None:
        raise error
    first = _first(error, own)
    if status_of(first) is not None:
        refused: Any = first
        raise type(refused)(refused.status, f"{refused.errorString.rstrip('. ')}; asked for by {at.said}") from error
    ended = f"digitalmodel ended in {words_of(first)}"
    mistakes = answered(lambda: _mistakes(cfg, at)) or ()
    if mistakes:
        raise DigitalModelError(f"{' '.join(mistakes)} Here {ended}. (correct the YAML)") from error
    raise DigitalModelError(f"{ended} at {at.said} (check this column in the YAML)") from error


def _column_at(error: BaseException, own: Mapping[str, Any]) -> At | None:
    """The column of this configuration that some frame of the traceback holds beside its group."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        held = {id(value) for value in frame.f_locals.values()}
        for output, section in SETTINGS_OF.items():
            for n, group in enumerate(groups(own, section) if is_asked(own, output) else ()):
                for m, column in enumerate(group.get("Columns") or () if id(group) in held else ()):
                    if id(column) in held:
                        place = (output, str(group.get("Label")), str(column.get("Label")))
                        said = f"{WORDS[output]} {place[1]}: {said_of(column)}"
                        return At(place, (section, "groups", n, "Columns", m), said)
    return None


def _first(error: BaseException, own: Mapping[str, Any]) -> BaseException:
    """The error that led to this one: digitalmodel goes on in its `except`, and stumbles again there.

    Of those that were being handled before it was called nothing follows: their frames hold no column.
    """
    while error.__context__ is not None and _column_at(error.__context__, own) is not None:
        error = error.__context__
    return error


def _mistakes(cfg: Mapping[str, Any], at: At) -> list[str]:
    """What the check says of this column."""
    found = check_configuration(cfg, is_merged=True)
    return [str(finding) for finding in found if finding.path[: len(at.path)] == at.path]


def empty_columns_explained(
    cfg: Mapping[str, Any], model: Any, gaps: Collection[Gap], ask: Callable[[dict[str, Any]], Any]
) -> tuple[str, ...]:
    """Why columns hold nothing, one sentence each: a name that the model does not have, or what OrcaFlex refuses.

    Args:
        cfg: the configuration, masters merged.
        model: the loaded model.
        gaps: those of the file's tables.
        ask: asks for a column's time history once more, as digitalmodel does.
    """
    empty = {(gap.output, gap.group, gap.column) for gap in gaps if gap.whole}
    missing = absences(cfg, model, empty) if empty else []
    named = {label for absence in missing for label in absence.columns}
    others = [column for place, column in found_columns(cfg) if place in empty and place[-1] not in named]
    refused = ((said_of(column), _refused(ask, column)) for column in others[:NAMED])
    return (
        *(f"the model has no {absence}" for absence in missing),
        *(f"{said} holds nothing: {why}" for said, why in refused if why),
    )


def _refused(ask: Callable[[dict[str, Any]], Any], column: Mapping[str, Any]) -> str:
    """What OrcaFlex refuses to a column, and what to do; empty where it answers, or somebody else refuses."""
    try:
        ask(deepcopy(dict(column)))
    except Exception as error:  # noqa: BLE001 - asked for the sake of a message: the file has its results
        return refusal(error)
    return ""
