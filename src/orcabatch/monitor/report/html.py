"""HTML elements as functions; every text is escaped unless it is HTML made here.

`tag("p", "a < b")` is `<p>a &lt; b</p>`. A trailing underscore in an attribute's name is dropped (`class_`), other
underscores become dashes (`aria_label`). Below the elements: colours and layout, light and dark, on paper, without web
fonts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import count

from orcabatch.outcome import Phase

VOID = frozenset({"meta", "br", "hr"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """A value as escaped text; control characters, which HTML forbids, as a replacement character."""
    if isinstance(value, Html):
        return value
    shown = "".join(letter if letter >= " " or letter in "\n\t" else "\ufffd" for letter in str(value))
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


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Sequence[int] = ()) -> Html:
    """A table that scrolls by itself where it is too wide, with a caption and titles that a screen reader reads.

    Args:
        caption: what it shows.
        head: titles of the columns; the first cell of each row is the row's title.
        rows: cells.
        numbers: columns that hold numbers, set flush right.
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
    content = tag("table", tag("caption", caption), tag("thead", tag("tr", *titles)), tag("tbody", *body))
    return tag("div", content, class_="scroll", role="region", aria_label=caption, tabindex="0")


def figure(drawing: Html, told: str = "") -> Html:
    """A drawing that scrolls by itself where it is too wide, with an explanation below it."""
    return tag("figure", drawing, tag("figcaption", told) if told else "", tabindex="0")


def folded(summary: str, *content: object) -> Html:
    """Content that is unfolded by a click or a key; open when printed."""
    return tag("details", tag("summary", summary), *content)


def section(name: str, title: str, *content: object) -> Html:
    """A section with its heading."""
    return tag("section", tag("h2", title, id=f"{name}-title"), *content, id=name, aria_labelledby=f"{name}-title")


class Ids:
    """Gives out identifiers that are unique in a page."""

    def __init__(self) -> None:
        self._next = count(1)

    def new(self, name: str) -> str:
        """A new one that begins with a name."""
        return f"{name}-{next(self._next)}"


# The colours stand here as values so that a test can check their contrast: text 4.5 to 1, parts of charts 3 to 1.
LIGHT = {
    "page": "#ffffff",
    "panel": "#f4f6f8",
    "text": "#1b1f24",
    "muted": "#535b65",
    "line": "#7b848e",
    "link": "#0b5cad",
    "good": "#1b6e2d",
    "bad": "#a8201a",
    "wait": "#858c95",
    "load": "#1a6fb5",
    "extract": "#2e7d32",
    "write": "#ad6200",
    "clean_up": "#6a4c93",
}

DARK = {
    "page": "#14171a",
    "panel": "#1e2328",
    "text": "#e6e8eb",
    "muted": "#aab2ba",
    "line": "#7d8792",
    "link": "#7db8f5",
    "good": "#7fd08f",
    "bad": "#ff9d94",
    "wait": "#858d97",
    "load": "#6cb2f0",
    "extract": "#7cc77f",
    "write": "#f0b25a",
    "clean_up": "#c3a5e8",
}

CHART_COLOURS = ("line", *(phase.value for phase in Phase))

_LAYOUT = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,"Segoe UI",Roboto,Arial,sans-serif}
main,header,nav,footer{max-width:70rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}
h1{font-size:1.6rem;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.2rem 0 .6rem;padding-bottom:.2rem;border-bottom:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.2rem 0 .4rem}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-100rem}.skip:focus{left:1rem;top:.5rem;background:var(--page);padding:.5rem}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.8rem 0}
.muted{color:var(--muted)}.good{color:var(--good)}.bad{color:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.4rem,1fr));gap:.7rem;margin:1rem 0;padding:0}
.tiles div{background:var(--panel);border-radius:6px;padding:.6rem .8rem}
.tiles dt{color:var(--muted);font-size:.85rem}.tiles dd{margin:0;font-size:1.2rem;font-weight:600;white-space:nowrap}
.verdict{background:var(--panel);border-left:5px solid var(--link);border-radius:4px;padding:.7rem 1rem}
.verdict>p>strong{font-size:1.2rem}
.verdict li{margin:.4rem 0}.verdict code{background:none;padding:0}
.scroll{overflow-x:auto;margin:.6rem 0 1rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;color:var(--muted);padding:.2rem 0}
th,td{text-align:left;vertical-align:top;padding:.28rem .7rem .28rem 0;border-bottom:1px solid var(--panel)}
thead th{border-bottom:1px solid var(--line);white-space:nowrap}
tbody th{font-weight:500;overflow-wrap:anywhere;min-width:8rem}
td{overflow-wrap:anywhere}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}.n+:not(.n){padding-left:1rem}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--link)}
code{background:var(--panel);padding:0 .2em;font-size:.92em}
pre{background:var(--panel);padding:.6rem;overflow-x:auto;font-size:.85rem;white-space:pre-wrap;overflow-wrap:anywhere}
figure{margin:1rem 0;overflow-x:auto}figcaption{color:var(--muted);font-size:.9rem}
svg{display:block;width:100%;min-width:40rem;height:auto;font:12px system-ui,"Segoe UI",Roboto,Arial,sans-serif}
svg text{fill:var(--text)}svg .axis{stroke:var(--line);stroke-width:1;fill:none}
svg .grid{stroke:var(--line);stroke-opacity:.25;fill:none}svg .curve{fill:none;stroke-width:2}
svg .cap{stroke:var(--bad);stroke-dasharray:6 4;fill:none}
svg .hit{fill:transparent}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;padding:0;margin:.3rem 0;font-size:.9rem}
.legend i{display:inline-block;width:.9em;height:.9em;margin-right:.4em;border-radius:2px;vertical-align:-.08em}
footer{color:var(--muted);padding-bottom:2rem;margin-top:2rem}
@media print{nav,.skip{display:none}body{font-size:11pt}section{break-inside:auto}figure,tr{break-inside:avoid}
details::details-content{content-visibility:visible;display:block}.scroll,figure{overflow:visible}svg{min-width:0}}
"""


def style() -> str:
    """The style sheet."""
    return (
        ":root{color-scheme:light dark;" + _variables(LIGHT) + "}"
        "@media screen and (prefers-color-scheme:dark){:root{" + _variables(DARK) + "}}" + _LAYOUT + _fills()
    )


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def _fills() -> str:
    """A class for each chart colour, as fill, stroke and background."""
    return "".join(
        f"svg .f-{name}{{fill:var(--{name})}}svg .s-{name}{{stroke:var(--{name})}}i.{name}{{background:var(--{name})}}"
        for name in (*CHART_COLOURS, "link")
    )
