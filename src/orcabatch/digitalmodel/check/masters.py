"""Groups that stand beside another master group than the one of their Label: digitalmodel merges by position alone.

What a group's columns do not say themselves comes from the master group at the same place, whatever its Label. Looked
at only where both sides have a Label and these disagree, and said only where something is taken from that master.
Never proven: the master's Label is overwritten, so a YAML may well be meant with other words there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orcabatch.digitalmodel.check.finding import CheckFinding, shown
from orcabatch.text import shortened_list


def other_masters(cfg: Mapping[str, Any], section: str) -> Iterator[CheckFinding]:
    """Groups of `section`, whose shape is right, that take from a master group of another Label."""
    groups: Sequence[Mapping[str, Any]] = (cfg.get(section) or {}).get("groups") or []
    masters: Sequence[Any] = (cfg.get(f"{section}_master") or {}).get("groups") or []
    labels = [master.get("Label") if isinstance(master, Mapping) else None for master in masters]
    places = {label: i for i, label in enumerate(labels) if isinstance(label, str)}
    for i, (group, master) in enumerate(zip(groups, masters, strict=False)):
        own, other = group.get("Label"), labels[i]
        if not isinstance(own, str) or not isinstance(other, str) or own == other:
            continue
        taken = _given(master, group)
        namesake = masters[places[own]] if own in places else None
        if namesake is not None:
            meant = _given(namesake, group)
            taken = {key: value for key, value in taken.items() if key not in meant or meant[key] != value}
            missed = [key for key in meant if key not in _given(master, group)]
        else:
            missed = []
        if taken or missed:
            problem = _problem(i, other, taken, missed, places.get(own))
            yield CheckFinding((section, "groups", i, "Label"), f"{section}, group {shown(own)}", problem)


def _given(master: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """What a master group would give to the columns of a group: all that one of them does not say itself."""
    inherited = master.get("Columns")
    if not isinstance(inherited, list) or not inherited or not isinstance(inherited[0], Mapping):
        return {}
    if "Columns" not in group:
        return {"Columns": inherited}
    return {key: value for key, value in inherited[0].items() if any(key not in column for column in group["Columns"])}


def _problem(i: int, other: str, taken: Mapping[str, Any], missed: Sequence[str], namesake: int | None) -> str:
    said = f"stands in place {i + 1}, where the master has the group {shown(other)}"
    gives = [f"{key}: {shown(value)}" for key, value in taken.items()]
    said += f", and takes {shortened_list(gives, most=6)} from that" if gives else ""
    if namesake is None:
        return f"{said}. digitalmodel merges by place, not by Label: see that this master group is meant"
    said += f", not from the master group of its own Label in place {namesake + 1}"
    said += f", which would give {shortened_list(list(missed), most=6)} as well" if missed else ""
    return f"{said}. digitalmodel merges by place, not by Label: put both in the same order"
