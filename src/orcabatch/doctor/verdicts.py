"""Verdicts that are kept: by host, DLL, binding and our version, in a small file of the user's state folder.

What a run reads of them is which assumptions do not hold, and figures of theirs; what cannot be read is no verdict.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.doctor.assumptions import BY_NAME, Verdict
from orcabatch.errors import OutputError
from orcabatch.store.atomic import remove, write_bytes
from orcabatch.store.ledger.location import state_folder
from orcabatch.versions import installed_version
from orcabatch.win32 import is_there

if TYPE_CHECKING:
    from orcabatch.doctor.examination import Found
    from orcabatch.orcaflex.binding import Binding

FILE_NAME = "doctor.json"


@dataclass(frozen=True, slots=True)
class BrokenAssumption:
    """An assumption that did not hold when it was asked.

    Attributes:
        name: of the assumption.
        at: day of the examination, as YYYY-MM-DD.
        figures: what was measured.
    """

    name: str
    at: str
    figures: Mapping[str, Any] = field(default_factory=dict)


def verdicts_file() -> Path:
    """Where they are, or would be."""
    return state_folder() / FILE_NAME


def are_kept() -> bool:
    """Whether there may be any."""
    try:
        return is_there(verdicts_file())
    except OSError:
        return False


def keep_verdicts(binding: Binding, found: Iterable[Found]) -> None:
    """Remember what was told, instead of what was told of this host and DLL before; what was not asked stays.

    Raises:
        OutputError: they cannot be kept.
    """
    known = _read()
    entry = known.setdefault(_key(binding), {})
    for each in found:
        if each.verdict is not Verdict.UNTOLD:
            figures = {name: value for name, value in each.figures.items() if isinstance(value, int | float)}
            entry[each.name] = {"holds": each.verdict is Verdict.HOLDS, "at": _today(), "figures": figures}
    try:
        target = verdicts_file()
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"What was found out cannot be kept for the next runs: {error.strerror or error}.") from error
    write_bytes(target, json.dumps(known, indent=1).encode())


def broken_assumptions(binding: Binding) -> tuple[BrokenAssumption, ...]:
    """Those that do not hold here, as far as they were asked."""
    entry = _read().get(_key(binding), {})
    return tuple(
        BrokenAssumption(name, str(said.get("at", "")), said.get("figures", {}))
        for name, said in entry.items()
        if name in BY_NAME and said.get("holds") is False
    )


def forget_verdicts() -> bool:
    """Forget all of them, of every DLL; whether there were any.

    Raises:
        OutputError: their file cannot be removed.
    """
    there = are_kept()
    if there:
        remove(verdicts_file())
    return there


def _key(binding: Binding) -> str:
    parts = (
        socket.gethostname(),
        str(binding.kind),
        binding.dll_version,
        binding.version,
        installed_version("orcabatch"),
    )
    return " / ".join(parts)


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def _read() -> dict[str, Any]:
    try:
        known = json.loads(verdicts_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    good = isinstance(known, dict) and all(isinstance(entry, dict) for entry in known.values())
    return known if good and all(isinstance(said, dict) for entry in known.values() for said in entry.values()) else {}
