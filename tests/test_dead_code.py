"""What nothing uses is not kept: vulture over the sources, against the reviewed list in pyproject.toml."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("vulture", reason="vulture is not installed; the extra orcabatch[test] has it")

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["vulture"]


def unused(config: Path, *paths: Path) -> list[str]:
    """What vulture says, line by line."""
    command = [sys.executable, "-m", "vulture", "--config", str(config), *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()


def without_list(folder: Path) -> Path:
    """The same settings without the list of names."""
    config = folder / "vulture.toml"
    config.write_text(f"[tool.vulture]\nmin_confidence = {SETTINGS['min_confidence']}\n", encoding="utf-8")
    return config


def test_nothing_in_the_sources_is_unused() -> None:
    """Delete what is named here; only what is public, or called by name from outside, belongs on the list."""
    assert unused(ROOT / "pyproject.toml") == []


def test_every_name_on_the_list_would_be_reported_without_it(tmp_path: Path) -> None:
    """A name whose code has gone, or is used by now, goes from the list: it would hide the next one of that name."""
    said = "\n".join(unused(without_list(tmp_path), ROOT / "src"))
    reported = set(re.findall(r"unused \w+ '(\w+)'", said))
    assert [name for name in SETTINGS["ignore_names"] if name not in reported] == []


def test_new_dead_code_is_found(tmp_path: Path) -> None:
    """A function that nobody calls is named, with its file."""
    (tmp_path / "left_over.py").write_text("def nobody_calls_it():\n    pass\n", encoding="utf-8")
    (line,) = unused(ROOT / "pyproject.toml", tmp_path)
    assert "left_over.py:1: unused function 'nobody_calls_it'" in line
