"""Sums over the files of a run: by size tier, and by worker. Pure.

See also `orcabatch.monitor.file_costs` (what one file cost) and `orcabatch.monitor.report.machine`, which shows them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from orcabatch.outcome import FileOutcome, Phase
from orcabatch.settings import TIERS
from orcabatch.text import natural

Key = Callable[[FileOutcome], str]


def by_tier(worked: Iterable[FileOutcome]) -> list[dict[str, Any]]:
    """Of each size tier, the smallest first: files, bytes, seconds, seconds and shares by phase, most memory."""
    groups = _groups(worked, lambda file: file.tier or "all")
    names = sorted(groups, key=lambda name: TIERS.index(name) if name in TIERS else len(TIERS))
    return [{"tier": name, **_summed(groups[name])} for name in names]


def by_worker(worked: Iterable[FileOutcome], wall_s: float) -> list[dict[str, Any]]:
    """Of each worker: files, the share of the run in which it had one, its seconds by phase.

    What was written behind took none of them: the worker had the next file already.
    """
    groups = _groups((file for file in worked if file.worker), lambda file: file.worker)
    made = []
    for name in sorted(groups, key=natural):
        busy_s = sum(file.busy_s for file in groups[name])
        busy = busy_s / wall_s if wall_s > 0 else 0.0
        phases = _phases(groups[name])
        behind_s = sum(file.usage.behind_s for file in groups[name])
        phases[str(Phase.WRITE)] = max(phases[str(Phase.WRITE)] - behind_s, 0.0)
        made.append({"worker": name, "files": len(groups[name]), "busy": busy, "phases": phases})
    return made


def _groups(files: Iterable[FileOutcome], key: Key) -> dict[str, list[FileOutcome]]:
    groups: dict[str, list[FileOutcome]] = defaultdict(list)
    for file in files:
        groups[key(file)].append(file)
    return groups


def _phases(files: Sequence[FileOutcome]) -> dict[str, float]:
    return {str(phase): sum(file.phases.get(phase, 0.0) for file in files) for phase in Phase}


def _summed(files: Sequence[FileOutcome]) -> dict[str, Any]:
    busy = [file.busy_s for file in files]
    phases = _phases(files)
    worked_s = sum(phases.values()) - phases[Phase.WAIT]
    return {
        "files": len(files),
        "bytes": sum(file.size_bytes for file in files),
        "mean_s": sum(busy) / len(busy),
        "longest_s": max(busy),
        "phases": phases,
        "shares": {
            phase: seconds / worked_s if worked_s > 0 else 0.0
            for phase, seconds in phases.items()
            if phase != Phase.WAIT
        },
        "peak_memory_bytes": max(file.usage.peak_memory_bytes for file in files),
    }
