"""Whether functions are in another process what they are here.

    AsHere(function), sent to another process ── differing() ──> what is not there as it is here, by name

Does not cover what a function's form is (`orcabatch.store.code`). `orcabatch.orcaflex.user_function` asks in worker
processes.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from orcabatch.engine.foreign import ordinarily
from orcabatch.store.code import add_form


class AsHere:
    """Functions as they are where this is made: once it is in another process, it tells what is not so there.

    A function goes to another process by its name. That process imports its module as it stands on the disk, without
    what a script sets in it afterwards.

    What an initializer sets counts as well if it makes things as they are here; and where they were so before it, what
    it makes of them is its affair.
    """

    def __init__(self, *functions: Callable[..., Any]) -> None:
        self._functions = functions
        self._there: Mapping[str, bytes | None] = {}
        self._suspect: frozenset[str] = frozenset()
        self._differing: tuple[str, ...] | None = ()

    def __getstate__(self) -> dict[str, Any]:
        travelled = self._functions
        with contextlib.suppress(Exception):  # what cannot travel is said by whoever sends it
            # What goes by its value (a partial's arguments) may change its form in pickle, as masked arrays do.
            travelled = ordinarily(lambda: pickle.loads(pickle.dumps(self._functions)))  # noqa: S301 - made here
        return {"functions": self._functions, "forms": _forms(travelled)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._functions, self._there = state["functions"], state["forms"]
        self._suspect = self._unlike()
        self._differing = None if self._suspect else ()

    def differing(self) -> tuple[str, ...]:
        """What is not as it was where this was made, by name; to be asked when this process is set up."""
        if self._differing is None:
            self._differing = tuple(sorted(self._suspect & self._unlike()))
        return self._differing

    def _unlike(self) -> frozenset[str]:
        here, there = _forms(self._functions), self._there
        both = here.keys() & there.keys()
        known = {name for name in both if here[name] is not None and there[name] is not None}
        return frozenset({name for name in known if here[name] != there[name]} | (here.keys() ^ there.keys()))


def _forms(functions: tuple[Callable[..., Any], ...]) -> dict[str, bytes | None]:
    """What determines them, in words, with the hash of its form; None where it has none."""
    found = dict[str, bytes | None]()
    for function in functions:
        with contextlib.suppress(Exception):  # a user's object may raise anything when it is looked at
            ordinarily(partial(add_form, function, found))
    return found
