"""What the suites have in common: how a suite is run, what it found, and how that is shown.

A contender as a row of a table; rows as Markdown, findings as JSON, and a bar chart as SVG that needs nothing from
anywhere.
"""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from orcabatch.bench import peers
from orcabatch.bench.workloads import (
    HOSTS,
    MB,
    THRESHOLDS,
    Workload,
)
from orcabatch.errors import SourceError

if TYPE_CHECKING:
    from orcabatch.bench.measure import Measured, Say


Case = TypeVar("Case")
CPUS = os.cpu_count() or 1
SCALED: dict[str, Any] = {"optimization": {"size_thresholds": {"small": THRESHOLDS[0], "large": THRESHOLDS[1]}}}
"""The specification's thresholds for files that are `SCALE` times smaller."""
JOINT = ("many", "one")
"""Whether a joint call costs as many passes over the log as it has variables, or one."""
WIDTH, LEFT, BAR, GAP = 900, 330, 16, 6
"""Of the bar chart, in its units: the whole, the labels, each bar and what is between two."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a suite is run.

    Attributes:
        folder: where generated files are kept while it lasts.
        rounds: how often everything is measured.
        quick: fewer and smaller files, for a look.
        warm_cache: fill the page cache with the files instead of emptying it.
        pools: which peers' pools take part.
        only: cases whose name holds this, where a suite has several.
        say: told about progress.
    """

    folder: Path
    rounds: int = 3
    quick: bool = False
    warm_cache: bool = False
    only: str = ""
    pools: tuple[str, ...] = tuple(peers.POOLS)
    say: Say = lambda _: None

    def files(self, usual: int) -> int:
        """How many files where a full run has `usual`."""
        return max(3, usual // 4) if self.quick else usual


def chosen(cases: Mapping[str, Case], only: str) -> list[Case]:
    """Those of a suite's cases whose name holds `only`. Raises SourceError where none does."""
    found = [case for name, case in cases.items() if only in name]
    if not found:
        raise SourceError(f"no case's name holds {only!r}; there are: {'; '.join(cases)}")
    return found


@dataclass(slots=True)
class Findings:
    """What a suite found.

    Attributes:
        suite: its name.
        rows: the table.
        notes: what the reader has to know, beside or below the table.
        raw: all measurements.
        bars: label and value of the plot, and what the value is.
    """

    suite: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: list[dict[str, Any]] = field(default_factory=list)
    bars: list[tuple[str, float]] = field(default_factory=list)
    unit: str = "seconds, median"

    def keep(self, measured: Sequence[Measured]) -> None:
        """Add raw measurements."""
        self.raw += [asdict(each) for each in measured]


def settings(**more: Any) -> dict[str, Any]:
    """orcabatch's settings for scaled files, without a ledger."""
    return {"ledger": {"enabled": False}, **SCALED, **more}


def row(each: Measured, baseline: Measured | None = None) -> dict[str, Any]:
    """A contender as a row of a table."""
    lanes = _lanes(each)
    cells: dict[str, Any] = {
        "batch": each.workload,
        "who": each.contender,
        "seconds": _spread(each.wall_s),
        "without the simulator": f"{each.without_simulator_s(lanes):.2f}" if each.wall_s else "",
        "CPU s": f"{each.median('cpu_s'):.1f}",
        "CPU %": f"{cpu_percent(each):.0f}" if each.wall_s else "",
        "peak memory": f"{each.median('peak_bytes') / MB:.0f} MB",
        "DLL calls": f"{each.median('calls'):.0f}",
        "log passes": f"{each.median('passes'):.0f}",
        "same output": {True: "yes", False: "no", None: ""}[each.same_output],
    }
    if baseline is not None and baseline.wall_s and each.wall_s:
        cells[f"x {baseline.contender}"] = f"{baseline.median_s / each.median_s:.2f}"
    if each.error:
        cells["seconds"] = f"not finished: {each.error}"
    return cells


def cpu_percent(each: Measured) -> float:
    """How much of all CPUs a contender used over its run."""
    return 100.0 * each.median("cpu_s") / (each.median_s * CPUS)


def _lanes(each: Measured) -> int:
    """On how many lanes at once the simulator's own Python ran.

    One under the GIL; for processes as many as there were, at most the CPUs. For orcabatch the CPUs, which is to its
    disadvantage.
    """
    kind, _, count = each.contender.rpartition(" ")
    if each.contender.startswith("orcabatch"):
        return CPUS
    return min(CPUS, int(count)) if kind in {"processes", "joblib-loky", "dask"} else 1


def _spread(walls: Sequence[float]) -> str:
    if not walls:
        return ""
    return f"{statistics.median(walls):.2f} ({min(walls):.2f}-{max(walls):.2f})"


def place(workload: Workload) -> str:
    """A folder per set of files; costs are not part of it."""
    return (
        f"{workload.yaml or 'drawn'}_{workload.columns}_{workload.objects}_{abs(hash(workload.sizes)) % 10**8}".replace(
            ".", "_"
        )
        + f"_{workload.samples}_{int(workload.series)}_{workload.memory_factors[1]:g}"
    )


def words(host: str) -> str:
    """What a host costs, in words."""
    return ", ".join(f"{name} {value:g}" for name, value in HOSTS[host].items()) or "nothing but Python"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table; a column that only some rows have is empty in the others."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    used = [name for name in columns if any(str(row.get(name, "")) for row in rows)]
    if not used:
        return ""
    lines = [f"| {' | '.join(used)} |", "|" + "---|" * len(used)]
    lines += [f"| {' | '.join(_cell(row.get(name, '')) for name in used)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return "" if value == "nan" else str(value).replace("|", "\\|").replace("\n", " ")


def as_json(content: Mapping[str, Any]) -> str:
    """As JSON; what is not finite becomes null."""
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return _finite(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def svg(title: str, bars: Sequence[tuple[str, float]], unit: str) -> str:
    """Horizontal bars, one per label, from zero."""
    shown = [(label, value) for label, value in bars if math.isfinite(value)]
    top = max((value for _, value in shown), default=0.0) or 1.0
    height = 60 + len(shown) * (BAR + GAP)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
            f'font-size="11" role="img" aria-label="{escape(title)}">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="10" y="20" font-size="14" font-weight="bold">{escape(title)}</text>',
        f'<text x="10" y="38" fill="#555">{escape(unit)}</text>',
    ]
    for place, (label, value) in enumerate(shown):
        y = 50 + place * (BAR + GAP)
        length = (WIDTH - LEFT - 80) * value / top
        colour = "#1f6f8b" if "orcabatch" in label else "#b8b8b8"
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(label[:60])}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{max(length, 1):.1f}" height="{BAR}" fill="{colour}"/>',
            f'<text x="{LEFT + length + 5:.1f}" y="{y + 12}">{value:.3g}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
