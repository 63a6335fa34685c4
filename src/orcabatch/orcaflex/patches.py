"""What we put into an OrcFxAPI module for a while: replaced functions and methods, and who sees that they are put back.

    session or broker ── of(module).acquire() ──> ModuleExtension ── first ──> _put_in(module)
                      ── release() ─────────────────────────────── last ───> Patches put back

There is one `ModuleExtension` of each class for a module, because OrcFxAPI's classes are one for all threads.
"""

from __future__ import annotations

import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

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
            # What a user's own code has put there since is his: putting ours back would take it away from him.
            if vars(owner).get(name) is mine:
                setattr(owner, name, original)

        self._undo.append(undo)

    def take_out(self) -> None:
        """Put OrcFxAPI's own back, but for what somebody else has replaced since."""
        while self._undo:
            self._undo.pop()()


class ModuleExtension(ABC):
    """Something of ours in one OrcFxAPI module: put in for its first user, taken out after its last."""

    _made: ClassVar[weakref.WeakKeyDictionary[Any, Any]]
    _making: ClassVar[threading.Lock]

    def __init_subclass__(cls) -> None:
        cls._made, cls._making = weakref.WeakKeyDictionary(), threading.Lock()

    def __init__(self, module: Any) -> None:
        # Held weakly: the table of extensions must not outlive the module, which is its key.
        self._module: Callable[[], Any] = weakref.ref(module)
        self._patches = Patches()
        self._users = 0
        self._lock = threading.Lock()

    @classmethod
    def of(cls, module: Any) -> Self:
        """The one of this OrcFxAPI module."""
        with cls._making:
            found: Self | None = cls._made.get(module)
            if found is None:
                found = cls._made[module] = cls(module)
            return found

    @property
    def installed(self) -> bool:
        """Whether it is in."""
        return self._users > 0

    def acquire(self) -> None:
        """One more user: a model is about to be made, or was."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._put_in(self._module())

    def release(self) -> None:
        """One fewer."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._take_out(self._module())

    @abstractmethod
    def _put_in(self, module: Any) -> None:
        """Replace what is to be replaced, by `self._patches`."""

    def _take_out(self, module: Any) -> None:
        self._patches.take_out()
