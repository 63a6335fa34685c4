"""Whether a run that began on threads goes on in worker processes: the pure half of `executor: auto`.

    Look, Look, ... ──> Watch.step ──> Decision (move, stay, or nothing yet) with its reason
    after a move:       Trial.step ──> why it goes back, once processes were seen to get through less

Covers the decisions. Does not cover how it is carried out (`auto`, beside this module) nor whether functions and data
can travel (`transport`): that is asked only once moving is worth it.

Threads share one interpreter. Where its lock is held nearly all the time, `n` threads do the work of one, and
`p` processes do that of `p`:

    gain = time that the files not yet started will take x share of it that the lock was taken x (1 - cores used / p)

A DLL that lets in one call of a process at a time holds threads back as the lock does, and each process has one of its
own: then the share is that of the time in which files stood still in it (`orcabatch.engine.bounds`).

Moving pays where the gain is well above what starting processes costs. What others do on the machine is left out: they
cannot make the lock look held (`orcabatch.engine.gil`). What is not foreseen (memory, a cold cache, a resource of the
DLL's own) is seen by what the processes get through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from orcabatch.engine.bounds import DLL_WAITED, Bound, bound_by

HELD = 0.75
"""The lock is what holds the work back when it is held at least this share of the time. Less: work that mostly
waits is judged by a lock that few wait for. More: work that the lock does hold back stays on threads."""

LEAST_WATCHED_S = 1.0
LEAST_LOOKS = 4
"""Nothing is decided on less than this. Less: one file's beginning speaks for all. More: a short batch is over
first."""

MARGIN = 1.5
"""The gain has to be this many times the cost, because both are estimates. Less: a run moves and is not faster. More:
it stays where moving would have paid (docs/engine.md has a batch on either side: 300 and 900 files)."""

WORTH = 0.1
"""Less than this share of the time that is left is not worth another kind of worker: on a long run the cost of starting
is soon outweighed, while memory for imports, and what cannot travel, stay for its whole length."""

REMEMBERED = 256
"""Looks by which it is known what threads got through of late: a minute of them. Fewer: on long runs a lump of files
that end together counts as their speed. More: each look copies more."""

MEMORY_S = 4.0
"""Older looks fade: what the work was like before the last seconds tells little about what remains. Longer: a batch
that changes is noticed late. Shorter: the phase that one file is in decides."""


WORSE = 0.85
"""Processes that get through less than this share of what threads did are left again. Less: a run is slower than it
would have been by more than the fifth that a wrong move may cost. More: files that happen to be long send it back."""
LEAST_TRIED = 2
"""Files that each process has done before it is judged. Fewer: the first, with its imports and a cold cache, speaks for
all. More: a wrong move is noticed late."""
LATE_STARTS, LATE_FILES = 3.0, 2.0
"""No file has ended after so many times the expected start and so many files' time on threads: the processes do not get
through. Less: a machine that is busy for a moment sends the run back. More: so much longer nothing may come."""


@dataclass(frozen=True, slots=True)
class Prospects:
    """What is known before the run.

    Attributes:
        processes: files that worker processes could work on at once.
        cpus: CPUs that the batch may use.
        start_s: wall seconds that starting the processes costs.
        total_files, total_bytes: all files, and their size.
        stays_because: why the run may not move at all; empty: it may. What moving would bring is said all the same.
    """

    processes: int
    cpus: int
    start_s: float
    total_files: int
    total_bytes: int
    stays_because: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What one sample shows.

    Attributes:
        now_s: seconds since the run began.
        busy: files that threads have now.
        gil_taken: share of the time since the look before that the lock was held; None: not measured.
        cores: CPU cores that this process used since the look before.
        done_bytes, running_bytes: size of the files that ended, and of those being worked on.
        done: files that ended; one that is done again counts each time, for it was work.
        again, again_bytes: of these, those that are, or were, done again.
        dll_waited_s: seconds that files stood still in the DLL for each other, since the process began.
        dll_served_s: seconds of calls that it returned, as they take alone, since then.
    """

    now_s: float
    busy: int
    gil_taken: float | None
    cores: float
    done_bytes: int
    running_bytes: int
    done: int
    dll_waited_s: float = 0.0
    dll_served_s: float = 0.0
    again: int = 0
    again_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why, in words for the engineer.

    Attributes:
        do: what to do.
        why: in words.
        saves: share of the time that is left which worker processes would save, where they would pay but the run may
            not move; else 0.
    """

    do: Literal["move", "stay"]
    why: str
    saves: float = 0.0


@dataclass(frozen=True, slots=True)
class Watch:
    """What was seen so far.

    Attributes:
        last: the look before; None: this is the first.
        looks, watched_s: how many looks with work going on, and the seconds they cover.
        taken, cores: mean share of the time that the lock was taken, and cores used, of late.
        waited: mean share of the files' time that they stood still in the DLL for each other, of late.
        served: mean seconds of calls a second that it returned, as they take alone, of late.
        gil_seen_s, gil_taken_s: over the whole run.
        busy_s: seconds that threads had files, summed.
        passed: (seconds, share of the batch that had ended) at the latest looks.
        decided: the decision was given; nothing changes any more.
    """

    last: Look | None = None
    looks: int = 0
    watched_s: float = 0.0
    taken: float = 0.0
    cores: float = 0.0
    waited: float = 0.0
    served: float = 0.0
    gil_seen_s: float = 0.0
    gil_taken_s: float = 0.0
    busy_s: float = 0.0
    passed: tuple[tuple[float, float], ...] = ()
    decided: bool = False

    def step(self, look: Look, prospects: Prospects) -> tuple[Watch, Decision | None]:
        """Take in one look; a decision comes at most once."""
        if self.decided:
            return self, None
        watch = self._taken_in(look, prospects)
        decision = watch._decision(look, prospects)
        return replace(watch, decided=decision is not None), decision

    def closing(self, prospects: Prospects) -> Decision:
        """What is to be said at the end of a run in which nothing was decided."""
        if prospects.stays_because:
            return Decision("stay", prospects.stays_because)
        if not self.gil_seen_s:
            return Decision("stay", "the run ended before anything was measured")
        share = self.gil_taken_s / self.gil_seen_s
        then = (
            "threads are not held back by it" if share < HELD else "the run ended before it was clear what that costs"
        )
        return Decision("stay", f"Python's lock was taken {share:.0%} of the time: {then}")

    def trial(self, prospects: Prospects) -> Trial:
        """What a move now is to be measured by: what threads got through of late, or on the whole, if that was more."""
        look = self.last or Look(0.0, 0, None, 0.0, 0, 0, 0)
        now = (look.now_s, _share_done(look, prospects))
        half = next((each for each in self.passed if each[0] >= now[0] / 2), now)
        speed = max(_speed((0.0, 0.0), now), _speed(half, now))
        file_s = self.busy_s / look.done if look.done else 0.0
        late_s = look.now_s + LATE_STARTS * prospects.start_s + LATE_FILES * file_s
        return Trial(speed, late_s, look.done + look.busy)

    def _taken_in(self, look: Look, prospects: Prospects) -> Watch:
        last, seconds = self.last, 0.0 if self.last is None else look.now_s - self.last.now_s
        if last is None or seconds <= 0 or not last.busy or look.gil_taken is None:
            return replace(self, last=look)
        # The first looks weigh as in a mean, so that none of them counts for more because it came early.
        weight = 1.0 if not self.looks else min(1.0, seconds / MEMORY_S + 1 / (self.looks + 1))
        busy_s = seconds * (last.busy + look.busy) / 2
        waited = min(1.0, max(0.0, look.dll_waited_s - last.dll_waited_s) / busy_s)
        served = max(0.0, look.dll_served_s - last.dll_served_s) / seconds
        return replace(
            self,
            last=look,
            looks=self.looks + 1,
            watched_s=self.watched_s + seconds,
            taken=self.taken + weight * (look.gil_taken - self.taken),
            cores=self.cores + weight * (look.cores - self.cores),
            waited=self.waited + weight * (waited - self.waited),
            served=self.served + weight * (served - self.served),
            gil_seen_s=self.gil_seen_s + seconds,
            gil_taken_s=self.gil_taken_s + seconds * look.gil_taken,
            busy_s=self.busy_s + busy_s,
            passed=(*self.passed, (look.now_s, _share_done(look, prospects)))[-REMEMBERED:],
        )

    def _decision(self, look: Look, prospects: Prospects) -> Decision | None:
        share, held = self._held(prospects)
        if self.looks < LEAST_LOOKS or self.watched_s < LEAST_WATCHED_S or not share or not look.done_bytes:
            return None
        at_once = min(prospects.processes, prospects.cpus)
        if at_once <= 1:
            return Decision("stay", f"{held}, but {at_once} worker process would be no faster (see process_count)")
        left_s = self._left_s(look, prospects)
        gain_s = left_s * share * max(0.0, 1 - max(1.0, self.cores) / at_once)
        saved = (
            f"worker processes save about {gain_s:.0f} s of {left_s:.0f} s and cost {prospects.start_s:.0f} s to start"
        )
        # Either alone would move too early: the first on long runs, the second on short ones.
        pays = gain_s > max(MARGIN * prospects.start_s, WORTH * left_s)
        if pays and prospects.stays_because:
            return Decision("stay", f"{held}; {saved}, but {prospects.stays_because}", gain_s / left_s)
        return Decision("move" if pays else "stay", f"{held}; {saved}")

    def _held(self, prospects: Prospects) -> tuple[float, str]:
        """The share of the time that threads hold each other back, and by what; 0: they do not."""
        if self.taken >= HELD:
            return self.taken, f"Python's lock was taken {100 * self.taken:.0f}% of the time"
        bound = bound_by(self.cores / prospects.cpus, self.taken, self.waited, self.served)
        if bound is Bound.DLL and self.waited > DLL_WAITED:
            return (
                self.waited,
                f"the DLL serialises: files stood still in it for {100 * self.waited:.0f}% of their time",
            )
        return 0.0, ""

    def _left_s(self, look: Look, prospects: Prospects) -> float:
        """Seconds that the files not yet started would take as things are.

        Part of a file's time grows with its size and part does not, and the large ones go first: half-way between what
        bytes and what files say.
        """
        left_bytes = prospects.total_bytes + look.again_bytes - look.done_bytes - look.running_bytes
        left = prospects.total_files + look.again - look.done - look.busy
        if left_bytes <= 0 or left <= 0:
            return 0.0
        by_bytes = left_bytes / (look.done_bytes + look.running_bytes / 2)
        by_files = left / max(1.0, look.done + look.busy / 2)
        return look.now_s * (by_bytes + by_files) / 2


@dataclass(frozen=True, slots=True)
class Trial:
    """A move that is watched.

    Attributes:
        speed: share of the batch per second that threads got through.
        late_s: when a file of the processes must have ended.
        done: files that had ended when it moved, and those that threads had: theirs to the end.
        since: (seconds, share of the batch, files) when the first file of the processes ended; None: none has yet.
        settled: the processes have shown that they get through as much; nothing changes any more.
    """

    speed: float
    late_s: float
    done: int
    since: tuple[float, float, int] | None = None
    settled: bool = False

    def step(self, look: Look, prospects: Prospects) -> tuple[Trial, str]:
        """Take in one look after the move; why files go back to threads, once, else nothing."""
        if self.settled:
            return self, ""
        if self.since is None and (look.busy or look.done <= self.done):
            late = look.now_s > self.late_s and not look.busy
            return replace(self, settled=late), "no file was done in them for too long" if late else ""
        now = (look.now_s, _share_done(look, prospects))
        if self.since is None:
            return replace(self, since=(*now, look.done)), ""
        if look.done - self.since[2] < LEAST_TRIED * prospects.processes or now[0] <= self.since[0]:
            return self, ""
        share = _speed(self.since[:2], now) / self.speed if self.speed else 1.0
        why = f"they got through {100 * share:.0f}% of what threads did in the same time" if share < WORSE else ""
        return replace(self, settled=True), why


def _share_done(look: Look, prospects: Prospects) -> float:
    """How much of the batch has ended: half-way between what bytes and what files say."""
    by_bytes = look.done_bytes / prospects.total_bytes if prospects.total_bytes else 0.0
    return (by_bytes + look.done / max(1, prospects.total_files)) / 2


def _speed(before: tuple[float, float], after: tuple[float, float]) -> float:
    seconds = after[0] - before[0]
    return (after[1] - before[1]) / seconds if seconds > 0 else 0.0
