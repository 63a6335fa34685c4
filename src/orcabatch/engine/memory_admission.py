"""Memory admission: how much a file is reserved, and whether another one fits.

Covers the true factor of memory over prediction (learnt from finished files), other programs' memory, the two
thresholds, and how long a batch with nothing running waits for memory. Does not cover which file is tried: see
`orcabatch.engine.scheduler`. Values and pure functions; bytes and seconds.

    cap    = total x max_usage_percent
    others = total - available - own          what other programs hold
    held   = max(baseline + reserved, own + what is still loading)    what we hold or shall hold; baseline: what we held
                                              before the first file and a little more
    room   = cap - others - held

A file that loads is reserved its prediction x `correction`; once it is loaded, what it holds is in `own`, and it is
reserved the highest factor that was measured so far. So doubt is about few files at a time, and files that are alike
fill the room long before it has faded. What is loaded cannot be taken back, so before anything is known the
correction stands for the worst that is plausible (`BLIND_FACTOR` times the file's size: few files start where memory is
short, and all the same where it is ample); with every file measured it moves towards the highest seen: slowly, because
files that are alike follow each other, and faster where earlier runs told each file's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from orcabatch.engine.limits import ORCAFLEX_OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orcabatch.engine.contract import Task
    from orcabatch.engine.limits import Limits
    from orcabatch.engine.scheduler_messages import Sample

BLIND_FACTOR = 4.0
"""Memory over file size that is reserved while nothing has been measured: as much as is plausible. Less: the first
files may be above the cap together, and cannot be taken back (2: six times as long above it). More: where memory is
short a batch begins with fewer (8: never above it, and 2% slower; `python -m benchmarks tuning`)."""
HISTORY_MARGIN = 1.15
"""The same over predictions that stem from earlier runs. Less: a file that has grown since is not covered. More: what
is known already is of no use."""
FADING, FADING_ALIKE, FADING_WITH_HISTORY = 0.2, 0.5, 1.0
"""How fast the doubt about a file that loads goes: by the number of measured files to this power. Faster: the one that
needs most comes when little is kept for it (0.3: above the cap for 43 s in one of nine cases of `benchmarks.virtual`),
and files that are alike and follow each other pass for all. Slower: memory is kept free that nobody will need. Earlier
runs tell each file's own, so there one that is measured says something about the others."""
ALIKE, ALIKE_FILES = 0.9, 4
"""So many files whose factors lie within this share of the highest are alike. Fewer, or farther apart: chance passes
for it. More: a batch whose files are alike is half through before its memory is used."""
TOO_SMALL_TO_TELL_BYTES = 16_000_000
"""What a process gains by chance; a model below it tells nothing about the factor. Less: chance is learnt as a factor,
and the highest one stays. More: batches of small files are reserved the worst to their end."""
SETTLING_BYTES = 50_000_000
"""What this process will take beside models once it works: modules that are imported then, buffers, threads.
Less: the first files stand above the cap by it. More: a small host runs fewer files."""
PATIENCE_S = 30.0
"""How long a batch with nothing running waits for other programs to give memory back, before one file runs alone. Not
at all where the cap was below what is in use from the beginning: that is how the host is, and no passing moment.
Shorter: it runs, above the cap, just before there was room. Longer: a batch stands still beside a program that
stays."""
COLLECT_EVERY_S = 5.0
"""Collecting stops every thread of a process for a moment: more often it costs, more seldom garbage counts as in
use."""

Pressure = Literal["none", "collect", "over"]


