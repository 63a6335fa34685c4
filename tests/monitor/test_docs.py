"""The page about monitoring does what it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orcabatch import simulated

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"


def test_every_block_of_the_page_runs_in_order(tmp_path, monkeypatch, capsys):
    """In an empty folder; the blocks build on each other as a reader would type them."""
    pytest.importorskip("pandas", reason="comes with digitalmodel's dependencies")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sims").mkdir()
    sim = simulated.write_sim(tmp_path / "sims" / "a.sim", simulated.SimSpec())
    names: dict[str, object] = {"files": [sim], "my_function": lambda model: 1.0}
    simulated.install()
    try:
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
            exec(block, names)  # noqa: S102 - the page's own code is what is tested
    finally:
        simulated.uninstall()
    assert capsys.readouterr().out.startswith("IO_BOUND\nIO_BOUND: I/O waiting 35%")
    assert json.loads((tmp_path / "my_metrics.json").read_text(encoding="utf-8"))["schema_version"] == 1
    assert "Batch report" in (tmp_path / "report.html").read_text(encoding="utf-8")
