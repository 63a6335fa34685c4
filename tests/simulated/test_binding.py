"""The real package is what runs, and it leaves nothing behind."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from orcabatch import simulated


def test_the_real_package_is_imported(orcfxapi: ModuleType) -> None:
    """OrcFxAPI's own file, under its own name, marked as simulated."""
    assert Path(orcfxapi.__file__ or "").name == "OrcFxAPI.py"
    assert sys.modules["OrcFxAPI"] is orcfxapi
    assert simulated.is_simulated(orcfxapi)
    assert not simulated.is_simulated(ctypes)
    assert not simulated.is_simulated(object())


def test_names_of_windows_are_gone_after_the_import(orcfxapi: ModuleType) -> None:
    """What was provided for the import is taken away: colorama and others look for it."""
    if sys.platform != "win32":
        assert not hasattr(ctypes, "windll")
        assert not hasattr(ctypes, "WinDLL")
        assert "winreg" not in sys.modules


def test_installing_twice_gives_the_same_module(orcfxapi: ModuleType) -> None:
    """Classes stay the same: isinstance works over installs."""
    assert simulated.install() is orcfxapi
    simulated.uninstall()
    assert "OrcFxAPI" not in sys.modules
    assert simulated.install() is orcfxapi


def test_a_foreign_module_is_refused(orcfxapi: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stub of a user's own test is never replaced behind its back."""
    monkeypatch.setitem(sys.modules, "OrcFxAPI", ModuleType("OrcFxAPI"))
    with pytest.raises(RuntimeError, match="another OrcFxAPI is already imported"):
        simulated.install()


def test_every_other_export_answers_47(orcfxapi: ModuleType, sim: Path) -> None:
    """Nothing that is missing succeeds."""
    model = orcfxapi.Model(sim)
    for call in (
        lambda: model.SaveSimulation("x.sim"),
        model.CalculateStatics,
        model["Line01"].CreateClone,
        lambda: model["Line01"].RainflowHalfCycles("Effective tension", None, orcfxapi.oeEndA),
        lambda: model.waveComponents,
        lambda: orcfxapi.SetLibraryPolicy("x"),
    ):
        with pytest.raises(orcfxapi.DLLError, match="not part of the simulated OrcaFlex") as caught:
            call()
        assert caught.value.status == orcfxapi.StatusCode.FunctionNotAvailable


def test_all_exports_are_bound(orcfxapi: ModuleType) -> None:
    """No function of the binding is missing from the DLL."""
    functions = [value for name, value in vars(orcfxapi).items() if name.startswith("_") and hasattr(value, "argtypes")]
    assert len(functions) > 250
    assert not [value for value in vars(orcfxapi).values() if isinstance(value, orcfxapi.FunctionNotFound)]


def test_dll_and_file_versions(orcfxapi: ModuleType, sim: Path) -> None:
    """The version satisfies everything the binding asks for."""
    assert orcfxapi.DLLVersion() == "11.6c"
    assert orcfxapi.FileCreatorVersion(sim) == "11.6c"
    assert orcfxapi._checkVersion("11.6b")
    assert not orcfxapi._checkVersion("11.7a")
    assert orcfxapi.BinaryFileType(sim) == orcfxapi.FileType.DynamicSimulationFile


def test_a_child_process_gets_the_same_costs_and_counters(orcfxapi: ModuleType, sim: Path) -> None:
    """Costs and counters folder travel in the environment."""
    simulated.configure(simulated.Costs(log_pass_s=0.125))
    code = (
        "import sys; from orcabatch import simulated as s; O = s.install(); m = O.Model(sys.argv[1]);"
        "print(s.Costs.from_env().log_pass_s); m['Line01'].StaticResult('Bend moment', O.oeEndA)"
    )
    answer = subprocess.run([sys.executable, "-c", code, str(sim)], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "0.125"
    assert answer.stderr == ""
    counters = simulated.counters()
    assert counters.loads_by_file == {str(sim): 1}
    assert counters.log_passes == 1
    assert counters.live_models == 0


@pytest.mark.parametrize("costs", [
    simulated.Costs(),
    simulated.Costs(load_latency_s=0.5, bandwidth_bytes_per_s=1e8, seats=3, seat_scope="model", ulp=("a", "b", "c")),
    simulated.Costs(fail_loads={"a.sim": (7, 2)}, hang_loads={"b.sim": None}, crash_loads={"c.sim": 1}),
])  # fmt: skip
def test_costs_survive_the_environment(costs: simulated.Costs) -> None:
    """to_env and from_env are inverse."""
    environment: dict[str, str] = {}
    costs.to_env(environment)
    assert simulated.Costs.from_env(environment) == costs
