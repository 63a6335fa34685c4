"""`make_plan`: from files, settings and a host to a plan. Pure: no file is touched, no clock read.

    files ──> planned files (memory, seconds, tier) ──> tiers (counts under caps) ──> limit ──> processes, order, time

Covers the whole decision before a run. Does not cover what the engine learns while running.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from orcabatch.engine.concurrency import START
from orcabatch.engine.executors import AUTO, facts_of
from orcabatch.engine.limits import Limits
from orcabatch.engine.time_left import makespan
from orcabatch.host import ResourceManager
from orcabatch.plan.batch_plan import BatchPlan
from orcabatch.plan.caps import (
    Cap,
    Situation,
    allotted_counts,
    hard_caps,
    memory_budget,
    memory_cap_together,
    tier,
    tightest,
)
from orcabatch.plan.history import Learned
from orcabatch.plan.notes import advising, binding, notes
from orcabatch.plan.predict import History, NothingKnown, costs, longest_first, memory_bytes, usable_seconds
from orcabatch.plan.tiers import UNGROUPED, BatchOptimizer, PlannedFile, Tier, tier_names
from orcabatch.plan.workers import WorkerLayout, lay_out, native_threads
from orcabatch.settings import TIERS

if TYPE_CHECKING:
    from orcabatch.host import HostResources
    from orcabatch.settings import Settings


class PathAndSize(Protocol):
    """What is known of a file from outside: where it is, and its size in bytes."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def size(self) -> int:
        """Its size in bytes."""


@dataclass(frozen=True, slots=True)
class Deciders:
    """The specification's two classes, by which a plan groups, counts and caps; or subclasses of them.

    Attributes:
        optimizer: makes a `BatchOptimizer` from settings.
        manager: makes a `ResourceManager` from a host (None: this one).
    """

    optimizer: Callable[[Settings], BatchOptimizer] = BatchOptimizer
    manager: Callable[[HostResources | None], ResourceManager] = ResourceManager


def make_plan(  # noqa: PLR0913 - three things a plan is made for, three that are known beside them
    files: Sequence[PathAndSize],
    settings: Settings,
    host: HostResources,
    *,
    batches: Sequence[tuple[str, ...]] | None = None,
    history: History | None = None,
    skipped: Mapping[int, str] | None = None,
    learned: Learned | None = None,
    deciders: Deciders | None = None,
) -> BatchPlan:
    """The plan for these files on this host.

    Args:
        files: objects with `path` and `size` in bytes, in input order (`SizedFile`).
        settings: the `performance:` section.
        host: what may be used.
        batches: for each file the names of the batches that want it; None: one batch without a name.
        history: what past runs tell; None: nothing.
        skipped: by index, why a file will not run.
        learned: what the last run of this kind left to this one; None: nothing.
        deciders: what groups, counts and caps; None: the specification's own.

    Raises:
        ValueError: `batches` is not as long as `files`.
        SettingsError: a decider of the user's gave what is no grouping or no count.
    """
    asked = deciders or Deciders()
    at = Situation(settings, host, asked.optimizer(settings), asked.manager)
    planned = _grouped(_with_costs(tuple(_planned(files, (batches, history or NothingKnown(), skipped or {})))), at)
    running = tuple(file for file in planned if file.skip is None)
    tiers = tuple(_tiers(running, at))
    together = tightest(_overall(running, tiers, at))
    layout = lay_out(settings, host, together.highest, at.floor)
    bound = tightest((together, layout.cap))
    ceiling = bound.highest
    planned = _ranked(planned, settings, layout.executor)
    in_order = sorted((file for file in planned if file.skip is None), key=lambda file: file.rank)
    return BatchPlan(
        mode=settings.threading.mode,
        executor=layout.executor,
        executor_why=layout.why,
        tiers=tiers,
        files=planned,
        order=tuple(file.index for file in in_order),
        memory_budget_bytes=memory_budget(settings, host),
        limit=bound.count,
        ceiling=ceiling,
        bound_by=bound.because,
        start_limit=_start(at, bound.count, layout, learned=learned or Learned(), files=len(running)),
        min_limit=min(at.floor, ceiling),
        processes=layout.processes,
        threads_per_process=layout.threads_per_process,
        native_threads=native_threads(settings, host, ceiling),
        predicted_s=_predicted(in_order, tiers, bound.count, settings),
        binding=binding(at),
        advising=advising(at),
        notes=(*notes(planned, tiers, at, bound), *_learned_words(learned, settings, layout.executor)),
        host=host,
        settings=settings,
    )


def _learned_words(learned: Learned | None, settings: Settings, executor: str) -> tuple[str, ...]:
    if learned is None:
        return ()
    may_go_over = settings.executor == AUTO and facts_of(executor).in_process
    return (*learned.words(executor), *(learned.processes_words() if may_go_over else ()))


