"""Words that several rooms put into their messages in the same way, and the right word that a wrong one looks like.

Lists of names, sizes, durations, counts, rows of tables. Pure, and below all rooms. Sizes are decimal: 1 GB is
1,000,000,000 bytes, as in the settings. Displays and the report keep one digit behind the point, so that numbers do not
jump while they grow; the plan's notation is `orcabatch.settings.units`.

`words_of` and its neighbours name what is foreign: whatever an exception or a class does when it is asked, they answer,
and with no more text than a reader takes in.

`nearest` is the one owner of "did you mean" for settings, YAML keys and names in a model. Capitals, spaces, hyphens and
underscores make no difference to it: `Simulation_period` looks exactly like `SimulationPeriod`.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import traceback
from collections.abc import Iterable, Sequence

ALIKE = 0.6
"""From here on (1.0: the same letters) a word is worth suggesting."""
MISSPELT = 0.8
"""From here on a word is taken for a misspelt one: a slip in four letters is above it, another word is below."""
_SHORTEST_BEGINNING = 3
MOST_SAID = 10_000
"""Characters of what an exception says that are kept. More: a text of 50 MB takes 20 s to be written into metrics, list
and report, for every such file. Less: messages that list what is wrong with a large table lose their middle."""
MOST_TRACED = 100_000
"""The same of a traceback, which has what its causes say as well."""
_NAME, _QUALNAME, _MODULE = (type.__dict__[name].__get__ for name in ("__name__", "__qualname__", "__module__"))


def shortened_list(names: Sequence[str], between: str = ", ", most: int = 3) -> str:
    """The first names, and how many more."""
    more = and_more(len(names), most)
    return between.join(names[:most]) + (f" {more}" if more else "")


def and_more(count: int, shown: int, of_what: str = "") -> str:
    """`and 7 more`, where only so many of them are shown; empty where all are."""
    return f"and {count - shown:,} more {of_what}".rstrip() if count > shown else ""


def size(count: float) -> str:
    """Bytes as `3.2 GB`."""
    for unit, least in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            value = count / least
            return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float | None) -> str:
    """Seconds as `under 1 ms`, `40 ms`, `0.4 s`, `12 s`, `3 min 05 s` or `2 h 10 min`; `unknown` for None."""
    if seconds is None:
        return "unknown"
    if 0 < seconds < 0.095:
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.001 else "under 1 ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and end with `...` between, at most `most` characters."""
    if len(text) <= most:
        return text
    if most <= 5:
        return text[:most]
    head = (most - 3) // 2
    return f"{text[:head]}...{text[len(text) - (most - 3 - head) :]}"


def told_apart(names: Sequence[str], most: int) -> list[str]:
    """Names within `most` characters, each by what distinguishes it: what all begin and end with is cut first."""
    if all(len(name) <= most for name in names):
        return list(names)
    start = _common(names) if len(names) > 1 else 0
    end = _common([name[start:][::-1] for name in names]) if len(names) > 1 else 0
    return [name if len(name) <= most else _own(name, start, len(name) - end, most) for name in names]


def _common(names: Sequence[str]) -> int:
    """How many letters all begin with, up to the last place where a part of a name ends."""
    first, last = min(names), max(names)
    same = next((n for n, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return max(first.rfind(mark, 0, same) for mark in "_- .") + 1


def _own(name: str, start: int, end: int, most: int) -> str:
    """The part of a name from `start` to `end`, with as much as there is room for of what follows, then precedes."""
    if end - start + 3 * (start > 0) + 3 * (end < len(name)) > most:
        return shortened(name[start:end], most)
    if len(name) - start + 3 <= most:
        return f"...{name[len(name) - most + 3 :]}"
    return f"{'...' * (start > 0)}{name[start:end]}..."


def printable(text: str) -> str:
    """The text without control characters, which a file name may hold and a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def natural(name: str) -> tuple[object, ...]:
    """Sorts worker-10 behind worker-9."""
    digits = "".join(letter if letter.isdecimal() else " " for letter in name).split()
    return ("".join(letter for letter in name if not letter.isdecimal()), *map(int, digits))


def nearest(word: str, known: Iterable[str], *, alike: float = ALIKE, begun: bool = False) -> str:
    """The one of `known` that looks most like `word`; empty where none does.

    Args:
        word: the wrong one.
        known: the right ones; of equals the first wins.
        alike: how much it has to look like it, from 0 to 1.
        begun: a word of which `word` is the beginning is meant, whatever looks more alike.
    """
    known = list(known)
    if begun and len(letters(word)) >= _SHORTEST_BEGINNING:
        longer = [name for name in known if letters(name).startswith(letters(word))]
        if longer:
            return longer[0]
    return next(iter(alike_names(word, known, alike=alike, most=1)), "")


def alike_names(word: str, known: Iterable[str], *, alike: float = ALIKE, most: int = 3) -> list[str]:
    """Those of `known` that look most like `word`, the most alike first; of equals the first one."""
    by_letters: dict[str, str] = {}
    for name in known:
        by_letters.setdefault(letters(name), name)
    asked = letters(word)
    found = difflib.get_close_matches(asked, by_letters, n=len(by_letters) or 1, cutoff=alike)
    places = {name: place for place, name in enumerate(by_letters)}  # difflib's own order of equals is the alphabet's
    found.sort(key=lambda name: (-difflib.SequenceMatcher(None, name, asked).ratio(), places[name]))
    return [by_letters[name] for name in found[:most]]


def letters(word: str) -> str:
    """The word without what is easily written in another way."""
    return re.sub(r"[\s_-]+", "", word).casefold()


def class_name(kind: type) -> str:
    """Its name. Not asked of itself: the class of a class may answer anything, or raise."""
    return str(_NAME(kind))


def class_home(kind: type) -> str:
    """The module that it says it is of; empty where it says nothing that is a name."""
    home = _MODULE(kind)
    return home if isinstance(home, str) else ""


def class_place(kind: type) -> str:
    """`module.Outer.Inner`."""
    return f"{class_home(kind)}.{_QUALNAME(kind)}"


def said_by(error: BaseException) -> str:
    """What the exception says, also where its own `str` raises; not more than is read."""
    try:
        return shortened(str(error), MOST_SAID)
    except BaseException:  # noqa: BLE001 - it is in hand already, and how it is said may not matter more
        return "what it says cannot be had"


def words_of(error: BaseException) -> str:
    """The exception in one line: its class, and what it says."""
    name, text = class_name(type(error)), " ".join(said_by(error).split())
    return f"{name}: {text}" if text else name


def traceback_of(error: BaseException) -> str:
    """The traceback, as Python prints it; not more than is read."""
    try:
        return shortened("".join(traceback.format_exception(error)), MOST_TRACED)
    except BaseException:  # noqa: BLE001 - as above: its class, or that of a cause, raises when it is named
        return shortened("".join(traceback.format_tb(error.__traceback__)), MOST_TRACED) + words_of(error) + "\n"


def csv_row(cells: Sequence[str], line_end: str) -> str:
    """A row of a CSV; a carriage return in a cell is quoted, as older Pythons do only where it ends rows."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + line_end


def utf8(text: str) -> bytes:
    """The text as UTF-8, with escapes for what that cannot write: half letters, from file names in another encoding.

    Whoever writes a report or a list has results behind it: one name must not cost them.
    """
    return text.encode("utf-8", "backslashreplace")


def spelled(text: str) -> str:
    """The same as text: whoever takes it, a log file among them, can write it."""
    return utf8(text).decode()
