"""Simulated OrcaFlex and small batches of files for the facade's tests."""

from __future__ import annotations

import sys

import pytest

from engine import dask_cluster
from orcabatch import simulated


@pytest.fixture
def orcaflex():
    """The simulated OrcaFlex; afterwards no model is alive and none was used or destroyed off its thread."""
    simulated.install(simulated.Costs())
    simulated.reset_counters()
    try:
        with simulated.counting() as count:
            yield count
        assert count.counters.never_destroyed == 0
        assert count.counters.destroyed_on_wrong_thread == 0
        assert count.counters.affinity_violations == 0
    finally:
        simulated.configure(simulated.Costs())
        simulated.uninstall()


@pytest.fixture
def sims(tmp_path):
    """Eight small files: two of the LNGC batch, six of the standard one."""
    return simulated.generate_batch(tmp_path / "sims", lngc=2, standard=6, stop_times_s=(10.0, 12.0))


@pytest.fixture
def foreign(monkeypatch):
    """Puts a module of the test's own into `sys.modules` as OrcFxAPI."""

    def use(module):
        monkeypatch.setitem(sys.modules, "OrcFxAPI", module)
        return module

    return use


@pytest.fixture(scope="module")
def dask_ends():
    """The dask cluster that a module's tests share is ended after the last of them."""
    yield
    dask_cluster.close_shared()
