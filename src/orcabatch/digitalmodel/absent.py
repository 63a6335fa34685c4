"""Which objects, variables and data a configuration asks for that a loaded model lacks, with the nearest names it has.

Found out once digitalmodel has stumbled over one, or left a column empty, so it costs nothing where all is well. Where
it stumbles, it ends in words that name neither the object nor the column; these are said in their place. A column that
stays empty is said beside the file's results. Nothing here ends a batch: a first file may be broken, or another one.
Does not cover columns that are empty for other reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.check.vocabulary import DATA, SETTINGS_OF
from orcabatch.digitalmodel.serial_order import flagged, writes_series
from orcabatch.errors import DigitalModelError
from orcabatch.orcaflex.binding import find_binding
from orcabatch.settings.nearest import alike_names
from orcabatch.text import shortened_list

if TYPE_CHECKING:
    from orcabatch.digitalmodel.gaps import Gap

NAMED = 5
STUMBLES = (AttributeError, TypeError, KeyError, ValueError)
"""What digitalmodel 0.0.9 ends in where it got no object, or a time series without values."""

Place = tuple[str, str, str]
"""Output, label of the group, label of the column."""


@dataclass(slots=True)
class Absence:
    """Something that is asked for and not there.

    Attributes:
        what: as it begins a sentence: `object 'Line05'`.
        nearest: names of its kind that the model has, the most alike first.
        columns: labels of the columns that ask for it.
    """

    what: str
    nearest: list[str]
    columns: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        asking = list(dict.fromkeys(self.columns))
        more = ", ..." if len(asking) > NAMED else ""
        near = f"; the nearest there: {', '.join(map(repr, self.nearest))}" if self.nearest else ""
        return f"{self.what} (asked for by {', '.join(asking[:NAMED])}{more}){near}"


@contextmanager
def absence_named(cfg: Mapping[str, Any], model: Any) -> Iterator[None]:
    """Where digitalmodel stumbles because something is missing in this model, say what.

    Raises:
        DigitalModelError: naming what is missing and the columns that ask for it.
    """
    try:
        yield
    except (*STUMBLES, _dll_error()) as error:
        missing = absences(cfg, model)
        if not missing:
            raise
        said = "" if isinstance(error, STUMBLES) else f" OrcFxAPI said: {' '.join(str(error).split())}"
        raise DigitalModelError(
            f"the model has no {_listed(missing)}. Correct the YAML, or take the file out of the batch.{said}"
        ) from error


def empty_columns_named(cfg: Mapping[str, Any], model: Any, gaps: Collection[Gap]) -> tuple[str, ...]:
    """What is missing in the model, for each column that holds nothing; one sentence each."""
    empty = {(gap.output, gap.group, gap.column) for gap in gaps if gap.whole}
    if not empty or not find_binding().is_genuine:
        return ()
    return tuple(f"the model has no {absence}" for absence in absences(cfg, model, empty))


def absences(cfg: Mapping[str, Any], model: Any, places: Collection[Place] | None = None) -> list[Absence]:
    """What is asked for and not there; nothing where the model does not tell.

    Args:
        cfg: the configuration, masters merged.
        model: the loaded model.
        places: the columns to look at; None: all of them.
    """
    there = _asked(lambda: [str(item.name) for item in model.objects])
    if there is None:
        return []
    names = {name.casefold(): name for name in there}
    known: dict[str, list[str] | None] = {}
    found: dict[str, Absence] = {}
    for place, column in _columns(cfg):
        name = column.get("ObjectName")
        if not isinstance(name, str) or (places is not None and place not in places):
            continue
        if name.casefold() not in names:
            missing = [Absence(f"object {name!r}", alike_names(name, there))]
        else:
            missing = list(_unknown(model, names[name.casefold()], column, known))
        for absence in missing:
            found.setdefault(absence.what, absence).columns.append(place[-1])
    return list(found.values())


def _unknown(model: Any, name: str, column: Mapping[str, Any], known: dict[str, list[str] | None]) -> Iterator[Absence]:
    """The variables or data of one column that its object does not have."""
    asked = column.get("Variable")
    if column.get("Command") in DATA:
        data = asked[0] if isinstance(asked, list) and asked else None
        if isinstance(data, str) and _asked(lambda: model[name].DataNameValid(data)) is False:
            yield Absence(f"data {data!r} of {name}", [])
        return
    if name not in known:
        known[name] = _asked(lambda: _variables(model[name]))
    there = known[name]
    for variable in [asked] if isinstance(asked, str) else asked if isinstance(asked, list) else ():
        if there and isinstance(variable, str) and variable.casefold() not in {one.casefold() for one in there}:
            yield Absence(f"variable {variable!r} of {name}", alike_names(variable, there))


def _variables(item: Any) -> list[str]:
    """All results that an object has, of a line those of its ends too."""
    api = find_binding().module
    extra = api.oeEndA if item.type == api.ObjectType.Line else None
    kinds = (api.ResultType.TimeHistory, api.ResultType.RangeGraph)
    details = [detail for kind in kinds for detail in item.varDetails(kind, extra)]
    return list(dict.fromkeys(str(name) for detail in details for name in (detail.VarName, detail.FullName)))


def _asked(question: Callable[[], Any]) -> Any:
    """The model's answer; None where it has none.

    Whatever fails here (on Windows a DLL that breaks is an OSError), the file's own results or failure are what counts.
    """
    try:
        return question()
    except Exception:  # noqa: BLE001 - a foreign model is asked for the sake of a message
        return None


def _dll_error() -> type[BaseException]:
    """What OrcFxAPI raises; where a test's own module has no such class, nothing that is ever raised."""
    found = getattr(find_binding().module, "DLLError", None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else _NeverRaised


class _NeverRaised(Exception):  # noqa: N818 - it is none
    """Stands where an OrcFxAPI of a test's own has no error class."""


def _columns(cfg: Mapping[str, Any]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    for output, section in SETTINGS_OF.items():
        on = writes_series(cfg) if output == "time_series" else flagged(cfg, output)
        for group in ((cfg.get(section) or {}).get("groups") or ()) if on else ():
            for column in group.get("Columns") or ():
                yield (output, str(group.get("Label")), str(column.get("Label"))), column


def _listed(missing: list[Absence]) -> str:
    return shortened_list(list(map(str, missing)), ", no ", NAMED)
