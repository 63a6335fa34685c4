"""What was found about a configuration, and how it is said.

A finding is a plain value: whoever finds makes it without knowing of files and lines, whoever has the YAML places it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orcabatch.digitalmodel.check.lines import YamlLines

Path = tuple[str | int, ...]
"""Where something stands: keys and positions in lists, from the top."""
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One thing about a configuration that the engineer should know before it computes.

    Attributes:
        path: where it stands.
        place: that in words, such as `summary group 'dyn', column 'l1_min'`; empty at the top.
        problem: what is wrong and what it leads to, without the place.
        nearest: the right word that looks most like the wrong one; empty where none does.
        proven: the YAML alone proves that every file fails, a column or table is lost, or a key is not read that is
            nearly one. Else it may be meant.
        origin: the YAML and line, as far as known.
        more: how many more places have the same.
    """

    path: Path
    place: str
    problem: str
    nearest: str = ""
    proven: bool = False
    origin: str = ""
    more: int = 0

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.origin, self.place) if part)
        more = f" (and {self.more} more)" if self.more else ""
        hint = f" Did you mean {self.nearest}?" if self.nearest else ""
        return f"{where}{more}: {self.problem}.{hint}"


def placed(findings: Iterable[CheckFinding], lines: YamlLines) -> tuple[CheckFinding, ...]:
    """The findings with their lines, in the order of the YAML; equal ones told once, with how many more there are."""
    first: dict[tuple[str, str, bool], CheckFinding] = {}
    for finding in sorted(findings, key=lambda one: lines.place(one.path)):
        alike = (finding.problem, finding.nearest, finding.proven)
        known = first.get(alike)
        first[alike] = (
            replace(finding, origin=lines.origin(finding.path))
            if known is None
            else replace(known, more=known.more + 1)
        )
    return tuple(first.values())


def proven(findings: Sequence[CheckFinding]) -> tuple[CheckFinding, ...]:
    """Those for which `check: strict` lets nothing run."""
    return tuple(finding for finding in findings if finding.proven)


def dotted(path: Path, item: Callable[[int], str] = "[{}]".format) -> str:
    """The path as people write it: `file_management.filename`, `summary_settings.groups[0]`."""
    return "".join(item(part) if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def shown(value: Any) -> str:
    """A value of the YAML in a message."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
