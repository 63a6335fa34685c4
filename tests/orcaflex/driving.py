"""Runs functions over files as a worker does, and counts what OrcaFlex is asked."""

from __future__ import annotations

from contextlib import suppress

from orcabatch import simulated
from orcabatch.orcaflex.binding import find_binding
from orcabatch.orcaflex.broker import BrokerOptions
from orcabatch.orcaflex.broker.broker import ResultBroker
from orcabatch.orcaflex.session import Session


def broker(module, questions=(), draw=lambda count: 0, **options):
    """A broker that draws the first joint answer of a file for its self-check."""
    return ResultBroker(module, BrokerOptions(**options), questions, draw)


def run(files, function, shared=None, counting=simulated.counting, **begin):
    """What the function makes of each file, and what each file cost: a list of (value, Counters, BrokerReport)."""
    session = Session(find_binding(), shared)
    results = []
    try:
        for file in files:
            with counting() as count:
                model = session.load(file)
                results.append(_one(model, function, shared, begin))
                session.release()
            results[-1] = (results[-1][0], getattr(count, "counters", None), results[-1][1])
    finally:
        session.close()
    return results


def _one(model, function, shared, begin):
    if shared is None:
        return function(model), None
    shared.begin(model, **begin)
    finished = False
    try:
        value = function(model)
        finished = True
    finally:
        report = shared.settle(model, finished=finished)
        with suppress(ReferenceError):
            shared.end(model)
    return value, report


def values(results):
    """Only what the function made of each file."""
    return [value for value, _, _ in results]
