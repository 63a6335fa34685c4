"""`import orcabatch` is cheap, and every public name is where it is said to be."""

from __future__ import annotations

import json
import subprocess
import sys

import orcabatch

HEAVY = [
    "pandas",
    "numpy",
    "OrcFxAPI",
    "digitalmodel",
    "assetutilities",
    "rich",
    "dask",
    "distributed",
    "matplotlib",
    "yaml",
]


def fresh(code: str) -> str:
    """What `code` prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout


def test_import_pulls_in_nothing_heavy():
    """Neither pandas, numpy, OrcFxAPI nor digitalmodel: they come when they are used."""
    code = f"import sys, json, orcabatch; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    assert json.loads(fresh(code)) == []


def test_import_costs_less_than_its_own_dependencies():
    """A fraction of the modules that `import pydantic, numpy` alone brings."""
    ours = int(fresh("import sys; before = len(sys.modules); import orcabatch; print(len(sys.modules) - before)"))
    theirs = int(
        fresh("import sys; before = len(sys.modules); import pydantic, numpy; print(len(sys.modules) - before)")
    )
    assert ours * 4 < theirs


def test_every_public_name_is_there():
    """`from orcabatch import X` works for all that `__all__` promises, and for both sub-packages."""
    for name in [*orcabatch.__all__, "digitalmodel", "simulated"]:
        assert getattr(orcabatch, name) is not None
        assert name in dir(orcabatch)
