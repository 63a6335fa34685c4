"""Adding up what the simulated DLL counted, in all processes of a counters folder, running or not.

    with simulated.counting() as count:
        ...
    count.counters.total_calls

`counters()` reads; `reset_counters()` starts anew (nothing is zeroed: the totals so far become the baseline).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orcabatch.simulated.calibration import ANY, own_cost_s
from orcabatch.simulated.counter_file import BLOCK_SLOTS, EXPORT_NAMES, Slot
from orcabatch.simulated.shared import Shared
from orcabatch.simulated.world import world

if TYPE_CHECKING:
    from collections.abc import Iterator

_BASELINE = "baseline.json"


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals of all processes of one folder since the last reset. Times in seconds of CPU, sizes in bytes."""

    calls: dict[str, int]
    """Calls by export, those that answered 47 included."""
    log_passes: int
    bytes_loaded: int
    loads_by_file: dict[str, int]
    """Path as it was given -> successful reads of it."""
    live_models: int
    """Now, in running processes."""
    peak_live_models: int
    seats_in_use: int
    peak_seats: int
    seats_refused: int
    affinity_violations: int
    """Calls that were refused with 68."""
    destroyed_on_wrong_thread: int
    """Attempts to destroy a model that were refused with 68."""
    models_created: int
    models_destroyed: int
    own_seconds: float
    """The simulator's own Python: measured in the larger exports, calls x calibrated cost in the small ones."""
    reading_seconds: float
    """Genuine work: reading the file and touching its memory."""
    cost_seconds: float
    """Burnt on purpose (`Costs.cpu_s_per_pass`)."""

    @property
    def total_calls(self) -> int:
        """Calls of all exports."""
        return sum(self.calls.values())

    @property
    def loads(self) -> int:
        """Files read."""
        return sum(self.loads_by_file.values())

    @property
    def never_destroyed(self) -> int:
        """Models created and not destroyed: alive, or left behind by a process or thread that ended."""
        return self.models_created - self.models_destroyed

    def __sub__(self, earlier: Counters) -> Counters:
        """What was counted since `earlier`; live models, seats and peaks stay as they are in `self`."""
        numbers = {name: getattr(self, name) - getattr(earlier, name) for name in _SUMS}
        return replace(
            self,
            calls=dict(Counter(self.calls) - Counter(earlier.calls)),
            loads_by_file=dict(Counter(self.loads_by_file) - Counter(earlier.loads_by_file)),
            **numbers,
        )


_SUMS = (
    "log_passes", "bytes_loaded", "seats_refused", "affinity_violations", "destroyed_on_wrong_thread",
    "models_created", "models_destroyed", "own_seconds", "reading_seconds", "cost_seconds",
)  # fmt: skip


def _totals(path: Path) -> list[int]:
    """Of each slot, over the blocks that threads have taken: the file has room for hundreds, or none yet."""
    with path.open("rb") as stream:
        first = np.fromfile(stream, np.int64, BLOCK_SLOTS).reshape(-1, BLOCK_SLOTS)
        others = max(0, int(first[:, Slot.BLOCKS_TAKEN].sum()) - 1)
        rest = np.fromfile(stream, np.int64, others * BLOCK_SLOTS).reshape(-1, BLOCK_SLOTS)
    totals: list[int] = np.concatenate((first, rest)).sum(axis=0).tolist()
    return totals


def _slots_and_calls(folder: Path) -> tuple[list[int], Counter[str]]:
    slots, calls = [0] * Slot.FIRST_EXPORT, Counter[str]()
    for path in sorted(folder.glob("*.counts")):
        totals = _totals(path)
        slots = [have + more for have, more in zip(slots, totals, strict=False)]
        names_file = path.with_suffix(".names")
        names = json.loads(names_file.read_text(encoding="utf-8")) if names_file.exists() else EXPORT_NAMES
        calls.update({name: count for name, count in zip(names, totals[Slot.FIRST_EXPORT :], strict=False) if count})
    return slots, calls


