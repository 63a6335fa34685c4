"""What the doctor says about the machine: CPUs, memory, NUMA nodes, and what limits them."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

from orcabatch import __version__
from orcabatch.cli.checks import Check, Level
from orcabatch.host import HostResources, ResourceManager
from orcabatch.settings import format_size

TOPIC = "host"
LITTLE_MEMORY = 0.2
"""Below this share of available memory a batch starts few files: its cap is 80% in use, other programs included."""


def check_host(host: HostResources | None = None) -> Iterator[Check]:
    """The machine as a batch would find it."""
    host = host or ResourceManager().measure()
    bits = 64 if sys.maxsize > 2**32 else 32
    python = f"Python {platform.python_version()} ({bits} bit)"
    if bits == 32:
        yield Check(TOPIC, f"{python} can hold few files in memory", Level.MEND, "install a 64 bit Python")
    yield Check(TOPIC, f"orcabatch {__version__}, {python}, {platform.system()} {platform.release()}")
    yield Check(TOPIC, f"{_plural(host.logical_cpus, 'CPU')}, {_plural(host.physical_cpus, 'core')}, {_nodes(host)}")
    yield _memory(host)
    for name, by in host.limited_by.items():
        what = {"logical_cpus": "CPUs", "total_ram_bytes": "memory"}.get(name, name)
        yield Check(TOPIC, f"{what}: fewer than the machine has, limited by {by}; plans keep to the limit", Level.NOTE)


def _memory(host: HostResources) -> Check:
    total, free = format_size(host.total_ram_bytes), format_size(host.available_ram_bytes)
    said = f"{total} RAM, {free} of it available"
    if host.available_ram_bytes < LITTLE_MEMORY * host.total_ram_bytes:
        return Check(
            TOPIC,
            f"{said}: more than 80% is in use, so nearly no file would be loaded at once",
            Level.NOTE,
            "close other programs, or raise memory.max_usage_percent",
        )
    return Check(TOPIC, said)


def _nodes(host: HostResources) -> str:
    return _plural(host.numa_nodes, "NUMA node")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
