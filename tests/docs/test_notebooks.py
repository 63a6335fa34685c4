"""The example notebooks run from the first cell to the last in a copy of their folder, and are stored bare."""

from __future__ import annotations

import shutil

import pytest

from docs_pages import ROOT

nbformat = pytest.importorskip("nbformat", reason="comes with the extra test")
nbclient = pytest.importorskip("nbclient", reason="comes with the extra test")

EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
NEEDED = {
    "lngc_batch.ipynb": "digitalmodel",
    "standard_batch.ipynb": "digitalmodel",
    "own_function.ipynb": "matplotlib",
}


def read(notebook):
    return nbformat.read(notebook, as_version=4)


def test_there_is_one_for_each_of_the_four_stories():
    """Two digitalmodel batches, a function of one's own, a machine that one does not have."""
    assert [notebook.stem for notebook in NOTEBOOKS] == ["lngc_batch", "own_function", "standard_batch", "what_if"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_without_outputs(notebook):
    """So a change of the code is a change of the file, and nothing else is."""
    cells = [cell for cell in read(notebook).cells if cell.cell_type == "code"]
    assert cells
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_the_first_cell_to_the_last(notebook, tmp_path, monkeypatch):
    """In a kernel of its own; an exception in any cell fails here with that cell's text."""
    pytest.importorskip(NEEDED.get(notebook.name, "nbclient"), reason="what the notebook uses is not installed")
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("sims", "results", "logs", "__pycache__"))
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / "state"))
    content = read(notebook)
    nbclient.NotebookClient(content, timeout=500, resources={"metadata": {"path": str(folder)}}).execute()
    shown = [output for cell in content.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not any(output.output_type == "error" for output in shown)
    assert any("text/html" in output.get("data", {}) for output in shown), "no table shows itself"
