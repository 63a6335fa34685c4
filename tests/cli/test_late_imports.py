"""What the end of a run needs is imported when it begins: an import that fails in the end would cost what is done."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
late = sorted(name for name in sys.modules.keys() - there if name.startswith("orcabatch"))
print(f"{code}, late: {late}")
"""


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--postprocess", "mine:largest", "--orcaflex", "simulated", "sims"], id="function"),
        pytest.param(["b.yml"], id="yaml"),
    ],
)
def test_nothing_of_ours_is_imported_after_the_first_file(batch, words):
    """With a table and a report too, which are written when all files have ended."""
    (batch.folder / "mine.py").write_text("def largest(model):\n    return {'objects': len(model.objects)}\n")
    command = [sys.executable, "-c", SCRIPT, "run", *words, "--save", "t.csv", "--report", "r.html"]
    done = subprocess.run(command, cwd=batch.folder, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["0, late: []"], done.stdout + done.stderr
    assert (batch.folder / "t.csv").is_file()
    assert (batch.folder / "r.html").is_file()
