"""A simulated OrcaFlex: the real OrcFxAPI package on top of a simulated DLL, and `.sim` files it can read.

    from orcabatch import simulated
    OrcFxAPI = simulated.install()
    path = simulated.write_sim("case.sim", simulated.SimSpec(size_bytes=2_000_000))
    model = OrcFxAPI.Model(path)
    tension = model["Line01"].TimeHistory("Effective tension", None, OrcFxAPI.oeEndA)

Covers: what post-processing asks (models, objects, data, time histories, range graphs, statistics), errors as the
real DLL numbers them, thread affinity, licence seats, costs, planned failures, counters. Does not cover: calculating
anything (every other export answers 47). Chosen explicitly by `install`, never silently.
See `docs/simulated.md` for the file format, the cost model and the counters.
"""

from orcabatch.simulated.catalogue import ObjectType
from orcabatch.simulated.costs import Costs
from orcabatch.simulated.counter_totals import (
    Counters,
    Counting,
    counters,
    counting,
    lose_licence,
    release_hang,
    reset_counters,
    unlocked_cpu_s,
)
from orcabatch.simulated.dll import configure, install, is_simulated, uninstall
from orcabatch.simulated.generated import generate_batch
from orcabatch.simulated.simfile import SimFile, write_sim
from orcabatch.simulated.spec import ObjectSpec, SimFault, SimSpec, SimState, mooring_objects

__all__ = [
    "Costs",
    "Counters",
    "Counting",
    "ObjectSpec",
    "ObjectType",
    "SimFault",
    "SimFile",
    "SimSpec",
    "SimState",
    "configure",
    "counters",
    "counting",
    "generate_batch",
    "install",
    "is_simulated",
    "lose_licence",
    "mooring_objects",
    "release_hang",
    "reset_counters",
    "uninstall",
    "unlocked_cpu_s",
    "write_sim",
]
