"""The engine: runs files side by side under limits, on threads, processes or none.

    tasks + job + options + limits ──> run() ──> FileOutcome, FileOutcome, ...

Pure half: `scheduler` decides (`memory_admission`, `concurrency`, `licences`), `scheduler_messages` are its words, and
`limits` what it never exceeds.
Effects: `dispatcher` owns the state and the loop, `executors` hold the workers, `worker` is what one does with a file,
`interrupts` is Ctrl-C. `contract` is what the rest of the house gives to the engine and gets from it.
"""

from orcabatch.engine.entry import run
from orcabatch.engine.limits import Limits, SeatLimits
from orcabatch.engine.options import EngineOptions
from orcabatch.engine.scheduler_messages import Probe, Sample

__all__ = ["EngineOptions", "Limits", "Probe", "Sample", "SeatLimits", "run"]
