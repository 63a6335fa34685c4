"""What past runs teach: seconds and memory of files, and the count of files at once to start with.

    records (file, size, seconds, memory) ── learn ──> Learned ── expect(file, size) ──> Expectation
                                                             └── tuned_section ──> a `performance:` section to keep

Covers the fit, and which keys of a YAML follow from it, pure. Does not cover where records are kept
(`orcabatch.batch.history`), nor reading or writing the YAML (`orcabatch.cli.plan`). Three sources, the nearest wins:
the file itself as measured before; files of its family (the same name but for digits); all files of the batch by size.
Medians throughout, so that one file that met a busy disk changes nothing. `docs/performance.md` has its error on
held-out batches beside that of the size alone.
"""

from __future__ import annotations

import copy
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orcabatch.engine.concurrency import START
from orcabatch.engine.executors import AUTO, PROCESSES, THREADS
from orcabatch.plan.predict import Expectation
from orcabatch.settings import Settings, was_set
from orcabatch.store.paths import name_of
from orcabatch.text import plural

FILES_PER_PLACE = 6
"""A batch of fewer files for each that runs at once has no time to come down from too many. More: short batches climb
again from below, whatever was found. Fewer: they end at a count that fitted another day."""
NEAR_SIZE = 0.02
"""A file whose size differs by more is another file, whatever its name. More: a model that was changed is foretold by
what it was. Less: one that was computed again, and differs in a few bytes, is not known."""
MOST_PAIRS = 150
"""Slopes are taken between at most so many files: the median does not need more."""
ENOUGH = 3
"""Records that a fit by size needs. Fewer: two files with bad luck make a slope. More: small batches have size
alone."""
PRIOR = 1.0
"""How many records' worth of doubt a family's own ratio meets. Less: one file speaks for its family. More: families
that do differ are foretold alike. `python -m benchmarks prediction` shows what comes of it."""
ROOM = 2
"""A count that was found is a start, not an end: the search may go up to so many times it. Less: a count that was too
low once stays. More: what was found bounds nothing."""
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Record:
    """One file of one run.

    Attributes:
        file: its path or name.
        size_bytes: its size.
        seconds: worker seconds, waiting for a slot left out.
        memory_factor: memory of the loaded file over its size; None where it was not measured.
    """

    file: str
    size_bytes: int
    seconds: float
    memory_factor: float | None = None

    @property
    def usable(self) -> bool:
        """Whether its numbers make sense."""
        return self.size_bytes > 0 and math.isfinite(self.seconds) and self.seconds > 0