@dataclass(frozen=True, slots=True)
class MemoryAdmission:
    """What is known about memory.

    Attributes:
        total_bytes: of the host or cgroup; 0: not watched.
        cap_bytes: what may be in use, everybody's together.
        gc_bytes: in use above this: collect garbage, go on working.
        blind: correction while nothing is known; `fading`: how fast the doubt goes with the files that were measured.
        others_bytes, own_bytes, baseline_bytes: see the module.
        used_bytes: total - available.
        running: predictions of what is loaded or loading; `loaded_bytes`: of them, what is loaded for certain, summed.
        extracting: files that a sample saw extracting.
        measured: how many files told their factor; `highest`, `lowest`: of measured / predicted.
        overfull: in use was above the cap before the first file already, and has been ever since.
        collected_s: when garbage was last collected; `starved_s`: since when nothing runs for want of memory.
    """

    total_bytes: int = 0
    cap_bytes: int = 0
    gc_bytes: int = 0
    blind: float = BLIND_FACTOR / ORCAFLEX_OVERHEAD
    fading: float = FADING
    others_bytes: int = 0
    own_bytes: int = 0
    baseline_bytes: int | None = None
    used_bytes: int = 0
    running: tuple[int, ...] = ()
    loaded_bytes: int = 0
    extracting: int = 0
    measured: int = 0
    highest: float = 0.0
    lowest: float = math.inf
    overfull: bool = False
    collected_s: float = -1e9
    starved_s: float | None = None

    @property
    def correction(self) -> float:
        """What a prediction is multiplied by: the highest factor seen, and a doubt that shrinks with their number."""
        alike = self.measured >= ALIKE_FILES and self.lowest >= ALIKE * self.highest
        fading = max(self.fading, FADING_ALIKE) if alike else self.fading
        return self.highest + max(0.0, self.blind - self.highest) / math.pow(self.measured + 1, fading)

    @property
    def reserved_bytes(self) -> int:
        """What is set aside for everything that is loaded or loading."""
        return int(self.loaded_bytes * self.highest + self.loading_bytes)

    @property
    def loading_bytes(self) -> float:
        """What is set aside for what is loading: by the worst that is plausible."""
        return (sum(self.running) - self.loaded_bytes) * self.correction

    @property
    def budget_bytes(self) -> int:
        """What all our files together may take now."""
        return max(0, self.cap_bytes - self.others_bytes - (self.baseline_bytes or 0))

    @property
    def room_bytes(self) -> int:
        """What the next file may take now; negative when too much is held already."""
        # Reservations run ahead of what is loaded, and what is loaded may be more than was reserved: the larger counts.
        # What loads holds a part of that already, but nobody knows how much. Where nothing is loaded, all is reserved.
        still = int(self.loading_bytes) if self.loaded_bytes else 0
        held = max((self.baseline_bytes or 0) + self.reserved_bytes, self.own_bytes + still)
        return self.cap_bytes - self.others_bytes - held

    @property
    def pressure(self) -> Pressure:
        """Whether garbage should be collected, or nothing may be started any more."""
        if not self.total_bytes or self.used_bytes <= self.gc_bytes:
            return "none"
        return "over" if self.used_bytes > self.cap_bytes else "collect"

    @property
    def usage_percent(self) -> float:
        """Memory in use by everybody, percent of the total."""
        return 100.0 * self.used_bytes / self.total_bytes if self.total_bytes else 0.0


def guessed(tasks: Iterable[Task], limits: Limits) -> bool:
    """Whether all predictions are sizes times the overhead: no earlier run told anything."""
    # One byte apart by rounding.
    return all(abs(task.memory_bytes - task.size_bytes * limits.overhead) <= 1 for task in tasks)


def begin(limits: Limits, *, from_history: bool) -> MemoryAdmission:
    """What is known before the first file; `from_history`: predictions stem from earlier runs."""
    blind = HISTORY_MARGIN if from_history else max(1.0, BLIND_FACTOR / limits.overhead)
    fading = FADING_WITH_HISTORY if from_history else FADING
    return _with_total(MemoryAdmission(blind=blind, fading=fading), limits, limits.memory_total_bytes)


def share_bytes(total_bytes: int, percent: float) -> int:
    """What may be in use where so many percent may be; the plan's caps are made of the same."""
    return int(total_bytes * percent / 100)


def _with_total(memory: MemoryAdmission, limits: Limits, total_bytes: int) -> MemoryAdmission:
    cap = share_bytes(total_bytes, limits.max_usage_percent)
    gc_percent = limits.gc_threshold_percent
    gc_bytes = cap if gc_percent is None else min(cap, share_bytes(total_bytes, gc_percent))
    return replace(memory, total_bytes=total_bytes, cap_bytes=cap, gc_bytes=gc_bytes)


