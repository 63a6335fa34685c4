"""The facade: `run_batch`, `plan_batch`, `iter_batch`.

    source + arguments ──> Request ──> BatchPlan ──> Run ──> FileOutcome, ... ──> BatchResult

Two words are enough to use the house: `plan_batch` says what would happen, `run_batch` does it. What is
given is understood in `orcabatch.batch.readers`, the order of the rooms stands in `orcabatch.batch.run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from orcabatch.batch.iteration import Iteration, Outcomes
from orcabatch.batch.planning import plan_of
from orcabatch.batch.readers import read_request
from orcabatch.batch.request import Options, Request
from orcabatch.batch.run import Run
from orcabatch.engine.logs import handled_in_background, logger
from orcabatch.errors import BatchError, BatchInterrupted, OutputError
from orcabatch.results.result import BatchResult, failure_text
from orcabatch.settings import Settings
from orcabatch.text import spelled

if TYPE_CHECKING:
    from orcabatch.batch.streamed import TableFile
    from orcabatch.host import HostResources, ResourceManager
    from orcabatch.outcome import FileOutcome
    from orcabatch.plan import BatchOptimizer, BatchPlan

_log = logger(__name__)

__all__ = ["BatchResult", "iter_batch", "plan_batch", "run_batch"]

Performance = Mapping[str, Any] | Settings | None
OnFailure = Literal["continue", "raise"] | None


def run_batch(  # noqa: PLR0913 - the public call: one source, and the things a script may want to say
    source: Any,
    *,
    postprocess: Callable[..., Any] | None = None,
    performance: Performance = None,
    orcaflex: Literal["real", "simulated"] | None = None,
    output_dir: str | Path | None = None,
    progress: Any = None,
    on_outcome: Callable[[FileOutcome], None] | None = None,
    on_failure: OnFailure = None,
    fresh: bool = False,
    version: str | None = None,
    cases: Any = None,
    batch_optimizer: Callable[[Settings], BatchOptimizer] | None = None,
    resource_manager: Callable[[HostResources | None], ResourceManager] | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: Iterable[Any] = (),
) -> BatchResult:
    """Post-process a batch of `.sim` files as fast as this machine allows, with the output of the serial run.

    Args:
        source: a digitalmodel YAML, its cfg mapping, a list of YAMLs (several batches under one budget), or, together
            with `postprocess`, `.sim` files: a list, a folder, a pattern (`"sims/*_hwl*.sim"`, `**` for folders below).
        postprocess: a function `f(model)`, or `f(model, sim_file)` when it requires two positional arguments, called
            with the loaded `OrcFxAPI.Model`; `f(path)` with `performance={"loads": False}`. With a YAML, it is applied
            to the files that the YAML names; with several, as a batch for each, called `FUNCTION_NAME`.
        performance: merged over the YAML's `performance:` section, key by key; a mapping or a `Settings`.
        orcaflex: `simulated` uses the simulated OrcaFlex; None: what the YAML says, else the real one.
        output_dir: where results go; None: where the YAML says. Without it, a plain function leaves no files.
        progress: None: automatic; False: silent; a callable gets every progress event.
        on_outcome: called in this thread with every outcome as its file finishes. What it raises ends the batch as it
            ends a loop: files that are being worked on are finished and written, then you get the exception, whose
            `batch_result` is the result so far.
        on_failure: `raise` turns failed files into an exception once the others are written; None: what the YAML
            says, else `continue`.
        fresh: do not use results of earlier runs.
        version: identifies what cannot be seen of `postprocess` (other modules, files that it reads), so that results
            may be kept for the next run; its code, what it carries and names in its module are seen. None: not kept.
        cases: load cases, for the columns of every table: a regular expression with named groups over file names, the
            path of a `.csv` or `.xlsx` with a column `file`, or a mapping from file name to case. A function with a
            keyword parameter `case` then gets its file's. None: what the YAML says.
        batch_optimizer: a subclass of `BatchOptimizer` that groups the files and gives their tiers' counts.
        resource_manager: a subclass of `ResourceManager` that measures this host and says what it allows.
        initializer: called once in every process that works on files, before its first file: in worker processes, or
            with threads and `serial` in this one. Where it raises, the run ends before the first file.
        initargs: its arguments.

    Returns:
        The outcomes in input order, the plan, the metrics.

    Raises:
        TypeError: the source is a mixture, or files without a function.
        SettingsError, SourceError, OutputError: something is wrong with the call or the YAML, or `initializer` failed;
            nothing was run.
        OrcaFlexUnavailable, DigitalModelError: what is needed to run is missing.
        BatchError: files failed and `on_failure` is `raise`; its `result` has the values of the others.
        BatchInterrupted: Ctrl-C; what was finished is written, and in its `result`.
    """
    request = read_request(
        source,
        Options(
            postprocess=postprocess,
            performance=performance,
            orcaflex=orcaflex,
            output_dir=output_dir,
            on_failure=on_failure,
            fresh=fresh,
            version=version,
            cases=cases,
            batch_optimizer=batch_optimizer,
            resource_manager=resource_manager,
            initializer=initializer,
            initargs=initargs,
        ),
    )
    return carry_out(request, progress=progress, on_outcome=on_outcome, tell_failures=True)


def carry_out(  # noqa: PLR0913 - the one way from a request to a result, whoever asks
    request: Request,
    *,
    progress: Any = None,
    on_outcome: Callable[[FileOutcome], None] | None = None,
    save: Path | None = None,
    report: Path | None = None,
    tell_failures: bool = False,
    in_terminal: bool = False,
) -> BatchResult:
    """Plan and run a request that has been read.

    With `tell_failures`, files that failed are one warning in the log, unless the display has named them already.

    With `in_terminal`, errors do not speak of their `result`, which nobody sees there.

    With `report`, an HTML report is written there while it runs; the last one is the caller's to write.

    With `save`, the table of the results is written there. Values of functions go to the disk as their files end, and
    the result's outcomes have none: memory does not grow with the number of files.

    Raises:
        OutputError: `save` has no format's ending, or nothing can be written there; nothing was run.
        BatchError: files failed and one of the batches asks to raise, or the table could not be written.
        BatchInterrupted: the run was stopped; what was finished is written, and in its `result`.
    """
    table = None if save is None else _table(save, request)
    run = Run.of(request, progress, table=table, report=report, in_terminal=in_terminal)
    try:
        with closing(run.outcomes()) as outcomes:
            for outcome in outcomes:
                if on_outcome is not None:
                    try:
                        on_outcome(outcome)
                    except Exception as error:
                        run.left_by(error, outcomes)
                        raise
    except KeyboardInterrupt:  # the second Ctrl-C, in `on_outcome`
        if run.interrupted is None:
            raise
    if run.interrupted is not None:
        raise BatchInterrupted(str(run.interrupted), run.interrupted.signum, run.result())
    result = run.result()
    if save is not None and run.table is None:
        result = _with_saved(result, save)
    strict = {name for name, settings in request.own.items() if settings.on_failure == "raise"}
    loud = [outcome for outcome in result.failed if outcome.batch in strict]
    if loud:
        raise BatchError(failure_text(loud, len(result.outcomes)), result)
    if tell_failures and result.failed and not run.watchers.named_failures:
        with handled_in_background():
            _log.warning("%s", spelled(failure_text(result.failed, len(result.outcomes))))
    return result


def _table(save: Path, request: Request) -> TableFile | None:
    """What takes the values; imported with all that writes the table in the end, before the first file."""
    from orcabatch.batch.streamed import table_file

    return table_file(save, request)


def _with_saved(result: BatchResult, save: Path) -> BatchResult:
    if not (result.written.summaries or any(outcome.ok for outcome in result.outcomes)):
        said = f"{save.name} is not written: no file has results, so there is no summary."
        return replace(result, warnings=(*result.warnings, said))
    try:
        saved = result.save_summaries(save)
    except OutputError as error:  # the files are done: that is no call in which nothing could run
        raise BatchError(f"{error} What the batch itself writes is there.", result) from error
    return replace(result, outputs=(*result.outputs, *saved))


def iter_batch(source: Any, *, progress: Any = False, **arguments: Any) -> Iterator[FileOutcome]:
    """The same as `run_batch`, handing on each outcome as its file finishes.

    Closing the iterator (leaving the loop, or the end of a script that still has it) drains: files that are being
    worked on are finished and written, nothing new is started. A file that is done again comes again, with a higher
    `attempt`. The batch advances while the loop asks for the next outcome. What is given is read at once, so that names
    in it are relative to the working folder of the call, wherever the loop changes to.

    Args:
        source: as for `run_batch`.
        progress: as for `run_batch`, silent unless asked for.
        **arguments: `postprocess`, `performance`, `orcaflex`, `output_dir`, `on_failure`, `fresh`, `version`,
            `cases`, `batch_optimizer`, `resource_manager`, `initializer`, `initargs`.

    Raises:
        as `run_batch`; `on_failure: raise` raises after the last outcome.
    """
    return Iteration(_outcomes_of(read_request(source, Options(**arguments)), progress))


def _outcomes_of(request: Request, progress: Any) -> Outcomes:
    run = Run.of(request, progress)
    yield from run.outcomes()
    if run.interrupted is not None:
        raise BatchInterrupted(str(run.interrupted), run.interrupted.signum, run.result())
    if any(settings.on_failure == "raise" for settings in request.own.values()):
        run.result().raise_for_failures()


def plan_batch(source: Any, *, host: HostResources | None = None, **arguments: Any) -> BatchPlan:
    """What `run_batch` would do, without doing any of it.

    Args:
        source: as for `run_batch`.
        host: plan for another machine, for example `HostResources(64, 256 * 10**9)`; None: this one.
        **arguments: as for `run_batch`; those that only concern running are ignored.

    Raises:
        TypeError, SettingsError, SourceError: as `run_batch`.
    """
    for running in ("progress", "on_outcome"):
        arguments.pop(running, None)
    return plan_of(read_request(source, replace(Options(**arguments), planning=True)), host)
