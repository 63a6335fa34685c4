"""What one model was asked since its file was loaded, and the answers.

    object or model ── question ──> AnswerCache ── not known ──> the binding (or a joint request: `prefetch`)

The cache is the native model's: it goes by its handle, whichever Python objects stand for it. Only successes are
remembered. Whatever changes the model goes through at its place in the order, and empties the cache (`hook`). Used
on the model's own thread only; there is no lock.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator
from ctypes import ArgumentError
from typing import TYPE_CHECKING, Any

import numpy as np

from orcabatch.orcaflex.broker.kept_answers import KeptAnswers
from orcabatch.orcaflex.broker.keys import Keys, UnkeyableError
from orcabatch.orcaflex.broker.objects import Objects
from orcabatch.orcaflex.broker.prefetch import HistoryKey, JointAnswer, Prefetch
from orcabatch.orcaflex.broker.question_history import Expected, ExpectedQuestion, QuestionName, QuestionRecord
from orcabatch.orcaflex.broker.self_check import Draw, SelfCheck

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.options import BrokerOptions

Ask = Callable[[], Any]

_LINK_BYTES = 1000
"""What linked statistics count for in Python; their samples are the DLL's."""
_MOST_EXTRAS = 1000
"""Code that makes other places up for every file must not fill the memory; their copies are made again, no more."""


