"""The example notebooks run from the first cell to the last in a copy of their folder, and are stored bare."""

from __future__ import annotations

import shutil
from html import escape

import pandas as pd
import pytest

from browser import Visit, needs_browser, visit
from docs_pages import ROOT

nbformat = pytest.importorskip("nbformat", reason="comes with the extra test")
nbclient = pytest.importorskip("nbclient", reason="comes with the extra test")

EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
NEEDED = {
    "headings.ipynb": "digitalmodel",
    "lngc_batch.ipynb": "digitalmodel",
    "standard_batch.ipynb": "digitalmodel",
    "own_function.ipynb": "matplotlib",
}


def read(notebook):
    return nbformat.read(notebook, as_version=4)


def test_there_is_one_for_each_of_the_five_stories():
    """Governing cases, two digitalmodel batches, a function of one's own, a machine that one does not have."""
    names = ["headings", "lngc_batch", "own_function", "standard_batch", "what_if"]
    assert [notebook.stem for notebook in NOTEBOOKS] == names


def test_from_files_to_governing_cases_and_a_plot_are_fifteen_lines():
    """Imports counted, the cell that makes the files not."""
    code = [cell.source for cell in read(EXAMPLES / "headings.ipynb").cells if cell.cell_type == "code"]
    assert len([line for cell in code[1:] for line in cell.splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_without_outputs(notebook):
    """So a change of the code is a change of the file, and nothing else is."""
    cells = [cell for cell in read(notebook).cells if cell.cell_type == "code"]
    assert cells
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request, tmp_path_factory):
    """A notebook after a run from the first cell to the last, in a kernel of its own."""
    notebook = request.param
    pytest.importorskip(NEEDED.get(notebook.name, "nbclient"), reason="what the notebook uses is not installed")
    folder = tmp_path_factory.mktemp("notebook") / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("sims", "results", "logs", "__pycache__"))
    content = read(notebook)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
            patch.setenv(name, str(folder.parent / "state"))
        nbclient.NotebookClient(content, timeout=500, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook.stem, content, folder


def outputs(content):
    return [output for cell in content.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_runs_from_the_first_cell_to_the_last(executed):
    """An exception in any cell fails here with that cell's text; tables show themselves, without JavaScript."""
    shown = outputs(executed[1])
    assert not any(output.output_type == "error" for output in shown)
    tables = [output["data"]["text/html"] for output in shown if "text/html" in output.get("data", {})]
    assert tables, "no table shows itself"
    assert not any("<script" in table for table in tables)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("executed", [EXAMPLES / "headings.ipynb"], ids=["headings"], indirect=True)
def test_governing_cases_are_those_that_pandas_finds_by_hand(executed):
    """In digitalmodel's own CSV: maximum, its file, mean and 90th percentile over the seeds of each heading."""
    results = executed[2] / "results" / "headings"
    by_hand = pd.read_csv(next(results.glob("*_dyn.csv")))
    by_hand["heading"] = by_hand["fe_filename_stem"].str.extract(r"_(\d+)deg").astype(int)
    found = pd.read_csv(results / "governing.csv").set_index("heading")
    assert len(by_hand) == 48
    assert list(found["files"]) == [8] * 6
    for heading, rows in by_hand.groupby("heading"):
        largest = rows.loc[rows["line04_max"].idxmax()]
        row = found.loc[heading]
        assert row["file"] == f"{largest['fe_filename_stem']}.sim"
        assert row["maximum"] == largest["line04_max"]
        assert row["mean"] == pytest.approx(rows["line04_max"].mean(), rel=1e-12)
        assert row["p90"] == pytest.approx(rows["line04_max"].quantile(0.9), rel=1e-12)


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_shows_what_its_cells_show(executed, theme, tmp_path):
    """Tables, bars and plots: no console message, no request; in the dark they are as readable as in the light."""
    name, content, _ = executed
    page = tmp_path / "notebook.html"
    page.write_text(as_page(content), encoding="utf-8")
    assert visit(page, tmp_path / f"{name}-{theme}.png", theme, 3000) == Visit([], [])


def as_page(content) -> str:
    """The cells and what they show, one below the other, as Jupyter lays them out."""
    parts = []
    for cell in content.cells:
        parts.append(f"<pre>{escape(cell.source)}</pre>")
        parts += [shown(output) for output in cell.get("outputs", [])]
    style = ":root{color-scheme:light dark}body{font:14px sans-serif}pre{background:#8882;white-space:pre-wrap}"
    return f'<!DOCTYPE html><meta charset="utf-8"><title>Notebook</title><style>{style}</style>{"".join(parts)}'


def shown(output) -> str:
    """The richest form of an output that needs no JavaScript."""
    data = output.get("data", {})
    if "text/html" in data:
        return f"<div>{data['text/html']}</div>"
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{data["image/png"].strip()}">'
    return f"<pre>{escape(output.get('text') or data.get('text/plain', ''))}</pre>"
