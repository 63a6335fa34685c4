"""Keys that digitalmodel does not read, at every level, and keys that stand twice.

A key that is nearly one that decides something is a mistake; but one that is set aside beside the right one
(`Label_old`, `groups2`) is there on purpose, and so are keys that digitalmodel accepts and ignores. Sections of outputs
that are off are not looked at. Does not cover values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.check.effective import OWN, Column, Group
from orcabatch.digitalmodel.check.finding import CheckFinding, Path, dotted, shown
from orcabatch.digitalmodel.check.vocabulary import LEVELS, KeyLevel
from orcabatch.digitalmodel.outputs import SETTINGS_OF, flagged
from orcabatch.text import MISSPELT, letters, nearest

if TYPE_CHECKING:
    from orcabatch.digitalmodel.check.lines import YamlLines

_SLIP = 0.9
"""From here on a word is a slip in the right one, even if it ends or begins with another right one."""
_SHORT = 0.75
"""What one wrong letter leaves of a word of four; said, because another word may be as near."""
_MOST_LETTERS = 2
_MARK = re.compile(r"[^a-z]", re.IGNORECASE)


def key_faults(
    asked: Mapping[str, Any],
    cfg: Mapping[str, Any],
    groups: Mapping[str, tuple[Group, ...]],
    known: frozenset[str] = frozenset(),
) -> Iterator[CheckFinding]:
    """Keys that are not read.

    Args:
        asked: what the engineer wrote: the YAML and what the command line changes in it, without defaults.
        cfg: the whole configuration.
        groups: the groups of each settings section as computed, where that could be told.
        known: more words that the digitalmodel in use may read.
    """
    known_groups = {group.path: group for section in groups.values() for group in section}
    for path, level, section in _levels(asked, (), ""):
        if _is_off(path, cfg):
            continue
        for key in section:
            name = str(key)
            if name in level.read | level.idle or name in known:
                continue
            group = known_groups.get(path) or known_groups.get(path[:-2])
            column = group.columns[int(path[-1])] if group is not None and path != group.path else None
            found = _fault(name, dotted(path, lambda _: "[]"), section, column, cfg)
            if found is not None:
                place = group.place_of(column) if group and column else group.place if group else dotted(path)
                yield CheckFinding((*path, name), place, *found)


def twice_faults(lines: YamlLines, cfg: Mapping[str, Any]) -> Iterator[CheckFinding]:
    """Keys that stand twice in one section of the YAML."""
    for here in (lines, lines.below):
        for twice in here.twice if here is not None else ():
            path, key = twice.path[:-1], str(twice.path[-1])
            level = LEVELS.get(dotted(path, lambda _: "[]"))
            if level is None or key not in level.read or _is_off(twice.path, cfg):
                continue
            said = f"{key} stands twice here (first on line {twice.line}), and only the last one counts"
            yield CheckFinding(twice.path, dotted(path), said, proven=True)


def _levels(value: Any, path: Path, pattern: str) -> Iterator[tuple[Path, KeyLevel, Mapping[Any, Any]]]:
    """Every section of which the keys are known."""
    if isinstance(value, list):
        for position, item in enumerate(value):
            yield from _levels(item, (*path, position), f"{pattern}[]")
    elif isinstance(value, Mapping) and pattern in LEVELS:
        yield path, LEVELS[pattern], value
        for key, item in value.items():
            yield from _levels(item, (*path, str(key)), f"{pattern}.{key}" if pattern else str(key))


def _fault(
    key: str, pattern: str, section: Mapping[Any, Any], column: Column | None, cfg: Mapping[str, Any]
) -> tuple[str, str, bool] | None:
    """Problem, nearest and whether it is proven; None where the key may stand there."""
    level, said = LEVELS[pattern], f"digitalmodel does not read {key}"
    absent = [name for name in sorted(level.read) if name not in section]
    # `notcontains` beside `contains` is a slip in `not_contains`, and no `contains` put out of use.
    slip = nearest(key, absent, alike=_SLIP)
    right = slip or nearest(key, sorted(level.read) + sorted(level.idle), alike=MISSPELT)
    beside = () if slip else (name for name in level.read if name in section)
    if any(_is_set_aside(key, name) for name in beside) or _is_harmless(section.get(key), level):
        return None
    if not pattern and _is_off((right,), cfg):
        return None
    if right in level.read and not _is_set_aside(key, right):
        said += f"; {right} stands beside it and counts" if right in section else _instead(right, column)
        return said, right, right in absent and _is_as_long(key, right)
    return _doubt(key, pattern, right, absent)


def _doubt(key: str, pattern: str, right: str, absent: Sequence[str]) -> tuple[str, str, bool] | None:
    """What is only said of a key: it is no slip in one that decides something."""
    level, said = LEVELS[pattern], f"digitalmodel does not read {key}"
    home = _home(key, pattern)
    if home:
        return f"{said} here, only in {home}", "", False
    if level.closed and right not in level.idle:
        return said, nearest(key, sorted(level.read), begun=True), False
    if right in level.read:
        return f"{said}, and {right} stands nowhere", "", False
    near = "" if right else nearest(key, absent, alike=_SHORT)
    return (said, near, False) if near else None


def _is_as_long(key: str, right: str) -> bool:
    """Whether a slip can have made one of the other; `parameter_study` is no `parameters`."""
    return abs(len(letters(key)) - len(letters(right))) <= _MOST_LETTERS


def _home(key: str, pattern: str) -> str:
    """The section above or below this one that reads the key; at the top, where notes stand, only directly below."""
    for other, level in LEVELS.items():
        above = other == "" or pattern.startswith((f"{other}.", f"{other}["))
        below = other.startswith((f"{pattern}.", f"{pattern}[")) if pattern else "." not in other
        if key in level.read and other != pattern and (above or below):
            return other or "the top of the YAML"
    return ""


def _is_set_aside(key: str, right: str) -> bool:
    """Whether a key looks like the right one put out of use: `xLabel`, `Label_old`, `Label2`, and not `Labels`."""
    return key.endswith(right) or (key.startswith(right) and _MARK.match(key[len(right) :]) is not None)


def _is_harmless(value: Any, level: KeyLevel) -> bool:
    """An output under another name that is off would do nothing under the right one either."""
    outputs = LEVELS["orcaflex.postprocess"]
    return level is outputs and isinstance(value, Mapping) and "flag" in value and not value["flag"]


def _instead(right: str, column: Column | None) -> str:
    """What the column has in place of what was meant."""
    source = column.origins.get(right, OWN) if column is not None else OWN
    return f"; it takes {right}: {shown(column.values[right])} from {source}" if column and source else ""


def _is_off(path: Path, cfg: Mapping[str, Any]) -> bool:
    """Whether what stands there belongs to an output that is off."""
    top = str(path[0]) if path else ""
    return any(
        top in {section, f"{section}_master"} and not flagged(cfg, output) for output, section in SETTINGS_OF.items()
    )
