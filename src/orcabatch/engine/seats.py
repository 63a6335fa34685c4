"""Licence seats: how many files the seats allow, when another seat may be asked for, when waiting is over.

Covers the maximum, the scope, gradual ramp-up, waiting with back-off and jitter, and giving up. Does not cover the
check-out itself: a model of a worker holds its seat for the whole batch, so a seat, once granted, is not asked for
again. Values and pure functions; the jitter is drawn from the seed in the state, so a replay waits as long.

A unit is what holds a seat: a running file (`model`), a process with `threads_per_process` files (`process`), or
everything together (`host`). The dispatcher fills a process before it opens the next one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orcabatch.engine.signals import SeatLimits

FIRST_BACK_OFF_S = 2.0
LONGEST_BACK_OFF_S = 60.0
JITTER = 0.3
"""A wait is drawn from 1 - JITTER to 1 + JITTER times the back-off."""

HUNG = (
    "every OrcaFlex licence seat is held by a file that hangs ({} of them): end this program to free the seats, "
    "and run the batch again"
)


@dataclass(frozen=True, slots=True)
class Seats:
    """What is known about licence seats.

    Attributes:
        limits: what was asked for.
        granted: units that hold a seat now (they keep it between files).
        next_ask_s: no new seat is asked for before this.
        denials: in a row, since the last seat was granted; files that were refused together count once.
        denied_s: when the last of them was.
        dry_since_s: since when seats are denied while none is held; None: not so.
        random: state of the jitter.
    """

    limits: SeatLimits
    granted: int = 0
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
    def ceiling(self) -> float:
        """Files that the seats allow at once; infinite where they do not limit."""
        return self.most_units * self.files_per_unit if self.most_units else 0.0


def begin(limits: SeatLimits) -> Seats:
    """Before the first check-out."""
    return Seats(limits, random=limits.seed * 2 + 1)


def units(seats: Seats, files: int) -> int:
    """Units that hold a seat while this many files run."""
    return max(1, math.ceil(files / seats.files_per_unit)) if files else 0


def may_start(seats: Seats, running: int, now_s: float) -> bool:
    """Whether one more file may start as far as seats are concerned."""
    if running + 1 > seats.ceiling:
        return False
    return units(seats, running + 1) <= seats.granted or now_s >= seats.next_ask_s


def started(seats: Seats, running: int, now_s: float) -> Seats:
    """A file started; `running` counts it."""
    wanted = units(seats, running)
    if wanted <= seats.granted:
        return seats
    pause = 0.0 if seats.limits.ramp_per_s <= 0 else 1.0 / seats.limits.ramp_per_s
    return replace(seats, granted=wanted, next_ask_s=max(now_s, seats.next_ask_s) + pause)


def worked(seats: Seats) -> Seats:
    """A file came back that had its seat."""
    return replace(seats, denials=0, dry_since_s=None)


def denied(seats: Seats, running: int, now_s: float, begun_s: float | None = None) -> Seats:
    """No seat for a file that had started; `running` no longer counts it.

    Where the file needed no seat of its own, the licence is lost: what is held lets nobody start any more.

    Args:
        seats: so far.
        running: files that still run.
        now_s: when it was told.
        begun_s: when the file had started; None: after the last denial.
    """
    held = units(seats, running)
    lost = units(seats, running + 1) <= held
    dry = now_s if seats.dry_since_s is None and not held else seats.dry_since_s
    dry = None if held and not lost else dry
    seats = replace(seats, granted=0 if lost else min(seats.granted, held), dry_since_s=dry)
    if begun_s is not None and begun_s <= seats.denied_s:
        return seats
    number, random = _draw(seats.random)
    back_off = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2.0 ** min(seats.denials, 10))
    wait = back_off * (1 - JITTER + 2 * JITTER * number)
    return replace(seats, next_ask_s=now_s + wait, denials=seats.denials + 1, denied_s=now_s, random=random)


def exhausted(seats: Seats, running: int, now_s: float) -> bool:
    """Whether waiting is over: none held, and denied for longer than `wait_s`; or none allowed at all."""
    if seats.ceiling < 1:
        return True
    dry = seats.dry_since_s
    return not running and dry is not None and now_s >= dry + seats.limits.wait_s


def wake_s(seats: Seats, running: int) -> float | None:
    """When to look again: the next time a seat may be asked for, or when waiting is over; None: nothing to wait for."""
    if running + 1 > seats.ceiling:
        return None
    if not running and seats.dry_since_s is not None:
        return min(seats.next_ask_s, seats.dry_since_s + seats.limits.wait_s)
    return seats.next_ask_s


def message(seats: Seats) -> str:
    """What is said when waiting is over."""
    asked = "any number of" if math.isinf(seats.most_units) else f"up to {int(seats.most_units)}"
    if seats.ceiling < 1:
        return "no OrcaFlex licence seat is allowed (licences.max is 0): set licences.max to at least 1"
    return (
        f"no OrcaFlex licence seat for {seats.limits.wait_s:g} s: asked for {asked} seats (one per "
        f"{seats.limits.scope}), got 0 in {seats.denials} attempts. See who holds the licences, or raise licences.wait"
    )


def _draw(random: int) -> tuple[float, int]:
    """A number from 0 to 1 and the next state (a 48-bit linear congruence: small, and the same everywhere)."""
    state = (random * 0x5DEECE66D + 11) % (1 << 48)
    return state / (1 << 48), state
