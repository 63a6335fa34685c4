"""Which process gets a file: spread over nodes and processes, seats that are held first, alone where it must be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orcabatch.engine.executors.placing import NEW, Cpus, ProcessPlace, choose, node_for_new, nodes_for

HOSTS: dict[int, tuple[Cpus, ...]] = {
    1: ((0, 1, 2, 3),),
    2: ((0, 1), (2, 3)),
    4: ((0,), (1,), (2,), (3,)),
}


class Crowd:
    """Processes as an executor would start and fill them."""

    def __init__(self, nodes: tuple[Cpus, ...], processes: int, threads: int) -> None:
        self.nodes, self.most, self.threads = nodes_for(nodes, processes), processes, threads
        self.places: dict[int, ProcessPlace] = {}

    def give(self, *, alone: bool = False) -> int | None:
        there = [replace(place, is_open=place.files < self.threads) for place in self.places.values()]
        if len(there) < self.most:
            there.append(ProcessPlace(NEW, node_for_new(there, self.nodes), 0))
        place = choose(there, self.nodes, alone=alone)
        if place is None:
            return None
        number = place.number if place.number != NEW else len(self.places) + 1
        self.places[number] = replace(place, number=number, files=place.files + 1)
        return number

    def take(self, number: int) -> None:
        self.places[number] = replace(self.places[number], files=self.places[number].files - 1)

    def on_nodes(self) -> list[int]:
        return [sum(place.files for place in self.places.values() if place.node == at) for at in range(len(self.nodes))]


@pytest.mark.parametrize("nodes", [1, 2, 4])
@pytest.mark.parametrize("processes", range(2, 9))
@pytest.mark.parametrize("threads", range(1, 9))
def test_files_are_spread_over_nodes_and_processes(nodes: int, processes: int, threads: int) -> None:
    """However many files run: each node has its share, and on a node each process as many as its neighbours."""
    crowd = Crowd(HOSTS[nodes], processes, threads)
    for files in range(1, processes * threads + 1):
        assert crowd.give() is not None
        assert len(crowd.places) == min(files, processes), "one is started while none is empty"
        share = min(sum(place.node == at for place in crowd.places.values()) for at in range(len(crowd.nodes)))
        if files <= share * threads * len(crowd.nodes):
            assert max(crowd.on_nodes()) - min(crowd.on_nodes()) <= 1, "a node whose processes are full gets no more"
        for at in range(len(crowd.nodes)):
            here = [place.files for place in crowd.places.values() if place.node == at]
            assert not here or max(here) - min(here) <= 1
    assert crowd.give() is None


def test_a_process_that_ends_is_replaced_on_its_node() -> None:
    """Two nodes, four processes: whichever ends, the next is started where one is missing."""
    crowd = Crowd(HOSTS[2], 4, 1)
    for _ in range(4):
        crowd.give()
    for number in (3, 2):
        gone = crowd.places.pop(number)
        assert node_for_new(crowd.places.values(), crowd.nodes) == gone.node
        crowd.places[number] = gone


def test_fewer_processes_than_nodes_have_several_nodes_each() -> None:
    """Two processes on four nodes: no CPU is left to nobody. With one node nothing is pinned."""
    assert nodes_for(HOSTS[4], 2) == ((0, 2), (1, 3))
    assert nodes_for(HOSTS[4], 9) == HOSTS[4]
    assert nodes_for(HOSTS[1], 8) == ((),)


def test_a_larger_node_gets_a_larger_share() -> None:
    """Six CPUs and two: three files to one, whoever comes first."""
    crowd = Crowd(((0, 1, 2, 3, 4, 5), (6, 7)), 4, 9)
    for _ in range(8):
        crowd.give()
    assert crowd.on_nodes() == [6, 2]


def test_an_empty_process_is_used_before_another_is_started() -> None:
    """One after the other is one process."""
    crowd = Crowd(HOSTS[1], 4, 2)
    for _ in range(5):
        number = crowd.give()
        assert number == 1
        crowd.take(number)


def test_a_seat_that_is_held_comes_before_balance() -> None:
    """Where each model takes a seat, a busier process with an idle model is chosen before one that would open one."""
    places = [ProcessPlace(1, 0, 2), ProcessPlace(2, 0, 0, asks=True), ProcessPlace(NEW, 0, 0, asks=True)]
    assert choose(places, ((),), alone=False) == places[0]
    assert choose(places[1:], ((),), alone=False) == places[1]


def test_alone_means_an_empty_process() -> None:
    """A suspect waits while every process has files."""
    busy = [ProcessPlace(1, 0, 1), ProcessPlace(2, 0, 3)]
    assert choose(busy, ((),), alone=True) is None
    assert choose([*busy, ProcessPlace(3, 0, 0)], ((),), alone=True) == ProcessPlace(3, 0, 0)
