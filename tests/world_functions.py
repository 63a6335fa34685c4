"""Functions of a user that look at, and change, the world they live in; worker processes can import them."""

from __future__ import annotations

import contextvars
import decimal
import logging
import os
import threading
import warnings
from pathlib import Path

import numpy as np

CASE = contextvars.ContextVar("case", default="none")
SET_UP = []
"""What `set_up` left in this process."""


def set_up(book, *more):
    """Sets this process up, and writes into a book that it did; each line is whole, whoever writes beside it."""
    SET_UP.append(more)
    with Path(book).open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")


def fails(text):
    """A set-up that fails."""
    raise LookupError(text)


def leaves():
    """A set-up that asks for the end of the process."""
    raise SystemExit(4)


def sets_up_one_process(folder):
    """A set-up that works in the first process, and fails in the next once somebody has had a result."""
    try:
        (Path(folder) / "first").mkdir()
    except FileExistsError:
        waits_for(Path(folder) / "heard")
        raise LookupError("no further seat of the unit service") from None
    SET_UP.append(folder)


def waits_after_the_first(model):
    """One file has a result, the next of this process is in work until the process is ended."""
    folder = Path(SET_UP[0])
    try:
        (folder / "computed").mkdir()
    except FileExistsError:
        waits_for(folder / "never")
    return model.latestFileName


def waits_for(path):
    """A minute at most."""
    for _ in range(6000):
        if path.exists():
            return
        threading.Event().wait(0.01)
    raise TimeoutError(path)


def what_was_set_up(model):
    """In which process, and what its set-up had left there."""
    return os.getpid(), list(SET_UP)


def a_precise_number(model):
    """Divides as the caller's context says, then spoils the context."""
    value = str(decimal.Decimal(1) / decimal.Decimal(7))
    decimal.getcontext().prec = 3
    return value


def numpys_state(model):
    """What numpy does about a division by zero; then changes it."""
    found = np.geterr()["divide"]
    np.seterr(all="ignore")
    return found


def the_case(model):
    """The context variable; then changes it."""
    found = CASE.get()
    CASE.set("spoilt")
    return found


def speaks(model, sim_file):
    """Logs at two levels, with something along that cannot travel, and warns."""
    log = logging.getLogger("users.own")
    log.debug("not wanted: %s", sim_file.name)
    log.info("did %s", sim_file.name, extra={"lock": threading.Lock()})
    warnings.warn("look at this", UserWarning, stacklevel=1)
    return os.getpid()


def logs_its_steps(model, sim_file):
    """Logs three lines, each on its own."""
    for step in range(3):
        logging.getLogger("users.own").info("step %d %s", step, sim_file.name)


def goes_there_and_back(model, sim_file):
    """Changes the working directory while it works, as many do."""
    here = Path.cwd()
    os.chdir(sim_file.parent)
    try:
        return len(list(Path().glob("*.sim")))
    finally:
        os.chdir(here)


def stays_there(model, sim_file, go=os.chdir):
    """Changes the working directory for good, by a name that it took before anybody could look."""
    go(sim_file.parent)
    return True


def draws(model):
    """Makes a figure with pyplot, and closes it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([1, 2])
    pyplot.close(figure)
    return True


def draws_by_itself(model):
    """Makes a figure of its own, which needs no pyplot."""
    from matplotlib.figure import Figure

    return len(Figure().subplots().plot([1, 2]))


def writes_its_input(model, sim_file):
    """Writes its own input anew."""
    sim_file.write_bytes(sim_file.read_bytes())
    os.utime(sim_file, ns=(0, sim_file.stat().st_mtime_ns + 1_000_000))
    return 1


def moves_its_input(model, sim_file):
    """Moves its input to the cases that are done, as some do."""
    sim_file.rename(sim_file.with_suffix(".done"))
    return 1


def finds(model, sim_file):
    """What it found in the file, in a list that all files share: the second clears it before the first ends."""
    from world_shared import FOUND, TWO

    first = TWO.wait(20.0) == 0
    if first:
        FOUND[:] = [sim_file.name]
    TWO.wait(20.0)
    if not first:
        FOUND.clear()
    TWO.wait(20.0)
    return FOUND
