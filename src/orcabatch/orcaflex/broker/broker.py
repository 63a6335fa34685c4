"""The result broker: OrcaFlex is asked once.

Post-process code asks the same questions of every file, one at a time, many of them twice. The broker sits in
OrcFxAPI's own extension points and works for any such code:

    code ── question ──> `classes` (put in by `hook`) ──> `answer_cache` ── not known ──> the binding
                                                               │ first question of a group
    questions of the files before (`question_history`) ──> one joint request (`prefetch`)

Answers are what OrcFxAPI returned, bit for bit; errors are its errors, raised when the code asks. A `ResultBroker` is
what the sessions of one process share; nothing on the way of a question takes a lock. Known differences to no broker:
the class of an object is a subclass of OrcFxAPI's; the same object is handed out again within a file; and an object's
name, once read, is known without a call.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.broker.answer_cache import AnswerCache
from orcabatch.orcaflex.broker.hook import Hook
from orcabatch.orcaflex.broker.keys import Keys
from orcabatch.orcaflex.broker.question_history import ExpectedQuestion, QuestionHistory

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.options import BrokerOptions, Question
    from orcabatch.orcaflex.broker.self_check import Draw


@dataclass(frozen=True, slots=True)
class BrokerReport:
    """What the job has to know about the answers a file got.

    Attributes:
        used_joint_answers: whether answers of joint requests were handed out.
        mismatch: the variable whose joint answer differed from the single one; empty for none.
        joint_requests: how many were made since the file was loaded.
    """

    used_joint_answers: bool = False
    mismatch: str = ""
    joint_requests: int = 0


class ResultBroker:
    """What the sessions of one process share.

    Args:
        module: OrcFxAPI, real or over the simulated DLL.
        options: how much the broker may do.
        questions: time histories known to be asked for in every file.
        draw: draws the answer that is checked; another one only in tests.
    """

    def __init__(
        self, module: Any, options: BrokerOptions, questions: Sequence[Question] = (), draw: Draw = secrets.randbelow
    ) -> None:
        self._module, self.options, self._draw = module, options, draw
        self._hook = Hook.of(module)
        self.question_history = QuestionHistory(_seeds(Keys(module), questions))
        self.distrusted = False

    def attach(self, native: Any) -> None:
        """This native model gets a cache; on its own thread."""
        self._hook.acquire()
        cache = AnswerCache(self._module, native.handle, self.options, self._draw)
        cache.objects.plain_class = self._hook.plain_class()
        self._hook.caches[native.handle.value] = cache

    def model_over(self, native: Any, handle: Any) -> Any:
        """A new model over it that asks its cache; `handle` is the handle that the file's objects hold."""
        model = self._hook.model_class()(handle=handle)
        # OrcFxAPI makes these two itself, past `objects`, which labels all others: without a label none is asked ahead.
        for target, label in ((model.general, "General"), (model.environment, "Environment")):
            target.__dict__["_label"] = label
        return model

    def detach(self, native: Any) -> None:
        """The native model is about to be destroyed: what is left of its objects asks the binding from now on."""
        cache = self._hook.caches.pop(native.handle.value, None)
        if cache is not None:
            cache.end()
            self._hook.release()

    def begin(self, model: Any, *, prefetch: bool = True, reserved_bytes: int | None = None) -> None:
        """A file was loaded.

        Args:
            model: what it was loaded into.
            prefetch: False: nothing of it is asked jointly.
            reserved_bytes: what memory admission reserved for it, answers included; None: nothing.
        """
        wanted = prefetch and self.options.prefetch and not self.distrusted
        cache = _cache_of(model)
        room_bytes = self.options.room_bytes(reserved_bytes)
        cache.begin(self.question_history.expected() if wanted else (), room_bytes, learning=wanted)

    def settle(self, model: Any, *, finished: bool) -> BrokerReport:
        """A batch's work on the file ended; `finished`: without an exception, so that the self-check has its say."""
        cache = _cache_of(model)
        # A batch that raised may have asked only half of its questions: nothing is learnt from this file, or the
        # other half would count as missed.
        cache.finished = cache.finished and finished
        if finished:
            cache.settle()
        self.distrusted = self.distrusted or bool(cache.mismatch)
        return BrokerReport(cache.used_joint, cache.mismatch, cache.joint_requests)

    def was_changed(self, model: Any) -> bool:
        """Whether anything may have changed the model since its file was loaded."""
        return _cache_of(model).model_changed

    def end(self, model: Any, *, typical: bool = True) -> None:
        """The file is released: learn from it, when all its work was done, and forget it.

        Args:
            model: what it was loaded into.
            typical: False: the simulation did not reach its end, so what it was not asked may be asked of the others.
        """
        cache = _cache_of(model)
        cache.end()
        if cache.finished and cache.record.asked:
            self.question_history.learn(cache.record, typical=typical)


def _cache_of(model: Any) -> AnswerCache:
    cache: AnswerCache = model._answer_cache
    return cache


def _seeds(keys: Keys, questions: Sequence[Question]) -> list[tuple[Any, ExpectedQuestion]]:
    seeds = []
    for order, question in enumerate(questions):
        extra = keys.extra_of(question.extra)
        name = (question.object_name, question.variable, keys.object_extra(extra))
        expected = ExpectedQuestion(question.object_name, question.variable, extra, name, order)
        seeds.append((keys.period(question.period), expected))
    return seeds