class AnswerCache:
    """The cache of one model."""

    def __init__(self, module: Any, model_handle: Any, options: BrokerOptions, draw: Draw) -> None:
        self._module = module
        self._thread = self.thread = threading.get_ident()
        self.keys = Keys(module)
        self.answers = KeptAnswers(options.most_bytes)
        self.held, self._joint = self.answers.held, self.answers.unread
        self.objects = Objects(module, model_handle, self.adopt)
        self.variable_ids: dict[tuple[Any, str], int] = {}
        self.sample_counts: dict[bytes, int] = {}
        self.facts: dict[str, Any] = {}
        self.errors = (module.DLLError, ArgumentError, MemoryError)
        self.prefetch = Prefetch(module, self.objects, self.answers, options.chunk_bytes, self.errors)
        self.check = SelfCheck(draw, enabled=options.self_check)
        self.mismatch, self.used_joint, self.finished = "", False, True
        self.joint_requests = 0
        self.model_changed = False
        self.record = QuestionRecord()
        self._learning = True
        self._extras: dict[Hashable, Any] = {}

    # --- one file ---------------------------------------------------------------------------------------------------

    def begin(self, expected: Expected, room_bytes: int, *, learning: bool = True) -> None:
        """A file was loaded; `learning`: what it asks is recorded for the files to come."""
        self.thread = self._thread
        self.forget()
        self.answers.limit_bytes = room_bytes
        self.objects.expect({question.label for group in expected for question in group.questions})
        self.record, self._learning = QuestionRecord(), learning
        self.prefetch.begin(expected, self.record)
        self.check.reset()
        self.joint_requests, self.model_changed = 0, False
        self.mismatch, self.used_joint, self.finished = "", False, True

    def end(self) -> None:
        """The file's work is done; nothing is learnt nor answered any more."""
        self.prefetch.end()
        self._learning = False
        self._forget_answers()
        self.objects.end()
        self.thread = 0  # no thread's: every question now goes to the binding

    def changing(self) -> None:
        """Something is about to change the model: what is to be compared must be compared now.

        Until it has `changed`, nothing is remembered: whoever asks meanwhile asks the binding.
        """
        self.settle()
        self.thread, self.model_changed = 0, True

    def changed(self) -> None:
        """The change, which began on this thread, is over."""
        self.thread = self._thread
        self.forget()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Around anything that may change the model, on its thread."""
        self.changing()
        try:
            yield
        finally:
            self.changed()

    def settle(self) -> str:
        """Compare the sample of the self-check; the variable that differed, once known, else empty."""
        self.mismatch = self.mismatch or self.check.settle(self.errors)
        return self.mismatch

    def forget(self) -> None:
        """Empty everything that the model's state may have determined."""
        self.objects.forget()
        self._forget_answers()

    def _forget_answers(self) -> None:
        self.answers.clear()
        self.variable_ids.clear()
        self.sample_counts.clear()
        self.facts.clear()
        self.prefetch.forget()

    def adopt(self, target: Any) -> None:
        """The object asks here from now on."""
        target.__dict__["_answer_cache"] = self

    # --- questions --------------------------------------------------------------------------------------------------

    def fact(self, name: str, ask: Ask) -> Any:
        """Something that does not change while the file is loaded."""
        if name not in self.facts:
            self.facts[name] = ask()
        return self.facts[name]

    def variable_id(self, target: Any, variable: str, ask: Ask) -> int:
        """Identity of a variable for this very object (another of the same type may number its own differently)."""
        key = (target.handle.value, variable)
        found = self.variable_ids.get(key)
        if found is None:
            found = self.variable_ids[key] = ask()
        return found

    def history(self, target: Any, variable: str, period: Any, extra: Any) -> Any:
        """A time history: an array of shape (samples,) that the caller may modify."""
        keys = self.keys
        try:
            key = (target.handle.value, variable, keys.period(period), keys.object_extra(extra))
        except UnkeyableError:
            return target.ask_time_history(variable, period, extra)
        found = self.held.get(key)
        if found is None or key in self._joint:
            return self._first_history(target, key, period, extra)
        values, column = found
        return values[:, column].copy()

    def table(self, target: Any, variables: Any, period: Any, extra: Any) -> Any:
        """Several time histories of one object: an array of shape (samples, variables)."""
        keys = self.keys
        try:
            start, end = target.handle.value, (keys.period(period), keys.object_extra(extra))
            key = (start, tuple(variables), *end)
            hash(key)  # names may be anything at all, also what is no key
        except (UnkeyableError, TypeError):
            return target.ask_time_history(variables, period, extra)
        found = self.held.get(key)
        if found is not None:
            return found.copy()
        columns = [(start, variable, *end) for variable in key[1]]
        return self._first_table(target, key, columns, (period, extra))

    def copied(self, key: Hashable, ask: Ask) -> Any:
        """An array, remembered under this key."""
        found = self.held.get(key)
        if found is None:
            found = ask()
            if isinstance(found, np.ndarray):
                self.answers.keep(key, found.copy(), found.nbytes)
            return found
        return found.copy()

    def graph(self, key: Hashable, ask: Ask) -> Any:
        """A range graph: an object of arrays, remembered under this key as a whole."""
        found = self.held.get(key)
        if found is not None:
            return self._module.objectFromDict({name: _copy(value) for name, value in found})
        result = ask()
        # The caller may change the curves that he is given; those that are kept are nobody's.
        curves = tuple((name, _copy(value)) for name, value in vars(result).items())
        self.answers.keep(key, curves, sum(getattr(value, "nbytes", 0) for _, value in curves))
        return result

    def link(self, key: Hashable, ask: Ask) -> Any:
        """Linked statistics: an object of the binding that nobody can change."""
        found = self.held.get(key)
        if found is None:
            found = ask()
            self.answers.keep(key, found, _LINK_BYTES)
        return found

    def _first_history(self, target: Any, key: HistoryKey, period: Any, extra: Any) -> Any:
        label = self._label(target)
        name = (label, key[1], key[3])
        # Joint answers that nobody asked for yet are held as well: then there is nothing to ask ahead, they are used.
        if key not in self.held and self.prefetch.active and label:
            self._ask_ahead(key, name, period)
        found = self.held.get(key)
        if found is not None:
            self._used(key, name, extra)
            return found[0][:, found[1]].copy()
        answer = target.ask_time_history(key[1], period, extra)
        self.answers.keep_history(key, answer)
        self._learn(key, name, extra)
        return answer

    def _first_table(self, target: Any, key: tuple[Any, ...], columns: list[HistoryKey], how: tuple[Any, Any]) -> Any:
        period, extra = how
        label = self._label(target)
        if self.prefetch.active and label:
            for column in columns:
                if column not in self.held:
                    self._ask_ahead(column, (label, column[1], column[3]), period)
        # From joint columns only: OrcFxAPI asks for several jointly, too, so single answers are never stacked instead.
        joint = [self.held[column] for column in columns if self._came_jointly(column)]
        if columns and len(joint) == len(columns):
            answer = np.stack([values[:, place] for values, place in joint], axis=1)
            for column in columns:
                self._used(column, (label, column[1], column[3]), extra)
            return answer
        answer = target.ask_time_history(list(key[1]), period, extra)
        if isinstance(answer, np.ndarray):
            self.answers.keep(key, answer.copy(), answer.nbytes)
        for column in columns:
            self._learn(column, (label, column[1], column[3]), extra)
        return answer

    def _came_jointly(self, key: HistoryKey) -> bool:
        found = self.held.get(key)
        return found is not None and found[0].shape[1] > 1

    def _ask_ahead(self, key: HistoryKey, name: QuestionName, period: Any) -> None:
        joint = self.prefetch.fetch(key, name, period)
        if joint is not None:
            self._take(joint)

    def _take(self, joint: JointAnswer) -> None:
        self.joint_requests += 1
        self.answers.keep_table(joint.keys, joint.table)
        self.check.offer(joint.table, joint.questions)

    def _used(self, key: HistoryKey, name: QuestionName, extra: Any) -> None:
        self.used_joint = True
        self.answers.asked(key)
        foreseen = self.prefetch.used(key)
        self._learn(key, name, extra, foreseen)

    def _learn(self, key: HistoryKey, name: QuestionName, extra: Any, foreseen: ExpectedQuestion | None = None) -> None:
        if self._learning and name[0]:
            self.record.note(key[2], name, foreseen.extra if foreseen else self._own(extra, name[2]))

    def _own(self, extra: Any, key: Hashable) -> Any:
        # The caller may change his ObjectExtra afterwards; the one that is kept here is nobody's.
        if key not in self._extras:
            if len(self._extras) >= _MOST_EXTRAS:
                self._extras.clear()
            self._extras[key] = self.keys.copied(extra)
        return self._extras[key]

    def _label(self, target: Any) -> str:
        # Objects that the binding made by itself (a group's child) have none: they are not worth asking ahead.
        return str(target.__dict__.get("_label", ""))


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value
