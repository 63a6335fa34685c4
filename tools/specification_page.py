"""Writes docs/specification.md anew from tools/specification.toml: `python tools/specification_page.py`."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "tools" / "specification.toml"
PAGE = ROOT / "docs" / "specification.md"
STATES = ("works", "in part", "otherwise")

HEAD = """# Your specification, line by line

The specification of this library, *OrcaFlex Postprocess Runtime Optimization*, has {lines} lines that ask for something
or name something. Here is what became of each, by the number of its line: **works** {works}, **in part** {part},
**otherwise** {otherwise}. What works in part or otherwise does so for the reason beside it. A test holds this page to
the specification's keys, classes, numbers and benchmark configurations.

This page is generated: `python tools/specification_page.py`, in a checkout.
"""


def areas() -> list[dict[str, Any]]:
    """The specification's areas, each with its lines."""
    content: list[dict[str, Any]] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["area"]
    return content


def page() -> str:
    """The page as Markdown."""
    made = areas()
    counts = Counter(line["state"] for area in made for line in area["line"])
    works, part, otherwise = (counts[state] for state in STATES)
    head = HEAD.format(lines=counts.total(), works=works, part=part, otherwise=otherwise)
    return head + "".join(_area(area) for area in made)


def _area(area: dict[str, Any]) -> str:
    rows = "\n".join(_rows(area["line"]))
    return f"\n## {area['title']}\n\n| line | asks for | | how, or why not |\n|---|---|---|---|\n{rows}\n"


def _rows(lines: list[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        state = line["state"] if line["state"] == "works" else f"**{line['state']}**"
        more = f" [More]({line['see']})" if "see" in line else ""
        yield f"| {line['at']} | {line['asks']} | {state} | {line['how']}{more} |"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
