"""The right word that a wrong one looks most like: one owner for settings, YAML keys, names in a model.

Capitals, spaces, hyphens and underscores make no difference here: `Simulation_period` looks exactly like
`SimulationPeriod`. Pure. Does not cover what is said about it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

ALIKE = 0.6
"""From here on (1.0: the same letters) a word is worth suggesting."""
MISSPELT = 0.8
"""From here on a word is taken for a misspelt one: a slip in four letters is above it, another word is below."""
_SHORTEST_BEGINNING = 3


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
