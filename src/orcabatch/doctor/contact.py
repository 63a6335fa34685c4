"""One child's contact with OrcaFlex: the binding, the files, the model that is loaded, and questions that it answers.

Only reads. What a check found is an `Answer`: a verdict, words for the engineer (they may name his objects), figures
for others (numbers and words of OrcaFlex's own, never a name of his).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from orcabatch.orcaflex.session import destroy
from orcabatch.sleep import awake_s
from orcabatch.win32 import as_opened

if TYPE_CHECKING:
    from orcabatch.doctor.assumptions import Verdict
    from orcabatch.orcaflex.binding import Binding

MOST_QUESTIONS = 48
"""Enough for three variables of two objects of each usual type; each costs a pass over the log, single and joint."""
BUDGET_S = 4.0
"""After that long a check asks nothing more: seconds, however large the file."""
_OF_TYPE, _OF_OBJECT = 2, 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check found."""

    verdict: Verdict
    said: str
    figures: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A time history that the loaded file answers."""

    target: Any
    kind: str
    variable: str
    extra: Any
    place: str

    def single(self, period: Any) -> Any:
        """Asked alone."""
        return self.target.TimeHistory(self.variable, period, self.extra)


class Contact:
    """The binding and the user's files. Used on one thread; `close` destroys what is open."""

    def __init__(self, binding: Binding, files: tuple[Path, ...], seats: int = 1) -> None:
        self.module, self.files, self.seats = binding.module, files, seats
        self.figures: dict[str, float | str] = {}
        self._model: Any = None
        self._asked: list[Asked] = []

    @property
    def model(self) -> Any:
        """The first file, loaded."""
        self.load()
        return self._model

    def load(self) -> None:
        """Load the first file into an empty model as a session does, once."""
        if self._model is None:
            began = awake_s()
            model = self.module.Model(threadCount=1)
            made = awake_s()
            try:
                model.LoadSimulation(str(self.files[0]))
            except BaseException:
                destroy(self.module, model)
                raise
            self._model = model
            self.figures |= {"create_s": made - began, "load_s": awake_s() - made}

    @property
    def size_bytes(self) -> int:
        """Of the first file."""
        return as_opened(self.files[0]).stat().st_size

    @property
    def asked(self) -> list[Asked]:
        """Time histories that the loaded file answers, of as many types of object as there are."""
        if not self._asked:
            self._asked = list(questions(self.module, self.model))
        return self._asked

    def close(self) -> None:
        """Destroy the model."""
        model, self._model = self._model, None
        self._asked = []
        if model is not None:
            destroy(self.module, model)

    def periods(self) -> Iterator[tuple[str, Any]]:
        """Periods of every kind, by name."""
        module, model = self.module, self.model
        start, stop = float(model.simulationStartTime), float(model.simulationTimeStatus.CurrentTime)
        quarter = (stop - start) / 4
        yield "whole simulation", module.Period(module.PeriodNum.WholeSimulation)
        yield "specified", module.SpecifiedPeriod(start + quarter, stop - quarter)
        yield "latest wave", module.Period(module.PeriodNum.LatestWave)
        yield "static state", module.Period(module.PeriodNum.StaticState)
        yield "as the code leaves it out", None

    def whole(self) -> Any:
        """The whole simulation."""
        return self.module.Period(self.module.PeriodNum.WholeSimulation)


def questions(module: Any, model: Any) -> Iterator[Asked]:
    """Time histories of a few objects of each type, at both ends of lines, that are answered."""
    seen: dict[str, int] = {}
    count = 0
    ends = awake_s() + BUDGET_S
    whole = module.Period(module.PeriodNum.WholeSimulation)
    for target in model.objects:
        kind = str(target.typeName)
        if seen.get(kind, 0) >= _OF_TYPE or count >= MOST_QUESTIONS or awake_s() > ends:
            continue
        found = 0
        for place, extra in _places(module):
            for variable in _spread(_names(module, target, extra)):
                one = Asked(target, kind, variable, extra, place)
                if answered(module, one.single, whole) is not None:
                    found += 1
                    yield one
            if found and place in {"", "End B"}:
                break
        count += found
        seen[kind] = seen.get(kind, 0) + bool(found)


def answered(module: Any, ask: Callable[..., Any], *how: Any) -> Any:
    """The answer; None where OrcaFlex refuses the question."""
    try:
        return ask(*how)
    except (module.DLLError, AttributeError, TypeError, ValueError):
        return None


def _places(module: Any) -> Iterator[tuple[str, Any]]:
    # In this order: an answer without an extra says that none is needed, and lines need an end.
    yield "", None
    yield "End A", module.oeEndA
    yield "End B", module.oeEndB
    yield "at a point of the sea", module.oeEnvironment(0.0, 0.0, 0.0)


def _names(module: Any, target: Any, extra: Any) -> list[str]:
    names = answered(module, target.vars, module.ResultType.TimeHistory, extra)
    return [str(name) for name in names or ()]


def _spread(names: list[str]) -> list[str]:
    """A few of them, from the beginning, the middle and the end."""
    if len(names) <= _OF_OBJECT:
        return names
    return [names[place * (len(names) - 1) // (_OF_OBJECT - 1)] for place in range(_OF_OBJECT)]


def memory_bytes() -> int:
    """What this process has in memory."""
    return int(psutil.Process().memory_info().rss)


def timed(call: Callable[[], Any]) -> float:
    """Seconds that it takes."""
    began = awake_s()
    call()
    return awake_s() - began
