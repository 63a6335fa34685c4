"""The workflows run what the README says."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def steps(job: str) -> list[str]:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    return [step["run"].strip() for step in workflow["jobs"][job]["steps"] if "run" in step]


def test_windows_runs_the_readmes_command_word_for_word():
    """What a new user types in PowerShell is what is tried there on every push."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = steps("readme-on-windows")
    assert f"`{command}`" in readme


def test_both_systems_run_all_tests_with_lowest_and_newest_dependencies():
    """Four Pythons on each, and the oldest pair of numpy and pandas."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    assert set(matrix["os"]) == {"ubuntu-latest", "windows-latest"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert {each["os"] for each in matrix["include"] if each["dependencies"] == "lowest"} == set(matrix["os"])
    assert "python -m pytest -n 2" in steps("tests")