@dataclass(frozen=True, slots=True)
class BySize:
    """Seconds as base + rate x size, both medians (Theil-Sen)."""

    base_s: float
    s_per_byte: float

    def seconds(self, size_bytes: int) -> float:
        """What a file of this size should take."""
        return self.base_s + self.s_per_byte * size_bytes


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned of a kind of batch on a host; an `orcabatch.plan.predict.History`.

    Attributes:
        records: what it was learned from.
        by_size: the fit over all of them; None where there are too few.
        families: seconds over the fit's, by family.
        limits: the count of files at once that the last run ended with, by what its workers were.
        executor: what the last run's workers were; empty: not known.
        read_ahead: files to read ahead so that no worker waits; None: not known.
        processes_save: share of the last run's time that worker processes would have saved, where files might not go
            there; 0: nothing, or not known.
    """

    records: tuple[Record, ...] = ()
    by_size: BySize | None = None
    families: dict[str, float] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)
    own: dict[str, tuple[Record, ...]] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    executor: str = ""
    read_ahead: int | None = None
    processes_save: float = 0.0

    def expect(self, file: Path, size_bytes: int) -> Expectation:
        """What is known about this file."""
        name = _name(str(file))
        same = [record for record in self.own.get(name, ()) if _near(record.size_bytes, size_bytes)]
        if same:
            factors = [record.memory_factor for record in same if record.memory_factor]
            return Expectation(statistics.median(r.seconds for r in same), max(factors, default=None))
        return Expectation(self._by_size(name, size_bytes), self.factors.get(family(name)) or self.factors.get(""))

    def _by_size(self, name: str, size_bytes: int) -> float | None:
        if self.by_size is None:
            return None
        return self.by_size.seconds(size_bytes) * self.families.get(family(name), 1.0)

    def start(self, files: int, executor: str, first: int = START) -> int:
        """How many of so many files at once to start with on such workers; `first` where nothing was learned of them.

        Below where the last run ended, further where there are few files: climbing costs little, and what was started
        too many at once cannot be taken back.
        """
        limit = self.limits.get(executor, first)
        return limit if limit <= START else max(START, min(limit * 2 // 3, files // FILES_PER_PLACE))

    def words(self, executor: str) -> tuple[str, ...]:
        """What was learned, for the plan of a run that begins with such workers."""
        if not self.records:
            return ()
        said = [f"learned from {plural(len(self.records), 'file')} of earlier runs: {self._rate_words()}"]
        if "" in self.factors:
            said.append(f"their memory is at most {self.factors['']:.2f} times their size")
        if executor in self.limits:
            limit = self.limits[executor]
            said.append(f"the last run on {executor} ended with {limit} at once; this one climbs there")
        return ("; ".join(said),)

    def processes_words(self) -> tuple[str, ...]:
        """What worker processes would bring to a function that stays on threads."""
        if not self.processes_save:
            return ()
        said = (
            "the last run was held back by Python's lock: `executor: processes` would take about "
            f"{self.processes_save:.0%} less time. A function of yours goes there only where you say so: see 'Is my "
            "function safe to run in parallel?' in the documentation"
        )
        return (said,)

    def _rate_words(self) -> str:
        if self.by_size is None:
            return "too few for a fit by size"
        base_s, per_mb, kinds = self.by_size.base_s, self.by_size.s_per_byte * 1e6, len(self.families)
        return f"{base_s:.3g} s a file and {per_mb:.3g} s per MB, {plural(kinds, 'kind')} of name"


def learn(
    records: Iterable[Record],
    *,
    limits: Mapping[str, int] | None = None,
    executor: str = "",
    read_ahead: int | None = None,
    processes_save: float = 0.0,
) -> Learned:
    """Fit what records tell.

    Args:
        records: oldest first.
        limits: the count of files at once that the last run ended with, by what its workers were.
        executor: what the last run's workers were.
        read_ahead: how many files should be read ahead.
        processes_save: share of its time that worker processes would have saved.
    """
    kept = tuple(record for record in records if record.usable)
    full = [_name(record.file) for record in kept]
    names = list(map(_family, full))
    by_size = fit_by_size(kept)
    own: dict[str, list[Record]] = {}
    for record, name in zip(kept, full, strict=True):
        own.setdefault(name, []).append(record)
    return Learned(
        records=kept,
        by_size=by_size,
        families=_ratios(kept, names, by_size),
        factors=_factors(kept, names),
        own={name: tuple(each[-5:]) for name, each in own.items()},
        limits=limits or {},
        executor=executor,
        read_ahead=read_ahead,
        processes_save=processes_save,
    )


def tuned_section(
    section: Mapping[str, Any] | None, settings: Settings, learned: Learned
) -> tuple[dict[str, Any], list[str]]:
    """The section with what was learned, and a sentence for each key that changed; what the user set is only narrowed.

    Args:
        section: as the user wrote it.
        settings: the same, read.
        learned: from runs of this kind on this host.
    """
    made: dict[str, Any] = copy.deepcopy(dict(section or {}))
    said = []
    if learned.executor in {THREADS, PROCESSES} and not was_set(settings, "executor"):
        made["executor"] = learned.executor
        said.append(f"executor: {learned.executor}, which is what the last run ended with")
    executor = made.get("executor", settings.executor)
    limit = learned.limits.get(THREADS if executor == AUTO else executor)
    if limit is not None and ROOM * limit < settings.threading.max_threads:
        most = max(ROOM * limit, settings.threading.min_threads)
        made["threading"] = {**(made.get("threading") or {}), "max_threads": most}
        said.append(f"threading.max_threads: {most}, room above the {limit} at once that the last run ended with")
    if learned.read_ahead is not None and not was_set(settings, "io.read_ahead"):
        made["io"] = {**(made.get("io") or {}), "read_ahead": learned.read_ahead}
        said.append(f"io.read_ahead: {learned.read_ahead}, from how long loading took beside the rest")
    return made, said


def held_limit(changes: Sequence[tuple[float, int | None]], end_s: float, since_s: float = 0.0) -> int | None:
    """The count of files at once that a run held longest in the second half of a time; None where it never decided.

    The last one set would be that of the drain, or of a probe.

    Args:
        changes: seconds and limit, in order; None for one that was not the run's own choice.
        end_s: when the run ended, and with it that time.
        since_s: when that began.
    """
    held: dict[int, float] = {}
    ends = [*(at_s for at_s, _ in changes[1:]), end_s]
    for (at_s, limit), until_s in zip(changes, ends, strict=False):
        seconds = until_s - max(at_s, (since_s + end_s) / 2)
        if limit is not None and seconds > 0:
            held[limit] = held.get(limit, 0.0) + seconds
    return max(held, key=lambda limit: held[limit], default=None)


def family(name: str) -> str:
    """A file's name without its digits: load cases differ by their numbers."""
    return _family(_name(name))


