"""A small digitalmodel batch in a folder of its own, and the command line as a function."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from cli_batches import configuration
from orcabatch import cli, simulated


@dataclass
class Batch:
    """A folder with `b.yml` and three .sim files, a0 to a2."""

    folder: Path

    def sim(self, number: int) -> Path:
        return self.folder / "sims" / f"a{number}.sim"

    def write(self, **sections) -> None:
        (self.folder / "b.yml").write_text(yaml.safe_dump(configuration(**sections), sort_keys=False))


@pytest.fixture
def batch(tmp_path, monkeypatch):
    """The working folder is the batch's."""
    made = Batch(tmp_path)
    (tmp_path / "sims").mkdir()
    for number in range(3):
        simulated.write_sim(made.sim(number), simulated.SimSpec(size_bytes=80_000, stop_time_s=10.0, seed=number))
    made.write()
    monkeypatch.chdir(tmp_path)
    return made


@dataclass(frozen=True)
class Said:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return " ".join(f"{self.out} {self.err}".split())


@pytest.fixture
def orcabatch(capsys, tmp_path):
    """`orcabatch WORDS ...` in this process; afterwards no simulated OrcaFlex is left, and no module of this test's."""
    before, path = dict(os.environ), list(sys.path)

    def run(*words: str) -> Said:
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    yield run
    if simulated.is_simulated(sys.modules.get("OrcFxAPI")):
        simulated.configure(simulated.Costs())
        simulated.uninstall()
    os.environ.clear()
    os.environ.update(before)
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def without_orcfxapi(monkeypatch):
    """`import OrcFxAPI` fails as where it is not installed."""
    monkeypatch.setitem(sys.modules, "OrcFxAPI", None)


@pytest.fixture
def without_dll(tmp_path, monkeypatch):
    """`import OrcFxAPI` fails as where the package is, but OrcaFlex is not."""
    monkeypatch.delitem(sys.modules, "OrcFxAPI", raising=False)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "OrcFxAPI.py").write_text("raise Exception('OrcaFlex not found')\n")
    monkeypatch.syspath_prepend(tmp_path / "package")


@pytest.fixture
def no_licence():
    """The simulated licence server has no seat."""
    simulated.install(simulated.Costs(seats=0))


@pytest.fixture
def other_version(monkeypatch):
    """The package is of another release than the DLL."""
    monkeypatch.setattr("orcabatch.orcaflex.binding.installed_version", lambda _: "11.2.1")
