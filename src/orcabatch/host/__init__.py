"""The host: what a batch may use of it, memory from moment to moment, and `.sim` files seen from outside.

Covers CPUs, memory, NUMA nodes, container limits, disks, sizes and fingerprints. Decides nothing but the
specification's one formula (`ResourceManager.calculate_optimal_threads`); see `orcabatch.plan` for the rest. What a run
uses of it is measured by `orcabatch.host.sampler`, which needs the engine and is imported by those who want it.
"""

from orcabatch.engine.limits import ORCAFLEX_OVERHEAD
from orcabatch.host.files import Fingerprint, fingerprint, full_hash, sim_sizes
from orcabatch.host.measure import (
    CPU_SHARE,
    Probes,
    ResourceManager,
    measure,
    memory_reading,
    system_probes,
)
from orcabatch.host.values import Disk, DiskKind, HostResources, MemoryReading

__all__ = [
    "CPU_SHARE",
    "ORCAFLEX_OVERHEAD",
    "Disk",
    "DiskKind",
    "Fingerprint",
    "HostResources",
    "MemoryReading",
    "Probes",
    "ResourceManager",
    "fingerprint",
    "full_hash",
    "measure",
    "memory_reading",
    "sim_sizes",
    "system_probes",
]
