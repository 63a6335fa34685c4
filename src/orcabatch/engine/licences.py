"""Licence seats: whether another file has one, when another seat may be asked for, when waiting is over.

Covers the maximum, the scope, gradual ramp-up, waiting with back-off and jitter, and giving up. Does not cover the
check-out itself: a worker keeps its model, and with it its seat, between files. Values and pure functions; the jitter
is drawn from the seed in the state, so a replay waits as long.

A unit is what holds a seat: an open model (`model`), a process with `threads_per_process` files (`process`), or
everything together (`host`). Which worker takes a file is the executor's affair, so it is the executor that knows which
units are open and idle: it says so (`told`), and is told how many it may have open (`allowed`). Until it tells, what is
counted here supposes that processes are opened as soon as they may be, and models only where none idles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orcabatch.engine.concurrency import START

if TYPE_CHECKING:
    from orcabatch.engine.limits import SeatLimits

FIRST_BACK_OFF_S = 2.0
"""Shorter: the licence server is asked in vain. Longer: a seat that was free again at once idles meanwhile."""
LONGEST_BACK_OFF_S = 60.0
"""Doubled up to here. Longer: a seat that comes back late is taken late; shorter: a queue that lasts is asked often."""
MOST_DOUBLINGS = 10
"""Far beyond the longest; it only keeps the power small."""
JITTER = 0.3
"""A wait is drawn from 1 - JITTER to 1 + JITTER times the back-off. Less: runs that were refused together ask together
again. More: the back-off says little about when the next one is."""

LONGEST_SPREAD_S = 2.0
"""A file waits no longer than this for the next process to be opened: where `ramp_up` is slow, it shares one. Nor does
any beyond the first `START`: what they do is seen by then, and files that only wait would be held to one a second.
Shorter: long files share a lock beside CPUs that idle. Longer: short ones wait for nothing (`python -m benchmarks
hybrid`: with it, files that hold the lock take 0.97 to 1.01 of the better way)."""

HUNG = (
    "every OrcaFlex licence seat is held by a file that hangs ({} of them): end this program to free the seats, "
    "and run the batch again"
)


@dataclass(frozen=True, slots=True)
class Seats:
    """What is known about licence seats.

    Attributes:
        limits: what was asked for.
        units: that hold a seat now, idle ones too (they keep it between files).
        room: how many more files these would take.
        is_told: whether the executor says both; files that come back change them otherwise.
        next_ask_s: no new seat is asked for before this.
        denials: in a row, since the last seat was granted; files that were refused together count once.
        denied_s: when the last of them was.
        dry_since_s: since when seats are denied while none is held; None: not so.
        random: state of the jitter.
    """

    limits: SeatLimits
    units: int = 0
    room: float = 0.0
    is_told: bool = False
    next_ask_s: float = 0.0
    denials: int = 0
    denied_s: float = -math.inf
    dry_since_s: float | None = None
    random: int = 0

    @property
    def files_per_unit(self) -> float:
        """Files that share one seat."""
        if self.limits.scope == "model":
            return 1
        return math.inf if self.limits.scope == "host" else max(1, self.limits.threads_per_process)

    @property
    def most_units(self) -> float:
        """Units that may hold a seat at once."""
        most = math.inf if self.limits.max is None else self.limits.max
        if self.limits.scope == "process":
            return min(most, max(1, self.limits.processes))
        return min(most, 1) if self.limits.scope == "host" else most

    @property
    def stuck(self) -> bool:
        """Whether every seat that there may be is held by what takes no file."""
        return self.room < 1 and 0 < self.most_units <= self.units


def begin(limits: SeatLimits) -> Seats:
    """Before the first check-out."""
    return Seats(limits, random=limits.seed * 2 + 1)


def may_start(seats: Seats, now_s: float, running: int = 0) -> bool:
    """Whether one more file may start, beside so many, as far as seats are concerned."""
    return _may_ask(seats, now_s) or (seats.room >= 1 and not _waits_for_its_own(seats, now_s, running))


def allowed(seats: Seats, now_s: float) -> int:
    """How many units may hold a seat once the next file has started: those that do, and one if it may be asked for."""
    return seats.units + _may_ask(seats, now_s)


def started(seats: Seats, now_s: float) -> Seats:
    """A file started."""
    # A model that idles is used first; a process is opened as long as one may be, so that files do not share a lock.
    if seats.room >= 1 and (seats.limits.scope == "model" or not _may_ask(seats, now_s)):
        return replace(seats, room=seats.room - 1)
    return _opened(replace(seats, room=seats.room + seats.files_per_unit - 1), seats.units + 1, now_s)


def came_back(seats: Seats) -> Seats:
    """A file left its worker, which keeps its seat; none does after the licence was lost."""
    return replace(seats, room=seats.room + 1) if seats.units and not seats.is_told else seats


def told(seats: Seats, units: int, room: int, now_s: float) -> Seats:
    """What the executor has open, and how many files that takes: it knows where each file went."""
    seats = _opened(seats, units, now_s)
    dry = now_s if seats.dry_since_s is None else seats.dry_since_s
    return replace(seats, room=room, is_told=True, dry_since_s=dry if seats.denials and not units else None)


def worked(seats: Seats) -> Seats:
    """A file came back that had its seat."""
    known = not seats.denials and seats.dry_since_s is None
    return seats if known else replace(seats, denials=0, dry_since_s=None)


def denied(seats: Seats, now_s: float, begun_s: float | None = None) -> Seats:
    """No seat for a file that had started and has come back: the unit where it was holds none.

    Args:
        seats: so far.
        now_s: when it was told.
        begun_s: when the file had started; None: after the last denial.
    """
    if not seats.is_told:
        units = max(0, seats.units - 1)
        seats = replace(seats, units=units, room=max(0.0, seats.room - seats.files_per_unit) if units else 0.0)
    dry = now_s if seats.dry_since_s is None else seats.dry_since_s
    seats = replace(seats, dry_since_s=None if seats.units else dry)
    # It was under way when another was refused: one refusal in all, or the back-off would double with each of them.
    if begun_s is not None and begun_s <= seats.denied_s:
        return seats
    number, random = _draw(seats.random)
    back_off = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2.0 ** min(seats.denials, MOST_DOUBLINGS))
    wait = back_off * (1 - JITTER + 2 * JITTER * number)
    return replace(seats, next_ask_s=now_s + wait, denials=seats.denials + 1, denied_s=now_s, random=random)


def exhausted(seats: Seats, running: int, now_s: float) -> bool:
    """Whether waiting is over: none held, and denied for longer than `wait_s`; or none allowed at all."""
    if seats.most_units < 1:
        return True
    dry = seats.dry_since_s
    return not running and dry is not None and now_s >= dry + seats.limits.wait_s


def wake_s(seats: Seats, running: int) -> float | None:
    """When to look again: the next time a seat may be asked for, or when waiting is over; None: nothing to wait for."""
    if seats.units >= seats.most_units:
        return None
    if not running and seats.dry_since_s is not None:
        return min(seats.next_ask_s, seats.dry_since_s + seats.limits.wait_s)
    return seats.next_ask_s


def message(seats: Seats) -> str:
    """What is said when waiting is over."""
    asked = "any number of" if math.isinf(seats.most_units) else f"up to {int(seats.most_units)}"
    if seats.most_units < 1:
        return "no OrcaFlex licence seat is allowed (licences.max is 0): set licences.max to at least 1"
    return (
        f"no OrcaFlex licence seat for {seats.limits.wait_s:g} s: asked for {asked} seats (one per "
        f"{seats.limits.scope}), got 0 in {seats.denials} attempts. See who holds the licences, or raise licences.wait"
    )


def _waits_for_its_own(seats: Seats, now_s: float, running: int) -> bool:
    """Whether a file would share a process, for as long as it takes, though another may be opened in a moment."""
    may_open = seats.limits.spread and not seats.denials and seats.units < min(START, seats.most_units)
    return may_open and running >= seats.units and seats.next_ask_s - now_s <= LONGEST_SPREAD_S


def _may_ask(seats: Seats, now_s: float) -> bool:
    return seats.units < seats.most_units and now_s >= seats.next_ask_s


def _opened(seats: Seats, units: int, now_s: float) -> Seats:
    """So many units hold a seat; each new one delays the next, each that was not needed after all no more."""
    new = units - seats.units
    if not new:
        return seats
    pause = 0.0 if seats.limits.ramp_per_s <= 0 else new / seats.limits.ramp_per_s
    if new > 0:
        return replace(seats, units=units, next_ask_s=max(now_s, seats.next_ask_s) + pause)
    return replace(seats, units=units, next_ask_s=seats.next_ask_s + (0.0 if seats.denials else pause))


def _draw(random: int) -> tuple[float, int]:
    """A number from 0 to 1 and the next state (a 48-bit linear congruence: small, and the same everywhere)."""
    state = (random * 0x5DEECE66D + 11) % (1 << 48)
    return state / (1 << 48), state