def _family(name: str) -> str:
    return _DIGITS.sub("#", name.rpartition(".")[0] or name)


def _name(path: str) -> str:
    """The last part of a path, of either system, as one text for what is one name on this one.

    Thousands are asked for before a run begins.
    """
    return name_of(path.replace("\\", "/").rpartition("/")[2])


def fit_by_size(records: Sequence[Record]) -> BySize | None:
    """The medians of slope and base over pairs of files; None where there are too few."""
    if len(records) < ENOUGH:
        return None
    step = max(1, len(records) // MOST_PAIRS)
    few = sorted(records, key=lambda record: record.size_bytes)[::step]
    slopes = [
        (b.seconds - a.seconds) / (b.size_bytes - a.size_bytes)
        for i, a in enumerate(few)
        for b in few[i + 1 :]
        if b.size_bytes > a.size_bytes * (1 + NEAR_SIZE)
    ]
    slope = max(0.0, statistics.median(slopes)) if slopes else 0.0
    base = max(0.0, statistics.median(record.seconds - slope * record.size_bytes for record in few))
    if base == slope == 0.0:
        base = statistics.median(record.seconds for record in few)
    return BySize(base, slope)


def _ratios(records: Sequence[Record], names: Sequence[str], by_size: BySize | None) -> dict[str, float]:
    """By family: its seconds over the fit's, the median of logarithms drawn towards one where there are few."""
    if by_size is None:
        return {}
    logs: dict[str, list[float]] = {}
    for record, name in zip(records, names, strict=True):
        logs.setdefault(name, []).append(math.log(record.seconds / by_size.seconds(record.size_bytes)))
    return {name: math.exp(statistics.median(each) * len(each) / (len(each) + PRIOR)) for name, each in logs.items()}


def _factors(records: Sequence[Record], names: Sequence[str]) -> dict[str, float]:
    """The highest memory factor by family, and of all under the empty name: what is loaded cannot be taken back."""
    highest: dict[str, float] = {}
    for record, its in zip(records, names, strict=True):
        if record.memory_factor and math.isfinite(record.memory_factor):
            for name in (its, ""):
                highest[name] = max(highest.get(name, 0.0), record.memory_factor)
    return highest


def _near(before: int, now: int) -> bool:
    return abs(before - now) <= NEAR_SIZE * max(before, now)
