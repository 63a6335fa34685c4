"""A `performance:` section with what past runs taught, for a YAML of its own.

Covers which keys follow from what was learned; what the user set is only narrowed. Pure. Does not cover reading or
writing YAML (`orcabatch.cli.plan`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orcabatch.engine.executors import PROCESSES, THREADS
from orcabatch.settings import Settings, was_set

if TYPE_CHECKING:
    from orcabatch.plan.history import Learned

ROOM = 2
"""A count that was found is a start, not an end: the search may go up to so many times it."""


def tuned_section(
    section: Mapping[str, Any] | None, settings: Settings, learned: Learned
) -> tuple[dict[str, Any], list[str]]:
    """The section with what was learned, and a sentence for each key that changed.

    Args:
        section: as the user wrote it.
        settings: the same, read.
        learned: from runs of this kind on this host.
    """
    made: dict[str, Any] = copy.deepcopy(dict(section or {}))
    said = []
    if learned.executor in {THREADS, PROCESSES} and not was_set(settings, "executor"):
        made["executor"] = learned.executor
        said.append(f"executor: {learned.executor}, which is what the last run ended with")
    if learned.limit is not None and ROOM * learned.limit < settings.threading.max_threads:
        most = max(ROOM * learned.limit, settings.threading.min_threads)
        made["threading"] = {**(made.get("threading") or {}), "max_threads": most}
        said.append(f"threading.max_threads: {most}, because the last run ended with {learned.limit} at once")
    if learned.read_ahead is not None and not was_set(settings, "io.read_ahead"):
        made["io"] = {**(made.get("io") or {}), "read_ahead": learned.read_ahead}
        said.append(f"io.read_ahead: {learned.read_ahead}, from how long loading took beside the rest")
    return made, said
