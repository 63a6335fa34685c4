"""What a start imports: `import orcabatch` is cheap, each start takes what it needs, every public name is there."""

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


def ours(code: str) -> set[str]:
    """Which modules of ours are there after `code` in a fresh interpreter, without the package's name."""
    said = fresh(f"import json, sys\n{code}\nprint(json.dumps(sorted(name for name in sys.modules)))")
    return {name.removeprefix("orcabatch.") for name in json.loads(said.splitlines()[-1]) if "orcabatch." in name}


def test_help_takes_no_room():
    """`orcabatch --help` knows the commands and their words, and nothing of what they do."""
    code = "import contextlib, orcabatch.cli\nwith contextlib.suppress(SystemExit): orcabatch.cli.main(['--help'])"
    assert ours(code) == {"cli", "console", "errors", "garbage", "sleep"}


def test_settings_take_the_names_of_executors_of_the_engine():
    """And no more: who reads a YAML's settings needs neither workers nor what is said between them."""
    assert {name for name in ours("import orcabatch.settings") if name.startswith("engine")} == {
        "engine", "engine.executors", "engine.limits", "engine.options",
    }  # fmt: skip


def test_a_worker_process_starts_without_what_decides():
    """What it needs of a recipe comes with that; which file when, and all rooms above the engine, are its parent's."""
    there = ours("import orcabatch.engine.executors.process_main")
    assert {name.partition(".")[0] for name in there} == {
        "background", "console", "engine", "errors", "outcome", "own_thread", "sleep", "text", "win32",
    }  # fmt: skip
    deciding = {"dispatcher", "scheduler", "concurrency", "memory_admission", "licences", "job_side", "event_log"}
    assert not {f"engine.{name}" for name in deciding} & there


def test_a_run_starts_without_what_only_others_want():
    """Reports, saved tables, the dashboard, what the doctor asks: imported where one is asked for, before it runs."""
    there = ours("import orcabatch.cli.run")
    unasked = {
        "monitor.report", "monitor.live_report", "monitor.dashboard", "monitor.notebook", "batch.streamed",
        "results.save", "results.arrays", "settings.reference", "doctor.answers", "doctor.models", "doctor.threads",
        "orcaflex.broker.broker", "doctor.contact",
        "digitalmodel.check", "digitalmodel.prove", "simulated", "bench",
    }  # fmt: skip
    assert not unasked & there
