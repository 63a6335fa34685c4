"""Hypothesis without deadlines (the machines that run this are shared); each test with folders of its own."""

from __future__ import annotations

import itertools
import os
import signal
import sys

import pytest
from hypothesis import settings

settings.register_profile("orcabatch", deadline=None)
settings.load_profile("orcabatch")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests side by side count for themselves: the process that started them may have a folder for its own counts.
    os.environ.pop("ORCABATCH_SIMULATED_COUNTERS", None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background has them ignore Ctrl-C, and the processes that they interrupt too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """What takes minutes runs on demand, and may take them."""
    for item in items:
        if not item.get_closest_marker("long"):
            continue
        if "ORCABATCH_LONG" not in os.environ:
            item.add_marker(pytest.mark.skip(reason="takes minutes: set ORCABATCH_LONG to run it"))
        elif not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(3600))


_numbers = itertools.count()


def _own_folder(tmp_path_factory, monkeypatch):
    own = tmp_path_factory.getbasetemp() / "own" / str(next(_numbers))
    folder = own / "state"
    folder.mkdir(parents=True)
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("ORCABATCH_SIMULATED_COUNTERS", str(own / "counters"))
    if simulation := sys.modules.get("orcabatch.simulated.world"):
        simulation.world.open(None)
    return folder


@pytest.fixture(scope="module", autouse=True)
def modules_state_folder(tmp_path_factory):
    """As `state_folder`, for what a module makes once for all its tests: that comes before any test's own folder."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield _own_folder(tmp_path_factory, monkeypatch)


@pytest.fixture(autouse=True)
def state_folder(tmp_path_factory, monkeypatch, modules_state_folder):
    """The folder for what runs remember: no test answers for another, none leaves anything with the user.

    Nor does the simulated OrcaFlex: with the counts of the hundreds of processes before it, each look would take a
    tenth of a second, and a model that one of them left would hold a seat.
    """
    return _own_folder(tmp_path_factory, monkeypatch)
