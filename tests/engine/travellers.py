"""Recipes and values that do not travel to worker processes, or not back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.fakes import FakeRecipe, Stubborn, Trap


@dataclass(frozen=True)
class Maker:
    """Stands in a payload for a value that itself does not travel."""

    kind: str

    def make(self) -> Any:
        return {"Stubborn": Stubborn, "Trap": Trap}[self.kind]()


@dataclass(frozen=True)
class MakingRecipe(FakeRecipe):
    """Its workers return what the payload's `Maker` makes."""

    def open_worker(self, note: Any) -> Any:
        worker = super().open_worker(note)
        extract = worker.extract

        def made(task: Any, batch: str, clock: Any) -> Any:
            extracted = extract(task, batch, clock)
            value = extracted.value
            return type(extracted)(value.make() if isinstance(value, Maker) else value)

        worker.extract = made  # type: ignore[method-assign]
        return worker


@dataclass(frozen=True)
class LocalRecipe(FakeRecipe):
    """Holds a function."""

    function: Any = field(default=None, kw_only=False)

    def __init__(self, function: Any) -> None:
        object.__setattr__(self, "book", None)
        object.__setattr__(self, "function", function)


class Unwelcome(FakeRecipe):
    """Can be packed, and fails to be unpacked."""

    def __reduce__(self) -> Any:
        return (int, ("not a number",))
