"""Which executor a run gets.

Covers turning options into one of the executors. Does not cover choosing between them (`executor: auto` is settled
before the engine is asked).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orcabatch.engine.serial import SerialExecutor
from orcabatch.engine.threads import ALL, ThreadExecutor

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe
    from orcabatch.engine.executor import Executor
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.signals import Limits


def build_executor(recipe: Recipe, options: EngineOptions, limits: Limits) -> Executor:
    """The executor that the options name; no worker is started yet.

    Raises:
        SettingsError: the recipe cannot be sent to worker processes.
    """
    if options.executor == "serial":
        return SerialExecutor(recipe)
    if options.executor == "threads":
        tiers = dict(limits.tiers) if limits.mode == "static" else {}
        return ThreadExecutor(recipe, tiers or {ALL: options.threads})
    from orcabatch.engine.processes import ProcessExecutor

    return ProcessExecutor(recipe, options)
