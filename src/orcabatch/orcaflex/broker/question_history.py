"""What is known about the questions that the next file will ask, learnt from the files before.

    file ends ── QuestionRecord ──> QuestionHistory.learn      file begins <── QuestionHistory.expected

Questions are grouped by the period they were asked with, in the order of asking. Objects are known by name only: their
handles change from file to file. Periods may change too (files stop at different times), so a group is recognised by
what it asks where its exact period does not come up again. A question that was asked ahead and then not used is
forgotten, until two files in a row have asked for it; after its second miss four, and so on. Knows nothing of OrcFxAPI.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orcabatch.orcaflex.broker.keys import period_number

_IDLE_FILES = 4
"""So many files in a row may leave a group out before it is forgotten: fewer would lose what a rarer kind of file asks;
more would keep asking for what no file asks any more."""
_LAST = 1 << 30
"""Order of what the latest file did not ask for: behind all that it did."""

QuestionName = tuple[str, str, Hashable]
"""Object's name, variable, key of the extra: a question without its period."""

QuestionKey = tuple[int | None, QuestionName]
"""Number of its period (None: the code gave none), and name."""


@dataclass(frozen=True, slots=True)
class ExpectedQuestion:
    """A time history that a file is expected to ask for.

    Attributes:
        label: the object's name.
        variable: the variable's name.
        extra: the `ObjectExtra`, or None; `name` holds its key.
        name: the question's identity across files.
        order: its place in the order of asking, over all groups.
    """

    label: str
    variable: str
    extra: Any = field(compare=False)
    name: QuestionName
    order: int = 0


@dataclass(frozen=True, slots=True)
class QuestionGroup:
    """Questions with one period.

    Attributes:
        number: the group's identity across files.
        period: key of the period that the latest file asked with.
        questions: in the order of asking.
        places: place of each question.
        idle: files in a row that did not ask for any.
    """

    number: int
    period: Hashable
    questions: tuple[ExpectedQuestion, ...]
    places: Mapping[QuestionName, int]
    idle: int = 0

    @classmethod
    def of(cls, number: int, period: Hashable, questions: Iterable[ExpectedQuestion], idle: int = 0) -> QuestionGroup:
        """A group, duplicates left out."""
        distinct = tuple({question.name: question for question in questions}.values())
        places = {question.name: place for place, question in enumerate(distinct)}
        return cls(number, period, distinct, places, idle)


@dataclass(slots=True)
class QuestionRecord:
    """What one file asked.

    Attributes:
        asked: questions that got an answer, by the key of their period, in the order of asking.
        bound: the key of the period that each expected group was asked with.
        missed: number of the period, and question, of what was asked ahead and not used.
    """

    asked: dict[Hashable, dict[QuestionName, ExpectedQuestion]] = field(default_factory=dict)
    bound: dict[int, Hashable] = field(default_factory=dict)
    missed: set[QuestionKey] = field(default_factory=set)
    count: int = 0

    def note(self, period: Hashable, name: QuestionName, extra: Any) -> None:
        """A question got its answer; `extra` belongs to nobody else."""
        group = self.asked.setdefault(period, {})
        # Asked again, it keeps its first place: by then its answer is needed.
        if name not in group:
            group[name] = ExpectedQuestion(name[0], name[1], extra, name, self.count)
            self.count += 1


Expected = tuple[QuestionGroup, ...]


class QuestionHistory:
    """The questions of a batch, shared by the sessions of a process; locked only where a file begins or ends."""

    def __init__(self, seeds: Iterable[tuple[Hashable, ExpectedQuestion]] = ()) -> None:
        self._lock = threading.Lock()
        self._misses: dict[QuestionKey, int] = {}
        self._asked_again: dict[QuestionKey, int] = {}  # of what was forgotten: by how many files in a row
        grouped: dict[Hashable, list[ExpectedQuestion]] = {}
        for period, question in seeds:
            grouped.setdefault(period, []).append(question)
        self._groups = {
            number: QuestionGroup.of(number, period, grouped[period]) for number, period in enumerate(grouped)
        }
        self._next = len(self._groups)

    def expected(self) -> Expected:
        """What the next file is expected to ask."""
        with self._lock:
            return tuple(self._groups.values())

    def learn(self, record: QuestionRecord, *, typical: bool = True) -> None:
        """Take over what a finished file asked.

        Args:
            record: what it asked.
            typical: False: what it did not ask for says nothing about other files.
        """
        with self._lock:
            if typical:
                self._forget(record)
            owner = {period: number for number, period in record.bound.items()}
            for number, group in tuple(self._groups.items()):
                if number not in record.bound and group.period not in record.asked:
                    self._rest(number)
            for period, asked in record.asked.items():
                self._take_over(owner.get(period), period, asked)

    def _forget(self, record: QuestionRecord) -> None:
        for question in record.missed:
            self._misses[question] = self._misses.get(question, 0) + 1
            self._asked_again[question] = 0
        for question, times in tuple(self._asked_again.items()):
            number, name = question
            asked = any(name in names and period_number(key) == number for key, names in record.asked.items())
            self._asked_again[question] = times + 1 if asked else 0
            # Twice as long after each miss: what every second file asks would else be missed by every other, for ever.
            if self._asked_again[question] >= 2 ** self._misses[question]:
                del self._asked_again[question]

    def _rest(self, number: int) -> None:
        group = self._groups[number]
        if group.idle >= _IDLE_FILES:
            del self._groups[number]
        else:
            self._groups[number] = QuestionGroup.of(
                number, group.period, self._allowed(group.period, group.questions), group.idle + 1
            )

    def _take_over(self, number: int | None, period: Hashable, asked: Mapping[QuestionName, ExpectedQuestion]) -> None:
        kept: tuple[ExpectedQuestion, ...] = ()
        before = self._groups.get(number) if number is not None else self._same_period(period)
        if before is None:
            number, self._next = self._next, self._next + 1
        elif before.period == period and not before.idle and before.questions == tuple(asked.values()):
            return  # nothing new, as with most files
        else:
            number = before.number
            # Not asked by this file, perhaps by the next: files may take turns. What was missed goes by `_allowed`.
            kept = tuple(replace(item, order=_LAST) for item in before.questions if item.name not in asked)
        self._groups[number] = QuestionGroup.of(number, period, self._allowed(period, (*asked.values(), *kept)))

    def _same_period(self, period: Hashable) -> QuestionGroup | None:
        return next((group for group in self._groups.values() if group.period == period), None)

    def _allowed(self, period: Hashable, questions: Iterable[ExpectedQuestion]) -> Iterable[ExpectedQuestion]:
        number = period_number(period)
        return (question for question in questions if (number, question.name) not in self._asked_again)
