"""What all sections of a report use: names in words, and files of a batch.

See also `orcabatch.monitor.report.sections`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any

MOST_NAMED = 100

PHASE_NAMES = {
    "wait": "wait (for a slot, memory or a seat)",
    "load": "load",
    "extract": "extract",
    "write": "write",
    "clean_up": "clean up",
}

Metrics = Mapping[str, Any]


def short(path: str) -> str:
    """The name of a file; paths of Windows and others alike."""
    return PureWindowsPath(path).name or path


def moment(stamp: str) -> str:
    """An ISO time of the metrics as `2026-11-24 09:30:00 UTC`."""
    return f"{stamp[:19].replace('T', ' ')} UTC"


def worked(metrics: Metrics) -> list[dict[str, Any]]:
    """The files that a worker had in this run."""
    return [file for file in metrics["files"] if file["status"] in {"ok", "failed"} and file["wall_s"] > 0]


def busy_s(file: Mapping[str, Any]) -> float:
    """Worker seconds of a file."""
    return float(file["wall_s"] - file["wait_s"])
