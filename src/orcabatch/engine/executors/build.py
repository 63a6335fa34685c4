"""The executor that a run gets, made by the module that its name stands for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from orcabatch.engine.executors import EXECUTORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.executor import Executor
    from orcabatch.engine.options import EngineOptions
    from orcabatch.engine.scheduler_messages import Limits


def build_executor(recipe: Recipe, options: EngineOptions, limits: Limits, tasks: Sequence[Task]) -> Executor:
    """The executor that the options name; no worker is started yet.

    Raises:
        SettingsError: the recipe cannot be sent to worker processes, or there is no dask cluster.
    """
    # Imported only where it is used: `distributed` is an extra, and worker processes are no affair of threads.
    executor: Executor = import_module(EXECUTORS[options.executor].module).build(recipe, options, limits, tasks)
    return executor