def _planned(
    files: Sequence[PathAndSize],
    known: tuple[Sequence[tuple[str, ...]] | None, History, Mapping[int, str]],
) -> Iterator[PlannedFile]:
    batches, history, skipped = known
    names = [("batch",)] * len(files) if batches is None else batches
    for index, (file, wanted_by) in enumerate(zip(files, names, strict=True)):
        path, size = Path(file.path), max(0, int(file.size))
        expected = history.expect(path, size)
        yield PlannedFile(
            index=index,
            file=path,
            batches=tuple(wanted_by),
            size_bytes=size,
            tier=UNGROUPED,
            memory_bytes=memory_bytes(size, expected),
            seconds=usable_seconds(expected),
            skip=skipped.get(index),
        )


def _with_costs(planned: Sequence[PlannedFile]) -> tuple[PlannedFile, ...]:
    amounts = costs([file.size_bytes for file in planned], [file.seconds for file in planned])
    return tuple(replace(file, cost=amount) for file, amount in zip(planned, amounts, strict=True))


def _grouped(planned: tuple[PlannedFile, ...], at: Situation) -> tuple[PlannedFile, ...]:
    if not at.settings.optimization.group_by_size:
        return planned
    names = tier_names(at.optimizer, planned)
    return tuple(replace(file, tier=names[file.index]) for file in planned)


def _tiers(running: Sequence[PlannedFile], at: Situation) -> Iterator[Tier]:
    if not at.settings.optimization.group_by_size:
        if running:
            yield tier(UNGROUPED, running, at, None)
        return
    groups = tuple([file for file in running if file.tier == name] for name in TIERS)
    counts = allotted_counts(at, groups)
    for name, members in zip(TIERS, groups, strict=True):
        if members:
            yield tier(name, members, at, counts[name])


def _overall(running: Sequence[PlannedFile], tiers: Sequence[Tier], at: Situation) -> tuple[Cap, ...]:
    """The caps of the whole batch: those that hold for any files, and what its tiers allow together.

    Static runs one tier at a time, so that the largest of their counts is needed; otherwise all run at once.
    """
    static = at.settings.threading.mode == "static"
    together = max if static else sum
    limit, ceiling = (together(counts or [0]) for counts in ([t.limit for t in tiers], [t.ceiling for t in tiers]))
    memory = () if static else (memory_cap_together(running, memory_budget(at.settings, at.host)),)
    return (Cap(limit, _tier_reason(tiers, at.settings), ceiling), *hard_caps(running, at), *memory)


def _tier_reason(tiers: Sequence[Tier], settings: Settings) -> str:
    if len(tiers) == 1:
        return tiers[0].bound_by
    if settings.threading.mode == "static" and tiers:
        return max(tiers, key=lambda tier: tier.limit).bound_by
    return "the tiers' limits together" if tiers else "0 files to run"


def _start(at: Situation, limit: int, layout: WorkerLayout, *, learned: Learned, files: int) -> int:
    """Static starts at its limit, the others where the engine would, or where the last run of their kind suggests."""
    if at.settings.threading.mode == "static":
        return limit
    # With nothing learned in hybrid: a file for each process, before the lock of one is shared.
    first = min(START, layout.processes) if at.settings.threading.mode == "hybrid" else START
    return min(limit, max(at.floor, learned.start(files, layout.executor, first)))


def _ranked(planned: Sequence[PlannedFile], settings: Settings, executor: str) -> tuple[PlannedFile, ...]:
    """The files with their ranks; what the engine goes by.

    Serial is serial: as listed, so that a function meets the files as in a plain loop. Static runs the tiers as the
    specification names them, small, medium, large, and within each the longest first, which ends soonest.
    """
    items = [(file.index, file.cost, file.file) for file in planned]
    order = [file.index for file in planned] if facts_of(executor).as_listed else list(longest_first(items))
    if settings.threading.mode == "static":
        names = (*TIERS, UNGROUPED)
        order.sort(key=lambda index: names.index(planned[index].tier))
    places = {index: place for place, index in enumerate(order)}
    return tuple(replace(file, rank=places[file.index]) for file in planned)


def _predicted(in_order: Sequence[PlannedFile], tiers: Sequence[Tier], limit: int, settings: Settings) -> float | None:
    if all(file.seconds is None for file in in_order):
        return None
    static = settings.threading.mode == "static"
    counts = {tier.name: tier.limit for tier in tiers}
    limits = Limits(mode="static" if static else "dynamic", tiers=counts, max_limit=limit)
    return makespan(((file.tier, file.cost) for file in in_order), limit, limits)
