"""One batch through the engine, planned as `run_batch` plans it, with the count of files at once fixed where wanted.

Covers what `run_batch` has no argument for: a fixed count and a listener to the engine's event log. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.batch.for_engine import limits_of, options_of, tasks_of
from orcabatch.batch.planning import plan_of
from orcabatch.batch.readers import read_request
from orcabatch.batch.request import Options
from orcabatch.engine import run
from orcabatch.engine.contract import SimpleJob
from orcabatch.engine.gil import METER
from orcabatch.host.sampler import host_probe
from orcabatch.orcaflex.user_function import FunctionPostProcess
from orcabatch.orcaflex.work import OrcaFlexRecipe

if TYPE_CHECKING:
    from orcabatch.engine.contract import Listener
    from orcabatch.outcome import FileOutcome


def outcomes(  # noqa: PLR0913 - what, how, and three things run_batch does not offer
    files: Sequence[Path],
    function: Callable[..., Any],
    performance: Mapping[str, Any],
    *,
    fixed: int | None = None,
    orcaflex: str = "simulated",
    listener: Listener | None = None,
) -> Iterator[FileOutcome]:
    """Outcomes as files finish.

    Args:
        files: the `.sim` files.
        function: what is done with each.
        performance: the settings' section.
        fixed: so many threads, whatever the plan says; None: as planned.
        orcaflex: real or simulated.
        listener: gets the engine's event log.
    """
    asked = Options(postprocess=function, performance=performance, orcaflex=orcaflex)
    request = read_request(list(files), asked)
    plan = plan_of(request)
    limits, options = limits_of(plan), options_of(plan)
    if fixed is not None:
        limits = replace(limits, fixed_limit=fixed, tiers={}, max_limit=fixed)
        options = replace(options, executor="threads", threads=fixed)
    postprocesses = {batch.name: FunctionPostProcess(function) for batch in request.batches}
    job = SimpleJob(OrcaFlexRecipe(postprocesses, request.settings.orcaflex))
    probe = host_probe(plan.host.logical_cpus)
    with METER.looking():
        yield from run(tasks_of(plan), job, options=options, limits=limits, probe=probe, listener=listener)
