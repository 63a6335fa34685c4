"""Whether the interpreter lock (the GIL) of a process is taken, found by asking for it.

Waiting for the lock looks like waiting for a disk: wall time without CPU time. No operating system tells them apart,
so one thread asks: it lets the lock go for an instant and sees how long it takes to have it back. Its waiting is a fair
sample of what every worker thread of this process waits for each time a call into the DLL returns.
Does not cover what follows: see `concurrency` (how many files at once), `auto_decision`, `orcabatch.monitor`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

NOISE_S = 50e-6
"""A wait this much longer than the shortest one seen means that the lock was taken. Less: a switch of threads counts as
a taken lock. More: whoever holds it for moments only is not seen."""

LONGEST_ROUND_TRIP_S = 500e-6
"""The probe itself never costs more than this; without a bound, a lock that is always taken would look free."""

FAIR_SHARE = 0.25
"""On a host whose cores are all in use, a thread that always wants to run gets at least this much of one. Less: waiting
for a core passes for waiting for the lock. More: a lock that is taken counts as free on a full host."""

ASK_S, TELL_S = 0.05, 0.5
"""How often a worker process asks for its lock, and how often it tells what it found. Asking more often slows those who
work under the lock; telling more often, each share rests on fewer than ten questions."""


@dataclass(slots=True)
class LockProbe:
    """Measures one acquisition of the interpreter lock at a time.

    Attributes:
        clock: seconds, monotonic.
        let_go: gives up the lock for an instant and takes it back.
        shortest_s: the shortest round trip seen so far, at most `LONGEST_ROUND_TRIP_S`: the cost of the probe itself.
    """

    clock: Callable[[], float] = time.perf_counter
    let_go: Callable[[], None] = field(default=lambda: time.sleep(0))
    shortest_s: float = LONGEST_ROUND_TRIP_S

    def measure(self) -> tuple[bool, float]:
        """Whether the lock was taken, and the seconds it took to get it back (without the probe's own cost)."""
        began = self.clock()
        self.let_go()
        took_s = self.clock() - began
        self.shortest_s = min(self.shortest_s, took_s)
        waited_s = took_s - self.shortest_s
        # Where a round trip takes long, what it varies by is more as well.
        return waited_s > max(NOISE_S, self.shortest_s / 2), waited_s


class LockWatch:
    """Asks for the lock of a worker process while it works.

    Args:
        tell: takes the share of the time that the lock was found taken, twice a second; called on a thread of its own.
        is_busy: whether there is work; the lock of a process without work is free.
    """

    def __init__(self, tell: Callable[[float], None], is_busy: Callable[[], bool]) -> None:
        self._tell = tell
        self._is_busy = is_busy
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="orcabatch-lock", daemon=True)

    def start(self) -> None:
        """Watch until stopped."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        probe, told = LockProbe(), 0.0
        while not self._stop.is_set():
            began, cpu, hits, probes = time.perf_counter(), time.process_time(), 0, 0
            while (passed := time.perf_counter() - began) < TELL_S:
                if self._stop.wait(ASK_S):
                    return
                hits, probes = hits + probe.measure()[0], probes + 1
            share = hits / probes if self._is_busy() else 0.0
            share = min(share, most_taken((time.process_time() - cpu) / passed))
            if share or told:
                told = share
                self._tell(share)


def most_taken(cpus_used: float, holder_gets: float = FAIR_SHARE) -> float:
    """The most of the time that a process's interpreter lock can have been taken, 0 to 1.

    Whoever holds it runs, or would if there were a free core. So a process that used hardly any CPU did not hold it,
    and a probe that waited all the same waited for a core.

    Args:
        cpus_used: by the process.
        holder_gets: the share of a core that who holds the lock gets.
    """
    return min(cpus_used / holder_gets, 1.0)
