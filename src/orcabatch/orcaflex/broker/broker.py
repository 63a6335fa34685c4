"""The result broker: OrcaFlex is asked once.

Post-process code asks the same questions of every file, one at a time, many of them twice. The broker sits in
OrcFxAPI's own extension points and works for any such code:

    code ── question ──> brokered classes (`hook`) ── Memory ──> the binding
                                                        │ first question of a group: one joint request (`foresight`)
                         questions of the files before (`lore`)

Answers are what OrcFxAPI returned, bit for bit; errors are its errors, raised when the code asks. A `Broker` is what
the sessions of one process share; nothing on the way of a question takes a lock. Known differences to no broker: the
class of an object is a subclass of OrcFxAPI's; the same object is handed out again within a file; and an object's name,
once read, is known without a call.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.broker.answer_cache import Memory
from orcabatch.orcaflex.broker.hook import Hook
from orcabatch.orcaflex.broker.keys import Keys
from orcabatch.orcaflex.broker.question_history import Foreseen, Lore

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.options import BrokerOptions, Question
    from orcabatch.orcaflex.broker.self_check import Draw


@dataclass(frozen=True, slots=True)
class Report:
    """What the job has to know about the answers a file got.

    Attributes:
        used_joint_answers: whether answers of joint requests were handed out.
        mismatch: the variable whose joint answer differed from the single one; empty for none.
        joint_requests: how many were made since the file was loaded.
    """

    used_joint_answers: bool = False
    mismatch: str = ""
    joint_requests: int = 0


class Broker:
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
        self.lore = Lore(_seeds(Keys(module), questions))
        self.distrusted = False

    def attach(self, native: Any) -> None:
        """This native model gets a memory; on its own thread."""
        self._hook.acquire()
        self._hook.memories[native.handle.value] = Memory(self._module, native.handle, self.options, self._draw)

    def model_over(self, native: Any, handle: Any) -> Any:
        """A new model over it that asks its memory; `handle` is the handle that the file's objects hold."""
        model = self._hook.model_class()(handle=handle)
        for target, label in ((model.general, "General"), (model.environment, "Environment")):
            target.__dict__["_label"] = label
        return model

    def detach(self, native: Any) -> None:
        """The native model is about to be destroyed: what is left of its objects asks the binding from now on."""
        memory = self._hook.memories.pop(native.handle.value, None)
        if memory is not None:
            memory.end()
            self._hook.release()

    def begin(self, model: Any, *, prefetch: bool = True, reserved_bytes: int | None = None) -> None:
        """A file was loaded.

        Args:
            model: what it was loaded into.
            prefetch: False: nothing of it is asked jointly.
            reserved_bytes: what memory admission reserved for it, answers included; None: nothing.
        """
        wanted = prefetch and self.options.prefetch and not self.distrusted
        memory = self._memory(model)
        room_bytes = self.options.room_bytes(reserved_bytes)
        memory.begin(self.lore.plan() if wanted else (), room_bytes, learning=wanted)

    def settle(self, model: Any, *, finished: bool) -> Report:
        """A batch's work on the file ended; `finished`: without an exception, so that the self-check has its say."""
        memory = self._memory(model)
        memory.finished = memory.finished and finished
        if finished:
            memory.settle()
        self.distrusted = self.distrusted or bool(memory.mismatch)
        return Report(memory.used_joint, memory.mismatch, memory.joint_requests)

    def end(self, model: Any, *, typical: bool = True) -> None:
        """The file is released: learn from it, when all its work was done, and forget it.

        Args:
            model: what it was loaded into.
            typical: False: the simulation did not reach its end, so what it was not asked may be asked of the others.
        """
        memory = self._memory(model)
        memory.end()
        if memory.finished and memory.record.asked:
            self.lore.learn(memory.record, typical=typical)

    def _memory(self, model: Any) -> Memory:
        memory: Memory = model._memory
        return memory


def _seeds(keys: Keys, questions: Sequence[Question]) -> list[tuple[Any, Foreseen]]:
    seeds = []
    for order, question in enumerate(questions):
        extra = keys.extra_of(question.extra)
        name = (question.object_name, question.variable, keys.object_extra(extra))
        seeds.append(
            (keys.period(question.period), Foreseen(question.object_name, question.variable, extra, name, order))
        )
    return seeds
