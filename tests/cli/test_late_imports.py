"""What the end of a run needs is imported when it begins: an import that fails in the end would cost what is done.

And only what this run needs.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from orcabatch import simulated

SCRIPT = """
import sys
from functools import partial
from orcabatch import cli
from orcabatch.cli import run

there = set()

def first(outcome):
    there.update(() if there else sys.modules)

run.carry_out = partial(run.carry_out, on_outcome=first)
code = cli.main(sys.argv[1:])
late = sorted(
    name for name in sys.modules.keys() - there
    if name.startswith("orcabatch") or name in {"pandas", "polars", "openpyxl"}
)
print(f"{code}, late: {late}")
"""


FUNCTION = ("--postprocess", "mine:largest", "--orcaflex", "simulated", "sims")
YAML = ("b.yml",)
REMEMBERED = (*YAML, "performance.ledger.enabled=true", "performance.ledger.path=ledger")


@pytest.fixture
def mine(batch, monkeypatch):
    """`mine:largest`, a function of the user's."""
    (batch.folder / "mine.py").write_text("def largest(model):\n    return {'objects': len(model.objects)}\n")
    monkeypatch.syspath_prepend(batch.folder)


@pytest.mark.parametrize(
    ("words", "table"),
    [pytest.param(FUNCTION, "t.parquet", id="function"), pytest.param(YAML, "t.xlsx", id="yaml")],
)
def test_nothing_of_ours_is_imported_after_the_first_file(batch, mine, words, table):
    """With a table and a report too, which are written when all files have ended; nor what writes the table."""
    command = [sys.executable, "-c", SCRIPT, "run", *words, "--save", table, "--report", "r.html"]
    done = subprocess.run(command, cwd=batch.folder, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["0, late: []"], done.stdout + done.stderr
    assert (batch.folder / table).is_file()
    assert (batch.folder / "r.html").is_file()


THERE = """
import sys
from orcabatch import cli

code = cli.main(sys.argv[1:])
print(code, "orcabatch.engine.executors.processes" in sys.modules)
"""


def test_worker_processes_are_imported_for_runs_that_may_go_on_in_them(batch, mine):
    """A function of the user's keeps to threads; the second time a YAML finds that all is done. Both start without."""
    said = []
    for words in (FUNCTION, REMEMBERED, REMEMBERED):
        command = [sys.executable, "-c", THERE, "run", *words]
        done = subprocess.run(command, cwd=batch.folder, capture_output=True, text=True, check=True)
        said.append(done.stdout.splitlines()[-1])
    assert said == ["0 False", "0 True", "0 False"]


@pytest.mark.parametrize("words", [pytest.param(FUNCTION, id="function"), pytest.param(YAML, id="yaml")])
@pytest.mark.parametrize(("table", "library"), [("t.parquet", "polars"), ("t.xlsx", "openpyxl"), ("t.csv", "pandas")])
def test_what_cannot_write_the_table_is_said_before_anything_is_loaded(
    batch, mine, orcabatch, monkeypatch, words, table, library
):
    """The values of a function would be lost with a table that nothing can write in the end."""
    monkeypatch.setitem(sys.modules, library, None)
    with simulated.counting() as count:
        said = orcabatch("run", *words, "--save", table)
    assert (said.code, f"Install it: pip install {library}" in said.err) == (2, True), said
    assert count.counters.loads == 0
    assert not (batch.folder / table).exists()
