"""What a call learns for the next one of its kind on this host, beyond what the ledger keeps of each file.

    recall(cache, host) ── before planning ──> Learned          keep(cache, host, Ran.of(...)) ── after the run

A kind is the host, which OrcaFlex computes, and the labels of the batches. One entry per kind: the records of its
latest files and the count, executor and read-ahead that the last run ended with. Does not cover the fit
(`orcabatch.plan.history`) nor results (`orcabatch.batch.result_cache`). Nothing is kept where the ledger is off.
"""

from __future__ import annotations

import hashlib
import math
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from orcabatch.engine.executors import facts_of
from orcabatch.outcome import Phase, Status
from orcabatch.plan.history import Learned, Record, held_limit, learn
from orcabatch.plan.predict import Expectation, History
from orcabatch.settings import was_set
from orcabatch.store.ledger import Entry
from orcabatch.store.values import Damaged, checked, decode, encode

if TYPE_CHECKING:
    from orcabatch.batch.result_cache import ResultCache
    from orcabatch.host import HostResources
    from orcabatch.monitor import PerformanceMonitor
    from orcabatch.outcome import FileOutcome
    from orcabatch.plan import BatchPlan

MOST_RECORDS = 2_000
MOST_READ_AHEAD = 4
LIMITS_BY_HAND = (
    "threading.mode",
    "threading.min_threads",
    "threading.max_threads",
    "threading.threads_per_gb",
    "optimization.thread_allocation.small",
    "optimization.thread_allocation.medium",
    "optimization.thread_allocation.large",
    "process_count",
    "threads_per_process",
    "licences.max",
)
"""Where one of these is written, a run that ended at its limit found out nothing about how many at once are good."""

ENOUGH_FILES = 4
"""A run of fewer files says nothing about how many at once are good."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run did.

    Attributes:
        outcomes: of its files.
        found: changes of the limit: seconds, and the count; None where it was none that the run found to be good.
        wall_s: seconds it took.
        executor: what its workers were at the end.
        processes_save: share of the time that worker processes would have saved, where files might not go there.
        by_hand: counts at which limits held that the user wrote: how many at once are good was not found out there.
        executor_by_hand: the user said what the workers are.
        since_s: since when they are that.
    """

    outcomes: Sequence[FileOutcome]
    found: Sequence[tuple[float, int | None]]
    wall_s: float
    executor: str
    processes_save: float = 0.0
    by_hand: frozenset[int] = frozenset()
    executor_by_hand: bool = False
    since_s: float = 0.0

    @classmethod
    def of(cls, outcomes: Sequence[FileOutcome], plan: BatchPlan, monitor: PerformanceMonitor) -> Self:
        """What the monitor saw of a run that was planned like this."""
        state = monitor.state
        executor = state.executor or plan.executor
        last = (*by_hand(plan), state.moved_s)
        return cls(outcomes, list(state.found), monitor.wall_s, executor, state.processes_save, *last)

    @property
    def limit(self) -> int | None:
        """The count of files at once that it found to be good; None where it found none, or was not free to."""
        held = held_limit(self.found, self.wall_s, self.since_s)
        return None if held in self.by_hand else held

    @property
    def read_ahead(self) -> int:
        """How many files should be read ahead so that a worker does not wait for the next: loading over the rest."""
        load = sum(outcome.phases.get(Phase.LOAD, 0.0) for outcome in self.outcomes)
        phases = (Phase.EXTRACT, Phase.WRITE)
        rest = sum(
            sum(outcome.phases.get(phase, 0.0) for phase in phases) - outcome.usage.behind_s
            for outcome in self.outcomes
        )
        return min(MOST_READ_AHEAD, 1 + math.ceil(load / rest)) if rest > 0 else 1


@dataclass(frozen=True, slots=True)
class Nearest:
    """A history that asks the file's own past first, then what was learned of its kind, then the doctor's figure."""

    own: History
    learned: Learned
    memory_factor: float | None = None

    def expect(self, file: Path, size_bytes: int) -> Expectation:
        """What is known about this file."""
        own = self.own.expect(file, size_bytes)
        if own.seconds is not None and own.memory_factor is not None:
            return own
        kind = self.learned.expect(file, size_bytes)
        seconds = kind.seconds if own.seconds is None else own.seconds
        return Expectation(seconds, own.memory_factor or kind.memory_factor or self.memory_factor)


def by_hand(plan: BatchPlan) -> tuple[frozenset[int], bool]:
    """The counts at which a limit that the user wrote may have held a run, and whether he wrote its executor."""
    executor = was_set(plan.settings, "executor")
    if not any(was_set(plan.settings, key) for key in LIMITS_BY_HAND):
        return frozenset(), executor
    return frozenset({plan.limit, plan.ceiling, plan.min_limit, *(tier.limit for tier in plan.tiers)}), executor


