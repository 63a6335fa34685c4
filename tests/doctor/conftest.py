"""The simulated OrcaFlex with something broken, asked in this process; afterwards it is as before."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orcabatch import simulated
from orcabatch.doctor.child import CHECKS
from orcabatch.doctor.contact import Answer, Contact
from orcabatch.doctor.examination import Found
from orcabatch.doctor.verdicts import keep_verdicts
from orcabatch.orcaflex.binding import find_binding

MB = 1_000_000


def written(folder: Path, name: str = "a.sim", size_bytes: int = 200_000, **spec) -> Path:
    """A .sim file."""
    spec = {"stop_time_s": 20.0, "size_bytes": size_bytes, **spec}
    return simulated.write_sim(folder / name, simulated.SimSpec(**spec))


@pytest.fixture
def sim(tmp_path) -> Path:
    """One small file."""
    return written(tmp_path)


@pytest.fixture
def broken():
    """`broken(**costs)`: the simulated OrcaFlex costs and differs so."""
    before = dict(os.environ)
    simulated.install(simulated.Costs())

    def make(**costs) -> None:
        simulated.configure(simulated.Costs(**costs))

    yield make
    simulated.configure(simulated.Costs())
    simulated.uninstall()
    assert not simulated.is_simulated(sys.modules.get("OrcFxAPI"))
    os.environ.clear()
    os.environ.update(before)


def asked(name: str, *files: Path, seats: int = 2) -> Answer:
    """What this check finds, in this process."""
    contact = Contact(find_binding("simulated"), files, seats)
    try:
        return CHECKS[name](contact)
    finally:
        contact.close()


def kept(name: str, answer: Answer) -> None:
    """As if an examination had found this."""
    keep_verdicts(find_binding("simulated"), [Found(name, answer.verdict, answer.said, answer.figures)])
