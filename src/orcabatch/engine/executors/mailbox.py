"""Where messages wait for the dispatcher.

Covers waiting with a timeout, and being woken from a signal handler. `SimpleQueue` is what makes that safe: its `put`
may interrupt its own `get` on the same thread, which `queue.Queue` would answer with a deadlock.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from orcabatch.console import pieces_s
from orcabatch.sleep import awake_s

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Messages from all workers, in order of arrival.

    Args:
        ring: called after each message, for whoever waits for several mailboxes at once; must be safe in any thread.
    """

    def __init__(self, ring: Callable[[], None] | None = None) -> None:
        self._queue: SimpleQueue[T | None] = SimpleQueue()
        self._ring = ring

    def post(self, message: T) -> None:
        """Put a message in; from any thread."""
        self._queue.put(message)
        if self._ring is not None:
            self._ring()

    def wake(self) -> None:
        """Let a waiting `take` return; from any thread and from signal handlers."""
        self._queue.put(None)

    def take(self, timeout_s: float | None) -> list[T]:
        """All messages that are there; waits for the first one at most this long (None: for ever, in pieces)."""
        wait_s = next(pieces_s(None if timeout_s is None else awake_s() + timeout_s))
        messages: list[T] = []
        try:
            item = self._queue.get(timeout=wait_s) if wait_s > 0 else self._queue.get_nowait()
            while True:
                if item is not None:
                    messages.append(item)
                item = self._queue.get_nowait()
        except Empty:
            return messages
