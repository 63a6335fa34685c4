"""The self-check: is the joint answer, bit for bit, the single one?

That OrcFxAPI's joint call returns the very bits of the single calls is documented nowhere. So of every file one joint
answer, drawn at random among all of them, is asked again singly: when the file's work is done, or just before
something changes the model, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orcabatch.orcaflex.failures import refusal_passes

Draw = Callable[[int], int]
"""A number drawn from 0 .. n - 1."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A joint answer to be compared: its question, and its own copy of the values."""

    label: str
    variable: str
    values: Any
    ask: Callable[[], Any]


class SelfCheck:
    """Draws one joint answer of a file and compares it once."""

    def __init__(self, draw: Draw, *, enabled: bool = True) -> None:
        self._draw, self._enabled = draw, enabled
        self.reset()

    def reset(self) -> None:
        """A new file begins."""
        self._seen, self._done = 0, False
        self._sample: _Drawn | None = None

    def offer(self, table: Any, questions: Sequence[tuple[str, str, Callable[[], Any]]]) -> None:
        """Joint answers came in: columns of `table`, with label, variable and the single question of each."""
        if not self._enabled or self._done:
            return
        self._seen += len(questions)
        place = self._draw(self._seen)
        if place < len(questions):
            # Each of the answers seen so far is the sample with the same probability.
            label, variable, ask = questions[place]
            # A copy: the table may be forgotten before the comparison, and would be held by a view of it.
            self._sample = _Drawn(label, variable, table[:, place].copy(), ask)

    def settle(self, errors: tuple[type[BaseException], ...]) -> str:
        """Compare now, once per file.

        Returns:
            What differed, in words that name the variable; empty when nothing did or nothing was left to compare.
        """
        sample, self._sample = self._sample, None
        if sample is None:
            return ""
        self._done = True
        try:
            single = sample.ask()
        except errors as error:
            if refusal_passes(error):  # a licence that is gone since, say: nothing could be compared
                return ""
            return f"{_named(sample)} was answered jointly, but singly it fails ({' '.join(str(error).split())})"
        if single is None:  # by now the question would go through code of the user's, which answers as it likes
            return ""
        return "" if same_bits(sample.values, single) else f"{_named(sample)} ({_difference(sample.values, single)})"


def same_bits(one: Any, other: Any) -> bool:
    """Whether two arrays have the same type, shape and bytes (a NaN equals itself, 0.0 does not equal -0.0)."""
    return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())


def _named(sample: _Drawn) -> str:
    return f"{sample.variable!r} of {sample.label!r}"


def _difference(joint: Any, single: Any) -> str:
    if joint.shape != single.shape:
        return f"{joint.shape[0]} samples jointly, {single.shape[0]} singly"
    differ = np.flatnonzero(joint.view(np.uint64) != single.view(np.uint64))
    ours, theirs = float(joint[differ[0]]), float(single[differ[0]])
    return f"{len(differ)} of {len(joint)} samples differ, first: {ours!r} jointly, {theirs!r} singly"
