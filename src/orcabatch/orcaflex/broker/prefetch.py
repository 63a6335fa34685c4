"""Asking ahead: as soon as a file asks the first question of a group, the group's next ones are asked together.

Covers which questions go into one joint request, and making it. A request returns at most `chunk_bytes`, and what
there is room for; the next one is made only when the code gets there. A file that leaves out what was asked ahead
before it has another path through its code than the files before: it is asked nothing more ahead, so at most one chunk
per period is wasted.
When anything about a joint request fails, nothing was asked: the code's own single calls then give its errors, at
their own moment. Does not hold answers (`orcabatch.orcaflex.broker.answers`) nor learn (`...lore`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from orcabatch.orcaflex.broker.keys import period_number
from orcabatch.orcaflex.broker.question_history import Foreseen, Group, Name, Plan, Record, bind

_DOUBLE_BYTES = 8
_LEAST = 2

HistoryKey = tuple[Any, str, Hashable, Hashable]
"""Object's handle, variable, key of the period, key of the extra."""


class Finder(Protocol):
    """Finds what a joint request needs; the file's memory does."""

    def called(self, name: str) -> Any:
        """The object of this name; KeyError where there is none."""

    def is_frequency_domain(self) -> bool:
        """Whether the file holds frequency domain dynamics."""

    def has_answer(self, key: HistoryKey) -> bool:
        """Whether the answer is there already."""

    def room_bytes(self) -> int:
        """What a joint answer may take now."""

    def make_room(self, size_bytes: int) -> None:
        """Answers of this size are about to come."""


@dataclass(frozen=True, slots=True)
class Joint:
    """The answer of a joint request.

    Attributes:
        keys: one per column.
        table: array of shape (samples, keys).
        questions: label, variable and single question of each column, for the self-check.
    """

    keys: tuple[HistoryKey, ...]
    table: Any
    questions: tuple[tuple[str, str, Callable[[], Any]], ...]


class Foresight:
    """What is expected of the loaded file, and what was asked ahead of it."""

    def __init__(self, module: Any, chunk_bytes: int, errors: tuple[type[BaseException], ...]) -> None:
        self._module, self._chunk_bytes = module, chunk_bytes
        self._errors: tuple[type[BaseException], ...] = (KeyError, *errors)
        self.begin((), Record())

    def begin(self, plan: Plan, record: Record) -> None:
        """A file was loaded; a plan without two questions of a period: nothing is asked ahead."""
        self._plan, self._record = plan, record
        self._groups: dict[Hashable, Group | None] = {}
        self._unasked: dict[HistoryKey, tuple[int | None, Foreseen]] = {}
        self.active = any(len(group.questions) >= _LEAST for group in plan)

    def forget(self) -> None:
        """The model changed: what was asked ahead is worth nothing, and no fault of the code's."""
        self._unasked.clear()

    def used(self, key: HistoryKey) -> Foreseen | None:
        """The code asked for what was asked ahead; None where it had asked before."""
        found = self._unasked.pop(key, None)
        return None if found is None else found[1]

    def end(self) -> None:
        """The file's work is done: what was asked ahead and not used is a miss."""
        if self._unasked:
            self._record.missed |= {(number, question.name) for number, question in self._unasked.values()}
        self.active = False

    def fetch(self, finder: Finder, key: HistoryKey, name: Name, period: Any) -> Joint | None:
        """The answers of the group that this question belongs to, or None: it is to be asked singly."""
        try:
            group = self._group(finder, key[2], name)
            place = None if group is None else group.places.get(name)
            if group is None or place is None or self._strayed(group.questions[place].order):
                return None
            history_bytes = _DOUBLE_BYTES * max(finder.called(name[0]).SampleCount(period), 1)
            limit = min(self._chunk_bytes, finder.room_bytes()) // history_bytes
            if limit < _LEAST:
                return None
            chosen = self._chosen(finder, group.questions[place:], key, limit)
            if len(chosen) < _LEAST:
                return None
            finder.make_room(history_bytes * len(chosen))
            return self._asked(chosen, key[2], period)
        except self._errors:
            self._groups[key[2]] = None
            return None

    def _group(self, finder: Finder, period: Hashable, name: Name) -> Group | None:
        if period not in self._groups:
            group = bind(self._plan, self._record.bound, period, name)
            if group is not None:
                self._record.bound[group.number] = period
                if len(group.questions) < _LEAST or finder.is_frequency_domain():
                    group = None
            self._groups[period] = group
        return self._groups[period]

    def _strayed(self, order: int) -> bool:
        if any(question.order < order for _, question in self._unasked.values()):
            self.active = False
        return not self.active

    def _chosen(
        self, finder: Finder, questions: tuple[Foreseen, ...], asked: HistoryKey, limit: int
    ) -> dict[HistoryKey, tuple[Foreseen, Any]]:
        chosen: dict[HistoryKey, tuple[Foreseen, Any]] = {}
        for question in questions:
            if len(chosen) >= limit:
                break
            try:
                target = finder.called(question.label)
                target.varID(question.variable)
            except self._errors:
                continue  # this file has no such thing; the code will hear it when it asks
            if not hasattr(type(target), "ask_time_history"):
                continue  # of a class of the code's own, which never asks the memory
            key = (target.handle.value, question.variable, asked[2], question.name[2])
            if not finder.has_answer(key):
                chosen[key] = (question, target)
        return chosen if asked in chosen else {}

    def _asked(self, chosen: dict[HistoryKey, tuple[Foreseen, Any]], period_key: Hashable, period: Any) -> Joint | None:
        module = self._module
        table = module.GetMultipleTimeHistories(
            [
                module.TimeHistorySpecification(target, question.variable, question.extra)
                for question, target in chosen.values()
            ],
            period,
        )
        if not isinstance(table, np.ndarray) or table.ndim != 2 or table.shape[1] != len(chosen):
            return None
        number = period_number(period_key)
        self._unasked.update((key, (number, question)) for key, (question, _) in chosen.items())
        again = None if period_key is None else module.Period.from_buffer_copy(period_key)
        single = (
            (question.label, question.variable, _single(target, question, again))
            for question, target in chosen.values()
        )
        return Joint(tuple(chosen), table, tuple(single))


def _single(target: Any, question: Foreseen, period: Any) -> Callable[[], Any]:
    return lambda: target.ask_time_history(question.variable, period, question.extra)
