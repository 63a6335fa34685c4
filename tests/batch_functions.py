"""Functions of a user, in a module so that worker processes can import them."""

from __future__ import annotations

import os

import orcabatch


def largest_tension(model):
    """A small dictionary per file."""
    import OrcFxAPI

    history = model["Line01"].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)
    return {"tension": float(history.max())}


@orcabatch.repeatable
def repeatable_tension(model):
    """The same, said to be without harm when it is called again: a licence may come back."""
    return largest_tension(model)


def name_and_tension(model, sim_file):
    """The file's name beside a result of an object that small models lack."""
    import OrcFxAPI

    history = model["Line04"].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)
    return {"name": sim_file.stem, "tension": float(history.max())}


def process_and_priority(model):
    """In which process it runs, and how nice that one is."""
    return os.getpid(), os.nice(0)


def threads_of_the_model(model):
    """How many native threads it may use."""
    return model.threadCount


def python_code(model):
    """A tenth of a second of Python code: whoever runs it holds the interpreter lock."""
    import time

    end = time.thread_time() + 0.1
    while time.thread_time() < end:
        sum(range(100))


def one_takes_long(model, sim_file):
    """One file waits a hundred times as long as the others."""
    import time

    time.sleep(1.5 if "005yr" in sim_file.stem else 0.015)


def count_objects(model):
    """Something small of every file."""
    return len(list(model.objects))


FACTOR = 1.0
UNTOUCHED = {"lines", "names", "numbers"}


def scaled(model):
    """A result times what the module says."""
    return FACTOR * len(UNTOUCHED) * largest_tension(model)["tension"]


def set_factor(value):
    """To be called once per process."""
    global FACTOR  # noqa: PLW0603 - as engineers' own set-up functions do
    FACTOR = value


def attribute(model):
    """What is kept on the function."""
    return attribute.factor


attribute.factor = 1.0
