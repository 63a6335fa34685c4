"""Starting worker processes: when another may be started, and when one that starts is given up.

    RestartPolicy   up ── dies at its birth ──> pause, one at a time ── FAILURES or HANGS in a row ──> given up
                     ^──────────── one comes up ─────────┘
    StartWatch      looked at every second: neither its CPU nor its I/O moved for so long, its CPU alone for twice that,
                    or it takes too long in all

Covers both as pure decisions (a circuit breaker, as it is called), and what a process has used. Does not cover doing it
(`processes`).

A process that imports from a slow share may take minutes, and one that hangs takes for ever: what tells them apart is
whether anything moves. Processes that were started before the failure that was heard of first belong to that: they
count once, however many there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import psutil

FAILURES = 5
"""So many failures in a row, and no other process is started. Fewer: a host that is short of memory for some seconds
costs the run. More: what cannot start is tried for longer, all its imports each time."""

HANGS = 2
"""So many of them by hanging. Fewer: one process that was stopped from outside costs the run. More: each takes as long
as is waited for a start."""

SPINNING = 2
"""So many times as long may its CPU move and no I/O. Fewer: a module that computes while it is imported is given up.
More: one that spins, as some libraries do where they get no memory, is waited for so much longer."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
"""Before a process is started after a failure, doubled each time. Shorter: what made it fail is still there. Longer:
the run waits for a host that is ready."""

LOOK_S = 1.0
"""How often what a starting process uses is looked at. More often: looking costs what starting needs. More seldom: one
that hangs is noticed later."""

MOVED_CPU_S = 0.05
"""Less CPU than this is no movement. Less: a thread that only looks whether the parent lives passes for work. More: a
start on a host whose cores are all taken passes for a hang."""

LEAST_QUIET_S = 15.0
"""A start is never taken for hanging before this, however short a file's `timeout`. Less: on a busy host, or with its
modules on a share that pauses, one that waits passes for one that hangs. More: files wait longer for one that does."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Whether another worker process may be started.

    Attributes:
        failures, hangs: in a row, since one came up; a hang is a failure too.
        failed_s: when the last one that counted was heard of.
        not_before_s: when the next may be started.
    """

    failures: int = 0
    hangs: int = 0
    failed_s: float = float("-inf")
    not_before_s: float = float("-inf")

    @property
    def gave_up(self) -> bool:
        """Whether no other is started."""
        return self.failures >= FAILURES or self.hangs >= HANGS

    def may_start(self, now_s: float, starting: int) -> bool:
        """Whether one may be started now, while so many are starting: after a failure, one at a time."""
        return not self.gave_up and (not self.failures or (not starting and now_s >= self.not_before_s))

    def came_up(self) -> RestartPolicy:
        """One takes files."""
        return RestartPolicy()

    def failed(self, now_s: float, began_s: float, *, hung: bool = False) -> RestartPolicy:
        """One that was started at `began_s` has ended, or was ended, before it took files."""
        if began_s <= self.failed_s:
            return self
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**self.failures)
        return replace(
            self,
            failures=self.failures + 1,
            hangs=self.hangs + hung,
            failed_s=now_s,
            not_before_s=now_s + pause_s,
        )

    def pause_s(self, now_s: float) -> float | None:
        """How long until another may be started; None: that is no matter of time."""
        return max(0.0, self.not_before_s - now_s) if self.failures and not self.gave_up else None


@dataclass(frozen=True, slots=True)
class Used:
    """What a process has used.

    Attributes:
        cpu_s: CPU seconds.
        moved_bytes: read and written, from pipes and caches too.
    """

    cpu_s: float = 0.0
    moved_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StartWatch:
    """A worker process that starts.

    Attributes:
        began_s: when it was started.
        moved_s: when it was last seen to have moved.
        read_s: when its I/O was.
        looked_s: when it was last looked at.
        used: then, when it was last seen to have moved.
    """

    began_s: float
    moved_s: float
    read_s: float
    looked_s: float
    used: Used = Used()

    @classmethod
    def begun(cls, now_s: float) -> StartWatch:
        """It was started now."""
        return cls(now_s, now_s, now_s, now_s)

    def is_due(self, now_s: float) -> bool:
        """Whether it is to be looked at."""
        return now_s >= self.looked_s + LOOK_S

    def look(self, now_s: float, used: Used | None) -> StartWatch:
        """It was looked at; None: the system does not say what it used, which is no proof that it hangs."""
        seen = replace(self, looked_s=now_s)
        if used is None:
            return replace(seen, moved_s=now_s, read_s=now_s)
        if used.moved_bytes != self.used.moved_bytes:
            seen = replace(seen, read_s=now_s)
        elif abs(used.cpu_s - self.used.cpu_s) < MOVED_CPU_S:
            return seen
        return replace(seen, moved_s=now_s, used=used)

    def overdue(self, now_s: float, start_timeout_s: float, timeout_s: float | None) -> str:
        """Why it is given up; empty: it is not.

        Args:
            now_s: the time.
            start_timeout_s: how long neither its CPU nor its I/O may stand still.
            timeout_s: how long a file may take, where that is limited; its worker's start then is, too.
        """
        quiet_s = start_timeout_s if timeout_s is None else min(start_timeout_s, max(timeout_s, LEAST_QUIET_S))
        # What it did since the last look is not known: it is judged by looks alone.
        if self.looked_s - self.moved_s >= quiet_s:
            return f"neither its CPU nor its I/O moved for {quiet_s:g} s"
        if self.looked_s - self.read_s >= SPINNING * quiet_s:
            return f"it used CPU for {SPINNING * quiet_s:g} s and neither read nor wrote anything"
        if timeout_s is not None and now_s - self.began_s >= timeout_s + start_timeout_s:
            return f"it did not come up within {timeout_s + start_timeout_s:g} s"
        return ""


def used_by(pid: int) -> Used | None:
    """What a process and those that it started have used; None where the system does not say."""
    try:
        root = psutil.Process(pid)
        cpu_s, moved = 0.0, 0
        # The parent's own process may be a launcher, which only waits.
        for process in [root, *root.children(recursive=True)]:
            times = process.cpu_times()
            cpu_s += times.user + times.system
            moved += _moved_bytes(process)
    except (psutil.Error, OSError):
        return None
    return Used(cpu_s, moved)


def _moved_bytes(process: psutil.Process) -> int:
    """Read and written; 0 where the system does not say: macOS, and others' containers."""
    counters = getattr(process, "io_counters", None)
    if counters is None:
        return 0
    try:
        io = counters()
    except (psutil.Error, OSError):
        return 0
    return int(getattr(io, "read_chars", io.read_bytes) + getattr(io, "write_chars", io.write_bytes))
