"""What writing tables behind the work on the next files brings, and what it costs where it brings nothing.

    digitalmodel's time series over generated files ── `async_enabled` on, off, in turns ──> seconds, medians

Covers a result folder that is slow (each table takes its name late), one that is not, and one licence seat for each
open model. The slow folder is simulated; each run is a fresh process, its start not counted. Reading ahead is on in
both (`read_ahead: 0` would not change the comparison: files are in the page cache).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orcabatch.bench import workloads
from orcabatch.bench.findings import Findings
from orcabatch.bench.measure import Say, compete
from orcabatch.bench.peers import orcabatch
from orcabatch.bench.workloads import HOSTS, Workload

FILES, SAMPLES = 24, 2_001


@dataclass(frozen=True, slots=True)
class Case:
    """A folder, and what else is scarce."""

    name: str
    costs: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)


SEAT = {"licences": {"max": 1, "scope": "model", "ramp_up": 1000}}
CASES = (
    Case("slow folder, 0.3 s per table, 2 threads", {"load_latency_s": 0.2, "write_latency_s": 0.3}),
    Case("slow folder, one seat per open model", {"load_latency_s": 0.2, "write_latency_s": 0.3}, SEAT),
    Case("share of 2 MB/s, 2 threads", {"load_latency_s": 0.2, "write_bytes_per_s": 2e6}),
    Case("this disk, 2 threads", {"load_latency_s": 0.2}),
)


def suite(folder: Path, *, rounds: int = 3, quick: bool = False, say: Say = lambda _: None) -> Findings:
    """Seconds with and without, medians of so many rounds."""
    found = Findings("write-behind")
    for case in CASES:
        name = f"behind: {case.name}"
        HOSTS[name] = case.costs
        files = FILES // 4 if quick else FILES
        workload = Workload(case.name, (84_000,) * files, columns=12, samples=SAMPLES, series=True, host=name)
        made = workloads.written(workload, folder / "files")
        both = [
            orcabatch(word, threading={"max_threads": 2, "min_threads": 2}, executor="threads",
                      io={"async_enabled": on}, ledger={"enabled": False}, **case.settings)
            for word, on in (("on", True), ("off", False))
        ]  # fmt: skip
        on, off = compete(both, made, rounds=rounds, warm_cache=True, say=say)
        found.rows.append(
            {
                "folder": case.name,
                "files": files,
                "on s": f"{on.median_s:.2f}",
                "off s": f"{off.median_s:.2f}",
                "on / off": f"{on.median_s / off.median_s:.3f}",
            }
        )
    return found
