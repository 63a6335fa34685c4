"""`make_plan`: from files, settings and a host to a plan. Pure: no file is touched, no clock read.

    files ──> planned files (memory, seconds, tier) ──> tiers (counts under caps) ──> limit ──> processes, order, time

Covers the whole decision before a run. Does not cover what the engine learns while running.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from orcabatch.plan.caps import Cap, hard_caps, memory_budget, memory_cap_together, tier, tightest, without_memory
from orcabatch.plan.history import Learned
from orcabatch.plan.notes import notes
from orcabatch.plan.optimizer import TIERS, tier_of
from orcabatch.plan.predict import History, NothingKnown, costs, longest_first, makespan, memory_bytes, usable_seconds
from orcabatch.plan.values import BatchPlan, PlannedFile, Tier
from orcabatch.plan.workers import lay_out, native_threads
from orcabatch.settings import Settings, was_set

if TYPE_CHECKING:
    from orcabatch.host import HostResources


class PathAndSize(Protocol):
    """What is known of a file from outside: where it is, and its size in bytes."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def size(self) -> int:
        """Its size in bytes."""


def make_plan(  # noqa: PLR0913 - three things a plan is made for, three that are known beside them
    files: Sequence[PathAndSize],
    settings: Settings,
    host: HostResources,
    *,
    batches: Sequence[tuple[str, ...]] | None = None,
    history: History | None = None,
    skipped: Mapping[int, str] | None = None,
    learned: Learned | None = None,
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

    Raises:
        ValueError: `batches` is not as long as `files`.
    """
    planned = _with_costs(tuple(_planned(files, settings, (batches, history or NothingKnown(), skipped or {}))))
    running = tuple(file for file in planned if file.skip is None)
    tiers = tuple(_tiers(running, settings, host))
    budget = memory_budget(settings, host)
    caps = _overall(running, tiers, settings, budget)
    highest = without_memory(caps)
    layout = lay_out(settings, host, highest.count)
    bound = tightest((tightest(caps), layout.cap))
    ceiling = tightest((highest, layout.cap)).count
    order = _order(running, settings)
    floor = _floor(settings, bound.count)
    return BatchPlan(
        mode=settings.threading.mode,
        executor=layout.executor,
        executor_why=layout.why,
        tiers=tiers,
        files=planned,
        order=order,
        memory_budget_bytes=budget,
        limit=bound.count,
        ceiling=ceiling,
        bound_by=bound.because,
        start_limit=_start(settings, bound.count, (learned or Learned()).start(len(running))),
        min_limit=floor,
        processes=layout.processes,
        threads_per_process=layout.threads_per_process,
        native_threads=native_threads(settings, host, ceiling),
        predicted_s=_predicted([planned[index] for index in order], tiers, bound.count, settings),
        notes=(*notes(planned, tiers, settings, host), *_learned_words(learned, settings, layout.executor)),
        host=host,
        settings=settings,
    )


def _learned_words(learned: Learned | None, settings: Settings, executor: str) -> tuple[str, ...]:
    if learned is None:
        return ()
    begins_on_threads = settings.executor == "auto" and executor == "threads"
    return (*learned.words(), *(learned.processes_words() if begins_on_threads else ()))


def _planned(
    files: Sequence[PathAndSize],
    settings: Settings,
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
            tier=_tier_name(size, settings),
            memory_bytes=memory_bytes(size, expected),
            seconds=usable_seconds(expected),
            skip=skipped.get(index),
        )


def _with_costs(planned: Sequence[PlannedFile]) -> tuple[PlannedFile, ...]:
    amounts = costs([file.size_bytes for file in planned], [file.seconds for file in planned])
    return tuple(replace(file, cost=amount) for file, amount in zip(planned, amounts, strict=True))


def _tier_name(size: int, settings: Settings) -> str:
    return tier_of(size, settings.optimization.size_thresholds) if settings.optimization.group_by_size else "all"


def _tiers(running: Sequence[PlannedFile], settings: Settings, host: HostResources) -> Iterator[Tier]:
    for name in (*TIERS, "all"):
        members = [file for file in running if file.tier == name]
        if members:
            yield tier(name, members, settings, host)


def _overall(running: Sequence[PlannedFile], tiers: Sequence[Tier], settings: Settings, budget: int) -> tuple[Cap, ...]:
    """The caps of the whole batch: those that hold for any files, and what its tiers allow together.

    Static runs one tier at a time, so that the largest of their counts is needed; otherwise all run at once.
    """
    static = settings.threading.mode == "static"
    together = max if static else sum
    limits = Cap(together([tier.limit for tier in tiers] or [0]), _tier_reason(tiers, settings), memory=True)
    ceilings = Cap(together([tier.ceiling for tier in tiers] or [0]), "the tiers' ceilings")
    memory = () if static else (memory_cap_together(running, budget),)
    return (limits, *hard_caps(running, settings), *memory, ceilings)


def _tier_reason(tiers: Sequence[Tier], settings: Settings) -> str:
    if len(tiers) == 1:
        return tiers[0].bound_by
    if settings.threading.mode == "static" and tiers:
        return max(tiers, key=lambda tier: tier.limit).bound_by
    return "the tiers' limits together" if tiers else "0 files to run"


def _floor(settings: Settings, limit: int) -> int:
    return min(settings.threading.min_threads, limit) if was_set(settings, "threading.min_threads") else 1


def _start(settings: Settings, limit: int, start: int) -> int:
    """Static starts at its limit, the others where the engine would, or where the last run of their kind suggests."""
    return limit if settings.threading.mode == "static" else min(limit, max(_floor(settings, limit), start))


def _order(running: Sequence[PlannedFile], settings: Settings) -> tuple[int, ...]:
    items = [(file.index, file.cost, file.file) for file in running]
    ranked = longest_first(items)
    if settings.threading.mode != "static":
        return ranked
    tier_at = {file.index: file.tier for file in running}
    names = (*reversed(TIERS), "all")
    return tuple(sorted(ranked, key=lambda index: names.index(tier_at[index])))


def _predicted(in_order: Sequence[PlannedFile], tiers: Sequence[Tier], limit: int, settings: Settings) -> float | None:
    if all(file.seconds is None for file in in_order):
        return None
    if settings.threading.mode != "static":
        return makespan((file.cost for file in in_order), limit)
    return sum(makespan((file.cost for file in in_order if file.tier == tier.name), tier.limit) for tier in tiers)
