"""Equal failures together: two hundred files without the same object are one line, not two hundred.

Covers grouping outcomes by cause and by what their message says once the file's own name is taken out of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orcabatch.outcome import FileOutcome, Status

FILE = "<file>"

_NUMBER = re.compile(r"\b\d+(?:\.\d+)?\b")


def grouped(outcomes: Iterable[FileOutcome]) -> list[dict[str, Any]]:
    """One entry for each kind of failure, the most frequent first: cause, message, how many, files, first traceback."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for outcome in outcomes:
        if outcome.status not in {Status.FAILED, Status.CANCELLED}:
            continue
        message = general(outcome)
        cause = str(outcome.cause or outcome.status)
        group = groups.setdefault(
            (cause, _NUMBER.sub("0", message)),
            {"cause": cause, "message": message, "count": 0, "files": [], "traceback": outcome.traceback},
        )
        group["count"] += 1
        group["files"].append(str(outcome.file))
    return sorted(groups.values(), key=lambda group: -group["count"])


def general(outcome: FileOutcome) -> str:
    """The message of a failure with its own file's path and name replaced by `<file>`."""
    return without_name(outcome.error or f"{outcome.status} without a reason", outcome.file)


def without_name(text: str, file: Path) -> str:
    """The text with this file's path and name replaced by `<file>`."""
    for own in (str(file), file.as_posix(), file.name, file.stem):
        if len(own) > 2:
            text = text.replace(own, FILE)
    return text
