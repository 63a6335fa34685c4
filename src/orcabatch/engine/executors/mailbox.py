"""Where messages wait for the dispatcher.

Covers waiting with a timeout, being woken from a signal handler, and messages that nobody has to be woken for. The
wakes go by way of a `SimpleQueue`: its `put` may interrupt its own `get` on the same thread, which `queue.Queue` would
answer with a deadlock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from orcabatch.console import pieces_s
from orcabatch.engine.worker_messages import PhaseEntered, Started
from orcabatch.sleep import awake_s

if TYPE_CHECKING:
    from orcabatch.engine.worker_messages import Message

T = TypeVar("T")

LATE_S = 0.1
"""What wakes nobody is taken with the next message that does, or so much later. Shorter: the dispatcher looks in vain
where files are long. Longer: it shows that the displays are behind."""


def can_wait(message: Message) -> bool:
    """Whether nothing follows from it at once: it is for the displays, and for the next look at the host."""
    return isinstance(message, (Started, PhaseEntered))


class Mailbox(Generic[T]):
    """Messages from all workers, in order of arrival.

    Args:
        ring: called after each message that wakes, for whoever waits for several mailboxes at once; must be safe in any
            thread.
    """

    def __init__(self, ring: Callable[[], None] | None = None) -> None:
        self._messages: deque[T] = deque()
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._ring = ring

    def post(self, message: T, *, wakes: bool = True) -> None:
        """Put a message in; from any thread. What nobody acts on at once need not wake whoever waits."""
        self._messages.append(message)
        if wakes:
            self._wakes.put(None)
            if self._ring is not None:
                self._ring()

    def wake(self) -> None:
        """Let a waiting `take` return; from any thread and from signal handlers."""
        self._wakes.put(None)

    def take(self, timeout_s: float | None) -> list[T]:
        """All messages that are there; waits to be woken at most this long (None: for ever, in pieces)."""
        wait_s = min(LATE_S, next(pieces_s(None if timeout_s is None else awake_s() + timeout_s)))
        try:
            self._wakes.get(timeout=wait_s) if wait_s > 0 else self._wakes.get_nowait()
            while True:
                self._wakes.get_nowait()
        except Empty:
            pass
        # One that comes meanwhile is taken along; its wake, if it has one, finds nothing at the next call.
        messages: list[T] = []
        while self._messages:
            messages.append(self._messages.popleft())
        return messages
