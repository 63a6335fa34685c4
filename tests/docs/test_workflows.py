"""The workflows run what the README says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def jobs(name: str = "tests") -> dict:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))["jobs"]


def steps(job: str) -> list[str]:
    return [step["run"].strip() for step in jobs()[job]["steps"] if "run" in step]


@pytest.mark.parametrize(("job", "begin"), [("readme-on-windows", "py -m venv"), ("readme-with-uv", "uv run .* demo")])
def test_the_readmes_commands_are_run_word_for_word(job, begin):
    """What a new user types in PowerShell, or with uv, is tried on every push; Linux' commands are the gate's."""
    said = re.findall(rf"`({begin}[^`]*)`", README)
    assert steps(job) == said
    assert said


def test_both_systems_run_all_tests_with_lowest_and_newest_dependencies():
    """Four Pythons on each, and the oldest versions that are promised, by the list that the gate goes by."""
    matrix = jobs()["tests"]["strategy"]["matrix"]
    assert set(matrix["os"]) == {"ubuntu-latest", "windows-latest"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert {each["os"] for each in matrix["include"] if each["dependencies"] == "lowest"} == set(matrix["os"])
    assert "python -m pytest -n 2" in steps("tests")
    assert 'python -m pip install -c .ci/oldest.txt ".[digitalmodel,test]"' in steps("tests")


def test_what_doctor_says_there_is_printed_whatever_the_tests_said():
    """A test that fails on Windows is read beside what the machine was."""
    doctor = [step for step in jobs()["tests"]["steps"] if "orcabatch doctor" in step.get("run", "")]
    assert [step["if"] for step in doctor] == ["${{ !cancelled() }}"] * 2


def test_nothing_is_published_that_no_test_has_seen():
    """The tag's own commit runs all tests first, and only the last job may speak for the repository."""
    publish = jobs("publish")
    assert publish["tests"]["uses"] == "./.github/workflows/tests.yml"
    assert (publish["build"]["needs"], publish["publish"]["needs"]) == ("tests", "build")
    assert [name for name, job in publish.items() if "id-token" in job.get("permissions", {})] == ["publish"]


def test_sources_have_the_same_bytes_on_both_systems():
    """Windows' git writes its own line ends unless told otherwise: hashes of code and comparisons would differ."""
    assert "* text=auto eol=lf" in (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
