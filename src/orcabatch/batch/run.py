"""One call from request to result: the only place that knows the order of the rooms.

    request ── host ──> plan ── tasks, limits ──> engine ── outcomes ──> batches conclude ──> metrics ──> BatchResult

Holds no rules: what may run is the plan's affair, when it runs the engine's, what is written the batches'.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orcabatch.batch.account import Said, in_own_order, write_account
from orcabatch.batch.history import Nearest, Ran, keep, recall
from orcabatch.batch.job import BatchJob
from orcabatch.batch.result import BatchResult, last_attempts
from orcabatch.batch.result_cache import NO_BINDING, ResultCache, result_cache
from orcabatch.batch.shared_files import SharedFile, shared_files
from orcabatch.batch.temporary import temporary_files_in, usable_temporary
from orcabatch.engine import EngineOptions, Limits, SeatLimits
from orcabatch.engine import run as run_engine
from orcabatch.engine.contract import RunEvent, Task
from orcabatch.engine.executors import AUTO, facts_of
from orcabatch.engine.lock import METER
from orcabatch.errors import BatchError, BatchInterrupted, OrcaFlexUnavailable, OutputError, SettingsError
from orcabatch.host import ORCAFLEX_OVERHEAD, HostResources, sim_sizes
from orcabatch.host.sampler import host_probe
from orcabatch.monitor import PerformanceMonitor
from orcabatch.monitor.progress import Display, make_display
from orcabatch.orcaflex.binding import BindingKind, find_binding
from orcabatch.orcaflex.broker import BrokerOptions
from orcabatch.orcaflex.work import OrcaFlexRecipe
from orcabatch.plan import BatchPlan, SizedFile, as_processes, make_plan
from orcabatch.store.ledger import ledger_file
from orcabatch.store.lock import folder_lock
from orcabatch.store.paths import place_of

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.request import Request
    from orcabatch.notice import Notice
    from orcabatch.outcome import FileOutcome
    from orcabatch.plan.history import Learned
    from orcabatch.plan.workers import WorkerLayout
    from orcabatch.settings import Settings

_log = logging.getLogger(__name__)

SAMPLE_INTERVAL_S = 0.25
"""How often the engine looks at the host. One look takes about a millisecond."""

OUTPUTS_LOST = "Mend that and run the same command again: what was computed is kept, only this is written."

FUNCTION_STAYS = (
    "a function of yours goes there only where you say so (`executor: processes`), because what it leaves in this "
    "process, such as a list that it appends to, would stay behind"
)

FOREIGN_STAYS = "the OrcFxAPI that a test put into sys.modules is in this process only"


def plan_of(request: Request, host: HostResources | None = None) -> BatchPlan:
    """The plan for a request on this host, or on another one given as values."""
    said: list[str] = []
    plan, _ = planned(request, host, warn=said.append)
    return replace(plan, notes=(*plan.notes, *said))


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
            history=Nearest(cache, learned),
            skipped=cache.look(),
            learned=learned,
            deciders=request.deciders,
        )
        notices = cache.notices()
    return replace(plan, notes=(*request.notes, *plan.notes), notices=notices), cache


def learned_for(request: Request, host: HostResources) -> Learned:
    """What earlier runs of a request taught, for `orcabatch plan --write`."""
    cache = planned(request, host)[1]
    with cache.opened():
        return recall(cache, host)


def _cache(request: Request, wanted: Sequence[SharedFile]) -> ResultCache:
    """The ledger for this call; only asked for what is planned, it does without OrcFxAPI where it has to."""
    try:
        known = not request.planning or ledger_file(request.settings.ledger.path).exists()
        binding = find_binding(request.settings.orcaflex) if known else NO_BINDING
    except OrcaFlexUnavailable:
        if not request.planning:
            raise
        binding = NO_BINDING
    return result_cache(request.batches, wanted, request.own, request.settings, binding, fresh=request.fresh)


@dataclass(slots=True)
class Run:
    """One call. Iterate `outcomes`, then take `result`.

    Attributes:
        request: what was asked for.
        plan: what will be done.
        cache: what earlier runs know of the files; must be the one the plan was made with.
        progress: how to show it (see `orcabatch.monitor.progress.make_display`).
        warnings: what the engineer should know about the run as a whole; grows while it runs.
        notices: what was done with the results without a word; known at the end.
        interrupted: set once the run was stopped by Ctrl-C or a signal.
    """

    request: Request
    plan: BatchPlan
    cache: ResultCache
    progress: Any = None
    warnings: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    interrupted: BatchInterrupted | None = None
    monitor: PerformanceMonitor = field(init=False)
    _outcomes: list[FileOutcome] = field(default_factory=list)
    _outputs: list[Path] = field(default_factory=list)
    _metrics: dict[str, Any] = field(default_factory=dict)
    _orcaflex: str = ""
    _display: Display | None = None
    _complete: bool = False

    def __post_init__(self) -> None:
        self.monitor = PerformanceMonitor(self.request.settings)
        self.cache.warn = self._warn
        for note in self.request.notes:
            self._warn(note)

    @classmethod
    def of(cls, request: Request, progress: Any = None) -> Self:
        """Plan the request, to be run."""
        said: list[str] = []
        plan, cache = planned(request, warn=said.append)
        run = cls(request, plan, cache, progress)
        for text in said:
            run._warn(text)
        return run

    def outcomes(self) -> Iterator[FileOutcome]:
        """Outcomes as files finish. When it ends, is closed or is interrupted, everything finished is written.

        Raises:
            BatchLocked: another batch writes to one of the result folders.
        """
        with ExitStack() as held:
            for folder, names in _folders(self.request).items():
                held.enter_context(folder_lock(folder, names, warn=self._warn))
            held.enter_context(self.cache.opened())
            held.enter_context(METER.looking())
            yield from self._run()

    def _run(self) -> Iterator[FileOutcome]:
        temporary = self._temporary()
        tasks, job = tasks_of(self.plan), self._job()
        stays = FOREIGN_STAYS if self._orcaflex == BindingKind.FOREIGN.value else self._stays()
        running = run_engine(
            tasks,
            job,
            options=replace(
                options_of(self.plan, temporary if self.request.stages else None, stays),
                initializer=self.request.initializer,
            ),
            limits=limits_of(self.plan),
            probe=host_probe(self.plan.host.logical_cpus),
            listener=self._listen,
        )
        self._display = make_display(self.progress, monitor=self.monitor, state=self.monitor.state)
        self._expect(tasks)
        self.monitor.start()
        try:
            with temporary_files_in(temporary):
                yield from self._taken(running)
            self._complete = True
        except BatchInterrupted as interruption:
            self.interrupted = interruption
        finally:
            if isinstance(running, Generator):
                running.close()
            self._take_drained(job)
            self._show(lambda display: display.close())
            self.monitor.stop()
            self._conclude()

    def _taken(self, running: Iterator[FileOutcome]) -> Iterator[FileOutcome]:
        for outcome in running:
            self._outcomes.append(outcome)
            self.monitor.add_outcome(outcome)
            yield outcome

    def _take_drained(self, job: BatchJob) -> None:
        """What ended after the caller had left the loop: nobody was handed it, but it counts like the rest."""
        handed = {(outcome.index, outcome.batch, outcome.attempt) for outcome in self._outcomes}
        for outcome in job.ended:
            if (outcome.index, outcome.batch, outcome.attempt) not in handed:
                self._outcomes.append(outcome)
                self.monitor.add_outcome(outcome)

    def result(self) -> BatchResult:
        """What the run ended with."""
        return BatchResult(
            outcomes=last_attempts(self._outcomes),
            plan=self.plan,
            metrics=self._metrics,
            outputs=tuple(self._outputs),
            warnings=tuple(self.warnings),
            notices=tuple(self.notices),
            cases=self.request.cases,
        )

    def _job(self) -> BatchJob:
        settings = self.request.settings
        binding = find_binding(settings.orcaflex)
        if binding.kind is BindingKind.FOREIGN and not facts_of(self.plan.executor).in_process:
            raise SettingsError(
                f"executor: {self.plan.executor} cannot be used with an OrcFxAPI that a test put into sys.modules: "
                "worker processes would not have it. Use `executor: threads` or `serial`."
            )
        self._orcaflex = binding.kind.value
        self._warn(binding.warning)
        recipe = OrcaFlexRecipe(
            {batch.name: batch.postprocess for batch in self.request.batches},
            settings.orcaflex,
            broker_options(settings),
            thread_count=self.plan.native_threads,
        )
        batches = {batch.name: batch for batch in self.request.batches}
        return BatchJob(recipe, batches, shared_files(self.request.batches), self._warn, self.cache)

    def _stays(self) -> str:
        """Why `executor: auto` may not take the batches to worker processes; empty: it may."""
        return "" if all(batch.moves_unasked for batch in self.request.batches) else FUNCTION_STAYS

    def _expect(self, tasks: Sequence[Task]) -> None:
        """Tell the watchers what is to be done, so that they can name files and explain empty slots."""
        settings = self.request.settings
        cap = settings.memory.max_usage_percent
        per_process = self.plan.threads_per_process if self.plan.processes else 0
        files_per_seat = {"model": 1, "process": per_process}.get(settings.licences.scope, 0)
        seats = (settings.licences.max or 0) * files_per_seat
        self.monitor.expect(tasks, cap_percent=cap, seats=seats, threads_per_process=per_process)
        self._show(lambda display: display.expect(tasks, cap_percent=cap, seats=seats))

    def _temporary(self) -> Path:
        folder, warning = usable_temporary(self.request.settings.io.temp_directory)
        self._warn(warning)
        return folder

    def _warn(self, text: str) -> None:
        if text and text not in self.warnings:
            _log.warning("%s", text)
            self.warnings.append(text)

    def _listen(self, event: RunEvent) -> None:
        self.monitor.listener(event)  # first: the display shows the state that the monitor has just brought up to date
        self._show(lambda display: display.listener(event))
        if event.kind == "warning" and event.data.get("lasting"):
            self._warn(str(event.data["text"]))

    def _show(self, step: Callable[[Display], None]) -> None:
        """Have the display do something; one that raises (it may be the caller's function) is not asked again."""
        display = self._display
        if display is None:
            return
        try:
            step(display)
        except Exception as error:  # noqa: BLE001 - a batch does not end because of how it is shown
            self._display = None
            self._warn(f"progress raised {error!r} and is switched off; the batch goes on without it.")

    def _conclude(self) -> None:
        """Have every batch write what it has, then the metrics, whatever happened before.

        Raises:
            BatchError: common outputs of a batch could not be written; those of the others are, and all that was
                computed is kept.
        """
        outcomes, lost = last_attempts(self._outcomes), []
        try:
            for batch in self.request.batches:
                try:
                    self._conclude_batch(batch, in_own_order(batch, self.request, outcomes))
                except OutputError as error:
                    lost.append(f"{batch.name}: {error}")
        finally:
            self._aside("which files were done again", self.cache.say_again)
            self._aside("what this run taught", lambda: keep(self.cache, self.plan.host, self._ran(outcomes)))
            self._aside("the metrics", self._account)
        if lost:
            raise BatchError("\n".join([*lost, OUTPUTS_LOST]), self.result())

    def _aside(self, what: str, step: Callable[[], None]) -> None:
        """Do a step that comes after the results: where it fails, that costs nothing but itself."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the values are there, and nothing that follows may take them away
            _log.debug("%s", what, exc_info=True)
            self._warn(f"{what} could not be written: {type(error).__name__}: {error}. The results are not affected.")

    def _conclude_batch(self, batch: Batch, outcomes: Sequence[FileOutcome]) -> None:
        conclusion = batch.conclude(outcomes, complete=self._complete)
        self._outputs += conclusion.outputs
        for warning in conclusion.warnings:
            self._warn(warning)
        for notice in conclusion.notices:
            _log.warning("%s: %s", batch.name, notice)
        self.notices += conclusion.notices
        if self._complete:
            batch.pass_on()
            self.cache.conclude(batch, outcomes, conclusion.outputs)

    def _account(self) -> None:
        said = Said(tuple(self.warnings), tuple(self.notices))
        account = write_account(self.request, self.plan, self.monitor, said, self._orcaflex)
        self._metrics, written, complaints = account
        self._outputs += written
        for complaint in complaints:
            self._warn(complaint)

    def _ran(self, outcomes: Sequence[FileOutcome]) -> Ran:
        """What the next run of its kind may learn from."""
        state = self.monitor.state
        return Ran(
            outcomes,
            list(state.limits),
            self.monitor.wall_s,
            state.executor or self.plan.executor,
            state.processes_save,
        )


def _folders(request: Request) -> dict[Path, str]:
    """The result folders, and the names of the batches that write to each."""
    folders: dict[str, tuple[Path, str]] = {}
    for batch in request.batches:
        if batch.result_folder is not None:
            folder, names = folders.get(place_of(batch.result_folder), (batch.result_folder, ""))
            folders[place_of(folder)] = folder, f"{names}, {batch.name}" if names else batch.name
    return dict(folders.values())


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
        in_order=facts_of(plan.executor).in_order,
        max_writing=plan.ceiling if settings.io.async_enabled else 0,
    )


def options_of(plan: BatchPlan, stage_in: Path | None = None, stays: str = "") -> EngineOptions:
    """How the plan is carried out, as the engine takes it.

    Args:
        plan: what to do.
        stage_in: where copies of the next files go, which are loaded instead; None: no copies.
        stays: with `executor: auto`, why the run may not go on in worker processes; empty: it may.
    """
    settings, io = plan.settings, plan.settings.io
    auto = settings.executor == AUTO and plan.mode == "dynamic"
    layout: WorkerLayout | BatchPlan = as_processes(settings, plan.host, plan.ceiling, plan.min_limit) if auto else plan
    return EngineOptions(
        executor=AUTO if auto else plan.executor,
        threads=max(1, plan.ceiling),
        processes=max(1, layout.processes),
        threads_per_process=max(1, layout.threads_per_process),
        stays=stays,
        address=settings.dask.address,
        retries=settings.retries,
        timeout_s=settings.timeout,
        sample_interval_s=SAMPLE_INTERVAL_S,
        priority=settings.priority,
        numa_cpus=plan.host.numa_cpus if plan.mode == "hybrid" else (),
        asked="threading.mode: hybrid" if plan.mode == "hybrid" else "executor: processes",
        read_ahead=io.read_ahead if io.async_enabled and settings.dask.address is None else 0,
        stage_in=stage_in,
    )


def broker_options(settings: Settings) -> BrokerOptions:
    """The broker's settings as the broker takes them."""
    asked = settings.broker
    return BrokerOptions(
        enabled=asked.enabled,
        prefetch=asked.prefetch,
        self_check=asked.self_check,
        chunk_bytes=settings.memory.chunk_size,
    )
