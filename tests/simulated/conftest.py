"""The simulated OrcaFlex for each test: fresh counters, no costs, nothing left over."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from orcabatch import simulated


@pytest.fixture
def orcfxapi(tmp_path: Path) -> Iterator[ModuleType]:
    """The real OrcFxAPI package over the simulated DLL, counting in a folder of this test's own."""
    yield simulated.install(simulated.Costs(), counters=tmp_path / "counters")
    simulated.configure(simulated.Costs())
    gc.collect()  # models in cycles are destroyed here, on the thread that made them


@pytest.fixture
def sim(tmp_path: Path) -> Path:
    """A small file: 26 objects, 68 s at 0.1 s, about 1 MB."""
    return simulated.write_sim(tmp_path / "case.sim", simulated.SimSpec(seed=3))


@pytest.fixture
def failure(orcfxapi: ModuleType) -> Callable[..., int]:
    """`failure(call, *arguments)`: the status with which it fails; its text is never empty."""

    def status_of(call: Callable[..., object], *arguments: object) -> int:
        with pytest.raises(orcfxapi.DLLError) as caught:
            call(*arguments)
        assert caught.value.errorString.strip()
        return int(caught.value.status)

    return status_of
