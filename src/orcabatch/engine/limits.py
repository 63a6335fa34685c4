"""What the scheduler may never exceed, and where it starts: given once, when a run begins; and what files wait for.

Does not cover what it is told meanwhile (`orcabatch.engine.scheduler_messages`), nor where the numbers come from
(`orcabatch.batch.for_engine`, `orcabatch.plan`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, Self

Mode = Literal["static", "dynamic"]
Scope = Literal["model", "process", "host"]

ORCAFLEX_OVERHEAD = 1.5
"""Memory that a loaded file takes, as a multiple of its size, until it has been measured; the specification's."""


@dataclass(frozen=True, slots=True)
class SeatLimits:
    """Licence seats.

    Attributes:
        max: seats that may be held at once; None: no limit known.
        scope: what holds a seat: a model (each running file), a process, or the host (one for everything).
        wait_s: how long to wait for the first seat before giving up.
        ramp_per_s: seats asked for per second.
        processes: worker processes that may be opened (1 with threads).
        threads_per_process: files that run at once in one process.
        spread: a file waits a moment for a process of its own rather than share one, while more may be opened.
        seed: of the jitter.
    """

    max: int | None = None
    scope: Scope = "process"
    wait_s: float = 600.0
    ramp_per_s: float = 1.0
    processes: int = 1
    threads_per_process: int = 1_000_000
    spread: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What the scheduler may never exceed, and where it starts.

    Attributes:
        mode: `static` runs tier after tier with `tiers` as fixed counts; `dynamic` finds the count below the limits.
        tiers: ceiling per tier (files of that tier running at once); a tier that is missing has none.
        max_limit: hard ceiling on files running at once.
        start_limit: where `dynamic` starts, from history where there is one; None: at a small count.
        min_limit: never fewer, where the user set it; 1 otherwise.
        memory_total_bytes: of the host or cgroup; 0: memory is not watched until a sample tells.
        max_usage_percent: (total - available) / total above which nothing starts and the limit shrinks.
        gc_threshold_percent: above it garbage is collected, and work goes on; None: as `max_usage_percent`.
        overhead: factor that `Task.memory_bytes` holds over the file's size where nothing was measured.
        seats: licence seats.
        cpus: CPUs that this batch may use.
        in_order: files start in plan order one after the other, and none is passed over, whatever it waits for.
        max_writing: files that may be written beside the limit, once their workers are free.
        fixed_limit: `dynamic` only: run at this count and do not adapt (for benchmarks); None: adapt.
    """

    mode: Mode = "dynamic"
    tiers: Mapping[str, int] = field(default_factory=dict)
    max_limit: int = 45
    start_limit: int | None = None
    min_limit: int = 1
    memory_total_bytes: int = 0
    max_usage_percent: float = 80.0
    gc_threshold_percent: float | None = None
    overhead: float = ORCAFLEX_OVERHEAD
    seats: SeatLimits = field(default_factory=SeatLimits)
    cpus: int = 1
    in_order: bool = False
    max_writing: int = 0
    fixed_limit: int | None = None

    def most_of(self, tier: str) -> int:
        """How many files of this tier may run at once."""
        return max(1, self.tiers.get(tier, self.max_limit))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, for the event that tells of a run's beginning."""
        return asdict(replace(self, tiers=dict(self.tiers)))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        return cls(**{**plain, "seats": SeatLimits(**plain["seats"])})


class WaitReason(StrEnum):
    """What keeps the next file that waits from starting: every reason there is, in the order in which they are asked.

    Another reason is a member here, and the branch in `Scheduler._next` that finds it.

    Attributes:
        words: as they follow "waiting" on a display; empty where slots are never empty for it, or that is no news.
    """

    LIMIT = "limit", ""
    SEAT = "seat", "for a licence seat"
    TIER = "tier", ""
    MEMORY = "memory", "for memory"
    NOTHING = "", ""

    words: str

    def __new__(cls, value: str, words: str = "") -> Self:
        """A member with its words."""
        member = str.__new__(cls, value)
        member._value_, member.words = value, words
        return member
