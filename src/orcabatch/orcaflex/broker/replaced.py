"""OrcFxAPI's own functions that are replaced while a broker is at work, and put back afterwards.

Two kinds. What changes models from outside (`STRAY_WRITERS`) empties their memories. And what the binding asks beside
every question is remembered: whether its DLL is of some version, for the process; whether the file holds frequency
domain dynamics and how many samples a period has, for the loaded file, in its memory. Models that no broker owns, other
threads, and failures get OrcFxAPI's own answer each time. Does not cover methods of objects and models
(`orcabatch.orcaflex.broker.brokered`).
"""

from __future__ import annotations

import contextlib
import ctypes
from _thread import get_ident
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.broker.brokered import change
from orcabatch.orcaflex.broker.surface import STRAY_WRITERS

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.memory import Memory

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


class Replaced:
    """The functions of one OrcFxAPI module. Whoever calls sees to it that one thread at a time does."""

    def __init__(self, memories: Mapping[Any, Memory]) -> None:
        self._memories = memories
        self._undo: list[Callable[[], None]] = []

    def put_in(self, module: Any) -> None:
        """Replace them; what an OrcFxAPI does not have is left out."""
        for name in STRAY_WRITERS:
            self._put(module, name, self._stray)
        self._put(module, "_checkVersion", _version)
        self._put(module, "_GetNumOfSamples", self._sample_count)
        self._put(module.HelperMethods, "IsFrequencyDomainDynamics", self._frequency_domain)

    def take_out(self) -> None:
        """Put OrcFxAPI's own back, but for what somebody else has replaced since."""
        while self._undo:
            self._undo.pop()()

    def _put(self, owner: Any, name: str, wrap: Wrap) -> None:
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

    def _memory(self, model_handle: Any) -> Memory | None:
        memory = self._memories.get(getattr(model_handle, "value", model_handle))
        return memory if memory is not None and get_ident() == memory.thread else None

    def _stray(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **kwargs: Any) -> Any:
            with contextlib.ExitStack() as changes:
                for memory in tuple(self._memories.values()):
                    changes.enter_context(change(memory))
                return original(*args, **kwargs)

        write.__name__, write.__qualname__ = original.__name__, original.__qualname__
        write.__doc__, write.__module__ = original.__doc__, original.__module__
        return write

    def _frequency_domain(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def is_frequency_domain(model_handle: Any) -> Any:
            memory = self._memory(model_handle)
            if memory is None:
                return original(model_handle)
            return memory.fact("frequency domain", lambda: original(model_handle))

        return is_frequency_domain

    def _sample_count(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def sample_count(model_handle: Any, period: Any, status: Any) -> Any:
            memory = self._memory(model_handle)
            if memory is None or not isinstance(period, ctypes.Structure):
                return original(model_handle, period, status)
            counts, key = memory.sample_counts, bytes(period)
            if key not in counts:
                count = original(model_handle, period, status)
                if status.value:
                    return count
                counts[key] = count
            status.value = 0
            return counts[key]

        return sample_count


def _version(original: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[str, Any] = {}

    def is_at_least(version: str) -> Any:
        if version not in known:
            known[version] = original(version)
        return known[version]

    return is_at_least
