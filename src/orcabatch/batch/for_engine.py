"""A request and its plan as the engine takes them: values into values, and the run that is made of them.

Tasks, what may never be exceeded, how it is carried out, and what workers are made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orcabatch.engine import EngineOptions, Limits, SeatLimits
from orcabatch.engine import run as run_engine
from orcabatch.engine.contract import Task
from orcabatch.engine.executors import AUTO, facts_of
from orcabatch.errors import SettingsError
from orcabatch.host import ORCAFLEX_OVERHEAD
from orcabatch.host.sampler import host_probe
from orcabatch.orcaflex.binding import BindingKind
from orcabatch.orcaflex.broker import BrokerOptions
from orcabatch.orcaflex.work import OrcaFlexRecipe
from orcabatch.plan import BatchPlan, as_processes

if TYPE_CHECKING:
    from orcabatch.batch.request import Request
    from orcabatch.engine.contract import Job, Listener
    from orcabatch.engine.interrupts import StopSignal
    from orcabatch.orcaflex.binding import Binding
    from orcabatch.outcome import FileOutcome
    from orcabatch.plan.workers import WorkerLayout

SAMPLE_INTERVAL_S = 0.25
"""How often the engine looks at the host. One look takes about a millisecond."""

FUNCTION_STAYS = (
    "a function of yours goes there only where you say so (`executor: processes`), because what it leaves in this "
    "process, such as a list that it appends to, would stay behind"
)

FOREIGN_STAYS = "the OrcFxAPI that a test put into sys.modules is in this process only"


def run_of(  # noqa: PLR0913 - what is to be done and where, and who hears of it
    request: Request,
    plan: BatchPlan,
    binding: Binding,
    tasks: Sequence[Task],
    job: Job,
    *,
    copies: Path | None,
    listener: Listener,
    stop: StopSignal,
) -> Iterator[FileOutcome]:
    """The engine's run of a plan, of which nothing has been asked yet; `copies` is `stage_in` of `options_of`."""
    options = options_of(plan, copies, stays_because(request, binding))
    return run_engine(
        tasks,
        job,
        options=replace(options, initializer=request.initializer),
        limits=limits_of(plan),
        probe=host_probe(plan.host.logical_cpus),
        listener=listener,
        stop=stop,
    )


def tasks_of(plan: BatchPlan) -> list[Task]:
    """The plan's files as the engine takes them; those to be skipped too, whose results the job knows."""
    return [
        Task(
            index=file.index,
            file=file.file,
            batches=file.batches,
            size_bytes=file.size_bytes,
            memory_bytes=file.memory_bytes,
            rank=file.rank,
            tier=file.tier,
        )
        for file in plan.files
    ]


def limits_of(plan: BatchPlan) -> Limits:
    """The plan's limits as the engine takes them."""
    settings, static = plan.settings, plan.mode == "static"
    licences = settings.licences
    return Limits(
        mode="static" if static else "dynamic",
        tiers={tier.name: tier.limit if static else tier.ceiling for tier in plan.tiers},
        max_limit=plan.limit if static else plan.ceiling,
        start_limit=plan.start_limit,
        min_limit=plan.min_limit,
        memory_total_bytes=plan.host.total_ram_bytes,
        max_usage_percent=settings.memory.max_usage_percent,
        gc_threshold_percent=settings.memory.gc_percent,
        overhead=ORCAFLEX_OVERHEAD,
        seats=SeatLimits(
            max=licences.max,
            scope=licences.scope,
            wait_s=licences.wait,
            ramp_per_s=licences.ramp_up,
            processes=max(1, plan.processes),
            threads_per_process=max(1, plan.threads_per_process),
        ),
        cpus=plan.host.logical_cpus,
        in_order=facts_of(plan.executor).as_listed,
        max_writing=plan.ceiling if settings.io.async_enabled else 0,
    )


def options_of(plan: BatchPlan, stage_in: Path | None = None, stays_because: str = "") -> EngineOptions:
    """How the plan is carried out, as the engine takes it.

    Args:
        plan: what to do.
        stage_in: where copies of the next files go, which are loaded instead; None: no copies.
        stays_because: with `executor: auto`, why the run may not go on in worker processes; empty: it may.
    """
    settings, io = plan.settings, plan.settings.io
    auto = settings.executor == AUTO and plan.mode == "dynamic"
    layout: WorkerLayout | BatchPlan = as_processes(settings, plan.host, plan.ceiling, plan.min_limit) if auto else plan
    return EngineOptions(
        executor=AUTO if auto else plan.executor,
        threads=max(1, plan.ceiling),
        processes=max(1, layout.processes),
        threads_per_process=max(1, layout.threads_per_process),
        stays_because=stays_because,
        address=settings.dask.address,
        retries=settings.retries,
        timeout_s=settings.timeout,
        start_timeout_s=settings.start_timeout,
        sample_interval_s=SAMPLE_INTERVAL_S,
        priority=settings.priority,
        numa_cpus=plan.host.numa_cpus if plan.mode == "hybrid" else (),
        asked="threading.mode: hybrid" if plan.mode == "hybrid" else "executor: processes",
        read_ahead=io.read_ahead if io.async_enabled and settings.dask.address is None else 0,
        stage_in=stage_in,
    )


def stays_because(request: Request, binding: Binding) -> str:
    """Why `executor: auto` may not take the batches to worker processes; empty: it may."""
    if binding.kind is BindingKind.FOREIGN:
        return FOREIGN_STAYS
    return "" if all(batch.moves_unasked for batch in request.batches) else FUNCTION_STAYS


def recipe_of(request: Request, plan: BatchPlan, binding: Binding) -> OrcaFlexRecipe:
    """What workers are made from.

    Raises:
        SettingsError: the OrcFxAPI that was found is in this process only, and the plan's workers are in others.
    """
    if binding.kind is BindingKind.FOREIGN and not facts_of(plan.executor).in_process:
        raise SettingsError(
            f"executor: {plan.executor} cannot be used with an OrcFxAPI that a test put into sys.modules: "
            "worker processes would not have it. Use `executor: threads` or `serial`."
        )
    settings, broker = request.settings, request.settings.broker
    return OrcaFlexRecipe(
        {batch.name: batch.postprocess for batch in request.batches},
        settings.orcaflex,
        BrokerOptions(
            enabled=broker.enabled,
            prefetch=broker.prefetch,
            self_check=broker.self_check,
            chunk_bytes=settings.memory.chunk_size,
        ),
        thread_count=plan.native_threads,
        loads=settings.loads,
        reuse_models=settings.reuse_models,
    )
