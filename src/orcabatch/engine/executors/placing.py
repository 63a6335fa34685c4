"""Which worker process gets a file: the emptiest one, NUMA node by node, within the licence seats.

Covers the choice, as a function of what each process has. Does not cover what may be opened (`licences`) nor doing it
(`processes`).

    - Each node works on as many files as its share of the CPUs; on a node the emptiest process comes first.
    - A process is started while none is empty, so that files are spread and not piled up in the first one.
    - Where each model holds a seat, a worker that has one comes before all that: a seat that idles serves nobody.
    - A file that must be alone gets an empty process. Where there is none, the emptiest is kept from getting more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Cpus = tuple[int, ...]

NEW = 0
"""The number of a process that is still to be started."""


@dataclass(frozen=True, slots=True)
class ProcessPlace:
    """A worker process.

    Attributes:
        number: of the process; `NEW` for one that would be started.
        node: where it is pinned, counted from 0.
        files: it works on.
        is_open: whether it takes a further file.
        asks: whether another model is opened for that, which takes a licence seat of its own.
    """

    number: int
    node: int
    files: int
    is_open: bool = True
    asks: bool = False


def nodes_for(numa_cpus: Sequence[Cpus], processes: int) -> tuple[Cpus, ...]:
    """The CPUs that a process is pinned to: one node's each, or several nodes' where there are fewer processes."""
    if len(numa_cpus) < 2:
        return ((),)
    count = max(1, min(len(numa_cpus), processes))
    return tuple(tuple(cpu for cpus in numa_cpus[first::count] for cpu in cpus) for first in range(count))


def node_for_new(places: Iterable[ProcessPlace], nodes: Sequence[Cpus]) -> int:
    """The node with the fewest processes for its CPUs."""
    used = [place.node for place in places]
    return min(range(len(nodes)), key=lambda node: _share(used.count(node), nodes[node]))


def choose(places: Sequence[ProcessPlace], nodes: Sequence[Cpus], *, alone: bool) -> ProcessPlace | None:
    """Where a file goes now; None: it waits.

    Args:
        places: the processes, and the one that would be started next where there may be another.
        nodes: the CPUs of each node.
        alone: nothing else may run in its process.
    """
    load = [sum(place.files for place in places if place.node == node) for node in range(len(nodes))]
    able = [place for place in places if place.is_open and not (alone and place.files)]
    return min(
        able,
        key=lambda place: (
            place.asks,
            _share(load[place.node], nodes[place.node]),
            place.files,
            place.number == NEW,
            place.number,
        ),
        default=None,
    )


def _share(used: int, cpus: Cpus) -> float:
    """How full a node would be with one more."""
    return (used + 1) / max(1, len(cpus))
