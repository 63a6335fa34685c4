"""From a request to its plan: the host is measured, the ledger asked, and what the doctor found out is followed.

    request ── careful ──> request ── host, ledger ──> BatchPlan, ResultCache

Runs nothing; what the plan's numbers follow from is `orcabatch.plan`'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from orcabatch.batch.history import Nearest, recall
from orcabatch.batch.result_cache import NO_BINDING, ResultCache
from orcabatch.batch.shared_files import SharedFile, shared_files
from orcabatch.doctor.follow import followed
from orcabatch.doctor.verdicts import are_kept, broken_assumptions
from orcabatch.errors import OrcaFlexUnavailable
from orcabatch.host import HostResources, sim_sizes
from orcabatch.orcaflex.binding import find_binding
from orcabatch.plan import BatchPlan, SizedFile, make_plan
from orcabatch.store.ledger import has_ledger
from orcabatch.store.paths import what_cannot_be_read_is_said

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.request import Request
    from orcabatch.plan.history import Learned


def plan_of(request: Request, host: HostResources | None = None) -> BatchPlan:
    """The plan for a request on this host, or on another one given as values."""
    said: list[str] = []
    plan, _ = planned(careful(request), host, warn=said.append)
    here = _cannot_start(request) if host is None else ()
    return replace(plan, notes=(*plan.notes, *said, *here))


def _cannot_start(request: Request) -> tuple[str, ...]:
    """Why a run of it could not even begin on this host."""
    if request.settings.orcaflex == "simulated":
        return ()  # it comes with us; and a plan that puts it under OrcFxAPI would leave it there for who asks next
    try:
        find_binding(request.settings.orcaflex)
    except OrcaFlexUnavailable as error:
        return (f"OrcaFlex is not available here, so `run` cannot start: {error}",)
    return ()


def learned_for(request: Request, host: HostResources) -> Learned:
    """What earlier runs of a request taught, for `orcabatch plan --write`."""
    cache = planned(request, host)[1]
    with cache.opened():
        return recall(cache, host)


def careful(request: Request) -> Request:
    """The request after what `orcabatch doctor --sim` found out on this host, with a note for each verdict.

    What relies on a broken assumption is off. Where the doctor was never asked, OrcFxAPI is not imported for it.
    """
    if not are_kept():
        return request
    try:
        binding = find_binding(request.settings.orcaflex)
    except OrcaFlexUnavailable:
        return request  # a run says so itself, a plan does without
    if not binding.is_genuine:
        return request
    moves = all(batch.moves_unasked for batch in request.batches)
    after = followed(request.settings, broken_assumptions(binding), moves=moves)
    return replace(
        request,
        settings=after.settings,
        notes=(*request.notes, *after.notes),
        memory_factor=after.memory_factor,
    )


@what_cannot_be_read_is_said()
def planned(
    request: Request, host: HostResources | None = None, *, warn: Callable[[str], None] = lambda _: None
) -> tuple[BatchPlan, ResultCache]:
    """The plan, and what earlier runs know of the files."""
    wanted = shared_files(request.batches)
    sizes = sim_sizes(shared.file for shared in wanted)
    files = [SizedFile(shared.file, size or 0) for shared, size in zip(wanted, sizes, strict=True)]
    cache = _cache(request, wanted)
    cache.warn = warn
    here = request.deciders.manager(host).measure()
    with cache.opened():
        learned = recall(cache, here)
        plan = make_plan(
            files,
            request.settings,
            here,
            batches=[tuple(shared.positions) for shared in wanted],
            history=Nearest(cache, learned, request.memory_factor),
            skipped=cache.look(why=request.planning),
            learned=learned,
            deciders=request.deciders,
        )
        notices = cache.notices()
        again = cache.again()
    writes = tuple(_writes(batch) for batch in request.batches) if request.planning else ()
    notes = (*request.notes, *plan.notes)
    return replace(plan, notes=notes, notices=notices, writes=writes, again=again), cache


def _writes(batch: Batch) -> str:
    """What a batch will write where."""
    if batch.result_folder is None:
        return "nothing; values are handed over in memory (`result.table()`, `result.save`)"
    what = ", ".join(batch.writes)
    return f"{batch.result_folder}: {what}" if what else str(batch.result_folder)


def _cache(request: Request, wanted: Sequence[SharedFile]) -> ResultCache:
    """The ledger for this call; only asked for what is planned, it does without OrcFxAPI where it has to."""
    try:
        known = not request.planning or has_ledger(request.settings.ledger.path)
        binding = find_binding(request.settings.orcaflex) if known else NO_BINDING
    except OrcaFlexUnavailable:
        if not request.planning:
            raise
        binding = NO_BINDING
    return ResultCache(request.batches, wanted, binding, request.settings, request.own, request.fresh)
