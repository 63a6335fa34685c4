"""OrcaFlex, simulated, for one test: counted, and clean afterwards."""

from __future__ import annotations

import pytest

from orcabatch import simulated
from orcabatch.orcaflex.broker.hook import Hook
from orcabatch.orcaflex.owners import Owners


@pytest.fixture
def orcaflex():
    """OrcFxAPI over the simulated DLL; afterwards no model is alive, none was used off its thread, no hook is left."""
    module = simulated.install(simulated.Costs())
    before = module.Model.orcaFlexObjectClass(module.ObjectType.Line)
    replaced = [
        (kind, name) for kind in (module.Model, module.DataObject) for name in ("__eq__", "__hash__", "__init__")
    ]
    own = {name: vars(kind)[name] for kind, name in replaced}
    try:
        with simulated.counting() as count:
            yield module
        counters = count.counters
        assert counters.never_destroyed == 0
        assert counters.destroyed_on_wrong_thread == 0
        assert not Hook.of(module).installed
        assert Hook.of(module).caches == {}
        assert not Owners.of(module).installed
        assert Owners.of(module).files == {}
        assert {name: vars(kind)[name] for kind, name in replaced} == own
        assert module.Model.orcaFlexObjectClass(module.ObjectType.Line) is before is module.OrcaFlexLineObject
    finally:
        simulated.configure(simulated.Costs())
        simulated.uninstall()


@pytest.fixture
def sims(tmp_path):
    """Writes simulated files: `sims(3, objects=26)`; each stops half a second later than the one before."""

    def write(count, objects=26, **options):
        specs = [
            simulated.SimSpec(
                objects=simulated.mooring_objects(objects) if isinstance(objects, int) else objects,
                **{"stop_time_s": 20.0 + index / 2, "seed": index, **options},
            )
            for index in range(count)
        ]
        return [simulated.write_sim(tmp_path / f"case{index}.sim", spec) for index, spec in enumerate(specs)]

    return write
