"""HTML elements as functions; every text is escaped unless it is HTML made here.

`tag("p", "a < b")` is `<p>a &lt; b</p>`. A trailing underscore in an attribute's name is dropped (`class_`), other
underscores become dashes (`aria_label`). Colours and layout are in `orcabatch.monitor.report.style`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import count

FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f]")

PIECE = re.compile(r"(.{3,}?_+)(?=.)")

VOID = frozenset({"meta", "br", "hr", "wbr"})

MOST_TITLED = 80
"""Columns of a table whose cells say their title on a narrow screen: the 60 of a table by load case, and some more."""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """A value as escaped text; control characters, which HTML forbids, as a replacement character."""
    if isinstance(value, Html):
        return value
    shown = FORBIDDEN.sub("\ufffd", str(value))
    # A lone surrogate stands for a byte of a file name that is not UTF-8; it cannot be written as UTF-8.
    return Html(escape(shown.encode("utf-8", "replace").decode("utf-8")))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element; attributes that are None are left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{''.join(text(child) for child in children)}</{name}>")


def join(parts: Iterable[object]) -> Html:
    """Elements and texts one after the other."""
    return Html("".join(text(part) for part in parts))


def prose(value: str) -> Html:
    """A sentence in which `names in backticks` are set as code."""
    pieces = value.split("`")
    return join(tag("code", piece) if n % 2 and n < len(pieces) - 1 else piece for n, piece in enumerate(pieces))


def named(name: str) -> Html:
    """A file's name that may break behind `_` and nowhere else; a browser's search finds it whole.

    Not behind each: a page has 10,000 names, and pieces of four letters fit anywhere.
    """
    return Html(PIECE.sub(r"\1<wbr>", text(name)))


def bar(share: float) -> Html:
    """A bar whose length says a share of 1; what it says stands beside it in numbers."""
    return tag(
        "span", tag("i", style=f"width:{100 * min(max(share, 0.0), 1.0):.1f}%"), class_="bar", aria_hidden="true"
    )


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    numbers: Sequence[int] = (),
    cards: bool = False,
) -> Html:
    """A table with a caption and titles that a screen reader reads; on a narrow screen each row is a card.

    Args:
        caption: what it shows.
        head: titles of the columns; the first cell of each row is the row's title.
        rows: cells.
        numbers: columns that hold numbers, set flush right.
        cards: each row is one on any screen: there are more columns than fit.
    """
    titles = [tag("th", title, scope="col", class_="n" if n in numbers else None) for n, title in enumerate(head)]
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", cell, class_="n" if n in numbers else None) for n, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    content = (tag("caption", caption), tag("thead", tag("tr", *titles)), tag("tbody", *body))
    return tag(
        "div", tag("table", *content, style=titles_beside(head), class_="cards" if cards else None), class_="scroll"
    )


def titles_beside(head: Sequence[str]) -> str:
    """The titles of a table's columns for the style sheet, which sets them beside each cell on a narrow screen.

    Once a table, not once a cell: a page may have 100,000 cells.
    """
    return ";".join(f'--t{n}:"{_in_css(title)}: "' for n, title in enumerate(head[1:MOST_TITLED], 2))


def _in_css(title: str) -> str:
    return "".join(letter if letter.isalnum() or letter == " " else f"\\{ord(letter):x} " for letter in title)


def figure(drawing: Html, told: str = "") -> Html:
    """A drawing with an explanation below it."""
    return tag("figure", drawing, tag("figcaption", told) if told else "")


def folded(summary: str, *content: object) -> Html:
    """Content that is unfolded by a click or a key; open when printed."""
    return tag("details", tag("summary", summary), *content)


def section(name: str, title: str, *content: object, half: bool = False) -> Html:
    """A section with its heading; `half`: with it another half of the page begins."""
    heading = tag("h2", title, id=f"{name}-title", class_="half" if half else None)
    return tag("section", heading, *content, id=name, aria_labelledby=f"{name}-title")


class Ids:
    """Gives out identifiers that are unique in a page."""

    def __init__(self) -> None:
        self._next = count(1)

    def new(self, name: str) -> str:
        """A new one that begins with a name."""
        return f"{name}-{next(self._next)}"
