"""Functions and methods of OrcFxAPI that are replaced for a while, and put back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Takes what stands there, gives what is to stand there."""


class Patches:
    """What was replaced. Whoever calls sees to it that one thread at a time does."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def put(self, owner: Any, name: str, wrap: Wrap) -> None:
        """Replace `owner.name`; what an OrcFxAPI does not have is left out."""
        original = vars(owner).get(name)
        if original is None:
            return
        static = isinstance(original, staticmethod)
        wrapped: Any = wrap(original.__func__ if static else original)
        mine = staticmethod(wrapped) if static else wrapped
        setattr(owner, name, mine)

        def undo() -> None:
            if vars(owner).get(name) is mine:
                setattr(owner, name, original)

        self._undo.append(undo)

    def take_out(self) -> None:
        """Put OrcFxAPI's own back, but for what somebody else has replaced since."""
        while self._undo:
            self._undo.pop()()
