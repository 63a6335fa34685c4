"""Findings for people and machines: Markdown, JSON, and a bar chart as SVG that needs nothing from anywhere."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, LEFT, BAR, GAP = 900, 330, 16, 6


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
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _finite(dataclasses.asdict(value))
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
