"""The door of the result broker: what the sessions of a process share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.options import BrokerOptions, Question


@dataclass(frozen=True, slots=True)
class Report:
    """What the job has to know about the answers a file got.

    Attributes:
        used_joint_answers: whether answers of joint requests were handed out.
        mismatch: the variable whose joint answer differed from the single one; empty for none.
    """

    used_joint_answers: bool = False
    mismatch: str = ""


class Broker:
    """What the sessions of one process share."""

    def __init__(self, module: Any, options: BrokerOptions, questions: Sequence[Question] = ()) -> None:
        self._module, self.options, self.questions = module, options, tuple(questions)

    def new_model(self, thread_count: int) -> Any:
        """A new model on the calling thread."""
        return self._module.Model(threadCount=thread_count)

    def forget_model(self, model: Any) -> None:
        """The model is about to be destroyed."""

    def begin(self, model: Any, *, prefetch: bool) -> None:
        """A file was loaded."""

    def settle(self, model: Any, *, finished: bool) -> Report:
        """A batch's visit ended."""
        return Report()

    def end(self, model: Any) -> None:
        """The file is released."""
