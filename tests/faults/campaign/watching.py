"""The tests' own watchdog over one run: it moves, or it is ended and its threads are shown."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import psutil

from faults.campaign.arena import Arena, heard_of, tree_of, workers
from faults.harness import Child, alive

if TYPE_CHECKING:
    from faults.campaign.faults import Fault

LOOK_S = 0.005
"""Between two looks at a run. Longer: moments are missed. Shorter: watching takes the CPU that the run needs."""
PROGRESS_S = 0.25
"""Between two looks at what moved, which cost more."""
NO_PROGRESS_S = 60.0
"""A run in which nothing moves for so long hangs, ..."""
BUSY_S = 2.0
"""... if its processes used less CPU meanwhile: on a busy machine a worker process takes its time to begin. But ..."""
MOST_S = 240.0
"""... one that computes for so long without a word hangs as well."""


class Watch:
    """The tests' own watchdog: a run moves, or it is ended."""

    def __init__(self, arena: Arena, child: Child) -> None:
        self._arena, self._child = arena, child
        self._seen: Any = None
        self._used_s = 0.0
        self._moved_s = self._looked_s = time.monotonic()
        self.longest_s = 0.0

    def until(self, fault: Fault) -> bool:
        """Wait for the moment of a fault; False: the run has ended before."""
        while not self._due(fault):
            if not alive(self._child.pid) or self._stands_still():
                return False
            time.sleep(LOOK_S)
        time.sleep(fault.delay_s)
        return alive(self._child.pid)

    def until_its_end(self) -> str:
        """Wait for the end; where it does not come, where the threads stand."""
        while alive(self._child.pid):
            if self._stands_still():
                return self._given_up()
            time.sleep(LOOK_S)
        self._stands_still(now=True)
        return ""

    def _due(self, fault: Fault) -> bool:
        if fault.event == "begun":
            return any("begun" in line for line in heard_of(self._child))
        if fault.event == "ended" and self._arena.case.work != "command":
            return sum("outcome" in line for line in heard_of(self._child)) >= fault.count
        return self._arena.loads().total() >= fault.count

    def _stands_still(self, *, now: bool = False) -> bool:
        if not now and time.monotonic() - self._looked_s < PROGRESS_S:
            return False
        self._looked_s = time.monotonic()
        files = (self._child.stdout, self._child.stderr, self._arena.folder / "notes" / "calls")
        seen = [path.stat().st_size if path.exists() else 0 for path in files], self._arena.loads().total()
        self.longest_s = max(self.longest_s, self._looked_s - self._moved_s)
        if seen != self._seen:
            self._seen, self._moved_s, self._used_s = seen, self._looked_s, cpu_s(self._child.pid)
        still_s = self._looked_s - self._moved_s
        return still_s > MOST_S or (still_s > NO_PROGRESS_S and cpu_s(self._child.pid) - self._used_s < BUSY_S)

    def _given_up(self) -> str:
        tree = [described(process) for process in workers(self._child.pid)]
        at = self._child.stderr.stat().st_size
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child.pid, signal.SIGUSR2)
        time.sleep(1.0)
        stacks = self._child.stderr.read_bytes()[at:].decode(errors="replace")
        self._arena.killed |= tree_of(self._child.pid)
        self._child.kill_tree()
        return "\n".join([*tree, shortened(stacks)])


def cpu_s(pid: int) -> float:
    """What a run and its processes have used."""
    used = 0.0
    for each in tree_of(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            used += sum(psutil.Process(each).cpu_times()[:2])
    return used


def shortened(stacks: str, most: int = 4) -> str:
    """The innermost lines of every thread."""
    threads = [stack.splitlines() for stack in stacks.split("\n\n")]
    return "\n".join(line for stack in threads for line in stack[: 1 + (12 if "Current" in stack[:1] else most)])


def described(process: psutil.Process) -> str:
    """A process in a line."""
    try:
        return f"{process.pid} {process.status()} {' '.join(process.cmdline())[:80]}"
    except psutil.NoSuchProcess:
        return f"{process.pid} (gone)"
