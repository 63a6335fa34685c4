"""Where messages wait for the dispatcher, and the bell that wakes it.

Covers waiting with a timeout, being woken from a signal handler, and messages that nobody has to be woken for at once.
A bell is a lock, held until it rings: to release it takes no memory, and may interrupt waiting for it on the same
thread, which `queue.Queue` would answer with a deadlock.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from orcabatch.console import pieces_s
from orcabatch.engine.worker_messages import PhaseEntered, Started
from orcabatch.sleep import awake_s

if TYPE_CHECKING:
    from orcabatch.engine.worker_messages import Message

T = TypeVar("T")

LATE_S = 0.1
"""What wakes nobody is taken with the next message that does, or so much later. Shorter: the dispatcher wakes for each
message where files are short. Longer: it shows that the displays are behind."""


def can_wait(message: Message) -> bool:
    """Whether nothing follows from it at once: it is for the displays, and for the next look at the host."""
    return isinstance(message, (Started, PhaseEntered))


class Bell:
    """Wakes whoever waits; mailboxes that one thread waits for share it."""

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()
        self._hinted = False
        self._fast_asleep = False
        self._busy = False

    def ring(self) -> None:
        """Let `wait` return; from any thread and from signal handlers."""
        if self._silence.locked():
            # Not `suppress`, which takes memory: without any, who posts would take a message for lost that is there.
            try:
                self._silence.release()
            except RuntimeError:  # another thread has just rung
                pass
            except MemoryError:  # it has as well, and there is none to say so
                pass

    def hint(self) -> None:
        """Let `wait` return within `LATE_S`; from any thread. Often costs nobody a wake: another one comes before."""
        self._hinted = True
        if self._fast_asleep:
            self.ring()

    def wait(self, timeout_s: float | None) -> None:
        """Wait to be woken, at most this long (None: for ever, in pieces).

        Where the last wait ended by a message more are likely: then it looks up after `LATE_S`. Where nothing came it
        sleeps until something does, since each look in vain takes Python's lock from the workers.
        """
        left_s, woken = next(pieces_s(None if timeout_s is None else awake_s() + timeout_s)), False
        if self._busy and left_s > LATE_S:
            left_s -= LATE_S
            woken = self._silence.acquire(timeout=LATE_S)
        self._fast_asleep = True
        woken = woken or self._silence.acquire(timeout=0.0 if self._hinted else left_s)
        self._fast_asleep = False
        self._busy = woken or self._hinted
        self._hinted = False  # before the mailboxes are emptied: what comes from here on rings again


class Mailbox(Generic[T]):
    """Messages from all workers, in order of arrival.

    Args:
        bell: wakes who waits for several mailboxes at once, and so takes from each without waiting; None: its own.
    """

    def __init__(self, bell: Bell | None = None) -> None:
        self._messages: deque[T] = deque()
        self._bell = bell or Bell()

    def post(self, message: T, *, wakes: bool = True) -> None:
        """Put a message in; from any thread. What nobody acts on at once need not wake whoever waits."""
        self._messages.append(message)
        if wakes:
            self._bell.ring()
        else:
            self._bell.hint()

    def wake(self) -> None:
        """Let a waiting `take` return; from any thread and from signal handlers."""
        self._bell.ring()

    def take(self, timeout_s: float | None) -> list[T]:
        """All messages that are there; waits to be woken at most so long (0: not at all, None: for ever, in pieces)."""
        if timeout_s is None or timeout_s > 0:
            self._bell.wait(timeout_s)
        messages: list[T] = []
        while self._messages:
            messages.append(self._messages.popleft())
        return messages
