"""The limit of a real run over time as a picture: `python -m benchmarks.stairs RESULT.json OUT.svg`.

Covers the result of `orcabatch.bench.real.regret` (its `limits`): one stair line for each adaptive run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP = 720, 300, 50, 40
COLOURS = ("#1f6f8b", "#c8553d", "#6a994e")


def stairs(runs: Sequence[Sequence[tuple[float, int]]], ends_s: Sequence[float], title: str) -> str:
    """Files at once (up) over seconds (right), one line per run of (seconds, limit)."""
    last_s, most = max(ends_s), max(limit for run in runs for _, limit in run)
    x, y = (WIDTH - LEFT - 20) / last_s, (HEIGHT - TOP - 40) / most
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/><text x="{LEFT}" y="20" font-size="14">{title}</text>',
    ]
    for share in (0.0, 0.5, 1.0):
        up, right = HEIGHT - 40 - share * most * y, LEFT + share * last_s * x
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{up:.0f}" y2="{up:.0f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{up + 4:.0f}" text-anchor="end">{share * most:.0f}</text>',
            f'<text x="{right:.0f}" y="{HEIGHT - 22}" text-anchor="middle">{share * last_s:.0f} s</text>',
        ]
    for number, (run, end_s) in enumerate(zip(runs, ends_s, strict=True)):
        corners = " ".join(f"H{LEFT + at_s * x:.1f} V{HEIGHT - 40 - limit * y:.1f}" for at_s, limit in run)
        start = f"M{LEFT} {HEIGHT - 40}"
        colour = COLOURS[number % len(COLOURS)]
        parts.append(
            f'<path d="{start} {corners} H{LEFT + end_s * x:.1f}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    result = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    runs = [[(change[0], change[1]) for change in limits] for limits in result["limits"]]
    title = f"{result['kind']}-limited, {result['files']} files: files at once over time"
    Path(sys.argv[2]).write_text(stairs(runs, result["adaptive_s"], title), encoding="utf-8")
