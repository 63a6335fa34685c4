"""What `orcabatch doctor` finds, and how it is shown; what it looks at: `checks_machine`, `checks_software`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

WIDTH = 110


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; a batch runs all the same."""
    MEND = "mend"
    """A batch cannot run, or not on these files, before this is mended."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        topic: what was looked at: host, OrcaFlex, digitalmodel, disks, ledger.
        said: what was found.
        level: how much it matters.
        remedy: what to do; empty where there is nothing to do.
    """

    topic: str
    said: str
    level: Level = Level.OK
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        """For a program."""
        return {"topic": self.topic, "level": str(self.level), "said": self.said, "remedy": self.remedy}


def shown(checks: Iterable[Check]) -> str:
    """All findings by topic, and in the last line what is to be mended."""
    checks = tuple(checks)
    lines: list[str] = []
    for topic, group in groupby(checks, key=lambda check: check.topic):
        lines += [topic, *(line for check in group for line in _lines(check))]
    return "\n".join([*lines, "", _conclusion(checks)])


def _conclusion(checks: Sequence[Check]) -> str:
    """Whether a batch can run."""
    count = sum(check.level is Level.MEND for check in checks)
    if not count:
        return "Nothing has to be mended."
    return f"{count} {'thing has' if count == 1 else 'things have'} to be mended before a batch can run: see `mend`."


def _lines(check: Check) -> list[str]:
    text = check.said if not check.remedy else f"{check.said}\n-> {check.remedy}"
    wrapped = [
        line
        for part in text.splitlines()
        for line in textwrap.wrap(part, WIDTH - 8, break_long_words=False, break_on_hyphens=False)
    ]
    first, *rest = wrapped or [""]
    return [f"  {check.level:5} {first}", *(f"        {line}" for line in rest)]
