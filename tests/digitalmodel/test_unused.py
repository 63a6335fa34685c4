"""What digitalmodel imports and its post-process does not use, in processes that are ours and in others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli_batches import configuration
from orcabatch import simulated

pytest.importorskip("digitalmodel", reason="digitalmodel itself is called: install orcabatch[digitalmodel]")

PARTS = (
    "matplotlib.rcsetup", "plotly.basedatatypes", "scipy.version", "deepdiff.diff", "scrapy.http", "twisted.internet",
    "bs4.element", "requests.models", "jinja2.environment", "PIL.Image",
)  # fmt: skip
"""Modules that the real packages consist of."""

IMPORTED = """
import sys
from orcabatch import console, simulated
from orcabatch.digitalmodel.installed import find_installation

simulated.install()
if "ours" in sys.argv:
    console.claim()
find_installation()
print(*(name for name in {parts} if name in sys.modules))
"""

TOUCHED = """
import threading

def scraper():
    "The module itself, by way of a class that digitalmodel's import gave."
    assert type(WebScraping()).__name__ == "WebScraping"
    from assetutilities.common.webscraping import scrapper_scrapy
    return scrapper_scrapy

from concurrent.futures import ThreadPoolExecutor
from assetutilities.common.visualization.visualization_polar import plt

together = threading.Barrier(5)

def touch(number):
    together.wait()
    return plt.figure, plt.rcParams["figure.dpi"]

with ThreadPoolExecutor(5) as pool:
    touched = list(pool.map(touch, range(5)))
import matplotlib.pyplot
assert plt is not matplotlib.pyplot
assert set(map(id, (one for one, _ in touched))) == {id(matplotlib.pyplot.figure)}
from assetutilities.common.validation import go, make_subplots
assert isinstance(make_subplots(rows=1, cols=1), go.Figure)
from assetutilities.engine import WebScraping
import scrapy
assert any(isinstance(value, type) and issubclass(value, scrapy.Spider) for value in vars(scraper()).values())
from assetutilities.common.yml_utilities import DeepDiff
assert DeepDiff([1], [2])
print("real")
"""


def said(code: str, *words: str) -> list[str]:
    """What a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_in_a_process_of_ours_what_is_not_used_is_not_imported() -> None:
    """What asks a stand-in for something gets the real package all the same, from five threads at once too."""
    assert said(IMPORTED.format(parts=PARTS) + TOUCHED, "ours") == ["", "real"]


def test_in_a_script_digitalmodel_brings_what_it_brings() -> None:
    """Code of others may rely on what an import leaves behind."""
    assert said(IMPORTED.format(parts=PARTS)) == [" ".join(PARTS)]


def test_neither_the_command_line_nor_its_workers_import_it(tmp_path: Path) -> None:
    """Python itself tells what the command and its worker processes import."""
    (tmp_path / "sims").mkdir()
    for seed in range(2):
        simulated.write_sim(tmp_path / "sims" / f"a{seed}.sim", simulated.SimSpec(seed=seed))
    section = {"orcaflex": "simulated", "ledger": {"enabled": False}, "executor": "processes"}
    (tmp_path / "b.yml").write_text(json.dumps(configuration(performance=section)))
    done = subprocess.run(
        [sys.executable, "-m", "orcabatch", "run", "b.yml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert imported.count("digitalmodel") >= 2  # the command and a worker
    assert set(imported).isdisjoint(PARTS)
