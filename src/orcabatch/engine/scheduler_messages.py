"""What is said to the scheduler and what it answers: values only.

Covers the events (what happened, with the time at which it happened) and the instructions (what is to be done). Does
not cover what is given once, when a run begins, nor why files wait (`orcabatch.engine.limits`), any decision
(`orcabatch.engine.scheduler`), nor how all of it is written down (`orcabatch.engine.event_log`).

Times are seconds since the run began, sizes are bytes, percentages run from 0 to 100.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

# --- what goes in ---

Ending = Literal["done", "released", "retry", "seat_denied", "lost"]
StopLevel = Literal[1, 2]


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured at one instant.

    Attributes:
        total_bytes, available_bytes: memory of the host or the cgroup, whichever has the smaller total; 0: unknown.
        own_bytes: memory held by this process and its workers.
        cpu_percent: of the CPUs this batch may use, used by its own processes.
        read_bytes: read since the run began.
        work: work done since the run began, in bytes of `.sim` files: a finished file counts its size, a running one
            its share so far. Never interpolated from elapsed time.
        work_loaded, work_extracted: the same for the two phases alone (a file half loaded counts half its size in the
            first). Both 0 where the phases are not told apart.
        loading, extracting, writing: workers in that phase now.
        gil_taken: share of the time since the sample before that the GIL was held, 0 to 1 (mean of all the
            processes that there may be); None: unknown.
        calls_s: what the calls into OrcaFlex's DLL that have returned in this process would have taken with nobody else
            in it; 0: not known.
        served_s: the same without those that read or write files; 0: not known.
        waited_s: how long they stood still for others in it (`orcabatch.engine.unlocked`); 0: not known.
        slots: files that the workers can take at once, where that changes while running; 0: it does not.
    """

    total_bytes: int = 0
    available_bytes: int = 0
    own_bytes: int = 0
    cpu_percent: float = 0.0
    read_bytes: int = 0
    work: float = 0.0
    work_loaded: float = 0.0
    work_extracted: float = 0.0
    loading: int = 0
    extracting: int = 0
    writing: int = 0
    gil_taken: float | None = None
    calls_s: float = 0.0
    served_s: float = 0.0
    waited_s: float = 0.0
    slots: int = 0


Probe = Callable[[tuple[int, ...]], Sample]
"""Measures the host; gets the ids of the worker processes that live now."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The task may run from now on; it starts with a later event. Offering it twice changes nothing."""

    now_s: float
    index: int


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """A started task came back.

    Attributes:
        ending: `done` (also when it failed for good); `released` (its worker is free, its memory and its seat are
            given back, but its outputs are still being written: a second one follows); `retry` (to be started
            again after `retry_delay_s`); `seat_denied` (no licence, nothing was loaded); `lost` (its worker died or was
            killed: it is not started again unless offered again with `Redone`).
        wall_s, cpu_s: of the whole task.
        phases: wall seconds by phase.
        stays: seconds in each station, and the files that it met there (`orcabatch.engine.occupancy.Stays`).
        memory_bytes: what the loaded model added to its process; 0: not measured.
        size_bytes: of the file.
    """

    now_s: float
    index: int
    ending: Ending = "done"
    retry_delay_s: float = 0.0
    wall_s: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)
    cpu_s: float = 0.0
    memory_bytes: int = 0
    size_bytes: int = 0
    stays: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Redone:
    """A finished (done or lost) task is to be done again; a running one is done again when it comes back."""

    now_s: float
    index: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """The sampler measured."""

    now_s: float
    sample: Sample


@dataclass(frozen=True, slots=True)
class Woken:
    """Time has passed: answers a `Wake`; harmless at any other time."""

    now_s: float


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Level 1: finish what runs, start nothing. Level 2: leave; nothing more is waited for."""

    now_s: float
    level: StopLevel = 1


@dataclass(frozen=True, slots=True)
class SlotLost:
    """A hung worker was written off: its task ends here, its thread and its memory stay taken."""

    now_s: float
    index: int


@dataclass(frozen=True, slots=True)
class SlotBack:
    """The hung call of `SlotLost` returned after all: its thread and memory are free again."""

    now_s: float
    index: int


@dataclass(frozen=True, slots=True)
class SeatsReported:
    """What the workers hold of licence seats, told by the executor: which worker takes a file is its affair.

    Attributes:
        units: what holds a seat (see `SeatLimits.scope`) or is about to, idle ones too.
        room: how many more files these take.
    """

    now_s: float
    units: int
    room: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Files go to workers of another kind from now on, or back to the kind before; these take so many at once."""

    now_s: float
    capacity: int


Event = Offered | TaskFinished | Redone | Sampled | Woken | StopAsked | SlotLost | SlotBack | SeatsReported | Moved


# --- what comes out ---


@dataclass(frozen=True, slots=True)
class Start:
    """Give the task to a worker now; not more than this many units may hold a licence seat then."""

    index: int
    units: int


@dataclass(frozen=True, slots=True)
class CollectGarbage:
    """Collect garbage, and give what is free back to the system, in every worker process."""


@dataclass(frozen=True, slots=True)
class LimitSet:
    """The limit on files running at once changed, for this reason. For the event log; `Start` already obeys it.

    `found`: it is what the search for a good count came to, and nothing else bounds it.
    """

    limit: int
    reason: str
    found: bool = True


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the engineer; `index` is the task concerned, -1 for the run as a whole."""

    text: str
    index: int = -1


@dataclass(frozen=True, slots=True)
class Wake:
    """Send `Woken` at this time. The latest `Wake` counts."""

    at_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The waiting task will not be started: report it as failed (or cancelled, after `StopAsked`) for this reason."""

    index: int
    reason: str


Instruction = Start | CollectGarbage | LimitSet | Say | Wake | GiveUp
