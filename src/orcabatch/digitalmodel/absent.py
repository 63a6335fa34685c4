"""Which objects a configuration asks for that a model does not have, found out once digitalmodel has stumbled over one.

digitalmodel goes on with nothing in its hands and ends in words that name neither the object nor the column. The model
is asked only then, so it costs nothing where all is well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orcabatch.digitalmodel.settle import columns, flagged, writes_series
from orcabatch.errors import DigitalModelError

NAMED = 5
STUMBLES = (AttributeError, TypeError, KeyError)
"""What digitalmodel 0.0.9 ends in where it got no object."""


@contextmanager
def absence_named(cfg: Mapping[str, Any], model: Any) -> Iterator[None]:
    """Where digitalmodel stumbles because objects are missing in this model, say which.

    Raises:
        DigitalModelError: naming the objects and the columns that ask for them.
    """
    try:
        yield
    except STUMBLES as error:
        missing = absent(cfg, model)
        if not missing:
            raise
        raise DigitalModelError(
            f"the model has no object {_listed(missing)}. Correct ObjectName in the YAML, or take the file out of the "
            "batch."
        ) from error


def absent(cfg: Mapping[str, Any], model: Any) -> dict[str, list[str]]:
    """Names of objects that are asked for and not there, each with the labels of the columns that ask."""
    asked: dict[str, list[str]] = {}
    for column in _columns(cfg):
        name = column.get("ObjectName")
        if isinstance(name, str):
            asked.setdefault(name, []).append(str(column.get("Label")))
    there = {str(item.name).casefold() for item in model.objects}
    return {name: labels for name, labels in asked.items() if name.casefold() not in there}


def _columns(cfg: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if flagged(cfg, "summary"):
        yield from columns(cfg, "summary_settings")
    if flagged(cfg, "linked_statistics"):
        yield from columns(cfg, "linked_statistics_settings")
    if writes_series(cfg):
        yield from columns(cfg, "time_series_settings")


def _labels(labels: list[str]) -> str:
    distinct = list(dict.fromkeys(labels))
    return ", ".join(distinct[:NAMED]) + (", ..." if len(distinct) > NAMED else "")


def _listed(missing: Mapping[str, list[str]]) -> str:
    shown = [f"{name!r} (asked for by {_labels(labels)})" for name, labels in list(missing.items())[:NAMED]]
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return ", ".join(shown) + more
