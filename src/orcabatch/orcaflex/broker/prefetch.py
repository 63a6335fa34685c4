"""Asking ahead: as soon as a file asks the first question of a group, the group's next ones are asked together.

Covers which questions go into one joint request, and making it. A request returns at most `chunk_bytes`, and what
there is room for; the next one is made only when the code gets there. A file that leaves out what was asked ahead
before it has another path through its code than the files before: it is asked nothing more ahead, so at most one chunk
per period is wasted.
When anything about a joint request fails, nothing was asked: the code's own single calls then give its errors, at
their own moment. Does not hold answers (`orcabatch.orcaflex.broker.kept_answers`) nor learn (`...question_history`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from orcabatch.orcaflex.broker.keys import period_number
from orcabatch.orcaflex.broker.question_history import (
    Expected,
    ExpectedQuestion,
    QuestionGroup,
    QuestionName,
    QuestionRecord,
)

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.kept_answers import KeptAnswers
    from orcabatch.orcaflex.broker.objects import Objects

_DOUBLE_BYTES = 8
_LEAST = 2
"""A joint request for one would save nothing, and its answer would need the self-check."""

HistoryKey = tuple[Any, str, Hashable, Hashable]
"""Object's handle, variable, key of the period, key of the extra."""


@dataclass(frozen=True, slots=True)
class JointAnswer:
    """The answer of a joint request.

    Attributes:
        keys: one per column.
        table: array of shape (samples, keys).
        questions: label, variable and single question of each column, for the self-check.
    """

    keys: tuple[HistoryKey, ...]
    table: Any
    questions: tuple[tuple[str, str, Callable[[], Any]], ...]


class Prefetch:
    """What is expected of the loaded file, and what was asked ahead of it."""

    def __init__(
        self,
        module: Any,
        objects: Objects,
        answers: KeptAnswers,
        chunk_bytes: int,
        errors: tuple[type[BaseException], ...],
    ) -> None:
        self._module, self._objects, self._answers, self._chunk_bytes = module, objects, answers, chunk_bytes
        self._errors: tuple[type[BaseException], ...] = (KeyError, *errors)
        self.begin((), QuestionRecord())

    def begin(self, expected: Expected, record: QuestionRecord) -> None:
        """A file was loaded; without two questions expected of a period: nothing is asked ahead."""
        self._expected, self._record = expected, record
        self._groups: dict[Hashable, QuestionGroup | None] = {}
        self._unasked: dict[HistoryKey, tuple[int | None, ExpectedQuestion]] = {}
        self.active = any(len(group.questions) >= _LEAST for group in expected)

    def forget(self) -> None:
        """The model changed: what was asked ahead is worth nothing, and no fault of the code's."""
        self._unasked.clear()

    def used(self, key: HistoryKey) -> ExpectedQuestion | None:
        """The code asked for what was asked ahead; None where it had asked before."""
        found = self._unasked.pop(key, None)
        return None if found is None else found[1]

    def end(self) -> None:
        """The file's work is done: what was asked ahead and not used is a miss."""
        if self._unasked:
            self._record.missed |= {(number, question.name) for number, question in self._unasked.values()}
        self.active = False

    def fetch(self, key: HistoryKey, name: QuestionName, period: Any) -> JointAnswer | None:
        """The answers of the group that this question belongs to, or None: it is to be asked singly."""
        try:
            group = self._group(key[2], name)
            place = None if group is None else group.places.get(name)
            if group is None or place is None or self._strayed(group.questions[place].order):
                return None
            samples: int = self._module.HelperMethods.SampleCount(self._objects.model_handle, period)
            history_bytes = _DOUBLE_BYTES * max(samples, 1)
            limit = min(self._chunk_bytes, self._answers.room_bytes) // history_bytes
            if limit < _LEAST:
                return None
            chosen = self._chosen(group.questions[place:], key, limit)
            if len(chosen) < _LEAST:
                return None
            # Before the request: afterwards old and new answers would be there at the same time, above the limit.
            self._answers.make_room(history_bytes * len(chosen))
            return self._asked(chosen, key[2], period)
        except self._errors:
            self._groups[key[2]] = None
            return None

    def _group(self, period: Hashable, name: QuestionName) -> QuestionGroup | None:
        if period not in self._groups:
            group = bind(self._expected, self._record.bound, period, name)
            if group is not None:
                self._record.bound[group.number] = period
                # The joint call knows time histories only, nothing of the frequency domain.
                if len(group.questions) < _LEAST or self._is_frequency_domain():
                    group = None
            self._groups[period] = group
        return self._groups[period]

    def _is_frequency_domain(self) -> bool:
        return bool(self._module.HelperMethods.IsFrequencyDomainDynamics(self._objects.model_handle))

    def _strayed(self, order: int) -> bool:
        # Code asks in the order of the files before; what it has passed by, it leaves out.
        if any(question.order < order for _, question in self._unasked.values()):
            self.active = False
        return not self.active

    def _chosen(
        self, questions: tuple[ExpectedQuestion, ...], asked: HistoryKey, limit: int
    ) -> dict[HistoryKey, tuple[ExpectedQuestion, Any]]:
        chosen: dict[HistoryKey, tuple[ExpectedQuestion, Any]] = {}
        for question in questions:
            if len(chosen) >= limit:
                break
            try:
                target = self._objects.to_ask(question.label)
                if not is_brokered(target):
                    continue
                target.varID(question.variable)
            except self._errors:
                continue  # this file has no such thing; the code will hear it when it asks
            key = (target.handle.value, question.variable, asked[2], question.name[2])
            if key not in self._answers.held:
                chosen[key] = (question, target)
        # What the code is waiting for must be among the answers; else it would be asked twice.
        return chosen if asked in chosen else {}

    def _asked(
        self, chosen: dict[HistoryKey, tuple[ExpectedQuestion, Any]], period_key: Hashable, period: Any
    ) -> JointAnswer | None:
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
        # A period of our own for the self-check, which asks later: the caller may have changed his by then.
        again = None if period_key is None else module.Period.from_buffer_copy(period_key)
        single = (
            (question.label, question.variable, _single(target, question, again))
            for question, target in chosen.values()
        )
        return JointAnswer(tuple(chosen), table, tuple(single))


def bind(
    expected: Expected, bound: Mapping[int, Hashable], period: Hashable, name: QuestionName
) -> QuestionGroup | None:
    """The group that a file means when it asks this question with a period for the first time.

    A group with the same period, else one that asks this very question with another period of the same kind.
    """
    free = [group for group in expected if group.number not in bound]
    for group in free:
        if group.period == period:
            return group
    number = period_number(period)
    same_kind = (group for group in free if name in group.places and period_number(group.period) == number)
    return next(same_kind, None)


def _single(target: Any, question: ExpectedQuestion, period: Any) -> Callable[[], Any]:
    return lambda: target.ask_time_history(question.variable, period, question.extra) if is_brokered(target) else None


def is_brokered(target: Any) -> bool:
    """Whether a time history of this object is OrcFxAPI's own answer; else it is nobody's to ask but the code's."""
    guard = getattr(type(target), "_broker_guards", {}).get("TimeHistory")
    return guard is not None and bool(guard(target))