def recall(cache: ResultCache, host: HostResources) -> Learned:
    """What earlier runs of this kind taught; empty where there were none."""
    kept = _kept(cache, host)
    with suppress(ValueError, OverflowError):
        return learn(
            kept.records,
            limits=kept.limits,
            executor=kept.executor,
            read_ahead=kept.read_ahead,
            processes_save=kept.processes_save,
        )
    return Learned()


def _kept(cache: ResultCache, host: HostResources) -> Learned:
    """What is kept of it, with nothing fitted: with a thousand records that is most of the work."""
    payload = cache.ledger.get(_key(cache, host)) if cache.ledger.remembers else None
    if payload is not None:
        with suppress(Damaged, KeyError, TypeError, ValueError, OverflowError):
            return _read(checked(decode(payload), dict))
    return Learned()


def keep(cache: ResultCache, host: HostResources, ran: Ran) -> None:
    """Leave to the next run what this one measured; with an open ledger."""
    records = list(_measured(ran.outcomes))
    if not cache.ledger.remembers or not records:
        return
    before = _kept(cache, host)
    again = {record.file for record in records}
    kept = [record for record in before.records if record.file not in again] + records
    telling = len(records) >= ENOUGH_FILES and not facts_of(ran.executor).elsewhere  # its counts may be other machines'
    found = {ran.executor: ran.limit} if telling and ran.limit else {}
    content = {
        "records": _columns(kept[-MOST_RECORDS:]),
        "limits": {**before.limits, **found},
        "executor": before.executor if ran.executor_by_hand or not telling else ran.executor,
        "processes_save": ran.processes_save if telling else before.processes_save,
        "read_ahead": ran.read_ahead if telling else before.read_ahead,
    }
    label = "+".join(sorted(batch.label for batch in cache.batches))
    cache.ledger.put(Entry(_key(cache, host), "learned", "", label, encode(content)))
    cache.ledger.commit()


def _measured(outcomes: Iterable[FileOutcome]) -> Iterable[Record]:
    """One record per file that was loaded: one that two batches share took what both took."""
    seconds: dict[int, float] = {}
    last: dict[int, FileOutcome] = {}
    for outcome in outcomes:
        if outcome.status is Status.OK:
            seconds[outcome.index] = seconds.get(outcome.index, 0.0) + outcome.busy_s
            last[outcome.index] = outcome
    for index, outcome in last.items():
        record = Record(str(outcome.file), outcome.size_bytes, seconds[index], outcome.memory_factor)
        if record.usable:
            yield record


def _read(content: Mapping[str, Any]) -> Learned:
    depth = checked(content["read_ahead"], int, NoneType)
    limits = checked(content.get("limits", {}), dict)
    return Learned(
        tuple(_records(checked(content["records"], dict))),
        limits={checked(executor, str): max(1, checked(limit, int)) for executor, limit in limits.items()},
        executor=checked(content["executor"], str),
        read_ahead=None if depth is None else min(MOST_READ_AHEAD, max(1, depth)),
        processes_save=_number(content.get("processes_save", 0.0)),
    )


def _columns(records: Sequence[Record]) -> dict[str, Any]:
    """The records as they are kept: in columns, which take a tenth of the time to read back that rows do."""
    return {
        "files": "\0".join(record.file for record in records),
        "sizes": np.array([record.size_bytes for record in records], np.int64),
        "seconds": np.array([record.seconds for record in records], np.float64),
        "factors": np.array([record.memory_factor or math.nan for record in records], np.float64),
    }


def _records(columns: Mapping[str, Any]) -> list[Record]:
    """The records that `_columns` was given; those whose numbers nobody measures are left out."""
    files = checked(columns["files"], str).split("\0")
    sizes, seconds, factors = (
        checked(columns[name], np.ndarray).astype(kind, casting="same_kind").tolist()
        for name, kind in (("sizes", np.int64), ("seconds", np.float64), ("factors", np.float64))
    )
    records = [
        Record(file, size, took, factor if factor > 0 and math.isfinite(factor) else None)
        for file, size, took, factor in zip(files, sizes, seconds, factors, strict=True)
    ]
    return [record for record in records if record.usable]


def _number(value: Any) -> float:
    number = float(checked(value, float, int))
    if not math.isfinite(number):
        raise Damaged("a number that nobody measures")
    return number


def _key(cache: ResultCache, host: HostResources) -> bytes:
    labels = sorted(batch.label for batch in cache.batches)
    kind = ["learned", socket.gethostname(), host.logical_cpus, host.total_ram_bytes, str(cache.binding.kind), labels]
    return hashlib.blake2b(encode(kind), digest_size=16).digest()
