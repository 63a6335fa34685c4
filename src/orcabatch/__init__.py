"""OrcaFlex post-processing of whole batches, as fast as the machine allows, with the same output to the last byte.

    import orcabatch
    result = orcabatch.run_batch("dm_fsts.yml")                     # a digitalmodel YAML, or its cfg
    result = orcabatch.run_batch(files, postprocess=my_function)    # any f(model) -> value

All public names are imported when they are first used, so that `import orcabatch` is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orcabatch.batch import iter_batch, plan_batch, run_batch
    from orcabatch.errors import (
        BatchError,
        BatchInterrupted,
        BatchLocked,
        DigitalModelError,
        FileReleased,
        OrcabatchError,
        OrcaFlexUnavailable,
        OutputError,
        SettingsError,
        SourceError,
    )
    from orcabatch.host import HostResources, ResourceManager
    from orcabatch.monitor import Bottleneck, PerformanceMonitor
    from orcabatch.orcaflex.user_function import repeatable
    from orcabatch.outcome import FileOutcome, Status
    from orcabatch.plan import BatchOptimizer, BatchPlan
    from orcabatch.results.result import BatchResult
    from orcabatch.settings import Settings
    from orcabatch.store.kept_values import read_values

__version__ = "0.1.0"

_HOMES = {
    "BatchError": "errors",
    "BatchInterrupted": "errors",
    "BatchLocked": "errors",
    "BatchOptimizer": "plan",
    "BatchPlan": "plan",
    "BatchResult": "results.result",
    "Bottleneck": "monitor",
    "DigitalModelError": "errors",
    "FileOutcome": "outcome",
    "FileReleased": "errors",
    "HostResources": "host",
    "OrcaFlexUnavailable": "errors",
    "OrcabatchError": "errors",
    "OutputError": "errors",
    "PerformanceMonitor": "monitor",
    "ResourceManager": "host",
    "Settings": "settings",
    "SettingsError": "errors",
    "SourceError": "errors",
    "Status": "outcome",
    "iter_batch": "batch",
    "plan_batch": "batch",
    "read_values": "store.kept_values",
    "repeatable": "orcaflex.user_function",
    "run_batch": "batch",
}
_ROOMS = {"digitalmodel", "simulated"}

__all__ = [  # noqa: RUF022 - in the order in which a reader meets them
    "run_batch",
    "plan_batch",
    "iter_batch",
    "read_values",
    "repeatable",
    "BatchResult",
    "FileOutcome",
    "Status",
    "BatchPlan",
    "Settings",
    "ResourceManager",
    "HostResources",
    "BatchOptimizer",
    "PerformanceMonitor",
    "Bottleneck",
    "OrcabatchError",
    "SettingsError",
    "SourceError",
    "OutputError",
    "OrcaFlexUnavailable",
    "DigitalModelError",
    "BatchLocked",
    "FileReleased",
    "BatchError",
    "BatchInterrupted",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from orcabatch.garbage import uncollected  # not before: `orcabatch.simulated` comes with nothing else of ours

        with uncollected():
            return getattr(importlib.import_module(f"orcabatch.{_HOMES[name]}"), name)
    if name in _ROOMS:
        return importlib.import_module(f"orcabatch.{name}")
    raise AttributeError(f"module 'orcabatch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_ROOMS})
