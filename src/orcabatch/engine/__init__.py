"""The engine: runs files side by side under limits, on threads, processes or none.

    tasks + job + options + limits ──> run() ──> FileOutcome, FileOutcome, ...

Pure half: `scheduler` decides (`memory`, `concurrency`, `seats`), `signals` are its words. Effects: `dispatcher` owns
the state and the loop, `serial`, `threads` and `processes` hold the workers, `entry` is what a worker does with a file,
`stopping` is Ctrl-C. `contract` is what the rest of the house gives to the engine and gets from it.
"""

from orcabatch.engine.dispatcher import run
from orcabatch.engine.options import EngineOptions
from orcabatch.engine.scheduler_messages import Limits, Probe, Sample, SeatLimits

__all__ = ["EngineOptions", "Limits", "Probe", "Sample", "SeatLimits", "run"]
