"""Metrics of batches of any size, as a real run would leave them: laid out on workers, sampled, with failures."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from monitor.making import outcome, still_probes
from orcabatch.engine.contract import RunEvent
from orcabatch.monitor import PerformanceMonitor
from orcabatch.monitor.metrics import SeriesPoint, build_metrics
from orcabatch.outcome import Cause, FileOutcome, Phase, Status, Usage
from orcabatch.results.figures import figures

HOSTILE_NAMES = (
    "<script>alert('x')</script>.sim",
    'a" onmouseover="alert(1)\u0000\u001b[2J.sim',
    "</title></style><img src=x onerror=alert(1)>.sim",
    "&lt;already escaped&gt; ü 波浪 \udcff.sim",
    "javascript:alert(1)" + "long" * 60 + ".sim",
)


def name_of(index: int) -> str:
    """A name as the specification's batches have them, told from the others by its load case and its seed."""
    heading, years, level = index * 15 % 360, (5, 100)[index // 24 % 2], ("hwl", "lwl")[index // 48 % 2]
    return f"fsts_l015_{level}_125km3_l100_pb_{years:03d}yr__cl_{heading:03d}deg_s{index // 96:02d}"


def case_of(file: Path) -> dict[str, Any]:
    """The load case that such a name stands for; none for other names."""
    parts = file.stem.split("_")
    if len(parts) != 11:
        return {}
    return {"level": parts[2], "years": int(parts[6][:3]), "heading": int(parts[9][:3]), "seed": int(parts[10][1:])}


COLUMNS = tuple(f"{line} Effective Tension {end}" for line in ("Line1", "Line2", "Line3", "Line4") for end in "AB")


def tables_of(file: FileOutcome, columns: Sequence[str] = COLUMNS) -> dict[str, dict[str, float]]:
    """What its summaries say: tensions that grow with the return period and turn with the heading."""
    chance, case = random.Random(file.index), case_of(file.file)
    most = 900 + 4 * case.get("years", 5) + 300 * math.sin(math.radians(case.get("heading", 0)))
    return {"tension": {name: most * (1 + n / 20) * chance.uniform(0.95, 1.05) for n, name in enumerate(columns)}}


def laid_out(count: int, *, seed: int, slower: float, workers: int) -> list[FileOutcome]:
    """Outcomes of mixed sizes, the longest first on the worker that is free first."""
    chance = random.Random(seed)
    free = [(0.0, f"worker-{n}") for n in range(workers)]
    sizes = sorted((int(min(max(chance.lognormvariate(19.7, 1.0), 42e6), 3.5e9)) for _ in range(count)), reverse=True)
    made = []
    for index, size in enumerate(sizes):
        at_s, worker = heapq.heappop(free)
        load, extract = (slower * size / rate * chance.uniform(0.8, 1.3) for rate in (80e6, 60e6))
        phases = {"wait": at_s, "load": load, "extract": extract, "write": 0.2, "clean_up": 0.1}
        end_s = at_s + load + extract + 0.3
        heapq.heappush(free, (end_s + 0.05, worker))
        made.append(
            outcome(
                index,
                file=Path(f"/production/sims/{name_of(index)}.sim"),
                phases=phases,
                size_bytes=size,
                tier="small" if size < 1e8 else "medium" if size < 5e8 else "large",
                worker=worker,
                started_s=at_s,
                finished_s=end_s,
                usage=Usage({"load": load * 0.3, "extract": extract * 0.8, "write": 0.1}, size, int(size * 1.4)),
                warnings=("the simulation is incomplete: 1800 of 3600 s",) if index % 50 == 7 else (),
            )
        )
    return made


def with_failures(outcomes: list[FileOutcome]) -> list[FileOutcome]:
    """Some of each kind, when there are enough files."""
    from dataclasses import replace

    made = list(outcomes)
    for index in range(1, len(made), 37):
        licence = index % 2 == 0
        made[index] = replace(
            made[index],
            status=Status.FAILED,
            cause=Cause.LICENCE if licence else Cause.EXCEPTION,
            error="no licence seat within 10 min" if licence else f"{made[index].file.name}: no object named 'Line 7'",
            failed_phase=Phase.EXTRACT,
            traceback="Traceback (most recent call last):\n  ...\nDLLError: <no object>",
        )
    return made


def results_of(
    outcomes: list[FileOutcome], folder: Path = Path("/production/results"), columns: Sequence[str] = COLUMNS
) -> dict[str, Any]:
    """What a run knows of its results, as fields of its record."""
    cases = {each.file.name: case_of(each.file) for each in outcomes}
    return {
        "cases": cases,
        "results": figures(outcomes, partial(tables_of, columns=columns), cases),
        "result_folder": folder,
        "outputs": [folder / "standard_tension.csv", folder / "performance_metrics.json"],
        "outputs_of": lambda each: [("lines", folder / f"standard_lines_{each.file.stem}.csv")] if each.ok else [],
    }


def batch_metrics(
    count: int,
    *,
    seed: int = 1,
    slower: float = 1.0,
    workers: int = 30,
    names: tuple[str, ...] = (),
    columns: Sequence[str] = COLUMNS,
) -> dict[str, Any]:
    """The metrics of such a batch; the first files get the given names."""
    from dataclasses import replace

    outcomes = with_failures(laid_out(count, seed=seed, slower=slower, workers=workers))
    outcomes[: len(names)] = [
        replace(each, file=Path("/sims") / name, error=name if each.error else None, warnings=(name,))
        for each, name in zip(outcomes, names, strict=False)
    ]
    monitor = PerformanceMonitor(probes=still_probes(cpus=64.0))
    wall_s = max(each.finished_s for each in outcomes)
    monitor.listener(RunEvent("run_started", 0.0, -1, {"files": count, "limit": 8, "executor": "threads"}))
    monitor.listener(RunEvent("limit", wall_s / 50, -1, {"limit": 16, "reason": "throughput grew by 41%"}))
    monitor.listener(RunEvent("limit", wall_s / 20, -1, {"limit": workers, "reason": "throughput grew by 12%"}))
    for each in outcomes:
        monitor.add_outcome(each)
    chance = random.Random(seed)
    for step in range(int(wall_s / 5) + 1):
        at_s = step * 5.0
        busy = sum(each.started_s <= at_s < each.finished_s for each in outcomes)
        fraction = min(busy / workers, 1.0)
        sample = SeriesPoint(
            at_s=at_s,
            cpu_percent=85 * fraction * chance.uniform(0.9, 1.1),
            host_cpu_percent=90 * fraction,
            memory_percent=30 + 45 * fraction * chance.uniform(0.95, 1.0),
            rss_bytes=int(6e10 * fraction),
            read_bytes_per_s=1.4e9 * fraction * chance.uniform(0.5, 1.0),
            write_bytes_per_s=4e6 * fraction,
            lock_taken=0.3 * fraction,
            busy_workers=busy,
            limit=workers,
            efficiency=fraction,
        )
        monitor.samples.append(sample)
        monitor.metrics["cpu_utilization"].append(sample.cpu_percent)
        monitor.metrics["memory_usage"].append(sample.memory_percent)
        monitor.metrics["thread_efficiency"].append(fraction)
    record = monitor.record(
        batch="standard",
        started_at=datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
        wall_s=wall_s,
        settings={"threading": {"mode": "dynamic", "max_threads": 45}, "memory": {"max_usage_percent": 80.0}},
        plan={"files": count, "limit": workers, "tiers": [{"name": "small"}]},
        host={"logical_cpus": 64, "total_ram_bytes": 256 * 10**9},
        orcaflex="simulated",
        memory_budget_bytes=200 * 10**9,
        **results_of(outcomes, columns=columns),
    )
    return build_metrics(record)
