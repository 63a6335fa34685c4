"""Colours and layout of a report: light and dark, on paper, on a telephone, without web fonts."""

from __future__ import annotations

from orcabatch.monitor.report.html import MOST_TITLED
from orcabatch.outcome import Phase

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
main,header,nav,footer{max-width:80rem;margin:0 auto;padding:0 1rem}
body,h1{overflow-wrap:break-word}
header{padding-top:1.5rem}
h1{font-size:1.6rem;margin:0 0 .25rem}
h2{font-size:1.25rem;margin:2.2rem 0 .6rem;padding-bottom:.2rem;border-bottom:1px solid var(--line)}
h2.half{margin-top:4rem;border-bottom:3px solid var(--line);font-size:1.4rem}
h3{font-size:1.05rem;margin:1.2rem 0 .4rem}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-100rem}.skip:focus{left:1rem;top:.5rem;background:var(--page);padding:.5rem}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.8rem 0}
.muted{color:var(--muted)}.good{color:var(--good)}.bad{color:var(--bad)}
.truth{font-size:1.15rem;margin:.6rem 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.4rem,1fr));gap:.7rem;margin:1rem 0;padding:0}
.tiles div{background:var(--panel);border-radius:6px;padding:.6rem .8rem}
.tiles dt{color:var(--muted);font-size:.85rem}.tiles dd{margin:0;font-size:1.2rem;font-weight:600}
.verdict{background:var(--panel);border-left:5px solid var(--link);border-radius:4px;padding:.7rem 1rem}
.verdict>p>strong{font-size:1.1rem}
.verdict li{margin:.4rem 0}.verdict code{background:none;padding:0}
.scroll{margin:.6rem 0 1rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;color:var(--muted);padding:.2rem 0}
th,td{text-align:left;vertical-align:top;padding:.28rem .7rem .28rem 0;border-bottom:1px solid var(--panel)}
thead th{border-bottom:1px solid var(--line)}
tbody th{font-weight:500}
.n,[data-v]{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.n+:not(.n),[data-v]+:not([data-v]){padding-left:1rem}
thead button{all:unset;cursor:pointer;color:var(--link)}thead button:focus-visible{outline:3px solid var(--link)}
th[aria-sort=ascending] button::after{content:" \\2191"}th[aria-sort=descending] button::after{content:" \\2193"}
.find input{font:inherit;width:min(24rem,100%);padding:.2rem .4rem;background:var(--page);color:var(--text);
border:1px solid var(--line);border-radius:4px}
.bar{display:inline-block;width:100%;min-width:4rem;height:.9em;background:var(--panel);vertical-align:-.1em}
.bar i{display:block;height:100%;background:var(--load)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr));gap:.4rem 1.4rem}
.charts figure{margin:.4rem 0}.charts svg{font-size:12px}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--link)}
code{background:var(--panel);padding:0 .2em;font-size:.92em}
pre{background:var(--panel);padding:.6rem;font-size:.85rem;white-space:pre-wrap;overflow-wrap:anywhere}
figure{margin:1rem 0}figcaption{color:var(--muted);font-size:.9rem}
svg{display:block;width:100%;height:auto;font:12px system-ui,"Segoe UI",Roboto,Arial,sans-serif}
svg text{fill:var(--text)}svg .axis{stroke:var(--line);stroke-width:1;fill:none}
svg .grid{stroke:var(--line);stroke-opacity:.25;fill:none}svg .curve{fill:none;stroke-width:2}
svg .cap{stroke:var(--bad);stroke-dasharray:6 4;fill:none}
svg .dots{fill:none;stroke-width:6;stroke-linecap:round}svg .most{fill:var(--bad)}
svg .hit{fill:transparent}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;padding:0;margin:.3rem 0;font-size:.9rem}
.legend i{display:inline-block;width:.9em;height:.9em;margin-right:.4em;border-radius:2px;vertical-align:-.08em}
footer{color:var(--muted);padding-bottom:2rem;margin-top:2rem}
@media (max-width:56rem){svg{font-size:20px}svg .alt,svg .row{display:none}}
@media screen and (max-width:44rem){
svg{font-size:28px}
table{display:block}
#all thead{display:block}#all thead tr{display:flex;flex-wrap:wrap;gap:.2rem 1rem;border:0}#all thead th{border:0}
}
@media print{nav,.skip,.find{display:none}body{font-size:11pt}section{break-inside:auto}figure,tr{break-inside:avoid}
details::details-content{content-visibility:visible;display:block}}
"""

_CARDS = """
@caption,@tbody,@tr,@tbody th,@td{display:block}@thead{display:none}
@tbody tr{border-bottom:1px solid var(--line);padding:.4rem 0;break-inside:avoid}
@tbody th,@td{border:0;padding:.05rem 0}
@.n,@[data-v]{text-align:left;white-space:normal}@.n+:not(.n),@[data-v]+:not([data-v]){padding-left:0}
@td::before{color:var(--muted)}@td:empty{display:none}
"""
"""Each row a card: on a narrow screen, and in tables that fit on none. `@` stands for which."""


def style() -> str:
    """The style sheet."""
    return (
        ":root{color-scheme:light dark;" + _variables(LIGHT) + "}"
        "@media screen and (prefers-color-scheme:dark){:root{"
        + _variables(DARK)
        + "}}"
        + _LAYOUT
        + _cards(".cards ")
        + ".cards{display:block}.cards tbody{columns:26rem}"
        + f"@media screen and (max-width:44rem){{{_cards('')}}}"
        + _fills()
    )


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def _cards(which: str) -> str:
    """With the title of its column beside each cell, which its table has as a variable."""
    beside = "".join(f"@td:nth-child({n})::before{{content:var(--t{n})}}" for n in range(2, MOST_TITLED + 1))
    return f"{_CARDS}{beside}".replace("@", which)


def _fills() -> str:
    """A class for each chart colour, as fill, stroke and background."""
    return "".join(
        f"svg .f-{name}{{fill:var(--{name})}}svg .s-{name}{{stroke:var(--{name})}}i.{name}{{background:var(--{name})}}"
        for name in (*CHART_COLOURS, "link")
    )
