"""A real run again in virtual time: the host model calibrated from its metrics, the engine's own controllers over it.

    metrics ── calibrated ──> Case ── virtual host ──> what the same settings, and fixed counts, would have taken

Covers a run whose files were measured. Its files cost what they cost then, so that what was slow because of its
neighbours is taken as slow by itself: figures for far more files at once than ran then are *projected*. The same host,
the same counts: how far the prediction is from what really happened stands in the first line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orcabatch.bench import virtual
from orcabatch.bench.cases import Case
from orcabatch.bench.plant import FileModel, HostModel
from orcabatch.bench.tables import markdown
from orcabatch.errors import SourceError

COUNTS = (1, 2, 4, 8, 15, 30, 45)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a run took and what the virtual host says of it, seconds.

    Attributes:
        real_s: measured.
        same_s: predicted for the settings as they were.
        fixed_s: predicted by fixed count.
    """

    real_s: float
    same_s: float
    fixed_s: Mapping[int, float]

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.same_s / self.real_s - 1


def calibrated(metrics: Mapping[str, Any]) -> Case:
    """The run's files and host as the virtual host takes them.

    Raises:
        SourceError: no file was measured.
    """
    rows = [row for row in metrics["files"] if row["status"] == "ok" and row["size_bytes"] and row["wall_s"]]
    if not rows:
        raise SourceError("no file of that run was measured: nothing can be replayed")
    host = metrics["host"] or {}
    fastest = max(row["size_bytes"] / max(row["load_s"], 1e-6) for row in rows)
    model = HostModel(
        "replayed",
        cores=int(host.get("logical_cpus", 1)),
        ram_bytes=int(host.get("total_ram_bytes", 1 << 34)),
        disk_bps=100 * fastest,
        stream_bps=100 * fastest,
        gil_loss=0.0,
        base_bytes=int(host.get("total_ram_bytes", 0)) - int(host.get("available_ram_bytes", 0)),
    )
    return Case("replayed", model, tuple(_file(row) for row in rows))


def _file(row: Mapping[str, Any]) -> FileModel:
    """Its loading as latency (the disk is not modelled: what it took stands in it), its extraction as CPU and waits."""
    native = (row["extract_cpu_s"] or 0.0) + (row["load_cpu_s"] or 0.0) + (row["write_cpu_s"] or 0.0)
    busy = row["load_s"] + row["extract_s"] + row["write_s"] + row["clean_up_s"]
    load_wait = max(0.0, row["load_s"] - (row["load_cpu_s"] or 0.0))
    return FileModel(
        size_bytes=int(row["size_bytes"]),
        open_s=load_wait,
        native_s=native,
        gil_s=0.0,
        wait_s=max(0.0, busy - native - load_wait),
        write_bytes=0,
        memory_bytes=int(row["peak_memory_bytes"] or 1.5 * row["size_bytes"]),
    )


def predict(metrics: Mapping[str, Any], counts: tuple[int, ...] = COUNTS) -> Prediction:
    """The run in virtual time: as it was, and at fixed counts."""
    case, plan = calibrated(metrics), metrics["plan"]
    static = plan["mode"] == "static"
    most = int(plan["limit" if static else "ceiling"])
    most = min(most, len(case.files))
    same = _simulated(case, most, fixed=most if static else None, start=plan["start_limit"])
    tried = [count for count in counts if count <= len(case.files)]
    fixed = {count: _simulated(case, count, fixed=count) for count in tried}
    return Prediction(float(metrics["wall_s"]), same, fixed)


def _simulated(case: Case, most: int, *, fixed: int | None, start: int | None = None) -> float:
    start = None if fixed else start
    limits = replace(virtual.limits_of(case), max_limit=most, tiers={}, fixed_limit=fixed, start_limit=start)
    return float(virtual.simulate(case, limits).makespan_s)


def replayed(metrics: Mapping[str, Any], name: str) -> str:
    """The prediction as Markdown."""
    found = predict(metrics)
    rows = [{"at once": "as it was", "virtual s": f"{found.same_s:.2f}", "against the run": f"{found.error:+.0%}"}]
    rows += [
        {"at once": str(count), "virtual s": f"{each:.2f}", "against the run": f"{each / found.real_s - 1:+.0%}"}
        for count, each in found.fixed_s.items()
    ]
    return (
        f"{name}: {len(metrics['files'])} files, {found.real_s:.2f} s measured. The other figures are *projected*.\n\n"
        f"{markdown(rows)}"
    )
