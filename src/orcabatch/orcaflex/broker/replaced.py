"""OrcFxAPI's own functions that are replaced while a broker is at work, and put back afterwards.

Two kinds. What may change a model (every export of the DLL that is not known to read only: `surface`) empties the
memory of the model whose handles it gets: so a change is seen whichever Python class it is made through. And what the
binding asks beside every question is remembered: whether its DLL is of some version, for the process; whether the file
holds frequency domain dynamics and how many samples a period has, for the loaded file, in its memory. Models that no
broker owns, other threads, and failures get OrcFxAPI's own answer each time. Does not cover questions of objects and
models (`orcabatch.orcaflex.broker.brokered`).
"""

from __future__ import annotations

import contextlib
import ctypes
from _thread import get_ident
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.broker.surface import writers
from orcabatch.orcaflex.patches import Patches

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.memory import Memory


class Replaced:
    """The functions of one OrcFxAPI module. Whoever calls sees to it that one thread at a time does."""

    def __init__(self, memories: Mapping[Any, Memory]) -> None:
        self._memories = memories
        self._patches = Patches()

    def put_in(self, module: Any) -> None:
        """Replace them; what an OrcFxAPI does not have is left out."""
        find_model = module.HelperMethods.GetModelHandle
        for name in writers(module):
            self._patches.put(module, name, lambda original: self._write(original, module, find_model))
        self._patches.put(module, "_checkVersion", _version)
        self._patches.put(module, "_GetNumOfSamples", self._sample_count)
        self._patches.put(module.HelperMethods, "IsFrequencyDomainDynamics", self._frequency_domain)

    def take_out(self) -> None:
        """Put OrcFxAPI's own back, but for what somebody else has replaced since."""
        self._patches.take_out()

    def _memory(self, model_handle: Any) -> Memory | None:
        memory = self._memories.get(getattr(model_handle, "value", model_handle))
        return memory if memory is not None and get_ident() == memory.thread else None

    def _write(self, original: Callable[..., Any], module: Any, find_model: Callable[[Any], Any]) -> Callable[..., Any]:
        def write(*args: Any) -> Any:
            thread = get_ident()
            mine = [memory for memory in tuple(self._memories.values()) if memory.thread == thread]
            if mine:
                mine = self._changed(
                    mine, [each for each in args if isinstance(each, module.Handle) and each], find_model
                )
            with contextlib.ExitStack() as changes:
                for memory in mine:
                    changes.enter_context(memory.change())
                return original(*args)

        return write

    def _changed(self, mine: list[Memory], handles: Sequence[Any], find_model: Callable[[Any], Any]) -> list[Memory]:
        # Handles of models, or of objects of them; one that leads nowhere, or none at all: it may be any of them.
        found: list[Memory] = []
        for handle in handles:
            memory = self._memories.get(handle.value)
            if memory is None:
                try:
                    memory = self._memories.get(find_model(handle).value)
                except Exception:  # noqa: BLE001 - OrcFxAPI's own error comes from the call itself
                    return mine
            if memory in mine and memory not in found:
                found.append(memory)
        return found if handles else mine

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
