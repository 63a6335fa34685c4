"""What is being closed, and for how long that is waited for.

A worker gives its licence seat back while it closes, on its own thread or with its process, so nobody takes another
seat before that: where there are just enough, it would be refused, or one too many would be held.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from orcabatch.sleep import awake_s

K = TypeVar("K")

CLOSING_S = 60.0
"""How long closing a worker may take before its thread is left to itself, or its process is killed. Shorter: one that
closes slowly loses what it says last. Longer: its licence seat, and what waits for that, is held up by one that
hangs."""


class Leaving(Generic[K]):
    """The workers, or worker processes, that were told to close and have not."""

    def __init__(self) -> None:
        self._until_s: dict[K, float] = {}

    def __len__(self) -> int:
        return len(self._until_s)

    def __contains__(self, key: K) -> bool:
        return key in self._until_s

    def add(self, key: K) -> None:
        """It was told to close."""
        self._until_s.setdefault(key, awake_s() + CLOSING_S)

    def discard(self, key: K) -> None:
        """It has closed."""
        self._until_s.pop(key, None)

    def overdue(self) -> list[K]:
        """Those that should have closed by now; they are waited for no longer."""
        now = awake_s()
        late = [key for key, until_s in self._until_s.items() if now >= until_s]
        for key in late:
            del self._until_s[key]
        return late

    def patience_s(self, timeout_s: float | None) -> float | None:
        """The timeout, but not longer than until the first is overdue."""
        if not self._until_s:
            return timeout_s
        left_s = max(0.0, min(self._until_s.values()) - awake_s())
        return left_s if timeout_s is None else min(timeout_s, left_s)