def observe(memory: MemoryAdmission, limits: Limits, sample: Sample) -> MemoryAdmission:
    """What a sample says about memory. The first one tells what this process held before any file."""
    if not sample.total_bytes:
        return memory
    # The limit of a container may be changed while the run goes on.
    if sample.total_bytes != memory.total_bytes:
        memory = _with_total(memory, limits, sample.total_bytes)
    used = max(0, sample.total_bytes - sample.available_bytes)
    baseline = memory.baseline_bytes
    overfull = used > memory.cap_bytes and (memory.overfull or (baseline is None and not memory.running))
    if baseline is None:
        # With files loaded already their memory cannot be told from the process's own: nothing is set aside then.
        baseline = 0 if memory.running else sample.own_bytes + SETTLING_BYTES
    # Pages that our processes share count in each of them, so they can add up to more than is in use.
    others = max(0, used - sample.own_bytes)
    # Memory was read a moment before the phases were: what began to extract in between may have grown since.
    loading = len(memory.running) - min(memory.extracting, sample.extracting)
    loaded = sum(
        sorted(memory.running)[: max(0, len(memory.running) - loading)]
    )  # the largest may be the ones that load
    return replace(
        memory,
        loaded_bytes=loaded,
        extracting=sample.extracting,
        used_bytes=used,
        own_bytes=sample.own_bytes,
        others_bytes=others,
        baseline_bytes=baseline,
        overfull=overfull,
    )


def load(memory: MemoryAdmission, predicted_bytes: int) -> MemoryAdmission:
    """A file with this prediction starts."""
    return replace(memory, running=(*memory.running, predicted_bytes))


def unload(memory: MemoryAdmission, predicted_bytes: int, measured_bytes: int = 0) -> MemoryAdmission:
    """A file with this prediction is gone; what it was measured to hold is free before the next sample says so."""
    running = list(memory.running)
    running.remove(predicted_bytes)
    return replace(
        memory,
        running=tuple(running),
        loaded_bytes=min(sum(running), max(0, memory.loaded_bytes - predicted_bytes)),
        own_bytes=max(0, memory.own_bytes - measured_bytes),
    )


def learn(memory: MemoryAdmission, predicted_bytes: int, measured_bytes: int) -> MemoryAdmission:
    """A file took this much."""
    if measured_bytes < TOO_SMALL_TO_TELL_BYTES or not predicted_bytes:
        return memory
    # The highest and no mean: what was loaded cannot be taken back, so the worst file decides.
    factor = measured_bytes / predicted_bytes
    highest, lowest = max(memory.highest, factor), min(memory.lowest, factor)
    return replace(memory, measured=memory.measured + 1, highest=highest, lowest=lowest)


def largest_prediction(memory: MemoryAdmission, room_bytes: float) -> float:
    """The largest prediction that fits into this room; infinite where memory is not watched."""
    return room_bytes / memory.correction if memory.total_bytes else float("inf")


def starving(memory: MemoryAdmission, now_s: float) -> MemoryAdmission:
    """Nothing runs and nothing fits: remember since when."""
    return memory if memory.starved_s is not None else replace(memory, starved_s=now_s)


def patience_ends_s(memory: MemoryAdmission) -> float:
    """When one file runs alone, whatever memory says."""
    return (memory.starved_s or 0.0) + PATIENCE_S


def relieved(memory: MemoryAdmission) -> MemoryAdmission:
    """Memory is there again."""
    return memory if memory.starved_s is None else replace(memory, starved_s=None)


def collect_due(memory: MemoryAdmission, now_s: float) -> bool:
    """Whether garbage should be collected now."""
    return memory.pressure != "none" and now_s - memory.collected_s >= COLLECT_EVERY_S


def collected(memory: MemoryAdmission, now_s: float) -> MemoryAdmission:
    """Garbage was collected."""
    return replace(memory, collected_s=now_s)
