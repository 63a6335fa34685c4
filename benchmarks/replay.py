"""A real run again in virtual time: the host model calibrated from its metrics, the engine's own controllers over it.

    metrics ── calibrated ──> Case ── virtual host ──> what the same settings, and fixed counts, would have taken

Covers a run whose files were measured. CPU time is taken as it was measured, and as held by Python's lock as far as the
lock was found taken. Of the time without CPU only as much is a file's own waiting as the virtual host needs to take as
long as the run did: the rest was waiting for its neighbours. Figures for far more files at once than ran then are
*projected*. The same host, the same counts: how far the prediction is from what really happened stands in the first
line. `benchmarks.validation` compares with real runs at other counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import virtual
from benchmarks.cases import Case
from benchmarks.plant import FileModel, HostModel
from orcabatch.bench.findings import markdown
from orcabatch.engine.executors import facts_of
from orcabatch.engine.limits import ORCAFLEX_OVERHEAD
from orcabatch.errors import SourceError

COUNTS = (1, 2, 4, 8, 15, 30, 45)
CLOSE = 0.97
"""The virtual host takes as long as the run did when it comes this near."""
STEPS = 12
HAND_OVER_LOSS = 0.03
"""What each thread that waits for Python's lock costs the one that has it, at most: fitted to two cores under Linux."""


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

    def takes_as_long(own: float, loss: float = HAND_OVER_LOSS) -> bool:
        return _as_it_was(_case(metrics, own, loss), metrics) >= CLOSE * float(metrics["wall_s"])

    own = _bisected(1.0, takes_as_long)
    loss = HAND_OVER_LOSS if own else _bisected(HAND_OVER_LOSS, lambda loss: takes_as_long(0.0, loss))
    return _case(metrics, own, loss)


def _bisected(most: float, enough: Callable[[float], bool]) -> float:
    """The least number up to `most` that is enough; `most` where none is."""
    if enough(0.0):
        return 0.0
    low, high = 0.0, most
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _case(metrics: Mapping[str, Any], own: float, loss: float) -> Case:
    """With this share of the time without CPU as the files' own waiting, and this loss in handing the lock over."""
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
        gil_loss=loss,
        base_bytes=int(host.get("total_ram_bytes", 0)) - int(host.get("available_ram_bytes", 0)),
    )
    locked = _share_locked(metrics, sum(_cpu_s(row) for row in rows))
    return Case("replayed", model, tuple(_file(row, own, locked) for row in rows))


def _share_locked(metrics: Mapping[str, Any], cpu_s: float) -> float:
    """The share of the CPU time that held Python's lock; 0 where nobody measured it, or every process has its own."""
    taken: list[float] = metrics["samples"]["lock_taken"]
    if not taken or not cpu_s or not facts_of(metrics["workers"]["executor"]).in_process:
        return 0.0
    return min(1.0, float(statistics.fmean(taken) * metrics["wall_s"]) / cpu_s)


def _cpu_s(row: Mapping[str, Any]) -> float:
    return sum(float(row[name] or 0.0) for name in ("load_cpu_s", "extract_cpu_s", "write_cpu_s"))


def _file(row: Mapping[str, Any], own: float, locked: float) -> FileModel:
    """Its loading as latency (the disk is not modelled: what it took stands in it), its extraction as CPU and waits."""
    cpu_s = _cpu_s(row)
    busy = row["load_s"] + row["extract_s"] + row["write_s"] + row["clean_up_s"]
    load_wait = max(0.0, row["load_s"] - (row["load_cpu_s"] or 0.0))
    return FileModel(
        size_bytes=int(row["size_bytes"]),
        open_s=own * load_wait,
        native_s=cpu_s * (1 - locked),
        gil_s=cpu_s * locked,
        wait_s=own * max(0.0, busy - cpu_s - load_wait),
        write_bytes=0,
        memory_bytes=int(row["peak_memory_bytes"] or ORCAFLEX_OVERHEAD * row["size_bytes"]),
    )


def predict(metrics: Mapping[str, Any], counts: tuple[int, ...] = COUNTS) -> Prediction:
    """The run in virtual time: as it was, and at fixed counts."""
    case = calibrated(metrics)
    same = _as_it_was(case, metrics)
    tried = [count for count in counts if count <= len(case.files)]
    fixed = {count: _simulated(case, count, fixed=count) for count in tried}
    return Prediction(float(metrics["wall_s"]), same, fixed)


def _as_it_was(case: Case, metrics: Mapping[str, Any]) -> float:
    """Virtual seconds with the run's own settings."""
    plan = metrics["plan"]
    static = plan["mode"] == "static"
    most = min(int(plan["limit" if static else "ceiling"]), len(case.files))
    return _simulated(case, most, fixed=most if static else None, start=plan["start_limit"])


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
    unseen = "" if metrics["samples"]["lock_taken"] else " Python's lock was not measured: it is taken as free."
    return (
        f"{name}: {len(metrics['files'])} files, {found.real_s:.2f} s measured. The other figures are *projected*."
        f"{unseen}\n\n"
        f"{markdown(rows)}"
    )