def _loads(folder: Path) -> dict[str, int]:
    noted: Counter[str] = Counter()
    for path in folder.glob("*.loads"):
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # a line cut off by a kill
                noted[json.loads(line)[0]] += 1
    return dict(noted)


def _own_seconds(measured_ns: int, calls: dict[str, int]) -> float:
    costs = own_cost_s()
    other = costs[ANY]
    return measured_ns * 1e-9 + sum(count * costs.get(name, other) for name, count in calls.items())


def _read(folder: Path, shared: Shared) -> Counters:
    slots, calls = _slots_and_calls(folder)
    live, peak, seats, peak_seats = shared.usage(world.costs.seat_scope)
    return Counters(
        calls=dict(calls),
        log_passes=slots[Slot.LOG_PASSES],
        bytes_loaded=slots[Slot.BYTES_LOADED],
        loads_by_file=_loads(folder),
        live_models=live,
        peak_live_models=peak,
        seats_in_use=seats,
        peak_seats=peak_seats,
        seats_refused=slots[Slot.SEATS_REFUSED],
        affinity_violations=slots[Slot.AFFINITY_VIOLATIONS],
        destroyed_on_wrong_thread=slots[Slot.DESTROYED_ON_WRONG_THREAD],
        models_created=slots[Slot.MODELS_CREATED],
        models_destroyed=slots[Slot.MODELS_DESTROYED],
        own_seconds=_own_seconds(slots[Slot.OWN_NS], calls),
        reading_seconds=slots[Slot.READING_NS] * 1e-9,
        cost_seconds=slots[Slot.COST_NS] * 1e-9,
    )


def _baseline(folder: Path) -> Counters | None:
    path = folder / _BASELINE
    if not path.exists():
        return None
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Counters(**values)


def counters(folder: str | os.PathLike[str] | None = None) -> Counters:
    """Totals of a counters folder (None: the one in use) since its last reset. Takes some milliseconds.

    The first call calibrates (about 0.1 s).
    """
    own_cost_s()
    where = Path(folder) if folder is not None else world.counter_file.folder
    shared = world.shared if where == world.counter_file.folder else Shared(where)
    now, before = _read(where, shared), _baseline(where)
    return now - before if before else now


def reset_counters() -> None:
    """Count from zero again; peaks start from what is in use now."""
    own_cost_s()
    folder = world.counter_file.folder
    now = _read(folder, world.shared)
    world.shared.restart_peaks(world.costs.seat_scope)
    temporary = folder / f"{_BASELINE}.{os.getpid()}"
    temporary.write_text(json.dumps({name: getattr(now, name) for name in Counters.__slots__}), encoding="utf-8")
    temporary.replace(folder / _BASELINE)


class Counting:
    """What `counting()` gives: `counters`, from its beginning until now or until its end."""

    __slots__ = ("_begin", "_end")

    def __init__(self, begin: Counters) -> None:
        self._begin = begin
        self._end: Counters | None = None

    @property
    def counters(self) -> Counters:
        """Counted so far; after the block, what was counted in it."""
        return self._end or counters() - self._begin


@contextmanager
def counting() -> Iterator[Counting]:
    """Count what happens in the block, in all processes. Peaks start anew from what is in use at its beginning."""
    count = Counting(counters())
    world.shared.restart_peaks(world.costs.seat_scope)
    try:
        yield count
    finally:
        count._end = counters() - count._begin


def lose_licence(seconds: float) -> None:
    """No licence for any process of the folder, for that long from now; 0 gives it back at once."""
    world.shared.lose_licence(seconds)


def release_hang(name: str) -> None:
    """Let the loads of the file called `name`, which `Costs.hang_loads` holds up, go on."""
    (world.shared.folder / f"hang-{name}.released").touch()


def unlocked_cpu_s() -> float:
    """CPU seconds that this process spent here so far with the GIL let go: declared costs, and reading files."""
    return world.unlocked_ns * 1e-9
