"""The picture of limits over time."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks import stairs


def test_the_picture_has_a_stair_per_run() -> None:
    """One line for each run, as well-formed SVG."""
    text = stairs.stairs([[(0.0, 1), (2.0, 4)], [(0.0, 2)]], [5.0, 4.0], "a title")
    root = ElementTree.fromstring(text)  # noqa: S314 - our own text
    assert len(root.findall("{http://www.w3.org/2000/svg}path")) == 2
    assert "a title" in text
